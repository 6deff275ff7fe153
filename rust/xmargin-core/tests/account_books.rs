//! Accounts by the million: every instruction set, every number of threads, and `f32` say the same;
//! no input makes a panic, and what is refused changes nothing.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "small numbers made up here"
)]

use proptest::collection::vec;
use proptest::prelude::*;
use xmargin_core::Error;
use xmargin_core::book::columnar::{
    AccountBook, AccountColumns, Breach, ChainTerms, GridScenarios, Listing, OptionGrid, OptionRow,
    Results, ScenarioMatrix, Workers, breaches, evaluate_account, evaluate_into, screen,
};
use xmargin_core::pricing::OptionKind;
use xmargin_core::pricing::batch::InstructionSet;

/// Columns that own what [`AccountColumns`] borrows.
#[derive(Debug, Clone, Default)]
struct Columns {
    id: Vec<u64>,
    cash_usd: Vec<f64>,
    positions_end: Vec<u64>,
    instrument: Vec<u32>,
    quantity: Vec<f64>,
}

impl Columns {
    fn push(&mut self, cash: f64, positions: &[(u32, f64)]) {
        self.id.push(self.id.len() as u64);
        self.cash_usd.push(cash);
        self.instrument
            .extend(positions.iter().map(|position| position.0));
        self.quantity
            .extend(positions.iter().map(|position| position.1));
        self.positions_end.push(self.instrument.len() as u64);
    }

    fn borrow(&self) -> AccountColumns<'_> {
        AccountColumns {
            id: &self.id,
            cash_usd: &self.cash_usd,
            positions_end: &self.positions_end,
            instrument: &self.instrument,
            quantity: &self.quantity,
        }
    }

    fn book(&self, rows: usize) -> Result<AccountBook, Error> {
        let row = (0..rows as u32).collect();
        let mut book = AccountBook::new(Listing::new(row, vec![1.0; rows], rows)?);
        book.append(&self.borrow())?;
        Ok(book)
    }
}

/// A small generator with the same numbers at every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 >> 11
    }

    fn unit(&mut self) -> f64 {
        self.next() as f64 / (1_u64 << 53) as f64
    }
}

fn example(accounts: usize, rows: usize, scenarios: usize, seed: u64) -> (Columns, ScenarioMatrix) {
    let mut random = Random(seed | 1);
    let mark: Vec<f64> = (0..rows).map(|_| 100.0 * random.unit()).collect();
    let pnl: Vec<f64> = (0..rows * scenarios)
        .map(|_| 20.0 * random.unit() - 10.0)
        .collect();
    let mut columns = Columns::default();
    for _ in 0..accounts {
        let count = random.next() % 14;
        let positions: Vec<(u32, f64)> = (0..count)
            .map(|_| ((random.next() % rows as u64) as u32, random.unit() - 0.5))
            .collect();
        columns.push(60.0 * random.unit(), &positions);
    }
    (
        columns,
        ScenarioMatrix::new(scenarios, &mark, &pnl).expect("moderate numbers"),
    )
}

fn evaluated(
    book: &AccountBook,
    matrix: &ScenarioMatrix,
    workers: &Workers,
) -> (Results, Vec<Breach>) {
    let mut results = Results::default();
    evaluate_into(book, matrix, 1.0, workers, &mut results).expect("a sound book");
    let order = breaches(book, &results, workers).expect("its own results");
    (results, order)
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let (columns, matrix) = example(30_000, 50, 27, 7);
    let book = columns.book(50).expect("a sound book");
    for set in InstructionSet::available() {
        let one = evaluated(&book, &matrix, &Workers::new(1, set).expect("one thread"));
        assert!(one.1.len() > 1_000, "the example has breaches");
        for threads in [2, 3, 7] {
            let workers = Workers::new(threads, set).expect("threads");
            assert_eq!(
                evaluated(&book, &matrix, &workers),
                one,
                "{} {threads}",
                set.name()
            );
        }
    }
}

