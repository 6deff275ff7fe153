//! Who bears a loss that an account cannot: the insurance fund, then counterparties by
//! auto-deleveraging, then all by their shares.
//!
//! 1. *Insurance fund*: pays the deficit as far as it goes.
//! 2. *Auto-deleveraging*, if it does not go far enough: each bankrupt position is closed at its
//!    bankruptcy price against positions of the other side *in the same instrument*, in the given
//!    priority (equal ones by account number). At that price nothing more is lost by the account.
//! 3. *Social loss*: what is left is borne in proportion to `weights`, rounded down, the units left
//!    over by the first accounts that bear any. The parts add up to the loss exactly.
//!
//! Source: dydxprotocol/v4-chain, `x/clob/keeper/deleveraging.go` (fund first, then offsetting
//! positions of the other side at the bankruptcy price); Derive's `DutchAuction._bidOnInsolventAuction`
//! (security module first, then `cash.socializeLoss`).

use crate::Error;
use crate::num::U256;
use crate::num::fixed::{add, mul_div_floor, sub};

/// A position in an instrument; the bankrupt account's, or one it may be closed against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Number of the instrument.
    pub instrument: usize,
    /// Number of the account.
    pub account: usize,
    /// Long, or short.
    pub is_long: bool,
    /// Its size.
    pub size: U256,
    /// Higher is deleveraged first.
    pub priority: U256,
}

/// A part of a bankrupt position closed against another account's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offset {
    /// Row of the bankrupt position.
    pub bankrupt: usize,
    /// Row of the counterparty's position.
    pub counterparty: usize,
    /// Size closed on both sides.
    pub size: U256,
}

/// A loss and who may bear it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss {
    /// What the bankrupt account cannot pay.
    pub deficit: U256,
    /// What the insurance fund has.
    pub fund: U256,
    /// The bankrupt account's positions; each bears its `share` of the deficit once closed.
    pub bankrupt: Vec<Position>,
    /// Of the deficit, by row of `bankrupt`: what closing it whole at its bankruptcy price moves to
    /// its counterparties.
    pub shares: Vec<U256>,
    /// Positions it may be closed against.
    pub counterparties: Vec<Position>,
    /// What each account has at stake in the social loss, by account number.
    pub weights: Vec<U256>,
}

/// Who bears what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Absorbed {
    /// Paid by the insurance fund.
    pub by_fund: U256,
    /// Positions closed against each other.
    pub offsets: Vec<Offset>,
    /// Borne by the counterparties of `offsets`, through the price.
    pub by_price: U256,
    /// Borne by each account, by its number.
    pub by_weight: Vec<U256>,
    /// Borne by nobody: there was no weight.
    pub unborne: U256,
}

/// Fund, then deleveraging, then social loss.
///
/// # Errors
/// [`Error::Input`] where `shares` are not one a bankrupt position, or exceed the deficit;
/// [`Error::Overflow`] where amounts leave 256 bits.
pub fn absorb(loss: &Loss) -> Result<Absorbed, Error> {
    check(loss)?;
    let by_fund = loss.deficit.min(loss.fund);
    let left = loss.deficit - by_fund;
    let mut absorbed = Absorbed {
        by_fund,
        offsets: Vec::new(),
        by_price: U256::ZERO,
        by_weight: vec![U256::ZERO; loss.weights.len()],
        unborne: U256::ZERO,
    };
    if left.is_zero() {
        return Ok(absorbed);
    }
    absorbed.offsets = deleveraged(&loss.bankrupt, &loss.counterparties)?;
    for (row, position) in loss.bankrupt.iter().enumerate() {
        let closed = closed_of(&absorbed.offsets, row)?;
        if !position.size.is_zero() {
            let moved = mul_div_floor(loss.shares[row], closed, position.size)?;
            absorbed.by_price = add(absorbed.by_price, moved)?;
        }
    }
    // The fund has paid for the first part of the deficit.
    absorbed.by_price = absorbed.by_price.min(left);
    let social = left - absorbed.by_price;
    absorbed.by_weight = shared(social, &loss.weights)?;
    let mut borne = U256::ZERO;
    for &part in &absorbed.by_weight {
        borne = add(borne, part)?;
    }
    absorbed.unborne = sub(social, borne)?;
    Ok(absorbed)
}

fn check(loss: &Loss) -> Result<(), Error> {
    let refuse = |problem: String| {
        Err(Error::Input {
            table: "loss",
            column: "shares",
            row: None,
            problem,
        })
    };
    if loss.shares.len() != loss.bankrupt.len() {
        let (shares, positions) = (loss.shares.len(), loss.bankrupt.len());
        return refuse(format!("{shares} shares of {positions} bankrupt positions"));
    }
    let mut sum = U256::ZERO;
    for &share in &loss.shares {
        sum = add(sum, share)?;
    }
    if sum > loss.deficit {
        return refuse(format!("{sum} together are more than the deficit"));
    }
    Ok(())
}

fn closed_of(matches: &[Offset], bankrupt: usize) -> Result<U256, Error> {
    matches
        .iter()
        .filter(|one| one.bankrupt == bankrupt)
        .try_fold(U256::ZERO, |sum, one| add(sum, one.size))
}

/// Closes each bankrupt position against the other side of its instrument, highest priority first,
/// equal ones by account and row.
///
/// # Errors
/// None: sizes only fall.
pub fn deleveraged(
    bankrupt: &[Position],
    counterparties: &[Position],
) -> Result<Vec<Offset>, Error> {
    let mut order: Vec<usize> = (0..counterparties.len()).collect();
    order.sort_by_key(|&row| {
        let position = &counterparties[row];
        (std::cmp::Reverse(position.priority), position.account, row)
    });
    let mut left: Vec<U256> = counterparties.iter().map(|one| one.size).collect();
    let mut matches = Vec::new();
    for (row, position) in bankrupt.iter().enumerate() {
        let mut open = position.size;
        for &counterparty in &order {
            let other = &counterparties[counterparty];
            let offsets =
                other.instrument == position.instrument && other.is_long != position.is_long;
            let size = open.min(left[counterparty]);
            if !offsets || size.is_zero() {
                continue;
            }
            open = sub(open, size)?;
            left[counterparty] = sub(left[counterparty], size)?;
            matches.push(Offset {
                bankrupt: row,
                counterparty,
                size,
            });
        }
    }
    Ok(matches)
}

/// A loss in proportion to weights: each part rounded down, then one unit more for the first ones
/// with a weight until the parts add up. All zero where there is no weight.
///
/// # Errors
/// [`Error::Overflow`] where a product leaves 256 bits.
pub fn shared(loss: U256, weights: &[U256]) -> Result<Vec<U256>, Error> {
    let whole = weights
        .iter()
        .try_fold(U256::ZERO, |sum, &one| add(sum, one))?;
    if whole.is_zero() {
        return Ok(vec![U256::ZERO; weights.len()]);
    }
    let mut parts = Vec::with_capacity(weights.len());
    let mut left = loss;
    for &weight in weights {
        let part = mul_div_floor(loss, weight, whole)?;
        left = sub(left, part)?;
        parts.push(part);
    }
    // Less than one unit a weight was dropped, so one pass gives all of it back.
    for (part, _) in parts.iter_mut().zip(weights).filter(|(_, w)| !w.is_zero()) {
        if left.is_zero() {
            break;
        }
        *part = add(*part, U256::ONE)?;
        left = sub(left, U256::ONE)?;
    }
    Ok(parts)
}
