"""Hours of seeded faults over a recorded chain, each told head held against the honest truth."""

import asyncio
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tests.evm.harness import CHAIN
from xmargin.chains.evm.endpoint import EvmEndpoint
from xmargin.chains.evm.multicall import Multicall
from xmargin.config import ChainConfig, EndpointConfig
from xmargin.engine import Engine
from xmargin.model import (
    BlockRef,
    ChainHead,
    ClockTick,
    Fact,
    Observation,
    PortfolioHealth,
    Registry,
    Verdict,
)
from xmargin.params import load_parameters
from xmargin.reading.evm import EvmReader
from xmargin.reading.evm_state import EvmState
from xmargin.reads import EvmCall
from xmargin.snapshot import Snapshot, cut
from xmargin.testbed.faults import DroppedError, Fault, FaultyEndpoint, Schedule, ServerError
from xmargin.testbed.faults_evm import EvmDeceit, Lie
from xmargin.testbed.recorded import RecordedChain
from xmargin.venues.base import EvmAccess
from xmargin.view import View
from xmargin.world import Key, World, key_of

HEAD_AGE_MS_MAX = 360_000
TICK_S = 60.0
POLL_MS = 30_000
FAULTY_SHARE = 0.2
PERIOD_S = 150.0
DELAYS_S = (0.0, 0.0, 0.0, 0.5, 3.0, 8.0)
# So many operators, of which so many must agree and so many lie, all the same.
Shape = tuple[int, int, int]
SHAPES: tuple[Shape, ...] = ((3, 2, 1), (4, 3, 2), (5, 3, 2))

FAILS = (
    Fault.HANG,
    Fault.DROP,
    Fault.HTTP_500,
    Fault.TRUNCATE,
    Fault.OTHER_CHAIN,
    Fault.LAG,
    Fault.REPLAY,
)
LIES = (Fault.LIE, Fault.LIE, Fault.LIE, Fault.FORK, Fault.HIDE)

PARAMETERS = load_parameters("unified-v1")


class InProcessEndpoint(EvmEndpoint):
    """The endpoint as it is, but that its bytes do not go through a socket."""

    def __init__(
        self, chain: ChainConfig, endpoint: EndpointConfig, faulty: FaultyEndpoint
    ) -> None:
        super().__init__(chain, endpoint)
        self._faulty = faulty

    async def connect(self) -> None:
        await self.check_chain()

    async def _post_raw(self, body: bytes) -> bytes:
        try:
            async with asyncio.timeout(self._timeout_ms / 1000):
                return await self._faulty.answer(body)
        except DroppedError:
            raise self.fault("the connection broke") from None
        except ServerError:
            raise self.fault("HTTP 500") from None


def chain_config(operators: int, quorum: int) -> ChainConfig:
    rows = [
        {"label": name, "http": f"http://{name}.invalid", "operator": name}
        for name in "abcdefgh"[:operators]
    ]
    return ChainConfig.model_validate(
        {
            "id": CHAIN,
            "name": "recorded",
            "kind": "evm",
            "endpoints": rows,
            "quorum": quorum,
            "head_age_ms_max": HEAD_AGE_MS_MAX,
            "poll_ms": POLL_MS,
        }
    )


# --- Truth ----------------------------------------------------------------------------------------


@dataclass(slots=True)
class Truth:
    """What an honest node says of each recorded block, all of it read anew there."""

    registry: Registry
    facts: dict[str, Mapping[Key, Fact]] = field(default_factory=dict)
    healths: dict[str, Mapping[str, PortfolioHealth]] = field(default_factory=dict)
    prices: dict[str, Mapping[str, Any]] = field(default_factory=dict)


