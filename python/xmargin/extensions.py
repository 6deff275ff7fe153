"""What others add to xmargin: objects that installed packages name by entry points.

``xmargin.venues`` names a venue kind: an object with ``reader`` (``venues.base``) and ``rule``
(``model.standings``). ``xmargin.chains`` names a chain reader: a callable that takes a chain's
configuration, the registry and our clock (``reading.base``). Built-in names cannot be taken over.
"""

from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final, Protocol

from xmargin.errors import ConfigError
from xmargin.model.standings import VenueRule

VENUES: Final = "xmargin.venues"
CHAINS: Final = "xmargin.chains"


class VenueKind(Protocol):
    """A protocol: how its venues are read, and by which rule its accounts stand."""

    @property
    def reader(self) -> Any:
        """The reader of a venue on a chain of its family."""
        ...

    @property
    def rule(self) -> VenueRule:
        """Where accounts stand, as their venue computes it."""
        ...


def names(group: str) -> tuple[str, ...]:
    """What is named in a group, sorted."""
    return tuple(sorted({point.name for point in entry_points(group=group)}))


@cache
def load(group: str, name: str) -> Any | None:
    """The object of a name; ``None`` when no installed package names it.

    Raises:
        ConfigError: two packages name it, or it cannot be imported.
    """
    points = tuple(entry_points(group=group, name=name))
    if not points:
        return None
    if len(points) > 1:
        packages = ", ".join(sorted(map(_package_of, points)))
        raise ConfigError(
            f"{group}: {name!r} is named by {packages}; uninstall all but one", field=group
        )
    try:
        return points[0].load()
    except (ImportError, AttributeError) as error:
        raise ConfigError(
            f"{group}: {name!r} of {_package_of(points[0])} cannot be loaded ({error})", field=group
        ) from error


def _package_of(point: EntryPoint) -> str:
    return "an unnamed package" if point.dist is None else point.dist.name
