//! Whole books through [`evaluate`], with numbers that a reader can check in the head.
//!
//! Prices and shocks are powers of two, so that every figure here is exact in binary.

use xmargin_core::book::positions::Counting;
use xmargin_core::book::tables::{
    AaveAccounts, AavePools, AavePositions, AaveReserves, Accounts, Bases, Book, Chains, Tokens,
};
use xmargin_core::liquidation::order::Entry;
use xmargin_core::model::contingency::{
    CONCENTRATION, LIQUIDITY, MOBILITY, VENUE_RISK, WRAPPED_DEPEG,
};
use xmargin_core::model::parameters::Parameters;
use xmargin_core::model::unified::{Margin, PortfolioMargin, Stress};
use xmargin_core::num::U256;
use xmargin_core::num::fixed::RAY;
use xmargin_core::venue::aave_v3::Release;
use xmargin_core::{Error, Evaluation, evaluate};

const PARAMETERS: &str = r#"{
    "name": "halves", "version": "1",
    "assets": {
        "ETH": {"class": "crypto", "shock": "0.25"},
        "USD": {"class": "stable", "shock": "0.0625"}
    },
    "default_asset": {"class": "crypto", "shock": "0.5"},
    "scenarios": [
        {"moves": [{"class": "crypto", "reach": "together", "multiples": ["-1", "-1/2", "+1"]}]},
        {"moves": [{"class": "crypto", "reach": "each", "label": "alone", "multiples": ["-1"]}]},
        {"moves": [{"class": "stable", "reach": "each", "label": "depeg", "multiples": ["-1"]}]}
    ],
    "loss_factors": {"maintenance": "1", "initial": "1.5"},
    "wrapped_depeg": {"maintenance": "0.125", "initial": "0.25"}
}"#;

const ETH: u32 = 0;
const USD: u32 = 1;
const WRAPPED: u32 = 2;

/// Two chains, ETH at 1024 (±64) and USD at 1; token amounts are whole units.
fn empty_book() -> Book {
    Book {
        chains: Chains {
            id: vec!["eip155:1".into(), "eip155:2".into()],
            cut_off: vec![false, false],
        },
        bases: Bases {
            asset: vec!["ETH".into(), "USD".into()],
            mark: vec![1024.0, 1.0],
            low: vec![960.0, 1.0],
            high: vec![1088.0, 1.0],
            usable: vec![true, true],
            held: vec![false, false],
        },
        tokens: Tokens {
            base: vec![Some(0), Some(1), Some(0)],
            decimals: vec![Some(0); 3],
            haircut: vec![0.0, 0.0, 0.5],
            wrapped: vec![false, false, true],
        },
        aave_pools: AavePools {
            timestamp_s: vec![100],
            release: vec![Release::V3_0],
        },
        aave_reserves: AaveReserves {
            pool: vec![0; 3],
            token: vec![ETH, USD, WRAPPED],
            decimals: vec![0; 3],
            ltv_bps: vec![5_000; 3],
            liquidation_threshold_bps: vec![7_500; 3],
            emode: vec![0; 3],
            reserve_id: vec![0, 1, 2],
            liquidity_index: vec![RAY; 3],
            variable_borrow_index: vec![RAY; 3],
            liquidity_rate: vec![U256::ZERO; 3],
            variable_borrow_rate: vec![U256::ZERO; 3],
            updated_at_s: vec![100; 3],
            price_base: vec![U256::from(1024), U256::from(1), U256::from(1024)],
        },
        ..Book::default()
    }
}

/// Token, amount in whole units, chain.
type Lot = (u32, u64, u32);

