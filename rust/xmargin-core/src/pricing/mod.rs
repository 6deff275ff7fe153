//! Option prices: Black-76 with discounting, its greeks and its inverse.
//!
//! [`black76`] is the scalar form, held to 50-digit values; [`batch`] prices columns of them.
//!
//! Exponentials and logarithms come from `libm`, not from the platform: the same bits everywhere.

pub mod batch;
pub mod black76;
pub mod implied;
pub mod normal;

pub use black76::{Greeks, OptionKind, OptionTerms, greeks, value};
pub use implied::{implied_stdev, implied_vol};
