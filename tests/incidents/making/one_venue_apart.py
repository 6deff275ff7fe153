"""Compound DAI 2020-11-26, Binance 2025-10-10, Maker 2020-03-12."""

from decimal import Decimal

from tests.incidents.making.tape import DAY_S, ETHEREUM, Lending, Price, Tape, coin, feed, seconds
from xmargin.model import AssetDepth, DepthKnot, Fact, FeedRole, LiquidationTerms


def compound() -> Tape:
    tape = Tape("compound_dai_2020_11_26", chains=[ETHEREUM])
    tape.header = {
        "title": "Compound: DAI at 1.30 on one exchange",
        "date": "2020-11-26",
        "what_happened": (
            "DAI traded at up to 1.30 on Coinbase Pro for about an hour, and on Uniswap, which "
            "anchored it within 20 %; at Bitfinex and Kraken it stayed near 1. Compound's price "
            "came from the first two: 85-103 million USD of loans were liquidated, one farmer's of "
            "46 million alone, who owed DAI and held DAI and USDC."
        ),
        "safe_outcome": (
            "While one venue says 1.30 and others about 1, DAI is held with a range that contains "
            "both; nobody who owes DAI is liquidated or proposed for it, and nobody borrows "
            "against "
            "DAI at more than the lower price."
        ),
        "modelled": (
            "The two portfolios, 1.02 as the price elsewhere (the sources say stable), and the "
            "venue's thresholds."
        ),
        "sources": [
            {
                "url": "https://www.quadrigainitiative.com/casestudy/compoundpricefeederror.php",
                "says": "as high as 1.30 on Coinbase Pro, 103 million liquidated; quotes 7 to 8 am "
                "UTC and 12 to 1 am PT (8 to 9 UTC): sources conflict",
            },
            {
                "url": "https://www.comp.xyz/t/dai-liquidation-event/642/88",
                "says": "1.30 on Coinbase Pro; 85.2 million DAI liquidated",
            },
            {
                "url": "https://www.cryptocurrencynewscast.online/2020/11/increased-dai-price-"
                "allowed-compound.html",
                "says": "1.30 on Coinbase and Uniswap, stable on Bitfinex and Kraken; 46 million "
                "DAI repaid for one farmer",
            },
        ],
    }
    dai = coin(ETHEREUM, "DAI", asset="USD", threshold_bps=8_000)
    usdc = coin(ETHEREUM, "USDC", decimals=6, threshold_bps=8_500)
    pool = Lending(ETHEREUM, [dai, usdc], "compound")
    coinbase = feed(ETHEREUM, "DAI", "coinbase", heartbeat_s=3_600)
    elsewhere = feed(ETHEREUM, "DAI", "elsewhere", heartbeat_s=3_600)
    dollar = feed(ETHEREUM, "USDC", "chainlink", heartbeat_s=DAY_S)
    tape.watch(
        [dai, usdc],
        [coinbase, elsewhere, dollar],
        [pool],
        {"farmer": [pool.account("farmer")], "lender": [pool.account("lender")]},
    )
    book = [
        dai.state,
        usdc.state,
        pool.standing("farmer", {"USDC": 60_000_000}, {"DAI": 46_000_000}),
        pool.standing("lender", {"DAI": 10_000_000}, {"USDC": 6_000_000}),
    ]
    sound = {"farmer": ["HEALTHY"], "lender": ["HEALTHY"]}
    tape.step(
        "before",
        "2020-11-26T06:55:00Z",
        {
            ETHEREUM: [
                *book,
                *pool.reserves({"DAI": "1.01", "USDC": 1}),
                coinbase.at("1.01"),
                elsewhere.at("1.005"),
                dollar.at(1),
            ]
        },
        {"prices": {"DAI": ["OK"]}, "statuses": sound, "order": []},
        truth={"prices": {"DAI": ["1.0", "1.02"], "USDC": ["1", "1"]}},
    )
    tape.step(
        "1.30 on Coinbase",
        "2020-11-26T07:30:00Z",
        {
            ETHEREUM: [
                coinbase.at("1.30"),
                elsewhere.at("1.02"),
                dollar.at(1),
                *pool.reserves({"DAI": "1.30"}),
            ]
        },
        {
            "prices": {"DAI": ["HOLD"]},
            "ranges": {"DAI": ["1.02", "1.30"]},
            "statuses": {"farmer": ["HELD"], "lender": ["HEALTHY"]},
            "order": [],
        },
    )
    tape.step(
        "after",
        "2020-11-26T08:30:00Z",
        {
            ETHEREUM: [
                coinbase.at("1.01"),
                elsewhere.at("1.01"),
                dollar.at(1),
                *pool.reserves({"DAI": "1.01"}),
            ]
        },
        {"prices": {"DAI": ["OK"]}, "statuses": sound, "order": []},
    )
    return tape


