"""Measurements: what is slow is shown, never asserted. Run by ``make bench``."""
