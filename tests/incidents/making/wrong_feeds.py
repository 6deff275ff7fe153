"""Moonwell cbETH 2026-02-15, Aave CAPO 2026-03-10, Arbitrum 2023-12-15."""

from dataclasses import replace
from decimal import Decimal

from tests.incidents.making.tape import (
    ARBITRUM,
    BASE,
    DAY_S,
    ETHEREUM,
    Lending,
    Tape,
    address,
    balance,
    coin,
    feed,
    seconds,
    wallet,
)
from xmargin.model import FeedRound, PriceSpec


def moonwell() -> Tape:
    tape = Tape("moonwell_cbeth_2026_02_15", chains=[BASE], bounds={"venue_price_bps_max": 200})
    tape.header = {
        "title": "Moonwell: cbETH at 1.12",
        "date": "2026-02-15",
        "what_happened": (
            "At 18:01 UTC a governance proposal set a new oracle for cbETH: the rate cbETH/ETH, "
            "1.12, without the price of ether. A token of 2,200 USD counted for 1.12: 1,096.317 "
            "cbETH were seized within minutes for about a dollar each, and others borrowed cbETH "
            "against next to nothing. 1.78 million USD of bad debt."
        ),
        "safe_outcome": (
            "A rate is no price: the feed that changed what it says is quarantined, and cbETH "
            "stays at its market. No holder of cbETH is proposed for liquidation by the venue's "
            "1.12, and nobody may borrow cbETH as if it cost a dollar."
        ),
        "modelled": (
            "Three portfolios; ether at 1,964 (so that 1.12 of it are 2,200); that the old feed's "
            "proxy is the one that gave the new answer, with its new description or the old one; "
            "and the last step, in which the second source fails too."
        ),
        "sources": [
            {
                "url": "https://forum.moonwell.fi/t/mip-x43-cbeth-oracle-incident-summary/2068",
                "says": "18:01 UTC, about 1.12 for about 2,200; monitoring at 18:05; 1,096.317 "
                "cbETH seized; 1.78 million of bad debt",
            },
            {
                "url": "https://www.crypticdaily.com/news/moonwell-cbeth-oracle-bug-how-usd1-78m-"
                "vanished-on-base",
                "says": "1,779,044.83 USD over several assets, most in cbETH",
            },
        ],
    }
    cbeth = coin(BASE, "cbETH", base="CBETH", asset="ETH")
    usdc = coin(BASE, "USDC", decimals=6)
    pool = Lending(BASE, [cbeth, usdc], "moonwell")
    wrapped = feed(BASE, "CBETH", "oev-wrapper")
    wrapped = replace(wrapped, description="cbETH / USD")
    market = feed(BASE, "CBETH", "market")
    dollar = feed(BASE, "USDC", "chainlink", heartbeat_s=DAY_S)
    tape.watch(
        [cbeth, usdc],
        [wrapped, market, dollar],
        [pool],
        {
            "holder": [pool.account("holder")],
            "borrower": [pool.account("borrower")],
        },
        [PriceSpec("CBETH", price_min=Decimal(100), price_max=Decimal(20_000))],
    )
    book = [
        cbeth.state,
        usdc.state,
        pool.standing("holder", {"cbETH": 100}, {"USDC": 120_000}),
        pool.standing("borrower", {"USDC": 100_000}, {"cbETH": 30}),
    ]
    sound = {"holder": ["HEALTHY"], "borrower": ["HEALTHY"]}
    rate = replace(wrapped, description="cbETH / ETH")
    tape.step(
        "before",
        "2026-02-15T18:00:00Z",
        {
            BASE: [
                *book,
                *pool.reserves({"cbETH": 2_200, "USDC": 1}),
                wrapped.at(2_200),
                market.at(2_199),
                dollar.at(1),
            ]
        },
        {"prices": {"CBETH": ["OK"]}, "statuses": sound, "order": []},
        truth={"prices": {"CBETH": ["2190", "2210"], "USDC": ["1", "1"]}},
    )
    tape.step(
        "the feed says the rate, and says so",
        "2026-02-15T18:01:00Z",
        {
            BASE: [
                rate.at("1.12"),
                market.at(2_200),
                dollar.at(1),
                *pool.reserves({"cbETH": "1.12"}),
            ]
        },
        {
            "prices": {"CBETH": ["FLAG", "HOLD"]},
            "statuses": {pool.account("holder"): ["LIQUIDATABLE"], "borrower": ["HEALTHY"]},
            "flags": ["moonwell@eip155:8453 prices CBETH"],
            "order": [],
        },
    )
    tape.step(
        "the same under the old description",
        "2026-02-15T18:05:00Z",
        {BASE: [wrapped.at("1.12"), market.at(2_200), dollar.at(1)]},
        {
            "prices": {"CBETH": ["FLAG"]},
            "statuses": {"holder": ["HEALTHY"], "borrower": ["HEALTHY"]},
            "order": [],
        },
    )
    tape.step(
        "the same when no other source is left",
        "2026-02-15T19:30:00Z",
        {BASE: [wrapped.at("1.12"), dollar.at(1)]},
        {
            "prices": {"CBETH": ["REFUSE"]},
            "statuses": {"holder": ["HELD"], "borrower": ["REFUSED"]},
            "order": [],
        },
    )
    return tape


