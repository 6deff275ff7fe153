"""The command line: data to stdout, logs and errors to stderr, exit codes that mean something."""

import os
import signal
import sys
import traceback


def main() -> None:
    """Run the command line; a known error is one line on stderr."""
    # gRPC's own core would print its lines between ours.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    from xmargin.errors import XmarginError

    try:
        from xmargin.cli.app import app

        app()
    except XmarginError as error:
        from xmargin.cli.exits import exit_code_of_error

        _fail(f"error: {error.message}", exit_code_of_error(error))
    except Exception as error:
        _fail(f"{traceback.format_exc()}error: unexpected {type(error).__name__}; report it", 1)
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
    finally:
        # We are leaving: another Ctrl-C must not break into Python's own end.
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def _fail(text: str, code: int) -> None:
    from xmargin.service.logs import redact_urls

    print(redact_urls(text), file=sys.stderr)
    sys.exit(code)