#[test]
fn instruction_sets_agree_within_roundings() {
    for scenarios in [1, 8, 27, 32, 33, 70] {
        let (columns, matrix) = example(500, 40, scenarios, 11);
        let book = columns.book(40).expect("a sound book");
        let base = Workers::new(1, InstructionSet::BASELINE).expect("one thread");
        let wanted = evaluated(&book, &matrix, &base).0;
        for set in InstructionSet::available() {
            let found = evaluated(&book, &matrix, &Workers::new(1, set).expect("one thread")).0;
            for account in 0..500 {
                let apart = (found.worst_pnl[account] - wanted.worst_pnl[account]).abs();
                assert!(
                    apart <= 1e-12,
                    "{} {scenarios} {account}: {apart:e}",
                    set.name()
                );
                assert!((found.excess[account] - wanted.excess[account]).abs() <= 1e-12);
                assert!(usize::from(found.worst_scenario[account]) < scenarios);
            }
        }
    }
}

#[test]
fn one_account_is_evaluated_as_among_many() {
    let (columns, matrix) = example(300, 40, 27, 13);
    let book = columns.book(40).expect("a sound book");
    let workers = Workers::new(1, InstructionSet::best()).expect("one thread");
    let (results, _) = evaluated(&book, &matrix, &workers);
    for account in 0..300 {
        let one = evaluate_account(&book, &matrix, 1.0, &workers, account).expect("it is there");
        assert_eq!(one.excess.to_bits(), results.excess[account].to_bits());
        assert_eq!(one.worst_scenario, results.worst_scenario[account]);
    }
    assert!(evaluate_account(&book, &matrix, 1.0, &workers, 300).is_err());
}

#[test]
fn a_screen_in_f32_finds_the_breaches_of_f64_to_the_bit() {
    for seed in 1..6 {
        let (columns, matrix) = example(25_000, 60, 27, seed);
        let book = columns.book(60).expect("a sound book");
        for set in InstructionSet::available() {
            for threads in [1, 2] {
                let workers = Workers::new(threads, set).expect("threads");
                let found = screen(&book, &matrix, 1.0, &workers).expect("a sound book");
                assert_eq!(found.breaches, evaluated(&book, &matrix, &workers).1);
                assert!(
                    found.evaluated_in_f64 < found.breaches.len() + 25,
                    "the bound is tight"
                );
            }
        }
    }
}

/// Accounts whose excess in `f64` is exactly nothing, one ulp of cash above and one below, over
/// positions that cancel: `f32` alone would judge many of them wrong.
#[test]
fn accounts_on_the_very_threshold_are_judged_as_by_f64() {
    let mut random = Random(99);
    let rows = 12;
    let pnl: Vec<f64> = (0..rows * 27)
        .map(|_| 1e6 * (random.unit() - 0.5))
        .collect();
    let matrix = ScenarioMatrix::new(27, &vec![0.0; rows], &pnl).expect("moderate numbers");
    let mut columns = Columns::default();
    for _ in 0..400 {
        let large = 1e6 * random.unit();
        let positions: Vec<(u32, f64)> = (0..rows as u32)
            .map(|row| {
                (
                    row,
                    if row % 2 == 0 { large } else { -large } + random.unit(),
                )
            })
            .collect();
        columns.push(0.0, &positions);
    }
    for set in InstructionSet::available() {
        let workers = Workers::new(1, set).expect("one thread");
        let margins = evaluated(
            &columns.book(rows).expect("a sound book"),
            &matrix,
            &workers,
        )
        .0
        .margin;
        let mut on_edge = Columns::default();
        for (account, margin) in margins.iter().enumerate() {
            let positions: Vec<(u32, f64)> = (0..rows)
                .map(|row| (row as u32, columns.quantity[account * rows + row]))
                .collect();
            for cash in [margin.next_down(), *margin, margin.next_up()] {
                on_edge.push(cash, &positions);
            }
        }
        let book = on_edge.book(rows).expect("a sound book");
        let found = screen(&book, &matrix, 1.0, &workers).expect("a sound book");
        assert_eq!(found.breaches, evaluated(&book, &matrix, &workers).1);
        let ids: Vec<u64> = found.breaches.iter().map(|breach| breach.id % 3).collect();
        assert!(
            !ids.is_empty() && ids.iter().all(|&which| which == 0),
            "only those below"
        );
        assert_eq!(found.evaluated_in_f64, 1_200, "f32 can tell none of them");
    }
}

