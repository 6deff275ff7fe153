//! A primal-dual interior point method (Mehrotra's predictor and corrector) that stays inside.
//!
//! Multipliers: λₛ of the limits, pⱼ of f ≥ 0, qⱼ of f ≤ 1. With w = −g(f) > 0 the room of each
//! limit, μⱼ = ωⱼ + κⱼΛ and Gₛⱼ = κⱼ c'ⱼ − ℓₛⱼ, a step solves the linearised conditions
//! ```text
//! μⱼ c'ⱼ − vⱼ − pⱼ + qⱼ = 0,   λw = τ,   pf = τ,   q(1 − f) = τ
//! ```
//! The Lagrangian's curvature is diagonal, so the system is n × n, or m × m, whichever is smaller:
//! ```text
//! (D + Gᵀ (λ/w) G) df = ρ − Gᵀ (e/w)        D = μ c'' + p/f + q/(1 − f)
//! (G D⁻¹ Gᵀ + w/λ) dλ = G D⁻¹ ρ + e/λ       df = D⁻¹ (ρ − Gᵀ dλ)
//! ```
//! Nothing rests on convergence: the caller keeps the best plan and the best bound of all iterates.

use super::linear;
use super::program::{Program, dot};

const ITERATIONS_MAX: usize = 80;
/// How much of the way to the border a step may go.
const NEARNESS: f64 = 0.99;

/// A product below this share of the mean: a border came too near too early, and the next step aims
/// at the middle before any other.
const LOPSIDED: f64 = 0.003;
/// The share of the mean product that such a step aims at.
const RECENTRING: f64 = 0.8;

/// A point inside: all of it positive, fractions below one.
#[derive(Debug, Clone)]
pub struct Iterate {
    /// f.
    pub fractions: Vec<f64>,
    /// λ.
    pub multipliers: Vec<f64>,
    lower: Vec<f64>,
    upper: Vec<f64>,
    room: Vec<f64>,
}

/// What the caller thinks of an iterate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Not good enough yet.
    GoOn,
    /// Good enough.
    Rest,
}

/// A Newton direction.
struct Direction {
    fractions: Vec<f64>,
    multipliers: Vec<f64>,
    lower: Vec<f64>,
    upper: Vec<f64>,
    room: Vec<f64>,
}

/// What the complementarity products should change by.
struct Aim {
    limits: Vec<f64>,
    lower: Vec<f64>,
    upper: Vec<f64>,
}

/// Shows iterate after iterate to `judge`, from a start strictly inside all limits.
pub fn minimise(program: &Program, start: Vec<f64>, mut judge: impl FnMut(&Iterate) -> Verdict) {
    let mut iterate = Iterate::at(program, start);
    for _ in 0..ITERATIONS_MAX {
        if judge(&iterate) == Verdict::Rest {
            return;
        }
        let Some(system) = System::at(program, &iterate) else {
            return;
        };
        let mean = iterate.complementarity();
        let aim = if iterate.least_product() < LOPSIDED * mean {
            iterate.aim(RECENTRING * mean, None)
        } else {
            let predicted = system.direction(&iterate, &iterate.aim(0.0, None));
            let hoped = iterate.moved_linearly(&predicted) / mean;
            let centring = (hoped * hoped * hoped).clamp(1e-6, 1.0);
            iterate.aim(centring * mean, Some(&predicted))
        };
        let direction = system.direction(&iterate, &aim);
        if !iterate.advance(program, &direction) {
            return;
        }
    }
}

impl Iterate {
    /// Multipliers start on the central path of the size of the cost at the start.
    fn at(program: &Program, fractions: Vec<f64>) -> Self {
        let mut room = vec![0.0; program.constant.len()];
        program.room(&fractions, &mut room);
        let costs = program.spread.iter().zip(&program.impact);
        let cost: f64 = costs
            .zip(&program.cost_weight)
            .zip(&fractions)
            .map(|(((a, b), weight), f)| weight * (a + b * f.sqrt()) * f)
            .sum();
        let products = u32::try_from(room.len() + 2 * fractions.len()).unwrap_or(u32::MAX);
        let mean = cost / f64::from(products.max(1));
        Self {
            multipliers: room.iter().map(|room| mean / room).collect(),
            lower: fractions.iter().map(|f| mean / f).collect(),
            upper: fractions.iter().map(|f| mean / (1.0 - f)).collect(),
            fractions,
            room,
        }
    }

