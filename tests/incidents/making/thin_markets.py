"""Solend 2022-06-19, Mango 2022-10-11, Hyperliquid JELLY 2025-03-26, Hyperliquid ADL 2025-10-10."""

from decimal import Decimal

from tests.incidents.making.tape import (
    DAY_S,
    ETHEREUM,
    HYPER,
    Lending,
    Perps,
    Tape,
    coin,
    feed,
)
from xmargin.model import AssetDepth, DepthKnot, Fact, FeedRole, LiquidationTerms, PriceSpec


def solend() -> Tape:
    tape = Tape("solend_whale_2022_06_19", chains=[ETHEREUM])
    tape.parameters = "parameters/solana-2022.json"
    tape.header = {
        "title": "Solend: one account is 95 % of a pool",
        "date": "2022-06-19",
        "what_happened": (
            "One account had supplied 5.7 million SOL, 95 % of the pool's, and borrowed 108 "
            "million USD. At 22.30 a fifth of it would have been sold into exchanges on chain that "
            "could not absorb it: 1.2 million SOL were estimated to halve the price. SOL fell to "
            "25-27 and rose again; the venue voted to take the account over, and back."
        ),
        "safe_outcome": (
            "The size of a position is charged against its market: the account is called for "
            "margin at 27, well above the venue's 22.30, and may borrow nothing more. "
            "When it is due, no more is planned than the market takes without the bad debt that "
            "selling would make; smaller accounts do not wait for it."
        ),
        "modelled": (
            "A second, small account; depth on chain as a curve through the estimate (half the "
            "price for 1.2 million SOL); the venue's threshold of 85 %, which is the one that "
            "makes 108 million due at 22.30; a fall to 21.80 that did not happen; a market of "
            "300 million USD a day that can be reached."
        ),
        "sources": [
            {
                "url": "https://staging.urlscan.io/result/8e6887d1-769e-45db-b122-8f6218551285/"
                "content",
                "says": "SLND1 as captured: 5.7M SOL (170M USD), 108M borrowed, 95 % of SOL "
                "deposits, liquidation at 22.30, 20 % (about 21M) at once",
            },
            {
                "url": "https://read.cash/@Ortem/solend-propousals-throw-ins-and-liquidations-"
                "6ba9e868",
                "says": "about 1.2M SOL would move the book by 50 %, a conservative estimate",
            },
            {
                "url": "https://cryptonews.net/news/defi/8527237/",
                "says": "34.49 on the Monday; 25M USD moved to another venue",
            },
            {
                "url": "https://coinjournal.net/sv/nyheter/defi-vander-sig-mot-sig-sjalva-under-"
                "marknadspanik/",
                "says": "liquidation at 22.27: sources conflict, 22.27-22.30; SOL at 25 the week "
                "before",
            },
        ],
    }
    sol = coin(ETHEREUM, "SOL", decimals=9, ltv_bps=8_000, threshold_bps=8_500)
    usdc = coin(ETHEREUM, "USDC", decimals=6)
    pool = Lending(ETHEREUM, [sol, usdc], "solend")
    price = feed(ETHEREUM, "SOL", "pyth")
    dollar = feed(ETHEREUM, "USDC", "chainlink", heartbeat_s=DAY_S)
    whale, small = pool.account("whale"), pool.account("small")
    tape.watch(
        [sol, usdc],
        [price, dollar],
        [pool],
        {"whale": [whale], "small": [small]},
    )
    knots = ((0, "1"), (100_000, "0.95"), (1_200_000, "0.5"), (5_700_000, "0.05"))
    depth = tuple(DepthKnot(Decimal(sold), Decimal(multiple)) for sold, multiple in knots)
    terms = LiquidationTerms(depth=(AssetDepth("SOL", depth),))

    def at(said: str) -> list[Fact]:
        return [price.at(said), dollar.at(1), *pool.reserves({"SOL": said, "USDC": 1})]

    tape.step(
        "34.49",
        "2022-06-20T12:00:00Z",
        {
            ETHEREUM: [
                sol.state,
                usdc.state,
                *at("34.49"),
                pool.standing("whale", {"SOL": 5_700_000}, {"USDC": 108_000_000}),
                pool.standing("small", {"SOL": 1_000}, {"USDC": 18_600}),
            ]
        },
        {"statuses": {whale: ["HEALTHY"]}, "excess_max": {"whale": "35000000"}, "order": []},
        truth={"prices": {"SOL": ["34.49", "34.49"], "USDC": ["1", "1"]}},
        own=[terms],
    )
    tape.step(
        "27",
        "2022-06-20T18:00:00Z",
        {ETHEREUM: at("27")},
        {
            "statuses": {whale: ["HEALTHY"], "whale": ["MARGIN_CALL"]},
            "excess_max": {"whale": "0"},
            "order": [],
        },
        truth={"prices": {"SOL": ["27", "27"]}},
    )
    tape.step(
        "below 22.27",
        "2022-06-21T06:00:00Z",
        {ETHEREUM: at("21.8")},
        {
            "statuses": {whale: ["LIQUIDATABLE"], "whale": ["LIQUIDATABLE"]},
            "planned": [small],
            "order": [small, whale, "whale", "small"],
        },
        truth={"prices": {"SOL": ["21.8", "21.8"]}},
    )
    return tape


