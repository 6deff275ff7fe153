//! Exactly the accounts whose venue status a price or an index changes, and exactly where.

use proptest::collection::vec;
use proptest::prelude::*;
use xmargin_core::Error;
use xmargin_core::index::lending::{Change, LendingOrder, Level, Position, Scaled, VenueStatus};
use xmargin_core::num::U256;
use xmargin_core::num::fixed::RAY;
use xmargin_core::venue::aave_v3::{EMode, Release, ReserveRisk};

const PRICES: u32 = 4;
/// Numbers after those of the prices.
const INDICES: u32 = 3;
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
        risk: ReserveRisk {
            ltv_bps: threshold_bps.saturating_sub(300),
            liquidation_threshold_bps: threshold_bps,
            emode,
            emode_lends_nothing: false,
            decimals,
            price_base: U256::ZERO,
        },
        supply: Scaled::told(Some(u(supply))),
        variable_debt: Scaled::told(Some(u(debt))),
        stable_debt: Scaled::told(Some(U256::ZERO)),
        as_collateral: supply > 0,
        borrowing: debt > 0,
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
    fn any_scaled(amount: u128)(index in prop_oneof![Just(None), (PRICES..PRICES + INDICES).prop_map(Some)]) -> Scaled {
        Scaled { amount: Some(u(amount)), index }
    }
}

prop_compose! {
    /// Balances that make several roundings matter at small prices.
    fn any_position()(
        price in 0..PRICES,
        supply in prop_oneof![Just(0), 0..5_000_u128, Just(u128::MAX)],
        debt in prop_oneof![3 => Just(0), 2 => 0..5_000_u128],
        stable in prop_oneof![3 => Just(0), 1 => 0..2_000_u128],
        threshold in prop_oneof![Just(8_250), Just(0), Just(1), 0..u16::MAX],
        decimals in 0..4_u8,
        emode in 0..2_u8,
    )(
        supply_scaled in any_scaled(supply),
        variable_debt in any_scaled(debt),
        stable_debt in any_scaled(stable),
        told in Just(position(price, supply, debt + stable, threshold, decimals, emode)),
    ) -> Position {
        Position { supply: supply_scaled, variable_debt, stable_debt, ..told }
    }
}

type Accounts = Vec<(Release, Vec<Position>, bool)>;

fn accounts(max: usize) -> impl Strategy<Value = Accounts> {
    let release = prop_oneof![Just(Release::V3_0), Just(Release::V3_6)];
    vec((release, vec(any_position(), 0..5), any::<bool>()), 1..max)
}

/// One price for all, indices that have grown a little.
fn levels(price: u128) -> Vec<Level> {
    let index = |number: u32| Some(RAY + RAY / u(10) * U256::from(number));
    let prices = (0..PRICES).map(|_| Some(u(price)));
    prices.chain((0..INDICES).map(index)).collect()
}

fn order(accounts: &Accounts, levels: Vec<Level>) -> Result<LendingOrder, Error> {
    let mut order = LendingOrder::new(levels);
    for (id, (release, positions, has_emode)) in (0..).zip(accounts) {
        order.set(id, *release, positions.clone(), has_emode.then(category))?;
    }
    Ok(order)
}

/// The status at other levels, by the contract alone.
fn status_at(accounts: &Accounts, id: u64, levels: &[Level]) -> Result<VenueStatus, Error> {
    let mut alone = LendingOrder::new(levels.to_vec());
    let (release, positions, has_emode) = &accounts[usize::try_from(id).expect("few")];
    let health = alone.set(id, *release, positions.clone(), has_emode.then(category))?;
    Ok(health.status)
}

prop_compose! {
    /// Small moves, jumps, zero, the largest there is, and none.
    fn any_move()(
        number in 0..PRICES + INDICES,
        price in prop_oneof![Just(U256::ZERO), (0..3_000_u128).prop_map(u), Just(U256::MAX)],
        thousandths in prop_oneof![Just(0_u128), 990..1_010_u128, 1_000..3_000_u128],
        kind in 0..20_u8,
    ) -> (u32, Level) {
        let level = match kind {
            0 => None,
            1 => Some(U256::MAX),
            _ if number < PRICES => Some(price),
            _ => Some(RAY / u(1_000) * u(thousandths)),
        };
        (number, level)
    }
}

