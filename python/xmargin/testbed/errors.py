"""What can keep the testbed from starting: each a `SetupError` that says what to install."""

from xmargin.errors import SetupError


class NodeMissingError(SetupError):
    """No `node` on the PATH."""


class NpmMissingError(SetupError):
    """No `npm` on the PATH."""


class NpmFetchError(SetupError):
    """npm could not fetch a package: registry not reachable, package absent, or a time-out."""


class IntegrityError(SetupError):
    """A package's bytes are not the pinned ones, or a pinned member is not in it."""


class UnsupportedPlatformError(SetupError):
    """The chains' binaries are not published for this platform."""


class ProcessError(SetupError):
    """A chain's process did not start, or ended by itself."""


class TransactionError(SetupError):
    """A transaction the testbed sent was refused or reverted."""
