"""The whole configuration: sections whose references resolve, and the registry they make."""

from collections.abc import Mapping
from typing import Any, Self

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from xmargin import model
from xmargin.config.environment import ENV_PREFIX, Environment
from xmargin.config.sections import (
    WALLET,
    ChainConfig,
    FeedConfig,
    LiquidationConfig,
    PortfolioConfig,
    PriceConfig,
    RiskConfig,
    ServiceConfig,
    SupplyConfig,
    TokenConfig,
    VenueConfig,
)
from xmargin.model.units import UNIT, units_of

_A_UNIT = "a base of [[feeds]], nor USD"


class Config(BaseSettings):
    """Everything ``xmargin serve`` needs."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True
    )

    service: ServiceConfig = ServiceConfig()
    risk: RiskConfig = RiskConfig()
    liquidation: LiquidationConfig = LiquidationConfig()
    chains: tuple[ChainConfig, ...] = Field(min_length=1)
    tokens: tuple[TokenConfig, ...] = ()
    feeds: tuple[FeedConfig, ...] = ()
    prices: tuple[PriceConfig, ...] = ()
    venues: tuple[VenueConfig, ...] = ()
    supplies: tuple[SupplyConfig, ...] = ()
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
        return (Environment(settings_cls), init_settings)

    @model_validator(mode="after")
    def _references_resolve(self) -> Self:
        self._ids_are_distinct_and_on_chains()
        self._tokens_resolve()
        self._prices_resolve()
        self._one_asset_a_price()
        self._supplies_resolve()
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

    def _prices_resolve(self) -> None:
        """Every bound is of a base that feeds quote, every unit a base that is not priced by it."""
        bases = {feed.base for feed in self.feeds}
        _refuse_duplicates("prices", [price.base for price in self.prices])
        for price in self.prices:
            _require(f"prices.{price.base}", price.base, bases, "a base of [[feeds]]")
            if price.peg:
                _require(f"prices.{price.base}.peg", price.peg, {*bases, UNIT}, _A_UNIT)
        for feed in self.feeds:
            _require(f"feeds.{feed.id}.quote", feed.quote, {*bases, UNIT}, _A_UNIT)
        registry = self.registry()
        for base, units in sorted(units_of(registry.feeds, registry.prices).items()):
            if units.circular:
                raise ValueError(
                    f"feeds: {base} is quoted in {min(units.circular)}, which is itself priced "
                    f"through {base}; quote one of them in {UNIT}"
                )

    def _supplies_resolve(self) -> None:
        chains = {chain.id for chain in self.chains}
        tokens = {token.id for token in self.tokens}
        _refuse_duplicates("supplies", [supply.token for supply in self.supplies])
        for supply in self.supplies:
            where = f"supplies.{supply.token}"
            _require(where, supply.token, tokens, "[[tokens]]")
            if supply.escrow is not None and supply.locked is not None:
                _require(f"{where}.locked", supply.locked, tokens, "[[tokens]]")
                _require(f"{where}.escrow", model.chain_of(supply.escrow), chains, "[[chains]]")
                if model.chain_of(supply.escrow) != model.chain_of(supply.locked):
                    raise ValueError(f"{where}: escrow and locked must be on one chain")

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
                if model.kind_of(venue) != WALLET:
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
            chains=tuple(chain.spec() for chain in sorted(self.chains, key=lambda chain: chain.id)),
            tokens=tuple(
                model.TokenSpec(**{**t.model_dump(), "venue": t.venue or ""})
                for t in sorted(self.tokens, key=lambda t: t.id)
            ),
            feeds=tuple(
                model.FeedSpec(**f.model_dump()) for f in sorted(self.feeds, key=lambda f: f.id)
            ),
            venues=tuple(venue.spec() for venue in sorted(self.venues, key=lambda venue: venue.id)),
            portfolios=tuple(
                model.PortfolioSpec(p.id, tuple(sorted(p.accounts)), p.label)
                for p in sorted(self.portfolios, key=lambda p: p.id)
            ),
            disagreement_bps_max=self.risk.disagreement_bps_max,
            future_s_max=self.risk.future_s_max,
            prices=tuple(
                model.PriceSpec(**p.model_dump()) for p in sorted(self.prices, key=lambda p: p.base)
            ),
            supplies=tuple(
                model.SupplySpec(
                    **{**s.model_dump(), "escrow": s.escrow or "", "locked": s.locked or ""}
                )
                for s in sorted(self.supplies, key=lambda s: s.token)
            ),
            venue_price_bps_max=self.risk.venue_price_bps_max,
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
