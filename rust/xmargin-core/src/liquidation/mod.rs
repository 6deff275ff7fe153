//! Liquidation: whom first.

pub mod order;
