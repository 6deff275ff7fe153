"""The scripted market: the same prices on every chain at once, by oracle rounds and updates."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from xmargin.testbed import chainlink
from xmargin.testbed.aave import AaveMarket
from xmargin.testbed.markets import EVM_PRICES, GENESIS_PRICES_USD, SOLANA_PRICES
from xmargin.testbed.solana_vm import SolanaVm

STEP_PERIOD_S = 3.0
_STETH_RATE = GENESIS_PRICES_USD["WSTETH"] / GENESIS_PRICES_USD["ETH"]
_CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class MarketStep:
    """Prices in USD by base symbol, due so long after the script began."""

    offset_s: float
    prices_usd: Mapping[str, Decimal]


@dataclass(frozen=True, slots=True)
class Phase:
    """A stretch of the script: so many steps of the same moves, in basis points a step.

    `steth_basis_bps` is what wstETH loses against ETH in each step.
    """

    steps: int
    eth_bps: int
    btc_bps: int
    sol_bps: int
    steth_basis_bps: int


# A fall of about a quarter with a widening stETH basis, a pause at the bottom, a recovery.
PHASES = (
    Phase(steps=6, eth_bps=-150, btc_bps=-120, sol_bps=-180, steth_basis_bps=0),
    Phase(steps=8, eth_bps=-190, btc_bps=-180, sol_bps=-198, steth_basis_bps=-8),
    Phase(steps=3, eth_bps=-120, btc_bps=-160, sol_bps=-60, steth_basis_bps=-20),
    Phase(steps=2, eth_bps=0, btc_bps=0, sol_bps=0, steth_basis_bps=0),
    Phase(steps=6, eth_bps=180, btc_bps=160, sol_bps=190, steth_basis_bps=15),
)


def scripted_steps(period_s: float = STEP_PERIOD_S) -> tuple[MarketStep, ...]:
    """The whole script from the genesis prices; no asset moves more than 2 % in a step."""
    prices = dict(GENESIS_PRICES_USD)
    basis = Decimal(1)
    steps: list[MarketStep] = []
    for phase in PHASES:
        for _ in range(phase.steps):
            prices["ETH"] = _moved(prices["ETH"], phase.eth_bps)
            prices["BTC"] = _moved(prices["BTC"], phase.btc_bps)
            prices["SOL"] = _moved(prices["SOL"], phase.sol_bps)
            basis *= 1 + Decimal(phase.steth_basis_bps) / 10_000
            prices["WSTETH"] = (prices["ETH"] * _STETH_RATE * basis).quantize(_CENT)
            steps.append(MarketStep(period_s * (len(steps) + 1), dict(prices)))
    return tuple(steps)


def _moved(price_usd: Decimal, move_bps: int) -> Decimal:
    return (price_usd * (1 + Decimal(move_bps) / 10_000)).quantize(_CENT)


class Market:
    """Moves all feeds of all chains together; what does not move is dated anew."""

    def __init__(self, evm: Sequence[AaveMarket], solana: SolanaVm) -> None:
        self.prices_usd: dict[str, Decimal] = dict(GENESIS_PRICES_USD)
        self.steps = scripted_steps()
        self._evm = tuple(evm)
        self._solana = solana

    async def apply(self, step: MarketStep) -> None:
        """Bring every feed to the step's prices, dated now."""
        await self.set_prices(step.prices_usd)

    async def set_prices(self, prices_usd: Mapping[str, Decimal]) -> None:
        """Bring the named prices to these values and date every feed now.

        Raises:
            TransactionError: a round was refused.
        """
        self.prices_usd |= prices_usd
        publish_time_s = int(time.time())
        on_solana = {base: self.prices_usd[base] for base in SOLANA_PRICES}
        await asyncio.gather(
            self._solana.post_prices(on_solana, publish_time_s),
            *(self._submit(market) for market in self._evm),
        )

    async def _submit(self, market: AaveMarket) -> None:
        rounds = [(market.feeds[base], self.prices_usd[base]) for base in EVM_PRICES]
        await chainlink.submit_rounds(market.node, market.node.admin, rounds)

    async def reset(self) -> None:
        """Bring every feed back to the genesis prices."""
        await self.set_prices(GENESIS_PRICES_USD)

    async def play(self) -> None:
        """Apply every step of the script at its time, beginning now."""
        began_s = time.monotonic()
        for step in self.steps:
            await asyncio.sleep(max(0.0, began_s + step.offset_s - time.monotonic()))
            await self.apply(step)
