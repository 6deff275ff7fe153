"""The tape: the ordered, append-only, content-hashed log of observations."""

from xmargin.tape.lines import read_observations
from xmargin.tape.log import TapeWriter, read_tape
from xmargin.tape.position import TapePosition

__all__ = ["TapePosition", "TapeWriter", "read_observations", "read_tape"]
