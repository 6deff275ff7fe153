//! Times the account step: `cargo run --release -p xmargin-core --example account_step [ACCOUNTS]`.
//!
//! Accounts of 4 spot and 3 perp positions on 4 factors and 5 of 1,000 options, under 27 scenarios.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "small numbers made up here"
)]

use std::time::Instant;

use xmargin_core::Error;
use xmargin_core::book::columnar::{
    AccountBook, AccountColumns, ChainTerms, GridScenarios, Listing, OptionGrid, OptionRow,
    Results, Workers, breaches, evaluate_into, screen,
};
use xmargin_core::pricing::OptionKind;
use xmargin_core::pricing::batch::InstructionSet;

const FACTORS: usize = 4;
const OPTIONS: usize = 1_000;
const SCENARIOS: usize = 27;
const RUNS: usize = 15;

fn main() -> Result<(), Error> {
    let asked = std::env::args().nth(1).and_then(|text| text.parse().ok());
    let accounts = asked.unwrap_or(1_000_000);
    let price = [60_000.0, 3_000.0, 150.0, 1.0];
    for set in InstructionSet::available() {
        let grid = grid(set)?;
        let matrix = grid.reprice(&price)?;
        println!(
            "{:8} reprice {:8.1} µs",
            set.name(),
            best(|| grid.reprice(&price).map(drop))? * 1e6
        );
        let book = book(accounts)?;
        for threads in [1, 2] {
            let workers = Workers::new(threads, set)?;
            let mut results = Results::default();
            let step = best(|| evaluate_into(&book, &matrix, 1.0, &workers, &mut results))?;
            let order = best(|| breaches(&book, &results, &workers).map(drop))?;
            let screening = best(|| screen(&book, &matrix, 1.0, &workers).map(drop))?;
            let found = screen(&book, &matrix, 1.0, &workers)?;
            println!(
                "{:8} {threads} threads: step {:6.2} ms = {:6.1} M/s; order {:6.2} ms of {}; screen {:6.2} ms, {} in f64",
                set.name(),
                step * 1e3,
                accounts as f64 / step / 1e6,
                order * 1e3,
                found.breaches.len(),
                screening * 1e3,
                found.evaluated_in_f64,
            );
        }
    }
    Ok(())
}

fn best(mut work: impl FnMut() -> Result<(), Error>) -> Result<f64, Error> {
    let mut least = f64::INFINITY;
    for _ in 0..RUNS {
        let began = Instant::now();
        work()?;
        least = least.min(began.elapsed().as_secs_f64());
    }
    Ok(least)
}

fn grid(set: InstructionSet) -> Result<OptionGrid, Error> {
    let shocks = (0..SCENARIOS).map(|s| (s % 9) as f64 * 0.05 - 0.2);
    let moves =
        (0..FACTORS).flat_map(|f| shocks.clone().map(move |m| if f == 3 { 0.0 } else { m }));
    let scenarios = GridScenarios {
        moves: moves.collect(),
        vol_factor: (0..SCENARIOS).map(|s| [0.75, 1.0, 1.4][s / 9]).collect(),
    };
    let chains: Vec<ChainTerms> = (0..10)
        .map(|chain| ChainTerms {
            factor: chain % 2,
            forward_ratio: 1.0,
            discount: 0.99,
        })
        .collect();
    let option = |row: usize| OptionRow {
        chain: (row / 100) as u32,
        kind: if row.is_multiple_of(2) {
            OptionKind::Call
        } else {
            OptionKind::Put
        },
        strike: [60_000.0, 3_000.0][row / 100 % 2] * (0.5 + 0.01 * (row % 100) as f64),
        stdev: 0.05 * (1 + row / 100) as f64,
    };
    let options: Vec<OptionRow> = (0..OPTIONS).map(option).collect();
    OptionGrid::new(FACTORS, scenarios, &chains, &options, set)
}

fn book(accounts: usize) -> Result<AccountBook, Error> {
    let rows = FACTORS + OPTIONS;
    // 4 spot, 3 perps, then the options.
    let row = [0, 1, 2, 3, 0, 1, 2]
        .into_iter()
        .chain(4..rows as u32)
        .collect();
    let mut book = AccountBook::new(Listing::new(row, vec![1.0; 7 + OPTIONS], rows)?);
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state >> 11
    };
    let mut instrument: Vec<u32> = Vec::new();
    let mut quantity = Vec::new();
    for _ in 0..accounts {
        instrument.extend(0..7);
        instrument.extend((0..5).map(|_| 7 + (random() % OPTIONS as u64) as u32));
        quantity.extend((0..12).map(|_| random() as f64 / 2f64.powi(53) - 0.5));
    }
    let cash: Vec<f64> = (0..accounts)
        .map(|_| 400_000.0 * (random() as f64 / 2f64.powi(53)))
        .collect();
    let id: Vec<u64> = (0..accounts as u64).collect();
    let end: Vec<u64> = (1..=accounts as u64).map(|account| account * 12).collect();
    let began = Instant::now();
    book.append(&AccountColumns {
        id: &id,
        cash_usd: &cash,
        positions_end: &end,
        instrument: &instrument,
        quantity: &quantity,
    })?;
    println!("loaded in {:.1} ms", began.elapsed().as_secs_f64() * 1e3);
    Ok(book)
}
