"""What a token's own program may take from who holds it: fees and powers of its authorities."""

from dataclasses import dataclass
from decimal import Decimal

TOKEN_TERMS_RECORD = "token-terms"  # noqa: S105 - no secret
"""The record of a token's terms, told by the wallets of its chain; its key is the token's id."""

_BPS = 10_000


@dataclass(frozen=True, slots=True)
class TokenTerms:
    """What a holder can count on, and why it is less than the balance.

    A transfer costs ``transfer_fee_bps`` of its amount, rounded up, at most ``transfer_fee_max``
    smallest units. ``haircut_bps`` is taken from net collateral beside the configured haircut,
    whichever is more.
    """

    transfer_fee_bps: int
    transfer_fee_max: int
    haircut_bps: int
    reasons: tuple[str, ...]

    @property
    def haircut(self) -> Decimal:
        """As a share of one."""
        return Decimal(self.haircut_bps) / _BPS

    def received(self, amount: int) -> int:
        """What arrives when ``amount`` is sent (``TransferFee::calculate_post_fee_amount``)."""
        return amount - min(self.transfer_fee_max, -(-amount * self.transfer_fee_bps // _BPS))

    def sent(self, amount: int) -> int:
        """What must be sent so that ``amount`` arrives, or one unit more."""
        rest_bps = _BPS - self.transfer_fee_bps
        if amount == 0 or rest_bps <= 0:
            return amount + self.transfer_fee_max if amount else 0
        return min(-(-amount * _BPS // rest_bps), amount + self.transfer_fee_max)
