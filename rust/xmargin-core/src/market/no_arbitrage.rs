//! Whether a vol surface leaves a free lunch: proved over a whole interval, not sampled.
//!
//! **Butterfly**, one slice: the density of the terminal price is nowhere negative, which is
//!
//! ```text
//! g(k) = (1 − k w'/(2w))² − (w'²/4) (1/w + 1/4) + w''/2 ≥ 0
//! ```
//! **Calendar**, two slices: total variance never falls with expiry, w₂(k) ≥ w₁(k).
//!
//! Source: J. Gatheral and A. Jacquier, "Arbitrage-free SVI volatility surfaces" (2014), lemmas 2.1
//! and 2.2.
//!
//! Each is decided by bounds over intervals of k: an interval whose lower bound is not negative is
//! done, one whose middle is negative is a find, any other is halved. So a pass is a proof (up to
//! [`TOLERANCE`], which also covers roundings), a find names its place, and what is left undecided after
//! [`INTERVALS_MAX`] is refused: a slice that lies on the edge of arbitrage that closely is none to
//! trust.

use super::svi::SviSlice;
use crate::Error;

/// g, and total variances' difference, count as not negative down to minus this.
pub const TOLERANCE: f64 = 1e-9;
/// Intervals looked at before a check gives up.
pub const INTERVALS_MAX: usize = 200_000;
/// The log-moneyness over which surfaces are checked: strikes from F/400 to 400 F. Beyond, Lee's bound
/// on the wings holds by [`SviSlice::new`].
pub const LOG_MONEYNESS: (f64, f64) = (-6.0, 6.0);

/// Refuses a slice with butterfly arbitrage within `domain`.
///
/// # Errors
/// [`Error::Input`] telling where, or that it could not be decided.
pub fn check_butterfly(
    slice: &SviSlice,
    domain: (f64, f64),
    row: Option<usize>,
) -> Result<(), Error> {
    decide(
        domain,
        |low, high| butterfly_bound(slice, low, high),
        |k| butterfly(slice, k),
        |k, g| {
            fault(
                "butterfly",
                row,
                &format!("arbitrage: g is {g:.3e} at log-moneyness {k:.4}"),
            )
        },
    )
}

/// Refuses a later slice with less total variance than an earlier one somewhere within `domain`.
///
/// # Errors
/// As [`check_butterfly`].
pub fn check_calendar(
    earlier: &SviSlice,
    later: &SviSlice,
    domain: (f64, f64),
    row: Option<usize>,
) -> Result<(), Error> {
    if earlier == later {
        return Ok(());
    }
    decide(
        domain,
        |low, high| calendar_bound(earlier, later, low, high),
        |k| later.total_variance(k) - earlier.total_variance(k),
        |k, gap| {
            let problem = format!(
                "arbitrage: total variance falls by {:.3e} at log-moneyness {k:.4}",
                -gap
            );
            fault("calendar", row, &problem)
        },
    )
}

/// Gatheral's g at one log-moneyness.
#[must_use]
pub fn butterfly(slice: &SviSlice, k: f64) -> f64 {
    let (w, slope) = (slice.total_variance(k), slice.slope(k));
    let tilt = 1.0 - 0.5 * k * slope / w;
    tilt * tilt - 0.25 * slope * slope * (1.0 / w + 0.25) + 0.5 * slice.curvature(k)
}

/// Halves intervals until each is proved or one is disproved.
fn decide(
    domain: (f64, f64),
    lower_bound: impl Fn(f64, f64) -> f64,
    value: impl Fn(f64) -> f64,
    find: impl Fn(f64, f64) -> Error,
) -> Result<(), Error> {
    let mut open = vec![domain];
    let mut looked_at = 0;
    while let Some((low, high)) = open.pop() {
        if lower_bound(low, high) >= -TOLERANCE {
            continue;
        }
        let middle = 0.5 * (low + high);
        let found = value(middle);
        if found < -TOLERANCE || found.is_nan() {
            return Err(find(middle, found));
        }
        looked_at += 1;
        if looked_at > INTERVALS_MAX {
            return Err(find(middle, found));
        }
        open.push((middle, high));
        open.push((low, middle));
    }
    Ok(())
}