    /// The mean of all complementarity products.
    fn complementarity(&self) -> f64 {
        let limits = dot(&self.multipliers, &self.room);
        let lower = dot(&self.lower, &self.fractions);
        let upper = self.upper.iter().zip(&self.fractions);
        let upper: f64 = upper.map(|(q, f)| q * (1.0 - f)).sum();
        (limits + lower + upper) / self.products()
    }

    /// The smallest of all complementarity products.
    fn least_product(&self) -> f64 {
        let limits = self.multipliers.iter().zip(&self.room);
        let lower = self.lower.iter().zip(&self.fractions);
        let upper = self.upper.iter().zip(&self.fractions);
        limits
            .chain(lower)
            .map(|(x, y)| x * y)
            .chain(upper.map(|(q, f)| q * (1.0 - f)))
            .fold(f64::INFINITY, f64::min)
    }

    fn products(&self) -> f64 {
        let count = self.room.len() + 2 * self.fractions.len();
        f64::from(u32::try_from(count).unwrap_or(u32::MAX))
    }

    /// τ minus each product, and minus the second-order term of the direction tried.
    fn aim(&self, target: f64, tried: Option<&Direction>) -> Aim {
        let mut aim = Aim {
            limits: zip_with(&self.multipliers, &self.room, |x, y| target - x * y),
            lower: zip_with(&self.lower, &self.fractions, |p, f| target - p * f),
            upper: zip_with(&self.upper, &self.fractions, |q, f| target - q * (1.0 - f)),
        };
        if let Some(tried) = tried {
            subtract_products(&mut aim.limits, &tried.multipliers, &tried.room, 1.0);
            subtract_products(&mut aim.lower, &tried.lower, &tried.fractions, 1.0);
            subtract_products(&mut aim.upper, &tried.upper, &tried.fractions, -1.0);
        }
        aim
    }

    /// The mean product after the longest linear step.
    fn moved_linearly(&self, step: &Direction) -> f64 {
        let primal = self
            .primal_reach(step)
            .min(reach(&self.room, &step.room))
            .min(1.0);
        let dual = self.dual_reach(step).min(1.0);
        let sum = |multiplier: &[f64], dm: &[f64], value: &[f64], dv: &[f64], flip: bool| -> f64 {
            let pairs = multiplier.iter().zip(dm).zip(value.iter().zip(dv));
            pairs
                .map(|((m, dm), (v, dv))| {
                    let moved = v + primal * dv;
                    (m + dual * dm) * if flip { 1.0 - moved } else { moved }
                })
                .sum()
        };
        let (f, df) = (&self.fractions, &step.fractions);
        (sum(
            &self.multipliers,
            &step.multipliers,
            &self.room,
            &step.room,
            false,
        ) + sum(&self.lower, &step.lower, f, df, false)
            + sum(&self.upper, &step.upper, f, df, true))
            / self.products()
    }

    /// How far the fractions may go until one reaches 0 or 1.
    fn primal_reach(&self, step: &Direction) -> f64 {
        let pairs = self.fractions.iter().zip(&step.fractions);
        pairs.fold(f64::INFINITY, |least, (&f, &df)| {
            let way = if df < 0.0 { -f / df } else { (1.0 - f) / df };
            if df == 0.0 { least } else { least.min(way) }
        })
    }

    fn dual_reach(&self, step: &Direction) -> f64 {
        reach(&self.multipliers, &step.multipliers)
            .min(reach(&self.lower, &step.lower))
            .min(reach(&self.upper, &step.upper))
    }

