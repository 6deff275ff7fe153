//! Aave v3.0.x: what `Pool.getUserAccountData` answers, to the last unit.
//!
//! Source: Aave v3 core 1.19.3, `GenericLogic.calculateUserAccountData` and
//! `calculateAvailableBorrows`, `ReserveLogic.getNormalizedIncome` and `getNormalizedDebt`,
//! `MathUtils` and `StableDebtToken.balanceOf`. Units: *base* is the pool oracle's base currency
//! (8 decimals for USD), ratios are basis points, indices and rates are rays, the health factor is
//! a wad. Where the contract would revert, the result is [`Error::Overflow`].

mod interest;

use crate::Error;
use crate::num::U256;
use crate::num::fixed::{WAD, add, mul, percent_mul, wad_div};

pub use interest::{
    GrownIndices, StoredIndices, compounded_interest, debt_balance, linear_interest,
    normalized_debt, normalized_income, stable_debt, supply_balance,
};

/// The risk settings and price of a reserve, as one user's account data needs them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReserveRisk {
    /// Loan to value; zero marks collateral that lends nothing.
    pub ltv_bps: u16,
    /// Liquidation threshold; zero means the reserve is no collateral at all.
    pub liquidation_threshold_bps: u16,
    /// eMode category, 0 for none.
    pub emode: u8,
    /// Decimals of the underlying, from the reserve's configuration.
    pub decimals: u8,
    /// The pool oracle's price of one whole token, in base units.
    pub price_base: U256,
}

/// An eMode category (`DataTypes.EModeCategory`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EMode {
    /// The category's number, never 0.
    pub category: u8,
    /// Loan to value of the category.
    pub ltv_bps: u16,
    /// Liquidation threshold of the category.
    pub liquidation_threshold_bps: u16,
    /// Price of the category's own source in base units; 0 where it has none.
    pub price_base: U256,
}

impl ReserveRisk {
    pub(crate) fn in_emode(&self, emode: Option<&EMode>) -> bool {
        emode.is_some_and(|emode| emode.category == self.emode)
    }

    /// The price that counts for a user in `emode`.
    pub(crate) fn price_base_in(&self, emode: Option<&EMode>) -> U256 {
        emode
            .filter(|emode| emode.category == self.emode && !emode.price_base.is_zero())
            .map_or(self.price_base, |emode| emode.price_base)
    }

    /// ⌊amount × price ÷ 10^decimals⌋ (`_getUserBalanceInBaseCurrency`).
    pub(crate) fn value_base(&self, amount: U256, emode: Option<&EMode>) -> Result<U256, Error> {
        Ok(mul(amount, self.price_base_in(emode))? / self.unit())
    }

    fn unit(&self) -> U256 {
        let decimals = u32::from(self.decimals);
        match 10_u128.checked_pow(decimals) {
            Some(unit) => U256::from(unit),
            // The contract computes it unchecked; 10^255 modulo 2^256 is not zero.
            None => U256::from(10).wrapping_pow(U256::from(decimals)),
        }
    }
}

/// What a user has in one reserve. `None` balances are those whose computation reverts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReservePosition {
    /// The reserve.
    pub risk: ReserveRisk,
    /// aToken balance in token units, counted when `as_collateral`.
    pub supply: Option<U256>,
    /// Variable plus stable debt in token units, counted when `borrowing`.
    pub debt: Option<U256>,
    /// The user's collateral switch of this reserve.
    pub as_collateral: bool,
    /// The user's borrowing flag of this reserve.
    pub borrowing: bool,
}

/// The answer of `Pool.getUserAccountData`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AccountData {
    /// Total collateral in base units.
    pub collateral_base: U256,
    /// Total debt in base units.
    pub debt_base: U256,
    /// What could still be borrowed, in base units.
    pub available_borrows_base: U256,
    /// Collateral-weighted liquidation threshold, rounded down.
    pub liquidation_threshold_bps: u32,
    /// Collateral-weighted loan to value, rounded down.
    pub ltv_bps: u32,
    /// Health factor; `None` without debt (the contract answers 2^256 - 1).
    pub health_factor_wad: Option<U256>,
}

