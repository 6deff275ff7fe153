//! Lending accounts by the venue's own rule: who a price or an index moves, and where; how indices grow.

use pyo3::prelude::*;
use xmargin_core::Error;
use xmargin_core::index::lending::{self, Change, Health, Level, Position, Scaled, VenueStatus};
use xmargin_core::num::U256;
use xmargin_core::venue::aave_v3::{
    EMode, Release, ReserveRisk, StoredIndices, compounded_interest,
};

use crate::error::{table_error, to_python};
use crate::shared::Shared;
use crate::table::InputTable;

/// Adds the class and the functions to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(aave_v3_indices, module)?)?;
    module.add_function(wrap_pyfunction!(aave_v3_stable_growths, module)?)?;
    module.add_class::<LendingOrder>()
}

#[pyclass(frozen, module = "xmargin._core")]
struct LendingOrder(Shared<lending::LendingOrder>);

/// A 256-bit integer, big-endian.
type Word = [u8; 32];
/// Status and health factor.
type Found = (&'static str, Option<Word>);
/// Id, status before, and what was found.
type Crossed = (u64, &'static str, Found);
/// Kind, and the ends of the range it is in.
type Changed = (&'static str, Option<(Word, Word)>);

#[pymethods]
impl LendingOrder {
    #[new]
    #[expect(
        clippy::needless_pass_by_value,
        reason = "PyO3 extracts a list only by value"
    )]
    fn new(levels: Vec<Option<Word>>) -> Self {
        Self(lending::LendingOrder::new(read_levels(&levels)).into())
    }

    #[expect(
        clippy::needless_pass_by_value,
        reason = "PyO3 extracts a list only by value"
    )]
    fn extend(&self, py: Python<'_>, levels: Vec<Option<Word>>) -> usize {
        let levels = read_levels(&levels);
        self.0.write(py, |order| order.extend(levels))
    }

    fn set(
        &self,
        py: Python<'_>,
        accounts: &Bound<'_, PyAny>,
        positions: &Bound<'_, PyAny>,
    ) -> PyResult<Vec<Found>> {
        let accounts = InputTable::import("accounts", accounts)?;
        let positions = InputTable::import("positions", positions)?;
        let set = |order: &mut lending::LendingOrder| {
            let told = read(&accounts, &positions)?;
            // All or none: what is refused is refused before anything is set.
            told.iter()
                .try_for_each(|one| order.check(&one.positions))?;
            let set = told.into_iter().map(|one| {
                order
                    .set(one.id, one.release, one.positions, one.emode)
                    .map(found)
            });
            set.collect::<Result<Vec<Found>, Error>>()
        };
        self.0.write(py, set).map_err(to_python)
    }

    fn remove(&self, py: Python<'_>, account_id: u64) -> bool {
        self.0.write(py, |order| order.remove(account_id))
    }

    #[expect(
        clippy::needless_pass_by_value,
        reason = "PyO3 extracts a list only by value"
    )]
    fn tick(
        &self,
        py: Python<'_>,
        number: Vec<u32>,
        level: Vec<Option<Word>>,
    ) -> PyResult<(Vec<Crossed>, usize)> {
        if number.len() != level.len() {
            return Err(table_error("levels", "numbers and levels differ in length"));
        }
        let moves: Vec<(u32, Level)> = number.into_iter().zip(read_levels(&level)).collect();
        let ticked = self.0.write(py, |order| order.tick(&moves));
        let ticked = ticked.map_err(to_python)?;
        let crossings = ticked.crossings.into_iter();
        let crossed = crossings.map(|one| (one.id, name(one.before), found(one.after)));
        Ok((crossed.collect(), ticked.reevaluated))
    }

    fn status(&self, py: Python<'_>, account_id: u64) -> Option<&'static str> {
        self.0.read(py, |order| order.status(account_id)).map(name)
    }

    fn health(&self, py: Python<'_>, account_id: u64) -> Option<Found> {
        self.0.read(py, |order| order.health(account_id)).map(found)
    }

    fn changes(
        &self,
        py: Python<'_>,
        account_id: u64,
        number: u32,
    ) -> PyResult<(Changed, Changed)> {
        let [below, above] = self
            .0
            .read(py, |order| order.changes(account_id, number))
            .map_err(to_python)?;
        Ok((changed(below), changed(above)))
    }

    fn audit(&self, py: Python<'_>) -> Vec<u64> {
        self.0.read(py, lending::LendingOrder::audit)
    }
}

/// Supply and debt index of each reserve as of its row's `now_s`.
#[pyfunction]
fn aave_v3_indices(reserves: &Bound<'_, PyAny>) -> PyResult<Vec<(Option<Word>, Option<Word>)>> {
    let table = InputTable::import("reserves", reserves)?;
    let grow = || {
        let supply: Vec<U256> = table.column("liquidity_index")?;
        let supply_rate: Vec<U256> = table.column("liquidity_rate")?;
        let debt: Vec<U256> = table.column("variable_borrow_index")?;
        let debt_rate: Vec<U256> = table.column("variable_borrow_rate")?;
        let updated_at_s: Vec<u64> = table.column("updated_at_s")?;
        let now_s: Vec<u64> = table.column("now_s")?;
        let release: Vec<Release> = table.releases("release")?;
        let grown = (0..supply.len()).map(|row| {
            let stored = StoredIndices {
                supply: supply[row],
                supply_rate: supply_rate[row],
                debt: debt[row],
                debt_rate: debt_rate[row],
                updated_at_s: updated_at_s[row],
            };
            let grown = stored.grown(release[row], now_s[row]);
            (word(grown.supply), word(grown.debt))
        });
        Ok(grown.collect())
    };
    grow().map_err(to_python)
}

