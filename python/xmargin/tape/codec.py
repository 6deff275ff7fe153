"""Observations as ``xmargin.v1.Observation`` bytes and back."""

from google.protobuf import json_format
from google.protobuf.message import DecodeError as ProtobufDecodeError

from xmargin import model, untrusted_json
from xmargin.errors import DecodeError
from xmargin.v1 import observation_pb2 as pb
from xmargin.wire import from_message, to_message

_FACT_FIELDS: dict[type, str] = {
    model.Registry: "registry",
    model.RiskParameters: "risk_parameters",
    model.FactorReturns: "factor_returns",
    model.LiquidationTerms: "liquidation_terms",
    model.ClockTick: "clock_tick",
    model.ChainHead: "chain_head",
    model.ChainReorg: "chain_reorg",
    model.ChainStatus: "chain_status",
    model.FeedRound: "feed_round",
    model.TokenState: "token_state",
    model.TokenBalance: "token_balance",
    model.TokenSupply: "token_supply",
    model.AaveV3Reserve: "aave_v3_reserve",
    model.AaveV3EMode: "aave_v3_e_mode",
    model.AaveV3Account: "aave_v3_account",
    model.VenueRecord: "venue_record",
}
_FACT_TYPES = {name: cls for cls, name in _FACT_FIELDS.items()}
_FACT_MESSAGES = {
    cls: getattr(pb, pb.Observation.DESCRIPTOR.fields_by_name[name].message_type.name)
    for cls, name in _FACT_FIELDS.items()
}


def observation_message(observation: model.Observation) -> pb.Observation:
    """The observation as its protobuf message."""
    kind = type(observation.fact)
    block = observation.block
    message = pb.Observation(
        chain=observation.chain,
        source=observation.source,
        observed_at_ms=observation.observed_at_ms,
        block=None if block is None else to_message(block, pb.BlockRef),
    )
    fact = to_message(observation.fact, _FACT_MESSAGES[kind])
    getattr(message, _FACT_FIELDS[kind]).CopyFrom(fact)
    if kind is model.ClockTick:
        message.clock_tick.SetInParent()
    return message


def observation_of(message: pb.Observation) -> model.Observation:
    """The observation in ``message``; raises :class:`DecodeError` where it says nothing."""
    which = message.WhichOneof("fact")
    if which is None:
        raise DecodeError(
            "Observation: no fact is set; it was written by a newer version or is empty"
        )
    return model.Observation(
        fact=from_message(getattr(message, which), _FACT_TYPES[which]),
        observed_at_ms=message.observed_at_ms,
        chain=message.chain,
        block=from_message(message.block, model.BlockRef) if message.HasField("block") else None,
        source=message.source,
    )


def encode(observation: model.Observation) -> bytes:
    """The observation's one byte form."""
    return observation_message(observation).SerializeToString(deterministic=True)


def decode(payload: bytes) -> model.Observation:
    """The observation in ``payload``; raises :class:`DecodeError`."""
    try:
        return observation_of(pb.Observation.FromString(payload))
    except ProtobufDecodeError as error:
        raise DecodeError(f"Observation: not a protobuf message ({error})") from None


def to_json(observation: model.Observation) -> str:
    """The observation as one line of protobuf JSON, the same for equal observations."""
    return json_format.MessageToJson(observation_message(observation), indent=None, sort_keys=True)


def from_json(text: str | bytes) -> model.Observation:
    """The observation in one line of protobuf JSON; raises :class:`DecodeError`."""
    try:
        tree = untrusted_json.loads(text)
    except ValueError as error:
        raise DecodeError(f"Observation: {' '.join(str(error).split())}") from None
    return from_tree(tree)


def from_tree(tree: object) -> model.Observation:
    """The observation in a value of parsed protobuf JSON; raises :class:`DecodeError`."""
    if not isinstance(tree, dict):
        raise DecodeError("Observation: not a JSON object")
    try:
        return observation_of(json_format.ParseDict(tree, pb.Observation()))
    except (json_format.ParseError, ValueError) as error:
        raise DecodeError(f"Observation: {' '.join(str(error).split())}") from None
