"""Binary fixed point of Solana programs as decimal figures."""

from typing import Final

VALUE_DECIMALS: Final = 18


def rounded_down(value: int, fraction_bits: int) -> int:
    """``value`` × 2^-``fraction_bits`` in 10^-18, rounded down."""
    return value * 10**VALUE_DECIMALS >> fraction_bits


def rounded_up(value: int, fraction_bits: int) -> int:
    """``value`` × 2^-``fraction_bits`` in 10^-18, rounded up."""
    return -rounded_down(-value, fraction_bits)
