//! Positions: everything a portfolio owns and owes, from every venue, in one form.

use super::aave::AaveBalances;
use super::grouping::Grouping;
use super::tables::{Book, Table};
use crate::num::U256;
use crate::num::float::DECIMALS_MAX;

/// Whether a position enters the unified margin, and if not, why. The numbers are the interface's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Counting {
    /// It nets with the rest of its portfolio.
    Counted = 0,
    /// It is a claim, counted where it points to.
    LookedThrough = 1,
    /// It is on a chain that cannot meet a call elsewhere.
    CutOff = 2,
    /// Its token is at fault or has no usable price.
    Excluded = 3,
}

/// The positions of all portfolios, in the order of the input: balances first, then Aave accounts,
/// where supply comes before debt and nothing is listed that is zero in scaled terms.
#[derive(Debug, Clone, PartialEq)]
pub struct Positions {
    /// The account.
    pub account: Vec<u32>,
    /// The token.
    pub token: Vec<u32>,
    /// Whether it is owed.
    pub debt: Vec<bool>,
    /// Amount in the token's smallest unit; zero where the venue's arithmetic reverts.
    pub amount: Vec<U256>,
    /// How the position enters the unified margin.
    pub counting: Vec<Counting>,
    /// Whether the token's decimals are known and agree with the venue's.
    pub measurable: Vec<bool>,
    /// The rows of each portfolio.
    pub by_portfolio: Grouping,
}

/// Rows in the making; the grouping follows when all are there.
#[derive(Default)]
struct Rows {
    portfolio: Vec<u32>,
    account: Vec<u32>,
    token: Vec<u32>,
    debt: Vec<bool>,
    amount: Vec<U256>,
    counting: Vec<Counting>,
    measurable: Vec<bool>,
}

/// One position before it is classified.
struct Holding {
    account: u32,
    token: u32,
    debt: bool,
    amount: Option<U256>,
    venue_decimals: Option<u8>,
    looked_through: bool,
}

impl Book {
    /// All positions of all portfolios.
    pub(crate) fn positions(&self, balances: &AaveBalances) -> Positions {
        let mut rows = Rows::default();
        for row in 0..self.balances.rows() {
            self.push(&mut rows, &self.plain_holding(row));
        }
        for row in 0..self.aave_positions.rows() {
            self.push_aave(&mut rows, row, balances);
        }
        Positions {
            by_portfolio: Grouping::by(&rows.portfolio, self.portfolios.rows()),
            account: rows.account,
            token: rows.token,
            debt: rows.debt,
            amount: rows.amount,
            counting: rows.counting,
            measurable: rows.measurable,
        }
    }

    fn plain_holding(&self, row: usize) -> Holding {
        Holding {
            account: self.balances.account[row],
            token: self.balances.token[row],
            debt: self.balances.debt[row],
            amount: Some(self.balances.amount[row]),
            venue_decimals: None,
            looked_through: self.balances.looked_through[row],
        }
    }

    fn push_aave(&self, rows: &mut Rows, row: usize, balances: &AaveBalances) {
        let positions = &self.aave_positions;
        let reserve = positions.reserve[row] as usize;
        let holding = |debt: bool, amount: Option<U256>| Holding {
            account: self.aave_accounts.account[positions.aave_account[row] as usize],
            token: self.aave_reserves.token[reserve],
            debt,
            amount,
            venue_decimals: Some(self.aave_reserves.decimals[reserve]),
            looked_through: false,
        };
        if !positions.supply_scaled[row].is_zero() {
            self.push(rows, &holding(false, balances.supply[row]));
        }
        let owes = !positions.variable_debt_scaled[row].is_zero()
            || !positions.stable_debt_principal[row].is_zero();
        if owes {
            self.push(rows, &holding(true, balances.debt[row]));
        }
    }

    fn push(&self, rows: &mut Rows, holding: &Holding) {
        let measurable = self.is_measurable(holding);
        rows.portfolio
            .push(self.accounts.portfolio[holding.account as usize]);
        rows.account.push(holding.account);
        rows.token.push(holding.token);
        rows.debt.push(holding.debt);
        rows.amount.push(holding.amount.unwrap_or(U256::ZERO));
        rows.counting.push(self.counting(holding, measurable));
        rows.measurable.push(measurable);
    }

    /// Whether the token says how many decimals it has, and the venue says the same.
    fn is_measurable(&self, holding: &Holding) -> bool {
        self.tokens.decimals[holding.token as usize].is_some_and(|decimals| {
            decimals <= DECIMALS_MAX && holding.venue_decimals.is_none_or(|venue| venue == decimals)
        })
    }

    fn counting(&self, holding: &Holding, measurable: bool) -> Counting {
        let base = self.tokens.base[holding.token as usize];
        let priced = base.is_some_and(|base| self.bases.usable[base as usize]);
        let chain = self.accounts.chain[holding.account as usize];
        if holding.looked_through {
            Counting::LookedThrough
        } else if !measurable || !priced || holding.amount.is_none() {
            Counting::Excluded
        } else if self.chains.cut_off[chain as usize] {
            Counting::CutOff
        } else {
            Counting::Counted
        }
    }
}
