"""ERC-4626 vaults as venues: an account is a holder, and has what its shares can be redeemed for.

A row of [[venues]] has kind = "erc4626-vault", and the vault's address as its addresses_provider.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from xmargin import records
from xmargin.errors import DecodeError
from xmargin.evm_abi import Function
from xmargin.model import AccountId, Fact, Registry, TokenId, VenueSpec, address_of
from xmargin.model.standings import VenueCase, VenueLeg, VenueStanding
from xmargin.reads import EvmLog, EvmRead
from xmargin.venues.base import EvmAccess, Unit, accounts_at, erc20_id

ASSET = Function("asset()", "address")
DECIMALS = Function("decimals()", "uint8")
SHARES = Function("balanceOf(address)", "uint256")
ASSETS = Function("maxWithdraw(address)", "uint256")


@dataclass(frozen=True, slots=True)
class Holding:
    """What of a holder is recorded: shares, and the assets that they give today."""

    asset: TokenId
    asset_decimals: int
    shares: int
    assets: int


@dataclass(frozen=True, slots=True)
class Vault:
    """A discovered vault. A share's worth moves without a log, so each block asks for all."""

    vault: str
    asset: TokenId
    asset_decimals: int
    accounts: tuple[AccountId, ...]
    log_addresses: Sequence[str] = ()
    static_facts: Sequence[Fact] = ()
    units: Sequence[Unit] = ()

    def block_reads(self) -> Sequence[EvmRead]:
        return [self._read(account) for account in self.accounts]

    def _read(self, account: AccountId) -> EvmRead:
        owner = address_of(account)

        def decode(results: Sequence[bytes | None]) -> list[Fact]:
            try:
                (shares,), (assets,) = SHARES.decode(results[0]), ASSETS.decode(results[1])
            except DecodeError as error:
                return [records.account_fault(account, error.message)]
            held = Holding(self.asset, self.asset_decimals, shares, assets)
            return [records.account_record(account, held)]

        return EvmRead((SHARES(self.vault, owner), ASSETS(self.vault, owner)), decode)

    def unit_read(self, unit: Unit) -> EvmRead:
        return self._read(unit[0])

    def touched(self, log: EvmLog) -> Iterable[Unit]:
        return ()


class Reader:
    async def discover(self, spec: VenueSpec, registry: Registry, access: EvmAccess) -> Vault:
        vault = spec.addresses_provider
        (asset,) = ASSET.decode((await access.call([ASSET(vault)]))[0])
        (decimals,) = DECIMALS.decode((await access.call([DECIMALS(asset)]))[0])
        return Vault(vault, erc20_id(spec.id, asset), decimals, accounts_at(registry, spec.id))

    def fault_facts(self, spec: VenueSpec, registry: Registry, fault: str) -> list[Fact]:
        return [records.account_fault(one, fault) for one in accounts_at(registry, spec.id)]


def standing(case: VenueCase, account: AccountId) -> VenueStanding:
    try:
        held = records.read(case.account_record(account), Holding)
    except DecodeError as error:
        return VenueStanding.at_fault(error.message)
    if held.asset not in case.tokens:
        return VenueStanding.at_fault(f"{held.asset} is not in [[tokens]]")
    unit, legs = case.tokens[held.asset].price, (VenueLeg(held.asset, held.assets),)
    # Nothing is owed, so nothing is required and there is no health factor.
    return VenueStanding(
        held.assets, 0, held.assets, 0, 0, held.asset_decimals, unit, None, False, legs
    )


class KIND:
    reader = Reader()

    @staticmethod
    def rule(case: VenueCase) -> Mapping[AccountId, VenueStanding]:
        return {account: standing(case, account) for account in case.accounts}
