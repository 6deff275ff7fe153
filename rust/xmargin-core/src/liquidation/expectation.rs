//! Bad debt to be expected of accounts that are left alone, by Bachelier's formula.
//!
//! Over a horizon the equity of an account becomes E + sZ, Z normal, where the deviation s is that of
//! what the account is net exposed to:
//!
//! ```text
//! s²  = horizon ÷ day · [ ρ (Σ xₐσₐ)² + (1 − ρ) Σ (xₐσₐ)² ]
//! E max(0, −(E + sZ)) = s φ(E/s) − E Φ(−E/s)
//! ```
//! which is s² = horizon ÷ day · Σ ρₐᵦ xₐ xᵦ σₐ σᵦ for one common correlation ρ. Source: L. Bachelier,
//! *Théorie de la spéculation* (1900). What it does not know is in `docs/liquidation.md`.

use rayon::prelude::*;

use super::ragged::{self, Names, check_lengths, rows_of};
use crate::Error;
use crate::book::columnar::Workers;
use crate::num::twofold::Twofold;
use crate::pricing::normal::expected_excess;

const AMOUNT_MIN: f64 = 1e-30;
const AMOUNT_MAX: f64 = 1e30;
/// Less is no price that moves; squares of it would leave `f64`.
const DEVIATION_MIN: f64 = 1e-12;
const DEVIATION_MAX: f64 = 100.0;
const HORIZON_S_MAX: f64 = 1e9;
const DAY_S: f64 = 86_400.0;
const EXPOSURES: Names = Names {
    end: "exposures_end",
    table: "exposures",
    number: "asset",
    counted: "assets",
};

/// Columns of accounts, in USD.
#[derive(Debug, Clone, Copy)]
pub struct Exposed<'a> {
    /// All owned less all owed; may be negative.
    pub equity: &'a [f64],
    /// Where the account's exposures end.
    pub exposures_end: &'a [u64],
    /// Asset of an exposure; ascending within an account.
    pub asset: &'a [u32],
    /// Owned less owed of the asset.
    pub value: &'a [f64],
}

/// How prices are thought to move.
#[derive(Debug, Clone, Copy)]
pub struct PriceMoves<'a> {
    /// Standard deviation of a day's return of each asset: 0, or in [1e-12, 100].
    pub daily_deviation: &'a [f64],
    /// Of any two assets' returns, in [0, 1].
    pub correlation: f64,
    /// For how long accounts are left alone, in [0, 1e9].
    pub horizon_s: f64,
}

/// The bad debt to be expected of each account, in USD, never below what there is now.
///
/// Of a relative error below 2e-12 wherever it is above 1e-300 of the deviation. Falls with equity
/// and rises with the horizon but for that. Results do not depend on the threads.
///
/// # Errors
/// [`Error::Input`] naming table, column and row of what is out of range or ragged;
/// [`Error::Parameter`] for correlation and horizon.
pub fn expected_bad_debt(
    accounts: &Exposed<'_>,
    moves: &PriceMoves<'_>,
    workers: &Workers,
) -> Result<Vec<f64>, Error> {
    check_moves(moves)?;
    check_accounts(accounts, moves.daily_deviation.len())?;
    let one = |account: usize| {
        let deviation = deviation(accounts, moves, account);
        expected_shortfall(accounts.equity[account], deviation)
    };
    let rows = 0..accounts.equity.len();
    Ok(match workers.pool_for(rows.len()) {
        None => rows.map(one).collect(),
        Some(pool) => pool.install(|| rows.into_par_iter().map(one).collect()),
    })
}

/// E max(0, −(equity + deviation × Z)).
fn expected_shortfall(equity: f64, deviation: f64) -> f64 {
    let short_now = (-equity).max(0.0);
    if deviation == 0.0 {
        return short_now;
    }
    // Jensen: no less than now. Rounding would allow it far above the money.
    (deviation * expected_excess(equity / deviation)).max(short_now)
}

/// Deviation of an account's equity over the horizon, in USD.
fn deviation(accounts: &Exposed<'_>, moves: &PriceMoves<'_>, account: usize) -> f64 {
    let (mut together, mut squares) = (Twofold::ZERO, 0.0);
    for row in rows_of(accounts.exposures_end, account) {
        let daily = moves.daily_deviation[accounts.asset[row] as usize];
        // Hedges cancel in the sum, and its rounding would be all that is left.
        together = together.plus_product(accounts.value[row], daily);
        squares += (accounts.value[row] * daily).powi(2);
    }
    let together = together.rounded().powi(2);
    let daily_variance = moves.correlation * together + (1.0 - moves.correlation) * squares;
    daily_variance.sqrt() * (moves.horizon_s / DAY_S).sqrt()
}

