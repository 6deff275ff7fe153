//! The index says after every tick what a full revaluation says; what it refuses changes nothing.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "small numbers made up here"
)]

use proptest::prelude::*;
use xmargin_core::Error;
use xmargin_core::book::columnar::{AccountColumns, ChainTerms, GridScenarios, OptionRow, Results};
use xmargin_core::index::{ExpiryTerms, FactorTerms, HealthIndex, MarketTerms, Moves, Threshold};
use xmargin_core::pricing::OptionKind;

const FACTORS: usize = 4;
const CHAINS: usize = 3;
const OPTIONS: usize = 30;
const DAY_MS: i64 = 86_400_000;
const PRICES: [f64; FACTORS] = [60_000.0, 3_000.0, 150.0, 0.02];

/// A small generator with the same numbers at every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 >> 11
    }

    fn unit(&mut self) -> f64 {
        self.next() as f64 / (1_u64 << 53) as f64
    }

    fn within(&mut self, least: f64, most: f64) -> f64 {
        least + (most - least) * self.unit()
    }

    fn below(&mut self, count: usize) -> usize {
        (self.unit() * count as f64) as usize
    }
}

/// Four factors, the last a funding index; three chains, one of which expires on the second day.
fn terms(options: usize) -> MarketTerms {
    let shocks: Vec<f64> = (0..27).map(|s| f64::from(s / 3 - 4) * 0.05).collect();
    let mut moves = Vec::new();
    for factor in [1.0, 1.0, 1.3, 0.0] {
        moves.extend(shocks.iter().map(|shock| factor * shock));
    }
    let factor = |(number, &price_usd): (usize, &f64)| FactorTerms {
        price_usd,
        is_signed: number == 3,
        typical_move: 1.0,
    };
    let chain = |number: usize| ExpiryTerms {
        chain: ChainTerms {
            factor: (number % 2) as u32,
            forward_ratio: 1.0 + 0.01 * number as f64,
            discount: 0.99,
        },
        expiry_ms: [DAY_MS, 7 * DAY_MS, 60 * DAY_MS][number],
        vol_level: 1.0,
        typical_move: 1.0,
    };
    let option = |number: usize| {
        let chain = number % CHAINS;
        OptionRow {
            chain: chain as u32,
            kind: [OptionKind::Call, OptionKind::Put][number / 2 % 2],
            strike: PRICES[chain % 2] * (0.7 + 0.6 * number as f64 / OPTIONS as f64),
            stdev: 0.5 + 0.01 * number as f64,
        }
    };
    MarketTerms {
        factors: PRICES.iter().enumerate().map(factor).collect(),
        scenarios: GridScenarios {
            moves,
            vol_factor: (0..27).map(|s| [0.75, 1.0, 1.4][s % 3]).collect(),
        },
        chains: (0..if options > 0 { CHAINS } else { 0 })
            .map(chain)
            .collect(),
        options: (0..options).map(option).collect(),
        now_ms: 0,
    }
}

fn thresholds() -> Vec<Threshold> {
    let of = |loss_factor, excess_usd| Threshold {
        loss_factor,
        excess_usd,
    };
    vec![of(1.0, 0.0), of(1.25, 0.0), of(0.5, -2_000.0)]
}

fn index(options: usize, threads: usize) -> Result<HealthIndex, Error> {
    let rows = FACTORS + options;
    let row = (0..rows as u32).collect();
    HealthIndex::new(terms(options), row, vec![1.0; rows], thresholds(), threads)
}

#[derive(Default, Clone)]
struct Columns {
    id: Vec<u64>,
    cash_usd: Vec<f64>,
    positions_end: Vec<u64>,
    instrument: Vec<u32>,
    quantity: Vec<f64>,
}

impl Columns {
    fn push(&mut self, id: u64, cash: f64, positions: &[(u32, f64)]) {
        self.id.push(id);
        self.cash_usd.push(cash);
        for &(instrument, quantity) in positions {
            self.instrument.push(instrument);
            self.quantity.push(quantity);
        }
        self.positions_end.push(self.instrument.len() as u64);
    }

