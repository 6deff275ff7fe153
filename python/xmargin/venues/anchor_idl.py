"""From a program's IDL (Anchor's JSON, before and after 0.30) to a table of where fields lie.

Used where a table is made or held against its IDL, never to decode. Structures are taken as they
stand, field after field: programs that use zero-copy accounts pad them explicitly.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from xmargin.errors import DecodeError
from xmargin.venues.solana_layout import DISCRIMINATOR_BYTES, AccountLayout, Field, Rows

_BYTES: Final = {
    **{f"{sign}{bits}": bits // 8 for sign in "ui" for bits in (8, 16, 32, 64, 128)},
    "bool": 1,
    "pubkey": 32,
    "publicKey": 32,
}
_FIXED_POINTS: Final = {"WrappedI80F48": "i80f48"}
"""Structures that are one number."""

_Type: TypeAlias = Any

Wanted: TypeAlias = Mapping[str, str | Mapping[str, str]]
"""Names of ours by path in the IDL (``amm.oracle``); of an array of structures, a table of such."""


@dataclass(frozen=True, slots=True)
class _Place:
    at: int
    type: _Type


class Idl:
    """An IDL that was parsed from its JSON."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        accounts = document.get("accounts", [])
        self._types = {each["name"]: each["type"] for each in document.get("types", [])}
        self._types |= {each["name"]: each["type"] for each in accounts if "type" in each}
        self._discriminators = {
            each["name"]: bytes(each["discriminator"])
            for each in accounts
            if "discriminator" in each
        }

    def layout(self, program: str, account: str, wanted: Wanted) -> AccountLayout:
        """The table of an account, with the fields wanted of it.

        Raises:
            DecodeError: the IDL has no such account or field.
        """
        whole = {"defined": account}
        fields: list[Field] = []
        rows: list[Rows] = []
        for path, name in wanted.items():
            place = self._find(whole, path, DISCRIMINATOR_BYTES)
            if isinstance(name, str):
                fields.append(self._field(name, place))
            else:
                rows.append(self._rows(path, place, name))
        return AccountLayout(
            program=program,
            name=account,
            discriminator=self.discriminator(account),
            length=DISCRIMINATOR_BYTES + self._size(whole),
            fields=_in_order(fields),
            rows=tuple(sorted(rows, key=lambda each: each.at)),
        )

    def discriminator(self, account: str) -> bytes:
        """The first eight bytes of an account: said by the IDL, or hashed as Anchor does."""
        hashed = hashlib.sha256(f"account:{account}".encode()).digest()[:DISCRIMINATOR_BYTES]
        return self._discriminators.get(account, hashed)

    def _rows(self, path: str, place: _Place, wanted: Mapping[str, str]) -> Rows:
        item, count = place.type["array"]
        fields = [self._field(name, self._find(item, p, 0)) for p, name in wanted.items()]
        stride = self._size(item)
        return Rows(_snake(path.rsplit(".", 1)[-1]), place.at, count, stride, _in_order(fields))

    def _find(self, within: _Type, path: str, at: int) -> _Place:
        for step in path.split("."):
            structure = self._structure(within)
            for field in structure:
                if _snake(field["name"]) == step:
                    within = field["type"]
                    break
                at += self._size(field["type"])
            else:
                raise DecodeError(f"the IDL has no {step} in {path}")
        return _Place(at, within)

    def _field(self, name: str, place: _Place) -> Field:
        kind, variants = self._kind(place.type)
        return Field(name, kind, place.at, variants)

    def _kind(self, of: _Type) -> tuple[str, tuple[str, ...]]:
        if isinstance(of, str):
            return ("key" if of in {"publicKey", "pubkey"} else of), ()
        if "array" in of:
            item, count = of["array"]
            return ("bytes" if item == "u8" else self._kind(item)[0]) + f"*{count}", ()
        name = _defined(of)
        if name in _FIXED_POINTS:
            return _FIXED_POINTS[name], ()
        return "enum", tuple(_snake(each["name"]) for each in self._type(name)["variants"])

    def _size(self, of: _Type) -> int:
        if isinstance(of, str):
            return _BYTES[of]
        if "array" in of:
            item, count = of["array"]
            return self._size(item) * int(count)
        definition = self._type(_defined(of))
        if definition["kind"] == "enum":
            return 1
        return sum(self._size(field["type"]) for field in definition["fields"])

    def _structure(self, of: _Type) -> list[Any]:
        fields = self._type(_defined(of)).get("fields")
        if fields is None:
            raise DecodeError(f"{_defined(of)} of the IDL is no structure")
        return list(fields)

    def _type(self, name: str) -> Any:
        if name not in self._types:
            raise DecodeError(f"the IDL has no type {name}")
        return self._types[name]


def _defined(of: _Type) -> str:
    if not isinstance(of, Mapping) or "defined" not in of:
        raise DecodeError(f"{of} of the IDL is no structure and no enumeration")
    defined = of["defined"]
    return str(defined if isinstance(defined, str) else defined["name"])


def _in_order(fields: Iterable[Field]) -> tuple[Field, ...]:
    return tuple(sorted(fields, key=lambda field: field.at))


def _snake(name: str) -> str:
    """``perpPositions`` as ``perp_positions``; what is snake already stays."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
