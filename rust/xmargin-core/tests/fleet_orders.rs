//! Fleet orders of any input: refused by name or a total order with its proof, never a panic.

use proptest::prelude::*;
use xmargin_core::Error;
use xmargin_core::book::columnar::Workers;
use xmargin_core::liquidation::fleet::{Fleet, FleetOrder, PlanRules, order_fleet};
use xmargin_core::pricing::batch::InstructionSet;

#[derive(Debug, Clone, Default)]
struct Columns {
    id: Vec<u64>,
    bad_debt_expected: Vec<f64>,
    cost: Vec<f64>,
    uses_end: Vec<u64>,
    asset: Vec<u32>,
    amount: Vec<f64>,
    depth: Vec<f64>,
}

fn ordered(columns: &Columns, parts: bool) -> Result<FleetOrder, Error> {
    let fleet = Fleet {
        id: &columns.id,
        bad_debt_expected: &columns.bad_debt_expected,
        cost: &columns.cost,
        uses_end: &columns.uses_end,
        asset: &columns.asset,
        amount: &columns.amount,
        depth: &columns.depth,
    };
    let rules = PlanRules {
        parts,
        block_accounts_max: 2,
    };
    order_fleet(&fleet, rules, &Workers::new(1, InstructionSet::best())?)
}

/// Mostly amounts, sometimes anything at all.
fn amount(wild: bool) -> BoxedStrategy<f64> {
    let tame = prop_oneof![
        4 => 0.0..1e6,
        1 => Just(0.0),
        1 => prop_oneof![Just(1e30), Just(1e-30), Just(1.0)],
    ];
    if wild {
        prop_oneof![9 => tame, 1 => any::<f64>()].boxed()
    } else {
        tame.boxed()
    }
}

fn any_columns(wild: bool) -> impl Strategy<Value = Columns> {
    let vector = move |rows: usize| prop::collection::vec(amount(wild), rows);
    (0_usize..7, 0_usize..4).prop_flat_map(move |(accounts, assets)| {
        let ids = prop::collection::vec(0_u64..60, accounts);
        let held = prop::collection::vec(prop::collection::vec(any::<bool>(), assets), accounts);
        (
            ids,
            vector(accounts),
            vector(accounts),
            held,
            vector(assets),
        )
            .prop_flat_map(move |(id, bad_debt_expected, cost, held, depth)| {
                let mut columns = Columns {
                    id,
                    bad_debt_expected,
                    cost,
                    depth,
                    ..Columns::default()
                };
                for of_account in held {
                    let assets = (0..).zip(of_account).filter(|(_, held)| *held);
                    columns.asset.extend(assets.map(|(asset, _)| asset));
                    columns.uses_end.push(columns.asset.len() as u64);
                }
                vector(columns.asset.len()).prop_map(move |amount| Columns {
                    amount,
                    ..columns.clone()
                })
            })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_fleet_is_refused_or_ordered(columns in any_columns(true), parts in any::<bool>()) {
        match ordered(&columns, parts) {
            Err(fault) => prop_assert!(!fault.to_string().is_empty()),
            Ok(order) => {
                prop_assert_eq!(order.ranks.len(), columns.id.len());
                prop_assert!(order.avoided <= order.bound * (1.0 + 1e-12));
                prop_assert!(order.depth_prices.iter().all(|&price| price >= 0.0));
                prop_assert!(order.ranks.iter().all(|rank| (0.0..=1.0).contains(&rank.share)));
                prop_assert!(order.ranks.iter().all(|rank| !rank.key.is_nan()));
            }
        }
    }

    #[test]
    fn columns_of_any_shape_never_panic(
        mut columns in any_columns(false), ends in prop::collection::vec(any::<u64>(), 0..7),
        asset in prop::collection::vec(any::<u32>(), 0..7), which in 0..4_u8,
    ) {
        match which {
            0 => columns.uses_end = ends,
            1 => columns.asset = asset,
            2 => columns.depth.clear(),
            _ => columns.cost.push(1.0),
        }
        if let Err(fault) = ordered(&columns, true) {
            prop_assert!(!fault.to_string().is_empty());
        }
    }
}

#[test]
fn money_at_both_ends_of_its_range_is_ordered() -> Result<(), Error> {
    let columns = Columns {
        id: vec![1, 2, 3],
        bad_debt_expected: vec![1e30, 1e-30, 1.0],
        cost: vec![0.0, 0.0, 1e30],
        uses_end: vec![1, 2, 3],
        asset: vec![0, 0, 0],
        amount: vec![1e-30, 1e30, 1.0],
        depth: vec![1e-30],
    };
    let order = ordered(&columns, true)?;
    let accounts: Vec<u32> = order.ranks.iter().map(|rank| rank.account).collect();
    assert_eq!(accounts, [0, 1, 2]);
    assert!(order.certified_share() > 0.999);
    Ok(())
}
