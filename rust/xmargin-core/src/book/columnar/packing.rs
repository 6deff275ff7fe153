//! Netting: an account's positions become one quantity a row, by ascending row.

use std::ops::Range;

use super::accounts::{AccountColumns, Listing, fault};
use super::is_moderate;
use crate::Error;

/// Compressed sparse rows: account `a` has the entries from `start[a]` up to `end[a]`.
#[derive(Default)]
pub(super) struct Packed {
    start: Vec<u32>,
    end: Vec<u32>,
    row: Vec<u32>,
    quantity: Vec<f64>,
    /// Entries that no account has any more.
    void: usize,
}

impl Packed {
    /// All entries, to be read.
    pub fn entries(&self) -> Entries<'_> {
        Entries {
            start: &self.start,
            end: &self.end,
            row: &self.row,
            quantity: &self.quantity,
        }
    }

    /// How many entries accounts have.
    pub fn len(&self) -> usize {
        self.row.len() - self.void
    }

    /// Gives an account the entries of the only account of `other`.
    ///
    /// In place if they fit, else behind all others; when half of the entries are void, all move up.
    pub fn replace(&mut self, account: usize, other: &Self) -> Result<(), Error> {
        let had = self.end[account] - self.start[account];
        let Ok(has) = u32::try_from(other.row.len()) else {
            return Err(too_many());
        };
        let first = if has <= had {
            self.start[account]
        } else {
            self.first_behind(other)?
        };
        let from = first as usize;
        if from == self.row.len() {
            self.void += had as usize;
            self.row.extend_from_slice(&other.row);
            self.quantity.extend_from_slice(&other.quantity);
        } else {
            self.void += (had - has) as usize;
            self.row[from..from + other.row.len()].copy_from_slice(&other.row);
            self.quantity[from..from + other.row.len()].copy_from_slice(&other.quantity);
        }
        (self.start[account], self.end[account]) = (first, first + has);
        if self.void > self.row.len() / 2 {
            self.move_up();
        }
        Ok(())
    }

    fn first_behind(&self, other: &Self) -> Result<u32, Error> {
        match u32::try_from(self.row.len() + other.row.len()) {
            Ok(end) => Ok(end - other.end[0]),
            Err(_) => Err(too_many()),
        }
    }

    fn move_up(&mut self) {
        let mut row = Vec::with_capacity(self.len());
        let mut quantity = Vec::with_capacity(self.len());
        let mut at = 0;
        for account in 0..self.start.len() {
            let (rows, quantities) = self.entries().of(account);
            row.extend_from_slice(rows);
            quantity.extend_from_slice(quantities);
            let held = self.end[account] - self.start[account];
            (self.start[account], self.end[account]) = (at, at + held);
            at += held;
        }
        (self.row, self.quantity, self.void) = (row, quantity, 0);
    }

    /// Adds the accounts of another.
    pub fn append(&mut self, other: &Self) -> Result<(), Error> {
        let before = self.row.len();
        let Ok(shift) = u32::try_from(before) else {
            return Err(too_many());
        };
        if u32::try_from(before + other.row.len()).is_err() {
            return Err(too_many());
        }
        self.start
            .extend(other.start.iter().map(|start| start + shift));
        self.end.extend(other.end.iter().map(|end| end + shift));
        self.row.extend_from_slice(&other.row);
        self.quantity.extend_from_slice(&other.quantity);
        Ok(())
    }
}

/// The columns of [`Packed`].
#[derive(Clone, Copy)]
pub(super) struct Entries<'a> {
    start: &'a [u32],
    end: &'a [u32],
    row: &'a [u32],
    quantity: &'a [f64],
}

impl<'a> Entries<'a> {
    /// The entries of an account: rows and quantities.
    #[inline(always)]
    pub fn of(self, account: usize) -> (&'a [u32], &'a [f64]) {
        let entries = self.start[account] as usize..self.end[account] as usize;
        (&self.row[entries.clone()], &self.quantity[entries])
    }

    /// The entries of consecutive accounts.
    #[inline(always)]
    pub fn of_many(self, accounts: Range<usize>) -> impl Iterator<Item = (&'a [u32], &'a [f64])> {
        let starts = &self.start[accounts.clone()];
        starts
            .iter()
            .zip(&self.end[accounts])
            .map(move |(&start, &end)| {
                let entries = start as usize..end as usize;
                (&self.row[entries.clone()], &self.quantity[entries])
            })
    }
}

/// One position on its way into an account.
#[derive(Clone, Copy)]
struct Leg {
    row: u32,
    instrument: u32,
    quantity: f64,
}

/// Nets checked columns.
pub(super) fn pack(listing: &Listing, columns: &AccountColumns<'_>) -> Result<Packed, Error> {
    let mut packed = Packed::default();
    packed.start.reserve_exact(columns.id.len());
    packed.end.reserve_exact(columns.id.len());
    let mut legs = Vec::new();
    let mut from = 0;
    for (account, &end) in columns.positions_end.iter().enumerate() {
        let Ok(to) = usize::try_from(end) else {
            return Err(too_many());
        };
        legs.clear();
        legs.extend((from..to).map(|position| {
            let instrument = columns.instrument[position];
            let quantity = columns.quantity[position];
            Leg {
                row: listing.row[instrument as usize],
                instrument,
                quantity,
            }
        }));
        // A total order: sums do not depend on the order in which positions came.
        legs.sort_unstable_by(|a, b| {
            (a.row, a.instrument)
                .cmp(&(b.row, b.instrument))
                .then(a.quantity.total_cmp(&b.quantity))
        });
        net(listing, &legs, account, &mut packed)?;
        from = to;
    }
    Ok(packed)
}

/// Adds an account of sorted legs; what nets to nothing is left out.
fn net(listing: &Listing, legs: &[Leg], account: usize, packed: &mut Packed) -> Result<(), Error> {
    let start = packed.end.last().copied().unwrap_or_default();
    for of_row in legs.chunk_by(|a, b| a.row == b.row) {
        let amounts = of_row
            .iter()
            .map(|leg| leg.quantity * listing.multiple[leg.instrument as usize]);
        let quantity: f64 = amounts.sum();
        if !is_moderate(quantity) {
            let problem = format!(
                "nets to {quantity} units of row {}; it must be within ±1e15",
                of_row[0].row
            );
            return Err(Error::row("accounts", "quantity", account, problem));
        }
        if quantity != 0.0 {
            packed.row.push(of_row[0].row);
            packed.quantity.push(quantity);
        }
    }
    let Ok(end) = u32::try_from(packed.row.len()) else {
        return Err(too_many());
    };
    packed.start.push(start);
    packed.end.push(end);
    Ok(())
}

fn too_many() -> Error {
    fault(
        "positions",
        "quantity",
        None,
        "are over 4,294,967,295; split the book".to_owned(),
    )
}