def mango() -> Tape:
    tape = Tape("mango_2022_10_11", chains=[ETHEREUM])
    tape.header = {
        "title": "Mango: MNGO from 0.038 to 0.91",
        "date": "2022-10-11",
        "what_happened": (
            "Two accounts with 5 million USDC each took both sides of 483 million MNGO perpetuals; "
            "then MNGO was bought on three exchanges whose books were thin. Its price went from "
            "0.0382 to 0.91 within ten minutes, and 114-117 million USD were borrowed against the "
            "gain. MNGO fell to 0.02 after."
        ),
        "safe_outcome": (
            "A thin market that leaves where it stood is held, however many of its books say "
            "so: collateral counts at where "
            "it stood, so that nothing may be borrowed on the new one; who is short is not "
            "liquidated at it."
        ),
        "modelled": (
            "The gain as 483 million MNGO at a pool, a short of somebody else's as a debt "
            "there; which book said what (all three were "
            "moved); a bound of 20 % within an hour."
        ),
        "sources": [
            {
                "url": "https://www.insurace.io/blog/?p=3531",
                "says": "0.0382 to about 0.91, 117 million of loans (and, wrongly, 434 MNGO)",
            },
            {
                "url": "https://cointelegraph.com/news/how-low-liquidity-led-to-mango-markets-"
                "losing-over-116-million/amp",
                "says": "483 million perpetuals for 5 million USDC; 0.03 to 0.91; 423 million of "
                "gain, 116 million of loans; 0.02 after",
            },
            {
                "url": "https://www.cryptohawking.com/blog/mango-markets-oracle-manipulation-"
                "postmortem",
                "says": "0.038 to roughly 0.54, 1,300 %: sources conflict, 0.54-0.91",
            },
            {
                "url": "https://cryptonewswire.org/index.php/2022/10/16/market-manipulation-caused-"
                "a-100m-exploit-on-solana-based-defi-exchange-mango/",
                "says": "2 cents to 91 within 10 minutes",
            },
        ],
    }
    mngo = coin(ETHEREUM, "MNGO", decimals=6)
    usdc = coin(ETHEREUM, "USDC", decimals=6)
    pool = Lending(ETHEREUM, [mngo, usdc], "mango")
    books = [feed(ETHEREUM, "MNGO", name) for name in ("ftx", "ascendex", "mango")]
    dollar = feed(ETHEREUM, "USDC", "chainlink", heartbeat_s=DAY_S)
    attacker, short = pool.account("attacker"), pool.account("short")
    tape.watch(
        [mngo, usdc],
        [*books, dollar],
        [pool],
        {"attacker": [attacker], "short": [short]},
        [PriceSpec("MNGO", jump_bps_max=2_000, jump_window_s=3_600, jump_sources_min=100)],
    )

    def at(said: str) -> list[Fact]:
        told = [book.at(said) for book in books]
        return [*told, dollar.at(1), *pool.reserves({"MNGO": said, "USDC": 1})]

    quiet = {"prices": {"MNGO": ["OK"]}, "statuses": {"short": ["HEALTHY"]}, "order": []}
    tape.step(
        "long before",
        "2022-10-11T20:00:00Z",
        {
            ETHEREUM: [
                mngo.state,
                usdc.state,
                *at("0.0382"),
                pool.standing("attacker", {"USDC": 5_000_000, "MNGO": 483_000_000}, {}),
                pool.standing("short", {"USDC": 1_000_000}, {"MNGO": 10_000_000}),
            ]
        },
        quiet,
        truth={"prices": {"MNGO": ["0.038", "0.039"], "USDC": ["1", "1"]}},
    )
    tape.step("still", "2022-10-11T22:10:00Z", {ETHEREUM: at("0.0383")}, quiet)
    held = {"prices": {"MNGO": ["HOLD"]}, "statuses": {"short": ["HELD"]}, "order": []}
    tape.step("0.54", "2022-10-11T22:25:00Z", {ETHEREUM: at("0.54")}, held)
    loan = pool.standing(
        "attacker", {"USDC": 5_000_000, "MNGO": 483_000_000}, {"USDC": 116_000_000}
    )
    tape.step(
        "0.91, and the loan",
        "2022-10-11T22:30:00Z",
        {ETHEREUM: [*at("0.91"), loan]},
        {
            **held,
            "ranges": {"MNGO": ["0.0383", "0.91"]},
            "statuses": {attacker: ["HEALTHY"], "attacker": ["HELD"], short: ["LIQUIDATABLE"]},
            "excess_max": {"attacker": "0"},
        },
    )
    tape.step(
        "back at 0.02",
        "2022-10-11T22:50:00Z",
        {ETHEREUM: at("0.02")},
        {"statuses": {"short": ["HEALTHY", "HELD"]}, "order": []},
        truth={"prices": {"MNGO": ["0.02", "0.038"]}},
    )
    tape.step(
        "0.02 stands",
        "2022-10-12T00:30:00Z",
        {ETHEREUM: at("0.02")},
        {
            "prices": {"MNGO": ["OK"]},
            "statuses": {"short": ["HEALTHY"]},
            "order": [attacker, "attacker"],
        },
    )
    return tape


