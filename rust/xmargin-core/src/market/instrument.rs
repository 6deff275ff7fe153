//! What is held, and the state of the market it is held in.
//!
//! Prices are in one currency, that of the cash (`cash_price` says what a unit of it is worth, for
//! the depeg contingency alone). Confidences are in `[0, 1]`: what the feed believes of itself.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use super::smile::Smile;
use crate::Error;
use crate::pricing::OptionKind;

/// Prices that are accepted.
pub const PRICE_RANGE: RangeInclusive<f64> = 1e-30..=1e30;
/// Quantities and amounts of money that are accepted, as sizes.
pub const QUANTITY_MAX: f64 = 1e24;
/// Terms that are accepted, years.
pub const YEARS_MAX: f64 = 100.0;
/// Rate times term that is accepted, as a size: discounts stay numbers.
const RATE_YEARS_MAX: f64 = 50.0;

/// An underlying asset.
#[derive(Debug, Clone, PartialEq)]
pub struct Asset {
    /// Its name, by which scenarios move it.
    pub name: String,
    /// Its spot price.
    pub spot: f64,
    /// Confidence of the spot price.
    pub confidence: f64,
}

/// One expiry of an asset's options and futures.
#[derive(Debug, Clone, PartialEq)]
pub struct Expiry {
    /// Row of the asset.
    pub asset: u32,
    /// Time to expiry.
    pub years: f64,
    /// Part of the forward that a move of the spot leaves where it is: what a settlement average
    /// has already fixed.
    pub forward_fixed: f64,
    /// Part of the forward that moves with the spot.
    pub forward_variable: f64,
    /// Continuously compounded rate per year.
    pub rate: f64,
    /// Least confidence of the expiry's feeds.
    pub confidence: f64,
    /// The vols of its options, for those that carry none.
    pub smile: Option<Smile>,
}

impl Expiry {
    /// The forward when the spot makes a relative move.
    #[must_use]
    pub fn forward(&self, relative: f64) -> f64 {
        self.forward_fixed + self.forward_variable * (1.0 + relative)
    }

    /// Value now of one unit paid at expiry.
    #[must_use]
    pub fn discount(&self) -> f64 {
        libm::exp(-self.rate * self.years)
    }
}

/// What a unit of an instrument is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Contract {
    /// Something owned or owed outright. It moves with its asset, if it has one.
    Spot {
        /// Row of the asset whose moves it shares.
        asset: Option<u32>,
        /// Part of its value that maintenance margin does not count.
        haircut_maintenance: f64,
        /// Part of its value that initial margin does not count.
        haircut_initial: f64,
        /// Whether it only stands for its asset.
        wrapped: bool,
    },
    /// A perpetual future.
    Perp {
        /// Row of the asset.
        asset: u32,
    },
    /// A dated future.
    Future {
        /// Row of the expiry.
        expiry: u32,
    },
    /// A European option.
    Option {
        /// Row of the expiry.
        expiry: u32,
        /// Call or put.
        kind: OptionKind,
        /// Strike price.
        strike: f64,
        /// Marked vol; the expiry's smile without one.
        vol: Option<f64>,
    },
}

/// Something that positions are in.
#[derive(Debug, Clone, PartialEq)]
pub struct Instrument {
    /// Its id, of which there is one.
    pub id: String,
    /// What a unit of it is.
    pub contract: Contract,
    /// Mark price; options have none and are marked by their model.
    pub price: Option<f64>,
    /// Confidence of the price.
    pub confidence: f64,
}

/// The state of the market.
#[derive(Debug, Clone, PartialEq)]
pub struct Market {
    /// What a unit of the cash is worth; 1 at its peg.
    pub cash_price: f64,
    /// The assets.
    pub assets: Vec<Asset>,
    /// The expiries.
    pub expiries: Vec<Expiry>,
    /// The instruments.
    pub instruments: Vec<Instrument>,
}

/// One owner's cash.
#[derive(Debug, Clone, PartialEq)]
pub struct Portfolio {
    /// Its id, of which there is one.
    pub id: String,
    /// Cash, negative when owed.
    pub cash: f64,
    /// Initial margin that a venue holds for other things, such as open orders.
    pub reserved_initial: f64,
}

/// A position of a portfolio.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Position {
    /// Row of the portfolio.
    pub portfolio: u32,
    /// Row of the instrument.
    pub instrument: u32,
    /// Units, negative when short.
    pub quantity: f64,
    /// Profit and loss, with funding, that is not in the cash yet.
    pub unsettled: f64,
}

impl Market {
    /// Refuses prices, terms and rows that cannot be.
    ///
    /// # Errors
    /// [`Error::Input`] naming table, column and row, what was found and what is wanted.
    pub fn check(&self) -> Result<(), Error> {
        within("market", "cash_price", 0, self.cash_price, PRICE_RANGE)?;
        for (row, asset) in self.assets.iter().enumerate() {
            within("assets", "spot", row, asset.spot, PRICE_RANGE)?;
            within("assets", "confidence", row, asset.confidence, 0.0..=1.0)?;
        }
        unique(
            "assets",
            "name",
            self.assets.iter().map(|asset| &asset.name),
        )?;
        for (row, expiry) in self.expiries.iter().enumerate() {
            self.check_expiry(row, expiry)?;
        }
        for (row, instrument) in self.instruments.iter().enumerate() {
            self.check_instrument(row, instrument)?;
        }
        unique(
            "instruments",
            "id",
            self.instruments.iter().map(|instrument| &instrument.id),
        )
    }

