"""Venues: one file per protocol says what to read of it, how to decode it, and what it means."""
