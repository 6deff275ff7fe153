//! Drift v2 perp liquidations: size-scaled margin ratio, buffer, fees and the partial share.
//!
//! Source: drift-labs/protocol-v2, `math/liquidation.rs`
//! (`calculate_base_asset_amount_to_cover_margin_shortage`, `calculate_perp_if_fee`,
//! `calculate_max_pct_to_liquidate`), `math/margin.rs` (`calculate_size_premium_liability_weight`)
//! and `controller/liquidation.rs` (`liquidate_perp`). Precisions: base 10⁹, quote and prices 10⁶,
//! ratios and shares 10⁴, fees 10⁶. Divisions round down unless said; sizes round up to steps.
//!
//! ```text
//! ratio        max(r, ⌊r - ⌊r ÷ 5⌋ + √(10 × size + 1) × imf ÷ 10⁷⌋)       larger is dearer
//! shortage     Σ value × (ratio + buffer) - collateral
//! to cover     shortage ÷ (price × (ratio + buffer - fee - fund's fee))
//! share        min(1, slots ÷ duration + initial share), less what was freed already
//! fund's fee   min(its cap, 95 % of ratio + buffer - fee - shortage ÷ value)
//! ```

use super::{Legs, Proposal, Verdict};
use crate::Error;
use crate::num::U256;
use crate::num::signed::{
    add, health_wad, is_lower_ratio, mul, mul_div_ceil, mul_div_truncated, sub,
};

const BASE: i128 = 1_000_000_000;
const PRICE: i128 = 1_000_000;
const RATIO: i128 = 10_000;
const FEE: i128 = 1_000_000;
/// Fees have a hundred times the precision of ratios.
const FEE_PER_RATIO: i128 = FEE / RATIO;
/// Fifty quote units: a smaller shortage is covered at once.
const SMALL_SHORTAGE: i128 = 50_000_000;
/// Square roots of sizes come in 10⁻⁵, the size factor in 10⁻⁶, ratios in 10⁻⁴.
const SIZE_PREMIUM_UNIT: i128 = 10_000_000;

/// A perp position with its market's price and parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Base amount; negative: short.
    pub base: i128,
    /// Oracle price.
    pub price: i128,
    /// Maintenance margin ratio of a small position.
    pub maintenance_ratio: i128,
    /// How fast the ratio grows with size.
    pub size_factor: i128,
    /// The liquidator's fee.
    pub liquidator_fee: i128,
    /// The most the insurance fund takes.
    pub fund_fee_max: i128,
    /// Sizes are multiples of it.
    pub step: i128,
}

/// A user with the state of the liquidation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Collateral beside the base of the positions: weighted deposits, quote amounts.
    pub cash: i128,
    /// Price of the quote token.
    pub quote_price: i128,
    /// Its positions.
    pub positions: Vec<Position>,
    /// What must be freed beyond the requirement.
    pub buffer_ratio: i128,
    /// Share of the shortage that may be freed at once.
    pub initial_share: i128,
    /// Slots over which the share grows to the whole; 0: at once.
    pub duration_slots: i128,
    /// Slots since the user was last active.
    pub elapsed_slots: i128,
    /// What this liquidation has freed so far, in quote.
    pub margin_freed: i128,
}

#[derive(Debug, Clone, Copy)]
struct Standing {
    collateral: i128,
    requirement: i128,
    with_buffer: i128,
}

impl Position {
    /// The maintenance ratio of this size.
    ///
    /// # Errors
    /// [`Error::Overflow`] where a product does not fit.
    pub fn ratio(&self) -> Result<i128, Error> {
        if self.size_factor == 0 {
            return Ok(self.maintenance_ratio);
        }
        let size = self.base.unsigned_abs();
        let root = size
            .checked_mul(10)
            .and_then(|tenfold| tenfold.checked_add(1))
            .and_then(|square| i128::try_from(square.isqrt()).ok())
            .ok_or(Error::Overflow {
                operation: "root of the size",
            })?;
        let least = sub(self.maintenance_ratio, self.maintenance_ratio / 5)?;
        let premium = mul_div_truncated(root, self.size_factor, SIZE_PREMIUM_UNIT)?;
        Ok(add(least, premium)?.max(self.maintenance_ratio))
    }

    fn value(&self, base: i128, quote_price: i128) -> Result<i128, Error> {
        let quote = mul_div_truncated(base.saturating_abs(), self.price, BASE)?;
        mul_div_truncated(quote, quote_price, PRICE)
    }

    fn round_up(&self, base: i128) -> Result<i128, Error> {
        mul(mul_div_ceil(base, 1, self.step)?, self.step)
    }
}

impl Account {
    fn standing(&self) -> Result<Standing, Error> {
        let mut standing = Standing {
            collateral: self.cash,
            requirement: 0,
            with_buffer: 0,
        };
        for position in &self.positions {
            let value = position.value(position.base, self.quote_price)?;
            let requirement = mul_div_truncated(value, position.ratio()?, RATIO)?;
            let buffer = mul_div_truncated(value, self.buffer_ratio, RATIO)?;
            let signed = mul(position.base.signum(), value)?;
            standing.collateral = add(standing.collateral, signed)?;
            standing.requirement = add(standing.requirement, requirement)?;
            standing.with_buffer = add(standing.with_buffer, add(requirement, buffer)?)?;
        }
        Ok(standing)
    }

