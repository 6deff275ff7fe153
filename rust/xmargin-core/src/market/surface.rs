//! A vol surface: slices by expiry, joined in total variance.
//!
//! Between two expiries total variance is linear in time at the same log-moneyness, which keeps the
//! order of the slices and with it calendar arbitrage out (Gatheral and Jacquier 2014, section 5).
//! Before the first and after the last expiry the vol of that expiry holds: w goes by T.

use super::no_arbitrage::{LOG_MONEYNESS, check_butterfly, check_calendar};
use super::svi::SviSlice;
use crate::Error;
use crate::pricing::black76::EXPIRY_YEARS_RANGE;

/// One expiry of a surface.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Expiry {
    /// Time to expiry, years, > 0.
    pub years: f64,
    /// Its smile.
    pub slice: SviSlice,
}

/// Slices in order of expiry; none with arbitrage, alone or against the next.
#[derive(Debug, Clone, PartialEq)]
pub struct Surface(Vec<Expiry>);

impl Surface {
    /// A surface of `expiries`, once it is found free of arbitrage.
    ///
    /// # Errors
    /// [`Error::Input`] naming the row: no expiry at all, expiries that are not positive and rising,
    /// a slice with butterfly arbitrage, or one with calendar arbitrage against the one before.
    pub fn new(expiries: Vec<Expiry>) -> Result<Self, Error> {
        if expiries.is_empty() {
            return Err(expiry_fault(
                None,
                "there are none; a surface has at least one expiry",
            ));
        }
        let mut before = 0.0;
        for (row, expiry) in expiries.iter().enumerate() {
            if !(expiry.years > before && EXPIRY_YEARS_RANGE.contains(&expiry.years)) {
                let years = expiry.years;
                let problem = format!("is {years:e}; expiries must rise from above {before:e}");
                return Err(expiry_fault(Some(row), &problem));
            }
            before = expiry.years;
            check_butterfly(&expiry.slice, LOG_MONEYNESS, Some(row))?;
        }
        for (row, pair) in expiries.windows(2).enumerate() {
            check_calendar(&pair[0].slice, &pair[1].slice, LOG_MONEYNESS, Some(row + 1))?;
        }
        Ok(Self(expiries))
    }

    /// The expiries, the nearest first.
    #[must_use]
    pub fn expiries(&self) -> &[Expiry] {
        &self.0
    }

    /// Total variance at a log-moneyness and a time in years ≥ 0.
    #[must_use]
    pub fn total_variance(&self, log_moneyness: f64, years: f64) -> f64 {
        let at = |expiry: &Expiry| expiry.slice.total_variance(log_moneyness);
        let after = self.0.partition_point(|expiry| expiry.years <= years);
        let Some(near) = after.checked_sub(1).map(|row| &self.0[row]) else {
            return at(&self.0[0]) * (years / self.0[0].years);
        };
        let Some(far) = self.0.get(after) else {
            return at(near) * (years / near.years);
        };
        let part = (years - near.years) / (far.years - near.years);
        at(near) + part * (at(far) - at(near))
    }

    /// The vol at a log-moneyness and a time in years > 0, per √year.
    #[must_use]
    pub fn vol(&self, log_moneyness: f64, years: f64) -> f64 {
        (self.total_variance(log_moneyness, years) / years).sqrt()
    }

    /// The surface with every slice put through `shock`, checked again as a whole: what was free of
    /// arbitrage before (every surface is) is refused when it is not after.
    ///
    /// # Errors
    /// As [`new`](Self::new), and what `shock` refuses.
    pub fn shocked(
        &self,
        shock: impl Fn(&Expiry) -> Result<SviSlice, Error>,
    ) -> Result<Self, Error> {
        let shocked = self.0.iter().map(|expiry| {
            let slice = shock(expiry)?;
            Ok(Expiry { slice, ..*expiry })
        });
        Self::new(shocked.collect::<Result<_, Error>>()?)
    }
}

fn expiry_fault(row: Option<usize>, problem: &str) -> Error {
    Error::Input {
        table: "surface",
        column: "years",
        row,
        problem: problem.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::svi::SviParameters;
    use super::*;

    fn expiry(years: f64, level: f64) -> Expiry {
        let parameters = SviParameters {
            a: level,
            b: 0.1,
            rho: -0.4,
            m: 0.05,
            sigma: 0.15,
        };
        Expiry {
            years,
            slice: SviSlice::new(parameters).expect("valid"),
        }
    }

    fn surface() -> Surface {
        Surface::new(vec![expiry(0.25, 0.01), expiry(0.75, 0.05)]).expect("free of arbitrage")
    }

    #[test]
    fn total_variance_is_linear_between_expiries_and_vol_constant_outside() {
        let surface = surface();
        let [near, far] = [0.25, 0.75].map(|years| surface.total_variance(0.1, years));
        assert!((surface.total_variance(0.1, 0.5) - 0.5 * (near + far)).abs() < 1e-15);
        assert!((surface.vol(0.1, 0.1) - surface.vol(0.1, 0.25)).abs() < 1e-15);
        assert!((surface.vol(0.1, 2.0) - surface.vol(0.1, 0.75)).abs() < 1e-15);
    }

    #[test]
    fn a_shock_that_makes_arbitrage_is_refused() {
        let surface = surface();
        let up = surface
            .shocked(|expiry| expiry.slice.with_vols_times(1.2))
            .expect("still free");
        assert!(up.vol(0.0, 0.5) > surface.vol(0.0, 0.5));
        let near_only = |expiry: &Expiry| {
            expiry
                .slice
                .with_vols_times(if expiry.years < 0.5 { 1.5 } else { 1.0 })
        };
        let message = surface.shocked(near_only).expect_err("crossed").to_string();
        assert!(
            message.starts_with("svi.calendar row 1: arbitrage"),
            "{message}"
        );
    }

    #[test]
    fn expiries_out_of_order_are_refused() {
        assert!(Surface::new(Vec::new()).is_err());
        assert!(Surface::new(vec![expiry(0.25, 0.01), expiry(0.25, 0.05)]).is_err());
        assert!(Surface::new(vec![expiry(f64::NAN, 0.01)]).is_err());
    }
}
