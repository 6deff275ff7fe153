//! The widest boxes and the nearest changes of status that the bounds prove.

use super::bounds::{Range, status, sure};
use super::{Account, VenueStatus};
use crate::num::U256;

/// Widths of boxes are multiples of this share of a price: 2⁻²⁴.
const WIDTH_BITS: u32 = 24;
/// Where a move does no harm a box reaches up to this many doublings.
const HARMLESS_BITS: u32 = 10;
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

/// A box around the prices in which the account's status is sure; without width where none is.
pub(super) fn sides(account: &Account, prices: &[U256]) -> Vec<(u32, Range)> {
    let roles = roles(account);
    let of_width = |bits: u32| {
        let with = |share: u32| boxed(account.status, &roles, prices, share, bits);
        let holds = |share: u32| is_sure(account, &with(share));
        if !holds(0) {
            return None;
        }
        let (mut sure, mut unsure) = (0, (1 << WIDTH_BITS) + 1);
        while unsure - sure > 1 {
            let middle = u32::midpoint(sure, unsure);
            if holds(middle) {
                sure = middle;
            } else {
                unsure = middle;
            }
        }
        Some(with(sure))
    };
    let point = || {
        let here = |role: &Role| (role.price, point_at(prices[role.price as usize]));
        roles.iter().map(here).collect()
    };
    of_width(HARMLESS_BITS)
        .or_else(|| of_width(0))
        .unwrap_or_else(point)
}

/// Below and above the price, the nearest at which the status is another one.
pub(super) fn changes(account: &Account, prices: &[U256], number: u32) -> [Change; 2] {
    let price = prices[number as usize];
    let below = price.checked_sub(U256::ONE).map(|high| Range {
        low: U256::ZERO,
        high,
    });
    let above = Range {
        low: price + U256::ONE,
        high: price.max(U256::ONE) << ABOVE_BITS,
    };
    let search = |range, is_downward| nearest(account, prices, number, range, is_downward);
    [
        below.map_or(Change::Never, |range| search(range, true)),
        search(above, false),
    ]
}

/// Halves ranges, the nearer half first, until one holds another status for sure.
fn nearest(
    account: &Account,
    prices: &[U256],
    number: u32,
    range: Range,
    is_downward: bool,
) -> Change {
    let emode = account.emode.as_ref();
    let mut farther = vec![range];
    let mut ranges = 0;
    while let Some(range) = farther.pop() {
        ranges += 1;
        let of = |other: u32| {
            if other == number {
                range
            } else {
                point_at(prices[other as usize])
            }
        };
        let found = if range.low == range.high {
            Some(status(&account.positions, emode, |other| of(other).low).0)
        } else {
            sure(&account.positions, emode, of)
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

/// What a price is to an account.
struct Role {
    price: u32,
    is_collateral: bool,
    is_debt: bool,
}

fn roles(account: &Account) -> Vec<Role> {
    let mut roles: Vec<Role> = Vec::new();
    for position in &account.positions {
        let reserve = &position.reserve;
        let is_collateral = reserve.as_collateral && reserve.risk.liquidation_threshold_bps != 0;
        match roles.iter_mut().find(|role| role.price == position.price) {
            Some(role) => {
                role.is_collateral |= is_collateral;
                role.is_debt |= reserve.borrowing;
            }
            None => roles.push(Role {
                price: position.price,
                is_collateral,
                is_debt: reserve.borrowing,
            }),
        }
    }
    roles
}

/// Prices that reach `share` of 2²⁴ where moves do harm, and `bits` doublings where they do not.
fn boxed(
    status: VenueStatus,
    roles: &[Role],
    prices: &[U256],
    share: u32,
    bits: u32,
) -> Vec<(u32, Range)> {
    let reach = |role: &Role| {
        let price = prices[role.price as usize];
        let width: U256 = (price * U256::from(share)) >> WIDTH_BITS;
        let (falls_harm, rises_harm) = match status {
            VenueStatus::Liquidatable => (role.is_debt, role.is_collateral),
            VenueStatus::Safe | VenueStatus::Reverts => (role.is_collateral, role.is_debt),
        };
        let is_wide = bits > 0;
        let range = Range {
            low: if falls_harm || !is_wide {
                price - width
            } else {
                U256::ZERO
            },
            high: if rises_harm || !is_wide {
                price + width
            } else {
                price << bits
            },
        };
        (role.price, range)
    };
    roles.iter().map(reach).collect()
}

fn is_sure(account: &Account, sides: &[(u32, Range)]) -> bool {
    let range = |number: u32| {
        let side = sides.iter().find(|side| side.0 == number);
        side.map_or(point_at(U256::ZERO), |side| side.1)
    };
    sure(&account.positions, account.emode.as_ref(), range) == Some(account.status)
}

fn point_at(price: U256) -> Range {
    Range {
        low: price,
        high: price,
    }
}
