//! Accounts by the million: columns are read where Arrow has them, results handed out where they are.

use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::types::{Float64Type, UInt32Type, UInt64Type};
use arrow_array::{
    ArrayRef, ArrowPrimitiveType, Float64Array, PrimitiveArray, RecordBatch, UInt16Array,
    UInt32Array, UInt64Array,
};
use pyo3::prelude::*;
use pyo3_arrow::PyRecordBatch;
use xmargin_core::Error;
use xmargin_core::book::columnar::{
    self, AccountColumns, AccountMargin, Breach, ChainTerms, GridScenarios, Listing, OptionRow,
    Results, Workers, breaches, evaluate_account, evaluate_into, screen,
};
use xmargin_core::pricing::batch::InstructionSet;

use crate::error::{count, table_error, to_python};
use crate::pricing::kinds;
use crate::shared::Shared;
use crate::table::InputTable;

/// Adds the classes to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<ScenarioMatrix>()?;
    module.add_class::<OptionGrid>()?;
    module.add_class::<AccountBook>()
}

#[pyclass(frozen, module = "xmargin._core")]
struct ScenarioMatrix(columnar::ScenarioMatrix);

#[pymethods]
impl ScenarioMatrix {
    #[new]
    fn new(
        py: Python<'_>,
        scenarios: &Bound<'_, PyAny>,
        marks: &Bound<'_, PyAny>,
        pnl: &Bound<'_, PyAny>,
    ) -> PyResult<Self> {
        let scenarios = count("matrix.scenarios", scenarios)?;
        let marks = InputTable::import("marks", marks)?;
        let pnl = InputTable::import("pnl", pnl)?;
        py.detach(|| {
            let mark = marks.slice::<Float64Type>("mark")?;
            let pnl = pnl.slice::<Float64Type>("pnl")?;
            columnar::ScenarioMatrix::new(scenarios, &mark, &pnl)
        })
        .map(Self)
        .map_err(to_python)
    }

    #[getter]
    fn scenarios(&self) -> usize {
        self.0.scenarios()
    }

    #[getter]
    fn rows(&self) -> usize {
        self.0.rows()
    }

    fn mark(&self, row: usize) -> Option<f64> {
        self.0.mark(row)
    }

    fn pnl(&self, row: usize, scenario: usize) -> Option<f64> {
        self.0.pnl(row, scenario)
    }
}

#[pyclass(frozen, module = "xmargin._core")]
struct OptionGrid(columnar::OptionGrid);

#[pymethods]
impl OptionGrid {
    #[new]
    #[pyo3(signature = (*, factors, moves, scenarios, chains, options))]
    fn new(
        py: Python<'_>,
        factors: &Bound<'_, PyAny>,
        moves: &Bound<'_, PyAny>,
        scenarios: &Bound<'_, PyAny>,
        chains: &Bound<'_, PyAny>,
        options: &Bound<'_, PyAny>,
    ) -> PyResult<Self> {
        let factors = count("grid.factors", factors)?;
        let moves = InputTable::import("moves", moves)?;
        let scenarios = InputTable::import("scenarios", scenarios)?;
        let chains = InputTable::import("chains", chains)?;
        let options = InputTable::import("options", options)?;
        py.detach(|| {
            let scenarios = GridScenarios {
                moves: moves.column("move")?,
                vol_factor: scenarios.column("vol_factor")?,
            };
            let set = InstructionSet::best();
            columnar::OptionGrid::new(
                factors,
                scenarios,
                &terms(&chains)?,
                &option_rows(&options, "stdev")?,
                set,
            )
        })
        .map(Self)
        .map_err(to_python)
    }

    #[expect(
        clippy::needless_pass_by_value,
        reason = "PyO3 extracts a list only by value"
    )]
    fn reprice(&self, py: Python<'_>, prices: Vec<f64>) -> PyResult<ScenarioMatrix> {
        py.detach(|| self.0.reprice(&prices))
            .map(ScenarioMatrix)
            .map_err(to_python)
    }
}

/// Accounts and their positions, as they came in.
pub struct AccountTables {
    accounts: InputTable,
    positions: InputTable,
}

