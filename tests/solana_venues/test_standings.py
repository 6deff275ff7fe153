"""What a venue's prices and records must be before an account has figures."""

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction

import pytest

from tests.solana_venues import captures, drift_golden, kamino_golden, marginfi_golden
from xmargin import records, solana_prices
from xmargin.engine.venue_rules import rule_of
from xmargin.engine.venue_rules.drift_v2_prices import scaled_price
from xmargin.engine.venue_rules.marginfi_v2 import marginfi_v2_prices
from xmargin.errors import ConfigError, DecodeError
from xmargin.model import (
    BlockRef,
    Fact,
    PortfolioSpec,
    Registry,
    VenueRecord,
    VenueSetting,
    VenueSpec,
    venue_of,
)
from xmargin.model.drift_v2 import market_key
from xmargin.model.posted_prices import ORACLE_RECORD, PostedPrice
from xmargin.model.standings import VenueCase, VenueStanding
from xmargin.reading.solana_plan import SolanaPlan
from xmargin.reads import SolanaAccount, SolanaRead
from xmargin.venues.outside_solana import OutsideSolanaKind
from xmargin.venues.solana import venue_kind

NOW_S = 1_800_000_000
SLOT = 400_000_000
POSTED = PostedPrice(
    oracle="pyth",
    feed="ab",
    price=150_00000000,
    confidence=10_000_000,
    exponent=-8,
    mean_price=149_00000000,
    mean_confidence=20_000_000,
    published_at_s=NOW_S,
    posted_slot=SLOT,
    verification="full",
)


def case_of(
    venue: str, account: str, told: Mapping[tuple[str, str], object], **settings: int
) -> VenueCase:
    kind = venue.split("@", maxsplit=1)[0]
    listed = tuple(VenueSetting(name, str(value)) for name, value in settings.items())
    facts = {
        (record, key): value
        if isinstance(value, VenueRecord)
        else records.market_record(venue, record, key, value)
        for (record, key), value in told.items()
    }
    spec = VenueSpec(venue, kind, "", listed)
    return VenueCase(spec, (account,), facts, {}, {}, BlockRef(SLOT, "", "", NOW_S))


def standing(case: VenueCase) -> VenueStanding:
    rule = rule_of(case.venue.kind)
    assert rule is not None
    (one,) = rule(case).values()
    return one


# --- Drift --------------------------------------------------------------------------------------


def drift_told(**changes: int) -> tuple[str, dict[tuple[str, str], object]]:
    """A user with a position, and all it rests on."""
    golden = drift_golden.load()
    user = next(one for one, _ in golden.users if one.spot_positions and one.perp_positions)
    told: dict[tuple[str, str], object] = {("account", user.account): user}
    for spot in golden.spot_markets:
        fresh = replace(spot, updated_at_s=changes.get("updated_at_s", NOW_S))
        told["spot-market", market_key(spot.market_index)] = fresh
    for perp in golden.perp_markets:
        told["perp-market", market_key(perp.market_index)] = perp
    for (oracle, source), price in golden.prices.items():
        posted = replace(POSTED, price=price * 100, posted_slot=changes.get("slot", SLOT))
        kind = "pyth-lazer" if source == "pyth_lazer" else "pyth"
        told[ORACLE_RECORD, oracle] = replace(posted, oracle=kind)
    return user.account, told


def test_a_drift_user_has_figures_only_of_what_is_fresh_and_its_own() -> None:
    account, told = drift_told()
    assert standing(case_of(drift_golden.VENUE, account, told)).fault == ""

    def fault(changed: dict[tuple[str, str], object]) -> str:
        return standing(case_of(drift_golden.VENUE, account, changed)).fault

    assert "last posted 121 slots ago; the bound is 120" in fault(drift_told(slot=SLOT - 121)[1])
    old = drift_told(updated_at_s=NOW_S - 3_601)[1]
    assert "was last added 3,601 s ago; the bound is 3,600 s" in fault(old)
    patient = case_of(drift_golden.VENUE, account, old, interest_age_s_max=4_000)
    assert standing(patient).fault == ""
    oracles = [key for key in told if key[0] == ORACLE_RECORD]
    mixed = {key: replace(POSTED, oracle="switchboard") for key in oracles}
    assert "is of switchboard, not of pyth" in fault(told | mixed)
    partly = {
        key: replace(told[key], verification="partial(5)")  # type: ignore[type-var]
        for key in oracles
    }
    assert "is verified partial(5); full is needed" in fault(told | partly)
    unread = {key: value for key, value in told.items() if key[0] != ORACLE_RECORD}
    assert "a PostedPrice that it rests on was not read yet" in fault(unread)
    venue = venue_of(account)
    gone = {key: records.market_fault(venue, *key, "the account is closed") for key in oracles}
    assert fault(told | gone) == "the account is closed"


