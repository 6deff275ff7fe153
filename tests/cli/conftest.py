"""The service's fixtures serve the command line's tests too."""

from tests.service.conftest import running, start

__all__ = ["running", "start"]