    /// Goes as far as stays inside; false when there is no way forward.
    fn advance(&mut self, program: &Program, step: &Direction) -> bool {
        let mut primal = (NEARNESS * self.primal_reach(step)).min(1.0);
        if !primal.is_finite() || step.multipliers.iter().any(|one| !one.is_finite()) {
            return false;
        }
        let mut room = vec![0.0; self.room.len()];
        // The room is concave in f: some shorter step always leaves enough.
        for _ in 0..40 {
            let fractions = zip_with(&self.fractions, &step.fractions, |f, df| f + primal * df);
            program.room(&fractions, &mut room);
            let enough = room.iter().zip(&self.room);
            let inside = fractions.iter().all(|&f| f > 0.0 && f < 1.0);
            if inside
                && enough
                    .into_iter()
                    .all(|(new, old)| *new > (1.0 - NEARNESS) * old)
            {
                self.fractions = fractions;
                self.room = room;
                let dual = (NEARNESS * self.dual_reach(step)).min(1.0);
                add(&mut self.multipliers, &step.multipliers, dual);
                add(&mut self.lower, &step.lower, dual);
                add(&mut self.upper, &step.upper, dual);
                return true;
            }
            primal *= 0.7;
        }
        false
    }
}

/// The factored system of one iterate.
struct System {
    jacobian: Vec<f64>,
    diagonal: Vec<f64>,
    /// Stationarity that is missing.
    residual: Vec<f64>,
    matrix: Vec<f64>,
    by_legs: bool,
}

impl System {
    fn at(program: &Program, iterate: &Iterate) -> Option<Self> {
        let (legs, scenarios) = (program.legs, program.constant.len());
        let sum: f64 = iterate.multipliers.iter().sum();
        let mut marginal = vec![0.0; legs];
        let mut diagonal = vec![0.0; legs];
        let mut residual = vec![0.0; legs];
        for leg in 0..legs {
            let f = iterate.fractions[leg];
            let (p, q) = (iterate.lower[leg], iterate.upper[leg]);
            let root = f.sqrt();
            let slope = program.spread[leg] + 1.5 * program.impact[leg] * root;
            let curvature = 0.75 * program.impact[leg] / root;
            let price = program.cost_weight[leg] + program.limit_weight[leg] * sum;
            marginal[leg] = program.limit_weight[leg] * slope;
            diagonal[leg] = price * curvature + p / f + q / (1.0 - f);
            residual[leg] = program.cost_weight[leg] * slope - p + q;
        }
        let mut jacobian = Vec::with_capacity(legs * scenarios);
        for scenario in 0..scenarios {
            let row = zip_with(&marginal, program.row(scenario), |slope, loss| slope - loss);
            add(&mut residual, &row, iterate.multipliers[scenario]);
            jacobian.extend(row);
        }
        let by_legs = legs <= scenarios;
        let mut system = Self {
            jacobian,
            diagonal,
            residual,
            matrix: Vec::new(),
            by_legs,
        };
        system.matrix = if by_legs {
            system.matrix_by_legs(iterate)
        } else {
            system.matrix_by_scenarios(iterate)
        };
        let size = if by_legs { legs } else { scenarios };
        linear::factor(&mut system.matrix, size).then_some(system)
    }

    /// D + Gᵀ (λ/w) G, lower triangle.
    fn matrix_by_legs(&self, iterate: &Iterate) -> Vec<f64> {
        let legs = self.diagonal.len();
        let mut matrix = vec![0.0; legs * legs];
        for (leg, diagonal) in self.diagonal.iter().enumerate() {
            matrix[leg * legs + leg] = *diagonal;
        }
        for (scenario, row) in self.jacobian.chunks_exact(legs).enumerate() {
            let weight = iterate.multipliers[scenario] / iterate.room[scenario];
            for leg in 0..legs {
                add(
                    &mut matrix[leg * legs..][..=leg],
                    &row[..=leg],
                    weight * row[leg],
                );
            }
        }
        matrix
    }

    /// G D⁻¹ Gᵀ + w/λ, lower triangle.
    fn matrix_by_scenarios(&self, iterate: &Iterate) -> Vec<f64> {
        let (legs, scenarios) = (self.diagonal.len(), iterate.room.len());
        let mut matrix = vec![0.0; scenarios * scenarios];
        for scenario in 0..scenarios {
            let row = &self.jacobian[scenario * legs..][..legs];
            let scaled = zip_with(row, &self.diagonal, |g, d| g / d);
            for other in 0..=scenario {
                let other_row = &self.jacobian[other * legs..][..legs];
                matrix[scenario * scenarios + other] = dot(&scaled, other_row);
            }
            matrix[scenario * scenarios + scenario] +=
                iterate.room[scenario] / iterate.multipliers[scenario];
        }
        matrix
    }

