//! Kamino Lend: what an obligation's refresh computes, to the last unit.
//!
//! Source: Kamino-Finance/klend, `lending_market/lending_operations.rs` (`refresh_obligation`,
//! `refresh_obligation_deposits`, `refresh_obligation_borrows`), `state/reserve.rs`
//! (`CollateralExchangeRate`, `total_supply`), `state/obligation.rs` (`accrue_interest`) and
//! `utils/fraction.rs`, as of 1.22. Values are U68F60: integers in units of 2⁻⁶⁰ dollars; products
//! and quotients round down. Where the program would refuse the obligation or panic, the result is
//! an [`Error`].
//!
//! ```text
//! deposit    ⌊collateral × liquidity ÷ collateral supply⌋ × price ÷ 10^decimals
//! debt       ⌊borrowed × rate now ÷ rate then⌋ × price ÷ 10^decimals × borrow factor
//! allowed    Σ deposits × loan to value, at most the market's global limit
//! unhealthy  Σ deposits × liquidation threshold
//! ```
//!
//! In an elevation group the group's ratios count for all deposits, and the borrow factor is one. An
//! obligation is liquidated when debt ÷ deposits is no less than unhealthy ÷ deposits.

use super::Sum;
use crate::Error;
use crate::num::U256;

const FRACTION_BITS: usize = 60;
/// 10¹⁹ is the largest power of ten of 64 bits.
const DECIMALS_MAX: u32 = 19;

/// A reserve, as far as the value of an obligation depends on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reserve {
    /// Token units that lie in it.
    pub available: u64,
    /// Token units lent out, U68F60.
    pub borrowed_sf: u128,
    /// Fees that are not its depositors', U68F60.
    pub fees_sf: [u128; 3],
    /// Collateral units in existence.
    pub collateral_supply: u64,
    /// Growth of debts, U196F60.
    pub borrow_rate_bsf: U256,
    /// Of the token.
    pub decimals: u32,
    /// Dollars of a whole token, U68F60.
    pub price_sf: u128,
    /// Percent of a deposit that may be borrowed.
    pub loan_to_value_pct: u8,
    /// Percent of a deposit at which it is liquidated.
    pub liquidation_threshold_pct: u8,
    /// Percent that a debt counts for.
    pub borrow_factor_pct: u64,
    /// The elevation groups that it is in.
    pub elevation_groups: Vec<u8>,
}

/// An elevation group of a market.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ElevationGroup {
    /// Its number, from 1.
    pub number: u8,
    /// Percent of a deposit that may be borrowed.
    pub loan_to_value_pct: u8,
    /// Percent of a deposit at which it is liquidated.
    pub liquidation_threshold_pct: u8,
    /// The one reserve of its debts, by its place among those given.
    pub debt_reserve: Option<usize>,
}

/// Collateral units deposited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deposit {
    /// The reserve's place among those given.
    pub reserve: usize,
    /// Collateral units.
    pub amount: u64,
}

/// A debt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Borrow {
    /// The reserve's place among those given.
    pub reserve: usize,
    /// Token units when interest was last added, U68F60.
    pub borrowed_sf: u128,
    /// The reserve's borrow rate then, U196F60.
    pub borrow_rate_bsf: U256,
}

/// An obligation with its reserves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Obligation {
    /// Its deposits.
    pub deposits: Vec<Deposit>,
    /// Its debts.
    pub borrows: Vec<Borrow>,
    /// The elevation group that it is in.
    pub elevation_group: Option<ElevationGroup>,
    /// The market's limit of allowed debt, in whole dollars.
    pub allowed_max: u64,
    /// All reserves of it.
    pub reserves: Vec<Reserve>,
}

/// What a refresh stores, U68F60 dollars.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Refreshed {
    /// All deposits.
    pub deposited_sf: u128,
    /// All debts at one to one.
    pub borrowed_sf: u128,
    /// All debts at their borrow factors.
    pub adjusted_debt_sf: u128,
    /// Debt that may be.
    pub allowed_sf: u128,
    /// Debt at which it is liquidated.
    pub unhealthy_sf: u128,
}

