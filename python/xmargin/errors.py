"""The typed errors of xmargin: one small tree, one gRPC code and one documented reason each.

Every error says what is wrong and how to mend it, in one line. The Rust core raises the same
types (``xmargin-py`` maps its enum one to one); the service maps them to ``google.rpc.Status``.
"""

from typing import ClassVar


class XmarginError(Exception):
    """Base of all errors raised by xmargin.

    ``reason`` is the name in ``xmargin.v1.ErrorReason``; ``grpc_code`` the gRPC status name;
    ``metadata`` what a program may want to know (never a secret).
    """

    reason: ClassVar[str] = "INTERNAL"
    grpc_code: ClassVar[str] = "INTERNAL"

    def __init__(self, message: str, /, **metadata: str) -> None:
        super().__init__(message)
        self.message = message
        self.metadata = metadata


class InvalidArgumentError(XmarginError):
    """A value from outside is malformed or out of range; ``field`` names it."""

    reason = "INVALID_ARGUMENT"
    grpc_code = "INVALID_ARGUMENT"

    def __init__(self, message: str, /, *, field: str = "", **metadata: str) -> None:
        super().__init__(message, **metadata)
        self.field = field


class ConfigError(InvalidArgumentError):
    """The configuration is wrong; ``field`` is the key, the message holds the fix."""

    reason = "CONFIG_INVALID"


class ParameterError(InvalidArgumentError):
    """A risk parameter is missing or out of its range."""

    reason = "PARAMETER_INVALID"


class PortfolioNotFoundError(XmarginError):
    """No portfolio has this id."""

    reason = "PORTFOLIO_NOT_FOUND"
    grpc_code = "NOT_FOUND"


class AccountNotFoundError(XmarginError):
    """No portfolio has this account."""

    reason = "ACCOUNT_NOT_FOUND"
    grpc_code = "NOT_FOUND"


class NotReadyError(XmarginError):
    """No snapshot exists yet: no chain has been read since the start."""

    reason = "NOT_READY"
    grpc_code = "UNAVAILABLE"


class EndpointError(XmarginError):
    """An endpoint failed, lied about its chain or answered nonsense; nothing of it was kept."""

    reason = "ENDPOINT_FAILED"
    grpc_code = "UNAVAILABLE"


class DecodeError(XmarginError):
    """Bytes from a chain do not have the layout they should have."""

    reason = "DECODE_FAILED"
    grpc_code = "DATA_LOSS"


class TapeError(XmarginError):
    """A tape is not one of ours, is damaged, or cannot be written."""

    reason = "TAPE_CORRUPT"
    grpc_code = "DATA_LOSS"


class ObservationError(XmarginError):
    """An observation contradicts the World (unknown parent, out of order, wrong chain)."""

    reason = "OBSERVATION_REJECTED"
    grpc_code = "FAILED_PRECONDITION"


class EngineError(XmarginError):
    """The core refused its input or overflowed: a fault of ours, with the row that did it."""

    reason = "ENGINE_FAILED"
    grpc_code = "INTERNAL"


class SetupError(XmarginError):
    """This machine lacks something; the message says what to install."""

    reason = "SETUP_INCOMPLETE"
    grpc_code = "FAILED_PRECONDITION"
