"""Numbers on their way into the core."""

from collections.abc import Iterator
from contextlib import contextmanager

from xmargin.errors import EngineError


@contextmanager
def typed_faults(table: str) -> Iterator[None]:
    """Say of a number that the core's type cannot hold what is said of any other wrong number.

    Raises:
        EngineError: a number was negative where none may be, or too large.
    """
    try:
        yield
    except OverflowError as fault:
        raise EngineError(f"{table}: a number is out of range: {fault}") from None
