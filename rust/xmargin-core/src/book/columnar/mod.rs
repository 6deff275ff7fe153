//! Millions of accounts over instruments that are priced once a scenario.
//!
//! 1. [`Listing`]: an instrument is a multiple of a *row*. Spot and perps of one factor share its row,
//!    an option has its own.
//! 2. [`AccountBook`]: accounts as compressed sparse rows, netted to one quantity a row and sorted by
//!    it when they are loaded.
//! 3. [`ScenarioMatrix`]: each row's mark and its P&L in each scenario; [`OptionGrid`] makes one of
//!    Black-76 chains at every tick.
//! 4. [`evaluate_into`] multiplies the two. With quantities q, marks m, P&L π, cash c and loss factor f,
//!
//! ```text
//! PnL_s  = Σ_r q_r π_{r,s}           worst  = min_s PnL_s     (the lowest s on a tie)
//! margin = f · max(0, −worst)        excess = c + Σ_r q_r m_r − margin
//! ```
//! 5. [`breaches`] selects the accounts of negative excess and orders those; [`screen`] finds the same
//!    list, to the bit, from a pass in `f32` whose error is bounded.
//!
//! A perp is a multiple of its factor like spot, its entry cost a debt in the account's cash: value
//! and P&L of both are then one product. All sums go by ascending row, an account at a time: the bits
//! do not depend on the number of threads, nor on the order in which positions came.

#![expect(
    clippy::inline_always,
    reason = "code is compiled for an instruction set only where it is inlined into its entry point"
)]

mod accounts;
mod evaluate;
mod grid;
mod kernel;
mod matrix;
mod order;
mod packing;
mod screen;
mod workers;
#[cfg(target_arch = "x86_64")]
mod x86;

pub use accounts::{AccountBook, AccountColumns, Listing};
pub use evaluate::{AccountMargin, LOSS_FACTOR_RANGE, Results, evaluate_account, evaluate_into};
pub(crate) use evaluate::{OneByOne, margin_of};
pub(crate) use grid::SCALE_MIN;
pub use grid::{ChainTerms, GridScenarios, OptionGrid, OptionRow};
pub use matrix::ScenarioMatrix;
pub use order::{Breach, breaches};
pub use screen::{Screened, screen};
pub use workers::Workers;

/// Quantities, multiples, marks, P&L and cash are at most this, either sign.
///
/// With at most [`ROWS_MAX`] rows no sum of products leaves the range of `f32`.
pub const MAGNITUDE_MAX: f64 = 1e15;
/// The most rows of a listing.
pub const ROWS_MAX: usize = 1_000_000;
/// The most scenarios of a matrix.
pub const SCENARIOS_MAX: usize = 4_096;

pub(crate) fn is_moderate(value: f64) -> bool {
    // A NaN compares false.
    value.abs() <= MAGNITUDE_MAX
}
