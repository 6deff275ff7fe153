"""Pyth price accounts on the local Solana VM, in their real layout at their real addresses.

The Pyth programs do not execute here: the accounts' bytes are written outright, owned by the Pyth
receiver program, as that program would have left them after verifying an update. Readers cannot
tell; what a wrong signature does to the receiver program is not tested by this.

Layout `PriceUpdateV2` (pyth-solana-receiver, Anchor): discriminator 8, write authority 32,
verification level (0 = Partial with its count of signatures, 1 = Full), feed id 32, price i64,
confidence u64, exponent i32, publish time i64, previous publish time i64, EMA price i64,
EMA confidence u64, posted slot u64.
"""

import hashlib
import struct
from dataclasses import dataclass
from decimal import Decimal

from solders.pubkey import Pubkey

RECEIVER_PROGRAM = Pubkey.from_string("rec5EKMGg6MxZYaMdyBfgwp4d5rB9T1VQH5pJv5LtFJ")
PUSH_ORACLE_PROGRAM = Pubkey.from_string("pythWSnswVUd12oZpeFP8e9CVaEqJg25g1Vtc2biRsT")
DISCRIMINATOR = hashlib.sha256(b"account:PriceUpdateV2").digest()[:8]
# The heartbeat given to readers: how old an update may grow.
HEARTBEAT_S = 60
EXPONENT = -8
# The size the receiver program allocates: the Full level leaves one byte unused at the end.
ACCOUNT_SIZE = 134
CONFIDENCE_FRACTION = Decimal("0.0004")
_SHARD = 0

# Pyth's own ids of these feeds.
FEED_IDS = {
    "SOL": "ef0d8b6fda2ceba41da15d4095d1da392a0d2f8ed0c6c7bc0f4cfac8c280b56d",
    "ETH": "ff61491a931112ddf1bd8147cd1b641375f79f5825126d665480874634fd0ace",
    "BTC": "e62df6c8b4a85fe1a67db44dc12de5db330f7ac66b72dc658afedf0f4a415b43",
    "USDC": "eaa020c61cc479712813461ce153894a96a6c00b21ed0cfc2798d1f9a9e9c94a",
    "PYUSD": "c1da1b73d7f01e7ddd54b3766cf7fcd644395ad14f70aa706ec5384c59e76692",
}


@dataclass(frozen=True, slots=True)
class PriceUpdate:
    """One price update as the account holds it; `signatures` counts those of a Partial level."""

    feed_id: str
    price: int
    confidence: int
    publish_time_s: int
    posted_slot: int
    write_authority: bytes
    exponent: int = EXPONENT
    previous_publish_time_s: int | None = None
    ema_price: int | None = None
    ema_confidence: int | None = None
    signatures: int | None = None

    @classmethod
    def of_price(
        cls,
        base: str,
        price_usd: Decimal,
        *,
        publish_time_s: int,
        posted_slot: int,
        confidence_fraction: Decimal = CONFIDENCE_FRACTION,
    ) -> "PriceUpdate":
        """A fully verified update of one of `FEED_IDS`' feeds."""
        price = int(price_usd.scaleb(-EXPONENT))
        confidence = int(price * confidence_fraction)
        # The push oracle makes each feed account its own write authority.
        authority = bytes(feed_account(base))
        return cls(FEED_IDS[base], price, confidence, publish_time_s, posted_slot, authority)

    def encode(self) -> bytes:
        """The account's bytes."""
        level = b"\x01" if self.signatures is None else bytes([0, self.signatures])
        previous_s = self.previous_publish_time_s
        message = struct.pack(
            "<32sqQiqqqQ",
            bytes.fromhex(self.feed_id),
            self.price,
            self.confidence,
            self.exponent,
            self.publish_time_s,
            self.publish_time_s if previous_s is None else previous_s,
            self.price if self.ema_price is None else self.ema_price,
            self.confidence if self.ema_confidence is None else self.ema_confidence,
        )
        body = DISCRIMINATOR + self.write_authority + level + message
        return (body + struct.pack("<Q", self.posted_slot)).ljust(ACCOUNT_SIZE, b"\0")


def feed_account(base: str) -> Pubkey:
    """The account the sponsored feed of `base` lives at: a PDA of the push oracle program."""
    seeds = [_SHARD.to_bytes(2, "little"), bytes.fromhex(FEED_IDS[base])]
    return Pubkey.find_program_address(seeds, PUSH_ORACLE_PROGRAM)[0]
