"""What must hold of the core whatever the book; the ids are those of docs/margin-model.md."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from random import Random
from typing import Any, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core import books
from tests.core.books import CHAINS, HISTORIES, MONEY, sound_books, with_history
from tests.core.tables import Numbering, Rows, evaluate_book
from xmargin.reference import COMPONENTS, Account, Book, Portfolio, Returns, WalletBalance

T = TypeVar("T")

HARSH_WITH_HISTORY, SIZE_FREE = map(with_history, (books.HARSH, books.SIZE_FREE))
ROUNDING = 1e-12
"""Rounding allowed in a comparison, relative to the gross value of the portfolio."""

EXCESSES = ("maintenance_excess", "initial_excess")
properties = settings(max_examples=60, deadline=None)


@dataclass(frozen=True)
class Seen:
    """One portfolio's row, with the gross value that rounding is measured against."""

    row: dict[str, Any]
    gross_value: float

    @property
    def rounding(self) -> float:
        return ROUNDING * self.gross_value


def seen(
    book: Book, parameters: str = HARSH_WITH_HISTORY, returns: Returns | None = None
) -> dict[str, Seen]:
    core = evaluate_book(parameters, book, returns)
    names = Numbering.of(book).portfolios
    gross = dict.fromkeys(names, 0.0)
    for position in core["positions"]:
        gross[names[position["portfolio"]]] += abs(position["value"] or 0.0)
    return {
        name: Seen(row, gross[name]) for name, row in zip(names, core["portfolios"], strict=True)
    }


def assert_excess_never(
    worse: Callable[[float, float], bool], before: dict[str, Seen], after: dict[str, Seen]
) -> None:
    for name, old in before.items():
        new = after[name]
        for excess in EXCESSES:
            difference = new.row[excess] - old.row[excess]
            assert not worse(difference, old.rounding + new.rounding), (name, excess, difference)


def falls(difference: float, rounding: float) -> bool:
    return difference < -rounding


def rises(difference: float, rounding: float) -> bool:
    return difference > rounding


@properties
@given(sound_books(), HISTORIES, st.data())
def test_p1_more_collateral_never_lowers_an_excess(
    book: Book, returns: Returns | None, data: st.DataObject
) -> None:
    """P1: whatever is given, on whatever chain, cut off or not; any haircut, any returns."""
    chain = data.draw(st.sampled_from(CHAINS))
    token = data.draw(st.sampled_from([t for t in book.tokens if t.startswith(f"{chain}/")]))
    gift = WalletBalance(token, data.draw(st.one_of(st.just(1), MONEY)))
    richer = replace(
        book,
        portfolios=tuple(
            replace(p, accounts=(*p.accounts, Account(f"gift/{p.id}", chain, (gift,))))
            for p in book.portfolios
        ),
    )
    before, after = (seen(b, HARSH_WITH_HISTORY, returns) for b in (book, richer))
    assert_excess_never(falls, before, after)


@properties
@given(sound_books(), HISTORIES, st.data())
def test_p2_a_larger_haircut_never_raises_an_excess(
    book: Book, returns: Returns | None, data: st.DataObject
) -> None:
    """P2."""
    token = data.draw(st.sampled_from(sorted(book.tokens)))
    known = book.tokens[token]
    larger = Fraction(data.draw(st.floats(float(known.haircut), 1)))
    cut = replace(book, tokens={**book.tokens, token: replace(known, haircut=larger)})
    before, after = (seen(b, HARSH_WITH_HISTORY, returns) for b in (book, cut))
    assert_excess_never(rises, before, after)


@properties
@given(sound_books(), HISTORIES, st.randoms(use_true_random=False))
def test_p3_input_order_never_matters_to_the_bit(
    book: Book, returns: Returns | None, random: Random
) -> None:
    """P3: portfolios, accounts, balances and Aave positions in any order."""
    shuffled = replace(
        book, portfolios=tuple(_shuffled(random, [_shuffle(random, p) for p in book.portfolios]))
    )
    other = returns and replace(
        returns, log_returns=dict(_shuffled(random, list(returns.log_returns.items())))
    )
    assert _by_name(book, returns) == _by_name(shuffled, other)


def _shuffled(random: Random, values: list[T]) -> list[T]:
    return random.sample(values, len(values))


def _shuffle(random: Random, portfolio: Portfolio) -> Portfolio:
    accounts = [
        replace(
            account,
            balances=tuple(_shuffled(random, list(account.balances))),
            aave=account.aave
            and replace(
                account.aave, positions=tuple(_shuffled(random, list(account.aave.positions)))
            ),
        )
        for account in portfolio.accounts
    ]
    return replace(portfolio, accounts=tuple(_shuffled(random, accounts)))