    /// An account that is not far from its thresholds, of up to `held` positions.
    fn push_random(&mut self, random: &mut Random, id: u64, options: usize, held: usize) {
        let positions: Vec<(u32, f64)> = (0..random.below(held + 1))
            .map(|_| {
                let instrument = random.below(FACTORS + options);
                let unit = if instrument < FACTORS {
                    PRICES[instrument]
                } else {
                    6_000.0
                };
                (
                    instrument as u32,
                    random.within(-1.0, 1.0) * 10_000.0 / unit,
                )
            })
            .collect();
        let cash = random.within(-1e4, 3e4);
        self.push(id, cash, &positions);
    }

    fn borrow(&self) -> AccountColumns<'_> {
        AccountColumns {
            id: &self.id,
            cash_usd: &self.cash_usd,
            positions_end: &self.positions_end,
            instrument: &self.instrument,
            quantity: &self.quantity,
        }
    }
}

fn random_columns(random: &mut Random, accounts: u64, options: usize) -> Columns {
    let mut columns = Columns::default();
    for id in 0..accounts {
        columns.push_random(random, 3 * id, options, 9);
    }
    columns
}

/// Where a test has led the market.
struct Walk {
    prices: [f64; FACTORS],
    vol_level: Vec<f64>,
    now_ms: i64,
}

impl Walk {
    fn new(options: usize) -> Self {
        Self {
            prices: PRICES,
            vol_level: vec![1.0; if options > 0 { CHAINS } else { 0 }],
            now_ms: 0,
        }
    }

    /// Mostly a basis point on one factor; now and then a crash, a jump of vol, a night.
    fn step(&mut self, random: &mut Random) {
        let factor = random.below(FACTORS);
        let size = match random.below(60) {
            0 => 0.3,
            1 => 0.01,
            _ => 1e-4,
        };
        self.prices[factor] *= 1.0 + size * random.within(-1.0, 1.0);
        if factor == 3 {
            self.prices[3] += 1e-3 * random.within(-1.0, 1.0);
        }
        if !self.vol_level.is_empty() && random.below(4) == 0 {
            let chain = random.below(CHAINS);
            self.vol_level[chain] *= 1.0 + 0.002 * random.within(-1.0, 1.0);
        }
        self.now_ms += if random.below(50) == 0 {
            DAY_MS / 8
        } else {
            1_000
        };
    }

    fn tick(&self, index: &mut HealthIndex) -> Result<xmargin_core::index::Ticked, Error> {
        let chains: Vec<u32> = (0..self.vol_level.len() as u32).collect();
        index.tick(&Moves {
            factor: &[0, 1, 2, 3],
            price_usd: &self.prices,
            chain: &chains,
            vol_level: &self.vol_level,
            now_ms: self.now_ms,
        })
    }
}

fn walked(options: usize, threads: usize, accounts: u64, ticks: usize) -> Result<usize, Error> {
    let mut random = Random(0x9e37_79b9);
    let mut index = index(options, threads)?;
    index.append(&random_columns(&mut random, accounts, options).borrow())?;
    let mut walk = Walk::new(options);
    let mut results = Results::default();
    let (mut reevaluated, mut crossed) = (0, 0);
    for tick in 0..ticks {
        walk.step(&mut random);
        let before = index.statuses().to_vec();
        let ticked = walk.tick(&mut index)?;
        reevaluated += ticked.reevaluated;
        crossed += ticked.crossings.len();
        let differing = index.audit(&mut results)?;
        assert!(differing.is_empty(), "tick {tick}: {differing:?}");
        let mut found = before;
        for crossing in &ticked.crossings {
            let row = crossing.account as usize;
            assert_eq!(
                std::mem::replace(&mut found[row], crossing.after),
                crossing.before
            );
        }
        assert_eq!(found, index.statuses(), "what crossed is what changed");
    }
    assert!(crossed > 100, "{crossed} crossings show nothing");
    Ok(reevaluated)
}

