"""The sections of a configuration, each checked by itself."""

from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationInfo,
    field_validator,
    model_validator,
)

from xmargin import model
from xmargin.config.urls import HttpUrl, WsUrl, redact
from xmargin.errors import InvalidArgumentError

MULTICALL3 = "0xca11bde05977b3631167028862be2a173976ca11"

WALLET = "wallet"
_NAMESPACES = {
    model.ChainKind.EVM: "eip155:",
    model.ChainKind.SOLANA: "solana:",
    model.ChainKind.HYPERLIQUID: "hyper:",
}
_EVM = "eip155:"
_CONTRACTS = {
    "aave-v3": "the pool's PoolAddressesProvider",
    "morpho-blue": "the Morpho contract",
    "perp-v2": "the ClearingHouse",
}
"""What ``addresses_provider`` is, of the kinds that are found by it."""


def _checked(parse: Any) -> AfterValidator:
    """A validator from one of the model's parsers."""
    return AfterValidator(lambda text: _parsed(parse, text))


def _parsed(parse: Any, *texts: str) -> str:
    """What ``parse`` makes of ``texts``; pydantic wants ``ValueError`` and names the key itself."""
    try:
        return str(parse(*texts))
    except InvalidArgumentError as error:
        raise ValueError(error.message.split(": ", 1)[-1]) from None


def _address_beside_id(text: str, info: ValidationInfo) -> str:
    """``text`` as an address on the chain of the row's ``id`` (whose own mistakes come first)."""
    identifier = info.data.get("id", "")
    if not (text and identifier):
        return text
    return _parsed(model.parse_address, model.chain_of(identifier), text)


ChainId = Annotated[str, _checked(model.parse_chain_id)]
TokenId = Annotated[str, _checked(model.parse_token_id)]
VenueId = Annotated[str, _checked(model.parse_venue_id)]
AccountId = Annotated[str, _checked(model.parse_account_id)]
EvmAddress = Annotated[str, _checked(partial(model.parse_address, "eip155:1"))]
FeedId = Annotated[str, _checked(model.parse_feed_id)]
PortfolioId = Annotated[str, _checked(model.parse_portfolio_id)]


Name = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^\S(.*\S)?$")]
# TOML floats would already have lost the written digits.
ExactDecimal = Annotated[Decimal, BeforeValidator(str)]
Price = Annotated[ExactDecimal, Field(gt=0, le=10**18, decimal_places=36)]

_RATE_KINDS = frozenset({"erc4626"})
_UINT32_MAX = 2**32 - 1
_DAY_S = 86_400
# A whole number may be written as one.
SettingText = Annotated[
    str,
    BeforeValidator(lambda value: str(value) if type(value) is int else value),
    Field(min_length=1, max_length=200, pattern=r"^\S(.*\S)?$"),
]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class EndpointConfig(_Section):
    """One RPC endpoint; without ``ws`` heads are polled.

    ``operator`` is who runs it: endpoints of one operator fail, and lie, together.
    """

    label: Name
    http: HttpUrl
    ws: WsUrl | None = None
    operator: Name | None = None

    @property
    def http_url(self) -> str:
        """The URL in clear, for the transport only."""
        http: SecretStr = self.http
        return http.get_secret_value()

    @property
    def ws_url(self) -> str | None:
        """The WebSocket URL in clear, for the transport only."""
        ws: SecretStr | None = self.ws
        return None if ws is None else ws.get_secret_value()

    @property
    def redacted(self) -> str:
        """How the endpoint may be printed."""
        return f"{self.label} ({redact(self.http_url)})"


