"""Drift, marginfi and Kamino accounts on a real Solana VM, served beside wallets."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path

from tests.chains.running import Running, healths
from tests.solana_venues import captures, drift_golden, kamino_golden
from tests.solana_venues.drift_golden import Golden as Drift
from tests.solana_venues.serving import Chain, chain_of, served, truths
from xmargin.engine.venue_rules.door import MarginKind, MarginSum
from xmargin.engine.venue_rules.drift_v2 import DriftV2Margin, drift_v2_margin
from xmargin.engine.venue_rules.kamino import kamino_margin
from xmargin.engine.venue_rules.marginfi_v2 import (
    MarginfiV2Price,
    MarginfiV2Prices,
    marginfi_v2_margin,
)
from xmargin.errors import EngineError
from xmargin.model import AccountHealth, HealthStatus, PortfolioHealth
from xmargin.model.drift_v2 import DriftV2User
from xmargin.model.kamino import KaminoObligation
from xmargin.testbed.world import Testbed
from xmargin.view import View

I80F48 = 2**48
U68F60 = 2**60
WAD = 10**18


def accounts(view: View) -> dict[str, AccountHealth]:
    return truths(one for health in healths(view).values() for one in health.accounts)


def renamed(account: str, chain: Chain) -> str:
    """An account of a golden file, on the VM's chain."""
    kind, _, rest = account.partition("@")
    return f"{kind}@{chain.vm.chain}/{rest.split('/', 1)[1]}"


async def all_read(running: Running, names: list[str]) -> dict[str, AccountHealth]:
    """The accounts of the first view of which none is still to be read."""

    def is_read(view: View) -> bool:
        said = accounts(view)
        return all("not read yet" not in said[name].fault for name in names)

    return accounts(await running.until(is_read))


# --- Drift --------------------------------------------------------------------------------------


def check_drift(golden: Drift, user: DriftV2User, said: AccountHealth) -> bool:
    """Whether the venue truth is what the function says; both may refuse."""
    margin = try_drift(golden, user)
    if margin is None:
        assert said.status is HealthStatus.REFUSED
        assert said.fault
        return False
    parts = [margin.cross, *(one for _, one in margin.isolated)]
    assert said.fault == ""
    assert said.counted_base == sum(one.collateral for one in parts)
    assert said.requirement_base == sum(one.requirement for one in parts)
    assert said.health_factor_wad == min(
        (one.health_wad for one in parts if one.health_wad is not None), default=None
    )
    # The golden markets have no five-minute means: their program would let nothing be withdrawn.
    assert said.available_borrows_base == 0
    is_due = any(one.collateral < one.requirement for one in parts)
    assert (said.status is HealthStatus.LIQUIDATABLE) == is_due
    return True


async def test_drift_users_stand_as_the_function_says(testbed: Testbed, tmp_path: Path) -> None:
    chain = await chain_of(testbed)
    golden = await chain.put_drift()
    users = {renamed(user.account, chain): user for user, _ in golden.users}
    quote = golden.spot_markets[0].mint
    async with served(testbed, chain, tmp_path, {"d": list(users)}, quote=quote) as running:
        said = await all_read(running, list(users))
    checked = Counter(check_drift(golden, users[name], said[name]) for name in users)
    assert checked[True] >= 80
    assert Counter(one.status for one in said.values())[HealthStatus.LIQUIDATABLE] >= 10


@captures.needed
async def test_real_drift_users_are_served(testbed: Testbed, tmp_path: Path) -> None:
    chain = await chain_of(testbed)
    golden = await chain.put_drift()
    names = [f"drift-v2@{chain.vm.chain}/{name}" for name in await chain.put_captured_users()]
    decoded = [drift_golden.VENUE + name[name.index("/") :] for name in names]
    async with served(testbed, chain, tmp_path, {"d": names}) as running:
        said = await running.until(lambda view: len(accounts(view)) == len(names))
        told = accounts(said)
    assert len(decoded) == 50
    faults = Counter(one.fault.split(":", maxsplit=1)[0] for one in told.values() if one.fault)
    # Users that hold shares of the AMM of old, and markets that the golden file does not have.
    assert sum(one.fault == "" for one in told.values()) >= 15, faults
    assert golden.spot_markets


