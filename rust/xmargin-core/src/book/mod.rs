//! The account book: the input tables, checked once, and the positions derived from them.
//!
//! Everything is columnar. Rows refer to each other by row number; [`grouping::Grouping`] lists the
//! rows of each owner without copying them. [`columnar`] is the book of millions of accounts over
//! instruments that are priced once a scenario.

pub mod aave;
pub mod columnar;
pub mod grouping;
pub mod positions;
pub mod tables;
mod validate;
