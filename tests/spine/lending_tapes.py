"""Random tapes of two lending venues: prices that jump, interest, reorgs, accounts that vanish."""

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from random import Random
from typing import Any

from tests.spine.examples import OTHER_USDC, START_S, WETH
from tests.spine.examples import REGISTRY as EXAMPLE
from xmargin.model import (
    AaveV3Account,
    AaveV3EMode,
    AaveV3Position,
    AaveV3Reserve,
    BlockRef,
    ChainHead,
    ChainReorg,
    ClockTick,
    Fact,
    Observation,
    PortfolioSpec,
    RiskParameters,
    VenueSpec,
    chain_of,
    venue_of,
)
from xmargin.snapshot import Snapshot

RAY = 10**27
CHAINS = tuple(chain.id for chain in EXAMPLE.chains)
VENUES = tuple(f"aave-v3@{chain}" for chain in CHAINS)
ACCOUNTS_EACH = 8
CATEGORY = 1
PRICES = (2_500 * 10**8, 10**8, 99_950_000)
DECIMALS = (18, 6, 18)
"""Ether, and two coins of the category."""


def account_id(number: int) -> str:
    return f"{VENUES[number % 2]}/0x{number:040x}"


REGISTRY = replace(
    EXAMPLE,
    venues=tuple(VenueSpec(venue, "aave-v3", "0x" + "0a" * 20) for venue in VENUES),
    portfolios=tuple(
        PortfolioSpec(f"owner {number}", (account_id(number),))
        for number in range(2 * ACCOUNTS_EACH)
    ),
)


def reserve_of(venue: str, number: int) -> AaveV3Reserve:
    emode = CATEGORY if number else 0
    configuration = 7_700 | 8_250 << 16 | DECIMALS[number] << 48 | emode << 168
    token = (WETH if venue == VENUES[0] else OTHER_USDC) + f"{number}"
    indices = RAY + RAY // 50 * number, RAY + RAY // 30 * number
    rates = RAY // 50, RAY // 25
    return AaveV3Reserve(
        venue, number, token, "", "", "", configuration, *indices, *rates, START_S, PRICES[number]
    )


def emode_of(venue: str) -> AaveV3EMode:
    return AaveV3EMode(venue, CATEGORY, 9_300, 9_500, 10_100, 0, "coins")


