//! Weights and ratios that worsen with the size of a position.
//!
//! Sizes are in 10⁻⁹; √(10 × size + 1) is then in 10⁻⁵.
//!
//! ```text
//! dearer    max(w, w - ⌊w ÷ 5⌋ + ⌊√(10 × size + 1) × factor ÷ 10⁷⌋)          liabilities, ratios
//! cheaper   min(w, ⌊1.1 × 10⁴ × 10⁶ ÷ (10⁶ + ⌊√(10 × size + 1) × factor ÷ 10⁵⌋)⌋)      assets
//! ```

use super::{BASE, Kind, PerpMarket, SpotMarket, WEIGHT, scale};
use crate::Error;
use crate::num::signed::{add, mul, sub};

const FACTOR: i128 = 1_000_000;
const PERCENTAGE: i128 = 1_000_000;
const ROOT: i128 = 100_000;

fn root(size: i128) -> Result<i128, Error> {
    Ok(add(mul(size, 10)?, 1)?.max(0).isqrt())
}

/// `calculate_size_premium_liability_weight`, not bounded from below.
fn premium(size: i128, factor: i128, weight: i128) -> Result<i128, Error> {
    let grown = scale(root(size)?, factor, ROOT * FACTOR / WEIGHT)?;
    narrow(add(sub(weight, weight / 5)?, grown)?)
}

/// A liability's weight or a margin ratio at a size.
pub(super) fn dearer(size: i128, factor: i128, weight: i128) -> Result<i128, Error> {
    if factor == 0 {
        return Ok(weight);
    }
    Ok(premium(size, factor, weight)?.max(weight))
}

/// An asset's weight at a size (`calculate_size_discount_asset_weight`).
pub(super) fn cheaper(size: i128, factor: i128, weight: i128) -> Result<i128, Error> {
    if factor == 0 {
        return Ok(weight);
    }
    let grown = add(FACTOR, scale(root(size)?, factor, ROOT)?)?;
    Ok(scale(FACTOR + FACTOR / 10, WEIGHT, grown)?.min(weight))
}

/// The program keeps weights in 32 bits.
fn narrow(weight: i128) -> Result<i128, Error> {
    u32::try_from(weight)
        .map(i128::from)
        .map_err(|_| Error::Overflow {
            operation: "a weight of 32 bits",
        })
}

fn size_of_tokens(amount: i128, decimals: u32) -> Result<i128, Error> {
    let unit = super::spot::unit(decimals)?;
    if unit > BASE {
        Ok(amount / (unit / BASE))
    } else {
        scale(amount, BASE, unit)
    }
}

/// The weight of a deposit of `amount` token units at `price`.
pub(super) fn asset_weight(
    market: &SpotMarket,
    amount: i128,
    price: i128,
    kind: Kind,
) -> Result<i128, Error> {
    let size = size_of_tokens(amount, market.decimals)?;
    let weight = match kind {
        Kind::Initial => initial_asset_weight(market, price)?,
        Kind::Maintenance => market.asset_weights[1],
    };
    cheaper(size, market.size_factor, weight)
}

/// `get_scaled_initial_asset_weight`: all deposits together lower it.
fn initial_asset_weight(market: &SpotMarket, price: i128) -> Result<i128, Error> {
    let weight = market.asset_weights[0];
    if market.scale_start == 0 {
        return Ok(weight);
    }
    let deposits = super::spot::deposit_amount(market.deposit_balance, market)?;
    let value = super::spot::value(deposits, market.decimals, price)?;
    if value < market.scale_start {
        return Ok(weight);
    }
    scale(weight, market.scale_start, value)
}

/// The weight of a borrow of `amount` token units.
pub(super) fn liability_weight(
    market: &SpotMarket,
    amount: i128,
    kind: Kind,
) -> Result<i128, Error> {
    let size = size_of_tokens(amount, market.decimals)?;
    let weight = match kind {
        Kind::Initial => market.liability_weights[0],
        Kind::Maintenance => market.liability_weights[1],
    };
    dearer(size, market.size_factor, weight)
}

/// A perp's margin ratio at a size (`PerpMarket::get_margin_ratio`).
pub(super) fn margin_ratio(
    market: &PerpMarket,
    size: i128,
    kind: Kind,
    high_leverage: bool,
) -> Result<i128, Error> {
    let is_high = high_leverage && market.high_leverage_ratios.iter().all(|&ratio| ratio > 0);
    let ratios = if is_high {
        market.high_leverage_ratios
    } else {
        market.ratios
    };
    match kind {
        Kind::Maintenance => dearer(size, market.size_factor, ratios[1]),
        Kind::Initial if is_high => high_leverage_ratio(market, size),
        Kind::Initial => dearer(size, market.size_factor, ratios[0]),
    }
}

/// `calc_high_leverage_mode_initial_margin_ratio_from_size`: the lower ratio holds for small sizes
/// and gives way to the ordinary one.
fn high_leverage_ratio(market: &PerpMarket, size: i128) -> Result<i128, Error> {
    let (ordinary, lower) = (market.ratios[0], market.high_leverage_ratios[0]);
    let sized = if market.size_factor == 0 {
        ordinary
    } else {
        premium(size, market.size_factor, ordinary)?
    };
    if sized > ordinary {
        return Ok(sized);
    }
    if sized == ordinary {
        return Ok(lower);
    }
    let discount = scale(sub(ordinary, sized)?, PERCENTAGE, ordinary / 5)?;
    let kept = sub(PERCENTAGE, discount)?.max(0);
    let delta = sub(ordinary, lower)?.max(1);
    add(scale(delta, kept, PERCENTAGE)?, lower)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn weights_at_sizes_are_those_of_the_programs_own_tests() -> Result<(), Error> {
        // `math/margin/tests.rs`: a weight of 1.2 grows with a factor of 0.000055.
        assert_eq!(dearer(500_000 * BASE, 0, 12_000)?, 12_000);
        assert_eq!(cheaper(0, 50, 9_000)?, 9_000);
        // √(10 × 10⁹ + 1) = 10⁵: the premium is the factor itself, 10⁶ ÷ 100.
        assert_eq!(dearer(BASE, FACTOR, 10_000)?, 8_000 + 10_000);
        assert_eq!(cheaper(BASE, FACTOR, 9_000)?, 5_500);
        Ok(())
    }

    proptest! {
        #[test]
        fn size_never_helps(
            size in 0..1_i128 << 80, more in 0..1_i128 << 60, factor in 0..1_i128 << 24,
            weight in 0_i128..20_000
        ) {
            prop_assert!(dearer(size, factor, weight).ok() <= dearer(size + more, factor, weight).ok()
                || dearer(size + more, factor, weight).is_err());
            prop_assert!(cheaper(size, factor, weight)? >= cheaper(size + more, factor, weight)?);
        }
    }
}
