"""Small hand-made observations, as a reader would emit them."""

from decimal import Decimal

from xmargin.model import (
    AaveV3Account,
    AaveV3Position,
    AaveV3Reserve,
    BlockRef,
    ChainHead,
    ChainKind,
    ChainReorg,
    ChainSpec,
    Claim,
    Fact,
    FeedRound,
    FeedSpec,
    Observation,
    PortfolioSpec,
    Registry,
    TokenBalance,
    TokenSpec,
    TokenState,
    VenueSpec,
)

CHAIN = "eip155:31337"
OTHER = "eip155:31338"
OWNER = "0x" + "aa" * 20
WALLET = f"wallet@{CHAIN}/{OWNER}"
OTHER_WALLET = f"wallet@{OTHER}/{OWNER}"
VENUE = f"aave-v3@{CHAIN}"
AAVE = f"{VENUE}/{OWNER}"
WETH = f"{CHAIN}/erc20:0x" + "01" * 20
USDC = f"{CHAIN}/erc20:0x" + "02" * 20
OTHER_USDC = f"{OTHER}/erc20:0x" + "03" * 20
ETH_FEED = f"chainlink@{CHAIN}/0x" + "f1" * 20
USDC_FEED = f"chainlink@{CHAIN}/0x" + "f2" * 20
START_S = 1_800_000_000
RAY = 10**27

REGISTRY = Registry(
    chains=(
        ChainSpec(CHAIN, "alpha", ChainKind.EVM, 60_000),
        ChainSpec(OTHER, "beta", ChainKind.EVM, 60_000),
    ),
    tokens=(
        TokenSpec(WETH, "WETH", "ETH", "ETH"),
        TokenSpec(USDC, "USDC", "USDC", "USDC", Claim.NONE, "", Decimal("0.01")),
        TokenSpec(OTHER_USDC, "USDC", "USDC", "USDC"),
    ),
    feeds=(
        FeedSpec(ETH_FEED, "ETH", "USD", 3600, 60),
        FeedSpec(USDC_FEED, "USDC", "USD", 86_400, 60),
    ),
    venues=(VenueSpec(VENUE, "aave-v3", "0x" + "0a" * 20),),
    portfolios=(
        PortfolioSpec("alice", (AAVE, WALLET, OTHER_WALLET), "example"),
        PortfolioSpec("bob", (f"wallet@{CHAIN}/0x" + "bb" * 20,)),
    ),
)


def block(height: int, fork: str = "a", chain: str = CHAIN) -> BlockRef:
    """A block of one of several forks."""
    del chain
    return BlockRef(height, f"0x{fork}{height}", f"0x{fork}{height - 1}", START_S + height)


def at(fact: Fact, where: BlockRef, chain: str = CHAIN) -> Observation:
    """The fact as read two hundred milliseconds after its block."""
    return Observation(fact, where.time_s * 1000 + 200, chain, where, "test reader")


def feed_round(feed: str, answer: int, where: BlockRef, description: str) -> FeedRound:
    """A Chainlink round of this block."""
    return FeedRound(feed, answer, 0, -8, where.time_s, where.height, description, "", "0xagg", "")


def block_facts(
    height: int, *, eth_usd: int = 2500, weth: int = 10**18, debt: int = 0
) -> list[Fact]:
    """What a reader finds in a block of the first chain."""
    where = block(height)
    reserve = AaveV3Reserve(
        VENUE,
        0,
        WETH,
        "",
        "",
        "",
        8000 | 8250 << 16 | 18 << 48,
        RAY,
        RAY,
        0,
        0,
        where.time_s,
        eth_usd * 10**8,
    )
    dollars = AaveV3Reserve(
        VENUE,
        1,
        USDC,
        "",
        "",
        "",
        7700 | 8000 << 16 | 6 << 48,
        RAY,
        RAY,
        0,
        0,
        where.time_s,
        10**8,
    )
    positions = (AaveV3Position(0, weth, 0, 0, 0, 0), AaveV3Position(1, 0, debt, 0, 0, 0))
    return [
        feed_round(ETH_FEED, eth_usd * 10**8, where, "ETH / USD"),
        feed_round(USDC_FEED, 10**8, where, "USDC / USD"),
        TokenState(WETH, 18, "WETH", ""),
        TokenState(USDC, 6, "USDC", ""),
        TokenBalance(WALLET, USDC, 1_000_000, ""),
        reserve,
        dollars,
        AaveV3Account(AAVE, 0, 0b0110, positions, ""),
    ]


def committed(facts: list[Fact], where: BlockRef, chain: str = CHAIN) -> list[Observation]:
    """Facts of one block with their head last, as a reader sends them."""
    return [
        *(at(fact, where, chain) for fact in facts),
        at(ChainHead(where.height - 1, where.height - 2), where, chain),
    ]


def reorg(ancestor: BlockRef, abandoned: BlockRef) -> Observation:
    """Blocks above ``ancestor`` are undone."""
    return at(ChainReorg(abandoned.height, abandoned.hash), ancestor)