def test_drift_scales_prices_as_its_program() -> None:
    assert scaled_price(POSTED) == 150_000_000
    assert scaled_price(replace(POSTED, price=2_345, exponent=-8), 1_000_000) == 23_450_000
    assert scaled_price(replace(POSTED, price=2_345, exponent=-8), 1_000) == 23_450
    assert scaled_price(replace(POSTED, price=-199, exponent=-8)) == -1, "towards zero"
    near = replace(POSTED, price=99_960_000, confidence=50_000)
    assert scaled_price(near) == 999_600
    assert scaled_price(near, is_stable=True) == 1_000_000
    assert scaled_price(replace(near, confidence=39_000), is_stable=True) == 999_600
    assert scaled_price(replace(near, price=99_940_000), is_stable=True) == 999_400
    for exponent, multiple in ((1, 1), (-3, 1_000), (-37, 1)):
        with pytest.raises(DecodeError, match="exponent"):
            scaled_price(replace(POSTED, exponent=exponent), multiple)


# --- marginfi -----------------------------------------------------------------------------------

ONE = 2**48


def test_marginfi_takes_prices_as_its_program() -> None:
    golden = marginfi_golden.load()
    bank = replace(golden.banks[0], oracles=("o",), oracle_age_s_max=100)
    venue = marginfi_golden.VENUE

    def prices(posted: PostedPrice, **changes: object):  # type: ignore[no-untyped-def]
        case = case_of(venue, "", {(ORACLE_RECORD, "o"): posted})
        return marginfi_v2_prices(case, replace(bank, **changes))  # type: ignore[arg-type]

    told = prices(POSTED)
    assert told.price.price == 150 * ONE
    exact = Fraction(10_000_000, 10**8) * Fraction(212, 100) * ONE
    assert 0 <= exact - told.price.confidence < 4, "three roundings, one of them times 2.12"
    assert told.weighted_price.price == 149 * ONE
    wide = prices(replace(POSTED, confidence=6 * 10**8))
    assert abs(wide.price.confidence - Fraction(150 * ONE, 20)) <= 150, "capped at 5 %"
    # 2.12 times the confidence above a tenth of the price: the program takes no price at all.
    assert prices(replace(POSTED, confidence=708_000_000)).price is None
    assert prices(replace(POSTED, confidence=707_000_000)).price is not None
    assert prices(replace(POSTED, published_at_s=NOW_S - 100)).price is not None
    assert prices(replace(POSTED, published_at_s=NOW_S - 101)).price is None
    assert prices(replace(POSTED, verification="partial(5)")).price is None
    assert prices(replace(POSTED, published_at_s=NOW_S - 61), oracle_age_s_max=0).price is None
    fixed = prices(POSTED, oracle_setup="fixed", fixed_price=7 * ONE)
    assert (fixed.price.price, fixed.price.confidence) == (7 * ONE, 0)
    with pytest.raises(DecodeError, match="prices of staked_with_pyth_push are not read"):
        prices(POSTED, oracle_setup="staked_with_pyth_push")
    with pytest.raises(DecodeError, match="is of pyth, not of switchboard"):
        prices(POSTED, oracle_setup="switchboard_pull")


@captures.needed
def test_real_price_accounts_are_read_as_published() -> None:
    def placed(name: str, owner: str) -> SolanaAccount:
        data = (captures.FOLDER / "marginfi" / name).read_bytes()
        return SolanaAccount("", 1, owner, data)

    pyth = solana_prices.posted_price(placed("pyth_push_sol_price.bin", solana_prices.PYTH_PROGRAM))
    assert (pyth.price, pyth.confidence, pyth.exponent) == (15_679_769_099, 16_197_271, -8)
    assert (pyth.published_at_s, pyth.verification) == (1_721_133_402, "full")
    swb = solana_prices.posted_price(
        placed("swb_pull_sol_price.bin", solana_prices.SWITCHBOARD_PROGRAM)
    )
    assert swb.price * 10**8 // 10**18 == 155_59404527
    assert swb.published_at_s == 1_723_244_190
    assert 270_000_000 < swb.posted_slot < 290_000_000
    for owner in (solana_prices.PYTH_PROGRAM, "11111111111111111111111111111111"):
        with pytest.raises(DecodeError):
            solana_prices.posted_price(placed("swb_pull_sol_price.bin", owner))


# --- Kamino -------------------------------------------------------------------------------------


def test_an_obligation_has_figures_only_while_its_prices_are_fresh() -> None:
    golden = kamino_golden.load()
    obligation = golden.obligations[0][0]

    def fault(age_s: int, **settings: int) -> str:
        told: dict[tuple[str, str], object] = {
            ("account", obligation.account): obligation,
            ("market", golden.market.address): golden.market,
        }
        for one in golden.reserves:
            told["reserve", one.address] = replace(one, price_updated_at_s=NOW_S - age_s)
        case = case_of(kamino_golden.VENUE, obligation.account, told, **settings)
        return standing(case).fault

    assert fault(900) == ""
    assert "was stored 901 s ago; the bound is 900 s" in fault(901)
    assert fault(901, price_age_s_max=901) == ""
    # No configuration says so, but a registry from elsewhere may.
    assert fault(1, price_age_s_max=-1).endswith("'-1' is no whole number")
    assert fault(1, price_age_s_max=10**18).endswith("is no whole number")


