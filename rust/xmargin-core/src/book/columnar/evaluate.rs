//! Margins of all accounts: worst scenario, worst P&L, margin and excess.

use rayon::prelude::*;

use super::accounts::{AccountBook, fault, same_length};
use super::kernel::{LANES, Tile, TilesRef, of_row, worst};
use super::matrix::ScenarioMatrix;
use super::packing::Entries;
use super::workers::Workers;
#[cfg(target_arch = "x86_64")]
use super::x86;
use crate::Error;
use crate::pricing::batch::Vectors;

/// Accounts that a thread takes at a time: their results stay in its cache.
pub(super) const BLOCK: usize = 4_096;
/// Loss factors that are accepted.
pub const LOSS_FACTOR_RANGE: std::ops::RangeInclusive<f64> = 0.0..=100.0;

/// What a margin call needs to know of an account (USD).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AccountMargin {
    /// The scenario of the least P&L, the lowest on a tie.
    pub worst_scenario: u16,
    /// The P&L in it; positive when every scenario gains.
    pub worst_pnl: f64,
    /// The requirement: loss factor × the loss, if there is one.
    pub margin: f64,
    /// Value at the marks minus the margin; negative is a shortfall.
    pub excess: f64,
}

/// Margins by account, column by column; kept from tick to tick, so that no memory is asked for.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Results {
    /// See [`AccountMargin`].
    pub worst_scenario: Vec<u16>,
    /// See [`AccountMargin`].
    pub worst_pnl: Vec<f64>,
    /// See [`AccountMargin`].
    pub margin: Vec<f64>,
    /// See [`AccountMargin`].
    pub excess: Vec<f64>,
}

/// Evaluates every account of `book` into `results`, one row an account.
///
/// # Errors
/// [`Error::Input`] when the book is empty or the matrix has another number of rows,
/// [`Error::Parameter`] for a loss factor out of range; `results` is as before then.
pub fn evaluate_into(
    book: &AccountBook,
    matrix: &ScenarioMatrix,
    loss_factor: f64,
    workers: &Workers,
    results: &mut Results,
) -> Result<(), Error> {
    let job = Job::of(book, matrix, loss_factor)?;
    let accounts = book.ids().len();
    results.worst_scenario.resize(accounts, 0);
    for column in [
        &mut results.worst_pnl,
        &mut results.margin,
        &mut results.excess,
    ] {
        column.resize(accounts, 0.0);
    }
    let vectors = workers.set.vectors();
    match workers.pool_for(accounts) {
        None => blocks(results).for_each(|mut block| job.run(vectors, &mut block)),
        Some(pool) => pool.install(|| {
            let blocks: Vec<Block<'_>> = blocks(results).collect();
            blocks
                .into_par_iter()
                .for_each(|mut block| job.run(vectors, &mut block));
        }),
    }
    Ok(())
}

/// Evaluates one account, by the row it was loaded in.
///
/// # Errors
/// As [`evaluate_into`], and [`Error::Input`] when there is no such row.
pub fn evaluate_account(
    book: &AccountBook,
    matrix: &ScenarioMatrix,
    loss_factor: f64,
    workers: &Workers,
    account: usize,
) -> Result<AccountMargin, Error> {
    let job = Job::of(book, matrix, loss_factor)?;
    if account >= book.ids().len() {
        return Err(Error::row("accounts", "id", account, "is not there"));
    }
    Ok(job.account(workers.set.vectors(), account))
}

/// Evaluates accounts one at a time, checked once.
#[derive(Clone, Copy)]
pub(crate) struct OneByOne<'a>(Job<'a>, Vectors);

impl<'a> OneByOne<'a> {
    /// As [`evaluate_account`] checks, but for the account.
    pub fn of(
        book: &'a AccountBook,
        matrix: &'a ScenarioMatrix,
        loss_factor: f64,
        workers: &Workers,
    ) -> Result<Self, Error> {
        let job = Job::of(book, matrix, loss_factor)?;
        Ok(Self(job, workers.set.vectors()))
    }

    /// An account that is there.
    pub fn account(&self, account: usize) -> AccountMargin {
        self.0.account(self.1, account)
    }
}

/// Everything that is read: columns, so that a loop keeps where they are in registers.
///
/// Made only by [`Job::of`], which the unchecked access to rows rests on: each entry's row is one of
/// the book's (a [`Listing`](super::Listing) holds no other), and the matrix has as many.
#[derive(Clone, Copy)]
pub(super) struct Job<'a> {
    pub(super) cash_usd: &'a [f64],
    pub(super) entries: Entries<'a>,
    pub(super) mark: &'a [f64],
    pub(super) pnl_max: &'a [f64],
    pub(super) double: TilesRef<'a, f64>,
    pub(super) single: TilesRef<'a, f32>,
    pub(super) loss_factor: f64,
}

impl<'a> Job<'a> {
    /// The job of a book over a matrix of its rows.
    pub fn of(
        book: &'a AccountBook,
        matrix: &'a ScenarioMatrix,
        loss_factor: f64,
    ) -> Result<Self, Error> {
        if book.ids().is_empty() {
            let problem = "is empty; append accounts first".to_owned();
            return Err(fault("accounts", "id", None, problem));
        }
        same_length("matrix", "mark", matrix.rows(), book.rows())?;
        if !LOSS_FACTOR_RANGE.contains(&loss_factor) {
            let problem = format!("{loss_factor} is not in [0, 100]");
            return Err(Error::parameter("loss_factor", problem));
        }
        Ok(Self {
            cash_usd: &book.cash_usd,
            entries: book.packed.entries(),
            mark: &matrix.mark,
            pnl_max: &matrix.pnl_max,
            double: matrix.double.borrowed(),
            single: matrix.single.borrowed(),
            loss_factor,
        })
    }
}

