//! Margins of accounts over JSON documents: one door for callers that hold no Rust types.
//!
//! A document names its `rule` and holds the account with the venue's markets and prices; whole
//! numbers are texts of digits. `docs/venues.md` says what the rules are.

use serde_json::{Value, json};

use super::{Sum, drift_v2, kamino, marginfi_v2, morpho_blue, perp_v2};
use crate::Error;
use crate::model::document::Section;

const RULES: &str = "drift_v2, kamino, marginfi_v2, morpho_blue, perp_v2";

/// The most rows of one table of a document.
const ROWS_MAX: usize = 1_000;

const U8: std::ops::RangeInclusive<i128> = 0..=u8::MAX as i128;
const U16: std::ops::RangeInclusive<i128> = 0..=u16::MAX as i128;
const U32: std::ops::RangeInclusive<i128> = 0..=u32::MAX as i128;
const U64: std::ops::RangeInclusive<i128> = 0..=u64::MAX as i128;
const I64: std::ops::RangeInclusive<i128> = i64::MIN as i128..=i64::MAX as i128;
const I128: std::ops::RangeInclusive<i128> = i128::MIN..=i128::MAX;

/// What the venue makes of the account of a document, as a document.
///
/// # Errors
/// [`Error::Parameter`] naming the field that is missing, unknown, malformed or out of range;
/// [`Error::Refused`] and [`Error::Overflow`] where the venue would not compute it.
pub fn venue_margin(document: &str) -> Result<String, Error> {
    let mut document = Section::parse(document)?;
    let rule = document.text("rule")?;
    let answer = match rule.as_str() {
        "drift_v2" => of_drift_v2(document)?,
        "kamino" => of_kamino(document)?,
        "marginfi_v2" => of_marginfi_v2(document)?,
        "morpho_blue" => morpho_blue::of_document(document)?,
        "perp_v2" => perp_v2::of_document(document)?,
        other => {
            let problem = format!("{other:?} is no rule; the rules are {RULES}");
            return Err(Error::parameter("rule", problem));
        }
    };
    Ok(answer.to_string())
}

fn narrow<T: TryFrom<i128> + Default>(value: i128) -> T {
    // The range of every field that is narrowed has been checked.
    T::try_from(value).unwrap_or_default()
}

/// One of some words.
fn word<T: Copy>(section: &mut Section, name: &str, known: &[(&str, T)]) -> Result<T, Error> {
    let written = section.text(name)?;
    let found = known.iter().find(|(word, _)| *word == written);
    found.map(|(_, meaning)| *meaning).ok_or_else(|| {
        let words: Vec<&str> = known.iter().map(|(word, _)| *word).collect();
        let problem = format!("{written:?} is none of {}", words.join(", "));
        Error::parameter(section.key(name), problem)
    })
}

pub(super) fn rows<T>(
    document: &mut Section,
    name: &str,
    read: impl Fn(&mut Section) -> Result<T, Error>,
) -> Result<Vec<T>, Error> {
    let sections = document.sections(name, 0..=ROWS_MAX)?.into_iter();
    sections
        .map(|mut section| {
            let row = read(&mut section)?;
            section.finish()?;
            Ok(row)
        })
        .collect()
}

pub(super) fn written(sum: &Sum) -> Result<Value, Error> {
    Ok(json!({
        "collateral": sum.collateral.to_string(),
        "requirement": sum.requirement.to_string(),
        "health_wad": sum.health_wad()?.map(|health| health.to_string()),
    }))
}

fn texts<T: ToString>(numbers: &[T]) -> Vec<String> {
    numbers.iter().map(ToString::to_string).collect()
}

// --- Drift v2 -----------------------------------------------------------------------------------