/// One portfolio's holdings: wallet balances and Aave debts on the chain of each.
fn add_portfolio(book: &mut Book, id: &str, held: &[Lot], debts: &[Lot]) {
    let portfolio = u32::try_from(book.portfolios.id.len()).expect("few portfolios");
    book.portfolios.id.push(id.into());
    for &(token, amount, chain) in held {
        let account = add_account(book, &format!("wallet-{id}"), portfolio, chain);
        book.balances.account.push(account);
        book.balances.token.push(token);
        book.balances.amount.push(U256::from(amount));
        book.balances.debt.push(false);
        book.balances.looked_through.push(false);
    }
    for &(token, amount, chain) in debts {
        let account = add_account(book, &format!("aave-{id}"), portfolio, chain);
        let user = u32::try_from(book.aave_accounts.account.len()).expect("few users");
        book.aave_accounts = AaveAccounts {
            account: [book.aave_accounts.account.as_slice(), &[account]].concat(),
            pool: [book.aave_accounts.pool.as_slice(), &[0]].concat(),
            emode: [book.aave_accounts.emode.as_slice(), &[0]].concat(),
        };
        add_debt(&mut book.aave_positions, user, token, amount);
    }
}

fn add_account(book: &mut Book, id: &str, portfolio: u32, chain: u32) -> u32 {
    let Accounts {
        id: ids,
        portfolio: portfolios,
        chain: chains,
        venue_kind: kinds,
    } = &mut book.accounts;
    ids.push(id.into());
    portfolios.push(portfolio);
    chains.push(chain);
    kinds.push(
        if id.starts_with("wallet") {
            "wallet"
        } else {
            "lending"
        }
        .into(),
    );
    u32::try_from(ids.len() - 1).expect("few accounts")
}

fn add_debt(positions: &mut AavePositions, user: u32, reserve: u32, amount: u64) {
    positions.aave_account.push(user);
    positions.reserve.push(reserve);
    positions.supply_scaled.push(U256::ZERO);
    positions.variable_debt_scaled.push(U256::from(amount));
    positions.stable_debt_principal.push(U256::ZERO);
    positions.stable_rate.push(U256::ZERO);
    positions.stable_updated_at_s.push(0);
    positions.as_collateral.push(false);
    positions.borrowing.push(true);
}

fn evaluated(book: &Book) -> Result<Evaluation, Error> {
    evaluate(&Parameters::parse(PARAMETERS)?, book, None)
}

fn only_portfolio(book: &Book) -> Result<PortfolioMargin, Error> {
    Ok(evaluated(book)?.portfolios[0])
}

fn only_margin(book: &Book) -> Result<Margin, Error> {
    Ok(only_portfolio(book)?.margin.expect("nothing is refused"))
}

fn assert_money(found: f64, expected: f64) {
    assert_eq!(
        found.to_bits(),
        expected.to_bits(),
        "{found} is not {expected}"
    );
}

#[test]
fn collateral_is_valued_low_and_debt_high() -> Result<(), Error> {
    let mut book = empty_book();
    add_portfolio(&mut book, "p", &[(USD, 10_000, 0)], &[(ETH, 2, 1)]);
    let margin = only_margin(&book)?;
    assert_money(margin.equity, 10_000.0 - 2048.0);
    assert_money(margin.collateral_value, 10_000.0 - 2176.0);
    // ETH +1 costs a quarter of the debt; the initial factor takes half as much again.
    assert_money(margin.maintenance.margin, 625.0);
    assert_money(margin.initial.margin, 937.5);
    assert_eq!(
        margin.maintenance.stress,
        Stress::Scenario(5),
        "USD depeg -1"
    );
    Ok(())
}

#[test]
fn on_a_tie_the_first_scenario_binds() -> Result<(), Error> {
    let mut book = empty_book();
    add_portfolio(&mut book, "p", &[(ETH, 8, 0)], &[(USD, 64, 1)]);
    let margin = only_margin(&book)?;
    assert_money(margin.maintenance.margin, 8.0 * 960.0 / 4.0);
    assert_eq!(
        margin.maintenance.stress,
        Stress::Scenario(1),
        "crypto -1 before ETH alone -1"
    );
    Ok(())
}

#[test]
fn haircuts_and_depeg_go_by_token() -> Result<(), Error> {
    let mut book = empty_book();
    add_portfolio(
        &mut book,
        "p",
        &[(ETH, 1, 0), (WRAPPED, 2, 0)],
        &[(USD, 64, 1)],
    );
    let margin = only_margin(&book)?;
    // 2 wrapped at half are worth 1; the plain one keeps its worth.
    assert_money(margin.collateral_value, 2.0 * 960.0 - 64.0);
    assert_money(margin.maintenance.contingencies[WRAPPED_DEPEG], 960.0 / 8.0);
    assert_money(margin.maintenance.margin, 480.0 + 120.0);
    Ok(())
}

