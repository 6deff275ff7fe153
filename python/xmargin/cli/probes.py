"""The doctor's probes: each endpoint alone reads one whole block with the reader that serves.

A cheap ping proves little: nodes answer it and then fail the call that matters. So nothing here
knows a chain's calls; what the reader needs is what is probed.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from xmargin.config import ChainConfig, Config, EndpointConfig
from xmargin.engine import history_use
from xmargin.engine.standings import INDEXED_KINDS
from xmargin.errors import XmarginError
from xmargin.model import (
    ACCOUNT_RECORD,
    AaveV3Account,
    AaveV3Reserve,
    BlockRef,
    ChainHead,
    ChainId,
    ChainKind,
    ChainStatus,
    Condition,
    FactorReturns,
    JudgedPrice,
    Observation,
    RiskParameters,
    TokenBalance,
    TokenState,
    VenueRecord,
    Verdict,
)
from xmargin.reading.base import ClockMs
from xmargin.service.intake import reader_plans
from xmargin.service.logs import redact_urls
from xmargin.service.opening import checked_parameters, checked_returns
from xmargin.snapshot import Snapshot, cut
from xmargin.world import World

_KINDS_WITH_HEADS = frozenset({ChainKind.EVM, ChainKind.SOLANA})
_READ_MS_SLOW = 3_000
_READS_PATIENCE = 4
_PATIENCE_S_MIN = 15.0
_LOOK_S = 0.05


class Grade(StrEnum):
    """How a check went."""

    OK = "ok"
    WARN = "warn"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Check:
    """One finding: about what, and what was found."""

    kind: str
    subject: str
    grade: Grade
    detail: str

    def document(self) -> dict[str, str]:
        """As JSON."""
        return {
            "kind": self.kind,
            "subject": self.subject,
            "grade": self.grade.value,
            "detail": self.detail,
        }


@dataclass(slots=True)
class _Probe:
    """What one endpoint gave when it was the only one."""

    chain: ChainConfig
    endpoint: EndpointConfig
    observations: list[Observation] = field(default_factory=list)
    read_ms: int = 0
    fault: str = ""
    head: BlockRef | None = None


async def examine(config: Config, clock_ms: ClockMs) -> list[Check]:
    """All checks of what ``config`` names, in its order; nothing is written anywhere.

    Raises:
        ParameterError: the risk parameters are wrong.
        ConfigError: no reader can be made of what the configuration names, or its returns are
            wrong.
    """
    parameters = checked_parameters(config)
    returns = checked_returns(config, parameters)
    reader_plans(config, clock_ms)
    probes = await asyncio.gather(
        *(
            _probe(config, chain, endpoint, clock_ms)
            for chain in config.chains
            for endpoint in chain.endpoints
        )
    )
    snapshot, world = _judged(config, parameters, probes, clock_ms)
    return [
        Check("parameters", parameters.name, Grade.OK, f"version {parameters.version}"),
        *_returns_checks(returns, parameters, clock_ms()),
        _tape_check(config.service.tape),
        *(_endpoint_check(probe, clock_ms()) for probe in probes),
        *await asyncio.gather(*(_stream_check(probe) for probe in probes)),
        *_feed_checks(snapshot),
        *_token_checks(config, world),
        *_account_checks(config, world),
    ]


# --- Endpoints -----------------------------------------------------------------------------------


async def _probe(
    config: Config, chain: ChainConfig, endpoint: EndpointConfig, clock_ms: ClockMs
) -> _Probe:
    """Read with this endpoint alone until a block is whole, a fault is told or patience ends."""
    alone = chain.model_copy(update={"endpoints": (endpoint,), "quorum": 1})
    (plan,) = reader_plans(config.model_copy(update={"chains": (alone,)}), clock_ms)
    probe = _Probe(alone, endpoint)
    decided = asyncio.Event()

    async def sink(batch: Sequence[Observation]) -> None:
        probe.observations += batch
        for observation in batch:
            match observation.fact:
                case ChainHead():
                    probe.head = observation.block
                    decided.set()
                case ChainStatus(condition=Condition.UNREACHABLE | Condition.INVALID) as status:
                    probe.fault = status.reason
                    decided.set()

    patience_s = max(_PATIENCE_S_MIN, _READS_PATIENCE * chain.request_timeout_ms / 1_000)
    started_s = time.monotonic()
    reading = asyncio.create_task(plan.make().run(sink))
    waiting = asyncio.create_task(decided.wait())
    await asyncio.wait({reading, waiting}, timeout=patience_s, return_when=asyncio.FIRST_COMPLETED)
    probe.read_ms = round((time.monotonic() - started_s) * 1_000)
    if not decided.is_set():
        probe.fault = f"no whole block within {patience_s:g} s"
    for task in (reading, waiting):
        task.cancel()
    outcome, _ = await asyncio.gather(reading, waiting, return_exceptions=True)
    if isinstance(outcome, Exception):
        probe.fault = redact_urls(f"{type(outcome).__name__}: {outcome}")
    return probe


def _endpoint_check(probe: _Probe, now_ms: int) -> Check:
    subject = f"{probe.chain.name} {probe.endpoint.redacted}"
    head = probe.head
    if head is None:
        return Check("endpoint", subject, Grade.BAD, probe.fault)
    age_ms = now_ms - 1_000 * head.time_s
    detail = f"read block {head.height:,} whole in {probe.read_ms:,} ms; it is {age_ms:,} ms old"
    if age_ms > probe.chain.head_age_ms_max:
        bound = f"; head_age_ms_max is {probe.chain.head_age_ms_max:,}: it lags"
        return Check("endpoint", subject, Grade.BAD, detail + bound)
    slow = probe.read_ms > _READ_MS_SLOW
    return Check("endpoint", subject, Grade.WARN if slow else Grade.OK, detail)


async def _stream_check(probe: _Probe) -> Check:
    """Whether the endpoint's WebSocket tells of new heads."""
    subject = f"{probe.chain.name} {probe.endpoint.label}"
    if probe.chain.kind not in _KINDS_WITH_HEADS:
        own = f"kind {probe.chain.kind} looks by itself, every {probe.chain.poll_ms:,} ms"
        return Check("heads", subject, Grade.OK, own)
    if probe.endpoint.ws_url is None:
        poll = f"no ws is set: heads are polled every {probe.chain.poll_ms:,} ms"
        return Check("heads", subject, Grade.WARN, poll)
    if probe.head is None:
        return Check("heads", subject, Grade.BAD, "not probed: the endpoint reads no block")
    started_s = time.monotonic()
    try:
        async with asyncio.timeout(_PATIENCE_S_MIN):
            await _subscribed(probe.chain, probe.endpoint)
    except TimeoutError:
        detail = f"the WebSocket told no head within {_PATIENCE_S_MIN:g} s; heads are polled"
        return Check("heads", subject, Grade.WARN, detail)
    except XmarginError as error:
        return Check("heads", subject, Grade.BAD, redact_urls(error.message))
    waited_ms = round((time.monotonic() - started_s) * 1_000)
    return Check("heads", subject, Grade.OK, f"the WebSocket subscribed within {waited_ms:,} ms")


