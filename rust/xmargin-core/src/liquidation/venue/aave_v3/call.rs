//! `Pool.liquidationCall`: what it moves, or why it reverts.

use super::account::{Account, Reserve};
use crate::Error;
use crate::num::U256;
use crate::num::fixed::{
    BASIS_POINTS, add, mul, mul_div_ceil, mul_div_floor, percent_div, percent_mul, ray_div, sub,
};
use crate::venue::aave_v3::{Release, is_liquidatable};

/// At or below this health factor all of a debt may be repaid (`CLOSE_FACTOR_HF_THRESHOLD`).
const CLOSE_ALL_HEALTH_WAD: U256 = U256::from_limbs([950_000_000_000_000_000, 0, 0, 0]);

/// Half, in basis points (`DEFAULT_LIQUIDATION_CLOSE_FACTOR`).
const CLOSE_FACTOR_BPS: U256 = U256::from_limbs([5_000, 0, 0, 0]);

/// 2,000 USD: below it, in debt or collateral, all may be repaid
/// (`MIN_BASE_MAX_CLOSE_FACTOR_THRESHOLD`, since 3.3).
const CLOSE_ALL_BASE: U256 = U256::from_limbs([200_000_000_000, 0, 0, 0]);

/// 1,000 USD: what must be left of debt and collateral, if any is (`MIN_LEFTOVER_BASE`, since 3.3).
const LEFTOVER_BASE_MIN: U256 = U256::from_limbs([100_000_000_000, 0, 0, 0]);

/// A call: which collateral for which debt, by their numbers in the account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    /// The reserve seized.
    pub collateral: usize,
    /// The reserve repaid.
    pub debt: usize,
    /// At most so much is repaid, in units of the debt's token.
    pub debt_to_cover: U256,
}

/// What a call moves, in token units.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Liquidation {
    /// Debt repaid by the liquidator.
    pub repaid: U256,
    /// Collateral that the liquidator receives.
    pub seized: U256,
    /// Collateral that the protocol keeps of the bonus.
    pub protocol_fee: U256,
    /// Debt written off, by reserve: no collateral is left for it.
    pub deficits: Vec<(usize, U256)>,
    /// The account afterwards.
    pub after: Account,
}

/// Why there is no such liquidation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// The health factor is one or more, or nothing is owed.
    Healthy,
    /// The user's collateral does not include the reserve.
    NotCollateral,
    /// The user owes nothing there.
    NotBorrowed,
    /// Debt or collateral worth less than 1,000 USD would be left.
    LeavesDust,
    /// The pool has paused or deactivated one of the reserves, or grants one a grace period.
    Halted,
    /// It would move nothing.
    Nothing,
    /// The account has no reserve of that number, or the contract's arithmetic reverts.
    Reverts(Error),
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self::Reverts(error)
    }
}

/// The two reserves of a call and what the user has in them.
pub(super) struct Sides<'a> {
    account: &'a Account,
    collateral: &'a Reserve,
    debt: &'a Reserve,
    supplied: U256,
    owed: U256,
}

/// Collateral in all (the fee included), debt and fee.
pub(super) struct Amounts {
    taken: U256,
    pub repaid: U256,
    protocol_fee: U256,
}

impl<'a> Sides<'a> {
    pub fn new(account: &'a Account, call: &Call) -> Result<Self, Refused> {
        let reserve = |at: usize| {
            account.reserves.get(at).ok_or(Error::Overflow {
                operation: "number of the reserve",
            })
        };
        let (collateral, debt) = (reserve(call.collateral)?, reserve(call.debt)?);
        if !account.is_collateral(collateral) {
            return Err(Refused::NotCollateral);
        }
        let owed = debt.debt(account.release)?;
        if owed.is_zero() {
            return Err(Refused::NotBorrowed);
        }
        if collateral.halted || debt.halted {
            return Err(Refused::Halted);
        }
        let supplied = collateral.supply(account.release)?;
        Ok(Self {
            account,
            collateral,
            debt,
            supplied,
            owed,
        })
    }

