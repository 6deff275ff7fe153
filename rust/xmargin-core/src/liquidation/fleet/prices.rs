//! One price of depth an asset: the dual prices of the shared depth, by Newton's method.
//!
//! Minimised is the dual Σ price + Σ max(0, surplus), smoothed by a barrier that is lowered step by
//! step. Any prices ≥ 0 give an upper bound, so the best met on the way are kept; how well they
//! were found shows in the certificate.

use super::program::{Program, Sums};
use crate::book::columnar::Workers;
use crate::liquidation::leg_plan::linear::{factor, solve};

const SMOOTHING_FIRST: f64 = 0.1;
const SMOOTHING_SAMPLE: f64 = 3e-3;
const SMOOTHING_LAST: f64 = 1e-7;
/// Many accounts leave small steps, which a finer smoothing would not show in the certificate.
const SMOOTHING_LAST_OF_MANY: f64 = 5e-5;
const SMOOTHING_STEP: f64 = 0.17;
/// Of so many accounts and more, a sample is priced first: every sixteenth by id.
const SAMPLED_ACCOUNTS_MIN: usize = 32_768;
const SAMPLE_STEP: usize = 16;
/// Newton rests when a step would gain less than this part of the smoothing.
const GAIN_MIN: f64 = 0.3;
/// Steps at one smoothing; fewer than five are taken but for contrived fleets.
const STEPS_MAX: usize = 30;
/// A step goes this far towards the nearest price of zero, at most.
const STEP_TO_ZERO_MAX: f64 = 0.9;
/// Slope left at the end of a step, of that at its beginning.
const SLOPE_LEFT_MAX: f64 = 0.5;
/// Prices that do not bind are zero if that raises the bound by no more than this part.
const ZEROING_LOSS_MAX: f64 = 1e-6;
/// What all ask for together, as a share of depth, when there is enough for all.
const DEMAND_MET: f64 = 1.0 + 1e-9;

/// Prices of the whole depth of each asset, in shares of all benefits.
pub fn depth_prices(program: &Program, workers: &Workers) -> Vec<f64> {
    let fair = vec![1.0 / float(program.assets.max(1)); program.assets];
    if program.accounts() < SAMPLED_ACCOUNTS_MIN {
        let mut search = Search::new(program, workers, fair, SMOOTHING_FIRST);
        search.lower_smoothing_to(SMOOTHING_LAST);
        return search.without_idle_prices();
    }
    // Most of the way is gone with a few of the accounts, in little time.
    let sample = program.every(SAMPLE_STEP);
    let mut search = Search::new(&sample, workers, fair, SMOOTHING_FIRST);
    search.lower_smoothing_to(SMOOTHING_SAMPLE);
    let (near, smoothing) = (search.prices, search.smoothing);
    let mut search = Search::new(program, workers, near, smoothing);
    search.lower_smoothing_to(SMOOTHING_LAST_OF_MANY);
    search.without_idle_prices()
}

struct Search<'a> {
    program: &'a Program,
    workers: &'a Workers,
    smoothing: f64,
    prices: Vec<f64>,
    here: Sums,
    best: (f64, Vec<f64>),
    /// Length of the step before, of Newton's.
    length: f64,
}

impl<'a> Search<'a> {
    fn new(program: &'a Program, workers: &'a Workers, prices: Vec<f64>, smoothing: f64) -> Self {
        let here = program.sums(&prices, smoothing, workers);
        Self {
            program,
            workers,
            smoothing,
            best: (here.dual, prices.clone()),
            prices,
            here,
            length: 1.0,
        }
    }

    fn lower_smoothing_to(&mut self, last: f64) {
        self.settle();
        while self.smoothing > last {
            self.smoothing = last.max(self.smoothing * SMOOTHING_STEP);
            self.here = self.evaluate(&self.prices.clone());
            self.settle();
        }
    }

    /// The smoothing of a price's own barrier: the assets share one weight, as all accounts do.
    fn barrier(&self) -> f64 {
        self.smoothing / float(self.program.assets.max(1))
    }

    fn evaluate(&mut self, prices: &[f64]) -> Sums {
        let sums = self.program.sums(prices, self.smoothing, self.workers);
        if sums.dual < self.best.0 {
            self.best = (sums.dual, prices.to_vec());
        }
        sums
    }

    /// Newton steps until little is left to gain at this smoothing.
    fn settle(&mut self) {
        for _ in 0..STEPS_MAX {
            let Some(step) = self.newton_step() else {
                return;
            };
            let slope = self.slope(&self.prices, &self.here, &step);
            if -slope <= GAIN_MIN * self.smoothing || !self.go(&step, slope) {
                return;
            }
        }
    }

    fn newton_step(&self) -> Option<Vec<f64>> {
        let size = self.program.assets;
        let barrier = self.barrier();
        let mut matrix = self.here.curvature.clone();
        let mut step = Vec::with_capacity(size);
        for (row, &price) in self.prices.iter().enumerate() {
            matrix[row * size + row] += barrier / (price * price);
            step.push(barrier / price - self.here.gradient[row]);
        }
        factor(&mut matrix, size).then(|| solve(&matrix, size, &mut step))?;
        step.iter().all(|part| part.is_finite()).then_some(step)
    }

    /// Derivative of the smoothed dual along a step.
    fn slope(&self, prices: &[f64], sums: &Sums, step: &[f64]) -> f64 {
        let barrier = self.barrier();
        let along = prices.iter().zip(&sums.gradient).zip(step);
        along
            .map(|((price, gradient), part)| (gradient - barrier / price) * part)
            .sum()
    }

    /// Moves along a step of descent, shortened until it does not overshoot; false when it cannot.
    fn go(&mut self, step: &[f64], slope: f64) -> bool {
        let likely = f64::min(1.0, 2.0 * self.length);
        let mut length = self.prices.iter().zip(step).fold(likely, |length, (p, d)| {
            f64::min(
                length,
                if *d < 0.0 {
                    STEP_TO_ZERO_MAX * p / -d
                } else {
                    1.0
                },
            )
        });
        for _ in 0..STEPS_MAX {
            let there: Vec<f64> = self
                .prices
                .iter()
                .zip(step)
                .map(|(price, part)| price + length * part)
                .collect();
            let sums = self.evaluate(&there);
            let slope_there = self.slope(&there, &sums, step);
            if slope_there <= SLOPE_LEFT_MAX * -slope {
                self.prices = there;
                self.here = sums;
                self.length = length;
                return true;
            }
            // Where a straight line between both slopes would be zero; convex, so between them.
            length *= (-slope / (slope_there - slope)).clamp(0.1, 0.7);
        }
        false
    }

    /// The best prices, those of depth that is left over being zero.
    fn without_idle_prices(mut self) -> Vec<f64> {
        let (dual, best) = self.best.clone();
        let sums = self.evaluate(&best);
        let demands = self.program.demands();
        let zeroed: Vec<f64> = (0..best.len())
            .map(|asset| {
                let is_idle = best[asset] < sums.gradient[asset] || demands[asset] <= DEMAND_MET;
                if is_idle { 0.0 } else { best[asset] }
            })
            .collect();
        let without = self.program.sums(&zeroed, self.smoothing, self.workers);
        if without.dual <= dual * (1.0 + ZEROING_LOSS_MAX) {
            zeroed
        } else {
            best
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a number of assets")]
fn float(count: usize) -> f64 {
    count as f64
}