fn of_drift_v2(mut document: Section) -> Result<Value, Error> {
    use drift_v2::{Kind, Mode, User};
    let d = &mut document;
    let kinds = [
        ("initial", Kind::Initial),
        ("maintenance", Kind::Maintenance),
    ];
    let modes = [
        ("default", Mode::Default),
        ("high_leverage", Mode::HighLeverage),
        ("high_leverage_maintenance", Mode::HighLeverageMaintenance),
    ];
    let kind = word(d, "kind", &kinds)?;
    let strict = d.flag("strict")?;
    let user = User {
        pool: narrow(d.integer("pool_id", U8)?),
        mode: word(d, "margin_mode", &modes)?,
        ratio_min: d.integer("max_margin_ratio", U32)?,
        spot_positions: rows(d, "spot_positions", drift_spot_position)?,
        perp_positions: rows(d, "perp_positions", drift_perp_position)?,
        spot_markets: rows(d, "spot_markets", drift_spot_market)?,
        perp_markets: rows(d, "perp_markets", drift_perp_market)?,
    };
    document.finish()?;
    let margin = drift_v2::margin(&user, kind, strict)?;
    let amounts = drift_v2::amounts(&user)?;
    let isolated: Vec<Value> = margin
        .isolated
        .iter()
        .map(|(market, sum)| Ok(json!([market, written(sum)?])))
        .collect::<Result<_, Error>>()?;
    Ok(json!({
        "cross": written(&margin.cross)?,
        "isolated": isolated,
        "spot_amounts": texts(&amounts.spot),
        "perp_quotes": texts(&amounts.quote),
        "isolated_amounts": texts(&amounts.isolated),
    }))
}

fn drift_spot_position(s: &mut Section) -> Result<drift_v2::SpotPosition, Error> {
    Ok(drift_v2::SpotPosition {
        market: narrow(s.integer("market_index", U16)?),
        is_borrow: word(s, "balance_type", &[("deposit", false), ("borrow", true)])?,
        scaled_balance: s.integer("scaled_balance", U64)?,
        open_bids: s.integer("open_bids", I64)?,
        open_asks: s.integer("open_asks", I64)?,
        open_orders: s.integer("open_orders", U8)?,
    })
}

fn drift_perp_position(s: &mut Section) -> Result<drift_v2::PerpPosition, Error> {
    let is_isolated = s.flag("is_isolated")?;
    let balance = s.integer("isolated_scaled_balance", U64)?;
    Ok(drift_v2::PerpPosition {
        market: narrow(s.integer("market_index", U16)?),
        base: s.integer("base_amount", I64)?,
        quote: s.integer("quote_amount", I64)?,
        funding: s.integer("last_cumulative_funding_rate", I64)?,
        open_bids: s.integer("open_bids", I64)?,
        open_asks: s.integer("open_asks", I64)?,
        open_orders: s.integer("open_orders", U8)?,
        ratio_min: s.integer("max_margin_ratio", U16)?,
        isolated: is_isolated.then_some(balance),
    })
}

fn drift_spot_market(s: &mut Section) -> Result<drift_v2::SpotMarket, Error> {
    Ok(drift_v2::SpotMarket {
        number: narrow(s.integer("market_index", U16)?),
        pool: narrow(s.integer("pool_id", U8)?),
        decimals: narrow(s.integer("decimals", 0..=19)?),
        deposit_balance: s.integer("deposit_balance", 0..=i128::MAX)?,
        deposit_interest: s.integer("cumulative_deposit_interest", 0..=i128::MAX)?,
        borrow_interest: s.integer("cumulative_borrow_interest", 0..=i128::MAX)?,
        asset_weights: [
            s.integer("initial_asset_weight", U32)?,
            s.integer("maintenance_asset_weight", U32)?,
        ],
        liability_weights: [
            s.integer("initial_liability_weight", U32)?,
            s.integer("maintenance_liability_weight", U32)?,
        ],
        size_factor: s.integer("imf_factor", U32)?,
        scale_start: s.integer("scale_initial_asset_weight_start", U64)?,
        oracle: drift_v2::Oracle {
            price: s.integer("price", I64)?,
            twap_5min: s.integer("last_oracle_price_twap_5min", I64)?,
        },
    })
}

