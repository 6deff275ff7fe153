//! The rules over JSON documents: one door for callers that hold no Rust types.
//!
//! A document names its `rule` and holds the account with the venue's parameters and prices; whole
//! numbers are texts of digits. `docs/liquidation.md` lists the fields.

use serde_json::{Value, json};

use super::perp_documents::{of_derive, of_drift, of_dydx_v4};
use super::{Proposal, Verdict, aave_v3, aave_v4, euler};
use crate::Error;
use crate::liquidation::waterfall::{Loss, Position, absorb};
use crate::model::document::Section;
use crate::num::U256;
use crate::venue::aave_v3::{
    EMode, Release, ReserveRisk, normalized_debt, normalized_income, stable_debt,
};

/// The most reserves, positions or bids of one document.
pub(super) const ROWS_MAX: usize = 1_000;

/// The proposal for the account of a document, as a document.
///
/// # Errors
/// [`Error::Parameter`] naming the field that is missing, unknown, malformed or out of range;
/// [`Error::Overflow`] where the venue's own arithmetic leaves its range.
pub fn propose_liquidation(document: &str) -> Result<String, Error> {
    let mut document = Section::parse(document)?;
    let rule = document.text("rule")?;
    let proposal = match rule.as_str() {
        "aave_v3" => of_aave_v3(document)?,
        "aave_v4" => of_aave_v4(document)?,
        "derive" => of_derive(document)?,
        "drift" => of_drift(document)?,
        "dydx_v4" => of_dydx_v4(document)?,
        "euler" => of_euler(document)?,
        other => {
            let known = "aave_v3, aave_v4, derive, drift, dydx_v4, euler";
            let problem = format!("{other:?} is no rule; the rules are {known}");
            return Err(Error::parameter("rule", problem));
        }
    };
    Ok(written(&proposal).to_string())
}

/// Who bears the loss of a document, as a document.
///
/// # Errors
/// As [`propose_liquidation`].
pub fn absorb_loss(document: &str) -> Result<String, Error> {
    let mut document = Section::parse(document)?;
    let d = &mut document;
    let mut loss = Loss {
        deficit: d.natural("deficit")?,
        fund: d.natural("fund")?,
        bankrupt: Vec::new(),
        shares: Vec::new(),
        counterparties: Vec::new(),
        weights: naturals(d, "weights")?,
    };
    let accounts = loss.weights.len();
    for mut section in d.sections("bankrupt", 0..=ROWS_MAX)? {
        loss.shares.push(section.natural("share")?);
        loss.bankrupt.push(position(section, usize::MAX)?);
    }
    for section in d.sections("counterparties", 0..=ROWS_MAX)? {
        loss.counterparties.push(position(section, accounts)?);
    }
    document.finish()?;
    let absorbed = absorb(&loss)?;
    let texts = |amounts: &[U256]| amounts.iter().map(U256::to_string).collect::<Vec<_>>();
    let offsets: Vec<Value> = absorbed
        .offsets
        .iter()
        .map(|one| json!([one.bankrupt, one.counterparty, one.size.to_string()]))
        .collect();
    Ok(json!({
        "by_fund": absorbed.by_fund.to_string(),
        "offsets": offsets,
        "by_price": absorbed.by_price.to_string(),
        "by_weight": texts(&absorbed.by_weight),
        "unborne": absorbed.unborne.to_string(),
    })
    .to_string())
}

fn naturals(document: &mut Section, name: &str) -> Result<Vec<U256>, Error> {
    let written = document.texts(name, 0..=ROWS_MAX)?;
    let read = |text: &String| {
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| text.parse().ok()).flatten().ok_or_else(|| {
            Error::parameter(document.key(name), format!("{text:?} is no whole number"))
        })
    };
    written.iter().map(read).collect()
}

fn position(mut section: Section, accounts: usize) -> Result<Position, Error> {
    let position = Position {
        instrument: number(&mut section, "instrument", usize::MAX)?,
        account: number(&mut section, "account", accounts)?,
        is_long: section.flag("is_long")?,
        size: section.natural("size")?,
        priority: section.natural("priority")?,
    };
    section.finish()?;
    Ok(position)
}