    fn check_expiry(&self, row: usize, expiry: &Expiry) -> Result<(), Error> {
        const TABLE: &str = "expiries";
        refers(TABLE, "asset", row, expiry.asset, self.assets.len())?;
        within(TABLE, "years", row, expiry.years, 0.0..=YEARS_MAX)?;
        within(
            TABLE,
            "forward_fixed",
            row,
            expiry.forward_fixed,
            0.0..=1e30,
        )?;
        within(
            TABLE,
            "forward_variable",
            row,
            expiry.forward_variable,
            0.0..=1e30,
        )?;
        within(
            TABLE,
            "forward_variable",
            row,
            expiry.forward(0.0),
            PRICE_RANGE,
        )?;
        within(TABLE, "rate", row, expiry.rate, -1.0..=10.0)?;
        let accrued = expiry.rate * expiry.years;
        within(
            TABLE,
            "rate",
            row,
            accrued,
            -RATE_YEARS_MAX..=RATE_YEARS_MAX,
        )?;
        within(TABLE, "confidence", row, expiry.confidence, 0.0..=1.0)?;
        expiry
            .smile
            .map_or(Ok(()), |smile| smile.slice(row).map(drop))
    }

    fn check_instrument(&self, row: usize, instrument: &Instrument) -> Result<(), Error> {
        const TABLE: &str = "instruments";
        within(TABLE, "confidence", row, instrument.confidence, 0.0..=1.0)?;
        let is_option = matches!(instrument.contract, Contract::Option { .. });
        match instrument.price {
            Some(_) if is_option => {
                let problem = "an option is marked by its model; leave its price out";
                return Err(Error::row(TABLE, "price", row, problem));
            }
            Some(price) => within(TABLE, "price", row, price, PRICE_RANGE)?,
            None if is_option => {}
            None => return Err(Error::row(TABLE, "price", row, "is missing")),
        }
        match instrument.contract {
            Contract::Spot {
                asset,
                haircut_maintenance,
                haircut_initial,
                ..
            } => {
                within(
                    TABLE,
                    "haircut_maintenance",
                    row,
                    haircut_maintenance,
                    0.0..=1.0,
                )?;
                within(TABLE, "haircut_initial", row, haircut_initial, 0.0..=1.0)?;
                let known = |asset| refers(TABLE, "asset", row, asset, self.assets.len());
                asset.map_or(Ok(()), known)
            }
            Contract::Perp { asset } => refers(TABLE, "asset", row, asset, self.assets.len()),
            Contract::Future { expiry } => {
                refers(TABLE, "expiry", row, expiry, self.expiries.len())
            }
            Contract::Option {
                expiry,
                strike,
                vol,
                ..
            } => {
                refers(TABLE, "expiry", row, expiry, self.expiries.len())?;
                within(TABLE, "strike", row, strike, 0.0..=1e30)?;
                match vol {
                    Some(vol) => within(TABLE, "vol", row, vol, 0.0..=1e6),
                    None if self.expiries[expiry as usize].smile.is_some() => Ok(()),
                    None => {
                        let problem = "is missing, and so is the smile of the option's expiry";
                        Err(Error::row(TABLE, "vol", row, problem))
                    }
                }
            }
        }
    }
}

/// Refuses portfolios and positions that cannot be.
///
/// # Errors
/// [`Error::Input`] naming table, column and row, what was found and what is wanted.
pub fn check_holdings(
    market: &Market,
    portfolios: &[Portfolio],
    positions: &[Position],
) -> Result<(), Error> {
    let amounts = -QUANTITY_MAX..=QUANTITY_MAX;
    for (row, portfolio) in portfolios.iter().enumerate() {
        within("portfolios", "cash", row, portfolio.cash, amounts.clone())?;
        let reserved = portfolio.reserved_initial;
        within(
            "portfolios",
            "reserved_initial",
            row,
            reserved,
            0.0..=QUANTITY_MAX,
        )?;
    }
    unique(
        "portfolios",
        "id",
        portfolios.iter().map(|portfolio| &portfolio.id),
    )?;
    let mut held = BTreeSet::new();
    for (row, position) in positions.iter().enumerate() {
        const TABLE: &str = "positions";
        refers(
            TABLE,
            "portfolio",
            row,
            position.portfolio,
            portfolios.len(),
        )?;
        refers(
            TABLE,
            "instrument",
            row,
            position.instrument,
            market.instruments.len(),
        )?;
        within(TABLE, "quantity", row, position.quantity, amounts.clone())?;
        within(TABLE, "unsettled", row, position.unsettled, amounts.clone())?;
        if !held.insert((position.portfolio, position.instrument)) {
            let problem = format!(
                "portfolio {} has two positions in {:?}; net them first",
                position.portfolio, market.instruments[position.instrument as usize].id
            );
            return Err(Error::row(TABLE, "instrument", row, problem));
        }
    }
    Ok(())
}

fn within(
    table: &'static str,
    column: &'static str,
    row: usize,
    value: f64,
    range: RangeInclusive<f64>,
) -> Result<(), Error> {
    if range.contains(&value) {
        return Ok(());
    }
    let (low, high) = range.into_inner();
    let problem = format!("{value:?} is out of range; it must be in [{low:?}, {high:?}]");
    Err(Error::row(table, column, row, problem))
}

fn refers(
    table: &'static str,
    column: &'static str,
    row: usize,
    target: u32,
    count: usize,
) -> Result<(), Error> {
    if (target as usize) < count {
        return Ok(());
    }
    let problem = format!("refers to row {target} of {count}");
    Err(Error::row(table, column, row, problem))
}

fn unique<'a>(
    table: &'static str,
    column: &'static str,
    ids: impl Iterator<Item = &'a String>,
) -> Result<(), Error> {
    let mut seen = BTreeSet::new();
    for (row, id) in ids.enumerate() {
        if !seen.insert(id) {
            let problem = format!("{id:?} is there twice");
            return Err(Error::row(table, column, row, problem));
        }
    }
    Ok(())
}
