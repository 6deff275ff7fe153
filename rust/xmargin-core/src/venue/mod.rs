//! Venue truth: each protocol's own rules, reproduced to the last unit. One file a protocol.

pub mod aave_v3;
