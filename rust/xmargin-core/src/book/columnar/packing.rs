//! Netting: an account's positions become one quantity a row, by ascending row.

use std::ops::Range;

use super::accounts::{AccountColumns, Listing, fault};
use super::is_moderate;
use crate::Error;

/// Compressed sparse rows: account `a` has the entries from `start[a]` up to `start[a + 1]`.
pub(super) struct Packed {
    pub start: Vec<u32>,
    pub row: Vec<u32>,
    pub quantity: Vec<f64>,
}

impl Default for Packed {
    fn default() -> Self {
        Self {
            start: vec![0],
            row: Vec::new(),
            quantity: Vec::new(),
        }
    }
}

impl Packed {
    /// All entries, to be read.
    pub fn entries(&self) -> Entries<'_> {
        Entries {
            start: &self.start,
            row: &self.row,
            quantity: &self.quantity,
        }
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
            .extend(other.start[1..].iter().map(|start| start + shift));
        self.row.extend_from_slice(&other.row);
        self.quantity.extend_from_slice(&other.quantity);
        Ok(())
    }
}

/// The columns of [`Packed`].
#[derive(Clone, Copy)]
pub(super) struct Entries<'a> {
    start: &'a [u32],
    row: &'a [u32],
    quantity: &'a [f64],
}

impl<'a> Entries<'a> {
    /// The entries of an account: rows and quantities.
    #[inline(always)]
    pub fn of(self, account: usize) -> (&'a [u32], &'a [f64]) {
        let entries = self.start[account] as usize..self.start[account + 1] as usize;
        (&self.row[entries.clone()], &self.quantity[entries])
    }

    /// The entries of consecutive accounts.
    #[inline(always)]
    pub fn of_many(self, accounts: Range<usize>) -> impl Iterator<Item = (&'a [u32], &'a [f64])> {
        self.start[accounts.start..=accounts.end]
            .windows(2)
            .map(move |bounds| {
                let entries = bounds[0] as usize..bounds[1] as usize;
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
    packed.start.push(end);
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
