//! The market: the joint moves that a portfolio must withstand.

pub mod scenario;
