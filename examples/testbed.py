"""Starts the local chains, writes the configuration that serves them, and moves their market.

python examples/testbed.py testbed.toml
"""

import asyncio
import sys
from pathlib import Path

from xmargin.testbed.world import open_testbed


async def main(config_path: Path) -> None:
    """Keep the chains and their market going until interrupted."""
    async with open_testbed() as bed:
        tape = config_path.with_suffix(".tape")
        write(config_path, bed.config_toml(listen="127.0.0.1:50051", tape=tape))
        while True:
            await bed.market.play()
            await bed.market.reset()


def write(config_path: Path, config: str) -> None:
    """Write the configuration and say what to do with it."""
    config_path.write_text(config)
    print(f"the chains are up; now: xmargin serve --config {config_path}", flush=True)


if __name__ == "__main__":
    try:
        asyncio.run(main(Path(sys.argv[1])))
    except KeyboardInterrupt:
        print("the chains are down")
