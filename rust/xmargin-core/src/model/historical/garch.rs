//! GARCH(1,1) with a constant mean, by Gaussian quasi-maximum likelihood.
//!
//! `rₜ = μ + eₜ`, `hₜ = ω + α e²ₜ₋₁ + β hₜ₋₁` (Bollerslev 1986), begun with `h₀ = e²₋₁ = mean(e²)`
//! (Fiorentini, Calzolari & Panattoni 1996, whose analytic derivatives are used). Held to the
//! published estimates for Bollerslev & Ghysels' DEM/GBP returns.

use super::returns::LOG_RETURN_MAX;
use crate::Error;

/// As many parameters as the model has: μ, ω, α, β.
const N: usize = 4;
const ITERATION_COUNT_MAX: usize = 500;
/// The fit ends when the expected gain of a step in log likelihood is below this.
const GAIN_MIN: f64 = 1e-14;
const HALVING_COUNT_MAX: usize = 40;
const DAY_COUNT_MIN: usize = 100;

/// A fitted model.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Garch {
    /// μ, the mean return.
    pub mean: f64,
    /// ω, the constant of the variance.
    pub constant: f64,
    /// α, the weight of the newest squared error.
    pub arch: f64,
    /// β, the weight of the last variance.
    pub garch: f64,
    /// The Gaussian log likelihood.
    pub log_likelihood: f64,
}

impl Garch {
    /// The variance of each day, and one more for the day after the last.
    #[must_use]
    pub fn variances(&self, returns: &[f64]) -> Vec<f64> {
        let seed = mean_square_error(returns, self.mean);
        let (mut variance, mut squared_error) = (seed, seed);
        let mut variances = Vec::with_capacity(returns.len() + 1);
        for value in returns {
            variance = self.constant + self.arch * squared_error + self.garch * variance;
            variances.push(variance);
            squared_error = (value - self.mean) * (value - self.mean);
        }
        variances.push(self.constant + self.arch * squared_error + self.garch * variance);
        variances
    }
}

/// Log likelihood, its gradient, and the expected information (the scoring matrix).
struct Point {
    value: f64,
    gradient: [f64; N],
    information: [[f64; N]; N],
}

/// Fits the model to the returns of one factor.
///
/// Fisher scoring on returns scaled to unit variance: the expected information is positive definite,
/// so each step climbs, and halving it keeps the parameters inside their bounds.
///
/// # Errors
/// [`Error::Input`] when a return is no number or beyond ±10 (its row is named), there are fewer than
/// 100 days, the returns do not vary, or the likelihood
/// has no maximum inside `ω > 0, α ≥ 0, β ≥ 0, α + β < 1`.
pub fn fit(factor: &str, returns: &[f64]) -> Result<Garch, Error> {
    let fault = |problem: String| Error::Input {
        table: "returns",
        column: "log_return",
        row: None,
        problem: format!("{factor}: {problem}; use the ewma filter"),
    };
    let unsound = |value: &f64| value.is_nan() || value.abs() > LOG_RETURN_MAX;
    if let Some(row) = returns.iter().position(unsound) {
        let problem = format!("{:?} of {factor}; it must be in [-10, 10]", returns[row]);
        return Err(Error::row("returns", "log_return", row, problem));
    }
    if returns.len() < DAY_COUNT_MIN {
        let problem = format!(
            "{} days are too few for GARCH, at least 100 are needed",
            returns.len()
        );
        return Err(fault(problem));
    }
    let mean = mean_of(returns.iter().copied());
    let scale = mean_square_error(returns, mean).sqrt();
    // Returns that are equal up to rounding have no variance either.
    if scale.is_nan() || scale <= 1e-12 * mean.abs().max(1e-12) {
        return Err(fault("the returns do not vary".to_owned()));
    }
    let scaled: Vec<f64> = returns.iter().map(|value| value / scale).collect();
    let theta = climb(&scaled, [mean / scale, 0.1, 0.1, 0.8])
        .ok_or_else(|| fault("the GARCH likelihood has no maximum inside its bounds".to_owned()))?;
    let [mean, constant, arch, garch] = theta;
    #[expect(clippy::cast_precision_loss, reason = "no 2^53 days fit in memory")]
    let rescaling = returns.len() as f64 * libm::log(scale);
    Ok(Garch {
        mean: mean * scale,
        constant: constant * scale * scale,
        arch,
        garch,
        log_likelihood: evaluate(&scaled, theta).value - rescaling,
    })
}

