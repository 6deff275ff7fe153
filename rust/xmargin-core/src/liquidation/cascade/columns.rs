//! What a book is made of, and what is refused of it.

use crate::Error;
use crate::liquidation::ragged::{self, Names, check_lengths, rows_of, whole};

pub const AMOUNT_MAX: f64 = 1e30;
pub const AMOUNT_MIN: f64 = 1e-30;
const MARKETS_MAX: usize = 4_096;
const KINDS_MAX: usize = 65_536;
/// A smaller factor on collateral is a slip; products with it could leave the range of `f64`.
const WEIGHT_MIN: f64 = 1e-6;
const POSITIONS: Names = Names {
    end: "positions_end",
    table: "positions",
    number: "kind",
    counted: "kinds",
};

/// Columns of linear lending accounts.
#[derive(Debug, Clone, Copy)]
pub struct LendingColumns<'a> {
    /// Debt in money, ≥ 0.
    pub debt: &'a [f64],
    /// Where the account's positions end.
    pub positions_end: &'a [u64],
    /// Kind of a position; ascending within an account.
    pub kind: &'a [u32],
    /// Units of what its market trades: collateral if positive, owed if negative.
    pub quantity: &'a [f64],
}

/// How positions count. The same asset counts otherwise at another venue, or in an eMode, and is
/// sold into the same market.
#[derive(Debug, Clone, Copy)]
pub struct KindColumns<'a> {
    /// Where positions of the kind are sold and bought; not descending.
    pub market: &'a [u32],
    /// Factor on collateral, in [0, 1].
    pub collateral_weight: &'a [f64],
    /// Factor on what is owed, in [1, 100].
    pub debt_factor: &'a [f64],
}

impl LendingColumns<'_> {
    /// Kinds and quantities of an account.
    pub(super) fn positions(&self, row: usize) -> impl Iterator<Item = (usize, f64)> {
        let rows = rows_of(self.positions_end, row);
        let positions = self.kind[rows.clone()].iter().zip(&self.quantity[rows]);
        positions.map(|(&kind, &quantity)| (kind as usize, quantity))
    }

    pub(super) fn check(&self, kinds: usize) -> Result<(), Error> {
        let (rows, positions) = (self.debt.len(), self.kind.len());
        check_lengths(&[
            ("accounts", "positions_end", self.positions_end.len(), rows),
            ("positions", "quantity", self.quantity.len(), positions),
        ])?;
        if u32::try_from(rows).is_err() {
            let problem = format!("{rows} accounts; split the book below 2^32");
            return Err(whole("accounts", "debt", problem));
        }
        check_amounts("accounts", "debt", self.debt, 0.0)?;
        check_amounts("positions", "quantity", self.quantity, -AMOUNT_MAX)?;
        ragged::check(POSITIONS, self.positions_end, self.kind, kinds)
    }
}

impl KindColumns<'_> {
    pub(super) fn check(&self, markets: usize) -> Result<(), Error> {
        let kinds = self.market.len();
        if kinds > KINDS_MAX {
            let problem = format!("{kinds} kinds; at most {KINDS_MAX}");
            return Err(whole("kinds", "market", problem));
        }
        let (weights, factors) = (self.collateral_weight, self.debt_factor);
        check_lengths(&[
            ("kinds", "collateral_weight", weights.len(), kinds),
            ("kinds", "debt_factor", factors.len(), kinds),
        ])?;
        in_range("kinds", "collateral_weight", weights, 0.0..=1.0)?;
        let tiny = |&weight: &f64| weight > 0.0 && weight < WEIGHT_MIN;
        if let Some(row) = weights.iter().position(tiny) {
            let problem = format!("{} is below 1e-6; take 0", weights[row]);
            return Err(Error::row("kinds", "collateral_weight", row, problem));
        }
        in_range("kinds", "debt_factor", factors, 1.0..=100.0)?;
        let mut last = 0;
        for (row, &market) in self.market.iter().enumerate() {
            if market as usize >= markets || market < last {
                let problem = format!("{market} is not one of {markets} markets, or descends");
                return Err(Error::row("kinds", "market", row, problem));
            }
            last = market;
        }
        Ok(())
    }
}

pub fn check_markets(anchor_price: &[f64]) -> Result<(), Error> {
    let markets = anchor_price.len();
    if markets > MARKETS_MAX {
        let problem = format!("{markets} markets; at most {MARKETS_MAX}");
        return Err(whole("markets", "anchor_price", problem));
    }
    in_range(
        "markets",
        "anchor_price",
        anchor_price,
        AMOUNT_MIN..=AMOUNT_MAX,
    )
}

fn in_range(
    table: &'static str,
    column: &'static str,
    values: &[f64],
    range: std::ops::RangeInclusive<f64>,
) -> Result<(), Error> {
    match values.iter().position(|value| !range.contains(value)) {
        None => Ok(()),
        Some(row) => {
            let problem = format!("{} is not in {range:?}", values[row]);
            Err(Error::row(table, column, row, problem))
        }
    }
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
