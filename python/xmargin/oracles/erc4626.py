"""ERC-4626 vaults as exchange-rate feeds: how many assets one share stands for.

rate = convertToAssets(10³⁶ share units) ÷ 10³⁶, in whole assets per whole share, to 18 decimals,
rounded down as the standard's conversion is. Asking for very many shares keeps the digits that the
vault's own rounding would take off one.
"""

from typing import Final

from xmargin.errors import DecodeError
from xmargin.evm_abi import Function
from xmargin.model import FeedRound, FeedSpec, address_of
from xmargin.oracles.contract import (
    DECIMALS,
    EXPONENT,
    Results,
    contract_read,
    decimals_of,
    required,
    worked_out,
)
from xmargin.reads import EvmRead

KIND: Final = "erc4626"
ASSET: Final = Function("asset()", "address")
CONVERT_TO_ASSETS: Final = Function("convertToAssets(uint256)", "uint256")
SHARES_DIGITS: Final = 36


def feed_read(feed: FeedSpec) -> EvmRead:
    """The read of one vault: a :class:`FeedRound` of its rate.

    ``quote_token`` is the vault's asset; ``description`` the asset with both decimals.

    Raises:
        ConfigError: the feed names no ``quote_token``.
    """
    vault = address_of(feed.id)
    asset = required(feed, "quote_token", "the address of the vault's asset")
    calls = (
        CONVERT_TO_ASSETS(vault, 10**SHARES_DIGITS),
        DECIMALS(vault),
        ASSET(vault),
        DECIMALS(asset),
    )
    return contract_read(feed, calls, _round)


def _round(feed: FeedSpec, results: Results) -> FeedRound:
    (assets,) = CONVERT_TO_ASSETS.decode(results[0])
    share_decimals, asset_decimals = decimals_of(results[1]), decimals_of(results[3])
    (asset,) = ASSET.decode(results[2])
    if asset != feed.quote_token:
        raise DecodeError(f"its asset is {asset}, not {feed.quote_token}")
    answer = assets * 10 ** (share_decimals - EXPONENT) // 10 ** (asset_decimals + SHARES_DIGITS)
    description = f"{share_decimals} decimals for {asset} of {asset_decimals}"
    return worked_out(feed, answer, description, None)
