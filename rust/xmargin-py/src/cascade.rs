//! Cascades over lending accounts.

use std::sync::Arc;

use arrow_array::types::{Float64Type, UInt32Type, UInt64Type};
use arrow_array::{ArrayRef, Float64Array, RecordBatch, UInt8Array};
use pyo3::prelude::*;
use pyo3_arrow::PyRecordBatch;
use xmargin_core::book::columnar::Workers;
use xmargin_core::liquidation::cascade::{
    self, Cascade, CloseRule, DepthCurves, Kind, KindColumns, LendingColumns, bracket_cascade,
};
use xmargin_core::pricing::batch::InstructionSet;

use crate::error::{count, table_error, to_python};
use crate::table::InputTable;

/// Adds the classes to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<LendingBook>()
}

/// Kind, prices and sales by market, close steps by account, bad debt, passes, evaluations.
type Answer = (
    &'static str,
    PyRecordBatch,
    PyRecordBatch,
    (f64, f64),
    usize,
    u64,
);

#[pyclass(frozen, module = "xmargin._core")]
struct LendingBook {
    book: cascade::LendingBook,
    workers: Workers,
}

#[pymethods]
impl LendingBook {
    #[expect(
        clippy::needless_pass_by_value,
        reason = "PyO3 extracts a list only by value"
    )]
    #[new]
    #[pyo3(signature = (*, accounts, positions, kinds, anchor_price, threads))]
    fn new(
        py: Python<'_>,
        accounts: &Bound<'_, PyAny>,
        positions: &Bound<'_, PyAny>,
        kinds: &Bound<'_, PyAny>,
        anchor_price: Vec<f64>,
        threads: &Bound<'_, PyAny>,
    ) -> PyResult<Self> {
        let threads = count("book.threads", threads)?;
        let accounts = InputTable::import("accounts", accounts)?;
        let positions = InputTable::import("positions", positions)?;
        let kinds = InputTable::import("kinds", kinds)?;
        py.detach(|| {
            let workers = Workers::new(threads, InstructionSet::best())?;
            let accounts = LendingColumns {
                debt: &accounts.slice::<Float64Type>("debt")?,
                positions_end: &accounts.slice::<UInt64Type>("positions_end")?,
                kind: &positions.slice::<UInt32Type>("kind")?,
                quantity: &positions.slice::<Float64Type>("quantity")?,
            };
            let kinds = KindColumns {
                market: &kinds.slice::<UInt32Type>("market")?,
                collateral_weight: &kinds.slice::<Float64Type>("collateral_weight")?,
                debt_factor: &kinds.slice::<Float64Type>("debt_factor")?,
            };
            let book = cascade::LendingBook::new(&accounts, &kinds, &anchor_price, &workers)?;
            Ok(Self { book, workers })
        })
        .map_err(to_python)
    }

    fn __len__(&self) -> usize {
        self.book.len()
    }

    #[getter]
    fn sells_only(&self) -> bool {
        self.book.sells_only()
    }

    #[expect(
        clippy::needless_pass_by_value,
        clippy::too_many_arguments,
        reason = "PyO3 extracts a list only by value; all are named, as the stub documents"
    )]
    #[pyo3(signature = (*, prices, knots_end, knots, health_below, part, passes_max))]
    fn cascade(
        &self,
        py: Python<'_>,
        prices: Vec<f64>,
        knots_end: Vec<u64>,
        knots: &Bound<'_, PyAny>,
        health_below: Vec<f64>,
        part: Vec<f64>,
        passes_max: usize,
    ) -> PyResult<Answer> {
        let knots = InputTable::import("knots", knots)?;
        let found = py
            .detach(|| {
                let rule = CloseRule::new(&health_below, &part)?;
                let curves = DepthCurves {
                    knots_end: &knots_end,
                    amount: &knots.slice::<Float64Type>("amount")?,
                    multiple: &knots.slice::<Float64Type>("multiple")?,
                };
                let workers = &self.workers;
                bracket_cascade(&self.book, &prices, curves, &rule, passes_max, workers)
            })
            .map_err(to_python)?;
        answer(found)
    }
}

fn answer(found: Cascade) -> PyResult<Answer> {
    let kind = match found.kind {
        Kind::FixedPoints => "fixed_points",
        Kind::Enclosure => "enclosure",
        Kind::Unfinished => "unfinished",
    };
    let markets = batch([
        ("price_low", numbers(found.price_low)),
        ("price_high", numbers(found.price_high)),
        ("sold_least", numbers(found.sold_least)),
        ("sold_most", numbers(found.sold_most)),
    ])?;
    let steps = |steps: Vec<u8>| -> ArrayRef { Arc::new(UInt8Array::from(steps)) };
    let accounts = batch([
        ("step_least", steps(found.step_least)),
        ("step_most", steps(found.step_most)),
    ])?;
    let bad_debt = (found.bad_debt_least, found.bad_debt_most);
    Ok((
        kind,
        markets,
        accounts,
        bad_debt,
        found.passes,
        found.evaluated,
    ))
}

fn numbers(values: Vec<f64>) -> ArrayRef {
    Arc::new(Float64Array::from(values))
}

fn batch<const N: usize>(columns: [(&str, ArrayRef); N]) -> PyResult<PyRecordBatch> {
    RecordBatch::try_from_iter(columns)
        .map(PyRecordBatch::new)
        .map_err(|fault| table_error("cascade", fault))
}
