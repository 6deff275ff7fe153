//! The vols that a feed gives for one expiry: an SVI slice with the forward and the time it was
//! fitted to, and how far it is trusted.

use std::ops::RangeInclusive;

use super::svi::{SviParameters, SviSlice};
use crate::Error;

const TABLE: &str = "expiries";
const FORWARD_RANGE: RangeInclusive<f64> = 1e-30..=1e30;
const YEARS_RANGE: RangeInclusive<f64> = 1e-12..=1e3;

/// One expiry's smile, before any check.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Smile {
    /// The slice.
    pub parameters: SviParameters,
    /// Forward that log-moneyness is measured from.
    pub forward: f64,
    /// Time that total variance is spread over, years.
    pub years: f64,
}

/// How far a slice is trusted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bounds {
    /// Log-moneyness is held within ± this × √(a + b σ).
    pub log_moneyness_stdevs: f64,
    /// Total variance is held at or below this.
    pub total_variance_max: f64,
}

impl Smile {
    /// The slice, once it is found valid.
    ///
    /// # Errors
    /// [`Error::Input`] naming `row` of the expiries and what is wrong.
    pub fn slice(&self, row: usize) -> Result<SviSlice, Error> {
        for (column, value, range) in [
            ("svi_forward", self.forward, FORWARD_RANGE),
            ("svi_years", self.years, YEARS_RANGE),
        ] {
            if !range.contains(&value) {
                let (low, high) = range.into_inner();
                let problem =
                    format!("{value:?} is out of range; it must be in [{low:?}, {high:?}]");
                return Err(Error::row(TABLE, column, row, problem));
            }
        }
        SviSlice::new(self.parameters).map_err(|fault| of_row(fault, row))
    }

    /// Implied vol at `strike` per √year, of a valid `slice`; `bounds` where the feed has them.
    #[must_use]
    pub fn vol(&self, slice: &SviSlice, strike: f64, bounds: Option<Bounds>) -> f64 {
        let log_moneyness = libm::log(strike / self.forward);
        let Some(bounds) = bounds else {
            return slice.vol(log_moneyness, self.years);
        };
        let SviParameters { a, b, sigma, .. } = self.parameters;
        let furthest = bounds.log_moneyness_stdevs * (a + b * sigma).max(0.0).sqrt();
        let variance = slice.total_variance(log_moneyness.clamp(-furthest, furthest));
        (variance.min(bounds.total_variance_max) / self.years).sqrt()
    }
}

/// A fault of a slice as one of the table that it came in.
fn of_row(fault: Error, row: usize) -> Error {
    let Error::Input {
        column, problem, ..
    } = fault
    else {
        return fault;
    };
    let column = match column {
        "a" => "svi_a",
        "b" => "svi_b",
        "rho" => "svi_rho",
        "m" => "svi_m",
        "sigma" => "svi_sigma",
        other => other,
    };
    Error::row(TABLE, column, row, problem)
}
