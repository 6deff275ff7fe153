"""Every guard by its name, and how it is switched off by what documents it."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace

from xmargin.model import (
    ChainStatus,
    Condition,
    LiquidationTerms,
    Observation,
    Registry,
    RiskParameters,
)
from xmargin.oracles.findings import NONE, Guard, Guards
from xmargin.params import parse_parameters

Changed = Callable[[Observation], Observation | None]


@dataclass(frozen=True)
class Off:
    """A guard of the engine that is off: guards of prices by name, others by their parameter."""

    name: str
    incident: str
    changed: Changed = lambda one: one
    without: Guards = NONE

    def __str__(self) -> str:
        return self.name


def of_registry(name: str, incident: str, change: Callable[[Registry], Registry]) -> Off:
    def changed(one: Observation) -> Observation:
        fact = one.fact
        return replace(one, fact=change(fact)) if isinstance(fact, Registry) else one

    return Off(name, incident, changed)


def of_parameters(name: str, incident: str, part: str, *, of: str = "") -> Off:
    """Without a part of the risk parameters, or with its rates at zero."""

    def changed(one: Observation) -> Observation:
        if not isinstance(one.fact, RiskParameters):
            return one
        tree = json.loads(one.fact.content)
        rates = tree[of][part] if of else tree[part]
        rates["maintenance"] = rates["initial"] = "0"
        return replace(one, fact=parse_parameters(json.dumps(tree)))

    return Off(name, incident, changed)


def heads_may_be_any_age(registry: Registry) -> Registry:
    chains = tuple(replace(chain, head_age_ms_max=10**12) for chain in registry.chains)
    return replace(registry, chains=chains)


def no_sequencer_is_watched(registry: Registry) -> Registry:
    chains = tuple(replace(chain, sequencer_feed="") for chain in registry.chains)
    return replace(registry, chains=chains)


def any_endpoint_is_believed(one: Observation) -> Observation | None:
    """With one operator in place of a quorum the reader has nothing to say against it."""
    fact = one.fact
    invalid = isinstance(fact, ChainStatus) and fact.condition is Condition.INVALID
    return None if invalid else one


def depth_is_that_of_the_parameters(one: Observation) -> Observation:
    is_terms = isinstance(one.fact, LiquidationTerms)
    return replace(one, fact=LiquidationTerms()) if is_terms else one


NOTHING_TO_JUDGE = frozenset({Guard.READ, Guard.FAULT, Guard.NUMBER})
"""They say that there is no number at all: without them there is still none to go by."""

_NEEDED_BY = {
    Guard.CHAIN: "arbitrum_sequencer_2023_12_15",
    Guard.CONFIDENCE: "pyth_btc_2021_09_20",
    Guard.DATE: "pyth_btc_2021_09_20",
    Guard.FRESHNESS: "venus_luna_2022_05_12",
    Guard.IDENTITY: "pyth_btc_2021_09_20",
    Guard.VERIFICATION: "pyth_btc_2021_09_20",
    Guard.FEED_BOUNDS: "venus_luna_2022_05_12",
    Guard.LIQUIDITY: "hyperliquid_jelly_2025_03_26",
    Guard.RATE_CAP: "venus_wusdm_2025_02_27",
    Guard.UNIT: "aave_capo_2026_03_10",
    Guard.PRICE_BOUNDS: "moonwell_cbeth_2026_02_15",
    Guard.SOURCES: "hyperliquid_jelly_2025_03_26",
    Guard.ORIGIN: "hyperliquid_jelly_2025_03_26",
    Guard.SPOT: "hyperliquid_jelly_2025_03_26",
    Guard.AGREEMENT: "compound_dai_2020_11_26",
    Guard.RATE: "binance_usde_2025_10_10",
    Guard.JUMP: "mango_2022_10_11",
    Guard.PEG: "usdc_2023_03_11",
    Guard.SUPPLY: "resolv_usr_2026_03_22",
}

OFF: tuple[Off, ...] = (
    *(
        Off(guard.value, incident, without=frozenset({guard}))
        for guard, incident in _NEEDED_BY.items()
    ),
    of_registry("head_age_ms_max", "solana_halt_2024_02_06", heads_may_be_any_age),
    of_registry("sequencer_feed", "arbitrum_sequencer_2023_12_15", no_sequencer_is_watched),
    of_registry(
        "venue_price_bps_max",
        "aave_capo_2026_03_10",
        lambda registry: replace(registry, venue_price_bps_max=0),
    ),
    of_registry(
        "supplies.escrow", "kelp_rseth_2026_04_18", lambda registry: replace(registry, supplies=())
    ),
    of_parameters("liquidity", "solend_whale_2022_06_19", "liquidity"),
    of_parameters("concentration", "solend_whale_2022_06_19", "concentration", of="liquidity"),
    Off("quorum", "kelp_rseth_2026_04_18", any_endpoint_is_believed),
    Off("liquidation.depth", "maker_2020_03_12", depth_is_that_of_the_parameters),
)
"""Each with the incident that it is needed for."""
