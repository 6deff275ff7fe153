"""Oracles: one file per feed kind says what a feed answers; ``guards`` judge every quote, once."""
