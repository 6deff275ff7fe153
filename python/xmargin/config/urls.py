"""URLs that may hold secrets: checked, kept as secrets, printed redacted."""

from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, PlainSerializer, SecretStr


def redact(url: str) -> str:
    """``url`` with all that may be a secret (user, password, path, query) replaced by ``…``."""
    try:
        parts = urlsplit(url)
        host, number = parts.hostname or "", parts.port
    except ValueError:  # its own text would repeat the secret
        return f"{url.partition('://')[0]}://…"
    port = f":{number}" if number else ""
    hidden = "/…" if parts.path.strip("/") or parts.query or parts.username else ""
    return f"{parts.scheme}://{host}{port}{hidden}"


def _url(schemes: tuple[str, ...]) -> Any:
    def check(value: SecretStr) -> SecretStr:
        wanted = f"is no URL of scheme {' or '.join(schemes)}"
        url = value.get_secret_value()
        try:
            parts = urlsplit(url)
            port = parts.port  # what urlsplit complains of holds the value: it is not repeated
        except ValueError:
            raise ValueError(
                f"{wanted}; check its port, and write '/' in a password as %2F"
            ) from None
        if parts.scheme not in schemes or not parts.hostname or port == 0 or not url.isprintable():
            raise ValueError(wanted)
        if " " in url:
            raise ValueError(f"{wanted}; remove the space in it")
        return value

    return Annotated[
        SecretStr,
        AfterValidator(check),
        PlainSerializer(lambda secret: redact(secret.get_secret_value())),
    ]


HttpUrl = _url(("http", "https"))
WsUrl = _url(("ws", "wss"))
