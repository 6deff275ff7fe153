//! The Aave v3 tables put through the venue's rules: balances of positions, data of accounts.

use super::grouping::Grouping;
use super::tables::{AaveEModes, AaveReserves, Book, Table};
use crate::num::U256;
use crate::num::fixed::add;
use crate::venue::aave_v3::{
    self, AccountData, EMode, GrownIndices, Release, ReservePosition, ReserveRisk, StoredIndices,
    account_data, is_liquidatable,
};

/// Venue truth: one row an Aave account, in the order of the input.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VenueAccounts {
    /// The account.
    pub account: Vec<u32>,
    /// What `getUserAccountData` answers; all zero where it would revert.
    pub data: Vec<AccountData>,
    /// Whether `getUserAccountData` would revert.
    pub overflow: Vec<bool>,
    /// Whether it or any of the account's balances would: then no number of the owner is served.
    pub unknowable: Vec<bool>,
    /// Whether the account has a position in a base on hold or without a price.
    pub held: Vec<bool>,
}

impl VenueAccounts {
    /// Whether the venue would liquidate the account of `row` and nothing forbids to propose it.
    #[must_use]
    pub fn is_due(&self, row: usize) -> bool {
        !self.held[row]
            && self.data[row]
                .health_factor_wad
                .is_some_and(is_liquidatable)
    }
}

/// Balances of the Aave positions in token units; `None` where the contract would revert.
pub(crate) struct AaveBalances {
    pub supply: Vec<Option<U256>>,
    pub debt: Vec<Option<U256>>,
}

impl AaveReserves {
    fn indices(&self, row: usize, release: Release, now_s: u64) -> GrownIndices {
        StoredIndices {
            supply: self.liquidity_index[row],
            supply_rate: self.liquidity_rate[row],
            debt: self.variable_borrow_index[row],
            debt_rate: self.variable_borrow_rate[row],
            updated_at_s: self.updated_at_s[row],
        }
        .grown(release, now_s)
    }

    fn risk(&self, row: usize) -> ReserveRisk {
        ReserveRisk {
            ltv_bps: self.ltv_bps[row],
            liquidation_threshold_bps: self.liquidation_threshold_bps[row],
            emode: self.emode[row],
            emode_lends_nothing: false,
            decimals: self.decimals[row],
            price_base: self.price_base[row],
        }
    }
}

impl AaveEModes {
    fn category(&self, row: usize) -> EMode {
        EMode {
            category: self.category[row],
            ltv_bps: self.ltv_bps[row],
            liquidation_threshold_bps: self.liquidation_threshold_bps[row],
            price_base: self.price_base[row],
        }
    }

    /// A reserve to users of the category.
    fn listing(&self, row: usize, number: u32, risk: ReserveRisk) -> ReserveRisk {
        let (collateral, ltvzero) = (self.collateral_bitmap[row], self.ltvzero_bitmap[row]);
        risk.listed(self.category[row], number, collateral, ltvzero)
    }
}

impl Book {
    fn aave_indices(&self) -> Vec<GrownIndices> {
        let reserves = &self.aave_reserves;
        (0..reserves.rows())
            .map(|row| {
                let pool = reserves.pool[row] as usize;
                let pools = &self.aave_pools;
                reserves.indices(row, pools.release[pool], pools.timestamp_s[pool])
            })
            .collect()
    }

    /// Supply and debt of every Aave position as of its pool's block.
    pub(crate) fn aave_balances(&self) -> AaveBalances {
        let indices = self.aave_indices();
        let positions = &self.aave_positions;
        let (supply, debt) = (0..positions.rows())
            .map(|row| {
                let indices = &indices[positions.reserve[row] as usize];
                let scaled = positions.supply_scaled[row];
                let supply = aave_v3::supply_balance(self.release_of(row), scaled, indices.supply);
                (supply, self.aave_debt(row, indices))
            })
            .unzip();
        AaveBalances { supply, debt }
    }

