"""Reading: what venues and oracles ask, carried over chains, becomes observations."""
