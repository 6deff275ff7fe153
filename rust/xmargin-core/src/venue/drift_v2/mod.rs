//! Drift v2: a user's collateral and margin requirement, to the last unit.
//!
//! Source: drift-labs/protocol-v2, `math/margin.rs`
//! (`calculate_margin_requirement_and_total_collateral_and_liability_info`), `state/user.rs`,
//! `state/spot_market.rs`, `state/perp_market.rs`, `math/spot_balance.rs`, `math/position.rs` and
//! `math/funding.rs`, as of isolated positions and high leverage mode (SDK 2.156). Units: quote
//! amounts and prices 10⁻⁶, perp bases 10⁻⁹, weights and ratios 10⁻⁴, size factors 10⁻⁶. Where the
//! program would refuse the account or overflow, the result is an [`Error`].
//!
//! ```text
//! collateral    Σ deposits at their asset weights + Σ perp profits at theirs + Σ perp losses
//! requirement   Σ borrows at their liability weights + Σ perp liabilities × margin ratio
//!               + 0.01 for each open order
//! ```
//!
//! Open orders count as filled on the side that is worse for the user. A user is liquidated when
//! the maintenance requirement exceeds the collateral; an isolated position stands for itself.

mod perp;
mod spot;
mod weights;

use super::Sum;
use crate::Error;
use crate::num::signed::{mul, sub};

pub(crate) const PRICE: i128 = 1_000_000;
pub(crate) const WEIGHT: i128 = 10_000;
pub(crate) const BASE: i128 = 1_000_000_000;
const OPEN_ORDER_REQUIREMENT: i128 = 10_000;

/// The requirement that is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// To open, to withdraw.
    Initial,
    /// Not to be liquidated.
    Maintenance,
}

/// A user's margin mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Neither of the others.
    Default,
    /// Lower ratios in the markets that have them.
    HighLeverage,
    /// Lower ratios for maintenance alone.
    HighLeverageMaintenance,
}

/// An oracle's price, and its mean of five minutes as the market stores it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Oracle {
    /// In 10⁻⁶ dollars.
    pub price: i128,
    /// The same.
    pub twap_5min: i128,
}

/// A spot market, as far as margin depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpotMarket {
    /// Its number; 0 is the quote.
    pub number: u16,
    /// Only users of the same pool may hold it.
    pub pool: u8,
    /// Of the token, at most 19.
    pub decimals: u32,
    /// All deposits, scaled.
    pub deposit_balance: i128,
    /// 10¹⁰ at the start.
    pub deposit_interest: i128,
    /// 10¹⁰ at the start.
    pub borrow_interest: i128,
    /// Initial and maintenance weight of deposits.
    pub asset_weights: [i128; 2],
    /// Initial and maintenance weight of borrows.
    pub liability_weights: [i128; 2],
    /// How fast weights worsen with size.
    pub size_factor: i128,
    /// From this value of all deposits on, the initial weight falls; 0: never.
    pub scale_start: i128,
    /// Its price.
    pub oracle: Oracle,
}

/// A deposit or a borrow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpotPosition {
    /// The market's number.
    pub market: u16,
    /// A borrow, not a deposit.
    pub is_borrow: bool,
    /// Scaled by the market's interest.
    pub scaled_balance: i128,
    /// Token units of all open bids.
    pub open_bids: i128,
    /// Token units of all open asks, negative.
    pub open_asks: i128,
    /// How many orders are open.
    pub open_orders: i128,
}

/// A perp market, as far as margin depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PerpMarket {
    /// Its number.
    pub number: u16,
    /// Only users of the same pool may hold it.
    pub pool: u8,
    /// The spot market it settles in.
    pub quote_market: u16,
    /// At settlement the expiry price counts and nothing is required.
    pub expiry_price: Option<i128>,
    /// A price between nothing and one; a short's liability is what is missing to one.
    pub is_prediction: bool,
    /// Initial and maintenance ratio.
    pub ratios: [i128; 2],
    /// The same in high leverage mode; either 0: the market has none.
    pub high_leverage_ratios: [i128; 2],
    /// How fast ratios grow with size.
    pub size_factor: i128,
    /// Initial and maintenance weight of profits.
    pub profit_weights: [i128; 2],
    /// How fast the initial weight of profits falls with size.
    pub profit_size_factor: i128,
    /// From this net profit of all users on, the initial weight of profits falls; 0: never.
    pub imbalance_max: i128,
    /// Cumulative funding of longs and of shorts.
    pub funding: [i128; 2],
    /// Base of all users together.
    pub net_base: i128,
    /// Quote of all users together, funding not settled included.
    pub net_quote: i128,
    /// The price that the market stored last.
    pub stored_price: i128,
    /// The price now.
    pub price: i128,
}