    fn direction(&self, iterate: &Iterate, aim: &Aim) -> Direction {
        let legs = self.diagonal.len();
        let mut right = self.right_side(iterate, aim);
        let (fractions, multipliers);
        if self.by_legs {
            for (scenario, row) in self.jacobian.chunks_exact(legs).enumerate() {
                add(
                    &mut right,
                    row,
                    -aim.limits[scenario] / iterate.room[scenario],
                );
            }
            linear::solve(&self.matrix, legs, &mut right);
            fractions = right;
            multipliers = self.multipliers_after(iterate, aim, &fractions);
        } else {
            let free = zip_with(&right, &self.diagonal, |rho, d| rho / d);
            let mut change = zip_with(&aim.limits, &iterate.multipliers, |e, l| e / l);
            for (change, row) in change.iter_mut().zip(self.jacobian.chunks_exact(legs)) {
                *change += dot(row, &free);
            }
            linear::solve(&self.matrix, iterate.room.len(), &mut change);
            for (row, change) in self.jacobian.chunks_exact(legs).zip(&change) {
                add(&mut right, row, -change);
            }
            fractions = zip_with(&right, &self.diagonal, |rho, d| rho / d);
            multipliers = change;
        }
        self.completed(iterate, aim, fractions, multipliers)
    }

    /// ρ = −residual + `lower`/f − `upper`/(1 − f), the sides as aimed at.
    fn right_side(&self, iterate: &Iterate, aim: &Aim) -> Vec<f64> {
        (0..self.diagonal.len())
            .map(|leg| {
                let f = iterate.fractions[leg];
                aim.lower[leg] / f - aim.upper[leg] / (1.0 - f) - self.residual[leg]
            })
            .collect()
    }

    /// dλ = (e + λ G df) ÷ w.
    fn multipliers_after(&self, iterate: &Iterate, aim: &Aim, fractions: &[f64]) -> Vec<f64> {
        let rows = self.jacobian.chunks_exact(self.diagonal.len()).enumerate();
        rows.map(|(scenario, row)| {
            let lost = iterate.multipliers[scenario] * dot(row, fractions);
            (aim.limits[scenario] + lost) / iterate.room[scenario]
        })
        .collect()
    }

    fn completed(
        &self,
        iterate: &Iterate,
        aim: &Aim,
        fractions: Vec<f64>,
        multipliers: Vec<f64>,
    ) -> Direction {
        let legs = self.diagonal.len();
        let side = |aim: &[f64], multiplier: &[f64], sign: f64, way: fn(f64) -> f64| {
            let one = |leg: usize| {
                let change = aim[leg] - sign * multiplier[leg] * fractions[leg];
                change / way(iterate.fractions[leg])
            };
            (0..legs).map(one).collect()
        };
        let rows = self.jacobian.chunks_exact(legs);
        Direction {
            lower: side(&aim.lower, &iterate.lower, 1.0, |f| f),
            upper: side(&aim.upper, &iterate.upper, -1.0, |f| 1.0 - f),
            room: rows.map(|row| -dot(row, &fractions)).collect(),
            fractions,
            multipliers,
        }
    }
}

fn zip_with(x: &[f64], y: &[f64], with: impl Fn(f64, f64) -> f64) -> Vec<f64> {
    x.iter().zip(y).map(|(&x, &y)| with(x, y)).collect()
}

fn add(to: &mut [f64], what: &[f64], times: f64) {
    for (to, what) in to.iter_mut().zip(what) {
        *to += times * what;
    }
}

fn subtract_products(from: &mut [f64], x: &[f64], y: &[f64], times: f64) {
    for (from, (x, y)) in from.iter_mut().zip(x.iter().zip(y)) {
        *from -= times * x * y;
    }
}

/// How far until the first value reaches zero.
fn reach(values: &[f64], step: &[f64]) -> f64 {
    let falling = values.iter().zip(step).filter(|(_, step)| **step < 0.0);
    falling.fold(f64::INFINITY, |least, (value, step)| {
        least.min(-value / step)
    })
}
