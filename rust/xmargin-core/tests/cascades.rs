//! Cascades of any input: refused by name or bracketed; large ones against full revaluation.

use proptest::prelude::*;
use xmargin_core::Error;
use xmargin_core::book::columnar::Workers;
use xmargin_core::liquidation::cascade::{
    AssetColumns, Cascade, CloseRule, DepthCurves, Kind, LendingBook, LendingColumns,
    bracket_cascade,
};
use xmargin_core::pricing::batch::InstructionSet;

#[derive(Debug, Clone, Default)]
struct Case {
    debt: Vec<f64>,
    positions_end: Vec<u64>,
    asset: Vec<u32>,
    quantity: Vec<f64>,
    weight: Vec<f64>,
    factor: Vec<f64>,
    anchor: Vec<f64>,
    prices: Vec<f64>,
    knots_end: Vec<u64>,
    amount: Vec<f64>,
    multiple: Vec<f64>,
    health_below: Vec<f64>,
    part: Vec<f64>,
}

fn bracket(case: &Case, threads: usize, passes_max: usize) -> Result<Cascade, Error> {
    let workers = Workers::new(threads, InstructionSet::best())?;
    let accounts = LendingColumns {
        debt: &case.debt,
        positions_end: &case.positions_end,
        asset: &case.asset,
        quantity: &case.quantity,
    };
    let assets = AssetColumns {
        collateral_weight: &case.weight,
        debt_factor: &case.factor,
        anchor_price: &case.anchor,
    };
    let curves = DepthCurves {
        knots_end: &case.knots_end,
        amount: &case.amount,
        multiple: &case.multiple,
    };
    let rule = CloseRule::new(&case.health_below, &case.part)?;
    let book = LendingBook::new(&accounts, &assets, &workers)?;
    bracket_cascade(&book, &case.prices, curves, &rule, passes_max, &workers)
}

/// A stream of numbers in [0, 1), the same every run (Steele, Lea and Flood 2014, `SplitMix64`).
struct Stream(u64);

impl Stream {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        f64::from(u32::try_from((z ^ (z >> 31)) >> 32).unwrap_or(0)) / 4_294_967_296.0
    }
}

/// Accounts on eight assets, healths from 0.9 to 1.6, sales that move prices by up to `impact`.
fn large(seed: u64, accounts: usize, impact: f64, buys: bool) -> Case {
    let mut stream = Stream(seed);
    let assets = 8_u32;
    let mut case = Case {
        weight: (0..assets).map(|_| 0.6 + 0.3 * stream.next()).collect(),
        factor: vec![1.1; 8],
        prices: (0..assets).map(|_| 0.7 + 0.5 * stream.next()).collect(),
        anchor: vec![1.0; 8],
        health_below: vec![1.0, 0.95],
        part: vec![0.5, 1.0],
        ..Case::default()
    };
    let mut total = vec![0.0; 8];
    for _ in 0..accounts {
        let (mut covers, mut owed) = (0.0, 0.0);
        for asset in 0..assets {
            if stream.next() < 0.3 {
                let quantity = 10_f64.powf(3.0 * stream.next());
                let is_debt = buys && stream.next() < 0.15;
                let value = quantity * case.prices[asset as usize];
                case.asset.push(asset);
                case.quantity
                    .push(if is_debt { -0.3 * quantity } else { quantity });
                total[asset as usize] += quantity;
                covers += if is_debt {
                    0.0
                } else {
                    value * case.weight[asset as usize]
                };
                owed += if is_debt { 0.33 * value } else { 0.0 };
            }
        }
        let debt = covers / (0.9 + 0.7 * stream.next()) - owed;
        case.debt.push(debt.max(0.0));
        case.positions_end.push(case.asset.len() as u64);
    }
    for total in total {
        case.amount.extend([-total, 0.0, total]);
        case.multiple.extend([1.0 + impact, 1.0, 1.0 - impact]);
        case.knots_end.push(case.amount.len() as u64);
    }
    case
}

