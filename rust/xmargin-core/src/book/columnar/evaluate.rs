//! Margins of all accounts: worst scenario, worst P&L, margin and excess.

use rayon::prelude::*;

use super::accounts::{AccountBook, fault, same_length};
use super::kernel::{LANES, Tile, worst};
use super::matrix::ScenarioMatrix;
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
    check(book, matrix, loss_factor)?;
    let accounts = book.ids().len();
    results.worst_scenario.resize(accounts, 0);
    for column in [
        &mut results.worst_pnl,
        &mut results.margin,
        &mut results.excess,
    ] {
        column.resize(accounts, 0.0);
    }
    let job = Job {
        book,
        matrix,
        loss_factor,
    };
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
    check(book, matrix, loss_factor)?;
    if account >= book.ids().len() {
        return Err(Error::row("accounts", "id", account, "is not there"));
    }
    Ok(Job {
        book,
        matrix,
        loss_factor,
    }
    .account(workers.set.vectors(), account))
}

pub(super) fn check(
    book: &AccountBook,
    matrix: &ScenarioMatrix,
    loss_factor: f64,
) -> Result<(), Error> {
    if book.ids().is_empty() {
        return Err(fault(
            "accounts",
            "id",
            None,
            "is empty; append accounts first".to_owned(),
        ));
    }
    same_length("matrix", "mark", matrix.rows(), book.rows())?;
    if LOSS_FACTOR_RANGE.contains(&loss_factor) {
        return Ok(());
    }
    Err(Error::parameter(
        "loss_factor",
        format!("{loss_factor} is not in [0, 100]"),
    ))
}

/// Everything that is read.
#[derive(Clone, Copy)]
pub(super) struct Job<'a> {
    pub book: &'a AccountBook,
    pub matrix: &'a ScenarioMatrix,
    pub loss_factor: f64,
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
    pub fn block<V: Tile<f64>>(&self, block: &mut Block<'_>) {
        let results = block
            .worst_scenario
            .iter_mut()
            .zip(block.worst_pnl.iter_mut())
            .zip(block.margin.iter_mut())
            .zip(block.excess.iter_mut());
        for (account, (((worst_scenario, worst_pnl), margin), excess)) in
            (block.first..).zip(results)
        {
            let found = self.one::<V>(account);
            *worst_scenario = found.worst_scenario;
            *worst_pnl = found.worst_pnl;
            *margin = found.margin;
            *excess = found.excess;
        }
    }

    #[inline(always)]
    pub fn one<V: Tile<f64>>(&self, account: usize) -> AccountMargin {
        let entries = self.book.packed.of(account);
        let mut value = self.book.cash_usd[account];
        let marks = self.matrix.of_row.as_slice();
        let worst = worst::<f64, V>(&self.matrix.double, entries, |row, quantity| {
            value += quantity * marks[row].mark;
        });
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
pub(super) fn margin_of(loss_factor: f64, worst_pnl: f64) -> f64 {
    if worst_pnl < 0.0 {
        loss_factor * -worst_pnl
    } else {
        0.0
    }
}