def binance() -> Tape:
    tape = Tape("binance_usde_2025_10_10", chains=[ETHEREUM])
    tape.header = {
        "title": "Binance: USDe at 0.65, wBETH at 430, BNSOL at 34.9",
        "date": "2025-10-10",
        "what_happened": (
            "While all markets fell, the order books of one exchange emptied: from 21:36 to 22:16 "
            "UTC USDe traded at 0.65 there, wBETH at 430 with ether above 3,800, BNSOL at 34.9. In "
            "pools on chain USDe stayed at 0.9986-1, on other exchanges above 0.90. The exchange "
            "valued collateral by its own book and liquidated; it paid 283 million USD back."
        ),
        "safe_outcome": (
            "One venue's book is one source: while it is far from the others the three bases are "
            "held, the served range contains both, nobody who is sound at the prices elsewhere is "
            "liquidated, and nothing is lent on more than the lowest source."
        ),
        "modelled": (
            "The portfolios; ether at 3,800 and SOL at 190 (the sources give the first as a bound, "
            "the second not); rates of wBETH (1.08) and BNSOL (1.10) to their coins."
        ),
        "sources": [
            {
                "url": "https://bitcoinethereumnews.com/tech/usde-depeg-on-binance-was-it-a-"
                "coordinated-attack",
                "says": "0.65 on Binance, above 0.90 elsewhere; wBETH 88.7 % below ether",
            },
            {
                "url": "https://australianews.pages.dev/crypto-news-coindesk.com/tr/markets/2025/10/"
                "12/binance-to-compensate-users-affected-by-crash-in-wbeth-bnsol-and-ethena-s-usde",
                "says": "wBETH 430 around 21:40 UTC with ETH above 3,800; BNSOL 34.90",
            },
            {
                "url": "https://www.cryptonewsnavigator.com/news/exchanges/binance-sets-depeg-"
                "payouts-283m-already-reimbursed-4Iu3Y5gQeqWF6lm0wK07CV",
                "says": "21:36 to 22:16 UTC; 283 million paid; redemption prices to be weighed in",
            },
            {
                "url": "https://coinheadlines.com/news/binance-compensates-users-for-depegged-"
                "tokens",
                "says": "USDe at about 0.66: sources conflict, 0.65-0.66",
            },
        ],
    }
    usde = coin(ETHEREUM, "USDE", asset="USD", threshold_bps=9_000, ltv_bps=8_800)
    wbeth = coin(ETHEREUM, "WBETH", asset="ETH")
    bnsol = coin(ETHEREUM, "BNSOL", asset="SOL")
    usdc = coin(ETHEREUM, "USDC", decimals=6)
    pool = Lending(ETHEREUM, [usde, wbeth, bnsol, usdc])
    bases: dict[str, tuple[Price, Price]] = {
        "USDE": ("1.0", "0.9995"),
        "WBETH": (4_104, "1.08"),
        "BNSOL": (209, "208.5"),
    }
    low: dict[str, tuple[Price, Price]] = {
        "USDE": ("0.65", "0.9986"),
        "WBETH": (430, "1.08"),
        "BNSOL": ("34.9", "208.5"),
    }
    exchange = {base: feed(ETHEREUM, base, "binance") for base in bases}
    chain = {base: feed(ETHEREUM, base, "pool") for base in bases if base != "WBETH"}
    # Of wBETH there is one market, and what its own contract says: 1.08 ether.
    chain["WBETH"] = feed(
        ETHEREUM,
        "WBETH",
        "contract",
        quote="ETH",
        role=FeedRole.RATE,
        rate_snapshot=Decimal("1.079"),
        rate_snapshot_at_s=seconds("2025-09-01T00:00:00Z"),
        rate_growth_bps_max=500,
    )
    eth = feed(ETHEREUM, "ETH", "chainlink")
    dollar = feed(ETHEREUM, "USDC", "chainlink", heartbeat_s=DAY_S)
    owners = ("basis", "staker", "soler")
    tape.watch(
        [usde, wbeth, bnsol, usdc],
        [*exchange.values(), *chain.values(), eth, dollar],
        [pool],
        {owner: [pool.account(owner)] for owner in owners},
    )
    book = [
        *(one.state for one in (usde, wbeth, bnsol, usdc)),
        pool.standing("basis", {"USDE": 1_000_000}, {"USDC": 800_000}),
        pool.standing("staker", {"WBETH": 1_000}, {"USDC": 2_000_000}),
        pool.standing("soler", {"BNSOL": 10_000}, {"USDC": 1_000_000}),
    ]

    def rounds(said: dict[str, tuple[Price, Price]]) -> list[Fact]:
        return [
            *(exchange[base].at(one) for base, (one, _) in said.items()),
            *(chain[base].at(other) for base, (_, other) in said.items()),
            eth.at(3_800),
        ]

    market: dict[str, Price] = {"USDE": "0.9986", "WBETH": 4_104, "BNSOL": "208.5", "USDC": 1}
    sound = {owner: ["HEALTHY"] for owner in owners}
    truth = {
        "USDE": ["0.9986", "1.0"],
        "WBETH": ["4100", "4110"],
        "BNSOL": ["205", "209"],
        "ETH": ["3800", "3800"],
        "USDC": ["1", "1"],
    }
    tape.step(
        "before",
        "2025-10-10T21:30:00Z",
        {ETHEREUM: [*book, *pool.reserves(market), *rounds(bases), dollar.at(1)]},
        {"prices": {base: ["OK"] for base in bases}, "statuses": sound, "order": []},
        truth={"prices": truth},
    )
    tape.step(
        "the book of one exchange is empty",
        "2025-10-10T21:40:00Z",
        {ETHEREUM: [*pool.reserves(market), *rounds(low), dollar.at(1)]},
        {
            "prices": {base: ["HOLD"] for base in bases},
            "ranges": {
                "USDE": ["0.65", "0.9986"],
                "WBETH": ["430", "4100"],
                "BNSOL": ["34.9", "208.5"],
            },
            "statuses": {owner: ["HELD"] for owner in owners},
            "excess_max": dict.fromkeys(owners, "0"),
            "order": [],
        },
    )
    tape.step(
        "a venue that values by that book would liquidate all three",
        "2025-10-10T21:45:00Z",
        {
            ETHEREUM: [
                *pool.reserves({"USDE": "0.65", "WBETH": 430, "BNSOL": "34.9"}),
                *rounds(low),
                dollar.at(1),
            ]
        },
        {
            "statuses": {pool.account(owner): ["LIQUIDATABLE"] for owner in owners},
            "order": [],
        },
    )
    tape.step(
        "after",
        "2025-10-10T22:20:00Z",
        {ETHEREUM: [*pool.reserves(market), *rounds(bases), dollar.at(1)]},
        {"prices": {base: ["OK"] for base in bases}, "statuses": sound, "order": []},
    )
    return tape