def capo() -> Tape:
    tape = Tape("aave_capo_2026_03_10", chains=[ETHEREUM], bounds={"venue_price_bps_max": 200})
    tape.header = {
        "title": "Aave: wstETH capped 2.85 % below its market",
        "date": "2026-03-10",
        "what_happened": (
            "Aave caps how fast the rate of wstETH to ether may have grown. The cap's snapshot was "
            "updated without its date, so that the most that was believed lay below the rate: "
            "wstETH at about 1.19 ETH with the market near 1.23, 2.85 % less. 10,938 wstETH of 34 "
            "accounts, about 26-27 million USD, were liquidated with no move of the market."
        ),
        "safe_outcome": (
            "The venue's price is told as 2.85 % off; who is due by it alone is not proposed for "
            "liquidation, and the unified margin goes by the market. What the venue itself would "
            "do stays visible."
        ),
        "modelled": (
            "The portfolios, ether at 2,050, and one account below the threshold at the right "
            "price too, who waits while the venue's price is in doubt and is back on the list "
            "after."
        ),
        "sources": [
            {
                "url": "https://www.banklesstimes.com/articles/2026/03/11/aave-suffers-26m-in-"
                "unfair-wsteth-liquidations-from-oracle-glitch",
                "says": "10,938 wstETH of 34 accounts, 2.85 %, 26-27 million; 499 ETH to "
                "liquidators",
            },
            {
                "url": "https://alphawire.xyz/news/ethereum/aave-oracle-glitch-triggers-26m-in-"
                "wsteth-liquidations/",
                "says": "about 1.19 for about 1.23 ETH; snapshot and its timestamp out of step, "
                "3 % in 72 h",
            },
        ],
    }
    wsteth = coin(ETHEREUM, "wstETH", base="WSTETH", asset="ETH", threshold_bps=9_500)
    ether = coin(ETHEREUM, "WETH", base="ETH")
    pool = Lending(ETHEREUM, [wsteth, ether])
    market = feed(ETHEREUM, "WSTETH", "market", quote="ETH")
    eth = feed(ETHEREUM, "ETH", "chainlink")
    looper, late = pool.account("looper"), pool.account("late")
    tape.watch(
        [wsteth, ether],
        [market, eth],
        [pool],
        {
            "looper": [looper, wallet(ETHEREUM, "looper")],
            "late": [late],
        },
    )
    # 1.2300 ETH each; 92 % and 96 % of that owed.
    book = [
        wsteth.state,
        ether.state,
        pool.standing("looper", {"wstETH": 1_000}, {"WETH": "1145"}),
        pool.standing("late", {"wstETH": 100}, {"WETH": "117.5"}),
        balance(wallet(ETHEREUM, "looper"), ether, 200),
    ]
    price, capped = "2521.5", "2449.64"
    tape.step(
        "before",
        "2026-03-10T11:00:00Z",
        {
            ETHEREUM: [
                *book,
                *pool.reserves({"wstETH": price, "WETH": 2_050}),
                market.at("1.23"),
                eth.at(2_050),
            ]
        },
        {"order": [late], "statuses": {looper: ["HEALTHY"], late: ["LIQUIDATABLE"]}},
        truth={"prices": {"WSTETH": ["2510", "2530"], "ETH": ["2050", "2050"]}},
    )
    tape.step(
        "the cap binds",
        "2026-03-10T11:30:00Z",
        {
            ETHEREUM: [
                *pool.reserves({"wstETH": capped, "WETH": 2_050}),
                market.at("1.23"),
                eth.at(2_050),
            ]
        },
        {
            "prices": {"WSTETH": ["OK"]},
            "statuses": {looper: ["LIQUIDATABLE"], "looper": ["HEALTHY"]},
            "flags": ["prices WSTETH 285 bps outside the judged range"],
            "order": [],
        },
    )
    tape.step(
        "after",
        "2026-03-10T12:30:00Z",
        {
            ETHEREUM: [
                *pool.reserves({"wstETH": price, "WETH": 2_050}),
                market.at("1.23"),
                eth.at(2_050),
            ]
        },
        {"order": [late], "statuses": {looper: ["HEALTHY"]}},
    )
    return tape


