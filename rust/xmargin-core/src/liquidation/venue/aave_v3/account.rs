//! One user's reserves as the pool stores them, and how they stand.

use crate::Error;
use crate::num::U256;
use crate::num::fixed::add;
use crate::venue::aave_v3::{EMode, Release, ReservePosition, ReserveRisk, Totals};

/// One user's part in one reserve, with what of the reserve a liquidation needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reserve {
    /// Threshold, decimals, eMode category and price. In 3.6 a reserve on the list of collateral of the
    /// user's category has that category here.
    pub risk: ReserveRisk,
    /// Liquidation bonus, 10,500 for five percent on top.
    pub bonus_bps: u16,
    /// The protocol's share of the bonus.
    pub protocol_fee_bps: u16,
    /// Scaled aToken balance.
    pub supply_scaled: U256,
    /// Supply index as of now, in ray.
    pub supply_index: U256,
    /// Scaled variable debt.
    pub debt_scaled: U256,
    /// Variable debt index as of now, in ray.
    pub debt_index: U256,
    /// Stable debt as of now, in token units; none since 3.2.
    pub stable_debt: U256,
    /// The user's collateral switch.
    pub as_collateral: bool,
    /// The user's borrowing flag.
    pub borrowing: bool,
    /// Paused, inactive or in a grace period: the pool liquidates nothing of it, and nothing for it.
    pub halted: bool,
}

/// All reserves of one user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Whose rules hold.
    pub release: Release,
    /// The reserves, in the pool's order.
    pub reserves: Vec<Reserve>,
    /// The user's eMode category, with its liquidation bonus.
    pub emode: Option<(EMode, u16)>,
}

/// How an account stands. Amounts in the oracle's base currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// All collateral.
    pub collateral_base: U256,
    /// All debt.
    pub debt_base: U256,
    /// Σ collateral × its threshold in basis points.
    pub weighted_collateral: U256,
    /// As `getUserAccountData` answers; `None` without debt.
    pub health_factor_wad: Option<U256>,
}

impl Reserve {
    /// aToken balance in token units.
    ///
    /// # Errors
    /// [`Error::Overflow`] where the contract would revert.
    pub fn supply(&self, release: Release) -> Result<U256, Error> {
        release.supply(self.supply_scaled, self.supply_index)
    }

    /// Variable and stable debt in token units.
    ///
    /// # Errors
    /// As [`Reserve::supply`].
    pub fn debt(&self, release: Release) -> Result<U256, Error> {
        add(self.variable_debt(release)?, self.stable_debt)
    }

    pub(super) fn variable_debt(&self, release: Release) -> Result<U256, Error> {
        release.debt(self.debt_scaled, self.debt_index)
    }
}

impl Account {
    fn category(&self) -> Option<&EMode> {
        self.emode.as_ref().map(|(emode, _)| emode)
    }

    /// The price that counts for this user.
    pub(super) fn price_base(&self, reserve: &Reserve) -> U256 {
        reserve.risk.price_base_in(self.category())
    }

    pub(super) fn bonus_bps(&self, reserve: &Reserve) -> U256 {
        let inside = |(emode, _): &&(EMode, u16)| reserve.risk.emode_of(Some(emode)).is_some();
        let emode = self.emode.as_ref().filter(inside);
        U256::from(emode.map_or(reserve.bonus_bps, |(_, bonus)| *bonus))
    }

    pub(super) fn threshold_bps(&self, reserve: &Reserve) -> U256 {
        reserve.risk.threshold_bps(self.category())
    }

    /// Whether the pool counts the reserve as this user's collateral.
    pub(super) fn is_collateral(&self, reserve: &Reserve) -> bool {
        reserve.as_collateral && reserve.risk.is_collateral(self.release)
    }

    pub(super) fn debt_value_base(&self, reserve: &Reserve, debt: U256) -> Result<U256, Error> {
        let risk = &reserve.risk;
        risk.debt_value_base(self.release, debt, self.category())
    }

    pub(super) fn supply_value_base(&self, reserve: &Reserve, amount: U256) -> Result<U256, Error> {
        reserve.risk.supply_value_base(amount, self.category())
    }

    /// Totals and health factor (`GenericLogic.calculateUserAccountData`).
    ///
    /// # Errors
    /// [`Error::Overflow`] where the contract would revert.
    pub fn standing(&self) -> Result<Standing, Error> {
        let positions = self.reserves.iter().map(|reserve| self.position(reserve));
        let totals = Totals::of(self.release, positions, self.category())?;
        Ok(Standing {
            collateral_base: totals.collateral_base,
            debt_base: totals.debt_base,
            weighted_collateral: totals.weighted_threshold,
            health_factor_wad: totals.health_factor_wad()?,
        })
    }

    fn position(&self, reserve: &Reserve) -> ReservePosition {
        ReservePosition {
            risk: reserve.risk,
            supply: reserve.supply(self.release).ok(),
            debt: reserve.debt(self.release).ok(),
            as_collateral: reserve.as_collateral,
            borrowing: reserve.borrowing,
        }
    }
}