    /// How much of the debt one call may repay.
    fn repaid_max(&self, health_wad: U256, debt_base: U256) -> Result<U256, Error> {
        let close_all = health_wad <= CLOSE_ALL_HEALTH_WAD;
        if self.account.release == Release::V3_0 {
            let factor = if close_all {
                BASIS_POINTS
            } else {
                CLOSE_FACTOR_BPS
            };
            return percent_mul(self.owed, factor);
        }
        let owed_base = self.account.debt_value_base(self.debt, self.owed)?;
        let supplied_base = self
            .account
            .supply_value_base(self.collateral, self.supplied)?;
        if close_all || owed_base < CLOSE_ALL_BASE || supplied_base < CLOSE_ALL_BASE {
            return Ok(self.owed);
        }
        // Half of all debts, not of this one.
        let half_base = percent_mul(debt_base, CLOSE_FACTOR_BPS)?;
        if owed_base <= half_base {
            return Ok(self.owed);
        }
        let price = self.account.price_base(self.debt);
        mul_div_floor(half_base, self.debt.risk.unit(), price)
    }

    /// `_calculateAvailableCollateralToLiquidate`: value rounds down, bonus and fee half up.
    pub fn amounts(&self, repaid_at_most: U256) -> Result<Amounts, Error> {
        let (collateral_price, debt_price) = (
            self.account.price_base(self.collateral),
            self.account.price_base(self.debt),
        );
        let (collateral_unit, debt_unit) = (self.collateral.risk.unit(), self.debt.risk.unit());
        let bonus_bps = self.account.bonus_bps(self.collateral);
        let worth = divide(
            mul(mul(debt_price, repaid_at_most)?, collateral_unit)?,
            mul(collateral_price, debt_unit)?,
        )?;
        let wanted = percent_mul(worth, bonus_bps)?;
        let (taken, repaid) = if wanted > self.supplied {
            let worth = divide(
                mul(mul(collateral_price, self.supplied)?, debt_unit)?,
                mul(debt_price, collateral_unit)?,
            )?;
            (self.supplied, self.without_bonus(worth, bonus_bps)?)
        } else {
            (wanted, repaid_at_most)
        };
        let protocol_fee = if self.collateral.protocol_fee_bps == 0 {
            U256::ZERO
        } else {
            let bonus = sub(taken, percent_div(taken, bonus_bps)?)?;
            percent_mul(bonus, U256::from(self.collateral.protocol_fee_bps))?
        };
        sub(taken, protocol_fee)?;
        Ok(Amounts {
            taken,
            repaid,
            protocol_fee,
        })
    }

    /// Half up, or up since 3.5.
    fn without_bonus(&self, worth: U256, bonus_bps: U256) -> Result<U256, Error> {
        match self.account.release {
            Release::V3_0 => percent_div(worth, bonus_bps),
            Release::V3_6 => mul_div_ceil(worth, BASIS_POINTS, bonus_bps),
        }
    }

    /// Whether too little of both debt and collateral is left for anyone to liquidate it.
    pub fn leaves_dust(&self, amounts: &Amounts) -> Result<bool, Error> {
        let ends_a_side = amounts.repaid >= self.owed || amounts.taken >= self.supplied;
        if self.account.release == Release::V3_0 || ends_a_side {
            return Ok(false);
        }
        let debt_left = self
            .account
            .debt_value_base(self.debt, self.owed - amounts.repaid)?;
        let supply_left = self
            .account
            .supply_value_base(self.collateral, self.supplied - amounts.taken)?;
        Ok(debt_left < LEFTOVER_BASE_MIN || supply_left < LEFTOVER_BASE_MIN)
    }
}

fn divide(dividend: U256, divisor: U256) -> Result<U256, Error> {
    dividend.checked_div(divisor).ok_or(Error::Overflow {
        operation: "division",
    })
}

/// What `liquidationCall` does to the account (`executeLiquidationCall`), aTokens or not.
///
/// # Errors
/// [`Refused`] with the reason where the contract would revert.
pub fn liquidation_call(account: &Account, call: &Call) -> Result<Liquidation, Refused> {
    let standing = account.standing()?;
    let health = standing
        .health_factor_wad
        .filter(|&health| is_liquidatable(health))
        .ok_or(Refused::Healthy)?;
    let sides = Sides::new(account, call)?;
    let repaid_max = sides.repaid_max(health, standing.debt_base)?;
    let amounts = sides.amounts(call.debt_to_cover.min(repaid_max))?;
    if sides.leaves_dust(&amounts)? {
        return Err(Refused::LeavesDust);
    }
    let taken_base = account.supply_value_base(sides.collateral, amounts.taken)?;
    let nothing_left = account.release == Release::V3_6 && taken_base == standing.collateral_base;
    settle(&sides, call, &amounts, nothing_left)
}

