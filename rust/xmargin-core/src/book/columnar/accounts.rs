//! Accounts as compressed sparse rows, checked and netted when they are loaded.

use super::packing::{Packed, pack};
use super::{ROWS_MAX, is_moderate};
use crate::Error;

/// What instruments are in terms of rows: `multiple` units of row `row` each.
pub struct Listing {
    pub(super) row: Vec<u32>,
    pub(super) multiple: Vec<f64>,
    pub(super) rows: usize,
}

impl Listing {
    /// A checked listing of instruments over `rows` rows.
    ///
    /// # Errors
    /// [`Error::Input`] naming the first row of `instruments` at fault: a row that is not there, or a
    /// multiple beyond [`MAGNITUDE_MAX`](super::MAGNITUDE_MAX).
    pub fn new(row: Vec<u32>, multiple: Vec<f64>, rows: usize) -> Result<Self, Error> {
        if rows == 0 || rows > ROWS_MAX {
            return Err(fault(
                "instruments",
                "row",
                None,
                format!("are of {rows} rows; there are 1 to {ROWS_MAX}"),
            ));
        }
        same_length("instruments", "multiple", multiple.len(), row.len())?;
        if let Some(at) = row.iter().position(|&row| row as usize >= rows) {
            let problem = format!("{} is not one of the {rows} rows", row[at]);
            return Err(Error::row("instruments", "row", at, problem));
        }
        moderate("instruments", "multiple", &multiple)?;
        Ok(Self {
            row,
            multiple,
            rows,
        })
    }
}

/// Accounts to be loaded, borrowed from whoever has them. Account `a` holds the positions from
/// `positions_end[a - 1]` (0 for the first) up to `positions_end[a]`.
#[derive(Clone, Copy)]
pub struct AccountColumns<'a> {
    /// Unique over the whole book.
    pub id: &'a [u64],
    /// USD; the entry cost of perps is subtracted.
    pub cash_usd: &'a [f64],
    /// Where the positions of each account end.
    pub positions_end: &'a [u64],
    /// Rows of the listing.
    pub instrument: &'a [u32],
    /// Units of the instrument, negative if short.
    pub quantity: &'a [f64],
}

/// Accounts netted to quantities by row.
pub struct AccountBook {
    listing: Listing,
    id: Vec<u64>,
    pub(super) cash_usd: Vec<f64>,
    pub(super) packed: Packed,
    /// Whether ids ascend so far: then none can be there twice.
    ascends: bool,
}

impl AccountBook {
    /// A book without accounts.
    #[must_use]
    pub fn new(listing: Listing) -> Self {
        Self {
            listing,
            id: Vec::new(),
            cash_usd: Vec::new(),
            packed: Packed::default(),
            ascends: true,
        }
    }

    /// Adds accounts. Columns are read, not kept.
    ///
    /// # Errors
    /// [`Error::Input`] naming table, column and row: ragged ends, columns of unequal length, an
    /// instrument that is not listed, a number that is not finite or beyond
    /// [`MAGNITUDE_MAX`](super::MAGNITUDE_MAX) (the netted quantity too), an id that is there already,
    /// or more than 2^32 − 1 positions. The book is as before then.
    pub fn append(&mut self, columns: &AccountColumns<'_>) -> Result<(), Error> {
        check_shape(columns)?;
        moderate("accounts", "cash_usd", columns.cash_usd)?;
        self.check_positions(columns)?;
        let ascends = self.check_ids(columns.id)?;
        let packed = pack(&self.listing, columns)?;
        self.packed.append(&packed)?;
        self.id.extend_from_slice(columns.id);
        self.cash_usd.extend_from_slice(columns.cash_usd);
        self.ascends = ascends;
        Ok(())
    }

    /// Gives the account in row `account` other cash and positions: `columns` is of it alone. Its id
    /// stays; that of `columns` is not read.
    ///
    /// # Errors
    /// As [`append`](Self::append), and when `columns` are not of one account or there is no such row.
    /// The book is as before then.
    pub fn replace(&mut self, account: usize, columns: &AccountColumns<'_>) -> Result<(), Error> {
        if account >= self.id.len() {
            return Err(Error::row("accounts", "id", account, "is not there"));
        }
        same_length("accounts", "id", columns.id.len(), 1)?;
        check_shape(columns)?;
        moderate("accounts", "cash_usd", columns.cash_usd)?;
        self.check_positions(columns)?;
        let packed = pack(&self.listing, columns)?;
        self.packed.replace(account, &packed)?;
        self.cash_usd[account] = columns.cash_usd[0];
        Ok(())
    }

