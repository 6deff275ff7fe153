"""Factor returns on the spine: on the tape, in the hash, in what binds, flagged when doubtful."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from random import Random

import pytest

from tests.spine.examples import REGISTRY, START_S, block, block_facts, committed
from xmargin.errors import ObservationError
from xmargin.model import (
    AssetReturns,
    ClockTick,
    FactorReturns,
    HealthStatus,
    Observation,
    PortfolioHealth,
    RiskParameters,
    Verdict,
)
from xmargin.params import load_parameters, parse_parameters
from xmargin.spine import Spine, replay
from xmargin.tape import read_tape
from xmargin.tape.codec import decode, encode, from_json, to_json
from xmargin.view import View
from xmargin.world import World

PARAMETERS = load_parameters("unified-v1")
TODAY = START_S // 86_400
DEBT = 1_500 * 10**6
WORST = 300
"""The row of the day on which ETH fell most."""


def returns(
    *assets: str, fall: str = "-0.6", last_day: int = TODAY - 1, days: int = 400
) -> FactorReturns:
    random = Random(7)
    columns = []
    for asset in assets:
        scale = 0.0002 if asset == "USDC" else 0.02
        column = [Decimal(f"{random.gauss(0, scale):.8f}") for _ in range(days)]
        if asset == "ETH" and days > WORST + 10:
            column[WORST : WORST + 10] = [Decimal(fall)] * 10
            column[WORST] -= Decimal("0.01")
        columns.append(AssetReturns(asset, tuple(column)))
    return FactorReturns(
        "mine.csv", tuple(range(last_day - days + 1, last_day + 1)), tuple(columns)
    )


async def view_with(
    tape: Path,
    returns: FactorReturns = FactorReturns(),  # noqa: B008 - immutable
    parameters: RiskParameters = PARAMETERS,
) -> View:
    spine = await Spine.open(tape, REGISTRY, parameters, lambda: START_S * 1000, returns=returns)
    try:
        await spine.ingest(committed(block_facts(7, debt=DEBT), block(7)))
        view = spine.view
        assert view is not None
        return view
    finally:
        await spine.close()


def losses(health: PortfolioHealth) -> dict[str, Decimal]:
    return {loss.name: loss.maintenance for loss in health.scenario_losses}


def returns_flags(flags: Sequence[str]) -> list[str]:
    return [flag for flag in flags if "returns" in flag]


async def test_without_returns_the_grid_stands_alone_and_says_so(tmp_path: Path) -> None:
    view = await view_with(tmp_path / "a.tape")
    health = view.health("alice")
    assert health.scenario_note == "grid only: no factor returns are configured"
    assert losses(health) == {"grid": health.components[0].maintenance}
    assert not returns_flags(health.flags)
    assert not returns_flags(view.metadata.flags)


async def test_the_worse_of_grid_and_history_binds_and_is_named(tmp_path: Path) -> None:
    wild = await view_with(tmp_path / "a.tape", returns("ETH", "USDC"))
    mild = await view_with(tmp_path / "b.tape", returns("ETH", "USDC", fall="-0.01"))
    worse, better = wild.health("alice"), mild.health("alice")
    day = "2026-10-07"
    assert worse.worst_scenario == f"historical ES, 97.5 %, worst day {day}"
    assert worse.components[0].maintenance == losses(worse)["historical_es"]
    assert losses(worse)["historical_es"] > losses(worse)["grid"] == losses(better)["grid"]
    assert better.components[0].maintenance == losses(better)["grid"]
    assert better.worst_scenario.startswith("crypto -3/3")
    assert (worse.scenario_note, returns_flags(worse.flags)) == ("", [])


async def test_a_summary_names_the_tail_as_the_full_health_does(tmp_path: Path) -> None:
    view = await view_with(tmp_path / "a.tape", returns("ETH", "USDC"))
    (raw,) = view.summaries(["alice"])
    assert view.health("alice").worst_scenario.encode() in raw


async def test_components_and_contributions_sum_to_what_the_history_asks(tmp_path: Path) -> None:
    health = (await view_with(tmp_path / "a.tape", returns("ETH", "USDC"))).health("alice")
    for kind in ("maintenance", "initial"):
        required = getattr(health, f"{kind}_margin")
        of_components = sum(getattr(one, kind) for one in health.components)
        of_positions = sum(getattr(one, f"{kind}_contribution") for one in health.positions)
        assert float(of_components) == pytest.approx(float(required), rel=1e-12)
        assert float(of_positions) == pytest.approx(float(required), rel=1e-12)


async def test_an_asset_without_returns_is_charged_at_the_grid_and_flagged(tmp_path: Path) -> None:
    whole = (await view_with(tmp_path / "a.tape", returns("ETH", "USDC"))).health("alice")
    view = await view_with(tmp_path / "b.tape", returns("ETH"))
    health = view.health("alice")
    flag = "no factor returns of USDC: charged at the grid's deepest move, on top"
    assert flag in health.flags
    assert flag in view.metadata.flags
    assert (health.scenario_note, health.verdict) == (flag, Verdict.FLAG)
    assert losses(health)["historical_es"] > losses(whole)["historical_es"]
    assert view.health("bob").status is HealthStatus.NO_DEBT
    assert flag not in view.health("bob").flags, "nothing is owed: nothing rests on it"


@pytest.mark.parametrize(
    ("given", "flag"),
    [
        (returns("ETH", "USDC", last_day=TODAY - 8), "the newest factor returns are 8 days old"),
        (returns("ETH", "USDC", last_day=TODAY + 2), "are dated 2 days ahead of our clock"),
        (
            replace(returns("ETH", "USDC"), days=(TODAY - 999, *returns("ETH", "USDC").days[1:])),
            "one of the factor returns spans 600 days; the bound is 3",
        ),
    ],
)
async def test_doubtful_returns_go_on_counting_and_are_flagged(
    tmp_path: Path, given: FactorReturns, flag: str
) -> None:
    """To leave them out could only lower a requirement."""
    view = await view_with(tmp_path / "a.tape", given)
    health = view.health("alice")
    assert any(flag in one for one in health.flags)
    assert any(flag in one for one in view.metadata.flags)
    assert health.verdict is Verdict.FLAG
    assert "historical_es" in losses(health)


async def test_returns_grow_old_as_the_clock_moves(tmp_path: Path) -> None:
    spine = await Spine.open(
        tmp_path / "a.tape",
        REGISTRY,
        PARAMETERS,
        lambda: START_S * 1000,
        returns=returns("ETH", "USDC", last_day=TODAY - 7),
    )
    try:
        await spine.ingest(committed(block_facts(7, debt=DEBT), block(7)))
        before = spine.view
        await spine.ingest([Observation(ClockTick(), (START_S + 86_400) * 1000)])
        after = spine.view
    finally:
        await spine.close()
    assert before is not None
    assert after is not None
    assert not returns_flags(before.metadata.flags)
    assert returns_flags(after.metadata.flags)
    assert "alice" in after.changed_since(before)


async def test_returns_that_cannot_be_used_leave_the_grid_and_a_flag(tmp_path: Path) -> None:
    """No configuration is let through with them; a tape from elsewhere may hold them."""
    view = await view_with(tmp_path / "a.tape", returns("ETH", "USDC", days=90))
    (flag,) = returns_flags(view.metadata.flags)
    assert flag.startswith("grid only: the factor returns cannot be used: returns.day: 90 days")
    assert view.health("alice").scenario_note == flag
    assert flag in view.health("alice").flags


async def test_parameters_without_the_section_say_that_returns_are_not_used(tmp_path: Path) -> None:
    old = PARAMETERS.content.replace('"historical_es":', '"historical_e_s":')
    start, end = old.index('"historical_e_s":'), old.index('"liquidity":')
    parameters = parse_parameters(old[:start] + old[end:])
    view = await view_with(tmp_path / "a.tape", returns("ETH", "USDC"), parameters=parameters)
    grid = await view_with(tmp_path / "b.tape", parameters=parameters)
    assert any("does not ask for historical_es" in flag for flag in view.metadata.flags)
    numbers = ("maintenance_margin", "initial_margin", "worst_scenario", "scenario_losses")
    for name in numbers:
        assert getattr(view.health("alice"), name) == getattr(grid.health("alice"), name)


async def test_a_tape_with_returns_replays_to_the_bit(tmp_path: Path) -> None:
    tape = tmp_path / "a.tape"
    served = await view_with(tape, returns("ETH", "USDC"))
    *_, last = replay(tape)
    assert last.sha256 == served.sha256
    without = await view_with(tmp_path / "b.tape")
    assert without.metadata.snapshot_hash != served.metadata.snapshot_hash


async def test_returns_hold_no_longer_than_they_are_configured(tmp_path: Path) -> None:
    tape = tmp_path / "a.tape"
    await view_with(tape, returns("ETH", "USDC"))
    again = await view_with(tape, returns("ETH", "USDC"))
    told = [o for o, _ in read_tape(tape) if isinstance(o.fact, FactorReturns)]
    assert len(told) == 1, "what is known is not told again"
    gone = await view_with(tape)
    assert "historical_es" in losses(again.health("alice"))
    assert "historical_es" not in losses(gone.health("alice"))


def test_returns_survive_the_wire_both_ways() -> None:
    observation = Observation(returns("ETH", "USDC"), START_S * 1000)
    assert decode(encode(observation)) == observation
    assert from_json(to_json(observation)) == observation


_GOOD = returns("ETH", "USDC", days=3)
_ETH, _USDC = _GOOD.assets


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        (replace(_GOOD, days=_GOOD.days[::-1]), "its days do not ascend"),
        (replace(_GOOD, days=(1, 2, 2)), "its days do not ascend"),
        (replace(_GOOD, days=(1, 2, 10**6)), "within 100,000"),
        (replace(_GOOD, days=()), "days without assets, or assets without days"),
        (replace(_GOOD, assets=(_USDC, _ETH)), "not in order of name"),
        (replace(_GOOD, assets=(_ETH, _ETH)), "not in order of name"),
        (replace(_GOOD, assets=(replace(_ETH, log_returns=()),)), "ETH has 0 returns over 3 days"),
        (
            replace(_GOOD, assets=(replace(_ETH, log_returns=(Decimal("NaN"),) * 3),)),
            "a return of ETH is NaN",
        ),
        (
            replace(_GOOD, assets=(replace(_ETH, log_returns=(Decimal("1e-99999"),) * 3),)),
            "99999 decimals",
        ),
        (FactorReturns("x", tuple(range(10_001)), (_ETH,)), "at most 256 over 10,000"),
    ],
)
def test_returns_that_contradict_themselves_are_refused(wrong: FactorReturns, problem: str) -> None:
    with pytest.raises(ObservationError, match=f"FactorReturns: .*{problem}"):
        World().check([Observation(wrong, START_S * 1000)])
