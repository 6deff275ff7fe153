//! Uniswap v3: what a swap gives, tick by tick, to the last unit.
//!
//! Source: Uniswap/v3-core 1.0.1, `UniswapV3Pool.sol` (`swap`), `TickBitmap.sol`. A swap goes from one
//! initialised tick to the next, but never further than the end of a word of 256 ticks in one step,
//! for the contract looks no further, and each step rounds.
//!
//! ```text
//! price       token 1 of one token 0 = (√P ÷ 2⁹⁶)²; selling token 0 lowers it
//! in a step   Δ token 0 = L (1/√P' - 1/√P),  Δ token 1 = L (√P' - √P); in rounded up, out down
//! at a tick   L changes by the tick's net liquidity
//! ```

mod amounts;
mod document;
mod ticks;

pub use amounts::Left;
pub(in crate::venue) use amounts::{amount0, amount1, mul_div};
pub use document::pool_swaps;
pub use ticks::{SQRT_RATIO_MAX, SQRT_RATIO_MIN, TICK_MAX, TICK_MIN, sqrt_ratio_at, tick_at};

use crate::Error;
use crate::num::U256;
use amounts::step;

/// A pool at a block, with the ticks of a window around its price.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pool {
    /// √(token 1 of one token 0) × 2⁹⁶.
    pub sqrt_price: U256,
    /// Of the price; one lower where the price has just come down to a tick.
    pub tick: i32,
    /// In range at the price.
    pub liquidity: u128,
    /// Of what comes in, in millionths.
    pub fee_millionths: u32,
    /// Liquidity begins and ends at multiples of it.
    pub tick_spacing: i32,
    /// Initialised ticks and their net liquidity, rising.
    pub ticks: Vec<(i32, i128)>,
    /// All initialised ticks from the first to the second are in `ticks`.
    pub window: (i32, i32),
}

/// An order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order {
    /// Whether token 0 is sold for token 1.
    pub zero_for_one: bool,
    /// How much.
    pub left: Left,
    /// The swap ends where the price has come so far; `None`: at no price.
    pub sqrt_price_limit: Option<U256>,
}

/// What an order did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Swap {
    /// Paid, with fees.
    pub amount_in: U256,
    /// Received.
    pub amount_out: U256,
    /// The price after it.
    pub sqrt_price: U256,
    /// Initialised ticks that were crossed.
    pub ticks_crossed: u32,
    /// Whether the order was filled before the limit was reached.
    pub is_filled: bool,
}

impl Pool {
    /// What the contract would do with an order.
    ///
    /// # Errors
    /// [`Error::Refused`] where the contract would revert, or the swap leaves the window that was read;
    /// [`Error::Overflow`] where the contract would overflow.
    pub fn swap(&self, order: &Order) -> Result<Swap, Error> {
        let limit = self.limit(order)?;
        let mut at = Place {
            sqrt_price: self.sqrt_price,
            tick: self.tick,
            liquidity: self.liquidity,
        };
        let mut left = order.left;
        let mut done = Swap {
            amount_in: U256::ZERO,
            amount_out: U256::ZERO,
            sqrt_price: self.sqrt_price,
            ticks_crossed: 0,
            is_filled: false,
        };
        while !is_nothing(left) && at.sqrt_price != limit {
            let next = self.next_tick(at.tick, order.zero_for_one)?;
            let next_price = sqrt_ratio_at(next.tick)?;
            let target = if order.zero_for_one {
                next_price.max(limit)
            } else {
                next_price.min(limit)
            };
            let one = step(
                at.sqrt_price,
                target,
                at.liquidity,
                left,
                self.fee_millionths,
            )?;
            let paid = sum(one.amount_in, one.fee)?;
            done.amount_in = sum(done.amount_in, paid)?;
            done.amount_out = sum(done.amount_out, one.amount_out)?;
            left = remaining(left, paid, one.amount_out)?;
            if one.price == next_price {
                done.ticks_crossed += u32::from(next.liquidity_net.is_some());
                at = at.beyond(&next, next_price, order.zero_for_one)?;
            } else if one.price != at.sqrt_price {
                at.sqrt_price = one.price;
                at.tick = tick_at(one.price)?;
            }
        }
        done.sqrt_price = at.sqrt_price;
        done.is_filled = is_nothing(left);
        Ok(done)
    }

