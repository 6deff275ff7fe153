//! Black's 1976 formula for an option on a forward, and its greeks.
//!
//! With the forward F, the strike K, the expiry T in years, the vol σ and the discount factor D,
//!
//! ```text
//! s  = σ √T                      total standard deviation
//! d₁ = ln(F/K)/s + s/2           d₂ = d₁ − s
//! call = D (F Φ(d₁) − K Φ(d₂))   put = D (K Φ(−d₂) − F Φ(−d₁))
//! ```
//! Source: F. Black, "The pricing of commodity contracts", Journal of Financial Economics 3 (1976).
//!
//! What is computed is the out-of-the-money option of the strike plus the intrinsic value (put-call
//! parity), so that a small time value is never the difference of two large numbers.
//!
//! **Domain and error.** Over all that [`OptionTerms::check`] admits, the error is at most
//! 1e-12 × D × F absolute while K ≤ 1000 F, and 1e-15 × D × K beyond (a put's value is then itself
//! near K, and an `f64` holds no more). Zero and tiny expiry or vol, strike 0, deep wings and stdevs
//! in the thousands are inside the domain.

use std::ops::RangeInclusive;

use super::normal::{density, distribution};
use crate::Error;

/// Forwards and strikes that are accepted, apart from a strike of zero.
pub const PRICE_RANGE: RangeInclusive<f64> = 1e-100..=1e100;
/// Expiries that are accepted, years.
pub const EXPIRY_YEARS_RANGE: RangeInclusive<f64> = 0.0..=1e3;
/// Vols that are accepted, per √year: 1 is 100 %.
pub const VOL_RANGE: RangeInclusive<f64> = 0.0..=1e3;
/// Discount factors that are accepted; above one where rates are negative.
pub const DISCOUNT_RANGE: RangeInclusive<f64> = 1e-6..=1e3;

/// The right that an option gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum OptionKind {
    /// To buy at the strike.
    Call = 0,
    /// To sell at the strike.
    Put = 1,
}

impl OptionKind {
    /// +1 of a call, −1 of a put: the sign of the payoff in the forward.
    #[must_use]
    pub fn sign(self) -> f64 {
        match self {
            Self::Call => 1.0,
            Self::Put => -1.0,
        }
    }

    /// What exercise at a forward of `forward` brings, before discounting.
    #[must_use]
    pub fn intrinsic(self, forward: f64, strike: f64) -> f64 {
        (self.sign() * (forward - strike)).max(0.0)
    }
}

/// Sensitivities of one option of one unit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Greeks {
    /// ∂value/∂forward: units of the forward.
    pub delta: f64,
    /// ∂²value/∂forward²: units of the forward per unit of price. Zero where it is more than an
    /// `f64` holds: at the money with next to no stdev.
    pub gamma: f64,
    /// ∂value/∂vol: price per 1.00 of vol (divide by 100 for a vol point).
    pub vega: f64,
    /// ∂value/∂(calendar time): price per year that passes (divide by 365 for a day), at a constant
    /// forward and at the rate −ln(discount)/expiry. Zero at expiry, and where it is more than an
    /// `f64` holds: so close before it that a discount is no rate.
    pub theta: f64,
}

/// One option and its market, before any check.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OptionTerms {
    /// Call or put.
    pub kind: OptionKind,
    /// Forward price of the underlying for the expiry.
    pub forward: f64,
    /// Strike price.
    pub strike: f64,
    /// Time to expiry, years.
    pub expiry_years: f64,
    /// Volatility per √year: 1 is 100 %.
    pub vol: f64,
    /// Value now of one unit paid at expiry.
    pub discount: f64,
}

impl OptionTerms {
    /// Refuses what has no price: NaN, infinities, negative or absurd values.
    ///
    /// # Errors
    /// [`Error::Input`] that names the field, and `row` where one is given.
    pub fn check(&self, row: Option<usize>) -> Result<(), Error> {
        in_range("forward", row, self.forward, &PRICE_RANGE)?;
        if self.strike != 0.0 {
            in_range("strike", row, self.strike, &PRICE_RANGE)?;
        }
        in_range("expiry_years", row, self.expiry_years, &EXPIRY_YEARS_RANGE)?;
        in_range("vol", row, self.vol, &VOL_RANGE)?;
        in_range("discount", row, self.discount, &DISCOUNT_RANGE)
    }

    /// The option's value, checked.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    pub fn value(&self) -> Result<f64, Error> {
        self.check(None)?;
        Ok(value(
            self.kind,
            self.forward,
            self.strike,
            self.expiry_years,
            self.vol,
            self.discount,
        ))
    }

    /// The option's greeks, checked.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    pub fn greeks(&self) -> Result<Greeks, Error> {
        self.check(None)?;
        Ok(greeks(self))
    }
}