impl Refreshed {
    /// What may be borrowed against what is.
    ///
    /// # Errors
    /// [`Error::Overflow`] when a value has 128 bits.
    pub fn initial(&self) -> Result<Sum, Error> {
        sum(self.allowed_sf, self.adjusted_debt_sf)
    }

    /// What is liquidated against what is.
    ///
    /// # Errors
    /// As [`Refreshed::initial`].
    pub fn maintenance(&self) -> Result<Sum, Error> {
        sum(self.unhealthy_sf, self.adjusted_debt_sf)
    }

    /// Whether the program liquidates (`check_liquidate_obligation`): by the ratios to the deposits,
    /// each rounded down.
    #[must_use]
    pub fn is_liquidatable(&self) -> bool {
        if self.deposited_sf == 0 || self.adjusted_debt_sf == 0 {
            return false;
        }
        let deposited = U256::from(self.deposited_sf);
        let ratio = |value: u128| (U256::from(value) << FRACTION_BITS) / deposited;
        ratio(self.adjusted_debt_sf) >= ratio(self.unhealthy_sf)
    }
}

fn sum(collateral: u128, requirement: u128) -> Result<Sum, Error> {
    let narrow = |value| i128::try_from(value).map_err(|_| overflow());
    Ok(Sum {
        collateral: narrow(collateral)?,
        requirement: narrow(requirement)?,
    })
}

/// What a refresh of the obligation would store.
///
/// # Errors
/// [`Error::Refused`] where the program would not refresh it, [`Error::Overflow`] where it would
/// panic, [`Error::Input`] where a reserve is missing.
pub fn refreshed(obligation: &Obligation) -> Result<Refreshed, Error> {
    let group = obligation.elevation_group.as_ref();
    if group
        .is_some_and(|group| group.loan_to_value_pct == 0 || group.liquidation_threshold_pct == 0)
    {
        return Err(Error::refused("the elevation group does not exist"));
    }
    if group.is_some() && obligation.borrows.len() > 1 {
        return Err(Error::refused("an elevation group allows one debt"));
    }
    let mut sums = Refreshed::default();
    for (row, borrow) in obligation.borrows.iter().enumerate() {
        let reserve = reserve(obligation, "borrows", row, borrow.reserve)?;
        check_group(group, reserve, borrow.reserve, true)?;
        add_borrow(&mut sums, borrow, reserve, group.is_some())?;
    }
    for (row, deposit) in obligation.deposits.iter().enumerate() {
        let reserve = reserve(obligation, "deposits", row, deposit.reserve)?;
        check_group(group, reserve, deposit.reserve, false)?;
        add_deposit(&mut sums, deposit, reserve, group)?;
    }
    let allowed_max = u128::from(obligation.allowed_max) << FRACTION_BITS;
    sums.allowed_sf = sums.allowed_sf.min(allowed_max);
    Ok(sums)
}

/// Token units of an obligation's deposits, rounded down, and of its debts, rounded up.
///
/// # Errors
/// As [`refreshed`].
pub fn amounts(obligation: &Obligation) -> Result<(Vec<u128>, Vec<u128>), Error> {
    let deposit = |(row, deposit): (usize, &Deposit)| {
        let reserve = reserve(obligation, "deposits", row, deposit.reserve)?;
        Ok(liquidity(deposit.amount, reserve)? >> FRACTION_BITS)
    };
    let debt = |(row, borrow): (usize, &Borrow)| {
        let reserve = reserve(obligation, "borrows", row, borrow.reserve)?;
        let owed = accrued(borrow, reserve)?;
        Ok(add(owed, (1 << FRACTION_BITS) - 1)? >> FRACTION_BITS)
    };
    let deposits = obligation.deposits.iter().enumerate().map(deposit);
    let debts = obligation.borrows.iter().enumerate().map(debt);
    Ok((
        deposits.collect::<Result<_, Error>>()?,
        debts.collect::<Result<_, Error>>()?,
    ))
}

fn reserve<'a>(
    obligation: &'a Obligation,
    table: &'static str,
    row: usize,
    at: usize,
) -> Result<&'a Reserve, Error> {
    let found = obligation.reserves.get(at);
    found.ok_or_else(|| Error::row(table, "reserve", row, "names a reserve that was not given"))
}

