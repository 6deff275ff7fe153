//! # xmargin-core
//!
//! Cross-margin risk maths, pure: no Python, no I/O, no clock. One function is the whole:
//! [`evaluate`] takes the tables of one snapshot and answers with two truths and an order.
//!
//! **Venue truth** ([`venue`]): each account's health by its own venue's rules, in the venue's own
//! integers and roundings. It answers: will this venue liquidate?
//!
//! **Unified truth** ([`model`]): each portfolio's margin over the netted exposures of all chains.
//! It answers: is this owner safe as a whole, and what binds? Collateral that cannot meet a call
//! elsewhere, because its chain is cut off, counts only where it costs.
//!
//! **Scenario margin** ([`model::grid`]): margins of books with derivatives, by parameter files
//! over one mechanism of spot moves, vol rules and contingencies.
//!
//! **Order** ([`liquidation`]): whom to liquidate first, by both.
//!
//! **Index** ([`index`]): the accounts that a tick has moved across a threshold, found without a look at
//! the others.
//!
//! **Options** ([`pricing`], [`market::surface`]): Black-76 for one and for millions, and the vols it
//! is fed with.
//!
//! ## How an evaluation flows
//! ```text
//! book::tables ──validate──> book::aave ──> venue::aave_v3      exact integers
//!                                │                │
//!                                v                v
//!                         book::positions   venue accounts ──┐
//!                                │                           │
//!    model::parameters           v                           v
//!          │              model::exposure              liquidation::order
//!          v                     │ nets exactly, values        ^
//!    market::scenario ──> model::unified ── row × matrix ──────┘
//! ```
//! Amounts stay integers until their token is netted; [`num::float`] is the only door to `f64`.
//! Sums run in row order of tokens, bases and groups, so the order of the positions never shows
//! and every run gives the same bits.
//!
//! ## Words
//! A *haircut* is a fraction taken from what is net owned; *collateral value* is what remains, debts
//! subtracted; a *requirement* is never negative; *excess* is collateral value minus requirement.
//!
//! ## Example
//! A wallet with one ETH; nothing is owed, so nothing is required:
//! ```
//! use xmargin_core::{Error, evaluate};
//! use xmargin_core::book::tables::{Accounts, Balances, Bases, Book, Chains, Portfolios, Tokens};
//! use xmargin_core::model::parameters::Parameters;
//! use xmargin_core::num::U256;
//!
//! # fn main() -> Result<(), Error> {
//! let parameters = Parameters::parse(r#"{
//!     "name": "example", "version": "1",
//!     "assets": {"ETH": {"class": "crypto", "shock": "0.15"}},
//!     "default_asset": {"class": "crypto", "shock": "0.5"},
//!     "scenarios": [{"moves": [
//!         {"class": "crypto", "reach": "together", "multiples": ["-1", "+1"]}]}],
//!     "loss_factors": {"maintenance": "1", "initial": "1.25"},
//!     "wrapped_depeg": {"maintenance": "0.01", "initial": "0.02"}
//! }"#)?;
//! let book = Book {
//!     chains: Chains { id: vec!["eip155:1".into()], cut_off: vec![false] },
//!     bases: Bases {
//!         asset: vec!["ETH".into()],
//!         mark: vec![2000.0], low: vec![1990.0], high: vec![2010.0],
//!         usable: vec![true], held: vec![false],
//!     },
//!     tokens: Tokens {
//!         base: vec![Some(0)], decimals: vec![Some(18)], haircut: vec![0.1], wrapped: vec![false],
//!     },
//!     portfolios: Portfolios { id: vec!["alice".into()] },
//!     accounts: Accounts {
//!         id: vec!["wallet".into()], portfolio: vec![0], chain: vec![0],
//!         venue_kind: vec!["wallet".into()],
//!     },
//!     balances: Balances {
//!         account: vec![0], token: vec![0],
//!         amount: vec![U256::from(1_000_000_000_000_000_000_u64)], debt: vec![false],
//!         looked_through: vec![false],
//!     },
//!     ..Book::default()
//! };
//! let margin = evaluate(&parameters, &book, None)?.portfolios[0].margin.expect("all prices are there");
//! assert_eq!(margin.equity, 2000.0);
//! assert_eq!(margin.collateral_value, 1990.0 * 0.9);
//! assert_eq!(margin.maintenance_excess(), margin.collateral_value);
//! assert_eq!(margin.health_factor(), None);
//! # Ok(())
//! # }
//! ```

pub mod backtest;
pub mod book;
mod error;
mod evaluation;
pub mod index;
pub mod liquidation;
pub mod market;
pub mod model;
pub mod num;
pub mod pricing;
pub mod venue;

pub use error::Error;
pub use evaluation::{Evaluation, evaluate};
