//! Implied volatility: the vol at which Black-76 gives a price.
//!
//! The out-of-the-money time value as a fraction of min(F, K), h(s) in
//! [`black76`](super::black76)'s terms, rises in the total stdev s from 0 to 1 and has one point of
//! inflection, s² = 2x with x = |ln(K/F)|. Newton's method runs on a function of h that is nearly
//! straight in each of three regions, inside a bracket that only shrinks:
//!
//! ```text
//! wing     below the inflection          (−2 ln h)^−½      (h ≈ exp(−x²/2s²), so it is ≈ s/x)
//! middle   above it, h ≤ ½               h                 (≈ s/√2π at the money)
//! high     h > ½                         (−2 ln(1 − h))^½  (1 − h ≈ exp(−s²/8), so it is ≈ s/2)
//! ```
//! The choice of the objective by region follows P. Jäckel, "Let's be rational" (2015); the
//! functions are our own. h is computed of nearly full *relative* accuracy, also where s is tiny and
//! where it is far below the least positive `f64` (by its logarithm), so that the vol is as good as the
//! price: what is lost is lost by whoever rounds a price that is mostly intrinsic.

use super::OptionKind;
use super::black76::{
    DISCOUNT_RANGE, EXPIRY_YEARS_RANGE, PRICE_RANGE, VOL_RANGE, in_range, log_ratio,
};
use super::normal::{FRAC_1_SQRT_2PI, MillsDerivatives, distribution, mills};
use crate::Error;

/// Up to this stdev the difference of two Mills' ratios is a Taylor series; its terms left out are
/// below 1e-17 of it.
const SERIES_STDEV_MAX: f64 = 0.5;
/// No stdev beyond it can be told from another: 1 − h is below 1e-16.
const STDEV_MAX: f64 = 200.0;
const STEPS_MAX: usize = 100;
/// A price may miss its intrinsic value by this, relative to the larger of it and the forward: so
/// much is lost when a price is discounted and the like.
const INTRINSIC_SLACK: f64 = 8.0 * f64::EPSILON;

/// The vol at which the option is worth `price`. Zero where the price is the discounted intrinsic
/// value.
///
/// # Errors
/// [`Error::Input`] naming the field: terms out of [`black76`](super::black76)'s range, an expiry or
/// a strike of zero (no price tells a vol then), a price below the discounted intrinsic value or not
/// below the discounted forward (of a call) or strike (of a put), a vol beyond the range.
pub fn implied_vol(
    kind: OptionKind,
    forward: f64,
    strike: f64,
    expiry_years: f64,
    price: f64,
    discount: f64,
) -> Result<f64, Error> {
    in_range("expiry_years", None, expiry_years, &EXPIRY_YEARS_RANGE)?;
    if expiry_years == 0.0 {
        return Err(fault(
            "expiry_years",
            "is 0; at expiry no price tells a vol",
        ));
    }
    let stdev = implied_stdev(kind, forward, strike, price, discount)?;
    let vol = stdev / expiry_years.sqrt();
    in_range("vol", None, vol, &VOL_RANGE)?;
    Ok(vol)
}

/// [`implied_vol`] × √expiry.
///
/// # Errors
/// As [`implied_vol`].
pub fn implied_stdev(
    kind: OptionKind,
    forward: f64,
    strike: f64,
    price: f64,
    discount: f64,
) -> Result<f64, Error> {
    in_range("forward", None, forward, &PRICE_RANGE)?;
    in_range("strike", None, strike, &PRICE_RANGE)?;
    in_range("discount", None, discount, &DISCOUNT_RANGE)?;
    if !price.is_finite() {
        return Err(fault("price", &format!("is {price}; it must be finite")));
    }
    let intrinsic = kind.intrinsic(forward, strike);
    let time_value = price / discount - intrinsic;
    if time_value < -INTRINSIC_SLACK * intrinsic.max(forward) || price < 0.0 {
        let least = discount * intrinsic;
        let problem = format!("is {price:e}, below the discounted intrinsic value {least:e}");
        return Err(fault("price", &problem));
    }
    let fraction = time_value / forward.min(strike);
    if fraction >= 1.0 {
        let bound = discount * (intrinsic + forward.min(strike));
        let problem = format!("is {price:e}; no vol gives {bound:e} or more");
        return Err(fault("price", &problem));
    }
    if fraction <= 0.0 {
        return Ok(0.0);
    }
    Ok(solve(log_ratio(forward, strike).abs(), fraction))
}

