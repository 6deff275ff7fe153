"""How far something read may be relied on."""

from enum import StrEnum


class Verdict(StrEnum):
    """What the guards say; ordered from best to worst by :func:`worst`."""

    OK = "OK"
    FLAG = "FLAG"
    HAIRCUT = "HAIRCUT"
    HOLD = "HOLD"
    REFUSE = "REFUSE"


def worst(*verdicts: Verdict) -> Verdict:
    """The worst of the verdicts; OK when there is none."""
    order = list(Verdict)
    return max(verdicts, key=order.index, default=Verdict.OK)


class Finality(StrEnum):
    """How sure it is that a block stays; Solana's *confirmed* is SAFE, *processed* LATEST."""

    LATEST = "LATEST"
    SAFE = "SAFE"
    FINALIZED = "FINALIZED"


class Condition(StrEnum):
    """The state of our view of one chain."""

    UNREAD = "UNREAD"  # not read since the tape began, or since what is watched changed
    OK = "OK"
    LAGGING = "LAGGING"  # its head is older than head_age_ms_max
    UNREACHABLE = "UNREACHABLE"  # no endpoint answers
    INVALID = (
        "INVALID"  # an endpoint answers, but wrongly (other chain id, garbage), or they differ
    )
    SUSPENDED = "SUSPENDED"  # its sequencer is down, or came back too short a while ago
