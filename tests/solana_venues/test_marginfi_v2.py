"""marginfi v2's accounts as the chain holds them, and their margins by three computations."""

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.solana_venues import captures, marginfi_golden
from tests.solana_venues.marginfi_golden import GRID, VENUE, Golden
from xmargin.engine.venue_rules.door import MarginKind, MarginSum
from xmargin.engine.venue_rules.marginfi_v2 import (
    MarginfiV2Price,
    MarginfiV2Prices,
    marginfi_v2_margin,
)
from xmargin.errors import DecodeError, EngineError
from xmargin.model.marginfi_v2 import (
    MarginfiV2Account,
    MarginfiV2Balance,
    MarginfiV2Bank,
    MarginfiV2EmodeEntry,
)
from xmargin.reads import SolanaAccount
from xmargin.reference import marginfi_v2 as reference
from xmargin.venues import marginfi_v2
from xmargin.venues.layouts import marginfi_v2 as layouts

KINDS = tuple(MarginKind)
CLIENT_DIGITS = Fraction(1, 10**15)
"""The client computes decimals of twenty places."""


# --- Decoding -----------------------------------------------------------------------------------


@captures.needed
def test_a_real_account_has_the_shares_that_are_published() -> None:
    read = captures.account("marginfi/marginfi_account_sample_1")
    account = marginfi_v2.account_of(f"{VENUE}/{read.address}", read)
    assert account.fault == ""
    shares = [(each.asset_shares / GRID, each.liability_shares / GRID) for each in account.balances]
    published = [
        (1650216221.4668763, 0),
        (0, 3806372611.588862),
        (1052097385.392275, 0),
        (737866013.909712, 0),
        (0, 199940806.154356),
        (0, 605992072.289271),
        (998633778.153714, 0),
    ]
    assert shares == [pytest.approx(pair, rel=1e-15) for pair in published]


@captures.needed
@pytest.mark.parametrize("name", ["bank_sample_1", "bank_pyusd_230822"])
def test_a_real_bank_is_held_to_its_vault(name: str) -> None:
    read = captures.account(f"marginfi/{name}")
    bank = marginfi_v2.bank_of(VENUE, read)
    assert bank.address == read.address
    assert bank.asset_share_value >= GRID
    assert 0 <= bank.asset_weight_init <= bank.asset_weight_maint <= GRID
    assert GRID <= bank.liability_weight_maint <= bank.liability_weight_init
    assert bank.emode_entries == ()
    assert bank.updated_at_s > 1_690_000_000
    elsewhere = captures.account(
        f"marginfi/{'bank_sample_1' if 'pyusd' in name else 'bank_pyusd_230822'}"
    )
    with pytest.raises(DecodeError, match="belongs at"):
        marginfi_v2.bank_of(VENUE, replace(read, address=elsewhere.address))


@captures.needed
def test_an_account_elsewhere_is_refused() -> None:
    read = captures.account("marginfi/marginfi_account_sample_1")
    other = captures.account("marginfi/bank_sample_1").address
    assert "belongs at" in marginfi_v2.account_of(f"{VENUE}/{other}", read).fault
    assert marginfi_v2.account_of(f"{VENUE}/{other}", None).fault.startswith("there is no")


@captures.needed
def test_a_bank_of_another_protocols_deposits_is_refused() -> None:
    read = captures.account("marginfi/bank_sample_1")
    at = {field.name: field.at for field in layouts.BANK.fields}
    foreign = bytearray(read.data)
    foreign[at["asset_tag"]] = 3
    with pytest.raises(DecodeError, match="another protocol's deposits"):
        marginfi_v2.bank_of(VENUE, replace(read, data=bytes(foreign)))
    unknown = bytearray(read.data)
    unknown[at["oracle_setup"]] = 250
    with pytest.raises(DecodeError, match="oracle_setup is 250"):
        marginfi_v2.bank_of(VENUE, replace(read, data=bytes(unknown)))


