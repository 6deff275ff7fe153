//! What the model would have said on each day, beside what then came.

use super::margin::{Holdings, exposures, margin};
use super::parameters::HistoricalParameters;
use super::returns::Returns;
use super::scenarios::Scenarios;
use crate::Error;

/// A forecast for one day and its outcome, USD.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Forecast {
    /// The day that was forecast.
    pub day: i32,
    /// What the holdings gained on it.
    pub pnl: f64,
    /// Filtered value at risk, from the days before.
    pub var: f64,
    /// Filtered expected shortfall.
    pub es: f64,
    /// The whole requirement: blend or floor.
    pub requirement: f64,
}

/// Forecasts for every day that has `lookback_days` before it; nothing of a day or after it enters
/// its forecast.
///
/// # Errors
/// As [`Scenarios::of_days`] and [`margin`]; [`Error::Input`] also for holdings that were revalued
/// (their P&L holds for one day only), and when no day has so many before it.
pub fn forecasts(
    returns: &Returns,
    holdings: &Holdings,
    parameters: &HistoricalParameters,
    lookback_days: usize,
) -> Result<Vec<Forecast>, Error> {
    if let Some(one) = holdings.revalued.first() {
        let problem = format!(
            "{:?}: a forecast for many days takes linear holdings only",
            one.name
        );
        return Err(Error::row("revalued", "name", 0, problem));
    }
    if returns.days.len() <= lookback_days {
        let problem = format!(
            "{} days leave none to forecast after {lookback_days}",
            returns.days.len()
        );
        return Err(Error::Input {
            table: "returns",
            column: "day",
            row: None,
            problem,
        });
    }
    let exposures = exposures(&returns.factors, holdings)?;
    let realised = |row: usize| -> f64 {
        exposures
            .iter()
            .map(|(&factor, delta)| delta * libm::expm1(returns.columns[factor][row]))
            .sum()
    };
    (lookback_days..returns.days.len())
        .map(|row| {
            let past = Scenarios::of_days(returns, row - lookback_days..row, parameters)?;
            let margin = margin(&past, holdings, parameters)?;
            Ok(Forecast {
                day: returns.days[row],
                pnl: realised(row),
                var: margin.filtered.var,
                es: margin.filtered.es,
                requirement: margin.requirement,
            })
        })
        .collect()
}
