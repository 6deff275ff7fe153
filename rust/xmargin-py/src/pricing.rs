//! Options and smiles: columns in, columns out.

use std::sync::Arc;

use arrow_array::types::Float64Type;
use arrow_array::{ArrayRef, Float64Array, RecordBatch};
use pyo3::prelude::*;
use pyo3_arrow::PyRecordBatch;
use xmargin_core::Error;
use xmargin_core::market::no_arbitrage::{LOG_MONEYNESS, check_butterfly};
use xmargin_core::market::svi_fit::{SmilePoint, fit};
use xmargin_core::pricing::batch::{Batch, InstructionSet, stdevs};
use xmargin_core::pricing::{Greeks, OptionKind, OptionTerms, greeks, implied_vol};

use crate::error::{table_error, to_python};
use crate::table::InputTable;

#[pyfunction]
pub fn option_values<'py>(py: Python<'py>, options: &Bound<'py, PyAny>) -> PyResult<PyRecordBatch> {
    let table = InputTable::import("options", options)?;
    answer(py, || {
        let kind = kinds(&table)?;
        let column = |name| table.slice::<Float64Type>(name);
        let (forward, strike, discount) =
            (column("forward")?, column("strike")?, column("discount")?);
        let stdev = stdevs(&column("expiry_years")?, &column("vol")?)?;
        let mut values = vec![0.0; kind.len()];
        Batch::new(&kind, &forward, &strike, &stdev, &discount)?
            .values_into(InstructionSet::best(), &mut values)?;
        Ok(vec![("value", values)])
    })
}

#[pyfunction]
pub fn option_greeks<'py>(py: Python<'py>, options: &Bound<'py, PyAny>) -> PyResult<PyRecordBatch> {
    let table = InputTable::import("options", options)?;
    answer(py, || {
        let columns = Columns::read(&table)?;
        let vol: Vec<f64> = table.column("vol")?;
        let found = (0..columns.kind.len()).map(|row| {
            let terms = columns.terms(row, vol[row]);
            terms.check(Some(row))?;
            Ok(greeks(&terms))
        });
        let found = found.collect::<Result<Vec<Greeks>, Error>>()?;
        let of = |read: fn(&Greeks) -> f64| found.iter().map(read).collect();
        Ok(vec![
            ("delta", of(|greeks| greeks.delta)),
            ("gamma", of(|greeks| greeks.gamma)),
            ("vega", of(|greeks| greeks.vega)),
            ("theta", of(|greeks| greeks.theta)),
        ])
    })
}

#[pyfunction]
pub fn implied_vols<'py>(py: Python<'py>, options: &Bound<'py, PyAny>) -> PyResult<PyRecordBatch> {
    let table = InputTable::import("options", options)?;
    answer(py, || {
        let columns = Columns::read(&table)?;
        let price: Vec<f64> = table.column("price")?;
        let vols = (0..columns.kind.len()).map(|row| {
            let OptionTerms {
                kind,
                forward,
                strike,
                expiry_years,
                discount,
                ..
            } = columns.terms(row, 0.0);
            implied_vol(kind, forward, strike, expiry_years, price[row], discount)
                .map_err(|error| error.in_row(row))
        });
        Ok(vec![("vol", vols.collect::<Result<_, Error>>()?)])
    })
}

/// (a, b, rho, m, sigma), the error of the fit, and what arbitrage it has.
type Fit = ((f64, f64, f64, f64, f64), f64, Option<String>);

#[pyfunction]
pub fn fit_svi(py: Python<'_>, points: &Bound<'_, PyAny>, expiry_years: f64) -> PyResult<Fit> {
    let table = InputTable::import("points", points)?;
    py.detach(|| {
        let [log_moneyness, vol, weight]: [Vec<f64>; 3] = [
            table.column("log_moneyness")?,
            table.column("vol")?,
            table.column("weight")?,
        ];
        let points: Vec<SmilePoint> = (0..vol.len())
            .map(|row| SmilePoint {
                log_moneyness: log_moneyness[row],
                vol: vol[row],
                weight: weight[row],
            })
            .collect();
        let found = fit(&points, expiry_years)?;
        let raw = found.slice.parameters();
        let arbitrage = check_butterfly(&found.slice, LOG_MONEYNESS, None).err();
        Ok((
            (raw.a, raw.b, raw.rho, raw.m, raw.sigma),
            found.rms_vol_error,
            arbitrage.map(|error| error.to_string()),
        ))
    })
    .map_err(to_python)
}

/// What all questions about options have in common.
struct Columns {
    kind: Vec<OptionKind>,
    forward: Vec<f64>,
    strike: Vec<f64>,
    expiry_years: Vec<f64>,
    discount: Vec<f64>,
}

impl Columns {
    fn read(table: &InputTable) -> Result<Self, Error> {
        Ok(Self {
            kind: kinds(table)?,
            forward: table.column("forward")?,
            strike: table.column("strike")?,
            expiry_years: table.column("expiry_years")?,
            discount: table.column("discount")?,
        })
    }

    fn terms(&self, row: usize, vol: f64) -> OptionTerms {
        OptionTerms {
            kind: self.kind[row],
            forward: self.forward[row],
            strike: self.strike[row],
            expiry_years: self.expiry_years[row],
            vol,
            discount: self.discount[row],
        }
    }
}

/// The column `put` as kinds.
pub fn kinds(table: &InputTable) -> Result<Vec<OptionKind>, Error> {
    let is_put: Vec<bool> = table.column("put")?;
    let kind = |is_put| {
        if is_put {
            OptionKind::Put
        } else {
            OptionKind::Call
        }
    };
    Ok(is_put.into_iter().map(kind).collect())
}

/// Computes columns without the interpreter's lock and hands them out as one batch.
fn answer(
    py: Python<'_>,
    compute: impl FnOnce() -> Result<Vec<(&'static str, Vec<f64>)>, Error> + Send,
) -> PyResult<PyRecordBatch> {
    let columns = py.detach(compute).map_err(to_python)?;
    let arrays = columns
        .into_iter()
        .map(|(name, values)| (name, Arc::new(Float64Array::from(values)) as ArrayRef));
    let batch =
        RecordBatch::try_from_iter(arrays).map_err(|fault| table_error("options", fault))?;
    Ok(PyRecordBatch::new(batch))
}