#[test]
fn a_linear_book_is_judged_as_by_a_full_revaluation_at_every_tick() -> Result<(), Error> {
    let evaluated = walked(0, 1, 2_000, 1_500)?;
    println!(
        "linear: {:.5} %",
        100.0 * evaluated as f64 / (2_000.0 * 1_500.0)
    );
    Ok(())
}

#[test]
fn a_book_with_options_is_judged_as_by_a_full_revaluation_at_every_tick() -> Result<(), Error> {
    let evaluated = walked(OPTIONS, 1, 2_000, 1_500)?;
    println!(
        "options: {:.5} %",
        100.0 * evaluated as f64 / (2_000.0 * 1_500.0)
    );
    Ok(())
}

#[test]
fn threads_change_no_crossing() -> Result<(), Error> {
    let mut answers = Vec::new();
    for threads in [1, 2] {
        let mut random = Random(77);
        let mut index = index(OPTIONS, threads)?;
        index.append(&random_columns(&mut random, 30_000, OPTIONS).borrow())?;
        let mut walk = Walk::new(OPTIONS);
        walk.prices[0] *= 0.6;
        let crash = walk.tick(&mut index)?;
        assert!(crash.crossings.len() > 1_000);
        assert!(
            crash.reevaluated > 20_000,
            "{} were evaluated",
            crash.reevaluated
        );
        walk.prices[0] *= 1.01;
        answers.push((crash, walk.tick(&mut index)?, index.statuses().to_vec()));
    }
    assert_eq!(answers[0], answers[1]);
    Ok(())
}

#[test]
fn accounts_told_again_between_ticks_are_as_if_loaded_so() -> Result<(), Error> {
    let mut random = Random(5);
    let mut index = index(OPTIONS, 1)?;
    index.append(&random_columns(&mut random, 300, OPTIONS).borrow())?;
    let mut walk = Walk::new(OPTIONS);
    let mut results = Results::default();
    for tick in 0..600 {
        walk.step(&mut random);
        walk.tick(&mut index)?;
        let id = 3 * random.below(300) as u64;
        match tick % 5 {
            0 => drop(index.remove(id)),
            1 => {
                let mut added = Columns::default();
                added.push_random(&mut random, 10_000 + tick, OPTIONS, 9);
                index.append(&added.borrow())?;
            }
            _ => {
                let mut told = Columns::default();
                told.push_random(&mut random, id, OPTIONS, 12);
                index.update(&told.borrow())?;
            }
        }
        assert_eq!(index.audit(&mut results)?, [], "tick {tick}");
    }
    Ok(())
}

#[test]
fn a_removed_account_never_crosses_and_comes_back_by_an_update() -> Result<(), Error> {
    let mut index = index(0, 1)?;
    let mut columns = Columns::default();
    columns.push(7, 1_000.0, &[(0, 0.1)]);
    index.append(&columns.borrow())?;
    index.remove(7)?;
    assert!(index.remove(7).is_err());
    let mut walk = Walk::new(0);
    walk.prices[0] = 100.0;
    assert_eq!(walk.tick(&mut index)?.reevaluated, 0);
    columns.cash_usd[0] = -1_000.0;
    let crossing = index.update(&columns.borrow())?.expect("it is short now");
    assert_eq!(
        (crossing.id, crossing.before, crossing.after),
        (7, 0, 0b011)
    );
    Ok(())
}

