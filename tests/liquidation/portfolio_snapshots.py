"""Snapshots of one or more distressed portfolios, and what a plan makes of them.

Indices are one and rates zero, so that scaled amounts are amounts: what a plan moves is applied
here without anything of the engine's.
"""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from random import Random

from hypothesis import strategies as st

from tests.core.books import HARSH, HISTORY, SIZE_FREE, with_history
from xmargin.model import (
    AaveV3Account,
    AaveV3Position,
    AaveV3Reserve,
    AssetReturns,
    BlockRef,
    ChainAsOf,
    ChainKind,
    ChainSpec,
    Claim,
    Condition,
    FactorReturns,
    FeedSpec,
    Finality,
    JudgedPrice,
    PlanMove,
    PortfolioSpec,
    PositionSide,
    Registry,
    RiskParameters,
    TokenBalance,
    TokenSpec,
    TokenState,
    VenueSpec,
    Verdict,
    chain_of,
    is_wallet,
    venue_of,
)
from xmargin.params import load_parameters, parse_parameters
from xmargin.snapshot import FACT_KINDS, Snapshot
from xmargin.world import ChainFact, Key, key_of

PARAMETERS = load_parameters("unified-v1")
MODELS = {
    "usual": (PARAMETERS, None),
    "harsh": (parse_parameters(HARSH), None),
    "nothing charged for size": (parse_parameters(SIZE_FREE), None),
    **{
        f"harsh, {name}": (parse_parameters(with_history(HARSH)), returns)
        for name, returns in HISTORY.items()
        if returns is not None
    },
}
"""Risk parameters, and factor returns beside them."""
ALL_MODELS = tuple(MODELS)
NOW_S = 1_800_000_000
RAY = 10**27
CHAINS = ("eip155:1", "eip155:10", "solana:" + "5" * 32)
ASSET_OF_BASE = {"BTC": "BTC", "ETH": "ETH", "ODD": "ODD", "USDC": "USDC", "WSTETH": "ETH"}
DECIMALS = {"BTC": 8, "ETH": 18, "ODD": 9, "USDC": 6, "WSTETH": 18}
MARKS = {"BTC": "60000", "ETH": "2500", "ODD": "0.037", "USDC": "1", "WSTETH": "2960"}


def token_id(chain: str, base: str) -> str:
    kind = "erc20" if chain.startswith("eip155") else "token"
    return f"{chain}/{kind}:{base.lower()}"


def venue_id(chain: str) -> str:
    return f"aave-v3@{chain}"


def price(base: str, half_range: Decimal, verdict: Verdict = Verdict.OK) -> JudgedPrice:
    mark = Decimal(MARKS[base])
    low, high = mark * (1 - half_range), mark * (1 + half_range)
    return JudgedPrice(base, verdict, (), mark, low, high, 0, ())


def registry(portfolios: Sequence[PortfolioSpec], haircut: Decimal = Decimal(0)) -> Registry:
    return Registry(
        chains=tuple(ChainSpec(chain, chain, ChainKind.EVM, 60_000) for chain in CHAINS),
        tokens=tuple(
            TokenSpec(
                id=token_id(chain, base),
                symbol=base,
                asset=ASSET_OF_BASE[base],
                price=base,
                claim=Claim.WRAPPED if base == "WSTETH" else Claim.NONE,
                haircut=haircut if base == "ODD" else Decimal(0),
            )
            for chain in CHAINS
            for base in sorted(DECIMALS)
        ),
        feeds=tuple(FeedSpec(f"chainlink@{CHAINS[0]}/{b}", b, "USD", 3600, 60) for b in DECIMALS),
        venues=tuple(VenueSpec(venue_id(chain), "aave-v3") for chain in CHAINS[:2]),
        portfolios=tuple(portfolios),
    )


def _as_of(chain: str, condition: Condition) -> ChainAsOf:
    block = BlockRef(7, "0x7", "0x6", NOW_S)
    return ChainAsOf(chain, chain, block, Finality.LATEST, 0, 0, condition, "", 0)


def snapshot(
    registry: Registry,
    facts: Sequence[ChainFact],
    *,
    parameters: RiskParameters = PARAMETERS,
    half_range: Decimal = Decimal("0.001"),
    cut_off: Sequence[str] = (),
    verdicts: dict[str, Verdict] | None = None,
    returns: FactorReturns | None = None,
) -> Snapshot:
    """The facts with every token and reserve known."""
    every = [*facts, *_token_states(), *_reserves()]
    by_kind: dict[str, dict[Key, ChainFact]] = {kind: {} for kind in FACT_KINDS}
    for fact in sorted(every, key=key_of):
        by_kind[key_of(fact)[0]][key_of(fact)] = fact
    given = verdicts or {}
    return Snapshot(
        hash="generated",
        now_ms=NOW_S * 1000,
        registry=registry,
        parameters=parameters,
        chains=tuple(
            _as_of(c, Condition.UNREACHABLE if c in cut_off else Condition.OK) for c in CHAINS
        ),
        prices={b: price(b, half_range, given.get(b, Verdict.OK)) for b in sorted(DECIMALS)},
        facts=by_kind,
        returns=returns,
        returns_sha256="" if returns is None else "generated",
    )


def _token_states() -> list[TokenState]:
    return [
        TokenState(token_id(chain, base), DECIMALS[base], base, "")
        for chain in CHAINS
        for base in DECIMALS
    ]


