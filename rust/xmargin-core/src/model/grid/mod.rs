//! The scenario mechanism: one engine, of which margin models are parameter files.
//!
//! ```text
//! excess      = equity − requirement
//! requirement = loss factor × worst loss + contingencies
//! worst loss  = −min(0, min_s P&L_s, basis P&L)
//! ```
//!
//! A scenario moves spot prices and vols together ([`ScenarioGrid`](crate::market::scenario)).
//! [`prices`] values each instrument once per scenario; a portfolio's P&L is then a sparse row times
//! that matrix, options summed by expiry first because discounts and losses count by expiry
//! ([`pnl`]). [`charges`] are the contingencies, and [`margin`] puts the three together and says
//! what each position contributes; [`arbitrage`] tells where the prices leave a free lunch. Every
//! rule is data ([`parameters`]); what a file leaves out does not apply. No model's name is known here.
//!
//! Source of each rule: `docs/margin.md`, chapter *Scenario mechanism*.

pub mod arbitrage;
pub mod charges;
pub mod margin;
pub mod parameters;
pub mod pnl;
pub mod prices;

pub use arbitrage::Arbitrage;
pub use margin::{Contribution, GridMargin, GridModel, Requirement, Worst};
pub use parameters::GridParameters;
