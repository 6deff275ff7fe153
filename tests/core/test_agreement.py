"""The Rust core and the exact Python reference, held together over whole random books."""

import pytest
from hypothesis import given, settings

from tests.core.agreement import largest_error
from tests.core.books import HARSH, PARAMETERS, books, sound_books
from tests.core.tables import evaluate_book
from xmargin import _core, reference
from xmargin.reference import Book


def check(book: Book, parameters: str = PARAMETERS) -> None:
    expected = reference.evaluate(parameters, book)
    largest_error(book, evaluate_book(parameters, book), expected)


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
