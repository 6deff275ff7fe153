"""Venues on EVM chains beside Aave, each held to its real contracts on a local chain."""