impl AccountTables {
    /// Imports both.
    pub fn import(accounts: &Bound<'_, PyAny>, positions: &Bound<'_, PyAny>) -> PyResult<Self> {
        Ok(Self {
            accounts: InputTable::import("accounts", accounts)?,
            positions: InputTable::import("positions", positions)?,
        })
    }

    /// Hands the columns to `take`.
    pub fn read<T>(
        &self,
        take: impl FnOnce(&AccountColumns<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        take(&AccountColumns {
            id: &self.accounts.slice::<UInt64Type>("id")?,
            cash_usd: &self.accounts.slice::<Float64Type>("cash_usd")?,
            positions_end: &self.accounts.slice::<UInt64Type>("positions_end")?,
            instrument: &self.positions.slice::<UInt32Type>("instrument")?,
            quantity: &self.positions.slice::<Float64Type>("quantity")?,
        })
    }
}

/// The terms that a chain has whatever its expiry.
pub fn terms(chains: &InputTable) -> Result<Vec<ChainTerms>, Error> {
    let factor: Vec<u32> = chains.column("factor")?;
    let forward_ratio: Vec<f64> = chains.column("forward_ratio")?;
    let discount: Vec<f64> = chains.column("discount")?;
    let terms = (0..factor.len()).map(|row| ChainTerms {
        factor: factor[row],
        forward_ratio: forward_ratio[row],
        discount: discount[row],
    });
    Ok(terms.collect())
}

/// Options; `stdev` names the column of their stdevs.
pub fn option_rows(options: &InputTable, stdev: &'static str) -> Result<Vec<OptionRow>, Error> {
    let chain: Vec<u32> = options.column("chain")?;
    let kind = kinds(options)?;
    let strike: Vec<f64> = options.column("strike")?;
    let stdev: Vec<f64> = options.column(stdev)?;
    let rows = (0..chain.len()).map(|row| OptionRow {
        chain: chain[row],
        kind: kind[row],
        strike: strike[row],
        stdev: stdev[row],
    });
    Ok(rows.collect())
}

#[pyclass(frozen, module = "xmargin._core")]
struct AccountBook {
    book: Shared<columnar::AccountBook>,
    workers: Workers,
    /// What the last evaluation handed out: its memory serves the next, once nobody holds it.
    last: Mutex<Option<Columns>>,
}

impl AccountBook {
    fn replace_last(&self, last: Option<Columns>) -> Option<Columns> {
        let mut kept = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut kept, last)
    }
}

struct Columns {
    worst_scenario: UInt16Array,
    worst_pnl: Float64Array,
    margin: Float64Array,
    excess: Float64Array,
}

#[pymethods]
impl AccountBook {
    #[new]
    #[pyo3(signature = (*, instruments, rows, threads))]
    fn new(
        instruments: &Bound<'_, PyAny>,
        rows: &Bound<'_, PyAny>,
        threads: &Bound<'_, PyAny>,
    ) -> PyResult<Self> {
        let (rows, threads) = (count("book.rows", rows)?, count("book.threads", threads)?);
        let instruments = InputTable::import("instruments", instruments)?;
        let listing = || {
            Listing::new(
                instruments.column("row")?,
                instruments.column("multiple")?,
                rows,
            )
        };
        Ok(Self {
            book: columnar::AccountBook::new(listing().map_err(to_python)?).into(),
            workers: Workers::new(threads, InstructionSet::best()).map_err(to_python)?,
            last: None.into(),
        })
    }

    fn __len__(&self, py: Python<'_>) -> usize {
        self.book.read(py, |book| book.ids().len())
    }

    #[getter]
    fn netted_positions(&self, py: Python<'_>) -> usize {
        self.book.read(py, columnar::AccountBook::netted_positions)
    }

    fn append(
        &self,
        py: Python<'_>,
        accounts: &Bound<'_, PyAny>,
        positions: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        let told = AccountTables::import(accounts, positions)?;
        self.book
            .write(py, |book| told.read(|columns| book.append(columns)))
            .map_err(to_python)
    }

