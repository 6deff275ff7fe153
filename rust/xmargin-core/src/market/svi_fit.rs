//! Fits a raw SVI slice to quoted vols.
//!
//! The quasi-explicit method: for a given centre m and roundness σ, with y = (k − m)/σ and
//! z = √(y² + 1), total variance is *linear* in three numbers, here
//!
//! ```text
//! w = a + p (z + y)/2 + q (z − y)/2        b = (p + q)/(2σ)   ρ = (p − q)/(p + q)
//! ```
//! so that the best a, p and q are those of a small least-squares problem in the box 0 ≤ p, q ≤ 2σ
//! (convexity and Lee's bound on each wing), and only m and σ are searched. The box is solved
//! exactly: each of its faces in turn. The search is Nelder and Mead's, from fixed starts, so that
//! equal points give equal bits.
//!
//! Source: S. De Marco and C. Martini, "Quasi-explicit calibration of Gatheral's SVI model", Zeliade
//! white paper (2009); the box in p and q is our form of its constraints.

use super::svi::{SviParameters, SviSlice, WING_SLOPE_MAX};
use crate::Error;
use crate::pricing::black76::{VOL_RANGE, in_range};

const TABLE: &str = "points";
const SIGMA_RANGE: (f64, f64) = (1e-4, 10.0);
const STEPS_MAX: usize = 400;
/// Least fitted total variance, as a part of the largest quoted one: a slice is never crossed.
const LEAST_VARIANCE: f64 = 1e-6;

/// One quote of a smile.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SmilePoint {
    /// ln(K/F).
    pub log_moneyness: f64,
    /// Quoted vol per √year.
    pub vol: f64,
    /// Weight of its squared error in total variance, ≥ 0.
    pub weight: f64,
}

/// A fitted slice and how well it fits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SviFit {
    /// The best slice found. Not yet checked for arbitrage.
    pub slice: SviSlice,
    /// Root of the weighted mean squared error in vol, per √year.
    pub rms_vol_error: f64,
}

/// Fits one expiry. Needs five points of positive weight at least.
///
/// # Errors
/// [`Error::Input`] naming the row and field at fault.
pub fn fit(points: &[SmilePoint], expiry_years: f64) -> Result<SviFit, Error> {
    check_points(points, expiry_years).map_err(of_points)?;
    let targets: Vec<Target> = points
        .iter()
        .map(|point| Target {
            k: point.log_moneyness,
            w: point.vol * point.vol * expiry_years,
            weight: point.weight,
        })
        .collect();
    let (low, high) = targets
        .iter()
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), target| {
            (low.min(target.k), high.max(target.k))
        });
    let cost = |at: [f64; 2]| inner(&targets, at, (low, high)).1;
    let width = high - low;
    let best = STARTS
        .iter()
        .map(|&(place, roundness)| {
            let start = [low + place * width, libm::log(roundness * width)];
            // The second search leaves the flat simplex that a first may end in.
            let first = nelder_mead(cost, start, 0.3);
            nelder_mead(cost, first, 0.05)
        })
        .min_by(|left, right| cost(*left).total_cmp(&cost(*right)))
        .unwrap_or([0.5 * (low + high), 0.0]);
    let slice = SviSlice::new(inner(&targets, best, (low, high)).0)?;
    Ok(SviFit {
        slice,
        rms_vol_error: rms_vol_error(&slice, points, expiry_years),
    })
}

/// Where in the quoted range the smile is first centred, and its first roundness in widths of it.
const STARTS: [(f64, f64); 6] = [
    (0.25, 0.1),
    (0.5, 0.1),
    (0.75, 0.1),
    (0.25, 0.5),
    (0.5, 0.5),
    (0.75, 0.5),
];

struct Target {
    k: f64,
    w: f64,
    weight: f64,
}

/// A fault of terms that options have too, as one of the quotes.
fn of_points(error: Error) -> Error {
    match error {
        Error::Input {
            column,
            row,
            problem,
            ..
        } => Error::Input {
            table: TABLE,
            column,
            row,
            problem,
        },
        other => other,
    }
}

fn check_points(points: &[SmilePoint], expiry_years: f64) -> Result<(), Error> {
    in_range("expiry_years", None, expiry_years, &(1e-6..=1e3))?;
    for (row, point) in points.iter().enumerate() {
        in_range(
            "log_moneyness",
            Some(row),
            point.log_moneyness,
            &(-20.0..=20.0),
        )?;
        in_range("vol", Some(row), point.vol, &(1e-4..=*VOL_RANGE.end()))?;
        in_range("weight", Some(row), point.weight, &(0.0..=1e12))?;
    }
    let mut places: Vec<f64> = points
        .iter()
        .filter(|point| point.weight > 0.0)
        .map(|point| point.log_moneyness)
        .collect();
    places.sort_unstable_by(f64::total_cmp);
    places.dedup();
    let is_wide = places
        .first()
        .zip(places.last())
        .is_some_and(|(low, high)| high - low > 1e-6);
    if places.len() < 5 || !is_wide {
        return Err(Error::Input {
            table: TABLE,
            column: "log_moneyness",
            row: None,
            problem: format!(
                "has {} places of weight; a slice needs five apart",
                places.len()
            ),
        });
    }
    Ok(())
}

