//! Who is short, worst first.

use rayon::prelude::*;

use super::accounts::{AccountBook, same_length};
use super::evaluate::{AccountMargin, Results};
use super::workers::Workers;
use crate::Error;

/// An account of negative excess.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Breach {
    /// The row it was loaded in.
    pub account: u32,
    /// Its id.
    pub id: u64,
    /// Its margin.
    pub margin: AccountMargin,
}

/// The accounts of negative excess: by excess ascending, then by id. Ids are unique, so no two tie.
///
/// # Errors
/// [`Error::Input`] when `results` are not of this book.
pub fn breaches(
    book: &AccountBook,
    results: &Results,
    workers: &Workers,
) -> Result<Vec<Breach>, Error> {
    same_length("results", "excess", results.excess.len(), book.ids().len())?;
    let breach = |account: usize| Breach {
        account: row_number(account),
        id: book.ids()[account],
        margin: AccountMargin {
            worst_scenario: results.worst_scenario[account],
            worst_pnl: results.worst_pnl[account],
            margin: results.margin[account],
            excess: results.excess[account],
        },
    };
    // Selected first: to order all accounts costs more than to evaluate them.
    let is_short = |&account: &usize| results.excess[account] < 0.0;
    let accounts = 0..book.ids().len();
    let short: Vec<Breach> = match workers.pool_for(accounts.len()) {
        None => accounts.filter(is_short).map(breach).collect(),
        Some(pool) => pool.install(|| {
            accounts
                .into_par_iter()
                .filter(is_short)
                .map(breach)
                .collect()
        }),
    };
    Ok(ordered(&short, workers))
}

/// Orders breaches by (excess, id).
pub(super) fn ordered(breaches: &[Breach], workers: &Workers) -> Vec<Breach> {
    // Sixteen bytes and a place are sorted, not whole breaches.
    let mut keys: Vec<(u64, u64, u32)> = breaches
        .iter()
        .zip(0..)
        .map(|(breach, place)| (ascending_bits(breach.margin.excess), breach.id, place))
        .collect();
    match workers.pool_for(keys.len()) {
        None => keys.sort_unstable(),
        Some(pool) => pool.install(|| keys.par_sort_unstable()),
    }
    keys.into_iter()
        .map(|(_, _, place)| breaches[place as usize])
        .collect()
}

/// Account rows fit: each has a place in `u32` offsets.
pub(super) fn row_number(account: usize) -> u32 {
    u32::try_from(account).unwrap_or(u32::MAX)
}

/// Integers in the order of IEEE 754's totalOrder.
fn ascending_bits(value: f64) -> u64 {
    let bits = value.to_bits();
    if bits >> 63 == 1 {
        !bits
    } else {
        bits | 1 << 63
    }
}