def jelly() -> Tape:
    tape = Tape("hyperliquid_jelly_2025_03_26", chains=[ETHEREUM, HYPER])
    tape.header = {
        "title": "Hyperliquid: JELLY",
        "date": "2025-03-26",
        "what_happened": (
            "A short of 4.85-6 million USD of a token with thin markets was given up to the "
            "venue's "
            "own vault, while the token was bought in pools: its price rose by 230-500 % within an "
            "hour, from about 0.0095 to 0.043-0.05, and the vault was 10.6-13.5 million USD down. "
            "Validators removed the market and settled at 0.0095."
        ),
        "safe_outcome": (
            "A pool that a few hundred thousand dollars move is no source, nor is its price of "
            "this "
            "instant, and two feeds of one book are one: with fewer than two independent sources "
            "the price is held. Nobody is liquidated at it, nothing is lent on it."
        ),
        "modelled": (
            "The portfolios: a short of 398 million at the venue with 8 million USDC, a holder "
            "with a loan; which of four feeds said "
            "what; liquidity of 300,000 USD behind the pool's average with a floor of 2 million."
        ),
        "sources": [
            {
                "url": "https://coinfomania.com/jelly-token-delisted-hyperliquid-averts-12m-"
                "liquidation-crisis",
                "says": "short of 6 million; a rise of 400-500 %; settled at 0.0095; 10.63 million "
                "of loss became 703,000 of gain",
            },
            {
                "url": "https://bullish-times.com/massive-meme-coin-squeeze",
                "says": "124.6 million JELLY, 4.85 million USD; market value 10 to 43 million in "
                "under an hour",
            },
            {
                "url": "https://aitcommunity.com/news/18947",
                "says": "0.043, then 0.023",
            },
            {
                "url": "https://www.gate.com/tr/blog/6729",
                "says": "13.5 million down at one point: sources conflict, 10.6-13.5; 230 %",
            },
        ],
    }
    jelly_coin = coin(ETHEREUM, "JELLY", decimals=6)
    usdc = coin(ETHEREUM, "USDC", decimals=6)
    margin = coin(HYPER, "USDC", decimals=6)
    pool, perps = Lending(ETHEREUM, [jelly_coin, usdc]), Perps(margin, "JELLY", 0, 3)
    book = feed(ETHEREUM, "JELLY", "book")
    again = feed(ETHEREUM, "JELLY", "book again", origin="book")
    average = feed(ETHEREUM, "JELLY", "pool average", liquidity_min=2_000_000)
    instant = feed(ETHEREUM, "JELLY", "pool now", role=FeedRole.SPOT)
    other = feed(ETHEREUM, "JELLY", "other exchange", heartbeat_s=600)
    dollar = feed(ETHEREUM, "USDC", "chainlink", heartbeat_s=DAY_S)
    tape.watch(
        [jelly_coin, usdc, margin, perps.coin],
        [book, again, average, instant, other, dollar],
        [pool, perps],
        {"short": [perps.account("short")], "holder": [pool.account("holder")]},
        [PriceSpec("JELLY", sources_min=2, jump_window_s=DAY_S)],
    )

    def at(said: str, liquidity: int) -> list[Fact]:
        return [
            book.at(said),
            again.at(said),
            average.at(said, liquidity=liquidity),
            instant.at(said),
            dollar.at(1),
        ]

    def short(at: str, price: str) -> Fact:
        """8 million USDC of margin, and what 398 million were sold for."""
        return perps.standing("short", at, "11781000", "-398000000", price)

    before, pumped, after = (f"2025-03-26T{hour}:00:00Z" for hour in ("12", "13", "16"))
    tape.step(
        "before",
        before,
        {
            HYPER: [margin.state, perps.coin.state, perps.market, short(before, "0.0095")],
            ETHEREUM: [
                jelly_coin.state,
                usdc.state,
                *pool.reserves({"JELLY": "0.0095", "USDC": 1}),
                *at("0.0095", 300_000),
                other.at("0.0095"),
                pool.standing("holder", {"JELLY": 100_000_000}, {"USDC": 50_000}),
            ],
        },
        {
            "prices": {"JELLY": ["FLAG"]},
            "statuses": {"short": ["HEALTHY"], "holder": ["HEALTHY"]},
            "order": [],
        },
        truth={"prices": {"JELLY": ["0.0095", "0.0096"], "USDC": ["1", "1"]}},
    )
    tape.step(
        "pumped; the other exchange says nothing any more",
        pumped,
        {ETHEREUM: at("0.05", 300_000), HYPER: [short(pumped, "0.05")]},
        {
            "prices": {"JELLY": ["HOLD"]},
            "statuses": {"short": ["HELD"], perps.account("short"): ["LIQUIDATABLE"]},
            "order": [],
        },
        truth={"prices": {"JELLY": ["0.0095", "0.0096"]}},
    )
    tape.step(
        "after",
        after,
        {
            ETHEREUM: [*at("0.0095", 300_000), other.at("0.0095")],
            HYPER: [short(after, "0.0095")],
        },
        {"prices": {"JELLY": ["FLAG"]}, "statuses": {"short": ["HEALTHY"]}, "order": []},
    )
    return tape


