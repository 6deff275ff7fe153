"""Resolv USR 2026-03-22, Kelp rsETH 2026-04-18."""

from dataclasses import replace

from tests.incidents.making.tape import (
    ARBITRUM,
    DAY_S,
    ETHEREUM,
    Lending,
    Tape,
    balance,
    coin,
    feed,
    seconds,
    wallet,
)
from xmargin.model import ChainStatus, Condition, SupplySpec, TokenSupply


def resolv() -> Tape:
    tape = Tape("resolv_usr_2026_03_22", chains=[ETHEREUM])
    tape.header = {
        "title": "Resolv: 80 million USR out of nothing",
        "date": "2026-03-22",
        "what_happened": (
            "With a stolen key 50 million USR were minted for 100,000 USDC at 02:21 UTC and 30 "
            "million more at 03:41; there had been about 102 million. USR fell to 0.025 in a pool "
            "and 0.14 by an average; feeds that take it for a dollar went on saying so, and "
            "markets "
            "that believed them lent against it. 23-25 million USD were taken."
        ),
        "safe_outcome": (
            "As soon as there is more USR than was approved its price is held from next to nothing "
            "up: nothing is lent against it, whatever a feed says; who owes it owes it in full; "
            "nobody is liquidated on it."
        ),
        "modelled": (
            "The portfolios; a growth of 10 % a year as what was approved; that the one feed "
            "says 1 "
            "throughout."
        ),
        "sources": [
            {
                "url": "https://ourcryptotalk.com/news/resolv-labs-usr-depegging-incident-"
                "explained",
                "says": "50 million at 02:21 UTC, 30 million at 03:41, 100k USDC each; 0.1419 on "
                "CoinGecko; 23-25 million realized",
            },
            {
                "url": "https://aped.ai/news/resolv-hack-prints-dollar80m-usr-sparks-depeg",
                "says": "about 102 million before; 71 million left unbacked; 0.19",
            },
            {
                "url": "https://www.cryptomist.io/articles/resolv-labs-usr-stablecoin-depegs-after-"
                "25m-exploit",
                "says": "0.025 on Curve, then 0.87: sources conflict, 0.025-0.87",
            },
        ],
    }
    usr = coin(ETHEREUM, "USR", asset="USD", ltv_bps=9_000, threshold_bps=9_200)
    usdc = coin(ETHEREUM, "USDC", decimals=6)
    pool = Lending(ETHEREUM, [usr, usdc])
    oracle = feed(ETHEREUM, "USR", "fixed", heartbeat_s=DAY_S)
    dollar = feed(ETHEREUM, "USDC", "chainlink", heartbeat_s=DAY_S)
    owners = ("attacker", "holder", "debtor")
    tape.registry = replace(
        tape.registry,
        supplies=(
            SupplySpec(usr.id, usr.units(102_000_000), seconds("2026-03-21T00:00:00Z"), 1_000),
        ),
    )
    tape.watch(
        [usr, usdc],
        [oracle, dollar],
        [pool],
        {owner: [pool.account(owner)] for owner in owners},
    )
    book = [
        usr.state,
        usdc.state,
        *pool.reserves({"USR": 1, "USDC": 1}),
        pool.standing("attacker", {}, {}),
        pool.standing("holder", {"USR": 1_000_000}, {"USDC": 800_000}),
        pool.standing("debtor", {"USDC": 1_000_000}, {"USR": 500_000}),
        oracle.at(1),
        dollar.at(1),
    ]
    sound = {"holder": ["HEALTHY"], "debtor": ["HEALTHY"]}
    tape.step(
        "before",
        "2026-03-22T02:00:00Z",
        {ETHEREUM: [*book, TokenSupply(usr.id, usr.units(102_005_000), "")]},
        {"prices": {"USR": ["OK"]}, "statuses": sound, "order": []},
        truth={"prices": {"USR": ["0.998", "1.002"], "USDC": ["1", "1"]}},
    )
    minted = {
        "prices": {"USR": ["HOLD"]},
        "ranges": {"USR": ["0.025", "0.87"]},
        "statuses": {"holder": ["HELD"], "debtor": ["HEALTHY"]},
        "excess_max": {"attacker": "10", "holder": "0"},
        "order": [],
    }
    tape.step(
        "50 million minted",
        "2026-03-22T02:22:00Z",
        {
            ETHEREUM: [
                TokenSupply(usr.id, usr.units(152_005_000), ""),
                pool.standing("attacker", {"USR": 10_000_000}, {}),
            ]
        },
        minted,
        truth={"prices": {"USR": ["0.025", "0.87"]}},
    )
    tape.step(
        "30 million more",
        "2026-03-22T03:42:00Z",
        {ETHEREUM: [oracle.at(1), TokenSupply(usr.id, usr.units(182_005_000), "")]},
        minted,
    )
    return tape


