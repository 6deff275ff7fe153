//! The accounts that compete for depth, and what is refused of them.

use crate::Error;

/// Amounts are zero or of this magnitude: products and quotients of such stay inside `f64`.
const AMOUNT_RANGE: std::ops::RangeInclusive<f64> = 1e-30..=1e30;
/// The prices take a dense matrix of assets × assets.
const ASSETS_MAX: usize = 1_024;

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
        let rows = self.rows(account);
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

    fn rows(&self, account: usize) -> std::ops::Range<usize> {
        let place = |end: u64| usize::try_from(end).unwrap_or(usize::MAX);
        let begin = account.checked_sub(1).map_or(0, |one| self.uses_end[one]);
        place(begin)..place(self.uses_end[account])
    }
}

/// Refuses what has no meaning, before anything is computed; else says the rows in order of their ids.
pub fn check(fleet: &Fleet<'_>) -> Result<Vec<u32>, Error> {
    check_lengths(fleet)?;
    check_amounts("accounts", "bad_debt_expected", fleet.bad_debt_expected)?;
    check_amounts("accounts", "cost", fleet.cost)?;
    check_amounts("uses", "amount", fleet.amount)?;
    check_amounts("assets", "depth", fleet.depth)?;
    check_uses(fleet)?;
    check_ids(fleet.id)
}

fn check_lengths(fleet: &Fleet<'_>) -> Result<(), Error> {
    let accounts = fleet.id.len();
    let uses = fleet.asset.len();
    let columns = [
        (
            "accounts",
            "bad_debt_expected",
            fleet.bad_debt_expected.len(),
            accounts,
        ),
        ("accounts", "cost", fleet.cost.len(), accounts),
        ("accounts", "uses_end", fleet.uses_end.len(), accounts),
        ("uses", "amount", fleet.amount.len(), uses),
    ];
    for (table, column, rows, wanted) in columns {
        if rows != wanted {
            let problem = format!("has {rows} rows; it must have {wanted}");
            return Err(whole(table, column, problem));
        }
    }
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

fn check_uses(fleet: &Fleet<'_>) -> Result<(), Error> {
    let rows = fleet.asset.len() as u64;
    let mut begin = 0;
    for (account, &end) in fleet.uses_end.iter().enumerate() {
        let is_last = account + 1 == fleet.uses_end.len();
        if end < begin || end > rows || (is_last && end != rows) {
            let problem = format!("{end} is not within {begin} and {rows}, where the last ends");
            return Err(Error::row("accounts", "uses_end", account, problem));
        }
        begin = end;
    }
    if fleet.uses_end.is_empty() && rows > 0 {
        let problem = format!("is empty, but there are {rows} uses");
        return Err(whole("accounts", "uses_end", problem));
    }
    (0..fleet.id.len()).try_for_each(|account| check_assets(fleet, account))
}

fn check_assets(fleet: &Fleet<'_>, account: usize) -> Result<(), Error> {
    let mut last = None;
    for row in fleet.rows(account) {
        let asset = fleet.asset[row];
        if asset as usize >= fleet.depth.len() {
            let problem = format!("{asset} is not one of {} assets", fleet.depth.len());
            return Err(Error::row("uses", "asset", row, problem));
        }
        if last.is_some_and(|last| last >= asset) {
            let problem = format!("{asset} does not ascend within account {account}");
            return Err(Error::row("uses", "asset", row, problem));
        }
        last = Some(asset);
    }
    Ok(())
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

fn whole(table: &'static str, column: &'static str, problem: String) -> Error {
    Error::Input {
        table,
        column,
        row: None,
        problem,
    }
}