def account_of(random: Random, number: int) -> AaveV3Account:
    """Ether and coins against coins, from far above the threshold to a little below it."""
    ether, coins = random.randrange(10**20), random.randrange(10**11)
    health = random.uniform(0.98, 3)
    debt = int((ether * 2_500 // 10**12 + coins) * 0.825 / health)
    is_in_emode = random.random() < 0.2
    if is_in_emode:
        ether, debt = 0, int(coins * random.uniform(0.5, 0.96))
    positions = (
        AaveV3Position(0, ether, 0, 0, 0, 0),
        AaveV3Position(1, coins, 0, 0, 0, 0),
        AaveV3Position(2, 0, debt * 10**12, 0, 0, 0),
    )
    return AaveV3Account(account_id(number), CATEGORY * is_in_emode, 0b01_10_10, positions, "")


class Market:
    """What readers of the two chains would have told."""

    def __init__(self, random: Random, *, is_quiet: bool = False) -> None:
        self.random = random
        self.registry = REGISTRY
        self._is_quiet = is_quiet
        self._now_s = START_S
        self._blocks = {chain: [BlockRef(1, "0x1", "0x0", START_S)] for chain in CHAINS}
        self._reserves = {
            (venue, number): reserve_of(venue, number) for venue in VENUES for number in range(3)
        }
        self._emodes = {venue: emode_of(venue) for venue in VENUES}
        numbers = range(2 * ACCOUNTS_EACH)
        self._accounts = {account_id(number): account_of(random, number) for number in numbers}

    def tape(self, steps: int, parameters: RiskParameters) -> Iterator[Observation]:
        """Everything once on either chain, then ``steps`` of something."""
        yield self._own(self.registry)
        yield self._own(parameters)
        for chain in CHAINS:
            yield from self._block(chain, self._everything(chain))
        for _ in range(steps):
            yield from self._step()

    def _step(self) -> Iterator[Observation]:
        random, chain = self.random, self.random.choice(CHAINS)
        self._now_s += random.choice([0, 2, 12, 3_600, 30 * 86_400])
        kind = 0.0 if self._is_quiet else random.random()
        if kind < 0.75:
            yield from self._block(chain, () if self._is_quiet else self._news(chain))
        elif kind < 0.85:
            yield from self._reorg(chain)
        elif kind < 0.95:
            self._change_registry()
            yield self._own(self.registry)
        else:
            yield self._own(ClockTick())

    def _own(self, fact: Fact) -> Observation:
        return Observation(fact, 1_000 * self._now_s)

    def _block(self, chain: str, facts: tuple[Fact, ...], fork: str = "") -> Iterator[Observation]:
        parent = self._blocks[chain][-1]
        height = parent.height + 1
        block = BlockRef(height, f"0x{height}{fork}", parent.hash, self._now_s)
        self._blocks[chain].append(block)
        for fact in (*facts, ChainHead(1, 1)):
            yield Observation(fact, 1_000 * self._now_s, chain, block, "random reader")

    def _everything(self, chain: str) -> tuple[Fact, ...]:
        facts: list[Fact] = [*self._reserves.values(), *self._emodes.values()]
        own: list[Fact] = [one for one in facts if chain in str(one)]
        return (*own, *(one for one in self._accounts.values() if chain_of(one.account) == chain))

    def _reorg(self, chain: str) -> Iterator[Observation]:
        """Some blocks back; sometimes to an ancestor nobody has seen, and all is forgotten."""
        blocks, random = self._blocks[chain], self.random
        abandoned = blocks[-1]
        del blocks[random.randrange(1, len(blocks) + 1) :]
        ancestor = blocks[-1]
        if random.random() < 0.3:
            ancestor = replace(ancestor, hash="0xunseen")
            blocks[-1] = ancestor
        reorg = ChainReorg(abandoned.height, abandoned.hash)
        yield Observation(reorg, 1_000 * self._now_s, chain, ancestor, "random reader")
        if random.random() < 0.8:
            yield from self._block(chain, self._everything(chain), f"fork{random.random()}")

    def _change_registry(self) -> None:
        random = self.random
        numbers = random.sample(range(2 * ACCOUNTS_EACH), 2 * ACCOUNTS_EACH - 3)
        owners = tuple(PortfolioSpec(f"owner {n}", (account_id(n),)) for n in sorted(numbers))
        self.registry = replace(REGISTRY, portfolios=owners)

    def _news(self, chain: str) -> tuple[Fact, ...]:
        venue = VENUES[CHAINS.index(chain)]
        count = self.random.randrange(4)
        facts: list[Fact] = [self._changed_reserve(venue) for _ in range(count)]
        if self.random.random() < 0.15:
            facts.append(self._changed_emode(venue))
        if self.random.random() < 0.4:
            facts.append(self._changed_account(venue))
        return tuple(facts)

    def _changed_reserve(self, venue: str) -> AaveV3Reserve:
        random, number = self.random, self.random.randrange(3)
        reserve = self._reserves[venue, number]
        price = reserve.price_base
        small = int((price or PRICES[number]) * random.uniform(0.98, 1.02))
        jumps = [PRICES[number] // 100, 0, 2 * PRICES[number], PRICES[number]]
        kind = random.random()
        fields: dict[str, Any]
        if kind < 0.6:
            fields = {"price_base": small if random.random() < 0.7 else random.choice(jumps)}
        elif kind < 0.8:
            fields = {
                "liquidity_index": reserve.liquidity_index + random.randrange(RAY // 100),
                "variable_borrow_index": reserve.variable_borrow_index
                + random.randrange(RAY // 100),
                "updated_at_s": self._now_s,
            }
        elif kind < 0.9:
            threshold = random.choice([0, 5_000, 8_250])
            word = reserve_of(venue, number).configuration
            fields = {"configuration": word - (8_250 << 16) + (threshold << 16)}
        else:
            # What no chain says of itself can stand on a tape from elsewhere.
            fields = random.choice(
                [
                    {"price_base": 2**256 - 1},
                    {"liquidity_index": 2**256 - 1},
                    {"variable_borrow_rate": 2**255},
                    {"updated_at_s": self._now_s + 10_000},
                ]
            )
            return replace(reserve, **fields)
        self._reserves[venue, number] = replace(reserve, **fields)
        return self._reserves[venue, number]

    def _changed_emode(self, venue: str) -> AaveV3EMode:
        price = self.random.choice([0, 10**8, 99_000_000, 120_000_000])
        threshold = self.random.choice([9_500, 9_000])
        return replace(emode_of(venue), price_base=price, liquidation_threshold=threshold)

    def _changed_account(self, venue: str) -> AaveV3Account:
        random = self.random
        known = sorted(account for account in self._accounts if venue_of(account) == venue)
        account = self._accounts[random.choice(known)]
        number = int(account.account.rsplit("x", 1)[1], 16)
        kind = random.random()
        if kind < 0.4:
            account = account_of(random, number)
        elif kind < 0.6:
            # Stable debt grows by a rate of its own.
            debt = account.positions[2]
            rate = random.choice([0, RAY // 10, RAY])
            principal = random.choice([1, debt.variable_debt_scaled // 2])
            stable = replace(
                debt,
                stable_debt_principal=principal,
                stable_rate=rate,
                stable_updated_at_s=self._now_s,
            )
            account = replace(account, positions=(*account.positions[:2], stable))
        elif kind < 0.7:
            return replace(account, fault="the node gave garbage", positions=())
        elif kind < 0.8:
            return replace(account, emode=7)
        elif kind < 0.9:
            account = replace(account, configuration=random.randrange(64))
        else:
            unknown = AaveV3Position(9, 1, 0, 0, 0, 0)
            return replace(account, positions=(*account.positions, unknown))
        self._accounts[account.account] = account
        return account

    def next_block(self, snapshot: Snapshot, move: Decimal) -> Snapshot:
        """Twelve seconds later: one price has moved by at most ``move``, one reserve was used."""
        random = self.random
        facts = dict(snapshot.facts["aave-v3-reserve"])
        key, moved = random.choice(sorted(facts.items()))
        if isinstance(moved, AaveV3Reserve):
            by = 1 + float(move) * random.uniform(-1, 1)
            facts[key] = replace(moved, price_base=round(moved.price_base * by))
        chains = tuple(
            chain
            if chain.block is None
            else replace(chain, block=replace(chain.block, time_s=chain.block.time_s + 12))
            for chain in snapshot.chains
        )
        return replace(snapshot, chains=chains, facts={**snapshot.facts, "aave-v3-reserve": facts})
