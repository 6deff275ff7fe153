//! The accounts that compete for depth, and what is refused of them.

use crate::Error;
use crate::liquidation::ragged::{self, Names, check_lengths, rows_of, whole};

/// Amounts are zero or of this magnitude: products and quotients of such stay inside `f64`.
const AMOUNT_RANGE: std::ops::RangeInclusive<f64> = 1e-30..=1e30;
/// The prices take a dense matrix of assets × assets.
const ASSETS_MAX: usize = 1_024;
const USES: Names = Names {
    end: "uses_end",
    table: "uses",
    number: "asset",
    counted: "assets",
};

/// Columns of distressed accounts, the depth each would use, and the depth that there is.
///
/// Money is in one unit; depth in a unit of its asset's own, the same in both places.
#[derive(Debug, Clone, Copy)]
pub struct Fleet<'a> {
    /// Unique; the last key of the order.
    pub id: &'a [u64],
    /// Bad debt to be expected if the account is left alone, ≥ 0.
    pub bad_debt_expected: &'a [f64],
    /// What liquidating it costs, ≥ 0, with the bad debt that liquidating leaves.
    pub cost: &'a [f64],
    /// Where the account's rows of depth use end.
    pub uses_end: &'a [u64],
    /// Asset of a row; ascending within an account.
    pub asset: &'a [u32],
    /// Depth that liquidating the whole account uses, ≥ 0.
    pub amount: &'a [f64],
    /// Depth of each asset, ≥ 0.
    pub depth: &'a [f64],
}

impl<'a> Fleet<'a> {
    /// The assets an account uses and how much of each.
    pub fn uses(&self, account: usize) -> impl Iterator<Item = (usize, f64)> + 'a + use<'a> {
        let rows = rows_of(self.uses_end, account);
        let assets = self.asset[rows.clone()].iter();
        let amounts = self.amount[rows].iter();
        assets
            .zip(amounts)
            .map(|(&asset, &amount)| (asset as usize, amount))
    }

    /// What liquidating avoids, net of what it costs.
    #[must_use]
    pub fn benefit(&self, account: usize) -> f64 {
        self.bad_debt_expected[account] - self.cost[account]
    }

    /// The share of the account that depth allows when nobody else asks for it.
    #[must_use]
    pub fn share_max(&self, account: usize) -> f64 {
        self.uses(account)
            .filter(|&(_, amount)| amount > 0.0)
            .fold(1.0, |share, (asset, amount)| {
                f64::min(share, self.depth[asset] / amount)
            })
    }
}

/// Refuses what has no meaning, before anything is computed; else says the rows in order of their ids.
pub fn check(fleet: &Fleet<'_>) -> Result<Vec<u32>, Error> {
    check_columns(fleet)?;
    check_amounts("accounts", "bad_debt_expected", fleet.bad_debt_expected)?;
    check_amounts("accounts", "cost", fleet.cost)?;
    check_amounts("uses", "amount", fleet.amount)?;
    check_amounts("assets", "depth", fleet.depth)?;
    ragged::check(USES, fleet.uses_end, fleet.asset, fleet.depth.len())?;
    check_ids(fleet.id)
}

fn check_columns(fleet: &Fleet<'_>) -> Result<(), Error> {
    let accounts = fleet.id.len();
    let uses = fleet.asset.len();
    let expected = fleet.bad_debt_expected.len();
    check_lengths(&[
        ("accounts", "bad_debt_expected", expected, accounts),
        ("accounts", "cost", fleet.cost.len(), accounts),
        ("accounts", "uses_end", fleet.uses_end.len(), accounts),
        ("uses", "amount", fleet.amount.len(), uses),
    ])?;
    if u32::try_from(accounts).is_err() {
        let problem = format!("{accounts} accounts; split the fleet below 2^32");
        return Err(whole("accounts", "id", problem));
    }
    if fleet.depth.len() > ASSETS_MAX {
        let problem = format!("{} assets; at most {ASSETS_MAX}", fleet.depth.len());
        return Err(whole("assets", "depth", problem));
    }
    Ok(())
}

fn check_amounts(table: &'static str, column: &'static str, amounts: &[f64]) -> Result<(), Error> {
    let is_amount = |&amount: &f64| amount == 0.0 || AMOUNT_RANGE.contains(&amount);
    match amounts.iter().position(|amount| !is_amount(amount)) {
        None => Ok(()),
        Some(row) => {
            let problem = format!("{} is neither 0 nor in [1e-30, 1e30]", amounts[row]);
            Err(Error::row(table, column, row, problem))
        }
    }
}

fn check_ids(ids: &[u64]) -> Result<Vec<u32>, Error> {
    let mut rows: Vec<u32> = (0..).take(ids.len()).collect();
    let id = |row: u32| ids[row as usize];
    if !ids.is_sorted() {
        rows.sort_unstable_by_key(|&row| (id(row), row));
    }
    match rows.windows(2).find(|pair| id(pair[0]) == id(pair[1])) {
        None => Ok(rows),
        Some(pair) => {
            let problem = format!("{} is there already; ids break ties", id(pair[1]));
            Err(Error::row("accounts", "id", pair[1] as usize, problem))
        }
    }
}
