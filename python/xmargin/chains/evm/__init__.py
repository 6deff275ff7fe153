"""EVM chains: endpoints, Multicall3 pinned to a block hash, heads, and the way back to them."""
