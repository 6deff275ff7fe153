//! Cascades: what liquidations do to prices, and prices to liquidations, between a least and a most.
//!
//! Prices p make accounts due; their sales S(p) move prices to T(p) = price × curve(S(p)). Where
//! liquidations only sell, T is monotone, so that by Tarski's theorem it has a least and a greatest
//! fixed point; iterated from below and from above, T reaches exactly these, in finitely many
//! passes. Where they also buy back what is owed, it is iterated as an interval map: what is left is
//! a box that holds every fixed point. Positions of several *kinds*, each with its own weight, are
//! sold into one *market*. All of this is said of the map *as computed*: rounding is
//! monotone and sales are summed in integers. Proofs are in `docs/liquidation.md`, "Cascade".

mod book;
mod bracket;
mod columns;
mod curve;
mod rule;

use crate::Error;
use crate::book::columnar::Workers;

pub use book::LendingBook;
pub use columns::{KindColumns, LendingColumns};
pub use curve::DepthCurves;
pub use rule::CloseRule;

use bracket::{Bracket, Question};

/// What the bracket is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Both ends are fixed points: the least and the greatest.
    FixedPoints,
    /// It holds every fixed point; its ends need not be any, and there may be none.
    Enclosure,
    /// As `Enclosure`, and more passes would tighten it.
    Unfinished,
}

/// The least and the most that a cascade can come to.
#[derive(Debug, Clone, PartialEq)]
pub struct Cascade {
    /// What the bracket is.
    pub kind: Kind,
    /// Lowest prices, by market: the worst outcome that is consistent with itself.
    pub price_low: Vec<f64>,
    /// Highest prices: where the cascade comes to rest when it begins at the prices given.
    pub price_high: Vec<f64>,
    /// Net amount sold at the highest prices, in units of what the market trades.
    pub sold_least: Vec<f64>,
    /// Net amount sold at the lowest prices.
    pub sold_most: Vec<f64>,
    /// Close steps of each account, by row, at the highest prices.
    pub step_least: Vec<u8>,
    /// Close steps of each account at the lowest prices.
    pub step_most: Vec<u8>,
    /// Σ max(0, debt − collateral) at the highest prices.
    pub bad_debt_least: f64,
    /// The same at the lowest.
    pub bad_debt_most: f64,
    /// How often both sides were tightened.
    pub passes: usize,
    /// How often an account was looked at, over all passes.
    pub evaluated: u64,
}

/// Brackets the cascade that begins at `prices`.
///
/// # Errors
/// [`Error::Input`] when prices or curves are out of range, or of other markets than the book.
pub fn bracket_cascade(
    book: &LendingBook,
    prices: &[f64],
    curves: DepthCurves<'_>,
    rule: &CloseRule,
    passes_max: usize,
    workers: &Workers,
) -> Result<Cascade, Error> {
    check_prices(book, prices)?;
    curves.check(book.markets())?;
    let mut bracket = Bracket::new(Question {
        book,
        prices,
        curves,
        rule,
        workers,
    });
    let mut passes = 0;
    let mut is_open = true;
    while is_open && passes < passes_max {
        is_open = bracket.tighten();
        passes += 1;
    }
    let kind = match (is_open, book.sells_only()) {
        (true, _) => Kind::Unfinished,
        (false, true) => Kind::FixedPoints,
        (false, false) => Kind::Enclosure,
    };
    bracket.finish();
    Ok(answer(book, bracket, kind, passes))
}

fn answer(book: &LendingBook, bracket: Bracket<'_>, kind: Kind, passes: usize) -> Cascade {
    let sold = |units: &[i64]| -> Vec<f64> {
        let units = units.iter().enumerate();
        units
            .map(|(market, &units)| bracket.in_quantity(market, units))
            .collect()
    };
    let [bad_debt_least, bad_debt_most] = bracket.bad_debt();
    let mut step_least = vec![0; book.len()];
    let mut step_most = vec![0; book.len()];
    for (steps, &row) in bracket.steps.iter().zip(&book.row) {
        step_least[row as usize] = steps.sure;
        step_most[row as usize] = steps.possible;
    }
    Cascade {
        kind,
        sold_least: sold(&bracket.least_sold),
        sold_most: sold(&bracket.most_sold),
        step_least,
        step_most,
        bad_debt_least,
        bad_debt_most,
        passes,
        evaluated: bracket.evaluated,
        price_low: bracket.prices.low,
        price_high: bracket.prices.high,
    }
}

fn check_prices(book: &LendingBook, prices: &[f64]) -> Result<(), Error> {
    if prices.len() != book.markets() {
        return Err(Error::Input {
            table: "prices",
            column: "price",
            row: None,
            problem: format!("{} prices for {} markets", prices.len(), book.markets()),
        });
    }
    let is_price = |&price: &f64| price == 0.0 || (1e-30..=1e30).contains(&price);
    match prices.iter().position(|price| !is_price(price)) {
        None => Ok(()),
        Some(row) => {
            let problem = format!("{} is neither 0 nor in [1e-30, 1e30]", prices[row]);
            Err(Error::row("prices", "price", row, problem))
        }
    }
}
