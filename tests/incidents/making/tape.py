"""Writes an incident file: a small book of accounts, and the figures of the incident as rounds."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeAlias

from xmargin.model import (
    AaveV3Account,
    AaveV3Position,
    AaveV3Reserve,
    AccountId,
    BlockRef,
    ChainId,
    ChainKind,
    ChainSpec,
    ChainStatus,
    Claim,
    ClockTick,
    Fact,
    FeedId,
    FeedRound,
    FeedSpec,
    LiquidationTerms,
    Observation,
    PortfolioSpec,
    PriceSpec,
    Registry,
    TokenBalance,
    TokenId,
    TokenSpec,
    TokenState,
    VenueSetting,
    VenueSpec,
)
from xmargin.model.hyperliquid import (
    MARKET_RECORD,
    QUOTE_SETTING,
    HyperliquidAccount,
    HyperliquidMarket,
    HyperliquidPosition,
    HyperliquidSummary,
    HyperliquidTier,
    perp_token,
)
from xmargin.records import account_record, market_record
from xmargin.tape import codec

HERE = Path(__file__).parent.parent
ETHEREUM: ChainId = "eip155:1"
BSC: ChainId = "eip155:56"
BASE: ChainId = "eip155:8453"
ARBITRUM: ChainId = "eip155:42161"
AVALANCHE: ChainId = "eip155:43114"
HYPER: ChainId = "hyper:mainnet"
SOLANA: ChainId = "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp"
RAY = 10**27
_BONUS_BPS = 10_500
DAY_S = 86_400
_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_CHAINS = {
    ETHEREUM: ChainSpec(ETHEREUM, "ethereum", ChainKind.EVM, 120_000),
    BSC: ChainSpec(BSC, "bsc", ChainKind.EVM, 60_000),
    BASE: ChainSpec(BASE, "base", ChainKind.EVM, 60_000),
    AVALANCHE: ChainSpec(AVALANCHE, "avalanche", ChainKind.EVM, 60_000),
    ARBITRUM: ChainSpec(ARBITRUM, "arbitrum", ChainKind.EVM, 60_000),
    HYPER: ChainSpec(HYPER, "hyperliquid", ChainKind.HYPERLIQUID, 60_000),
    SOLANA: ChainSpec(SOLANA, "solana", ChainKind.SOLANA, 60_000),
}


def address(chain: ChainId, name: str) -> str:
    """An address that belongs to nobody: made of a name, so that it is always the same."""
    digest = hashlib.sha256(name.encode()).digest()
    if not chain.startswith("solana:"):
        return "0x" + digest.hex()[:40]
    value, text = int.from_bytes(digest), ""
    while value:
        value, digit = divmod(value, 58)
        text = _BASE58[digit] + text
    return text


def seconds(at: str) -> int:
    return int(datetime.fromisoformat(at).timestamp())


def wallet(chain: ChainId, owner: str) -> AccountId:
    return f"wallet@{chain}/{address(chain, owner)}"


Price: TypeAlias = float | str


@dataclass(frozen=True)
class Coin:
    """A token with what a reader says of it, and its terms as collateral at a lending venue."""

    spec: TokenSpec
    decimals: int
    ltv_bps: int
    threshold_bps: int

    @property
    def id(self) -> TokenId:
        return self.spec.id

    def units(self, amount: Price) -> int:
        return int(Decimal(str(amount)) * 10**self.decimals)

    @property
    def state(self) -> TokenState:
        return TokenState(self.id, self.decimals, self.spec.symbol, "")


def coin(
    chain: ChainId,
    symbol: str,
    *,
    asset: str = "",
    base: str = "",
    decimals: int = 18,
    claim: Claim = Claim.NONE,
    ltv_bps: int = 7_500,
    threshold_bps: int = 8_000,
    haircut: str = "0",
) -> Coin:
    """A token at an address of nobody's; by itself its own asset and base."""
    kind = "erc20" if chain.startswith("eip155:") else "token"
    token = f"{chain}/{kind}:{address(chain, symbol)}"
    base = base or symbol
    spec = TokenSpec(token, symbol, asset or base, base, claim, "", Decimal(haircut))
    return Coin(spec, decimals, ltv_bps, threshold_bps)