    /// Ids of the accounts, in the order they were loaded.
    #[must_use]
    pub fn ids(&self) -> &[u64] {
        &self.id
    }

    /// How many rows its instruments are multiples of.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.listing.rows
    }

    /// How many quantities it holds after netting.
    #[must_use]
    pub fn netted_positions(&self) -> usize {
        self.packed.len()
    }

    /// Cash of an account in USD, and its rows and quantities after netting.
    pub(crate) fn holdings(&self, account: usize) -> (f64, &[u32], &[f64]) {
        let (rows, quantities) = self.packed.entries().of(account);
        (self.cash_usd[account], rows, quantities)
    }

    fn check_positions(&self, columns: &AccountColumns<'_>) -> Result<(), Error> {
        let listed = self.listing.row.len();
        if let Some(at) = columns
            .instrument
            .iter()
            .position(|&instrument| instrument as usize >= listed)
        {
            let problem = format!(
                "{} is not listed; there are {listed} instruments",
                columns.instrument[at]
            );
            return Err(Error::row("positions", "instrument", at, problem));
        }
        moderate("positions", "quantity", columns.quantity)
    }

    /// Whether all ids still ascend with the new ones.
    fn check_ids(&self, new: &[u64]) -> Result<bool, Error> {
        let follows = self
            .id
            .last()
            .zip(new.first())
            .is_none_or(|(last, first)| last < first);
        if self.ascends && follows && new.is_sorted_by(|a, b| a < b) {
            return Ok(true);
        }
        let mut ids: Vec<(u64, usize)> = self.id.iter().chain(new).copied().zip(0..).collect();
        ids.sort_unstable();
        let again = ids
            .windows(2)
            .filter(|pair| pair[0].0 == pair[1].0)
            .map(|pair| pair[1]);
        match again.min_by_key(|&(_, row)| row) {
            None => Ok(false),
            Some((id, row)) => Err(Error::row(
                "accounts",
                "id",
                row - self.id.len(),
                format!("{id} is there already"),
            )),
        }
    }
}

fn check_shape(columns: &AccountColumns<'_>) -> Result<(), Error> {
    let accounts = columns.id.len();
    same_length("accounts", "cash_usd", columns.cash_usd.len(), accounts)?;
    same_length(
        "accounts",
        "positions_end",
        columns.positions_end.len(),
        accounts,
    )?;
    let positions = columns.instrument.len();
    same_length("positions", "quantity", columns.quantity.len(), positions)?;
    let mut start = 0;
    for (row, &end) in columns.positions_end.iter().enumerate() {
        if end < start || end > positions as u64 {
            let problem =
                format!("{end} is not within {start} and {positions}, the positions left");
            return Err(Error::row("accounts", "positions_end", row, problem));
        }
        start = end;
    }
    if start == positions as u64 {
        return Ok(());
    }
    Err(fault(
        "accounts",
        "positions_end",
        None,
        format!("ends at {start}; there are {positions} positions"),
    ))
}

pub(super) fn moderate(
    table: &'static str,
    column: &'static str,
    values: &[f64],
) -> Result<(), Error> {
    match values.iter().position(|&value| !is_moderate(value)) {
        None => Ok(()),
        Some(row) => Err(Error::row(
            table,
            column,
            row,
            format!("{:?} is not a number within ±1e15", values[row]),
        )),
    }
}

pub(super) fn same_length(
    table: &'static str,
    column: &'static str,
    found: usize,
    wanted: usize,
) -> Result<(), Error> {
    if found == wanted {
        return Ok(());
    }
    Err(fault(
        table,
        column,
        None,
        format!("has {found} rows; it must have {wanted}"),
    ))
}

pub(super) fn fault(
    table: &'static str,
    column: &'static str,
    row: Option<usize>,
    problem: String,
) -> Error {
    Error::Input {
        table,
        column,
        row,
        problem,
    }
}