proptest! {
    #[test]
    fn after_every_tick_each_status_is_the_contracts(
        accounts in accounts(12), moves in vec(any_move(), 1..20),
    ) {
        let mut order = order(&accounts, levels(1_000))?;
        prop_assert_eq!(order.audit(), NOBODY);
        for (number, level) in moves {
            let ids = 0..accounts.len() as u64;
            let before: Vec<_> = ids.clone().map(|id| order.status(id)).collect();
            let ticked = order.tick(&[(number, level)])?;
            prop_assert_eq!(order.audit(), NOBODY);
            let changed = ids.zip(before).filter(|&(id, before)| order.status(id) != before);
            let crossed = ticked.crossings.iter().map(|one| (one.id, Some(one.before)));
            prop_assert_eq!(changed.collect::<Vec<_>>(), crossed.collect::<Vec<_>>());
            for one in &ticked.crossings {
                prop_assert_eq!(order.health(one.id), Some(one.after));
            }
        }
    }

    /// Every integer price is tried.
    #[test]
    fn a_change_is_the_nearest_price_of_another_status(
        accounts in accounts(3), price in 0..200_u128, number in 0..PRICES,
    ) {
        let order = order(&accounts, levels(price))?;
        for id in 0..accounts.len() as u64 {
            let [below, above] = order.changes(id, number)?;
            let is_other = |other: &u128| {
                let mut levels = levels(price);
                levels[number as usize] = Some(u(*other));
                status_at(&accounts, id, &levels) != Ok(order.status(id).expect("is there"))
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

/// Ten ether and a thousand of a coin at other thresholds, against dollars; all of it grows.
fn borrower(id: u64) -> Vec<Position> {
    let debt = 15_000_000_000 + 1_000_003 * u128::from(id);
    let supplied = |number: u32, amount: u128, threshold_bps: u16| Position {
        supply: Scaled::grown_by(PRICES + number, u(amount)),
        ..position(number, amount, 0, threshold_bps, 18, 0)
    };
    vec![
        supplied(0, 10 * ETHER, 8_250),
        supplied(1, 1_000 * ETHER, 6_500),
        Position {
            variable_debt: Scaled::grown_by(PRICES + 2, u(debt)),
            ..position(2, 0, debt, 0, 6, 0)
        },
    ]
}

fn fleet(accounts: u64) -> Result<LendingOrder, Error> {
    let prices = [2_500 * DOLLAR, 2 * DOLLAR, DOLLAR, DOLLAR].map(|price| Some(u(price)));
    let indices = [Some(RAY); INDICES as usize];
    let mut order = LendingOrder::new([prices.as_slice(), indices.as_slice()].concat());
    for id in 0..accounts {
        order.set(id, Release::V3_0, borrower(id), None)?;
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
            moved.tick(&[(0, Some(at))])?;
            let health = moved.set(id, Release::V3_0, borrower(id), None)?;
            assert_eq!(health.status, wanted, "account {id} at {at}");
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
        let ticked = order.tick(&[(0, Some(u(price)))])?;
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

/// A block's interest at a few per cent a year, on every index.
fn grow(indices: &mut [U256; INDICES as usize]) -> Vec<(u32, Level)> {
    for (index, yearly_percent) in indices.iter_mut().zip([2, 1, 4]) {
        *index += *index / u(100) * u(yearly_percent) / u(2_628_000);
    }
    let grown = (PRICES..).zip(indices.map(Some));
    grown.collect()
}

#[test]
fn interest_alone_evaluates_hardly_anybody_and_takes_them_all_across_in_the_end()
-> Result<(), Error> {
    let mut order = fleet(5_000)?;
    let mut indices = [RAY; INDICES as usize];
    let mut reevaluated = 0;
    for _ in 0..1_000 {
        reevaluated += order.tick(&grow(&mut indices))?.reevaluated;
    }
    assert_eq!(order.audit(), NOBODY);
    assert!(reevaluated <= 5, "{reevaluated} of {}", 1_000 * 5_000);
    // A reorg of some blocks takes indices back.
    let back = indices.map(|index| index - index / u(10_000_000));
    let back: Vec<_> = (PRICES..).zip(back.map(Some)).collect();
    let reevaluated = order.tick(&back)?.reevaluated;
    assert!(reevaluated <= 5, "{reevaluated} of 5,000 at a reorg");
    assert_eq!(order.audit(), NOBODY);
    let debt = PRICES + 2;
    let crossed = order.tick(&[(debt, Some(RAY * u(10)))])?.crossings.len();
    assert_eq!(crossed, 5_000);
    assert_eq!(order.audit(), NOBODY);
    Ok(())
}

#[test]
fn without_an_index_accounts_that_count_with_it_revert_until_it_is_back() -> Result<(), Error> {
    let mut order = fleet(3)?;
    for number in [0, PRICES, PRICES + 2] {
        let before = if number == 0 { u(2_500 * DOLLAR) } else { RAY };
        let lost = order.tick(&[(number, None)])?;
        assert_eq!(lost.crossings.len(), 3);
        assert_eq!(order.status(0), Some(VenueStatus::Reverts));
        assert_eq!(order.audit(), NOBODY);
        assert!(order.changes(0, number).is_err());
        let back = order.tick(&[(number, Some(before))])?;
        assert_eq!(back.crossings.len(), 3);
        assert_eq!(order.status(0), Some(VenueStatus::Safe));
    }
    let unused = PRICES - 1;
    assert_eq!(order.tick(&[(unused, None)])?.reevaluated, 0);
    Ok(())
}

#[test]
fn levels_can_be_added() -> Result<(), Error> {
    let mut order = fleet(1)?;
    let own = Position {
        supply: Scaled::grown_by(PRICES + INDICES, u(ETHER)),
        ..position(0, 0, 0, 8_250, 18, 0)
    };
    assert!(order.set(7, Release::V3_0, vec![own], None).is_err());
    assert_eq!(order.extend(vec![Some(RAY)]), (PRICES + INDICES) as usize);
    assert_eq!(
        order.set(7, Release::V3_0, vec![own], None)?.status,
        VenueStatus::Safe
    );
    Ok(())
}

#[test]
fn what_is_refused_changes_nothing() -> Result<(), Error> {
    let mut order = fleet(3)?;
    for wrong in [(9, Some(u(1))), (0, Some(u(2))), (u32::MAX, None)] {
        assert!(order.tick(&[(0, Some(u(1))), wrong]).is_err());
        assert_eq!(order.status(0), Some(VenueStatus::Safe));
        assert_eq!(order.audit(), NOBODY);
    }
    assert!(
        order
            .set(
                0,
                Release::V3_0,
                vec![position(PRICES + INDICES, 1, 0, 1, 0, 0)],
                None
            )
            .is_err()
    );
    assert_eq!(order.status(0), Some(VenueStatus::Safe));
    assert!(order.changes(9, 0).is_err());
    assert!(order.remove(0) && !order.remove(0));
    assert_eq!(order.tick(&[(0, Some(U256::ZERO))])?.crossings.len(), 2);
    Ok(())
}
