"""Who bears what an account cannot pay (``docs/liquidation.md``)."""

import json
from dataclasses import dataclass

from xmargin.engine.liquidation import document_of


@dataclass(frozen=True, slots=True)
class OpenPosition:
    """A position that a bankrupt one may be closed against; higher priority goes first."""

    instrument: int
    account: int
    is_long: bool
    size: int
    priority: int = 0


@dataclass(frozen=True, slots=True)
class BankruptPosition(OpenPosition):
    """A position to close; ``share`` of the deficit goes to who it is closed against."""

    share: int = 0


@dataclass(frozen=True, slots=True)
class Loss:
    """A deficit, the insurance fund, and who may bear the rest.

    ``weights`` are what each account has at stake in the social loss; positions name accounts by
    their numbers there.
    """

    deficit: int
    fund: int
    bankrupt: tuple[BankruptPosition, ...]
    counterparties: tuple[OpenPosition, ...]
    weights: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Offset:
    """So much of a bankrupt position closed against a counterparty's, by their rows."""

    bankrupt: int
    counterparty: int
    size: int


@dataclass(frozen=True, slots=True)
class Absorbed:
    """Who bears what: the parts add up to the deficit."""

    by_fund: int
    offsets: tuple[Offset, ...]
    by_price: int
    """Borne by the counterparties of ``offsets``, through the bankruptcy price."""
    by_weight: tuple[int, ...]
    unborne: int


def absorb_loss(loss: Loss) -> Absorbed:
    """The insurance fund, then auto-deleveraging by instrument, then all by their weights.

    Raises:
        ParameterError: a field is out of its range; the message names it.
        EngineError: the shares of the bankrupt positions are more than the deficit.
    """
    from xmargin import _core

    answer = json.loads(_core.absorb_loss(json.dumps(document_of(loss))))
    return Absorbed(
        by_fund=int(answer["by_fund"]),
        offsets=tuple(Offset(row, other, int(size)) for row, other, size in answer["offsets"]),
        by_price=int(answer["by_price"]),
        by_weight=tuple(int(part) for part in answer["by_weight"]),
        unborne=int(answer["unborne"]),
    )
