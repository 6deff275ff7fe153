"""The one place where an exception becomes a ``google.rpc.Status``.

Every failed call of ours carries an ``ErrorInfo`` (reason of ``xmargin.v1.ErrorReason``, domain
``xmargin.dev``) and, where a field of the request is at fault, a ``BadRequest`` naming it.
"""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, NoReturn

import grpc
from google.protobuf.message import DecodeError as ProtobufDecodeError
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status

from xmargin.errors import InvalidArgumentError, XmarginError

DOMAIN = "xmargin.dev"

_OURS = "/xmargin.v1."
_log = logging.getLogger(__name__)

Handler = Callable[[Any, grpc.aio.ServicerContext[Any, Any]], Any]


def status_of(error: Exception) -> status_pb2.Status:
    """``error`` as its status; anything untyped is INTERNAL and tells nothing of our insides."""
    if not isinstance(error, XmarginError):
        error = XmarginError("internal error; the server's log has its cause, please report it")
    status = status_pb2.Status(
        code=code_pb2.Code.Value(error.grpc_code),
        message=error.message,
    )
    status.details.add().Pack(
        error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN, metadata=error.metadata)
    )
    if isinstance(error, InvalidArgumentError) and error.field:
        violation = error_details_pb2.BadRequest.FieldViolation(
            field=error.field, description=error.message
        )
        status.details.add().Pack(error_details_pb2.BadRequest(field_violations=[violation]))
    return status


class StatusInterceptor(grpc.aio.ServerInterceptor):
    """Turns what our methods raise into statuses, and undecodable requests into bad arguments."""

    async def intercept_service(
        self,
        continuation: Callable[
            [grpc.HandlerCallDetails], "Awaitable[grpc.RpcMethodHandler[Any, Any] | None]"
        ],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> "grpc.RpcMethodHandler[Any, Any]":
        """Wrap the handlers of xmargin's own services; health and reflection keep their own."""
        handler: Any = await continuation(handler_call_details)
        method: str = handler_call_details.method
        if handler is None or not method.startswith(_OURS):
            return handler  # type: ignore[no-any-return] # None is an unknown method
        # The raw request comes to us: a failing deserializer of gRPC's would answer INTERNAL.
        parse, serialize = handler.request_deserializer, handler.response_serializer
        if handler.response_streaming:
            return grpc.unary_stream_rpc_method_handler(
                _guarded_stream(method, handler.unary_stream, parse), None, serialize
            )
        return grpc.unary_unary_rpc_method_handler(
            _guarded_call(method, handler.unary_unary, parse), None, serialize
        )


def _guarded_call(method: str, call: Handler, parse: Callable[[bytes], Any]) -> Handler:
    async def guarded(request: bytes, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
        try:
            return await call(_parsed(request, parse), context)
        except Exception as error:
            await _abort(method, error, context)

    return guarded


def _guarded_stream(method: str, stream: Handler, parse: Callable[[bytes], Any]) -> Handler:
    async def guarded(
        request: bytes, context: grpc.aio.ServicerContext[Any, Any]
    ) -> AsyncIterator[Any]:
        try:
            async for answer in stream(_parsed(request, parse), context):
                yield answer
        except Exception as error:
            await _abort(method, error, context)

    return guarded


def _parsed(request: bytes, parse: Callable[[bytes], Any]) -> Any:
    try:
        return parse(request)
    except ProtobufDecodeError:
        raise InvalidArgumentError(
            "request: these bytes are not the method's request message; generate the client "
            "from xmargin's protos or use reflection",
            field="request",
        ) from None


async def _abort(
    method: str, error: Exception, context: grpc.aio.ServicerContext[Any, Any]
) -> NoReturn:
    if isinstance(error, grpc.aio.BaseError):
        raise error
    if not isinstance(error, XmarginError):
        _log.error("%s failed", method, exc_info=error)
    status = rpc_status.to_status(status_of(error))
    await context.abort(status.code, status.details, status.trailing_metadata)
