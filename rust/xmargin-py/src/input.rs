//! The tables that `evaluate` takes, as the core's book.

use xmargin_core::Error;
use xmargin_core::book::tables::{
    AaveAccounts, AaveEModes, AavePools, AavePositions, AaveReserves, Accounts, Balances, Bases,
    Book, Chains, Portfolios, Tokens,
};

use crate::table::InputTable;

/// The imported tables.
pub struct Inputs {
    pub chains: InputTable,
    pub bases: InputTable,
    pub tokens: InputTable,
    pub portfolios: InputTable,
    pub accounts: InputTable,
    pub balances: InputTable,
    pub aave_pools: InputTable,
    pub aave_reserves: InputTable,
    pub aave_emodes: InputTable,
    pub aave_accounts: InputTable,
    pub aave_positions: InputTable,
}

impl Inputs {
    /// Reads all columns.
    ///
    /// # Errors
    /// [`Error::Input`] naming the table and column that is missing, null or of another type.
    pub fn read(&self) -> Result<Book, Error> {
        Ok(Book {
            chains: Chains {
                id: self.chains.column("id")?,
                cut_off: self.chains.column("cut_off")?,
            },
            bases: read_bases(&self.bases)?,
            tokens: read_tokens(&self.tokens)?,
            portfolios: Portfolios {
                id: self.portfolios.column("id")?,
            },
            accounts: Accounts {
                id: self.accounts.column("id")?,
                portfolio: self.accounts.column("portfolio")?,
                chain: self.accounts.column("chain")?,
                venue_kind: self.accounts.column("venue_kind")?,
            },
            balances: read_balances(&self.balances)?,
            aave_pools: AavePools {
                timestamp_s: self.aave_pools.column("timestamp_s")?,
                release: self.aave_pools.releases("release")?,
            },
            aave_reserves: read_reserves(&self.aave_reserves)?,
            aave_emodes: read_emodes(&self.aave_emodes)?,
            aave_accounts: AaveAccounts {
                account: self.aave_accounts.column("account")?,
                pool: self.aave_accounts.column("pool")?,
                emode: self.aave_accounts.column("emode")?,
            },
            aave_positions: read_positions(&self.aave_positions)?,
        })
    }
}

fn read_bases(table: &InputTable) -> Result<Bases, Error> {
    Ok(Bases {
        asset: table.column("asset")?,
        mark: table.column("mark")?,
        low: table.column("low")?,
        high: table.column("high")?,
        usable: table.column("usable")?,
        held: table.column("held")?,
    })
}

fn read_tokens(table: &InputTable) -> Result<Tokens, Error> {
    Ok(Tokens {
        base: table.nullable("base")?,
        decimals: table.nullable("decimals")?,
        haircut: table.column("haircut")?,
        wrapped: table.column("wrapped")?,
    })
}

fn read_balances(table: &InputTable) -> Result<Balances, Error> {
    Ok(Balances {
        account: table.column("account")?,
        token: table.column("token")?,
        amount: table.column("amount")?,
        debt: table.column("debt")?,
        looked_through: table.column("looked_through")?,
    })
}

fn read_reserves(table: &InputTable) -> Result<AaveReserves, Error> {
    Ok(AaveReserves {
        pool: table.column("pool")?,
        token: table.column("token")?,
        decimals: table.column("decimals")?,
        ltv_bps: table.column("ltv_bps")?,
        liquidation_threshold_bps: table.column("liquidation_threshold_bps")?,
        emode: table.column("emode")?,
        reserve_id: table.column("reserve_id")?,
        liquidity_index: table.column("liquidity_index")?,
        variable_borrow_index: table.column("variable_borrow_index")?,
        liquidity_rate: table.column("liquidity_rate")?,
        variable_borrow_rate: table.column("variable_borrow_rate")?,
        updated_at_s: table.column("updated_at_s")?,
        price_base: table.column("price_base")?,
    })
}

fn read_emodes(table: &InputTable) -> Result<AaveEModes, Error> {
    Ok(AaveEModes {
        pool: table.column("pool")?,
        category: table.column("category")?,
        ltv_bps: table.column("ltv_bps")?,
        liquidation_threshold_bps: table.column("liquidation_threshold_bps")?,
        price_base: table.column("price_base")?,
        collateral_bitmap: table.column("collateral_bitmap")?,
        ltvzero_bitmap: table.column("ltvzero_bitmap")?,
    })
}

fn read_positions(table: &InputTable) -> Result<AavePositions, Error> {
    Ok(AavePositions {
        aave_account: table.column("aave_account")?,
        reserve: table.column("reserve")?,
        supply_scaled: table.column("supply_scaled")?,
        variable_debt_scaled: table.column("variable_debt_scaled")?,
        stable_debt_principal: table.column("stable_debt_principal")?,
        stable_rate: table.column("stable_rate")?,
        stable_updated_at_s: table.column("stable_updated_at_s")?,
        as_collateral: table.column("as_collateral")?,
        borrowing: table.column("borrowing")?,
    })
}
