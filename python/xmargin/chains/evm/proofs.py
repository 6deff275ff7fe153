"""What a block's own hash proves: its header, and accounts and storage below its state root.

A header is right when its RLP hashes to the block's hash; an account or a storage slot when a path
of Merkle-Patricia nodes leads from the state root to it (Ethereum yellow paper, 4.3 and appendix
D; ``eth_getProof`` is EIP-1186). Whoever hands these out needs no trust at all.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import rlp
from eth_utils.crypto import keccak

from xmargin.errors import DecodeError

Json: TypeAlias = Any

_QUANTITIES: Final = frozenset(
    {
        "difficulty",
        "number",
        "gasLimit",
        "gasUsed",
        "timestamp",
        "baseFeePerGas",
        "blobGasUsed",
        "excessBlobGas",
    }
)
_FIELDS: Final = (
    *("parentHash", "sha3Uncles", "miner", "stateRoot", "transactionsRoot", "receiptsRoot"),
    *("logsBloom", "difficulty", "number", "gasLimit", "gasUsed", "timestamp", "extraData"),
    *("mixHash", "nonce"),
)
# Each since a fork of its own, in this order; a chain's header ends where its forks do.
_LATER_FIELDS: Final = (
    *("baseFeePerGas", "withdrawalsRoot", "blobGasUsed", "excessBlobGas"),
    *("parentBeaconBlockRoot", "requestsHash"),
)
_EMPTY_ROOT: Final = keccak(rlp.encode(b""))
_HASH_BYTES: Final = 32
_BRANCH_ITEMS: Final = 17


@dataclass(frozen=True, slots=True)
class ProvenAccount:
    """An account as the state root has it; all zero when there is none."""

    balance: int
    storage_root: bytes


def proven_state_root(header: Json, block_hash: str) -> bytes:
    """The state root of a JSON-RPC header, which must hash to ``block_hash``.

    Raises:
        DecodeError: it does not, or is no header.
    """
    if not isinstance(header, dict):
        raise DecodeError("is no block header")
    later = [name for name in _LATER_FIELDS if header.get(name) is not None]
    items = [_item(name, header.get(name)) for name in (*_FIELDS, *later)]
    if f"0x{keccak(rlp.encode(items)).hex()}" != block_hash:
        raise DecodeError(f"the header does not hash to {block_hash}")
    return items[_FIELDS.index("stateRoot")]


def _item(name: str, value: Json) -> bytes:
    try:
        if name in _QUANTITIES:
            number = int(value, 16)
            return number.to_bytes((number.bit_length() + 7) // 8)
        return bytes.fromhex(value.removeprefix("0x"))
    except (AttributeError, TypeError, ValueError, OverflowError):
        raise DecodeError(f"the header's {name} is no hex") from None


def proven_account(state_root: bytes, address: str, nodes: Json) -> ProvenAccount:
    """What the state root says of an address.

    Raises:
        DecodeError: the nodes prove nothing of it.
    """
    leaf = proven_value(state_root, bytes.fromhex(address[2:]), _nodes(nodes))
    if not leaf:
        return ProvenAccount(0, _EMPTY_ROOT)
    account = _decoded(leaf)
    if not isinstance(account, list) or len(account) != 4 or not all(map(_is_bytes, account)):
        raise DecodeError("the proven leaf is no account")
    return ProvenAccount(int.from_bytes(account[1]), account[2])


def proven_slot(storage_root: bytes, slot: bytes, nodes: Json) -> int:
    """The number in a storage slot; 0 where nothing is stored.

    Raises:
        DecodeError: the nodes prove nothing of it.
    """
    leaf = proven_value(storage_root, slot, _nodes(nodes))
    if not leaf:
        return 0
    number = _decoded(leaf)
    if not isinstance(number, bytes) or len(number) > _HASH_BYTES:
        raise DecodeError("the proven slot is no number")
    return int.from_bytes(number)


def mapping_slot(position: int, address: str) -> bytes:
    """Where Solidity keeps ``mapping(address => …)``'s entry of an address."""
    return keccak(bytes.fromhex(address[2:]).rjust(32, b"\0") + position.to_bytes(32))


# --- Merkle-Patricia ------------------------------------------------------------------------------


def proven_value(root: bytes, key: bytes, nodes: Iterable[bytes]) -> bytes:
    """The value below ``root`` at ``key`` (hashed, as Ethereum's tries are); empty if none is.

    Raises:
        DecodeError: a node on the way is missing or malformed.
    """
    if root == _EMPTY_ROOT:
        return b""
    by_hash = {keccak(node): node for node in nodes}
    path = _nibbles(keccak(key))
    reference: Any = root
    while reference != b"":
        node = _resolved(reference, by_hash)
        if len(node) == _BRANCH_ITEMS:
            reference, path = node[path[0]], path[1:]
            continue
        prefix, is_leaf = _compact(node[0])
        if is_leaf:
            return _value(node[1]) if prefix == path else b""
        if path[: len(prefix)] != prefix:
            return b""
        reference, path = node[1], path[len(prefix) :]
        if not path:
            raise DecodeError("a proof goes on beyond its key")
    return b""


def _resolved(reference: Any, by_hash: Mapping[bytes, bytes]) -> list[Any]:
    """The node that is referred to: by its hash, or itself if it is short."""
    if isinstance(reference, bytes):
        found = by_hash.get(reference)
        if found is None:
            raise DecodeError("a node of the proof is missing")
        reference = _decoded(found)
    if not isinstance(reference, list) or len(reference) not in (2, _BRANCH_ITEMS):
        raise DecodeError("a node of the proof is malformed")
    return reference


def _compact(encoded: Any) -> tuple[tuple[int, ...], bool]:
    """A path's part in hex-prefix encoding, and whether it ends there."""
    if not isinstance(encoded, bytes) or not encoded or encoded[0] >> 4 > 3:
        raise DecodeError("a node of the proof has no path")
    flag = encoded[0] >> 4
    nibbles = _nibbles(encoded)
    return nibbles[1 if flag & 1 else 2 :], bool(flag & 2)


def _nibbles(data: bytes) -> tuple[int, ...]:
    return tuple(nibble for byte in data for nibble in (byte >> 4, byte & 15))


def _value(item: Any) -> bytes:
    if not isinstance(item, bytes):
        raise DecodeError("a leaf of the proof holds no bytes")
    return item


def _decoded(data: bytes) -> Any:
    try:
        return rlp.decode(data)
    except rlp.DecodingError:
        raise DecodeError("the proof is no RLP") from None


def _nodes(nodes: Json) -> Sequence[bytes]:
    try:
        return [bytes.fromhex(node.removeprefix("0x")) for node in nodes]
    except (AttributeError, TypeError, ValueError):
        raise DecodeError("the proof is no list of hex") from None


def _is_bytes(item: Any) -> bool:
    return isinstance(item, bytes)