fn fault(column: &'static str, problem: &str) -> Error {
    Error::Input {
        table: "options",
        column,
        row: None,
        problem: problem.to_owned(),
    }
}

/// Which function of h Newton's method runs on.
#[derive(Debug, Clone, Copy)]
enum Region {
    Wing,
    Middle,
    High,
}

/// h at one stdev, in the forms that the regions need; φ = φ(d₁) = h'(s).
struct TimeValue {
    log_density: f64,
    /// h / φ.
    ratio: f64,
    /// (1 − h) / φ; used only where d₁ ≥ 0.
    complement_ratio: f64,
}

impl TimeValue {
    fn at(moneyness: f64, stdev: f64) -> Self {
        let middle = moneyness / stdev;
        let d1 = 0.5 * stdev - middle;
        let upper = mills(0.5 * stdev + middle);
        let log_density = libm::log(FRAC_1_SQRT_2PI) - 0.5 * d1 * d1;
        let ratio = if stdev <= SERIES_STDEV_MAX {
            mills_difference(middle, 0.5 * stdev)
        } else if d1 < 2.0 {
            mills(-d1) - upper
        } else {
            distribution(d1) / libm::exp(log_density) - upper
        };
        Self {
            log_density,
            ratio,
            complement_ratio: mills(d1.max(0.0)) + upper,
        }
    }

    /// The objective of a region and its slope in the stdev.
    fn objective(&self, region: Region) -> (f64, f64) {
        match region {
            Region::Wing => {
                let root = (-2.0 * (self.log_density + libm::log(self.ratio)))
                    .max(0.0)
                    .sqrt();
                (1.0 / root, 1.0 / (root * root * root * self.ratio))
            }
            Region::Middle => {
                let density = libm::exp(self.log_density);
                (density * self.ratio, density)
            }
            Region::High => {
                let log = self.log_density + libm::log(self.complement_ratio);
                let root = (-2.0 * log).max(0.0).sqrt();
                (root, 1.0 / (root * self.complement_ratio))
            }
        }
    }
}

/// R(middle − half) − R(middle + half), without cancellation: twice the odd part of a Taylor series
/// whose terms are all positive.
fn mills_difference(middle: f64, half: f64) -> f64 {
    let MillsDerivatives(derivatives) = MillsDerivatives::at(middle);
    let (mut sum, mut power, mut order) = (0.0, half, 1.0);
    for derivative in derivatives.iter().skip(1).step_by(2) {
        sum += power * derivative;
        power *= half * half / ((order + 1.0) * (order + 2.0));
        order += 2.0;
    }
    2.0 * sum
}

/// The stdev s with h(s) = `fraction`, for x = `moneyness` ≥ 0 and a fraction in (0, 1).
fn solve(moneyness: f64, fraction: f64) -> f64 {
    let inflection = (2.0 * moneyness).sqrt();
    let is_wing = moneyness > 0.0 && {
        let at = TimeValue::at(moneyness, inflection);
        libm::log(fraction) < at.log_density + libm::log(at.ratio)
    };
    let (region, target, start) = if is_wing {
        let target = 1.0 / (-2.0 * libm::log(fraction)).sqrt();
        (Region::Wing, target, moneyness * target)
    } else if fraction <= 0.5 {
        // At the money h is s/√2π at first.
        (
            Region::Middle,
            fraction,
            inflection + fraction / FRAC_1_SQRT_2PI,
        )
    } else {
        let target = (-2.0 * libm::log1p(-fraction)).sqrt();
        (Region::High, target, inflection + 2.0 * target)
    };
    let bracket = if is_wing {
        (0.0, inflection)
    } else {
        (inflection, STDEV_MAX)
    };
    newton(start, bracket, |stdev| {
        let (value, slope) = TimeValue::at(moneyness, stdev).objective(region);
        (value - target, slope)
    })
}

