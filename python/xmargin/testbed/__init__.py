"""Real chains on this machine: two EVM nodes with Aave v3 and Chainlink, and a Solana VM.

`xmargin.testbed.world.open_testbed` starts them; this package's top imports nothing heavy.
"""

from xmargin.testbed.packages import fetch_all, node_available

__all__ = ["fetch_all", "node_available"]
