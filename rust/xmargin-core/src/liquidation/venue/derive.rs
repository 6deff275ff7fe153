//! Derive (Lyra v2) liquidations: a Dutch auction of a share of the whole portfolio.
//!
//! Source: derivexyz/v2-core, `src/liquidation/DutchAuction.sol` (`_getDiscountPercentage`,
//! `_getMaxProportion`, `_getSolventAuctionBidPrice`, `_getInsolventAuctionBidPrice`,
//! `_getBufferMargin`). All in wads; products and quotients round towards zero. M is mark to market,
//! R cash reserved by earlier bids, MM and BM what is left of M after the maintenance margin and after
//! it with the buffer, d the share of the mark asked at this time:
//!
//! ```text
//! solvent    bid = (M - R) × d,  at most f = BM ÷ (BM - M × d - R × (1 - d)) of the portfolio
//!            d falls from start to cutoff in the fast part, from there to nothing in the slow part
//! insolvent  the security module pays from -M to -MM, growing over the auction's length
//! ```
//! At most f is taken, after which BM is zero; a bid never lowers equity ÷ requirement, as it pays
//! for what it takes no less than nothing and frees the requirement in proportion.

use super::{Legs, Proposal, Verdict};
use crate::Error;
use crate::num::U256;
use crate::num::fixed;
use crate::num::signed::{add, health_wad, mul_div_truncated, sub};

const UNIT: i128 = 1_000_000_000_000_000_000;

/// The auction's parameters (`AuctionParams`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Auction {
    /// Share of the mark asked at the start.
    pub start: i128,
    /// Share asked when the fast part ends.
    pub cutoff: i128,
    /// Seconds of the fast part.
    pub fast_s: i128,
    /// Seconds of the slow part.
    pub slow_s: i128,
    /// Seconds of an insolvent auction.
    pub insolvent_s: i128,
    /// The buffer, as a share of the maintenance requirement.
    pub buffer: i128,
}

/// An account on auction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Account {
    /// Mark to market, reserved cash included.
    pub mark: i128,
    /// Mark less maintenance requirement: negative where the account is liquidated.
    pub maintenance: i128,
    /// Cash of earlier bids, not for sale.
    pub reserved: i128,
    /// Seconds since the auction began.
    pub elapsed_s: i128,
    /// Parameters.
    pub auction: Auction,
    /// The share wished for, of the portfolio as it is; all that is allowed where absent.
    pub share: Option<i128>,
}

fn times(a: i128, b: i128) -> Result<i128, Error> {
    mul_div_truncated(a, b, UNIT)
}

impl Account {
    /// d, the share of the mark asked now.
    ///
    /// # Errors
    /// [`Error::Overflow`] where a product does not fit.
    pub fn discount(&self) -> Result<i128, Error> {
        let Auction {
            start,
            cutoff,
            fast_s,
            slow_s,
            ..
        } = self.auction;
        if self.elapsed_s < fast_s {
            let fallen = mul_div_truncated(sub(start, cutoff)?, self.elapsed_s, fast_s)?;
            return sub(start, fallen);
        }
        let slow_elapsed_s = sub(self.elapsed_s, fast_s)?;
        if slow_elapsed_s >= slow_s {
            return Ok(0);
        }
        // As the contract: cutoff × seconds loses what it has beyond whole seconds.
        let grown = mul_div_truncated(times(cutoff, slow_elapsed_s)?, UNIT, slow_s)?;
        sub(cutoff, grown)
    }

    fn requirement(&self) -> Result<i128, Error> {
        sub(self.mark, self.maintenance)
    }

    fn buffer_margin(&self) -> Result<i128, Error> {
        let missing = sub(self.maintenance, self.mark)?;
        add(self.maintenance, times(missing, self.auction.buffer)?)
    }

    /// The most of the portfolio that may be taken now.
    ///
    /// # Errors
    /// [`Error::Overflow`] where a product does not fit.
    pub fn share_max(&self) -> Result<i128, Error> {
        let (discount, buffer) = (self.discount()?, self.buffer_margin()?.min(0));
        let asked = add(
            times(self.mark, discount)?,
            times(self.reserved, sub(UNIT, discount)?)?,
        )?;
        mul_div_truncated(buffer, UNIT, sub(buffer, asked)?)
    }

    /// What the whole portfolio costs now; negative: what is paid to who takes it.
    ///
    /// # Errors
    /// [`Error::Overflow`] where a product does not fit.
    pub fn bid(&self) -> Result<i128, Error> {
        if self.mark >= 0 {
            return times(sub(self.mark, self.reserved)?, self.discount()?);
        }
        if self.elapsed_s >= self.auction.insolvent_s {
            return Ok(self.maintenance);
        }
        let fall = sub(self.maintenance, self.mark)?;
        // As the contract: cutoff × seconds loses what it has beyond whole seconds.
        let grown = mul_div_truncated(fall, self.elapsed_s, self.auction.insolvent_s)?;
        add(grown, self.mark)
    }
}

