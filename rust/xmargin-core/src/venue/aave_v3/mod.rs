//! Aave v3.0.x and v3.6: what `Pool.getUserAccountData` answers, to the last unit.
//!
//! Source: Aave v3 core 1.19.3 and aave-v3-origin 3.6.0, `GenericLogic.calculateUserAccountData` and
//! `calculateAvailableBorrows`, `ReserveLogic.getNormalizedIncome` and `getNormalizedDebt`,
//! `MathUtils`, `TokenMath`, `ValidationLogic.getUserReserveLtv` and `StableDebtToken.balanceOf`.
//! Units: *base* is the pool oracle's base currency (8 decimals for USD), ratios are basis points,
//! indices and rates are rays, the health factor is a wad. Where the contract would revert, the
//! result is [`Error::Overflow`](crate::Error::Overflow).
//!
//! | | 3.0 | 3.6 |
//! |---|---|---|
//! | balances | half up | supply down, debt up |
//! | value of a debt | down | up |
//! | a reserve's ratios in an eMode | of its own category; none if its own threshold is zero, nothing lent if its own LTV is | of any category whose list has it, whatever its own are; nothing lent where the category says so |
//! | health | collateral × average threshold, both rounded, ÷ debt | Σ collateral × threshold ÷ debt |
//! | compound interest | four terms of the binomial | four terms of e^x |

mod account;
mod interest;
mod release;

pub use account::{
    AccountData, EMode, ReservePosition, ReserveRisk, Totals, account_data, is_liquidatable,
};
pub use interest::{
    GrownIndices, StoredIndices, compounded_interest, debt_balance, linear_interest,
    normalized_debt, normalized_income, stable_debt, supply_balance,
};
pub use release::Release;
