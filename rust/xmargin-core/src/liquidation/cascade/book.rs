//! The lending accounts of a cascade, laid out by liquidation price.

use std::cmp::Ordering;

use rayon::prelude::*;

use crate::Error;
use crate::book::columnar::Workers;

const AMOUNT_MAX: f64 = 1e30;
const AMOUNT_MIN: f64 = 1e-30;
const ASSETS_MAX: usize = 4_096;
/// A smaller factor on collateral is a slip; products with it could leave the range of `f64`.
const WEIGHT_MIN: f64 = 1e-6;
/// The sellers in order of their prices, cut into so many parts of known holdings.
const BUCKETS: usize = 256;
/// Sales are summed in integers: an asset's whole holdings are just below 2^61 units.
const UNITS_EXPONENT: i32 = 60;

/// Columns of linear lending accounts.
#[derive(Debug, Clone, Copy)]
pub struct LendingColumns<'a> {
    /// Debt in money, ≥ 0.
    pub debt: &'a [f64],
    /// Where the account's positions end.
    pub positions_end: &'a [u64],
    /// Asset of a position; ascending within an account.
    pub asset: &'a [u32],
    /// Units: collateral if positive, owed if negative.
    pub quantity: &'a [f64],
}

/// How an asset counts, and the price by which the accounts are laid out.
#[derive(Debug, Clone, Copy)]
pub struct AssetColumns<'a> {
    /// Factor on collateral, in [0, 1].
    pub collateral_weight: &'a [f64],
    /// Factor on what is owed, in [1, 100].
    pub debt_factor: &'a [f64],
    /// A usual price, positive. It moves no result: far from it, more accounts are looked at.
    pub anchor_price: &'a [f64],
}

/// Accounts that only sell, by the price multiple at which they are due; then those that also buy.
pub struct LendingBook {
    /// Row of each place.
    pub(super) row: Vec<u32>,
    /// Multiple of all anchor prices at which the account is due; of the sellers only, ascending.
    pub(super) due_at: Vec<f64>,
    pub(super) debt: Vec<f64>,
    pub(super) positions_end: Vec<usize>,
    pub(super) asset: Vec<u32>,
    pub(super) quantity: Vec<f64>,
    pub(super) collateral_weight: Vec<f64>,
    pub(super) debt_factor: Vec<f64>,
    pub(super) anchor_price: Vec<f64>,
    /// Units of summation in a unit of the asset: a power of two.
    pub(super) units: Vec<f64>,
    /// Σ of collateral and of what is owed, in units of summation.
    pub(super) held: Vec<i64>,
    pub(super) owed: Vec<i64>,
    /// Where each bucket of sellers begins, as a multiple of the anchor prices.
    bucket_due_at: Vec<f64>,
    /// Collateral of the sellers of a bucket and after, and of the buyers; by bucket, then asset.
    bucket_held: Vec<i64>,
}

impl LendingBook {
    /// Lays out a checked book.
    ///
    /// # Errors
    /// [`Error::Input`] naming table, column and row of what is out of range or ragged.
    pub fn new(
        accounts: &LendingColumns<'_>,
        assets: &AssetColumns<'_>,
        workers: &Workers,
    ) -> Result<Self, Error> {
        check_assets(assets)?;
        check_accounts(accounts, assets.anchor_price.len())?;
        let order = layout(accounts, assets, workers);
        let sellers = order.partition_point(|place| place.sells_only);
        let mut book = Self {
            row: order.iter().map(|place| place.row).collect(),
            due_at: order[..sellers].iter().map(|place| place.due_at).collect(),
            debt: Vec::with_capacity(order.len()),
            positions_end: Vec::with_capacity(order.len()),
            asset: Vec::with_capacity(accounts.asset.len()),
            quantity: Vec::with_capacity(accounts.asset.len()),
            collateral_weight: assets.collateral_weight.to_vec(),
            debt_factor: assets.debt_factor.to_vec(),
            anchor_price: assets.anchor_price.to_vec(),
            units: units(accounts, assets.anchor_price.len()),
            held: vec![0; assets.anchor_price.len()],
            owed: vec![0; assets.anchor_price.len()],
            bucket_due_at: Vec::new(),
            bucket_held: Vec::new(),
        };
        let bucket = sellers.div_ceil(BUCKETS).max(1);
        let mut held_before = Vec::new();
        for (number, place) in order.iter().enumerate() {
            if number < sellers && number % bucket == 0 {
                book.bucket_due_at.push(place.due_at);
                held_before.extend_from_slice(&book.held);
            }
            book.push(accounts, place.row as usize);
        }
        let all = book.held.iter().cycle();
        book.bucket_held = held_before
            .iter()
            .zip(all)
            .map(|(b, all)| all - b)
            .collect();
        Ok(book)
    }

