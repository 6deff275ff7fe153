//! One chain of options on one forward, priced under many scenarios.

use super::kernel::{Job, LOG_STRIKE_MIN, STDEV_MIN, Standardised};
use super::lanes::Lanes;
use super::{InstructionSet, STDEV_RANGE, check_column, check_length, is_zero};
use crate::Error;
use crate::pricing::OptionKind;
use crate::pricing::black76::{DISCOUNT_RANGE, PRICE_RANGE, in_range};

/// Factors on a column of stdevs that are accepted.
/// What a scenario may multiply all stdevs by.
pub const STDEV_FACTOR_RANGE: std::ops::RangeInclusive<f64> = 1e-6..=1e6;

/// Options of one expiry, by strike, with what no scenario changes computed once.
pub struct Chain {
    kind: Vec<OptionKind>,
    strike: Vec<f64>,
    log_strike: Vec<f64>,
}

/// The total standard deviation of each option of a chain, with its inverse: vol × √expiry. A
/// scenario that scales all vols alike shares one such column; one that bends the smile has its own.
pub struct Stdevs {
    half: Vec<f64>,
    inverse: Vec<f64>,
}

impl Stdevs {
    /// Checked stdevs, one an option.
    ///
    /// # Errors
    /// [`Error::Input`] naming the first row at fault.
    pub fn new(stdev: &[f64]) -> Result<Self, Error> {
        check_column("stdev", stdev, stdev.len(), &STDEV_RANGE, |_| false)?;
        let raised = stdev.iter().map(|stdev| stdev.max(STDEV_MIN));
        Ok(Self {
            half: raised.clone().map(|stdev| 0.5 * stdev).collect(),
            inverse: raised.map(f64::recip).collect(),
        })
    }

    /// Those of some rows, as [`Chain::select`].
    pub(crate) fn select(&self, rows: &[u32]) -> Self {
        Self {
            half: picked(&self.half, rows),
            inverse: picked(&self.inverse, rows),
        }
    }
}

fn picked<T: Copy>(column: &[T], rows: &[u32]) -> Vec<T> {
    rows.iter().map(|&row| column[row as usize]).collect()
}

impl Chain {
    /// A chain of options, one a row.
    ///
    /// # Errors
    /// [`Error::Input`] naming the column and the first row at fault.
    pub fn new(kind: Vec<OptionKind>, strike: Vec<f64>) -> Result<Self, Error> {
        check_column("strike", &strike, kind.len(), &PRICE_RANGE, is_zero)?;
        let log = |strike: &f64| libm::log(strike.max(LOG_STRIKE_MIN));
        Ok(Self {
            log_strike: strike.iter().map(log).collect(),
            kind,
            strike,
        })
    }

    /// A chain of some of these options, rows in range; each has the value it has here, to the bit.
    pub(crate) fn select(&self, rows: &[u32]) -> Self {
        Self {
            kind: picked(&self.kind, rows),
            strike: picked(&self.strike, rows),
            log_strike: picked(&self.log_strike, rows),
        }
    }

    /// Writes the value of each option under one scenario: the forward and the discount factor in
    /// it, and the stdevs times `stdev_factor`.
    ///
    /// # Errors
    /// [`Error::Input`] for a scenario out of range or columns of another length; nothing is written
    /// then.
    pub fn values_into(
        &self,
        set: InstructionSet,
        forward: f64,
        discount: f64,
        stdevs: &Stdevs,
        stdev_factor: f64,
        values: &mut [f64],
    ) -> Result<(), Error> {
        in_range("forward", None, forward, &PRICE_RANGE)?;
        in_range("discount", None, discount, &DISCOUNT_RANGE)?;
        in_range("stdev_factor", None, stdev_factor, &STDEV_FACTOR_RANGE)?;
        check_length("stdev", stdevs.half.len(), self.kind.len())?;
        check_length("values", values.len(), self.kind.len())?;
        let scenario = Scenario {
            chain: self,
            stdevs,
            forward,
            log_forward: libm::log(forward),
            discount,
            stdev_factor,
            inverse_factor: stdev_factor.recip(),
        };
        set.price(&scenario, values);
        Ok(())
    }
}

struct Scenario<'a> {
    chain: &'a Chain,
    stdevs: &'a Stdevs,
    forward: f64,
    log_forward: f64,
    discount: f64,
    stdev_factor: f64,
    inverse_factor: f64,
}

impl Job for Scenario<'_> {
    fn count(&self) -> usize {
        self.chain.kind.len()
    }

    #[inline(always)]
    fn values<V: Lanes, const FULL: bool>(&self, row: usize) -> V {
        let log_moneyness =
            V::load::<FULL>(&self.chain.log_strike[row..]) - V::splat(self.log_forward);
        let inverse = V::load::<FULL>(&self.stdevs.inverse[row..]) * V::splat(self.inverse_factor);
        Standardised {
            moneyness: (log_moneyness * inverse).abs(),
            half_stdev: V::load::<FULL>(&self.stdevs.half[row..]) * V::splat(self.stdev_factor),
            forward: V::splat(self.forward),
            strike: V::load::<FULL>(&self.chain.strike[row..]),
            sign: V::load_signs::<FULL>(&self.chain.kind[row..]),
            discount: V::splat(self.discount),
        }
        .value()
    }
}
