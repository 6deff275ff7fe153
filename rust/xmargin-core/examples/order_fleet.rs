//! Times the order of random fleets that share depth, and prints their certificates.
//!
//! `cargo run --release -p xmargin-core --example order_fleet`

use std::time::Instant;

use xmargin_core::Error;
use xmargin_core::book::columnar::Workers;
use xmargin_core::liquidation::fleet::{Fleet, PlanRules, order_fleet};
use xmargin_core::pricing::batch::InstructionSet;

const RUNS: usize = 9;

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

#[derive(Default)]
struct Columns {
    id: Vec<u64>,
    bad_debt_expected: Vec<f64>,
    cost: Vec<f64>,
    uses_end: Vec<u64>,
    asset: Vec<u32>,
    amount: Vec<f64>,
    depth: Vec<f64>,
}

/// Accounts of 1 to 8 assets; depth for `share` of what all would use.
fn columns(accounts: u64, assets: u32, share: f64) -> Columns {
    let mut stream = Stream(accounts);
    let mut made = Columns {
        depth: vec![0.0; assets as usize],
        ..Columns::default()
    };
    for id in 0..accounts {
        let size = 10_f64.powf(2.0 + 4.0 * stream.next());
        made.id.push(id);
        made.bad_debt_expected
            .push(size * 0.3 * stream.next().powi(2));
        made.cost.push(size * 0.01 * stream.next());
        for asset in 0..assets {
            if stream.next() < 4.5 / f64::from(assets) {
                let amount = size * stream.next();
                made.asset.push(asset);
                made.amount.push(amount);
                made.depth[asset as usize] += share * amount;
            }
        }
        made.uses_end.push(made.asset.len() as u64);
    }
    made
}

fn main() -> Result<(), Error> {
    for (accounts, assets, share, threads) in [
        (1_000, 10, 0.3, 1),
        (100_000, 50, 0.3, 1),
        (100_000, 50, 0.3, 2),
        (100_000, 50, 0.02, 2),
        (100_000, 8, 0.3, 2),
        (100_000, 200, 0.3, 2),
    ] {
        let made = columns(accounts, assets, share);
        let fleet = Fleet {
            id: &made.id,
            bad_debt_expected: &made.bad_debt_expected,
            cost: &made.cost,
            uses_end: &made.uses_end,
            asset: &made.asset,
            amount: &made.amount,
            depth: &made.depth,
        };
        let workers = Workers::new(threads, InstructionSet::best())?;
        for parts in [true, false] {
            let rules = PlanRules {
                parts,
                block_accounts_max: 100,
            };
            let mut best = f64::INFINITY;
            let mut last = None;
            for _ in 0..RUNS {
                let begin = Instant::now();
                last = Some(order_fleet(&fleet, rules, &workers)?);
                best = best.min(begin.elapsed().as_secs_f64() * 1e3);
            }
            let Some(order) = last else { continue };
            println!(
                "{accounts} accounts x {assets} assets, depth for {share}, {threads} threads, \
                 parts {parts}: {best:.1} ms, certified {:.6}, planned {}",
                order.certified_share(),
                order.ranks.iter().filter(|rank| rank.share > 0.0).count(),
            );
        }
    }
    Ok(())
}
