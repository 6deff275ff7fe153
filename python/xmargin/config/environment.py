"""``XMARGIN__`` variables above the file, and secrets in files of their own."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from pydantic_settings import EnvSettingsSource

from xmargin.errors import ConfigError

ENV_PREFIX = "XMARGIN__"
_LISTS = frozenset({"chains", "tokens", "feeds", "venues", "portfolios", "prices", "supplies"})


class Environment(EnvSettingsSource):
    """``XMARGIN__…`` variables; those that end in ``_FILE`` name a file with the value."""

    def _load_env_vars(self) -> Mapping[str, str | None]:
        variables = dict(super()._load_env_vars())
        suffix = "_file"
        for name in sorted(variables):
            if not name.startswith(ENV_PREFIX.lower()):
                continue
            if name.endswith(suffix):
                path = variables.pop(name) or ""
                name = name.removesuffix(suffix)  # noqa: PLW2901 - as if it had been set so
                variables[name] = _read_secret(name.upper(), path)
            _require_section(name, self.settings_cls.model_fields)
        return variables


def _require_section(variable: str, sections: Collection[str]) -> None:
    """Refuse a variable that would set nothing."""
    section, _, key = variable.removeprefix(ENV_PREFIX.lower()).partition("__")
    name = variable.upper()
    if section not in sections:
        known = ", ".join(sorted(sections))
        raise ConfigError(f"{name}: no section {section!r}; there are {known}", field=name)
    whole = f"{ENV_PREFIX}{section.upper()}"
    if key and section in _LISTS:
        raise ConfigError(
            f"{name}: a list is set as a whole; write it as JSON in {whole}", field=name
        )


def resolve_secret_files(node: Any, key: str) -> Any:
    """Replace every ``<name>_FILE`` entry by ``<name>`` with that file's content."""
    if isinstance(node, list):
        return [resolve_secret_files(item, f"{key}.{i}") for i, item in enumerate(node)]
    if not isinstance(node, dict):
        return node
    resolved: dict[str, Any] = {}
    for name, value in node.items():
        where = f"{key}.{name}" if key else name
        if name.endswith("_FILE"):
            resolved[name.removesuffix("_FILE")] = _read_secret(where, str(value))
        else:
            resolved[name] = resolve_secret_files(value, where)
    return resolved


def _read_secret(key: str, path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        # A text that cannot be decoded would be repeated by its error.
        why = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text or no path"
        raise ConfigError(
            f"{key}: cannot read the secret file ({why}); check path and rights", field=key
        ) from None
