//! Which accounts a tick has moved across a threshold, found without a look at the others.
//!
//! Each account has a box of market states in which its status provably cannot change
//! ([`certificate`], from the slopes of [`slopes`]). A tick finds the boxes that it leaves
//! ([`ladder`]), evaluates those accounts as [`columnar`](crate::book::columnar) does, and gives them new
//! boxes. The proof is `docs/health-index.md`.

mod audit;
mod certificate;
mod ladder;
pub mod lending;
mod market;
mod settle;
mod slopes;
mod thresholds;

use std::collections::BTreeMap;

use crate::Error;
use crate::book::columnar::{AccountBook, AccountColumns, AccountMargin, Listing, Workers};
use crate::pricing::batch::InstructionSet;

pub use audit::Difference;
pub use market::{ExpiryTerms, FactorTerms, MarketTerms, Moves};
pub use thresholds::{THRESHOLDS_MAX, Threshold};

use certificate::Certifier;
use ladder::Ladder;
use market::Market;
use slopes::Slopes;

/// An account whose status a tick has changed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Crossing {
    /// The row it was loaded in.
    pub account: u32,
    /// Its id.
    pub id: u64,
    /// The thresholds that it breached before, a bit each, the first threshold the lowest.
    pub before: u8,
    /// And breaches now.
    pub after: u8,
    /// What it comes to at a loss factor of 0: `excess` is its value.
    pub margin: AccountMargin,
}

/// What a tick came to.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Ticked {
    /// By ascending row.
    pub crossings: Vec<Crossing>,
    /// How many accounts were evaluated.
    pub reevaluated: usize,
}

/// Accounts, where they stand, and how far from changing.
pub struct HealthIndex {
    book: AccountBook,
    market: Market,
    slopes: Slopes,
    thresholds: Vec<Threshold>,
    workers: Workers,
    row_of: BTreeMap<u64, u32>,
    of_account: Accounts,
    /// By coordinate: upper edges, and lower ones with their sign turned.
    ladders: Vec<[Ladder; 2]>,
    certifier: Certifier,
}

/// Columns, a row an account.
#[derive(Default)]
struct Accounts {
    status: Vec<u8>,
    /// Of the box that the account has; edges of another are void.
    generation: Vec<u32>,
    is_removed: Vec<bool>,
}

impl HealthIndex {
    /// An index without accounts. Instruments are rows times multiples, as in a [`Listing`]; rows are the
    /// market's factors, then its options.
    ///
    /// # Errors
    /// [`Error::Input`] naming table, column and row of the terms at fault, [`Error::Parameter`] for
    /// a threshold or a number of threads out of range.
    pub fn new(
        terms: MarketTerms,
        instrument_row: Vec<u32>,
        instrument_multiple: Vec<f64>,
        thresholds: Vec<Threshold>,
        threads: usize,
    ) -> Result<Self, Error> {
        thresholds::check(&thresholds)?;
        let set = InstructionSet::best();
        let market = Market::new(terms, set)?;
        let listing = Listing::new(instrument_row, instrument_multiple, market.grid.rows())?;
        let loss_factors: Vec<f64> = thresholds.iter().map(|one| one.loss_factor).collect();
        let ladders = market.coordinates.iter();
        Ok(Self {
            book: AccountBook::new(listing),
            slopes: Slopes::new(&market.terms, &loss_factors),
            workers: Workers::new(threads, set)?,
            row_of: BTreeMap::new(),
            of_account: Accounts::default(),
            ladders: ladders
                .map(|&at| [Ladder::at(at), Ladder::at(-at)])
                .collect(),
            certifier: Certifier::new(market.coordinates.len()),
            thresholds,
            market,
        })
    }

    /// Adds accounts and evaluates them where the market is.
    ///
    /// # Errors
    /// As [`AccountBook::append`]; nothing has changed then.
    pub fn append(&mut self, columns: &AccountColumns<'_>) -> Result<(), Error> {
        let first = self.book.ids().len();
        self.book.append(columns)?;
        let accounts = self.book.ids().len();
        self.of_account.status.resize(accounts, 0);
        self.of_account.generation.resize(accounts, 0);
        self.of_account.is_removed.resize(accounts, false);
        let added: Vec<u32> = (0..).skip(first).take(accounts - first).collect();
        let ids = columns.id.iter().copied();
        self.row_of.extend(ids.zip(added.iter().copied()));
        self.settle(&added).map(drop)
    }

