//! A pool and orders as a document, and what each order alone would do.

use serde_json::{Value, json};

use super::{Left, Order, Pool, Swap, TICK_MAX, TICK_MIN};
use crate::Error;
use crate::model::document::Section;

const TICKS_MAX: usize = 100_000;
const ORDERS_MAX: usize = 10_000;
const TICKS: std::ops::RangeInclusive<i128> = TICK_MIN as i128..=TICK_MAX as i128;

/// What a pool would do with each of some orders, as a document.
///
/// # Errors
/// [`Error::Parameter`] naming the field that is missing, unknown, malformed or out of range; an order
/// that the contract would not fill has its reason instead of amounts.
pub fn pool_swaps(document: &str) -> Result<String, Error> {
    let mut document = Section::parse(document)?;
    let pool = pool(document.section("pool")?)?;
    let orders = document.sections("orders", 0..=ORDERS_MAX)?;
    document.finish()?;
    let answers: Vec<Value> = orders
        .into_iter()
        .map(|section| Ok(written(&pool.swap(&order(section)?))))
        .collect::<Result<_, Error>>()?;
    Ok(Value::Array(answers).to_string())
}

fn written(swap: &Result<Swap, Error>) -> Value {
    match swap {
        Ok(swap) => json!({
            "amount_in": swap.amount_in.to_string(),
            "amount_out": swap.amount_out.to_string(),
            "sqrt_price_x96": swap.sqrt_price.to_string(),
            "ticks_crossed": swap.ticks_crossed,
            "is_filled": swap.is_filled,
        }),
        Err(error) => json!({"refused": error.to_string()}),
    }
}

fn pool(mut s: Section) -> Result<Pool, Error> {
    let ticks = s
        .sections("ticks", 0..=TICKS_MAX)?
        .into_iter()
        .map(|mut one| {
            let tick = tick(&mut one, "tick")?;
            let net = one.integer("liquidity_net", i128::MIN..=i128::MAX)?;
            one.finish()?;
            Ok((tick, net))
        })
        .collect::<Result<Vec<_>, Error>>()?;
    if !ticks.is_sorted_by(|(one, _), (next, _)| one < next) {
        return Err(Error::parameter(
            s.key("ticks"),
            "must rise, each tick once",
        ));
    }
    let liquidity = s.natural("liquidity")?;
    let pool = Pool {
        sqrt_price: s.natural("sqrt_price_x96")?,
        tick: tick(&mut s, "tick")?,
        liquidity: u128::try_from(liquidity).map_err(|_| {
            Error::parameter(
                s.key("liquidity"),
                format!("{liquidity} is no 128-bit number"),
            )
        })?,
        fee_millionths: u32::try_from(s.small("fee", 0..=999_999)?).unwrap_or_default(),
        tick_spacing: narrow(s.integer("tick_spacing", 1..=16_383)?),
        ticks,
        window: (tick(&mut s, "window_low")?, tick(&mut s, "window_high")?),
    };
    s.finish()?;
    Ok(pool)
}

fn tick(s: &mut Section, name: &str) -> Result<i32, Error> {
    Ok(narrow(s.integer(name, TICKS)?))
}

fn narrow(checked: i128) -> i32 {
    i32::try_from(checked).unwrap_or_default()
}

fn order(mut s: Section) -> Result<Order, Error> {
    let is_exact_in = s.flag("is_exact_in")?;
    let amount = s.natural("amount")?;
    let has_limit = s.has("sqrt_price_limit_x96");
    let order = Order {
        zero_for_one: s.flag("zero_for_one")?,
        left: if is_exact_in {
            Left::In(amount)
        } else {
            Left::Out(amount)
        },
        sqrt_price_limit: has_limit
            .then(|| s.natural("sqrt_price_limit_x96"))
            .transpose()?,
    };
    s.finish()?;
    Ok(order)
}
