"""``xmargin serve``: read, margin and answer until told to stop."""

import asyncio
from pathlib import Path

from xmargin.cli.options import ConfigFile, Json, Verbose


def serve(config: ConfigFile, json: Json = False, verbose: Verbose = False) -> None:
    """Read all chains of a configuration and serve the health view over gRPC, until Ctrl-C.

    With --json, one line on stdout says where it listens.
    """
    from xmargin.service.logs import log_to_stderr

    log_to_stderr(verbose=verbose)
    asyncio.run(_serve(config, json))


async def _serve(config_path: Path, json: bool) -> None:
    from xmargin.cli.output import print_json
    from xmargin.config import load_config
    from xmargin.service.intake import reader_plans
    from xmargin.service.opening import open_spine
    from xmargin.service.running import stop_on_signals, wall_clock_ms
    from xmargin.service.server import serve as serve_grpc

    config = load_config(config_path)

    def announce(address: str) -> None:
        if json:
            print_json({"listening": address})

    with stop_on_signals() as stop:
        readers = reader_plans(config, wall_clock_ms)
        async with open_spine(config, config.service.tape, wall_clock_ms) as spine:
            await serve_grpc(config.service, spine, readers, stop=stop, on_bound=announce)
