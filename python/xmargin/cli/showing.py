"""What the demo shows of each market step."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich.console import Console

from xmargin.cli.client import HealthClient
from xmargin.cli.documents import document
from xmargin.cli.output import as_json, print_json
from xmargin.cli.screens import Board, live
from xmargin.cli.stages import Stage
from xmargin.errors import NotReadyError
from xmargin.service.running import until_first
from xmargin.v1 import liquidation_service_pb2 as liquidation_pb
from xmargin.v1 import margin_report_pb2 as pb
from xmargin.v1 import margin_service_pb2 as margin_pb

_FIRST_VIEW_S_MAX = 60.0
_STEP_S_MAX = 30.0
_SETTLE_S = 3.0
_LOOK_S = 0.1
_ATTEMPTS_MAX = 50


@dataclass(frozen=True, slots=True)
class WholeView:
    """All that a server says of one and the same view."""

    healths: margin_pb.BatchGetHealthResponse
    order: liquidation_pb.ListLiquidationsResponse

    @property
    def metadata(self) -> pb.ViewMetadata:
        """What the view rests on."""
        return self.healths.metadata


async def whole_view(client: HealthClient) -> WholeView:
    """Healths and order of one view: asked for again until no new view came in between.

    Raises:
        NotReadyError: views come faster than they can be asked for.
    """
    for _ in range(_ATTEMPTS_MAX):
        order = await client.liquidations()
        healths = [answer async for answer in client.healths()]
        sequences = {order.metadata.tape_sequence}
        sequences |= {answer.metadata.tape_sequence for answer in healths}
        if len(healths) == 1 and len(sequences) == 1:
            return WholeView(healths[0], order)
    raise NotReadyError("views come faster than a whole one can be asked for; try again")


async def first_whole_view(client: HealthClient) -> WholeView:
    """The first view in which every chain is read and every price believed.

    Raises:
        NotReadyError: it did not come in time; says what is missing.
    """
    flags: list[str] = []
    try:
        async with asyncio.timeout(_FIRST_VIEW_S_MAX):
            async for answer in client.watch():
                flags = list(answer.metadata.flags)
                if not answer.metadata.partial:
                    view = await whole_view(client)
                    if not view.metadata.partial:
                        return view
    except TimeoutError:
        pass
    missing = "; ".join(flags) or "no view at all"
    raise NotReadyError(f"no whole view within {_FIRST_VIEW_S_MAX:g} s: {missing}")


def show(
    view: WholeView,
    console: Console,
    stage: Stage,
    crossings: Sequence[liquidation_pb.Crossing] = (),
    *,
    json: bool,
) -> None:
    """Print one view of the stage, and who crossed since the one before."""
    if json:
        whole = document(view.metadata, view.healths.healths, view.order.entries)
        print_json({**whole, "crossings": [as_json(crossing) for crossing in crossings]})
        return
    board = Board(stage.clock_ms)
    board.crossings.extend(crossings)
    board.title = stage.title
    board.take(margin_pb.WatchHealthResponse(metadata=view.metadata, changed=view.healths.healths))
    board.order = view.order
    console.print(board.whole())


async def show_steps(
    stage: Stage, client: HealthClient, view: WholeView, console: Console, *, json: bool
) -> None:
    """Print the first view, then one for each market step, once all chains show the step."""
    heard: list[liquidation_pb.Crossing] = []
    await until_first(
        _hear(client, heard.append), _show_steps(stage, client, view, console, heard, json=json)
    )


async def _show_steps(
    stage: Stage,
    client: HealthClient,
    view: WholeView,
    console: Console,
    heard: list[liquidation_pb.Crossing],
    *,
    json: bool,
) -> None:
    stage.shows_step(view.metadata)
    show(view, console, stage, json=json)
    while await stage.next_step():
        later = await _view_of_step(client, stage)
        if later is None:
            return
        # Crossings of a later view stay for the next step.
        shown = [c for c in heard if c.tape_sequence <= later.metadata.tape_sequence]
        del heard[: len(shown)]
        show(later, console, stage, shown, json=json)


async def _hear(client: HealthClient, take: Callable[[liquidation_pb.Crossing], None]) -> None:
    """Every crossing from now on; who is at risk already stands in the tables."""
    async for answer in client.crossings():
        for crossing in answer.crossings if not answer.restarted else ():
            take(crossing)


async def _view_of_step(client: HealthClient, stage: Stage) -> WholeView | None:
    """The first whole view of the step begun last; ``None`` if the script ends before."""
    loop = asyncio.get_running_loop()
    deadline_s = loop.time() + _STEP_S_MAX
    while loop.time() < deadline_s:
        view = await whole_view(client)
        if stage.shows_step(view.metadata):
            return view
        if stage.ended:
            return None
        await asyncio.sleep(_LOOK_S)
    raise NotReadyError(f"a market step did not reach the view within {_STEP_S_MAX:g} s")


async def show_live(stage: Stage, client: HealthClient, console: Console) -> None:
    """A live table until the script has been played; its last state stays on the screen."""
    board = Board(stage.clock_ms)
    board.title = "the market falls by script; Ctrl-C ends"
    with live(console, board):
        await until_first(
            _follow(client, board),
            _hear(client, board.crossings.append),
            _play_and_settle(stage),
        )
    board.title = ""
    console.print(board.whole())


async def _play_and_settle(stage: Stage) -> None:
    await stage.play()
    await asyncio.sleep(_SETTLE_S)


async def _follow(client: HealthClient, board: Board) -> None:
    async for answer in client.watch():
        board.take(answer)
        board.order = await client.liquidations()
