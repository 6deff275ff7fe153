//! No input makes the statistical models panic, or answer with what is no number.

use proptest::prelude::*;
use xmargin_core::backtest::{Outcomes, backtest};
use xmargin_core::model::confidence::Confidence;
use xmargin_core::model::historical::parameters::HistoricalParameters;
use xmargin_core::model::historical::{
    Holdings, ReturnRows, Returns, Revalued, Scenarios, fit_garch, forecasts, margin,
};
use xmargin_core::model::parametric::{self, Sensitivities};

fn parameters(kind: &str) -> HistoricalParameters {
    let filter = match kind {
        "ewma" => r#""kind": "ewma", "decay": "0.9""#,
        _ => r#""kind": "garch""#,
    };
    let json = format!(
        r#"{{"name": "x", "version": "1", "model": "historical", "confidence": "0.75",
            "filter": {{{filter}, "seed_days": "2", "volatility_min": "0.000001", "scale_max": "100"}},
            "stress": {{"weight": "0.5", "days": "4"}}, "floor": "2"}}"#
    );
    HistoricalParameters::parse(&json).expect("the parameters are sound")
}

/// Any bits at all, and often values that pass the first check.
fn any_number() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => -0.5_f64..0.5,
        2 => prop::sample::select(vec![0.0, -0.0, 1.0, -1.0, 10.0, -10.0, 1e100, -1e100, 1e-300]),
        1 => any::<u64>().prop_map(f64::from_bits),
    ]
}

fn name() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["a", "b", "c", ""]).prop_map(str::to_owned)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn historical_simulation(
        days in 0_usize..14,
        values in prop::collection::vec(any_number(), 42),
        extra in prop::option::of((name(), any::<i32>(), any_number())),
        deltas in prop::collection::vec((name(), any_number()), 0..4),
        vector in prop::collection::vec(any_number(), 0..14),
        garch in any::<bool>(),
    ) {
        let mut rows = ReturnRows::default();
        for (place, factor) in ["c", "a", "b"].into_iter().enumerate() {
            for day in 0..days {
                rows.factor.push(factor.to_owned());
                rows.day.push(i32::try_from(day).unwrap_or(0));
                rows.log_return.push(values[3 * day + place]);
            }
        }
        if let Some((factor, day, value)) = extra {
            rows.factor.push(factor);
            rows.day.push(day);
            rows.log_return.push(value);
        }
        let parameters = parameters(if garch { "garch" } else { "ewma" });
        let (factor, delta_usd) = deltas.into_iter().unzip();
        let linear = Holdings { factor, delta_usd, revalued: Vec::new() };
        let filtered = vector.get(2..).unwrap_or_default().to_vec();
        let revalued = vec![Revalued { name: "r".to_owned(), filtered, raw: vector }];
        let whole = Holdings { revalued, ..linear.clone() };
        if let Ok(returns) = Returns::new(&rows) {
            if let Ok(scenarios) = Scenarios::of(&returns, &parameters) {
                for holdings in [&linear, &whole] {
                    if let Ok(found) = margin(&scenarios, holdings, &parameters) {
                        prop_assert!(found.requirement.is_finite() && found.requirement >= 0.0);
                        prop_assert!(found.contributions.iter().all(|part| part.is_finite()));
                    }
                }
            }
            let _ = forecasts(&returns, &linear, &parameters, days / 2);
        }
    }

    #[test]
    fn garch_fits(seed in prop::collection::vec(any_number(), 1..120), repeats in 1_usize..4) {
        let returns: Vec<f64> = (0..repeats).flat_map(|_| seed.iter().copied()).collect();
        if let Ok(model) = fit_garch("x", &returns) {
            prop_assert!(model.constant > 0.0 && model.arch + model.garch < 1.0);
        }
    }

    #[test]
    fn delta_gamma_vega(
        deviation in prop::collection::vec(any_number(), 0..4),
        sensitivity in prop::collection::vec(any_number(), 3),
        curvature in prop::collection::vec((name(), name(), any_number()), 0..4),
        correlation in prop::collection::vec(any_number(), 3),
    ) {
        let names = ["a", "b", "c"];
        let count = deviation.len();
        let pairs = [(0, 1), (0, 2), (1, 2)].into_iter().zip(correlation);
        let book = Sensitivities {
            name: names[..count].iter().map(|&name| name.to_owned()).collect(),
            deviation: deviation.into_iter().map(f64::abs).collect(),
            sensitivity: sensitivity[..count].to_vec(),
            curvature,
            correlation: pairs
                .filter(|((_, right), _)| *right < count)
                .map(|((left, right), rho)| (names[left].to_owned(), names[right].to_owned(), rho))
                .collect(),
        };
        let level = Confidence::new("confidence", 0.99).expect("a level in range");
        if let Ok(found) = parametric::margin(&book, level) {
            prop_assert!(found.requirement.is_finite(), "{book:?} {found:?}");
        }
    }

    #[test]
    fn backtests(
        rows in prop::collection::vec((any_number(), any_number(), any_number()), 0..20),
        level in any_number(),
    ) {
        let outcomes = Outcomes {
            day: (0..).take(rows.len()).collect(),
            pnl: rows.iter().map(|row| row.0).collect(),
            var: rows.iter().map(|row| row.1).collect(),
            es: rows.iter().map(|row| row.1.abs() + row.2.abs()).collect(),
        };
        let level = Confidence::new("confidence", level)
            .or_else(|_| Confidence::new("confidence", 0.95))
            .expect("a level in range");
        if let Ok(found) = backtest(&outcomes, level) {
            prop_assert!(found.exceptions <= found.observations);
            prop_assert!((0.0..=1.0).contains(&found.tests.conditional_p));
        }
    }
}
