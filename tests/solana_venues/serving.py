"""The golden and the captured accounts on a Solana VM as if its programs had just touched them."""

import struct
import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from solders.pubkey import Pubkey

from tests.chains.running import Running, running
from tests.solana.harness import wallet_key
from tests.solana_venues import captures, drift_golden, kamino_golden, marginfi_golden
from tests.solana_venues.packing import unpacked
from xmargin import solana_prices
from xmargin.config import parse_config
from xmargin.model import AccountHealth
from xmargin.testbed.pyth import PriceUpdate
from xmargin.testbed.solana_vm import SolanaVm
from xmargin.testbed.world import Testbed
from xmargin.venues import drift_v2, kamino, marginfi_v2
from xmargin.venues.layouts import drift_v2 as drift_layouts
from xmargin.venues.layouts import kamino as kamino_layouts
from xmargin.venues.layouts import marginfi_v2 as marginfi_layouts
from xmargin.venues.solana_layout import AccountLayout
from xmargin.venues.solana_wallet import TOKEN_PROGRAM

PRICES_USD = {"SOL": Decimal(160), "USDC": Decimal(1)}
PYTH_EXPONENT = -8
SETTINGS = {
    "drift-v2": {"oracle_slots_max": 100_000, "interest_age_s_max": 100_000},
    "marginfi-v2": {"interest_age_s_max": 100_000},
    "kamino": {"price_age_s_max": 100_000},
}
_CODES = {"u16": "<H", "u32": "<I", "i64": "<q", "u64": "<Q", "i32": "<i"}


def patched(layout: AccountLayout, data: bytes, **values: int) -> bytes:
    """An account with some fields changed."""
    changed = bytearray(data)
    for place in layout.fields:
        if place.name in values:
            raw = struct.pack(_CODES[place.kind], values[place.name])
            changed[place.at : place.at + len(raw)] = raw
    return bytes(changed)


def made(layout: AccountLayout, **values: int) -> bytes:
    """An account of nothing but its discriminator and these."""
    return patched(layout, layout.discriminator.ljust(layout.length, b"\0"), **values)


def pyth_update(price: int, slot: int, **changes: Any) -> bytes:
    """A price update, its price in 10^-8."""
    now_s = int(time.time())
    given: dict[str, Any] = {"confidence": 0, "publish_time_s": now_s}
    given |= {"write_authority": bytes(32)} | changes
    return PriceUpdate("ab" * 32, price, posted_slot=slot, **given).encode()


