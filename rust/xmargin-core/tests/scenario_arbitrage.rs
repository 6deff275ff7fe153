//! Free lunches in the scenario mechanism's prices: none where theory says none, found where one is
//! built in, and no panic on any market.

use proptest::prelude::*;
use xmargin_core::market::chain_arbitrage::ArbitrageKind;
use xmargin_core::market::instrument::{Asset, Contract, Expiry, Instrument, Market};
use xmargin_core::market::no_arbitrage::{LOG_MONEYNESS, check_butterfly, check_calendar};
use xmargin_core::market::smile::Smile;
use xmargin_core::market::svi::{SviParameters, SviSlice};
use xmargin_core::model::grid::{Arbitrage, GridModel, GridParameters};
use xmargin_core::pricing::OptionKind;

/// Parallel moves, every rule that moves all vols alike, and a skew of its own scenario.
const PARAMETERS: &str = r#"{
    "name": "arbitrage", "version": "1", "assets": {},
    "default_asset": {"class": "coin", "shock": "1"},
    "scenarios": [
        {"moves": [{"class": "coin", "reach": "together", "multiples": ["-0.5", "0", "+0.8"]}],
         "vols": ["term", "half", "points", "same"]},
        {"moves": [], "vols": ["skew"]}
    ],
    "vol_rules": {
        "term": {"kind": "term_power", "range": "0.5", "short_power": "0.3", "long_power": "0.13",
                 "expiry_days_min": "1", "vol_min": "0.4"},
        "half": {"kind": "fixed", "multiplier": "0.5", "vol_min": "0"},
        "points": {"kind": "flat", "addition": "0.1", "vol_min": "0"},
        "skew": {"kind": "skew", "wings": "both", "cap_base": "0.5", "cap_slope": "0", "width": "0",
                 "vol_base": "0", "vol_slope": "0", "log_moneyness_min": "0.2"}
    },
    "loss_factors": {"maintenance": "1", "initial": "1"}
}"#;
const SKEWED: &str = "vol skew";

fn option(id: usize, expiry: u32, kind: OptionKind, strike: f64, vol: Option<f64>) -> Instrument {
    Instrument {
        id: id.to_string(),
        contract: Contract::Option {
            expiry,
            kind,
            strike,
            vol,
        },
        price: None,
        confidence: 1.0,
    }
}

fn expiry(years: f64, forward: f64, smile: Option<SviParameters>) -> Expiry {
    Expiry {
        asset: 0,
        years,
        forward_fixed: 0.0,
        forward_variable: forward,
        rate: 0.05,
        confidence: 1.0,
        smile: smile.map(|parameters| Smile {
            parameters,
            forward,
            years,
        }),
    }
}

fn market(expiries: Vec<Expiry>, instruments: Vec<Instrument>) -> Market {
    Market {
        cash_price: 1.0,
        assets: vec![Asset {
            name: "ETH".into(),
            spot: 100.0,
            confidence: 1.0,
        }],
        expiries,
        instruments,
    }
}

/// Calls and puts of each strike at each expiry, by the vol of `vol`.
fn both_kinds(strikes: &[f64], expiries: u32, vol: Option<f64>) -> Vec<Instrument> {
    let mut instruments = Vec::new();
    for expiry in 0..expiries {
        for &strike in strikes {
            for kind in [OptionKind::Call, OptionKind::Put] {
                instruments.push(option(instruments.len(), expiry, kind, strike, vol));
            }
        }
    }
    instruments
}

fn arbitrage(market: &Market) -> Vec<(String, Arbitrage)> {
    let parameters = GridParameters::parse(PARAMETERS).expect("valid");
    let model = GridModel::new(&parameters, market).expect("valid");
    let names = model.grid().names().to_vec();
    let with_name = |one: Arbitrage| (names[one.scenario].clone(), one);
    model.arbitrage().into_iter().map(with_name).collect()
}

fn slices() -> impl Strategy<Value = SviParameters> {
    let ranges = (
        0.0..0.1_f64,
        0.01..0.4_f64,
        -0.8..0.8_f64,
        -0.3..0.3_f64,
        0.05..0.8_f64,
    );
    ranges.prop_map(|(a, b, rho, m, sigma)| SviParameters {
        a,
        b,
        rho,
        m,
        sigma,
    })
}

fn is_free(near: SviParameters, far: SviParameters) -> bool {
    let (Ok(near), Ok(far)) = (SviSlice::new(near), SviSlice::new(far)) else {
        return false;
    };
    check_butterfly(&near, LOG_MONEYNESS, None).is_ok()
        && check_butterfly(&far, LOG_MONEYNESS, None).is_ok()
        && check_calendar(&near, &far, LOG_MONEYNESS, None).is_ok()
}

