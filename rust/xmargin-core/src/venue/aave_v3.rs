//! Aave v3.0.x: what `Pool.getUserAccountData` answers, to the last unit.
//!
//! Source: Aave v3 core 1.19.3, `GenericLogic.calculateUserAccountData` and
//! `calculateAvailableBorrows`, `ReserveLogic.getNormalizedIncome` and `getNormalizedDebt`,
//! `MathUtils` and `StableDebtToken.balanceOf`. Units: *base* is the pool oracle's base currency
//! (8 decimals for USD), ratios are basis points, indices and rates are rays, the health factor is
//! a wad. Where the contract would revert, the result is [`Error::Overflow`].
//!
//! Supply earns *linear* interest since the reserve's last update, debt the first four terms of the
//! binomial of *compound* interest; with x the rate of one second and n the seconds:
//!
//! ```text
//! 1 + n × x + n × (n - 1) ÷ 2 × x² + n × (n - 1) × (n - 2) ÷ 6 × x³
//! ```

use crate::Error;
use crate::num::U256;
use crate::num::fixed::{RAY, WAD, add, mul, percent_mul, ray_mul, wad_div};

/// Seconds of a year without leap days, as the contract counts.
const SECONDS_PER_YEAR: U256 = U256::from_limbs([31_536_000, 0, 0, 0]);

/// The square of [`SECONDS_PER_YEAR`].
const SECONDS_PER_YEAR_SQUARED: U256 = U256::from_limbs([994_519_296_000_000, 0, 0, 0]);

fn seconds_between(updated_at_s: u64, now_s: u64) -> Result<u64, Error> {
    now_s.checked_sub(updated_at_s).ok_or(Error::Overflow {
        operation: "seconds since the last update",
    })
}

/// Growth of a balance at a linear yearly `rate` (ray), as a ray: 1 + ⌊rate × seconds ÷ year⌋
/// (`MathUtils.calculateLinearInterest`).
///
/// # Errors
/// [`Error::Overflow`] when the update lies after `now_s` or an intermediate overflows.
pub fn linear_interest(rate: U256, updated_at_s: u64, now_s: u64) -> Result<U256, Error> {
    let seconds = U256::from(seconds_between(updated_at_s, now_s)?);
    add(RAY, mul(rate, seconds)? / SECONDS_PER_YEAR)
}

/// Growth of a balance at a compounded yearly `rate` (ray), as a ray: four binomial terms, each
/// division rounding down (`MathUtils.calculateCompoundedInterest`).
///
/// # Errors
/// [`Error::Overflow`] when the update lies after `now_s` or an intermediate overflows.
pub fn compounded_interest(rate: U256, updated_at_s: u64, now_s: u64) -> Result<U256, Error> {
    let seconds = seconds_between(updated_at_s, now_s)?;
    if seconds == 0 {
        return Ok(RAY);
    }
    let exponent = U256::from(seconds);
    let minus_one = U256::from(seconds - 1);
    let minus_two = U256::from(seconds.saturating_sub(2));
    let rate_squared = ray_mul(rate, rate)? / SECONDS_PER_YEAR_SQUARED;
    let rate_cubed = ray_mul(rate_squared, rate)? / SECONDS_PER_YEAR;
    let pairs = mul(exponent, minus_one)?;
    let first = mul(rate, exponent)? / SECONDS_PER_YEAR;
    let second = mul(pairs, rate_squared)? / U256::from(2);
    let third = mul(mul(pairs, minus_two)?, rate_cubed)? / U256::from(6);
    add(add(add(RAY, first)?, second)?, third)
}

/// The supply index as of `now_s`: the stored one in the block that stored it, else grown linearly
/// (`ReserveLogic.getNormalizedIncome`).
///
/// # Errors
/// As [`linear_interest`].
pub fn normalized_income(
    liquidity_index: U256,
    liquidity_rate: U256,
    updated_at_s: u64,
    now_s: u64,
) -> Result<U256, Error> {
    if updated_at_s == now_s {
        return Ok(liquidity_index);
    }
    let growth = linear_interest(liquidity_rate, updated_at_s, now_s)?;
    ray_mul(growth, liquidity_index)
}