def deleveraged() -> Tape:
    tape = Tape("hyperliquid_adl_2025_10_10", chains=[ETHEREUM, HYPER])
    tape.header = {
        "title": "Hyperliquid: a hedge is taken away",
        "date": "2025-10-10",
        "what_happened": (
            "Between 21:16:04 and 21:26:57 UTC 34,983 positions of 19,337 users, 2.1 billion USD, "
            "were closed by the venue against those who had gone under: the winning side, shorts "
            "above all. Who had held a short against a long elsewhere was long from then on, while "
            "the market went on falling."
        ),
        "safe_outcome": (
            "The leg that is gone counts no longer from the very next view: the owner, sound while "
            "hedged, is called at once and told of, before the market falls further; what falls "
            "after makes him due, also told."
        ),
        "modelled": (
            "The portfolio: 1,000 ether at one venue, a short of 900 at the other written as a "
            "debt "
            "of ether against dollars, a loan; ether at 4,000 when the leg was closed and 3,435 "
            "after (the sources give counts and times, not this price path)."
        ),
        "sources": [
            {
                "url": "https://github.lirzh.top/ConejoCapital/HyperMultiAssetedADL",
                "says": "34,983 ADL events, 21:16:04-21:26:57 UTC, 2.1 billion USD, 162 assets; "
                "median leverage 0.20x",
            },
            {
                "url": "https://www.tektonic.company/blog/hyperliquid-adl-cascade-october-10",
                "says": "19,337 users; 7.6 billion with liquidations",
            },
            {
                "url": "https://thebittimes.com/outdated-algorithm-caused-650m-excess-losses-on-"
                "hyperliquid-report-tbt123576.html",
                "says": "650 million more than needed, by one report (disputed by the venue; "
                "another says 45-52 million): a range",
            },
            {
                "url": "https://hyperliquid.gitbook.io/hyperliquid-docs/trading/auto-deleveraging",
                "says": "the rule: opposite side, by profit and leverage, closed at the previous "
                "oracle price",
            },
        ],
    }
    ether = coin(ETHEREUM, "WETH", base="ETH", ltv_bps=8_000, threshold_bps=8_500)
    usdc = coin(ETHEREUM, "USDC", decimals=6)
    margin = coin(HYPER, "USDC", decimals=6)
    spot, perps = Lending(ETHEREUM, [ether, usdc]), Perps(margin, "ETH", 4, 25)
    price = feed(ETHEREUM, "ETH", "chainlink")
    dollar = feed(ETHEREUM, "USDC", "chainlink", heartbeat_s=DAY_S)
    tape.watch(
        [ether, usdc, margin, perps.coin],
        [price, dollar],
        [spot, perps],
        {"hedged": [spot.account("hedged"), perps.account("hedged")]},
    )

    def at(said: int) -> list[Fact]:
        return [price.at(said), dollar.at(1), *spot.reserves({"WETH": said, "USDC": 1})]

    before, closed, after = (f"2025-10-10T21:{minute}:00Z" for minute in ("10", "17", "26"))
    tape.step(
        "hedged",
        before,
        {
            ETHEREUM: [
                ether.state,
                usdc.state,
                *at(4_000),
                spot.standing("hedged", {"WETH": 1_000}, {"USDC": 3_350_000}),
            ],
            HYPER: [
                margin.state,
                perps.coin.state,
                perps.market,
                # 100,000 of margin are left, and what 900 were sold for.
                perps.standing("hedged", before, "3700000", "-900", "4000"),
            ],
        },
        {"statuses": {"hedged": ["HEALTHY"]}, "order": []},
        truth={"prices": {"ETH": ["4000", "4000"], "USDC": ["1", "1"]}},
    )
    tape.step(
        "the short is closed by the venue",
        closed,
        {ETHEREUM: at(4_000), HYPER: [perps.standing("hedged", closed, "100000", "0", "4000")]},
        {
            "statuses": {"hedged": ["MARGIN_CALL"]},
            "crossings": ["hedged MARGIN_CALL"],
            "excess_max": {"hedged": "0"},
            "order": [],
        },
    )
    tape.step(
        "the market falls on",
        after,
        {ETHEREUM: at(3_435), HYPER: []},
        {
            "statuses": {"hedged": ["LIQUIDATABLE"]},
            "crossings": ["hedged LIQUIDATABLE", f"{spot.account('hedged')} LIQUIDATABLE"],
            "order": [spot.account("hedged"), "hedged"],
        },
        truth={"prices": {"ETH": ["3435", "3435"]}},
    )
    return tape


