"""A small book at one venue, as observations a reader would make of it.

Ten WETH each, at first worth 25,000 USD; the portfolios differ in what they owe. By the model's
parameters (ETH −15 %) initial margin is met up to a debt of 81.25 % of that and maintenance margin
up to 85 %; the venue liquidates above 82.5 %.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tests.spine.examples import (
    CHAIN,
    ETH_FEED,
    RAY,
    REGISTRY,
    START_S,
    USDC,
    USDC_FEED,
    VENUE,
    WETH,
    at,
    block,
    feed_round,
)
from xmargin.model import (
    AaveV3Account,
    AaveV3Position,
    AaveV3Reserve,
    ChainHead,
    Fact,
    Observation,
    PortfolioSpec,
    Registry,
    TokenState,
)

DEBTS_USD = {"broke": 22_500, "called": 20_500, "free": 0, "safe": 5_000}
WETH_AMOUNT = 10 * 10**18

# Five percent of bonus, a tenth of it the protocol's; active.
_TERMS = 10_500 << 32 | 1 << 56 | 1_000 << 152


@dataclass
class Clock:
    """The clock of a test: it moves when the test moves it."""

    milliseconds: int = (START_S + 1) * 1_000

    def now_ms(self) -> int:
        return self.milliseconds


def account_of(portfolio: str, index: int) -> str:
    del portfolio
    return f"{VENUE}/0x{index + 1:040x}"


def registry_of(portfolios: Sequence[str]) -> Registry:
    """One chain, one venue, one account a portfolio."""
    return Registry(
        chains=tuple(chain for chain in REGISTRY.chains if chain.id == CHAIN),
        tokens=tuple(token for token in REGISTRY.tokens if token.id.startswith(f"{CHAIN}/")),
        feeds=REGISTRY.feeds,
        venues=REGISTRY.venues,
        portfolios=tuple(
            PortfolioSpec(portfolio, (account_of(portfolio, index),))
            for index, portfolio in enumerate(sorted(portfolios))
        ),
    )


def observed(
    height: int, *, eth_usd: int = 2_500, debts_usd: Mapping[str, int] = DEBTS_USD
) -> list[Observation]:
    """Everything a reader finds in the block of this height."""
    where = block(height)
    facts: list[Fact] = [
        feed_round(ETH_FEED, eth_usd * 10**8, where, "ETH / USD"),
        feed_round(USDC_FEED, 10**8, where, "USDC / USD"),
        TokenState(WETH, 18, "WETH", ""),
        TokenState(USDC, 6, "USDC", ""),
        _reserve(0, WETH, 8_000 | 8_250 << 16 | 18 << 48 | _TERMS, eth_usd * 10**8),
        _reserve(1, USDC, 7_700 | 8_000 << 16 | 6 << 48 | _TERMS, 10**8),
    ]
    for index, portfolio in enumerate(sorted(debts_usd)):
        debt = debts_usd[portfolio] * 10**6
        positions = (
            AaveV3Position(0, WETH_AMOUNT, 0, 0, 0, 0),
            AaveV3Position(1, 0, debt, 0, 0, 0),
        )
        configuration = 0b0110 if debt else 0b0010
        facts.append(AaveV3Account(account_of(portfolio, index), 0, configuration, positions, ""))
    head = ChainHead(max(0, height - 1), max(0, height - 2))
    return [*(at(fact, where) for fact in facts), at(head, where)]


def _reserve(number: int, token: str, configuration: int, price_base: int) -> AaveV3Reserve:
    return AaveV3Reserve(
        VENUE, number, token, "", "", "", configuration, RAY, RAY, 0, 0, START_S, price_base
    )
