"""A dozen small books that each show one rule of the margin model; the golden vectors' input."""

from dataclasses import replace
from fractions import Fraction

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
    Returns,
    Token,
    WalletBalance,
)

PARAMETERS = load_parameters("unified-v1").content

RAY = 10**27
NOW_S = 1_800_000_000
ONE, TWO, SOLANA = "eip155:1", "eip155:2", "solana:main"
ETH_CORRELATED, USD_CORRELATED = 1, 2
NUMBERS = {"WETH": 0, "WBTC": 1, "USDC": 2, "wstETH": 3}


def price(asset: str, mark: str, half_range: str = "0") -> Base:
    middle, half = Fraction(mark), Fraction(half_range)
    return Base(asset=asset, mark=middle, low=middle - half, high=middle + half)


BASES = {
    "BTC": price("BTC", "60000", "32"),
    "ETH": price("ETH", "2500", "1"),
    "PYUSD": price("PYUSD", "1"),
    "SOL": price("SOL", "150", "0.5"),
    "USDC": price("USDC", "1", "0.0009765625"),
    "WSTETH": price("ETH", "2960", "2"),
}
TOKENS = {
    **{f"{chain}/WETH": Token("ETH", 18) for chain in (ONE, TWO)},
    **{f"{chain}/WBTC": Token("BTC", 8) for chain in (ONE, TWO)},
    **{f"{chain}/USDC": Token("USDC", 6) for chain in (ONE, TWO, SOLANA)},
    **{f"{chain}/wstETH": Token("WSTETH", 18, wrapped=True) for chain in (ONE, TWO)},
    f"{ONE}/aWETH": Token("ETH", 18),
    f"{ONE}/broken": Token("ETH", None),
    f"{ONE}/shout": Token("ETH", 255),
    f"{ONE}/unpriced": Token(None, 18),
    f"{SOLANA}/SOL": Token("SOL", 9, haircut=Fraction(1, 8)),
    f"{SOLANA}/soETH": Token("ETH", 8, haircut=Fraction(1, 16), wrapped=True),
    f"{SOLANA}/PYUSD": Token("PYUSD", 6),
}


def reserve(token: str, decimals: int, *, ltv: int, threshold: int, usd: int) -> Reserve:
    return Reserve(
        token=token,
        decimals=decimals,
        ltv_bps=ltv,
        liquidation_threshold_bps=threshold,
        emode=ETH_CORRELATED if token.endswith("ETH") else USD_CORRELATED,
        liquidity_index=RAY + 12_345_678_901_234_567_890_123,
        variable_borrow_index=RAY + 98_765_432_109_876_543_210_987,
        liquidity_rate=RAY * 2 // 100,
        variable_borrow_rate=RAY * 5 // 100,
        updated_at_s=NOW_S - 86_400,
        price_base=usd * 10**8,
    )


def pool(chain: str, *, ltv: int, threshold: int) -> Pool:
    return Pool(
        timestamp_s=NOW_S,
        reserves=(
            reserve(f"{chain}/WETH", 18, ltv=ltv, threshold=threshold, usd=2_500),
            reserve(f"{chain}/WBTC", 8, ltv=7_000, threshold=7_500, usd=60_000),
            reserve(f"{chain}/USDC", 6, ltv=8_250, threshold=8_500, usd=1),
            reserve(f"{chain}/wstETH", 18, ltv=7_000, threshold=7_900, usd=2_960),
        ),
        emodes={
            ETH_CORRELATED: EMode(9_000, 9_300, 0),
            USD_CORRELATED: EMode(9_500, 9_700, 101_000_000),
        },
    )


POOLS = {
    f"aave@{ONE}": pool(ONE, ltv=8_000, threshold=8_250),
    f"aave@{TWO}": pool(TWO, ltv=9_000, threshold=9_300),
}


def supplied(symbol: str, amount: int) -> AavePosition:
    return AavePosition(NUMBERS[symbol], supply_scaled=amount, as_collateral=True)


