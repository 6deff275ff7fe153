"""The configuration: a TOML file, ``XMARGIN__`` variables above it, secrets by ``_FILE``.

A mistake is one line that names the key and the fix (:class:`~xmargin.errors.ConfigError`).
Endpoint URLs often carry keys: they are held as secrets and print redacted (:func:`redact`).
"""

import tomllib
from collections.abc import Mapping
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from xmargin import model
from xmargin.errors import ConfigError, InvalidArgumentError

_ENV_PREFIX = "XMARGIN__"
MULTICALL3 = "0xca11bde05977b3631167028862be2a173976ca11"

_WALLET = "wallet"
_LISTS = frozenset({"chains", "tokens", "feeds", "venues", "portfolios"})
_KINDS_BEHIND_A_PROVIDER = frozenset({"aave-v3"})


def redact(url: str) -> str:
    """``url`` with all that may be a secret (user, password, path, query) replaced by ``…``."""
    try:
        parts = urlsplit(url)
        host, number = parts.hostname or "", parts.port
    except ValueError:  # its own text would repeat the secret
        return f"{url.partition('://')[0]}://…"
    port = f":{number}" if number else ""
    hidden = "/…" if parts.path.strip("/") or parts.query or parts.username else ""
    return f"{parts.scheme}://{host}{port}{hidden}"


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


def _url(schemes: tuple[str, ...]) -> Any:
    def check(value: SecretStr) -> SecretStr:
        wanted = f"is no URL of scheme {' or '.join(schemes)}"
        url = value.get_secret_value()
        try:
            parts = urlsplit(url)
            port = parts.port  # what urlsplit complains of holds the value: it is not repeated
        except ValueError:
            raise ValueError(
                f"{wanted}; check its port, and write '/' in a password as %2F"
            ) from None
        if parts.scheme not in schemes or not parts.hostname or port == 0 or not url.isprintable():
            raise ValueError(wanted)
        if " " in url:
            raise ValueError(f"{wanted}; remove the space in it")
        return value

    return Annotated[
        SecretStr,
        AfterValidator(check),
        PlainSerializer(lambda secret: redact(secret.get_secret_value())),
    ]