/// Sums over a user's reserves; ratios still multiplied by the collateral they weigh.
#[derive(Default)]
struct Totals {
    collateral_base: U256,
    debt_base: U256,
    weighted_ltv: U256,
    weighted_threshold: U256,
}

impl Totals {
    fn include(&mut self, position: &ReservePosition, emode: Option<&EMode>) -> Result<(), Error> {
        if position.as_collateral && position.risk.liquidation_threshold_bps != 0 {
            self.include_collateral(position, emode)?;
        }
        if position.borrowing {
            let debt = position.debt.ok_or(Error::Overflow {
                operation: "debt balance",
            })?;
            self.debt_base = add(self.debt_base, position.risk.value_base(debt, emode)?)?;
        }
        Ok(())
    }

    fn include_collateral(
        &mut self,
        position: &ReservePosition,
        emode: Option<&EMode>,
    ) -> Result<(), Error> {
        let risk = &position.risk;
        let supply = position.supply.ok_or(Error::Overflow {
            operation: "supply balance",
        })?;
        let value = risk.value_base(supply, emode)?;
        let (ltv_bps, threshold_bps) = match emode {
            Some(emode) if risk.in_emode(Some(emode)) => {
                (emode.ltv_bps, emode.liquidation_threshold_bps)
            }
            _ => (risk.ltv_bps, risk.liquidation_threshold_bps),
        };
        self.collateral_base = add(self.collateral_base, value)?;
        // Collateral whose own LTV is zero lends nothing, whatever its eMode says.
        if risk.ltv_bps != 0 {
            let weighted = mul(value, U256::from(ltv_bps))?;
            self.weighted_ltv = add(self.weighted_ltv, weighted)?;
        }
        let weighted = mul(value, U256::from(threshold_bps))?;
        self.weighted_threshold = add(self.weighted_threshold, weighted)?;
        Ok(())
    }

    fn average(&self, weighted: U256) -> U256 {
        weighted
            .checked_div(self.collateral_base)
            .unwrap_or(U256::ZERO)
    }
}

/// One user's account data over all reserves they use (`GenericLogic.calculateUserAccountData`).
///
/// `emode` is the category the user chose, `None` for category 0. The order of `positions` does not
/// matter. health factor = `wad_div`(`percent_mul`(collateral, threshold), debt).
///
/// # Errors
/// [`Error::Overflow`] where the contract would revert.
pub fn account_data(
    positions: impl IntoIterator<Item = ReservePosition>,
    emode: Option<&EMode>,
) -> Result<AccountData, Error> {
    let mut totals = Totals::default();
    for position in positions {
        totals.include(&position, emode)?;
    }
    let ltv = totals.average(totals.weighted_ltv);
    let threshold = totals.average(totals.weighted_threshold);
    let health_factor_wad = if totals.debt_base.is_zero() {
        None
    } else {
        let guarded = percent_mul(totals.collateral_base, threshold)?;
        Some(wad_div(guarded, totals.debt_base)?)
    };
    Ok(AccountData {
        collateral_base: totals.collateral_base,
        debt_base: totals.debt_base,
        available_borrows_base: percent_mul(totals.collateral_base, ltv)?
            .saturating_sub(totals.debt_base),
        // Averages of 16-bit ratios fit 16 bits.
        liquidation_threshold_bps: threshold.saturating_to(),
        ltv_bps: ltv.saturating_to(),
        health_factor_wad,
    })
}