class ChainConfig(_Section):
    """A chain and how to read it; ``reader`` names that of a chain of kind ``external``."""

    id: ChainId
    name: Name
    kind: model.ChainKind
    reader: Name | None = None
    endpoints: tuple[EndpointConfig, ...] = Field(min_length=1)
    quorum: int = Field(default=1, ge=1, le=100)
    head_age_ms_max: int = Field(default=60_000, ge=1_000)
    request_timeout_ms: int = Field(default=5_000, ge=50)
    poll_ms: int = Field(default=1_000, ge=50)
    calls_per_batch_max: int = Field(default=1_250, ge=1, le=10_000)
    reorg_depth_max: int = Field(default=128, ge=1, le=model.REORG_DEPTH_MAX)
    subscriptions_max: int = Field(default=400, ge=0, le=100_000)
    multicall3: EvmAddress = MULTICALL3
    proofs: bool = False
    balance_slots: dict[EvmAddress, Annotated[int, Field(ge=0, lt=1 << 256)]] = {}
    sequencer_feed: EvmAddress | None = None
    sequencer_grace_s: int = Field(default=3_600, ge=0)

    @model_validator(mode="after")
    def _kind_fits_id(self) -> Self:
        expected = _NAMESPACES.get(self.kind, "")
        if not self.id.startswith(expected):
            raise ValueError(f"kind {self.kind} wants an id beginning with {expected}")
        if self.sequencer_feed is not None and self.kind is not model.ChainKind.EVM:
            raise ValueError("only an EVM chain has a sequencer_feed; remove it")
        if (self.proofs or self.balance_slots) and self.kind is not model.ChainKind.EVM:
            raise ValueError("only an EVM chain has proofs and balance_slots; remove them")
        return self

    @model_validator(mode="after")
    def _reader_is_of_others(self) -> Self:
        is_external = self.kind is model.ChainKind.EXTERNAL
        if is_external and self.reader is None:
            raise ValueError("kind external wants a reader; name one of an installed package")
        if self.reader is not None and not is_external:
            raise ValueError(f"kind {self.kind} has a reader of its own; remove reader")
        return self

    @model_validator(mode="after")
    def _operators_suffice(self) -> Self:
        if self.quorum == 1:
            return self
        unnamed = [endpoint.label for endpoint in self.endpoints if endpoint.operator is None]
        if unnamed:
            raise ValueError(
                f"quorum {self.quorum} counts operators; name the operator of {', '.join(unnamed)}"
            )
        operators = sorted({str(endpoint.operator) for endpoint in self.endpoints})
        if len(operators) < self.quorum:
            raise ValueError(
                f"quorum {self.quorum} wants so many operators; there are {len(operators)}: "
                f"{', '.join(operators)}"
            )
        return self

    def spec(self) -> model.ChainSpec:
        """What is watched of the chain, without how to reach it."""
        feed = self.sequencer_feed
        return model.ChainSpec(
            self.id,
            self.name,
            self.kind,
            self.head_age_ms_max,
            "" if feed is None else f"sequencer@{self.id}/{feed}",
            0 if feed is None else self.sequencer_grace_s,
        )


class TokenConfig(_Section):
    """A token; see :class:`xmargin.model.TokenSpec`."""

    id: TokenId
    symbol: Name
    asset: Name
    price: Name
    claim: model.Claim = model.Claim.NONE
    venue: VenueId | None = None
    haircut: ExactDecimal = Field(default=Decimal(0), ge=0, le=1)
    program: str = ""

    @field_validator("program")
    @classmethod
    def _is_of_the_chain(cls, program: str, info: ValidationInfo) -> str:
        if program and not info.data.get("id", "solana:").startswith("solana:"):
            raise ValueError("only tokens on Solana belong to a program; remove it")
        return _address_beside_id(program, info)


