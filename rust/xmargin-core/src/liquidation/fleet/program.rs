//! The fleet as a linear program, scaled: what the prices of depth are fitted to.
//!
//! Only accounts that are worth liquidating and fit at all take part. An account's weight is its
//! benefit as a share of all benefits; its use of an asset is a share of that asset's depth.

use rayon::prelude::*;

use super::input::Fleet;
use crate::book::columnar::Workers;

/// Below this, an account's slope is not worth its products: the matrix need not be exact.
const SLOPE_MIN: f64 = 1e-5;
/// Chunks of accounts, whose sums are added in order: more threads change no bit.
const CHUNK_ACCOUNTS_MIN: usize = 4_096;
const CHUNKS_MAX: usize = 16;
/// Numbers in the matrices of all chunks together.
const CELLS_MAX: usize = 1 << 22;

/// The scaled program.
pub struct Program {
    /// Benefits that the weights are shares of.
    pub benefit_total: f64,
    pub assets: usize,
    weight: Vec<f64>,
    uses_end: Vec<usize>,
    asset: Vec<u32>,
    share: Vec<f64>,
}

/// The smoothed dual at some prices.
pub struct Sums {
    /// Its gradient, without the part of the prices' own barrier.
    pub gradient: Vec<f64>,
    /// Its matrix of second derivatives, lower triangle, row by row.
    pub curvature: Vec<f64>,
    /// The dual itself, not smoothed: an upper bound up to rounding.
    pub dual: f64,
}

impl Program {
    /// Takes the accounts that depth can avoid bad debt of. Whole ones only, unless in `parts`.
    ///
    /// Accounts come by id, so that the order of the rows shows in no bit.
    pub fn new(fleet: &Fleet<'_>, by_id: &[u32], parts: bool) -> Self {
        let mut program = Self {
            benefit_total: 0.0,
            assets: fleet.depth.len(),
            weight: Vec::with_capacity(fleet.id.len()),
            uses_end: Vec::with_capacity(fleet.id.len()),
            asset: Vec::with_capacity(fleet.asset.len()),
            share: Vec::with_capacity(fleet.asset.len()),
        };
        for account in by_id.iter().map(|&account| account as usize) {
            let share_max = share_allowed(fleet, account, parts);
            let weight = fleet.benefit(account) * share_max;
            if weight > 0.0 {
                program.push(fleet, account, weight, share_max);
            }
        }
        program.benefit_total = program.weight.iter().sum();
        for weight in &mut program.weight {
            *weight /= program.benefit_total;
        }
        program
    }

    pub fn accounts(&self) -> usize {
        self.weight.len()
    }

    /// What all accounts together would use of each asset, as a share of its depth.
    pub fn demands(&self) -> Vec<f64> {
        let mut demands = vec![0.0; self.assets];
        for (&asset, share) in self.asset.iter().zip(&self.share) {
            demands[asset as usize] += share;
        }
        demands
    }

    /// Every `step`-th account, each standing for so many.
    pub fn every(&self, step: usize) -> Self {
        let mut sample = Self {
            benefit_total: self.benefit_total,
            assets: self.assets,
            weight: Vec::new(),
            uses_end: Vec::new(),
            asset: Vec::new(),
            share: Vec::new(),
        };
        for account in (0..self.accounts()).step_by(step) {
            let rows = self.rows(account);
            sample.weight.push(self.weight[account]);
            sample.asset.extend(&self.asset[rows.clone()]);
            sample.share.extend(&self.share[rows]);
            sample.uses_end.push(sample.asset.len());
        }
        let (all, stood_for): (f64, f64) = (
            float(self.accounts()) / float(sample.accounts()),
            sample.weight.iter().sum(),
        );
        sample.share.iter_mut().for_each(|share| *share *= all);
        sample.weight.iter_mut().for_each(|w| *w /= stood_for);
        sample
    }

    fn rows(&self, account: usize) -> std::ops::Range<usize> {
        let begin = account.checked_sub(1).map_or(0, |one| self.uses_end[one]);
        begin..self.uses_end[account]
    }

    fn push(&mut self, fleet: &Fleet<'_>, account: usize, weight: f64, share_max: f64) {
        self.weight.push(weight);
        for (asset, amount) in fleet.uses(account).filter(|&(_, amount)| amount > 0.0) {
            self.asset.push(u32::try_from(asset).unwrap_or(u32::MAX));
            self.share.push(amount * share_max / fleet.depth[asset]);
        }
        self.uses_end.push(self.asset.len());
    }

