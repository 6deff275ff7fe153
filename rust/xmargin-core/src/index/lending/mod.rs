//! Lending accounts by the venue's own rule (Aave v3): exactly those whose status a price or an index
//! changes, and the exact integer price at which it does.
//!
//! Health is not monotone in a price: the contract rounds the average threshold down, so that more of a
//! collateral with a low threshold may lower it by a basis point at a stroke. So nothing here solves for a
//! price. Boxes of levels are found in which bounds of the contract's integers ([`bounds`]) leave one
//! status only, and the price where it changes by bisection with the same bounds.

mod bounds;
mod position;
mod search;

use std::collections::{BTreeMap, BTreeSet};

use crate::Error;
use crate::num::U256;
use crate::venue::aave_v3::{EMode, Release};
use bounds::{Range, health};

pub use position::{Level, Position, Scaled};
pub use search::Change;

/// What the venue makes of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum VenueStatus {
    /// Its health factor is at least one, or it owes nothing.
    Safe,
    /// Its health factor is below one.
    Liquidatable,
    /// The contract cannot compute it.
    Reverts,
}

/// What the venue says of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Health {
    /// Where it stands.
    pub status: VenueStatus,
    /// Its health factor, if it has one.
    pub health_factor_wad: Option<U256>,
}

/// An account whose status has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VenueCrossing {
    /// Its id.
    pub id: u64,
    /// Its status before.
    pub before: VenueStatus,
    /// What the venue says now.
    pub after: Health,
}

/// What a tick came to.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct VenueTicked {
    /// By ascending id.
    pub crossings: Vec<VenueCrossing>,
    /// How many accounts were evaluated.
    pub reevaluated: usize,
}

/// Accounts at a venue, and the levels at which their boxes end.
#[derive(Default)]
pub struct LendingOrder {
    levels: Vec<Level>,
    accounts: BTreeMap<u64, Account>,
    edges: Vec<Edges>,
}

/// The edges at one level, each with the account's id. Every account that depends on the level has an
/// upper one; a lower one at zero is never left, and is not here.
#[derive(Default)]
struct Edges {
    upper: BTreeSet<(U256, u64)>,
    lower: BTreeSet<(U256, u64)>,
}

struct Account {
    release: Release,
    positions: Box<[Position]>,
    emode: Option<EMode>,
    status: VenueStatus,
    sides: Box<[(u32, Range)]>,
    /// What the widths of the box are of its levels: the search for the next one begins near it.
    share: u32,
}

impl LendingOrder {
    /// No accounts, at these levels: prices in base units of the venue, indices in ray.
    #[must_use]
    pub fn new(levels: Vec<Level>) -> Self {
        let mut order = Self::default();
        order.extend(levels);
        order
    }

    /// Adds levels; the number of the first.
    pub fn extend(&mut self, levels: Vec<Level>) -> usize {
        let first = self.levels.len();
        self.edges.extend(levels.iter().map(|_| Edges::default()));
        self.levels.extend(levels);
        first
    }

    /// Adds an account or tells it anew. A category with a price of its own has a number among the
    /// levels; [`EMode::price_base`] is not read.
    ///
    /// # Errors
    /// [`Error::Input`] when a level is not there; nothing has changed then.
    pub fn set(
        &mut self,
        id: u64,
        release: Release,
        positions: Vec<Position>,
        emode: Option<EMode>,
    ) -> Result<Health, Error> {
        self.check(&positions)?;
        self.remove(id);
        let account = Account {
            release,
            positions: positions.into(),
            emode: emode.map(|emode| EMode {
                price_base: U256::ZERO,
                ..emode
            }),
            status: VenueStatus::Safe,
            sides: Box::default(),
            share: search::SHARE_MAX,
        };
        Ok(self.settle(id, account))
    }

    /// Whether positions could be set.
    ///
    /// # Errors
    /// [`Error::Input`] naming the row of a level that is not there.
    pub fn check(&self, positions: &[Position]) -> Result<(), Error> {
        let count = self.levels.len();
        for (row, position) in positions.iter().enumerate() {
            if let Some(number) = position.levels().find(|&number| number as usize >= count) {
                let problem = format!("{number} is not one of the {count} levels");
                return Err(Error::row("positions", "level", row, problem));
            }
        }
        Ok(())
    }

    /// Takes an account out; whether it was there.
    pub fn remove(&mut self, id: u64) -> bool {
        self.take(id).is_some()
    }