class FeedConfig(_Section):
    """A price feed; see :class:`xmargin.model.FeedSpec`."""

    id: FeedId
    base: Name
    quote: Name = "USD"
    heartbeat_s: int = Field(ge=1)
    tolerance_s: int = Field(default=60, ge=0)
    decimals: int | None = Field(default=None, ge=0, le=36)
    description: str = ""
    confidence_bps_max: int = Field(default=200, ge=0, le=10_000)
    pyth_feed_id: str = Field(default="", pattern=r"^([0-9a-f]{64})?$")
    origin: str = Field(default="", max_length=100)
    role: model.FeedRole | None = None
    source: str = ""
    approval: int = Field(default=0, ge=0, le=_UINT32_MAX)
    price_min: Price | None = None
    price_max: Price | None = None
    liquidity_min: int | None = Field(default=None, ge=0)
    liquidity_ample: int | None = Field(default=None, ge=0)
    haircut_bps: int = Field(default=0, ge=0, le=10_000)
    rate_snapshot: Price | None = None
    rate_snapshot_at_s: int = Field(default=0, ge=0, le=_UINT32_MAX)
    rate_growth_bps_max: int | None = Field(default=None, ge=0, le=100_000)
    base_token: str = ""
    quote_token: str = ""
    twap_s: int = Field(default=0, ge=0, le=_DAY_S)
    twap_age_s_min: int = Field(default=0, ge=0, le=_DAY_S)

    @field_validator("base_token", "quote_token", "source")
    @classmethod
    def _is_of_the_chain(cls, address: str, info: ValidationInfo) -> str:
        return _address_beside_id(address, info)

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        _require_ordered(self.price_min, self.price_max)
        is_rate = self.role is model.FeedRole.RATE or (
            self.role is None and model.kind_of(self.id) in _RATE_KINDS
        )
        if is_rate and (self.rate_snapshot is None or self.rate_growth_bps_max is None):
            raise ValueError(
                "a rate needs a cap; add rate_snapshot, rate_snapshot_at_s and rate_growth_bps_max"
            )
        if self.rate_snapshot is not None and not self.rate_snapshot_at_s:
            raise ValueError("add rate_snapshot_at_s, when rate_snapshot was taken")
        return self


class PriceConfig(_Section):
    """The bounds of one base's price; see :class:`xmargin.model.PriceSpec`."""

    base: Name
    sources_min: int = Field(default=1, ge=0, le=100)
    price_min: Price | None = None
    price_max: Price | None = None
    jump_bps_max: int | None = Field(default=None, ge=0, le=1_000_000)
    jump_window_s: int = Field(default=900, ge=1, le=_DAY_S)
    jump_sources_min: int = Field(default=2, ge=2, le=100)
    basis_bps_max: int | None = Field(default=None, ge=0, le=10_000)
    peg: str = Field(default="", max_length=100)
    peg_bps_max: int = Field(default=100, ge=0, le=10_000)
    haircut_bps: int = Field(default=0, ge=0, le=10_000)
    quiet_bps_max: int = Field(default=50, ge=0, le=10_000)

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        _require_ordered(self.price_min, self.price_max)
        return self


def _require_ordered(lowest: Decimal | None, highest: Decimal | None) -> None:
    if lowest is not None and highest is not None and lowest > highest:
        raise ValueError(f"price_min {lowest} is above price_max {highest}; exchange them")


class SupplyConfig(_Section):
    """How much of a token there may be; see :class:`xmargin.model.SupplySpec`."""

    token: TokenId
    approved: int | None = Field(default=None, ge=1)
    approved_at_s: int = Field(default=0, ge=0)
    growth_bps_max: int = Field(default=0, ge=0, le=1_000_000)
    escrow: AccountId | None = None
    locked: TokenId | None = None

    @field_validator("token", "escrow", "locked")
    @classmethod
    def _is_on_an_evm_chain(cls, identifier: str | None) -> str | None:
        if identifier and (not identifier.startswith(_EVM) and f"@{_EVM}" not in identifier):
            raise ValueError("supplies are read on EVM chains only; remove it")
        if identifier and model.is_native(identifier):
            raise ValueError("a native coin does not say how much of it there is; remove it")
        return identifier

    @model_validator(mode="after")
    def _bounds_something(self) -> Self:
        if (self.escrow is None) is not (self.locked is None):
            raise ValueError("give escrow and locked, or neither")
        if self.approved is None and self.escrow is None:
            raise ValueError("give approved, or escrow and locked; else nothing is bounded")
        if self.approved is not None and not self.approved_at_s:
            raise ValueError("give approved_at_s, when the supply was approved")
        return self


