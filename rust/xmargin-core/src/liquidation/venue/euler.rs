//! Euler v2 liquidations: a reverse Dutch auction whose discount grows as health falls.
//!
//! Source: euler-xyz/euler-vault-kit, `src/EVault/modules/Liquidation.sol`
//! (`calculateMaxLiquidation`, `calculateLiquidation`). With A the risk-adjusted collateral and D the
//! liability in the unit of account, the factor is f = max(A ÷ D, 1 - discount's cap):
//!
//! ```text
//! yield value = min(D ÷ f, collateral)     repaid value = D, or collateral × f
//! ```
//! All divisions round down. There is no close factor: all may be repaid at once. A liquidation heals
//! only if f × A ÷ D > LTV of what is seized: for f = A ÷ D, above the root of the LTV.

use super::{Legs, Proposal, Verdict};
use crate::Error;
use crate::num::U256;
use crate::num::fixed::{BASIS_POINTS, WAD, mul, mul_div_ceil, mul_div_floor, sub};

/// A violator's account against one of its collaterals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// What is owed, in the liability's token.
    pub liability: U256,
    /// Its value in the unit of account.
    pub liability_value: U256,
    /// All collateral at its liquidation LTVs, in the unit of account.
    pub adjusted_value: U256,
    /// Balance of the collateral to seize.
    pub collateral: U256,
    /// Its value in the unit of account.
    pub collateral_value: U256,
    /// Its liquidation LTV.
    pub ltv_bps: U256,
    /// The most the discount may be.
    pub discount_max_bps: U256,
    /// How much the liquidator wishes to repay; all that is allowed where absent.
    pub desired_repay: Option<U256>,
}

/// What is repaid, what is seized, and the discount factor, a wad.
struct Seizure {
    repaid: U256,
    seized: U256,
    factor_wad: U256,
}

impl Account {
    fn seizure(&self) -> Result<Seizure, Error> {
        let least = mul_div_floor(WAD, sub(BASIS_POINTS, self.discount_max_bps)?, BASIS_POINTS)?;
        let factor_wad = mul_div_floor(self.adjusted_value, WAD, self.liability_value)?.max(least);
        let mut whole = if self.collateral_value.is_zero() {
            // Worthless collateral is given away.
            Seizure {
                repaid: U256::ZERO,
                seized: self.collateral,
                factor_wad,
            }
        } else {
            self.valued(factor_wad)?
        };
        if let Some(desired) = self.desired_repay.filter(|_| !whole.repaid.is_zero()) {
            whole.seized = mul_div_floor(desired, whole.seized, whole.repaid)?;
            whole.repaid = desired;
        }
        Ok(whole)
    }

    fn valued(&self, factor_wad: U256) -> Result<Seizure, Error> {
        let wanted = mul_div_floor(self.liability_value, WAD, factor_wad)?;
        let (repaid_value, yield_value) = if self.collateral_value < wanted {
            let repaid = mul_div_floor(self.collateral_value, factor_wad, WAD)?;
            (repaid, self.collateral_value)
        } else {
            (self.liability_value, wanted)
        };
        Ok(Seizure {
            repaid: mul_div_floor(repaid_value, self.liability, self.liability_value)?,
            seized: mul_div_floor(yield_value, self.collateral, self.collateral_value)?,
            factor_wad,
        })
    }

    /// Adjusted collateral and liability values afterwards, both rounded against the account.
    fn after(&self, seizure: &Seizure) -> Result<(U256, U256), Error> {
        let value = if self.collateral.is_zero() {
            U256::ZERO
        } else {
            mul_div_ceil(seizure.seized, self.collateral_value, self.collateral)?
        };
        let adjusted = mul_div_ceil(value, self.ltv_bps, BASIS_POINTS)?;
        let repaid = mul_div_floor(seizure.repaid, self.liability_value, self.liability)?;
        let left = self.adjusted_value.saturating_sub(adjusted);
        Ok((left, sub(self.liability_value, repaid)?))
    }
}

fn health_wad(adjusted: U256, liability: U256) -> Result<Option<U256>, Error> {
    if liability.is_zero() {
        return Ok(None);
    }
    mul_div_floor(adjusted, WAD, liability).map(Some)
}

/// What liquidating does, now, at the discount of the account's health.
///
/// # Errors
/// [`Error::Overflow`] where the contract would revert.
pub fn propose(account: &Account) -> Result<Proposal, Error> {
    let health = health_wad(account.adjusted_value, account.liability_value)?;
    if account.liability.is_zero() || account.adjusted_value > account.liability_value {
        return Ok(Proposal::without_legs(Verdict::NotDue, health));
    }
    if account.liability_value.is_zero() {
        let verdict = Verdict::Refused("the liability has no value");
        return Ok(Proposal::without_legs(verdict, health));
    }
    let whole = Account {
        desired_repay: None,
        ..account.clone()
    };
    let most = whole.seizure()?.repaid;
    if account.desired_repay.is_some_and(|desired| desired > most) {
        let verdict = Verdict::Refused("more than may be repaid");
        return Ok(Proposal::without_legs(verdict, health));
    }
    let seizure = account.seizure()?;
    let (adjusted, liability) = account.after(&seizure)?;
    let health_after_wad = health_wad(adjusted, liability)?;
    let is_toxic = health_after_wad.is_some()
        && (account.is_toxic(seizure.factor_wad)? || health_after_wad < health);
    Ok(Proposal {
        verdict: Verdict::proposed_unless(is_toxic),
        health_before_wad: health,
        health_after_wad,
        legs: Some(Legs {
            closes: 0,
            takes: Some(0),
            cover: account.desired_repay.unwrap_or(U256::MAX),
            repaid: seizure.repaid,
            seized: seizure.seized,
            fee: U256::ZERO,
            deficits: Vec::new(),
        }),
    })
}

impl Account {
    /// The rule of [`toxicity`](crate::liquidation::toxicity) with 1 + bonus = 1 ÷ f: f × H < LTV.
    fn is_toxic(&self, factor_wad: U256) -> Result<bool, Error> {
        let kept = mul(mul(self.adjusted_value, factor_wad)?, BASIS_POINTS)?;
        let seized = mul(mul(self.ltv_bps, WAD)?, self.liability_value)?;
        Ok(kept < seized)
    }
}
