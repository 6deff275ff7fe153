//! Numbers: 256-bit fixed point exactly as the contracts compute it, and the one door to `f64`.
//!
//! Every division names its rounding in its function's documentation. Everything is checked: where
//! a contract would revert, the result is [`Error::Overflow`](crate::Error::Overflow).

pub mod fixed;
pub mod float;
pub mod signed;
pub mod special;
pub mod twofold;

pub use ruint::aliases::U256;
