//! The venues' own liquidation rules, each a small pure module, exact where the venue is integer.
//!
//! Every rule answers with a [`Proposal`]: what would be repaid and seized, health before and after
//! it, and whether it should be done at all.

pub mod aave_v3;
pub mod aave_v4;
pub mod derive;
mod document;
pub mod drift;
pub mod dydx_v4;
pub mod euler;
mod perp_documents;

pub use document::{absorb_loss, propose_liquidation};

use crate::num::U256;

/// Whether to liquidate, by a venue's own rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The venue would not liquidate the account.
    NotDue,
    /// It would, and the account is healthier afterwards.
    Proposed,
    /// It would, but every liquidation lowers the account's health: not proposed as it is.
    Toxic,
    /// The account is due, but the venue lets nothing be done, for the reason given.
    Refused(&'static str),
}

impl Verdict {
    pub(crate) fn proposed_unless(is_toxic: bool) -> Self {
        if is_toxic {
            Self::Toxic
        } else {
            Self::Proposed
        }
    }
}

/// What a liquidation moves, in the venue's own units.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Legs {
    /// The debt or position closed, by its number in the account.
    pub closes: usize,
    /// The collateral seized, by its number in the account; `None` where it is the venue's cash.
    pub takes: Option<usize>,
    /// The amount to ask the venue for, which moves the amounts below; all that is allowed: 2^256 - 1.
    pub cover: U256,
    /// How much of the debt is repaid, or of the position closed.
    pub repaid: U256,
    /// What the liquidator receives.
    pub seized: U256,
    /// What the venue or its insurance fund receives.
    pub fee: U256,
    /// Debts written off, by their numbers in the account: nothing is left to pay them.
    pub deficits: Vec<(usize, U256)>,
}

/// The answer of every rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// Whether to liquidate.
    pub verdict: Verdict,
    /// Health before, by the venue's own measure; `None` where nothing is required.
    pub health_before_wad: Option<U256>,
    /// Health afterwards; without legs, as before.
    pub health_after_wad: Option<U256>,
    /// What is moved; the least harmful where the verdict is [`Verdict::Toxic`].
    pub legs: Option<Legs>,
}

impl Proposal {
    pub(crate) fn without_legs(verdict: Verdict, health_wad: Option<U256>) -> Self {
        Self {
            verdict,
            health_before_wad: health_wad,
            health_after_wad: health_wad,
            legs: None,
        }
    }
}