#[test]
fn identical_accounts_cross_together() -> Result<(), Error> {
    let mut index = index(0, 1)?;
    let mut columns = Columns::default();
    for id in 0..3_000 {
        columns.push(id, -4_000.0, &[(0, 0.1)]);
    }
    index.append(&columns.borrow())?;
    let mut walk = Walk::new(0);
    let mut results = Results::default();
    // Excess 0.1 × 0.8 x − 4,000 is nothing at 50,000, and short below.
    for (price, crossed) in [
        (50_000.1, 0),
        (49_999.9, 3_000),
        (49_999.8, 0),
        (50_001.0, 3_000),
    ] {
        walk.prices[0] = price;
        let crossings = walk.tick(&mut index)?.crossings;
        let maintenance = crossings
            .iter()
            .filter(|one| (one.before ^ one.after) & 1 == 1);
        assert_eq!(maintenance.count(), crossed, "at {price}");
        assert_eq!(index.audit(&mut results)?, []);
    }
    Ok(())
}

#[test]
fn a_price_of_zero_and_back_is_told_right() -> Result<(), Error> {
    let mut index = index(0, 1)?;
    let mut random = Random(11);
    index.append(&random_columns(&mut random, 500, 0).borrow())?;
    let mut walk = Walk::new(0);
    let mut results = Results::default();
    for price in [0.0, 150.0, 1.5, 0.0, 0.0, 1e12, 150.0] {
        walk.prices[2] = price;
        walk.tick(&mut index)?;
        assert_eq!(index.audit(&mut results)?, [], "at {price}");
    }
    Ok(())
}

#[test]
fn equity_below_nothing_everywhere_is_no_work_until_somebody_is_near() -> Result<(), Error> {
    let mut index = index(0, 1)?;
    let mut columns = Columns::default();
    for id in 0..1_000 {
        columns.push(id, -1e6, &[(0, 0.1)]);
    }
    index.append(&columns.borrow())?;
    assert!(index.statuses().iter().all(|&status| status == 0b111));
    let mut walk = Walk::new(0);
    walk.prices[0] *= 1.0001;
    assert_eq!(walk.tick(&mut index)?.reevaluated, 0);
    Ok(())
}

fn prices<'a>(factor: &'a [u32], price_usd: &'a [f64], now_ms: i64) -> Moves<'a> {
    Moves {
        factor,
        price_usd,
        chain: &[],
        vol_level: &[],
        now_ms,
    }
}

fn vols<'a>(chain: &'a [u32], vol_level: &'a [f64]) -> Moves<'a> {
    Moves {
        chain,
        vol_level,
        ..prices(&[0], &[5e4], 1)
    }
}

#[test]
fn a_refused_tick_names_what_is_wrong() -> Result<(), Error> {
    let mut index = index(OPTIONS, 1)?;
    let mut refused = |moves: Moves<'_>, wanted: &str| {
        let error = index.tick(&moves).expect_err("is refused").to_string();
        assert!(error.starts_with(wanted), "{error}");
    };
    let unknown = "prices.factor row 1: 9 is not one of the 4 listed";
    refused(prices(&[0, 9], &[5e4, 1.0], 1), unknown);
    let twice = "prices.factor row 1: 0 is told twice in one tick";
    refused(prices(&[0, 0], &[5e4, 4e4], 1), twice);
    let of_row =
        |row: usize, price: &str| format!("prices.price_usd row {row}: {price} is not within");
    refused(prices(&[1, 0], &[2e3, 0.0], 1), &of_row(1, "0"));
    refused(prices(&[2], &[-1.0], 1), &of_row(0, "-1"));
    refused(prices(&[2], &[f64::NAN], 1), &of_row(0, "NaN"));
    refused(prices(&[3], &[f64::INFINITY], 1), &of_row(0, "inf"));
    let ragged = "prices.price_usd: has 0 rows; it must have 1";
    refused(prices(&[0], &[], 1), ragged);
    let before = "tick.now_ms: -1 is before the last tick's 0";
    refused(prices(&[0], &[5e4], -1), before);
    refused(
        vols(&[3], &[1.0]),
        "vols.chain row 0: 3 is not one of the 3 listed",
    );
    refused(
        vols(&[1], &[-0.1]),
        "vols.vol_level row 0: -0.1 is not within",
    );
    Ok(())
}

