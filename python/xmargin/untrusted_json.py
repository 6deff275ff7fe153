"""JSON from outside: whatever it holds, it is parsed or refused, and never ends the process."""

import json
import sys
from collections.abc import Callable
from typing import Any, Final

_DEPTH_MAX: Final = 500


def loads(
    text: str | bytes,
    *,
    object_pairs_hook: Callable[[list[tuple[str, Any]]], Any] | None = None,
    parse_float: Callable[[str], Any] | None = None,
    parse_constant: Callable[[str], Any] | None = None,
) -> Any:
    """The value of a JSON text that nests no deeper than a few hundred levels.

    The hooks are those of :func:`json.loads`.

    Libraries raise Python's recursion limit for the whole process (py_ecc, which web3 loads, to
    100,000), far beyond what the C stack holds: brackets without end would then kill us.

    Raises:
        ValueError: not JSON, or nested too deep.
    """
    raised = sys.getrecursionlimit()
    sys.setrecursionlimit(min(raised, _stack_depth() + _DEPTH_MAX))
    try:
        return json.loads(
            text,
            object_pairs_hook=object_pairs_hook,
            parse_float=parse_float,
            parse_constant=parse_constant,
        )
    except RecursionError:
        raise ValueError(f"nested deeper than {_DEPTH_MAX} levels") from None
    finally:
        sys.setrecursionlimit(raised)


def _stack_depth() -> int:
    """How many Python frames stand above us."""
    frame, depth = sys._getframe(), 0
    while frame.f_back is not None:
        frame, depth = frame.f_back, depth + 1
    return depth
