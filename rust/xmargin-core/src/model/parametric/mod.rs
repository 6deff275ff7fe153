//! Delta-gamma-vega: P&L to second order in normal moves, and its crash twin.
//!
//! `Q = a'x + ½ x'Bx`, `x ~ N(0, D R D)`: `a` holds deltas and vegas (USD for a whole unit of the
//! factor's move), `B` gammas and cross terms, `D` the moves' deviations over the horizon, `R` their
//! correlations. A volatility is a factor like any other, its delta is a vega. What else the second
//! order leaves out (third order, jumps) is left out here: that is what full revaluation is for.
//!
//! **Diversified**: the exact distribution of `Q` by inverting its characteristic function
//! ([`quadratic`]). **Crash**: all correlations one, each factor moving the way that hurts its own
//! exposure, in closed form ([`one_factor`]). The larger expected shortfall is the margin.

pub mod one_factor;
pub mod quadratic;
mod symmetric;

use std::collections::{BTreeMap, BTreeSet};

use crate::Error;
use crate::model::confidence::Confidence;
use symmetric::{Eigen, Matrix, congruent, eigen};

/// The work grows with the cube of the number of factors.
const FACTOR_COUNT_MAX: usize = 300;
const USD_MAX: f64 = 1e100;
const DEVIATION_MAX: f64 = 100.0;
/// Correlations are written with few digits: an eigenvalue may be negative by their rounding.
const EIGENVALUE_MIN: f64 = -1e-9;

/// The tables of one book.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sensitivities {
    /// `factors.name`: each once.
    pub name: Vec<String>,
    /// `factors.deviation`: of the factor's move over the horizon, in units of the factor.
    pub deviation: Vec<f64>,
    /// `factors.sensitivity`: ∂V/∂x, USD a unit of move: delta or vega.
    pub sensitivity: Vec<f64>,
    /// `curvatures`: two factors and ∂²V/∂x∂y, USD; each pair at most once, none is zero.
    pub curvature: Vec<(String, String, f64)>,
    /// `correlations`: two factors and their correlation; each pair of different ones exactly once.
    pub correlation: Vec<(String, String, f64)>,
}

/// What a distribution of P&L says of its losses, USD.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Losses {
    /// Mean P&L.
    pub mean: f64,
    /// Standard deviation of P&L.
    pub deviation: f64,
    /// Value at risk; a loss is positive.
    pub var: f64,
    /// Expected shortfall.
    pub es: f64,
}

/// The answer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ParametricMargin {
    /// By the correlations given.
    pub diversified: Losses,
    /// By correlations of one.
    pub crash: Losses,
    /// Whether the crash asks for more.
    pub crash_binds: bool,
    /// The larger expected shortfall, never negative.
    pub requirement: f64,
}

/// A checked book in name order, in units of each factor's deviation.
struct Standard {
    linear: Vec<f64>,
    curvature: Matrix,
    correlation: Matrix,
}

/// The margin of a book; the order of rows never matters, to the bit.
///
/// # Errors
/// [`Error::Input`] naming table, column and row: ragged columns, more than 300 factors, a name empty,
/// unknown or said twice, a number that is none or out of range, a pair said twice or missing, and
/// correlations that are not positive semidefinite.
pub fn margin(book: &Sensitivities, confidence: Confidence) -> Result<ParametricMargin, Error> {
    let standard = Standard::of(book)?;
    let crash = standard.crash(confidence.tail());
    let diversified = standard.diversified(confidence.tail())?;
    let crash_binds = crash.es > diversified.es;
    let requirement = diversified.es.max(crash.es).max(0.0);
    Ok(ParametricMargin {
        diversified,
        crash,
        crash_binds,
        requirement,
    })
}

impl Standard {
    fn of(book: &Sensitivities) -> Result<Self, Error> {
        let (rows, place) = factor_rows(book)?;
        let size = rows.len();
        let mut correlation = pairs(
            "correlations",
            "correlation",
            &book.correlation,
            &place,
            1.0,
        )?;
        for i in 0..size {
            let missing = (0..i).find(|&j| correlation[i][j].is_none());
            if let Some(j) = missing {
                let names = (&book.name[rows[j]], &book.name[rows[i]]);
                let problem = format!("{} and {} have none; give every pair", names.0, names.1);
                return Err(column_fault("correlations", "correlation", problem));
            }
            if correlation[i][i].is_some_and(|own| own < 1.0) {
                let problem = format!("{} with itself must be 1", book.name[rows[i]]);
                return Err(column_fault("correlations", "correlation", problem));
            }
            correlation[i][i] = Some(1.0);
        }
        let curvature = pairs("curvatures", "curvature", &book.curvature, &place, USD_MAX)?;
        let deviation: Vec<f64> = rows.iter().map(|&row| book.deviation[row]).collect();
        let plain = |matrix: Vec<Vec<Option<f64>>>| -> Matrix {
            matrix
                .into_iter()
                .map(|row| row.into_iter().map(Option::unwrap_or_default).collect())
                .collect()
        };
        let mut curvature = plain(curvature);
        for (i, row) in curvature.iter_mut().enumerate() {
            for (j, entry) in row.iter_mut().enumerate() {
                *entry *= deviation[i] * deviation[j];
            }
        }
        let linear = rows
            .iter()
            .zip(&deviation)
            .map(|(&row, d)| book.sensitivity[row] * d)
            .collect();
        Ok(Self {
            linear,
            curvature,
            correlation: plain(correlation),
        })
    }

