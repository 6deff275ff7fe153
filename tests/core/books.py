"""Whole random books: every kind of account, token, price and chain that a snapshot can hold."""

import json
from fractions import Fraction

from hypothesis import strategies as st

from tests.core.factor_returns import drawn
from xmargin.params import load_parameters
from xmargin.reference import (
    AavePosition,
    AaveUser,
    Account,
    Base,
    Book,
    EMode,
    Pool,
    Portfolio,
    Reserve,
    Token,
    WalletBalance,
)

PARAMETERS = load_parameters("unified-v1").content
_TREE = json.loads(PARAMETERS)
_ROOMY = {
    # Half the shocks leave room for contingencies as large as their check allows.
    "assets": {
        name: entry | {"shock": str(Fraction(entry["shock"]) / 2)}
        for name, entry in _TREE["assets"].items()
    },
    "default_asset": {"class": "crypto", "shock": "0.2"},
}
HARSH = json.dumps(
    _TREE
    | _ROOMY
    | {
        "wrapped_depeg": {"maintenance": "0.03", "initial": "0.05"},
        "liquidity": {
            "maintenance": "1",
            "initial": "2",
            "days_max": "0.5",
            "concentration": {"maintenance": "0.5", "initial": "1.5", "days": "0.125"},
            "assets": {
                "BTC": {"daily_volume_usd": "1000000", "daily_volatility": "0.05"},
                "ETH": {"daily_volume_usd": "300000", "daily_volatility": "0.1"},
            },
            "default_asset": {"daily_volume_usd": "10000", "daily_volatility": "0.06"},
        },
        "venue_risk": {
            "maintenance": "1",
            "initial": "2",
            "kinds": {"aave-v3": "0.02", "lender": "0.04", "wallet": "0.001"},
        },
        "mobility": {
            "maintenance": "1",
            "initial": "2",
            "chains": {"eip155:2": "0.01", "solana": "0.03"},
        },
    }
)
"""Every contingency at once, and none of them small."""
SIZE_FREE = json.dumps(
    {key: value for key, value in json.loads(HARSH).items() if key != "liquidity"}
)
"""The same, where nothing is charged for size: the model of degree one."""

_MILD_HISTORY = {
    "confidence": "0.9",
    "filter": {
        "kind": "ewma",
        "decay": "0.9",
        "seed_days": "10",
        "volatility_min": "0.0001",
        "scale_max": "3",
    },
    "stress": {"weight": "0.4", "days": "20"},
    "floor": "0.8",
    "returns_age_days_max": "7",
    "gap_days_max": "3",
}


def with_history(parameters: str, **changes: object) -> str:
    """Parameters that ask for historical shortfall over few days."""
    section = {"maintenance": "1.5", "initial": "2", **_MILD_HISTORY, **changes}
    return json.dumps(json.loads(parameters) | {"historical_es": section})


HISTORY = {
    "without returns": None,
    "all assets, mild": drawn(1, 60, "BTC", "ETH", "ODD", "USDC"),
    "all assets, wild": drawn(2, 70, "BTC", "ETH", "ODD", "USDC", scale=4, storm=range(20, 30)),
    "two assets without returns": drawn(3, 60, "BTC", "ETH", scale=3),
    "other assets": drawn(4, 60, "SOL"),
    "falls that the parameters bound": drawn(5, 60, "BTC", "ETH", "ODD", "USDC", scale=20),
}
"""Factor returns by what they are good for."""
HISTORIES = st.sampled_from(sorted(HISTORY)).map(HISTORY.__getitem__)

RAY = 10**27
UINT256_MAX = 2**256 - 1
NOW_S = 1_800_000_000

ASSET_OF_BASE = {"BTC": "BTC", "ETH": "ETH", "ODD": "ODD", "USDC": "USDC", "WSTETH": "ETH"}
CHAINS = ("eip155:1", "eip155:2", "solana:1")
POOL_CHAINS = CHAINS[:2]

MONEY = st.integers(0, 10**6).map(lambda thousandths: thousandths * 10**15)
SANE_AMOUNTS = st.one_of(st.just(0), st.integers(1, 1000), MONEY, MONEY)
AMOUNTS = st.one_of(
    SANE_AMOUNTS, SANE_AMOUNTS, st.integers(0, 2**128 - 1), st.integers(0, UINT256_MAX)
)
HAIRCUTS = st.one_of(
    st.just(Fraction(0)), st.just(Fraction(1)), st.floats(0, 1, width=16).map(Fraction)
)


