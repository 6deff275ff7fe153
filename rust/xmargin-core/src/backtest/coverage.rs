//! How often, and how scattered: Kupiec, Christoffersen, Basel.

use super::as_float;
use crate::model::confidence::Confidence;
use crate::num::special::{binomial_at_most, chi_squared_1_above, chi_squared_2_above};

/// Likelihood-ratio tests of exceptions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Coverage {
    /// Kupiec (1995), proportion of failures: −2 ln of the likelihood at `1 − α` over that at the
    /// share found.
    pub kupiec: f64,
    /// Its p-value, χ² with one degree of freedom.
    pub kupiec_p: f64,
    /// Christoffersen (1998), independence: whether an exception makes one on the next day likelier.
    pub independence: f64,
    /// Its p-value, χ² with one degree of freedom.
    pub independence_p: f64,
    /// Conditional coverage: the sum of the two.
    pub conditional: f64,
    /// Its p-value, χ² with two degrees of freedom.
    pub conditional_p: f64,
    /// Pairs of days (today, tomorrow): neither an exception, then only tomorrow, only today, both.
    pub transitions: [usize; 4],
}

/// `a ln p`, with nothing times anything nothing.
fn log_power(count: f64, probability: f64) -> f64 {
    if count == 0.0 {
        0.0
    } else {
        count * libm::log(probability)
    }
}

/// The binomial log likelihood of `hits` and `misses` at their own share.
fn best_log_likelihood(hits: f64, misses: f64) -> f64 {
    let count = hits + misses;
    log_power(hits, hits / count) + log_power(misses, misses / count)
}

impl Coverage {
    pub(super) fn of(hits: &[bool], confidence: Confidence) -> Self {
        let exceptions = as_float(hits.iter().filter(|&&hit| hit).count());
        let others = as_float(hits.len()) - exceptions;
        let expected =
            log_power(exceptions, confidence.tail()) + log_power(others, confidence.level());
        let kupiec = (2.0 * (best_log_likelihood(exceptions, others) - expected)).max(0.0);

        let mut transitions = [0; 4];
        for pair in hits.windows(2) {
            transitions[2 * usize::from(pair[0]) + usize::from(pair[1])] += 1;
        }
        let [n00, n01, n10, n11] = transitions.map(as_float);
        let apart = best_log_likelihood(n01, n00) + best_log_likelihood(n11, n10);
        let together = best_log_likelihood(n01 + n11, n00 + n10);
        let independence = (2.0 * (apart - together)).max(0.0);

        let conditional = kupiec + independence;
        Self {
            kupiec,
            kupiec_p: chi_squared_1_above(kupiec),
            independence,
            independence_p: chi_squared_1_above(independence),
            conditional,
            conditional_p: chi_squared_2_above(conditional),
            transitions,
        }
    }
}

/// A zone of the Basel Committee's backtesting framework (1996; MAR99).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Zone {
    /// Below 95 %.
    Green,
    /// From 95 % on.
    Yellow,
    /// From 99.99 % on.
    Red,
}

/// How likely at most so many exceptions are when the model is right.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TrafficLight {
    /// Number of days.
    pub observations: usize,
    /// Exceptions among them.
    pub exceptions: usize,
    /// The binomial probability of so many or fewer.
    pub cumulative: f64,
    /// The zone it is in.
    pub zone: Zone,
}

impl TrafficLight {
    pub(super) fn of(hits: &[bool], confidence: Confidence) -> Self {
        let exceptions = hits.iter().filter(|&&hit| hit).count();
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let cumulative = binomial_at_most(count(exceptions), count(hits.len()), confidence.tail());
        let zone = match cumulative {
            share if share < 0.95 => Zone::Green,
            share if share < 0.9999 => Zone::Yellow,
            _ => Zone::Red,
        };
        Self {
            observations: hits.len(),
            exceptions,
            cumulative,
            zone,
        }
    }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "equal to the bit is what is meant")]
mod tests {
    use super::*;
    use crate::Error;

    fn coverage(hits: &[bool]) -> Result<Coverage, Error> {
        Ok(Coverage::of(hits, Confidence::new("confidence", 0.95)?))
    }

    #[test]
    fn no_exception_at_all_is_tested_too() -> Result<(), Error> {
        let found = coverage(&[false; 100])?;
        assert!((found.kupiec + 200.0 * 0.95_f64.ln()).abs() < 1e-12);
        assert_eq!((found.independence, found.independence_p), (0.0, 1.0));
        Ok(())
    }

    #[test]
    fn exceptions_in_a_row_are_not_independent() -> Result<(), Error> {
        let mut scattered = vec![false; 100];
        let mut together = scattered.clone();
        for k in 0..5 {
            scattered[20 * k + 7] = true;
            together[40 + k] = true;
        }
        let (scattered, together) = (coverage(&scattered)?, coverage(&together)?);
        assert_eq!(scattered.kupiec, together.kupiec);
        assert!(scattered.kupiec < 1e-12 && scattered.independence_p > 0.4);
        assert_eq!(together.transitions, [93, 1, 1, 4]);
        assert!(together.independence_p < 1e-5 && together.conditional_p < 1e-4);
        Ok(())
    }

    /// Basel's zones for 250 days at 99 %: yellow from 5 exceptions, red from 10.
    #[test]
    fn zones_begin_where_basel_says() -> Result<(), Error> {
        let level = Confidence::new("confidence", 0.99)?;
        let zone = |exceptions: usize| {
            let hits: Vec<bool> = (0..250).map(|day| day < exceptions).collect();
            TrafficLight::of(&hits, level).zone
        };
        assert_eq!([zone(0), zone(4)], [Zone::Green; 2]);
        assert_eq!([zone(5), zone(9)], [Zone::Yellow; 2]);
        assert_eq!([zone(10), zone(250)], [Zone::Red; 2]);
        Ok(())
    }
}