/// The root of a rising function inside a bracket: Newton's steps, halving where one would leave it.
fn newton(start: f64, bracket: (f64, f64), function: impl Fn(f64) -> (f64, f64)) -> f64 {
    let (mut low, mut high) = bracket;
    let inside = |point: f64, low: f64, high: f64| point > low && point < high;
    let mut point = if inside(start, low, high) {
        start
    } else {
        0.5 * (low + high)
    };
    for _ in 0..STEPS_MAX {
        let (excess, slope) = function(point);
        if excess > 0.0 {
            high = point;
        } else {
            low = point;
        }
        let step = excess / slope;
        if step.abs() <= 0.5 * f64::EPSILON * point {
            break;
        }
        let next = point - step;
        point = if inside(next, low, high) {
            next
        } else {
            0.5 * (low + high)
        };
    }
    point
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pricing::black76::value_of_stdev;
    use OptionKind::{Call, Put};
    use proptest::prelude::*;

    /// The information in a price: how far one ulp of it moves the stdev.
    fn blur(forward: f64, strike: f64, stdev: f64) -> f64 {
        let d1 = log_ratio(forward, strike) / stdev + 0.5 * stdev;
        let vega = forward * super::super::normal::density(d1);
        f64::EPSILON * forward.max(strike) / vega
    }

    proptest! {
        #[test]
        fn the_stdev_of_a_price_comes_back_as_far_as_the_price_knows_it(
            log_strike in -3.0_f64..3.0, stdev in 1e-4_f64..8.0, put in any::<bool>(),
        ) {
            let kind = if put { Put } else { Call };
            let strike = 100.0 * log_strike.exp();
            let blur = blur(100.0, strike, stdev);
            prop_assume!(blur < 1e-2 * stdev);
            let price = value_of_stdev(kind, 100.0, strike, stdev, 0.95);
            let found = implied_stdev(kind, 100.0, strike, price, 0.95)?;
            prop_assert!((found - stdev).abs() <= 8.0 * blur + 1e-14 * stdev, "{found:e} {stdev:e}");
        }

        #[test]
        fn no_input_panics(bits in any::<[u64; 5]>(), put in any::<bool>()) {
            let [forward, strike, years, price, discount] = bits.map(f64::from_bits);
            let kind = if put { Put } else { Call };
            if let Ok(vol) = implied_vol(kind, forward, strike, years, price, discount) {
                prop_assert!(vol.is_finite() && vol >= 0.0);
            }
        }

        #[test]
        fn every_time_value_has_a_stdev(
            log_moneyness in -40.0_f64..6.0, log_fraction in -740.0_f64..-1e-9,
        ) {
            let (moneyness, fraction) = (log_moneyness.exp(), log_fraction.exp());
            prop_assume!(fraction > 0.0 && fraction < 1.0);
            let stdev = solve(moneyness, fraction);
            let at = TimeValue::at(moneyness, stdev);
            // In the scale of s: how far the found stdev is from the target.
            let miss = if fraction <= 0.5 {
                (at.log_density + at.ratio.ln() - fraction.ln()) * at.ratio
            } else {
                (at.log_density + at.complement_ratio.ln() - (-fraction).ln_1p())
                    * at.complement_ratio
            };
            prop_assert!(miss.abs() <= 4e-15 * stdev.max(1e-300) * (1.0 - log_fraction).max(1.0), "{stdev:e} {miss:e}");
        }
    }

    #[test]
    fn a_price_outside_its_bounds_is_refused_by_name() {
        for (kind, strike, price) in [
            (Call, 90.0, 9.9),
            (Call, 90.0, 100.0),
            (Put, 90.0, 90.0),
            (Put, 110.0, 9.0),
        ] {
            let message = implied_vol(kind, 100.0, strike, 1.0, price, 1.0)
                .expect_err("out of bounds")
                .to_string();
            assert!(message.starts_with("options.price: is "), "{message}");
        }
        assert_eq!(implied_vol(Call, 100.0, 90.0, 1.0, 10.0, 1.0), Ok(0.0));
    }
}