    /// How many buckets begin below a multiple of the anchor prices.
    pub(super) fn buckets_below(&self, multiple: f64) -> usize {
        self.bucket_due_at
            .partition_point(|&due_at| due_at < multiple)
    }

    /// What the sellers of a bucket and after hold, and the buyers.
    pub(super) fn held_from(&self, bucket: usize) -> &[i64] {
        &self.bucket_held[bucket * self.assets()..][..self.assets()]
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

    /// Number of assets.
    #[must_use]
    pub fn assets(&self) -> usize {
        self.anchor_price.len()
    }

    /// Whether no account owes an asset: liquidations sell only, and the map is monotone.
    #[must_use]
    pub fn sells_only(&self) -> bool {
        self.due_at.len() == self.row.len()
    }

    pub(super) fn positions(&self, place: usize) -> impl Iterator<Item = (usize, f64)> {
        let begin = place
            .checked_sub(1)
            .map_or(0, |one| self.positions_end[one]);
        let rows = begin..self.positions_end[place];
        let positions = self.asset[rows.clone()].iter().zip(&self.quantity[rows]);
        positions.map(|(&asset, &quantity)| (asset as usize, quantity))
    }

    /// What a part of a position is in units of summation: rounded towards zero, so monotone in both.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "all holdings together are below 2^62"
    )]
    pub(super) fn in_units(&self, asset: usize, quantity: f64, part: f64) -> i64 {
        (quantity * part * self.units[asset]) as i64
    }

    fn push(&mut self, accounts: &LendingColumns<'_>, row: usize) {
        self.debt.push(accounts.debt[row]);
        for (asset, quantity) in positions(accounts, row) {
            let units = self.in_units(asset, quantity, 1.0);
            self.held[asset] += units.max(0);
            self.owed[asset] -= units.min(0);
            self.asset.push(u32::try_from(asset).unwrap_or(u32::MAX));
            self.quantity.push(quantity);
        }
        self.positions_end.push(self.asset.len());
    }
}

/// Where an account goes.
struct Place {
    sells_only: bool,
    due_at: f64,
    row: u32,
}

