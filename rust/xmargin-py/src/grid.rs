//! The scenario mechanism's tables, in and out.

use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, RecordBatch, StringArray, UInt32Array};
use arrow_schema::ArrowError;
use xmargin_core::Error;
use xmargin_core::market::instrument::{
    Asset, Contract, Expiry, Instrument, Market, Portfolio, Position,
};
use xmargin_core::market::smile::Smile;
use xmargin_core::market::svi::SviParameters;
use xmargin_core::model::grid::{
    Arbitrage, Contribution, GridMargin, GridModel, Requirement, Worst,
};
use xmargin_core::pricing::OptionKind;

use crate::table::InputTable;

/// The imported tables.
pub struct GridInputs {
    pub assets: InputTable,
    pub expiries: InputTable,
    pub instruments: InputTable,
    pub portfolios: InputTable,
    pub positions: InputTable,
}

impl GridInputs {
    /// The state of the market.
    ///
    /// # Errors
    /// [`Error::Input`] naming the table and column that is missing, null or of another type.
    pub fn market(&self, cash_price: f64) -> Result<Market, Error> {
        Ok(Market {
            cash_price,
            assets: read_assets(&self.assets)?,
            expiries: read_expiries(&self.expiries)?,
            instruments: read_instruments(&self.instruments)?,
        })
    }

    /// Portfolios and their positions.
    ///
    /// # Errors
    /// As [`GridInputs::market`].
    pub fn holdings(&self) -> Result<(Vec<Portfolio>, Vec<Position>), Error> {
        let ids: Vec<String> = self.portfolios.column("id")?;
        let cash: Vec<f64> = self.portfolios.column("cash")?;
        let reserved: Vec<f64> = self.portfolios.column("reserved_initial")?;
        let portfolios = ids
            .into_iter()
            .zip(cash.into_iter().zip(reserved))
            .map(|(id, (cash, reserved_initial))| Portfolio {
                id,
                cash,
                reserved_initial,
            })
            .collect();
        let portfolio: Vec<u32> = self.positions.column("portfolio")?;
        let count = portfolio.len();
        let instrument: Vec<u32> = self.positions.column("instrument")?;
        let quantity: Vec<f64> = self.positions.column("quantity")?;
        let unsettled: Vec<f64> = self.positions.column("unsettled")?;
        let positions = (0..count)
            .map(|row| Position {
                portfolio: portfolio[row],
                instrument: instrument[row],
                quantity: quantity[row],
                unsettled: unsettled[row],
            })
            .collect();
        Ok((portfolios, positions))
    }
}

fn read_assets(table: &InputTable) -> Result<Vec<Asset>, Error> {
    let names: Vec<String> = table.column("name")?;
    let spots: Vec<f64> = table.column("spot")?;
    let confidences: Vec<f64> = table.column("confidence")?;
    let rows = names.into_iter().zip(spots).zip(confidences);
    Ok(rows
        .map(|((name, spot), confidence)| Asset {
            name,
            spot,
            confidence,
        })
        .collect())
}

fn read_expiries(table: &InputTable) -> Result<Vec<Expiry>, Error> {
    let smiles = read_smiles(table)?;
    let assets: Vec<u32> = table.column("asset")?;
    let years: Vec<f64> = table.column("years")?;
    let forward_fixed: Vec<f64> = table.column("forward_fixed")?;
    let forward_variable: Vec<f64> = table.column("forward_variable")?;
    let rates: Vec<f64> = table.column("rate")?;
    let confidences: Vec<f64> = table.column("confidence")?;
    let expiry = |(row, smile)| Expiry {
        asset: assets[row],
        years: years[row],
        forward_fixed: forward_fixed[row],
        forward_variable: forward_variable[row],
        rate: rates[row],
        confidence: confidences[row],
        smile,
    };
    Ok(smiles.into_iter().enumerate().map(expiry).collect())
}