@st.composite
def bases(draw: st.DrawFn, *, faults: bool = True, ranges: bool = True) -> dict[str, Base]:
    """A price for every base; with ``faults`` some are refused or on hold."""
    return {name: draw(_base(asset, faults, ranges)) for name, asset in ASSET_OF_BASE.items()}


@st.composite
def _base(draw: st.DrawFn, asset: str, faults: bool, ranges: bool) -> Base:
    mark = draw(st.floats(0.01, 100_000))
    spread = draw(st.floats(0, 0.05)) if ranges else 0.0
    verdict = draw(st.sampled_from(["ok"] * 16 + ["refused", "held"])) if faults else "ok"
    return Base(
        asset=asset,
        mark=Fraction(mark),
        low=Fraction(mark * (1 - spread)),
        high=Fraction(mark * (1 + spread)),
        usable=verdict != "refused",
        held=verdict == "held",
    )


@st.composite
def tokens(draw: st.DrawFn, *, faults: bool = True, haircuts: bool = True) -> dict[str, Token]:
    """One or two tokens of each base on each chain."""
    made = {}
    for chain in CHAINS:
        for base in ASSET_OF_BASE:
            decimals = draw(st.sampled_from([18, 18, 6, 8, 0, 36]))
            made[f"{chain}/{base}"] = Token(
                base=draw(st.sampled_from([base] * 40 + [None])) if faults else base,
                decimals=draw(st.sampled_from([decimals] * 40 + [None, 37, 255]))
                if faults
                else decimals,
                haircut=draw(HAIRCUTS) if haircuts else Fraction(0),
                wrapped=base == "WSTETH" or draw(st.booleans()),
            )
    return made


SANE_INDICES = st.one_of(st.just(RAY), st.integers(RAY, 3 * RAY))
SANE_RATES = st.one_of(st.just(0), st.integers(0, RAY))


def _mostly(usual: st.SearchStrategy[int], rare: st.SearchStrategy[int]) -> st.SearchStrategy[int]:
    return st.integers(0, 19).flatmap(lambda die: rare if die == 7 else usual)


INDICES = _mostly(SANE_INDICES, st.integers(0, 2**128 - 1))
RATES = _mostly(SANE_RATES, st.integers(0, 2**128 - 1))
UPDATED_AT_S = st.one_of(
    st.sampled_from([NOW_S, NOW_S - 1, NOW_S - 2, NOW_S - 3]), st.integers(NOW_S - 10**8, NOW_S)
)
RATIOS_BPS = st.one_of(st.just(0), st.integers(0, 10_000), st.just(65_535))


@st.composite
def pools(draw: st.DrawFn, known: dict[str, Token], *, faults: bool = True) -> dict[str, Pool]:
    """An Aave pool on each of two chains, with up to two eMode categories."""
    return {f"aave@{chain}": draw(_pool(chain, known, faults)) for chain in POOL_CHAINS}


@st.composite
def _pool(draw: st.DrawFn, chain: str, known: dict[str, Token], faults: bool) -> Pool:
    here = [name for name in known if name.startswith(f"{chain}/")]
    return Pool(
        timestamp_s=NOW_S,
        reserves=tuple(draw(_reserve(name, known[name], faults)) for name in here),
        emodes={category: draw(_EMODES) for category in (1, 2)},
        release=draw(st.sampled_from(["3.0", "3.6"])),
    )


_PRICES_BASE = st.integers(0, 10**13)
_NUMBERS = st.frozensets(st.integers(0, len(ASSET_OF_BASE) - 1))
_EMODES = st.builds(
    EMode,
    ltv_bps=RATIOS_BPS,
    liquidation_threshold_bps=RATIOS_BPS,
    price_base=st.one_of(st.just(0), _PRICES_BASE),
    # Without meaning in 3.0, where reserves name their category.
    collateral=_NUMBERS,
    ltvzero=_NUMBERS,
)


