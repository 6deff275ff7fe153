//! Aave v4 liquidations: as much debt as brings health to its target, at a bonus that grows as
//! health falls.
//!
//! Source: aave/aave-v4, `src/spoke/libraries/LiquidationLogic.sol` (`calculateLiquidationBonus`,
//! `_calculateDebtToTargetHealthFactor`, `_calculateDebtToLiquidate`,
//! `_calculateCollateralToLiquidate`). With T the target, H health, CF the collateral factor:
//!
//! ```text
//! bonus     H ≤ H_max: b_max;  else b_min + ⌊(b_max - b_min) × (1 - H) ÷ (1 - H_max)⌋
//! b_min     1 + ⌊(b_max - 1) × bonus factor⌋
//! debt      ⌈all debt × (T - H) ÷ (T - ⌈bonus × CF⌉)⌉ in the debt's token; all of it, if less than
//!           1,000 USD would be left
//! collateral ⌊debt × bonus⌋; all of it, if that is more than there is, or if less than 1,000 USD of
//!           both would be left: then the debt is what it pays for, rounded up
//! fee       ⌈collateral × fee × (bonus - 1) ÷ bonus⌉
//! ```
//! Values are those of the oracle (8 decimals); shares and premium debt of the hub are not here, so
//! amounts can differ from the contract's by their rounding.

use super::{Legs, Proposal, Verdict};
use crate::Error;
use crate::liquidation::toxicity::{Effect, effect};
use crate::num::U256;
use crate::num::fixed::{BASIS_POINTS, WAD, add, mul, mul_div_ceil, mul_div_floor, sub};

/// 1,000 USD (`DUST_LIQUIDATION_THRESHOLD`).
const DUST_BASE: U256 = U256::from_limbs([100_000_000_000, 0, 0, 0]);

/// One reserve of the account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Side {
    /// Supplied, or owed, in token units.
    pub amount: U256,
    /// Decimals of the token.
    pub decimals: u8,
    /// Price of one whole token.
    pub price_base: U256,
}

/// An account against one of its collaterals and one of its debts, with the spoke's parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Account {
    /// The collateral to seize.
    pub collateral: Side,
    /// The debt to repay.
    pub debt: Side,
    /// Σ value × collateral factor in basis points of all *other* collateral.
    pub other_weighted: U256,
    /// Value of all other debt.
    pub other_debt_base: U256,
    /// Whether the account has other collateral at all.
    pub has_other_collateral: bool,
    /// Collateral factor of the collateral seized.
    pub factor_bps: U256,
    /// Largest bonus, 10,500 for five percent on top.
    pub bonus_max_bps: U256,
    /// The protocol's share of the bonus.
    pub fee_bps: U256,
    /// T.
    pub target_wad: U256,
    /// `H_max`, at and below which the bonus is largest.
    pub bonus_max_health_wad: U256,
    /// Smallest bonus as a share of the largest.
    pub bonus_factor_bps: U256,
    /// At most so much debt is repaid.
    pub debt_to_cover: U256,
}

impl Side {
    fn unit(&self) -> U256 {
        U256::from(10).wrapping_pow(U256::from(self.decimals))
    }

    fn value(&self, amount: U256) -> Result<U256, Error> {
        mul_div_floor(amount, self.price_base, self.unit())
    }
}

#[derive(Debug, Clone, Copy)]
struct Standing {
    weighted: U256,
    debt_base: U256,
}

impl Standing {
    fn health_wad(&self) -> Result<Option<U256>, Error> {
        if self.debt_base.is_zero() {
            return Ok(None);
        }
        let unit = mul(self.debt_base, BASIS_POINTS)?;
        mul_div_floor(self.weighted, WAD, unit).map(Some)
    }
}

struct Amounts {
    repaid: U256,
    taken: U256,
}

impl Account {
    fn standing(&self, collateral: U256, debt: U256) -> Result<Standing, Error> {
        let weighted = mul(self.collateral.value(collateral)?, self.factor_bps)?;
        let owed = mul_div_ceil(debt, self.debt.price_base, self.debt.unit())?;
        Ok(Standing {
            weighted: add(self.other_weighted, weighted)?,
            debt_base: add(self.other_debt_base, owed)?,
        })
    }

