//! Documents of the venues that count in signed whole numbers.

use super::document::{ROWS_MAX, number};
use super::{Proposal, derive, drift, dydx_v4};
use crate::Error;
use crate::model::document::Section;

/// Amounts are at most 2^96 either way: far above any real one, and products keep within 256 bits.
const AMOUNT_MAX: i128 = 1 << 96;

const MILLION: i128 = 1_000_000;

fn amount(section: &mut Section, name: &str) -> Result<i128, Error> {
    section.integer(name, -AMOUNT_MAX..=AMOUNT_MAX)
}

fn unsigned(section: &mut Section, name: &str) -> Result<i128, Error> {
    section.integer(name, 0..=AMOUNT_MAX)
}

/// The position to close and how much of it, where the document says.
fn chosen(document: &mut Section, positions: usize) -> Result<Option<(usize, i128)>, Error> {
    let Some(mut section) = document.optional("close")? else {
        return Ok(None);
    };
    let at = number(&mut section, "position", positions)?;
    let size = unsigned(&mut section, "size")?;
    section.finish()?;
    Ok(Some((at, size)))
}

pub(super) fn of_dydx_v4(mut document: Section) -> Result<Proposal, Error> {
    let d = &mut document;
    let account = dydx_v4::Account {
        quote: amount(d, "quote")?,
        positions: d
            .sections("positions", 1..=ROWS_MAX)?
            .into_iter()
            .map(dydx_v4_position)
            .collect::<Result<_, _>>()?,
        bankruptcy_adjustment_ppm: d
            .integer("bankruptcy_adjustment_ppm", MILLION..=i128::from(u32::MAX))?,
        spread_to_maintenance_ppm: d.integer("spread_to_maintenance_ppm", 1..=MILLION)?,
        fee_max_ppm: d.integer("fee_max_ppm", 0..=MILLION)?,
    };
    let chosen = chosen(d, account.positions.len())?;
    document.finish()?;
    dydx_v4::propose(&account, chosen)
}

fn dydx_v4_position(mut section: Section) -> Result<dydx_v4::Position, Error> {
    let s = &mut section;
    let position = dydx_v4::Position {
        quantums: amount(s, "quantums")?,
        price: s.integer("price", 0..=i128::from(u64::MAX))?,
        exponent: i32::try_from(s.integer("exponent", -30..=30)?).unwrap_or_default(),
        initial_margin_ppm: s.integer("initial_margin_ppm", 0..=MILLION)?,
        maintenance_fraction_ppm: s.integer("maintenance_fraction_ppm", 0..=MILLION)?,
    };
    section.finish()?;
    Ok(position)
}

pub(super) fn of_drift(mut document: Section) -> Result<Proposal, Error> {
    let d = &mut document;
    let account = drift::Account {
        cash: amount(d, "cash")?,
        quote_price: unsigned(d, "quote_price")?,
        positions: d
            .sections("positions", 1..=ROWS_MAX)?
            .into_iter()
            .map(drift_position)
            .collect::<Result<_, _>>()?,
        buffer_ratio: d.integer("buffer_ratio", 0..=10_000)?,
        initial_share: d.integer("initial_share", 0..=10_000)?,
        duration_slots: unsigned(d, "duration_slots")?,
        elapsed_slots: unsigned(d, "elapsed_slots")?,
        margin_freed: unsigned(d, "margin_freed")?,
    };
    let chosen = chosen(d, account.positions.len())?;
    document.finish()?;
    drift::propose(&account, chosen)
}

fn drift_position(mut section: Section) -> Result<drift::Position, Error> {
    let s = &mut section;
    let position = drift::Position {
        base: amount(s, "base")?,
        price: unsigned(s, "price")?,
        maintenance_ratio: s.integer("maintenance_ratio", 0..=10_000)?,
        size_factor: s.integer("size_factor", 0..=i128::from(u32::MAX))?,
        liquidator_fee: s.integer("liquidator_fee", 0..=MILLION)?,
        fund_fee_max: s.integer("fund_fee_max", 0..=MILLION)?,
        step: s.integer("step", 1..=AMOUNT_MAX)?,
    };
    section.finish()?;
    Ok(position)
}

pub(super) fn of_derive(mut document: Section) -> Result<Proposal, Error> {
    const UNIT: i128 = 1_000_000_000_000_000_000;
    let d = &mut document;
    let auction = derive::Auction {
        start: d.integer("start", 0..=UNIT)?,
        cutoff: d.integer("cutoff", 0..=UNIT)?,
        fast_s: unsigned(d, "fast_s")?,
        slow_s: unsigned(d, "slow_s")?,
        insolvent_s: unsigned(d, "insolvent_s")?,
        buffer: d.integer("buffer", 0..=10 * UNIT)?,
    };
    let account = derive::Account {
        mark: amount(d, "mark")?,
        maintenance: amount(d, "maintenance")?,
        reserved: unsigned(d, "reserved")?,
        elapsed_s: unsigned(d, "elapsed_s")?,
        auction,
        share: d
            .has("share")
            .then(|| d.integer("share", 0..=UNIT))
            .transpose()?,
    };
    document.finish()?;
    derive::propose(&account)
}
