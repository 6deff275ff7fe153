//! The whole: one snapshot's tables in, both truths and the order out.

use crate::Error;
use crate::book::aave::VenueAccounts;
use crate::book::positions::Positions;
use crate::book::tables::{Book, Table};
use crate::liquidation::order::{Entry, liquidation_order};
use crate::model::parameters::Parameters;
use crate::model::unified::{Contributions, FactorHistory, PortfolioMargin, UnifiedModel};

/// What [`evaluate`] answers.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    /// Venue truth, one row an Aave account.
    pub venue_accounts: VenueAccounts,
    /// Every position of every portfolio.
    pub positions: Positions,
    /// What each position does for its portfolio, by position row.
    pub contributions: Contributions,
    /// Unified truth, one row a portfolio.
    pub portfolios: Vec<PortfolioMargin>,
    /// Whom to liquidate, worst first.
    pub order: Vec<Entry>,
}

/// Venue truth, unified truth and liquidation order of one snapshot.
///
/// A pure function: equal input gives equal output to the bit, on every run. A venue account whose
/// own contract's arithmetic would revert is marked so and its portfolio refused; the others are
/// not touched by it.
///
/// Without `history` the scenario loss is the grid's alone.
///
/// # Errors
/// [`Error::Input`] when the tables contradict themselves or one another, [`Error::Parameter`] when
/// the scenarios cannot be expanded.
pub fn evaluate(
    parameters: &Parameters,
    book: &Book,
    history: Option<&FactorHistory>,
) -> Result<Evaluation, Error> {
    book.validate()?;
    let balances = book.aave_balances();
    let venue_accounts = book.venue_accounts(&balances);
    let positions = book.positions(&balances);
    let model = UnifiedModel::new(parameters, book, history)?;
    let unknowable = unknowable_portfolios(book, &venue_accounts);
    let (portfolios, contributions) = model.margins(book, &positions, &unknowable)?;
    let order = liquidation_order(
        &venue_accounts,
        &book.accounts,
        &portfolios,
        &book.portfolios,
    );
    Ok(Evaluation {
        venue_accounts,
        positions,
        contributions,
        portfolios,
        order,
    })
}

fn unknowable_portfolios(book: &Book, venue_accounts: &VenueAccounts) -> Vec<bool> {
    let mut unknowable = vec![false; book.portfolios.rows()];
    for (&account, &is_unknowable) in venue_accounts
        .account
        .iter()
        .zip(&venue_accounts.unknowable)
    {
        unknowable[book.accounts.portfolio[account as usize] as usize] |= is_unknowable;
    }
    unknowable
}
