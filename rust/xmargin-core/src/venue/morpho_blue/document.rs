//! A market and a position as a document, and what the rule makes of them.

use serde_json::{Value, json};

use super::super::document::written;
use super::{Market, Position};
use crate::Error;
use crate::model::document::Section;

pub(in super::super) fn of_document(mut document: Section) -> Result<Value, Error> {
    let block_time_s = document.natural("block_time_s")?;
    let market = market(document.section("market")?)?.at(block_time_s)?;
    let position = position(document.section("position")?)?;
    document.finish()?;
    let standing = market.standing(&position)?;
    Ok(json!({
        "supply_assets": market.supply_assets.to_string(),
        "supply_shares": market.supply_shares.to_string(),
        "borrow_assets": market.borrow_assets.to_string(),
        "borrow_shares": market.borrow_shares.to_string(),
        "supplied": standing.supplied.to_string(),
        "collateral_value": standing.collateral_value.to_string(),
        "margin": written(&standing.margin()?)?,
        "is_healthy": standing.is_healthy(),
    }))
}

fn market(mut s: Section) -> Result<Market, Error> {
    let market = Market {
        supply_assets: s.natural("supply_assets")?,
        supply_shares: s.natural("supply_shares")?,
        borrow_assets: s.natural("borrow_assets")?,
        borrow_shares: s.natural("borrow_shares")?,
        updated_at_s: s.natural("updated_at_s")?,
        fee_wad: s.natural("fee_wad")?,
        borrow_rate_wad: s.natural("borrow_rate_wad")?,
        lltv_wad: s.natural("lltv_wad")?,
        price: s.natural("price")?,
    };
    s.finish()?;
    Ok(market)
}

fn position(mut s: Section) -> Result<Position, Error> {
    let position = Position {
        supply_shares: s.natural("supply_shares")?,
        borrow_shares: s.natural("borrow_shares")?,
        collateral: s.natural("collateral")?,
    };
    s.finish()?;
    Ok(position)
}
