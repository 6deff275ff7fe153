import inspect
from typing import Any

import pytest
from google.rpc import code_pb2, error_details_pb2

from xmargin import errors
from xmargin.service.status import DOMAIN, status_of
from xmargin.v1 import error_reason_pb2

CLASSES = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, errors.XmarginError)
]


def details(status: Any, kind: type[Any]) -> list[Any]:
    found = []
    for packed in status.details:
        message = kind()
        if packed.Unpack(message):
            found.append(message)
    return found


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_every_typed_error_becomes_its_code_and_a_documented_reason(
    kind: type[errors.XmarginError],
) -> None:
    status = status_of(kind("what is wrong; how to mend it", portfolio_id="p1"))
    assert status.code == code_pb2.Code.Value(kind.grpc_code)
    assert status.message == "what is wrong; how to mend it"
    (info,) = details(status, error_details_pb2.ErrorInfo)
    assert (info.reason, info.domain) == (kind.reason, DOMAIN)
    assert dict(info.metadata) == {"portfolio_id": "p1"}
    assert f"ERROR_REASON_{info.reason}" in error_reason_pb2.ErrorReason.keys()  # noqa: SIM118


def test_a_bad_field_is_named_in_a_bad_request() -> None:
    status = status_of(errors.InvalidArgumentError("page_size: too many", field="page_size"))
    (bad,) = details(status, error_details_pb2.BadRequest)
    (violation,) = bad.field_violations
    assert (violation.field, violation.description) == ("page_size", "page_size: too many")


def test_an_unexpected_error_tells_nothing_of_our_insides() -> None:
    status = status_of(RuntimeError("https://rpc.example/v1/secret-key refused us"))
    assert status.code == code_pb2.INTERNAL
    assert "secret" not in str(status)
    assert "rpc.example" not in str(status)
    (info,) = details(status, error_details_pb2.ErrorInfo)
    assert info.reason == "INTERNAL"
