import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from xmargin.errors import InvalidArgumentError
from xmargin.service.pages import PAGE_SIZE_MAX, page_size, read_token, write_token


@given(question=st.text(), position=st.text())
def test_a_token_gives_back_the_position_it_was_written_for(question: str, position: str) -> None:
    assert read_token(question, write_token(question, position)) == position


def test_no_token_is_the_first_page() -> None:
    assert read_token("portfolios 0", "") is None


TOKEN = write_token("portfolios 0", "p07-near-edge")


@given(at=st.integers(0, len(TOKEN) - 1), other=st.characters())
@example(at=33, other="R")  # the same bytes, for base64 leaves the last bits of a token unused
def test_a_token_with_any_one_character_changed_is_refused(at: int, other: str) -> None:
    assume(other != TOKEN[at])
    with pytest.raises(InvalidArgumentError) as refused:
        read_token("portfolios 0", TOKEN[:at] + other + TOKEN[at + 1 :])
    assert refused.value.field == "page_token"


@given(token=st.text(min_size=1))
def test_a_token_that_we_did_not_write_is_refused(token: str) -> None:
    with pytest.raises(InvalidArgumentError):
        read_token("portfolios 0", token)


def test_a_token_of_another_question_is_refused() -> None:
    with pytest.raises(InvalidArgumentError):
        read_token("portfolios 1", write_token("portfolios 0", "p07"))


def test_a_page_is_at_most_a_thousand() -> None:
    assert page_size(0) == 100
    assert page_size(PAGE_SIZE_MAX) == PAGE_SIZE_MAX
    with pytest.raises(InvalidArgumentError) as refused:
        page_size(PAGE_SIZE_MAX + 1)
    assert refused.value.field == "page_size"
