//! One user's reserves as the pool stores them, and how they stand.

use crate::Error;
use crate::num::U256;
use crate::num::fixed::{
    BASIS_POINTS, RAY, add, mul, mul_div_ceil, mul_div_floor, ray_div, ray_mul, wad_div,
};
use crate::venue::aave_v3::{EMode, ReservePosition, ReserveRisk, account_data};

/// Which release's rules hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Release {
    /// 3.0 to 3.2. (3.3 and 3.4 have the rules of 3.6 and the rounding of balances of this one.)
    V3_0,
    /// 3.5 and 3.6.
    V3_6,
}

/// One user's part in one reserve, with what of the reserve a liquidation needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reserve {
    /// Threshold, decimals, eMode category and price. Since 3.2 a category is a list of reserves:
    /// a reserve on the user's list has the user's category here.
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
    /// Paused or inactive: the pool liquidates nothing of it, and nothing for it.
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

impl Release {
    fn rounds_for_the_pool(self) -> bool {
        self == Self::V3_6
    }

    /// aTokens of a scaled balance (`AToken.balanceOf`): half up, or down.
    pub(super) fn supply(self, scaled: U256, index: U256) -> Result<U256, Error> {
        if self.rounds_for_the_pool() {
            mul_div_floor(scaled, index, RAY)
        } else {
            ray_mul(scaled, index)
        }
    }

    /// Variable debt of a scaled balance: half up, or up.
    pub(super) fn debt(self, scaled: U256, index: U256) -> Result<U256, Error> {
        if self.rounds_for_the_pool() {
            mul_div_ceil(scaled, index, RAY)
        } else {
            ray_mul(scaled, index)
        }
    }

    /// Scaled aTokens that leave with an amount: half up, or up.
    pub(super) fn supply_scaled(self, amount: U256, index: U256) -> Result<U256, Error> {
        if self.rounds_for_the_pool() {
            mul_div_ceil(amount, RAY, index)
        } else {
            ray_div(amount, index)
        }
    }

    /// Scaled debt that an amount repays: half up, or down.
    pub(super) fn debt_scaled(self, amount: U256, index: U256) -> Result<U256, Error> {
        if self.rounds_for_the_pool() {
            mul_div_floor(amount, RAY, index)
        } else {
            ray_div(amount, index)
        }
    }
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

    /// 10^decimals, unchecked as the contract computes it.
    pub(super) fn unit(&self) -> U256 {
        U256::from(10).wrapping_pow(U256::from(self.risk.decimals))
    }
}

impl Account {
    fn emode_of(&self, reserve: &Reserve) -> Option<&(EMode, u16)> {
        self.emode
            .as_ref()
            .filter(|(emode, _)| reserve.risk.in_emode(Some(emode)))
    }

    /// The price that counts for this user.
    pub(super) fn price_base(&self, reserve: &Reserve) -> U256 {
        reserve
            .risk
            .price_base_in(self.emode.as_ref().map(|(emode, _)| emode))
    }

    pub(super) fn bonus_bps(&self, reserve: &Reserve) -> U256 {
        U256::from(
            self.emode_of(reserve)
                .map_or(reserve.bonus_bps, |(_, bonus)| *bonus),
        )
    }

    pub(super) fn threshold_bps(&self, reserve: &Reserve) -> U256 {
        U256::from(
            self.emode_of(reserve)
                .map_or(reserve.risk.liquidation_threshold_bps, |(emode, _)| {
                    emode.liquidation_threshold_bps
                }),
        )
    }

    /// Whether the pool counts the reserve as this user's collateral.
    pub(super) fn is_collateral(&self, reserve: &Reserve) -> bool {
        let counts = self.release == Release::V3_6 || reserve.risk.liquidation_threshold_bps != 0;
        reserve.as_collateral && counts
    }

    /// Collateral value rounds down; debt value down, or up since 3.5
    /// (`GenericLogic._getUserDebtInBaseCurrency`).
    pub(super) fn debt_value_base(&self, reserve: &Reserve, debt: U256) -> Result<U256, Error> {
        let value = if self.release == Release::V3_6 {
            mul_div_ceil
        } else {
            mul_div_floor
        };
        value(debt, self.price_base(reserve), reserve.unit())
    }

    pub(super) fn supply_value_base(&self, reserve: &Reserve, amount: U256) -> Result<U256, Error> {
        mul_div_floor(amount, self.price_base(reserve), reserve.unit())
    }

    /// Totals and health factor (`GenericLogic.calculateUserAccountData`).
    ///
    /// # Errors
    /// [`Error::Overflow`] where the contract would revert.
    pub fn standing(&self) -> Result<Standing, Error> {
        let mut standing = Standing {
            collateral_base: U256::ZERO,
            debt_base: U256::ZERO,
            weighted_collateral: U256::ZERO,
            health_factor_wad: None,
        };
        for reserve in &self.reserves {
            if self.is_collateral(reserve) {
                let value = self.supply_value_base(reserve, reserve.supply(self.release)?)?;
                let weighted = mul(value, self.threshold_bps(reserve))?;
                standing.collateral_base = add(standing.collateral_base, value)?;
                standing.weighted_collateral = add(standing.weighted_collateral, weighted)?;
            }
            if reserve.borrowing {
                let debt = self.debt_value_base(reserve, reserve.debt(self.release)?)?;
                standing.debt_base = add(standing.debt_base, debt)?;
            }
        }
        if !standing.debt_base.is_zero() {
            standing.health_factor_wad = Some(self.health_factor_wad(&standing)?);
        }
        Ok(standing)
    }

    fn health_factor_wad(&self, standing: &Standing) -> Result<U256, Error> {
        match self.release {
            // Since 3.5 the threshold is not averaged and rounded first.
            Release::V3_6 => {
                let factor_bps = wad_div(standing.weighted_collateral, standing.debt_base)?;
                Ok(factor_bps / BASIS_POINTS)
            }
            Release::V3_0 => {
                let positions = self.positions()?;
                let data = account_data(positions, self.emode.as_ref().map(|(emode, _)| emode))?;
                data.health_factor_wad.ok_or(Error::Overflow {
                    operation: "health factor",
                })
            }
        }
    }

    fn positions(&self) -> Result<Vec<ReservePosition>, Error> {
        let position = |reserve: &Reserve| {
            Ok(ReservePosition {
                risk: reserve.risk,
                supply: Some(reserve.supply(self.release)?),
                debt: Some(reserve.debt(self.release)?),
                as_collateral: reserve.as_collateral,
                borrowing: reserve.borrowing,
            })
        };
        self.reserves.iter().map(position).collect()
    }
}
