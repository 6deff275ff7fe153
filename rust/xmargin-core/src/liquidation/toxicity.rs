//! Whether a liquidation helps the account it is done to.
//!
//! Repaying d of debt D seizes d(1 + β) of a collateral with liquidation threshold LT. With health
//! `H = Σ LTᵢ Cᵢ ÷ D`, the health afterwards is (HD − LT(1 + β)d) ÷ (D − d), which is below H exactly
//! when `H < LT(1 + β)`, for every d: no part is better than the whole. Where β > 1/LT − 1 this is
//! so of every account below 1. Such a liquidation is *toxic* (Warmuz, Chaudhary and Pinna 2022):
//! it spirals, and is not proposed as is.

use crate::Error;
use crate::num::U256;
use crate::num::fixed::{BASIS_POINTS, add, mul};

/// What a liquidation does to the health factor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// It raises the health factor, or leaves it.
    Heals,
    /// It lowers the health factor, whatever part of it is done.
    Toxic,
}

/// The effect of seizing a collateral, decided in integers without a division.
///
/// `weighted_collateral` is Σ of value × liquidation threshold in basis points over *all*
/// collateral, `debt` all debt, both in the venue's base currency; the threshold and the bonus
/// (500: five percent on top) are those of the collateral seized, in basis points.
///
/// # Errors
/// [`Error::Overflow`] where a product leaves 256 bits.
///
/// ```
/// # use xmargin_core::liquidation::toxicity::{Effect, effect};
/// # use xmargin_core::num::U256;
/// # fn main() -> Result<(), xmargin_core::Error> {
/// let bps = |value: u64| U256::from(value);
/// // Threshold 80 %, bonus 5 %: the border is a health factor of 0.84, collateral 105 % of debt.
/// let weighted = |collateral: u64| bps(8_000 * collateral);
/// assert_eq!(effect(weighted(105), bps(100), bps(8_000), bps(500))?, Effect::Heals);
/// assert_eq!(effect(weighted(104), bps(100), bps(8_000), bps(500))?, Effect::Toxic);
/// # Ok(())
/// # }
/// ```
pub fn effect(
    weighted_collateral: U256,
    debt: U256,
    threshold_bps: U256,
    bonus_bps: U256,
) -> Result<Effect, Error> {
    let seized_per_debt = mul(threshold_bps, add(BASIS_POINTS, bonus_bps)?)?;
    let is_toxic = mul(weighted_collateral, BASIS_POINTS)? < mul(seized_per_debt, debt)?;
    Ok(if is_toxic {
        Effect::Toxic
    } else {
        Effect::Heals
    })
}

/// Whether the bonus makes every account below a health factor of one toxic: β > 1/LT − 1.
///
/// # Errors
/// [`Error::Overflow`] where a product leaves 256 bits.
pub fn is_toxic_below_one(threshold_bps: U256, bonus_bps: U256) -> Result<bool, Error> {
    let seized_per_debt = mul(threshold_bps, add(BASIS_POINTS, bonus_bps)?)?;
    Ok(seized_per_debt > mul(BASIS_POINTS, BASIS_POINTS)?)
}