/// Consecutive accounts, and where their results go.
pub(super) struct Block<'a> {
    first: usize,
    worst_scenario: &'a mut [u16],
    worst_pnl: &'a mut [f64],
    margin: &'a mut [f64],
    excess: &'a mut [f64],
}

fn blocks(results: &mut Results) -> impl Iterator<Item = Block<'_>> {
    let columns = results
        .worst_scenario
        .chunks_mut(BLOCK)
        .zip(results.worst_pnl.chunks_mut(BLOCK))
        .zip(results.margin.chunks_mut(BLOCK))
        .zip(results.excess.chunks_mut(BLOCK));
    columns.enumerate().map(
        |(number, (((worst_scenario, worst_pnl), margin), excess))| Block {
            first: number * BLOCK,
            worst_scenario,
            worst_pnl,
            margin,
            excess,
        },
    )
}

impl Job<'_> {
    #[cfg_attr(
        target_arch = "x86_64",
        expect(
            unsafe_code,
            reason = "the call into code compiled for a detected feature"
        )
    )]
    fn run(&self, vectors: Vectors, block: &mut Block<'_>) {
        match vectors {
            Vectors::Baseline => self.block::<[f64; LANES]>(block),
            // SAFETY: a set that is not the baseline is made only where the machine has it.
            #[cfg(target_arch = "x86_64")]
            Vectors::Avx2 => unsafe { x86::block_avx2(self, block) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Vectors::Avx512 => unsafe { x86::block_avx512(self, block) },
        }
    }

    /// One account with the vectors given, for callers that have few.
    #[cfg_attr(
        target_arch = "x86_64",
        expect(
            unsafe_code,
            reason = "the call into code compiled for a detected feature"
        )
    )]
    pub fn account(&self, vectors: Vectors, account: usize) -> AccountMargin {
        match vectors {
            Vectors::Baseline => self.one::<[f64; LANES]>(account),
            // SAFETY: a set that is not the baseline is made only where the machine has it.
            #[cfg(target_arch = "x86_64")]
            Vectors::Avx2 => unsafe { x86::account_avx2(self, account) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Vectors::Avx512 => unsafe { x86::account_avx512(self, account) },
        }
    }

    /// The accounts of a block.
    #[inline(always)]
    pub fn block<V: Tile<f64>>(self, block: &mut Block<'_>) {
        if self.double.is_one() {
            self.each::<V, true>(block);
        } else {
            self.each::<V, false>(block);
        }
    }

    #[inline(always)]
    fn each<V: Tile<f64>, const ONE_TILE: bool>(self, block: &mut Block<'_>) {
        let accounts = block.first..block.first + block.worst_scenario.len();
        let held = self
            .entries
            .of_many(accounts.clone())
            .zip(&self.cash_usd[accounts]);
        let results = block
            .worst_scenario
            .iter_mut()
            .zip(block.worst_pnl.iter_mut())
            .zip(block.margin.iter_mut())
            .zip(block.excess.iter_mut());
        for ((entries, &cash_usd), (((worst_scenario, worst_pnl), margin), excess)) in
            held.zip(results)
        {
            let found = self.margin::<V, ONE_TILE>(entries, cash_usd);
            *worst_scenario = found.worst_scenario;
            *worst_pnl = found.worst_pnl;
            *margin = found.margin;
            *excess = found.excess;
        }
    }

    #[inline(always)]
    pub fn one<V: Tile<f64>>(self, account: usize) -> AccountMargin {
        self.margin::<V, false>(self.entries.of(account), self.cash_usd[account])
    }

    /// The margin of an account of these entries.
    #[inline(always)]
    #[expect(unsafe_code, reason = "unchecked access to rows")]
    pub fn margin<V: Tile<f64>, const ONE_TILE: bool>(
        self,
        entries: (&[u32], &[f64]),
        cash_usd: f64,
    ) -> AccountMargin {
        let mut value = cash_usd;
        // SAFETY: a job's matrix has all rows of its entries.
        let worst = unsafe {
            worst::<f64, V, ONE_TILE>(self.double, entries, |row, q| {
                value += q * of_row(self.mark, row);
            })
        };
        // Plus zero: a loss of nothing has no sign.
        let worst_pnl = worst.pnl + 0.0;
        let margin = margin_of(self.loss_factor, worst_pnl);
        #[expect(
            clippy::cast_possible_truncation,
            reason = "there are at most SCENARIOS_MAX"
        )]
        let worst_scenario = worst.scenario as u16;
        AccountMargin {
            worst_scenario,
            worst_pnl,
            margin,
            excess: value - margin,
        }
    }
}

/// Rises nowhere as `worst_pnl` rises, roundings included: [`screen`](super::screen) rests on it.
#[inline(always)]
pub(crate) fn margin_of(loss_factor: f64, worst_pnl: f64) -> f64 {
    if worst_pnl < 0.0 {
        loss_factor * -worst_pnl
    } else {
        0.0
    }
}