def _by_name(book: Book, returns: Returns | None) -> tuple[Any, ...]:
    """Everything the core says, by name where it says row numbers."""
    core = evaluate_book(HARSH_WITH_HISTORY, book, returns)
    numbers = Numbering.of(book)
    positions = [
        {
            **p,
            "portfolio": numbers.portfolios[p["portfolio"]],
            "account": numbers.accounts[p["account"]],
        }
        for p in core["positions"]
    ]
    venue = {numbers.accounts[row.pop("account")]: row for row in core["venue_accounts"]}
    return (
        dict(zip(numbers.portfolios, core["portfolios"], strict=True)),
        sorted(positions, key=lambda p: (p["account"], p["token"], p["debt"])),
        venue,
        list(ranks(book, evaluate_book(HARSH_WITH_HISTORY, book, returns))),
    )


def ranks(book: Book, core: Rows) -> Iterator[tuple[bool, str]]:
    numbers = Numbering.of(book)
    for entry in core["order"]:
        if entry["is_portfolio"]:
            yield True, numbers.portfolios[entry["row"]]
        else:
            account = core["venue_accounts"][entry["row"]]["account"]
            yield False, numbers.accounts[account]


def parts_and_whole(book: Book, returns: Returns | None) -> tuple[list[Seen], Seen]:
    """The portfolios that owe, apart and as one owner's, where nothing is charged for size."""
    apart = seen(book, SIZE_FREE, returns)
    owing = [p for p in book.portfolios if apart[p.id].row["owes"]]
    accounts = tuple(account for p in owing for account in p.accounts)
    together = replace(book, portfolios=(Portfolio("all", accounts),))
    whole = seen(together, SIZE_FREE, returns)["all"]
    return [apart[p.id] for p in owing], whole


@properties
@given(sound_books(), HISTORIES)
def test_p4_netting_never_hurts_those_who_owe(book: Book, returns: Returns | None) -> None:
    """P4: the excess before size is superadditive, with haircuts, ranges and chains cut off."""
    parts, whole = parts_and_whole(book, returns)
    for excess in EXCESSES:
        total = sum(part.row[excess] for part in parts)
        rounding = whole.rounding + sum(part.rounding for part in parts)
        assert whole.row[excess] >= total - rounding


@properties
@given(sound_books(ranges=False, haircuts=False, cut_off=False), HISTORIES)
def test_p4_requirements_are_subadditive_at_one_price(book: Book, returns: Returns | None) -> None:
    """P4: with one price a base, no haircuts and all chains there."""
    parts, whole = parts_and_whole(book, returns)
    for margin in ("maintenance_margin", "initial_margin"):
        total = sum(part.row[margin] for part in parts)
        rounding = whole.rounding + sum(part.rounding for part in parts)
        assert whole.row[margin] <= total + rounding


@properties
@given(sound_books(amounts=MONEY), HISTORIES, st.integers(2, 1000))
def test_p5_everything_scales_with_the_book(
    book: Book, returns: Returns | None, factor: int
) -> None:
    """P5: homogeneous of degree one where nothing is charged for size."""
    before, after = (seen(b, SIZE_FREE, returns) for b in (book, _scaled(book, factor)))
    for name, old in before.items():
        new = after[name]
        for column in (*EXCESSES, "equity", "collateral_value", "maintenance_margin", "gross_debt"):
            # Venues round balances to the unit; these amounts are of 1e15 units and more.
            bound = new.rounding
            assert abs(new.row[column] - factor * old.row[column]) <= bound, (name, column)
        assert new.row["owes"] == old.row["owes"]


@properties
@given(sound_books(amounts=MONEY), HISTORIES, st.integers(2, 1000))
def test_p5_a_larger_book_is_charged_at_least_in_proportion(
    book: Book, returns: Returns | None, factor: int
) -> None:
    """P5: with size charged, an excess never grows faster than the book."""
    pair = (book, _scaled(book, factor))
    before, after = (seen(b, HARSH_WITH_HISTORY, returns) for b in pair)
    for name, old in before.items():
        new = after[name]
        for excess in EXCESSES:
            assert new.row[excess] <= factor * old.row[excess] + new.rounding, (name, excess)


def _scaled(book: Book, factor: int) -> Book:
    def account(one: Account) -> Account:
        user = one.aave and replace(
            one.aave,
            positions=tuple(
                replace(
                    p,
                    supply_scaled=p.supply_scaled * factor,
                    variable_debt_scaled=p.variable_debt_scaled * factor,
                    stable_debt_principal=p.stable_debt_principal * factor,
                )
                for p in one.aave.positions
            ),
        )
        balances = tuple(replace(b, amount=b.amount * factor) for b in one.balances)
        return replace(one, balances=balances, aave=user)

    return replace(
        book,
        portfolios=tuple(
            replace(p, accounts=tuple(account(one) for one in p.accounts)) for p in book.portfolios
        ),
    )