fn layout(
    accounts: &LendingColumns<'_>,
    assets: &AssetColumns<'_>,
    workers: &Workers,
) -> Vec<Place> {
    let place = |row: usize| {
        let weighted = positions(accounts, row).fold(0.0, |sum, (asset, quantity)| {
            sum + quantity * assets.collateral_weight[asset] * assets.anchor_price[asset]
        });
        Place {
            sells_only: positions(accounts, row).all(|(_, quantity)| quantity >= 0.0),
            due_at: if accounts.debt[row] == 0.0 {
                0.0
            } else {
                accounts.debt[row] / weighted
            },
            row: u32::try_from(row).unwrap_or(u32::MAX),
        }
    };
    let order = |one: &Place, other: &Place| {
        let buyers_last = other.sells_only.cmp(&one.sells_only);
        let by_price = buyers_last.then_with(|| {
            if one.sells_only {
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

fn positions<'a>(
    accounts: &LendingColumns<'a>,
    row: usize,
) -> impl Iterator<Item = (usize, f64)> + use<'a> {
    let place = |end: u64| usize::try_from(end).unwrap_or(usize::MAX);
    let begin = row
        .checked_sub(1)
        .map_or(0, |one| accounts.positions_end[one]);
    let rows = place(begin)..place(accounts.positions_end[row]);
    let assets = accounts.asset[rows.clone()].iter();
    let quantities = accounts.quantity[rows].iter();
    assets
        .zip(quantities)
        .map(|(&asset, &quantity)| (asset as usize, quantity))
}

/// The largest powers of two by which all holdings of an asset stay below 2^62 units.
fn units(accounts: &LendingColumns<'_>, assets: usize) -> Vec<f64> {
    let mut total = vec![0.0_f64; assets];
    for (&asset, quantity) in accounts.asset.iter().zip(accounts.quantity) {
        total[asset as usize] += quantity.abs();
    }
    total.iter().map(|&total| power_below(total)).collect()
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

fn check_assets(assets: &AssetColumns<'_>) -> Result<(), Error> {
    let rows = assets.anchor_price.len();
    let in_range = |column, values: &[f64], range: std::ops::RangeInclusive<f64>| {
        if values.len() != rows {
            let problem = format!("has {} rows; it must have {rows}", values.len());
            return Err(whole("assets", column, problem));
        }
        match values.iter().position(|value| !range.contains(value)) {
            None => Ok(()),
            Some(row) => {
                let problem = format!("{} is not in {range:?}", values[row]);
                Err(Error::row("assets", column, row, problem))
            }
        }
    };
    if rows > ASSETS_MAX {
        let problem = format!("{rows} assets; at most {ASSETS_MAX}");
        return Err(whole("assets", "anchor_price", problem));
    }
    in_range("anchor_price", assets.anchor_price, AMOUNT_MIN..=AMOUNT_MAX)?;
    in_range("collateral_weight", assets.collateral_weight, 0.0..=1.0)?;
    let tiny = |&weight: &f64| weight > 0.0 && weight < WEIGHT_MIN;
    if let Some(row) = assets.collateral_weight.iter().position(tiny) {
        let problem = format!("{} is below 1e-6; take 0", assets.collateral_weight[row]);
        return Err(Error::row("assets", "collateral_weight", row, problem));
    }
    in_range("debt_factor", assets.debt_factor, 1.0..=100.0)
}

fn check_accounts(accounts: &LendingColumns<'_>, assets: usize) -> Result<(), Error> {
    let (rows, positions) = (accounts.debt.len(), accounts.asset.len());
    for (table, column, found, wanted) in [
        (
            "accounts",
            "positions_end",
            accounts.positions_end.len(),
            rows,
        ),
        ("positions", "quantity", accounts.quantity.len(), positions),
    ] {
        if found != wanted {
            let problem = format!("has {found} rows; it must have {wanted}");
            return Err(whole(table, column, problem));
        }
    }
    if u32::try_from(rows).is_err() {
        let problem = format!("{rows} accounts; split the book below 2^32");
        return Err(whole("accounts", "debt", problem));
    }
    check_amounts("accounts", "debt", accounts.debt, 0.0)?;
    check_amounts("positions", "quantity", accounts.quantity, -AMOUNT_MAX)?;
    check_positions(accounts, assets)
}

fn check_amounts(
    table: &'static str,
    column: &'static str,
    amounts: &[f64],
    least: f64,
) -> Result<(), Error> {
    let is_amount = |&amount: &f64| {
        amount == 0.0 || (amount >= least && (AMOUNT_MIN..=AMOUNT_MAX).contains(&amount.abs()))
    };
    match amounts.iter().position(|amount| !is_amount(amount)) {
        None => Ok(()),
        Some(row) => {
            let sign = if least < 0.0 { "± " } else { "" };
            let problem = format!("{} is neither 0 nor in {sign}[1e-30, 1e30]", amounts[row]);
            Err(Error::row(table, column, row, problem))
        }
    }
}

fn check_positions(accounts: &LendingColumns<'_>, assets: usize) -> Result<(), Error> {
    let rows = accounts.asset.len() as u64;
    if accounts.positions_end.is_empty() && rows > 0 {
        let problem = format!("is empty, but there are {rows} positions");
        return Err(whole("accounts", "positions_end", problem));
    }
    let mut begin = 0;
    for (account, &end) in accounts.positions_end.iter().enumerate() {
        let is_last = account + 1 == accounts.positions_end.len();
        if end < begin || end > rows || (is_last && end != rows) {
            let problem = format!("{end} is not within {begin} and {rows}, where the last ends");
            return Err(Error::row("accounts", "positions_end", account, problem));
        }
        let place = |end: u64| usize::try_from(end).unwrap_or(usize::MAX);
        let mut last = None;
        for row in place(begin)..place(end) {
            let asset = accounts.asset[row];
            if asset as usize >= assets {
                let problem = format!("{asset} is not one of {assets} assets");
                return Err(Error::row("positions", "asset", row, problem));
            }
            if last.is_some_and(|last| last >= asset) {
                let problem = format!("{asset} does not ascend within account {account}");
                return Err(Error::row("positions", "asset", row, problem));
            }
            last = Some(asset);
        }
        begin = end;
    }
    Ok(())
}

fn whole(table: &'static str, column: &'static str, problem: String) -> Error {
    Error::Input {
        table,
        column,
        row: None,
        problem,
    }
}