/// The parameters at the maximum, from a first guess; none when it is not found.
fn climb(returns: &[f64], mut theta: [f64; N]) -> Option<[f64; N]> {
    let mut here = evaluate(returns, theta);
    for _ in 0..ITERATION_COUNT_MAX {
        let step = solve(here.information, here.gradient)?;
        let gain: f64 = step.iter().zip(here.gradient).map(|(s, g)| s * g).sum();
        if gain < GAIN_MIN {
            return Some(theta);
        }
        let mut length = 1.0;
        let better = (0..HALVING_COUNT_MAX).find_map(|_| {
            let tried: [f64; N] = core::array::from_fn(|i| theta[i] + length * step[i]);
            length *= 0.5;
            let point = is_inside(tried).then(|| evaluate(returns, tried))?;
            (point.value > here.value).then_some((tried, point))
        });
        match better {
            Some((tried, point)) => (theta, here) = (tried, point),
            // Rounding hides what little gain is left: that is a maximum too.
            None => return (gain < 1e-9).then_some(theta),
        }
    }
    None
}

fn is_inside([_, constant, arch, garch]: [f64; N]) -> bool {
    constant > 0.0 && arch >= 0.0 && garch >= 0.0 && arch + garch < 1.0
}

fn mean_of(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "no 2^53 days fit in memory")]
    let count = values.len() as f64;
    values.sum::<f64>() / count
}

fn mean_square_error(returns: &[f64], mean: f64) -> f64 {
    mean_of(returns.iter().map(|value| (value - mean) * (value - mean)))
}

/// The log likelihood `−½ Σ [ln 2π + ln hₜ + e²ₜ/hₜ]` with its first derivatives.
fn evaluate(returns: &[f64], theta: [f64; N]) -> Point {
    let [mean, constant, arch, garch] = theta;
    let seed = mean_square_error(returns, mean);
    let seed_slope = -2.0 * mean_of(returns.iter().map(|value| value - mean));
    let (mut h, mut squared, mut squared_slope) = (seed, seed, seed_slope);
    let mut dh = [seed_slope, 0.0, 0.0, 0.0];
    let mut point = Point {
        value: 0.0,
        gradient: [0.0; N],
        information: [[0.0; N]; N],
    };
    for value in returns {
        let direct = [arch * squared_slope, 1.0, squared, h];
        dh = core::array::from_fn(|i| direct[i] + garch * dh[i]);
        h = constant + arch * squared + garch * h;
        let error = value - mean;
        (squared, squared_slope) = (error * error, -2.0 * error);
        let surprise = 0.5 * (squared / h - 1.0) / h;
        point.value -= 0.5 * (core::f64::consts::TAU.ln() + libm::log(h) + squared / h);
        point.gradient[0] += error / h;
        point.information[0][0] += 1.0 / h;
        for i in 0..N {
            point.gradient[i] += surprise * dh[i];
            for j in 0..N {
                point.information[i][j] += 0.5 * dh[i] * dh[j] / (h * h);
            }
        }
    }
    point
}

/// `matrix · x = right`, by elimination with pivots; none where the matrix is singular.
fn solve(mut matrix: [[f64; N]; N], mut right: [f64; N]) -> Option<[f64; N]> {
    for column in 0..N {
        let pivot = (column..N)
            .max_by(|&a, &b| matrix[a][column].abs().total_cmp(&matrix[b][column].abs()))?;
        matrix.swap(column, pivot);
        right.swap(column, pivot);
        let head = matrix[column];
        if !head[column].is_finite() || head[column] == 0.0 {
            return None;
        }
        for row in column + 1..N {
            let factor = matrix[row][column] / head[column];
            for (entry, above) in matrix[row].iter_mut().zip(head) {
                *entry -= factor * above;
            }
            right[row] -= factor * right[column];
        }
    }
    for row in (0..N).rev() {
        let known: f64 = (row + 1..N)
            .map(|column| matrix[row][column] * right[column])
            .sum();
        right[row] = (right[row] - known) / matrix[row][row];
    }
    Some(right)
}
