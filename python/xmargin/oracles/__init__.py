"""Oracles: one file per feed kind reads quotes; the guards judge each one, once."""
