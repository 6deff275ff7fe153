//! Deposits, borrows, and what open spot orders would make of them.

use super::weights::{asset_weight, liability_weight};
use super::{
    Kind, Prices, SpotMarket, SpotPosition, Sum, WEIGHT, open_order_requirement, scale, scale_down,
};
use crate::Error;
use crate::num::signed::{add, sub};

/// Balances are scaled by interest of 10¹⁰ and kept in 10⁻⁹: 19 digits more than whole tokens.
const SCALED_DIGITS: u32 = 19;

pub(super) struct Context<'a> {
    pub market: &'a SpotMarket,
    pub price: Prices,
    pub kind: Kind,
    pub ratio_min: i128,
    pub is_worthless: bool,
}

/// Quote deposited by a user of pool 1 counts for nothing; other pools hold their own markets only.
pub(super) fn is_worthless(
    pool: u8,
    position: &SpotPosition,
    market: &SpotMarket,
) -> Result<bool, Error> {
    if position.open_bids < 0 || position.open_asks > 0 {
        return Err(Error::refused("open bids or asks have the wrong sign"));
    }
    if pool == 1 && market.number == 0 && !is_debt(position) {
        return Ok(true);
    }
    if pool == market.pool {
        Ok(false)
    } else {
        Err(Error::refused("a spot market belongs to another pool"))
    }
}

fn is_debt(position: &SpotPosition) -> bool {
    position.is_borrow && position.scaled_balance > 0
}

pub(super) fn unit(decimals: u32) -> Result<i128, Error> {
    10_i128.checked_pow(decimals).ok_or(Error::Overflow {
        operation: "a token's unit",
    })
}

fn scaled_unit(decimals: u32) -> Result<i128, Error> {
    unit(SCALED_DIGITS.checked_sub(decimals).ok_or(Error::Overflow {
        operation: "decimals above 19",
    })?)
}

/// Token units of a scaled deposit, rounded down.
pub(super) fn deposit_amount(scaled: i128, market: &SpotMarket) -> Result<i128, Error> {
    scale(
        scaled,
        market.deposit_interest,
        scaled_unit(market.decimals)?,
    )
}

/// Token units, a debt's negative and rounded up (`get_signed_token_amount`).
pub(super) fn amount(position: &SpotPosition, market: &SpotMarket) -> Result<i128, Error> {
    if position.is_borrow {
        let owed = sub(0, position.scaled_balance)?;
        scale_down(owed, market.borrow_interest, scaled_unit(market.decimals)?)
    } else {
        deposit_amount(position.scaled_balance, market)
    }
}

/// Quote units of `amount` token units; what is negative rounds away from zero.
pub(super) fn value(amount: i128, decimals: u32, price: i128) -> Result<i128, Error> {
    scale_down(amount, price, unit(decimals)?)
}

/// `get_strict_token_value`.
fn strict_value(amount: i128, context: &Context) -> Result<i128, Error> {
    let price = if amount > 0 {
        context.price.min
    } else {
        context.price.max
    };
    value(amount, context.market.decimals, price)
}

/// The quote token: no weights, no orders.
pub(super) fn add_quote(
    sum: &mut Sum,
    position: &SpotPosition,
    context: &Context,
) -> Result<(), Error> {
    let amount = amount(position, context.market)?;
    refuse_dust(amount, position)?;
    let value = strict_value(amount, context)?;
    if !position.is_borrow {
        return sum.add_collateral(if context.is_worthless { 0 } else { value });
    }
    if value == 0 {
        return Err(Error::refused("a debt is worth nothing"));
    }
    sum.add_requirement(sub(0, value)?)
}

/// Any other token, with its orders filled on the side that is worse.
pub(super) fn add_token(
    sum: &mut Sum,
    position: &SpotPosition,
    context: &Context,
) -> Result<(), Error> {
    let fill = with_own_ratio(worst_fill(position, context)?, context)?;
    refuse_dust(fill.amount, position)?;
    sum.add_requirement(open_order_requirement(position.open_orders)?)?;
    if fill.value > 0 {
        sum.add_collateral(fill.weighted)?;
    } else if fill.value < 0 {
        if fill.weighted > fill.value || fill.weighted == 0 {
            return Err(Error::refused("a debt weighs less than it is worth"));
        }
        sum.add_requirement(sub(0, fill.weighted)?)?;
    }
    if fill.orders_value > 0 {
        sum.add_collateral(fill.orders_value)
    } else {
        sum.add_requirement(sub(0, fill.orders_value)?)
    }
}

fn refuse_dust(amount: i128, position: &SpotPosition) -> Result<(), Error> {
    if amount == 0 && position.scaled_balance != 0 {
        return Err(Error::refused("a balance is less than one token unit"));
    }
    Ok(())
}

/// A position after one side of its orders was filled (`OrderFillSimulation`).
#[derive(Clone, Copy)]
struct Fill {
    amount: i128,
    orders_value: i128,
    value: i128,
    weighted: i128,
}

impl Fill {
    fn contribution(&self) -> Result<i128, Error> {
        add(self.weighted, self.orders_value)
    }
}

fn worst_fill(position: &SpotPosition, context: &Context) -> Result<Fill, Error> {
    let amount = amount(position, context.market)?;
    let value = strict_value(amount, context)?;
    if position.open_bids == 0 && position.open_asks == 0 {
        return Ok(Fill {
            amount,
            orders_value: 0,
            value,
            weighted: weighted(amount, value, context)?,
        });
    }
    let bids = filled(amount, value, position.open_bids, context)?;
    let asks = filled(amount, value, position.open_asks, context)?;
    Ok(if asks.contribution()? <= bids.contribution()? {
        asks
    } else {
        bids
    })
}

fn filled(held: i128, held_value: i128, orders: i128, context: &Context) -> Result<Fill, Error> {
    let orders_value = self::value(sub(0, orders)?, context.market.decimals, context.price.max)?;
    let amount = add(held, orders)?;
    let value = sub(held_value, orders_value)?;
    Ok(Fill {
        amount,
        orders_value,
        value,
        weighted: weighted(amount, value, context)?,
    })
}

fn weighted(amount: i128, value: i128, context: &Context) -> Result<i128, Error> {
    let size = magnitude(amount)?;
    let weight = match value.signum() {
        1 => asset_weight(context.market, size, context.price.current, context.kind)?,
        -1 => liability_weight(context.market, size, context.kind)?,
        _ => return Ok(0),
    };
    scale(value, weight, WEIGHT)
}

/// `apply_user_custom_margin_ratio`: the user's own least ratio bounds both weights.
fn with_own_ratio(fill: Fill, context: &Context) -> Result<Fill, Error> {
    if context.ratio_min == 0 {
        return Ok(fill);
    }
    let size = magnitude(fill.amount)?;
    let weight = match fill.weighted.signum() {
        1 => asset_weight(context.market, size, context.price.current, Kind::Initial)?
            .min(sub(WEIGHT, context.ratio_min)?.max(0)),
        -1 => liability_weight(context.market, size, Kind::Initial)?
            .max(add(WEIGHT, context.ratio_min)?),
        _ => return Ok(fill),
    };
    Ok(Fill {
        weighted: scale(fill.value, weight, WEIGHT)?,
        ..fill
    })
}

fn magnitude(amount: i128) -> Result<i128, Error> {
    amount.checked_abs().ok_or(Error::Overflow {
        operation: "magnitude",
    })
}
