//! Exactly the accounts whose venue status a price changes, and exactly where.

use proptest::collection::vec;
use proptest::prelude::*;
use xmargin_core::Error;
use xmargin_core::index::lending::{Change, LendingOrder, Position, VenueStatus};
use xmargin_core::num::U256;
use xmargin_core::venue::aave_v3::{EMode, ReservePosition, ReserveRisk};

const PRICES: u32 = 4;
const NOBODY: [u64; 0] = [];

fn u(value: u128) -> U256 {
    U256::from(value)
}

fn position(
    price: u32,
    supply: u128,
    debt: u128,
    threshold_bps: u16,
    decimals: u8,
    emode: u8,
) -> Position {
    Position {
        price,
        reserve: ReservePosition {
            risk: ReserveRisk {
                ltv_bps: threshold_bps.saturating_sub(300),
                liquidation_threshold_bps: threshold_bps,
                emode,
                decimals,
                price_base: U256::ZERO,
            },
            supply: Some(u(supply)),
            debt: Some(u(debt)),
            as_collateral: supply > 0,
            borrowing: debt > 0,
        },
    }
}

fn category() -> EMode {
    EMode {
        category: 1,
        ltv_bps: 9_000,
        liquidation_threshold_bps: 9_300,
        price_base: u(7),
    }
}

prop_compose! {
    /// Balances that make several roundings matter at small prices.
    fn any_position()(
        price in 0..PRICES,
        supply in prop_oneof![Just(0), 0..5_000_u128, Just(u128::MAX)],
        debt in prop_oneof![3 => Just(0), 2 => 0..5_000_u128],
        threshold in prop_oneof![Just(8_250), Just(0), Just(1), 0..u16::MAX],
        decimals in 0..4_u8,
        emode in 0..2_u8,
    ) -> Position {
        position(price, supply, debt, threshold, decimals, emode)
    }
}

type Accounts = Vec<(Vec<Position>, bool)>;

fn accounts(max: usize) -> impl Strategy<Value = Accounts> {
    vec((vec(any_position(), 0..5), any::<bool>()), 1..max)
}

fn order(accounts: &Accounts, price: u128) -> Result<LendingOrder, Error> {
    let mut order = LendingOrder::new(vec![u(price); PRICES as usize])?;
    for (id, (positions, has_emode)) in (0..).zip(accounts) {
        order.set(id, positions.clone(), has_emode.then(category))?;
    }
    Ok(order)
}

/// The status at another price, by the contract alone.
fn status_at(accounts: &Accounts, id: u64, prices: &[U256]) -> Result<VenueStatus, Error> {
    let mut alone = LendingOrder::new(prices.to_vec())?;
    let (positions, has_emode) = &accounts[usize::try_from(id).expect("few")];
    alone.set(id, positions.clone(), has_emode.then(category))
}

proptest! {
    #[test]
    fn after_every_tick_each_status_is_the_contracts(
        accounts in accounts(12),
        moves in vec((0..PRICES, prop_oneof![Just(0), 0..3_000_u128, Just(u128::MAX)]), 1..20),
    ) {
        let mut order = order(&accounts, 1_000)?;
        prop_assert_eq!(order.audit(), NOBODY);
        for (number, price) in moves {
            let ids = 0..accounts.len() as u64;
            let before: Vec<_> = ids.clone().map(|id| order.status(id)).collect();
            let ticked = order.tick(&[(number, u(price))])?;
            prop_assert_eq!(order.audit(), NOBODY);
            let changed = ids.zip(before).filter(|&(id, before)| order.status(id) != before);
            let crossed = ticked.crossings.iter().map(|one| (one.id, Some(one.before)));
            prop_assert_eq!(changed.collect::<Vec<_>>(), crossed.collect::<Vec<_>>());
        }
    }

    /// Every integer price is tried.
    #[test]
    fn a_change_is_the_nearest_price_of_another_status(
        accounts in accounts(3), price in 0..200_u128, number in 0..PRICES,
    ) {
        let order = order(&accounts, price)?;
        for id in 0..accounts.len() as u64 {
            let [below, above] = order.changes(id, number)?;
            let is_other = |other: &u128| {
                let mut prices = vec![u(price); PRICES as usize];
                prices[number as usize] = u(*other);
                status_at(&accounts, id, &prices) != Ok(order.status(id).expect("is there"))
            };
            let wanted = (0..price).rev().find(is_other).map_or(Change::Never, |at| Change::At(u(at)));
            prop_assert_eq!(below, wanted);
            match (above, (price + 1..800).find(is_other)) {
                (found, Some(at)) => prop_assert_eq!(found, Change::At(u(at))),
                (Change::At(at), None) => prop_assert!(at >= u(800)),
                (_, None) => {}
            }
        }
    }
}

