//! Prices, greeks and smiles against the fifty-digit reference (`tests/pricing/golden`).

use serde_json::Value;
use xmargin_core::market::no_arbitrage::butterfly;
use xmargin_core::market::svi::{SviParameters, SviSlice};
use xmargin_core::pricing::OptionKind::{Call, Put};
use xmargin_core::pricing::batch::{Batch, Chain, InstructionSet, Stdevs, stdevs};
use xmargin_core::pricing::{OptionTerms, implied_vol};

/// The bound that the project promises, relative to discount × forward.
const BOUND: f64 = 1e-12;

fn rows(file: &str) -> Vec<Value> {
    serde_json::from_str(file).expect("a golden file is JSON")
}

/// The nearest `f64` of a decimal text.
fn number(row: &Value, name: &str) -> f64 {
    let text = row[name]
        .as_str()
        .unwrap_or_else(|| panic!("{row} has no {name}"));
    text.parse().expect("a decimal")
}

fn terms(row: &Value) -> OptionTerms {
    OptionTerms {
        kind: if row["kind"] == "call" { Call } else { Put },
        forward: number(row, "forward"),
        strike: number(row, "strike"),
        expiry_years: number(row, "expiry_years"),
        vol: number(row, "vol"),
        discount: number(row, "discount"),
    }
}

fn golden_options() -> Vec<(OptionTerms, Value)> {
    let rows = rows(include_str!("../../../tests/pricing/golden/black76.json"));
    rows.into_iter().map(|row| (terms(&row), row)).collect()
}

/// The largest error relative to discount × forward.
fn worst_error(options: &[(OptionTerms, Value)], values: &[f64]) -> f64 {
    let errors = options.iter().zip(values).map(|((terms, row), value)| {
        let error = (value - number(row, "value")).abs() / (terms.discount * terms.forward);
        assert!(error <= BOUND, "{error:e} {value:e} {row}");
        error
    });
    errors.fold(0.0, f64::max)
}

#[test]
fn the_scalar_price_is_within_its_bound() {
    let options = golden_options();
    let values: Vec<f64> = options
        .iter()
        .map(|(terms, _)| terms.value().expect("in range"))
        .collect();
    println!("scalar: {:e}", worst_error(&options, &values));
}

#[test]
fn every_instruction_set_is_within_the_bound_wherever_a_row_stands() {
    let options = golden_options();
    let of = |read: fn(&OptionTerms) -> f64| -> Vec<f64> {
        options.iter().map(|(terms, _)| read(terms)).collect()
    };
    let kind: Vec<_> = options.iter().map(|(terms, _)| terms.kind).collect();
    let (forward, strike) = (of(|terms| terms.forward), of(|terms| terms.strike));
    let (years, vol) = (of(|terms| terms.expiry_years), of(|terms| terms.vol));
    let discount = of(|terms| terms.discount);
    let stdev = stdevs(&years, &vol).expect("in range");
    for set in InstructionSet::available() {
        let price = |from: usize, to: usize| {
            let rows = from..to;
            let batch = Batch::new(
                &kind[rows.clone()],
                &forward[rows.clone()],
                &strike[rows.clone()],
                &stdev[rows.clone()],
                &discount[rows.clone()],
            );
            let mut values = vec![0.0; rows.len()];
            batch
                .and_then(|batch| batch.values_into(set, &mut values))
                .expect("in range");
            values
        };
        let values = price(0, kind.len());
        println!("{}: {:e}", set.name(), worst_error(&options, &values));
        for from in 0..17 {
            for to in from..from + 17 {
                assert_eq!(
                    price(from, to),
                    values[from..to],
                    "{} {from} {to}",
                    set.name()
                );
            }
        }
    }
}

#[test]
fn a_chain_is_within_the_bound_in_every_scenario() {
    let options = golden_options();
    for set in InstructionSet::available() {
        let mut values = Vec::new();
        for (terms, _) in &options {
            let chain = Chain::new(vec![terms.kind], vec![terms.strike]).expect("in range");
            // As if the scenario had halved the vol of a market with twice of it.
            let doubled = 2.0 * terms.vol * terms.expiry_years.sqrt();
            let stdevs = Stdevs::new(&[doubled]).expect("in range");
            let mut value = [0.0];
            chain
                .values_into(set, terms.forward, terms.discount, &stdevs, 0.5, &mut value)
                .expect("in range");
            values.push(value[0]);
        }
        println!("{} chain: {:e}", set.name(), worst_error(&options, &values));
    }
}

