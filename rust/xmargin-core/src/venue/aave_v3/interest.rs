//! Interest: how indices and balances grow from what the pool stored to a later block.
//!
//! Supply earns *linear* interest since the reserve's last update, debt *compound* interest: until 3.0
//! the first four terms of its binomial, in 3.6 of its exponential series. With x the rate of one second
//! and n the seconds:
//!
//! ```text
//! 3.0: 1 + n × x + n × (n - 1) ÷ 2 × x² + n × (n - 1) × (n - 2) ÷ 6 × x³
//! 3.6: 1 + n × x + (n × x)² ÷ 2 + (n × x)³ ÷ 6
//! ```

use super::Release;
use crate::Error;
use crate::num::U256;
use crate::num::fixed::{RAY, add, mul, ray_mul};

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

/// Growth of a balance at a compounded yearly `rate` (ray), as a ray
/// (`MathUtils.calculateCompoundedInterest`).
///
/// # Errors
/// [`Error::Overflow`] when the update lies after `now_s` or an intermediate overflows.
pub fn compounded_interest(
    release: Release,
    rate: U256,
    updated_at_s: u64,
    now_s: u64,
) -> Result<U256, Error> {
    let seconds = seconds_between(updated_at_s, now_s)?;
    match release {
        _ if seconds == 0 => Ok(RAY),
        Release::V3_0 => binomial(rate, seconds),
        Release::V3_6 => exponential(rate, seconds),
    }
}

/// Powers half up, products half up, quotients down.
fn exponential(rate: U256, seconds: u64) -> Result<U256, Error> {
    let x = mul(rate, U256::from(seconds))? / SECONDS_PER_YEAR;
    let cubic = ray_mul(x, x / U256::from(6))?;
    let higher = ray_mul(x, add(x / U256::from(2), cubic)?)?;
    add(add(RAY, x)?, higher)
}

/// Each division rounds down.
fn binomial(rate: U256, seconds: u64) -> Result<U256, Error> {
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
    release: Release,
    variable_borrow_index: U256,
    variable_borrow_rate: U256,
    updated_at_s: u64,
    now_s: u64,
) -> Result<U256, Error> {
    if updated_at_s == now_s {
        return Ok(variable_borrow_index);
    }
    let growth = compounded_interest(release, variable_borrow_rate, updated_at_s, now_s)?;
    ray_mul(growth, variable_borrow_index)
}

/// A reserve's indices and yearly rates (rays) as the pool stored them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredIndices {
    /// Supply index.
    pub supply: U256,
    /// Rate that supply earns.
    pub supply_rate: U256,
    /// Variable debt index.
    pub debt: U256,
    /// Rate that variable debt grows by.
    pub debt_rate: U256,
    /// When they were stored.
    pub updated_at_s: u64,
}

/// A reserve's indices (rays) as of some time; `None` where the contract would revert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GrownIndices {
    /// Supply index.
    pub supply: Option<U256>,
    /// Variable debt index.
    pub debt: Option<U256>,
}

impl StoredIndices {
    /// The indices as of `now_s`.
    #[must_use]
    pub fn grown(&self, release: Release, now_s: u64) -> GrownIndices {
        let since = self.updated_at_s;
        GrownIndices {
            supply: normalized_income(self.supply, self.supply_rate, since, now_s).ok(),
            debt: normalized_debt(release, self.debt, self.debt_rate, since, now_s).ok(),
        }
    }
}

/// The supply of a user in token units (`AToken.balanceOf`); nothing where the contract would revert,
/// as it does without an index.
#[must_use]
pub fn supply_balance(release: Release, scaled: U256, index: Option<U256>) -> Option<U256> {
    release.supply(scaled, index?).ok()
}

/// A debt in token units (`VariableDebtToken.balanceOf`, and `StableDebtToken.balanceOf` with the
/// growth since the loan in place of an index). Who owes nothing owes so whatever the index is, in 3.0.
#[must_use]
pub fn debt_balance(release: Release, scaled: U256, index: Option<U256>) -> Option<U256> {
    if release == Release::V3_0 && scaled.is_zero() {
        return Some(scaled);
    }
    release.debt(scaled, index?).ok()
}

