"""The Rust core and the exact Python reference, held together over whole random books."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.agreement import largest_error
from tests.core.books import HARSH, HISTORIES, PARAMETERS, books, sound_books, with_history
from tests.core.tables import evaluate_book
from xmargin import _core, reference
from xmargin.reference import Book, Returns


def check(book: Book, parameters: str = PARAMETERS, returns: Returns | None = None) -> None:
    expected = reference.evaluate(parameters, book, returns)
    largest_error(book, evaluate_book(parameters, book, returns), expected)


@settings(max_examples=150, deadline=None)
@given(books())
def test_core_and_reference_agree_on_any_book(book: Book) -> None:
    check(book)


@settings(max_examples=100, deadline=None)
@given(sound_books())
def test_core_and_reference_agree_on_sound_books(book: Book) -> None:
    check(book)


@settings(max_examples=150, deadline=None)
@given(books())
def test_core_and_reference_agree_where_every_contingency_weighs(book: Book) -> None:
    check(book, HARSH)


@settings(max_examples=150, deadline=None)
@given(books(), HISTORIES, st.sampled_from(["0.8", "1.5"]), st.sampled_from(["0", "0.4", "1"]))
def test_core_and_reference_agree_on_the_history(
    book: Book, returns: Returns | None, floor: str, weight: str
) -> None:
    """P9: filtered, stressed, floored; with assets missing, falls bounded and chains cut off."""
    stress = {"weight": weight, "days": "20"}
    check(book, with_history(HARSH, floor=floor, stress=stress), returns)


@pytest.mark.long
@pytest.mark.timeout(1200)
@settings(max_examples=10_000, deadline=None)
@given(books())
def test_core_and_reference_agree_on_ten_thousand_books(book: Book) -> None:
    check(book)


@settings(max_examples=20, deadline=None)
@given(books(portfolio_count_max=1))
def test_scenario_names_agree(book: Book) -> None:
    assets = [base.asset for base in book.bases.values()]
    names = _core.scenario_names(PARAMETERS, assets)
    assert tuple(names) == reference.evaluate(PARAMETERS, book).scenarios
