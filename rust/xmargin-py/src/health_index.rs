//! Which accounts a tick moves across a threshold.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, Float64Array, RecordBatch, UInt8Array, UInt16Array, UInt32Array, UInt64Array,
};
use pyo3::prelude::*;
use pyo3_arrow::PyRecordBatch;
use xmargin_core::Error;
use xmargin_core::book::columnar::{AccountColumns, GridScenarios, Results};
use xmargin_core::index::{
    self, Crossing, ExpiryTerms, FactorTerms, MarketTerms, Moves, Threshold,
};

use crate::book::{AccountTables, option_rows, terms};
use crate::error::{count, table_error, to_python};
use crate::shared::Shared;
use crate::table::InputTable;

/// Adds the classes to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<HealthIndex>()?;
    module.add_class::<Ticked>()
}

#[pyclass(frozen, module = "xmargin._core")]
struct HealthIndex(Shared<Kept>);

struct Kept {
    index: index::HealthIndex,
    /// Memory of the audits.
    results: Results,
}

/// What a tick came to; crossings become a table when asked for.
#[pyclass(frozen, module = "xmargin._core")]
struct Ticked(index::Ticked);

#[pymethods]
impl Ticked {
    #[getter]
    fn reevaluated(&self) -> usize {
        self.0.reevaluated
    }

    fn __len__(&self) -> usize {
        self.0.crossings.len()
    }

    fn crossings(&self) -> PyResult<PyRecordBatch> {
        let crossings = &self.0.crossings;
        let margins = || crossings.iter().map(|crossing| crossing.margin);
        let scenarios = margins().map(|margin| margin.worst_scenario);
        let columns: [(&str, ArrayRef); 7] = [
            (
                "account",
                Arc::new(UInt32Array::from_iter_values(of(crossings, |one| {
                    one.account
                }))),
            ),
            (
                "id",
                Arc::new(UInt64Array::from_iter_values(of(crossings, |one| one.id))),
            ),
            (
                "before",
                Arc::new(UInt8Array::from_iter_values(of(crossings, |one| {
                    one.before
                }))),
            ),
            (
                "after",
                Arc::new(UInt8Array::from_iter_values(of(crossings, |one| one.after))),
            ),
            (
                "worst_scenario",
                Arc::new(UInt16Array::from_iter_values(scenarios)),
            ),
            (
                "worst_pnl",
                Arc::new(Float64Array::from_iter_values(
                    margins().map(|margin| margin.worst_pnl),
                )),
            ),
            (
                "value",
                Arc::new(Float64Array::from_iter_values(
                    margins().map(|margin| margin.excess),
                )),
            ),
        ];
        batch(columns)
    }
}

fn of<'a, T: 'a>(
    crossings: &'a [Crossing],
    read: fn(&Crossing) -> T,
) -> impl Iterator<Item = T> + 'a {
    crossings.iter().map(read)
}

fn batch<const N: usize>(columns: [(&str, ArrayRef); N]) -> PyResult<PyRecordBatch> {
    RecordBatch::try_from_iter(columns)
        .map(PyRecordBatch::new)
        .map_err(|fault| table_error("crossings", fault))
}

