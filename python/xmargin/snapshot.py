"""The Snapshot: an immutable, content-hashed cut of the World with every price judged."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from xmargin.errors import NotReadyError
from xmargin.model import (
    BlockRef,
    ChainAsOf,
    ChainSpec,
    Condition,
    FactorReturns,
    FeedSpec,
    Finality,
    JudgedPrice,
    LiquidationTerms,
    Registry,
    RiskParameters,
    TokenBalance,
    TokenState,
    TokenSupply,
    chain_of,
)
from xmargin.oracles.findings import NONE, Guards
from xmargin.oracles.guards import FeedCase
from xmargin.oracles.judging import judge_prices
from xmargin.oracles.sequencer import judge_sequencer
from xmargin.oracles.supply import SupplyFacts, supply_doubts
from xmargin.wire import canonical_json
from xmargin.world import ChainFact, ChainState, Key, World


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that the engine may know. ``facts`` maps a kind to its committed facts in key order.

    ``hash`` is SHA-256 over the clock, the chains' as-of, the judged prices, the registry, the
    risk parameters, the factor returns if there are any, the liquidation terms if they are not the
    usual ones, and every fact: equal hashes mean equal
    snapshots.
    """

    hash: str
    now_ms: int
    registry: Registry
    parameters: RiskParameters
    chains: tuple[ChainAsOf, ...]
    prices: Mapping[str, JudgedPrice]
    facts: Mapping[str, Mapping[Key, ChainFact]]
    returns: FactorReturns | None = None
    returns_sha256: str = ""
    terms: LiquidationTerms = field(default_factory=LiquidationTerms)


FACT_KINDS = (
    "feed",
    "token",
    "balance",
    "supply",
    "aave-v3-reserve",
    "aave-v3-emode",
    "aave-v3-account",
    "venue-record",
)


def cut(world: World, without: Guards = NONE) -> Snapshot:
    """The World as it stands, judged at its own ``now_ms``.

    ``without`` switches guards off: only to show, on a tape, what each is for.

    Raises:
        NotReadyError: the registry or the risk parameters have not been observed yet.
    """
    registry, parameters = world.registry, world.parameters
    if registry is None or parameters is None:
        raise NotReadyError("no Registry and RiskParameters observed yet; start the service first")
    chains = tuple(_as_of(spec, world, registry.future_s_max) for spec in registry.chains)
    prices = _judge(registry, chains, world, without)
    content: dict[str, object] = {
        "now_ms": world.now_ms,
        "registry": world.registry_sha256,
        "parameters": parameters.sha256,
        "chains": chains,
        "prices": prices,
        "facts": world.facts_digest().hex(),
    }
    if world.returns is not None:  # tapes without them keep their hashes
        content["returns"] = world.returns_sha256
    if world.terms != LiquidationTerms():
        content["terms"] = world.terms
    return Snapshot(
        hash=hashlib.sha256(canonical_json(content)).hexdigest(),
        now_ms=world.now_ms,
        registry=registry,
        parameters=parameters,
        chains=chains,
        prices=prices,
        facts={kind: world.facts(kind) for kind in FACT_KINDS},
        returns=world.returns,
        returns_sha256=world.returns_sha256,
        terms=world.terms,
    )


def _as_of(spec: ChainSpec, world: World, future_s_max: int) -> ChainAsOf:
    state = world.chains.get(spec.id, ChainState())
    block, head = state.block, state.head
    head_age_ms = 0 if block is None else world.now_ms - block.time_s * 1000
    condition, reason = _condition(spec, state, head_age_ms, future_s_max)
    if condition is Condition.OK and spec.sequencer_feed:
        uptime = world.feed_round(spec.sequencer_feed)
        condition, suspended = judge_sequencer(uptime, spec.sequencer_grace_s, world.now_ms)
        reason = suspended or reason
    return ChainAsOf(
        chain=spec.id,
        name=spec.name,
        block=block,
        finality=_finality(block, state),
        safe_height=0 if head is None else head.safe_height,
        finalized_height=0 if head is None else head.finalized_height,
        condition=condition,
        reason=reason,
        head_age_ms=max(0, head_age_ms),
    )


def _condition(
    spec: ChainSpec, state: ChainState, head_age_ms: int, future_s_max: int
) -> tuple[Condition, str]:
    if state.status is not None and state.status.condition is not Condition.OK:
        return state.status.condition, f"{state.status.endpoint}: {state.status.reason}"
    if state.block is None:
        return Condition.UNREAD, "no block has been read yet"
    if not state.read_as_watched:
        return Condition.UNREAD, "not read since what is watched changed"
    if -head_age_ms > 1000 * future_s_max:
        # Ages would all be too young by it: either the chain or our own clock is wrong.
        return (
            Condition.INVALID,
            f"its newest block is dated {-head_age_ms} ms ahead of our clock; the bound is "
            f"{1000 * future_s_max} ms",
        )
    if head_age_ms > spec.head_age_ms_max:
        return (
            Condition.LAGGING,
            f"its newest block is {head_age_ms} ms old; the bound is {spec.head_age_ms_max} ms",
        )
    # What is held against single endpoints does not cut the chain off, but it is said.
    return Condition.OK, "" if state.status is None else state.status.reason


def _finality(block: BlockRef | None, state: ChainState) -> Finality:
    if block is None or state.head is None:
        return Finality.LATEST
    if block.height <= state.head.finalized_height:
        return Finality.FINALIZED
    return Finality.SAFE if block.height <= state.head.safe_height else Finality.LATEST


def _judge(
    registry: Registry, chains: tuple[ChainAsOf, ...], world: World, without: Guards
) -> dict[str, JudgedPrice]:
    as_of = {chain.chain: chain for chain in chains}

    def case_of(spec: FeedSpec) -> FeedCase:
        return FeedCase(
            spec,
            world.feed_round(spec.id),
            world.pin(spec.id),
            world.feed_history(spec.id),
            as_of[chain_of(spec.id)],
        )

    doubts = _supply_doubts(registry, world)
    return judge_prices(registry, case_of, world.now_ms, without, doubts)


def _supply_doubts(registry: Registry, world: World) -> dict[str, list[str]]:
    """By base, what is wrong with the supply of tokens that it prices."""
    if not registry.supplies:
        return {}
    tokens = {token for spec in registry.supplies for token in (spec.token, spec.locked)}
    escrows = {(spec.escrow, spec.locked) for spec in registry.supplies}
    facts = SupplyFacts(
        _known(world, TokenSupply, [("supply", token) for token in tokens]),
        _known(world, TokenState, [("token", token) for token in tokens]),
        _known(world, TokenBalance, [("balance", *escrow) for escrow in escrows]),
    )
    base_of = {token.id: token.price for token in registry.tokens}
    doubts: dict[str, list[str]] = {}
    for token, why in supply_doubts(registry.supplies, facts, world.now_ms):
        if token in base_of:
            doubts.setdefault(base_of[token], []).append(why)
    return doubts


_F = TypeVar("_F")


def _known(world: World, cls: type[_F], keys: Iterable[Key]) -> dict[Key, _F]:
    """Those of the facts that are there, by what they are about."""
    found = {key: world.facts(key[0]).get(key) for key in keys}
    return {key[1:]: fact for key, fact in found.items() if isinstance(fact, cls)}
