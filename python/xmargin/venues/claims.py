"""Tokens that stand for others: vault shares, rate-bearing wrappers, bridged twins.

A venue without accounts. Its settings name the tokens of its chain:

- ``erc4626``: vaults; their ``asset()`` and ``convertToAssets``;
- ``rates``: ``<token>:<function>:<underlying>``, where the function takes units of the token and
  gives units of the underlying, e.g. wstETH's ``getStETHByWstETH(uint256)``;
- ``bridged``: ``<token>:<token id of what is locked>:<address of the lock>``.

Rates move without a log, so they are read at every block; one that cannot be read is at fault by
itself.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from xmargin.errors import DecodeError, InvalidArgumentError
from xmargin.evm_abi import Function
from xmargin.model import (
    Fact,
    Registry,
    TokenId,
    VenueId,
    VenueSpec,
    chain_of,
    parse_address,
    parse_token_id,
)
from xmargin.model.claims import CLAIM_RECORD, TokenClaim
from xmargin.reads import EvmCall, EvmLog, EvmRead, Rediscover
from xmargin.records import market_fault, market_record
from xmargin.venues.base import EvmAccess, Unit, erc20_id
from xmargin.venues.settings import address

ERC4626: Final = "erc4626"
RATES: Final = "rates"
BRIDGED: Final = "bridged"
SETTINGS: Final = (ERC4626, RATES, BRIDGED)

SHARES_ASKED: Final = 10**36
"""So many units are asked for, that a vault's rounding takes nothing off what anyone holds."""

ASSET: Final = Function("asset()", "address")
CONVERT_TO_ASSETS: Final = Function("convertToAssets(uint256)", "uint256")


@dataclass(frozen=True, slots=True)
class RateClaim:
    """A token whose contract says what its units stand for; ``asset`` is asked of vaults only."""

    token: str
    function: Function
    underlying: str
    asks_asset: bool


@dataclass(frozen=True, slots=True)
class Claims:
    """The claims of a chain."""

    id: VenueId
    rates: tuple[RateClaim, ...]
    twins: tuple[TokenClaim, ...]

    @property
    def log_addresses(self) -> Sequence[str]:
        """None: rates are read at every block."""
        return ()

    @property
    def static_facts(self) -> Sequence[Fact]:
        """Bridged twins, which are configured and not read."""
        return [market_record(self.id, CLAIM_RECORD, twin.token, twin) for twin in self.twins]

    @property
    def units(self) -> Sequence[Unit]:
        """None."""
        return ()

    def unit_read(self, unit: Unit) -> EvmRead:
        """There is no unit to read."""
        raise DecodeError(f"claims have no account {unit}")

    def touched(self, log: EvmLog) -> Iterable[Unit]:
        """Nobody."""
        del log
        return ()

    def block_reads(self) -> Sequence[EvmRead]:
        """A read a token."""
        return [self._read(claim) for claim in self.rates]

    def _read(self, claim: RateClaim) -> EvmRead:
        calls: list[EvmCall] = [claim.function(claim.token, SHARES_ASKED)]
        if claim.asks_asset:
            calls.append(ASSET(claim.token))
        token = erc20_id(self.id, claim.token)

        def decode(results: Sequence[bytes | None]) -> list[Fact]:
            try:
                (assets,) = claim.function.decode(results[0])
                if claim.asks_asset and ASSET.decode(results[1]) != (claim.underlying,):
                    raise Rediscover
            except DecodeError as error:
                return [market_fault(self.id, CLAIM_RECORD, token, error.message)]
            custodian = f"{chain_of(self.id)}/{claim.token}"
            underlying = erc20_id(self.id, claim.underlying)
            read = TokenClaim(token, underlying, assets, SHARES_ASKED, custodian, kept=False)
            return [market_record(self.id, CLAIM_RECORD, token, read)]

        return EvmRead(tuple(calls), decode)


async def discover(spec: VenueSpec, registry: Registry, access: EvmAccess) -> Claims:
    """Ask every vault for its asset.

    Raises:
        DecodeError: a setting is malformed, or a vault is none.
    """
    del registry
    vaults = [address(spec, value, ERC4626) for value in spec.values(ERC4626)]
    answers = await access.call([ASSET(vault) for vault in vaults])
    assets = [ASSET.decode(answer)[0] for answer in answers]
    of_vaults = (
        RateClaim(vault, CONVERT_TO_ASSETS, asset, asks_asset=True)
        for vault, asset in zip(vaults, assets, strict=True)
    )
    of_rates = (_rate(spec, value) for value in spec.values(RATES))
    twins = tuple(_twin(spec, value) for value in spec.values(BRIDGED))
    return Claims(spec.id, (*of_vaults, *of_rates), twins)


def _rate(spec: VenueSpec, value: str) -> RateClaim:
    token, function, underlying = _three(value)
    if not function.endswith("(uint256)"):
        raise DecodeError(f"rates: {function} takes no amount; write e.g. rate(uint256)")
    addresses = address(spec, token, RATES), address(spec, underlying, RATES)
    return RateClaim(addresses[0], Function(function, "uint256"), addresses[1], asks_asset=False)


def _twin(spec: VenueSpec, value: str) -> TokenClaim:
    token, rest = value.split(":", 1) if ":" in value else (value, "")
    native, _, lock = rest.rpartition(":")
    try:
        underlying: TokenId = parse_token_id(native, "bridged")
        custodian = parse_address(chain_of(underlying), lock, "bridged")
    except InvalidArgumentError as error:
        raise DecodeError(error.message) from None
    here = erc20_id(spec.id, address(spec, token, BRIDGED))
    at = f"{chain_of(underlying)}/{custodian}"
    return TokenClaim(here, underlying, 1, 1, at, kept=True)


def _three(value: str) -> tuple[str, str, str]:
    parts = value.split(":")
    if len(parts) != 3:
        raise DecodeError(f"rates: {value!r} is not <token>:<function>:<underlying>")
    return parts[0], parts[1], parts[2]


def fault_facts(spec: VenueSpec, registry: Registry, fault: str) -> list[Fact]:
    """Every token that is named, at fault."""
    del registry
    named = (value.split(":")[0].lower() for name in SETTINGS for value in spec.values(name))
    return [market_fault(spec.id, CLAIM_RECORD, erc20_id(spec.id, one), fault) for one in named]