impl Case {
    fn positions(&self, account: usize) -> impl Iterator<Item = (usize, f64)> {
        let end = |account: usize| usize::try_from(self.positions_end[account]).unwrap_or(0);
        let rows = account.checked_sub(1).map_or(0, end)..end(account);
        let assets = self.asset[rows.clone()].iter();
        assets
            .zip(&self.quantity[rows])
            .map(|(&a, &q)| (a as usize, q))
    }

    /// Every account's steps at some prices, by looking at all.
    fn steps(&self, prices: &[f64]) -> Vec<u8> {
        let step = |account: usize| {
            let (mut covers, mut debt) = (0.0, self.debt[account]);
            for (asset, quantity) in self.positions(account) {
                if quantity >= 0.0 {
                    covers += quantity * (self.weight[asset] * prices[asset]);
                } else {
                    debt -= quantity * (self.factor[asset] * prices[asset]);
                }
            }
            self.health_below
                .iter()
                .map(|health| u8::from(covers < health * debt))
                .sum()
        };
        (0..self.debt.len()).map(step).collect()
    }

    /// Prices after the sales of such steps (straight curves only).
    fn prices_after(&self, steps: &[u8]) -> Vec<f64> {
        let mut sold = vec![0.0; self.prices.len()];
        for (account, &step) in steps.iter().enumerate().filter(|(_, step)| **step > 0) {
            for (asset, quantity) in self.positions(account) {
                sold[asset] += quantity * self.part[usize::from(step) - 1];
            }
        }
        let after = |(asset, sold): (usize, &f64)| {
            let deepest = self.amount[3 * asset + 2];
            let (rise, fall) = (
                self.multiple[3 * asset] - 1.0,
                1.0 - self.multiple[3 * asset + 2],
            );
            let impact = if *sold < 0.0 { rise } else { fall };
            self.prices[asset] * (1.0 - impact * sold / deepest)
        };
        sold.iter().enumerate().map(after).collect()
    }

    fn rests_at(&self, mut steps: Vec<u8>) -> Vec<u8> {
        for _ in 0..1_000 {
            let after = self.steps(&self.prices_after(&steps));
            if after == steps {
                break;
            }
            steps = after;
        }
        steps
    }
}

#[test]
fn large_books_that_sell_end_where_full_revaluation_rests() -> Result<(), Error> {
    for (seed, impact) in [(1, 0.05), (2, 0.3), (3, 0.6), (4, 0.9)] {
        let case = large(seed, 100_000, impact, false);
        let found = bracket(&case, 2, 10_000)?;
        assert_eq!(found.kind, Kind::FixedPoints);
        assert!(
            found.step_least == case.rests_at(vec![0; 100_000]),
            "{impact} from above"
        );
        assert!(
            found.step_most == case.rests_at(vec![2; 100_000]),
            "{impact} from below"
        );
    }
    Ok(())
}

#[test]
fn large_books_that_buy_too_keep_every_step_of_the_plain_iteration() -> Result<(), Error> {
    for (seed, impact) in [(5, 0.05), (6, 0.4)] {
        let case = large(seed, 60_000, impact, true);
        let found = bracket(&case, 2, 10_000)?;
        assert_eq!(found.kind, Kind::Enclosure);
        let steps = case.rests_at(vec![0; 60_000]);
        if case.steps(&case.prices_after(&steps)) == steps {
            let ends = found.step_least.iter().zip(&found.step_most);
            assert!(
                steps
                    .iter()
                    .zip(ends)
                    .all(|(s, (least, most))| least <= s && s <= most)
            );
        }
    }
    Ok(())
}

#[test]
fn threads_and_far_anchors_change_no_bit() -> Result<(), Error> {
    for buys in [false, true] {
        let case = large(9, 60_000, 0.4, buys);
        let found = bracket(&case, 1, 10_000)?;
        assert_eq!(bracket(&case, 3, 10_000)?, found);
        let anchor = (1..=8).map(|asset| 10_f64.powi(asset - 4)).collect();
        let other = bracket(&Case { anchor, ..case }, 2, 10_000)?;
        assert_eq!(
            (other.price_low, other.price_high),
            (found.price_low, found.price_high)
        );
        assert_eq!(
            (other.step_least, other.step_most),
            (found.step_least, found.step_most)
        );
    }
    Ok(())
}