const ETHER: u128 = 1_000_000_000_000_000_000;
const DOLLAR: u128 = 100_000_000;

/// Ten ether and a thousand of a coin at other thresholds, against dollars.
fn borrower(id: u64) -> Vec<Position> {
    let debt = 15_000_000_000 + 1_000_003 * u128::from(id);
    vec![
        position(0, 10 * ETHER, 0, 8_250, 18, 0),
        position(1, 1_000 * ETHER, 0, 6_500, 18, 0),
        position(2, 0, debt, 0, 6, 0),
    ]
}

fn fleet(accounts: u64) -> Result<LendingOrder, Error> {
    let prices = [2_500 * DOLLAR, 2 * DOLLAR, DOLLAR, DOLLAR].map(u);
    let mut order = LendingOrder::new(prices.to_vec())?;
    for id in 0..accounts {
        order.set(id, borrower(id), None)?;
    }
    Ok(order)
}

#[test]
fn a_liquidation_price_is_exact_to_the_last_unit_of_a_real_price() -> Result<(), Error> {
    let order = fleet(100)?;
    for id in 0..100 {
        let [Change::At(price), above] = order.changes(id, 0)? else {
            panic!("account {id} owes, and its ether can fall");
        };
        assert_eq!(above, Change::Never);
        for (at, wanted) in [
            (price, VenueStatus::Liquidatable),
            (price + U256::ONE, VenueStatus::Safe),
        ] {
            let mut moved = fleet(0)?;
            moved.tick(&[(0, at)])?;
            assert_eq!(
                moved.set(id, borrower(id), None)?,
                wanted,
                "account {id} at {at}"
            );
        }
    }
    Ok(())
}

#[test]
fn a_small_move_evaluates_few_and_finds_exactly_those_that_change() -> Result<(), Error> {
    let mut order = fleet(5_000)?;
    let (mut reevaluated, mut crossed) = (0, 0);
    for step in 0..2_000_u128 {
        let price = 2_500 * DOLLAR - step * DOLLAR / 4;
        let ticked = order.tick(&[(0, u(price))])?;
        reevaluated += ticked.reevaluated;
        crossed += ticked.crossings.len();
        if step % 50 == 0 {
            assert_eq!(order.audit(), NOBODY);
        }
    }
    assert_eq!(order.audit(), NOBODY);
    assert!(crossed > 1_000, "{crossed}");
    assert!(
        reevaluated < 20 * 5_000,
        "{reevaluated} of {}",
        2_000 * 5_000
    );
    Ok(())
}

#[test]
fn what_is_refused_changes_nothing() -> Result<(), Error> {
    let mut order = fleet(3)?;
    let huge = U256::from(1) << 128_u32;
    for wrong in [
        vec![(0, u(1)), (9, u(1))],
        vec![(0, u(1)), (0, u(2))],
        vec![(0, u(1)), (1, huge)],
    ] {
        assert!(order.tick(&wrong).is_err());
        assert_eq!(order.status(0), Some(VenueStatus::Safe));
        assert_eq!(order.audit(), NOBODY);
    }
    assert!(
        order
            .set(0, vec![position(4, 1, 0, 1, 0, 0)], None)
            .is_err()
    );
    assert_eq!(order.status(0), Some(VenueStatus::Safe));
    assert!(order.changes(9, 0).is_err());
    assert!(order.remove(0) && !order.remove(0));
    assert_eq!(order.tick(&[(0, U256::ZERO)])?.crossings.len(), 2);
    Ok(())
}