# --- What is watched ----------------------------------------------------------------------------


def test_a_setting_that_a_kind_does_not_know_is_refused() -> None:
    chain = "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp"
    registry = Registry((), (), (), (), ())
    for kind in ("drift-v2", "marginfi-v2", "kamino"):
        reader = venue_kind(kind)
        assert reader is not None
        for name, value, why in (("speed", "1", "has no such setting"), ("", "", "")):
            settings = (VenueSetting(name, value),) if name else ()
            spec = VenueSpec(f"{kind}@{chain}", kind, "", settings)
            if not why:
                assert reader.watch(spec, registry).units == ()
                continue
            with pytest.raises(ConfigError, match=why):
                reader.watch(spec, registry)
    spec = VenueSpec(f"kamino@{chain}", "kamino", "", (VenueSetting("price_age_s_max", "-1"),))
    kamino = venue_kind("kamino")
    assert kamino is not None
    with pytest.raises(ConfigError, match="'-1' is no whole number"):
        kamino.watch(spec, registry)


def test_what_an_account_rests_on_is_read_at_the_next_slot() -> None:
    golden = marginfi_golden.load()
    account = golden.accounts[0][0]
    chain = account.account.split("@")[1].split("/", maxsplit=1)[0]
    spec = VenueSpec(f"marginfi-v2@{chain}", "marginfi-v2")
    watched = Registry((), (), (), (spec,), (PortfolioSpec("p", (account.account,)),))
    plan = SolanaPlan(chain, watched)
    kind = venue_kind("marginfi-v2")
    assert kind is not None
    told = records.account_record(account.account, account)
    banks = list(kind.watch(spec, watched).rests_on(told))
    assert banks == [("bank", balance.bank) for balance in account.balances]
    assert plan.units == 1
    with pytest.raises(ConfigError, match="no venue kind 'unheard-of' on a Solana chain"):
        SolanaPlan(chain, replace(watched, venues=(replace(spec, kind="unheard-of"),)))


# --- Readers of other packages ------------------------------------------------------------------

ACCOUNT = marginfi_golden.VENUE + "/2s37akK2eyBbp8DZgCm7RtsaEz8eJP3Nxd4urLHQv7yB"


class Outside:
    """A reader that does as it is told, or fails where it is told to."""

    def __init__(self, fails_in: str) -> None:
        self.fails_in = fails_in
        self.static_facts: tuple[Fact, ...] = ()

    def _do(self, what: str) -> None:
        if self.fails_in == what:
            raise ZeroDivisionError(what)

    def watch(self, spec: VenueSpec, registry: Registry) -> "Outside":
        self._do("watch")
        return self

    @property
    def units(self) -> tuple[tuple[str, ...], ...]:
        return (("account", ACCOUNT),) if self.fails_in != "units" else (("account", 7),)  # type: ignore[return-value]

    def unit_read(self, unit: tuple[str, ...]) -> SolanaRead:
        self._do("unit_read")

        def decode(_: object) -> list[Fact]:
            self._do("decode")
            venue = "kamino@elsewhere" if self.fails_in == "tells another's" else ACCOUNT
            return [VenueRecord(venue.split("/")[0], "account", ACCOUNT, "{}", "")]

        return SolanaRead((ACCOUNT.split("/")[1],), decode)

    def rests_on(self, fact: Fact) -> tuple[tuple[str, ...], ...]:
        self._do("rests_on")
        return ()


@pytest.mark.parametrize(
    ("fails_in", "why"),
    [
        ("", ""),
        ("rests_on", ""),
        ("watch", "its reader failed: ZeroDivisionError: watch"),
        ("units", "its reader gave a int for a text"),
        ("unit_read", "its reader failed: ZeroDivisionError: unit_read"),
        ("decode", "its reader failed: ZeroDivisionError: decode"),
        ("tells another's", "its reader tells what is none of its venue's"),
    ],
)
def test_a_reader_of_another_package_costs_its_own_venue_alone(fails_in: str, why: str) -> None:
    spec = VenueSpec(marginfi_golden.VENUE, "outside")
    watched = Registry((), (), (), (spec,), (PortfolioSpec("p", (ACCOUNT,)),))
    venue = OutsideSolanaKind(Outside(fails_in)).watch(spec, watched)
    facts = list(venue.static_facts)
    for unit in venue.units:
        read = venue.unit_read(unit)
        facts += read.decode([None] * len(read.addresses))
    (fact,) = facts
    assert isinstance(fact, VenueRecord)
    assert why in fact.fault
    assert bool(why) == bool(fact.fault)
    assert tuple(venue.rests_on(fact)) == ()
