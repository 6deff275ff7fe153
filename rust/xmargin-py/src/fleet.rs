//! The fleet order.

use std::sync::Arc;

use arrow_array::types::{Float64Type, UInt32Type, UInt64Type};
use arrow_array::{ArrayRef, Float64Array, RecordBatch, UInt32Array, UInt64Array};
use pyo3::prelude::*;
use pyo3_arrow::PyRecordBatch;
use xmargin_core::Error;
use xmargin_core::book::columnar::Workers;
use xmargin_core::liquidation::fleet::{self, Fleet, FleetOrder, PlanRules, Rank};
use xmargin_core::pricing::batch::InstructionSet;

use crate::error::{count, table_error, to_python};
use crate::table::InputTable;

/// Adds the functions to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(order_fleet, module)?)
}

/// Ranks, prices of depth, what the plan avoids, the bound.
type Answer = (PyRecordBatch, Vec<f64>, f64, f64);

#[expect(
    clippy::needless_pass_by_value,
    reason = "PyO3 extracts a list only by value"
)]
#[pyfunction]
#[pyo3(signature = (*, accounts, uses, depth, parts, block_accounts_max, threads))]
fn order_fleet(
    py: Python<'_>,
    accounts: &Bound<'_, PyAny>,
    uses: &Bound<'_, PyAny>,
    depth: Vec<f64>,
    parts: bool,
    block_accounts_max: &Bound<'_, PyAny>,
    threads: &Bound<'_, PyAny>,
) -> PyResult<Answer> {
    let accounts = InputTable::import("accounts", accounts)?;
    let uses = InputTable::import("uses", uses)?;
    let rules = PlanRules {
        parts,
        block_accounts_max: count("fleet.block_accounts_max", block_accounts_max)?,
    };
    let threads = count("fleet.threads", threads)?;
    let (ids, order) = py
        .detach(|| {
            let id = accounts.slice::<UInt64Type>("id")?;
            let columns = Fleet {
                id: &id,
                bad_debt_expected: &accounts.slice::<Float64Type>("bad_debt_expected")?,
                cost: &accounts.slice::<Float64Type>("cost")?,
                uses_end: &accounts.slice::<UInt64Type>("uses_end")?,
                asset: &uses.slice::<UInt32Type>("asset")?,
                amount: &uses.slice::<Float64Type>("amount")?,
                depth: &depth,
            };
            let workers = Workers::new(threads, InstructionSet::best())?;
            let order = fleet::order_fleet(&columns, rules, &workers)?;
            let ids = order.ranks.iter().map(|rank| id[rank.account as usize]);
            Ok::<_, Error>((UInt64Array::from_iter_values(ids), order))
        })
        .map_err(to_python)?;
    let FleetOrder {
        depth_prices,
        ranks,
        avoided,
        bound,
    } = order;
    Ok((batch(ids, &ranks)?, depth_prices, avoided, bound))
}

fn batch(ids: UInt64Array, ranks: &[Rank]) -> PyResult<PyRecordBatch> {
    let of = |read: fn(&Rank) -> f64| -> ArrayRef {
        Arc::new(Float64Array::from_iter_values(ranks.iter().map(read)))
    };
    let account = ranks.iter().map(|rank| rank.account);
    let block = ranks.iter().map(|rank| rank.batch);
    RecordBatch::try_from_iter_with_nullable([
        (
            "account",
            Arc::new(UInt32Array::from_iter_values(account)) as ArrayRef,
            false,
        ),
        ("id", Arc::new(ids), false),
        ("key", of(|rank| rank.key), false),
        ("bad_debt_avoided", of(|rank| rank.bad_debt_avoided), false),
        ("priced_depth", of(|rank| rank.priced_depth), false),
        ("share", of(|rank| rank.share), false),
        ("batch", Arc::new(block.collect::<UInt32Array>()), true),
    ])
    .map(PyRecordBatch::new)
    .map_err(|fault| table_error("ranks", fault))
}
