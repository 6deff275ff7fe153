"""The tape: the ordered, append-only, content-hashed log of observations."""

from xmargin.tape.log import TapePosition, TapeWriter, read_tape

__all__ = ["TapePosition", "TapeWriter", "read_tape"]
