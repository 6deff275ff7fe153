//! Measures the option kernels: `cargo run --release -p xmargin-core --example price_options`.
//!
//! Prints the median over repetitions, for each instruction set of the machine, on one core.

use std::hint::black_box;
use std::time::Instant;

use xmargin_core::Error;
use xmargin_core::pricing::OptionKind::{self, Call, Put};
use xmargin_core::pricing::batch::{Batch, Chain, InstructionSet, Stdevs};

const BATCH_COUNT: usize = 2_000;
const CHAIN_COUNT: usize = 1_000;
const REPETITIONS: usize = 2_001;

fn main() -> Result<(), Error> {
    for set in InstructionSet::available() {
        let batch_s = batch_seconds(set)?;
        let rate = 1e-6 * as_f64(BATCH_COUNT) / batch_s;
        let chain_us = 1e6 * chain_seconds(set)?;
        println!(
            "{:9} batch {rate:6.1} M options/s   chain 1000 x 27 {chain_us:6.1} us",
            set.name()
        );
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "small counts")]
fn as_f64(count: usize) -> f64 {
    count as f64
}

/// Even steps from `low` to below `high`.
fn ladder(count: usize, low: f64, high: f64) -> Vec<f64> {
    let step = (high - low) / as_f64(count);
    (0..count).map(|row| low + step * as_f64(row)).collect()
}

fn kinds(count: usize) -> Vec<OptionKind> {
    let kind = |row| if row % 3 == 0 { Put } else { Call };
    (0..count).map(kind).collect()
}

fn batch_seconds(set: InstructionSet) -> Result<f64, Error> {
    let kind = kinds(BATCH_COUNT);
    let forward = ladder(BATCH_COUNT, 90.0, 110.0);
    let strike: Vec<f64> = ladder(BATCH_COUNT, 20.0, 400.0);
    let stdev = ladder(BATCH_COUNT, 0.05, 1.5);
    let discount = ladder(BATCH_COUNT, 0.9, 1.0);
    let batch = Batch::new(&kind, &forward, &strike, &stdev, &discount)?;
    let mut values = vec![0.0; BATCH_COUNT];
    median_seconds(|| batch.values_into(set, black_box(&mut values)))
}

/// Nine forwards by three vols, as a scenario grid has them.
fn chain_seconds(set: InstructionSet) -> Result<f64, Error> {
    let chain = Chain::new(kinds(CHAIN_COUNT), ladder(CHAIN_COUNT, 20.0, 400.0))?;
    let stdevs = Stdevs::new(&ladder(CHAIN_COUNT, 0.6, 0.2))?;
    let mut values = vec![vec![0.0; CHAIN_COUNT]; 27];
    median_seconds(|| {
        for (scenario, values) in values.iter_mut().enumerate() {
            let forward = 100.0 * (0.8 + 0.05 * as_f64(scenario % 9));
            let factor = 0.75 + 0.25 * as_f64(scenario / 9);
            chain.values_into(set, forward, 0.98, &stdevs, factor, black_box(values))?;
        }
        Ok(())
    })
}

fn median_seconds(mut work: impl FnMut() -> Result<(), Error>) -> Result<f64, Error> {
    let mut seconds = Vec::with_capacity(REPETITIONS);
    for _ in 0..REPETITIONS {
        let start = Instant::now();
        work()?;
        seconds.push(start.elapsed().as_secs_f64());
    }
    seconds.sort_unstable_by(f64::total_cmp);
    Ok(seconds[REPETITIONS / 2])
}
