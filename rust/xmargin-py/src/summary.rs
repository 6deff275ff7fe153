//! Portfolio healths in their wire form, as `protos/xmargin/v1/margin_report.proto` has them.
//!
//! Every watcher is told the summary of every portfolio that a block moved. That is thousands of
//! small messages a block, which Python builds one number at a time.

use prost::Message;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use xmargin_core::Error;

use crate::error::to_python;
use crate::table::InputTable;

/// From here on Python writes an exponent, which [`decimal`] spells out.
const EXPONENT_FROM: f64 = 1e16;

/// Adds the function to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(portfolio_summaries, module)?)
}

/// `google.type.Decimal`.
#[derive(Clone, PartialEq, Message)]
struct Decimal {
    #[prost(string, tag = "1")]
    value: String,
}

/// `xmargin.v1.PortfolioHealth` without components, accounts and positions.
#[derive(Clone, PartialEq, Message)]
struct PortfolioSummary {
    #[prost(string, tag = "1")]
    portfolio: String,
    #[prost(string, tag = "2")]
    label: String,
    #[prost(int32, tag = "3")]
    status: i32,
    #[prost(int32, tag = "4")]
    verdict: i32,
    #[prost(bool, tag = "5")]
    partial: bool,
    #[prost(string, repeated, tag = "6")]
    flags: Vec<String>,
    #[prost(message, optional, tag = "7")]
    equity: Option<Decimal>,
    #[prost(message, optional, tag = "8")]
    collateral_value: Option<Decimal>,
    #[prost(message, optional, tag = "9")]
    initial_margin: Option<Decimal>,
    #[prost(message, optional, tag = "10")]
    maintenance_margin: Option<Decimal>,
    #[prost(message, optional, tag = "11")]
    initial_excess: Option<Decimal>,
    #[prost(message, optional, tag = "12")]
    maintenance_excess: Option<Decimal>,
    #[prost(message, optional, tag = "13")]
    health_factor: Option<Decimal>,
    #[prost(string, tag = "14")]
    worst_scenario: String,
    #[prost(message, optional, tag = "19")]
    oracle_confidence: Option<Decimal>,
}

/// What the tables do not say of a portfolio; enum members by their number on the wire.
#[derive(FromPyObject)]
struct Head {
    row: usize,
    portfolio: String,
    label: String,
    status: i32,
    verdict: i32,
    partial: bool,
    flags: Vec<String>,
    worst_scenario: String,
}

#[pyfunction]
fn portfolio_summaries<'py>(
    py: Python<'py>,
    portfolios: &Bound<'py, PyAny>,
    heads: Vec<Head>,
) -> PyResult<Vec<Bound<'py, PyBytes>>> {
    let numbers = Numbers::read(&InputTable::import("portfolios", portfolios)?);
    let numbers = numbers.map_err(to_python)?;
    let messages = heads.into_iter().map(|head| {
        let message = numbers.summary(head).map_err(to_python)?;
        Ok(PyBytes::new(py, &message.encode_to_vec()))
    });
    messages.collect()
}

/// The columns of the result table that a summary shows.
struct Numbers {
    refused: Vec<bool>,
    equity: Vec<Option<f64>>,
    collateral_value: Vec<Option<f64>>,
    initial_margin: Vec<Option<f64>>,
    maintenance_margin: Vec<Option<f64>>,
    initial_excess: Vec<Option<f64>>,
    maintenance_excess: Vec<Option<f64>>,
    health_factor: Vec<Option<f64>>,
    oracle_confidence: Vec<f64>,
}

impl Numbers {
    fn read(table: &InputTable) -> Result<Self, Error> {
        Ok(Self {
            refused: table.column("refused")?,
            equity: table.nullable("equity")?,
            collateral_value: table.nullable("collateral_value")?,
            initial_margin: table.nullable("initial_margin")?,
            maintenance_margin: table.nullable("maintenance_margin")?,
            initial_excess: table.nullable("initial_excess")?,
            maintenance_excess: table.nullable("maintenance_excess")?,
            health_factor: table.nullable("health_factor")?,
            oracle_confidence: table.column("oracle_confidence")?,
        })
    }

    fn summary(&self, head: Head) -> Result<PortfolioSummary, Error> {
        let row = head.row;
        let Some(&refused) = self.refused.get(row) else {
            return Err(Error::Input {
                table: "portfolios",
                column: "refused",
                row: Some(row),
                problem: "is not there".to_owned(),
            });
        };
        Ok(PortfolioSummary {
            portfolio: head.portfolio,
            label: head.label,
            status: head.status,
            verdict: head.verdict,
            partial: head.partial,
            flags: head.flags,
            equity: self.equity[row].map(decimal),
            collateral_value: self.collateral_value[row].map(decimal),
            initial_margin: self.initial_margin[row].map(decimal),
            maintenance_margin: self.maintenance_margin[row].map(decimal),
            initial_excess: self.initial_excess[row].map(decimal),
            maintenance_excess: self.maintenance_excess[row].map(decimal),
            health_factor: self.health_factor[row].map(decimal),
            worst_scenario: head.worst_scenario,
            oracle_confidence: (!refused).then(|| decimal(self.oracle_confidence[row])),
        })
    }
}

/// The shortest digits that read back as `number`, without an exponent, as Python writes them.
fn decimal(number: f64) -> Decimal {
    // Plus zero: zero has no sign.
    let number = number + 0.0;
    let mut value = number.to_string();
    if number.abs() < EXPONENT_FROM && !value.contains('.') {
        value.push_str(".0");
    }
    Decimal { value }
}
