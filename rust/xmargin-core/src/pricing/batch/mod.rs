//! Options by the million: one kernel ([`kernel`]) on whatever vectors the machine has.
//!
//! [`Batch`] prices independent options, [`Chain`] the options of one forward again and again, one
//! scenario a call. Both are within 1e-12 × discount × forward of the true value wherever
//! [`black76`](super::black76) is; a time value below 2e-13 × min(forward, strike) is noise.
//!
//! Values are the same bits at every run and wherever a row stands. Instruction sets differ from
//! each other in the last bits; whoever needs bits that agree between machines asks for
//! [`InstructionSet::BASELINE`].

#![expect(
    clippy::inline_always,
    reason = "code is compiled for an instruction set only where it is inlined into its entry point"
)]

mod chain;
mod kernel;
mod lanes;
#[cfg(target_arch = "x86_64")]
mod x86;

pub use chain::{Chain, STDEV_FACTOR_RANGE, Stdevs};

use std::ops::RangeInclusive;

use kernel::{Columns, Job, run};

use super::OptionKind;
use super::black76::{DISCOUNT_RANGE, EXPIRY_YEARS_RANGE, PRICE_RANGE, VOL_RANGE, in_range};
use crate::Error;

/// Which vectors a batch is priced with. Having one is proof that this machine has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InstructionSet(Vectors);

/// The kinds of vectors there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Vectors {
    Baseline,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl InstructionSet {
    /// What every machine has: one lane, no fused multiply-add.
    pub const BASELINE: Self = Self(Vectors::Baseline);

    /// All that this machine has, the widest first.
    #[must_use]
    pub fn available() -> Vec<Self> {
        let mut sets = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            if x86::has_avx512() {
                sets.push(Self(Vectors::Avx512));
            }
            if x86::has_avx2() {
                sets.push(Self(Vectors::Avx2));
            }
        }
        sets.push(Self::BASELINE);
        sets
    }

    /// The widest that this machine has.
    #[must_use]
    pub fn best() -> Self {
        #[cfg(target_arch = "x86_64")]
        if x86::has_avx512() {
            return Self(Vectors::Avx512);
        } else if x86::has_avx2() {
            return Self(Vectors::Avx2);
        }
        Self::BASELINE
    }

    /// `avx512`, `avx2` or `baseline`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self.0 {
            Vectors::Baseline => "baseline",
            #[cfg(target_arch = "x86_64")]
            Vectors::Avx2 => "avx2",
            #[cfg(target_arch = "x86_64")]
            Vectors::Avx512 => "avx512",
        }
    }

    /// Which vectors these are, for kernels elsewhere.
    pub(crate) fn vectors(self) -> Vectors {
        self.0
    }

    /// Prices a job with these vectors; `values` has a place for every row.
    #[cfg_attr(
        target_arch = "x86_64",
        expect(
            unsafe_code,
            reason = "the call into code compiled for a detected feature"
        )
    )]
    fn price<J: Job>(self, job: &J, values: &mut [f64]) {
        match self.0 {
            Vectors::Baseline => run::<f64, J>(job, values),
            // SAFETY: a set that is not the baseline is made only where the machine has it.
            #[cfg(target_arch = "x86_64")]
            Vectors::Avx2 => unsafe { x86::run_avx2(job, values) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Vectors::Avx512 => unsafe { x86::run_avx512(job, values) },
        }
    }
}

/// Checked columns of independent options, a row an option.
pub struct Batch<'a>(Columns<'a>);

impl<'a> Batch<'a> {
    /// Checks the columns: equal lengths, and every value in the range of
    /// [`black76`](super::black76). `stdev` is vol × √(expiry in years).
    ///
    /// # Errors
    /// [`Error::Input`] naming the first column and row at fault.
    pub fn new(
        kind: &'a [OptionKind],
        forward: &'a [f64],
        strike: &'a [f64],
        stdev: &'a [f64],
        discount: &'a [f64],
    ) -> Result<Self, Error> {
        let count = kind.len();
        check_column("forward", forward, count, &PRICE_RANGE, |_| false)?;
        check_column("strike", strike, count, &PRICE_RANGE, is_zero)?;
        check_column("stdev", stdev, count, &STDEV_RANGE, |_| false)?;
        check_column("discount", discount, count, &DISCOUNT_RANGE, |_| false)?;
        Ok(Self(Columns {
            kind,
            forward,
            strike,
            stdev,
            discount,
        }))
    }

    /// Writes the value of each row.
    ///
    /// # Errors
    /// [`Error::Input`] when `values` has not one place a row.
    pub fn values_into(&self, set: InstructionSet, values: &mut [f64]) -> Result<(), Error> {
        check_length("values", values.len(), self.0.count())?;
        set.price(&self.0, values);
        Ok(())
    }
}

/// Total standard deviations of options by vol and expiry, checked: the column that [`Batch`] takes.
///
/// # Errors
/// [`Error::Input`] naming the first row at fault.
pub fn stdevs(expiry_years: &[f64], vol: &[f64]) -> Result<Vec<f64>, Error> {
    check_length("vol", vol.len(), expiry_years.len())?;
    let rows = expiry_years.iter().zip(vol).enumerate();
    rows.map(|(row, (&years, &vol))| {
        in_range("expiry_years", Some(row), years, &EXPIRY_YEARS_RANGE)?;
        in_range("vol", Some(row), vol, &VOL_RANGE)?;
        Ok(vol * years.sqrt())
    })
    .collect()
}

/// Total standard deviations that are accepted: far more than any vol and expiry in range make.
const STDEV_RANGE: RangeInclusive<f64> = 0.0..=1e6;

/// A strike of zero is one beside the range.
fn is_zero(value: f64) -> bool {
    value == 0.0
}

fn check_length(column: &'static str, found: usize, count: usize) -> Result<(), Error> {
    if found == count {
        return Ok(());
    }
    Err(Error::Input {
        table: "options",
        column,
        row: None,
        problem: format!("has {found} rows; it must have {count}"),
    })
}

fn check_column(
    column: &'static str,
    values: &[f64],
    count: usize,
    range: &RangeInclusive<f64>,
    is_exempt: impl Fn(f64) -> bool,
) -> Result<(), Error> {
    check_length(column, values.len(), count)?;
    let (low, high) = (*range.start(), *range.end());
    let is_good = |value: f64| (low <= value && value <= high) || is_exempt(value);
    // Without an early exit the loop is vectorised; the row is looked for only when there is one.
    if values
        .iter()
        .fold(true, |good, &value| good & is_good(value))
    {
        return Ok(());
    }
    match values.iter().position(|&value| !is_good(value)) {
        Some(row) => in_range(column, Some(row), values[row], range),
        None => Ok(()),
    }
}