def borrowed(symbol: str, amount: int) -> AavePosition:
    return AavePosition(NUMBERS[symbol], variable_debt_scaled=amount, borrowing=True)


def aave(owner: str, chain: str, *positions: AavePosition, emode: int = 0) -> Account:
    user = AaveUser(f"aave@{chain}", emode, positions)
    return Account(f"aave@{chain}/{owner}", chain, aave=user, venue_kind="aave-v3")


def wallet(owner: str, chain: str, **amounts: int) -> Account:
    balances = tuple(WalletBalance(f"{chain}/{symbol}", n) for symbol, n in amounts.items())
    return Account(f"wallet@{chain}/{owner}", chain, balances)


def book(*portfolios: Portfolio) -> Book:
    return Book(
        cut_off=dict.fromkeys((ONE, TWO, SOLANA), False),
        bases=BASES,
        tokens=TOKENS,
        pools=POOLS,
        portfolios=portfolios,
    )


def cut_off(made: Book, *chains: str) -> Book:
    return replace(made, cut_off={chain: chain in chains for chain in made.cut_off})


def repriced(made: Book, **changes: Base) -> Book:
    return replace(made, bases={**made.bases, **changes})


ETHER, DOLLAR = 10**18, 10**6

LEVERAGED = book(
    Portfolio("idle", (wallet("idle", SOLANA, SOL=50 * 10**9), wallet("idle", ONE))),
    Portfolio(
        "leveraged",
        (
            aave("leveraged", ONE, supplied("WETH", 10 * ETHER), borrowed("USDC", 20_000 * DOLLAR)),
            aave("leveraged", TWO, supplied("WBTC", 10**8), borrowed("WETH", 15 * ETHER)),
            wallet("leveraged", SOLANA, USDC=1_000 * DOLLAR, soETH=2 * 10**8),
        ),
    ),
    Portfolio("none", ()),
)
RICH_ELSEWHERE = book(
    Portfolio(
        "rich-elsewhere",
        (
            aave("rich", ONE, supplied("WETH", ETHER), borrowed("USDC", 2_200 * DOLLAR)),
            wallet("rich", SOLANA, USDC=50_000 * DOLLAR),
        ),
    ),
)
THIN_AND_RICH = book(
    Portfolio(
        "thin-and-rich",
        (
            aave("thin", ONE, supplied("WETH", ETHER), borrowed("USDC", 2_070 * DOLLAR)),
            wallet("thin", SOLANA, USDC=50_000 * DOLLAR),
        ),
    ),
)
SHORT_AS_A_WHOLE = book(
    *(
        Portfolio(
            f"short-{factor}",
            tuple(
                aave(
                    f"short-{factor}",
                    chain,
                    supplied("WETH", 10 * ETHER * factor),
                    borrowed("USDC", dollars * DOLLAR * factor),
                )
                for chain, dollars in ((ONE, 20_000), (TWO, 22_800))
            ),
        )
        for factor in (1, 2)
    ),
    Portfolio(
        "insolvent",
        (aave("insolvent", ONE, supplied("WBTC", 10**7), borrowed("WETH", 3 * ETHER)),),
    ),
)
STABLE_DEBT = book(
    Portfolio(
        "stable-debt",
        (
            aave(
                "stable",
                ONE,
                supplied("WBTC", 10**8),
                AavePosition(
                    NUMBERS["USDC"],
                    variable_debt_scaled=1_000 * DOLLAR,
                    stable_debt_principal=30_000 * DOLLAR,
                    stable_rate=RAY * 9 // 100,
                    stable_updated_at_s=NOW_S - 40_000_000,
                    borrowing=True,
                ),
                # Supplied with the switch off: nothing to the venue, everything to the whole.
                AavePosition(NUMBERS["WETH"], supply_scaled=5 * ETHER),
            ),
        ),
    ),
)
LOOPS = book(
    Portfolio(
        "eth-loop",
        (
            aave(
                "loop",
                ONE,
                supplied("wstETH", 100 * ETHER),
                borrowed("WETH", 105 * ETHER),
                emode=ETH_CORRELATED,
            ),
        ),
    ),
    Portfolio(
        "own-price",
        (
            aave(
                "dollars",
                TWO,
                supplied("USDC", 100_000 * DOLLAR),
                borrowed("WBTC", 10**8),
                emode=USD_CORRELATED,
            ),
        ),
    ),
)
CLAIMS = book(
    Portfolio(
        "claims",
        (
            aave("claims", ONE, supplied("WETH", ETHER)),
            Account(
                f"wallet@{ONE}/claims",
                ONE,
                (
                    WalletBalance(f"{ONE}/aWETH", ETHER, looked_through=True),
                    WalletBalance(f"{ONE}/broken", 7 * ETHER),
                    WalletBalance(f"{ONE}/shout", 7 * ETHER),
                    WalletBalance(f"{ONE}/unpriced", 7 * ETHER),
                ),
            ),
        ),
    ),
)
HUGE = book(
    Portfolio("huge", (wallet("huge", ONE, WETH=2**256 - 1, USDC=1), wallet("huge", TWO, WETH=1))),
    Portfolio(
        "overflowing",
        (aave("overflowing", ONE, supplied("WETH", 2**255), borrowed("USDC", DOLLAR)),),
    ),
    Portfolio(
        "overflowing-unused",
        (
            aave(
                "unused",
                TWO,
                AavePosition(NUMBERS["WBTC"], supply_scaled=2**255),
                supplied("WETH", ETHER),
                borrowed("USDC", 5_000 * DOLLAR),
            ),
        ),
    ),
)
REFUSED_ETH = replace(BASES["ETH"], usable=False)
HELD_ETH = replace(BASES["ETH"], low=Fraction(2_400), high=Fraction(2_600), held=True)