    /// The share of the shortage that may be freed now.
    ///
    /// # Errors
    /// [`Error::Overflow`] where a product does not fit.
    pub fn share(&self, shortage: i128) -> Result<i128, Error> {
        if shortage < SMALL_SHORTAGE {
            return Ok(RATIO);
        }
        let grown = if self.duration_slots == 0 {
            RATIO
        } else {
            mul_div_truncated(self.elapsed_slots, RATIO, self.duration_slots)?
        };
        let share = add(grown, self.initial_share)?.min(RATIO);
        let whole = add(shortage, self.margin_freed)?;
        let freeable = sub(mul_div_truncated(whole, share, RATIO)?, self.margin_freed)?;
        mul_div_truncated(freeable.max(0), RATIO, shortage)
    }
}

/// The base amount whose closing covers the shortage; `None`: closing frees nothing.
///
/// # Errors
/// [`Error::Overflow`] where a product does not fit, or the fund's fee eats what is freed.
pub fn base_to_cover(
    shortage: i128,
    ratio: i128,
    fees: (i128, i128),
    prices: (i128, i128),
) -> Result<Option<i128>, Error> {
    let ((liquidator_fee, fund_fee), (price, quote_price)) = (fees, prices);
    let margin = mul(ratio, FEE_PER_RATIO)?;
    if price == 0 || margin <= liquidator_fee {
        return Ok(None);
    }
    let in_quote = mul_div_truncated(price, quote_price, PRICE)?;
    let freed = mul_div_truncated(in_quote, margin - liquidator_fee, FEE)?;
    let per_base = sub(freed, mul_div_truncated(price, fund_fee, FEE)?)?;
    if per_base <= 0 {
        return Ok(None);
    }
    mul_div_truncated(shortage, BASE, per_base).map(Some)
}

/// The insurance fund's fee: what the margin leaves of it, at most its cap.
///
/// # Errors
/// [`Error::Overflow`] where a product does not fit.
pub fn fund_fee(
    shortage: i128,
    position: &Position,
    ratio: i128,
    quote_price: i128,
) -> Result<i128, Error> {
    let margin = mul(ratio, FEE_PER_RATIO)?;
    let price = mul_div_truncated(position.price, quote_price, PRICE)?;
    if price == 0 || position.base == 0 || margin <= position.liquidator_fee {
        return Ok(0);
    }
    let per_base = mul_div_truncated(shortage, BASE, position.base.saturating_abs())?;
    let needed = mul_div_truncated(per_base, PRICE, price)?;
    let left = sub(margin - position.liquidator_fee, needed)?.max(0);
    Ok(mul_div_truncated(left, 19, 20)?.min(position.fund_fee_max))
}

/// What liquidating position `at` does, or the one that requires most, the first of several;
/// `base_max` is the most the liquidator takes.
///
/// # Errors
/// [`Error::Overflow`] where an amount does not fit.
pub fn propose(account: &Account, chosen: Option<(usize, i128)>) -> Result<Proposal, Error> {
    let before = account.standing()?;
    let health = health_wad(before.collateral, before.requirement)?;
    if before.collateral >= before.requirement {
        return Ok(Proposal::without_legs(Verdict::NotDue, health));
    }
    if before.requirement == 0 {
        let verdict = Verdict::Refused("nothing is left to close: the loss is to be absorbed");
        return Ok(Proposal::without_legs(verdict, health));
    }
    let (at, base_max) = match chosen {
        Some(chosen) => chosen,
        None => (largest(account)?, i128::MAX),
    };
    if at >= account.positions.len() {
        let verdict = Verdict::Refused("there is no such position");
        return Ok(Proposal::without_legs(verdict, health));
    }
    let closing = closing(account, &before, at, base_max)?;
    if closing.base == 0 {
        let verdict = Verdict::Refused("no more of the shortage may be freed yet");
        return Ok(Proposal::without_legs(verdict, health));
    }
    let mut after = account.clone();
    let position = &mut after.positions[at];
    let direction = position.base.signum();
    position.base = sub(position.base, mul(direction, closing.base)?)?;
    after.cash = sub(add(after.cash, closing.quote)?, closing.fund)?;
    let rest = after.standing()?;
    // Where nothing is left to require margin, only a loss that was not there is a fall.
    let is_toxic = if rest.requirement == 0 {
        before.collateral >= 0 && rest.collateral < 0
    } else {
        is_lower_ratio(
            (before.collateral, before.requirement),
            (rest.collateral, rest.requirement),
        )
    };
    let is_bankrupt = rest.requirement == 0 && rest.collateral < 0;
    let amount = |value: i128| U256::from(value.unsigned_abs());
    Ok(Proposal {
        verdict: Verdict::proposed_unless(is_toxic),
        health_before_wad: health,
        health_after_wad: health_wad(rest.collateral, rest.requirement)?,
        legs: Some(Legs {
            closes: at,
            takes: None,
            cover: amount(closing.base),
            repaid: amount(closing.base),
            seized: amount(closing.quote),
            fee: amount(closing.fund),
            deficits: Vec::from_iter(is_bankrupt.then(|| (at, amount(rest.collateral)))),
        }),
    })
}

