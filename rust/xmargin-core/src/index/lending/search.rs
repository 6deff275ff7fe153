//! Wide boxes and the nearest changes of status that the bounds prove.

use super::bounds::{Range, health, sure};
use super::position::{Level, Role, roles};
use super::{Account, VenueStatus};
use crate::num::U256;

/// Widths of boxes are multiples of this share of a level: 2⁻²⁴.
const WIDTH_BITS: u32 = 24;
/// The whole level.
pub(super) const SHARE_MAX: u32 = 1 << WIDTH_BITS;
/// After its first binary digit a width is found to so many more.
const FINER_BITS: u32 = 4;
/// Where a move does no harm a box reaches up to this many doublings.
const HARMLESS_BITS: u32 = 10;
/// An index gets this share of a price's width where it rises: 2⁻⁴. It creeps by about 10⁻⁸ a block
/// where prices jump by 10⁻⁴ (`docs/health-index.md` has the best share).
const INDEX_RISES_BITS: u32 = 4;
/// And this where it falls, 2⁻¹⁰: only a reorg takes it back, by a few blocks.
const INDEX_FALLS_BITS: u32 = 10;
/// So many doublings above the price a change is looked for.
const ABOVE_BITS: u32 = 20;
/// So many ranges are looked into before a search says only where it is.
const RANGES_MAX: usize = 100_000;

/// Where a status changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// First at this price.
    At(U256),
    /// Nowhere down to zero, or up to 2²⁰ times the price.
    Never,
    /// Not before this range, in which too many roundings lie to try them all.
    Within(U256, U256),
}

/// A box around the levels, and the share that its widths are of them.
pub(super) type Sides = (u32, Box<[(u32, Range)]>);

/// A box in which the account's status is sure; without width where none is.
pub(super) fn sides(account: &Account, levels: &[Level]) -> Sides {
    let roles = roles(account.release, &account.positions);
    let point = || {
        let here = roles
            .iter()
            .map(|role| (role.level, here(role.level, levels)));
        (account.share, here.collect())
    };
    if account.status == VenueStatus::Reverts {
        return point();
    }
    let of_reach = |bits| widest(account, &roles, levels, bits);
    of_reach(HARMLESS_BITS)
        .filter(|&(share, _)| share > 0)
        .or_else(|| of_reach(0))
        .unwrap_or_else(point)
}

/// The widest box to a few binary digits, each step a larger one that holds.
fn widest(account: &Account, roles: &[Role], levels: &[Level], bits: u32) -> Option<Sides> {
    let with = |share: u32| boxed(account.status, roles, levels, share, bits);
    let holds = |share: u32| is_sure(account, &with(share));
    let near = 1 << account.share.max(1).ilog2();
    let first = first_digit(near, holds)?;
    let mut share = first;
    if first < SHARE_MAX {
        for digit in 1..=FINER_BITS {
            let wider = share + (first >> digit);
            if holds(wider) {
                share = wider;
            }
        }
    }
    Some((share, with(share)))
}

/// The largest power of two that holds, or zero, from one that may be near.
fn first_digit(near: u32, holds: impl Fn(u32) -> bool) -> Option<u32> {
    let mut share = near;
    if holds(share) {
        while share < SHARE_MAX && holds(share << 1) {
            share <<= 1;
        }
        return Some(share);
    }
    if !holds(0) {
        return None;
    }
    while share > 0 && !holds(share) {
        share >>= 1;
    }
    Some(share)
}

/// Below and above the level, the nearest at which the status is another one.
pub(super) fn changes(
    account: &Account,
    levels: &[Level],
    number: u32,
    level: U256,
) -> [Change; 2] {
    let below = level.checked_sub(U256::ONE).map(|high| Range {
        low: U256::ZERO,
        high,
    });
    let above = level.checked_add(U256::ONE).map(|low| Range {
        low,
        high: doubled(level.max(U256::ONE), ABOVE_BITS),
    });
    let search = |range, is_downward| nearest(account, levels, number, range, is_downward);
    [
        below.map_or(Change::Never, |range| search(range, true)),
        above.map_or(Change::Never, |range| search(range, false)),
    ]
}

/// Halves ranges, the nearer half first, until one holds another status for sure.
fn nearest(
    account: &Account,
    levels: &[Level],
    number: u32,
    range: Range,
    is_downward: bool,
) -> Change {
    let mut farther = vec![range];
    let mut ranges = 0;
    while let Some(range) = farther.pop() {
        ranges += 1;
        let of = |other: u32| {
            if other == number {
                Some(range)
            } else {
                levels[other as usize].map(Range::point)
            }
        };
        let found = if range.low == range.high {
            let at = |other: u32| of(other).map(|range| range.low);
            Some(health(account, at).status)
        } else {
            sure(account, of)
        };
        let middle: U256 = range.low + ((range.high - range.low) >> 1_u32);
        match found {
            Some(status) if status == account.status => {}
            Some(_) if is_downward => return Change::At(range.high),
            Some(_) => return Change::At(range.low),
            None if ranges > RANGES_MAX => return Change::Within(range.low, range.high),
            None => {
                let halves = [
                    Range {
                        low: range.low,
                        high: middle,
                    },
                    Range {
                        low: middle + U256::ONE,
                        high: range.high,
                    },
                ];
                let [low, high] = halves;
                farther.extend(if is_downward {
                    [low, high]
                } else {
                    [high, low]
                });
            }
        }
    }
    Change::Never
}

/// Levels that reach `share` of 2²⁴ where moves do harm, and `bits` doublings where they do not.
fn boxed(
    status: VenueStatus,
    roles: &[Role],
    levels: &[Level],
    share: u32,
    bits: u32,
) -> Box<[(u32, Range)]> {
    let reach = |role: &Role| {
        let here = here(role.level, levels).low;
        let (falls_bits, rises_bits) = if role.is_index {
            (INDEX_FALLS_BITS, INDEX_RISES_BITS)
        } else {
            (0, 0)
        };
        let (falls_harm, rises_harm) = match status {
            VenueStatus::Liquidatable => (role.is_debt, role.is_collateral),
            VenueStatus::Safe | VenueStatus::Reverts => (role.is_collateral, role.is_debt),
        };
        let is_wide = bits > 0;
        let range = Range {
            low: if falls_harm || !is_wide {
                here - (part(here, share) >> falls_bits)
            } else {
                U256::ZERO
            },
            high: if rises_harm || !is_wide {
                here.saturating_add(part(here, share) >> rises_bits)
            } else {
                doubled(here, bits)
            },
        };
        (role.level, range)
    };
    roles.iter().map(reach).collect()
}

fn is_sure(account: &Account, sides: &[(u32, Range)]) -> bool {
    let range = |number: u32| {
        let side = sides.iter().find(|side| side.0 == number);
        Some(side.map_or(Range::point(U256::ZERO), |side| side.1))
    };
    sure(account, range) == Some(account.status)
}

/// A level that there is not stands at zero: an account that counts with it is evaluated whenever it
/// comes back.
fn here(number: u32, levels: &[Level]) -> Range {
    Range::point(levels[number as usize].unwrap_or_default())
}

/// `share` of 2²⁴ of the level, rounded down.
fn part(level: U256, share: u32) -> U256 {
    let whole = (level >> WIDTH_BITS) * U256::from(share);
    let rest: U256 = level & U256::from((1_u32 << WIDTH_BITS) - 1);
    whole + ((rest * U256::from(share)) >> WIDTH_BITS)
}

/// The level doubled so many times, or the largest there is.
fn doubled(level: U256, times: u32) -> U256 {
    level.checked_shl(times as usize).unwrap_or(U256::MAX)
}