/// Refuses a value outside its range; a NaN is outside every range.
pub(crate) fn in_range(
    column: &'static str,
    row: Option<usize>,
    value: f64,
    range: &RangeInclusive<f64>,
) -> Result<(), Error> {
    if range.contains(&value) {
        return Ok(());
    }
    let (low, high) = (range.start(), range.end());
    Err(Error::Input {
        table: "options",
        column,
        row,
        problem: format!("is {value:?}; it must be from {low:?} to {high:?}"),
    })
}

/// Black-76 value of checked terms (see the module for its error).
///
/// Without stdev it is the discounted intrinsic value, at a strike of zero `discount × forward` for
/// a call and nothing for a put.
#[must_use]
pub fn value(
    kind: OptionKind,
    forward: f64,
    strike: f64,
    expiry_years: f64,
    vol: f64,
    discount: f64,
) -> f64 {
    value_of_stdev(kind, forward, strike, vol * expiry_years.sqrt(), discount)
}

/// [`value`] by total standard deviation `stdev` = vol × √expiry.
#[must_use]
pub fn value_of_stdev(
    kind: OptionKind,
    forward: f64,
    strike: f64,
    stdev: f64,
    discount: f64,
) -> f64 {
    let intrinsic = kind.intrinsic(forward, strike);
    if strike <= 0.0 || stdev <= 0.0 {
        return discount * intrinsic;
    }
    if stdev == f64::INFINITY {
        return discount * (intrinsic + forward.min(strike)); // the limit, where d₂ = ∞ − ∞
    }
    let (lower, upper) = (forward.min(strike), forward.max(strike));
    let moneyness = log_ratio(lower, upper);
    let d1 = moneyness / stdev + 0.5 * stdev;
    // A put on (F, K) out of the money is worth as much as a call on (K, F).
    let time_value = lower * distribution(d1) - upper * distribution(d1 - stdev);
    discount * (intrinsic + time_value.max(0.0))
}

/// Greeks of checked terms. Without stdev they are those of the discounted intrinsic value, and at
/// the money the limits of a stdev that goes to zero.
#[must_use]
pub fn greeks(terms: &OptionTerms) -> Greeks {
    let &OptionTerms {
        kind,
        forward,
        strike,
        expiry_years,
        vol,
        discount,
    } = terms;
    let root_years = expiry_years.sqrt();
    let stdev = vol * root_years;
    let d1 = d1(forward, strike, stdev);
    let density = density(d1);
    let gamma = if density > 0.0 && stdev > 0.0 {
        finite_or_zero(discount * density / (forward * stdev))
    } else {
        0.0
    };
    let theta = if expiry_years > 0.0 {
        let rate = -libm::log(discount) / expiry_years;
        let value = value_of_stdev(kind, forward, strike, stdev, discount);
        finite_or_zero(rate * value - discount * forward * density * vol / (2.0 * root_years))
    } else {
        0.0
    };
    Greeks {
        delta: discount * kind.sign() * distribution(kind.sign() * d1),
        gamma,
        vega: discount * forward * density * root_years,
        theta,
    }
}

fn finite_or_zero(value: f64) -> f64 {
    if value.is_finite() { value } else { 0.0 }
}

/// d₁, infinite where the strike or the stdev is zero; at the money without stdev it is zero.
fn d1(forward: f64, strike: f64, stdev: f64) -> f64 {
    if strike <= 0.0 {
        return f64::INFINITY;
    }
    let moneyness = log_ratio(forward, strike);
    if moneyness == 0.0 {
        return 0.5 * stdev;
    }
    moneyness / stdev + 0.5 * stdev
}

/// ln(a/b) of positive numbers, of full relative accuracy near a = b too.
pub(crate) fn log_ratio(a: f64, b: f64) -> f64 {
    let ratio = a / b;
    if (0.5..=2.0).contains(&ratio) {
        // The difference is exact (Sterbenz), the quotient rounds what is left.
        libm::log1p((a - b) / b)
    } else {
        libm::log(ratio)
    }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "these edges are exact")]
mod tests {
    use super::*;
    use OptionKind::{Call, Put};
    use proptest::prelude::*;

    fn terms(kind: OptionKind) -> OptionTerms {
        OptionTerms {
            kind,
            forward: 100.0,
            strike: 110.0,
            expiry_years: 0.5,
            vol: 0.6,
            discount: 0.97,
        }
    }

    #[test]
    fn the_edges_give_discounted_intrinsic_values() {
        for (strike, years, vol) in [(90.0, 0.0, 0.5), (90.0, 1.0, 0.0), (90.0, 1e-300, 1e-3)] {
            assert_eq!(value(Call, 100.0, strike, years, vol, 0.5), 5.0);
            assert_eq!(value(Put, 100.0, strike, years, vol, 0.5), 0.0);
        }
        assert_eq!(value(Call, 100.0, 0.0, 1.0, 0.5, 0.5), 50.0);
        assert_eq!(value(Put, 100.0, 0.0, 1.0, 0.5, 0.5), 0.0);
    }