/// The largest amount to cover that leaves no dust, where the whole of it would.
///
/// What is left falls as more is repaid, so the amounts that leave enough are the smaller ones.
pub(super) fn repaid_without_dust(sides: &Sides<'_>, dusty: U256) -> Result<U256, Error> {
    let (mut clean, mut dusty) = (U256::ZERO, dusty);
    while dusty - clean > U256::ONE {
        let middle = clean + ((dusty - clean) >> 1);
        if sides.leaves_dust(&sides.amounts(middle)?)? {
            dusty = middle;
        } else {
            clean = middle;
        }
    }
    Ok(clean)
}

fn settle(
    sides: &Sides<'_>,
    call: &Call,
    amounts: &Amounts,
    nothing_left: bool,
) -> Result<Liquidation, Refused> {
    let release = sides.account.release;
    let mut after = sides.account.clone();
    let mut liquidation = Liquidation {
        repaid: amounts.repaid,
        seized: amounts.taken - amounts.protocol_fee,
        protocol_fee: amounts.protocol_fee,
        deficits: Vec::new(),
        after: after.clone(),
    };
    let burned = if nothing_left {
        sides.owed
    } else {
        amounts.repaid
    };
    repay(&mut after.reserves[call.debt], release, burned)?;
    if nothing_left && sides.owed > amounts.repaid {
        let written_off = sides.owed - amounts.repaid;
        liquidation.deficits.push((call.debt, written_off));
    }
    let collateral = &mut after.reserves[call.collateral];
    if amounts.taken == sides.supplied {
        collateral.as_collateral = false;
    }
    liquidation.protocol_fee = seize(collateral, release, &liquidation)?;
    if nothing_left {
        write_off(&mut after, &mut liquidation)?;
    }
    liquidation.after = after;
    Ok(liquidation)
}

/// Variable debt first, then stable (`_burnDebtTokens`).
fn repay(reserve: &mut Reserve, release: Release, amount: U256) -> Result<(), Refused> {
    let owed = reserve.debt(release)?;
    let variable = reserve.variable_debt(release)?.min(amount);
    if !variable.is_zero() || amount.is_zero() {
        let scaled = release.debt_scaled(variable, reserve.debt_index)?;
        if scaled.is_zero() {
            return Err(Refused::Nothing);
        }
        reserve.debt_scaled = sub(reserve.debt_scaled, scaled)?;
    }
    reserve.stable_debt = sub(reserve.stable_debt, amount - variable)?;
    let ends = match release {
        Release::V3_0 => amount == owed,
        Release::V3_6 => reserve.debt_scaled.is_zero(),
    };
    if ends {
        reserve.borrowing = false;
    }
    Ok(())
}

/// Takes the liquidator's part and the fee; the fee that the balance, rounded, still bears.
fn seize(
    reserve: &mut Reserve,
    release: Release,
    liquidation: &Liquidation,
) -> Result<U256, Refused> {
    let index = reserve.supply_index;
    let scaled = release.supply_scaled(liquidation.seized, index)?;
    if scaled.is_zero() {
        return Err(Refused::Nothing);
    }
    reserve.supply_scaled = sub(reserve.supply_scaled, scaled)?;
    let mut fee = liquidation.protocol_fee;
    if fee.is_zero() {
        return Ok(fee);
    }
    let mut fee_scaled = release.supply_scaled(fee, index)?;
    if fee_scaled > reserve.supply_scaled {
        fee = release.supply(reserve.supply_scaled, index)?;
        fee_scaled = match release {
            Release::V3_0 => ray_div(fee, index)?,
            Release::V3_6 => reserve.supply_scaled,
        };
    }
    reserve.supply_scaled = sub(reserve.supply_scaled, fee_scaled)?;
    Ok(fee)
}

/// All other debts become deficits (`_burnBadDebt`).
fn write_off(after: &mut Account, liquidation: &mut Liquidation) -> Result<(), Refused> {
    let release = after.release;
    for (at, reserve) in after.reserves.iter_mut().enumerate() {
        let owed = reserve.debt(release)?;
        if !reserve.borrowing || owed.is_zero() {
            continue;
        }
        repay(reserve, release, owed)?;
        let known = liquidation.deficits.iter_mut().find(|(row, _)| *row == at);
        match known {
            Some((_, amount)) => *amount = add(*amount, owed)?,
            None => liquidation.deficits.push((at, owed)),
        }
    }
    liquidation.deficits.sort_unstable();
    Ok(())
}