@properties
@given(sound_books(), HISTORIES)
def test_p6_contributions_sum_to_the_whole(book: Book, returns: Returns | None) -> None:
    """P6: to the requirements, contingencies included, and to the collateral value."""
    core = evaluate_book(HARSH_WITH_HISTORY, book, returns)
    found_in = seen(book, HARSH_WITH_HISTORY, returns)
    for number, (name, portfolio) in enumerate(found_in.items()):
        own = [p for p in core["positions"] if p["portfolio"] == number]
        row = portfolio.row
        wanted = {
            "collateral_value": row["collateral_value"],
            "maintenance_contribution": row["maintenance_margin"],
            "initial_contribution": row["initial_margin"],
        }
        for column, total in wanted.items():
            found = sum(p[column] for p in own)
            assert found == pytest.approx(total, rel=0, abs=portfolio.rounding), (name, column)


@properties
@given(sound_books(), HISTORIES)
def test_p6_components_sum_to_the_whole(book: Book, returns: Returns | None) -> None:
    """P6: the scenario loss and every contingency, none of which is negative."""
    for name, portfolio in seen(book, HARSH_WITH_HISTORY, returns).items():
        row = portfolio.row
        for kind in ("maintenance", "initial"):
            parts = [row[f"{component}_{kind}"] for component in COMPONENTS]
            total = pytest.approx(row[f"{kind}_margin"], rel=0, abs=portfolio.rounding)
            assert sum(parts) == total, (name, kind)
            assert min(parts) >= -portfolio.rounding, (name, kind)


@properties
@given(sound_books(cut_off=False, haircuts=False))
def test_p6_equity_less_oracle_confidence_is_the_collateral_value(book: Book) -> None:
    """P6: without haircuts, where every chain can be reached."""
    for name, portfolio in seen(book).items():
        row = portfolio.row
        left = row["equity"] - row["oracle_confidence"]
        assert left == pytest.approx(row["collateral_value"], rel=0, abs=portfolio.rounding), name
        assert row["oracle_confidence"] >= -portfolio.rounding


@properties
@given(sound_books(cut_off=False))
def test_p7_the_order_is_total_and_has_no_ties(book: Book) -> None:
    """P7: a twin of every portfolio ranks apart from it, and who else is there never matters."""
    twins = tuple(_twin(p) for p in book.portfolios)
    doubled = replace(book, portfolios=(*twins, *book.portfolios))
    alone, together = (
        list(ranks(b, evaluate_book(HARSH_WITH_HISTORY, b))) for b in (book, doubled)
    )
    assert len(set(together)) == len(together) == 2 * len(alone)
    assert [rank for rank in together if not rank[1].endswith("~")] == alone
    for is_portfolio, name in alone:
        original, twin = (together.index((is_portfolio, n)) for n in (name, f"{name}~"))
        assert twin == original + 1, "equal keys: the id decides"


def _twin(portfolio: Portfolio) -> Portfolio:
    accounts = tuple(replace(a, id=f"{a.id}~") for a in portfolio.accounts)
    return Portfolio(f"{portfolio.id}~", accounts)


@properties
@given(sound_books(cut_off=False), HISTORIES, st.sampled_from(CHAINS))
def test_p8_cutting_a_chain_off_never_raises_an_excess(
    book: Book, returns: Returns | None, chain: str
) -> None:
    """P8."""
    cut = replace(book, cut_off={**book.cut_off, chain: True})
    before, after = (seen(b, HARSH_WITH_HISTORY, returns) for b in (book, cut))
    assert_excess_never(rises, before, after)


@properties
@given(sound_books(), HISTORIES)
def test_p9_the_history_never_lowers_a_requirement(book: Book, returns: Returns | None) -> None:
    """P9: the scenario loss is the worse of the grid's and the history's."""
    alone = seen(book, HARSH_WITH_HISTORY)
    for name, portfolio in seen(book, HARSH_WITH_HISTORY, returns).items():
        row, grid = portfolio.row, alone[name].row
        for kind in ("maintenance", "initial"):
            assert row[f"{kind}_margin"] >= grid[f"{kind}_margin"] - portfolio.rounding
            shortfall = row[f"historical_es_{kind}"]
            assert (shortfall is not None) == (returns is not None and row["owes"])
            if shortfall is not None and not any(book.cut_off.values()):
                worse = max(row[f"grid_loss_{kind}"], shortfall)
                assert row[f"scenario_loss_{kind}"] == pytest.approx(
                    worse, rel=0, abs=portfolio.rounding
                )