fn check_group(
    group: Option<&ElevationGroup>,
    reserve: &Reserve,
    at: usize,
    is_debt: bool,
) -> Result<(), Error> {
    let Some(group) = group else {
        return Ok(());
    };
    if !reserve.elevation_groups.contains(&group.number) {
        return Err(Error::refused("a reserve is not in the elevation group"));
    }
    if is_debt != (group.debt_reserve == Some(at)) {
        return Err(Error::refused(
            "the elevation group's debt is in another reserve, or is a deposit",
        ));
    }
    Ok(())
}

fn add_borrow(
    sums: &mut Refreshed,
    borrow: &Borrow,
    reserve: &Reserve,
    in_group: bool,
) -> Result<(), Error> {
    let value = value(accrued(borrow, reserve)?, reserve)?;
    let factor = if in_group {
        percent(100)
    } else {
        percent(reserve.borrow_factor_pct).max(percent(100))
    };
    sums.borrowed_sf = add(sums.borrowed_sf, value)?;
    sums.adjusted_debt_sf = add(sums.adjusted_debt_sf, product(value, factor)?)?;
    Ok(())
}

/// `ObligationLiquidity::accrue_interest`: ⌊borrowed × rate now ÷ rate then⌋.
fn accrued(borrow: &Borrow, reserve: &Reserve) -> Result<u128, Error> {
    let (then, now) = (borrow.borrow_rate_bsf, reserve.borrow_rate_bsf);
    if now < then {
        return Err(Error::refused("a debt's rate is above its reserve's"));
    }
    if now == then {
        return Ok(borrow.borrowed_sf);
    }
    let grown = U256::from(borrow.borrowed_sf).checked_mul(now);
    narrow(
        grown
            .and_then(|grown| grown.checked_div(then))
            .ok_or(overflow())?,
    )
}

fn add_deposit(
    sums: &mut Refreshed,
    deposit: &Deposit,
    reserve: &Reserve,
    group: Option<&ElevationGroup>,
) -> Result<(), Error> {
    let value = value(liquidity(deposit.amount, reserve)?, reserve)?;
    let (loan_to_value, threshold) = group.map_or(
        (reserve.loan_to_value_pct, reserve.liquidation_threshold_pct),
        |group| (group.loan_to_value_pct, group.liquidation_threshold_pct),
    );
    let share = |pct: u8| product(value, percent(pct.into()));
    sums.deposited_sf = add(sums.deposited_sf, value)?;
    sums.allowed_sf = add(sums.allowed_sf, share(loan_to_value)?)?;
    sums.unhealthy_sf = add(sums.unhealthy_sf, share(threshold)?)?;
    Ok(())
}

/// Token units of collateral units (`fraction_collateral_to_liquidity`), U68F60.
fn liquidity(amount: u64, reserve: &Reserve) -> Result<u128, Error> {
    let whole = u128::from(reserve.available) << FRACTION_BITS;
    let lent = add(whole, reserve.borrowed_sf)?;
    let owned = reserve
        .fees_sf
        .iter()
        .try_fold(lent, |rest, fee| rest.checked_sub(*fee))
        .ok_or(overflow())?;
    if reserve.collateral_supply == 0 || owned == 0 {
        return Ok(u128::from(amount) << FRACTION_BITS);
    }
    // 64 bits times 128 bits fit 256.
    narrow(U256::from(amount) * U256::from(owned) / U256::from(reserve.collateral_supply))
}

/// Dollars of token units, each step rounded down.
fn value(amount_sf: u128, reserve: &Reserve) -> Result<u128, Error> {
    if reserve.decimals > DECIMALS_MAX {
        return Err(Error::refused("a token has more than 19 decimals"));
    }
    Ok(product(amount_sf, reserve.price_sf)? / 10_u128.pow(reserve.decimals))
}

fn percent(percent: u64) -> u128 {
    (u128::from(percent) << FRACTION_BITS) / 100
}

fn overflow() -> Error {
    Error::Overflow {
        operation: "U68F60 arithmetic",
    }
}

