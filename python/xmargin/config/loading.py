"""A configuration from TOML text or a file; a mistake is one line."""

import tomllib
from pathlib import Path

from pydantic import ValidationError
from pydantic_settings import SettingsError

from xmargin.config.document import Config
from xmargin.config.environment import ENV_PREFIX, resolve_secret_files
from xmargin.errors import ConfigError


def parse_config(text: str, source: str = "config") -> Config:
    """The configuration in TOML ``text``.

    Raises:
        ConfigError: one line naming the key and the fix.
    """
    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{source}: not TOML: {error}", field=source) from None
    try:
        return Config(**resolve_secret_files(tree, ""))
    except ValidationError as error:
        raise _one_line(error, source) from None
    except SettingsError:
        raise ConfigError(
            f"{ENV_PREFIX}: a variable of a list or section holds no JSON; correct or unset it",
            field=ENV_PREFIX,
        ) from None


def load_config(path: Path) -> Config:
    """The configuration in the file at ``path``; see :func:`parse_config`."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"{path}: cannot read the configuration ({error.strerror}); check the path",
            field=str(path),
        ) from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: is no UTF-8 text; save it as UTF-8", field=str(path)) from None
    return parse_config(text, path.name)


def _one_line(error: ValidationError, source: str) -> ConfigError:
    """The first complaint of pydantic as one line that never repeats a secret's value."""
    first = error.errors(include_url=False, include_input=False)[0]
    key = ".".join(str(part) for part in first["loc"])
    message = first["msg"].removeprefix("Value error, ")
    fix = {
        "missing": "add it",
        "extra_forbidden": "no such key; remove it or correct its spelling",
    }.get(first["type"], message)
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    where = f"{key}: " if key else ""
    return ConfigError(f"{source}: {where}{fix}{more}", field=key)
