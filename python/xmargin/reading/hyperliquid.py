"""Follows Hyperliquid: every account asked in turn, each answer a state with a time of its own.

The block told is named by the oldest of the answers' times (its height in milliseconds), so that
nothing is older than it looks. The API tells no finality, and none is claimed. An answer about one
account that cannot be understood is that account's fault; one that goes back in time, or markets
that cannot be understood, are the endpoint's.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from xmargin import records
from xmargin.chains.hyperliquid import InfoEndpoint
from xmargin.config import ChainConfig, EndpointConfig
from xmargin.errors import ConfigError, DecodeError
from xmargin.model import (
    AccountId,
    BlockRef,
    ChainHead,
    Condition,
    Fact,
    Observation,
    Registry,
    TokenState,
    VenueRecord,
    VenueSpec,
    address_of,
    chain_of,
    is_wallet,
)
from xmargin.model.hyperliquid import (
    MARKET_RECORD,
    QUOTE_SETTING,
    USD_DECIMALS,
    HyperliquidAccount,
    HyperliquidMarket,
    perp_token,
)
from xmargin.reading.base import ClockMs, Sink
from xmargin.reading.failover import FailoverReader, Patience
from xmargin.venues.hyperliquid import KIND, account_of, markets_of

_AT_ONCE_MAX: Final = 8
_MARKETS_ANEW_S: Final = 60.0

Answer = HyperliquidAccount | str
"""An account's state, or why there is none."""


