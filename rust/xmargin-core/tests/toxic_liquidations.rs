//! A toxic liquidation lowers health whatever part is done; any other never does.

use proptest::prelude::*;
use xmargin_core::liquidation::toxicity::{Effect, effect, is_toxic_below_one};
use xmargin_core::num::U256;

/// Cross-multiplied health after and before: (W − LT(1 + β)d) · D against W · (D − d), in 10⁴ parts.
fn lowers_health(weighted: u128, debt: u128, threshold: u128, bonus: u128, repaid: u128) -> bool {
    let big = |value: u128| U256::from(value);
    let seized = big(threshold) * big(10_000 + bonus) * big(repaid);
    // Both sides plus seized · D, so that nothing is negative.
    big(weighted) * big(10_000) * big(debt)
        < big(weighted) * big(10_000) * big(debt - repaid) + seized * big(debt)
}

proptest! {
    #[test]
    fn toxic_is_what_lowers_health_by_every_part(
        weighted in 0_u128..1 << 80, debt in 1_u128..1 << 66, threshold in 0_u128..=10_000,
        bonus in 0_u128..=10_000, part in 1_u128..=1000,
    ) {
        let repaid = (debt * part / 1000).max(1);
        let [w, d, t, b] = [weighted, debt, threshold, bonus].map(U256::from);
        let found = effect(w, d, t, b)? == Effect::Toxic;
        prop_assert_eq!(found, lowers_health(weighted, debt, threshold, bonus, repaid));
    }

    #[test]
    fn a_bonus_above_its_border_is_toxic_to_every_account_below_one(
        debt in 1_u128..1 << 66, threshold in 1_u128..=10_000, bonus in 0_u128..=10_000,
    ) {
        // Health just below one: Σ LT C one unit short of D.
        let [d, t, b] = [debt, threshold, bonus].map(U256::from);
        if is_toxic_below_one(t, b)? {
            let weighted = d * U256::from(10_000) - U256::ONE;
            prop_assert_eq!(effect(weighted, d, t, b)?, Effect::Toxic);
        }
    }
}

#[test]
fn what_leaves_256_bits_is_an_error() {
    assert!(effect(U256::MAX, U256::ONE, U256::ONE, U256::ONE).is_err());
}