/// Base closed, quote the user gets for it (negative: pays), what the fund takes.
struct Closing {
    base: i128,
    quote: i128,
    fund: i128,
}

fn closing(
    account: &Account,
    standing: &Standing,
    at: usize,
    base_max: i128,
) -> Result<Closing, Error> {
    let position = &account.positions[at];
    let ratio = add(position.ratio()?, account.buffer_ratio)?;
    let shortage = sub(standing.with_buffer, standing.collateral)?;
    let value = position.value(position.base, account.quote_price)?;
    let own_requirement = mul_div_truncated(value, position.ratio()?, RATIO)?;
    let own_shortage = mul_div_truncated(shortage, own_requirement, standing.requirement)?;
    let fund_fee = fund_fee(own_shortage, position, ratio, account.quote_price)?;
    let fees = (position.liquidator_fee, fund_fee);
    let prices = (position.price, account.quote_price);
    let held = position.base.saturating_abs();
    let to_cover = match base_to_cover(shortage, ratio, fees, prices)? {
        Some(base) => position.round_up(base)?,
        None => held,
    };
    let allowed = mul_div_truncated(to_cover, account.share(shortage)?, RATIO)?;
    let base = position
        .round_up(held.min(base_max).min(allowed))?
        .min(held);
    let value = position.value(base, account.quote_price)?;
    let direction = position.base.signum();
    let multiplier = sub(FEE, mul(direction, position.liquidator_fee)?)?;
    Ok(Closing {
        base,
        quote: mul(direction, mul_div_truncated(value, multiplier, FEE)?)?,
        fund: mul_div_truncated(value, fund_fee, FEE)?,
    })
}

fn largest(account: &Account) -> Result<usize, Error> {
    let mut found = (0, -1);
    for (at, position) in account.positions.iter().enumerate() {
        let value = position.value(position.base, account.quote_price)?;
        let requirement = mul(value, position.ratio()?)?;
        if requirement > found.1 {
            found = (at, requirement);
        }
    }
    Ok(found.0)
}

#[cfg(test)]
mod tests {
    //! The literal numbers of upstream's `math/liquidation/tests.rs`.

    use super::*;

    const QUOTE: i128 = 1_000_000;
    const HUNDRED: i128 = 100 * PRICE;

    fn position(base: i128) -> Position {
        Position {
            base,
            price: HUNDRED,
            maintenance_ratio: 500,
            size_factor: 0,
            liquidator_fee: FEE / 100,
            fund_fee_max: FEE / 20,
            step: 1,
        }
    }

    #[test]
    fn base_amounts_are_those_of_upstream() -> Result<(), Error> {
        let cover = |fees, quote| base_to_cover(10 * QUOTE, RATIO / 10, fees, (HUNDRED, quote));
        assert_eq!(cover((0, 0), PRICE)?, Some(BASE));
        assert_eq!(cover((0, 0), 990_000)?, Some(1_010_101_010));
        assert_eq!(cover((0, 0), 1_010_000)?, Some(990_099_009));
        assert_eq!(cover((FEE / 100, 0), PRICE)?, Some(BASE * 10 / 9));
        assert_eq!(cover((FEE / 100, FEE / 100), PRICE)?, Some(1_250_000_000));
        assert_eq!(cover((FEE / 10, 0), PRICE)?, None);
        Ok(())
    }

    #[test]
    fn the_funds_fees_are_those_of_upstream() -> Result<(), Error> {
        let fee = |shortage| fund_fee(shortage, &position(10 * BASE), 500, PRICE);
        assert_eq!(fee(20 * QUOTE)?, 19_000);
        assert_eq!(fee(QUOTE)?, 37_050);
        assert_eq!(fee(1000 * QUOTE)?, 0);
        Ok(())
    }

    #[test]
    fn a_small_shortage_is_covered_at_once() -> Result<(), Error> {
        let account = Account {
            cash: 0,
            quote_price: PRICE,
            positions: Vec::new(),
            buffer_ratio: 0,
            initial_share: RATIO / 10,
            duration_slots: 10,
            elapsed_slots: 1,
            margin_freed: 0,
        };
        assert_eq!(account.share(49 * QUOTE)?, RATIO);
        assert_eq!(account.share(50 * QUOTE)?, RATIO / 5);
        Ok(())
    }

    #[test]
    fn the_ratio_grows_with_the_root_of_the_size() -> Result<(), Error> {
        let of = |base| {
            Position {
                size_factor: 1_000,
                ..position(base)
            }
            .ratio()
        };
        assert_eq!(of(BASE)?, 500);
        // 10,000 coins: a root of 100 coins' worth, 100 × 10⁵ × 1,000 ÷ 10⁷ = 1,000 on four fifths.
        assert_eq!(of(10_000 * BASE)?, 400 + 1_000);
        Ok(())
    }
}
