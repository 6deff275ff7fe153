//! One pass over the input tables before anything is computed from them.

use super::tables::{Book, Table};
use crate::Error;

/// No price may exceed this, so that no sum of 2^256-unit positions can leave the range of `f64`.
const PRICE_MAX: f64 = 1e100;

impl Book {
    /// Checks every column length, row number, price, haircut and key.
    ///
    /// # Errors
    /// [`Error::Input`] naming the table, the column and the row of the first fault.
    pub fn validate(&self) -> Result<(), Error> {
        self.check_shapes()?;
        self.check_references()?;
        self.check_prices()?;
        self.check_haircuts()?;
        self.check_emodes()?;
        self.check_aave_accounts()?;
        self.check_aave_positions()
    }

    fn check_shapes(&self) -> Result<(), Error> {
        self.chains.check_shape()?;
        self.bases.check_shape()?;
        self.tokens.check_shape()?;
        self.accounts.check_shape()?;
        self.balances.check_shape()?;
        self.aave_pools.check_shape()?;
        self.aave_reserves.check_shape()?;
        self.aave_emodes.check_shape()?;
        self.aave_accounts.check_shape()?;
        self.aave_positions.check_shape()
    }

    fn check_references(&self) -> Result<(), Error> {
        for (row, base) in self.tokens.base.iter().enumerate() {
            if let Some(base) = *base {
                check_row("tokens", "base", row, base, &self.bases)?;
            }
        }
        let accounts = &self.accounts;
        check_rows(
            "accounts",
            "portfolio",
            &accounts.portfolio,
            &self.portfolios,
        )?;
        check_rows("accounts", "chain", &accounts.chain, &self.chains)?;
        check_rows("balances", "account", &self.balances.account, accounts)?;
        check_rows("balances", "token", &self.balances.token, &self.tokens)?;
        check_rows(
            "aave_reserves",
            "pool",
            &self.aave_reserves.pool,
            &self.aave_pools,
        )?;
        check_rows(
            "aave_reserves",
            "token",
            &self.aave_reserves.token,
            &self.tokens,
        )?;
        check_rows(
            "aave_emodes",
            "pool",
            &self.aave_emodes.pool,
            &self.aave_pools,
        )?;
        check_rows(
            "aave_accounts",
            "account",
            &self.aave_accounts.account,
            accounts,
        )?;
        check_rows(
            "aave_accounts",
            "pool",
            &self.aave_accounts.pool,
            &self.aave_pools,
        )?;
        let positions = &self.aave_positions;
        check_rows(
            "aave_positions",
            "aave_account",
            &positions.aave_account,
            &self.aave_accounts,
        )?;
        check_rows(
            "aave_positions",
            "reserve",
            &positions.reserve,
            &self.aave_reserves,
        )
    }

    fn check_prices(&self) -> Result<(), Error> {
        let bases = &self.bases;
        for row in (0..bases.rows()).filter(|&row| bases.usable[row]) {
            let (low, mark, high) = (bases.low[row], bases.mark[row], bases.high[row]);
            for (column, price) in [("mark", mark), ("low", low), ("high", high)] {
                if !(price > 0.0 && price <= PRICE_MAX) {
                    let problem = format!("{price} is no price; it must be in (0, {PRICE_MAX:e}]");
                    return Err(Error::row("bases", column, row, problem));
                }
            }
            if !(low <= mark && mark <= high) {
                let problem = format!("{mark} lies outside its own range [{low}, {high}]");
                return Err(Error::row("bases", "mark", row, problem));
            }
        }
        Ok(())
    }

    fn check_haircuts(&self) -> Result<(), Error> {
        for (row, haircut) in self.tokens.haircut.iter().enumerate() {
            if !(0.0..=1.0).contains(haircut) {
                let problem = format!("{haircut} is no haircut; it must be in [0, 1]");
                return Err(Error::row("tokens", "haircut", row, problem));
            }
        }
        Ok(())
    }

    fn check_emodes(&self) -> Result<(), Error> {
        let mut keys: Vec<(u32, u8)> = Vec::with_capacity(self.aave_emodes.rows());
        let emodes = &self.aave_emodes;
        for (row, (&pool, &category)) in emodes.pool.iter().zip(&emodes.category).enumerate() {
            let key = (pool, category);
            if category == 0 {
                let problem = "0 means no eMode and can be no category";
                return Err(Error::row("aave_emodes", "category", row, problem));
            }
            if keys.contains(&key) {
                let problem = format!("category {category} of pool {pool} is there twice");
                return Err(Error::row("aave_emodes", "category", row, problem));
            }
            keys.push(key);
        }
        let users = &self.aave_accounts;
        for (row, (&pool, &emode)) in users.pool.iter().zip(&users.emode).enumerate() {
            if emode != 0 && !keys.contains(&(pool, emode)) {
                let problem = format!("category {emode} of pool {pool} is not in aave_emodes");
                return Err(Error::row("aave_accounts", "emode", row, problem));
            }
        }
        Ok(())
    }

    /// An account listed twice would be counted twice.
    fn check_aave_accounts(&self) -> Result<(), Error> {
        match first_repeat(self.aave_accounts.account.clone()) {
            None => Ok(()),
            Some(account) => Err(Error::Input {
                table: "aave_accounts",
                column: "account",
                row: None,
                problem: format!("account {account} is there twice"),
            }),
        }
    }

    fn check_aave_positions(&self) -> Result<(), Error> {
        let positions = &self.aave_positions;
        let mut seen: Vec<(u32, u32)> = Vec::with_capacity(positions.rows());
        for (row, (&user, &reserve)) in positions
            .aave_account
            .iter()
            .zip(&positions.reserve)
            .enumerate()
        {
            let pool = self.aave_accounts.pool[user as usize];
            if self.aave_reserves.pool[reserve as usize] != pool {
                let problem = format!("reserve {reserve} is not one of the user's pool {pool}");
                return Err(Error::row("aave_positions", "reserve", row, problem));
            }
            seen.push((user, reserve));
        }
        match first_repeat(seen) {
            None => Ok(()),
            Some((user, reserve)) => Err(Error::Input {
                table: "aave_positions",
                column: "reserve",
                row: None,
                problem: format!("user {user} has reserve {reserve} twice"),
            }),
        }
    }
}

/// A key that is there more than once, if any is.
fn first_repeat<T: Ord + Copy>(mut keys: Vec<T>) -> Option<T> {
    keys.sort_unstable();
    keys.windows(2)
        .find(|pair| pair[0] == pair[1])
        .map(|pair| pair[0])
}

fn check_rows(
    table: &'static str,
    column: &'static str,
    values: &[u32],
    target: &impl Table,
) -> Result<(), Error> {
    values
        .iter()
        .enumerate()
        .try_for_each(|(row, &value)| check_row(table, column, row, value, target))
}

fn check_row<T: Table>(
    table: &'static str,
    column: &'static str,
    row: usize,
    value: u32,
    target: &T,
) -> Result<(), Error> {
    let rows = target.rows();
    if (value as usize) < rows {
        return Ok(());
    }
    let problem = format!(
        "points to row {value} of {}, which has {rows} rows",
        T::NAME
    );
    Err(Error::row(table, column, row, problem))
}