    fn evaluate(
        &self,
        py: Python<'_>,
        matrix: &ScenarioMatrix,
        loss_factor: f64,
        with_order: bool,
    ) -> PyResult<(PyRecordBatch, Option<PyRecordBatch>)> {
        let last = self.replace_last(None);
        let mut results = last.map(Columns::reclaim).unwrap_or_default();
        let order = self
            .book
            .read(py, |book| {
                evaluate_into(book, &matrix.0, loss_factor, &self.workers, &mut results)?;
                let order = || breaches(book, &results, &self.workers);
                with_order.then(order).transpose()
            })
            .map_err(to_python)?;
        let columns = Columns::from(results);
        let batch = columns.batch()?;
        self.replace_last(Some(columns));
        let order = order.map(|order| breach_batch(&order)).transpose()?;
        Ok((batch, order))
    }

    fn screen(
        &self,
        py: Python<'_>,
        matrix: &ScenarioMatrix,
        loss_factor: f64,
    ) -> PyResult<(PyRecordBatch, usize)> {
        let found = self
            .book
            .read(py, |book| {
                screen(book, &matrix.0, loss_factor, &self.workers)
            })
            .map_err(to_python)?;
        Ok((breach_batch(&found.breaches)?, found.evaluated_in_f64))
    }

    fn account(
        &self,
        py: Python<'_>,
        matrix: &ScenarioMatrix,
        loss_factor: f64,
        account: &Bound<'_, PyAny>,
    ) -> PyResult<(u16, f64, f64, f64)> {
        let account = count("accounts row", account)?;
        let AccountMargin {
            worst_scenario,
            worst_pnl,
            margin,
            excess,
        } = self
            .book
            .read(py, |book| {
                evaluate_account(book, &matrix.0, loss_factor, &self.workers, account)
            })
            .map_err(to_python)?;
        Ok((worst_scenario, worst_pnl, margin, excess))
    }
}

impl From<Results> for Columns {
    fn from(results: Results) -> Self {
        Self {
            worst_scenario: results.worst_scenario.into(),
            worst_pnl: results.worst_pnl.into(),
            margin: results.margin.into(),
            excess: results.excess.into(),
        }
    }
}

impl Columns {
    /// The memory of the columns that nobody else holds.
    fn reclaim(self) -> Results {
        Results {
            worst_scenario: reclaim(self.worst_scenario),
            worst_pnl: reclaim(self.worst_pnl),
            margin: reclaim(self.margin),
            excess: reclaim(self.excess),
        }
    }

    fn batch(&self) -> PyResult<PyRecordBatch> {
        batch([
            ("worst_scenario", Arc::new(self.worst_scenario.clone())),
            ("worst_pnl", Arc::new(self.worst_pnl.clone())),
            ("margin", Arc::new(self.margin.clone())),
            ("excess", Arc::new(self.excess.clone())),
        ])
    }
}

fn reclaim<P: ArrowPrimitiveType>(column: PrimitiveArray<P>) -> Vec<P::Native> {
    let (_, values, _) = column.into_parts();
    values.into_inner().into_vec().unwrap_or_default()
}

fn breach_batch(breaches: &[Breach]) -> PyResult<PyRecordBatch> {
    let of = |read: fn(&AccountMargin) -> f64| -> ArrayRef {
        Arc::new(
            breaches
                .iter()
                .map(|breach| read(&breach.margin))
                .collect::<Float64Array>(),
        )
    };
    let account = breaches.iter().map(|breach| breach.account);
    let id = breaches.iter().map(|breach| breach.id);
    let worst_scenario = breaches.iter().map(|breach| breach.margin.worst_scenario);
    batch([
        ("account", Arc::new(UInt32Array::from_iter_values(account))),
        ("id", Arc::new(UInt64Array::from_iter_values(id))),
        (
            "worst_scenario",
            Arc::new(UInt16Array::from_iter_values(worst_scenario)),
        ),
        ("worst_pnl", of(|margin| margin.worst_pnl)),
        ("margin", of(|margin| margin.margin)),
        ("excess", of(|margin| margin.excess)),
    ])
}

fn batch<const N: usize>(columns: [(&str, ArrayRef); N]) -> PyResult<PyRecordBatch> {
    RecordBatch::try_from_iter(columns)
        .map(PyRecordBatch::new)
        .map_err(|fault| table_error("accounts", fault))
}
