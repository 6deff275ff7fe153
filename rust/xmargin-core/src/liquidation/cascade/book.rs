//! The lending accounts of a cascade, laid out by liquidation price.

use std::cmp::Ordering;

use rayon::prelude::*;

use super::columns::{KindColumns, LendingColumns, check_markets};
use crate::Error;
use crate::book::columnar::Workers;

/// The sellers in order of their prices, cut into so many parts of known holdings.
const BUCKETS: usize = 256;
/// Sales are summed in integers: a market's whole holdings are just below 2^61 units.
const UNITS_EXPONENT: i32 = 60;

/// What an account's liquidation does. In this order the accounts are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    /// Owes nothing but money.
    Sells,
    /// Owes of one market or more, and holds of others.
    Buys,
    /// Holds and owes of the same market.
    Hedges,
}

/// Accounts that only sell, by the price multiple at which they are due; then those that also buy,
/// and of these last those that hold what they owe.
pub struct LendingBook {
    /// Row of each place.
    pub(super) row: Vec<u32>,
    /// Multiple of all anchor prices at which the account is due; of the sellers only, ascending.
    pub(super) due_at: Vec<f64>,
    /// The first place of those that hold what they owe.
    pub(super) hedged_from: usize,
    pub(super) debt: Vec<f64>,
    pub(super) positions_end: Vec<usize>,
    pub(super) kind: Vec<u32>,
    pub(super) quantity: Vec<f64>,
    /// Market of each kind.
    pub(super) market: Vec<u32>,
    pub(super) collateral_weight: Vec<f64>,
    pub(super) debt_factor: Vec<f64>,
    pub(super) anchor_price: Vec<f64>,
    /// Units of summation in a unit of what a market trades: a power of two.
    pub(super) market_units: Vec<f64>,
    /// Those of each kind's market, so that the sums of its kinds add up exactly.
    units: Vec<f64>,
    /// Σ of collateral and of what is owed by market, in units of summation; hedges by their net.
    pub(super) held: Vec<i64>,
    pub(super) owed: Vec<i64>,
    /// Where each bucket of sellers begins, as a multiple of the anchor prices.
    bucket_due_at: Vec<f64>,
    /// Collateral of the sellers of a bucket and after, and of the buyers; by bucket, then market.
    bucket_held: Vec<i64>,
}

impl LendingBook {
    /// Lays out a checked book.
    ///
    /// `anchor_price` is a usual price of each market, positive. It moves no result: far from it,
    /// more accounts are looked at.
    ///
    /// # Errors
    /// [`Error::Input`] naming table, column and row of what is out of range or ragged.
    pub fn new(
        accounts: &LendingColumns<'_>,
        kinds: &KindColumns<'_>,
        anchor_price: &[f64],
        workers: &Workers,
    ) -> Result<Self, Error> {
        check_markets(anchor_price)?;
        kinds.check(anchor_price.len())?;
        accounts.check(kinds.market.len())?;
        let order = layout(accounts, kinds, anchor_price, workers);
        let sellers = order.partition_point(|place| place.class == Class::Sells);
        let markets = anchor_price.len();
        let mut book = Self {
            row: order.iter().map(|place| place.row).collect(),
            due_at: order[..sellers].iter().map(|place| place.due_at).collect(),
            hedged_from: order.partition_point(|place| place.class < Class::Hedges),
            debt: Vec::with_capacity(order.len()),
            positions_end: Vec::with_capacity(order.len()),
            kind: Vec::with_capacity(accounts.kind.len()),
            quantity: Vec::with_capacity(accounts.kind.len()),
            market: kinds.market.to_vec(),
            collateral_weight: kinds.collateral_weight.to_vec(),
            debt_factor: kinds.debt_factor.to_vec(),
            anchor_price: anchor_price.to_vec(),
            market_units: Vec::new(),
            units: Vec::new(),
            held: vec![0; markets],
            owed: vec![0; markets],
            bucket_due_at: Vec::new(),
            bucket_held: Vec::new(),
        };
        for place in &order {
            book.push(accounts, place.row as usize);
        }
        book.set_units();
        book.sum_holdings();
        Ok(book)
    }

    /// How many buckets begin below a multiple of the anchor prices.
    pub(super) fn buckets_below(&self, multiple: f64) -> usize {
        self.bucket_due_at
            .partition_point(|&due_at| due_at < multiple)
    }

    /// What the sellers of a bucket and after hold, and the buyers.
    pub(super) fn held_from(&self, bucket: usize) -> &[i64] {
        &self.bucket_held[bucket * self.markets()..][..self.markets()]
    }

    /// Number of accounts.
    #[must_use]
    pub fn len(&self) -> usize {
        self.row.len()
    }