async def read_truth(chain: RecordedChain, registry: Registry) -> Truth:
    """Every block by itself, with the readers' own decoders and no memory of the one before."""
    config, truth = chain_config(1, 1), Truth(registry)
    honest = FaultyEndpoint(chain.answer)
    engine = Engine()
    async with InProcessEndpoint(config, config.endpoints[0], honest) as endpoint:
        for header, time_s in zip(chain.headers, chain.times_s, strict=True):
            block = BlockRef(
                int(header["number"], 16), header["hash"], header["parentHash"], time_s
            )
            multicall = Multicall(config.multicall3, config.calls_per_batch_max)

            async def call(
                calls: Sequence[EvmCall], at: str = block.hash, one: Any = multicall
            ) -> Any:
                return await one.read(endpoint, at, calls)

            access = EvmAccess(call, config.multicall3)
            state = EvmState(CHAIN, registry)
            await state.discover(access)
            facts, _ = await state.read_all(access)
            truth.facts[block.hash] = {key_of(fact): fact for fact in facts}  # type: ignore[arg-type]
            world = opened(registry, 1000 * time_s)
            for fact in (*facts, ChainHead(0, 0)):
                world.apply(Observation(fact, 1000 * time_s, CHAIN, block))
            snapshot = cut(world)
            truth.prices[block.hash] = {base: p.mark for base, p in snapshot.prices.items()}
            truth.healths[block.hash] = healths(snapshot, engine)
    return truth


def opened(registry: Registry, now_ms: int) -> World:
    world = World()
    for fact in (registry, PARAMETERS):
        world.apply(Observation(fact, now_ms))
    return world


def healths(snapshot: Snapshot, engine: Engine) -> Mapping[str, PortfolioHealth]:
    view = View(snapshot, engine.evaluate(snapshot), 0, "")
    return {portfolio: view.health(portfolio) for portfolio in view.portfolio_ids}


# --- Episodes -------------------------------------------------------------------------------------


@dataclass(slots=True)
class Tally:
    """What came of the hours played."""

    hours: float = 0.0
    heads: int = 0
    healths: int = 0
    prices: int = 0
    minutes: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    dissenters_named: int = 0
    wrong: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"{self.hours:,.0f} simulated hours: {self.heads:,} heads told; {self.prices:,} "
            f"unflagged prices and {self.healths:,} unflagged health values compared, "
            f"{len(self.wrong)} wrong; "
            f"minutes by condition {dict(self.minutes)}, a liar named in "
            f"{self.dissenters_named:,} of them; faults in force {dict(self.faults)}"
        )


