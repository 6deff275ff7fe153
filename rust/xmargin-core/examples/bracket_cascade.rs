//! Times cascades over a million lending accounts on fifty assets.
//!
//! `cargo run --release -p xmargin-core --example bracket_cascade`

use std::time::Instant;

use xmargin_core::Error;
use xmargin_core::book::columnar::Workers;
use xmargin_core::liquidation::cascade::{
    Cascade, CloseRule, DepthCurves, KindColumns, LendingBook, LendingColumns, bracket_cascade,
};
use xmargin_core::pricing::batch::InstructionSet;

const ACCOUNTS: u64 = 1_000_000;
const ASSETS: u32 = 50;
const RUNS: usize = 7;

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
    debt: Vec<f64>,
    positions_end: Vec<u64>,
    asset: Vec<u32>,
    quantity: Vec<f64>,
    total: Vec<f64>,
}

/// Three assets an account on average; health from 1 to 2.5; some owe an asset if `buys`.
fn columns(buys: bool) -> Columns {
    let mut stream = Stream(7);
    let mut made = Columns {
        total: vec![0.0; ASSETS as usize],
        ..Columns::default()
    };
    for _ in 0..ACCOUNTS {
        let size = 10_f64.powf(2.0 + 3.0 * stream.next());
        let (mut worth, mut owed) = (0.0, 0.0);
        for asset in 0..ASSETS {
            if stream.next() < 0.06 {
                let quantity = size * (0.1 + stream.next());
                let is_debt = buys && stream.next() < 0.1;
                made.asset.push(asset);
                made.quantity
                    .push(if is_debt { -0.3 * quantity } else { quantity });
                made.total[asset as usize] += quantity;
                worth += if is_debt { 0.0 } else { 0.8 * quantity };
                owed += if is_debt { 0.33 * quantity } else { 0.0 };
            }
        }
        made.debt
            .push((worth / (1.0 + 1.5 * stream.next()) - owed).max(0.0));
        made.positions_end.push(made.asset.len() as u64);
    }
    made
}

fn main() -> Result<(), Error> {
    for buys in [false, true] {
        let made = columns(buys);
        for threads in [1, 2] {
            let workers = Workers::new(threads, InstructionSet::best())?;
            let ones = vec![1.0; ASSETS as usize];
            let begin = Instant::now();
            let book = LendingBook::new(
                &LendingColumns {
                    debt: &made.debt,
                    positions_end: &made.positions_end,
                    kind: &made.asset,
                    quantity: &made.quantity,
                },
                &KindColumns {
                    market: &(0..ASSETS).collect::<Vec<_>>(),
                    collateral_weight: &vec![0.8; ASSETS as usize],
                    debt_factor: &vec![1.1; ASSETS as usize],
                },
                &ones,
                &workers,
            )?;
            let load = begin.elapsed().as_secs_f64() * 1e3;
            println!("buys {buys}, {threads} threads: loaded in {load:.0} ms");
            for impact in [0.1, 0.5, 1.0, 2.0] {
                run(&made, &book, impact, &workers)?;
            }
        }
    }
    Ok(())
}

/// Prices a tenth below the anchor; selling all that is held moves a price by `impact`, at most to 0.
fn run(made: &Columns, book: &LendingBook, impact: f64, workers: &Workers) -> Result<(), Error> {
    let mut stream = Stream(11);
    let prices: Vec<f64> = (0..ASSETS).map(|_| 0.8 + 0.2 * stream.next()).collect();
    let amounts = made
        .total
        .iter()
        .flat_map(|total| [-*total, 0.0, *total / impact.max(1.0)]);
    let multiples = [1.0 + impact, 1.0, 1.0 - impact.min(1.0)];
    let curves = DepthCurves {
        knots_end: &(1..=u64::from(ASSETS)).map(|n| 3 * n).collect::<Vec<_>>(),
        amount: &amounts.collect::<Vec<_>>(),
        multiple: &multiples.repeat(ASSETS as usize),
    };
    let rule = CloseRule::new(&[1.0, 0.95], &[0.5, 1.0])?;
    let mut best = f64::INFINITY;
    let mut last: Option<Cascade> = None;
    for _ in 0..RUNS {
        let begin = Instant::now();
        last = Some(bracket_cascade(
            book, &prices, curves, &rule, 10_000, workers,
        )?);
        best = best.min(begin.elapsed().as_secs_f64() * 1e3);
    }
    let Some(found) = last else { return Ok(()) };
    let ends = found.price_low.iter().zip(&found.price_high).zip(&prices);
    let width = ends.fold(0.0, |width, ((low, high), price)| {
        f64::max(width, (high - low) / price)
    });
    #[expect(clippy::cast_precision_loss, reason = "counts, far below 2^53")]
    let looks = found.evaluated as f64 / book.len() as f64;
    let due = |steps: &[u8]| steps.iter().filter(|&&step| step > 0).count();
    println!(
        "  impact {impact}: {best:.1} ms, {:?}, {} passes, {:.2} looks an account, bracket {:.4} %, \
         due {} to {}, bad debt {:.3e} to {:.3e}",
        found.kind,
        found.passes,
        looks,
        100.0 * width,
        due(&found.step_least),
        due(&found.step_most),
        found.bad_debt_least,
        found.bad_debt_most,
    );
    Ok(())
}