    /// The bonus at a health factor below one.
    ///
    /// # Errors
    /// [`Error::Overflow`] where the largest bonus is below one.
    pub fn bonus_bps(&self, health_wad: U256) -> Result<U256, Error> {
        if health_wad <= self.bonus_max_health_wad {
            return Ok(self.bonus_max_bps);
        }
        let most = sub(self.bonus_max_bps, BASIS_POINTS)?;
        let least = mul_div_floor(most, self.bonus_factor_bps, BASIS_POINTS)?;
        let fallen = sub(WAD, health_wad)?;
        let range = sub(WAD, self.bonus_max_health_wad)?;
        let grown = mul_div_floor(sub(most, least)?, fallen, range)?;
        add(add(BASIS_POINTS, least)?, grown)
    }

    /// Debt that brings health to its target; `None` where no amount does.
    fn debt_to_target(
        &self,
        debt_base: U256,
        health_wad: U256,
        bonus_bps: U256,
    ) -> Result<Option<U256>, Error> {
        let bonus_wad = mul_div_floor(bonus_bps, WAD, BASIS_POINTS)?;
        let penalty = mul_div_ceil(bonus_wad, self.factor_bps, BASIS_POINTS)?;
        if penalty >= self.target_wad {
            return Ok(None);
        }
        let missing = mul(self.debt.unit(), sub(self.target_wad, health_wad)?)?;
        let gained = mul(sub(self.target_wad, penalty)?, self.debt.price_base)?;
        mul_div_ceil(debt_base, missing, gained).map(Some)
    }

    fn amounts(&self, debt_base: U256, health: U256, bonus: U256) -> Result<Amounts, Error> {
        let owed = self.debt.amount;
        let target = self.debt_to_target(debt_base, health, bonus)?;
        let mut repaid = target.unwrap_or(owed).min(owed).min(self.debt_to_cover);
        if self.debt.value(owed - repaid)? < DUST_BASE {
            repaid = owed;
        }
        let per_debt = mul(mul(self.debt.price_base, self.collateral.unit())?, bonus)?;
        let per_collateral = mul(
            mul(self.collateral.price_base, self.debt.unit())?,
            BASIS_POINTS,
        )?;
        let taken = mul_div_floor(repaid, per_debt, per_collateral)?;
        let held = self.collateral.amount;
        let left = self.collateral.value(held.saturating_sub(taken))?;
        let leaves_dust = taken < held && left < DUST_BASE && repaid < owed;
        if taken > held || leaves_dust {
            let paid = mul_div_ceil(held, per_collateral, per_debt)?;
            return Ok(Amounts {
                repaid: paid.min(owed),
                taken: held,
            });
        }
        Ok(Amounts { repaid, taken })
    }
}

/// What liquidating does, as far as the target.
///
/// # Errors
/// [`Error::Overflow`] where the contract would revert.
pub fn propose(account: &Account) -> Result<Proposal, Error> {
    let before = account.standing(account.collateral.amount, account.debt.amount)?;
    let health = before.health_wad()?;
    let Some(factor) = health.filter(|&health| health < WAD) else {
        return Ok(Proposal::without_legs(Verdict::NotDue, health));
    };
    let bonus = account.bonus_bps(factor)?;
    let amounts = account.amounts(before.debt_base, factor, bonus)?;
    if amounts.repaid > account.debt_to_cover {
        let verdict = Verdict::Refused("debt or collateral worth less than 1000 USD would be left");
        return Ok(Proposal::without_legs(verdict, health));
    }
    let collateral = account.collateral.amount - amounts.taken;
    let debt = account.debt.amount - amounts.repaid;
    let ends = collateral.is_zero() && !account.has_other_collateral && !debt.is_zero();
    let after = account.standing(collateral, if ends { U256::ZERO } else { debt })?;
    let health_after_wad = if ends { None } else { after.health_wad()? };
    let by_ratio = effect(
        before.weighted,
        before.debt_base,
        account.factor_bps,
        sub(bonus, BASIS_POINTS)?,
    )?;
    let lowers = health_after_wad.is_some() && health_after_wad < health;
    let is_toxic = health_after_wad.is_some() && (by_ratio == Effect::Toxic || lowers);
    let share = mul(account.fee_bps, sub(bonus, BASIS_POINTS)?)?;
    let fee = mul_div_ceil(amounts.taken, share, mul(bonus, BASIS_POINTS)?)?;
    Ok(Proposal {
        verdict: Verdict::proposed_unless(is_toxic),
        health_before_wad: health,
        health_after_wad,
        legs: Some(Legs {
            closes: 0,
            takes: Some(0),
            cover: account.debt_to_cover,
            repaid: amounts.repaid,
            seized: sub(amounts.taken, fee)?,
            fee,
            deficits: Vec::from_iter(ends.then_some((0, debt))),
        }),
    })
}
