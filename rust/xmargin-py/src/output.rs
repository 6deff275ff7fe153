//! The core's evaluation as record batches.

use std::sync::Arc;

use arrow_array::{
    Array, ArrayRef, BooleanArray, FixedSizeBinaryArray, Float64Array, Int32Array, RecordBatch,
    UInt8Array, UInt32Array,
};
use arrow_schema::{ArrowError, Field, Schema};
use xmargin_core::Evaluation;
use xmargin_core::book::aave::VenueAccounts;
use xmargin_core::book::tables::Book;
use xmargin_core::liquidation::order::Entry;
use xmargin_core::model::contingency;
use xmargin_core::model::unified::{Margin, PortfolioMargin};
use xmargin_core::num::U256;
use xmargin_core::venue::aave_v3::AccountData;

const U256_BYTES: usize = 32;

/// All result tables by name.
pub fn record_batches(
    book: &Book,
    evaluation: &Evaluation,
) -> Result<[(&'static str, RecordBatch); 4], ArrowError> {
    Ok([
        (
            "venue_accounts",
            venue_accounts(&evaluation.venue_accounts)?,
        ),
        ("positions", positions(book, evaluation)?),
        ("portfolios", portfolios(&evaluation.portfolios)?),
        ("order", order(&evaluation.order)?),
    ])
}

fn venue_accounts(accounts: &VenueAccounts) -> Result<RecordBatch, ArrowError> {
    let data = &accounts.data;
    let of = |read: fn(&AccountData) -> U256| u256(data.iter().map(|row| Some(read(row))));
    let ratio =
        |read: fn(&AccountData) -> u32| UInt32Array::from_iter_values(data.iter().map(read));
    Columns::default()
        .full("account", UInt32Array::from(accounts.account.clone()))
        .full("collateral_base", of(|row| row.collateral_base)?)
        .full("debt_base", of(|row| row.debt_base)?)
        .full(
            "available_borrows_base",
            of(|row| row.available_borrows_base)?,
        )
        .full(
            "liquidation_threshold_bps",
            ratio(|row| row.liquidation_threshold_bps),
        )
        .full("ltv_bps", ratio(|row| row.ltv_bps))
        .nullable(
            "health_factor_wad",
            u256(data.iter().map(|row| row.health_factor_wad))?,
        )
        .full("held", BooleanArray::from(accounts.held.clone()))
        .full("overflow", BooleanArray::from(accounts.overflow.clone()))
        .finish()
}

fn positions(book: &Book, evaluation: &Evaluation) -> Result<RecordBatch, ArrowError> {
    let (positions, parts) = (&evaluation.positions, &evaluation.contributions);
    let rows: Vec<usize> = positions
        .by_portfolio
        .all_rows()
        .iter()
        .map(|&row| row as usize)
        .collect();
    let ids = |column: &[u32]| UInt32Array::from_iter_values(rows.iter().map(|&row| column[row]));
    let floats =
        |column: &[f64]| Float64Array::from_iter_values(rows.iter().map(|&row| column[row]));
    let portfolio = |&row: &usize| book.accounts.portfolio[positions.account[row] as usize];
    let counting = |&row: &usize| positions.counting[row] as u8;
    Columns::default()
        .full(
            "portfolio",
            UInt32Array::from_iter_values(rows.iter().map(portfolio)),
        )
        .full("account", ids(&positions.account))
        .full("token", ids(&positions.token))
        .full(
            "debt",
            rows.iter()
                .map(|&row| Some(positions.debt[row]))
                .collect::<BooleanArray>(),
        )
        .full(
            "amount",
            u256(rows.iter().map(|&row| Some(positions.amount[row])))?,
        )
        .nullable(
            "quantity",
            rows.iter()
                .map(|&row| parts.quantity[row])
                .collect::<Float64Array>(),
        )
        .nullable(
            "value",
            rows.iter()
                .map(|&row| parts.value[row])
                .collect::<Float64Array>(),
        )
        .full("collateral_value", floats(&parts.collateral_value))
        .full("maintenance_contribution", floats(&parts.maintenance))
        .full("initial_contribution", floats(&parts.initial))
        .full(
            "counting",
            UInt8Array::from_iter_values(rows.iter().map(counting)),
        )
        .finish()
}

fn portfolios(portfolios: &[PortfolioMargin]) -> Result<RecordBatch, ArrowError> {
    let number = |read: fn(&Margin) -> f64| -> Float64Array {
        portfolios
            .iter()
            .map(|row| row.margin.as_ref().map(read))
            .collect()
    };
    let part = |read: &dyn Fn(&Margin) -> f64| {
        let values = portfolios
            .iter()
            .map(|row| row.margin.as_ref().map_or(0.0, read));
        Float64Array::from_iter_values(values)
    };
    let flag = |read: fn(&PortfolioMargin) -> bool| -> BooleanArray {
        portfolios.iter().map(|row| Some(read(row))).collect()
    };
    let health_factor = portfolios
        .iter()
        .map(|row| row.margin.and_then(|m| m.health_factor()));
    let worst_scenario = portfolios.iter().map(PortfolioMargin::worst_scenario);
    let shortfall = |read: fn(&Margin) -> Option<f64>| -> Float64Array {
        let owing = portfolios.iter().map(|row| row.margin.filter(|_| row.owes));
        owing.map(|margin| margin.as_ref().and_then(read)).collect()
    };
    let tail_day = portfolios
        .iter()
        .map(|row| row.margin.and_then(|margin| margin.maintenance.tail_day));
    let mut columns = Columns::default()
        .nullable("equity", number(|margin| margin.equity))
        .nullable("collateral_value", number(|margin| margin.collateral_value))
        .nullable(
            "maintenance_margin",
            number(|margin| margin.maintenance.margin),
        )
        .nullable("initial_margin", number(|margin| margin.initial.margin))
        .nullable("maintenance_excess", number(Margin::maintenance_excess))
        .nullable("initial_excess", number(Margin::initial_excess))
        .nullable("health_factor", health_factor.collect::<Float64Array>())
        .nullable("worst_scenario", worst_scenario.collect::<UInt32Array>())
        .full("bound_by_tail", flag(PortfolioMargin::is_bound_by_tail))
        .nullable("tail_day", tail_day.collect::<Int32Array>())
        .full(
            "grid_loss_maintenance",
            part(&|margin| margin.maintenance.grid_loss),
        )
        .full(
            "grid_loss_initial",
            part(&|margin| margin.initial.grid_loss),
        )
        .nullable(
            "historical_es_maintenance",
            shortfall(|margin| margin.maintenance.historical_es),
        )
        .nullable(
            "historical_es_initial",
            shortfall(|margin| margin.initial.historical_es),
        )
        .full(
            "oracle_confidence",
            part(&|margin| margin.oracle_confidence),
        )
        .full(
            "scenario_loss_maintenance",
            part(&|margin| margin.maintenance.scenario_loss),
        )
        .full(
            "scenario_loss_initial",
            part(&|margin| margin.initial.scenario_loss),
        );
    for (at, name) in contingency::NAMES.iter().enumerate() {
        columns = columns
            .full(
                &format!("{name}_maintenance"),
                part(&|margin| margin.maintenance.contingencies[at]),
            )
            .full(
                &format!("{name}_initial"),
                part(&|margin| margin.initial.contingencies[at]),
            );
    }
    columns
        .full("owes", flag(|row| row.owes))
        .full("refused", flag(|row| row.margin.is_none()))
        .full("held", flag(|row| row.held))
        .full("partial", flag(|row| row.partial))
        .full("gross_debt", part(&|margin| margin.gross_debt))
        .finish()
}

fn order(order: &[Entry]) -> Result<RecordBatch, ArrowError> {
    let is_portfolio = order
        .iter()
        .map(|entry| Some(matches!(entry, Entry::Portfolio(_))))
        .collect();
    let row = order.iter().map(|entry| match *entry {
        Entry::VenueAccount(row) | Entry::Portfolio(row) => u32::try_from(row).ok(),
    });
    Columns::default()
        .full::<BooleanArray>("is_portfolio", is_portfolio)
        .full("row", row.collect::<UInt32Array>())
        .finish()
}

/// 256-bit integers as 32 big-endian bytes each.
fn u256(values: impl Iterator<Item = Option<U256>>) -> Result<FixedSizeBinaryArray, ArrowError> {
    let bytes = values.map(|value| value.map(|value| value.to_be_bytes::<U256_BYTES>()));
    FixedSizeBinaryArray::try_from_sparse_iter_with_size(bytes, 32)
}

/// Columns of one record batch in the making.
#[derive(Default)]
pub struct Columns {
    fields: Vec<Field>,
    arrays: Vec<ArrayRef>,
}

impl Columns {
    /// A column without nulls.
    pub fn full<A: Array + 'static>(self, name: &str, array: A) -> Self {
        self.push(name, array, false)
    }

    /// A column that may hold nulls.
    pub fn nullable<A: Array + 'static>(self, name: &str, array: A) -> Self {
        self.push(name, array, true)
    }

    fn push<A: Array + 'static>(mut self, name: &str, array: A, nullable: bool) -> Self {
        self.fields
            .push(Field::new(name, array.data_type().clone(), nullable));
        self.arrays.push(Arc::new(array));
        self
    }

    pub fn finish(self) -> Result<RecordBatch, ArrowError> {
        RecordBatch::try_new(Arc::new(Schema::new(self.fields)), self.arrays)
    }
}