async def _subscribed(chain: ChainConfig, endpoint: EndpointConfig) -> None:
    """Return once the WebSocket is subscribed to the chain's heads.

    Raises:
        EndpointError: it is of another chain, or its endpoint fails.
    """
    async with _watching(chain, endpoint) as watch:
        while not watch.listening:  # noqa: ASYNC110 - the watch has no event for it
            await asyncio.sleep(_LOOK_S)


class _Watch(Protocol):
    @property
    def listening(self) -> bool: ...


@asynccontextmanager
async def _watching(chain: ChainConfig, endpoint: EndpointConfig) -> AsyncIterator[_Watch]:
    if chain.kind is ChainKind.EVM:
        from xmargin.chains.evm.endpoint import EvmEndpoint
        from xmargin.chains.evm.heads import HeadWatch

        async with (
            EvmEndpoint(chain, endpoint) as evm,
            HeadWatch(chain, evm, endpoint.ws_url) as heads,
        ):
            yield heads
        return
    from xmargin.chains.solana.endpoint import SolanaEndpoint
    from xmargin.chains.solana.slots import SlotWatch

    async with (
        SolanaEndpoint(chain, endpoint) as solana,
        SlotWatch(chain, solana, endpoint.ws_url, ()) as slots,
    ):
        yield slots


def _returns_checks(
    returns: FactorReturns, parameters: RiskParameters, now_ms: int
) -> Iterable[Check]:
    if returns.days:
        doubts = history_use(parameters, returns).doubts(now_ms)
        names = ", ".join(one.asset for one in returns.assets)
        detail = "; ".join(doubts) or f"{len(returns.days):,} days of {names}"
        yield Check("returns", returns.source, Grade.WARN if doubts else Grade.OK, detail)


