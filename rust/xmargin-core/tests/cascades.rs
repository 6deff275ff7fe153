//! Cascades of any input: refused by name or bracketed; large ones against full revaluation.

use proptest::prelude::*;
use xmargin_core::Error;
use xmargin_core::book::columnar::Workers;
use xmargin_core::liquidation::cascade::{
    Cascade, CloseRule, DepthCurves, Kind, KindColumns, LendingBook, LendingColumns,
    bracket_cascade,
};
use xmargin_core::pricing::batch::InstructionSet;

#[derive(Debug, Clone, Default)]
struct Case {
    debt: Vec<f64>,
    positions_end: Vec<u64>,
    kind: Vec<u32>,
    quantity: Vec<f64>,
    market: Vec<u32>,
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
        kind: &case.kind,
        quantity: &case.quantity,
    };
    let kinds = KindColumns {
        market: &case.market,
        collateral_weight: &case.weight,
        debt_factor: &case.factor,
    };
    let curves = DepthCurves {
        knots_end: &case.knots_end,
        amount: &case.amount,
        multiple: &case.multiple,
    };
    let rule = CloseRule::new(&case.health_below, &case.part)?;
    let book = LendingBook::new(&accounts, &kinds, &case.anchor, &workers)?;
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

/// Accounts on eight kinds, `shared` of them to a market; healths from 0.9 to 1.6; sales that move
/// prices by up to `impact`.
fn large(seed: u64, accounts: usize, impact: f64, buys: bool, shared: u32) -> Case {
    let mut stream = Stream(seed);
    let kinds = 8_u32;
    let markets = (kinds / shared) as usize;
    let mut case = Case {
        market: (0..kinds).map(|kind| kind / shared).collect(),
        weight: (0..kinds).map(|_| 0.6 + 0.3 * stream.next()).collect(),
        factor: vec![1.1; 8],
        prices: (0..markets).map(|_| 0.7 + 0.5 * stream.next()).collect(),
        anchor: vec![1.0; markets],
        health_below: vec![1.0, 0.95],
        part: vec![0.5, 1.0],
        ..Case::default()
    };
    let mut total = vec![0.0; markets];
    for _ in 0..accounts {
        let (mut covers, mut owed) = (0.0, 0.0);
        for kind in 0..kinds {
            let market = case.market[kind as usize] as usize;
            if stream.next() < 0.3 {
                let quantity = 10_f64.powf(3.0 * stream.next());
                let is_debt = buys && stream.next() < 0.15;
                let value = quantity * case.prices[market];
                case.kind.push(kind);
                case.quantity
                    .push(if is_debt { -0.3 * quantity } else { quantity });
                total[market] += quantity;
                covers += if is_debt {
                    0.0
                } else {
                    value * case.weight[kind as usize]
                };
                owed += if is_debt { 0.33 * value } else { 0.0 };
            }
        }
        let debt = covers / (0.9 + 0.7 * stream.next()) - owed;
        case.debt.push(debt.max(0.0));
        case.positions_end.push(case.kind.len() as u64);
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
        let kinds = self.kind[rows.clone()].iter();
        kinds
            .zip(&self.quantity[rows])
            .map(|(&kind, &quantity)| (kind as usize, quantity))
    }

    /// Every account's steps at some prices, by looking at all.
    fn steps(&self, prices: &[f64]) -> Vec<u8> {
        let step = |account: usize| {
            let (mut covers, mut debt) = (0.0, self.debt[account]);
            for (kind, quantity) in self.positions(account) {
                let price = prices[self.market[kind] as usize];
                if quantity >= 0.0 {
                    covers += quantity * (self.weight[kind] * price);
                } else {
                    debt -= quantity * (self.factor[kind] * price);
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
            for (kind, quantity) in self.positions(account) {
                sold[self.market[kind] as usize] += quantity * self.part[usize::from(step) - 1];
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
    for (seed, impact, shared) in [(1, 0.05, 1), (2, 0.3, 1), (3, 0.6, 4), (4, 0.9, 2)] {
        let case = large(seed, 100_000, impact, false, shared);
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
    for (seed, impact, shared) in [(5, 0.05, 1), (6, 0.4, 1), (7, 0.05, 4), (8, 0.3, 2)] {
        let case = large(seed, 60_000, impact, true, shared);
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
    for (buys, shared) in [(false, 1), (true, 1), (true, 2)] {
        let case = large(9, 60_000, 0.4, buys, shared);
        let found = bracket(&case, 1, 10_000)?;
        assert_eq!(bracket(&case, 3, 10_000)?, found);
        let anchor = (0..8 / shared).map(|market| 100_f64 / f64::from(market * market * 99 + 1));
        let anchor = anchor.collect();
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
        kind: vec![0; accounts as usize],
        quantity: vec![1.0; accounts as usize],
        market: vec![0],
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
        let shared = prop::collection::vec(any::<bool>(), assets);
        (vector(accounts), held, markets, rule, falls, shared).prop_map(
            |(debt, held, columns, (health_below, part), falls, shared)| {
                let (weight, factor, mut anchor, mut prices) = columns;
                let mut last = 0;
                let market: Vec<u32> = shared
                    .iter()
                    .enumerate()
                    .map(|(kind, &shared)| {
                        last += u32::from(kind > 0 && !shared);
                        last
                    })
                    .collect();
                let markets = market.last().map_or(0, |&last| last as usize + 1);
                anchor.truncate(markets);
                prices.truncate(markets);
                let mut case = Case {
                    debt,
                    market,
                    weight,
                    factor,
                    anchor,
                    prices,
                    health_below,
                    part,
                    ..Case::default()
                };
                for of_account in held {
                    case.kind.extend((0..).take(of_account.len()));
                    case.quantity.extend(of_account);
                    case.positions_end.push(case.kind.len() as u64);
                }
                for (reach, floor) in falls.into_iter().take(markets) {
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
        mut case in any_case(), ends in prop::collection::vec(any::<u64>(), 0..5), which in 0..7_u8,
    ) {
        match which {
            0 => case.positions_end = ends,
            1 => case.knots_end = ends,
            2 => case.kind.push(77),
            3 => case.market.push(0),
            4 => case.market.reverse(),
            5 => case.prices.push(1.0),
            _ => case.multiple.clear(),
        }
        if let Err(fault) = bracket(&case, 1, 5) {
            prop_assert!(!fault.to_string().is_empty());
        }
    }
}