/// A perp position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PerpPosition {
    /// The market's number.
    pub market: u16,
    /// Negative: short.
    pub base: i128,
    /// What was paid for it (negative) or received, settled profits and losses included.
    pub quote: i128,
    /// Cumulative funding when it was last settled.
    pub funding: i128,
    /// Base of all open bids.
    pub open_bids: i128,
    /// Base of all open asks, negative.
    pub open_asks: i128,
    /// How many orders are open.
    pub open_orders: i128,
    /// The user's own least initial ratio for it.
    pub ratio_min: i128,
    /// Scaled balance of quote that stands for it alone, where it is isolated.
    pub isolated: Option<i128>,
}

/// A user and the markets of all its positions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The pool it trades in.
    pub pool: u8,
    /// Its margin mode.
    pub mode: Mode,
    /// Its own least initial ratio.
    pub ratio_min: i128,
    /// Deposits and borrows.
    pub spot_positions: Vec<SpotPosition>,
    /// Perps.
    pub perp_positions: Vec<PerpPosition>,
    /// Markets of deposits and borrows, and those that perps settle in.
    pub spot_markets: Vec<SpotMarket>,
    /// Markets of the perps.
    pub perp_markets: Vec<PerpMarket>,
}

/// The answer: what stands together, and each isolated position with its market's number.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Margin {
    /// All but the isolated positions.
    pub cross: Sum,
    /// Isolated positions.
    pub isolated: Vec<(u16, Sum)>,
}

/// A user's collateral and requirement of one kind.
///
/// With `strict`, deposits and profits count at the lower of price and five-minute mean, debts at the
/// higher: what the program asks before it lets risk grow.
///
/// # Errors
/// [`Error::Refused`] where the program would not compute it, [`Error::Overflow`] where it would
/// overflow, [`Error::Input`] where a market is missing.
pub fn margin(user: &User, kind: Kind, strict: bool) -> Result<Margin, Error> {
    let mut margin = Margin::default();
    for position in &user.spot_positions {
        add_spot(&mut margin.cross, user, position, kind, strict)?;
    }
    for position in &user.perp_positions {
        add_perp(&mut margin, user, position, kind, strict)?;
    }
    Ok(margin)
}

/// What a user has and owes, in token units; of a perp its quote.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Amounts {
    /// Of each spot position; a borrow's negative.
    pub spot: Vec<i128>,
    /// Of each perp position: its quote with funding that is not settled, 10⁻⁶.
    pub quote: Vec<i128>,
    /// Of each perp position: the token units that stand for it alone.
    pub isolated: Vec<i128>,
}

/// What a user has and owes, by position.
///
/// # Errors
/// As [`margin`].
pub fn amounts(user: &User) -> Result<Amounts, Error> {
    let mut amounts = Amounts::default();
    for position in &user.spot_positions {
        let market = spot_market(user, position.market)?;
        amounts.spot.push(spot::amount(position, market)?);
    }
    for position in &user.perp_positions {
        let market = perp_market(user, position.market)?;
        let quote_market = spot_market(user, market.quote_market)?;
        let alone = position.isolated.unwrap_or_default();
        amounts
            .quote
            .push(perp::quote_with_funding(position, market)?);
        amounts
            .isolated
            .push(spot::deposit_amount(alone, quote_market)?);
    }
    Ok(amounts)
}

