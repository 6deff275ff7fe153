//! Volatility as it was forecast for each day: what returns are divided by.

use super::garch;
use super::parameters::Filter;
use crate::Error;

/// The mean and the volatility of each day's log return, forecast from the days before it.
#[derive(Debug, Clone, PartialEq)]
pub struct Conditional {
    /// The constant mean that is taken out before scaling.
    pub mean: f64,
    /// One forecast a day, and one more for the day after the last.
    pub volatility: Vec<f64>,
}

impl Conditional {
    /// Forecasts by `filter`, never below `volatility_min`.
    ///
    /// # Errors
    /// [`Error::Input`] when a GARCH model cannot be fitted.
    pub(super) fn of(
        factor: &str,
        returns: &[f64],
        filter: &Filter,
        volatility_min: f64,
    ) -> Result<Self, Error> {
        let (mean, variance) = match *filter {
            Filter::Ewma { decay, seed_days } => (0.0, ewma(returns, decay, seed_days)),
            Filter::Garch { .. } => {
                let model = garch::fit(factor, returns)?;
                (model.mean, model.variances(returns))
            }
        };
        let volatility = variance
            .into_iter()
            .map(|v| v.sqrt().max(volatility_min))
            .collect();
        Ok(Self { mean, volatility })
    }
}

/// `σ²ₜ₊₁ = λ σ²ₜ + (1−λ) r²ₜ` (J.P. Morgan, *Technical Document*, 1996, chapter 5; mean zero), begun with the mean
/// square of the first `seed_days`.
///
/// The days of the seed get the seed itself: they have no forecast of their own, and no scenario is
/// made of them.
fn ewma(returns: &[f64], decay: f64, seed_days: usize) -> Vec<f64> {
    let seed_days = seed_days.clamp(1, returns.len().max(1));
    let seed_returns = &returns[..seed_days.min(returns.len())];
    #[expect(clippy::cast_precision_loss, reason = "no 2^53 days fit in memory")]
    let mut variance = seed_returns.iter().map(|r| r * r).sum::<f64>() / seed_days as f64;
    let mut variances = vec![variance; seed_returns.len()];
    for value in &returns[seed_returns.len()..] {
        variances.push(variance);
        variance = decay * variance + (1.0 - decay) * value * value;
    }
    variances.push(variance);
    variances
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forecast_of_a_day_knows_nothing_of_that_day() {
        let calm = ewma(&[1.0, 1.0, 3.0, 2.0], 0.5, 2);
        assert_eq!(calm, [1.0, 1.0, 1.0, 5.0, 4.5]);
        let changed = ewma(&[1.0, 1.0, 3.0, 9.0], 0.5, 2);
        assert_eq!(calm[..4], changed[..4]);
    }
}
