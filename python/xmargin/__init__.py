"""xmargin: unified margin and liquidation order over many chains.

The package itself imports nothing heavy: each room loads what it needs when it is used.
"""