fn add_spot(
    cross: &mut Sum,
    user: &User,
    position: &SpotPosition,
    kind: Kind,
    strict: bool,
) -> Result<(), Error> {
    let market = spot_market(user, position.market)?;
    let context = spot::Context {
        market,
        price: Prices::of(&market.oracle, strict)?,
        kind,
        ratio_min: own_ratio(kind, user.ratio_min),
        is_worthless: spot::is_worthless(user.pool, position, market)?,
    };
    if market.number == 0 {
        spot::add_quote(cross, position, &context)
    } else {
        spot::add_token(cross, position, &context)
    }
}

fn add_perp(
    margin: &mut Margin,
    user: &User,
    position: &PerpPosition,
    kind: Kind,
    strict: bool,
) -> Result<(), Error> {
    let market = perp_market(user, position.market)?;
    let quote_market = spot_market(user, market.quote_market)?;
    let context = perp::Context {
        market,
        quote: Prices::unchecked(&quote_market.oracle, strict),
        kind,
        ratio_min: own_ratio(kind, user.ratio_min.max(position.ratio_min)),
        high_leverage: user.mode == Mode::HighLeverage
            || user.mode == Mode::HighLeverageMaintenance && kind == Kind::Maintenance,
    };
    let mut sum = perp::standing(position, &context)?;
    let Some(balance) = position.isolated else {
        margin.cross.add_collateral(sum.collateral)?;
        return margin.cross.add_requirement(sum.requirement);
    };
    let amount = spot::deposit_amount(balance, quote_market)?;
    sum.add_collateral(spot::value(
        amount,
        quote_market.decimals,
        context.quote.min,
    )?)?;
    margin.isolated.push((market.number, sum));
    Ok(())
}

/// A user's own least ratios bound what may be opened, not what is liquidated.
fn own_ratio(kind: Kind, ratio_min: i128) -> i128 {
    match kind {
        Kind::Initial => ratio_min,
        Kind::Maintenance => 0,
    }
}

fn spot_market(user: &User, number: u16) -> Result<&SpotMarket, Error> {
    let found = user.spot_markets.iter().find(|one| one.number == number);
    found.ok_or_else(|| missing("spot_markets", number))
}

fn perp_market(user: &User, number: u16) -> Result<&PerpMarket, Error> {
    let found = user.perp_markets.iter().find(|one| one.number == number);
    let market = found.ok_or_else(|| missing("perp_markets", number))?;
    if market.pool == user.pool {
        Ok(market)
    } else {
        Err(Error::refused("a perp market belongs to another pool"))
    }
}

fn missing(table: &'static str, number: u16) -> Error {
    Error::Input {
        table,
        column: "market_index",
        row: None,
        problem: format!("market {number} is missing, and a position is in it"),
    }
}

/// A price as debts (`max`) and as collateral (`min`) it counts.
#[derive(Debug, Clone, Copy)]
struct Prices {
    current: i128,
    min: i128,
    max: i128,
}

impl Prices {
    fn unchecked(oracle: &Oracle, strict: bool) -> Self {
        let other = if strict {
            oracle.twap_5min
        } else {
            oracle.price
        };
        Self {
            current: oracle.price,
            min: oracle.price.min(other),
            max: oracle.price.max(other),
        }
    }

    fn of(oracle: &Oracle, strict: bool) -> Result<Self, Error> {
        let prices = Self::unchecked(oracle, strict);
        if prices.min > 0 {
            Ok(prices)
        } else {
            Err(Error::refused("a price is not positive"))
        }
    }
}

fn open_order_requirement(orders: i128) -> Result<i128, Error> {
    mul(orders, OPEN_ORDER_REQUIREMENT)
}

/// a × b ÷ c towards zero, where the program overflows if a × b leaves 128 bits.
fn scale(a: i128, b: i128, c: i128) -> Result<i128, Error> {
    mul(a, b)?.checked_div(c).ok_or(Error::Overflow {
        operation: "division",
    })
}

/// ⌊a × b ÷ c⌋ or, for c > 0, the next below zero: negative values round away from zero.
fn scale_down(a: i128, b: i128, c: i128) -> Result<i128, Error> {
    let product = mul(a, b)?;
    let quotient = product.checked_div(c).ok_or(Error::Overflow {
        operation: "division",
    })?;
    sub(quotient, i128::from(product < 0 && product % c != 0))
}
