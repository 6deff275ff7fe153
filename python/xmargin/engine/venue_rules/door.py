"""A document to the core and its answer back; accounts one by one."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from xmargin.errors import DecodeError, EngineError, XmarginError
from xmargin.model import AccountId
from xmargin.model.standings import VenueCase, VenueStanding

_WHOLE: Final = re.compile(r"[0-9]{1,18}", re.ASCII)


class MarginKind(StrEnum):
    """The requirement that is asked for."""

    INITIAL = "initial"
    """To open, to withdraw."""
    MAINTENANCE = "maintenance"
    """Not to be liquidated."""


@dataclass(frozen=True, slots=True)
class MarginSum:
    """Collateral and requirement in the venue's value units; health is ``None`` without a debt."""

    collateral: int
    requirement: int
    health_wad: int | None


def venue_answer(document: Mapping[str, Any]) -> dict[str, Any]:
    """What the core's rule named in the document makes of it.

    Raises:
        EngineError: the venue would refuse or overflow, or the document is malformed.
    """
    from xmargin import _core

    answer: dict[str, Any] = json.loads(_core.venue_margin(json.dumps(document)))
    return answer


def margin_sum(answer: Mapping[str, Any]) -> MarginSum:
    """A sum of the core's answer."""
    health = answer["health_wad"]
    return MarginSum(
        collateral=int(answer["collateral"]),
        requirement=int(answer["requirement"]),
        health_wad=None if health is None else int(health),
    )


def by_account(
    case: VenueCase, standing: Callable[[VenueCase, AccountId], VenueStanding]
) -> dict[AccountId, VenueStanding]:
    """Each account of a case by itself: what cannot be computed of one is a fault of that one."""
    return {account: _or_fault(case, account, standing) for account in case.accounts}


def _or_fault(
    case: VenueCase,
    account: AccountId,
    standing: Callable[[VenueCase, AccountId], VenueStanding],
) -> VenueStanding:
    try:
        return standing(case, account)
    except XmarginError as error:
        return VenueStanding.at_fault(error.message)


def free(initial: Callable[[], MarginSum]) -> int:
    """What initial margin leaves; nothing where the venue would refuse to compute it."""
    try:
        margin = initial()
    except EngineError:
        return 0
    return max(0, margin.collateral - margin.requirement)


def setting(case: VenueCase, name: str, default: int) -> int:
    """A whole number of the venue's settings.

    Raises:
        DecodeError: it is none.
    """
    said = next(iter(case.venue.values(name)), str(default))
    if _WHOLE.fullmatch(said) is None:
        raise DecodeError(f"settings.{name} of {case.venue.id}: {said[:40]!r} is no whole number")
    return int(said)