@dataclass(frozen=True)
class Feed:
    """A feed and how its rounds are written."""

    spec: FeedSpec
    exponent: int = -8
    description: str = ""

    def at(
        self,
        price: Price,
        published_at: str = "",
        *,
        confidence: Price = 0,
        exponent: int | None = None,
        answer: int | None = None,
        verification: str = "full",
        liquidity: int | None = None,
    ) -> FeedRound:
        """A round of it; dated as its step where no date is given."""
        scale = Decimal(10) ** -self.exponent
        return FeedRound(
            self.spec.id,
            int(Decimal(str(price)) * scale) if answer is None else answer,
            int(Decimal(str(confidence)) * scale),
            self.exponent if exponent is None else exponent,
            seconds(published_at) if published_at else 0,
            1,
            self.description or f"{self.spec.base} / {self.spec.quote}",
            verification if self.spec.id.startswith("pyth@") else "",
            "",
            "",
            liquidity,
        )


def feed(
    chain: ChainId,
    base: str,
    name: str,
    *,
    kind: str = "chainlink",
    quote: str = "USD",
    heartbeat_s: int = 3_600,
    **bounds: Any,
) -> Feed:
    """A feed of ``base`` whose publisher is called ``name``."""
    bounds.setdefault("origin", name)
    feed_id: FeedId = f"{kind}@{chain}/{address(chain, f'{name} {base}')}"
    return Feed(FeedSpec(feed_id, base, quote, heartbeat_s, 60, **bounds))


class Perps:
    """Hyperliquid's clearinghouse, with one market of perps of ``coin``, margined in ``quote``."""

    def __init__(self, quote: Coin, perp: str, size_decimals: int, leverage_max: int) -> None:
        self.venue = f"hyperliquid@{HYPER}"
        setting = VenueSetting(QUOTE_SETTING, quote.id)
        self.spec = VenueSpec(self.venue, "hyperliquid", "", (setting,))
        tiers = (HyperliquidTier(Decimal(0), leverage_max),)
        self.market = market_record(
            self.venue,
            MARKET_RECORD,
            perp,
            HyperliquidMarket(self.venue, perp, size_decimals, tiers),
        )
        token = TokenSpec(perp_token(self.venue, perp), f"{perp}-PERP", perp, perp)
        self.coin = Coin(token, size_decimals, 0, 0)
        self._perp, self._leverage = perp, leverage_max

    def account(self, owner: str) -> AccountId:
        return f"{self.venue}/{address(HYPER, owner)}"

    def standing(self, owner: str, at: str, cash: str, size: str, price: str) -> Fact:
        """An owner's margin: dollars of cash, and a signed size of the perp; no size, no leg."""
        signed = Decimal(size) * Decimal(price)
        value = Decimal(cash) + signed
        used = (abs(signed) / self._leverage).quantize(Decimal("0.000001"))
        summary = HyperliquidSummary(value, abs(signed), Decimal(cash), used)
        position = HyperliquidPosition(
            self._perp, Decimal(size), abs(signed), self._leverage, None, None
        )
        account = self.account(owner)
        return account_record(
            account,
            HyperliquidAccount(
                account,
                seconds(at) * 1000,
                summary,
                summary,
                None,
                max(Decimal(0), value - used),
                (position,) if signed else (),
            ),
        )


class Lending:
    """A lending pool of Aave v3's kind on one chain: the accounts that owe are here."""

    def __init__(self, chain: ChainId, coins: Sequence[Coin], name: str = "aave-v3") -> None:
        self.venue = f"{name}@{chain}"
        self.spec = VenueSpec(self.venue, "aave-v3", address(chain, name))
        self._coins = list(coins)

    def account(self, owner: str) -> AccountId:
        return f"{self.venue}/{address(self.venue.split('@')[1], owner)}"

    def reserves(self, prices: Mapping[str, Price]) -> list[Fact]:
        """All reserves at the prices that the pool's own oracle says, by symbol."""
        return [
            AaveV3Reserve(
                self.venue,
                number,
                one.id,
                "",
                "",
                "",
                _word(one),
                RAY,
                RAY,
                0,
                0,
                1,
                int(Decimal(str(prices[one.spec.symbol])) * 10**8),
            )
            for number, one in enumerate(self._coins)
            if one.spec.symbol in prices
        ]

    def standing(
        self,
        owner: str,
        supplied: Mapping[str, Price],
        owed: Mapping[str, Price],
    ) -> Fact:
        """What an owner has and owes here, in token units by symbol."""
        positions, word = [], 0
        for number, one in enumerate(self._coins):
            symbol = one.spec.symbol
            if symbol in supplied or symbol in owed:
                has = one.units(supplied.get(symbol, 0))
                owes = one.units(owed.get(symbol, 0))
                positions.append(AaveV3Position(number, has, owes, 0, 0, 0))
                word |= (2 if has else 0) << 2 * number | (1 if owes else 0) << 2 * number
        return AaveV3Account(self.account(owner), 0, word, tuple(positions), "")