fn check_moves(moves: &PriceMoves<'_>) -> Result<(), Error> {
    let PriceMoves {
        correlation,
        horizon_s,
        ..
    } = *moves;
    if !(0.0..=1.0).contains(&correlation) {
        let problem = format!("{correlation} is not in [0, 1]");
        return Err(Error::parameter("correlation", problem));
    }
    if !(0.0..=HORIZON_S_MAX).contains(&horizon_s) {
        let problem = format!("{horizon_s} is not in [0, {HORIZON_S_MAX}]");
        return Err(Error::parameter("horizon_s", problem));
    }
    let is_deviation = |&one: &f64| one == 0.0 || (DEVIATION_MIN..=DEVIATION_MAX).contains(&one);
    match moves
        .daily_deviation
        .iter()
        .position(|one| !is_deviation(one))
    {
        None => Ok(()),
        Some(row) => {
            let found = moves.daily_deviation[row];
            let problem = format!("{found} is neither 0 nor in [1e-12, {DEVIATION_MAX}]");
            Err(Error::row("assets", "daily_deviation", row, problem))
        }
    }
}

fn check_accounts(accounts: &Exposed<'_>, assets: usize) -> Result<(), Error> {
    let (rows, exposures) = (accounts.equity.len(), accounts.asset.len());
    check_lengths(&[
        (
            "accounts",
            "exposures_end",
            accounts.exposures_end.len(),
            rows,
        ),
        ("exposures", "value", accounts.value.len(), exposures),
    ])?;
    check_amounts("accounts", "equity", accounts.equity)?;
    check_amounts("exposures", "value", accounts.value)?;
    ragged::check(EXPOSURES, accounts.exposures_end, accounts.asset, assets)
}

fn check_amounts(table: &'static str, column: &'static str, amounts: &[f64]) -> Result<(), Error> {
    let is_amount =
        |&amount: &f64| amount == 0.0 || (AMOUNT_MIN..=AMOUNT_MAX).contains(&amount.abs());
    match amounts.iter().position(|amount| !is_amount(amount)) {
        None => Ok(()),
        Some(row) => {
            let problem = format!("{} is neither 0 nor in ± [1e-30, 1e30]", amounts[row]);
            Err(Error::row(table, column, row, problem))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values to 50 digits of `reference/expected_bad_debt.py`, at a deviation of one.
    #[test]
    fn the_expectation_is_right_from_deep_in_debt_to_far_in_the_tail() {
        for (equity, expected) in [
            (-40.0, 40.0),
            (-3.0, 3.000_382_154_317_047_7),
            (-0.5, 0.697_796_557_401_306_1),
            (0.0, 0.398_942_280_401_432_7),
            (0.5, 0.197_796_557_401_306_03),
            (1.0, 0.083_315_470_587_686_3),
            (2.5, 0.002_004_137_179_128_199_3),
            (2.999, 0.000_383_506_433_220_961_64),
            (3.0, 0.000_382_154_317_047_723_6),
            (5.0, 5.346_165_533_832_815e-08),
            (10.0, 7.474_560_254_589_328e-25),
            (20.0, 1.370_012_494_729_579_8e-90),
            (30.0, 1.631_956_734_091_401e-199),
            (37.0, 1.545_199_190_512_202_4e-301),
        ] {
            let found = expected_shortfall(equity, 1.0);
            assert!(
                (found / expected - 1.0).abs() < 2e-12,
                "{equity}: {found:e}"
            );
        }
    }

    #[test]
    fn without_a_deviation_it_is_what_is_short_now() {
        let found = [-3.0, -0.0, 0.0, 5.0].map(|equity| expected_shortfall(equity, 0.0).to_bits());
        assert_eq!(found, [3.0, 0.0, 0.0, 0.0].map(f64::to_bits));
    }

    #[test]
    fn a_hedge_leaves_what_its_exact_sum_leaves() {
        let accounts = Exposed {
            equity: &[0.0],
            exposures_end: &[3],
            asset: &[0, 1, 2],
            value: &[1e12, 1.0, -1e12],
        };
        let moves = PriceMoves {
            daily_deviation: &[0.1, 0.1, 0.1],
            correlation: 1.0,
            horizon_s: DAY_S,
        };
        let found = deviation(&accounts, &moves, 0);
        assert!((found / 0.1 - 1.0).abs() < 1e-15, "{found}");
    }
}
