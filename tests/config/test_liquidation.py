"""The section [liquidation]: its defaults, curves of one's own, mistakes told by their key."""

from decimal import Decimal

import pytest

from tests.config.test_config import GOOD
from xmargin.config import parse_config
from xmargin.errors import ConfigError
from xmargin.model import AssetDepth, DepthKnot, LiquidationTerms

CURVE = '[["0", "1"], ["500", "0.995"], ["5000", "0.96"]]'


def test_without_the_section_the_usual_terms_hold() -> None:
    assert parse_config(GOOD).liquidation.terms() == LiquidationTerms()


def test_curves_are_exact_and_in_order_of_their_assets() -> None:
    section = f"[liquidation]\nhorizon_s = 86400\ndepth = {{ SOL = {CURVE}, ETH = {CURVE} }}\n"
    knots = (("0", "1"), ("500", "0.995"), ("5000", "0.96"))
    curve = tuple(DepthKnot(Decimal(sold), Decimal(multiple)) for sold, multiple in knots)
    assert parse_config(GOOD + section).liquidation.terms() == LiquidationTerms(
        horizon_s=86_400, depth=(AssetDepth("ETH", curve), AssetDepth("SOL", curve))
    )


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("horizon_s = 0", "horizon_s is 0"),
        ("impact_bps_max = 10001", "impact_bps_max is 10001"),
        ('correlation = "nan"', "finite number"),
        ('depth = { ETH = [["0", "1"], ["5", "1.5"]] }', "knot 1"),
        ('depth = { ETH = [["0", "1"], ["5", "0.9"], ["4", "0.8"]] }', "knot 2 must not sell less"),
        ('depth = { ETH = [["0", "1"], ["5", "0.9"], ["6", "0.95"]] }', "or at more"),
        ("depth = { ETH = [] }", "0 knots"),
        ('correlation = "1e-101"', "more than 100 decimals"),
        ('depth = { ETH = [["0", "1"], ["1e-99999999", "0.5"]] }', "more than 100 decimals"),
        ("curve = 1", "no such key"),
    ],
)
def test_a_mistake_is_one_line_that_names_what_is_wrong(line: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem) as raised:
        parse_config(f"{GOOD}\n[liquidation]\n{line}\n")
    assert "\n" not in raised.value.message
    assert "liquidation" in raised.value.message
