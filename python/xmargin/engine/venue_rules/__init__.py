"""The doors to the core's venue rules, one file a venue (``docs/venues.md``)."""