#[test]
fn who_owes_nothing_needs_nothing() -> Result<(), Error> {
    let mut book = empty_book();
    add_portfolio(&mut book, "p", &[(ETH, 1, 0), (WRAPPED, 2, 1)], &[]);
    let portfolio = only_portfolio(&book)?;
    let margin = portfolio.margin.expect("nothing is refused");
    assert_money(margin.maintenance.margin, 0.0);
    assert_money(margin.maintenance_excess(), margin.collateral_value);
    assert_eq!(
        (margin.health_factor(), portfolio.worst_scenario()),
        (None, None)
    );
    Ok(())
}

#[test]
fn a_chain_cut_off_counts_only_where_it_costs() -> Result<(), Error> {
    let mut book = empty_book();
    add_portfolio(
        &mut book,
        "p",
        &[(USD, 4096, 0), (ETH, 1, 1)],
        &[(USD, 896, 1)],
    );
    book.chains.cut_off[1] = true;
    let portfolio = only_portfolio(&book)?;
    let margin = portfolio.margin.expect("nothing is refused");
    assert!(portfolio.partial);
    // The chain's own 960 - 896 = 64 does not count; its loss of 240 counts beyond those 64.
    assert_money(margin.collateral_value, 4096.0);
    assert_money(margin.maintenance.margin, 4096.0 / 16.0);
    book.chains.cut_off = vec![true, false];
    let margin = only_margin(&book)?;
    assert_money(margin.collateral_value, 64.0);
    assert_money(margin.maintenance.margin, 240.0);
    Ok(())
}

#[test]
fn prices_refused_or_on_hold_liquidate_nobody() -> Result<(), Error> {
    let mut book = empty_book();
    add_portfolio(&mut book, "p", &[(ETH, 1, 0)], &[(USD, 1_000, 0)]);
    assert_eq!(
        evaluated(&book)?.order,
        [Entry::VenueAccount(0), Entry::Portfolio(0)]
    );
    book.bases.held[0] = true;
    assert_eq!(
        evaluated(&book)?.order,
        [Entry::VenueAccount(0)],
        "it owes USD only there"
    );
    book.bases.held[0] = false;
    book.bases.usable[0] = false;
    let evaluation = evaluated(&book)?;
    assert!(evaluation.portfolios[0].held && evaluation.portfolios[0].partial);
    assert_eq!(evaluation.positions.counting[0], Counting::Excluded);
    assert_eq!(evaluation.order, [Entry::VenueAccount(0)]);
    book.bases.usable = vec![true, false];
    let evaluation = evaluated(&book)?;
    assert!(
        evaluation.portfolios[0].margin.is_none(),
        "what is owed has no price"
    );
    assert!(evaluation.order.is_empty());
    Ok(())
}

#[test]
fn the_order_is_by_depth_then_size_then_id() -> Result<(), Error> {
    let mut book = empty_book();
    add_portfolio(&mut book, "b", &[], &[(USD, 512, 0)]);
    add_portfolio(&mut book, "a", &[], &[(USD, 512, 0)]);
    add_portfolio(&mut book, "bigger", &[], &[(USD, 1024, 0)]);
    add_portfolio(&mut book, "backed", &[(USD, 512, 0)], &[(USD, 1024, 0)]);
    let order = evaluated(&book)?.order;
    let (accounts, portfolios) = order.split_at(4);
    // All accounts are without collateral; the larger debts come first.
    let venue = [2, 3, 1, 0].map(Entry::VenueAccount);
    assert_eq!(accounts[2..], venue[2..]);
    assert_eq!(accounts.len(), venue.len());
    assert_eq!(portfolios, [2, 1, 0, 3].map(Entry::Portfolio));
    Ok(())
}

#[test]
fn every_run_gives_the_same_bits() -> Result<(), Error> {
    let mut book = empty_book();
    for id in ["one", "two", "three"] {
        add_portfolio(
            &mut book,
            id,
            &[(ETH, 3, 0), (WRAPPED, 7, 1)],
            &[(USD, 777, 1)],
        );
    }
    assert_eq!(evaluated(&book)?, evaluated(&book)?);
    Ok(())
}