/// A lower bound of g over [low, high]: w is convex with a known bottom, w' rises, w'' is one hump
/// about m, and from there it is arithmetic of intervals.
fn butterfly_bound(slice: &SviSlice, low: f64, high: f64) -> f64 {
    let ends = (slice.total_variance(low), slice.total_variance(high));
    let w = Interval(
        slice.total_variance(slice.bottom().clamp(low, high)),
        ends.0.max(ends.1),
    );
    let slope = Interval(slice.slope(low), slice.slope(high));
    let ratio = Interval(low, high)
        .times(slope)
        .times(Interval(0.5 / w.1, 0.5 / w.0));
    let curvature = slice.curvature(low).min(slice.curvature(high));
    let tilt_square = Interval(1.0 - ratio.1, 1.0 - ratio.0).least_square();
    tilt_square - 0.25 * slope.greatest_square() * (1.0 / w.0 + 0.25) + 0.5 * curvature
}

/// A lower bound of w₂ − w₁ over [low, high], by the mean value theorem from the middle.
fn calendar_bound(earlier: &SviSlice, later: &SviSlice, low: f64, high: f64) -> f64 {
    let middle = 0.5 * (low + high);
    let gap = later.total_variance(middle) - earlier.total_variance(middle);
    let steepest = (later.slope(high) - earlier.slope(low))
        .abs()
        .max((later.slope(low) - earlier.slope(high)).abs());
    gap - 0.5 * (high - low) * steepest
}

/// All numbers from the first to the second.
#[derive(Clone, Copy)]
struct Interval(f64, f64);

impl Interval {
    fn times(self, other: Self) -> Self {
        let products = [
            self.0 * other.0,
            self.0 * other.1,
            self.1 * other.0,
            self.1 * other.1,
        ];
        let fold = |start: f64, pick: fn(f64, f64) -> f64| products.into_iter().fold(start, pick);
        Self(
            fold(f64::INFINITY, f64::min),
            fold(f64::NEG_INFINITY, f64::max),
        )
    }

    fn least_square(self) -> f64 {
        let nearest = 0.0_f64.clamp(self.0, self.1);
        nearest * nearest
    }

    fn greatest_square(self) -> f64 {
        let furthest = self.0.abs().max(self.1.abs());
        furthest * furthest
    }
}

fn fault(column: &'static str, row: Option<usize>, problem: &str) -> Error {
    Error::Input {
        table: "svi",
        column,
        row,
        problem: problem.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::svi::SviParameters;
    use super::super::svi::tests::{VOGT, any_parameters};
    use super::*;
    use proptest::prelude::*;

    fn slice(parameters: SviParameters) -> SviSlice {
        SviSlice::new(parameters).expect("valid")
    }

    #[test]
    fn the_published_example_of_butterfly_arbitrage_is_found() {
        let message = check_butterfly(&slice(VOGT), LOG_MONEYNESS, Some(3)).expect_err("arbitrage");
        assert!(
            message
                .to_string()
                .starts_with("svi.butterfly row 3: arbitrage: g is -")
        );
    }

    #[test]
    fn a_common_smile_passes_and_a_later_smaller_one_does_not() {
        let near = SviParameters {
            a: 0.01,
            b: 0.1,
            rho: -0.4,
            m: 0.05,
            sigma: 0.15,
        };
        let far = slice(SviParameters {
            a: 0.03,
            b: 0.12,
            ..near
        });
        let near = slice(near);
        assert_eq!(check_butterfly(&near, LOG_MONEYNESS, None), Ok(()));
        assert_eq!(check_calendar(&near, &far, LOG_MONEYNESS, None), Ok(()));
        assert_eq!(check_calendar(&near, &near, LOG_MONEYNESS, None), Ok(()));
        let message = check_calendar(&far, &near, LOG_MONEYNESS, None).expect_err("crossed");
        assert!(
            message
                .to_string()
                .starts_with("svi.calendar: arbitrage: total variance falls")
        );
    }

    proptest! {
        #[test]
        fn what_passes_has_no_arbitrage_anywhere_it_is_sampled(
            parameters in any_parameters(), ks in prop::collection::vec(-6.0_f64..6.0, 200),
        ) {
            let Ok(slice) = SviSlice::new(parameters) else { return Ok(()) };
            let passes = check_butterfly(&slice, LOG_MONEYNESS, None).is_ok();
            let least = ks.into_iter().map(|k| butterfly(&slice, k)).fold(f64::INFINITY, f64::min);
            prop_assert!(!passes || least >= -TOLERANCE, "{least:e}");
        }

        #[test]
        fn every_interval_bounds_its_inside(
            parameters in any_parameters(), low in -3.0_f64..3.0, width in 0.0_f64..2.0,
            part in 0.0_f64..1.0,
        ) {
            let Ok(slice) = SviSlice::new(parameters) else { return Ok(()) };
            let bound = butterfly_bound(&slice, low, low + width);
            let inside = butterfly(&slice, low + part * width);
            prop_assert!(bound <= inside + 1e-9 * inside.abs().max(1.0));
        }
    }
}