HttpUrl = _url(("http", "https"))
WsUrl = _url(("ws", "wss"))
Name = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^\S(.*\S)?$")]
# TOML floats would already have lost the written digits.
ExactDecimal = Annotated[Decimal, BeforeValidator(str)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class EndpointConfig(_Section):
    """One RPC endpoint; without ``ws`` heads are polled."""

    label: Name
    http: HttpUrl  # type: ignore[valid-type]
    ws: WsUrl | None = None  # type: ignore[valid-type]

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
    """A chain and how to read it."""

    id: ChainId
    name: Name
    kind: model.ChainKind
    endpoints: tuple[EndpointConfig, ...] = Field(min_length=1)
    head_age_ms_max: int = Field(default=60_000, ge=1_000)
    request_timeout_ms: int = Field(default=5_000, ge=50)
    poll_ms: int = Field(default=1_000, ge=50)
    calls_per_batch_max: int = Field(default=1_000, ge=1, le=10_000)
    reorg_depth_max: int = Field(default=128, ge=1, le=model.REORG_DEPTH_MAX)
    subscriptions_max: int = Field(default=400, ge=0, le=100_000)
    multicall3: EvmAddress = MULTICALL3

    @model_validator(mode="after")
    def _kind_fits_id(self) -> Self:
        expected = "eip155:" if self.kind is model.ChainKind.EVM else "solana:"
        if not self.id.startswith(expected):
            raise ValueError(f"kind {self.kind} wants an id beginning with {expected}")
        return self


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
        if program and info.data.get("id", "").startswith("eip155:"):
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


class VenueConfig(_Section):
    """A venue; a fork of a protocol is one more of these."""

    id: VenueId
    kind: str
    addresses_provider: str = Field(default="", validate_default=True)

    @field_validator("kind")
    @classmethod
    def _wallets_are_named_so(cls, kind: str, info: ValidationInfo) -> str:
        # Whether an account is a wallet is read from its id alone.
        name = model.kind_of(info.data.get("id", kind))
        if name != kind and _WALLET in (name, kind):
            raise ValueError(f"{kind!r} cannot be named {name!r}; a wallet is both, or neither is")
        return kind

    @field_validator("addresses_provider")
    @classmethod
    def _is_of_the_chain(cls, provider: str, info: ValidationInfo) -> str:
        if not provider and info.data.get("kind") in _KINDS_BEHIND_A_PROVIDER:
            raise ValueError("add the address of the pool's PoolAddressesProvider")
        return _address_beside_id(provider, info)


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
    """The risk parameters (a built-in name or a file) and the bounds between sources."""

    parameters: str = "unified-v1"
    disagreement_bps_max: int = Field(default=200, ge=0, le=10_000)
    future_s_max: int = Field(default=15, ge=0)


class _Environment(EnvSettingsSource):
    """``XMARGIN__…`` variables; those that end in ``_FILE`` name a file with the value."""

    def _load_env_vars(self) -> Mapping[str, str | None]:
        variables = dict(super()._load_env_vars())
        suffix = "_file"
        for name in sorted(variables):
            if not name.startswith(_ENV_PREFIX.lower()):
                continue
            if name.endswith(suffix):
                path = variables.pop(name) or ""
                name = name.removesuffix(suffix)  # noqa: PLW2901 - as if it had been set so
                variables[name] = _read_secret(name.upper(), path)
            _require_section(name)
        return variables


def _require_section(variable: str) -> None:
    """Refuse a variable that would set nothing."""
    section, _, key = variable.removeprefix(_ENV_PREFIX.lower()).partition("__")
    fields = Config.model_fields
    name = variable.upper()
    if section not in fields:
        known = ", ".join(sorted(fields))
        raise ConfigError(f"{name}: no section {section!r}; there are {known}", field=name)
    whole = f"{_ENV_PREFIX}{section.upper()}"
    if key and section in _LISTS:
        raise ConfigError(
            f"{name}: a list is set as a whole; write it as JSON in {whole}", field=name
        )


class Config(BaseSettings):
    """Everything ``xmargin serve`` needs."""

    model_config = SettingsConfigDict(
        env_prefix=_ENV_PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True
    )

    service: ServiceConfig = ServiceConfig()
    risk: RiskConfig = RiskConfig()
    chains: tuple[ChainConfig, ...] = Field(min_length=1)
    tokens: tuple[TokenConfig, ...] = ()
    feeds: tuple[FeedConfig, ...] = ()
    venues: tuple[VenueConfig, ...] = ()
    portfolios: tuple[PortfolioConfig, ...] = Field(min_length=1)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment goes above the file."""
        return (_Environment(settings_cls), init_settings)

    @model_validator(mode="after")
    def _references_resolve(self) -> Self:
        self._ids_are_distinct_and_on_chains()
        self._tokens_resolve()
        self._one_asset_a_price()
        self._accounts_resolve()
        return self

    def _ids_are_distinct_and_on_chains(self) -> None:
        chains = {chain.id for chain in self.chains}
        for key, items in self._keyed().items():
            _refuse_duplicates(key, [item.id for item in items])
            if key == "chains":
                _refuse_duplicates("chains.name", [chain.name for chain in self.chains])
            if key in ("tokens", "feeds", "venues"):
                for item in items:
                    _require(f"{key}.{item.id}", model.chain_of(item.id), chains, "[[chains]]")

    def _tokens_resolve(self) -> None:
        bases = {feed.base for feed in self.feeds}
        venues = {venue.id for venue in self.venues}
        for token in self.tokens:
            _require(f"tokens.{token.id}.price", token.price, bases, "a base of [[feeds]]")
            if token.claim is model.Claim.VENUE_SUPPLY:
                where = f"tokens.{token.id}.venue"
                _require(where, token.venue or "", venues, "[[venues]]")
                _require(
                    where, token.venue or "", _of_chain(venues, token.id), "[[venues]] of its chain"
                )
        self._one_native_coin_a_chain()

    def _one_native_coin_a_chain(self) -> None:
        """Each would read the same balance."""
        coin_of: dict[str, str] = {}
        for token in filter(lambda token: model.is_native(token.id), self.tokens):
            coin = coin_of.setdefault(model.chain_of(token.id), token.id)
            if coin != token.id:
                raise ValueError(f"tokens: {coin} and {token.id} are one native coin; keep one")

    def _accounts_resolve(self) -> None:
        """Every account is on a known chain, at a known venue, and in one portfolio."""
        chains = {chain.id for chain in self.chains}
        venues = {venue.id for venue in self.venues}
        owners: dict[str, str] = {}
        for portfolio in self.portfolios:
            where = f"portfolios.{portfolio.id}.accounts"
            for account in portfolio.accounts:
                _require(where, model.chain_of(account), chains, "[[chains]]")
                venue = model.venue_of(account)
                if model.kind_of(venue) != _WALLET:
                    _require(where, venue, venues, "[[venues]]")
                owner = owners.get(account)
                if owner is not None:
                    raise ValueError(f"{where}: {account} is already in {owner}; keep one")
                owners[account] = portfolio.id

    def _one_asset_a_price(self) -> None:
        """Tokens net by what prices them, so one price can stand for one asset only."""
        asset_of: dict[str, str] = {}
        for token in self.tokens:
            asset = asset_of.setdefault(token.price, token.asset)
            if asset != token.asset:
                raise ValueError(
                    f"tokens.{token.id}.asset: {token.price} prices {asset} already, not "
                    f"{token.asset}; give both the same asset, or this one a price of its own"
                )

    def _keyed(self) -> Mapping[str, tuple[Any, ...]]:
        return {
            "chains": self.chains,
            "tokens": self.tokens,
            "feeds": self.feeds,
            "venues": self.venues,
            "portfolios": self.portfolios,
        }

    def registry(self) -> model.Registry:
        """What is watched, without how to reach it: a fact for the tape."""
        return model.Registry(
            chains=tuple(
                model.ChainSpec(c.id, c.name, c.kind, c.head_age_ms_max)
                for c in sorted(self.chains, key=lambda c: c.id)
            ),
            tokens=tuple(
                model.TokenSpec(**{**t.model_dump(), "venue": t.venue or ""})
                for t in sorted(self.tokens, key=lambda t: t.id)
            ),
            feeds=tuple(
                model.FeedSpec(**f.model_dump()) for f in sorted(self.feeds, key=lambda f: f.id)
            ),
            venues=tuple(
                model.VenueSpec(**v.model_dump()) for v in sorted(self.venues, key=lambda v: v.id)
            ),
            portfolios=tuple(
                model.PortfolioSpec(p.id, tuple(sorted(p.accounts)), p.label)
                for p in sorted(self.portfolios, key=lambda p: p.id)
            ),
            disagreement_bps_max=self.risk.disagreement_bps_max,
            future_s_max=self.risk.future_s_max,
        )


def _refuse_duplicates(key: str, ids: list[str]) -> None:
    for one in sorted(ids):
        if ids.count(one) > 1:
            raise ValueError(f"{key}: {one} stands there twice; keep one")


def _of_chain(venues: set[str], token: str) -> set[str]:
    return {venue for venue in venues if model.chain_of(venue) == model.chain_of(token)}


def _require(key: str, value: str, known: set[str], where: str) -> None:
    if value not in known:
        raise ValueError(f"{key}: {value or '(nothing)'} is not in {where}; add it there or fix it")


def _resolve_secret_files(node: Any, key: str) -> Any:
    """Replace every ``<name>_FILE`` entry by ``<name>`` with that file's content."""
    if isinstance(node, list):
        return [_resolve_secret_files(item, f"{key}.{i}") for i, item in enumerate(node)]
    if not isinstance(node, dict):
        return node
    resolved: dict[str, Any] = {}
    for name, value in node.items():
        where = f"{key}.{name}" if key else name
        if name.endswith("_FILE"):
            resolved[name.removesuffix("_FILE")] = _read_secret(where, str(value))
        else:
            resolved[name] = _resolve_secret_files(value, where)
    return resolved


def _read_secret(key: str, path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        # A text that cannot be decoded would be repeated by its error.
        why = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text or no path"
        raise ConfigError(
            f"{key}: cannot read the secret file ({why}); check path and rights", field=key
        ) from None


def parse_config(text: str, source: str = "config") -> Config:
    """The configuration in TOML ``text``.

    Raises:
        ConfigError: one line naming the key and the fix.
    """
    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{source}: not TOML: {error}", field=source) from None
    try:
        return Config(**_resolve_secret_files(tree, ""))
    except ValidationError as error:
        raise _one_line(error, source) from None
    except SettingsError:
        raise ConfigError(
            f"{_ENV_PREFIX}: a variable of a list or section holds no JSON; correct or unset it",
            field=_ENV_PREFIX,
        ) from None


def load_config(path: Path) -> Config:
    """The configuration in the file at ``path``; see :func:`parse_config`."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"{path}: cannot read the configuration ({error.strerror}); check the path",
            field=str(path),
        ) from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: is no UTF-8 text; save it as UTF-8", field=str(path)) from None
    return parse_config(text, path.name)


def _one_line(error: ValidationError, source: str) -> ConfigError:
    """The first complaint of pydantic as one line that never repeats a secret's value."""
    first = error.errors(include_url=False, include_input=False)[0]
    key = ".".join(str(part) for part in first["loc"])
    message = first["msg"].removeprefix("Value error, ")
    fix = {
        "missing": "add it",
        "extra_forbidden": "no such key; remove it or correct its spelling",
    }.get(first["type"], message)
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    where = f"{key}: " if key else ""
    return ConfigError(f"{source}: {where}{fix}{more}", field=key)