    /// `x = S y` with independent `y`, then `y` turned until the curvature is diagonal.
    fn diversified(&self, tail: f64) -> Result<Losses, Error> {
        let size = self.linear.len();
        let root = self.root()?;
        let Eigen { values, vectors } = eigen(congruent(&root, &self.curvature));
        let through = |left: &Matrix, right: &[f64]| -> Vec<f64> {
            (0..size)
                .map(|j| (0..size).map(|i| left[i][j] * right[i]).sum())
                .collect()
        };
        let linear = through(&vectors, &through(&root, &self.linear));
        Ok(quadratic::losses(&linear, &values, tail))
    }

    /// `S` with `S Sᵀ = R`, from the eigenvectors of `R`.
    fn root(&self) -> Result<Matrix, Error> {
        let Eigen {
            values,
            mut vectors,
        } = eigen(self.correlation.clone());
        let least = values.iter().copied().fold(0.0, f64::min);
        if least < EIGENVALUE_MIN {
            let problem = format!(
                "no correlations: the smallest eigenvalue is {least:e}; the matrix must be positive \
                 semidefinite"
            );
            return Err(column_fault("correlations", "correlation", problem));
        }
        for row in &mut vectors {
            for (entry, value) in row.iter_mut().zip(&values) {
                *entry *= value.max(0.0).sqrt();
            }
        }
        Ok(vectors)
    }

    /// One normal moves all: the signs are those of the exposures, so that all deltas lose together.
    fn crash(&self, tail: f64) -> Losses {
        let sign = |row: usize| if self.linear[row] < 0.0 { -1.0 } else { 1.0 };
        let linear = self.linear.iter().map(|a| a.abs()).sum();
        let size = self.linear.len();
        let curvature = (0..size)
            .map(|i| {
                (0..size)
                    .map(|j| self.curvature[i][j] * sign(i) * sign(j))
                    .sum::<f64>()
            })
            .sum();
        one_factor::losses(linear, curvature, tail)
    }
}

fn column_fault(table: &'static str, column: &'static str, problem: String) -> Error {
    Error::Input {
        table,
        column,
        row: None,
        problem,
    }
}

/// Row numbers in name order, and the place of each name in it.
fn factor_rows(book: &Sensitivities) -> Result<(Vec<usize>, BTreeMap<&str, usize>), Error> {
    let count = book.name.len();
    if count > FACTOR_COUNT_MAX {
        let problem = format!("{count} factors; there may be {FACTOR_COUNT_MAX}");
        return Err(column_fault("factors", "name", problem));
    }
    for (column, values, low, high) in [
        ("deviation", &book.deviation, 0.0, DEVIATION_MAX),
        ("sensitivity", &book.sensitivity, -USD_MAX, USD_MAX),
    ] {
        if values.len() != count {
            let problem = format!("has {} rows where name has {count}", values.len());
            return Err(column_fault("factors", column, problem));
        }
        if let Some(row) = values
            .iter()
            .position(|value| !(low..=high).contains(value))
        {
            let problem = format!("{}; it must be in [{low:e}, {high:e}]", values[row]);
            return Err(Error::row("factors", column, row, problem));
        }
    }
    let mut row_of = BTreeMap::new();
    for (row, name) in book.name.iter().enumerate() {
        if name.trim().is_empty() || row_of.insert(name.as_str(), row).is_some() {
            let problem = format!("{name:?} is empty or said twice; name each factor once");
            return Err(Error::row("factors", "name", row, problem));
        }
    }
    let place = row_of
        .keys()
        .zip(0..)
        .map(|(&name, place)| (name, place))
        .collect();
    Ok((row_of.into_values().collect(), place))
}

/// A symmetric matrix of the pairs that are given.
fn pairs(
    table: &'static str,
    column: &'static str,
    given: &[(String, String, f64)],
    place: &BTreeMap<&str, usize>,
    size_max: f64,
) -> Result<Vec<Vec<Option<f64>>>, Error> {
    let mut matrix = vec![vec![None; place.len()]; place.len()];
    let mut seen = BTreeSet::new();
    for (row, (left, right, value)) in given.iter().enumerate() {
        let find = |column, name: &str| {
            let unknown = || Error::row(table, column, row, format!("{name:?} is no factor"));
            place.get(name).copied().ok_or_else(unknown)
        };
        let (i, j) = (find("factor_a", left)?, find("factor_b", right)?);
        if value.is_nan() || value.abs() > size_max {
            let problem = format!("{value}; it must be within ±{size_max:e}");
            return Err(Error::row(table, column, row, problem));
        }
        if !seen.insert((i.min(j), i.max(j))) {
            let problem = format!("{left} and {right} are said twice; say each pair once");
            return Err(Error::row(table, column, row, problem));
        }
        matrix[i][j] = Some(*value);
        matrix[j][i] = Some(*value);
    }
    Ok(matrix)
}