#[test]
fn tiny_and_huge_numbers_do_not_fool_the_screen() {
    let values = [
        1e15, -1e15, 1e-300, -1e-300, 1e-45, 1e-30, 3.0, -0.0, 5e-324,
    ];
    let rows = values.len();
    let pnl: Vec<f64> = (0..rows * 3)
        .map(|at| values[(at * 7 + 3) % rows])
        .collect();
    let matrix = ScenarioMatrix::new(3, &values, &pnl).expect("moderate numbers");
    let mut columns = Columns::default();
    for first in 0..rows {
        for second in (0..rows).filter(|&second| second != first) {
            for cash in [0.0, 1e-310, -1e-310, 1e-20, 1e15] {
                let legs = [
                    (first as u32, values[second]),
                    (second as u32, values[first]),
                ];
                columns.push(cash, &legs);
            }
        }
    }
    let book = columns.book(rows).expect("a sound book");
    for set in InstructionSet::available() {
        let workers = Workers::new(1, set).expect("one thread");
        let found = screen(&book, &matrix, 1.0, &workers).expect("a sound book");
        assert_eq!(found.breaches, evaluated(&book, &matrix, &workers).1);
    }
}

#[test]
fn what_is_refused_is_named_and_changes_nothing() {
    let (columns, _) = example(10, 40, 3, 17);
    let mut book = columns.book(40).expect("a sound book");
    let before = (book.ids().to_vec(), book.netted_positions());
    let refused = |change: fn(&mut Columns), message: &str, book: &mut AccountBook| {
        let mut more = Columns::default();
        more.push(1.0, &[(1, 2.0), (3, 4.0)]);
        more.push(1.0, &[(2, 2.0)]);
        more.id = vec![100, 101];
        change(&mut more);
        let error = book.append(&more.borrow()).expect_err(message);
        assert!(error.to_string().starts_with(message), "{error}");
        assert_eq!((book.ids().to_vec(), book.netted_positions()), before);
    };
    refused(
        |c| c.quantity[1] = f64::NAN,
        "positions.quantity row 1: NaN",
        &mut book,
    );
    refused(
        |c| c.quantity[2] = f64::INFINITY,
        "positions.quantity row 2: inf",
        &mut book,
    );
    refused(
        |c| c.quantity[0] = 1e30,
        "positions.quantity row 0: 1e30",
        &mut book,
    );
    refused(
        |c| c.cash_usd[1] = f64::NAN,
        "accounts.cash_usd row 1: NaN",
        &mut book,
    );
    refused(
        |c| c.instrument[2] = 40,
        "positions.instrument row 2: 40 is not listed",
        &mut book,
    );
    refused(
        |c| c.id[1] = 100,
        "accounts.id row 1: 100 is there already",
        &mut book,
    );
    refused(
        |c| c.id[1] = 3,
        "accounts.id row 1: 3 is there already",
        &mut book,
    );
    refused(
        |c| c.positions_end[0] = 9,
        "accounts.positions_end row 0: 9",
        &mut book,
    );
    refused(
        |c| c.positions_end[1] = 1,
        "accounts.positions_end row 1: 1",
        &mut book,
    );
    refused(
        |c| c.positions_end[1] = 2,
        "accounts.positions_end: ends at 2",
        &mut book,
    );
    refused(
        |c| c.quantity.truncate(2),
        "positions.quantity: has 2 rows",
        &mut book,
    );
    refused(
        |c| c.cash_usd.truncate(1),
        "accounts.cash_usd: has 1 rows",
        &mut book,
    );
    refused(
        |c| (c.instrument[0], c.quantity) = (3, vec![1e15; 3]),
        "accounts.quantity row 0: nets to",
        &mut book,
    );
}

