"""Damaged accounts by the ten thousand: facts, or a reason, and nothing else."""

import random
from dataclasses import replace

import pytest

from tests.solana_venues.placed import Placed, drift_accounts, kamino_accounts, marginfi_accounts
from xmargin.errors import DecodeError

SEED = 20_261_121
INPUTS = 30_000


def damaged(data: bytes, other: bytes, dice: random.Random) -> bytes:
    """Bits flipped, cut off, extended, replaced with or without the head, or mixed with another."""
    at = dice.randrange(len(data))
    match dice.randrange(6):
        case 0:
            bits = int.from_bytes(data, "little")
            for _ in range(dice.randrange(1, 9)):
                bits ^= 1 << dice.randrange(len(data) * 8)
            return bits.to_bytes(len(data), "little")
        case 1:
            return data[:at]
        case 2:
            return data + dice.randbytes(dice.randrange(1, 200))
        case 3:
            return dice.randbytes(len(data))
        case 4:
            return data[:8] + dice.randbytes(len(data) - 8)
        case _:
            return (data[:at] + other[at:])[: len(data)]


def outcome(placed: Placed, data: bytes) -> str:
    account, decode = placed
    try:
        fact = decode(replace(account, data=data))
    except DecodeError:
        return "refused"
    return "refused" if getattr(fact, "fault", "") else "decoded"


def test_no_damage_crashes_a_decoder() -> None:
    dice = random.Random(SEED)
    placed = [*drift_accounts(), *marginfi_accounts(), *kamino_accounts()]
    assert [outcome(one, one[0].data) for one in placed].count("decoded") >= len(placed) - 20
    outcomes = []
    for _ in range(INPUTS):
        (one, (other, _)) = (dice.choice(placed), dice.choice(placed))
        outcomes.append(outcome(one, damaged(one[0].data, other.data, dice)))
    assert outcomes.count("refused") > INPUTS / 2


@pytest.mark.parametrize("length", [0, 1, 7, 8, 9, 100_000])
def test_any_length_is_refused(length: int) -> None:
    for one in (drift_accounts()[0], marginfi_accounts()[0], kamino_accounts()[0]):
        data = (one[0].data * (length // len(one[0].data) + 1))[:length]
        assert outcome(one, data) == "refused"
