//! Historical simulation: what today's holdings would have lost on each day that was.
//!
//! ```text
//! returns ──filter──> scenarios ──holdings──> P&L a scenario ──tail──> VaR, ES
//! ```
//! **Filtered** (Barone-Adesi, Giannopoulos & Vosper 1999; Hull & White 1998): each factor's return
//! of a day is divided by the volatility that was forecast for that day and multiplied by the one
//! forecast for tomorrow. All factors of a day stay together, so their dependence is history's own.
//!
//! **Stressed**: the same holdings over the worst window of the sample, or a given one, unfiltered.
//!
//! **Floor**: the unfiltered whole sample, so that calm markets do not lower margins without end.
//!
//! The last two are the anti-procyclicality measures of Regulation (EU) 153/2013, article 28(1)(b)
//! and (c). The margin is `max(0, (1−w)·ES + w·ES_stressed, φ·ES_whole)`: each term is subadditive
//! and homogeneous, and so is their maximum.

mod filter;
mod garch;
mod margin;
pub mod parameters;
mod returns;
mod rolling;
mod scenarios;
pub mod tail;
mod tail_moves;

pub use filter::Conditional;
pub use garch::{Garch, fit as fit_garch};
pub use margin::{Binding, Component, Holdings, Margin, Revalued, TailDay, margin};
pub use returns::{ReturnRows, Returns};
pub use rolling::{Forecast, forecasts};
pub use scenarios::Scenarios;
pub use tail_moves::{TailBuffers, TailMoves, tail_moves};
