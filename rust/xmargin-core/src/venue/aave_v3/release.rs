//! The releases, and how each rounds balances.

use crate::Error;
use crate::num::U256;
use crate::num::fixed::{RAY, mul_div_ceil, mul_div_floor, ray_div, ray_mul};

/// Whose rules hold. Pools of releases between and after these are refused at discovery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Release {
    /// 3.0.x. (Its liquidations stayed until 3.2.)
    #[default]
    V3_0,
    /// 3.6.
    V3_6,
}

impl Release {
    /// The release of a name, such as `3.6`.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "3.0" => Some(Self::V3_0),
            "3.6" => Some(Self::V3_6),
            _ => None,
        }
    }

    /// aTokens of a scaled balance (`AToken.balanceOf`): half up, or down.
    ///
    /// # Errors
    /// [`Error::Overflow`] where the contract would revert.
    pub fn supply(self, scaled: U256, index: U256) -> Result<U256, Error> {
        match self {
            Self::V3_0 => ray_mul(scaled, index),
            Self::V3_6 => mul_div_floor(scaled, index, RAY),
        }
    }

    /// Variable debt of a scaled balance (`VariableDebtToken.balanceOf`): half up, or up.
    ///
    /// # Errors
    /// As [`Release::supply`].
    pub fn debt(self, scaled: U256, index: U256) -> Result<U256, Error> {
        match self {
            Self::V3_0 => ray_mul(scaled, index),
            Self::V3_6 => mul_div_ceil(scaled, index, RAY),
        }
    }

    /// Scaled aTokens that leave with an amount: half up, or up.
    ///
    /// # Errors
    /// As [`Release::supply`].
    pub fn supply_scaled(self, amount: U256, index: U256) -> Result<U256, Error> {
        match self {
            Self::V3_0 => ray_div(amount, index),
            Self::V3_6 => mul_div_ceil(amount, RAY, index),
        }
    }

    /// Scaled debt that an amount repays: half up, or down.
    ///
    /// # Errors
    /// As [`Release::supply`].
    pub fn debt_scaled(self, amount: U256, index: U256) -> Result<U256, Error> {
        match self {
            Self::V3_0 => ray_div(amount, index),
            Self::V3_6 => mul_div_floor(amount, RAY, index),
        }
    }
}
