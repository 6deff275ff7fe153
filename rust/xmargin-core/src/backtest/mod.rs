//! Backtests: did losses exceed what was forecast as often, as scattered and as far as it said?
//!
//! An **exception** is a day whose loss exceeds the value at risk strictly; its size is the excess.
//! A tail is *rejected* where its p-value is small; no verdict is given here but the published ones
//! (Basel's zones, Acerbi & Székely's threshold).

mod coverage;
mod shortfall;

pub use coverage::{Coverage, TrafficLight, Zone};
pub use shortfall::Shortfall;

use crate::Error;
use crate::model::confidence::Confidence;

const USD_MAX: f64 = 1e100;
/// A loss divided by less could be infinite.
const ES_USD_MIN: f64 = 1e-100;
/// The Basel Committee's year.
const BASEL_DAYS: usize = 250;

/// The table `outcomes`: forecasts and what came, a row a day, in time order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Outcomes {
    /// The day, counted from 1970-01-01.
    pub day: Vec<i32>,
    /// What was gained on it, USD.
    pub pnl: Vec<f64>,
    /// The value at risk forecast for it, a loss, USD.
    pub var: Vec<f64>,
    /// The expected shortfall forecast for it, at least the value at risk and positive; empty when
    /// none was forecast.
    pub es: Vec<f64>,
}

/// All tests of one series of forecasts.
#[derive(Debug, Clone, PartialEq)]
pub struct Backtest {
    /// Number of days.
    pub observations: usize,
    /// Days whose loss exceeded the value at risk.
    pub exceptions: usize,
    /// The share of days that are no exception.
    pub coverage: f64,
    /// The row of the largest exception, the earliest of equal ones.
    pub largest_row: Option<usize>,
    /// Its excess over the value at risk, USD; zero without exceptions.
    pub largest_exception: f64,
    /// The mean excess, USD; zero without exceptions.
    pub average_exception: f64,
    /// Kupiec's and Christoffersen's tests.
    pub tests: Coverage,
    /// Acerbi & Székely's tests, where expected shortfall was forecast.
    pub shortfall: Option<Shortfall>,
    /// Basel's zone of all days.
    pub traffic_light: TrafficLight,
    /// Basel's zone of the last 250 days, where there are so many.
    pub traffic_light_250: Option<TrafficLight>,
}

/// Runs all tests.
///
/// # Errors
/// [`Error::Input`] naming column and row: no rows, ragged columns, days out of order or said twice,
/// a number that is none or beyond 1e100, an expected shortfall below the value at risk or not
/// positive.
pub fn backtest(outcomes: &Outcomes, confidence: Confidence) -> Result<Backtest, Error> {
    check(outcomes)?;
    let excess: Vec<f64> = outcomes
        .pnl
        .iter()
        .zip(&outcomes.var)
        .map(|(pnl, var)| -pnl - var)
        .collect();
    let hits: Vec<bool> = excess.iter().map(|&excess| excess > 0.0).collect();
    let exceptions = hits.iter().filter(|&&hit| hit).count();
    let largest_row = (0..excess.len())
        .filter(|&row| hits[row])
        .min_by(|&a, &b| excess[b].total_cmp(&excess[a]).then(a.cmp(&b)));
    let total: f64 = excess.iter().filter(|&&excess| excess > 0.0).sum();
    let last = hits
        .len()
        .checked_sub(BASEL_DAYS)
        .map(|first| &hits[first..]);
    Ok(Backtest {
        observations: hits.len(),
        exceptions,
        coverage: 1.0 - as_float(exceptions) / as_float(hits.len()),
        largest_row,
        largest_exception: largest_row.map_or(0.0, |row| excess[row]),
        average_exception: if exceptions == 0 {
            0.0
        } else {
            total / as_float(exceptions)
        },
        tests: Coverage::of(&hits, confidence),
        shortfall: (!outcomes.es.is_empty()).then(|| Shortfall::of(outcomes, &hits, confidence)),
        traffic_light: TrafficLight::of(&hits, confidence),
        traffic_light_250: last.map(|hits| TrafficLight::of(hits, confidence)),
    })
}

#[expect(clippy::cast_precision_loss, reason = "no 2^53 days fit in memory")]
fn as_float(count: usize) -> f64 {
    count as f64
}

fn check(outcomes: &Outcomes) -> Result<(), Error> {
    let count = outcomes.day.len();
    let fault = |column, row, problem| {
        Err(Error::Input {
            table: "outcomes",
            column,
            row,
            problem,
        })
    };
    if count == 0 {
        return fault("day", None, "is empty; give at least one day".to_owned());
    }
    if let Some(row) = outcomes.day.windows(2).position(|pair| pair[0] >= pair[1]) {
        let problem = format!(
            "{} does not follow the day before it",
            outcomes.day[row + 1]
        );
        return fault("day", Some(row + 1), problem);
    }
    let columns = [
        ("pnl", &outcomes.pnl),
        ("var", &outcomes.var),
        ("es", &outcomes.es),
    ];
    for (column, values) in columns {
        if values.len() != count && !(column == "es" && values.is_empty()) {
            let problem = format!("has {} rows where day has {count}", values.len());
            return fault(column, None, problem);
        }
        if let Some(row) = values
            .iter()
            .position(|value| value.is_nan() || value.abs() > USD_MAX)
        {
            let problem = format!("{}; it must be within ±1e100", values[row]);
            return fault(column, Some(row), problem);
        }
    }
    let unsound = outcomes
        .es
        .iter()
        .zip(&outcomes.var)
        .position(|(es, var)| es < var || *es < ES_USD_MIN);
    match unsound {
        None => Ok(()),
        Some(row) => {
            let (es, var) = (outcomes.es[row], outcomes.var[row]);
            let problem = format!("{es:?}; it must be at least the VaR {var:?} and 1e-100");
            fault("es", Some(row), problem)
        }
    }
}
