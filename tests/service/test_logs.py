import logging

import pytest

from xmargin.service.logs import RedactingFormatter, redact_urls


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        (
            "cannot reach https://rpc.example/v3/0badc0de now",
            "cannot reach https://rpc.example/… now",
        ),
        ("wss://user:pw@ws.example:8443/x?key=0badc0de", "wss://ws.example:8443/…"),
        ("URL('http://127.0.0.1:8545/')", "URL('http://127.0.0.1:8545')"),
        ("http://rpc.example:port0badc0de/", "http://…"),
    ],
)
def test_urls_in_any_text_are_redacted(text: str, printed: str) -> None:
    assert redact_urls(text) == printed


def test_a_traceback_is_redacted_too() -> None:
    with pytest.raises(OSError, match="failed") as raised:
        raise OSError("connecting to https://rpc.example/v3/0badc0de failed")
    trace = (raised.type, raised.value, raised.tb)
    record = logging.LogRecord("xmargin", logging.ERROR, "reader.py", 1, "failed", None, trace)
    printed = RedactingFormatter("%(message)s").format(record)
    assert "Traceback" in printed
    assert "rpc.example" in printed
    assert "0badc0de" not in printed