fn written(proposal: &Proposal) -> Value {
    let wad = |health: Option<U256>| health.map(|health| health.to_string());
    let (verdict, why) = match proposal.verdict {
        Verdict::NotDue => ("not_due", "the venue does not liquidate the account"),
        Verdict::Proposed => ("proposed", "the account is healthier afterwards"),
        Verdict::Toxic => ("toxic", "every liquidation lowers the account's health"),
        Verdict::Refused(why) => ("refused", why),
    };
    let legs = proposal.legs.as_ref().map(|legs| {
        json!({
            "closes": legs.closes,
            "takes": legs.takes,
            "cover": legs.cover.to_string(),
            "repaid": legs.repaid.to_string(),
            "seized": legs.seized.to_string(),
            "fee": legs.fee.to_string(),
            "deficits": legs.deficits.iter()
                .map(|(row, amount)| json!([row, amount.to_string()]))
                .collect::<Vec<_>>(),
        })
    });
    json!({
        "verdict": verdict,
        "why": why,
        "health_before_wad": wad(proposal.health_before_wad),
        "health_after_wad": wad(proposal.health_after_wad),
        "legs": legs,
    })
}

fn of_aave_v3(mut document: Section) -> Result<Proposal, Error> {
    let now_s = document
        .has("now_s")
        .then(|| document.small("now_s", 0..=u64::MAX))
        .transpose()?;
    let release = release(&mut document)?;
    let account = aave_v3::Account {
        release,
        emode: document.optional("emode")?.map(emode).transpose()?,
        reserves: document
            .sections("reserves", 0..=ROWS_MAX)?
            .into_iter()
            .map(|section| reserve(section, release, now_s))
            .collect::<Result<_, _>>()?,
    };
    let call = document.optional("call")?;
    document.finish()?;
    match call {
        None => aave_v3::propose(&account),
        Some(call) => aave_v3::propose_call(&account, &aave_v3_call(call, account.reserves.len())?),
    }
}

fn release(document: &mut Section) -> Result<Release, Error> {
    let name = document.text("release")?;
    Release::named(&name).ok_or_else(|| {
        let problem = format!("{name:?} is neither \"3.0\" (to 3.2) nor \"3.6\"");
        Error::parameter("release", problem)
    })
}

fn emode(mut section: Section) -> Result<(EMode, u16), Error> {
    let emode = EMode {
        category: small(&mut section, "category", 1..=255)?,
        // A loan to value decides what may be borrowed, never what is liquidated.
        ltv_bps: 0,
        liquidation_threshold_bps: small(&mut section, "liquidation_threshold_bps", 0..=10_000)?,
        price_base: section.natural("price_base")?,
    };
    let bonus_bps = small(&mut section, "bonus_bps", 10_000..=20_000)?;
    section.finish()?;
    Ok((emode, bonus_bps))
}

/// A reserve; with a time, what the pool stored grows to it.
fn reserve(
    mut section: Section,
    release: Release,
    now_s: Option<u64>,
) -> Result<aave_v3::Reserve, Error> {
    let s = &mut section;
    let mut reserve = aave_v3::Reserve {
        risk: ReserveRisk {
            ltv_bps: 0,
            liquidation_threshold_bps: small(s, "liquidation_threshold_bps", 0..=10_000)?,
            emode: small(s, "emode", 0..=255)?,
            // It decides what may be borrowed, as loan to value does.
            emode_lends_nothing: false,
            decimals: small(s, "decimals", 0..=36)?,
            price_base: s.natural("price_base")?,
        },
        bonus_bps: small(s, "bonus_bps", 10_000..=20_000)?,
        protocol_fee_bps: small(s, "protocol_fee_bps", 0..=10_000)?,
        supply_scaled: s.natural("supply_scaled")?,
        supply_index: s.natural("supply_index")?,
        debt_scaled: s.natural("debt_scaled")?,
        debt_index: s.natural("debt_index")?,
        stable_debt: s.natural("stable_debt")?,
        as_collateral: s.flag("as_collateral")?,
        borrowing: s.flag("borrowing")?,
        halted: s.flag("halted")?,
    };
    if let Some(now_s) = now_s {
        grow(&mut reserve, section.section("growth")?, release, now_s)?;
    }
    section.finish()?;
    Ok(reserve)
}

