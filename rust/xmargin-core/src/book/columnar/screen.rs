//! Who is short, from a pass in `f32` that knows its own error.
//!
//! **Bound.** Let u = 2⁻²⁴, and an account have n entries of quantity q over rows whose P&L is at most
//! M in size. Computed is Σ q π with each q and each π rounded to `f32`, each product rounded (or not,
//! where it is fused) and n additions, the first of them to zero: on the way of each term to the sum lie at
//! most n + 2 roundings that are not exact, so (Higham, *Accuracy and Stability of Numerical
//! Algorithms*, 2nd ed., §3.1)
//!
//! ```text
//! |fl₃₂(PnL_s) − PnL_s| ≤ γ_{n+2} Σ|q| M + η      γ_k = k u / (1 − k u)
//! ```
//! for every s, and so for the least of them. η is what underflow adds: a number below the normal range
//! is rounded by at most 2⁻¹⁵⁰; times the other factor (≤ 10¹⁵ < 2⁵⁰) that is less than 2⁻⁹⁸ an entry.
//! Nothing overflows: 10³⁰ a product, 10⁶ of them.
//!
//! For n + 2 ≤ 1,024, 1/(1 − k u) < 1.0001. The pass in `f64` errs by the same formula with 2⁻⁵³,
//! 2⁻²⁹ of it, and to compute the bound costs (n + 4) 2⁻⁵³ of it at most; so that with
//!
//! ```text
//! B = 1.001 · (n + 2) 2⁻²⁴ Σ|q| M + n 2⁻⁹⁰       |worst₃₂ − worst₆₄| ≤ B
//! ```
//! as computed. Excess never falls as the worst P&L rises, roundings included (subtraction and
//! multiplication round monotonically). If it is not negative at worst₃₂ − B, it is not negative in `f64`:
//! the account is passed. All others are evaluated in `f64` and judged by that alone, so the list, its
//! order and its numbers are those of the pure `f64` pass, to the bit.

use rayon::prelude::*;

use super::accounts::AccountBook;
use super::evaluate::{AccountMargin, BLOCK, Job, margin_of};
use super::kernel::{LANES, Tile, of_row, worst};
use super::matrix::ScenarioMatrix;
use super::order::{Breach, ordered, row_number};
use super::workers::Workers;
#[cfg(target_arch = "x86_64")]
use super::x86;
use crate::Error;
use crate::pricing::batch::Vectors;

/// 2⁻²⁴, half the distance of 1 to the next `f32`.
const UNIT_ROUNDOFF: f64 = 1.0 / 16_777_216.0;
/// What covers γ's denominator, the `f64` pass's own error, and the roundings of the bound.
const BOUND_FACTOR: f64 = 1.001;
/// 2⁻⁹⁰: what covers underflow, an entry.
const UNDERFLOW: f64 = UNIT_ROUNDOFF * UNIT_ROUNDOFF * UNIT_ROUNDOFF * (1.0 / 262_144.0);
/// With more entries an account is evaluated in `f64` at once.
const ENTRIES_MAX: usize = 1_022;

/// What a screen found.
#[derive(Debug, Clone, PartialEq)]
pub struct Screened {
    /// Accounts of negative excess, as [`breaches`](super::breaches) lists them.
    pub breaches: Vec<Breach>,
    /// How many accounts `f32` could not pass, and `f64` judged.
    pub evaluated_in_f64: usize,
}

