"""USDC 2023-03-11, LUNA 2022-05-12, Pyth 2021-09-20, Solana 2024-02-06."""

from decimal import Decimal

from tests.incidents.making.tape import (
    AVALANCHE,
    BSC,
    DAY_S,
    ETHEREUM,
    SOLANA,
    Lending,
    Tape,
    balance,
    coin,
    feed,
    wallet,
)
from xmargin.model import PriceSpec


def usdc() -> Tape:
    tape = Tape("usdc_2023_03_11", chains=[ETHEREUM])
    tape.header = {
        "title": "USDC at 0.87",
        "date": "2023-03-11",
        "what_happened": (
            "Circle said that 3.3 billion USD of USDC's reserves were at Silicon Valley Bank, "
            "which "
            "had been closed the day before. USDC fell to 0.87-0.88 over a weekend on which "
            "neither "
            "banks nor Coinbase's conversions worked, and stood at 1 again on Monday."
        ),
        "safe_outcome": (
            "Nothing is hard-coded to 1: what is lent against USDC falls with its market, USDC "
            "that "
            "is owed is never cheaper than its market, the served range contains the market's "
            "while "
            "venues disagree by more than 2 %, and nobody is liquidated in that disagreement."
        ),
        "modelled": (
            "The two portfolios, ETH at 1,450 USD throughout, and which of two feeds said which "
            "number of the published range at what minute."
        ),
        "sources": [
            {
                "url": "https://www.theblock.co/post/218993/usdc-and-dai-remain-at-about-0-90-"
                "following-circles-disclosure-of-funds-at-svb",
                "says": "USDC as low as 0.88 overnight, about 0.90 after; 3.3 billion at SVB; "
                "Coinbase halted conversions",
            },
            {
                "url": "https://www.charliedefi.com/news/usdc-depeg-whats-happening",
                "says": "below 0.87 overnight",
            },
            {
                "url": "https://bitpinas.com/cryptocurrency/news-bit-usdc-depegs-from-one-dollar-"
                "news-bit/",
                "says": "0.94 on Kraken, then 0.984, on the first evening",
            },
            {
                "url": "https://cryptomaton.medium.com/usdc-depegs-to-0-89-as-sillicon-valley-bank-"
                "collapses-what-actually-happened-7de4d35266c5",
                "says": "a low of 0.815 on one exchange: lower than any other source; not in the "
                "range here",
            },
        ],
    }
    dollar = coin(ETHEREUM, "USDC", decimals=6, ltv_bps=8_500, threshold_bps=9_000)
    ether = coin(ETHEREUM, "WETH", base="ETH")
    pool = Lending(ETHEREUM, [dollar, ether])
    slow = feed(ETHEREUM, "USDC", "chainlink", heartbeat_s=DAY_S)
    exchange = feed(ETHEREUM, "USDC", "exchanges", heartbeat_s=3_600)
    eth = feed(ETHEREUM, "ETH", "chainlink")
    tape.watch(
        [dollar, ether],
        [slow, exchange, eth],
        [pool],
        {"saver": [pool.account("saver")], "borrower": [pool.account("borrower")]},
        [PriceSpec("USDC", peg="USD", peg_bps_max=100, haircut_bps=400)],
    )
    book = [
        dollar.state,
        ether.state,
        pool.standing("saver", {"USDC": 1_000_000}, {"WETH": 510}),
        pool.standing("borrower", {"WETH": 1_000}, {"USDC": 1_000_000}),
    ]
    sound = {"saver": ["HEALTHY"], "borrower": ["HEALTHY"]}
    tape.step(
        "the evening before",
        "2023-03-10T22:00:00Z",
        {
            ETHEREUM: [
                *book,
                *pool.reserves({"USDC": 1, "WETH": 1_450}),
                slow.at(1),
                exchange.at("0.9995"),
                eth.at(1_450),
            ]
        },
        {"prices": {"USDC": ["OK"]}, "statuses": sound, "order": []},
        truth={"prices": {"USDC": ["0.998", "1.002"], "ETH": ["1450", "1450"]}},
    )
    tape.step(
        "Circle says it; the first exchanges fall",
        "2023-03-11T03:30:00Z",
        {
            ETHEREUM: [
                slow.at("0.984"),
                exchange.at("0.94"),
                eth.at(1_450),
                *pool.reserves({"USDC": "0.984"}),
            ]
        },
        {"prices": {"USDC": ["HOLD"]}, "ranges": {"USDC": ["0.94", "0.984"]}, "order": []},
        truth={"prices": {"USDC": ["0.94", "0.984"]}},
    )
    tape.step(
        "the low",
        "2023-03-11T07:00:00Z",
        {
            ETHEREUM: [
                slow.at("0.87"),
                exchange.at("0.90"),
                eth.at(1_450),
                *pool.reserves({"USDC": "0.87"}),
            ]
        },
        {
            "prices": {"USDC": ["HOLD"]},
            "ranges": {"USDC": ["0.87", "0.90"]},
            "statuses": {"saver": ["HELD"], "borrower": ["HEALTHY"]},
            "excess_max": {"saver": "0"},
            "order": [],
        },
        truth={"prices": {"USDC": ["0.87", "0.90"]}},
    )
    tape.step(
        "the two agree again, at 0.90; elsewhere it is 0.87",
        "2023-03-11T15:00:00Z",
        {
            ETHEREUM: [
                slow.at("0.898"),
                exchange.at("0.90"),
                eth.at(1_450),
                *pool.reserves({"USDC": "0.898"}),
            ]
        },
        {
            "prices": {"USDC": ["HAIRCUT"]},
            "ranges": {"USDC": ["0.87", "0.90"]},
            "statuses": {"saver": ["MARGIN_CALL"], "borrower": ["HEALTHY"]},
            "excess_max": {"saver": "0"},
            "order": [],
        },
        truth={"prices": {"USDC": ["0.865", "0.87"]}},
    )
    tape.step(
        "Monday",
        "2023-03-13T14:00:00Z",
        {
            ETHEREUM: [
                slow.at("0.999"),
                exchange.at("0.9985"),
                eth.at(1_450),
                *pool.reserves({"USDC": "0.999"}),
            ]
        },
        {"prices": {"USDC": ["OK"]}, "statuses": sound, "order": []},
        truth={"prices": {"USDC": ["0.998", "1.001"]}},
    )
    return tape