fn drift_perp_market(s: &mut Section) -> Result<drift_v2::PerpMarket, Error> {
    let is_settled = s.flag("is_in_settlement")?;
    let expiry_price = s.integer("expiry_price", I64)?;
    Ok(drift_v2::PerpMarket {
        number: narrow(s.integer("market_index", U16)?),
        pool: narrow(s.integer("pool_id", U8)?),
        quote_market: narrow(s.integer("quote_spot_market_index", U16)?),
        expiry_price: is_settled.then_some(expiry_price),
        is_prediction: s.flag("is_prediction")?,
        ratios: [
            s.integer("margin_ratio_initial", U32)?,
            s.integer("margin_ratio_maintenance", U32)?,
        ],
        high_leverage_ratios: [
            s.integer("high_leverage_ratio_initial", U16)?,
            s.integer("high_leverage_ratio_maintenance", U16)?,
        ],
        size_factor: s.integer("imf_factor", U32)?,
        profit_weights: [
            s.integer("pnl_initial_asset_weight", U32)?,
            s.integer("pnl_maintenance_asset_weight", U32)?,
        ],
        profit_size_factor: s.integer("pnl_imf_factor", U32)?,
        imbalance_max: s.integer("pnl_max_imbalance", U64)?,
        funding: [
            s.integer("cumulative_funding_rate_long", I128)?,
            s.integer("cumulative_funding_rate_short", I128)?,
        ],
        net_base: s.integer("net_base_amount", I128)?,
        net_quote: s.integer("net_quote_amount", I128)?,
        stored_price: s.integer("last_oracle_price", I64)?,
        price: s.integer("price", I64)?,
    })
}

// --- marginfi v2 --------------------------------------------------------------------------------

fn of_marginfi_v2(mut document: Section) -> Result<Value, Error> {
    use marginfi_v2::Kind;
    let d = &mut document;
    let kinds = [
        ("initial", Kind::Initial),
        ("maintenance", Kind::Maintenance),
    ];
    let kind = word(d, "kind", &kinds)?;
    let banks = rows(d, "banks", marginfi_bank)?;
    let balances = rows(d, "balances", marginfi_balance)?;
    document.finish()?;
    let amounts = marginfi_v2::amounts(&balances, &banks)?;
    Ok(json!({
        "margin": written(&marginfi_v2::margin(&balances, &banks, kind)?)?,
        "amounts": texts(&amounts),
    }))
}

fn marginfi_balance(s: &mut Section) -> Result<marginfi_v2::Balance, Error> {
    Ok(marginfi_v2::Balance {
        bank: narrow(s.integer("bank", U16)?),
        asset_shares: s.integer("asset_shares", I128)?,
        liability_shares: s.integer("liability_shares", I128)?,
    })
}

fn marginfi_bank(s: &mut Section) -> Result<marginfi_v2::Bank, Error> {
    Ok(marginfi_v2::Bank {
        asset_share_value: s.integer("asset_share_value", I128)?,
        liability_share_value: s.integer("liability_share_value", I128)?,
        decimals: narrow(s.integer("decimals", U8)?),
        asset_weights: marginfi_weights(s, "asset_weight_init", "asset_weight_maint")?,
        liability_weights: marginfi_weights(s, "liability_weight_init", "liability_weight_maint")?,
        is_isolated: s.flag("is_isolated")?,
        is_reduce_only: s.flag("is_reduce_only")?,
        emode_tag: narrow(s.integer("emode_tag", U16)?),
        emode: rows(s, "emode_entries", marginfi_emode)?,
        total_asset_shares: s.integer("total_asset_shares", I128)?,
        initial_limit: s.integer("total_asset_value_init_limit", U64)?,
        weighted_price: marginfi_price(s, "weighted_price")?,
        price: marginfi_price(s, "price")?,
    })
}

fn marginfi_emode(s: &mut Section) -> Result<(u16, marginfi_v2::Weights), Error> {
    let tag = narrow(s.integer("collateral_tag", U16)?);
    let weights = marginfi_weights(s, "asset_weight_init", "asset_weight_maint")?;
    Ok((tag, weights))
}

fn marginfi_weights(
    s: &mut Section,
    initial: &str,
    maintenance: &str,
) -> Result<marginfi_v2::Weights, Error> {
    Ok(marginfi_v2::Weights {
        initial: s.integer(initial, I128)?,
        maintenance: s.integer(maintenance, I128)?,
    })
}

fn marginfi_price(s: &mut Section, name: &str) -> Result<Option<marginfi_v2::Price>, Error> {
    let Some(mut section) = s.optional(name)? else {
        return Ok(None);
    };
    let price = marginfi_v2::Price {
        price: section.integer("price", I128)?,
        confidence: section.integer("confidence", I128)?,
    };
    section.finish()?;
    Ok(Some(price))
}

