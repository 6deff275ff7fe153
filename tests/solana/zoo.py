"""Hostile mints and token accounts, generated: what lies at an address, and what may count."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from solders.pubkey import Pubkey

from tests.solana.harness import wallet_key
from xmargin.venues.solana_wallet import (
    SYSTEM_PROGRAM,
    TOKEN_2022_PROGRAM,
    TOKEN_PROGRAM,
    associated_token_account,
)

HELD = 7_000_000
OWNER = wallet_key("owner of the zoo")
MEMO_PROGRAM = "MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr"
KEY = bytes(range(32))


@dataclass(frozen=True, slots=True)
class Animal:
    """A mint and what its owner's associated account holds.

    ``amount`` is what counts in smallest units, ``None`` where nothing may; ``haircut_bps`` what is
    taken from it at least.
    """

    name: str
    mint: bytes | None
    holding: bytes | None
    amount: int | None
    program: str = TOKEN_PROGRAM
    mint_owner: str = ""
    holding_owner: str = ""
    decimals: int = 6
    haircut_bps: int = 0

    @property
    def key(self) -> Pubkey:
        return wallet_key(f"zoo: {self.name}")

    @property
    def holder(self) -> str:
        return associated_token_account(str(OWNER), str(self.key), self.program)

    def placed(self) -> Iterator[tuple[str, str, bytes]]:
        """Address, owner and content of what is put on the chain."""
        if self.mint is not None:
            yield str(self.key), self.mint_owner or self.program, self.mint
        if self.holding is not None:
            yield self.holder, self.holding_owner or self.program, self.holding


def mint(decimals: int = 6, initialized: int = 1) -> bytes:
    return bytes(36) + (10**15).to_bytes(8, "little") + bytes([decimals, initialized]) + bytes(36)


def holding(
    of: str, amount: int = HELD, *, owner: Pubkey = OWNER, state: int = 1, key: Pubkey | None = None
) -> bytes:
    """A token account of the animal of a name."""
    of_mint = wallet_key(f"zoo: {of}") if key is None else key
    head = bytes(of_mint) + bytes(owner) + amount.to_bytes(8, "little")
    return head + bytes(36) + bytes([state]) + bytes(56)


def extended(base: bytes, account_type: int, *extensions: tuple[int, bytes]) -> bytes:
    tail = b"".join(struct.pack("<HH", kind, len(one)) + one for kind, one in extensions)
    return base.ljust(165, b"\0") + bytes([account_type]) + tail


def _spl(name: str, found: bytes | None, amount: int | None, **more: object) -> Animal:
    return Animal(name, found, holding(name), amount, **more)  # type: ignore[arg-type]


def _t22(name: str, found: bytes, amount: int | None, **more: object) -> Animal:
    held = holding(name)
    return Animal(name, found, held, amount, program=TOKEN_2022_PROGRAM, **more)  # type: ignore[arg-type]


# --- Mints --------------------------------------------------------------------------------------


def _mints() -> Iterator[Animal]:
    yield _spl("no mint", None, None)
    for decimals in (0, 6, 9, 36):
        yield _spl(f"{decimals} decimals", mint(decimals), HELD, decimals=decimals)
    for decimals in (37, 64, 128, 255):
        yield _spl(f"{decimals} decimals", mint(decimals), None)
    for initialized in (0, 2, 255):
        yield _spl(f"initialised {initialized}", mint(initialized=initialized), None)
    for size in (0, 1, 44, 81, 83, 164, 165, 166, 355, 10_000):
        yield _spl(f"{size} bytes", mint().ljust(size, b"\0")[:size], None)
    for owner in (SYSTEM_PROGRAM, MEMO_PROGRAM, TOKEN_2022_PROGRAM):
        yield _spl(f"of {owner}", mint(), None, mint_owner=owner)
    yield _t22("of the older program", mint(), None, mint_owner=TOKEN_PROGRAM)


# Kind of extension of a mint: how long, and the haircut of an honest one; None: it excludes.
_KNOWN: dict[int, tuple[int, int | None]] = {
    1: (108, 0),
    3: (32, 0),
    4: (65, 0),
    6: (1, None),
    9: (0, None),
    10: (52, None),
    12: (32, 1_000),
    14: (64, None),
    16: (129, 0),
    18: (64, 0),
    20: (64, 0),
    21: (80, 0),
    22: (64, 0),
    23: (72, 0),
    24: (196, None),
    25: (56, None),
    26: (33, None),
    28: (32, 0),
}
_OF_ACCOUNTS = {2: 8, 5: 295, 7: 0, 8: 1, 11: 1, 15: 1, 17: 64, 27: 0}


def _content(kind: int, length: int) -> bytes:
    """Keys that are somebody's; a fee of nothing; every flag up."""
    if kind == 1:
        return bytes(length)
    return (KEY * 8)[: length - 1] + b"\x02" if length else b""