def wusdm() -> Tape:
    tape = Tape("venus_wusdm_2025_02_27", chains=[ETHEREUM])
    tape.header = {
        "title": "wUSDM: a rate that was given a push",
        "date": "2025-02-27",
        "what_happened": (
            "About 4 million USD, borrowed for an instant, were given to the vault behind "
            "wUSDM: its "
            "rate went from 1.06 to 1.7 and a lending venue that took the rate for a price lent "
            "against it. 716,000-717,000 USD of bad debt."
        ),
        "safe_outcome": (
            "A rate grows only as fast as what it is of can earn: what is above the cap counts for "
            "nothing, and that the cap binds is an alarm."
        ),
        "modelled": (
            "The portfolio, on Ethereum instead of ZKsync; a cap of 10 % a year from 1.06; "
            "that the "
            "rate stands alone, without a market's price."
        ),
        "sources": [
            {
                "url": "https://www.hdmune.cn/news/detail/12560604674824",
                "says": "27 February, 1.06 to 1.7, about 4 million by flash loan, a net loss of "
                "over 716,000 to the venue",
            },
        ],
    }
    wrapped = coin(ETHEREUM, "wUSDM", base="WUSDM", asset="USD")
    usdc = coin(ETHEREUM, "USDC", decimals=6)
    pool = Lending(ETHEREUM, [wrapped, usdc])
    rate = feed(
        ETHEREUM,
        "WUSDM",
        "vault",
        role=FeedRole.RATE,
        rate_snapshot=Decimal("1.06"),
        rate_snapshot_at_s=1_740_000_000,
        rate_growth_bps_max=1_000,
    )
    dollar = feed(ETHEREUM, "USDC", "chainlink", heartbeat_s=DAY_S)
    tape.watch(
        [wrapped, usdc],
        [rate, dollar],
        [pool],
        {"attacker": [pool.account("attacker")]},
        [PriceSpec("WUSDM", sources_min=0)],
    )
    tape.step(
        "before",
        "2025-02-27T08:00:00Z",
        {
            ETHEREUM: [
                wrapped.state,
                usdc.state,
                *pool.reserves({"wUSDM": "1.06", "USDC": 1}),
                rate.at("1.06"),
                dollar.at(1),
                pool.standing("attacker", {"wUSDM": 1_000_000}, {"USDC": 500_000}),
            ]
        },
        {"prices": {"WUSDM": ["FLAG"]}, "statuses": {"attacker": ["HEALTHY"]}, "order": []},
        truth={"prices": {"WUSDM": ["1.06", "1.065"], "USDC": ["1", "1"]}},
    )
    tape.step(
        "a gift to the vault",
        "2025-02-27T08:30:00Z",
        {ETHEREUM: [rate.at("1.7"), dollar.at(1)]},
        {"prices": {"WUSDM": ["FLAG"]}, "statuses": {"attacker": ["HEALTHY"]}, "order": []},
    )
    tape.step(
        "the rate is set back",
        "2025-02-27T14:00:00Z",
        {ETHEREUM: [rate.at("1.06"), dollar.at(1)]},
        {"prices": {"WUSDM": ["FLAG"]}, "statuses": {"attacker": ["HEALTHY"]}, "order": []},
    )
    return tape