@st.composite
def _reserve(draw: st.DrawFn, name: str, token: Token, faults: bool) -> Reserve:
    decimals = 18 if token.decimals is None else token.decimals
    return Reserve(
        token=name,
        decimals=draw(st.sampled_from([decimals] * 40 + [18, 255])) if faults else decimals,
        ltv_bps=draw(RATIOS_BPS),
        liquidation_threshold_bps=draw(RATIOS_BPS),
        emode=draw(st.integers(0, 2)),
        liquidity_index=draw(INDICES if faults else SANE_INDICES),
        variable_borrow_index=draw(INDICES if faults else SANE_INDICES),
        liquidity_rate=draw(RATES if faults else SANE_RATES),
        variable_borrow_rate=draw(RATES if faults else SANE_RATES),
        updated_at_s=draw(UPDATED_AT_S),
        price_base=draw(_PRICES_BASE),
    )


@st.composite
def users(
    draw: st.DrawFn, pool: str, reserve_count: int, amounts: st.SearchStrategy[int]
) -> AaveUser:
    """An Aave user with some of the reserves; flags and balances need not agree."""
    numbers = draw(st.lists(st.integers(0, reserve_count - 1), unique=True, max_size=4))
    return AaveUser(
        pool=pool,
        emode=draw(st.integers(0, 2)),
        positions=tuple(
            AavePosition(
                reserve=number,
                supply_scaled=draw(amounts),
                variable_debt_scaled=draw(amounts),
                stable_debt_principal=draw(st.one_of(st.just(0), amounts)),
                stable_rate=draw(SANE_RATES),
                stable_updated_at_s=draw(UPDATED_AT_S),
                as_collateral=draw(st.booleans()),
                borrowing=draw(st.booleans()),
            )
            for number in numbers
        ),
    )


@st.composite
def accounts(
    draw: st.DrawFn,
    name: str,
    known: dict[str, Token],
    market: dict[str, Pool],
    amounts: st.SearchStrategy[int],
) -> tuple[Account, ...]:
    """A wallet on each of some chains and an Aave account on each of some pools."""
    wallets = [
        Account(f"wallet@{chain}/{name}", chain, balances=draw(_balances(chain, known, amounts)))
        for chain in draw(st.lists(st.sampled_from(CHAINS), unique=True))
    ]
    lending = [
        Account(
            f"{pool}/{name}",
            pool.removeprefix("aave@"),
            aave=draw(users(pool, len(market[pool].reserves), amounts)),
            venue_kind=draw(st.sampled_from(["aave-v3", "lender"])),
        )
        for pool in draw(st.lists(st.sampled_from(sorted(market)), unique=True))
    ]
    return tuple(draw(st.permutations(wallets + lending)))


@st.composite
def _balances(
    draw: st.DrawFn, chain: str, known: dict[str, Token], amounts: st.SearchStrategy[int]
) -> tuple[WalletBalance, ...]:
    here = sorted(name for name in known if name.startswith(f"{chain}/"))
    held = draw(st.lists(st.sampled_from(here), unique=True, max_size=3))
    return tuple(
        WalletBalance(name, draw(amounts), draw(st.sampled_from([False] * 4 + [True])))
        for name in held
    )


@st.composite
def books(
    draw: st.DrawFn,
    *,
    faults: bool = True,
    ranges: bool = True,
    haircuts: bool = True,
    cut_off: bool = True,
    amounts: st.SearchStrategy[int] = AMOUNTS,
    portfolio_count_max: int = 4,
) -> Book:
    """A whole snapshot. ``faults``: refused and held prices, bad tokens, overflowing indices."""
    known = draw(tokens(faults=faults, haircuts=haircuts))
    market = draw(pools(known, faults=faults))
    count = draw(st.integers(1, portfolio_count_max))
    names = [f"p{number}" for number in draw(st.permutations(range(count)))]
    return Book(
        cut_off={
            chain: draw(st.sampled_from([False] * 3 + [True])) and cut_off for chain in CHAINS
        },
        bases=draw(bases(faults=faults, ranges=ranges)),
        tokens=known,
        pools=market,
        portfolios=tuple(
            Portfolio(name, draw(accounts(name, known, market, amounts))) for name in names
        ),
    )


def sound_books(
    amounts: st.SearchStrategy[int] = SANE_AMOUNTS, **options: bool
) -> st.SearchStrategy[Book]:
    """Books without faults, of amounts that a contract can hold: what the properties speak of."""
    return books(faults=False, amounts=amounts, **options)