@dataclass
class Chain:
    """The VM, and the accounts that were put on it."""

    vm: SolanaVm
    slot: int
    now_s: int
    decimals: dict[str, int]
    owners: dict[str, str] = field(default_factory=dict)
    clashes: set[str] = field(default_factory=set)
    """Addresses that two golden files name for two things: the later is there."""

    async def put(self, address: str, owner: str, data: bytes) -> None:
        if self.owners.setdefault(address, owner) != owner:
            self.clashes.add(address)
        await self.vm.set_account(Pubkey.from_string(address), Pubkey.from_string(owner), data)

    async def put_mint(self, mint: str, decimals: int) -> None:
        if mint not in self.decimals:
            head = bytes(36) + (10**9).to_bytes(8, "little")
            await self.put(mint, TOKEN_PROGRAM, head + bytes([decimals, 1]) + bytes(36))
            self.decimals[mint] = decimals

    # --- Drift --------------------------------------------------------------------------------

    async def put_drift(self) -> drift_golden.Golden:
        """All markets, their price accounts, and all made users."""
        golden, said = drift_golden.load(), drift_golden.document()
        for spot, text in zip(golden.spot_markets, said["spotMarkets"], strict=True):
            data = patched(drift_layouts.SPOT_MARKET, unpacked(text), last_interest_ts=self.now_s)
            address = drift_v2.spot_market_address(spot.market_index)
            await self.put(address, drift_v2.PROGRAM, data)
            await self.put_mint(spot.mint, spot.decimals)
        for perp, text in zip(golden.perp_markets, said["perpMarkets"], strict=True):
            address = drift_v2.perp_market_address(perp.market_index)
            await self.put(address, drift_v2.PROGRAM, unpacked(text))
        for (oracle, source), price in golden.prices.items():
            await self.put_drift_price(oracle, source, price)
        for user, one in golden.users:
            address = drift_v2.user_address(user.account)
            await self.put(address, drift_v2.PROGRAM, unpacked(one["bytes"]))
        return golden

    async def put_drift_price(self, oracle: str, source: str, price: int) -> None:
        if source == "pyth_pull":
            update = pyth_update(price * 100, self.slot)
            await self.put(oracle, solana_prices.PYTH_PROGRAM, update)
        elif source == "pyth_lazer":
            layout = drift_layouts.PYTH_LAZER_ORACLE
            data = made(layout, price=price * 100, exponent=-8, posted_slot=self.slot)
            await self.put(oracle, drift_v2.PROGRAM, data)

    async def put_captured_users(self) -> list[str]:
        """The real users that are captured; their ids without the venue."""
        names = []
        for data, said in captures.drift_users() if captures.FOLDER.is_dir() else ():
            name = f"{said['authority']}/{said['sub']}"
            address = drift_v2.user_address(f"{drift_golden.VENUE}/{name}")
            await self.put(address, drift_v2.PROGRAM, data)
            names.append(name)
        return names

    # --- marginfi -----------------------------------------------------------------------------

    async def put_marginfi(self) -> tuple[marginfi_golden.Golden, Mapping[str, int]]:
        """All banks with a price account each, and all made accounts; prices (10^-8) by bank."""
        golden, said = marginfi_golden.load(), marginfi_golden.document()
        prices = {}
        for number, (bank, one) in enumerate(zip(golden.banks, said["banks"], strict=True)):
            oracle, price = wallet_key(f"oracle of {bank.address}"), (7 + number) * 12_345_678_9
            prices[bank.address] = price
            update = pyth_update(
                price, self.slot, confidence=price // 300, ema_price=price - 1_000,
                ema_confidence=price // 7,
            )  # fmt: skip
            await self.put(str(oracle), solana_prices.PYTH_PROGRAM, update)
            layout = marginfi_layouts.BANK
            data = patched(
                layout,
                unpacked(one["bytes"]),
                last_update=self.now_s,
                oracle_max_age=60_000,
                oracle_max_confidence=2**32 - 1,
            )
            (keys,) = (field for field in layout.fields if field.name == "oracle_keys")
            data = data[: keys.at] + bytes(oracle) + data[keys.at + 32 :]
            await self.put(bank.address, marginfi_v2.PROGRAM, data)
            await self.put_mint(bank.mint, bank.decimals)
        for one in said["accounts"]:
            await self.put(one["address"], marginfi_v2.PROGRAM, unpacked(one["bytes"]))
        return golden, prices

    # --- Kamino -------------------------------------------------------------------------------

    async def put_kamino(self) -> kamino_golden.Golden:
        """The market, reserves whose prices were stored now, and all made obligations."""
        golden, said = kamino_golden.load(), kamino_golden.document()
        await self.put(golden.market.address, kamino.PROGRAM, unpacked(said["market"]["bytes"]))
        for reserve, one in zip(golden.reserves, said["reserves"], strict=True):
            data = unpacked(one["bytes"])
            data = patched(kamino_layouts.RESERVE, data, market_price_last_updated_ts=self.now_s)
            await self.put(reserve.address, kamino.PROGRAM, data)
            await self.put_mint(reserve.mint, reserve.decimals)
        for one in said["obligations"]:
            await self.put(one["address"], kamino.PROGRAM, unpacked(one["bytes"]))
        return golden

    # --- Configuration ------------------------------------------------------------------------

    def toml(self, tape: Path, portfolios: Mapping[str, Sequence[str]], quote: str = "") -> str:
        """A service that watches these accounts, and every token that was put here.

        What is priced here is not what is tested: ``quote`` is priced as USDC, all else as SOL.
        """
        from xmargin.testbed import pyth

        chain = self.vm.chain
        rows = [
            f'service = {{ tape = "{tape}" }}\n',
            f'[[chains]]\nid = "{chain}"\nname = "vm"\nkind = "solana"\n',
            f'[[chains.endpoints]]\nlabel = "vm"\nhttp = "{self.vm.http_url}"\n'
            f'ws = "{self.vm.ws_url}"\n',
        ]
        rows += [
            f'[[feeds]]\nid = "pyth@{chain}/{pyth.feed_account(base)}"\nbase = "{base}"\n'
            "heartbeat_s = 100000\n"
            for base in PRICES_USD
        ]
        for mint in sorted(self.decimals):
            base = "USDC" if mint == quote else "SOL"
            rows.append(_token(f"{chain}/token:{mint}", base))
        perps = (one.market_index for one in drift_golden.load().perp_markets)
        rows += [_token(f"{chain}/perp:drift-v2.{number}", "SOL") for number in perps]
        for kind, settings in SETTINGS.items():
            told = ", ".join(f'{name} = "{value}"' for name, value in settings.items())
            rows.append(
                f'[[venues]]\nid = "{kind}@{chain}"\nkind = "{kind}"\nsettings = {{ {told} }}\n'
            )
        for name, accounts in portfolios.items():
            rows.append(f'[[portfolios]]\nid = "{name}"\naccounts = {list(accounts)}\n')
        return "\n".join(rows).replace("'", '"')


def _token(identifier: str, base: str) -> str:
    return (
        f'[[tokens]]\nid = "{identifier}"\nsymbol = "{base}"\nasset = "{base}"\nprice = "{base}"\n'
    )


async def chain_of(bed: Testbed) -> Chain:
    """The testbed's VM, its prices fresh."""
    vm = bed.solana
    now_s = int(time.time())
    await vm.post_prices(PRICES_USD, now_s)
    return Chain(vm, await vm.slot(), now_s, {})


@asynccontextmanager
async def served(
    bed: Testbed, chain: Chain, folder: Path, portfolios: Mapping[str, Sequence[str]], **more: Any
) -> AsyncIterator[Running]:
    """The whole of xmargin over the VM, all that is watched read."""
    config = parse_config(chain.toml(folder / "a.tape", portfolios, **more))
    async with running(bed, folder / "a.tape", config) as one:
        await one.until(lambda view: all(c.condition == "OK" for c in view.metadata.as_of))
        yield one


def truths(one: Iterable[AccountHealth]) -> dict[str, AccountHealth]:
    """Healths of accounts by id."""
    return {health.account: health for health in one}
