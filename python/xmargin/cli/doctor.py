"""``xmargin doctor``."""


def doctor() -> None:
    """Probe."""
