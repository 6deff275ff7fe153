"""Logs: one line a record on stderr, times in UTC, no URL in clear whatever raised it."""

import logging
import re
import sys
import time

from xmargin.config import redact

_URL = re.compile(r"(?:https?|wss?)://[^\s'\"<>()\[\]{},]+")


def redact_urls(text: str) -> str:
    """``text`` with every URL in it redacted: libraries put them into their errors."""
    return _URL.sub(lambda match: redact(match.group()), text)


class RedactingFormatter(logging.Formatter):
    """Formats a record, traceback included, and then redacts every URL in it."""

    converter = staticmethod(time.gmtime)
    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"

    def format(self, record: logging.LogRecord) -> str:
        """The record as text without secrets."""
        return redact_urls(super().format(record))


def _not_of_a_client_gone(record: logging.LogRecord) -> bool:
    """Whether it is worth a line: gRPC logs a trace when a watcher goes away mid-write."""
    return "ExecuteBatchError" not in record.getMessage()


def log_to_stderr(*, verbose: bool = False, quiet: bool = False) -> None:
    """Send all logs to stderr: with ``verbose`` every step, with ``quiet`` errors alone."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(RedactingFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    handler.addFilter(_not_of_a_client_gone)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.ERROR if quiet else logging.WARNING)
    ours = logging.ERROR if quiet else logging.DEBUG if verbose else logging.INFO
    logging.getLogger("xmargin").setLevel(ours)
