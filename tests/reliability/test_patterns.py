"""Every pattern of operators that lie or are dead: no lie below the threshold, no lost quorum."""

import itertools
import random
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence

import pytest

from tests.reliability.operators import Operators, operators, told
from xmargin.model import Condition
from xmargin.testbed.faults import Fault
from xmargin.testbed.world import Testbed

pytestmark = pytest.mark.chains

HONEST, LYING, DEAD = Fault.NONE, Fault.LIE, Fault.DROP
MIXED_SAMPLE = 20
# Of three, four and five operators so many must agree: half of them, more than half, all.
QUORUMS = [(3, 2), (3, 3), (4, 2), (4, 3), (5, 3)]

Pattern = Sequence[Fault]


@pytest.fixture
async def five(testbed: Testbed) -> AsyncIterator[Operators]:
    async with operators(testbed, 5) as them:
        yield them


def expected(pattern: Pattern, quorum: int) -> str:
    """What must come of it. Liars tell one and the same lie: the hardest case."""
    count = Counter(pattern)
    if count[HONEST] >= quorum > count[LYING]:
        return "truth"
    # With as many liars as the quorum there is no telling them from honest ones.
    return "lie" if count[LYING] >= quorum > count[HONEST] else "refused"


async def outcome(them: Operators, pattern: Pattern, quorum: int, truth: object) -> str:
    them.behave(*pattern)
    async with them.follow(len(pattern), quorum) as followed:
        await followed.until(lambda: bool(followed.heads or followed.statuses))
        if followed.heads:
            assert followed.status.condition is Condition.OK
            return "truth" if told(followed) == truth else "lie"
        assert followed.status.condition in {Condition.INVALID, Condition.UNREACHABLE}
        assert not followed.facts()
        return "refused"


async def try_all(them: Operators, patterns: Iterable[Pattern], quorum: int) -> Counter[str]:
    async with them.follow(1, 1) as alone:
        await alone.until(lambda: bool(alone.heads))
        truth = told(alone)
    seen: Counter[str] = Counter()
    for pattern in patterns:
        came = await outcome(them, pattern, quorum, truth)
        assert came == expected(pattern, quorum), (pattern, quorum)
        if Counter(pattern)[LYING] < quorum:
            assert came != "lie"
        seen[came] += 1
    return seen


@pytest.mark.parametrize(("count", "quorum"), QUORUMS)
async def test_every_pattern_of_honest_and_lying(five: Operators, count: int, quorum: int) -> None:
    patterns = list(itertools.product([HONEST, LYING], repeat=count))
    seen = await try_all(five, patterns, quorum)
    assert seen.total() == 2**count
    assert seen["truth"]


@pytest.mark.parametrize(("count", "quorum"), QUORUMS)
async def test_every_pattern_of_honest_and_dead(five: Operators, count: int, quorum: int) -> None:
    patterns = list(itertools.product([HONEST, DEAD], repeat=count))
    seen = await try_all(five, patterns, quorum)
    assert seen.total() == 2**count
    lost = sum(1 for pattern in patterns if Counter(pattern)[HONEST] < quorum)
    assert seen["refused"] == lost
    assert not seen["lie"]


@pytest.mark.parametrize(("count", "quorum"), [(3, 2), (4, 3), (5, 3)])
async def test_mixed_patterns(five: Operators, count: int, quorum: int) -> None:
    everything = list(itertools.product([HONEST, LYING, DEAD], repeat=count))
    chosen = random.Random(count).sample(everything, min(MIXED_SAMPLE, len(everything)))
    assert (await try_all(five, chosen, quorum)).total() == len(chosen)