class HyperliquidReader(FailoverReader):
    """Reads one Hyperliquid chain for ever; see :class:`xmargin.reading.base.ChainReader`."""

    def __init__(self, config: ChainConfig, registry: Registry, clock_ms: ClockMs) -> None:
        super().__init__(config, clock_ms)
        _require_readable(config, registry)
        self._registry = registry
        self._venues = tuple(v for v in registry.venues if chain_of(v.id) == config.id)
        accounts = (a for spec in registry.portfolios for a in spec.accounts)
        self._accounts = tuple(sorted(a for a in accounts if chain_of(a) == config.id))
        self._told_ms: dict[AccountId, int] = {}
        self._height_ms = 0

    async def _follow_quorum(self, sink: Sink) -> None:
        raise ConfigError(_NO_QUORUM, field="chains")

    async def _follow(self, config: EndpointConfig, sink: Sink, *, last_resort: bool) -> None:
        async with InfoEndpoint(self._config, config) as endpoint:
            patience = Patience(self, endpoint, last_resort=last_resort)
            loop = asyncio.get_running_loop()
            markets_due_s = loop.time()
            while True:
                is_due = loop.time() >= markets_due_s
                markets = await self._markets(endpoint) if is_due else []
                answers = await self._answers(endpoint)
                head = await self._tell(endpoint, markets, answers, sink)
                if is_due and head is not None:
                    markets_due_s = loop.time() + _MARKETS_ANEW_S
                patience.judge(head)
                await asyncio.sleep(self._config.poll_ms / 1000)

    # --- Asking -------------------------------------------------------------------------------

    async def _markets(self, endpoint: InfoEndpoint) -> list[Fact]:
        answer = await endpoint.info("meta")
        facts: list[Fact] = []
        for venue in self._venues:
            try:
                markets = markets_of(answer, venue.id)
            except DecodeError as error:
                raise endpoint.fault(f"meta: {error.message}", Condition.INVALID) from None
            facts += (records.market_record(venue.id, MARKET_RECORD, m.coin, m) for m in markets)
            facts += self._token_states(venue, markets)
        return facts

    def _token_states(
        self, venue: VenueSpec, markets: Sequence[HyperliquidMarket]
    ) -> Iterable[TokenState]:
        """What the configured tokens of the venue are; one that it does not know is at fault."""
        decimals = {perp_token(venue.id, one.coin): one.size_decimals for one in markets}
        decimals |= dict.fromkeys(venue.values(QUOTE_SETTING), USD_DECIMALS)
        for token in self._registry.tokens:
            if token.id in decimals:
                yield TokenState(token.id, decimals[token.id], token.symbol, "")
            elif chain_of(token.id) == self.chain:
                yield TokenState(token.id, 0, token.symbol, f"{venue.id} has no such market")

    async def _answers(self, endpoint: InfoEndpoint) -> Mapping[AccountId, Answer]:
        at_once = asyncio.Semaphore(_AT_ONCE_MAX)

        async def ask(account: AccountId) -> Answer:
            async with at_once:
                answer = await endpoint.info("clearinghouseState", user=address_of(account))
            try:
                state = account_of(answer, account)
            except DecodeError as error:
                return error.message
            ahead_ms = state.time_ms - self._clock_ms()
            if ahead_ms > 1000 * self._registry.future_s_max:
                return f"its answer is dated {ahead_ms} ms ahead of our clock"
            return state

        try:
            async with asyncio.TaskGroup() as group:
                tasks = {account: group.create_task(ask(account)) for account in self._accounts}
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None
        return {account: task.result() for account, task in tasks.items()}

    # --- Telling ------------------------------------------------------------------------------

    async def _tell(
        self,
        endpoint: InfoEndpoint,
        markets: Sequence[Fact],
        answers: Mapping[AccountId, Answer],
        sink: Sink,
    ) -> BlockRef | None:
        """One batch: what was answered, the head last; ``None`` if it is no news."""
        states = [one for one in answers.values() if isinstance(one, HyperliquidAccount)]
        if not states:
            why = next(iter(answers.values()))
            raise endpoint.fault(f"no account could be read, the first: {why}", Condition.INVALID)
        self._require_forward(endpoint, states)
        height_ms = min(state.time_ms for state in states)
        if height_ms < self._height_ms or (height_ms == self._height_ms and not markets):
            return None
        block = BlockRef(height_ms, "", "", height_ms // 1000)
        facts = [
            *markets,
            *(_record(account, answer) for account, answer in answers.items()),
            ChainHead(safe_height=0, finalized_height=0),
        ]
        await self._tell_status(self._status_at(endpoint, block), sink)
        now_ms = self._clock_ms()
        await sink([Observation(fact, now_ms, self.chain, block, endpoint.label) for fact in facts])
        self._height_ms = height_ms
        self._told_ms |= {state.account: state.time_ms for state in states}
        self.heads_told += 1
        return block

    def _require_forward(
        self, endpoint: InfoEndpoint, states: Sequence[HyperliquidAccount]
    ) -> None:
        """What is told never goes back in time, whichever endpoint answers."""
        for state in states:
            behind_ms = self._told_ms.get(state.account, 0) - state.time_ms
            if behind_ms > 0:
                raise endpoint.fault(
                    f"its answer about {state.account} is {behind_ms} ms older than one before",
                    Condition.LAGGING,
                )


def _record(account: AccountId, answer: Answer) -> VenueRecord:
    if isinstance(answer, str):
        return records.account_fault(account, answer)
    return records.account_record(account, answer)


_NO_QUORUM: Final = (
    "answers of two endpoints are of two moments and cannot agree; remove quorum from a chain of "
    "kind hyperliquid"
)


def _require_readable(config: ChainConfig, registry: Registry) -> None:
    """What is configured on the chain is what its API can tell.

    Raises:
        ConfigError: it is not.
    """
    if config.quorum > 1:
        raise ConfigError(f"chains.{config.id}.quorum: {_NO_QUORUM}", field="chains")
    if any(endpoint.ws_url is not None for endpoint in config.endpoints):
        raise ConfigError(f"chains.{config.id}.endpoints.ws: it is polled; remove ws", field="ws")
    tokens = {token.id for token in registry.tokens}
    for feed in registry.feeds:
        if chain_of(feed.id) == config.id:
            raise ConfigError(f"feeds.{feed.id}: no feeds are read on {config.id}", field="feeds")
    for venue in registry.venues:
        if chain_of(venue.id) != config.id:
            continue
        if venue.kind != KIND:
            raise ConfigError(
                f"venues.{venue.id}.kind: no venue kind {venue.kind!r} on {config.id}; use {KIND}",
                field="venues",
            )
        quotes = venue.values(QUOTE_SETTING)
        if len(quotes) != 1 or quotes[0] not in tokens:
            raise ConfigError(
                f"venues.{venue.id}.settings.{QUOTE_SETTING}: give the one token of [[tokens]] "
                "that is the USDC of its margin",
                field="venues",
            )
    watched = [account for spec in registry.portfolios for account in spec.accounts]
    here = [account for account in watched if chain_of(account) == config.id]
    if not here:
        raise ConfigError(
            f"chains.{config.id}: no portfolio has an account there, and only accounts have a "
            "time; remove the chain",
            field="chains",
        )
    for wallet in filter(is_wallet, here):
        raise ConfigError(
            f"portfolios: no wallets are read on {config.id}; remove {wallet}", field="portfolios"
        )
