//! The scenario mechanism on any bits at all: a margin of finite numbers, or a typed error.

use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::*;
use xmargin_core::Error;
use xmargin_core::market::instrument::{
    Asset, Contract, Expiry, Instrument, Market, Portfolio, Position,
};
use xmargin_core::market::smile::Smile;
use xmargin_core::market::svi::SviParameters;
use xmargin_core::model::grid::{GridModel, GridParameters};
use xmargin_core::pricing::OptionKind;

const PARAMETERS: &str = include_str!("../../../python/xmargin/params/derive-pmrm2.json");

/// Floats of a plausible size, of any bits, and the edges.
fn float() -> impl Strategy<Value = f64> {
    prop_oneof![
        60 => 0.001..1.0_f64,
        2 => -1e6..1e6_f64,
        1 => any::<f64>(),
        1 => prop::sample::select(vec![0.0, -0.0, 1e-300, 1e30, 1e24, f64::NAN, f64::INFINITY]),
    ]
}

fn smile() -> impl Strategy<Value = Option<Smile>> {
    let slice = (
        float(),
        float(),
        float(),
        float(),
        float(),
        float(),
        float(),
    );
    prop::option::of(
        slice.prop_map(|(a, b, rho, m, sigma, forward, years)| Smile {
            parameters: SviParameters {
                a,
                b,
                rho,
                m,
                sigma,
            },
            forward,
            years,
        }),
    )
}

fn expiry() -> impl Strategy<Value = Expiry> {
    let numbers = (float(), float(), float(), float(), float());
    (0..2_u32, numbers, smile()).prop_map(
        |(asset, (years, forward_fixed, forward_variable, rate, confidence), smile)| Expiry {
            asset,
            years,
            forward_fixed,
            forward_variable,
            rate,
            confidence,
            smile,
        },
    )
}

fn contract() -> impl Strategy<Value = Contract> {
    let spot = (prop::option::of(0..2_u32), float(), float(), any::<bool>()).prop_map(
        |(asset, haircut_maintenance, haircut_initial, wrapped)| Contract::Spot {
            asset,
            haircut_maintenance,
            haircut_initial,
            wrapped,
        },
    );
    let option = (0..3_u32, any::<bool>(), float(), prop::option::of(float())).prop_map(
        |(expiry, call, strike, vol)| Contract::Option {
            expiry,
            kind: if call {
                OptionKind::Call
            } else {
                OptionKind::Put
            },
            strike,
            vol,
        },
    );
    prop_oneof![
        spot,
        option,
        (0..2_u32).prop_map(|asset| Contract::Perp { asset }),
        (0..3_u32).prop_map(|expiry| Contract::Future { expiry }),
    ]
}

fn instruments() -> impl Strategy<Value = Vec<Instrument>> {
    let one = (contract(), float(), float()).prop_map(|(contract, price, confidence)| {
        let is_option = matches!(contract, Contract::Option { .. });
        (contract, (!is_option).then_some(price), confidence)
    });
    prop::collection::vec(one, 0..5).prop_map(|rows| {
        let number = |(row, (contract, price, confidence)): (usize, _)| Instrument {
            id: row.to_string(),
            contract,
            price,
            confidence,
        };
        rows.into_iter().enumerate().map(number).collect()
    })
}

fn market() -> impl Strategy<Value = Market> {
    let asset = (float(), float());
    (
        float(),
        prop::collection::vec(asset, 1..3),
        prop::collection::vec(expiry(), 0..3),
        instruments(),
    )
        .prop_map(|(cash_price, assets, expiries, instruments)| Market {
            cash_price,
            assets: assets
                .into_iter()
                .enumerate()
                .map(|(row, (spot, confidence))| Asset {
                    name: row.to_string(),
                    spot,
                    confidence,
                })
                .collect(),
            expiries,
            instruments,
        })
}

fn margin_is_finite(market: &Market, quantities: &[f64], cash: f64) -> Result<bool, Error> {
    let parameters = GridParameters::parse(PARAMETERS)?;
    let model = GridModel::new(&parameters, market)?;
    let positions: Vec<Position> = (0_u32..)
        .zip(quantities)
        .map(|(instrument, &quantity)| Position {
            portfolio: 0,
            instrument,
            quantity,
            unsettled: 0.0,
        })
        .collect();
    let portfolio = Portfolio {
        id: "any".into(),
        cash,
        reserved_initial: 0.0,
    };
    let (margins, contributions) = model.margins(&[portfolio], &positions)?;
    let margin = &margins[0];
    let numbers = [
        margin.equity,
        margin.maintenance.margin,
        margin.initial.margin,
    ];
    Ok(numbers.into_iter().all(f64::is_finite)
        && margin.scenario_pnl.iter().all(|pnl| pnl.is_finite())
        && contributions.iter().all(|one| one.maintenance.is_finite()))
}

/// How many random markets were margined: a test of errors alone would show nothing.
static ANSWERED: AtomicUsize = AtomicUsize::new(0);

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    fn any_market_gives_finite_margins_or_a_typed_error(
        market in market(),
        quantities in prop::collection::vec(float(), 0..5),
        cash in float(),
    ) {
        let rows = market.instruments.len().min(quantities.len());
        if let Ok(finite) = margin_is_finite(&market, &quantities[..rows], cash) {
            ANSWERED.fetch_add(1, Ordering::Relaxed);
            prop_assert!(finite);
        }
    }

    #[test]
    fn any_text_is_a_parameter_file_or_a_typed_error(text in ".{0,200}") {
        prop_assert!(GridParameters::parse(&text).is_err());
    }
}

#[test]
fn any_bits_are_margined_or_refused_and_many_are_margined() {
    any_market_gives_finite_margins_or_a_typed_error();
    assert!(ANSWERED.load(Ordering::Relaxed) > 100);
}
