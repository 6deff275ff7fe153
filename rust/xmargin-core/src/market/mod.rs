//! The market: what is held and at which prices, vol surfaces, and the joint moves to withstand.

pub mod chain_arbitrage;
pub mod instrument;
pub mod no_arbitrage;
pub mod scenario;
pub mod smile;
pub mod surface;
pub mod svi;
pub mod svi_fit;
pub mod vol_rule;