    #[test]
    fn a_stdev_beyond_all_numbers_gives_the_upper_bounds() {
        for stdev in [1e300, f64::INFINITY] {
            assert_eq!(value_of_stdev(Call, 100.0, 90.0, stdev, 0.5), 50.0);
            assert_eq!(value_of_stdev(Put, 100.0, 90.0, stdev, 0.5), 45.0);
        }
    }

    #[test]
    fn greeks_are_finite_at_the_edges_of_the_domain() {
        let edges = [5e-324, 1e-310, 1e-100, 1.0, 1e3];
        for (expiry_years, vol) in edges.iter().flat_map(|&t| edges.map(|vol| (t, vol))) {
            for (price, kind) in [(1e-100, Call), (1.0, Put), (1e100, Call)] {
                let at_the_money = OptionTerms {
                    kind,
                    forward: price,
                    strike: price,
                    expiry_years,
                    vol,
                    discount: 0.97,
                };
                let found = at_the_money.greeks().expect("in range");
                let Greeks {
                    delta,
                    gamma,
                    vega,
                    theta,
                } = found;
                for greek in [delta, gamma, vega, theta] {
                    assert!(greek.is_finite(), "{at_the_money:?} {found:?}");
                }
            }
        }
    }

    #[test]
    fn a_fault_names_its_field() {
        for wrong in [f64::NAN, f64::INFINITY, -1.0] {
            let faults = [
                OptionTerms {
                    forward: wrong,
                    ..terms(Call)
                },
                OptionTerms {
                    strike: wrong,
                    ..terms(Call)
                },
                OptionTerms {
                    expiry_years: wrong,
                    ..terms(Call)
                },
                OptionTerms {
                    vol: wrong,
                    ..terms(Call)
                },
                OptionTerms {
                    discount: wrong,
                    ..terms(Call)
                },
            ];
            let names = ["forward", "strike", "expiry_years", "vol", "discount"];
            for (fault, name) in faults.iter().zip(names) {
                let message = fault.value().expect_err("a fault").to_string();
                assert!(
                    message.starts_with(&format!("options.{name}: is ")),
                    "{message}"
                );
            }
        }
        let zero = OptionTerms {
            forward: 0.0,
            ..terms(Put)
        };
        assert!(zero.greeks().is_err());
    }

    #[test]
    fn greeks_are_the_slopes_of_the_value() {
        for kind in [Call, Put] {
            let at = terms(kind);
            let found = greeks(&at);
            let of = |terms: OptionTerms| terms.value().expect("in range");
            let slope =
                |up: OptionTerms, down: OptionTerms, step: f64| (of(up) - of(down)) / (2.0 * step);
            let bump = |step: f64| OptionTerms {
                forward: at.forward + step,
                ..at
            };
            let delta = slope(bump(1e-3), bump(-1e-3), 1e-3);
            assert!((found.delta - delta).abs() < 1e-8);
            let gamma = (of(bump(1e-2)) - 2.0 * of(at) + of(bump(-1e-2))) / 1e-4;
            assert!((found.gamma - gamma).abs() < 1e-8);
            let bump = |step: f64| OptionTerms {
                vol: at.vol + step,
                ..at
            };
            assert!((found.vega - slope(bump(1e-5), bump(-1e-5), 1e-5)).abs() < 1e-7);
            let rate = -at.discount.ln() / at.expiry_years;
            let bump = |step: f64| {
                let expiry_years = at.expiry_years - step;
                OptionTerms {
                    expiry_years,
                    discount: (-rate * expiry_years).exp(),
                    ..at
                }
            };
            assert!((found.theta - slope(bump(1e-6), bump(-1e-6), 1e-6)).abs() < 1e-6);
        }
    }

    proptest! {
        #[test]
        fn no_input_panics_and_every_accepted_one_has_finite_answers(
            bits in any::<[u64; 5]>(), put in any::<bool>(),
        ) {
            let [forward, strike, expiry_years, vol, discount] = bits.map(f64::from_bits);
            let kind = if put { Put } else { Call };
            let terms = OptionTerms { kind, forward, strike, expiry_years, vol, discount };
            if let (Ok(value), Ok(greeks)) = (terms.value(), terms.greeks()) {
                prop_assert!(value.is_finite() && value >= 0.0);
                let Greeks { delta, gamma, vega, theta } = greeks;
                prop_assert!([delta, gamma, vega, theta].iter().all(|greek| greek.is_finite()));
            }
        }
    }
}
