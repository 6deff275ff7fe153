//! Lending accounts by the venue's own rule: who a price moves, and where.

use pyo3::prelude::*;
use xmargin_core::Error;
use xmargin_core::index::lending::{self, Change, Position, VenueStatus};
use xmargin_core::num::U256;
use xmargin_core::venue::aave_v3::{EMode, ReservePosition, ReserveRisk};

use crate::error::{table_error, to_python};
use crate::shared::Shared;
use crate::table::InputTable;

/// Adds the class to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<LendingOrder>()
}

#[pyclass(frozen, module = "xmargin._core")]
struct LendingOrder(Shared<lending::LendingOrder>);

/// Id, status before and after, health factor.
type Crossed = (u64, &'static str, &'static str, Option<[u8; 32]>);
/// Kind, and the ends of the range it is in.
type Changed = (&'static str, Option<([u8; 32], [u8; 32])>);

#[pymethods]
impl LendingOrder {
    #[new]
    #[expect(
        clippy::needless_pass_by_value,
        reason = "PyO3 extracts a list only by value"
    )]
    fn new(prices: Vec<[u8; 32]>) -> PyResult<Self> {
        let prices = prices.iter().map(|price| U256::from_be_bytes(*price));
        lending::LendingOrder::new(prices.collect())
            .map(|order| Self(order.into()))
            .map_err(to_python)
    }

    fn set(
        &self,
        py: Python<'_>,
        accounts: &Bound<'_, PyAny>,
        positions: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        let accounts = InputTable::import("accounts", accounts)?;
        let positions = InputTable::import("positions", positions)?;
        let set = |order: &mut lending::LendingOrder| {
            let told = read(&accounts, &positions)?;
            // All or none: what is refused is refused before anything is set.
            told.iter()
                .try_for_each(|(_, positions, _)| order.check(positions))?;
            for (id, positions, emode) in told {
                order.set(id, positions, emode)?;
            }
            Ok(())
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
        price: Vec<[u8; 32]>,
    ) -> PyResult<(Vec<Crossed>, usize)> {
        if number.len() != price.len() {
            return Err(table_error("prices", "numbers and prices differ in length"));
        }
        let prices = price.iter().map(|price| U256::from_be_bytes(*price));
        let moves: Vec<(u32, U256)> = number.into_iter().zip(prices).collect();
        let ticked = self.0.write(py, |order| order.tick(&moves));
        let ticked = ticked.map_err(to_python)?;
        let crossed = ticked.crossings.into_iter().map(|one| {
            let health = one.health_factor_wad.map(|health| health.to_be_bytes());
            (one.id, name(one.before), name(one.after), health)
        });
        Ok((crossed.collect(), ticked.reevaluated))
    }

    fn status(&self, py: Python<'_>, account_id: u64) -> Option<&'static str> {
        self.0.read(py, |order| order.status(account_id)).map(name)
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

type Told = (u64, Vec<Position>, Option<EMode>);

fn read(accounts: &InputTable, positions: &InputTable) -> Result<Vec<Told>, Error> {
    let id: Vec<u64> = accounts.column("id")?;
    let end: Vec<u64> = accounts.column("positions_end")?;
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
        let own = rest.by_ref().take(count).collect();
        told.push((id[row], own, (category[row] != 0).then_some(emode)));
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
    let supply: Vec<Option<U256>> = table.nullable("supply")?;
    let debt: Vec<Option<U256>> = table.nullable("debt")?;
    let as_collateral: Vec<bool> = table.column("as_collateral")?;
    let borrowing: Vec<bool> = table.column("borrowing")?;
    let ltv_bps: Vec<u16> = table.column("ltv_bps")?;
    let threshold_bps: Vec<u16> = table.column("liquidation_threshold_bps")?;
    let emode: Vec<u8> = table.column("emode")?;
    let decimals: Vec<u8> = table.column("decimals")?;
    let rows = (0..price.len()).map(|row| Position {
        price: price[row],
        reserve: ReservePosition {
            risk: ReserveRisk {
                ltv_bps: ltv_bps[row],
                liquidation_threshold_bps: threshold_bps[row],
                emode: emode[row],
                decimals: decimals[row],
                price_base: U256::ZERO,
            },
            supply: supply[row],
            debt: debt[row],
            as_collateral: as_collateral[row],
            borrowing: borrowing[row],
        },
    });
    Ok(rows.collect())
}