/// What taking the wished share, or all that is allowed, does.
///
/// `repaid` is the cash bid, `seized` the mark of what is taken, `cover` the share; of an insolvent
/// account the deficit is what the security module pays.
///
/// # Errors
/// [`Error::Overflow`] where an amount does not fit.
pub fn propose(account: &Account) -> Result<Proposal, Error> {
    let required = account.requirement()?;
    let health = health_wad(account.mark, required)?;
    if account.maintenance >= 0 {
        return Ok(Proposal::without_legs(Verdict::NotDue, health));
    }
    let refused = |why| Ok(Proposal::without_legs(Verdict::Refused(why), health));
    if account.mark >= 0 && account.reserved >= account.mark {
        return refused("the reserved cash is worth more than the portfolio: the auction restarts");
    }
    let bid = account.bid()?;
    if account.mark >= 0 && bid == 0 {
        return refused("the solvent auction has ended: it goes on as an insolvent one");
    }
    let most = if account.mark >= 0 {
        account.share_max()?
    } else {
        UNIT
    };
    let share = account.share.map_or(most, |share| share.min(most));
    let cash = times(bid, share)?;
    let taken = times(sub(account.mark, account.reserved)?, share)?;
    // The security module pays who takes an insolvent portfolio, not the account.
    let received = cash.max(0);
    let mark = add(sub(account.mark, taken)?, received)?;
    let rest = sub(required, times(required, share)?)?;
    let amount = |value: i128| U256::from(value.unsigned_abs());
    let is_toxic = rest > 0 && is_lower(account.mark, required, mark, rest)?;
    Ok(Proposal {
        verdict: Verdict::proposed_unless(is_toxic),
        health_before_wad: health,
        health_after_wad: health_wad(mark, rest)?,
        legs: Some(Legs {
            closes: 0,
            takes: None,
            cover: amount(share),
            repaid: amount(received),
            seized: amount(taken.max(0)),
            fee: U256::ZERO,
            deficits: Vec::from_iter((cash < 0).then(|| (0, amount(cash)))),
        }),
    })
}

/// Whether mark ÷ requirement falls by more than the amounts are rounded, in 256 bits: products of
/// wads leave 128.
fn is_lower(mark: i128, required: i128, mark_after: i128, rest: i128) -> Result<bool, Error> {
    let magnitude = |value: i128| U256::from(value.max(0).unsigned_abs());
    // Each amount is rounded by less than two units.
    let rounded = add(mark_after, 2)?;
    if mark < 0 {
        // Of an insolvent account mark and requirement shrink alike.
        return Ok(false);
    }
    let after = fixed::mul(magnitude(rounded), magnitude(required))?;
    let before = fixed::mul(magnitude(mark), magnitude(sub(rest, 2)?))?;
    Ok(after < before)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(mark: i128, maintenance: i128, elapsed_s: i128) -> Account {
        Account {
            mark: mark * UNIT,
            maintenance: maintenance * UNIT,
            reserved: 0,
            elapsed_s,
            // Upstream's `_getDefaultAuctionParams`.
            auction: Auction {
                start: UNIT * 98 / 100,
                cutoff: UNIT * 8 / 10,
                fast_s: 100,
                slow_s: 14_400,
                insolvent_s: 600,
                buffer: UNIT / 5,
            },
            share: None,
        }
    }

    #[test]
    fn the_discount_falls_fast_and_then_slowly_to_nothing() -> Result<(), Error> {
        let at = |seconds| account(100, -10, seconds).discount();
        assert_eq!(at(0)?, UNIT * 98 / 100);
        assert_eq!(at(50)?, UNIT * 89 / 100);
        assert_eq!(at(100)?, UNIT * 8 / 10);
        assert_eq!(at(100 + 7_200)?, UNIT * 4 / 10);
        assert_eq!(at(100 + 14_400)?, 0);
        Ok(())
    }

    #[test]
    fn the_largest_share_brings_the_buffer_margin_to_zero() -> Result<(), Error> {
        // Mark 100, requirement 150, with buffer 180: BM = -80, f = 80 ÷ (80 + 98).
        let auctioned = account(100, -50, 0);
        assert_eq!(auctioned.share_max()?, 80 * UNIT * 100 / 17_800);
        let share = auctioned.share_max()?;
        let (mark, required) = (auctioned.mark, 150 * UNIT);
        let left = mark - times(mark, share)? + times(auctioned.bid()?, share)?;
        let buffered = times(required, UNIT * 12 / 10)?;
        assert!((left - (buffered - times(buffered, share)?)).abs() <= 200);
        Ok(())
    }

    #[test]
    fn the_security_module_pays_more_as_time_goes() -> Result<(), Error> {
        assert_eq!(account(-100, -400, 0).bid()?, -100 * UNIT);
        assert_eq!(account(-100, -400, 300).bid()?, -250 * UNIT);
        assert_eq!(account(-100, -400, 600).bid()?, -400 * UNIT);
        Ok(())
    }
}