/// A user's stable debt in token units as of `now_s` (`StableDebtToken.balanceOf`); none since 3.2.
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
    let growth = compounded_interest(Release::V3_0, rate, updated_at_s, now_s)?;
    ray_mul(principal, growth)
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

    #[test]
    fn a_year_at_ten_percent_accrues_as_the_contract_says() -> Result<(), Error> {
        let rate = RAY / u(10);
        assert_eq!(linear_interest(rate, NOW_S - YEAR_S, NOW_S)?, RAY + rate);
        // 1 + 0.1 + 0.1² ÷ 2 + 0.1³ ÷ 6 = 1.105167, but the third power of a second's rate is
        // 31.9 of the last unit, and the contract drops the 0.9.
        let compounded = compounded_interest(Release::V3_0, rate, NOW_S - YEAR_S, NOW_S)?;
        assert_eq!(compounded, u(1_105_162_042_821_782_412_575_504_000));
        Ok(())
    }

    #[test]
    fn a_year_at_ten_percent_is_the_exponential_series_since_3_6() -> Result<(), Error> {
        let rate = RAY / u(10);
        let compounded = compounded_interest(Release::V3_6, rate, NOW_S - YEAR_S, NOW_S)?;
        // 1 + 0.1 + 0.1² ÷ 2 + 0.1³ ÷ 6, ⌊0.1 ÷ 6⌋ and both products half up.
        assert_eq!(compounded, u(1_105_166_666_666_666_666_666_666_667));
        assert_eq!(compounded_interest(Release::V3_6, rate, NOW_S, NOW_S)?, RAY);
        Ok(())
    }

    #[test]
    fn balances_are_rounded_for_the_pool_since_3_6() {
        let index = Some(RAY + RAY / u(2));
        assert_eq!(supply_balance(Release::V3_6, u(3), index), Some(u(4)));
        assert_eq!(debt_balance(Release::V3_6, u(3), index), Some(u(5)));
        assert_eq!(
            debt_balance(Release::V3_6, U256::ZERO, None),
            None,
            "the index is computed first"
        );
    }

    #[test]
    fn the_first_seconds_have_fewer_terms() -> Result<(), Error> {
        let rate = RAY;
        let growth = |seconds| compounded_interest(Release::V3_0, rate, NOW_S - seconds, NOW_S);
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
        assert_eq!(
            normalized_debt(Release::V3_0, index, rate, NOW_S, NOW_S)?,
            index
        );
        assert!(normalized_income(index, rate, NOW_S - 1, NOW_S).is_err());
        assert!(normalized_debt(Release::V3_0, index, RAY, NOW_S + 1, NOW_S).is_err());
        Ok(())
    }

    #[test]
    fn no_stable_principal_owes_nothing_at_any_rate() {
        assert_eq!(stable_debt(U256::ZERO, U256::MAX, 0, NOW_S), Ok(U256::ZERO));
        assert!(stable_debt(U256::ONE, U256::MAX, 0, NOW_S).is_err());
    }

    #[test]
    fn a_debt_of_nothing_needs_no_index_and_a_supply_always_does() {
        assert_eq!(
            debt_balance(Release::V3_0, U256::ZERO, None),
            Some(U256::ZERO)
        );
        assert_eq!(supply_balance(Release::V3_0, U256::ZERO, None), None);
        assert_eq!(debt_balance(Release::V3_0, U256::ONE, None), None);
        let index = Some(RAY + RAY / u(2));
        assert_eq!(
            debt_balance(Release::V3_0, u(3), index),
            Some(u(5)),
            "4.5 rounds up"
        );
        assert_eq!(supply_balance(Release::V3_0, u(3), index), Some(u(5)));
        assert_eq!(supply_balance(Release::V3_0, u(3), Some(U256::MAX)), None);
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
            let fast = compounded_interest(Release::V3_0, u(rate), NOW_S - seconds, NOW_S)?;
            prop_assert_eq!(U1024::from(fast), slow);
        }
    }
}