#[test]
fn a_refused_call_changes_nothing() -> Result<(), Error> {
    let answers = |is_disturbed: bool| {
        let mut random = Random(3);
        let mut index = index(OPTIONS, 1)?;
        index.append(&random_columns(&mut random, 400, OPTIONS).borrow())?;
        if is_disturbed {
            let known = random_columns(&mut Random(4), 1, OPTIONS);
            assert!(index.append(&known.borrow()).is_err());
            let mut unknown = Columns::default();
            unknown.push(1, 0.0, &[]);
            assert!(index.update(&unknown.borrow()).is_err());
            assert!(index.remove(1).is_err());
            let mut wrong = Columns::default();
            wrong.push(3, 0.0, &[(0, f64::NAN)]);
            assert!(index.update(&wrong.borrow()).is_err());
            assert!(index.tick(&prices(&[0, 9], &[5e4, 1.0], 1)).is_err());
            assert!(index.tick(&prices(&[0, 1], &[5e4, 0.0], 1)).is_err());
            assert!(index.tick(&vols(&[0, 0], &[2.0, 2.0])).is_err());
        }
        let mut walk = Walk::new(OPTIONS);
        let mut answers = Vec::new();
        for _ in 0..200 {
            walk.step(&mut random);
            answers.push(walk.tick(&mut index)?);
        }
        Ok::<_, Error>((answers, index.statuses().to_vec()))
    };
    assert_eq!(answers(true)?, answers(false)?);
    Ok(())
}

fn any_price() -> impl Strategy<Value = f64> {
    let edges = proptest::sample::select(vec![0.0, 5e-324, 1e15, 60_000.0]);
    prop_oneof![any::<f64>(), 1e-3..1e6_f64, edges]
}

fn any_level() -> impl Strategy<Value = f64> {
    prop_oneof![any::<f64>(), 0.0..3.0_f64, Just(0.0)]
}

proptest! {
    /// Whatever numbers come, there is an answer that a full revaluation confirms, or a refusal.
    #[test]
    fn no_tick_makes_a_panic_and_no_answer_is_wrong(
        seed in 1..u64::MAX,
        ticks in proptest::collection::vec((0..6_u32, any_price(), 0..5_u32, any_level(), -10..i64::from(u32::MAX)), 1..12),
    ) {
        let mut random = Random(seed);
        let mut index = index(OPTIONS, 1)?;
        index.append(&random_columns(&mut random, 60, OPTIONS).borrow())?;
        let mut results = Results::default();
        for (factor, price, chain, level, now_ms) in ticks {
            let moves = Moves {
                factor: &[factor],
                price_usd: &[price],
                chain: &[chain],
                vol_level: &[level],
                now_ms,
            };
            let _ = index.tick(&moves);
            prop_assert_eq!(index.audit(&mut results)?, []);
        }
    }

    /// Thresholds, cash and quantities of any size.
    #[test]
    fn no_book_makes_a_panic_and_no_answer_is_wrong(
        accounts in proptest::collection::vec((any::<f64>(), proptest::collection::vec((0..40_u32, prop_oneof![
            any::<f64>(), -1e3..1e3_f64, Just(1e15), Just(-1e-300),
        ]), 0..6)), 1..12),
        shifts in proptest::collection::vec((0..3_u32, 0.5..1.5_f64), 1..12),
    ) {
        let mut index = index(OPTIONS, 1)?;
        let mut results = Results::default();
        for (id, (cash, positions)) in accounts.iter().enumerate() {
            let mut columns = Columns::default();
            columns.push(id as u64, *cash, positions);
            let _ = index.append(&columns.borrow());
        }
        let mut prices = PRICES;
        for (step, (factor, shift)) in (0..).zip(shifts) {
            prices[factor as usize] *= shift;
            index.tick(&Moves {
                factor: &[factor],
                price_usd: &[prices[factor as usize]],
                chain: &[],
                vol_level: &[],
                now_ms: 1_000 * step,
            })?;
            prop_assert_eq!(index.audit(&mut results)?, []);
        }
    }
}
