//! The liquidation order over venue accounts and portfolios: total, worst first.
//!
//! 1. Venue accounts that their venue would liquidate now, by (health factor ascending, debt in base
//!    currency descending, account id ascending).
//! 2. Portfolios below maintenance margin, by (maintenance excess ÷ gross debt ascending, excess
//!    ascending, portfolio id ascending).
//!
//! Ids are unique, so no two entries tie; should a caller repeat one, the row number decides. What
//! is held or refused is not on the list.

use std::cmp::Reverse;

use crate::book::aave::VenueAccounts;
use crate::book::tables::{Accounts, Portfolios};
use crate::model::unified::PortfolioMargin;

/// One rank of the order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// A row of the venue accounts.
    VenueAccount(usize),
    /// A row of the portfolios.
    Portfolio(usize),
}

/// All that is due, worst first.
#[must_use]
pub fn liquidation_order(
    venue_accounts: &VenueAccounts,
    accounts: &Accounts,
    margins: &[PortfolioMargin],
    portfolios: &Portfolios,
) -> Vec<Entry> {
    let venue = due_accounts(venue_accounts, accounts)
        .into_iter()
        .map(Entry::VenueAccount);
    let whole = due_portfolios(margins, portfolios)
        .into_iter()
        .map(Entry::Portfolio);
    venue.chain(whole).collect()
}

fn due_accounts(venue_accounts: &VenueAccounts, accounts: &Accounts) -> Vec<usize> {
    let mut due: Vec<usize> = (0..venue_accounts.account.len())
        .filter(|&row| venue_accounts.is_due(row))
        .collect();
    due.sort_by_key(|&row| {
        let data = &venue_accounts.data[row];
        let id = &accounts.id[venue_accounts.account[row] as usize];
        (data.health_factor_wad, Reverse(data.debt_base), id, row)
    });
    due
}

fn due_portfolios(margins: &[PortfolioMargin], portfolios: &Portfolios) -> Vec<usize> {
    let mut due: Vec<(f64, f64, usize)> = margins
        .iter()
        .enumerate()
        .filter_map(|(row, portfolio)| {
            let margin = portfolio
                .margin
                .filter(|_| portfolio.owes && !portfolio.held)?;
            let excess = margin.maintenance_excess();
            (excess < 0.0).then(|| (excess / margin.gross_debt, excess, row))
        })
        .collect();
    due.sort_by(|one, other| {
        let ids = |entry: &(f64, f64, usize)| &portfolios.id[entry.2];
        one.0
            .total_cmp(&other.0)
            .then(one.1.total_cmp(&other.1))
            .then_with(|| ids(one).cmp(ids(other)))
            .then(one.2.cmp(&other.2))
    });
    due.into_iter().map(|(_, _, row)| row).collect()
}
