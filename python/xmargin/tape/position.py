"""Where a tape stands: how many observations it holds, and the hash chained over them."""

import hashlib
from dataclasses import dataclass
from typing import Final

MAGIC: Final = b"xmargin tape 1\n"
"""What every tape begins with, and its chain of hashes."""


@dataclass(frozen=True, slots=True)
class TapePosition:
    """How many observations a tape holds and its content hash (hex) up to there."""

    sequence: int
    digest: str

    def after(self, payload: bytes) -> "TapePosition":
        """The position once the observation with these bytes is on the tape too."""
        digest = hashlib.sha256(bytes.fromhex(self.digest) + payload).hexdigest()
        return TapePosition(self.sequence + 1, digest)


START: Final = TapePosition(0, hashlib.sha256(MAGIC).hexdigest())
