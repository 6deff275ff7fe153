//! A user's account data: the sums over their reserves, and what follows from them.

use super::Release;
use crate::Error;
use crate::num::U256;
use crate::num::fixed::{
    BASIS_POINTS, WAD, add, mul, mul_div_ceil, mul_div_floor, percent_mul, wad_div,
};

/// The risk settings and price of a reserve, as one user's account data needs them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReserveRisk {
    /// Loan to value; zero marks collateral that lends nothing.
    pub ltv_bps: u16,
    /// Liquidation threshold; in 3.0 zero means the reserve is no collateral at all.
    pub liquidation_threshold_bps: u16,
    /// eMode category, 0 for none: in 3.0 the reserve's own; in 3.6 the user's, if its list of
    /// collateral has the reserve ([`ReserveRisk::listed`]).
    pub emode: u8,
    /// Whether the user's category lets nothing be borrowed against the reserve (3.6).
    pub emode_lends_nothing: bool,
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
    /// Price of the category's own source in base units; 0 where it has none, and always in 3.6.
    pub price_base: U256,
}

impl ReserveRisk {
    /// The reserve of this `number` to a user of a category with these lists, one bit a reserve
    /// (`EModeConfiguration.isReserveEnabledOnBitmap`).
    #[must_use]
    pub fn listed(self, category: u8, number: u32, collateral: U256, ltvzero: U256) -> Self {
        let has = |list: U256| list.bit(number as usize);
        Self {
            emode: if has(collateral) { category } else { 0 },
            emode_lends_nothing: has(ltvzero),
            ..self
        }
    }

    /// Whether the pool counts the reserve as collateral of whoever uses it so.
    pub(crate) fn is_collateral(&self, release: Release) -> bool {
        release == Release::V3_6 || self.liquidation_threshold_bps != 0
    }

    /// The user's category, if it holds for the reserve.
    pub(crate) fn emode_of<'a>(&self, emode: Option<&'a EMode>) -> Option<&'a EMode> {
        emode.filter(|emode| emode.category == self.emode)
    }

    /// Liquidation threshold that counts for a user in `emode`.
    pub(crate) fn threshold_bps(&self, emode: Option<&EMode>) -> U256 {
        let emode = self.emode_of(emode);
        U256::from(emode.map_or(self.liquidation_threshold_bps, |emode| {
            emode.liquidation_threshold_bps
        }))
    }

    /// Loan to value that counts for a user in `emode` (`ValidationLogic.getUserReserveLtv` in 3.6).
    pub(crate) fn ltv_bps(&self, release: Release, emode: Option<&EMode>) -> U256 {
        let lends = match release {
            // Collateral whose own LTV is zero lends nothing, whatever its eMode says.
            Release::V3_0 => self.ltv_bps != 0,
            Release::V3_6 => !self.emode_lends_nothing,
        };
        U256::from(match self.emode_of(emode) {
            None => self.ltv_bps,
            Some(emode) if lends => emode.ltv_bps,
            Some(_) => 0,
        })
    }

    /// The price that counts for a user in `emode`.
    pub(crate) fn price_base_in(&self, emode: Option<&EMode>) -> U256 {
        self.emode_of(emode)
            .filter(|emode| !emode.price_base.is_zero())
            .map_or(self.price_base, |emode| emode.price_base)
    }

    /// ⌊amount × price ÷ 10^decimals⌋ (`_getUserBalanceInBaseCurrency`).
    pub(crate) fn supply_value_base(
        &self,
        amount: U256,
        emode: Option<&EMode>,
    ) -> Result<U256, Error> {
        mul_div_floor(amount, self.price_base_in(emode), self.unit())
    }

    /// The same of a debt, rounded up in 3.6 (`_getUserDebtInBaseCurrency`).
    pub(crate) fn debt_value_base(
        &self,
        release: Release,
        amount: U256,
        emode: Option<&EMode>,
    ) -> Result<U256, Error> {
        let divide = match release {
            Release::V3_0 => mul_div_floor,
            Release::V3_6 => mul_div_ceil,
        };
        divide(amount, self.price_base_in(emode), self.unit())
    }

    /// 10^decimals, unchecked as the contract computes it; 10^255 modulo 2^256 is not zero.
    pub(crate) fn unit(&self) -> U256 {
        U256::from(10).wrapping_pow(U256::from(self.decimals))
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

/// Sums over a user's reserves, by the rules of a release.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// Whose rules hold.
    pub release: Release,
    /// All collateral, in base units.
    pub collateral_base: U256,
    /// All debt, in base units.
    pub debt_base: U256,
    /// Σ collateral × its loan to value in basis points.
    pub weighted_ltv: U256,
    /// Σ collateral × its liquidation threshold in basis points.
    pub weighted_threshold: U256,
}