@captures.needed
@given(data=st.data())
@pytest.mark.parametrize("name", ["marginfi_account_sample_1", "bank_sample_1"])
def test_no_flipped_bit_truncation_or_extension_crashes(name: str, data: st.DataObject) -> None:
    read = captures.account(f"marginfi/{name}")
    spoilt = bytearray(read.data)
    for at in data.draw(st.lists(st.integers(0, len(spoilt) * 8 - 1), max_size=8)):
        spoilt[at // 8] ^= 1 << at % 8
    length = data.draw(st.one_of(st.just(len(spoilt)), st.integers(0, len(spoilt) + 64)))
    content = bytes(spoilt[:length]).ljust(length, b"\0")
    changed = replace(read, data=content)
    if name.startswith("bank"):
        try:
            marginfi_v2.bank_of(VENUE, changed)
        except DecodeError:
            return
    elif marginfi_v2.account_of(f"{VENUE}/{read.address}", changed).fault:
        return
    assert length == len(read.data)


# --- Margins ------------------------------------------------------------------------------------


@cache
def golden() -> Golden:
    return marginfi_golden.load()


def health(
    banks: Mapping[str, MarginfiV2Bank],
    prices: Mapping[str, MarginfiV2Prices],
    kind: MarginKind,
    rounded: reference.Rounding,
) -> reference.Health:
    is_initial = kind is MarginKind.INITIAL
    chosen = {
        bank: each.weighted_price if is_initial else each.price for bank, each in prices.items()
    }
    quotes = {bank: None if price is None else _quote(price) for bank, price in chosen.items()}
    return reference.Health(banks, quotes, is_initial, rounded)


def _quote(price: MarginfiV2Price) -> reference.Quote:
    low, high = price.price - price.confidence, price.price + price.confidence
    return reference.Quote(Fraction(low, GRID), Fraction(high, GRID))


def in_dollars(found: MarginSum) -> tuple[Fraction, Fraction]:
    return Fraction(found.collateral, GRID), Fraction(found.requirement, GRID)


@pytest.mark.parametrize("kind", KINDS)
def test_made_accounts_have_the_health_of_the_reference_and_of_the_client(kind: MarginKind) -> None:
    said = golden()
    banks = {bank.address: bank for bank in said.banks}
    in_emode = 0
    for account, told in said.accounts:
        assert account.fault == ""
        found = marginfi_v2_margin(account, said.banks, said.prices, kind=kind).sum
        on_grid = health(banks, said.prices, kind, reference.on_grid).of(account)
        assert in_dollars(found) == on_grid
        exact = health(banks, said.prices, kind, reference.exactly).of(account)
        for ours, theirs in zip(exact, map(Fraction, told[kind.value]), strict=True):
            assert abs(ours - theirs) <= CLIENT_DIGITS * max(ours, Fraction(1))
        plain = {at: replace(bank, emode_entries=()) for at, bank in banks.items()}
        in_emode += health(plain, said.prices, kind, reference.exactly).of(account) != exact
    assert in_emode >= 10


def test_what_is_missing_or_refused_is_said() -> None:
    account, _ = golden().accounts[0]
    with pytest.raises(EngineError, match="which was not given"):
        marginfi_v2_margin(account, [], golden().prices, kind=MarginKind.INITIAL)
    stale = dict.fromkeys(golden().prices, MarginfiV2Prices(None, None))
    with pytest.raises(EngineError, match="a price is stale"):
        marginfi_v2_margin(account, golden().banks, stale, kind=MarginKind.MAINTENANCE)
    both = replace(account, balances=(MarginfiV2Balance(golden().banks[0].address, GRID, GRID),))
    with pytest.raises(EngineError, match="asset and liability at once"):
        marginfi_v2_margin(both, golden().banks, golden().prices, kind=MarginKind.INITIAL)


# --- Any account --------------------------------------------------------------------------------

WEIGHTS = st.integers(0, 2 * GRID)
SHARES = st.integers(0, 2**80) | st.integers(GRID - 1, GRID + 1)
TAGS = st.integers(0, 3)
PRICES = st.none() | st.builds(
    MarginfiV2Price, st.integers(-1, 2**66), st.integers(0, 2**60) | st.just(0)
)
ENTRIES = st.builds(MarginfiV2EmodeEntry, st.integers(1, 3), WEIGHTS, WEIGHTS)


def bank(at: int) -> st.SearchStrategy[MarginfiV2Bank]:
    return st.builds(
        MarginfiV2Bank,
        venue=st.just(VENUE),
        address=st.just(f"bank{at}"),
        group=st.just(""),
        mint=st.just(""),
        decimals=st.integers(0, 12),
        asset_share_value=st.integers(0, 3 * GRID),
        liability_share_value=st.integers(0, 3 * GRID),
        total_asset_shares=st.integers(0, 2**100),
        asset_weight_init=WEIGHTS,
        asset_weight_maint=WEIGHTS,
        liability_weight_init=WEIGHTS,
        liability_weight_maint=WEIGHTS,
        total_asset_value_init_limit=st.sampled_from([0, 0, 1, 10**9]),
        operational_state=st.sampled_from(["operational", "reduce_only", "paused"]),
        risk_tier=st.sampled_from(["collateral", "collateral", "isolated"]),
        asset_tag=st.just(0),
        oracle_setup=st.just("pyth_push_oracle"),
        oracles=st.just(()),
        emode_tag=TAGS,
        emode_entries=st.lists(
            ENTRIES, max_size=3, unique_by=lambda entry: entry.collateral_tag
        ).map(tuple),
        updated_at_s=st.just(0),
    )


BALANCES = st.builds(
    lambda at, owes, shares: MarginfiV2Balance(
        f"bank{at}", 0 if owes else shares, shares if owes else 0
    ),
    st.integers(0, 2),
    st.booleans(),
    SHARES,
)


@given(
    balances=st.lists(BALANCES, max_size=5),
    banks=st.tuples(bank(0), bank(1), bank(2)),
    prices=st.tuples(*[st.builds(MarginfiV2Prices, PRICES, PRICES)] * 3),
    kind=st.sampled_from(KINDS),
)
def test_any_account_has_the_health_of_the_reference_or_is_refused_by_both(
    *,
    balances: list[MarginfiV2Balance],
    banks: tuple[MarginfiV2Bank, ...],
    prices: tuple[MarginfiV2Prices, ...],
    kind: MarginKind,
) -> None:
    account = MarginfiV2Account(f"{VENUE}/x", "", "", 0, tuple(balances), "")
    known = {one.address: one for one in banks}
    quoted = dict(zip(known, prices, strict=True))

    def core() -> Any:
        return in_dollars(marginfi_v2_margin(account, banks, quoted, kind=kind).sum)

    try:
        said = health(known, quoted, kind, reference.on_grid).of(account)
    except reference.RefusedError:
        with pytest.raises(EngineError):
            core()
        return
    assert core() == said


def test_a_blank_account_of_another_program_is_no_bank() -> None:
    data = layouts.BANK.discriminator.ljust(layouts.BANK.length, b"\0")
    stranger = SolanaAccount(marginfi_v2.NO_KEY, 1, marginfi_v2.NO_KEY, data)
    with pytest.raises(DecodeError, match="is owned by"):
        marginfi_v2.bank_of(VENUE, stranger)
