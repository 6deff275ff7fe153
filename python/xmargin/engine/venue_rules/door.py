"""A document to the core and its answer back."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


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
