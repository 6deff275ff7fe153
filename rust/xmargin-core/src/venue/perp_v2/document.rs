//! An account as a document, and what the rule makes of it.

use serde_json::{Value, json};

use super::super::document::{rows, written};
use super::{Account, Collateral, Market, MarketValue, Order};
use crate::Error;
use crate::model::document::Section;
use crate::num::U256;

const ANY: std::ops::RangeInclusive<i128> = i128::MIN..=i128::MAX;
const NATURAL: std::ops::RangeInclusive<i128> = 0..=i128::MAX;
const TICKS: std::ops::RangeInclusive<i128> = -887_272..=887_272;
const MILLIONTHS: std::ops::RangeInclusive<u64> = 0..=16_777_215;
const DECIMALS: std::ops::RangeInclusive<u64> = 0..=77;

pub(in super::super) fn of_document(mut document: Section) -> Result<Value, Error> {
    let d = &mut document;
    let account = Account {
        balance: d.integer("balance", ANY)?,
        decimals: narrow(d.small("decimals", DECIMALS)?),
        owed_realized_pnl: d.integer("owed_realized_pnl", ANY)?,
        pending_fee: d.integer("pending_fee", NATURAL)?,
        pending_funding: d.integer("pending_funding", ANY)?,
        ratios: [
            narrow(d.small("im_ratio", MILLIONTHS)?),
            narrow(d.small("mm_ratio", MILLIONTHS)?),
        ],
        markets: rows(d, "markets", market)?,
        collaterals: rows(d, "collaterals", collateral)?,
    };
    document.finish()?;
    let standing = account.standing()?;
    let markets: Vec<Value> = standing.markets.iter().map(market_written).collect();
    Ok(json!({
        "markets": markets,
        "settlement": standing.settlement.to_string(),
        "collateral": standing.collateral.to_string(),
        "debt": standing.debt.to_string(),
        "initial": written(&standing.initial)?,
        "maintenance": written(&standing.maintenance)?,
    }))
}

fn market_written(value: &MarketValue) -> Value {
    json!({
        "mark": value.mark.to_string(),
        "position": value.position.to_string(),
        "value": value.value.to_string(),
        "quote": value.quote.to_string(),
    })
}

fn market(s: &mut Section) -> Result<Market, Error> {
    Ok(Market {
        sqrt_price: sqrt(s, "sqrt_price_x96")?,
        sqrt_averages: [
            sqrt(s, "sqrt_spot_twap_x96")?,
            sqrt(s, "sqrt_market_twap_x96")?,
            sqrt(s, "sqrt_premium_twap_x96")?,
        ],
        index: [
            s.integer("index_price", NATURAL)?,
            s.integer("index_premium_twap", NATURAL)?,
        ],
        size: s.integer("size", ANY)?,
        open_notional: s.integer("open_notional", ANY)?,
        orders: rows(s, "orders", order)?,
    })
}

fn order(s: &mut Section) -> Result<Order, Error> {
    let liquidity = s.natural("liquidity")?;
    Ok(Order {
        liquidity: u128::try_from(liquidity).map_err(|_| {
            Error::parameter(
                s.key("liquidity"),
                format!("{liquidity} is no 128-bit number"),
            )
        })?,
        lower_tick: tick(s, "lower_tick")?,
        upper_tick: tick(s, "upper_tick")?,
        base_debt: s.integer("base_debt", NATURAL)?,
        quote_debt: s.integer("quote_debt", NATURAL)?,
    })
}

fn collateral(s: &mut Section) -> Result<Collateral, Error> {
    Ok(Collateral {
        amount: s.natural("amount")?,
        decimals: narrow(s.small("decimals", DECIMALS)?),
        price: s.natural("price")?,
        price_decimals: narrow(s.small("price_decimals", DECIMALS)?),
        ratio: narrow(s.small("ratio", MILLIONTHS)?),
    })
}

/// A square root price has at most 160 bits, so that its square has 320.
fn sqrt(s: &mut Section, name: &str) -> Result<U256, Error> {
    let value = s.natural(name)?;
    if value.bit_len() > 160 {
        let problem = format!("{value} is out of range; it must be below 2^160");
        return Err(Error::parameter(s.key(name), problem));
    }
    Ok(value)
}

fn tick(s: &mut Section, name: &str) -> Result<i32, Error> {
    // The range has been checked.
    Ok(i32::try_from(s.integer(name, TICKS)?).unwrap_or_default())
}

fn narrow(checked: u64) -> u32 {
    u32::try_from(checked).unwrap_or_default()
}