/// The accounts of negative excess, worst first: what [`evaluate_into`](super::evaluate_into) and
/// [`breaches`](super::breaches) give, to the bit.
///
/// # Errors
/// As [`evaluate_into`](super::evaluate_into).
pub fn screen(
    book: &AccountBook,
    matrix: &ScenarioMatrix,
    loss_factor: f64,
    workers: &Workers,
) -> Result<Screened, Error> {
    let job = Job::of(book, matrix, loss_factor)?;
    let accounts = book.ids().len();
    let vectors = workers.set.vectors();
    let blocks = accounts.div_ceil(BLOCK);
    let of_block =
        |block: usize| job.screen(vectors, block * BLOCK, accounts.min((block + 1) * BLOCK));
    let found: Vec<Found> = match workers.pool_for(accounts) {
        None => (0..blocks).map(of_block).collect(),
        Some(pool) => pool.install(|| (0..blocks).into_par_iter().map(of_block).collect()),
    };
    let short = found.iter().flat_map(|found| &found.short);
    let breach = |&(account, margin): &(usize, AccountMargin)| Breach {
        account: row_number(account),
        id: book.ids()[account],
        margin,
    };
    let breaches: Vec<Breach> = short.map(breach).collect();
    Ok(Screened {
        breaches: ordered(&breaches, workers),
        evaluated_in_f64: found.iter().map(|found| found.evaluated_in_f64).sum(),
    })
}

/// What a block came to.
#[derive(Default)]
pub(super) struct Found {
    short: Vec<(usize, AccountMargin)>,
    evaluated_in_f64: usize,
}

impl Job<'_> {
    #[cfg_attr(
        target_arch = "x86_64",
        expect(
            unsafe_code,
            reason = "the call into code compiled for a detected feature"
        )
    )]
    fn screen(&self, vectors: Vectors, from: usize, to: usize) -> Found {
        match vectors {
            Vectors::Baseline => self.screened::<[f32; LANES], [f64; LANES]>(from, to),
            // SAFETY: a set that is not the baseline is made only where the machine has it.
            #[cfg(target_arch = "x86_64")]
            Vectors::Avx2 => unsafe { x86::screen_avx2(self, from, to) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Vectors::Avx512 => unsafe { x86::screen_avx512(self, from, to) },
        }
    }

    /// The accounts from one row up to another.
    #[inline(always)]
    pub fn screened<S: Tile<f32>, D: Tile<f64>>(self, from: usize, to: usize) -> Found {
        if self.double.is_one() {
            self.each_screened::<S, D, true>(from, to)
        } else {
            self.each_screened::<S, D, false>(from, to)
        }
    }

    #[inline(always)]
    fn each_screened<S: Tile<f32>, D: Tile<f64>, const ONE_TILE: bool>(
        self,
        from: usize,
        to: usize,
    ) -> Found {
        let mut found = Found::default();
        let held = self.entries.of_many(from..to).zip(&self.cash_usd[from..to]);
        for (account, (entries, &cash_usd)) in (from..to).zip(held) {
            if self.is_safe::<S, ONE_TILE>(entries, cash_usd) {
                continue;
            }
            found.evaluated_in_f64 += 1;
            let margin = self.margin::<D, ONE_TILE>(entries, cash_usd);
            if margin.excess < 0.0 {
                found.short.push((account, margin));
            }
        }
        found
    }

    /// Whether `f32` proves that the excess in `f64` is not negative.
    #[inline(always)]
    #[expect(unsafe_code, reason = "unchecked access to rows")]
    fn is_safe<S: Tile<f32>, const ONE_TILE: bool>(
        self,
        entries: (&[u32], &[f64]),
        cash_usd: f64,
    ) -> bool {
        let many = entries.0.len();
        if many > ENTRIES_MAX {
            return false;
        }
        let mut size = 0.0;
        let mut value = cash_usd;
        // SAFETY: a job's matrix has all rows of its entries.
        let worst = unsafe {
            worst::<f32, S, ONE_TILE>(self.single, entries, |row, quantity| {
                value += quantity * of_row(self.mark, row);
                size += quantity.abs() * of_row(self.pnl_max, row);
            })
        };
        #[expect(clippy::cast_precision_loss, reason = "at most ENTRIES_MAX")]
        let many = many as f64;
        let bound = BOUND_FACTOR * (many + 2.0) * UNIT_ROUNDOFF * size + many * UNDERFLOW;
        let margin = margin_of(self.loss_factor, f64::from(worst.pnl) - bound);
        value - margin >= 0.0
    }
}