def _extended_mints() -> Iterator[Animal]:
    for kind, (length, haircut) in _KNOWN.items():
        found = extended(mint(), 1, (kind, _content(kind, length)))
        amount = None if haircut is None else HELD
        yield _t22(f"extension {kind}", found, amount, haircut_bps=haircut or 0)
        for wrong in (length - 1, length + 1):
            if wrong >= 0:
                odd = extended(mint(), 1, (kind, bytes(wrong)))
                yield _t22(f"extension {kind} of {wrong} bytes", odd, None)
    for kind in (2, 5, 7, 8, 11, 13, 15, 17, 27, 29, 30, 31, 40, 255, 1_000, 32_767, 65_535):
        yield _t22(f"extension {kind}", extended(mint(), 1, (kind, bytes(8))), None)
    for bps in (10_001, 65_535):
        fees = bytes(72) + 2 * struct.pack("<QQH", 0, 2**64 - 1, bps)
        yield _t22(f"a fee of {bps} bps", extended(mint(), 1, (1, fees)), None)
    all_of_it = bytes(72) + 2 * struct.pack("<QQH", 0, 2**64 - 1, 10_000)
    yield _t22("all is fee", extended(mint(), 1, (1, all_of_it)), 0)
    one_percent = bytes(72) + 2 * struct.pack("<QQH", 0, 2**64 - 1, 100)
    yield _t22("a fee of 1 %", extended(mint(), 1, (1, one_percent)), HELD - HELD // 100)
    to_come = bytes(72) + struct.pack("<QQH", 0, 0, 0) + struct.pack("<QQH", 2**64 - 1, 9, 9)
    yield _t22("a fee to come", extended(mint(), 1, (1, to_come)), HELD)
    yield _t22("twice", extended(mint(), 1, (3, KEY), (3, KEY)), None)
    yield _t22("breaks off", extended(mint(), 1, (3, KEY))[:-1], None)
    yield _t22("breaks off early", extended(mint(), 1, (19, bytes(9)))[:-9], None)
    yield _t22("half a header", extended(mint(), 1) + b"\x03\x00\x20", None)
    for account_type in (0, 2, 3, 255):
        yield _t22(f"type {account_type}", extended(mint(), account_type, (3, KEY)), None)
    yield _t22("filled padding", extended(mint() + b"\x01", 1, (3, KEY)), None)
    yield _t22("a multisig", mint().ljust(355, b"\0"), None)
    yield _t22("many harmless", extended(mint(), 1, (3, KEY), (18, KEY * 2), (20, KEY * 2)), HELD)


# --- Token accounts -----------------------------------------------------------------------------


def _holdings() -> Iterator[Animal]:
    def animal(name: str, held: bytes | None, amount: int | None, owner: str = "") -> Animal:
        return Animal(f"holding {name}", mint(), held, amount, holding_owner=owner)

    def own(name: str, **changes: object) -> bytes:
        return holding(f"holding {name}", **changes)  # type: ignore[arg-type]

    yield animal("nothing", None, 0)
    yield animal("one", own("one", amount=1), 1)
    yield animal("all there can be", own("all there can be", amount=2**64 - 1), 2**64 - 1)
    for state in (0, 2, 3, 255):
        yield animal(f"in state {state}", own(f"in state {state}", state=state), None)
    for size in (1, 64, 164, 166, 355, 10_000):
        name = f"of {size} bytes"
        yield animal(name, own(name).ljust(size, b"\0")[:size], None)
    for owner in (SYSTEM_PROGRAM, MEMO_PROGRAM, TOKEN_2022_PROGRAM):
        yield animal(f"of {owner}", own(f"of {owner}"), None, owner)
    yield animal("of another mint", own("of another mint", key=OWNER), None)
    yield animal("sold", own("sold", owner=Pubkey(KEY)), None)


def _extended_holdings() -> Iterator[Animal]:
    def animal(name: str, amount: int | None, *extensions: tuple[int, bytes]) -> Animal:
        held = extended(holding(name), 2, *extensions)
        return Animal(name, mint(), held, amount, program=TOKEN_2022_PROGRAM)

    for kind, length in _OF_ACCOUNTS.items():
        yield animal(f"holding with {kind}", HELD, (kind, bytes(length)))
        yield animal(f"holding with {kind}, longer", None, (kind, bytes(length + 1)))
    for kind in (1, 3, 12, 13, 14, 26, 28, 29, 99, 65_535):
        yield animal(f"holding with {kind}", None, (kind, bytes(8 if kind != 13 else 0)))
    yield animal("holding twice", None, (7, b""), (7, b""))


ZOO = [*_mints(), *_extended_mints(), *_holdings(), *_extended_holdings()]