/// The best slice for a centre and a log-roundness, and its cost; a centre far outside the quotes or
/// an extreme roundness is moved in and pays for it, which keeps the search at home.
fn inner(
    targets: &[Target],
    [m, log_sigma]: [f64; 2],
    (low, high): (f64, f64),
) -> (SviParameters, f64) {
    let width = high - low;
    let centre = m.clamp(low - width, high + width);
    let sigma = libm::exp(log_sigma.clamp(libm::log(SIGMA_RANGE.0), libm::log(SIGMA_RANGE.1)));
    let astray = (m - centre).abs() / width + (log_sigma - libm::log(sigma)).abs();
    let largest = targets
        .iter()
        .fold(0.0, |largest: f64, target| largest.max(target.w));
    let least = LEAST_VARIANCE * largest;
    let problem = BoxProblem::new(targets, centre, sigma);
    let (mut solution, mut cost) = problem.solve(f64::NEG_INFINITY);
    // The least variance is a + √(pq): where that would cross, a alone must stay above.
    if solution[0] + (solution[1] * solution[2]).sqrt() < least {
        (solution, cost) = problem.solve(least);
    }
    let [a, p, q] = solution;
    let rho = if p + q > 0.0 { (p - q) / (p + q) } else { 0.0 };
    let parameters = SviParameters {
        a,
        b: (p + q) / (2.0 * sigma),
        rho,
        m: centre,
        sigma,
    };
    (parameters, cost * (1.0 + astray))
}

/// Weighted least squares in (a, p, q) over a box, by its normal equations.
struct BoxProblem {
    matrix: [[f64; 3]; 3],
    right: [f64; 3],
    square: f64,
    wing_max: f64,
}

impl BoxProblem {
    fn new(targets: &[Target], m: f64, sigma: f64) -> Self {
        let (mut matrix, mut right, mut square) = ([[0.0; 3]; 3], [0.0; 3], 0.0);
        for target in targets {
            let y = (target.k - m) / sigma;
            let z = (y * y + 1.0).sqrt();
            let row = [1.0, 0.5 * (z + y), 0.5 * (z - y)];
            for i in 0..3 {
                for j in 0..3 {
                    matrix[i][j] += target.weight * row[i] * row[j];
                }
                right[i] += target.weight * row[i] * target.w;
            }
            square += target.weight * target.w * target.w;
        }
        // A hair below Lee's bound, so that b (1 + |ρ|) does not round above it.
        let wing_max = WING_SLOPE_MAX * sigma * (1.0 - 1e-12);
        Self {
            matrix,
            right,
            square,
            wing_max,
        }
    }

    /// The best point with a ≥ `a_least`, and its cost: the best of the stationary points of all
    /// faces that lie in the box. The problem is convex, so one of them is the answer.
    fn solve(&self, a_least: f64) -> ([f64; 3], f64) {
        let bounds = [
            (a_least, f64::INFINITY),
            (0.0, self.wing_max),
            (0.0, self.wing_max),
        ];
        let mut best = ([a_least.max(0.0), 0.0, 0.0], f64::INFINITY);
        for face in 0..27_usize {
            let sides = [face % 3, face / 3 % 3, face / 9];
            let fixed = [0, 1, 2].map(|i| match sides[i] {
                0 => None,
                1 => Some(bounds[i].0),
                _ => Some(bounds[i].1),
            });
            if fixed.iter().flatten().any(|bound| !bound.is_finite()) {
                continue;
            }
            let Some(point) = self.stationary(fixed) else {
                continue;
            };
            let inside = point
                .iter()
                .zip(bounds)
                .all(|(x, (low, high))| (low..=high).contains(x));
            let cost = self.cost(point);
            if inside && cost < best.1 {
                best = (point, cost);
            }
        }
        best
    }

    fn cost(&self, x: [f64; 3]) -> f64 {
        let mut cost = self.square;
        for i in 0..3 {
            cost += x[i] * (dot(self.matrix[i], x) - 2.0 * self.right[i]);
        }
        cost.max(0.0)
    }

    /// The stationary point with the `fixed` coordinates held: elimination on the rest.
    fn stationary(&self, fixed: [Option<f64>; 3]) -> Option<[f64; 3]> {
        let (mut matrix, mut right) = (self.matrix, self.right);
        for (i, value) in fixed.iter().enumerate() {
            if let Some(value) = value {
                matrix[i] = [0.0; 3];
                matrix[i][i] = 1.0;
                right[i] = *value;
            }
        }
        gauss(matrix, right)
    }
}

fn dot(left: [f64; 3], right: [f64; 3]) -> f64 {
    left[0] * right[0] + left[1] * right[1] + left[2] * right[2]
}