    /// Moves levels, by number, each at most once: exactly the accounts whose status that changes.
    ///
    /// # Errors
    /// [`Error::Input`] naming the row of a level that is not there or told twice; nothing has changed
    /// then.
    pub fn tick(&mut self, moves: &[(u32, Level)]) -> Result<VenueTicked, Error> {
        let mut told = BTreeSet::new();
        for (row, &(number, _)) in moves.iter().enumerate() {
            if number as usize >= self.levels.len() || !told.insert(number) {
                let problem = format!("{number} is not listed, or told twice in one tick");
                return Err(Error::row("levels", "number", row, problem));
            }
        }
        let mut left = BTreeSet::new();
        for &(number, level) in moves {
            let before = std::mem::replace(&mut self.levels[number as usize], level);
            if before != level {
                let edges = &self.edges[number as usize];
                edges.left(before.and(level), |id| {
                    left.insert(id);
                });
            }
        }
        let mut ticked = VenueTicked {
            crossings: Vec::new(),
            reevaluated: left.len(),
        };
        for id in left {
            ticked.crossings.extend(self.cross(id));
        }
        Ok(ticked)
    }

    /// The status of an account, if it is there.
    #[must_use]
    pub fn status(&self, id: u64) -> Option<VenueStatus> {
        self.accounts.get(&id).map(|account| account.status)
    }

    /// What the venue says of an account now, if it is there.
    #[must_use]
    pub fn health(&self, id: u64) -> Option<Health> {
        self.accounts
            .get(&id)
            .map(|account| self.evaluated(account))
    }

    /// The levels nearest below and above today's at which the account's status is another one, all others
    /// as they are.
    ///
    /// # Errors
    /// [`Error::Input`] when there is no such account or level.
    pub fn changes(&self, id: u64, number: u32) -> Result<[Change; 2], Error> {
        let level = self.levels.get(number as usize).copied().flatten();
        let (Some(account), Some(level)) = (self.accounts.get(&id), level) else {
            let problem = format!("{id} at level {number} is not there");
            return Err(super::market::fault("accounts", "id", None, problem));
        };
        Ok(search::changes(account, &self.levels, number, level))
    }

    /// Ids whose status is not what the contract says at the levels: none.
    #[must_use]
    pub fn audit(&self) -> Vec<u64> {
        let differs = |(&id, account): (&u64, &Account)| {
            (self.evaluated(account).status != account.status).then_some(id)
        };
        self.accounts.iter().filter_map(differs).collect()
    }

    fn evaluated(&self, account: &Account) -> Health {
        let level = |number: u32| self.levels[number as usize];
        health(account, level)
    }

    fn cross(&mut self, id: u64) -> Option<VenueCrossing> {
        let account = self.accounts.remove(&id)?;
        let before = account.status;
        let after = self.settle(id, account);
        (before != after.status).then_some(VenueCrossing { id, before, after })
    }

    /// Evaluates an account that is not among the others, gives it a box and puts it there. The edges of
    /// its last box are there still; those that serve again stay.
    fn settle(&mut self, id: u64, mut account: Account) -> Health {
        let found = self.evaluated(&account);
        account.status = found.status;
        let (share, mut sides) = search::sides(&account, &self.levels);
        for (row, (number, range)) in sides.iter_mut().enumerate() {
            let last = account.sides.get(row).map(|side| side.1);
            if let (Some(last), Some(level)) = (last, self.levels[*number as usize]) {
                *range = range.keeping(last, level);
            }
            self.edges[*number as usize].replace(id, last, *range);
        }
        (account.share, account.sides) = (share, sides);
        self.accounts.insert(id, account);
        found
    }

    /// Takes an account and its edges out.
    fn take(&mut self, id: u64) -> Option<Account> {
        let account = self.accounts.remove(&id)?;
        for &(number, range) in &account.sides {
            let edges = &mut self.edges[number as usize];
            edges.upper.remove(&(range.high, id));
            edges.lower.remove(&(range.low, id));
        }
        Some(account)
    }
}

impl Edges {
    fn replace(&mut self, id: u64, last: Option<Range>, range: Range) {
        let (low, high) = (last.map(|last| last.low), last.map(|last| last.high));
        if high != Some(range.high) {
            high.map(|high| self.upper.remove(&(high, id)));
            self.upper.insert((range.high, id));
        }
        if low != Some(range.low) {
            low.map(|low| self.lower.remove(&(low, id)));
            if !range.low.is_zero() {
                self.lower.insert((range.low, id));
            }
        }
    }

    /// Whose box does not reach to `level`; everybody's, where there is none now or was none before.
    fn left(&self, level: Level, mut each: impl FnMut(u64)) {
        let Some(level) = level else {
            self.upper.iter().for_each(|&(_, id)| each(id));
            return;
        };
        let below = self.upper.range(..(level, 0));
        below.for_each(|&(_, id)| each(id));
        if let Some(next) = level.checked_add(U256::ONE) {
            let above = self.lower.range((next, 0)..);
            above.for_each(|&(_, id)| each(id));
        }
    }
}
