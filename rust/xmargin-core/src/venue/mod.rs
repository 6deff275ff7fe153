//! Venue truth: each protocol's own rules, reproduced to the last unit. One file a protocol.

pub mod aave_v3;
mod document;
pub mod drift_v2;
pub mod kamino;
pub mod marginfi_v2;
pub mod morpho_blue;
pub mod perp_v2;
mod sum;
pub mod uniswap_v3;

pub use document::venue_margin;
pub use sum::Sum;
