//! Times ticks of lending accounts while prices move and interest runs:
//! `cargo run --release -p xmargin-core --example lending_ticks [ACCOUNTS …]`.
//!
//! Each tick is a block: one of ten prices moves by at most a basis point, and every index grows by the
//! interest of twelve seconds. A walk that is audited comes first; the one timed goes on from there.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "small numbers made up here"
)]

use std::time::Instant;

use xmargin_core::Error;
use xmargin_core::index::lending::{LendingOrder, Level, Position, Scaled, VenueTicked};
use xmargin_core::num::U256;
use xmargin_core::num::fixed::RAY;
use xmargin_core::venue::aave_v3::{Release, ReserveRisk};

const RESERVES: usize = 10;
const TICKS: usize = 2_000;
const AUDITS: usize = 40;
const REVALUATIONS: usize = 5;
const CRASHES: usize = 10;
const DECIMALS: u8 = 18;

fn main() -> Result<(), Error> {
    let asked = std::env::args().skip(1).map(|text| text.parse());
    let asked: Result<Vec<u64>, _> = asked.collect();
    let sizes = asked.unwrap_or_else(|fault| panic!("accounts: {fault}"));
    for accounts in if sizes.is_empty() {
        vec![100_000, 1_000_000]
    } else {
        sizes
    } {
        measure(accounts)?;
    }
    Ok(())
}

fn measure(accounts: u64) -> Result<(), Error> {
    let mut market = Market::new();
    let began = Instant::now();
    let mut order = market.order(accounts)?;
    println!(
        "{accounts} accounts, loaded in {:.1} s",
        began.elapsed().as_secs_f64()
    );

    for tick in 0..TICKS {
        order.tick(&market.block(1e-4))?;
        if tick % (TICKS / AUDITS) == 0 {
            assert!(order.audit().is_empty(), "tick {tick} missed a status");
        }
    }
    println!("  audited in full: {AUDITS} times over {TICKS} ticks, none differs");

    let (mut times_us, ticked) = timed(&mut order, &mut market, 1e-4, TICKS)?;
    let whole_us = (0..REVALUATIONS).map(|_| {
        let began = Instant::now();
        assert!(order.audit().is_empty());
        began.elapsed().as_secs_f64() * 1e6
    });
    let whole_us = whole_us.fold(f64::INFINITY, f64::min);
    times_us.sort_by(f64::total_cmp);
    let (p50, p99) = (times_us[TICKS / 2], times_us[TICKS * 99 / 100]);
    println!("  tick p50 {p50:.0} µs, p99 {p99:.0} µs");
    println!(
        "  full re-evaluation {:.1} ms: {:.0} × p50, {:.0} × p99",
        whole_us / 1e3,
        whole_us / p50,
        whole_us / p99
    );
    println!(
        "  evaluated {:.5} % of accounts a tick, {} crossings",
        100.0 * ticked.reevaluated as f64 / (TICKS as u64 * accounts) as f64,
        ticked.crossings.len()
    );
    let (mut crash_us, crashed) = timed(&mut order, &mut market, 0.15, CRASHES)?;
    crash_us.sort_by(f64::total_cmp);
    println!(
        "  jumps of up to 15 %: p50 {:.1} ms, {:.2} % evaluated",
        crash_us[CRASHES / 2] / 1e3,
        100.0 * crashed.reevaluated as f64 / (CRASHES as u64 * accounts) as f64
    );
    assert!(order.audit().is_empty());
    Ok(())
}

/// The time of each tick, and what they came to.
fn timed(
    order: &mut LendingOrder,
    market: &mut Market,
    size: f64,
    ticks: usize,
) -> Result<(Vec<f64>, VenueTicked), Error> {
    let mut sum = VenueTicked::default();
    let mut times_us = Vec::new();
    for _ in 0..ticks {
        let moves = market.block(size);
        let began = Instant::now();
        let ticked = order.tick(&moves)?;
        times_us.push(began.elapsed().as_secs_f64() * 1e6);
        sum.reevaluated += ticked.reevaluated;
        sum.crossings.extend(ticked.crossings);
    }
    Ok((times_us, sum))
}

