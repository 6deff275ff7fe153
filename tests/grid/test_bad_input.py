"""What the mechanism refuses, by name; and that it knows no model's name."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.grid.books import BASE, QUOTE, UNIFIED, parameters
from tests.grid.test_agreement import core
from tests.house.paths import ROOT
from xmargin import _core
from xmargin.errors import EngineError, ParameterError
from xmargin.model.derivatives import (
    GridAsset,
    GridExpiry,
    GridInstrument,
    GridMarket,
    GridPortfolio,
    GridPosition,
    Smile,
)
from xmargin.params import load_parameters

SMILE = Smile(0.02, 0.1, -0.3, 0.0, 0.2, 100.0, 0.25)
EXPIRY = GridExpiry(0, 0.25, 0.0, 100.0, smile=SMILE)
CALL = GridInstrument("call", "call", expiry=0, strike=110.0)
PERP = GridInstrument("perp", "perp", asset=0, price=100.0)
MARKET = GridMarket([GridAsset("BTC", 100.0)], [EXPIRY], [CALL, PERP])
BOOK = GridPortfolio("book", [GridPosition(0, -1.0), GridPosition(1, 1.0)], cash=50.0)
NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"cash_price": NAN}, "market.cash_price"),
        ({"assets": [GridAsset("BTC", 0.0)]}, "assets.spot row 0"),
        ({"assets": [GridAsset("BTC", -INF)]}, "assets.spot row 0"),
        ({"assets": [GridAsset("BTC", 1.0, 1.5)]}, "assets.confidence row 0"),
        ({"assets": [GridAsset("A", 1.0), GridAsset("A", 1.0)]}, "assets.name row 1"),
        ({"expiries": [replace(EXPIRY, asset=7)]}, "expiries.asset row 0"),
        ({"expiries": [replace(EXPIRY, years=-0.1)]}, "expiries.years row 0"),
        ({"expiries": [replace(EXPIRY, years=NAN)]}, "expiries.years row 0"),
        ({"expiries": [replace(EXPIRY, forward_variable=0.0)]}, "expiries.forward_variable row 0"),
        ({"expiries": [replace(EXPIRY, rate=INF)]}, "expiries.rate row 0"),
        ({"expiries": [replace(EXPIRY, smile=replace(SMILE, a=-1.0))]}, "expiries.svi_a row 0"),
        ({"expiries": [replace(EXPIRY, smile=replace(SMILE, rho=2.0))]}, "expiries.svi_rho row 0"),
        ({"expiries": [replace(EXPIRY, smile=None)]}, "instruments.vol row 0"),
        ({"instruments": [CALL, replace(PERP, id="call")]}, "instruments.id row 1"),
        ({"instruments": [CALL, replace(PERP, price=None)]}, "instruments.price row 1"),
        ({"instruments": [CALL, replace(PERP, price=1e300)]}, "instruments.price row 1"),
        ({"instruments": [CALL, replace(PERP, kind="swap")]}, "instruments.kind row 1"),
        ({"instruments": [replace(CALL, price=1.0), PERP]}, "instruments.price row 0"),
        ({"instruments": [replace(CALL, strike=-1.0), PERP]}, "instruments.strike row 0"),
        ({"instruments": [replace(CALL, strike=None), PERP]}, "instruments.strike row 0"),
        ({"instruments": [replace(CALL, vol=NAN), PERP]}, "instruments.vol row 0"),
        ({"instruments": [replace(CALL, expiry=9), PERP]}, "instruments.expiry row 0"),
        ({"instruments": [CALL]}, "positions.instrument row 1"),
    ],
)
def test_a_market_that_cannot_be_is_refused_by_row_and_column(
    change: dict[str, Any], named: str
) -> None:
    with pytest.raises(EngineError, match=re.escape(named)):
        core(parameters(QUOTE), replace(MARKET, **change), BOOK)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"cash": NAN}, "portfolios.cash row 0"),
        ({"reserved_initial": -1.0}, "portfolios.reserved_initial row 0"),
        ({"positions": [GridPosition(0, 1e30)]}, "positions.quantity row 0"),
        ({"positions": [GridPosition(0, INF)]}, "positions.quantity row 0"),
        ({"positions": [GridPosition(1, 1.0, NAN)]}, "positions.unsettled row 0"),
        ({"positions": [GridPosition(0, 1.0)] * 2}, "positions.instrument row 1"),
        ({"positions": [GridPosition(-1, 1.0)]}, "positions.instrument: "),
        ({"positions": [GridPosition(0, "much")]}, "positions.quantity: "),  # type: ignore[arg-type]
    ],
)
def test_holdings_that_cannot_be_are_refused_by_row_and_column(
    change: dict[str, Any], named: str
) -> None:
    with pytest.raises(EngineError, match=re.escape(named)):
        core(parameters(QUOTE), MARKET, replace(BOOK, **change))


def test_an_empty_book_requires_nothing() -> None:
    margin = core(parameters(QUOTE), GridMarket([], [], []), GridPortfolio("empty", []))
    assert (margin.equity, margin.maintenance.margin, margin.worst) == (0.0, 0.0, "unshocked")


def test_quantities_at_the_bound_give_numbers() -> None:
    book = replace(BOOK, positions=[GridPosition(0, -1e24), GridPosition(1, 1e24)])
    margin = core(parameters(QUOTE), MARKET, book)
    assert 0.0 < margin.maintenance.margin < INF


def test_strike_zero_and_an_expired_option_are_valued() -> None:
    free = GridInstrument("free", "call", expiry=0, strike=0.0)
    for years in (0.0, 0.25):
        market = replace(MARKET, instruments=[free, PERP], expiries=[replace(EXPIRY, years=years)])
        assert core(parameters(QUOTE), market, BOOK).equity == pytest.approx(-50.0, abs=1e-9)


def test_both_zeros_are_one_strike() -> None:
    calls = [GridInstrument(f"{k!r}", "call", expiry=0, strike=k) for k in (0.0, -0.0)]
    book = replace(BOOK, positions=[GridPosition(0, -1.0), GridPosition(1, 1.0)])
    margin = core(parameters(QUOTE), replace(MARKET, instruments=calls), book)
    assert margin.maintenance.short_option == 0.0


def test_an_infinite_vol_gives_an_option_its_upper_bound_not_its_intrinsic_value() -> None:
    rule = {"kind": "term_power", "range": "10", "short_power": "10", "long_power": "10"}
    rule |= {"expiry_days_min": "0", "vol_min": "0"}
    market = replace(MARKET, expiries=[replace(EXPIRY, years=1e-60, rate=0.0)])
    margin = core(changed(lambda t: t["vol_rules"].update(up=rule)), market, BOOK)
    shocked = margin.positions[0].pnl["spot +0.18 vol up"]
    assert abs(shocked) > abs(margin.positions[0].pnl["spot +0.135"]) > 0.0


def test_scenarios_are_counted_before_they_are_made() -> None:
    def edit(tree: dict[str, Any]) -> None:
        multiples = [f"0.{at:03}" for at in range(100)]
        tree["assets"] = {name: {"class": name, "shock": "0.1"} for name in ("BTC", "ETH", "SOL")}
        move = {"reach": "together", "multiples": multiples}
        moves = [move | {"class": name} for name in tree["assets"]]
        tree["scenarios"] = [{"moves": moves, "vols": ["same", "up", "down"]}] * 100

    market = replace(MARKET, assets=[GridAsset(name, 1.0) for name in ("BTC", "ETH", "SOL")])
    with pytest.raises(ParameterError, match="scenarios: 300000001 scenarios; at most 10000"):
        core(changed(edit), market, BOOK)


def test_two_assets_have_no_common_coin() -> None:
    market = replace(MARKET, assets=[GridAsset("BTC", 1.0), GridAsset("ETH", 1.0)])
    with pytest.raises(ParameterError, match="numeraire"):
        core(parameters(BASE), market, BOOK)


def changed(edit: Callable[[dict[str, Any]], None]) -> str:
    tree = json.loads(parameters(QUOTE))
    edit(tree)
    return json.dumps(tree)


@pytest.mark.parametrize(
    ("edit", "key"),
    [
        (lambda t: t.update(extra="1"), "extra"),
        (lambda t: t["basis"].update(sideways="1"), "basis.sideways"),
        (lambda t: t["basis"].pop("up"), "basis.up"),
        (lambda t: t["vol_rules"]["up"].update(range="11"), "vol_rules.up.range"),
        (lambda t: t["vol_rules"]["up"].update(range=0.5), "vol_rules.up.range"),
        (lambda t: t["vol_rules"]["up"].update(kind="cubic"), "vol_rules.up.kind"),
        (lambda t: t["vol_rules"]["abs"].update(wings="left"), "vol_rules.abs.wings"),
        (lambda t: t["scenarios"][0].update(vols=["sideways"]), "scenarios[0].vols"),
        (lambda t: t["scenarios"][0].update(vols=["same", "same"]), "scenarios"),
        (lambda t: t["scenarios"][0].update(moves=[], vols=["same"]), "scenarios[0].moves"),
        (lambda t: t["scenarios"][0].update(damping="-1"), "scenarios[0].damping"),
        (lambda t: t["scenarios"][0].update(damping="1", extended={}), "scenarios[0].extended"),
        (lambda t: t["scenarios"][0].update(expiry_pnl="gain"), "scenarios[0].expiry_pnl"),
        (lambda t: t["scenarios"][2]["moves"][0].update(multiples=["-1"]), "default_asset.shock"),
        (lambda t: t["perp"].update(initial="0.001"), "perp.initial"),
        (lambda t: t["loss_factors"].pop("initial"), "loss_factors.initial"),
        (lambda t: t.update(numeraire="gold"), "numeraire"),
        (lambda t: t.update(loss_decimals="1.5"), "loss_decimals"),
        (lambda t: t["static_discount"]["long"].update(base="5"), "static_discount.long.base"),
    ],
)
def test_parameters_out_of_range_are_refused_by_key(
    edit: Callable[[dict[str, Any]], None], key: str
) -> None:
    with pytest.raises(ParameterError, match=re.escape(f"parameters: {key}")):
        core(changed(edit), MARKET, BOOK)


@pytest.mark.parametrize("name", [QUOTE, BASE, UNIFIED])
def test_the_packaged_models_are_files_of_the_mechanism(name: str) -> None:
    _core.check_grid_parameters(parameters(name))


def test_a_file_of_another_mechanism_is_told_so() -> None:
    with pytest.raises(ParameterError, match='model: "historical" must be "scenario"'):
        _core.check_grid_parameters(load_parameters("historical-v1").content)


def test_the_mechanism_knows_no_models_name() -> None:
    core_rooms = [ROOT / "rust/xmargin-core/src" / room for room in ("model/grid", "market")]
    files = [path for room in core_rooms for path in room.rglob("*.rs")]
    files += (ROOT / "rust/xmargin-core/src/model").glob("scenario_rules.rs")
    files += [ROOT / "rust/xmargin-py/src/grid.rs", ROOT / "python/xmargin/engine/grid.py"]
    files += (ROOT / "python/xmargin/reference").glob("grid*.py")
    assert len(files) > 10
    name = re.compile(r"pmrm|deribit|\bpme\b|lyra|\bDerive\b|unified", re.IGNORECASE)
    derive_attribute = re.compile(r"#\[derive\(.*")
    named = [
        f"{path.name}: {match.group(0)}"
        for path in files
        if (match := name.search(derive_attribute.sub("", path.read_text())))
    ]
    assert named == []