class Episode:
    """One stretch of the recording, read through operators of which fewer than the quorum lie."""

    def __init__(
        self,
        chain: RecordedChain,
        truth: Truth,
        lies: tuple[Lie, ...],
        seed: int,
        shape: Shape | None = None,
    ) -> None:
        self.operators, quorum, lying = shape or SHAPES[seed % len(SHAPES)]
        self.config = chain_config(self.operators, quorum)
        self._chain, self._truth, self.seed = chain, truth, seed
        draw = random.Random(seed)
        liars = set(draw.sample(range(self.operators), lying))
        self._faulty = [
            FaultyEndpoint(
                chain.answer,
                other_chain=_another_chain,
                deceit=EvmDeceit(lies, depth=draw.randint(1, 6), seed=str(seed)),
            )
            for _ in range(self.operators)
        ]
        # Liars tell the same lie at the same time: the most that fewer than the quorum can do.
        self._schedules = [
            Schedule(f"{seed} liars", (*LIES, *FAILS), 2 * FAULTY_SHARE, PERIOD_S)
            if index in liars
            else Schedule(f"{seed} {index}", FAILS, FAULTY_SHARE, PERIOD_S)
            for index in range(self.operators)
        ]
        self._began_s = chain.times_s[0]
        self.world = opened(truth.registry, 1000 * self._began_s)
        self._engine = Engine()

    def now_s(self) -> float:
        return self._began_s + asyncio.get_running_loop().time()

    async def play(self, tally: Tally) -> None:
        """From the first recorded block to the last."""
        self._chain.now_s = self.now_s
        self._tally = tally
        by_label = {e.label: f for e, f in zip(self.config.endpoints, self._faulty, strict=True)}
        reader = EvmReader(
            self.config,
            self._truth.registry,
            lambda: int(1000 * self.now_s()),
            lambda chain, one: InProcessEndpoint(chain, one, by_label[one.label]),
        )
        tasks = [
            asyncio.create_task(one) for one in (reader.run(self.sink), self._misbehave(tally))
        ]
        length_s = self._chain.times_s[-1] - self._began_s
        try:
            for _ in range(int(length_s // TICK_S)):
                await asyncio.sleep(TICK_S)
                await self.sink([Observation(ClockTick(), int(1000 * self.now_s()))])
                self._count_minute(tally)
            for task in tasks:
                assert not task.done(), task.exception()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        tally.hours += length_s / 3600

    async def _misbehave(self, tally: Tally) -> None:
        while True:
            now_s = self.now_s()
            for index, (faulty, schedule) in enumerate(
                zip(self._faulty, self._schedules, strict=True)
            ):
                faulty.set_fault(schedule.at(now_s))
                drawn = random.Random(f"{self.seed} {index} {int(now_s // PERIOD_S)} delay")
                faulty.delay_s = drawn.choice(DELAYS_S)
                tally.faults[str(faulty.fault)] += 1
            await asyncio.sleep(PERIOD_S)

    # --- Judging ------------------------------------------------------------------------------

    async def sink(self, batch: Sequence[Observation]) -> None:
        news = self.world.news(batch)
        self.world.check(news)
        for observation in news:
            self.world.apply(observation)
            if isinstance(observation.fact, ChainHead):
                self._judge()

    def _judge(self) -> None:
        """Every number that is served without a flag must be the honest one of its block."""
        tally = self._tally
        tally.heads += 1
        snapshot = cut(self.world)
        (chain,) = snapshot.chains
        if chain.cut_off:
            return
        assert chain.block is not None
        where = f"seed {self.seed}, block {chain.block.height}"
        facts = self._truth.facts.get(chain.block.hash)
        if facts is None:
            tally.wrong.append(f"{where}: no such block on the chain")
            return
        told = {k: f for kind in snapshot.facts.values() for k, f in kind.items()}
        tally.wrong += [
            f"{where}: {key} is {told.get(key)}" for key in facts if told.get(key) != facts[key]
        ]
        self._judge_figures(snapshot, chain.block.hash, where)

    def _judge_figures(self, snapshot: Snapshot, block_hash: str, where: str) -> None:
        tally = self._tally
        for base, price in snapshot.prices.items():
            if price.verdict is Verdict.OK:
                tally.prices += 1
                if price.mark != self._truth.prices[block_hash][base]:
                    tally.wrong.append(f"{where}: {base} at {price.mark}")
        if any(price.verdict is not Verdict.OK for price in snapshot.prices.values()):
            return
        for portfolio, health in healths(snapshot, self._engine).items():
            tally.healths += 1
            if health != self._truth.healths[block_hash][portfolio]:
                tally.wrong.append(f"{where}: {portfolio}")

    def _count_minute(self, tally: Tally) -> None:
        snapshot = cut(self.world)
        (chain,) = snapshot.chains
        tally.minutes[str(chain.condition)] += 1
        tally.dissenters_named += "contradicts" in chain.reason
        age_ms = snapshot.now_ms - 1000 * (chain.block.time_s if chain.block else 0)
        if not chain.cut_off and age_ms > HEAD_AGE_MS_MAX:
            tally.wrong.append(f"seed {self.seed}: a head {age_ms} ms old without a flag")


async def _another_chain(body: bytes) -> bytes:
    import json

    calls = json.loads(body)
    one = {"jsonrpc": "2.0", "result": "0x1"}
    if isinstance(calls, dict):
        return json.dumps({**one, "id": calls["id"]}).encode()
    return json.dumps([{**one, "id": call["id"]} for call in calls]).encode()


def few_portfolios(registry: Registry, ids: Sequence[str]) -> Registry:
    """The chain alone, some owners, and no wallet's aTokens: those grow without a log."""
    from xmargin.model import Claim, chain_of

    return replace(
        registry,
        chains=tuple(
            replace(c, head_age_ms_max=HEAD_AGE_MS_MAX) for c in registry.chains if c.id == CHAIN
        ),
        tokens=tuple(
            t
            for t in registry.tokens
            if chain_of(t.id) == CHAIN and t.claim is not Claim.VENUE_SUPPLY
        ),
        feeds=tuple(f for f in registry.feeds if chain_of(f.id) == CHAIN),
        venues=tuple(v for v in registry.venues if chain_of(v.id) == CHAIN),
        portfolios=tuple(
            replace(p, accounts=tuple(a for a in p.accounts if chain_of(a) == CHAIN))
            for p in registry.portfolios
            if p.id in ids
        ),
    )