/// By how much each stable debt has grown as of its row's `now_s`.
#[pyfunction]
fn aave_v3_stable_growths(debts: &Bound<'_, PyAny>) -> PyResult<Vec<Option<Word>>> {
    let table = InputTable::import("debts", debts)?;
    let grow = || {
        let rate: Vec<U256> = table.column("rate")?;
        let updated_at_s: Vec<u64> = table.column("updated_at_s")?;
        let now_s: Vec<u64> = table.column("now_s")?;
        let growths = (0..rate.len()).map(|row| {
            // Stable debt ended before the formula changed.
            let (since, now_s) = (updated_at_s[row], now_s[row]);
            word(compounded_interest(Release::V3_0, rate[row], since, now_s).ok())
        });
        Ok(growths.collect())
    };
    grow().map_err(to_python)
}

fn read_levels(levels: &[Option<Word>]) -> Vec<Level> {
    let levels = levels.iter();
    levels.map(|level| level.map(U256::from_be_bytes)).collect()
}

fn word(value: Option<U256>) -> Option<Word> {
    value.map(|value| value.to_be_bytes())
}

fn found(health: Health) -> Found {
    (name(health.status), word(health.health_factor_wad))
}

fn name(status: VenueStatus) -> &'static str {
    match status {
        VenueStatus::Safe => "safe",
        VenueStatus::Liquidatable => "liquidatable",
        VenueStatus::Reverts => "reverts",
    }
}

fn changed(change: Change) -> Changed {
    let ends = |low: U256, high: U256| Some((low.to_be_bytes(), high.to_be_bytes()));
    match change {
        Change::At(price) => ("at", ends(price, price)),
        Change::Never => ("never", None),
        Change::Within(low, high) => ("within", ends(low, high)),
    }
}

struct Told {
    id: u64,
    release: Release,
    positions: Vec<Position>,
    emode: Option<EMode>,
}

fn read(accounts: &InputTable, positions: &InputTable) -> Result<Vec<Told>, Error> {
    let id: Vec<u64> = accounts.column("id")?;
    let end: Vec<u64> = accounts.column("positions_end")?;
    let release: Vec<Release> = accounts.releases("release")?;
    let category: Vec<u8> = accounts.column("emode")?;
    let ltv_bps: Vec<u16> = accounts.column("emode_ltv_bps")?;
    let threshold_bps: Vec<u16> = accounts.column("emode_liquidation_threshold_bps")?;
    let mut rest = read_positions(positions)?.into_iter();
    let mut told = Vec::with_capacity(id.len());
    let mut from = 0;
    for row in 0..id.len() {
        let count = end[row]
            .checked_sub(from)
            .and_then(|count| usize::try_from(count).ok());
        let Some(count) = count.filter(|&count| count <= rest.len()) else {
            let problem = format!("{} does not follow {from} among the positions", end[row]);
            return Err(fault("positions_end", Some(row), problem));
        };
        let emode = EMode {
            category: category[row],
            ltv_bps: ltv_bps[row],
            liquidation_threshold_bps: threshold_bps[row],
            price_base: U256::ZERO,
        };
        told.push(Told {
            id: id[row],
            release: release[row],
            positions: rest.by_ref().take(count).collect(),
            emode: (category[row] != 0).then_some(emode),
        });
        from = end[row];
    }
    if rest.len() > 0 {
        let problem = format!("ends at {from}; {} positions are left", rest.len());
        return Err(fault("positions_end", None, problem));
    }
    Ok(told)
}

fn fault(column: &'static str, row: Option<usize>, problem: String) -> Error {
    Error::Input {
        table: "accounts",
        column,
        row,
        problem,
    }
}

fn read_positions(table: &InputTable) -> Result<Vec<Position>, Error> {
    let price: Vec<u32> = table.column("price")?;
    let supply = read_scaled(table, "supply", "supply_index")?;
    let variable_debt = read_scaled(table, "debt", "debt_index")?;
    let stable_debt = read_scaled(table, "stable_debt", "stable_debt_index")?;
    let as_collateral: Vec<bool> = table.column("as_collateral")?;
    let borrowing: Vec<bool> = table.column("borrowing")?;
    let ltv_bps: Vec<u16> = table.column("ltv_bps")?;
    let threshold_bps: Vec<u16> = table.column("liquidation_threshold_bps")?;
    let emode: Vec<u8> = table.column("emode")?;
    let decimals: Vec<u8> = table.column("decimals")?;
    let rows = (0..price.len()).map(|row| Position {
        price: price[row],
        risk: ReserveRisk {
            ltv_bps: ltv_bps[row],
            liquidation_threshold_bps: threshold_bps[row],
            emode: emode[row],
            // What is lent decides no status.
            emode_lends_nothing: false,
            decimals: decimals[row],
            price_base: U256::ZERO,
        },
        supply: supply[row],
        variable_debt: variable_debt[row],
        stable_debt: stable_debt[row],
        as_collateral: as_collateral[row],
        borrowing: borrowing[row],
    });
    Ok(rows.collect())
}

fn read_scaled(
    table: &InputTable,
    amount: &'static str,
    index: &'static str,
) -> Result<Vec<Scaled>, Error> {
    let amounts: Vec<Option<U256>> = table.nullable(amount)?;
    let indices: Vec<Option<u32>> = table.nullable(index)?;
    let rows = amounts.into_iter().zip(indices);
    Ok(rows
        .map(|(amount, index)| Scaled { amount, index })
        .collect())
}