    fn limit(&self, order: &Order) -> Result<U256, Error> {
        let (furthest, is_ahead): (U256, fn(U256, U256) -> bool) = if order.zero_for_one {
            (SQRT_RATIO_MIN + U256::ONE, |limit, price| limit < price)
        } else {
            (SQRT_RATIO_MAX - U256::ONE, |limit, price| limit > price)
        };
        let limit = order.sqrt_price_limit.unwrap_or(furthest);
        let is_reachable = is_ahead(limit, self.sqrt_price)
            && (SQRT_RATIO_MIN + U256::ONE..SQRT_RATIO_MAX).contains(&limit);
        if is_reachable {
            Ok(limit)
        } else {
            Err(Error::refused("the price limit lies behind the price"))
        }
    }

    /// `nextInitializedTickWithinOneWord`, with the tick's net liquidity where it is initialised.
    fn next_tick(&self, tick: i32, is_down: bool) -> Result<NextTick, Error> {
        if self.tick_spacing <= 0 {
            return Err(Error::refused("a tick spacing is not positive"));
        }
        let compressed = tick.div_euclid(self.tick_spacing);
        let (first, last) = if is_down {
            (compressed & !0xff, compressed)
        } else {
            (compressed + 1, (compressed + 1) | 0xff)
        };
        let (first, last) = (first * self.tick_spacing, last * self.tick_spacing);
        let from = self.ticks.partition_point(|(one, _)| *one < first);
        let to = self.ticks.partition_point(|(one, _)| *one <= last);
        let word = self.ticks.get(from..to).unwrap_or_default();
        let found = if is_down { word.last() } else { word.first() };
        let next = found.map_or(if is_down { first } else { last }, |(one, _)| *one);
        let next = next.clamp(TICK_MIN, TICK_MAX);
        if next < self.window.0 || next > self.window.1 {
            return Err(Error::refused(
                "the swap goes beyond the ticks that were read",
            ));
        }
        Ok(NextTick {
            tick: next,
            liquidity_net: found.map(|(_, net)| *net),
        })
    }
}

/// Where a swap stands.
struct Place {
    sqrt_price: U256,
    tick: i32,
    liquidity: u128,
}

impl Place {
    /// Past a tick, with its net liquidity in or out of range.
    fn beyond(&self, next: &NextTick, sqrt_price: U256, is_down: bool) -> Result<Self, Error> {
        let rising = next.liquidity_net.unwrap_or(0);
        let change = if is_down {
            rising.checked_neg()
        } else {
            Some(rising)
        };
        let liquidity = change.and_then(|change| self.liquidity.checked_add_signed(change));
        Ok(Self {
            sqrt_price,
            tick: if is_down { next.tick - 1 } else { next.tick },
            liquidity: liquidity.ok_or(overflow())?,
        })
    }
}

/// The next tick that the contract looks at; it has net liquidity where it is initialised.
struct NextTick {
    tick: i32,
    liquidity_net: Option<i128>,
}

fn sum(a: U256, b: U256) -> Result<U256, Error> {
    a.checked_add(b).ok_or(overflow())
}

fn is_nothing(left: Left) -> bool {
    let (Left::In(amount) | Left::Out(amount)) = left;
    amount.is_zero()
}

fn remaining(left: Left, paid: U256, received: U256) -> Result<Left, Error> {
    Ok(match left {
        Left::In(amount) => Left::In(amount.checked_sub(paid).ok_or(overflow())?),
        Left::Out(amount) => Left::Out(amount.checked_sub(received).ok_or(overflow())?),
    })
}

fn overflow() -> Error {
    Error::Overflow {
        operation: "a swap's amounts",
    }
}