def luna() -> Tape:
    tape = Tape("venus_luna_2022_05_12", chains=[BSC, AVALANCHE])
    tape.header = {
        "title": "Venus and Blizz: LUNA's feed frozen at 0.107",
        "date": "2022-05-12",
        "what_happened": (
            "LUNA fell below the least answer (0.10) that its Chainlink aggregator would give. The "
            "feed stopped at 0.107 while the market went to 0.01; LUNA bought there was "
            "supplied as "
            "collateral at 0.107, and what Venus and Blizz had was borrowed against it."
        ),
        "safe_outcome": (
            "LUNA at the frozen answer backs no loan: from the moment that the feed misses its "
            "heartbeat, and already while it stands at its own lower bound, no more may be "
            "borrowed "
            "than the market's price allows."
        ),
        "modelled": (
            "Who supplies what; heartbeats of 24 h on BSC and one on "
            "Avalanche, and that the feed's last answer was given at "
            "10:00; LUNA's hourly path between published figures; 0.11 as the least believed, a "
            "tenth above the least answer that the aggregator can give."
        ),
        "sources": [
            {
                "url": "https://cryptonews.com.au/news/defi-protocols-report-significant-losses-"
                "amid-luna-price-exploit-94780/",
                "says": "0.107 at Venus against a market of 0.01; a loss of 11.2 million USD",
            },
            {
                "url": "https://alpha.rekt.news/fr/venus-blizz-rekt",
                "says": "minAnswer 0.10; 13.5 million drained of Venus and 8.3 of Blizz: sources "
                "conflict, 11.2-13.5",
            },
            {
                "url": "https://medium.com/venusprotocol/venus-luna-incident-update-3-resuming-the-"
                "protocol-ff059a914405",
                "says": "Venus paused because of the suspended LUNA feed",
            },
        ],
    }
    luna_coin = coin(BSC, "LUNA", decimals=6, ltv_bps=5_500, threshold_bps=6_000)
    busd = coin(BSC, "BUSD", asset="USD")
    pool = Lending(BSC, [luna_coin, busd], "venus")
    chainlink = feed(BSC, "LUNA", "chainlink", heartbeat_s=DAY_S, price_min=Decimal("0.11"))
    # Blizz has no bound; its feed promises an answer an hour.
    there = coin(AVALANCHE, "LUNA", base="LUNA.e", decimals=6, ltv_bps=5_500, threshold_bps=6_000)
    usdc_there = coin(AVALANCHE, "USDC.e", base="USDC", decimals=6)
    blizz = Lending(AVALANCHE, [there, usdc_there], "blizz")
    hourly = feed(AVALANCHE, "LUNA.e", "chainlink", heartbeat_s=3_600)
    usdc_feed = feed(AVALANCHE, "USDC", "chainlink", heartbeat_s=DAY_S)
    dollar = feed(BSC, "BUSD", "chainlink", heartbeat_s=DAY_S)
    tape.watch(
        [luna_coin, busd, there, usdc_there],
        [chainlink, dollar, hourly, usdc_feed],
        [pool, blizz],
        {
            "attacker": [pool.account("attacker"), wallet(BSC, "attacker")],
            "at-blizz": [blizz.account("attacker")],
        },
    )
    borrowed = 1_000
    tape.step(
        "LUNA falls, the feed still follows",
        "2022-05-12T06:00:00Z",
        {
            BSC: [
                luna_coin.state,
                busd.state,
                chainlink.at("0.50"),
                dollar.at(1),
                *pool.reserves({"LUNA": "0.50", "BUSD": 1}),
                pool.standing("attacker", {"LUNA": 1_000}, {}),
                balance(wallet(BSC, "attacker"), busd, 0),
            ],
            AVALANCHE: [
                there.state,
                usdc_there.state,
                hourly.at("0.50"),
                usdc_feed.at(1),
                *blizz.reserves({"LUNA": "0.50", "USDC.e": 1}),
                blizz.standing("attacker", {"LUNA": 1_000}, {}),
            ],
        },
        {"order": []},
        truth={
            "prices": {
                "LUNA": ["0.48", "0.52"],
                "LUNA.e": ["0.48", "0.52"],
                "USDC": ["1", "1"],
                "BUSD": ["1", "1"],
            }
        },
    )
    frozen = "2022-05-12T10:00:00Z"
    tape.step(
        "the last answer",
        frozen,
        {
            BSC: [chainlink.at("0.107"), *pool.reserves({"LUNA": "0.107"})],
            AVALANCHE: [hourly.at("0.107"), *blizz.reserves({"LUNA": "0.107"})],
        },
        {"prices": {"LUNA": ["REFUSE"]}, "order": []},
        truth={"prices": {"LUNA": ["0.1", "0.11"], "LUNA.e": ["0.1", "0.11"]}},
    )
    tape.step(
        "the market at 0.05, the answer still within its heartbeat",
        "2022-05-12T14:00:00Z",
        {
            BSC: [dollar.at(1), pool.standing("attacker", {"LUNA": 1_000_000}, {})],
            AVALANCHE: [usdc_feed.at(1), blizz.standing("attacker", {"LUNA": 1_000_000}, {})],
        },
        {
            "prices": {"LUNA": ["REFUSE"], "LUNA.e": ["REFUSE"]},
            "excess_max": {"attacker": "0", "at-blizz": "0"},
            "order": [],
        },
        truth={"prices": {"LUNA": ["0.01", "0.05"], "LUNA.e": ["0.01", "0.05"]}},
    )
    tape.step(
        "the market at 0.01; 100 million LUNA are supplied at 0.107",
        "2022-05-13T10:05:00Z",
        {
            BSC: [
                dollar.at(1),
                pool.standing("attacker", {"LUNA": 100_000_000}, {"BUSD": borrowed}),
            ],
            AVALANCHE: [
                usdc_feed.at(1),
                blizz.standing("attacker", {"LUNA": 100_000_000}, {"USDC.e": borrowed}),
            ],
        },
        {
            "prices": {"LUNA": ["REFUSE"], "LUNA.e": ["REFUSE"]},
            "statuses": {"attacker": ["HELD"], "at-blizz": ["HELD"]},
            "excess_max": {"attacker": "0", "at-blizz": "0"},
            "order": [],
        },
        truth={"prices": {"LUNA": ["0.00001", "0.01"], "LUNA.e": ["0.00001", "0.01"]}},
    )
    return tape


