"""What ``[[venues]]`` rows set of a venue, checked: names before anything is read, values at it."""

from collections.abc import Iterable

from xmargin.errors import ConfigError, DecodeError, InvalidArgumentError
from xmargin.model import VenueSpec, chain_of, parse_address


def check_names(spec: VenueSpec, known: Iterable[str]) -> None:
    """Refuse settings that a venue's kind does not know: one misspelt would be as if not set.

    Raises:
        ConfigError: naming the setting.
    """
    names = tuple(known)
    for setting in spec.settings:
        if setting.name not in names:
            raise ConfigError(
                f"venues.{spec.id}.settings.{setting.name}: {spec.kind} has no such setting; "
                f"it has {', '.join(names) or 'none'}",
                field="venues",
            )


def address(spec: VenueSpec, text: str, setting: str) -> str:
    """A setting's value as an address on the venue's chain.

    Raises:
        DecodeError: it is none.
    """
    try:
        return parse_address(chain_of(spec.id), text, f"settings.{setting}")
    except InvalidArgumentError as error:
        raise DecodeError(error.message) from None