EXAMPLES: dict[str, Book] = {
    "leveraged over two chains": LEVERAGED,
    "liquidatable at its venue, rich elsewhere": RICH_ELSEWHERE,
    "sound at every venue, short as a whole": SHORT_AS_A_WHOLE,
    "stable debt and collateral switched off": STABLE_DEBT,
    "loops in eMode, with and without a price of its own": LOOPS,
    "claims and tokens at fault": CLAIMS,
    "amounts at the edge of 256 bits": HUGE,
    "the rich chain cut off": cut_off(RICH_ELSEWHERE, SOLANA),
    "the indebted chain cut off": cut_off(RICH_ELSEWHERE, ONE),
    "two chains cut off": cut_off(LEVERAGED, ONE, TWO),
    "a chain cut off that binds only initial margin": cut_off(THIN_AND_RICH, ONE),
    "price of collateral refused": repriced(RICH_ELSEWHERE, ETH=REFUSED_ETH),
    "price of debt refused": repriced(LEVERAGED, ETH=REFUSED_ETH),
    "price of collateral on hold": repriced(SHORT_AS_A_WHOLE, ETH=HELD_ETH),
    "history that was worse than the grid": LEVERAGED,
    "history that was milder than the grid": LEVERAGED,
    "history without one of the assets": SHORT_AS_A_WHOLE,
    "history of a portfolio with two chains cut off": cut_off(LEVERAGED, ONE, TWO),
}
_ALL = ("BTC", "ETH", "PYUSD", "SOL", "USDC")
RETURNS: dict[str, Returns] = {
    "history that was worse than the grid": drawn(1, 320, *_ALL, scale=2, storm=range(150, 170)),
    "history that was milder than the grid": drawn(2, 320, *_ALL),
    "history without one of the assets": drawn(3, 320, "BTC", "ETH", "SOL", scale=2),
    "history of a portfolio with two chains cut off": drawn(4, 320, *_ALL, scale=3),
}
"""The factor returns of the examples that have any."""