// --- Kamino -------------------------------------------------------------------------------------

fn of_kamino(mut document: Section) -> Result<Value, Error> {
    let d = &mut document;
    let obligation = kamino::Obligation {
        deposits: rows(d, "deposits", kamino_deposit)?,
        borrows: rows(d, "borrows", kamino_borrow)?,
        elevation_group: d
            .optional("elevation_group")?
            .map(kamino_group)
            .transpose()?,
        allowed_max: d.small("allowed_max", 0..=u64::MAX)?,
        reserves: rows(d, "reserves", kamino_reserve)?,
    };
    document.finish()?;
    let found = kamino::refreshed(&obligation)?;
    let (deposits, debts) = kamino::amounts(&obligation)?;
    Ok(json!({
        "deposited_sf": found.deposited_sf.to_string(),
        "borrowed_sf": found.borrowed_sf.to_string(),
        "initial": written(&found.initial()?)?,
        "maintenance": written(&found.maintenance()?)?,
        "is_liquidatable": found.is_liquidatable(),
        "deposit_amounts": texts(&deposits),
        "debt_amounts": texts(&debts),
    }))
}

fn kamino_place(s: &mut Section) -> Result<usize, Error> {
    Ok(narrow(s.integer("reserve", U16)?))
}

fn kamino_deposit(s: &mut Section) -> Result<kamino::Deposit, Error> {
    Ok(kamino::Deposit {
        reserve: kamino_place(s)?,
        amount: s.small("amount", 0..=u64::MAX)?,
    })
}

fn kamino_borrow(s: &mut Section) -> Result<kamino::Borrow, Error> {
    Ok(kamino::Borrow {
        reserve: kamino_place(s)?,
        borrowed_sf: scaled(s, "borrowed_sf")?,
        borrow_rate_bsf: s.natural("cumulative_borrow_rate_bsf")?,
    })
}

fn kamino_group(mut s: Section) -> Result<kamino::ElevationGroup, Error> {
    let debt_reserve = s.has("debt_reserve");
    let group = kamino::ElevationGroup {
        number: narrow(s.integer("number", U8)?),
        loan_to_value_pct: narrow(s.integer("ltv_pct", U8)?),
        liquidation_threshold_pct: narrow(s.integer("liquidation_threshold_pct", U8)?),
        debt_reserve: debt_reserve
            .then(|| s.integer("debt_reserve", U16).map(narrow))
            .transpose()?,
    };
    s.finish()?;
    Ok(group)
}

fn kamino_reserve(s: &mut Section) -> Result<kamino::Reserve, Error> {
    let groups = s.texts("elevation_groups", 0..=ROWS_MAX)?;
    let elevation_groups = groups
        .iter()
        .map(|group| {
            group.parse().map_err(|_| {
                let key = s.key("elevation_groups");
                Error::parameter(key, format!("{group:?} is no number of a group"))
            })
        })
        .collect::<Result<_, _>>()?;
    Ok(kamino::Reserve {
        available: s.small("available", 0..=u64::MAX)?,
        borrowed_sf: scaled(s, "borrowed_sf")?,
        fees_sf: [
            scaled(s, "protocol_fees_sf")?,
            scaled(s, "referrer_fees_sf")?,
            scaled(s, "pending_referrer_fees_sf")?,
        ],
        collateral_supply: s.small("collateral_supply", 0..=u64::MAX)?,
        borrow_rate_bsf: s.natural("cumulative_borrow_rate_bsf")?,
        decimals: narrow(s.integer("decimals", U32)?),
        price_sf: scaled(s, "price_sf")?,
        loan_to_value_pct: narrow(s.integer("loan_to_value_pct", U8)?),
        liquidation_threshold_pct: narrow(s.integer("liquidation_threshold_pct", U8)?),
        borrow_factor_pct: s.small("borrow_factor_pct", 0..=u64::MAX)?,
        elevation_groups,
    })
}

/// A whole number of 128 bits.
fn scaled(s: &mut Section, name: &str) -> Result<u128, Error> {
    let value = s.natural(name)?;
    u128::try_from(value).map_err(|_| {
        let problem = format!("{value} is out of range; it must be below 2^128");
        Error::parameter(s.key(name), problem)
    })
}