def _word(one: Coin) -> int:
    """The reserve's configuration (ReserveConfiguration.sol): active, open to borrowers."""
    ratios = one.ltv_bps | one.threshold_bps << 16 | _BONUS_BPS << 32
    return ratios | one.decimals << 48 | 1 << 56 | 1 << 58


def balance(account: AccountId, token: Coin, amount: Price) -> Fact:
    return TokenBalance(account, token.id, token.units(amount), "")


class Tape:
    """The incident file under construction."""

    def __init__(
        self, name: str, *, chains: Iterable[ChainId], bounds: Mapping[str, Any] | None = None
    ) -> None:
        self.path = HERE / f"{name}.json"
        chain_specs = tuple(_CHAINS[chain] for chain in sorted(chains))
        self.registry = Registry(chain_specs, (), (), (), (), **(bounds or {}))
        self.header: dict[str, Any] = {}
        self.parameters = "unified-v1"
        self._steps: list[dict[str, Any]] = []
        self._heights = dict.fromkeys(chains, 0)

    def watch(
        self,
        coins: Iterable[Coin],
        feeds: Iterable[Feed],
        lendings: Iterable[Lending | Perps],
        portfolios: Mapping[str, Sequence[AccountId]],
        prices: Sequence[PriceSpec] = (),
    ) -> None:
        """What the registry of the first step holds."""
        self.registry = replace(
            self.registry,
            prices=tuple(sorted(prices, key=lambda spec: spec.base)),
            tokens=tuple(sorted((one.spec for one in coins), key=lambda spec: spec.id)),
            feeds=tuple(sorted((one.spec for one in feeds), key=lambda spec: spec.id)),
            venues=tuple(sorted((one.spec for one in lendings), key=lambda spec: spec.id)),
            portfolios=tuple(
                PortfolioSpec(owner, tuple(sorted(accounts)))
                for owner, accounts in sorted(portfolios.items())
            ),
        )

    def step(
        self,
        name: str,
        at: str,
        blocks: Mapping[ChainId, Sequence[Fact]],
        expected: Mapping[str, Any],
        *,
        truth: Mapping[str, Any] | None = None,
        own: Sequence[Fact] = (),
    ) -> None:
        """One batch at ``at``: facts by chain, each a new block; without any, our clock alone."""
        observations: list[Any] = []
        if not self._steps:
            observations.append(_plain(self.registry))
        observations += [_plain(fact) for fact in own]
        for chain, facts in blocks.items():
            self._heights[chain] += 1
            block = {"height": str(self._heights[chain])}
            written = [_plain(fact) for fact in facts]
            observations.append({"chain": chain, "block": block, "facts": written})
        if not blocks:
            observations.append(_plain(ClockTick()))
        step: dict[str, Any] = {"name": name, "at": at}
        if truth:
            step["truth"] = dict(truth)
        self._steps.append({**step, "observations": observations, "expected": dict(expected)})

    def add_status(self, chain: ChainId, status: ChainStatus) -> None:
        """What our reader says of a chain before the last step's other observations."""
        self._steps[-1]["observations"].insert(0, {"chain": chain, **_plain(status)})

    def text(self) -> str:
        """The file: wide where a person reads, one line a fact where only a program does."""
        tree = {"incident": {**self.header, "parameters": self.parameters}, "steps": self._steps}
        return f"{_written(tree, 0)}\n"


def _plain(fact: Fact) -> dict[str, Any]:
    """A fact by protobuf's JSON, without what the file fills in."""
    own = isinstance(fact, Registry | ClockTick | ChainStatus | LiquidationTerms)
    where = None if own else BlockRef(1, "", "", 1)
    tree = json.loads(codec.to_json(Observation(fact, 0, "", where)))
    return {key: value for key, value in tree.items() if key not in ("block", "observedAtMs")}


def _written(value: Any, depth: int) -> str:
    """JSON that opens a container only where its one-line form is longer than a screen is wide."""
    line = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, dict | list) or len(line) + 2 * depth <= 110 or not value:
        return line
    inner = "  " * (depth + 1)
    if isinstance(value, dict):
        items = [f"{json.dumps(k)}: {_written(v, depth + 1)}" for k, v in value.items()]
        opening, closing = "{", "}"
    else:
        items = [_written(one, depth + 1) for one in value]
        opening, closing = "[", "]"
    joined = f",\n{inner}".join(items)
    return f"{opening}\n{inner}{joined}\n{'  ' * depth}{closing}"
