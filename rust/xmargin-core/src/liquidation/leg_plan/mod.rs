//! The leg plan: which part of which leg to close, at least cost, with proof of how near to least.
//!
//! Choose fractions f ∈ [0, 1]ⁿ of the legs to close, closing costing
//! `C(f) = Σⱼ aⱼ fⱼ + bⱼ fⱼ^1.5` (spread and square-root impact), so that in every scenario s
//! ```text
//! gₛ(f) = Σⱼ (1 − fⱼ) ℓₛⱼ − κ (E − C(f)) ≤ 0
//! ```
//! at least C(f). The problem is convex; its dual bound ([`bound`]) costs one pass over the losses
//! and is valid for *any* multipliers, so what the solver ([`interior_point`]) did need not be
//! trusted: every answer is a plan with its bound, or a proof that no plan exists. Proofs are in
//! `docs/liquidation.md`, "Leg plan".

mod bound;
mod exact;
mod input;
mod interior_point;
pub(in crate::liquidation) mod linear;
mod lots;
mod program;

use crate::Error;

pub use bound::Multipliers;
pub use input::Book;

use interior_point::{Iterate, Verdict, minimise};
use program::Program;

/// Cost above the bound, relative to the cost, at which the solver rests.
const GAP_AIM: f64 = 1e-6;

/// How often the solver starts anew where it stopped short of that.
const STARTS_MAX: usize = 6;

/// What is to be closed, and the proof that it could hardly be cheaper.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Fraction of each leg to close, in [0, 1]; a whole number of lots where the leg has lots.
    pub fractions: Vec<f64>,
    /// What closing costs, in the unit of the book's amounts.
    pub cost: f64,
    /// λ ≥ 0, one a scenario: the proof of `bound`.
    pub multipliers: Vec<f64>,
    /// No plan, in lots or not, costs less than this.
    pub bound: f64,
}

impl Plan {
    /// (cost − bound) ÷ cost; zero when closing costs nothing.
    #[must_use]
    pub fn relative_gap(&self) -> f64 {
        if self.cost > 0.0 {
            (self.cost - self.bound) / self.cost
        } else {
            0.0
        }
    }
}

/// The least shortfall that any plan leaves, from below and from above.
///
/// A plan's shortfall is `maxₛ gₛ(f)`: by how much its worst scenario breaks the limit.
#[derive(Debug, Clone, PartialEq)]
pub struct Shortfall {
    /// λ ≥ 0 with sum one: the proof of `at_least`.
    pub multipliers: Vec<f64>,
    /// Every f ∈ [0, 1]ⁿ leaves at least this shortfall in some scenario.
    pub at_least: f64,
    /// The fractions that leave `at_most`: the best that was found.
    pub fractions: Vec<f64>,
    /// The shortfall of `fractions`, rounded up.
    pub at_most: f64,
}

/// The answer to a book.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// A plan that meets every scenario, exactly (not only up to rounding).
    Plan(Plan),
    /// No plan exists: `at_least` is positive.
    Infeasible(Shortfall),
    /// The set of plans is empty or thinner than the rounding of `f64`: `at_least ≤ 0 ≤ at_most`.
    Undecided(Shortfall),
    /// This plan meets every scenario, but not in whole lots, and none in whole lots was found.
    OffLots(Plan),
}

/// Plans the cheapest closing that meets every scenario.
///
/// # Errors
/// [`Error::Input`] naming table `legs`, `scenarios` or `book`, the field and the row: an amount
/// that is no number or out of range, a negative cost, a row of another length.
pub fn plan_legs(book: &Book) -> Result<Outcome, Error> {
    input::check(book)?;
    let program = Program::closing(book);
    if exact::nothing_needs_closing(book) {
        return Ok(Outcome::Plan(Plan {
            fractions: vec![0.0; book.legs()],
            cost: 0.0,
            multipliers: vec![0.0; book.scenarios()],
            bound: 0.0,
        }));
    }
    let Some(start) = program.start_near_closing_all() else {
        return Ok(from_least_shortfall(book, &program));
    };
    Ok(cheapest(book, &program, start))
}

