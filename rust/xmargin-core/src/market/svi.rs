//! One expiry of a vol surface: Gatheral's raw SVI.
//!
//! Total variance (vol² × expiry) in log-moneyness k = ln(K/F) is
//!
//! ```text
//! w(k) = a + b (ρ (k − m) + √((k − m)² + σ²))
//! ```
//! Source: J. Gatheral, "A parsimonious arbitrage-free implied volatility parameterization" (2004);
//! J. Gatheral and A. Jacquier, "Arbitrage-free SVI volatility surfaces" (2014).
//!
//! A [`SviSlice`] is a *valid* one: variance is positive and its wings obey Lee's bound. Whether it is
//! free of arbitrage is asked of [`no_arbitrage`](super::no_arbitrage).

use crate::Error;

/// Wings may rise by at most this per unit of log-moneyness (R. Lee, "The moment formula for implied
/// volatility at extreme strikes", 2004).
pub const WING_SLOPE_MAX: f64 = 2.0;

/// Magnitudes beyond it are no parameters of a market.
const PARAMETER_MAX: f64 = 1e3;

/// The five raw parameters, before any check. Total variance and log-moneyness have no unit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SviParameters {
    /// Level of total variance.
    pub a: f64,
    /// Slope of the wings, ≥ 0.
    pub b: f64,
    /// Tilt between the wings, in [−1, 1].
    pub rho: f64,
    /// Where the smile is centred.
    pub m: f64,
    /// Roundness of its bottom, > 0.
    pub sigma: f64,
}

/// A valid slice.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SviSlice(SviParameters);

impl SviSlice {
    /// A slice of `parameters`, once they are found valid.
    ///
    /// # Errors
    /// [`Error::Input`] naming the parameter: not finite or beyond 1000, b < 0, |ρ| > 1, σ ≤ 0, a
    /// least variance that is not positive (crossed), a wing steeper than Lee's bound.
    pub fn new(parameters: SviParameters) -> Result<Self, Error> {
        let SviParameters {
            a,
            b,
            rho,
            m,
            sigma,
        } = parameters;
        let is_moderate = |value: f64| value.abs() <= PARAMETER_MAX;
        check("a", a, is_moderate(a), "a number up to 1000")?;
        check("b", b, is_moderate(b) && b >= 0.0, "from 0 to 1000")?;
        check("rho", rho, rho.abs() <= 1.0, "from -1 to 1")?;
        check("m", m, is_moderate(m), "a number up to 1000")?;
        let is_round = (1e-9..=PARAMETER_MAX).contains(&sigma);
        check("sigma", sigma, is_round, "from 1e-9 to 1000")?;
        let steepest = b * (1.0 + rho.abs());
        let within_lee = steepest <= WING_SLOPE_MAX;
        check(
            "b",
            b,
            within_lee,
            "at most 2 / (1 + |rho|): Lee's bound on the wings",
        )?;
        let slice = Self(parameters);
        let least = slice.least_total_variance();
        let problem =
            "more than -b sigma sqrt(1 - rho^2): variance must be positive at every strike";
        check("a", a, least > 0.0, problem)?;
        Ok(slice)
    }

    /// The parameters.
    #[must_use]
    pub fn parameters(&self) -> SviParameters {
        self.0
    }

    /// w(k), > 0, within 4 ulp of its largest term.
    #[must_use]
    pub fn total_variance(&self, log_moneyness: f64) -> f64 {
        let SviParameters {
            a,
            b,
            rho,
            m,
            sigma,
        } = self.0;
        let y = log_moneyness - m;
        // Rounding must not take the least variance below zero.
        (a + b * (rho * y + root_of_squares(y, sigma))).max(f64::MIN_POSITIVE)
    }

    /// The vol at a log-moneyness: √(w/T), per √year.
    #[must_use]
    pub fn vol(&self, log_moneyness: f64, expiry_years: f64) -> f64 {
        (self.total_variance(log_moneyness) / expiry_years).sqrt()
    }

    /// w'(k).
    #[must_use]
    pub fn slope(&self, log_moneyness: f64) -> f64 {
        let SviParameters {
            b, rho, m, sigma, ..
        } = self.0;
        let y = log_moneyness - m;
        b * (rho + y / root_of_squares(y, sigma))
    }

    /// w''(k) ≥ 0.
    #[must_use]
    pub fn curvature(&self, log_moneyness: f64) -> f64 {
        let SviParameters { b, m, sigma, .. } = self.0;
        let root = root_of_squares(log_moneyness - m, sigma);
        b * (sigma / root) * (sigma / root) / root
    }

