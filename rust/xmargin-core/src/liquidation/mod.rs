//! Liquidation: whom first, which legs, and whether it helps at all.

pub mod cascade;
pub mod fleet;
pub mod leg_plan;
pub mod order;
pub mod toxicity;
pub mod venue;
pub mod waterfall;