    /// Value, gradient and curvature of the dual smoothed by `smoothing`.
    ///
    /// An account of surplus t = weight − Σ price × use takes part by the x that maximises
    /// t x + m (ln x + ln(1 − x)) with m = smoothing × weight, which is ½ (1 + t ÷ (q + 2m)), where
    /// q = √(t² + 4m²).
    pub fn sums(&self, prices: &[f64], smoothing: f64, workers: &Workers) -> Sums {
        let accounts = self.weight.len();
        let chunks = (accounts / CHUNK_ACCOUNTS_MIN)
            .min(CELLS_MAX / (self.assets * self.assets).max(1))
            .clamp(1, CHUNKS_MAX);
        let chunk = |number: usize| {
            let first = accounts * number / chunks;
            let end = accounts * (number + 1) / chunks;
            self.chunk(first..end, prices, smoothing)
        };
        let parts: Vec<Sums> = match workers.pool_for(accounts) {
            None => (0..chunks).map(chunk).collect(),
            Some(pool) => pool.install(|| (0..chunks).into_par_iter().map(chunk).collect()),
        };
        let mut sums = Sums::zero(self.assets);
        for part in parts {
            sums.add(&part);
        }
        sums.dual += prices.iter().sum::<f64>();
        for gradient in &mut sums.gradient {
            *gradient += 1.0;
        }
        sums
    }

    fn chunk(&self, accounts: std::ops::Range<usize>, prices: &[f64], smoothing: f64) -> Sums {
        let mut sums = Sums::zero(self.assets);
        let mut begin = accounts
            .start
            .checked_sub(1)
            .map_or(0, |a| self.uses_end[a]);
        for account in accounts {
            let end = self.uses_end[account];
            let (assets, shares) = (&self.asset[begin..end], &self.share[begin..end]);
            begin = end;
            let weight = self.weight[account];
            let depth_value: f64 = assets
                .iter()
                .zip(shares)
                .map(|(&asset, share)| prices[asset as usize] * share)
                .sum();
            let surplus = weight - depth_value;
            let m = smoothing * weight;
            let q = (surplus * surplus + 4.0 * m * m).sqrt();
            let width = q + 2.0 * m;
            let part = 0.5 * (1.0 + surplus / width);
            sums.dual += surplus.max(0.0);
            let has_slope = 4.0 * m * m > SLOPE_MIN * surplus * surplus;
            let slope = if has_slope { m / (q * width) } else { 0.0 };
            sums.add_account(assets, shares, part, slope);
        }
        sums
    }
}

impl Sums {
    fn zero(assets: usize) -> Self {
        Self {
            gradient: vec![0.0; assets],
            curvature: vec![0.0; assets * assets],
            dual: 0.0,
        }
    }

    fn add(&mut self, other: &Self) {
        let add = |mine: &mut [f64], theirs: &[f64]| {
            for (mine, theirs) in mine.iter_mut().zip(theirs) {
                *mine += theirs;
            }
        };
        add(&mut self.gradient, &other.gradient);
        add(&mut self.curvature, &other.curvature);
        self.dual += other.dual;
    }

    fn add_account(&mut self, assets: &[u32], shares: &[f64], part: f64, slope: f64) {
        let size = self.gradient.len();
        for (&asset, share) in assets.iter().zip(shares) {
            self.gradient[asset as usize] -= share * part;
        }
        if slope == 0.0 {
            return;
        }
        // Assets ascend, so all of this is below the diagonal or on it.
        for (place, (&row, share)) in assets.iter().zip(shares).enumerate() {
            let cells = &mut self.curvature[row as usize * size..][..size];
            for (&column, other) in assets[..=place].iter().zip(shares) {
                cells[column as usize] += slope * share * other;
            }
        }
    }
}

/// The share of an account that can be planned at all.
pub fn share_allowed(fleet: &Fleet<'_>, account: usize, parts: bool) -> f64 {
    let share = fleet.share_max(account);
    if parts || share >= 1.0 { share } else { 0.0 }
}

#[expect(clippy::cast_precision_loss, reason = "a count, far below 2^53")]
fn float(count: usize) -> f64 {
    count as f64
}
