//! Liquidation: whom first, which legs, and whether it helps at all.

pub mod cascade;
pub mod expectation;
pub mod fleet;
pub mod leg_plan;
pub mod order;
mod ragged;
pub mod toxicity;
pub mod venue;
pub mod waterfall;
