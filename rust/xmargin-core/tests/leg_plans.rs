//! Leg plans of any input: refused by name or answered with a certificate, never a panic.

use proptest::prelude::*;
use xmargin_core::Error;
use xmargin_core::liquidation::leg_plan::{Book, Outcome, plan_legs};

fn one_leg(equity: f64, spread: f64, impact: f64, loss: f64) -> Book {
    Book {
        equity,
        loss_share_max: 1.0,
        spread: vec![spread],
        impact: vec![impact],
        lots: vec![0],
        losses: vec![vec![loss]],
    }
}

#[test]
fn a_book_within_its_limits_is_left_alone() {
    let outcome = plan_legs(&one_leg(100.0, 1.0, 1.0, 100.0));
    assert!(matches!(outcome, Ok(Outcome::Plan(plan)) if plan.fractions == [0.0]));
}

#[test]
fn without_impact_one_leg_is_solved_by_hand() -> Result<(), Error> {
    // (1 − f) 100 ≤ 60 − 2 f  ⇔  f ≥ 40 / 98
    let Outcome::Plan(plan) = plan_legs(&one_leg(60.0, 2.0, 0.0, 100.0))? else {
        panic!("a plan exists");
    };
    assert!((plan.fractions[0] - 40.0 / 98.0).abs() < 1e-6);
    assert!(plan.relative_gap() < 1e-5);
    Ok(())
}

#[test]
fn equity_that_closing_exactly_consumes_closes_all() {
    let outcome = plan_legs(&one_leg(3.0, 1.0, 2.0, 100.0));
    assert!(matches!(outcome, Ok(Outcome::Plan(plan)) if plan.fractions == [1.0]));
}

#[test]
fn negative_equity_without_gains_is_proven_hopeless() {
    let outcome = plan_legs(&one_leg(-1.0, 1.0, 2.0, 100.0));
    assert!(matches!(outcome, Ok(Outcome::Infeasible(least)) if least.at_least > 0.0));
}

#[test]
fn what_is_wrong_is_named_with_its_row_and_field() {
    let good = one_leg(1.0, 1.0, 1.0, 5.0);
    let cases = [
        (
            Book {
                equity: f64::NAN,
                ..good.clone()
            },
            "book.equity",
        ),
        (
            Book {
                loss_share_max: 0.0,
                ..good.clone()
            },
            "book.loss_share_max",
        ),
        (
            Book {
                spread: vec![-1.0],
                ..good.clone()
            },
            "legs.spread row 0",
        ),
        (
            Book {
                impact: vec![f64::INFINITY],
                ..good.clone()
            },
            "legs.impact row 0",
        ),
        (
            Book {
                impact: vec![],
                ..good.clone()
            },
            "legs.impact row 0",
        ),
        (
            Book {
                lots: vec![u64::MAX],
                ..good.clone()
            },
            "legs.lots row 0",
        ),
        (
            Book {
                losses: vec![vec![1.0], vec![]],
                ..good.clone()
            },
            "scenarios.losses row 1",
        ),
        (
            Book {
                losses: vec![vec![f64::NAN]],
                ..good.clone()
            },
            "scenarios.losses row 0: leg 0",
        ),
        (
            Book {
                losses: vec![vec![1e31]],
                ..good
            },
            "scenarios.losses row 0: leg 0",
        ),
    ];
    for (book, named) in cases {
        let message = plan_legs(&book).map_err(|fault| fault.to_string());
        assert!(
            matches!(&message, Err(text) if text.starts_with(named)),
            "{named}: {message:?}"
        );
    }
}

fn amount() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => -1e6..1e6,
        1 => any::<f64>(),
        1 => Just(0.0),
        1 => prop_oneof![Just(1e30), Just(-1e30), Just(1e-300)],
    ]
}

fn any_book() -> impl Strategy<Value = Book> {
    (0_usize..5, 0_usize..6).prop_flat_map(|(legs, scenarios)| {
        (
            amount(),
            prop_oneof![Just(1.0), 1e-6..1e6, any::<f64>()],
            prop::collection::vec(amount().prop_map(f64::abs), legs),
            prop::collection::vec(amount().prop_map(f64::abs), legs),
            prop::collection::vec(prop_oneof![Just(0), 1_u64..50, any::<u64>()], legs),
            prop::collection::vec(prop::collection::vec(amount(), legs), scenarios),
        )
            .prop_map(
                |(equity, loss_share_max, spread, impact, lots, losses)| Book {
                    equity,
                    loss_share_max,
                    spread,
                    impact,
                    lots,
                    losses,
                },
            )
    })
}

proptest! {
    #[test]
    fn any_book_is_refused_or_answered(book in any_book()) {
        match plan_legs(&book) {
            Ok(Outcome::Plan(plan) | Outcome::OffLots(plan)) => {
                prop_assert!(plan.fractions.iter().all(|f| (0.0..=1.0).contains(f)));
                prop_assert!(plan.multipliers.iter().all(|&one| one >= 0.0));
                prop_assert!(plan.bound <= plan.cost * (1.0 + 1e-12));
            }
            Ok(Outcome::Infeasible(least)) => prop_assert!(least.at_least > 0.0),
            Ok(Outcome::Undecided(least)) => {
                prop_assert!(least.at_least <= 0.0 && least.at_most >= 0.0);
            }
            Err(fault) => prop_assert!(!fault.to_string().is_empty()),
        }
    }

    #[test]
    fn the_same_book_gives_the_same_bits(book in any_book()) {
        prop_assert_eq!(format!("{:?}", plan_legs(&book)), format!("{:?}", plan_legs(&book)));
    }

    #[test]
    fn parts_never_cost_more_than_the_whole(
        a in 0.0..1e6, b in 0.0..1e6, one in 0.0..0.5, other in 0.0..0.5,
    ) {
        let book = one_leg(1.0, a, b, 1.0);
        let parts = book.cost(&[one]) + book.cost(&[other]);
        prop_assert!(parts <= book.cost(&[one + other]) * (1.0 + 1e-12));
    }
}
