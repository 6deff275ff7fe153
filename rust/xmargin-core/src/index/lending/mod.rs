//! Lending accounts by the venue's own rule (Aave v3): exactly those whose status a price changes, and the
//! exact integer price at which it does.
//!
//! Health is not monotone in a price: the contract rounds the average threshold down, so that more of a
//! collateral with a low threshold may lower it by a basis point at a stroke. So nothing here solves for a
//! price. Boxes of prices are found in which bounds of the contract's integers ([`bounds`]) leave one
//! status only, and the price where it changes by bisection with the same bounds.

mod bounds;
mod search;

use std::collections::{BTreeMap, BTreeSet};

use crate::Error;
use crate::num::U256;
use crate::venue::aave_v3::{EMode, ReservePosition};
use bounds::{Range, status};

pub use search::Change;

/// One reserve of an account. The price of its risk settings is not read; that of its number is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Number of the price that the venue values it at.
    pub price: u32,
    /// Balances, flags and risk settings.
    pub reserve: ReservePosition,
}

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

/// An account whose status has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VenueCrossing {
    /// Its id.
    pub id: u64,
    /// Its status before.
    pub before: VenueStatus,
    /// Its status now.
    pub after: VenueStatus,
    /// Its health factor now, if it has one.
    pub health_factor_wad: Option<U256>,
}

/// What a tick came to.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct VenueTicked {
    /// By ascending id.
    pub crossings: Vec<VenueCrossing>,
    /// How many accounts were evaluated.
    pub reevaluated: usize,
}

/// Accounts at a venue, and the prices at which their boxes end.
pub struct LendingOrder {
    prices: Vec<U256>,
    accounts: BTreeMap<u64, Account>,
    /// By price: (upper edge, id) and (lower edge, id).
    edges: Vec<[BTreeSet<(U256, u64)>; 2]>,
}

struct Account {
    positions: Vec<Position>,
    emode: Option<EMode>,
    status: VenueStatus,
    sides: Vec<(u32, Range)>,
}

impl LendingOrder {
    /// No accounts, at these prices (base units of the venue).
    ///
    /// # Errors
    /// [`Error::Input`] naming the row of a price of 2^128 or more.
    pub fn new(prices: Vec<U256>) -> Result<Self, Error> {
        for (row, price) in prices.iter().enumerate() {
            check_price(row, *price)?;
        }
        Ok(Self {
            edges: prices.iter().map(|_| Default::default()).collect(),
            accounts: BTreeMap::new(),
            prices,
        })
    }

    /// Adds an account or tells it anew: balances have changed, interest has accrued. A category with a
    /// price of its own has a number among the prices; [`EMode::price_base`] is not read.
    ///
    /// # Errors
    /// [`Error::Input`] when a price is not there; nothing has changed then.
    pub fn set(
        &mut self,
        id: u64,
        positions: Vec<Position>,
        emode: Option<EMode>,
    ) -> Result<VenueStatus, Error> {
        self.check(&positions)?;
        self.forget(id);
        let account = Account {
            positions,
            emode: emode.map(|emode| EMode {
                price_base: U256::ZERO,
                ..emode
            }),
            status: VenueStatus::Safe,
            sides: Vec::new(),
        };
        self.accounts.insert(id, account);
        Ok(self
            .settle(id)
            .map_or(VenueStatus::Safe, |(status, _)| status))
    }

    /// Whether positions could be set.
    ///
    /// # Errors
    /// [`Error::Input`] naming the row of a price that is not there.
    pub fn check(&self, positions: &[Position]) -> Result<(), Error> {
        let prices = self.prices.len();
        let unknown = |position: &Position| position.price as usize >= prices;
        let Some(row) = positions.iter().position(unknown) else {
            return Ok(());
        };
        let problem = format!("{} is not one of the {prices} prices", positions[row].price);
        Err(Error::row("positions", "price", row, problem))
    }

    /// Takes an account out; whether it was there.
    pub fn remove(&mut self, id: u64) -> bool {
        self.forget(id);
        self.accounts.remove(&id).is_some()
    }

    /// Moves prices, by number, each at most once: exactly the accounts whose status that changes.
    ///
    /// # Errors
    /// [`Error::Input`] naming the row of a price that is not there, told twice, or of 2^128 or more;
    /// nothing has changed then.
    pub fn tick(&mut self, moves: &[(u32, U256)]) -> Result<VenueTicked, Error> {
        let mut told = BTreeSet::new();
        for (row, &(number, price)) in moves.iter().enumerate() {
            if number as usize >= self.prices.len() || !told.insert(number) {
                let problem = format!("{number} is not listed, or told twice in one tick");
                return Err(Error::row("prices", "number", row, problem));
            }
            check_price(row, price)?;
        }
        let mut left = BTreeSet::new();
        for &(number, price) in moves {
            self.prices[number as usize] = price;
            let [upper, lower] = &self.edges[number as usize];
            left.extend(upper.range(..(price, 0)).map(|&(_, id)| id));
            let above = (price.saturating_add(U256::ONE), 0);
            left.extend(lower.range(above..).map(|&(_, id)| id));
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

    /// The prices nearest below and above today's at which the account's status is another one, all others
    /// as they are.
    ///
    /// # Errors
    /// [`Error::Input`] when there is no such account or price.
    pub fn changes(&self, id: u64, number: u32) -> Result<[Change; 2], Error> {
        let (Some(account), Some(_)) = (self.accounts.get(&id), self.prices.get(number as usize))
        else {
            let problem = format!("{id} at price {number} is not there");
            return Err(super::market::fault("accounts", "id", None, problem));
        };
        Ok(search::changes(account, &self.prices, number))
    }

    /// Ids whose status is not what the contract says at the prices: none.
    #[must_use]
    pub fn audit(&self) -> Vec<u64> {
        let differs = |(&id, account): (&u64, &Account)| {
            (self.evaluated(account).0 != account.status).then_some(id)
        };
        self.accounts.iter().filter_map(differs).collect()
    }

    fn evaluated(&self, account: &Account) -> (VenueStatus, Option<U256>) {
        let price = |number: u32| self.prices[number as usize];
        status(&account.positions, account.emode.as_ref(), price)
    }

    fn cross(&mut self, id: u64) -> Option<VenueCrossing> {
        let before = self.status(id)?;
        self.forget(id);
        let (after, health_factor_wad) = self.settle(id)?;
        (before != after).then_some(VenueCrossing {
            id,
            before,
            after,
            health_factor_wad,
        })
    }

    /// Evaluates an account without edges and gives it a box.
    fn settle(&mut self, id: u64) -> Option<(VenueStatus, Option<U256>)> {
        let found = self.evaluated(self.accounts.get(&id)?);
        let account = self.accounts.get_mut(&id)?;
        account.status = found.0;
        account.sides = search::sides(account, &self.prices);
        for &(number, range) in &account.sides {
            let [upper, lower] = &mut self.edges[number as usize];
            upper.insert((range.high, id));
            lower.insert((range.low, id));
        }
        Some(found)
    }

    /// Takes the edges of an account away.
    fn forget(&mut self, id: u64) {
        let Some(account) = self.accounts.get_mut(&id) else {
            return;
        };
        for (number, range) in account.sides.drain(..) {
            let [upper, lower] = &mut self.edges[number as usize];
            upper.remove(&(range.high, id));
            lower.remove(&(range.low, id));
        }
    }
}

fn check_price(row: usize, price: U256) -> Result<(), Error> {
    if price.bit_len() <= 128 {
        return Ok(());
    }
    let problem = format!("{price} is 2^128 or more");
    Err(Error::row("prices", "price_base", row, problem))
}
