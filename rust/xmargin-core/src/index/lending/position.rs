//! What an account has in a reserve, in terms of levels.

use crate::num::U256;
use crate::venue::aave_v3::{Release, ReservePosition, ReserveRisk, debt_balance, supply_balance};

/// A price in base units or an index in ray; `None` where the contract reverts when it computes it.
pub type Level = Option<U256>;

/// An amount that an index makes a balance of, or a balance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scaled {
    /// In token units, ray-scaled where there is an index; `None`: computing the balance reverts.
    pub amount: Option<U256>,
    /// Number of the index among the levels; `None`: the amount is the balance.
    pub index: Option<u32>,
}

impl Scaled {
    /// A balance as it is.
    #[must_use]
    pub const fn told(balance: Option<U256>) -> Self {
        Self {
            amount: balance,
            index: None,
        }
    }

    /// An amount that the index of this number grows.
    #[must_use]
    pub const fn grown_by(index: u32, amount: U256) -> Self {
        Self {
            amount: Some(amount),
            index: Some(index),
        }
    }

    /// Whether the balance is computed of the index as a debt: in 3.0 nothing is nothing at any index.
    fn needs_index(&self, release: Release) -> bool {
        release != Release::V3_0 || self.amount.is_none_or(|amount| !amount.is_zero())
    }

    fn supply(&self, release: Release, level: impl Fn(u32) -> Level) -> Option<U256> {
        match self.index {
            None => self.amount,
            Some(number) => supply_balance(release, self.amount?, level(number)),
        }
    }

    fn debt(&self, release: Release, level: impl Fn(u32) -> Level) -> Option<U256> {
        match self.index {
            None => self.amount,
            Some(number) => debt_balance(release, self.amount?, level(number)),
        }
    }
}

/// One reserve of an account. The price of its risk settings is not read; the level of its number is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Number of the price that the venue values it at.
    pub price: u32,
    /// Ratios, category and decimals.
    pub risk: ReserveRisk,
    /// Scaled aToken balance, counted when `as_collateral`.
    pub supply: Scaled,
    /// Scaled variable debt, counted when `borrowing`.
    pub variable_debt: Scaled,
    /// Principal of the stable debt and its growth since, counted when `borrowing`.
    pub stable_debt: Scaled,
    /// The user's collateral switch of this reserve.
    pub as_collateral: bool,
    /// The user's borrowing flag of this reserve.
    pub borrowing: bool,
}

impl Position {
    /// What the contract sees at these levels, of that which it looks at.
    pub(super) fn at(&self, release: Release, level: impl Fn(u32) -> Level) -> ReservePosition {
        let price = level(self.price);
        let supply = || self.supply.supply(release, &level);
        let debt = || {
            let variable = self.variable_debt.debt(release, &level)?;
            variable.checked_add(self.stable_debt.debt(Release::V3_0, &level)?)
        };
        ReservePosition {
            risk: ReserveRisk {
                price_base: price.unwrap_or_default(),
                ..self.risk
            },
            supply: price
                .filter(|_| self.is_collateral(release))
                .and_then(|_| supply()),
            debt: price.filter(|_| self.borrowing).and_then(|_| debt()),
            as_collateral: self.as_collateral,
            borrowing: self.borrowing,
        }
    }

    fn is_collateral(&self, release: Release) -> bool {
        self.as_collateral && self.risk.is_collateral(release)
    }

    /// All levels that its values depend on.
    pub(super) fn roles(&self, release: Release) -> impl Iterator<Item = Role> {
        let price = Role {
            level: self.price,
            is_index: false,
            is_collateral: self.is_collateral(release),
            is_debt: self.borrowing,
        };
        let index = |scaled: &Scaled, is_collateral: bool, is_debt: bool| {
            let counts = is_collateral || (is_debt && scaled.needs_index(release));
            scaled.index.filter(|_| counts).map(|level| Role {
                level,
                is_index: true,
                is_collateral,
                is_debt,
            })
        };
        let indices = [
            index(&self.supply, price.is_collateral, false),
            index(&self.variable_debt, false, price.is_debt),
            index(&self.stable_debt, false, price.is_debt),
        ];
        let counts = price.is_collateral || price.is_debt;
        let price = counts.then_some(price);
        price.into_iter().chain(indices.into_iter().flatten())
    }

    /// The levels that it names.
    pub(super) fn levels(&self) -> impl Iterator<Item = u32> {
        let indices = [self.supply, self.variable_debt, self.stable_debt];
        let indices = indices.into_iter().filter_map(|scaled| scaled.index);
        std::iter::once(self.price).chain(indices)
    }
}

/// What a level is to an account.
#[derive(Debug, Clone, Copy)]
pub(super) struct Role {
    pub level: u32,
    pub is_index: bool,
    pub is_collateral: bool,
    pub is_debt: bool,
}

/// Each level once, with all that it is to the account.
pub(super) fn roles(release: Release, positions: &[Position]) -> Vec<Role> {
    let mut roles: Vec<Role> = Vec::new();
    for role in positions
        .iter()
        .flat_map(|position| position.roles(release))
    {
        match roles.iter_mut().find(|known| known.level == role.level) {
            Some(known) => {
                known.is_index &= role.is_index;
                known.is_collateral |= role.is_collateral;
                known.is_debt |= role.is_debt;
            }
            None => roles.push(role),
        }
    }
    roles
}