def pyth() -> Tape:
    tape = Tape("pyth_btc_2021_09_20", chains=[SOLANA, ETHEREUM])
    tape.header = {
        "title": "Pyth: Bitcoin at 5,402",
        "date": "2021-09-20",
        "what_happened": (
            "From 12:21 to 12:23 UTC two of eleven publishers sent a near-zero price of BTC: one "
            "wrote a fraction where an integer was expected, one read the exponent as 0 instead of "
            "-8. The aggregate fell to 5,402 with a very wide confidence interval, while BTC "
            "traded "
            "above 40,000. Programs that ignored the interval liquidated on it."
        ),
        "safe_outcome": (
            "The aggregate with the wide interval is not believed; nor is an answer whose exponent "
            "is another than the feed was approved with. Nobody is liquidated whom a price of "
            "41,000-43,500 leaves sound, and nobody borrows on the wrong number."
        ),
        "modelled": (
            "The portfolios; the width of the interval (the report says it became extremely wide, "
            "without a number: half of the price here); the rounds with exponent 0, of which the "
            "report says only that one publisher read it so; and the last two wrong rounds, which "
            "are how the same number could come today."
        ),
        "sources": [
            {
                "url": "https://www.cnbctv18.com/cryptocurrency/how-bitcoin-prices-briefly-crashed-"
                "to-5000-due-to-a-bug-10852832.htm",
                "says": "5,402 against around 41,000; both publishers' faults, exponent 10^0 for "
                "10^-8 over two minutes (quoting Pyth's root cause analysis)",
            },
            {
                "url": "https://www.fxstreet.com/cryptocurrencies/news/bitcoin-flash-crashed-to-5k-"
                "on-pyth-networks-data-feed-202109221340",
                "says": "12:21 to 12:23 UTC; around 43,500 on exchanges; two publishers with nine "
                "others; confidence levels extremely wide",
            },
        ],
    }
    btc, usdc_coin = (
        coin(ETHEREUM, "WBTC", base="BTC", decimals=8),
        coin(ETHEREUM, "USDC", decimals=6),
    )
    pool = Lending(ETHEREUM, [btc, usdc_coin])
    oracle = feed(SOLANA, "BTC", "pyth", kind="pyth", heartbeat_s=60, decimals=8)
    dollar = feed(ETHEREUM, "USDC", "chainlink", heartbeat_s=DAY_S)
    tape.watch(
        [btc, usdc_coin],
        [oracle, dollar],
        [pool],
        {"long": [pool.account("long")], "short": [pool.account("short")]},
    )
    reserves = pool.reserves({"WBTC": 42_000, "USDC": 1})
    book = [
        btc.state,
        usdc_coin.state,
        pool.standing("long", {"WBTC": 10}, {"USDC": 250_000}),
        pool.standing("short", {"USDC": 500_000}, {"WBTC": 7}),
    ]
    sound = {"long": ["HEALTHY"], "short": ["HEALTHY"]}
    tape.step(
        "before",
        "2021-09-20T12:20:00Z",
        {ETHEREUM: [*book, *reserves, dollar.at(1)], SOLANA: [oracle.at(42_000, confidence=30)]},
        {"prices": {"BTC": ["OK"]}, "statuses": sound, "order": []},
        truth={"prices": {"BTC": ["41000", "43500"], "USDC": ["1", "1"]}},
    )
    tape.step(
        "the aggregate at 5,402, its interval wide",
        "2021-09-20T12:21:30Z",
        {ETHEREUM: [], SOLANA: [oracle.at(5_402, confidence=2_701)]},
        {
            "prices": {"BTC": ["REFUSE"]},
            "statuses": {"long": ["HELD"], "short": ["REFUSED"]},
            "order": [],
        },
    )
    tape.step(
        "an answer that is written with exponent 0",
        "2021-09-20T12:22:00Z",
        {ETHEREUM: [], SOLANA: [oracle.at(0, answer=5_402, exponent=0)]},
        {
            "prices": {"BTC": ["REFUSE"]},
            "statuses": {"long": ["HELD"], "short": ["REFUSED"]},
            "order": [],
        },
    )
    wrong = {
        "prices": {"BTC": ["REFUSE"]},
        "statuses": {"long": ["HELD"], "short": ["REFUSED"]},
        "order": [],
    }
    tape.step(
        "the same number with a narrow interval, of which few guardians know",
        "2021-09-20T12:22:30Z",
        {ETHEREUM: [], SOLANA: [oracle.at(5_402, confidence=3, verification="partial(5)")]},
        wrong,
    )
    tape.step(
        "the same number, dated ahead so as not to age",
        "2021-09-20T12:23:00Z",
        {ETHEREUM: [], SOLANA: [oracle.at(5_402, "2021-09-20T12:33:00Z", confidence=3)]},
        wrong,
    )
    tape.step(
        "after",
        "2021-09-20T12:24:00Z",
        {ETHEREUM: [], SOLANA: [oracle.at(42_000, confidence=40)]},
        {"prices": {"BTC": ["OK", "FLAG"]}, "statuses": sound, "order": []},
    )
    return tape


