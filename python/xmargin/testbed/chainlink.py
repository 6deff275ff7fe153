"""Real Chainlink price feeds: an EACAggregatorProxy over a FluxAggregator with one oracle.

With one oracle and no restart delay a new round may start in any block: no waiting, no time travel.
"""

from dataclasses import dataclass
from decimal import Decimal

from web3.contract import AsyncContract

from xmargin.testbed import artifacts
from xmargin.testbed.anvil import Anvil, Transaction
from xmargin.testbed.calldata import call_data
from xmargin.testbed.script import Script

PRICE_DECIMALS = 8
# The heartbeat given to readers: how old a round may grow.
HEARTBEAT_S = 3600
_NO_ADDRESS = "0x" + "00" * 20
_SUBMISSION_MIN = 1
_SUBMISSION_MAX = 10**15
_ROUND_TIMEOUT_S = 60


@dataclass(frozen=True, slots=True)
class PriceFeed:
    """One price on one chain: readers see the proxy, rounds go to the aggregator."""

    base: str
    proxy: AsyncContract
    aggregator: AsyncContract


def to_answer(price_usd: Decimal) -> int:
    """A price as the integer a round carries."""
    return int(price_usd.scaleb(PRICE_DECIMALS).to_integral_value())


def deploy_feed(script: Script, oracle: str, base: str, price_usd: Decimal) -> PriceFeed:
    """Queue a feed's deployment and its first round."""
    aggregator = script.deploy(
        artifacts.chainlink("FluxAggregator"),
        _NO_ADDRESS,  # no LINK: the oracle is not paid
        0,
        _ROUND_TIMEOUT_S,
        _NO_ADDRESS,
        _SUBMISSION_MIN,
        _SUBMISSION_MAX,
        PRICE_DECIMALS,
        f"{base} / USD",
    )
    script.call(aggregator, "changeOracles", [], [oracle], [oracle], 1, 1, 0)
    script.call(aggregator, "submit", 1, to_answer(price_usd))
    proxy = script.deploy(
        artifacts.chainlink("EACAggregatorProxy"), aggregator.address, _NO_ADDRESS
    )
    return PriceFeed(base, proxy, aggregator)


async def submit_rounds(node: Anvil, oracle: str, rounds: list[tuple[PriceFeed, Decimal]]) -> None:
    """Answer a new round on each feed, all in one block.

    Raises:
        TransactionError: a round was refused, such as for a price outside the feed's bounds.
    """
    calls = [
        ("eth_call", [{"to": f.aggregator.address, "data": call_data(f.aggregator, "latestRound")}])
        for f, _ in rounds
    ]
    latest = [int(answer, 16) for answer in await node.rpc_batch(calls)]
    await node.send(
        [
            Transaction(
                oracle,
                feed.aggregator.address,
                call_data(feed.aggregator, "submit", [last + 1, to_answer(price)]),
                f"round {last + 1} of {feed.base}",
            )
            for (feed, price), last in zip(rounds, latest, strict=True)
        ]
    )