# --- What was read -------------------------------------------------------------------------------


def _judged(
    config: Config, parameters: RiskParameters, probes: Iterable[_Probe], clock_ms: ClockMs
) -> tuple[Snapshot, World]:
    """The snapshot of what the first whole endpoint of each chain gave, judged now."""
    now_ms = clock_ms()
    world = World()
    opening = [Observation(config.registry(), now_ms), Observation(parameters, now_ms)]
    told: set[ChainId] = set()
    for probe in probes:
        if probe.head is not None and probe.chain.id not in told:
            told.add(probe.chain.id)
            opening += probe.observations
    for observation in opening:
        world.apply(observation)
    return cut(world), world


def _feed_checks(snapshot: Snapshot) -> Iterable[Check]:
    for price in snapshot.prices.values():
        for quote in price.quotes:
            detail = f"{quote.price:,f} {quote.quote}, {quote.price_age_ms:,} ms old"
            if quote.verdict is not Verdict.OK:
                detail = f"{quote.verdict}: {'; '.join(quote.reasons)}"
            yield Check("feed", f"{quote.base} {quote.feed}", _grade_of(quote.verdict), detail)
        if price.verdict in (Verdict.HOLD, Verdict.HAIRCUT):
            yield _price_check(price)


def _price_check(price: JudgedPrice) -> Check:
    detail = f"{price.verdict}: {'; '.join(price.reasons)}"
    return Check("price", price.base, _grade_of(price.verdict), detail)


def _grade_of(verdict: Verdict) -> Grade:
    match verdict:
        case Verdict.OK:
            return Grade.OK
        case Verdict.FLAG | Verdict.HAIRCUT:
            return Grade.WARN
    return Grade.BAD


def _token_checks(config: Config, world: World) -> Iterable[Check]:
    states = world.facts("token")
    for token in config.tokens:
        state = states.get(("token", token.id))
        subject = f"{token.symbol} {token.id}"
        if not isinstance(state, TokenState):
            yield Check("token", subject, Grade.BAD, "was not read")
        elif state.fault:
            yield Check("token", subject, Grade.BAD, state.fault)
        else:
            detail = f"says {state.symbol or 'no symbol'}, {state.decimals} decimals"
            yield Check("token", subject, Grade.OK, detail)


def _account_checks(config: Config, world: World) -> Iterable[Check]:
    """Venues by what was read of them, and every account that could not be read."""
    reserves = [f for f in world.facts("aave-v3-reserve").values() if isinstance(f, AaveV3Reserve)]
    records = [f for f in world.facts("venue-record").values() if isinstance(f, VenueRecord)]
    for venue in config.venues:
        if venue.kind in INDEXED_KINDS:
            count = sum(reserve.venue == venue.id for reserve in reserves)
            grade = Grade.OK if count else Grade.BAD
            yield Check("venue", venue.id, grade, f"{count} reserves read")
        elif venue.kind != "wallet":
            count = sum(one.venue == venue.id and not one.fault for one in records)
            grade = Grade.OK if count else Grade.BAD
            yield Check("venue", venue.id, grade, f"{count} accounts and markets read")
    for fact in (*world.facts("aave-v3-account").values(), *world.facts("balance").values()):
        match fact:
            case AaveV3Account(account=account, fault=fault) if fault:
                yield Check("account", account, Grade.BAD, fault)
            case TokenBalance(account=account, token=token, fault=fault) if fault:
                yield Check("account", account, Grade.BAD, f"{token}: {fault}")
    for one in records:
        if one.fault:
            is_account = one.record == ACCOUNT_RECORD
            kind, subject = (
                ("account", one.key) if is_account else ("venue", f"{one.venue} {one.key}")
            )
            yield Check(kind, subject, Grade.BAD, one.fault)
    accounts = sum(one.record == ACCOUNT_RECORD for one in records)
    read = len(world.facts("aave-v3-account")) + len(world.facts("balance")) + accounts
    yield Check("accounts", "all", Grade.OK, f"{read:,} balances and venue accounts read")


# --- This machine --------------------------------------------------------------------------------


def _tape_check(tape: Path) -> Check:
    nearest = tape if tape.exists() else next(p for p in tape.absolute().parents if p.exists())
    if os.access(nearest, os.W_OK):
        return Check("tape", str(tape), Grade.OK, "can be written")
    detail = f"cannot be written: no right to write {nearest}; grant it or set service.tape"
    return Check("tape", str(tape), Grade.BAD, detail)