def arbitrum() -> Tape:
    tape = Tape("arbitrum_sequencer_2023_12_15", chains=[ARBITRUM, ETHEREUM])
    sequencer = f"sequencer@{ARBITRUM}/{address(ARBITRUM, 'uptime')}"
    tape.registry = replace(
        tape.registry,
        chains=tuple(
            replace(chain, sequencer_feed=sequencer, sequencer_grace_s=3_600)
            if chain.id == ARBITRUM
            else chain
            for chain in tape.registry.chains
        ),
    )
    tape.header = {
        "title": "Arbitrum's sequencer stands still",
        "date": "2023-12-15",
        "what_happened": (
            "A surge of inscriptions stalled the sequencer of Arbitrum One from 10:29 am ET (15:29 "
            "UTC). For 78 to 90 minutes nobody could act; then queued transactions and late oracle "
            "rounds came in a burst, and gas stayed dear."
        ),
        "safe_outcome": (
            "While the sequencer is down, and for a grace after it is back, collateral there backs "
            "no loan elsewhere, prices from there are not believed, and nobody there is proposed "
            "for liquidation, who could neither repay nor add collateral. After the grace all "
            "is as before."
        ),
        "modelled": (
            "The portfolios; ARB at 1.10 and 1.03; ether's fall from 2,270 to 2,180 during the "
            "outage and its return to "
            "2,210 (the sources name no price); a grace of an hour; the round that is still the "
            "one from before when the sequencer is back."
        ),
        "sources": [
            {
                "url": "https://bitcoinethereumnews.com/?p=1232474",
                "says": "about 78 minutes from 10:29 am ET, which it takes for 13:29 UTC (it is "
                "15:29); the explorer shows blocks at 17:58 UTC",
            },
            {
                "url": "https://finance.yahoo.com/news/arbitrum-operations-back-normal-"
                "inscriptions-053333242.html",
                "says": "an hour and a half: sources conflict, 78-90 minutes; 90 % of "
                "transactions were inscriptions",
            },
        ],
    }
    there = coin(ARBITRUM, "WETH", base="ETH")
    dollar_there = coin(ARBITRUM, "USDC", base="USDC", decimals=6)
    dollar_here = coin(ETHEREUM, "USDC", decimals=6)
    ether_here = coin(ETHEREUM, "WETH", base="ETH")
    arb = coin(ETHEREUM, "ARB")
    pool_there = Lending(ARBITRUM, [there, dollar_there])
    pool_here = Lending(ETHEREUM, [ether_here, dollar_here, arb])
    eth_here = feed(ETHEREUM, "ETH", "chainlink")
    eth_there = feed(ARBITRUM, "ETH", "chainlink", heartbeat_s=DAY_S)
    dollar = feed(ETHEREUM, "USDC", "chainlink", heartbeat_s=DAY_S)
    arb_there = feed(ARBITRUM, "ARB", "chainlink", heartbeat_s=DAY_S)
    stuck = pool_there.account("stuck")
    tape.watch(
        [there, dollar_there, dollar_here, ether_here, arb],
        [eth_here, eth_there, dollar, arb_there],
        [pool_there, pool_here],
        {
            "across": [wallet(ARBITRUM, "across"), pool_here.account("across")],
            "stuck": [stuck, wallet(ETHEREUM, "stuck")],
            "arb": [pool_here.account("arb")],
        },
    )

    def uptime(answer: int, since: str) -> FeedRound:
        return FeedRound(sequencer, answer, 0, 0, seconds(since), 1, "uptime", "", "", "")

    book_there = [
        there.state,
        dollar_there.state,
        balance(wallet(ARBITRUM, "across"), there, 100),
        pool_there.standing("stuck", {"WETH": 100}, {"USDC": 178_000}),
    ]
    book_here = [
        dollar_here.state,
        ether_here.state,
        arb.state,
        *pool_here.reserves({"WETH": 2_270, "USDC": 1, "ARB": "1.10"}),
        pool_here.standing("arb", {"ARB": 1_000_000}, {"USDC": 100_000}),
        pool_here.standing("across", {"WETH": 60}, {"USDC": 107_500}),
        balance(wallet(ETHEREUM, "stuck"), dollar_here, 60_000),
    ]
    long_up = "2023-11-01T00:00:00Z"
    reserves = pool_there.reserves({"WETH": 2_270, "USDC": 1})
    sound = {"across": ["HEALTHY"], "stuck": ["HEALTHY"]}
    tape.step(
        "before",
        "2023-12-15T15:28:00Z",
        {
            ETHEREUM: [*book_here, eth_here.at(2_270), dollar.at(1)],
            ARBITRUM: [
                *book_there,
                *reserves,
                eth_there.at(2_270),
                uptime(0, long_up),
                arb_there.at("1.10"),
            ],
        },
        {"statuses": {"across": ["HEALTHY"]}, "chains": {ARBITRUM: ["OK"]}, "order": []},
        truth={
            "prices": {"ETH": ["2260", "2280"], "USDC": ["1", "1"], "ARB": ["1.10", "1.10"]},
            "halted": [],
        },
    )
    tape.step(
        "no block for two minutes",
        "2023-12-15T15:31:00Z",
        {ETHEREUM: [eth_here.at(2_268), dollar.at(1)]},
        {
            "chains": {ARBITRUM: ["LAGGING"]},
            "excess_max": {"across": "5000"},
            "order": [],
        },
        truth={"halted": [ARBITRUM]},
    )
    tape.step(
        "the market falls meanwhile",
        "2023-12-15T16:30:00Z",
        {ETHEREUM: [eth_here.at(2_180), dollar.at(1)]},
        {
            "chains": {ARBITRUM: ["LAGGING"]},
            "prices": {"ETH": ["FLAG"], "ARB": ["REFUSE"]},
            "statuses": {"arb": ["HELD"]},
            "excess_max": {"across": "0", "arb": "0"},
            "order": [],
        },
        truth={"prices": {"ETH": ["2170", "2190"], "ARB": ["1.02", "1.04"]}},
    )
    tape.step(
        "blocks again; the round is that of before",
        "2023-12-15T16:57:30Z",
        {
            ETHEREUM: [eth_here.at(2_180), dollar.at(1)],
            ARBITRUM: [
                eth_there.at(2_180),
                uptime(0, "2023-12-15T16:57:00Z"),
                *pool_there.reserves({"WETH": 2_180}),
            ],
        },
        {
            "chains": {ARBITRUM: ["SUSPENDED"]},
            "statuses": {stuck: ["LIQUIDATABLE"]},
            "excess_max": {"across": "0"},
            "order": [],
        },
    )
    tape.step(
        "the grace is over, and the loan was repaid in it",
        "2023-12-15T18:05:00Z",
        {
            ETHEREUM: [eth_here.at(2_210), dollar.at(1)],
            ARBITRUM: [
                eth_there.at(2_211),
                arb_there.at("1.06"),
                *pool_there.reserves({"WETH": 2_210}),
                pool_there.standing("stuck", {"WETH": 100}, {"USDC": 140_000}),
            ],
        },
        {"statuses": sound, "chains": {ARBITRUM: ["OK"]}, "order": []},
        truth={"prices": {"ETH": ["2200", "2220"], "ARB": ["1.05", "1.07"]}, "halted": []},
    )
    return tape
