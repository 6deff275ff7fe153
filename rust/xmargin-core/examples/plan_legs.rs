//! Times leg plans of random distressed books; prints gaps, and costs against pro-rata closing.
//!
//! `cargo run --release -p xmargin-core --example plan_legs`

use std::time::Instant;

use xmargin_core::Error;
use xmargin_core::liquidation::leg_plan::{Book, Outcome, Plan, plan_legs};

const BOOKS: u64 = 2_000;

/// A stream of numbers in [0, 1), the same every run (Steele, Lea and Flood 2014, `SplitMix64`).
struct Stream(u64);

impl Stream {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let bits = u32::try_from((z ^ (z >> 31)) >> 32).unwrap_or(0);
        f64::from(bits) / 4_294_967_296.0
    }

    fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.next()
    }
}

/// Longs and shorts on three factors with convexity; equity short of the worst loss.
fn distressed(seed: u64, legs: usize, scenarios: usize, lots: u64) -> Book {
    let mut stream = Stream(seed);
    let notional: Vec<f64> = (0..legs)
        .map(|_| 10_f64.powf(stream.between(3.0, 6.0)))
        .collect();
    let factors: Vec<[f64; 3]> = (0..legs)
        .map(|_| std::array::from_fn(|_| stream.between(-1.0, 1.0)))
        .collect();
    let curvature: Vec<f64> = (0..legs).map(|_| stream.between(-1.0, 1.0)).collect();
    let losses: Vec<Vec<f64>> = (0..scenarios)
        .map(|_| {
            let moves: [f64; 3] = std::array::from_fn(|_| stream.between(-0.3, 0.3));
            (0..legs)
                .map(|leg| {
                    let linear: f64 = factors[leg].iter().zip(moves).map(|(x, m)| x * m).sum();
                    let convex: f64 = moves.iter().map(|m| m * m).sum();
                    notional[leg] * (linear + curvature[leg] * convex)
                })
                .collect()
        })
        .collect();
    let worst = losses
        .iter()
        .map(|row| row.iter().sum::<f64>())
        .fold(1.0, f64::max);
    let mut cost = |low: f64, high: f64| {
        notional
            .iter()
            .map(|n| n * stream.between(low, high))
            .collect()
    };
    let (spread, impact) = (cost(0.0001, 0.003), cost(0.0005, 0.02));
    Book {
        equity: worst / stream.between(1.1, 3.0),
        loss_share_max: 1.0,
        spread,
        impact,
        lots: vec![lots; legs],
        losses,
    }
}

/// The least that closing the same fraction of every leg costs; none if no fraction will do.
fn pro_rata_cost(book: &Book) -> Option<f64> {
    let shortfall = |f: f64| {
        let equity = book.equity - book.cost(&vec![f; book.legs()]);
        let worst = book.losses.iter().map(|row| row.iter().sum::<f64>());
        let worst = worst.fold(f64::NEG_INFINITY, f64::max);
        (1.0 - f) * worst - book.loss_share_max * equity
    };
    let (mut fails, mut meets) = (0.0, 1.0);
    if shortfall(meets) > 0.0 {
        return None;
    }
    for _ in 0..60 {
        let middle = 0.5 * (fails + meets);
        if shortfall(middle) > 0.0 {
            fails = middle;
        } else {
            meets = middle;
        }
    }
    Some(book.cost(&vec![meets; book.legs()]))
}

fn quantile(values: &mut [f64], per_mille: usize) -> f64 {
    values.sort_by(f64::total_cmp);
    values[(values.len() - 1) * per_mille / 1000]
}

fn main() -> Result<(), Error> {
    for (legs, scenarios, lots) in [(8, 16, 0), (8, 16, 1000), (60, 31, 0), (60, 31, 1000)] {
        let (mut micros, mut gaps, mut shares) = (Vec::new(), Vec::new(), Vec::new());
        let (mut infeasible, mut others) = (0, 0);
        for seed in 0..BOOKS {
            let book = distressed(seed, legs, scenarios, lots);
            let begin = Instant::now();
            let outcome = plan_legs(&book)?;
            micros.push(begin.elapsed().as_secs_f64() * 1e6);
            match outcome {
                Outcome::Plan(plan) => record(&book, &plan, &mut gaps, &mut shares),
                Outcome::Infeasible(_) => infeasible += 1,
                Outcome::Undecided(_) | Outcome::OffLots(_) => others += 1,
            }
        }
        println!(
            "{legs} legs x {scenarios} scenarios, {lots} lots a leg: {} plans, {infeasible} \
             infeasible, {others} other; time median {:.1} us, p99 {:.1} us; gap median {:.2e}, \
             p99 {:.2e}, max {:.2e}; cost over pro-rata median {:.3}",
            gaps.len(),
            quantile(&mut micros, 500),
            quantile(&mut micros, 990),
            quantile(&mut gaps, 500),
            quantile(&mut gaps, 990),
            quantile(&mut gaps, 1000),
            quantile(&mut shares, 500),
        );
    }
    Ok(())
}

fn record(book: &Book, plan: &Plan, gaps: &mut Vec<f64>, shares: &mut Vec<f64>) {
    gaps.push(plan.relative_gap());
    if let Some(cost) = pro_rata_cost(book) {
        shares.push(plan.cost / cost);
    }
}