#[test]
fn greeks_are_right_to_twelve_digits_of_their_scale() {
    let mut compared = 0;
    for (terms, row) in golden_options()
        .iter()
        .filter(|(_, row)| row.get("delta").is_some())
    {
        let greeks = terms.greeks().expect("in range");
        let close = |name: &str, found: f64, scale: f64| {
            let wanted = number(row, name);
            let error = (found - wanted).abs();
            assert!(
                error <= 1e-12 * (scale + wanted.abs()),
                "{name} {found:e} {row}"
            );
        };
        let stdev = terms.vol * terms.expiry_years.sqrt();
        let scale = terms.discount * terms.forward;
        close("delta", greeks.delta, 1.0);
        close(
            "gamma",
            greeks.gamma,
            terms.discount / (terms.forward * stdev),
        );
        close("vega", greeks.vega, scale * terms.expiry_years.sqrt());
        let decay = terms.vol / terms.expiry_years.sqrt() + 1.0 / terms.expiry_years;
        close(
            "theta",
            greeks.theta,
            scale * decay + scale.max(terms.strike),
        );
        compared += 1;
    }
    assert!(compared > 500, "{compared}");
}

#[test]
fn the_vol_of_a_true_price_is_the_vol() {
    let mut compared = 0;
    for (terms, row) in golden_options()
        .iter()
        .filter(|(_, row)| row.get("vega").is_some())
    {
        let price = number(row, "value");
        // What one rounding of the price or of its intrinsic value is worth in vol.
        let blur = f64::EPSILON * terms.forward.max(terms.strike) / number(row, "vega");
        if blur > 1e-3 * terms.vol {
            continue;
        }
        let found = implied_vol(
            terms.kind,
            terms.forward,
            terms.strike,
            terms.expiry_years,
            price,
            terms.discount,
        );
        let error = (found.expect("a price has a vol") - terms.vol).abs();
        assert!(
            error <= 4.0 * blur + 4e-15 * terms.vol,
            "{error:e} {blur:e} {row}"
        );
        compared += 1;
    }
    assert!(compared > 200, "{compared}");
}

#[test]
fn far_wings_keep_all_their_digits() {
    // Out of the money nothing is lost to intrinsic value: the vol is good to the last digits even
    // where the price is far below what one ulp of the forward is.
    let mut compared = 0;
    for (terms, row) in golden_options()
        .iter()
        .filter(|(_, row)| row.get("vega").is_some())
    {
        let price = number(row, "value");
        let is_out = terms.kind.intrinsic(terms.forward, terms.strike) == 0.0;
        // A subnormal price has lost its digits; where vega is nothing, the price is at its bound.
        let elasticity = number(row, "vega") * terms.vol / price;
        if !is_out || price < 1e-300 || elasticity < 1e-2 {
            continue;
        }
        let found = implied_vol(
            terms.kind,
            terms.forward,
            terms.strike,
            terms.expiry_years,
            price,
            terms.discount,
        );
        let error = (found.expect("a price has a vol") / terms.vol - 1.0).abs();
        assert!(error <= 4e-15 / elasticity.min(1.0), "{error:e} {row}");
        compared += 1;
    }
    assert!(compared > 150, "{compared}");
}

#[test]
fn smiles_are_right() {
    for row in rows(include_str!("../../../tests/pricing/golden/svi.json")) {
        let [a, b, rho, m, sigma] = ["a", "b", "rho", "m", "sigma"].map(|name| number(&row, name));
        let slice = SviSlice::new(SviParameters {
            a,
            b,
            rho,
            m,
            sigma,
        })
        .expect("valid");
        let k = number(&row, "log_moneyness");
        let close = |name: &str, found: f64, scale: f64| {
            let error = (found - number(&row, name)).abs();
            assert!(error <= 1e-14 * scale, "{name} {found:e} {row}");
        };
        let terms = a.abs() + b * (1.0 + (k - m).abs() + sigma);
        close("total_variance", slice.total_variance(k), terms);
        close("slope", slice.slope(k), 1.0);
        close("curvature", slice.curvature(k), b / sigma);
        let variance = slice.total_variance(k);
        close(
            "butterfly",
            butterfly(&slice, k),
            (1.0 + terms / variance).powi(3) + b / sigma,
        );
    }
}