/// A slice is there where its level is; then the rest of it must be, too.
fn read_smiles(table: &InputTable) -> Result<Vec<Option<Smile>>, Error> {
    const REST: [&str; 6] = [
        "svi_b",
        "svi_rho",
        "svi_m",
        "svi_sigma",
        "svi_forward",
        "svi_years",
    ];
    let levels: Vec<Option<f64>> = table.nullable("svi_a")?;
    let mut rest = Vec::with_capacity(REST.len());
    for column in REST {
        rest.push(table.nullable::<f64>(column)?);
    }
    let slice = |(row, level): (usize, &Option<f64>)| {
        let Some(a) = *level else {
            return Ok(None);
        };
        let mut values = [0.0; REST.len()];
        for ((value, column), name) in values.iter_mut().zip(&rest).zip(REST) {
            *value = column[row].ok_or_else(|| Error::Input {
                table: "expiries",
                column: name,
                row: Some(row),
                problem: "is null where svi_a is not".to_owned(),
            })?;
        }
        let [b, rho, m, sigma, forward, years] = values;
        Ok(Some(Smile {
            parameters: SviParameters {
                a,
                b,
                rho,
                m,
                sigma,
            },
            forward,
            years,
        }))
    };
    levels.iter().enumerate().map(slice).collect()
}

/// The columns of which each kind of contract uses some.
struct ContractColumns {
    kind: Vec<String>,
    asset: Vec<Option<u32>>,
    expiry: Vec<Option<u32>>,
    strike: Vec<Option<f64>>,
    vol: Vec<Option<f64>>,
    haircut_maintenance: Vec<f64>,
    haircut_initial: Vec<f64>,
    wrapped: Vec<bool>,
}

fn read_instruments(table: &InputTable) -> Result<Vec<Instrument>, Error> {
    let ids: Vec<String> = table.column("id")?;
    let prices: Vec<Option<f64>> = table.nullable("price")?;
    let confidences: Vec<f64> = table.column("confidence")?;
    let columns = ContractColumns {
        kind: table.column("kind")?,
        asset: table.nullable("asset")?,
        expiry: table.nullable("expiry")?,
        strike: table.nullable("strike")?,
        vol: table.nullable("vol")?,
        haircut_maintenance: table.column("haircut_maintenance")?,
        haircut_initial: table.column("haircut_initial")?,
        wrapped: table.column("wrapped")?,
    };
    let instrument = |(row, id)| {
        Ok(Instrument {
            id,
            contract: columns.contract(row)?,
            price: prices[row],
            confidence: confidences[row],
        })
    };
    ids.into_iter().enumerate().map(instrument).collect()
}

impl ContractColumns {
    fn contract(&self, row: usize) -> Result<Contract, Error> {
        let option = |kind| {
            Ok(Contract::Option {
                expiry: wanted("expiry", self.expiry[row], row)?,
                kind,
                strike: wanted("strike", self.strike[row], row)?,
                vol: self.vol[row],
            })
        };
        match self.kind[row].as_str() {
            "spot" => Ok(Contract::Spot {
                asset: self.asset[row],
                haircut_maintenance: self.haircut_maintenance[row],
                haircut_initial: self.haircut_initial[row],
                wrapped: self.wrapped[row],
            }),
            "perp" => Ok(Contract::Perp {
                asset: wanted("asset", self.asset[row], row)?,
            }),
            "future" => Ok(Contract::Future {
                expiry: wanted("expiry", self.expiry[row], row)?,
            }),
            "call" => option(OptionKind::Call),
            "put" => option(OptionKind::Put),
            other => Err(Error::Input {
                table: "instruments",
                column: "kind",
                row: Some(row),
                problem: format!("{other:?} must be spot, perp, future, call or put"),
            }),
        }
    }
}

fn wanted<T>(column: &'static str, value: Option<T>, row: usize) -> Result<T, Error> {
    value.ok_or_else(|| Error::Input {
        table: "instruments",
        column,
        row: Some(row),
        problem: "is null; this kind of instrument has one".to_owned(),
    })
}

