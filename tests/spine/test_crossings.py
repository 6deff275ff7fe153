"""Crossings, one after the other, come to what every view says: over any tape."""

from collections.abc import Iterator
from dataclasses import replace
from random import Random
from types import MappingProxyType

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.spine.lending_tapes import REGISTRY, Market
from tests.spine.test_venue_watch import PARAMETERS, snapshots
from xmargin.crossings import CrossingLog
from xmargin.engine import Engine, VenueWatch
from xmargin.model import Crossing, HealthStatus, Observation, Registry
from xmargin.view import View

Subject = tuple[str, str]


def statuses_of(view: View) -> dict[Subject, HealthStatus]:
    """Of portfolios, and of each one's venue accounts."""
    found = {
        (one, ""): status for one, status in zip(view.portfolio_ids, view.statuses, strict=True)
    }
    return found | {(one, health.account): health.status for one, health in view.venue_accounts()}


def another_registry(random: Random) -> Registry:
    """Some portfolios leave; sometimes accounts pass from one to another."""
    specs = [spec for spec in REGISTRY.portfolios if random.random() < 0.8]
    if random.random() < 0.5:
        accounts = [account for spec in specs for account in spec.accounts]
        random.shuffle(accounts)
        pairs = zip(specs, accounts, strict=True)
        specs = [replace(spec, accounts=(account,)) for spec, account in pairs]
    return replace(REGISTRY, portfolios=tuple(specs))


def tape(seed: int, length: int) -> Iterator[Observation]:
    random = Random(seed)
    for number, observation in enumerate(Market(Random(seed)).tape(length, PARAMETERS)):
        yield observation
        if number > 5 and random.random() < 0.04:
            yield Observation(another_registry(random), observation.observed_at_ms)


def follow(seed: int, length: int) -> Iterator[Crossing]:
    """Take each crossing on what was told before, and compare with every view."""
    engine, watch, log = Engine(), VenueWatch(), CrossingLog()
    told: dict[Subject, HealthStatus] = {}
    newest = 0
    for number, snapshot in enumerate(snapshots(tape(seed, length))):
        view = View(snapshot, engine.evaluate(snapshot), number, "")
        log.follow(view, watch.advance(snapshot))
        stands = MappingProxyType(statuses_of(view))
        told = told if number else dict(stands)
        news, newest = log.after(newest), log.newest
        assert news is not None
        for crossing in news:
            subject = crossing.portfolio, crossing.account
            assert told.get(subject) is crossing.before is not crossing.after
            assert crossing.cause
            told[subject] = crossing.after
            yield crossing
        told = {subject: status for subject, status in told.items() if subject in stands}
        assert told == stands


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**9))
def test_crossings_come_to_what_every_view_of_any_tape_says(seed: int) -> None:
    list(follow(seed, 25))


def test_such_tapes_bring_about_every_change_between_sound_and_due() -> None:
    changes = {(one.before, one.after) for seed in range(6) for one in follow(seed, 40)}
    sound = {HealthStatus.HEALTHY, HealthStatus.NO_DEBT, HealthStatus.LIQUIDATABLE}
    assert {(one, other) for one in sound for other in sound if one is not other} <= changes
