//! Amounts between two prices, and the price after an amount, with the contract's roundings.
//!
//! Source: Uniswap/v3-core 1.0.1, `SqrtPriceMath.sol`, `SwapMath.sol`, `FullMath.sol`. Square root prices
//! are in 96 fractional bits, fees in millionths.

use ruint::Uint;

use crate::Error;
use crate::num::U256;

type U512 = Uint<512, 8>;

/// One in millionths.
pub const MILLION: U256 = U256::from_limbs([1_000_000, 0, 0, 0]);
const FRACTION_BITS: usize = 96;

fn overflow() -> Error {
    Error::Overflow {
        operation: "Uniswap arithmetic",
    }
}

/// ⌊a × b ÷ c⌋, or ⌈…⌉, with a product of up to 512 bits (`FullMath`).
pub fn mul_div(a: U256, b: U256, c: U256, is_up: bool) -> Result<U256, Error> {
    if c.is_zero() {
        return Err(overflow());
    }
    let product: U512 = a.widening_mul(b);
    let (floor, rest) = product.div_rem(U512::from(c));
    let rounded = floor + U512::from(u8::from(is_up && !rest.is_zero()));
    U256::checked_from_limbs_slice(rounded.as_limbs()).ok_or(overflow())
}

fn div_up(a: U256, b: U256) -> Result<U256, Error> {
    let floor = a.checked_div(b).ok_or(overflow())?;
    Ok(floor + U256::from(u8::from(a % b != U256::ZERO)))
}

/// `getAmount0Delta`: token 0 between two prices.
pub fn amount0(a: U256, b: U256, liquidity: u128, is_up: bool) -> Result<U256, Error> {
    let (low, high) = if a < b { (a, b) } else { (b, a) };
    let scaled = U256::from(liquidity) << FRACTION_BITS;
    let over_high = mul_div(scaled, high - low, high, is_up)?;
    if is_up {
        div_up(over_high, low)
    } else {
        over_high.checked_div(low).ok_or(overflow())
    }
}

/// `getAmount1Delta`: token 1 between two prices.
pub fn amount1(a: U256, b: U256, liquidity: u128, is_up: bool) -> Result<U256, Error> {
    let distance = if a < b { b - a } else { a - b };
    mul_div(
        U256::from(liquidity),
        distance,
        U256::ONE << FRACTION_BITS,
        is_up,
    )
}

/// `getNextSqrtPriceFromInput`: the price after an amount has come in.
fn after_input(price: U256, liquidity: u128, amount: U256, is_zero: bool) -> Result<U256, Error> {
    if !is_zero {
        let moved = mul_div(
            amount,
            U256::ONE << FRACTION_BITS,
            U256::from(liquidity),
            false,
        )?;
        return price.checked_add(moved).ok_or(overflow());
    }
    if amount.is_zero() {
        return Ok(price);
    }
    let scaled = U256::from(liquidity) << FRACTION_BITS;
    let whole = amount
        .checked_mul(price)
        .and_then(|product| scaled.checked_add(product));
    match whole {
        Some(below) => mul_div(scaled, price, below, true),
        // What does not fit is divided first, as in the contract.
        None => div_up(
            scaled,
            (scaled / price).checked_add(amount).ok_or(overflow())?,
        ),
    }
}

/// `getNextSqrtPriceFromOutput`: the price after an amount has gone out.
fn after_output(price: U256, liquidity: u128, amount: U256, is_zero: bool) -> Result<U256, Error> {
    let none = || Error::refused("a pool has not so much to give");
    if is_zero {
        let moved = mul_div(
            amount,
            U256::ONE << FRACTION_BITS,
            U256::from(liquidity),
            true,
        )?;
        return price
            .checked_sub(moved)
            .filter(|left| !left.is_zero())
            .ok_or_else(none);
    }
    let scaled = U256::from(liquidity) << FRACTION_BITS;
    let product = amount.checked_mul(price).ok_or_else(none)?;
    let below = scaled
        .checked_sub(product)
        .filter(|left| !left.is_zero())
        .ok_or_else(none)?;
    mul_div(scaled, price, below, true)
}

/// What is left of an order: so much to come in, or so much to go out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    /// Exactly so much is sold.
    In(U256),
    /// Exactly so much is bought.
    Out(U256),
}

/// One step of a swap: at one liquidity, towards one price.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// The price reached.
    pub price: U256,
    /// What came in, without the fee.
    pub amount_in: U256,
    /// What went out.
    pub amount_out: U256,
    /// Of the token that came in.
    pub fee: U256,
}

/// `computeSwapStep`.
pub fn step(
    price: U256,
    target: U256,
    liquidity: u128,
    left: Left,
    fee_millionths: u32,
) -> Result<Step, Error> {
    let is_zero = price >= target;
    let fee_of = U256::from(fee_millionths);
    let kept = MILLION.checked_sub(fee_of).ok_or(overflow())?;
    let into = |to| {
        if is_zero {
            amount0(to, price, liquidity, true)
        } else {
            amount1(price, to, liquidity, true)
        }
    };
    let out_of = |to| {
        if is_zero {
            amount1(to, price, liquidity, false)
        } else {
            amount0(price, to, liquidity, false)
        }
    };
    let (reached, amount_in, amount_out) = match left {
        Left::In(amount) => {
            let without_fee = mul_div(amount, kept, MILLION, false)?;
            let to_target = into(target)?;
            if without_fee >= to_target {
                (target, to_target, out_of(target)?)
            } else {
                let reached = after_input(price, liquidity, without_fee, is_zero)?;
                (reached, into(reached)?, out_of(reached)?)
            }
        }
        Left::Out(amount) => {
            let to_target = out_of(target)?;
            if amount >= to_target {
                (target, into(target)?, to_target)
            } else {
                let reached = after_output(price, liquidity, amount, is_zero)?;
                (reached, into(reached)?, out_of(reached)?.min(amount))
            }
        }
    };
    let fee = match left {
        // What is left of a price not reached is all fee.
        Left::In(amount) if reached != target => amount.checked_sub(amount_in).ok_or(overflow())?,
        _ => mul_div(amount_in, fee_of, kept, true)?,
    };
    Ok(Step {
        price: reached,
        amount_in,
        amount_out,
        fee,
    })
}