def _reserves() -> list[AaveV3Reserve]:
    configuration = 8000 | 8250 << 16 | 10500 << 32 | 1 << 56
    return [
        AaveV3Reserve(
            venue=venue_id(chain),
            reserve_id=number,
            token=token_id(chain, base),
            a_token="",
            stable_debt_token="",
            variable_debt_token="",
            configuration=configuration | DECIMALS[base] << 48,
            liquidity_index=RAY,
            variable_borrow_index=RAY,
            liquidity_rate=0,
            variable_borrow_rate=0,
            updated_at_s=NOW_S,
            price_base=int(Decimal(MARKS[base]) * 10**8),
        )
        for chain in CHAINS[:2]
        for number, base in enumerate(sorted(DECIMALS))
    ]


def units(base: str, usd: float) -> int:
    """So many smallest units are worth so much."""
    return int(usd / float(MARKS[base]) * 10 ** DECIMALS[base])


def holder(chain: str, owner: str, supplied: dict[str, float], owed: dict[str, float]) -> ChainFact:
    """An account at a lending venue, with USD by base."""
    positions = tuple(
        AaveV3Position(
            number, units(b, supplied.get(b, 0.0)), units(b, owed.get(b, 0.0)), 0, 0, NOW_S
        )
        for number, b in enumerate(sorted(DECIMALS))
    )
    return AaveV3Account(f"{venue_id(chain)}/{owner}", 0, 2**20 - 1, positions, "")


def wallet(chain: str, owner: str, held: dict[str, float]) -> list[ChainFact]:
    """A wallet, with USD by base; of the others it has nothing."""
    return [
        TokenBalance(
            f"wallet@{chain}/{owner}", token_id(chain, base), units(base, held.get(base, 0.0)), ""
        )
        for base in DECIMALS
    ]


def portfolio(name: str, facts: Sequence[ChainFact]) -> PortfolioSpec:
    """All accounts that the facts are of."""
    accounts = {f.account for f in facts if isinstance(f, TokenBalance | AaveV3Account)}
    return PortfolioSpec(name, tuple(sorted(accounts)))


def _factor_returns(model: str) -> FactorReturns | None:
    returns = MODELS[model][1]
    if returns is None:
        return None
    columns = tuple(AssetReturns(a, values) for a, values in returns.log_returns.items())
    return FactorReturns("drawn", returns.days, columns)


@st.composite
def distressed(
    draw: st.DrawFn, cut_off: bool = True, models: Sequence[str] = ("usual",)
) -> Snapshot:
    """Longs, shorts, hedges and loops over three chains, about as large as what is owed."""
    model = draw(st.sampled_from(models))
    random = Random(draw(st.integers(0, 2**32)))
    facts: list[ChainFact] = []
    for chain in CHAINS:
        held = {b: 10 ** random.uniform(1, 5) for b in DECIMALS if random.random() < 0.3}
        facts += wallet(chain, "0x01", held)
    supplied = [_amounts(random) for _ in CHAINS[:2]]
    owed = [_amounts(random) for _ in CHAINS[:2]]
    owned = sum(sum(one.values()) for one in supplied)
    share = random.uniform(0.75, 1.0) * owned / max(1.0, sum(sum(one.values()) for one in owed))
    for chain, has, owes in zip(CHAINS, supplied, owed, strict=False):
        facts.append(holder(chain, "0x01", has, {base: usd * share for base, usd in owes.items()}))
    there = [chain for chain in CHAINS if cut_off and random.random() < 0.1]
    spec = registry([portfolio("p", facts)], haircut=Decimal(random.choice(["0", "0.2"])))
    half_range = Decimal(random.choice(["0", "0.001", "0.02"]))
    return snapshot(
        spec,
        facts,
        cut_off=there,
        half_range=half_range,
        parameters=MODELS[model][0],
        returns=_factor_returns(model),
    )


def _amounts(random: Random) -> dict[str, float]:
    return {base: 10 ** random.uniform(2, 6) for base in DECIMALS if random.random() < 0.5}


def applied(before: Snapshot, moves: Sequence[PlanMove]) -> Snapshot:
    """The snapshot with the moves of a plan made, one by one."""
    facts = {kind: dict(of_kind) for kind, of_kind in before.facts.items()}
    numbers = {base: number for number, base in enumerate(sorted(DECIMALS))}
    for move in moves:
        change = int(move.change * 10 ** DECIMALS[move.symbol])
        assert Decimal(change) == move.change * 10 ** DECIMALS[move.symbol]
        if is_wallet(move.account):
            key: Key = ("balance", move.account, move.token)
            balance = facts["balance"][key]
            assert isinstance(balance, TokenBalance)
            facts["balance"][key] = replace(balance, amount=balance.amount + change)
            assert balance.amount + change >= 0
            continue
        assert chain_of(move.token) == chain_of(venue_of(move.account))
        key = ("aave-v3-account", move.account)
        user = facts["aave-v3-account"][key]
        assert isinstance(user, AaveV3Account)
        positions = list(user.positions)
        place = numbers[move.symbol]
        positions[place] = _moved(positions[place], move.side, change)
        facts["aave-v3-account"][key] = replace(user, positions=tuple(positions))
    return replace(before, facts=facts)


def _moved(position: AaveV3Position, side: PositionSide, change: int) -> AaveV3Position:
    field = "supply_scaled" if side is PositionSide.ASSET else "variable_debt_scaled"
    after = getattr(position, field) + change
    assert after >= 0
    return replace(position, **{field: after})