def maker() -> Tape:
    tape = Tape("maker_2020_03_12", chains=[ETHEREUM])
    tape.header = {
        "title": "Maker: collateral sold for nothing",
        "date": "2020-03-12",
        "what_happened": (
            "Ether fell by half within a day, from about 200 to below 100. Blocks were full, gas "
            "six times as dear and more; Maker's price stood 30 USD above the market until its "
            "update came through, and then all vaults below it were due at once. Keepers that did "
            "not raise their gas price could not bid: 36 % of liquidations went for zero DAI, 8.32 "
            "million USD of ether, and 5.67 million DAI were left without collateral."
        ),
        "safe_outcome": (
            "While Maker's price and the market's are apart ether is held and nobody is "
            "liquidated. "
            "Once they agree all who are due are told, those first whose bad debt can be avoided; "
            "but while the market that can be reached takes next to nothing, no liquidation is "
            "planned into it: what would be sold for nothing is kept until there are bids."
        ),
        "modelled": (
            "Three vaults; the path 194, 136, 110; depth as what keepers with room in a block "
            "could "
            "still sell, 50 ether lots in calm and next to nothing while bids failed."
        ),
        "sources": [
            {
                "url": "https://medium.com/@whiterabbit_hq/black-thursday-for-makerdao-8-32-"
                "million-was-liquidated-for-0-dai-36b83cac56b6",
                "says": "zero bids won 36 % of liquidations, 8.32 million USD; 5.67 million DAI "
                "short; the price 30 USD off; lots of 50 ETH",
            },
            {
                "url": "https://dark-forest.tacitvs.eth.limo/hacks/makerdao-black-thursday",
                "says": "from around 200 to below 100 USD in less than a day",
            },
            {
                "url": "http://currencies.ru/million-ether-sold-for-free-through-maker-"
                "20031820580032.htm",
                "says": "gas 80 to 200 gwei, six times the mean; Maker's medianizer 30 USD higher",
            },
            {
                "url": "https://www.thebulletintime.com/news/makerdao-takes-new-measures-to-prevent-"
                "another-black-swan-collapse/",
                "says": "6.65 million DAI short: sources conflict, 5.67-6.65",
            },
        ],
    }
    ether = coin(ETHEREUM, "WETH", base="ETH", ltv_bps=6_600, threshold_bps=6_667)
    dai = coin(ETHEREUM, "DAI", asset="USD")
    pool = Lending(ETHEREUM, [ether, dai], "maker")
    osm = feed(ETHEREUM, "ETH", "maker", heartbeat_s=3 * 3_600)
    market = feed(ETHEREUM, "ETH", "market")
    dollar = feed(ETHEREUM, "DAI", "market", heartbeat_s=DAY_S)
    vaults = ("deep", "middle", "safe")
    tape.watch(
        [ether, dai],
        [osm, market, dollar],
        [pool],
        {vault: [pool.account(vault)] for vault in vaults},
    )
    book = [
        ether.state,
        dai.state,
        pool.standing("deep", {"WETH": 35_000}, {"DAI": 3_600_000}),
        pool.standing("middle", {"WETH": 1_000}, {"DAI": 90_000}),
        pool.standing("safe", {"WETH": 1_000}, {"DAI": 40_000}),
    ]
    at_venue = [pool.account("deep"), pool.account("middle")]
    due = [*reversed(at_venue), "deep", "middle"]
    tape.step(
        "before",
        "2020-03-12T06:00:00Z",
        {
            ETHEREUM: [
                *book,
                *pool.reserves({"WETH": 194, "DAI": 1}),
                osm.at(194),
                market.at("193.5"),
                dollar.at(1),
            ]
        },
        {"prices": {"ETH": ["OK"]}, "order": []},
        truth={"prices": {"ETH": ["192", "196"], "DAI": ["1", "1"]}},
    )
    tape.step(
        "Maker's price stands 30 USD above the market",
        "2020-03-12T14:00:00Z",
        {ETHEREUM: [osm.at(166), market.at(136), *pool.reserves({"WETH": 166})]},
        {"prices": {"ETH": ["HOLD"]}, "ranges": {"ETH": ["136", "166"]}, "order": []},
        truth={"prices": {"ETH": ["134", "138"], "DAI": ["1", "1.1"]}},
    )
    nothing = LiquidationTerms(
        depth=(
            AssetDepth(
                "ETH",
                (
                    DepthKnot(Decimal(0), Decimal(1)),
                    DepthKnot(Decimal("0.001"), Decimal(0)),
                ),
            ),
        )
    )
    tape.step(
        "the update comes through; bids fail",
        "2020-03-12T23:00:00Z",
        {
            ETHEREUM: [
                osm.at(110),
                market.at("109.5"),
                dollar.at("1.05"),
                *pool.reserves({"WETH": 110, "DAI": 1}),
            ]
        },
        {"prices": {"ETH": ["OK"]}, "planned": [], "order": due},
        truth={"prices": {"ETH": ["108", "112"], "DAI": ["1", "1.1"]}},
        own=[nothing],
    )
    calm = LiquidationTerms(
        depth=(
            AssetDepth(
                "ETH",
                (
                    DepthKnot(Decimal(0), Decimal(1)),
                    DepthKnot(Decimal(200_000), Decimal("0.97")),
                    DepthKnot(Decimal(1_000_000), Decimal("0.80")),
                ),
            ),
        )
    )
    tape.step(
        "keepers bid again",
        "2020-03-13T08:00:00Z",
        {
            ETHEREUM: [
                osm.at(125),
                market.at("124.5"),
                dollar.at("1.04"),
                *pool.reserves({"WETH": 125, "DAI": 1}),
            ]
        },
        {"prices": {"ETH": ["OK"]}, "planned": at_venue, "order": [*at_venue, "deep"]},
        truth={"prices": {"ETH": ["122", "126"], "DAI": ["1", "1.1"]}},
        own=[calm],
    )
    return tape