class VenueConfig(_Section):
    """A venue; a fork of a protocol is one more of these."""

    id: VenueId
    kind: str
    addresses_provider: str = Field(default="", validate_default=True)
    settings: dict[Name, SettingText | tuple[SettingText, ...]] = {}

    @field_validator("settings", mode="before")
    @classmethod
    def _settings_are_texts(cls, settings: object) -> object:
        # Pydantic's own complaint names the types of the union, not the mistake.
        for name, value in settings.items() if isinstance(settings, dict) else ():
            texts = value if isinstance(value, list | tuple) else (value,)
            if not all(isinstance(one, str) and one for one in texts):
                raise ValueError(f'{name}: write a text, {name} = "…", or a list of texts')
        return settings

    @field_validator("kind")
    @classmethod
    def _wallets_are_named_so(cls, kind: str, info: ValidationInfo) -> str:
        # Whether an account is a wallet is read from its id alone.
        name = model.kind_of(info.data.get("id", kind))
        if name != kind and WALLET in (name, kind):
            raise ValueError(f"{kind!r} cannot be named {name!r}; a wallet is both, or neither is")
        return kind

    @field_validator("addresses_provider")
    @classmethod
    def _is_of_the_chain(cls, provider: str, info: ValidationInfo) -> str:
        contract = _CONTRACTS.get(info.data.get("kind", ""))
        if not provider and contract is not None:
            raise ValueError(f"add the address of {contract}")
        return _address_beside_id(provider, info)

    def spec(self) -> model.VenueSpec:
        """The venue as a fact for the tape; settings by name, their values in the given order."""
        listed = (
            (name, value if isinstance(value, tuple) else (value,))
            for name, value in sorted(self.settings.items())
        )
        settings = tuple(model.VenueSetting(name, one) for name, values in listed for one in values)
        return model.VenueSpec(self.id, self.kind, self.addresses_provider, settings)


class PortfolioConfig(_Section):
    """One owner's accounts."""

    id: PortfolioId
    accounts: tuple[AccountId, ...]
    label: str = ""


class ServiceConfig(_Section):
    """Where the service listens and keeps its tape; it never leaves loopback by default."""

    listen: str = "127.0.0.1:50051"
    tape: Path = Path("xmargin.tape")
    clock_tick_ms: int = Field(default=1_000, ge=10)


class RiskConfig(_Section):
    """The risk parameters (a built-in name or a file) and the bounds between sources.

    ``returns`` is a CSV file of ``date,asset,log_return``; without it the grid stands alone.
    """

    parameters: str = "unified-v1"
    returns: Path | None = None
    disagreement_bps_max: int = Field(default=200, ge=0, le=10_000)
    venue_price_bps_max: int = Field(default=200, ge=0, le=1_000_000)
    future_s_max: int = Field(default=15, ge=0)


class LiquidationConfig(_Section):
    """What ordering liquidations rests on; see :class:`xmargin.model.LiquidationTerms`.

    ``depth`` gives assets a curve of their own, as [units sold, price multiple] pairs.
    """

    horizon_s: int = 864_000
    correlation: ExactDecimal = Decimal("0.8")
    impact_bps_max: int = 500
    trading_s: int = 3_600
    block_accounts_max: int = 50
    depth: dict[Name, tuple[tuple[ExactDecimal, ExactDecimal], ...]] = {}

    @model_validator(mode="after")
    def _is_in_range(self) -> Self:
        model.check_liquidation_terms(self.terms())
        return self

    def terms(self) -> model.LiquidationTerms:
        """The section as a fact for the tape."""
        curves = (
            model.AssetDepth(asset, tuple(model.DepthKnot(*pair) for pair in self.depth[asset]))
            for asset in sorted(self.depth)
        )
        return model.LiquidationTerms(
            self.horizon_s,
            self.correlation,
            self.impact_bps_max,
            self.trading_s,
            self.block_accounts_max,
            tuple(curves),
        )
