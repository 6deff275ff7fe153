//! The convex program that the interior point method solves, in two forms.
//!
//! *Closing*: least cost under the limits. *Elastic*: one leg more, whose closing relaxes all
//! limits alike; at its least, the shortfall is least.

use super::input::Book;

/// Share of a scenario's magnitude by which each limit is tightened: a point that meets the
/// tightened limit in `f64` meets the true one exactly. Sums of n terms err by n·2⁻⁵³.
const ROUNDINGS_PER_TERM: f64 = 4.0 * f64::EPSILON;

/// min Σⱼ ωⱼ cⱼ(fⱼ) so that constantₛ − Σⱼ fⱼ ℓₛⱼ + Σⱼ κⱼ cⱼ(fⱼ) ≤ 0, f ∈ [0, 1]ⁿ.
#[derive(Debug, Clone)]
pub struct Program {
    /// n.
    pub legs: usize,
    /// ℓ, scenario by scenario.
    pub losses: Vec<f64>,
    /// What each scenario loses beyond its limit when nothing is closed, tightened.
    pub constant: Vec<f64>,
    /// a.
    pub spread: Vec<f64>,
    /// b.
    pub impact: Vec<f64>,
    /// ω.
    pub cost_weight: Vec<f64>,
    /// κ by leg.
    pub limit_weight: Vec<f64>,
    margin_max: f64,
}

impl Program {
    /// Least cost.
    pub fn closing(book: &Book) -> Self {
        let legs = book.legs();
        let kappa = book.loss_share_max;
        let cost_max: f64 = book.spread.iter().chain(&book.impact).sum();
        let terms = f64::from(u32::try_from(legs + 8).unwrap_or(u32::MAX));
        let mut margin_max = 0.0_f64;
        let constant = book.losses.iter().map(|losses| {
            let magnitude: f64 = losses.iter().map(|loss| loss.abs()).sum();
            let magnitude = magnitude + kappa * (book.equity.abs() + cost_max);
            let margin = ROUNDINGS_PER_TERM * terms * magnitude;
            margin_max = margin_max.max(margin);
            losses.iter().sum::<f64>() - kappa * book.equity + margin
        });
        Self {
            legs,
            constant: constant.collect(),
            losses: book.losses.concat(),
            spread: book.spread.clone(),
            impact: book.impact.clone(),
            cost_weight: vec![1.0; legs],
            limit_weight: vec![kappa; legs],
            margin_max,
        }
    }

    /// Least shortfall: leg n, free of limits' cost, buys relief of all limits at one for one.
    pub fn elastic(&self) -> Self {
        let reach = 4.0 * self.reach();
        let mut losses = Vec::with_capacity((self.legs + 1) * self.constant.len());
        for row in 0..self.constant.len() {
            losses.extend_from_slice(self.row(row));
            losses.push(reach);
        }
        let with = |column: &[f64], last: f64| [column, &[last]].concat();
        Self {
            legs: self.legs + 1,
            losses,
            // Below zero the leg tightens: the shortfall may become negative, down to −reach / 4.
            constant: self.constant.iter().map(|one| one + reach / 4.0).collect(),
            spread: with(&self.spread, reach),
            impact: with(&self.impact, 0.0),
            cost_weight: with(&vec![0.0; self.legs], 1.0),
            limit_weight: with(&self.limit_weight, 0.0),
            margin_max: self.margin_max,
        }
    }

    /// More than the limits' functions can differ from zero anywhere in the box.
    fn reach(&self) -> f64 {
        let costs = self.spread.iter().zip(&self.impact).zip(&self.limit_weight);
        let cost: f64 = costs.map(|((a, b), kappa)| kappa * (a + b)).sum();
        let worst = (0..self.constant.len()).map(|row| {
            let losses: f64 = self.row(row).iter().map(|loss| loss.abs()).sum();
            losses + self.constant[row].abs()
        });
        1.125 * (worst.fold(0.0, f64::max) + cost).max(f64::MIN_POSITIVE)
    }

    /// The middle of the box, where an elastic program has room in all limits.
    pub fn start(&self) -> Vec<f64> {
        let mut start = vec![0.5; self.legs];
        start[self.legs - 1] = 0.75;
        start
    }

    /// A point with room in all limits on the way from one half to all, if all is affordable.
    pub fn start_near_closing_all(&self) -> Option<Vec<f64>> {
        (1..=12)
            .map(|halvings| vec![1.0 - 0.5_f64.powi(halvings); self.legs])
            .find(|fractions| self.is_met_by(fractions))
    }

    /// ℓ of one scenario.
    pub fn row(&self, scenario: usize) -> &[f64] {
        &self.losses[scenario * self.legs..][..self.legs]
    }

    /// The room that each limit leaves, −gₛ(f), tightened.
    pub fn room(&self, fractions: &[f64], room: &mut [f64]) {
        let mut cost = 0.0;
        for (leg, f) in fractions.iter().enumerate() {
            let paid = (self.spread[leg] + self.impact[leg] * f.sqrt()) * f;
            cost += self.limit_weight[leg] * paid;
        }
        for (scenario, room) in room.iter_mut().enumerate() {
            *room = dot(self.row(scenario), fractions) - self.constant[scenario] - cost;
        }
    }

    /// The worst scenario's gₛ(f), rounded up.
    pub fn shortfall(&self, fractions: &[f64]) -> f64 {
        let mut room = vec![0.0; self.constant.len()];
        self.room(fractions, &mut room);
        room.into_iter()
            .map(|room| -room)
            .fold(f64::NEG_INFINITY, f64::max)
    }

    /// Whether every limit is met, rounding included.
    pub fn is_met_by(&self, fractions: &[f64]) -> bool {
        self.shortfall(fractions) < 0.0
    }

    /// The largest tightening of a limit: what `f64` cannot tell apart.
    pub fn margin_max(&self) -> f64 {
        self.margin_max
    }
}

/// Σ x y, in four strands that the compiler can run side by side; the same bits every run.
pub fn dot(x: &[f64], y: &[f64]) -> f64 {
    let mut strands = [0.0; 4];
    let (x_fours, y_fours) = (x.chunks_exact(4), y.chunks_exact(4));
    let rest: f64 = x_fours
        .remainder()
        .iter()
        .zip(y_fours.remainder())
        .map(|(x, y)| x * y)
        .sum();
    for (x, y) in x_fours.zip(y_fours) {
        for (strand, (x, y)) in strands.iter_mut().zip(x.iter().zip(y)) {
            *strand += x * y;
        }
    }
    (strands[0] + strands[1]) + (strands[2] + strands[3]) + rest
}
