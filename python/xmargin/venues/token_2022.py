"""Extensions of Token-2022 mints and accounts: what each means for who holds the token.

Source: ``spl_token_2022::extension``. An extended account is padded to 165 bytes, then its type (1
mint, 2 account), then entries of kind u16, length u16, content. ``docs/venues.md`` has the table:
what is uncountable or unknown excludes the token or the balance, what authorities may do costs a
haircut, and a transfer fee is taken off.
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from xmargin.errors import DecodeError
from xmargin.model.token_terms import TokenTerms

ACCOUNT_BYTES: Final = 165
_MULTISIG_BYTES: Final = 355
_HEADER_BYTES: Final = 4
_NO_KEY: Final = bytes(32)

DELEGATE_HAIRCUT_BPS: Final = 1_000
AUTHORITY_HAIRCUT_BPS: Final = 500
"""Where an authority may stop transfers, or put a program of its own before them, at any time."""

_TRANSFER_FEE, _DEFAULT_STATE, _DELEGATE, _HOOK, _PAUSABLE = 1, 6, 12, 14, 26


class _Known(NamedTuple):
    """An extension: how long it is (``None``: any), and why its token cannot be counted."""

    length: int | None
    fault: str = ""


_OF_MINTS: Final[Mapping[int, _Known]] = MappingProxyType(
    {
        _TRANSFER_FEE: _Known(108),
        3: _Known(32),  # close authority: of a mint without supply
        4: _Known(65),  # confidential transfers: what is hidden is not counted
        _DEFAULT_STATE: _Known(1),
        9: _Known(0, "cannot be transferred"),
        10: _Known(52, "accrues interest outside its balances"),
        _DELEGATE: _Known(32),
        _HOOK: _Known(64),
        16: _Known(129),  # fees of confidential transfers
        18: _Known(64),  # metadata pointer
        19: _Known(None),  # metadata
        20: _Known(64),  # group pointer
        21: _Known(80),  # group
        22: _Known(64),  # group member pointer
        23: _Known(72),  # group member
        24: _Known(196, "hides how much of it there is"),
        25: _Known(56, "scales its balances by a multiplier"),
        _PAUSABLE: _Known(33),
        28: _Known(32),  # permissioned burn
    }
)
_OF_ACCOUNTS: Final[Mapping[int, _Known]] = MappingProxyType(
    {
        2: _Known(8),  # fees withheld in it, which are not part of its amount
        5: _Known(295),  # a confidential balance: nobody but its owner can read it
        7: _Known(0),  # immutable owner
        8: _Known(1),  # asks a memo of those who send to it
        11: _Known(1),  # CPI guard: its owner's own to lift
        13: _Known(0, "cannot be transferred"),
        15: _Known(1),  # transfer hook, of its mint
        17: _Known(64),  # confidential fees withheld in it
        27: _Known(0),  # pausable, by its mint
    }
)


def check_account(data: bytes) -> None:
    """Refuse a token account of which not all extensions are understood.

    Raises:
        DecodeError: says which, or that the account is none.
    """
    for kind, content in entries(data, ACCOUNT_BYTES, 2, "token account"):
        _check(_OF_ACCOUNTS, kind, content, "token account")


def terms_of_mint(data: bytes, base_bytes: int, epoch: int | None) -> TokenTerms | None:
    """What the extensions of a mint cost; ``None`` of a mint that has none.

    Args:
        data: the mint.
        base_bytes: how long a mint without extensions is.
        epoch: the chain's; ``None``, unknown: the higher of two fees counts.

    Raises:
        DecodeError: the token cannot be counted, or not all is understood.
    """
    found = {}
    for kind, content in entries(data, base_bytes, 1, "mint"):
        _check(_OF_MINTS, kind, content, "mint")
        found[kind] = content
    if not found:
        return None
    fee_bps, fee_max = _fee(found[_TRANSFER_FEE], epoch) if _TRANSFER_FEE in found else (0, 0)
    powers = [*_powers(found)]
    reasons = [f"transfer fee {fee_bps} bps, at most {fee_max}"] if fee_bps and fee_max else []
    reasons += [f"{reason}: {bps} bps haircut" for bps, reason in powers]
    haircut_bps = max((bps for bps, _ in powers), default=0)
    return TokenTerms(fee_bps, fee_max, haircut_bps, tuple(reasons))


def _check(known: Mapping[int, _Known], kind: int, content: bytes, what: str) -> None:
    extension = known.get(kind)
    if extension is None:
        raise DecodeError(f"the {what} has extension {kind}, which is not known here")
    if extension.length not in (None, len(content)):
        raise DecodeError(
            f"extension {kind} of the {what} has {len(content)} bytes, not {extension.length}"
        )
    if extension.fault:
        raise DecodeError(f"the {what} {extension.fault}")


def _powers(found: Mapping[int, bytes]) -> Iterator[tuple[int, str]]:
    """What authorities of a mint may do to its holders, and what that costs.

    Raises:
        DecodeError: they have done it.
    """
    if (state := found.get(_DEFAULT_STATE)) is not None and state != b"\x01":
        raise DecodeError("new accounts of the mint are frozen: nobody could buy it")
    if found.get(_DELEGATE, _NO_KEY) != _NO_KEY:
        yield DELEGATE_HAIRCUT_BPS, "a permanent delegate may take it"
    hook = found.get(_HOOK, _NO_KEY * 2)
    if hook[32:] != _NO_KEY:
        raise DecodeError("a program of its own decides on each transfer of the mint")
    if hook[:32] != _NO_KEY:
        yield AUTHORITY_HAIRCUT_BPS, "a program may be put before its transfers"
    pausable = found.get(_PAUSABLE, bytes(33))
    if pausable[32]:
        raise DecodeError("transfers of the mint are paused")
    if pausable[:32] != _NO_KEY:
        yield AUTHORITY_HAIRCUT_BPS, "its transfers may be paused"


def _fee(content: bytes, epoch: int | None) -> tuple[int, int]:
    """Basis points and most units of a fee: the newer of two from its epoch on.

    Raises:
        DecodeError: more than all is taken.
    """
    older, newer = (_one_fee(content, at) for at in (72, 90))
    if epoch is None:
        bps, most = max(older[1], newer[1]), max(older[2], newer[2])
    else:
        _, bps, most = newer if epoch >= newer[0] else older
    if bps > 10_000:
        raise DecodeError(f"a transfer fee of {bps} bps is more than all")
    return bps, most


def _one_fee(content: bytes, at: int) -> tuple[int, int, int]:
    """Epoch, basis points and most units."""
    epoch, most, bps = (
        int.from_bytes(content[start:end], "little")
        for start, end in ((at, at + 8), (at + 8, at + 16), (at + 16, at + 18))
    )
    return epoch, bps, most


def entries(
    data: bytes, base_bytes: int, account_type: int, what: str
) -> Iterator[tuple[int, bytes]]:
    """Kind and content of each extension after the base layout; none for a bare one.

    Raises:
        DecodeError: the account is of another type, breaks off, or says one extension twice.
    """
    if len(data) == base_bytes:
        return
    if len(data) <= ACCOUNT_BYTES or len(data) == _MULTISIG_BYTES:
        raise DecodeError(f"the {what} has {len(data)} bytes; {base_bytes} were expected")
    if data[ACCOUNT_BYTES] != account_type or any(data[base_bytes:ACCOUNT_BYTES]):
        raise DecodeError(f"the {what} holds an account of another type")
    seen: set[int] = set()
    at = ACCOUNT_BYTES + 1
    while at + 2 <= len(data) and (kind := int.from_bytes(data[at : at + 2], "little")):
        start = at + _HEADER_BYTES
        end = start + int.from_bytes(data[at + 2 : start], "little")
        if start > len(data) or end > len(data):
            raise DecodeError(f"the {what} breaks off in extension {kind}")
        if kind in seen:
            raise DecodeError(f"the {what} says extension {kind} twice")
        seen.add(kind)
        yield kind, data[start:end]
        at = end