def solana() -> Tape:
    tape = Tape("solana_halt_2024_02_06", chains=[SOLANA, ETHEREUM])
    tape.header = {
        "title": "Solana stands still for five hours",
        "date": "2024-02-06",
        "what_happened": (
            "Block production stopped at 09:53-10:22 UTC at slot 246464040, by an endless loop in "
            "the program cache, and resumed at 14:57 UTC after a restart with version 1.17.20."
        ),
        "safe_outcome": (
            "While the chain stands still its collateral backs no loan elsewhere, and prices that "
            "are read there are not believed. An owner whose collateral on other chains "
            "suffices is not liquidated. After the restart all is as before."
        ),
        "modelled": (
            "The portfolios, SOL at 95 USD throughout (the sources say a dip of about 3 %), and "
            "one view an hour instead of one a slot."
        ),
        "sources": [
            {
                "url": "https://eternitynewsnow.com/solana-is-back-online-but-what-caused-major-"
                "five-hour-outage/",
                "says": "production resumed at 14:57 UTC, version 1.17.20",
            },
            {
                "url": "https://cryptonews.net/en/news/blockchain/28516939",
                "says": "the outage known by 10:22 UTC, restart from slot 246464040",
            },
            {
                "url": "https://helius.dev/blog/solana-outages-complete-history",
                "says": "the history of Solana's outages and their causes",
            },
        ],
    }
    sol = coin(SOLANA, "SOL", decimals=9)
    ether = coin(ETHEREUM, "WETH", base="ETH", ltv_bps=8_000, threshold_bps=8_500)
    usdc_coin = coin(ETHEREUM, "USDC", decimals=6)
    pool = Lending(ETHEREUM, [ether, usdc_coin])
    on_solana = feed(SOLANA, "SOL", "pyth", kind="pyth", heartbeat_s=60, decimals=8)
    sol_feed = feed(ETHEREUM, "SOL", "chainlink", heartbeat_s=DAY_S)
    eth = feed(ETHEREUM, "ETH", "chainlink")
    dollar = feed(ETHEREUM, "USDC", "chainlink", heartbeat_s=DAY_S)
    across, home = wallet(SOLANA, "across"), wallet(SOLANA, "home")
    tape.watch(
        [sol, ether, usdc_coin],
        [on_solana, sol_feed, eth, dollar],
        [pool],
        {
            "across": [across, pool.account("across")],
            "home": [home, pool.account("home")],
        },
    )
    book = [
        ether.state,
        usdc_coin.state,
        *pool.reserves({"WETH": 2_350, "USDC": 1}),
        # One leans on SOL for a loan on Ethereum; the other has enough there.
        pool.standing("across", {"WETH": 100}, {"USDC": 190_000}),
        pool.standing("home", {"WETH": 100}, {"USDC": 100_000}),
    ]
    here = [sol.state, balance(across, sol, 3_000), balance(home, sol, 3_000)]
    sound = {"across": ["HEALTHY"], "home": ["HEALTHY"]}
    tape.step(
        "before",
        "2024-02-06T09:50:00Z",
        {
            ETHEREUM: [*book, eth.at(2_350), dollar.at(1), sol_feed.at(95)],
            SOLANA: [*here, on_solana.at(95, confidence="0.05")],
        },
        {"prices": {"SOL": ["OK"]}, "statuses": sound, "order": []},
        truth={
            "prices": {"SOL": ["92", "96"], "ETH": ["2350", "2350"], "USDC": ["1", "1"]},
            "halted": [],
        },
    )
    for hour in ("10", "11", "12", "13", "14"):
        tape.step(
            f"standing still at {hour}:30",
            f"2024-02-06T{hour}:30:00Z",
            {ETHEREUM: [eth.at(2_350), dollar.at(1), sol_feed.at(95)]},
            {
                "prices": {"SOL": ["FLAG"], "ETH": ["OK"]},
                "chains": {SOLANA: ["LAGGING"], ETHEREUM: ["OK"]},
                "statuses": {"home": ["HEALTHY"], "across": ["MARGIN_CALL"]},
                "excess_max": {"across": "0"},
                "order": [],
            },
            truth={"halted": [SOLANA]},
        )
    tape.step(
        "blocks again",
        "2024-02-06T15:00:00Z",
        {
            ETHEREUM: [eth.at(2_350), dollar.at(1)],
            SOLANA: [on_solana.at(95, confidence="0.05")],
        },
        {
            "prices": {"SOL": ["OK"]},
            "chains": {SOLANA: ["OK"]},
            "statuses": sound,
            "order": [],
        },
        truth={"halted": []},
    )
    return tape
