//! Margin models: parameter files over a few mechanisms.

mod document;
pub mod exposure;
pub mod parameters;
pub mod unified;