#[test]
fn a_chain_in_which_each_brings_down_the_next_ends_with_the_last() -> Result<(), Error> {
    // Account i is due when i others have sold: each sells one unit, which lowers the price by one.
    let accounts = 2_000_u32;
    let case = Case {
        debt: (0..accounts).map(|i| 10_000.5 - f64::from(i)).collect(),
        positions_end: (1..=u64::from(accounts)).collect(),
        asset: vec![0; accounts as usize],
        quantity: vec![1.0; accounts as usize],
        weight: vec![1.0],
        factor: vec![1.0],
        anchor: vec![10_000.0],
        prices: vec![10_000.0],
        knots_end: vec![2],
        amount: vec![0.0, 10_000.0],
        multiple: vec![1.0, 0.0],
        health_below: vec![1.0],
        part: vec![1.0],
    };
    let found = bracket(&case, 1, 10_000)?;
    assert_eq!(found.kind, Kind::FixedPoints);
    assert_eq!(found.step_least, vec![1; accounts as usize]);
    assert!(found.passes >= accounts as usize && found.evaluated < 4 * u64::from(accounts));
    let early = bracket(&case, 1, 10)?;
    assert_eq!(early.kind, Kind::Unfinished);
    assert!(early.price_high[0] > found.price_high[0]);
    Ok(())
}

/// Mostly numbers near one, sometimes anything at all.
fn number() -> impl Strategy<Value = f64> {
    prop_oneof![
        8 => 0.0..2.0,
        2 => prop_oneof![Just(0.0), Just(1.0), Just(1e30), Just(1e-30), Just(-1.0)],
        1 => any::<f64>(),
    ]
}

fn any_case() -> impl Strategy<Value = Case> {
    let vector = |rows: usize| prop::collection::vec(number(), rows);
    (0_usize..6, 0_usize..4, 0_usize..3).prop_flat_map(move |(accounts, assets, steps)| {
        let held = prop::collection::vec(prop::collection::vec(number(), assets), accounts);
        let markets = (
            vector(assets),
            vector(assets),
            vector(assets),
            vector(assets),
        );
        let rule = (vector(steps), vector(steps));
        let falls = prop::collection::vec((0.0..2.0, number()), assets);
        (vector(accounts), held, markets, rule, falls).prop_map(
            |(debt, held, (weight, factor, anchor, prices), (health_below, part), falls)| {
                let mut case = Case {
                    debt,
                    weight,
                    factor,
                    anchor,
                    prices,
                    health_below,
                    part,
                    ..Case::default()
                };
                for of_account in held {
                    case.asset.extend((0..).take(of_account.len()));
                    case.quantity.extend(of_account);
                    case.positions_end.push(case.asset.len() as u64);
                }
                for (reach, floor) in falls {
                    case.amount.extend([0.0, reach]);
                    case.multiple.extend([1.0, floor]);
                    case.knots_end.push(case.amount.len() as u64);
                }
                case
            },
        )
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_cascade_is_refused_or_bracketed(case in any_case(), passes_max in 0_usize..9) {
        match bracket(&case, 1, passes_max) {
            Err(fault) => prop_assert!(!fault.to_string().is_empty()),
            Ok(found) => {
                for (low, high) in found.price_low.iter().zip(&found.price_high) {
                    prop_assert!(low <= high);
                }
                let steps = found.step_least.iter().zip(&found.step_most);
                prop_assert!(steps.into_iter().all(|(least, most)| least <= most));
                prop_assert!(found.bad_debt_least <= found.bad_debt_most);
            }
        }
    }

    #[test]
    fn columns_of_any_shape_never_panic(
        mut case in any_case(), ends in prop::collection::vec(any::<u64>(), 0..5), which in 0..5_u8,
    ) {
        match which {
            0 => case.positions_end = ends,
            1 => case.knots_end = ends,
            2 => case.asset.push(77),
            3 => case.prices.push(1.0),
            _ => case.multiple.clear(),
        }
        if let Err(fault) = bracket(&case, 1, 5) {
            prop_assert!(!fault.to_string().is_empty());
        }
    }
}
