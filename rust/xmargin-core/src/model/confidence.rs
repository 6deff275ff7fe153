//! A confidence level whose tail is an exact fraction.

use crate::Error;

const MILLION: u32 = 1_000_000;

/// A confidence level in [0.5, 0.9999], kept as the parts per million that lie beyond it.
///
/// `1 − 0.99` is no hundredth in binary; how many of `n` scenarios lie beyond the quantile must not
/// hang on that. In parts per million the count is a division of integers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Confidence {
    tail_ppm: u32,
}

impl Confidence {
    /// The level nearest to `level`.
    ///
    /// # Errors
    /// [`Error::Parameter`] under `key` when it is outside [0.5, 0.9999] or no whole number of
    /// parts per million.
    pub fn new(key: &str, level: f64) -> Result<Self, Error> {
        if !(0.5..=0.9999).contains(&level) {
            let problem = format!("{level} is out of range; it must be in [0.5, 0.9999]");
            return Err(Error::parameter(key, problem));
        }
        let beyond = (1.0 - level) * f64::from(MILLION);
        if (beyond - beyond.round()).abs() > 1e-6 {
            let problem = format!("{level} has more than six decimals");
            return Err(Error::parameter(key, problem));
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between 100 and 500,000"
        )]
        let tail_ppm = beyond.round() as u32;
        Ok(Self { tail_ppm })
    }

    /// The probability that lies beyond the level, `1 − α`.
    #[must_use]
    pub fn tail(self) -> f64 {
        f64::from(self.tail_ppm) / f64::from(MILLION)
    }

    /// The level `α`.
    #[must_use]
    pub fn level(self) -> f64 {
        f64::from(MILLION - self.tail_ppm) / f64::from(MILLION)
    }

    /// How many of `count` equally likely scenarios lie wholly beyond the level, `⌊n(1−α)⌋`, and
    /// the fraction of the next one that does.
    #[must_use]
    pub fn beyond(self, count: usize) -> (usize, f64) {
        let parts = count as u128 * u128::from(self.tail_ppm);
        let whole = parts / u128::from(MILLION);
        let rest = u32::try_from(parts % u128::from(MILLION)).unwrap_or(0);
        let whole = usize::try_from(whole).unwrap_or(count);
        (whole, f64::from(rest) / f64::from(MILLION))
    }

    /// The least number of scenarios of which one whole lies beyond the level.
    #[must_use]
    pub fn count_min(self) -> usize {
        MILLION.div_ceil(self.tail_ppm) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_is_counted_in_integers() -> Result<(), Error> {
        let level = Confidence::new("confidence", 0.99)?;
        assert_eq!(level.beyond(100), (1, 0.0));
        assert_eq!(level.beyond(250), (2, 0.5));
        assert_eq!(level.count_min(), 100);
        assert_eq!(
            Confidence::new("confidence", 0.975)?.beyond(1_000),
            (25, 0.0)
        );
        Ok(())
    }

    #[test]
    fn levels_out_of_range_are_refused() {
        for level in [f64::NAN, 0.0, 0.49, 0.99999, 1.0, 0.123_456_7, 0.987_654_32] {
            assert!(Confidence::new("confidence", level).is_err(), "{level}");
        }
    }
}