#[test]
fn a_wrong_row_number_is_named() {
    let mut book = empty_book();
    add_portfolio(&mut book, "p", &[(ETH, 1, 0)], &[]);
    book.balances.token[0] = 9;
    let message = evaluated(&book)
        .expect_err("token 9 does not exist")
        .to_string();
    assert_eq!(
        message,
        "balances.token row 0: points to row 9 of tokens, which has 3 rows"
    );
}

/// The same, with contingencies: ETH trades 15,360 a day at a daily volatility of 1/16.
fn with_contingencies() -> Result<Parameters, Error> {
    let json = PARAMETERS.replace(
        r#""wrapped_depeg": {"maintenance": "0.125", "initial": "0.25"}"#,
        r#""wrapped_depeg": {"maintenance": "0", "initial": "0"},
        "liquidity": {
            "maintenance": "1", "initial": "1", "days_max": "1",
            "concentration": {"maintenance": "0.5", "initial": "1", "days": "1/8"},
            "assets": {"ETH": {"daily_volume_usd": "15360", "daily_volatility": "0.0625"}},
            "default_asset": {"daily_volume_usd": "1000", "daily_volatility": "0"}
        },
        "venue_risk": {"maintenance": "1", "initial": "2", "kinds": {"wallet": "1/64"}},
        "mobility": {"maintenance": "1", "initial": "1", "chains": {"eip155:2": "1/32"}}"#,
    );
    Parameters::parse(&json)
}

#[test]
fn contingencies_are_charged_on_what_is_net_over_all_chains() -> Result<(), Error> {
    let mut book = empty_book();
    add_portfolio(&mut book, "p", &[(ETH, 3, 0), (ETH, 1, 1)], &[(USD, 64, 0)]);
    let evaluation = evaluate(&with_contingencies()?, &book, None)?;
    let required = evaluation.portfolios[0].margin.expect("priced").maintenance;
    let value = 4.0 * 960.0;
    assert_money(required.scenario_loss, value / 4.0);
    // A quarter of a day's volume: its root is a half.
    assert_money(required.contingencies[LIQUIDITY], value / 16.0 / 2.0);
    let above = value - 15_360.0 / 8.0;
    assert_money(required.contingencies[CONCENTRATION], above / 16.0 / 2.0);
    assert_money(required.contingencies[VENUE_RISK], value / 64.0);
    // Tokens are numbered without their chain here: ETH counts on the first.
    assert_money(required.contingencies[MOBILITY], 0.0);
    let parts: f64 = evaluation.contributions.maintenance.iter().sum();
    assert_money(parts, required.margin);
    Ok(())
}

#[test]
fn a_net_surplus_on_a_slow_chain_counts_less() -> Result<(), Error> {
    let mut book = empty_book();
    add_portfolio(&mut book, "p", &[(ETH, 4, 1)], &[(USD, 64, 0)]);
    let evaluation = evaluate(&with_contingencies()?, &book, None)?;
    let margin = evaluation.portfolios[0].margin.expect("priced");
    assert_money(margin.maintenance.contingencies[MOBILITY], 3840.0 / 32.0);
    assert_money(margin.oracle_confidence, 4.0 * 64.0);
    Ok(())
}

#[test]
fn what_hedges_a_net_position_is_paid_for_it() -> Result<(), Error> {
    let mut book = empty_book();
    add_portfolio(
        &mut book,
        "p",
        &[(USD, 30_720, 0), (ETH, 2, 0)],
        &[(ETH, 18, 1)],
    );
    let evaluation = evaluate(&with_contingencies()?, &book, None)?;
    let required = evaluation.portfolios[0].margin.expect("priced").maintenance;
    assert_eq!(required.stress, Stress::Scenario(3), "crypto +1");
    let parts = &evaluation.contributions.maintenance;
    assert!(parts[1] < 0.0, "the ETH owned covers some of what is owed");
    let total: f64 = parts.iter().sum();
    assert!((total - required.margin).abs() < 1e-9);
    Ok(())
}
