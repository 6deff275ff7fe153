//! What is watched: excesses at several loss factors, each against its level.

use crate::Error;
use crate::book::columnar::{AccountMargin, LOSS_FACTOR_RANGE, is_moderate, margin_of};

/// The most thresholds: a status is a byte, a bit each.
pub const THRESHOLDS_MAX: usize = 8;

/// An account breaches it when its excess at this loss factor is below the level.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Threshold {
    /// Factor on the worst loss: 1 of maintenance margin, say.
    pub loss_factor: f64,
    /// USD.
    pub excess_usd: f64,
}

/// How far excesses may fall, and rise, before some threshold is reached (USD).
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Slack {
    pub fall: f64,
    pub rise: f64,
}

impl Slack {
    /// What is left after `error`, and of that a share.
    pub fn less(self, error: f64, share: f64) -> Self {
        let left = |slack: f64| ((slack - error) * share).max(0.0);
        Self {
            fall: left(self.fall),
            rise: left(self.rise),
        }
    }
}

/// Checks thresholds.
///
/// # Errors
/// [`Error::Parameter`] when there are none or too many, or one is out of range.
pub(super) fn check(thresholds: &[Threshold]) -> Result<(), Error> {
    if thresholds.is_empty() || thresholds.len() > THRESHOLDS_MAX {
        let problem = format!("are {}; there are 1 to {THRESHOLDS_MAX}", thresholds.len());
        return Err(Error::parameter("thresholds", problem));
    }
    for (number, threshold) in thresholds.iter().enumerate() {
        if !LOSS_FACTOR_RANGE.contains(&threshold.loss_factor) {
            let problem = format!("{} is not in [0, 100]", threshold.loss_factor);
            let key = format!("thresholds.{number}.loss_factor");
            return Err(Error::parameter(key, problem));
        }
        if !is_moderate(threshold.excess_usd) {
            let problem = format!("{} is not a number within ±1e15", threshold.excess_usd);
            let key = format!("thresholds.{number}.excess_usd");
            return Err(Error::parameter(key, problem));
        }
    }
    Ok(())
}

/// The thresholds that an account breaches, a bit each, by what it came to at a loss factor of zero:
/// its excess then is its value.
pub(super) fn status(thresholds: &[Threshold], value: f64, worst_pnl: f64) -> u8 {
    let bits = thresholds.iter().enumerate();
    bits.fold(0, |status, (number, threshold)| {
        let is_breached = excess(threshold, value, worst_pnl) < threshold.excess_usd;
        status | u8::from(is_breached) << number
    })
}

/// How far all thresholds are.
pub(super) fn slack(thresholds: &[Threshold], margin: &AccountMargin) -> Slack {
    let mut slack = Slack {
        fall: f64::INFINITY,
        rise: f64::INFINITY,
    };
    for threshold in thresholds {
        let distance = excess(threshold, margin.excess, margin.worst_pnl) - threshold.excess_usd;
        let side = if distance < 0.0 {
            &mut slack.rise
        } else {
            &mut slack.fall
        };
        *side = side.min(distance.abs());
    }
    slack
}

/// As the account book computes it, to the bit.
fn excess(threshold: &Threshold, value: f64, worst_pnl: f64) -> f64 {
    value - margin_of(threshold.loss_factor, worst_pnl)
}