proptest! {
    #[test]
    fn g12_a_proved_surface_that_moves_with_the_forward_stays_free(
        near in slices(), more in (0.0..0.1_f64, 1.0..1.5_f64),
        moneyness in prop::collection::vec(-1.5..1.5_f64, 3..30), relative in -0.9..3.0_f64,
    ) {
        // Variance grows at every strike from the near expiry to the far one.
        let far = SviParameters { a: near.a + more.0, b: near.b * more.1, ..near };
        prop_assume!(is_free(near, far));
        let forward = 100.0 * (1.0 + relative);
        let strikes: Vec<f64> = moneyness.iter().map(|k| 100.0 * k.exp()).collect();
        let terms = vec![expiry(0.1, forward, Some(near)), expiry(0.5, 1.02 * forward, Some(far))];
        let found = arbitrage(&market(terms, both_kinds(&strikes, 2, None)));
        let unshocked = found.iter().find(|(_, one)| one.scenario == 0);
        prop_assert!(unshocked.is_none(), "{unshocked:?}");
    }

    #[test]
    fn g13_flat_vols_stay_free_under_every_parallel_move(
        vol in 0.05..2.0_f64, strikes in prop::collection::vec(1.0..500.0_f64, 1..40),
    ) {
        // The skew alone bends them. (A term rule may lower the variance of a far expiry: one is held.)
        let terms = vec![expiry(0.3, 100.0, None)];
        let found = arbitrage(&market(terms, both_kinds(&strikes, 1, Some(vol))));
        let parallel = found.iter().find(|(name, _)| name != SKEWED);
        prop_assert!(parallel.is_none(), "{parallel:?}");
    }

    #[test]
    fn g14_a_capped_skew_is_found_at_the_strike_where_the_cap_begins(
        vol in 0.3..0.9_f64, nearness in 0.001..0.01_f64,
    ) {
        // vol × (1 + min(0.5, 2.5 |k|)) bends down at k = ±0.2, and up at the money.
        let strikes: Vec<f64> = [-0.2_f64, 0.0, 0.2]
            .iter()
            .flat_map(|k| [k - nearness, *k, k + nearness])
            .map(|k| 100.0 * k.exp())
            .collect();
        let found = arbitrage(&market(
            vec![expiry(0.25, 100.0, None)],
            both_kinds(&strikes, 1, Some(vol)),
        ));
        prop_assert!(found.iter().all(|(name, _)| name == SKEWED));
        let butterflies: Vec<f64> = found
            .iter()
            .filter(|(_, one)| one.find.kind == ArbitrageKind::Butterfly)
            .map(|(_, one)| one.find.strike)
            .collect();
        prop_assert_eq!(butterflies, vec![strikes[1], strikes[7]]);
    }

    #[test]
    fn any_bits_of_strikes_vols_and_forwards_are_searched_without_a_panic(
        options in prop::collection::vec((any::<f64>(), any::<f64>(), any::<bool>()), 0..8),
        near in any::<f64>(), far in any::<f64>(), years in 0.0..2.0_f64,
    ) {
        let magnitude = |x: f64| if x.is_finite() { x.abs().clamp(1e-30, 1e28) } else { 1.0 };
        let terms = vec![expiry(years, magnitude(near), None), expiry(2.0, magnitude(far), None)];
        let instruments = (0..).zip(&options).map(|(row, (strike, vol, call))| {
            let kind = if *call { OptionKind::Call } else { OptionKind::Put };
            let vol = magnitude(*vol).min(1e6);
            option(row, u32::from(row % 2 == 0), kind, magnitude(*strike), Some(vol))
        });
        for (_, one) in arbitrage(&market(terms, instruments.collect())) {
            prop_assert!(one.find.amount > 0.0 && one.find.amount.is_finite());
        }
    }
}

#[test]
fn two_vols_of_one_strike_are_told_in_every_scenario_that_tells_them_apart() {
    let instruments = vec![
        option(0, 0, OptionKind::Call, 100.0, Some(0.6)),
        option(1, 0, OptionKind::Put, 100.0, Some(0.8)),
    ];
    let found = arbitrage(&market(vec![expiry(0.25, 100.0, None)], instruments));
    assert!(
        found
            .iter()
            .all(|(_, one)| one.find.kind == ArbitrageKind::Parity)
    );
    assert_eq!(found.len(), 14);
}
