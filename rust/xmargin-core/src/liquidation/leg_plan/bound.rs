//! Lower bounds that hold for any multipliers λ ≥ 0, rounded down.
//!
//! For ω = 1 (cost) or ω = 0 (shortfall alone), Λ = Σ λₛ, μ = ω + κΛ and vⱼ = Σₛ λₛ ℓₛⱼ:
//! ```text
//! D(λ) = Σₛ λₛ (Σⱼ ℓₛⱼ − κE) + Σⱼ min_f [ μ (aⱼ f + bⱼ f^1.5) − vⱼ f ]
//! ```
//! The inner minimum is at √f = (v − μa) ÷ 1.5 μb, cut to [0, 1], and is −f (v − μa) ÷ 3 inside.

use super::input::Book;

/// More than products that underflow can lose, multiplied by any amount and number of terms.
const UNDERFLOW: f64 = 1e-250;

/// λ: one number ≥ 0 a scenario.
pub type Multipliers = [f64];

/// No plan costs less than this.
pub fn least_cost(book: &Book, multipliers: &Multipliers) -> f64 {
    lagrangian(book, multipliers, 1.0)
}

/// Every closing leaves at least this shortfall, if the multipliers sum to one; its sign proves
/// (in)feasibility whatever they sum to.
pub fn least_shortfall(book: &Book, multipliers: &Multipliers) -> f64 {
    lagrangian(book, multipliers, 0.0)
}

fn lagrangian(book: &Book, multipliers: &Multipliers, cost_weight: f64) -> f64 {
    let kappa = book.loss_share_max;
    let sum: f64 = multipliers.iter().sum();
    let price = cost_weight + kappa * sum;
    let mut relief = vec![0.0; book.legs()];
    let mut magnitude = kappa * sum * book.equity.abs();
    for (&weight, losses) in multipliers.iter().zip(&book.losses) {
        if weight > 0.0 {
            let mut absolute = 0.0;
            for (relief, loss) in relief.iter_mut().zip(losses) {
                *relief += weight * loss;
                absolute += loss.abs();
            }
            magnitude += weight * absolute;
        }
    }
    let mut value = -kappa * sum * book.equity;
    for (leg, &relief) in relief.iter().enumerate() {
        let cost = [book.spread[leg], book.impact[leg]];
        value += relief + inner_minimum(price, cost, relief);
    }
    value - rounding(book, magnitude)
}

/// min over f ∈ [0, 1] of price · (a f + b f^1.5) − relief · f.
fn inner_minimum(price: f64, [a, b]: [f64; 2], relief: f64) -> f64 {
    let gain = relief - price * a;
    let root_slope = 1.5 * price * b;
    if gain <= 0.0 {
        0.0
    } else if gain >= root_slope {
        price * b - gain
    } else {
        let root = gain / root_slope;
        -(root * root) * gain / 3.0
    }
}

/// More than the rounding of all sums above: no intermediate exceeds `magnitude`, since a leg's
/// inner minimum lies in [−|relief|, 0], and each term passes through at most `terms` roundings.
fn rounding(book: &Book, magnitude: f64) -> f64 {
    let terms = u32::try_from(book.legs() + book.scenarios() + 16).unwrap_or(u32::MAX);
    4.0 * f64::from(terms) * f64::EPSILON * magnitude + UNDERFLOW
}