#[pymethods]
impl HealthIndex {
    #[new]
    #[expect(
        clippy::too_many_arguments,
        reason = "one named argument a table, as the stub documents"
    )]
    #[pyo3(signature = (*, factors, moves, scenarios, chains, options, instruments, thresholds, now_ms, threads))]
    fn new(
        py: Python<'_>,
        factors: &Bound<'_, PyAny>,
        moves: &Bound<'_, PyAny>,
        scenarios: &Bound<'_, PyAny>,
        chains: &Bound<'_, PyAny>,
        options: &Bound<'_, PyAny>,
        instruments: &Bound<'_, PyAny>,
        thresholds: Vec<(f64, f64)>,
        now_ms: i64,
        threads: &Bound<'_, PyAny>,
    ) -> PyResult<Self> {
        let threads = count("index.threads", threads)?;
        let factors = InputTable::import("factors", factors)?;
        let moves = InputTable::import("moves", moves)?;
        let scenarios = InputTable::import("scenarios", scenarios)?;
        let chains = InputTable::import("chains", chains)?;
        let options = InputTable::import("options", options)?;
        let instruments = InputTable::import("instruments", instruments)?;
        let made = py.detach(|| {
            let market = MarketTerms {
                factors: factor_terms(&factors)?,
                scenarios: GridScenarios {
                    moves: moves.column("move")?,
                    vol_factor: scenarios.column("vol_factor")?,
                },
                chains: expiry_terms(&chains)?,
                // By vol per √year, which the chains' scales turn into stdevs.
                options: option_rows(&options, "vol")?,
                now_ms,
            };
            let thresholds = thresholds.into_iter();
            let threshold = |(loss_factor, excess_usd)| Threshold {
                loss_factor,
                excess_usd,
            };
            index::HealthIndex::new(
                market,
                instruments.column("row")?,
                instruments.column("multiple")?,
                thresholds.map(threshold).collect(),
                threads,
            )
        });
        let kept = Kept {
            index: made.map_err(to_python)?,
            results: Results::default(),
        };
        Ok(Self(kept.into()))
    }

    fn append(
        &self,
        py: Python<'_>,
        accounts: &Bound<'_, PyAny>,
        positions: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        let told = AccountTables::import(accounts, positions)?;
        self.0
            .write(py, |kept| told.read(|columns| kept.index.append(columns)))
            .map_err(to_python)
    }

    #[expect(
        clippy::needless_pass_by_value,
        reason = "PyO3 extracts a list only by value"
    )]
    fn update(
        &self,
        py: Python<'_>,
        account_id: u64,
        cash_usd: f64,
        instrument: Vec<u32>,
        quantity: Vec<f64>,
    ) -> PyResult<Ticked> {
        let told = AccountColumns {
            id: &[account_id],
            cash_usd: &[cash_usd],
            positions_end: &[instrument.len() as u64],
            instrument: &instrument,
            quantity: &quantity,
        };
        let crossing = self.0.write(py, |kept| kept.index.update(&told));
        Ok(Ticked(index::Ticked {
            crossings: crossing.map_err(to_python)?.into_iter().collect(),
            reevaluated: 1,
        }))
    }

    fn remove(&self, py: Python<'_>, account_id: u64) -> PyResult<()> {
        self.0
            .write(py, |kept| kept.index.remove(account_id))
            .map_err(to_python)
    }

    #[expect(
        clippy::needless_pass_by_value,
        reason = "PyO3 extracts a list only by value"
    )]
    fn tick(
        &self,
        py: Python<'_>,
        factor: Vec<u32>,
        price_usd: Vec<f64>,
        chain: Vec<u32>,
        vol_level: Vec<f64>,
        now_ms: i64,
    ) -> PyResult<Ticked> {
        let moves = Moves {
            factor: &factor,
            price_usd: &price_usd,
            chain: &chain,
            vol_level: &vol_level,
            now_ms,
        };
        self.0
            .write(py, |kept| kept.index.tick(&moves))
            .map(Ticked)
            .map_err(to_python)
    }

    fn statuses(&self, py: Python<'_>) -> PyResult<PyRecordBatch> {
        let (id, status) = self.0.read(py, |Kept { index, .. }| {
            (
                UInt64Array::from_iter_values(index.ids().iter().copied()),
                UInt8Array::from_iter_values(index.statuses().iter().copied()),
            )
        });
        batch([("id", Arc::new(id)), ("status", Arc::new(status))])
    }

    fn audit(&self, py: Python<'_>) -> PyResult<Vec<(u64, u8, u8)>> {
        let differing = self
            .0
            .write(py, |Kept { index, results }| index.audit(results))
            .map_err(to_python)?;
        let of_one = |one: index::Difference| (one.id, one.held, one.found);
        Ok(differing.into_iter().map(of_one).collect())
    }
}

fn factor_terms(factors: &InputTable) -> Result<Vec<FactorTerms>, Error> {
    let price_usd: Vec<f64> = factors.column("price_usd")?;
    let is_signed: Vec<bool> = factors.column("is_signed")?;
    let typical_move: Vec<f64> = factors.column("typical_move")?;
    let rows = (0..price_usd.len()).map(|row| FactorTerms {
        price_usd: price_usd[row],
        is_signed: is_signed[row],
        typical_move: typical_move[row],
    });
    Ok(rows.collect())
}

fn expiry_terms(chains: &InputTable) -> Result<Vec<ExpiryTerms>, Error> {
    let of_chain = terms(chains)?;
    let expiry_ms: Vec<i64> = chains.column("expiry_ms")?;
    let vol_level: Vec<f64> = chains.column("vol_level")?;
    let typical_move: Vec<f64> = chains.column("typical_move")?;
    let rows = of_chain
        .into_iter()
        .enumerate()
        .map(|(row, chain)| ExpiryTerms {
            chain,
            expiry_ms: expiry_ms[row],
            vol_level: vol_level[row],
            typical_move: typical_move[row],
        });
    Ok(rows.collect())
}
