"""A bare gRPC client: it knows an address and nothing else; all types come by server reflection.

python examples/client.py 127.0.0.1:50051 [PORTFOLIO]
"""

import sys
from typing import Any

import grpc
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.json_format import MessageToJson
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)


class Client:
    """Calls unary methods of any server with reflection."""

    def __init__(self, address: str) -> None:
        self._channel = grpc.insecure_channel(address)
        self._pool = DescriptorPool(ProtoReflectionDescriptorDatabase(self._channel))

    def call(self, service: str, method: str, **fields: Any) -> Any:
        """The answer of ``service.method`` to a request with these fields."""
        pool: Any = self._pool
        described = pool.FindServiceByName(service).methods_by_name[method]
        request_class = GetMessageClass(described.input_type)
        answer_class = GetMessageClass(described.output_type)
        call = self._channel.unary_unary(
            f"/{service}/{method}",
            request_serializer=request_class.SerializeToString,
            response_deserializer=answer_class.FromString,
        )
        return call(request_class(**fields), timeout=10)


def main(address: str, portfolio_id: str | None = None) -> None:
    """Print one portfolio's health, or a line for each there is."""
    client = Client(address)
    if portfolio_id is not None:
        answer = client.call("xmargin.v1.MarginService", "GetHealth", portfolio_id=portfolio_id)
        print(MessageToJson(answer))
        return
    page = client.call("xmargin.v1.MarginService", "ListPortfolios", page_size=1000)
    for health in page.healths:
        status = health.DESCRIPTOR.fields_by_name["status"].enum_type
        name = status.values_by_number[health.status].name.removeprefix("HEALTH_STATUS_")
        print(f"{health.portfolio:32} {name:12} excess {health.maintenance_excess.value or '-'}")


if __name__ == "__main__":
    main(*sys.argv[1:3])
