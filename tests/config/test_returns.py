"""The factor returns of a configuration: read exactly, on common days, or refused by name."""

import json
import math
import subprocess
import sys
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import pytest

from tests.config.test_config import GOOD
from xmargin.config import parse_config
from xmargin.engine import check_returns
from xmargin.errors import ConfigError
from xmargin.model import AssetReturns, FactorReturns, RiskParameters
from xmargin.params import load_parameters, parse_parameters
from xmargin.params.returns import load_returns

EXAMPLE = Path(__file__).parents[2] / "examples" / "make_returns.py"


def written(folder: Path, rows: Sequence[str], heading: str = "date,asset,log_return") -> Path:
    path = folder / "mine.csv"
    path.write_text("\n".join([heading, *rows, ""]))
    return path


def test_returns_are_exact_and_their_rows_may_stand_in_any_order(tmp_path: Path) -> None:
    rows = [
        "2020-01-02,ETH,-0.02",
        "2020-01-01,BTC,0.0123456789012345678",
        "2020-01-01,ETH,0.01",
        "2020-01-02,BTC,1e-3",
    ]
    expected = FactorReturns(
        source="mine.csv",
        days=(18262, 18263),
        assets=(
            AssetReturns("BTC", (Decimal("0.0123456789012345678"), Decimal("0.001"))),
            AssetReturns("ETH", (Decimal("0.01"), Decimal("-0.02"))),
        ),
    )
    assert load_returns(written(tmp_path, rows)) == expected
    assert load_returns(written(tmp_path, rows[::-1])) == expected


def test_a_day_that_one_asset_lacks_goes_into_the_next_common_one(tmp_path: Path) -> None:
    btc = [f"2020-01-0{day},BTC,0.0{day}" for day in range(1, 6)]
    eth = [f"2020-01-0{day},ETH,0.1" for day in (2, 3, 5)]
    returns = load_returns(written(tmp_path, [*btc, *eth]))
    assert returns.days == (18264, 18266)
    assert [one.log_returns for one in returns.assets] == [
        (Decimal("0.03"), Decimal("0.09")),
        (Decimal("0.1"), Decimal("0.1")),
    ]


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ([], "mine.csv: holds no return; give a line a day and asset"),
        (["2020-01-01,,0.1"], "line 2: names no asset"),
        (["2020-13-01,ETH,0.1"], "line 2: "),
        (["2020-01-01,ETH,nan"], "line 2: log_return 'nan' is no decimal"),
        (["2020-01-01,ETH,0,1"], "line 2: has 4 fields where line 1 has 3"),
        (["2020-01-01,ETH,11"], "line 2: log_return 11.0 is not in"),
        (["2020-01-01,ETH,1e99999999999999999999"], "line 2: log_return '1e9+' is not in"),
        (["2020-01-01,ETH,0.1", "2020-01-01,ETH,0.1"], "line 3: 2020-01-01 of ETH is there twice"),
        (["2020-01-01,ETH,0.1", "2020-01-02,BTC,0.1"], "BTC, ETH have 0 days in common"),
        (["2020-01-01,ETH,1e-50", "2020-01-02,ETH,0"], "a return of ETH has 50 decimals"),
    ],
)
def test_a_slip_is_one_line_that_names_key_file_and_line(
    tmp_path: Path, rows: list[str], problem: str
) -> None:
    with pytest.raises(ConfigError, match=rf"^risk\.returns: .*{problem}") as caught:
        load_returns(written(tmp_path, rows))
    assert "\n" not in caught.value.message


def test_a_file_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"risk\.returns: .*absent\.csv: cannot be read"):
        load_returns(tmp_path / "absent.csv")
    with pytest.raises(ConfigError, match="line 1: is not date,asset,log_return; all are wanted"):
        load_returns(written(tmp_path, [], heading="date,ETH"))


def test_too_few_days_are_told_before_anything_starts(tmp_path: Path) -> None:
    days = [f"2020-0{month}-{day:02d}" for month in range(1, 4) for day in range(1, 29)]
    returns = load_returns(written(tmp_path, [f"{day},ETH,0.01" for day in days]))
    with pytest.raises(
        ConfigError, match=r"risk\.returns: .*84 days are too few .* there must be 100"
    ):
        check_returns(load_parameters("unified-v1"), returns)
    with pytest.raises(ConfigError, match=r"does not ask for historical_es.*mend mine\.csv"):
        check_returns(_without_history(), returns)


def _without_history() -> RiskParameters:
    tree = json.loads(load_parameters("unified-v1").content)
    del tree["historical_es"]
    return parse_parameters(json.dumps(tree))


def test_the_key_is_a_path_and_may_be_left_out() -> None:
    assert parse_config(GOOD).risk.returns is None
    named = parse_config(f'{GOOD}\n[risk]\nreturns = "a/b.csv"\n')
    assert named.risk.returns == Path("a/b.csv")


def test_the_example_makes_returns_of_prices(tmp_path: Path) -> None:
    prices = written(
        tmp_path,
        ["2020-03-11,BTC,7900", "2020-03-12,BTC,4970", "2020-03-12,ETH,110", "2020-03-11,ETH,195"],
        heading="date,asset,close",
    )
    made = subprocess.run(
        [sys.executable, EXAMPLE, prices], check=True, capture_output=True, text=True
    )
    lines = made.stdout.splitlines()
    assert lines[0] == "date,asset,log_return"
    day, asset, value = lines[1].split(",")
    assert (day, asset) == ("2020-03-12", "BTC")
    assert float(value) == pytest.approx(math.log(4970 / 7900), abs=1e-12)
    assert len(lines) == 3