    /// Whether there is no account.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.row.is_empty()
    }

    /// Number of markets.
    #[must_use]
    pub fn markets(&self) -> usize {
        self.anchor_price.len()
    }

    /// Whether no account owes an asset: liquidations sell only, and the map is monotone.
    #[must_use]
    pub fn sells_only(&self) -> bool {
        self.due_at.len() == self.row.len()
    }

    /// Kinds and quantities of an account.
    pub(super) fn positions(&self, place: usize) -> impl Iterator<Item = (usize, f64)> {
        let begin = place
            .checked_sub(1)
            .map_or(0, |one| self.positions_end[one]);
        let rows = begin..self.positions_end[place];
        let positions = self.kind[rows.clone()].iter().zip(&self.quantity[rows]);
        positions.map(|(&kind, &quantity)| (kind as usize, quantity))
    }

    /// What an account's positions of each market come to, each weighed by its kind; under the first
    /// of these kinds.
    pub(super) fn net(
        &self,
        place: usize,
        weigh: impl Fn(usize, f64) -> f64,
    ) -> impl Iterator<Item = (usize, f64)> {
        // Kinds ascend, and markets with them: positions of one market stand together.
        let mut positions = self.positions(place).peekable();
        std::iter::from_fn(move || {
            let (kind, quantity) = positions.next()?;
            let market = self.market[kind];
            let mut net = weigh(kind, quantity);
            let is_same = |&(other, _): &(usize, f64)| self.market[other] == market;
            while let Some((other, quantity)) = positions.next_if(is_same) {
                net += weigh(other, quantity);
            }
            Some((kind, net))
        })
    }

    /// Calls `each` with what closing all of an account would sell, under kinds of its markets.
    #[inline]
    pub(super) fn for_each_sale(&self, place: usize, mut each: impl FnMut(usize, f64)) {
        if place < self.hedged_from {
            for (kind, quantity) in self.positions(place) {
                each(kind, quantity);
            }
        } else {
            for (kind, quantity) in self.net(place, |_, quantity| quantity) {
                each(kind, quantity);
            }
        }
    }

    /// What a part of a sale is in units of summation: rounded towards zero, so monotone in both.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "all holdings together are below 2^62"
    )]
    pub(super) fn in_units(&self, kind: usize, quantity: f64, part: f64) -> i64 {
        (quantity * part * self.units[kind]) as i64
    }

    fn push(&mut self, accounts: &LendingColumns<'_>, row: usize) {
        self.debt.push(accounts.debt[row]);
        for (kind, quantity) in accounts.positions(row) {
            self.kind.push(u32::try_from(kind).unwrap_or(u32::MAX));
            self.quantity.push(quantity);
        }
        self.positions_end.push(self.kind.len());
    }

    /// The largest powers of two by which all sales of a market stay below 2^62 units.
    fn set_units(&mut self) {
        let mut total = vec![0.0_f64; self.markets()];
        for place in 0..self.len() {
            self.for_each_sale(place, |kind, quantity| {
                total[self.market[kind] as usize] += quantity.abs();
            });
        }
        self.market_units = total.into_iter().map(power_below).collect();
        let of_market = |&market: &u32| self.market_units[market as usize];
        self.units = self.market.iter().map(of_market).collect();
    }

    fn sum_holdings(&mut self) {
        let (mut held, mut owed) = (vec![0; self.markets()], vec![0; self.markets()]);
        let sellers = self.due_at.len();
        let bucket = sellers.div_ceil(BUCKETS).max(1);
        let mut held_before = Vec::new();
        for place in 0..self.len() {
            if place < sellers && place % bucket == 0 {
                self.bucket_due_at.push(self.due_at[place]);
                held_before.extend_from_slice(&held);
            }
            self.for_each_sale(place, |kind, quantity| {
                let market = self.market[kind] as usize;
                let units = self.in_units(kind, quantity, 1.0);
                held[market] += units.max(0);
                owed[market] -= units.min(0);
            });
        }
        let all = held.iter().cycle();
        let after = held_before
            .iter()
            .zip(all)
            .map(|(before, all)| all - before);
        self.bucket_held = after.collect();
        (self.held, self.owed) = (held, owed);
    }
}

/// Where an account goes.
struct Place {
    class: Class,
    due_at: f64,
    row: u32,
}

fn layout(
    accounts: &LendingColumns<'_>,
    kinds: &KindColumns<'_>,
    anchor_price: &[f64],
    workers: &Workers,
) -> Vec<Place> {
    let place = |row: usize| {
        let weighted = accounts.positions(row).fold(0.0, |sum, (kind, quantity)| {
            let anchor = anchor_price[kinds.market[kind] as usize];
            sum + quantity * kinds.collateral_weight[kind] * anchor
        });
        Place {
            class: class(accounts, kinds, row),
            due_at: if accounts.debt[row] == 0.0 {
                0.0
            } else {
                accounts.debt[row] / weighted
            },
            row: u32::try_from(row).unwrap_or(u32::MAX),
        }
    };
    let order = |one: &Place, other: &Place| {
        let by_price = one.class.cmp(&other.class).then_with(|| {
            if one.class == Class::Sells {
                one.due_at.total_cmp(&other.due_at)
            } else {
                Ordering::Equal
            }
        });
        by_price.then_with(|| one.row.cmp(&other.row))
    };
    let rows = 0..accounts.debt.len();
    match workers.pool_for(rows.len()) {
        None => {
            let mut places: Vec<Place> = rows.map(place).collect();
            places.sort_unstable_by(order);
            places
        }
        Some(pool) => pool.install(|| {
            let mut places: Vec<Place> = rows.into_par_iter().map(place).collect();
            places.par_sort_unstable_by(order);
            places
        }),
    }
}

fn class(accounts: &LendingColumns<'_>, kinds: &KindColumns<'_>, row: usize) -> Class {
    let mut class = Class::Sells;
    // The last market, and whether something is held of it and something owed.
    let mut here = (u32::MAX, false, false);
    for (kind, quantity) in accounts.positions(row) {
        let market = kinds.market[kind];
        if market != here.0 {
            here = (market, false, false);
        }
        here.1 |= quantity > 0.0;
        here.2 |= quantity < 0.0;
        if here.1 && here.2 {
            return Class::Hedges;
        }
        if quantity < 0.0 {
            class = Class::Buys;
        }
    }
    class
}

fn power_below(total: f64) -> f64 {
    // The exponent of a normal number: 2^exponent ≤ total < 2^(exponent + 1).
    let exponent = i32::try_from(total.to_bits() >> 52).unwrap_or(0) - 1_023;
    if total > 0.0 {
        2.0_f64.powi(UNITS_EXPONENT - exponent)
    } else {
        1.0
    }
}