impl Totals {
    /// Of all reserves that a user has; their order does not matter. `emode` is the category the user
    /// chose, `None` for category 0.
    ///
    /// # Errors
    /// [`Error::Overflow`] where the contract would revert.
    pub fn of(
        release: Release,
        positions: impl IntoIterator<Item = ReservePosition>,
        emode: Option<&EMode>,
    ) -> Result<Self, Error> {
        let mut totals = Self {
            release,
            ..Self::default()
        };
        for position in positions {
            totals.include(&position, emode)?;
        }
        Ok(totals)
    }

    fn include(&mut self, position: &ReservePosition, emode: Option<&EMode>) -> Result<(), Error> {
        let risk = &position.risk;
        if position.as_collateral && risk.is_collateral(self.release) {
            let supply = position.supply.ok_or(Error::Overflow {
                operation: "supply balance",
            })?;
            let value = risk.supply_value_base(supply, emode)?;
            let by_ltv = mul(value, risk.ltv_bps(self.release, emode))?;
            let by_threshold = mul(value, risk.threshold_bps(emode))?;
            self.collateral_base = add(self.collateral_base, value)?;
            self.weighted_ltv = add(self.weighted_ltv, by_ltv)?;
            self.weighted_threshold = add(self.weighted_threshold, by_threshold)?;
        }
        if position.borrowing {
            let debt = position.debt.ok_or(Error::Overflow {
                operation: "debt balance",
            })?;
            let value = risk.debt_value_base(self.release, debt, emode)?;
            self.debt_base = add(self.debt_base, value)?;
        }
        Ok(())
    }

    /// Collateral-weighted average, rounded down; nothing without collateral.
    fn average(&self, weighted: U256) -> U256 {
        weighted
            .checked_div(self.collateral_base)
            .unwrap_or(U256::ZERO)
    }

    /// `None` without debt.
    ///
    /// # Errors
    /// [`Error::Overflow`] where the contract would revert.
    pub fn health_factor_wad(&self) -> Result<Option<U256>, Error> {
        if self.debt_base.is_zero() {
            return Ok(None);
        }
        let health = match self.release {
            Release::V3_0 => {
                let threshold = self.average(self.weighted_threshold);
                wad_div(
                    percent_mul(self.collateral_base, threshold)?,
                    self.debt_base,
                )?
            }
            // The threshold is not averaged and rounded first.
            Release::V3_6 => wad_div(self.weighted_threshold, self.debt_base)? / BASIS_POINTS,
        };
        Ok(Some(health))
    }

    /// What the average loan to value lets be borrowed, beyond what is owed
    /// (`calculateAvailableBorrows`): half up, or down.
    fn available_borrows_base(&self) -> Result<U256, Error> {
        let ltv = self.average(self.weighted_ltv);
        let lent = match self.release {
            Release::V3_0 => percent_mul(self.collateral_base, ltv)?,
            Release::V3_6 => mul_div_floor(self.collateral_base, ltv, BASIS_POINTS)?,
        };
        Ok(lent.saturating_sub(self.debt_base))
    }
}