/// Whether the venue liquidates at this health factor: strictly below one.
#[must_use]
pub fn is_liquidatable(health_factor_wad: U256) -> bool {
    health_factor_wad < WAD
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn u(value: u128) -> U256 {
        U256::from(value)
    }

    fn weth() -> ReserveRisk {
        ReserveRisk {
            ltv_bps: 8_000,
            liquidation_threshold_bps: 8_250,
            emode: 1,
            decimals: 18,
            price_base: u(2_500 * 100_000_000),
        }
    }

    fn usdc() -> ReserveRisk {
        ReserveRisk {
            decimals: 6,
            emode: 2,
            price_base: u(100_000_000),
            ..weth()
        }
    }

    fn supplied(risk: ReserveRisk, amount: u128) -> ReservePosition {
        ReservePosition {
            risk,
            supply: Some(u(amount)),
            debt: Some(U256::ZERO),
            as_collateral: true,
            borrowing: false,
        }
    }

    fn borrowed(risk: ReserveRisk, amount: u128) -> ReservePosition {
        ReservePosition {
            supply: Some(U256::ZERO),
            debt: Some(u(amount)),
            as_collateral: false,
            borrowing: true,
            ..supplied(risk, 0)
        }
    }

    const ETHER: u128 = 1_000_000_000_000_000_000;
    const DOLLAR: u128 = 1_000_000;

    #[test]
    fn health_is_collateral_at_its_threshold_over_debt() -> Result<(), Error> {
        let positions = [supplied(weth(), ETHER), borrowed(usdc(), 1_650 * DOLLAR)];
        let data = account_data(positions, None)?;
        assert_eq!(data.collateral_base, u(2_500 * 100_000_000));
        assert_eq!(data.debt_base, u(1_650 * 100_000_000));
        assert_eq!(data.available_borrows_base, u(350 * 100_000_000));
        assert_eq!(data.health_factor_wad, Some(u(1_250_000_000_000_000_000)));
        Ok(())
    }

    #[test]
    fn without_debt_there_is_no_health_factor() -> Result<(), Error> {
        assert_eq!(account_data([], None)?, AccountData::default());
        assert_eq!(
            account_data([supplied(weth(), ETHER)], None)?.health_factor_wad,
            None
        );
        Ok(())
    }

    #[test]
    fn emode_replaces_ratios_and_its_own_price_replaces_prices() -> Result<(), Error> {
        let mut emode = EMode {
            category: 1,
            ltv_bps: 9_000,
            liquidation_threshold_bps: 9_300,
            price_base: U256::ZERO,
        };
        let positions = [supplied(weth(), ETHER), borrowed(usdc(), 1_000 * DOLLAR)];
        let data = account_data(positions, Some(&emode))?;
        assert_eq!(
            (data.ltv_bps, data.liquidation_threshold_bps),
            (9_000, 9_300)
        );
        assert_eq!(data.collateral_base, u(2_500 * 100_000_000));
        emode.price_base = u(2_000 * 100_000_000);
        let data = account_data(positions, Some(&emode))?;
        assert_eq!(data.collateral_base, u(2_000 * 100_000_000));
        assert_eq!(
            data.debt_base,
            u(1_000 * 100_000_000),
            "another category keeps its price"
        );
        Ok(())
    }

    #[test]
    fn zero_ltv_lends_nothing_and_zero_threshold_is_no_collateral() -> Result<(), Error> {
        let emode = EMode {
            category: 1,
            ltv_bps: 9_000,
            liquidation_threshold_bps: 9_300,
            price_base: U256::ZERO,
        };
        let no_ltv = ReserveRisk {
            ltv_bps: 0,
            ..weth()
        };
        let data = account_data([supplied(no_ltv, ETHER)], Some(&emode))?;
        assert_eq!((data.ltv_bps, data.liquidation_threshold_bps), (0, 9_300));
        let no_threshold = ReserveRisk {
            liquidation_threshold_bps: 0,
            ..weth()
        };
        let data = account_data([supplied(no_threshold, ETHER)], Some(&emode))?;
        assert_eq!(
            data.collateral_base,
            U256::ZERO,
            "eMode does not bring it back"
        );
        Ok(())
    }

    #[test]
    fn what_is_not_flagged_is_not_computed() {
        let mut unused = supplied(weth(), ETHER);
        (unused.supply, unused.debt) = (None, None);
        unused.as_collateral = false;
        assert!(account_data([unused], None).is_ok());
        unused.borrowing = true;
        assert!(account_data([unused], None).is_err());
    }

    #[test]
    fn a_venue_liquidates_strictly_below_one() {
        assert!(is_liquidatable(WAD - U256::ONE));
        assert!(!is_liquidatable(WAD));
    }

    proptest! {
        #[test]
        fn more_debt_never_raises_a_health_factor(supply in 1..1_000 * ETHER, debt in 1..1_000_000 * DOLLAR, more in 0..1_000 * DOLLAR) {
            let health = |debt| {
                account_data([supplied(weth(), supply), borrowed(usdc(), debt)], None)
                    .map(|data| data.health_factor_wad)
            };
            prop_assert!(health(debt + more)? <= health(debt)?);
        }
    }
}