fn narrow(number: U256) -> Result<u128, Error> {
    u128::try_from(number).map_err(|_| overflow())
}

fn add(a: u128, b: u128) -> Result<u128, Error> {
    a.checked_add(b).ok_or(overflow())
}

/// ⌊a × b⌋ in units of 2⁻⁶⁰.
fn product(a: u128, b: u128) -> Result<u128, Error> {
    narrow((U256::from(a) * U256::from(b)) >> FRACTION_BITS)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: u128 = 1 << FRACTION_BITS;

    fn reserve() -> Reserve {
        Reserve {
            available: 1_500,
            borrowed_sf: 600 * ONE,
            fees_sf: [60 * ONE, 30 * ONE, 10 * ONE],
            collateral_supply: 1_000,
            borrow_rate_bsf: U256::from(2 * ONE),
            decimals: 0,
            price_sf: 3 * ONE,
            loan_to_value_pct: 50,
            liquidation_threshold_pct: 75,
            borrow_factor_pct: 125,
            elevation_groups: vec![4, 9],
        }
    }

    fn obligation() -> Obligation {
        Obligation {
            deposits: vec![Deposit {
                reserve: 0,
                amount: 100,
            }],
            borrows: vec![Borrow {
                reserve: 1,
                borrowed_sf: 40 * ONE,
                borrow_rate_bsf: U256::from(ONE),
            }],
            elevation_group: None,
            allowed_max: u64::MAX,
            reserves: vec![reserve(), reserve()],
        }
    }

    fn group() -> ElevationGroup {
        ElevationGroup {
            number: 9,
            loan_to_value_pct: 90,
            liquidation_threshold_pct: 95,
            debt_reserve: Some(1),
        }
    }

    #[test]
    fn deposits_grow_by_the_reserve_and_debts_by_the_rate() -> Result<(), Error> {
        let found = refreshed(&obligation())?;
        // 100 of 1,000 units of 2,000 tokens; a debt of 40 at twice the rate, at 1.25.
        assert_eq!(found.deposited_sf, 600 * ONE);
        assert_eq!(found.allowed_sf, 300 * ONE);
        assert_eq!(found.unhealthy_sf, 450 * ONE);
        assert_eq!(found.borrowed_sf, 240 * ONE);
        assert_eq!(found.adjusted_debt_sf, 300 * ONE);
        assert!(!found.is_liquidatable());
        assert_eq!(found.initial()?.health_wad()?, Some(crate::num::fixed::WAD));
        Ok(())
    }

    #[test]
    fn an_elevation_group_replaces_ratios_and_borrow_factor() -> Result<(), Error> {
        let mut raised = obligation();
        raised.elevation_group = Some(group());
        let found = refreshed(&raised)?;
        assert_eq!(found.adjusted_debt_sf, 240 * ONE);
        assert_eq!(found.allowed_sf, product(600 * ONE, percent(90))?);
        raised.reserves[0].elevation_groups = vec![4];
        assert!(matches!(refreshed(&raised), Err(Error::Refused { .. })));
        raised = obligation();
        raised.elevation_group = Some(ElevationGroup {
            debt_reserve: Some(0),
            ..group()
        });
        assert!(matches!(refreshed(&raised), Err(Error::Refused { .. })));
        Ok(())
    }

    #[test]
    fn the_edge_of_liquidation_is_equality() -> Result<(), Error> {
        let mut edge = obligation();
        edge.borrows[0].borrowed_sf = 60 * ONE;
        assert!(refreshed(&edge)?.is_liquidatable());
        edge.borrows[0].borrowed_sf -= 1 << 10;
        assert!(!refreshed(&edge)?.is_liquidatable());
        Ok(())
    }

    #[test]
    fn an_empty_reserve_gives_one_to_one() -> Result<(), Error> {
        let mut first = obligation();
        first.reserves[0].collateral_supply = 0;
        assert_eq!(refreshed(&first)?.deposited_sf, 300 * ONE);
        first.reserves[0].fees_sf[0] = u128::MAX;
        assert!(refreshed(&first).is_err());
        Ok(())
    }
}
