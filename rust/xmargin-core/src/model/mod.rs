//! Margin models: parameter files over a few mechanisms.

pub mod confidence;
pub mod contingency;
pub(crate) mod document;
pub mod exposure;
pub mod grid;
pub mod historical;
pub mod parameters;
pub mod parametric;
pub mod scenario_rules;
mod strict_json;
pub mod unified;