    /// Gives an account other cash and positions, `columns` being of it alone: what it crosses by that, if it does.
    ///
    /// # Errors
    /// As [`AccountBook::replace`], and when there is no such id; nothing has changed then.
    pub fn update(&mut self, columns: &AccountColumns<'_>) -> Result<Option<Crossing>, Error> {
        let row = match columns.id {
            [id] => self.row_of(*id)?,
            ids => {
                let problem = format!("has {} rows; an update is of one account", ids.len());
                return Err(market::fault("accounts", "id", None, problem));
            }
        };
        self.book.replace(row as usize, columns)?;
        self.of_account.is_removed[row as usize] = false;
        self.retire(row);
        Ok(self.settle(&[row])?.crossings.pop())
    }

    /// Takes an account out. An [`update`](Self::update) with its id brings it back.
    ///
    /// # Errors
    /// [`Error::Input`] when there is no such id or it is out already.
    pub fn remove(&mut self, id: u64) -> Result<(), Error> {
        let row = self.row_of(id)? as usize;
        if self.of_account.is_removed[row] {
            return Err(no_such(id));
        }
        let nothing = AccountColumns {
            id: &[id],
            cash_usd: &[0.0],
            positions_end: &[0],
            instrument: &[],
            quantity: &[],
        };
        self.book.replace(row, &nothing)?;
        self.of_account.is_removed[row] = true;
        self.of_account.status[row] = 0;
        self.of_account.generation[row] = self.of_account.generation[row].wrapping_add(1);
        Ok(())
    }

    /// Moves the market, and tells which accounts that has moved across a threshold.
    ///
    /// # Errors
    /// [`Error::Input`] naming table, column and row of `moves` at fault: a factor or chain that is not
    /// listed or told twice, a price that is not a number or that the factor cannot have, a vol level
    /// out of range, a time before that of the last tick. Nothing has changed then.
    pub fn tick(&mut self, moves: &Moves<'_>) -> Result<Ticked, Error> {
        self.market.check(moves)?;
        let mut changed = Vec::new();
        self.market.apply(moves, &mut changed);
        let mut left = Vec::new();
        for coordinate in changed {
            self.leave_boxes(coordinate, &mut left);
        }
        left.sort_unstable();
        self.settle(&left)
    }

    /// The thresholds that each account breaches, a bit each, by row; 0 of those removed.
    #[must_use]
    pub fn statuses(&self) -> &[u8] {
        &self.of_account.status
    }

    /// Ids of the accounts by row, those removed too.
    #[must_use]
    pub fn ids(&self) -> &[u64] {
        self.book.ids()
    }

    fn row_of(&self, id: u64) -> Result<u32, Error> {
        self.row_of.get(&id).copied().ok_or_else(|| no_such(id))
    }

    /// Voids the edges of an account's box.
    fn retire(&mut self, row: u32) {
        let generation = &mut self.of_account.generation[row as usize];
        *generation = generation.wrapping_add(1);
    }

    /// Collects the accounts whose boxes a coordinate has left, each once.
    fn leave_boxes(&mut self, coordinate: usize, left: &mut Vec<u32>) {
        let at = self.market.coordinates[coordinate];
        let [upper, lower] = &mut self.ladders[coordinate];
        let mut passed = Vec::new();
        for (ladder, at) in [(upper, at), (lower, -at)] {
            ladder.move_to(at, &self.of_account.generation, |edge| passed.push(edge));
        }
        for edge in passed {
            if edge.is_live(&self.of_account.generation) {
                self.retire(edge.account);
                left.push(edge.account);
            }
        }
    }
}

fn no_such(id: u64) -> Error {
    market::fault("accounts", "id", None, format!("{id} is not there"))
}
