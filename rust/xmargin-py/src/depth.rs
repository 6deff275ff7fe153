//! What sales cost along a depth curve.

use pyo3::prelude::*;
use xmargin_core::Error;
use xmargin_core::liquidation::cascade::DepthCurves;

use crate::error::to_python;

/// Adds the functions to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(sale_costs, module)?)?;
    module.add_function(wrap_pyfunction!(sellable_amount, module)?)
}

/// One curve, checked.
fn with_curve<T>(
    knots: &[(f64, f64)],
    ask: impl FnOnce(DepthCurves<'_>) -> Result<T, Error>,
) -> PyResult<T> {
    let (amount, multiple): (Vec<f64>, Vec<f64>) = knots.iter().copied().unzip();
    let curve = DepthCurves {
        knots_end: &[knots.len() as u64],
        amount: &amount,
        multiple: &multiple,
    };
    curve.check(1).and_then(|()| ask(curve)).map_err(to_python)
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "PyO3 extracts a list only by value"
)]
#[pyfunction]
#[pyo3(signature = (*, knots, price, sold))]
fn sale_costs(knots: Vec<(f64, f64)>, price: f64, sold: Vec<f64>) -> PyResult<Vec<f64>> {
    with_curve(&knots, |curve| {
        DepthCurves::check_sales(price, &sold)?;
        Ok(sold
            .iter()
            .map(|&sold| curve.cost(0, price, sold))
            .collect())
    })
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "PyO3 extracts a list only by value"
)]
#[pyfunction]
#[pyo3(signature = (*, knots, impact_max))]
fn sellable_amount(knots: Vec<(f64, f64)>, impact_max: f64) -> PyResult<f64> {
    with_curve(&knots, |curve| {
        if !(0.0..=1.0).contains(&impact_max) {
            let problem = format!("{impact_max} is not in [0, 1]");
            return Err(Error::Parameter {
                key: "impact_max".to_owned(),
                problem,
            });
        }
        Ok(curve.sellable(0, impact_max))
    })
}
