"""Insurance fund, auto-deleveraging and social loss: against the reference, to the last unit."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xmargin.engine.waterfall import BankruptPosition, Loss, OpenPosition, absorb_loss
from xmargin.errors import EngineError, ParameterError
from xmargin.reference import waterfall as reference


@st.composite
def losses(draw: st.DrawFn) -> Loss:
    """Few instruments and priorities, so that sides, ties and shortages of size all come up."""
    random = Random(draw(st.integers(0, 2**32)))
    accounts = random.randint(0, 5)
    deficit = random.choice([0, 1, random.randrange(10**9)])
    bankrupt, left = [], deficit
    for _ in range(random.randint(0, 3)):
        share = random.randint(0, left)
        left -= share
        size = random.choice([0, random.randrange(1, 1000)])
        bankrupt.append(
            BankruptPosition(random.randint(0, 2), 0, random.random() < 0.5, size, 0, share)
        )
    others = tuple(
        OpenPosition(
            random.randint(0, 2),
            random.randrange(accounts),
            random.random() < 0.5,
            random.randrange(500),
            random.randint(0, 2),
        )
        for _ in range(random.randint(0, 8) if accounts else 0)
    )
    weights = tuple(random.choice([0, 1, random.randrange(10**6)]) for _ in range(accounts))
    fund = random.choice([0, deficit // 3, deficit, 2 * deficit])
    return Loss(deficit, fund, tuple(bankrupt), others, weights)


def signed(position: OpenPosition) -> reference.Position:
    size = position.size if position.is_long else -position.size
    return reference.Position(position.instrument, position.account, size, position.priority)


# waterfall-1
@given(losses())
@settings(max_examples=400, deadline=None)
def test_every_unit_of_a_loss_is_borne_once(loss: Loss) -> None:
    absorbed = absorb_loss(loss)
    parts = absorbed.by_fund, absorbed.by_price, sum(absorbed.by_weight), absorbed.unborne
    assert sum(parts) == loss.deficit
    assert absorbed.by_fund == min(loss.fund, loss.deficit)
    assert not absorbed.unborne or not any(loss.weights)


# waterfall-2
@given(losses())
@settings(max_examples=400, deadline=None)
def test_positions_and_shares_are_those_of_the_reference(loss: Loss) -> None:
    absorbed = absorb_loss(loss)
    social = sum(absorbed.by_weight)
    assert list(absorbed.by_weight) == reference.shared(social, loss.weights)
    if loss.fund >= loss.deficit:
        assert absorbed.offsets == ()
        return
    expected = reference.deleveraged(
        [signed(p) for p in loss.bankrupt], [signed(p) for p in loss.counterparties]
    )
    assert [(o.bankrupt, o.counterparty, o.size) for o in absorbed.offsets] == expected


# waterfall-3
@given(losses())
@settings(max_examples=300, deadline=None)
def test_only_the_other_side_of_the_same_instrument_is_closed_and_never_beyond_its_size(
    loss: Loss,
) -> None:
    closed = [0] * len(loss.counterparties)
    for offset in absorb_loss(loss).offsets:
        ours, other = loss.bankrupt[offset.bankrupt], loss.counterparties[offset.counterparty]
        assert ours.instrument == other.instrument
        assert ours.is_long != other.is_long
        closed[offset.counterparty] += offset.size
    for size, position in zip(closed, loss.counterparties, strict=True):
        assert size <= position.size


def test_higher_priority_goes_first_and_equals_by_account() -> None:
    others = (
        OpenPosition(0, 2, False, 4, 1),
        OpenPosition(0, 1, False, 4, 1),
        OpenPosition(0, 0, False, 4, 9),
        OpenPosition(1, 0, False, 4, 9),
    )
    loss = Loss(100, 10, (BankruptPosition(0, 0, True, 10, 0, 100),), others, (1, 1, 1))
    absorbed = absorb_loss(loss)
    assert [(o.counterparty, o.size) for o in absorbed.offsets] == [(2, 4), (1, 4), (0, 2)]
    assert (absorbed.by_fund, absorbed.by_price, absorbed.unborne) == (10, 90, 0)


def test_shares_above_the_deficit_and_unknown_accounts_are_refused() -> None:
    with pytest.raises(EngineError, match="shares"):
        absorb_loss(Loss(5, 0, (BankruptPosition(0, 0, True, 1, 0, 6),), (), ()))
    with pytest.raises(ParameterError, match=r"counterparties\[0\]\.account"):
        absorb_loss(Loss(5, 0, (), (OpenPosition(0, 3, True, 1),), (1,)))
