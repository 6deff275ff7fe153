//! The input tables of one snapshot, column by column.
//!
//! Columns ending in a table's name (`account`, `token`, `pool`, ...) hold row numbers of it.

use crate::Error;
use crate::num::U256;
use crate::venue::aave_v3::Release;

/// What all tables have: a name and columns of one length.
pub trait Table {
    /// Name of the table in messages and in the Python interface.
    const NAME: &'static str;

    /// Number of rows.
    fn rows(&self) -> usize;

    /// Checks that all columns are of one length.
    ///
    /// # Errors
    /// [`Error::Input`] naming the first column that is not.
    fn check_shape(&self) -> Result<(), Error>;
}

/// Declares a table as a struct of public columns and implements [`Table`] for it.
macro_rules! table {
    ($(#[$about:meta])* $Name:ident ($name:literal) {
        $(#[$first_about:meta])* $first:ident: $First:ty,
        $($(#[$column_about:meta])* $column:ident: $Column:ty,)*
    }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Default, PartialEq)]
        pub struct $Name {
            $(#[$first_about])*
            pub $first: Vec<$First>,
            $($(#[$column_about])* pub $column: Vec<$Column>,)*
        }

        impl Table for $Name {
            const NAME: &'static str = $name;

            fn rows(&self) -> usize {
                self.$first.len()
            }

            fn check_shape(&self) -> Result<(), Error> {
                $(if self.$column.len() != self.rows() {
                    return Err(Error::Input {
                        table: $name,
                        column: stringify!($column),
                        row: None,
                        problem: format!(
                            "has {} rows where {} has {}",
                            self.$column.len(), stringify!($first), self.rows(),
                        ),
                    });
                })*
                Ok(())
            }
        }
    };
}

table! {
    /// The chains.
    Chains ("chains") {
        /// CAIP-2 id.
        id: String,
        /// Whether the chain cannot meet a call elsewhere (halted, stale or unreachable).
        cut_off: bool,
    }
}

table! {
    /// What feeds price, in USD per unit; several bases may be forms of one asset.
    Bases ("bases") {
        /// The economic thing that scenarios move.
        asset: String,
        /// The marked price.
        mark: f64,
        /// Low end of the range: net collateral is valued here.
        low: f64,
        /// High end of the range: net debt is valued here.
        high: f64,
        /// Whether there is a price at all; if not, the three above are ignored.
        usable: bool,
        /// Whether sources disagree: a range is served and nothing is liquidatable.
        held: bool,
    }
}

table! {
    /// The tokens.
    Tokens ("tokens") {
        /// The base that prices the token; absent when nothing does.
        base: Option<u32>,
        /// Decimals; absent, or above [`DECIMALS_MAX`](crate::num::float::DECIMALS_MAX), when the
        /// token is at fault and excluded.
        decimals: Option<u8>,
        /// Fraction in [0, 1] taken from what is net owned of the token.
        haircut: f64,
        /// Whether the token only stands for its asset.
        wrapped: bool,
    }
}

table! {
    /// The portfolios: all accounts of one owner each.
    Portfolios ("portfolios") {
        /// Portfolio id, the last key of the liquidation order.
        id: String,
    }
}

table! {
    /// The accounts: one address at one venue each.
    Accounts ("accounts") {
        /// Account id, the last key of the liquidation order.
        id: String,
        /// Its owner.
        portfolio: u32,
        /// The chain it is on.
        chain: u32,
        /// The kind of its venue, such as `wallet`.
        venue_kind: String,
    }
}

table! {
    /// Balances of wallets, and of venue accounts whose venue's rule says what they hold.
    Balances ("balances") {
        /// The wallet or venue account.
        account: u32,
        /// The token.
        token: u32,
        /// Amount in the token's smallest unit.
        amount: U256,
        /// Whether it is owed.
        debt: bool,
        /// Whether the balance is a claim that is counted where it points to.
        looked_through: bool,
    }
}

table! {
    /// Aave v3 pools.
    AavePools ("aave_pools") {
        /// Timestamp of the block read: interest accrues up to it.
        timestamp_s: u64,
        /// Whose rules hold.
        release: Release,
    }
}

table! {
    /// Reserves of Aave v3 pools. Indices and rates are rays.
    AaveReserves ("aave_reserves") {
        /// The pool.
        pool: u32,
        /// The underlying.
        token: u32,
        /// Decimals of the underlying, from the reserve's configuration.
        decimals: u8,
        /// Loan to value.
        ltv_bps: u16,
        /// Liquidation threshold.
        liquidation_threshold_bps: u16,
        /// eMode category, 0 for none; in 3.6 categories list reserves instead.
        emode: u8,
        /// The pool's number of the reserve: its bit in the lists of eMode categories.
        reserve_id: u32,
        /// Supply index as stored.
        liquidity_index: U256,
        /// Variable debt index as stored.
        variable_borrow_index: U256,
        /// Yearly supply rate.
        liquidity_rate: U256,
        /// Yearly variable debt rate.
        variable_borrow_rate: U256,
        /// When the indices were stored.
        updated_at_s: u64,
        /// The pool oracle's price of one whole token, in its base currency.
        price_base: U256,
    }
}

table! {
    /// eMode categories of Aave v3 pools.
    AaveEModes ("aave_emodes") {
        /// The pool.
        pool: u32,
        /// The category's number, never 0.
        category: u8,
        /// Loan to value of the category.
        ltv_bps: u16,
        /// Liquidation threshold of the category.
        liquidation_threshold_bps: u16,
        /// Price of the category's own source; 0 where it has none.
        price_base: U256,
        /// In 3.6, the reserves whose ratios as collateral are the category's, one bit each.
        collateral_bitmap: U256,
        /// In 3.6, those of them that lend nothing.
        ltvzero_bitmap: U256,
    }
}

table! {
    /// Users of Aave v3 pools.
    AaveAccounts ("aave_accounts") {
        /// The account.
        account: u32,
        /// The pool.
        pool: u32,
        /// The eMode category the user chose, 0 for none.
        emode: u8,
    }
}

table! {
    /// What Aave v3 users have in reserves. Rates are rays.
    AavePositions ("aave_positions") {
        /// The user, a row of [`AaveAccounts`].
        aave_account: u32,
        /// The reserve.
        reserve: u32,
        /// aToken balance divided by the supply index.
        supply_scaled: U256,
        /// Variable debt divided by the variable debt index.
        variable_debt_scaled: U256,
        /// Stable debt as of `stable_updated_at_s`, in token units.
        stable_debt_principal: U256,
        /// The user's own yearly stable rate.
        stable_rate: U256,
        /// When the stable debt was last compounded.
        stable_updated_at_s: u64,
        /// The user's collateral switch of this reserve.
        as_collateral: bool,
        /// The user's borrowing flag of this reserve.
        borrowing: bool,
    }
}

/// All input tables of one snapshot.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Book {
    /// The chains.
    pub chains: Chains,
    /// What feeds price.
    pub bases: Bases,
    /// The tokens.
    pub tokens: Tokens,
    /// The portfolios.
    pub portfolios: Portfolios,
    /// The accounts.
    pub accounts: Accounts,
    /// Wallet balances.
    pub balances: Balances,
    /// Aave v3 pools.
    pub aave_pools: AavePools,
    /// Their reserves.
    pub aave_reserves: AaveReserves,
    /// Their eMode categories.
    pub aave_emodes: AaveEModes,
    /// Their users.
    pub aave_accounts: AaveAccounts,
    /// What the users have.
    pub aave_positions: AavePositions,
}