def kelp() -> Tape:
    tape = Tape("kelp_rseth_2026_04_18", chains=[ETHEREUM, ARBITRUM])
    tape.header = {
        "title": "Kelp: 116,500 rsETH that nothing was burned for",
        "date": "2026-04-18",
        "what_happened": (
            "The one verifier of Kelp's bridge asked endpoints of which two were taken over "
            "and the "
            "others were flooded until it failed over to the two. They told of a burn that never "
            "was; at 17:35 UTC 116,500 rsETH were released from the escrow on Ethereum, 18 % of "
            "all, about 292 million USD. 89,567 went to Aave on Ethereum and Arbitrum as "
            "collateral for 82,650 WETH and 821 wstETH. 40,373 rsETH were left in the escrow for "
            "everything on other chains."
        ),
        "safe_outcome": (
            "An endpoint that others contradict is not the last one standing: the chain is cut "
            "off. When the escrow holds less than was issued against it, rsETH is held from "
            "next to "
            "nothing up, on all chains: nothing is lent against it, and nobody is liquidated on it."
        ),
        "modelled": (
            "The portfolios, half of the collateral on each chain; rsETH issued elsewhere as one "
            "token of 156,000 on Arbitrum (it was some twenty chains; the sources give what the "
            "escrow held before and after); ether at 2,340; feeds that go on at 2,506."
        ),
        "sources": [
            {
                "url": "https://asia.aguea.com/Composable_Sec",
                "says": "17:35 UTC, 116,500 rsETH by a forged packet, a second of 40,000 reverted, "
                "40,373 left in the adapter; two nodes compromised, clean ones flooded",
            },
            {
                "url": "https://en.coin-turk.com/116500-rseth-exploited-in-aave-bridge-flaw-144-"
                "million-recovered/",
                "says": "89,567 rsETH on Ethereum and Arbitrum for 82,650 WETH and 821 wstETH at "
                "health 1.01-1.03",
            },
            {
                "url": "https://rseth-dashboard.vercel.app/",
                "says": "a depeg of 15.12 % if spread over all holders; bad debt of 124-230 "
                "million: a range",
            },
            {
                "url": "https://theholycoins.com/news/kelp-dao-usd292m-exploit-drains-116-500-"
                "rseth-via-layerzero-bridge-spreads-risk-across-aave-and",
                "says": "292 million USD",
            },
        ],
    }
    home = coin(ETHEREUM, "rsETH", base="RSETH", asset="ETH", ltv_bps=9_000, threshold_bps=9_500)
    twin = coin(ARBITRUM, "rsETH", base="RSETH", asset="ETH", ltv_bps=9_000, threshold_bps=9_500)
    ether = coin(ETHEREUM, "WETH", base="ETH")
    ether_there = coin(ARBITRUM, "WETH", base="ETH")
    pool, pool_there = Lending(ETHEREUM, [home, ether]), Lending(ARBITRUM, [twin, ether_there])
    rseth = feed(ETHEREUM, "RSETH", "chainlink", heartbeat_s=DAY_S)
    eth = feed(ETHEREUM, "ETH", "chainlink")
    escrow = wallet(ETHEREUM, "adapter")
    tape.registry = replace(
        tape.registry, supplies=(SupplySpec(twin.id, escrow=escrow, locked=home.id),)
    )
    tape.watch(
        [home, twin, ether, ether_there],
        [rseth, eth],
        [pool, pool_there],
        {
            "attacker": [pool.account("attacker"), pool_there.account("attacker")],
            "holder": [pool.account("holder")],
            "across": [pool.account("across"), wallet(ARBITRUM, "across")],
        },
    )
    prices = {"rsETH": 2_506, "WETH": 2_340}
    tape.step(
        "before",
        "2026-04-18T17:30:00Z",
        {
            ETHEREUM: [
                home.state,
                ether.state,
                *pool.reserves(prices),
                pool.standing("attacker", {}, {}),
                pool.standing("holder", {"rsETH": 1_000}, {"WETH": 700}),
                pool.standing("across", {"WETH": 100}, {"rsETH": 60}),
                balance(escrow, home, "156873"),
                rseth.at(2_506),
                eth.at(2_340),
            ],
            ARBITRUM: [
                twin.state,
                ether_there.state,
                *pool_there.reserves(prices),
                pool_there.standing("attacker", {}, {}),
                balance(wallet(ARBITRUM, "across"), ether_there, 50),
                TokenSupply(twin.id, twin.units(156_000), ""),
            ],
        },
        {
            "prices": {"RSETH": ["OK"]},
            "statuses": {"holder": ["HEALTHY"], "across": ["HEALTHY"]},
            "order": [],
        },
        truth={
            "prices": {"RSETH": ["2500", "2510"], "ETH": ["2340", "2340"]},
            "halted": [],
        },
    )
    tape.step(
        "two of three endpoints of Arbitrum tell another story",
        "2026-04-18T17:34:00Z",
        {ETHEREUM: [], ARBITRUM: []},
        {
            "chains": {ARBITRUM: ["INVALID"]},
            "statuses": {"holder": ["HEALTHY"]},
            "excess_max": {"across": "70000"},
            "order": [],
        },
        truth={"halted": [ARBITRUM]},
    )
    tape.add_status(
        ARBITRUM,
        ChainStatus(
            Condition.INVALID, "1 of 3 operators agree on the block; 2 are needed", "quorum"
        ),
    )
    held = {
        "prices": {"RSETH": ["HOLD"]},
        "ranges": {"RSETH": ["2127", "2506"]},
        "statuses": {"attacker": ["HELD"], "holder": ["HELD"]},
        "excess_max": {"attacker": "0", "holder": "0"},
        "order": [],
    }
    tape.step(
        "the escrow is emptied; rsETH is collateral on both chains",
        "2026-04-18T17:45:00Z",
        {
            ETHEREUM: [
                balance(escrow, home, "40373"),
                pool.standing("attacker", {"rsETH": 44_784}, {"WETH": 41_300}),
                eth.at(2_340),
            ],
            ARBITRUM: [
                pool_there.standing("attacker", {"rsETH": 44_783}, {"WETH": 41_350}),
            ],
        },
        held,
        # 15.12 % less where all holders bear it.
        truth={"prices": {"RSETH": ["2127", "2506"]}, "halted": []},
    )
    tape.add_status(ARBITRUM, ChainStatus(Condition.OK, "", ""))
    tape.step(
        "an hour later the feed says what it said",
        "2026-04-18T18:45:00Z",
        {ETHEREUM: [rseth.at(2_506), eth.at(2_340)], ARBITRUM: []},
        held,
    )
    return tape