/// Where closing all is not clearly affordable: first any plan, by making the shortfall small.
fn from_least_shortfall(book: &Book, program: &Program) -> Outcome {
    let elastic = program.elastic();
    let legs = book.legs();
    let mut best = Shortfall {
        multipliers: vec![0.0; book.scenarios()],
        at_least: f64::NEG_INFINITY,
        fractions: vec![1.0; legs],
        at_most: f64::INFINITY,
    };
    minimise(&elastic, elastic.start(), |iterate| {
        keep_tighter(book, program, iterate, &mut best);
        let inside = best.at_most < 0.0 && best.at_most < 0.5 * best.at_least;
        if inside || best.at_least > 0.0 || best.at_most - best.at_least < program.margin_max() {
            Verdict::Rest
        } else {
            Verdict::GoOn
        }
    });
    if best.at_least > 0.0 {
        return Outcome::Infeasible(best);
    }
    if best.at_most < 0.0 {
        let start = best.fractions.clone();
        return cheapest(book, program, start);
    }
    if exact::closing_all_is_affordable(book) {
        return closing_all(book, best.multipliers);
    }
    Outcome::Undecided(best)
}

fn keep_tighter(book: &Book, program: &Program, iterate: &Iterate, best: &mut Shortfall) {
    let sum: f64 = iterate.multipliers.iter().sum();
    if sum > 0.0 && sum.is_finite() {
        let shares: Vec<f64> = iterate.multipliers.iter().map(|one| one / sum).collect();
        let at_least = bound::least_shortfall(book, &shares);
        if at_least > best.at_least {
            best.at_least = at_least;
            best.multipliers = shares;
        }
    }
    let fractions = &iterate.fractions[..book.legs()];
    let at_most = program.shortfall(fractions);
    if at_most < best.at_most {
        best.at_most = at_most;
        best.fractions = fractions.to_vec();
    }
}

fn closing_all(book: &Book, shares: Vec<f64>) -> Outcome {
    let fractions = vec![1.0; book.legs()];
    // The shares prove nothing of the cost; multiplied up they may.
    let (multipliers, bound) = [0.0, 1.0, 1e3, 1e6]
        .into_iter()
        .map(|size| {
            let multipliers: Vec<f64> = shares.iter().map(|share| share * size).collect();
            let bound = bound::least_cost(book, &multipliers);
            (multipliers, bound)
        })
        .max_by(|one, other| one.1.total_cmp(&other.1))
        .unwrap_or((shares, 0.0));
    Outcome::Plan(Plan {
        cost: book.cost(&fractions),
        fractions,
        multipliers,
        bound,
    })
}

fn cheapest(book: &Book, program: &Program, mut start: Vec<f64>) -> Outcome {
    let mut plan = Plan {
        cost: book.cost(&start),
        fractions: start.clone(),
        multipliers: vec![0.0; book.scenarios()],
        bound: 0.0,
    };
    for _ in 0..STARTS_MAX {
        improve(book, program, start.clone(), &mut plan);
        if is_near(&plan) {
            break;
        }
        // Nearer to the best so far, but as deep inside the limits as convexity grants.
        for (start, best) in start.iter_mut().zip(&plan.fractions) {
            *start = 0.1 * *start + 0.9 * best;
        }
    }
    if book.lots.iter().all(|&lots| lots == 0) {
        return Outcome::Plan(plan);
    }
    match lots::in_whole_lots(book, program, &plan.fractions) {
        Some(fractions) => Outcome::Plan(Plan {
            cost: book.cost(&fractions),
            fractions,
            ..plan
        }),
        None => Outcome::OffLots(plan),
    }
}

fn is_near(plan: &Plan) -> bool {
    plan.cost - plan.bound <= GAP_AIM * plan.cost
}

/// Keeps the cheapest plan and the highest bound that the solver passes.
fn improve(book: &Book, program: &Program, start: Vec<f64>, plan: &mut Plan) {
    minimise(program, start, |iterate| {
        let cost = book.cost(&iterate.fractions);
        if cost < plan.cost && program.is_met_by(&iterate.fractions) {
            plan.cost = cost;
            plan.fractions.clone_from(&iterate.fractions);
        }
        let bound = bound::least_cost(book, &iterate.multipliers);
        if bound > plan.bound {
            plan.bound = bound;
            plan.multipliers.clone_from(&iterate.multipliers);
        }
        if is_near(plan) {
            Verdict::Rest
        } else {
            Verdict::GoOn
        }
    });
}
