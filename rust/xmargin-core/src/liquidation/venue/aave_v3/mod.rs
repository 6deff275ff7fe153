//! Aave v3 liquidations, to the last unit: what `Pool.liquidationCall` moves, and which to propose.
//!
//! Source: Aave v3 core 1.19.3 (release 3.0.2; its rules stayed until 3.2) and aave-v3-origin 3.6.0,
//! `LiquidationLogic.executeLiquidationCall`. With d the debt repaid, β the bonus, φ the protocol's
//! share of it and P the prices:
//!
//! ```text
//! seized in all  S = d × P_debt ÷ P_collateral × (1 + β)
//! the protocol's F = φ × (S - S ÷ (1 + β));  the liquidator's: S - F
//! ```
//! where S is more than there is, S is all there is and d what pays for it.
//!
//! Since 3.3, positions below 2,000 USD can be closed whole, no dust may be left, and what no
//! collateral is left for is written off as the reserve's deficit. Balances are rounded half up
//! until 3.4, and in favour of the pool since 3.5.

mod account;
mod call;
mod propose;

pub use crate::venue::aave_v3::Release;
pub use account::{Account, Reserve, Standing};
pub use call::{Call, Liquidation, Refused, liquidation_call};
pub use propose::{propose, propose_call};