    /// The least total variance over all strikes: a + b σ √(1 − ρ²).
    #[must_use]
    pub fn least_total_variance(&self) -> f64 {
        let SviParameters {
            a, b, rho, sigma, ..
        } = self.0;
        a + b * sigma * ((1.0 - rho) * (1.0 + rho)).sqrt()
    }

    /// Where total variance is least; infinite where a wing is flat.
    #[must_use]
    pub fn bottom(&self) -> f64 {
        let SviParameters { rho, m, sigma, .. } = self.0;
        m - rho * sigma / ((1.0 - rho) * (1.0 + rho)).sqrt()
    }

    /// The slice with all vols times `factor`: total variance goes by its square.
    ///
    /// # Errors
    /// [`Error::Input`] when what results is no valid slice.
    pub fn with_vols_times(&self, factor: f64) -> Result<Self, Error> {
        let square = factor * factor;
        let SviParameters { a, b, .. } = self.0;
        Self::new(SviParameters {
            a: a * square,
            b: b * square,
            ..self.0
        })
    }
}

/// √(x² + y²) of moderate numbers, by correctly rounded steps: the same bits everywhere.
fn root_of_squares(x: f64, y: f64) -> f64 {
    (x * x + y * y).sqrt()
}

fn check(column: &'static str, value: f64, good: bool, wanted: &str) -> Result<(), Error> {
    if good {
        return Ok(());
    }
    Err(Error::Input {
        table: "svi",
        column,
        row: None,
        problem: format!("is {value:e}; it must be {wanted}"),
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The slice of "Arbitrage-free SVI volatility surfaces", example 3.1 (Axel Vogt), which has
    /// butterfly arbitrage.
    pub const VOGT: SviParameters = SviParameters {
        a: -0.0410,
        b: 0.1331,
        rho: 0.3060,
        m: 0.3586,
        sigma: 0.4153,
    };

    pub fn any_parameters() -> impl Strategy<Value = SviParameters> {
        let ranges = (
            -0.05_f64..0.5,
            0.0_f64..1.2,
            -1.0_f64..1.0,
            -0.5_f64..0.5,
            0.01_f64..1.0,
        );
        ranges.prop_map(|(a, b, rho, m, sigma)| SviParameters {
            a,
            b,
            rho,
            m,
            sigma,
        })
    }

    #[test]
    fn a_crossed_or_steep_slice_is_refused_by_name() {
        let good = SviParameters {
            a: 0.04,
            b: 0.4,
            rho: -0.4,
            m: 0.1,
            sigma: 0.1,
        };
        let cases = [
            (
                SviParameters {
                    a: f64::NAN,
                    ..good
                },
                "a",
            ),
            (SviParameters { a: -0.1, ..good }, "a"),
            (SviParameters { b: -0.1, ..good }, "b"),
            (SviParameters { b: 1.9, ..good }, "b"),
            (SviParameters { rho: 1.1, ..good }, "rho"),
            (
                SviParameters {
                    m: f64::INFINITY,
                    ..good
                },
                "m",
            ),
            (SviParameters { sigma: 0.0, ..good }, "sigma"),
        ];
        assert!(SviSlice::new(good).is_ok());
        for (case, name) in cases {
            let message = SviSlice::new(case).expect_err("not valid").to_string();
            assert!(
                message.starts_with(&format!("svi.{name}: is ")),
                "{message}"
            );
        }
    }

    proptest! {
        #[test]
        fn no_parameters_panic(bits in any::<[u64; 5]>(), k in any::<f64>()) {
            let [a, b, rho, m, sigma] = bits.map(f64::from_bits);
            if let Ok(slice) = SviSlice::new(SviParameters { a, b, rho, m, sigma }) {
                prop_assert!(k.is_nan() || slice.total_variance(k) > 0.0);
            }
        }

        #[test]
        fn derivatives_are_slopes(parameters in any_parameters(), k in -2.0_f64..2.0) {
            let Ok(slice) = SviSlice::new(parameters) else { return Ok(()) };
            let step = 1e-4 * parameters.sigma;
            let of = |k| slice.total_variance(k);
            let slope = (of(k + step) - of(k - step)) / (2.0 * step);
            prop_assert!((slope - slice.slope(k)).abs() < 1e-6);
            let curvature = (slice.slope(k + step) - slice.slope(k - step)) / (2.0 * step);
            prop_assert!((curvature - slice.curvature(k)).abs() <= 1e-5 * slice.curvature(k) + 1e-5);
        }
    }
}