    /// Whose rules hold for a position.
    fn release_of(&self, row: usize) -> Release {
        let pool = self.aave_accounts.pool[self.aave_positions.aave_account[row] as usize];
        self.aave_pools.release[pool as usize]
    }

    /// Variable plus stable debt of one position (`GenericLogic._getUserDebtInBaseCurrency`).
    fn aave_debt(&self, row: usize, indices: &GrownIndices) -> Option<U256> {
        let positions = &self.aave_positions;
        let scaled = positions.variable_debt_scaled[row];
        let variable = aave_v3::debt_balance(self.release_of(row), scaled, indices.debt)?;
        let pool = self.aave_accounts.pool[positions.aave_account[row] as usize];
        let stable = aave_v3::stable_debt(
            positions.stable_debt_principal[row],
            positions.stable_rate[row],
            positions.stable_updated_at_s[row],
            self.aave_pools.timestamp_s[pool as usize],
        );
        add(variable, stable.ok()?).ok()
    }

    /// Account data of every Aave account.
    pub(crate) fn venue_accounts(&self, balances: &AaveBalances) -> VenueAccounts {
        let users = &self.aave_accounts;
        let positions_of = Grouping::by(&self.aave_positions.aave_account, users.rows());
        let mut accounts = VenueAccounts {
            account: users.account.clone(),
            ..Default::default()
        };
        for user in 0..users.rows() {
            let rows = positions_of.rows(user);
            let category = self.category_row(user);
            let positions = rows
                .iter()
                .map(|&row| self.reserve_position(row as usize, category, balances));
            let release = self.aave_pools.release[users.pool[user] as usize];
            let emode = category.map(|row| self.aave_emodes.category(row));
            let data = account_data(release, positions, emode.as_ref());
            let knowable = rows.iter().all(|&row| {
                balances.supply[row as usize].is_some() && balances.debt[row as usize].is_some()
            });
            accounts.overflow.push(data.is_err());
            accounts.unknowable.push(data.is_err() || !knowable);
            accounts.data.push(data.unwrap_or_default());
            accounts
                .held
                .push(rows.iter().any(|&row| self.is_held(row as usize)));
        }
        accounts
    }

    fn reserve_position(
        &self,
        row: usize,
        category: Option<usize>,
        balances: &AaveBalances,
    ) -> ReservePosition {
        let positions = &self.aave_positions;
        let reserve = positions.reserve[row] as usize;
        let risk = self.aave_reserves.risk(reserve);
        ReservePosition {
            risk: match (self.release_of(row), category) {
                (Release::V3_6, Some(emode)) => {
                    let number = self.aave_reserves.reserve_id[reserve];
                    self.aave_emodes.listing(emode, number, risk)
                }
                _ => risk,
            },
            supply: balances.supply[row],
            debt: balances.debt[row],
            as_collateral: positions.as_collateral[row],
            borrowing: positions.borrowing[row],
        }
    }

    /// The row of the category that the user chose.
    fn category_row(&self, user: usize) -> Option<usize> {
        let users = &self.aave_accounts;
        let (pool, category) = (users.pool[user], users.emode[user]);
        let emodes = &self.aave_emodes;
        (0..emodes.rows()).find(|&row| emodes.pool[row] == pool && emodes.category[row] == category)
    }

    /// Whether the position has anything in a base on hold or without a price.
    fn is_held(&self, row: usize) -> bool {
        let positions = &self.aave_positions;
        let token = self.aave_reserves.token[positions.reserve[row] as usize];
        let Some(base) = self.tokens.base[token as usize] else {
            return false;
        };
        let doubtful = self.bases.held[base as usize] || !self.bases.usable[base as usize];
        let amounts = [
            positions.supply_scaled[row],
            positions.variable_debt_scaled[row],
            positions.stable_debt_principal[row],
        ];
        doubtful && amounts.iter().any(|amount| !amount.is_zero())
    }
}
