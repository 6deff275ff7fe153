//! The book to be planned for, and what is refused of it.

use crate::Error;

/// Largest magnitude of an amount: sums and products of such stay far inside `f64`.
const AMOUNT_MAX: f64 = 1e30;
/// Equity and costs are zero or larger: below, products underflow and nothing could be proven.
const AMOUNT_MIN: f64 = 1e-100;
/// κ outside of this range is a slip, not a policy.
const LOSS_SHARE_RANGE: std::ops::RangeInclusive<f64> = 1e-6..=1e6;
/// Up to here every number of lots is exact as an `f64`.
const LOTS_MAX: u64 = 1 << 53;
/// Legs times scenarios, so that a slip cannot take all memory.
const CELLS_MAX: usize = 1 << 24;

/// One account's legs under its scenarios. All amounts are in one unit of money.
#[derive(Debug, Clone, PartialEq)]
pub struct Book {
    /// E: equity before anything is closed.
    pub equity: f64,
    /// κ: the worst scenario may lose this share of the equity that remains, at most.
    pub loss_share_max: f64,
    /// a: what half the spread of closing the whole leg costs, ≥ 0; one a leg.
    pub spread: Vec<f64>,
    /// b: what the impact of closing the whole leg costs, ≥ 0; one a leg.
    pub impact: Vec<f64>,
    /// How many lots the leg has; 0 when any fraction can be closed. One a leg.
    pub lots: Vec<u64>,
    /// ℓ: loss of each leg (negative: gain), one row a scenario.
    pub losses: Vec<Vec<f64>>,
}

impl Book {
    /// Number of legs.
    #[must_use]
    pub fn legs(&self) -> usize {
        self.spread.len()
    }

    /// Number of scenarios.
    #[must_use]
    pub fn scenarios(&self) -> usize {
        self.losses.len()
    }

    /// C(f) = Σ a f + b f^1.5.
    #[must_use]
    pub fn cost(&self, fractions: &[f64]) -> f64 {
        let costs = self.spread.iter().zip(&self.impact).zip(fractions);
        costs.map(|((a, b), f)| (a + b * f.sqrt()) * f).sum()
    }
}

/// Refuses what has no meaning, before anything is computed.
pub fn check(book: &Book) -> Result<(), Error> {
    let whole = |column, problem: String| Error::Input {
        table: "book",
        column,
        row: None,
        problem,
    };
    if !is_amount(book.equity) || is_tiny(book.equity) {
        let problem = format!(
            "{} is neither 0 nor of magnitude in [{AMOUNT_MIN:e}, {AMOUNT_MAX:e}]",
            book.equity
        );
        return Err(whole("equity", problem));
    }
    if !LOSS_SHARE_RANGE.contains(&book.loss_share_max) {
        let problem = format!("{} is outside [1e-6, 1e6]", book.loss_share_max);
        return Err(whole("loss_share_max", problem));
    }
    check_legs(book)?;
    check_losses(book)
}

fn check_legs(book: &Book) -> Result<(), Error> {
    let columns = [("impact", book.impact.len()), ("lots", book.lots.len())];
    for (column, rows) in columns {
        if rows != book.legs() {
            let problem = format!(
                "{rows} rows, but spread has {}; give one a leg",
                book.legs()
            );
            return Err(Error::row("legs", column, rows.min(book.legs()), problem));
        }
    }
    for (column, costs) in [("spread", &book.spread), ("impact", &book.impact)] {
        for (leg, &cost) in costs.iter().enumerate() {
            if !is_amount(cost) || cost < 0.0 || is_tiny(cost) {
                let problem =
                    format!("{cost} is neither 0 nor a cost in [{AMOUNT_MIN:e}, {AMOUNT_MAX:e}]");
                return Err(Error::row("legs", column, leg, problem));
            }
        }
    }
    match book.lots.iter().position(|&lots| lots > LOTS_MAX) {
        Some(leg) => {
            let problem = format!("{} lots; at most 2^53 are exact", book.lots[leg]);
            Err(Error::row("legs", "lots", leg, problem))
        }
        None => Ok(()),
    }
}

fn check_losses(book: &Book) -> Result<(), Error> {
    let refuse = |row, problem| Err(Error::row("scenarios", "losses", row, problem));
    if book.legs().saturating_mul(book.scenarios()) > CELLS_MAX {
        return refuse(0, format!("more than {CELLS_MAX} losses; split the book"));
    }
    for (scenario, losses) in book.losses.iter().enumerate() {
        if losses.len() != book.legs() {
            let problem = format!("{} losses for {} legs", losses.len(), book.legs());
            return refuse(scenario, problem);
        }
        if let Some(leg) = losses.iter().position(|&loss| !is_amount(loss)) {
            let problem = format!("leg {leg}: {}", not_amount(losses[leg]));
            return refuse(scenario, problem);
        }
    }
    Ok(())
}

fn is_amount(value: f64) -> bool {
    value.abs() <= AMOUNT_MAX
}

fn is_tiny(value: f64) -> bool {
    value != 0.0 && value.abs() < AMOUNT_MIN
}

fn not_amount(value: f64) -> String {
    format!("{value} is not a number of magnitude at most {AMOUNT_MAX:e}")
}
