"""Contracts written byte by byte to harm whoever reads them.

Each is runtime code for ``anvil_setCode``; real bytecode run by a real EVM.
"""

from xmargin.testbed.anvil import Anvil

KIBI = 1024


def push(number: int) -> bytes:
    size = max(1, (number.bit_length() + 7) // 8)
    return bytes([0x5F + size]) + number.to_bytes(size)


RETURN, REVERT, MSTORE, JUMPDEST, JUMP, INVALID = 0xF3, 0xFD, 0x52, 0x5B, 0x56, 0xFE

REVERTS = push(0) + push(0) + bytes([REVERT])
RETURNS_NOTHING = push(0) + push(0) + bytes([RETURN])
BURNS_ALL_GAS = bytes([JUMPDEST]) + push(0) + bytes([JUMP])
INVALID_OPCODE = bytes([INVALID])


def returns_zeros(size: int) -> bytes:
    return push(size) + push(0) + bytes([RETURN])


def returns_word(word: int) -> bytes:
    """The same word, whatever is asked."""
    return push(word) + push(0) + bytes([MSTORE]) + returns_zeros(32)


def after_work(iterations: int, code: bytes) -> bytes:
    """Burns 26 gas an iteration, then runs the code (which must hold no jump)."""
    count = push(iterations)
    loop = bytes([JUMPDEST]) + push(1) + bytes([0x90, 0x03, 0x80])  # SWAP1 SUB DUP1
    return count + loop + push(len(count)) + bytes([0x57, 0x50]) + code  # JUMPI POP


def returns_by_selector(answers: dict[str, bytes], otherwise: bytes) -> bytes:
    """Runs one piece of code for each selector (hex), another for the rest."""
    head = push(0) + bytes([0x35]) + push(224) + bytes([0x1C])  # CALLDATALOAD, SHR
    entry = 11  # DUP1 PUSH4 sel EQ PUSH2 dest JUMPI
    at = len(head) + entry * len(answers) + len(otherwise)
    jumps, bodies = b"", b""
    for selector, code in answers.items():
        target = at + len(bodies)
        jumps += bytes([0x80, 0x63]) + bytes.fromhex(selector) + bytes([0x14, 0x61])
        jumps += target.to_bytes(2) + bytes([0x57])
        bodies += bytes([JUMPDEST]) + code
    return head + jumps + otherwise + bodies


def returns_text(text: bytes) -> bytes:
    """An ABI-encoded string of at most 32 bytes."""
    words = (32, len(text), int.from_bytes(text.ljust(32, b"\0")))
    stores = b"".join(push(w) + push(32 * i) + bytes([MSTORE]) for i, w in enumerate(words))
    return stores + returns_zeros(96)


DECIMALS, SYMBOL, BALANCE_OF = "313ce567", "95d89b41", "70a08231"


async def place(node: Anvil, address: str, code: bytes) -> str:
    """Put code at an address."""
    await node.rpc("anvil_setCode", address, "0x" + code.hex())
    return address