/// Levels: the price of each reserve, then its supply index, then its debt index.
struct Market {
    stream: Stream,
    prices_usd: [f64; RESERVES],
    indices: [U256; 2 * RESERVES],
}

impl Market {
    fn new() -> Self {
        Self {
            stream: Stream(7),
            prices_usd: [
                2_500.0, 60_000.0, 1.0, 1.0, 15.0, 0.7, 90.0, 2_600.0, 1.0, 8.0,
            ],
            indices: std::array::from_fn(|row| RAY + RAY / U256::from(50) * U256::from(row)),
        }
    }

    fn order(&mut self, accounts: u64) -> Result<LendingOrder, Error> {
        let prices = self.prices_usd.map(|price| Some(base(price)));
        let levels = prices.into_iter().chain(self.indices.map(Some)).collect();
        let mut order = LendingOrder::new(levels);
        for id in 0..accounts {
            order.set(id, Release::V3_0, self.account(), None)?;
        }
        Ok(order)
    }

    /// One to three collaterals against one or two debts, of health 0.98 to 3.
    fn account(&mut self) -> Vec<Position> {
        let first = self.stream.below(RESERVES);
        let collaterals = 1 + self.stream.below(3);
        let debts = 1 + self.stream.below(2);
        let size_usd = 10_f64.powf(2.0 + 4.0 * self.stream.next());
        let health = 0.98 + 2.02 * self.stream.next();
        let reserve = |row: usize| (first + row) % RESERVES;
        let supplied = (0..collaterals).map(|row| {
            let number = reserve(row);
            self.position(number, size_usd, true)
        });
        let supplied: Vec<Position> = supplied.collect();
        let guarded_usd = supplied
            .iter()
            .map(|one| f64::from(one.risk.liquidation_threshold_bps));
        let guarded_usd = guarded_usd.sum::<f64>() * size_usd / 1e4;
        let debt_usd = guarded_usd / health / debts as f64;
        let borrowed = (collaterals..collaterals + debts)
            .map(|row| self.position(reserve(row), debt_usd, false));
        supplied.iter().copied().chain(borrowed).collect()
    }

    /// So much in USD of a reserve, supplied or borrowed.
    fn position(&self, reserve: usize, usd: f64, is_supply: bool) -> Position {
        let balance = usd / self.prices_usd[reserve] * 1e18;
        let index = RESERVES * if is_supply { 1 } else { 2 } + reserve;
        let grown = f64::from(self.indices[index - RESERVES]) / 1e27;
        let scaled = Scaled::grown_by(index as u32, U256::from((balance / grown) as u128));
        let nothing = Scaled::told(Some(U256::ZERO));
        let threshold = [8_250, 7_800, 7_500][reserve % 3];
        Position {
            price: reserve as u32,
            risk: ReserveRisk {
                ltv_bps: threshold - 300,
                liquidation_threshold_bps: threshold,
                emode: 0,
                emode_lends_nothing: false,
                decimals: DECIMALS,
                price_base: U256::ZERO,
            },
            supply: if is_supply { scaled } else { nothing },
            variable_debt: if is_supply { nothing } else { scaled },
            stable_debt: nothing,
            as_collateral: is_supply,
            borrowing: !is_supply,
        }
    }

    /// The next block's levels: one price moves by at most `size`, and interest runs on.
    fn block(&mut self, size: f64) -> Vec<(u32, Level)> {
        let moved = self.stream.below(RESERVES);
        self.prices_usd[moved] *= 1.0 + size * (2.0 * self.stream.next() - 1.0);
        for (row, index) in self.indices.iter_mut().enumerate() {
            // One to four per cent a year, over 2,628,000 blocks.
            *index += *index / U256::from(262_800_000 / (1 + row % 4));
        }
        let grown = (RESERVES as u32..).zip(self.indices.map(Some));
        let price = (moved as u32, Some(base(self.prices_usd[moved])));
        std::iter::once(price).chain(grown).collect()
    }
}

fn base(price_usd: f64) -> U256 {
    U256::from((price_usd * 1e8) as u128)
}

/// A stream of numbers in [0, 1), the same every run (Steele, Lea and Flood 2014, `SplitMix64`).
struct Stream(u64);

impl Stream {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn below(&mut self, count: usize) -> usize {
        (self.next() * count as f64) as usize
    }
}
