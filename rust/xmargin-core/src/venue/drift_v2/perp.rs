//! Perp positions: profit and loss with funding, and the liability of the worse side of orders.

use super::weights::{cheaper, margin_ratio};
use super::{
    BASE, Kind, PRICE, PerpMarket, PerpPosition, Prices, Sum, WEIGHT, open_order_requirement, scale,
};
use crate::Error;
use crate::num::signed::{add, mul, mul_div_truncated, sub};

/// Initial margin counts at most 100 of any profit.
const INITIAL_PROFIT_MAX: i128 = 100_000_000;
/// Funding is in 10⁻⁹, base in 10⁻⁹, quote in 10⁻⁶.
const FUNDING_TO_QUOTE: i128 = 1_000_000_000_000;
const QUOTE_TO_BASE: i128 = 1_000;

pub(super) struct Context<'a> {
    pub market: &'a PerpMarket,
    pub quote: Prices,
    pub kind: Kind,
    pub ratio_min: i128,
    pub high_leverage: bool,
}

/// `calculate_perp_position_value_and_pnl`.
pub(super) fn standing(position: &PerpPosition, context: &Context) -> Result<Sum, Error> {
    Ok(Sum {
        collateral: weighted_profit(profit(position, context.market)?, context)?,
        requirement: requirement(position, context)?,
    })
}

/// Unrealized profit and loss with funding that is not settled.
fn profit(position: &PerpPosition, market: &PerpMarket) -> Result<i128, Error> {
    let price = market.expiry_price.unwrap_or(market.price).max(0);
    let value = scale(position.base, price, BASE)?;
    add(value, quote_with_funding(position, market)?)
}

/// What was paid or received for a position, less funding that is not settled.
pub(super) fn quote_with_funding(
    position: &PerpPosition,
    market: &PerpMarket,
) -> Result<i128, Error> {
    let funding = if position.base > 0 {
        market.funding[0]
    } else {
        market.funding[1]
    };
    let delta = sub(funding, position.funding)?;
    let paid = mul_div_truncated(delta, position.base, FUNDING_TO_QUOTE)?;
    sub(position.quote, in_64_bits(paid)?)
}

fn requirement(position: &PerpPosition, context: &Context) -> Result<i128, Error> {
    let (base, liability) = worst_case(position, context.market)?;
    if context.quote.max < 0 {
        return Err(Error::refused("a price is negative"));
    }
    let liability = scale(liability, context.quote.max, PRICE)?;
    let required = if context.market.expiry_price.is_some() {
        0
    } else {
        let kind = context.kind;
        let ratio = margin_ratio(context.market, base.abs(), kind, context.high_leverage)?;
        scale(liability, ratio.max(context.ratio_min), WEIGHT)?
    };
    add(required, open_order_requirement(position.open_orders)?)
}

/// Base and liability after all bids or all asks are filled (`worst_case_liability_value`).
fn worst_case(position: &PerpPosition, market: &PerpMarket) -> Result<(i128, i128), Error> {
    let bids = in_64_bits(add(position.base, position.open_bids)?)?;
    let asks = in_64_bits(add(position.base, position.open_asks)?)?;
    let (of_bids, of_asks) = (liability(bids, market)?, liability(asks, market)?);
    Ok(if of_asks >= of_bids {
        (asks, of_asks)
    } else {
        (bids, of_bids)
    })
}

fn liability(base: i128, market: &PerpMarket) -> Result<i128, Error> {
    let price = match (market.is_prediction, base < 0) {
        (false, _) => market.price.max(0),
        (true, false) => market.price.saturating_abs(),
        (true, true) => PRICE.saturating_sub(market.price.saturating_abs()).max(0),
    };
    scale(base.abs(), price, BASE)
}

fn weighted_profit(profit: i128, context: &Context) -> Result<i128, Error> {
    let weight = profit_weight(profit, context)?;
    let price = match profit.signum() {
        1 => context.quote.min,
        -1 => context.quote.max,
        _ => context.quote.current,
    };
    let weighted = scale(scale(profit, weight, WEIGHT)?, price, PRICE)?;
    Ok(match context.kind {
        Kind::Initial => weighted.min(INITIAL_PROFIT_MAX),
        Kind::Maintenance => weighted,
    })
}

/// `get_unrealized_asset_weight`.
fn profit_weight(profit: i128, context: &Context) -> Result<i128, Error> {
    let market = context.market;
    let initial = match context.kind {
        Kind::Initial => initial_profit_weight(market)?,
        Kind::Maintenance => 0,
    };
    if profit <= 0 {
        return Ok(WEIGHT);
    }
    match context.kind {
        Kind::Maintenance => Ok(market.profit_weights[1]),
        Kind::Initial if initial > 0 => {
            let size = mul(profit, QUOTE_TO_BASE)?;
            cheaper(size, market.profit_size_factor, initial)
        }
        Kind::Initial => Ok(0),
    }
}

/// Lower where all users together have won more than the market may owe.
fn initial_profit_weight(market: &PerpMarket) -> Result<i128, Error> {
    let weight = market.profit_weights[0];
    if weight == 0 || market.imbalance_max == 0 {
        return Ok(weight);
    }
    if market.stored_price <= 0 {
        return Err(Error::refused("a price is not positive"));
    }
    let value = scale(market.net_base, market.stored_price, BASE)?;
    let won = add(value, market.net_quote)?;
    if won <= market.imbalance_max {
        return Ok(weight);
    }
    scale(weight, market.imbalance_max, won)
}

/// The program keeps amounts of positions in 64 bits.
fn in_64_bits(amount: i128) -> Result<i128, Error> {
    i64::try_from(amount)
        .map(i128::from)
        .map_err(|_| Error::Overflow {
            operation: "an amount of 64 bits",
        })
}