/// Margins, P&L, contributions and free lunches as record batches.
pub fn record_batches(
    model: &GridModel<'_>,
    margins: &[GridMargin],
    positions: &[Position],
    contributions: &[Contribution],
) -> Result<[(&'static str, RecordBatch); 6], ArrowError> {
    let names = model.grid().names();
    let width = names.len();
    let position_pnl: Vec<Vec<f64>> = positions
        .iter()
        .map(|position| model.position_pnl(*position))
        .collect();
    let portfolio_pnl: Vec<&[f64]> = margins.iter().map(|one| &one.scenario_pnl[..]).collect();
    let position_rows: Vec<&[f64]> = position_pnl.iter().map(Vec::as_slice).collect();
    let scenarios: ArrayRef = Arc::new(StringArray::from_iter_values(names));
    Ok([
        (
            "scenarios",
            RecordBatch::try_from_iter([("name", scenarios)])?,
        ),
        ("portfolios", portfolios(model, margins)?),
        ("portfolio_pnl", matrix(width, &portfolio_pnl)?),
        ("position_pnl", matrix(width, &position_rows)?),
        (
            "positions",
            RecordBatch::try_from_iter([
                ("maintenance", floats(contributions, |one| one.maintenance)),
                ("initial", floats(contributions, |one| one.initial)),
            ])?,
        ),
        ("arbitrage", arbitrage(names, &model.arbitrage())?),
    ])
}

fn arbitrage(names: &[String], rows: &[Arbitrage]) -> Result<RecordBatch, ArrowError> {
    let number = |row: usize| u32::try_from(row).unwrap_or(u32::MAX);
    let expiries = rows.iter().map(|one| number(one.expiry));
    let scenarios = rows.iter().map(|one| names[one.scenario].as_str());
    let kinds = rows.iter().map(|one| one.find.kind.name());
    let columns: [(&str, ArrayRef); 5] = [
        ("expiry", Arc::new(UInt32Array::from_iter_values(expiries))),
        (
            "scenario",
            Arc::new(StringArray::from_iter_values(scenarios)),
        ),
        ("kind", Arc::new(StringArray::from_iter_values(kinds))),
        ("strike", floats(rows, |one| one.find.strike)),
        ("amount", floats(rows, |one| one.find.amount)),
    ];
    RecordBatch::try_from_iter(columns)
}

fn floats<T>(rows: &[T], of: impl Fn(&T) -> f64) -> ArrayRef {
    Arc::new(Float64Array::from_iter_values(rows.iter().map(of)))
}

/// One kind of margin, and one component of it.
type Kind = fn(&GridMargin) -> &Requirement;
type Component = fn(&Requirement) -> f64;

fn portfolios(model: &GridModel<'_>, margins: &[GridMargin]) -> Result<RecordBatch, ArrowError> {
    let names = model.grid().names();
    let worst = margins.iter().map(|margin| match margin.worst {
        Worst::Scenario(scenario) => names[scenario].as_str(),
        Worst::Basis => "basis",
    });
    let mut columns: Vec<(String, ArrayRef)> = vec![
        ("equity".into(), floats(margins, |one| one.equity)),
        ("basis_pnl".into(), floats(margins, |one| one.basis_pnl)),
        (
            "worst".into(),
            Arc::new(StringArray::from_iter_values(worst)),
        ),
    ];
    let kinds: [(&str, Kind); 2] = [
        ("maintenance", |one| &one.maintenance),
        ("initial", |one| &one.initial),
    ];
    for (kind, of) in kinds {
        let components: [(&str, Component); 10] = [
            ("margin", |r| r.margin),
            ("loss_factor", |r| r.loss_factor),
            ("loss", |r| r.loss),
            ("roll", |r| r.roll),
            ("haircut", |r| r.charges.haircut),
            ("wrapped_depeg", |r| r.charges.wrapped_depeg),
            ("perp", |r| r.charges.perp),
            ("short_option", |r| r.charges.short_option),
            ("confidence", |r| r.charges.confidence),
            ("reserved", |r| r.reserved),
        ];
        for (name, component) in components {
            columns.push((
                format!("{kind}_{name}"),
                floats(margins, |one| component(of(one))),
            ));
        }
    }
    RecordBatch::try_from_iter(columns)
}

/// One row a scenario and a column of row numbers, so that any number of rows is one flat table.
fn matrix(width: usize, rows: &[&[f64]]) -> Result<RecordBatch, ArrowError> {
    let number = |row: usize| u32::try_from(row).unwrap_or(u32::MAX);
    let (mut of_row, mut scenario) = (Vec::new(), Vec::new());
    for row in 0..rows.len() {
        of_row.extend(std::iter::repeat_n(number(row), width));
        scenario.extend((0..width).map(number));
    }
    let (of_row, scenario) = (UInt32Array::from(of_row), UInt32Array::from(scenario));
    RecordBatch::try_from_iter([
        ("row", Arc::new(of_row) as ArrayRef),
        ("scenario", Arc::new(scenario) as ArrayRef),
        (
            "pnl",
            Arc::new(Float64Array::from(rows.concat())) as ArrayRef,
        ),
    ])
}
