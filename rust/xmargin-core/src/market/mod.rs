//! The market: the joint moves that a portfolio must withstand, and the vol surfaces of its options.

pub mod no_arbitrage;
pub mod scenario;
pub mod surface;
pub mod svi;
pub mod svi_fit;