# --- marginfi -----------------------------------------------------------------------------------


def marginfi_prices(price: int) -> MarginfiV2Prices:
    """What `put_marginfi` posted, by the program's own steps in exact fractions."""

    def fixed(number: Fraction) -> int:
        return int(number * I80F48 // 1)

    def one(now: int, confidence: int) -> MarginfiV2Price:
        value = fixed(Fraction(now, 10**8))
        interval = fixed(Fraction(confidence, 10**8)) * round(Fraction(212, 100) * I80F48) // I80F48
        return MarginfiV2Price(value, min(interval, value * round(I80F48 / 20) // I80F48))

    return MarginfiV2Prices(
        weighted_price=one(price - 1_000, price // 7), price=one(price, price // 300)
    )


def down(value: int, grid: int) -> int:
    return value * WAD // grid


def check_sums(said: AccountHealth, total: MarginSum, initial: MarginSum, grid: int) -> None:
    assert said.fault == ""
    assert said.base_decimals == 18
    assert said.counted_base == down(total.collateral, grid)
    assert said.requirement_base == -down(-total.requirement, grid)
    assert said.health_factor_wad == total.health_wad
    free = max(0, initial.collateral - initial.requirement)
    assert said.available_borrows_base == down(free, grid)


async def test_marginfi_accounts_stand_as_the_function_says(
    testbed: Testbed, tmp_path: Path
) -> None:
    chain = await chain_of(testbed)
    golden, posted = await chain.put_marginfi()
    prices = {bank: marginfi_prices(price) for bank, price in posted.items()}
    held = {renamed(account.account, chain): account for account, _ in golden.accounts}
    async with served(testbed, chain, tmp_path, {"m": list(held)}) as running:
        said = await all_read(running, list(held))
    checked = 0
    for name, account in held.items():
        given = (account, golden.banks, prices)
        try:
            total = marginfi_v2_margin(*given, kind=MarginKind.MAINTENANCE).sum
            initial = marginfi_v2_margin(*given, kind=MarginKind.INITIAL).sum
        except EngineError:
            assert said[name].status is HealthStatus.REFUSED
            continue
        check_sums(said[name], total, initial, I80F48)
        is_due = 0 < total.requirement >= total.collateral
        assert (said[name].status is HealthStatus.LIQUIDATABLE) == is_due
        checked += 1
    assert checked >= 50


# --- Kamino -------------------------------------------------------------------------------------


async def test_kamino_obligations_stand_as_the_function_says(
    testbed: Testbed, tmp_path: Path
) -> None:
    chain = await chain_of(testbed)
    golden = await chain.put_kamino()
    held = {renamed(one.account, chain): one for one, _ in golden.obligations}
    async with served(testbed, chain, tmp_path, {"k": list(held)}) as running:
        said = await all_read(running, list(held))
    for name, obligation in held.items():
        found = kamino_margin(obligation, golden.market, golden.reserves)
        check_sums(said[name], found.maintenance, found.initial, U68F60)
        assert said[name].collateral_base == down(found.deposited_sf, U68F60)
        assert said[name].debt_base == -down(-found.borrowed_sf, U68F60)
        assert (said[name].status is HealthStatus.LIQUIDATABLE) == found.is_liquidatable


# --- Together -----------------------------------------------------------------------------------


def amounts(health: PortfolioHealth, decimals: Mapping[str, int]) -> dict[str, int]:
    """What is counted of each token, in its smallest units; what is owed is negative."""
    total: dict[str, int] = defaultdict(int)
    for position in health.positions:
        assert position.amount is not None
        assert position.counting == "COUNTED", position
        places = decimals[position.token]
        sign = -1 if position.side == "DEBT" else 1
        total[position.token] += sign * int(position.amount.scaleb(places))
    return {token: amount for token, amount in total.items() if amount}


async def test_legs_of_three_venues_and_a_wallet_are_counted_once(
    testbed: Testbed, tmp_path: Path
) -> None:
    chain = await chain_of(testbed)
    drift = await chain.put_drift()
    marginfi, _ = await chain.put_marginfi()
    kamino = await chain.put_kamino()
    owner = testbed.portfolios[0].solana_address
    user = next(
        user
        for user, _ in drift.users
        if user.perp_positions
        and user.spot_positions
        and not any(one.market_index == 31 for one in user.perp_positions)
        and try_drift(drift, user)
    )
    mint_of = {one.address: one.mint for one in marginfi.banks}
    mint_of |= {one.address: one.mint for one in kamino.reserves}

    def is_whole(*held: str) -> bool:
        return not chain.clashes & {*held, *(mint_of[one] for one in held)}

    account = next(
        one
        for one, _ in marginfi.accounts
        if len(one.balances) > 1 and is_whole(*(balance.bank for balance in one.balances))
    )
    obligation = next(
        one for one, _ in kamino.obligations if one.borrows and is_whole(*reserves_of(one))
    )
    names = [renamed(one.account, chain) for one in (user, account, obligation)]
    wallet = f"wallet@{chain.vm.chain}/{owner}"
    quote = drift.spot_markets[0].mint
    folder = tmp_path
    async with served(testbed, chain, folder, {"all": [*names, wallet]}, quote=quote) as running:
        await all_read(running, names)
        (health,) = healths(await running.until(lambda view: True)).values()
    assert not health.partial, health.flags
    assert health.maintenance_margin is not None

    def token(mint: str) -> str:
        return f"{chain.vm.chain}/token:{mint}"

    expected: dict[str, int] = defaultdict(int)
    places = {token(mint): number for mint, number in chain.decimals.items()}
    margin = try_drift(drift, user)
    assert margin is not None
    spots = {one.market_index: one for one in drift.spot_markets}
    for position, amount in zip(user.spot_positions, margin.spot_amounts, strict=True):
        expected[token(spots[position.market_index].mint)] += amount
    rows = zip(user.perp_positions, margin.perp_quotes, margin.isolated_amounts, strict=True)
    for perp, paid, isolated in rows:
        instrument = f"{chain.vm.chain}/perp:drift-v2.{perp.market_index}"
        places[instrument] = 9
        expected[instrument] += perp.base_amount
        expected[token(quote)] += paid + isolated
    banks = {one.address: one for one in marginfi.banks}
    for balance in account.balances:
        bank = banks[balance.bank]
        assets = balance.asset_shares * bank.asset_share_value // I80F48 // I80F48
        debt = -(-(balance.liability_shares * bank.liability_share_value // I80F48) // I80F48)
        expected[token(bank.mint)] += assets - debt
    found = kamino_margin(obligation, kamino.market, kamino.reserves)
    mints = {one.address: one.mint for one in kamino.reserves}
    for deposit, amount in zip(obligation.deposits, found.deposit_amounts, strict=True):
        expected[token(mints[deposit.reserve])] += amount
    for borrow, amount in zip(obligation.borrows, found.debt_amounts, strict=True):
        expected[token(mints[borrow.reserve])] -= amount
    assert amounts(health, places) == {name: value for name, value in expected.items() if value}


def reserves_of(obligation: KaminoObligation) -> list[str]:
    owned = [one.reserve for one in obligation.deposits]
    return owned + [one.reserve for one in obligation.borrows]


def try_drift(golden: Drift, user: DriftV2User) -> DriftV2Margin | None:
    """A user's margin; ``None`` where the program would refuse it."""
    given = (golden.spot_markets, golden.perp_markets, golden.prices)
    try:
        return drift_v2_margin(user, *given, kind=MarginKind.MAINTENANCE)
    except EngineError:
        return None


@captures.needed
async def test_the_captured_obligation_is_refused_for_its_old_price(
    testbed: Testbed, tmp_path: Path
) -> None:
    chain = await chain_of(testbed)
    obligation = captures.account("marginfi/kamino_usdc_obligation")
    reserve = captures.account("marginfi/kamino_usdc_reserve")
    for one in (obligation, reserve):
        await chain.put(one.address, one.owner, one.data)
    market = kamino_golden.load().market
    name = f"kamino@{chain.vm.chain}/{obligation.address}"
    async with served(testbed, chain, tmp_path, {"k": [name]}) as running:
        view = await running.until(lambda view: "not read" not in accounts(view)[name].fault)
    # Its market was not captured, and cannot be made up.
    assert "there is no LendingMarket account at the address" in accounts(view)[name].fault
    assert market.address not in accounts(view)[name].fault