#[test]
fn an_empty_book_and_a_matrix_of_other_rows_are_refused() {
    let (columns, matrix) = example(10, 40, 3, 19);
    let workers = Workers::new(1, InstructionSet::best()).expect("one thread");
    let mut results = Results::default();
    let empty = AccountBook::new(Listing::new(vec![0], vec![1.0], 40).expect("a listing"));
    assert!(evaluate_into(&empty, &matrix, 1.0, &workers, &mut results).is_err());
    assert!(screen(&empty, &matrix, 1.0, &workers).is_err());
    let book = columns.book(41).expect("a sound book");
    assert!(evaluate_into(&book, &matrix, 1.0, &workers, &mut results).is_err());
    let book = columns.book(40).expect("a sound book");
    assert!(evaluate_into(&book, &matrix, f64::NAN, &workers, &mut results).is_err());
    assert_eq!(results, Results::default());
    assert!(Workers::new(0, InstructionSet::best()).is_err());
    assert!(ScenarioMatrix::new(0, &[1.0], &[]).is_err());
    assert!(ScenarioMatrix::new(1, &[], &[]).is_err());
}

fn any_number() -> impl Strategy<Value = f64> {
    prop_oneof![
        -1e3..1e3,
        Just(f64::NAN),
        Just(f64::INFINITY),
        Just(1e30),
        Just(-0.0),
        Just(1e15)
    ]
}

proptest! {
    #[test]
    fn no_columns_make_a_panic(
        id in vec(0_u64..20, 0..6),
        cash_usd in vec(any_number(), 0..6),
        positions_end in vec(prop_oneof![0_u64..8, Just(u64::MAX)], 0..6),
        instrument in vec(0_u32..5, 0..8),
        quantity in vec(any_number(), 0..8),
        (mark, pnl) in (vec(any_number(), 0..5), vec(any_number(), 0..12)),
        scenarios in 0_usize..5,
    ) {
        let columns = Columns { id, cash_usd, positions_end, instrument, quantity };
        let workers = Workers::new(1, InstructionSet::best())?;
        if let (Ok(book), Ok(matrix)) = (columns.book(4), ScenarioMatrix::new(scenarios, &mark, &pnl)) {
            let mut results = Results::default();
            if evaluate_into(&book, &matrix, 1.0, &workers, &mut results).is_ok() {
                prop_assert!(results.excess.iter().all(|excess| excess.is_finite()));
                let order = breaches(&book, &results, &workers)?;
                prop_assert_eq!(screen(&book, &matrix, 1.0, &workers)?.breaches, order);
            }
        }
    }

    #[test]
    fn no_grid_makes_a_panic(
        factors in 0_usize..3,
        moves in vec(any_number(), 0..6),
        vol_factor in vec(any_number(), 0..3),
        (factor, forward_ratio, discount) in (0_u32..3, any_number(), any_number()),
        (chain, strike, stdev) in (0_u32..2, any_number(), any_number()),
        price in vec(any_number(), 0..3),
    ) {
        let terms = [ChainTerms { factor, forward_ratio, discount }];
        let options = [OptionRow { chain, kind: OptionKind::Put, strike, stdev }];
        let scenarios = GridScenarios { moves, vol_factor };
        if let Ok(grid) = OptionGrid::new(factors, scenarios, &terms, &options, InstructionSet::best()) {
            prop_assert!(grid.reprice(&price).map_or(true, |matrix| matrix.rows() == grid.rows()));
        }
    }
}