/// The variable debt index as of `now_s`: the stored one in the block that stored it, else
/// compounded (`ReserveLogic.getNormalizedDebt`).
///
/// # Errors
/// As [`compounded_interest`].
pub fn normalized_debt(
    variable_borrow_index: U256,
    variable_borrow_rate: U256,
    updated_at_s: u64,
    now_s: u64,
) -> Result<U256, Error> {
    if updated_at_s == now_s {
        return Ok(variable_borrow_index);
    }
    let growth = compounded_interest(variable_borrow_rate, updated_at_s, now_s)?;
    ray_mul(growth, variable_borrow_index)
}

/// A user's stable debt in token units as of `now_s` (`StableDebtToken.balanceOf`).
///
/// # Errors
/// As [`compounded_interest`].
pub fn stable_debt(
    principal: U256,
    rate: U256,
    updated_at_s: u64,
    now_s: u64,
) -> Result<U256, Error> {
    if principal.is_zero() {
        return Ok(U256::ZERO);
    }
    ray_mul(principal, compounded_interest(rate, updated_at_s, now_s)?)
}

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
        // The contract computes the unit unchecked; 10^255 modulo 2^256 is not zero.
        let unit = U256::from(10).wrapping_pow(U256::from(self.decimals));
        Ok(mul(amount, self.price_base_in(emode))? / unit)
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
    use ruint::Uint;

    type U1024 = Uint<1024, 16>;

    const NOW_S: u64 = 1_800_000_000;
    const YEAR_S: u64 = 31_536_000;

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
    fn a_year_at_ten_percent_accrues_as_the_contract_says() -> Result<(), Error> {
        let rate = RAY / u(10);
        assert_eq!(linear_interest(rate, NOW_S - YEAR_S, NOW_S)?, RAY + rate);
        // 1 + 0.1 + 0.1² ÷ 2 + 0.1³ ÷ 6 = 1.105167, but the third power of a second's rate is
        // 31.9 of the last unit, and the contract drops the 0.9.
        let compounded = compounded_interest(rate, NOW_S - YEAR_S, NOW_S)?;
        assert_eq!(compounded, u(1_105_162_042_821_782_412_575_504_000));
        Ok(())
    }

    #[test]
    fn the_first_seconds_have_fewer_terms() -> Result<(), Error> {
        let rate = RAY;
        let growth = |seconds| compounded_interest(rate, NOW_S - seconds, NOW_S);
        let per_second = RAY / u(u128::from(YEAR_S));
        assert_eq!(growth(0)?, RAY);
        assert_eq!(growth(1)?, RAY + per_second);
        let squared = RAY / (u(u128::from(YEAR_S)) * u(u128::from(YEAR_S)));
        assert_eq!(
            growth(2)?,
            RAY + RAY * u(2) / u(u128::from(YEAR_S)) + squared
        );
        Ok(())
    }

    #[test]
    fn an_index_stored_in_this_block_is_taken_as_it_is() -> Result<(), Error> {
        let (index, rate) = (RAY + U256::ONE, U256::MAX);
        assert_eq!(normalized_income(index, rate, NOW_S, NOW_S)?, index);
        assert_eq!(normalized_debt(index, rate, NOW_S, NOW_S)?, index);
        assert!(normalized_income(index, rate, NOW_S - 1, NOW_S).is_err());
        assert!(normalized_debt(index, RAY, NOW_S + 1, NOW_S).is_err());
        Ok(())
    }

    #[test]
    fn no_stable_principal_owes_nothing_at_any_rate() {
        assert_eq!(stable_debt(U256::ZERO, U256::MAX, 0, NOW_S), Ok(U256::ZERO));
        assert!(stable_debt(U256::ONE, U256::MAX, 0, NOW_S).is_err());
    }

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
        fn compound_interest_has_four_terms(rate in 0_u128..10 * 10_u128.pow(27), seconds in 3_u64..1_000_000_000) {
            let (ray, year, n) = (U1024::from(RAY), U1024::from(YEAR_S), U1024::from(seconds));
            let x = U1024::from(rate);
            let half_up = |a: U1024, b: U1024| (a * b + ray / U1024::from(2)) / ray;
            let squared = half_up(x, x) / (year * year);
            let cubed = half_up(squared, x) / year;
            let one = U1024::from(1);
            let slow = ray
                + x * n / year
                + n * (n - one) * squared / U1024::from(2)
                + n * (n - one) * (n - one - one) * cubed / U1024::from(6);
            let fast = compounded_interest(u(rate), NOW_S - seconds, NOW_S)?;
            prop_assert_eq!(U1024::from(fast), slow);
        }

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