/// One user's account data over all reserves they use (`GenericLogic.calculateUserAccountData`).
///
/// # Errors
/// [`Error::Overflow`] where the contract would revert.
pub fn account_data(
    release: Release,
    positions: impl IntoIterator<Item = ReservePosition>,
    emode: Option<&EMode>,
) -> Result<AccountData, Error> {
    let totals = Totals::of(release, positions, emode)?;
    Ok(AccountData {
        collateral_base: totals.collateral_base,
        debt_base: totals.debt_base,
        available_borrows_base: totals.available_borrows_base()?,
        // Averages of 16-bit ratios fit 16 bits.
        liquidation_threshold_bps: totals.average(totals.weighted_threshold).saturating_to(),
        ltv_bps: totals.average(totals.weighted_ltv).saturating_to(),
        health_factor_wad: totals.health_factor_wad()?,
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
            emode_lends_nothing: false,
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
        let data = account_data(Release::V3_0, positions, None)?;
        assert_eq!(data.collateral_base, u(2_500 * 100_000_000));
        assert_eq!(data.debt_base, u(1_650 * 100_000_000));
        assert_eq!(data.available_borrows_base, u(350 * 100_000_000));
        assert_eq!(data.health_factor_wad, Some(u(1_250_000_000_000_000_000)));
        Ok(())
    }

    #[test]
    fn without_debt_there_is_no_health_factor() -> Result<(), Error> {
        assert_eq!(
            account_data(Release::V3_0, [], None)?,
            AccountData::default()
        );
        assert_eq!(
            account_data(Release::V3_0, [supplied(weth(), ETHER)], None)?.health_factor_wad,
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
        let data = account_data(Release::V3_0, positions, Some(&emode))?;
        assert_eq!(
            (data.ltv_bps, data.liquidation_threshold_bps),
            (9_000, 9_300)
        );
        assert_eq!(data.collateral_base, u(2_500 * 100_000_000));
        emode.price_base = u(2_000 * 100_000_000);
        let data = account_data(Release::V3_0, positions, Some(&emode))?;
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
        let data = account_data(Release::V3_0, [supplied(no_ltv, ETHER)], Some(&emode))?;
        assert_eq!((data.ltv_bps, data.liquidation_threshold_bps), (0, 9_300));
        let no_threshold = ReserveRisk {
            liquidation_threshold_bps: 0,
            ..weth()
        };
        let data = account_data(Release::V3_0, [supplied(no_threshold, ETHER)], Some(&emode))?;
        assert_eq!(
            data.collateral_base,
            U256::ZERO,
            "eMode does not bring it back"
        );
        Ok(())
    }

    #[test]
    fn since_3_6_a_category_is_a_list_and_its_ratios_hold_whatever_the_own_are() -> Result<(), Error>
    {
        let emode = EMode {
            category: 7,
            ltv_bps: 9_000,
            liquidation_threshold_bps: 9_300,
            price_base: U256::ZERO,
        };
        let bare = ReserveRisk {
            ltv_bps: 0,
            liquidation_threshold_bps: 0,
            ..weth()
        };
        let data = |risk| account_data(Release::V3_6, [supplied(risk, ETHER)], Some(&emode));
        let list = |number: usize| U256::ONE << number;
        let listed = data(bare.listed(7, 127, list(127), list(3)))?;
        assert_eq!(
            (listed.ltv_bps, listed.liquidation_threshold_bps),
            (9_000, 9_300)
        );
        let nothing_lent = data(bare.listed(7, 3, list(3), list(3)))?;
        assert_eq!(
            (nothing_lent.ltv_bps, nothing_lent.liquidation_threshold_bps),
            (0, 9_300)
        );
        let outside = data(bare.listed(7, 4, list(3), list(4)))?;
        assert_eq!((outside.ltv_bps, outside.liquidation_threshold_bps), (0, 0));
        assert_eq!(
            outside.collateral_base,
            u(2_500 * 100_000_000),
            "what has no threshold is collateral all the same"
        );
        Ok(())
    }

    #[test]
    fn since_3_6_health_is_not_rounded_twice_and_debts_are_rounded_up() -> Result<(), Error> {
        let dust = ReserveRisk {
            price_base: u(1),
            ..weth()
        };
        let positions = [supplied(weth(), ETHER / 3), borrowed(dust, 1)];
        let data = account_data(Release::V3_6, positions, None)?;
        assert_eq!(data.debt_base, u(1), "any debt is worth something");
        let weighted = u(2_500 * 100_000_000 / 3) * u(8_250);
        assert_eq!(data.health_factor_wad, Some(weighted * WAD / u(10_000)));
        Ok(())
    }

    #[test]
    fn what_is_not_flagged_is_not_computed() {
        let mut unused = supplied(weth(), ETHER);
        (unused.supply, unused.debt) = (None, None);
        unused.as_collateral = false;
        assert!(account_data(Release::V3_0, [unused], None).is_ok());
        unused.borrowing = true;
        assert!(account_data(Release::V3_0, [unused], None).is_err());
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
                account_data(Release::V3_0, [supplied(weth(), supply), borrowed(usdc(), debt)], None)
                    .map(|data| data.health_factor_wad)
            };
            prop_assert!(health(debt + more)? <= health(debt)?);
        }
    }
}