/// Gaussian elimination with partial pivoting; nothing for a singular matrix.
fn gauss(mut matrix: [[f64; 3]; 3], mut right: [f64; 3]) -> Option<[f64; 3]> {
    for column in 0..3 {
        let pivot = (column..3)
            .max_by(|&i, &j| matrix[i][column].abs().total_cmp(&matrix[j][column].abs()))?;
        if matrix[pivot][column].abs().total_cmp(&1e-300).is_le() {
            return None;
        }
        matrix.swap(column, pivot);
        right.swap(column, pivot);
        for row in column + 1..3 {
            let factor = matrix[row][column] / matrix[column][column];
            let pivot_row = matrix[column];
            for (entry, above) in matrix[row].iter_mut().zip(pivot_row) {
                *entry -= factor * above;
            }
            right[row] -= factor * right[column];
        }
    }
    let mut x = [0.0; 3];
    for row in (0..3).rev() {
        x[row] = (right[row] - dot(matrix[row], x) + matrix[row][row] * x[row]) / matrix[row][row];
    }
    x.iter().all(|value| value.is_finite()).then_some(x)
}

/// Nelder and Mead's search in the plane, with their own coefficients (1965).
fn nelder_mead(cost: impl Fn([f64; 2]) -> f64, start: [f64; 2], size: f64) -> [f64; 2] {
    let valued = |point: [f64; 2]| (point, cost(point));
    let along = |from: [f64; 2], to: [f64; 2], part: f64| {
        [
            from[0] + part * (to[0] - from[0]),
            from[1] + part * (to[1] - from[1]),
        ]
    };
    let mut simplex = [
        valued(start),
        valued([start[0] + size, start[1]]),
        valued([start[0], start[1] + size]),
    ];
    for _ in 0..STEPS_MAX {
        simplex.sort_by(|left, right| left.1.total_cmp(&right.1));
        let [best, middle, worst] = simplex;
        let spread = (worst.0[0] - best.0[0]).abs() + (worst.0[1] - best.0[1]).abs();
        if spread < 1e-13 {
            break;
        }
        let centre = along(best.0, middle.0, 0.5);
        let reflected = valued(along(centre, worst.0, -1.0));
        let replacement = if reflected.1 < best.1 {
            let expanded = valued(along(centre, worst.0, -2.0));
            if expanded.1 < reflected.1 {
                expanded
            } else {
                reflected
            }
        } else if reflected.1 < middle.1 {
            reflected
        } else {
            let part = if reflected.1 < worst.1 { -0.5 } else { 0.5 };
            valued(along(centre, worst.0, part))
        };
        if replacement.1 < worst.1 {
            simplex[2] = replacement;
        } else {
            simplex[1] = valued(along(best.0, middle.0, 0.5));
            simplex[2] = valued(along(best.0, worst.0, 0.5));
        }
    }
    simplex.sort_by(|left, right| left.1.total_cmp(&right.1));
    simplex[0].0
}

fn rms_vol_error(slice: &SviSlice, points: &[SmilePoint], expiry_years: f64) -> f64 {
    let (mut sum, mut weights) = (0.0, 0.0);
    for point in points {
        let error = slice.vol(point.log_moneyness, expiry_years) - point.vol;
        sum += point.weight * error * error;
        weights += point.weight;
    }
    (sum / weights).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn quotes(slice: &SviSlice, expiry_years: f64) -> Vec<SmilePoint> {
        (-10..=10)
            .map(|step| {
                let log_moneyness = 0.06 * f64::from(step);
                SmilePoint {
                    log_moneyness,
                    vol: slice.vol(log_moneyness, expiry_years),
                    weight: 1.0,
                }
            })
            .collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn a_slice_is_found_again_from_its_own_vols(
            least in 0.01_f64..0.2, b in 0.05_f64..0.5, rho in -0.8_f64..0.8, m in -0.2_f64..0.2,
            sigma in 0.05_f64..0.5, expiry_years in 0.05_f64..2.0,
        ) {
            let a = least - b * sigma * (1.0 - rho * rho).sqrt();
            let slice = SviSlice::new(SviParameters { a, b, rho, m, sigma })?;
            let found = fit(&quotes(&slice, expiry_years), expiry_years)?;
            prop_assert!(found.rms_vol_error < 1e-4, "{found:?}");
        }

        #[test]
        fn no_points_panic(
            points in prop::collection::vec((any::<f64>(), 1e-4_f64..9.0, 0.0_f64..2.0), 0..12),
            scale in -9.0_f64..3.0, years in any::<f64>(),
        ) {
            let points: Vec<SmilePoint> = points
                .into_iter()
                .map(|(place, vol, weight)| SmilePoint {
                    log_moneyness: place % scale.exp(), vol, weight,
                })
                .collect();
            for years in [years, 0.3] {
                if let Ok(found) = fit(&points, years) {
                    prop_assert!(found.rms_vol_error.is_finite());
                }
            }
        }
    }

    #[test]
    fn too_few_points_are_refused() {
        let slice = SviSlice::new(SviParameters {
            a: 0.04,
            b: 0.1,
            rho: 0.0,
            m: 0.0,
            sigma: 0.1,
        });
        let points = quotes(&slice.expect("valid"), 0.5);
        let message = fit(&points[..4], 0.5).expect_err("too few").to_string();
        assert!(message.contains("has 4 places"), "{message}");
    }
}
