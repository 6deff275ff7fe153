"""The protos, the model and the errors say the same."""

import dataclasses
import subprocess
import sys
from enum import StrEnum
from typing import Any

import pytest
from google.protobuf.descriptor import Descriptor, EnumDescriptor

from tests.house.paths import ROOT
from xmargin import errors, model
from xmargin.errors import XmarginError
from xmargin.v1 import (
    error_reason_pb2,
    liquidation_service_pb2,
    margin_report_pb2,
    margin_service_pb2,
    observation_pb2,
)

MODULES = (observation_pb2, margin_report_pb2, margin_service_pb2, liquidation_service_pb2)


def messages() -> dict[str, Descriptor]:
    return {
        name: described
        for module in MODULES
        for name, described in module.DESCRIPTOR.message_types_by_name.items()
    }


def enums() -> dict[str, EnumDescriptor]:
    return {
        name: described
        for module in MODULES
        for name, described in module.DESCRIPTOR.enum_types_by_name.items()
    }


def model_dataclasses() -> dict[str, Any]:
    return {name: item for name, item in vars(model).items() if dataclasses.is_dataclass(item)}


def model_enums() -> dict[str, type[StrEnum]]:
    return {
        name: item
        for name, item in vars(model).items()
        if isinstance(item, type) and issubclass(item, StrEnum) and item is not StrEnum
    }


def error_classes(base: type[XmarginError] = XmarginError) -> list[type[XmarginError]]:
    below = [leaf for child in base.__subclasses__() for leaf in error_classes(child)]
    return [base, *below]


def snake(name: str) -> str:
    """``AaveV3EMode`` as ``aave_v3_e_mode``: protobuf's own way with field names."""
    return "".join(
        f"_{letter.lower()}" if letter.isupper() else letter for letter in name
    ).removeprefix("_")


def test_the_committed_code_is_what_the_protos_generate() -> None:
    checked = subprocess.run(
        [sys.executable, "tools/protos.py", "check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stderr


def test_every_message_mirrors_a_type_of_the_model_and_every_type_has_its_message() -> None:
    of_calls = {name for name in messages() if name.endswith(("Request", "Response"))}
    assert messages().keys() - of_calls == model_dataclasses().keys()


@pytest.mark.parametrize("name", sorted(model_dataclasses().keys() - {"Observation"}))
def test_a_message_has_the_fields_of_its_dataclass(name: str) -> None:
    in_proto = {field.name for field in messages()[name].fields}
    in_model = {field.name for field in dataclasses.fields(model_dataclasses()[name])}
    assert in_proto == in_model


def test_an_observation_has_one_case_for_each_fact() -> None:
    described = messages()["Observation"]
    cases = {field.name for field in described.oneofs_by_name["fact"].fields}
    assert cases == {snake(fact.__name__) for fact in model.Fact.__args__}
    beside = {field.name for field in described.fields} - cases
    assert beside == {field.name for field in dataclasses.fields(model.Observation)} - {"fact"}


@pytest.mark.parametrize("name", sorted(model_enums()))
def test_an_enum_of_the_protos_has_the_members_of_the_model_in_its_order(name: str) -> None:
    prefix = f"{snake(name).upper()}_"
    values = [(value.number, value.name.removeprefix(prefix)) for value in enums()[name].values]
    members = [member.name for member in model_enums()[name]]
    assert values == list(enumerate(["UNSPECIFIED", *members]))


def test_every_error_reason_has_its_class_and_every_class_its_reason() -> None:
    listed = {
        name.removeprefix("ERROR_REASON_")
        for name, _ in error_reason_pb2.ErrorReason.items()
        if name != "ERROR_REASON_UNSPECIFIED"
    }
    ours = [cls for cls in error_classes() if cls.__module__ == errors.__name__]
    assert listed == {cls.reason for cls in ours}


def test_no_two_error_classes_share_a_reason() -> None:
    reasons = [cls.reason for cls in error_classes() if cls.__module__ == errors.__name__]
    assert len(reasons) == len(set(reasons))


def test_the_documented_grpc_code_of_a_reason_is_the_one_its_class_maps_to() -> None:
    proto = (ROOT / "protos/xmargin/v1/error_reason.proto").read_text()
    for cls in error_classes():
        if cls.__module__ == errors.__name__:
            comment = proto.split(f"ERROR_REASON_{cls.reason} =")[0].rsplit("// ", 1)[1]
            assert comment.startswith(cls.grpc_code), cls.__name__
