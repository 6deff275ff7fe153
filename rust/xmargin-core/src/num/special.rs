//! Distribution functions: normal, chi-squared of one and two degrees, binomial.
//!
//! `libm` is used instead of the platform's own functions, so that every machine gives the same
//! bits. Errors stated are relative.

use core::f64::consts::{FRAC_1_SQRT_2, PI, SQRT_2};

/// The standard normal density.
#[must_use]
pub fn normal_density(x: f64) -> f64 {
    libm::exp(-0.5 * x * x) / (SQRT_2 * PI.sqrt())
}

/// `P(Z ≤ x)`, within 1e-14 of its value also far in the left tail: by `erfc`, never by `1 − …`.
#[must_use]
pub fn normal_below(x: f64) -> f64 {
    0.5 * libm::erfc(-x * FRAC_1_SQRT_2)
}

/// The `x` with `P(Z ≤ x) = probability`, for a probability in (0, 1).
///
/// Hastings' rational approximation (Abramowitz & Stegun 26.2.23, error 4.5e-4), then three steps
/// of Halley's method, each of which cubes the error.
#[must_use]
pub fn normal_quantile(probability: f64) -> f64 {
    if probability > 0.5 {
        return -normal_quantile(1.0 - probability); // exact: both are at least 2^-54
    }
    let t = (-2.0 * libm::log(probability)).sqrt();
    let over = 2.515_517 + t * (0.802_853 + t * 0.010_328);
    let under = 1.0 + t * (1.432_788 + t * (0.189_269 + t * 0.001_308));
    let mut x = over / under - t;
    for _ in 0..3 {
        let step = (normal_below(x) - probability) / normal_density(x);
        x -= step / (1.0 + 0.5 * x * step);
    }
    x
}

/// `P(χ²₁ > x)`; one where `x ≤ 0`.
#[must_use]
pub fn chi_squared_1_above(x: f64) -> f64 {
    libm::erfc((0.5 * x.max(0.0)).sqrt())
}

/// `P(χ²₂ > x)`; one where `x ≤ 0`.
#[must_use]
pub fn chi_squared_2_above(x: f64) -> f64 {
    libm::exp(-0.5 * x.max(0.0))
}

/// `P(X ≤ successes)` of `trials` draws that each succeed with `chance` in (0, 1).
///
/// The masses are built from the mode outward by their ratios and divided by their own sum: no
/// factorial, and nothing underflows but what is negligible. The relative error grows as the
/// number of trials times 2^-52.
#[must_use]
pub fn binomial_at_most(successes: u32, trials: u32, chance: f64) -> f64 {
    if successes >= trials {
        return 1.0;
    }
    let odds = chance / (1.0 - chance);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the mode lies between zero and the number of trials"
    )]
    let mode = ((f64::from(trials) + 1.0) * chance).min(f64::from(trials)) as u32;
    let (mut below, mut above) = (0.0, 0.0);
    let mut count = |k: u32, mass: f64| {
        if k <= successes {
            below += mass;
        } else {
            above += mass;
        }
    };
    let mut mass = 1.0;
    for k in (0..=mode).rev() {
        count(k, mass);
        mass *= f64::from(k) / (f64::from(trials - k) + 1.0) / odds;
    }
    mass = 1.0;
    for k in mode + 1..=trials {
        mass *= f64::from(trials - k + 1) / f64::from(k) * odds;
        count(k, mass);
    }
    below / (below + above)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_close(found: f64, expected: f64, tolerance: f64) {
        assert!(
            (found / expected - 1.0).abs() <= tolerance,
            "{found:e} {expected:e}"
        );
    }

    /// Values of mpmath at 50 digits.
    #[test]
    fn the_normal_distribution_is_right_far_into_its_tail() {
        assert_close(normal_below(-10.0), 7.619_853_024_160_526e-24, 1e-14);
        assert_close(normal_below(-1.0), 0.158_655_253_931_457_05, 1e-15);
        assert_close(normal_quantile(0.01), -2.326_347_874_040_841, 1e-15);
        assert_close(normal_quantile(0.025), -1.959_963_984_540_054_2, 1e-15);
        assert_close(normal_quantile(1e-6), -4.753_424_308_822_899, 1e-14);
    }

    /// The 95 % points of the tables, to the digits printed there.
    #[test]
    fn chi_squared_tails_are_those_of_the_tables() {
        assert_close(chi_squared_1_above(3.841_458_820_694_124), 0.05, 1e-14);
        assert_close(chi_squared_2_above(5.991_464_547_107_979), 0.05, 1e-14);
        assert_close(chi_squared_1_above(-1.0), 1.0, 0.0);
    }

    /// Basel Committee, "Supervisory framework for backtesting" (1996), table 2: 250 days, 99 %.
    #[test]
    fn binomial_sums_are_those_that_basel_prints() {
        for (exceptions, percent) in [
            (0, 8.11),
            (1, 28.58),
            (2, 54.32),
            (3, 75.81),
            (4, 89.22),
            (5, 95.88),
            (6, 98.63),
            (7, 99.60),
            (8, 99.89),
            (9, 99.97),
        ] {
            let found = 100.0 * binomial_at_most(exceptions, 250, 0.01);
            assert!((found - percent).abs() < 0.005, "{exceptions}: {found}");
        }
        assert_close(binomial_at_most(0, 250, 0.01), 0.99_f64.powi(250), 1e-12);
        assert_close(binomial_at_most(7, 7, 0.3), 1.0, 0.0);
    }
}
