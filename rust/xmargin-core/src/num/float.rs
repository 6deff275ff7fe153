//! From integers to `f64`: the only place where exactness is given up.

use ruint::Uint;

/// The most decimals a token may have; one that claims more is excluded.
pub const DECIMALS_MAX: u8 = 36;

/// 10^0 to 10^[`DECIMALS_MAX`], each the nearest `f64` (exact up to 10^22).
#[rustfmt::skip]
const POWERS_OF_TEN: [f64; DECIMALS_MAX as usize + 1] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17, 1e18, 1e19, 1e20, 1e21, 1e22, 1e23, 1e24, 1e25, 1e26, 1e27, 1e28, 1e29, 1e30, 1e31, 1e32,
    1e33, 1e34, 1e35, 1e36,
];

/// The `f64` nearest to an unsigned integer of any width, ties to even.
#[must_use]
pub fn nearest<const BITS: usize, const LIMBS: usize>(value: Uint<BITS, LIMBS>) -> f64 {
    f64::from(value)
}

/// `amount` × 10^-`decimals` in token units, within 2 ulp of the exact value (the integer and the
/// power are each rounded to nearest, and so is their quotient).
///
/// # Panics
/// When `decimals` exceeds [`DECIMALS_MAX`].
#[must_use]
pub fn token_units<const BITS: usize, const LIMBS: usize>(
    amount: Uint<BITS, LIMBS>,
    decimals: u8,
) -> f64 {
    nearest(amount) / POWERS_OF_TEN[usize::from(decimals)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::num::U256;
    use proptest::prelude::*;

    /// Rust's own decimal parser rounds correctly and shares nothing with the conversion.
    fn by_decimal_text(value: U256) -> f64 {
        value.to_string().parse().unwrap_or(f64::NAN)
    }

    proptest! {
        #[test]
        fn integers_round_to_the_nearest_float(limbs in any::<[u64; 4]>(), shift in 0_usize..256) {
            let value = U256::from_limbs(limbs) >> shift;
            prop_assert_eq!(nearest(value).to_bits(), by_decimal_text(value).to_bits());
        }

        #[test]
        fn ties_round_to_even(mantissa in 1_u64..(1 << 53), shift in 2_usize..190) {
            let tie = (U256::from(mantissa) << shift) + (U256::ONE << (shift - 1));
            for value in [tie - U256::ONE, tie, tie + U256::ONE] {
                prop_assert_eq!(nearest(value).to_bits(), by_decimal_text(value).to_bits());
            }
        }

        #[test]
        fn token_units_stay_within_two_ulp(limbs in any::<[u64; 4]>(), decimals in 0..=DECIMALS_MAX) {
            let value = U256::from_limbs(limbs);
            let exact: f64 = format!("{value}e-{decimals}").parse()?;
            let found = token_units(value, decimals);
            prop_assert!(found.to_bits().abs_diff(exact.to_bits()) <= 2, "{found:e} {exact:e}");
        }
    }

    #[test]
    fn the_edges_convert() {
        assert_eq!(nearest(U256::ZERO).to_bits(), 0.0_f64.to_bits());
        assert_eq!(
            nearest(U256::MAX).to_bits(),
            by_decimal_text(U256::MAX).to_bits()
        );
    }
}
