//! Returns as scenarios: what each factor would do tomorrow if a past day came again.

use core::ops::Range;

use super::filter::Conditional;
use super::parameters::HistoricalParameters;
use super::returns::{LOG_RETURN_MAX, Returns};
use crate::Error;

/// Joint moves of all factors, by past day; a move is relative: −0.1 is a fall by a tenth.
#[derive(Debug, Clone, PartialEq)]
pub struct Scenarios {
    /// The factors, in name order.
    pub factors: Vec<String>,
    /// The days of the raw scenarios.
    pub days: Vec<i32>,
    /// The first day, as a row of `days`, that has a filtered scenario.
    pub seed_days: usize,
    /// Per factor, its move in each filtered scenario.
    pub filtered: Vec<Vec<f64>>,
    /// Per factor, its move on each day as it was.
    pub raw: Vec<Vec<f64>>,
    /// Per factor, the daily volatility forecast for the day after the last.
    pub volatility: Vec<f64>,
}

impl Scenarios {
    /// Scenarios of all days.
    ///
    /// # Errors
    /// As [`Scenarios::of_days`].
    pub fn of(returns: &Returns, parameters: &HistoricalParameters) -> Result<Self, Error> {
        Self::of_days(returns, 0..returns.days.len(), parameters)
    }

    /// Scenarios of the days in `rows`; what comes after them is not looked at.
    ///
    /// A return `r` of day `t` becomes `μ + (r − μ)·σ_tomorrow/σ_t`, the ratio held within
    /// `scale_max` and the result within the bounds of a return; a price moves by `e^r − 1`: no rescaling can make it negative.
    ///
    /// # Errors
    /// [`Error::Input`] when there are fewer filtered scenarios than the confidence needs, or a GARCH
    /// filter cannot be fitted.
    pub fn of_days(
        returns: &Returns,
        rows: Range<usize>,
        parameters: &HistoricalParameters,
    ) -> Result<Self, Error> {
        let seed_days = parameters.filter.seed_days();
        let least = parameters.confidence.count_min() + seed_days;
        if rows.len() < least {
            return Err(Error::Input {
                table: "returns",
                column: "day",
                row: None,
                problem: format!(
                    "{} days are too few for confidence {} after {seed_days} seed days; \
                     there must be {least}",
                    rows.len(),
                    parameters.confidence.level(),
                ),
            });
        }
        let mut scenarios = Self {
            factors: returns.factors.clone(),
            days: returns.days[rows.clone()].to_vec(),
            seed_days,
            filtered: Vec::with_capacity(returns.factors.len()),
            raw: Vec::with_capacity(returns.factors.len()),
            volatility: Vec::with_capacity(returns.factors.len()),
        };
        for (factor, column) in returns.factors.iter().zip(&returns.columns) {
            let column = &column[rows.clone()];
            let forecast = Conditional::of(
                factor,
                column,
                &parameters.filter,
                parameters.volatility_min,
            )?;
            scenarios.push(column, &forecast, parameters.scale_max);
        }
        Ok(scenarios)
    }

    /// Lets no scenario move a factor by less than `least`.
    pub fn bound_falls(&mut self, factor: usize, least: f64) {
        let columns = [&mut self.filtered[factor], &mut self.raw[factor]];
        for relative in columns.into_iter().flatten() {
            *relative = relative.max(least);
        }
    }

    fn push(&mut self, returns: &[f64], forecast: &Conditional, scale_max: f64) {
        let tomorrow = forecast.volatility[returns.len()];
        let rescale = |(value, then): (&f64, &f64)| {
            let scale = (tomorrow / then).clamp(scale_max.recip(), scale_max);
            let log_move = forecast.mean + (value - forecast.mean) * scale;
            libm::expm1(log_move.clamp(-LOG_RETURN_MAX, LOG_RETURN_MAX))
        };
        let rows = self.seed_days..returns.len();
        let past = returns[rows.clone()].iter().zip(&forecast.volatility[rows]);
        self.filtered.push(past.map(rescale).collect());
        self.raw
            .push(returns.iter().map(|&value| libm::expm1(value)).collect());
        self.volatility.push(tomorrow);
    }
}