/// Brings indices and stable debt to `now_s`, as the pool does before it liquidates.
fn grow(
    reserve: &mut aave_v3::Reserve,
    mut section: Section,
    release: Release,
    now_s: u64,
) -> Result<(), Error> {
    let s = &mut section;
    let (supply_rate, debt_rate) = (s.natural("supply_rate")?, s.natural("debt_rate")?);
    let updated_at_s = s.small("updated_at_s", 0..=u64::MAX)?;
    let stable_rate = s.natural("stable_rate")?;
    let stable_updated_at_s = s.small("stable_updated_at_s", 0..=u64::MAX)?;
    section.finish()?;
    let (supply, debt, stable) = (
        reserve.supply_index,
        reserve.debt_index,
        reserve.stable_debt,
    );
    reserve.supply_index = normalized_income(supply, supply_rate, updated_at_s, now_s)?;
    reserve.debt_index = normalized_debt(release, debt, debt_rate, updated_at_s, now_s)?;
    reserve.stable_debt = stable_debt(stable, stable_rate, stable_updated_at_s, now_s)?;
    Ok(())
}

fn aave_v3_call(mut section: Section, reserves: usize) -> Result<aave_v3::Call, Error> {
    let call = aave_v3::Call {
        collateral: number(&mut section, "collateral", reserves)?,
        debt: number(&mut section, "debt", reserves)?,
        debt_to_cover: section.natural("debt_to_cover")?,
    };
    section.finish()?;
    Ok(call)
}

fn of_aave_v4(mut document: Section) -> Result<Proposal, Error> {
    let d = &mut document;
    let account = aave_v4::Account {
        collateral: side(d.section("collateral")?)?,
        debt: side(d.section("debt")?)?,
        other_weighted: d.natural("other_weighted")?,
        other_debt_base: d.natural("other_debt_base")?,
        has_other_collateral: d.flag("has_other_collateral")?,
        factor_bps: within(d, "factor_bps", 0..=10_000)?,
        bonus_max_bps: within(d, "bonus_max_bps", 10_000..=20_000)?,
        fee_bps: within(d, "fee_bps", 0..=10_000)?,
        target_wad: within(d, "target_wad", WAD..=10 * WAD)?,
        bonus_max_health_wad: within(d, "bonus_max_health_wad", 0..=WAD - 1)?,
        bonus_factor_bps: within(d, "bonus_factor_bps", 0..=10_000)?,
        debt_to_cover: d.natural("debt_to_cover")?,
    };
    document.finish()?;
    aave_v4::propose(&account)
}

fn side(mut section: Section) -> Result<aave_v4::Side, Error> {
    let side = aave_v4::Side {
        amount: section.natural("amount")?,
        decimals: small(&mut section, "decimals", 0..=36)?,
        price_base: section.natural("price_base")?,
    };
    section.finish()?;
    Ok(side)
}

fn of_euler(mut document: Section) -> Result<Proposal, Error> {
    let d = &mut document;
    let account = euler::Account {
        liability: d.natural("liability")?,
        liability_value: d.natural("liability_value")?,
        adjusted_value: d.natural("adjusted_value")?,
        collateral: d.natural("collateral")?,
        collateral_value: d.natural("collateral_value")?,
        ltv_bps: within(d, "ltv_bps", 0..=10_000)?,
        discount_max_bps: within(d, "discount_max_bps", 0..=9_999)?,
        desired_repay: d
            .has("desired_repay")
            .then(|| d.natural("desired_repay"))
            .transpose()?,
    };
    document.finish()?;
    euler::propose(&account)
}

fn within(
    section: &mut Section,
    name: &str,
    range: std::ops::RangeInclusive<u64>,
) -> Result<U256, Error> {
    section.small(name, range).map(U256::from)
}

/// The number of a row of the document.
pub(super) fn number(section: &mut Section, name: &str, rows: usize) -> Result<usize, Error> {
    let value = section.natural(name)?;
    usize::try_from(value)
        .ok()
        .filter(|row| *row < rows)
        .ok_or_else(|| {
            Error::parameter(
                section.key(name),
                format!("{value} is no row; there are {rows}"),
            )
        })
}

/// One in wad, which 64 bits hold tenfold.
const WAD: u64 = 1_000_000_000_000_000_000;

/// A small whole number of a narrower type, which `range` must fit.
fn small<T: TryFrom<u64>>(
    section: &mut Section,
    name: &str,
    range: std::ops::RangeInclusive<u64>,
) -> Result<T, Error> {
    let value = section.small(name, range)?;
    T::try_from(value).map_err(|_| Error::parameter(section.key(name), "is too large"))
}
