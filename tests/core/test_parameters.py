"""Parameter files: loaded, kept in one form, range-checked; a wrong value is named."""

import hashlib
import json
from pathlib import Path

import pytest

from tests.core.examples import EXAMPLES, PARAMETERS, RETURNS
from tests.core.factor_returns import history_of
from tests.core.tables import arrow, evaluate_book, rows_of
from xmargin import _core
from xmargin.errors import EngineError, ParameterError
from xmargin.params import load_parameters, parameter_names, parse_parameters


def changed(path: str, value: object) -> str:
    """The shipped parameters with one value put in place, or taken away when it is ``None``."""
    tree = json.loads(PARAMETERS)
    *parents, last = path.split(".")
    node = tree
    for parent in parents:
        node = node[int(parent)] if parent.isdecimal() else node[parent]
    if value is None:
        del node[last]
    else:
        node[last] = value
    return json.dumps(tree)


def key_of(path: str) -> str:
    """How a message writes the path: ``scenarios.0.moves`` is ``scenarios[0].moves``."""
    first, *rest = path.split(".")
    return first + "".join(f"[{part}]" if part.isdecimal() else f".{part}" for part in rest)


NEW_SECTIONS = {"liquidity", "venue_risk", "mobility", "historical_es"}
MOVE = "scenarios.0.moves.0"
WRONG_VALUES: list[tuple[str, object, str]] = [
    ("name", None, "is missing"),
    ("name", " ", '" " is no text'),
    ("colour", "red", "is no key that is known here"),
    ("assets.ETH.color", "red", "is no key that is known here"),
    ("assets.ETH.shock", "1.5", "1.5 is out of range; it must be in [0, 1]"),
    ("assets.ETH.shock", 0.15, "0.15 is no text"),
    ("assets.ETH.shock", "NaN", '"NaN" is no decimal'),
    ("assets.ETH.shock", "inf", '"inf" is no decimal'),
    ("assets.ETH.shock", "1e-3", '"1e-3" is no decimal'),
    ("assets.ETH.shock", "1/0", '"1/0" is no decimal'),
    ("assets.ETH.shock", "0.9", "its deepest fall -0.9 x loss_factors.initial 1.25"),
    ("assets.ETH.class", None, "is missing"),
    ("assets.ETH", "0.15", '"0.15" is no object'),
    ("default_asset", None, "is missing"),
    ("loss_factors.maintenance", "0.9", "0.9 is out of range; it must be in [1, 5]"),
    ("wrapped_depeg.initial", "-0.1", "-0.1 is out of range; it must be in [0.01, 1]"),
    ("liquidity.initial", "0.5", "0.5 is out of range; it must be in [1, 10]"),
    ("liquidity.days_max", "0", "0 is out of range; it must be in [0.001, 100]"),
    ("liquidity.concentration", None, "is missing"),
    ("liquidity.default_asset", None, "is missing"),
    ("liquidity.assets.ETH.daily_volume_usd", "0", "0 is out of range; it must be in [1, "),
    ("liquidity.assets.ETH.depth", "1", "is no key that is known here"),
    ("liquidity.assets.ODD", {"daily_volume_usd": "1", "daily_volatility": "1"}, "its deepest"),
    ("venue_risk.kinds.aave-v3", "1.5", "1.5 is out of range; it must be in [0, 1]"),
    ("venue_risk.maintenance", None, "is missing"),
    ("mobility.chains", [], "[] is no object"),
    ("mobility.hours", "7", "is no key that is known here"),
    ("historical_es.maintenance", "0.5", "0.5 is out of range; it must be in [1, 10]"),
    ("historical_es.initial", "0.5", "0.5 is out of range; it must be in [1, 10]"),
    ("historical_es.confidence", "1", "1 is out of range; it must be in [0.5, 0.9999]"),
    ("historical_es.confidence", None, "is missing"),
    ("historical_es.filter.decay", "1", "1 is out of range"),
    ("historical_es.stress.days", "39", "39 are too few for confidence 0.975"),
    ("historical_es.floor", "3", "3 is out of range; it must be in [0, 2]"),
    ("historical_es.returns_age_days_max", "0", "0 is out of range; it must be in [1, 10000]"),
    ("historical_es.gap_days_max", "1.5", "1.5 is no whole number"),
    ("historical_es.model", "historical", "is no key that is known here"),
    ("scenarios", {}, "{} is no list"),
    ("scenarios", [], "has 0 entries; it must have 1 to 100"),
    ("scenarios.0.moves", [], "has 0 entries; it must have 1 to 3"),
    (f"{MOVE}.class", "cryptos", '"cryptos" is the class of no asset'),
    (f"{MOVE}.reach", "all", '"all" must be "together" or "each"'),
    (f"{MOVE}.label", "x", "is no key that is known here"),
    (f"{MOVE}.multiples", ["-11"], "-11 is out of range; it must be in [-10, 10]"),
    ("scenarios.1.moves.0.label", None, "is missing"),
    ("scenarios.3.moves.1.class", "crypto", '"crypto" moves twice in one rule'),
]


@pytest.mark.parametrize(("path", "value", "problem"), WRONG_VALUES)
def test_a_wrong_value_is_named_with_its_key_and_range(
    path: str, value: object, problem: str
) -> None:
    with pytest.raises(ParameterError) as refused:
        _core.check_parameters(changed(path, value))
    assert str(refused.value).startswith(f"parameters: {key_of(path)}: {problem}")


def test_initial_margin_may_not_be_below_maintenance() -> None:
    with pytest.raises(ParameterError, match=r"loss_factors\.initial: 1\.25 .* in \[1\.5, 5\]"):
        _core.check_parameters(changed("loss_factors.maintenance", "1.5"))


def test_what_contingencies_take_may_not_exceed_what_is_there() -> None:
    wild = changed("venue_risk.kinds.aave-v3", "0.3")
    with pytest.raises(ParameterError, match=r"assets\.SOL\.shock: .* for contingencies charges"):
        _core.check_parameters(wild)


def test_a_parameter_file_of_version_1_charges_what_it_did() -> None:
    """Tapes hold the parameters they were recorded with: new keys may be absent and are neutral."""
    tree = json.loads(PARAMETERS)
    old = {key: value for key, value in tree.items() if key not in NEW_SECTIONS}
    core = evaluate_book(json.dumps(old), EXAMPLES["leveraged over two chains"])
    for row in core["portfolios"]:
        for kind in ("maintenance", "initial"):
            charged = row[f"scenario_loss_{kind}"] + row[f"wrapped_depeg_{kind}"]
            assert charged == pytest.approx(row[f"{kind}_margin"], abs=1e-9)
            assert row[f"liquidity_{kind}"] == row[f"venue_risk_{kind}"] == 0


def test_a_parameter_file_of_version_2_0_charges_what_it_did_to_the_bit() -> None:
    """Without the section returns change nothing, and without returns the section does not."""
    old = changed("historical_es", None)
    returns = RETURNS["history that was worse than the grid"]
    book = EXAMPLES["leveraged over two chains"]
    assert history_of(old, returns) is None
    assert evaluate_book(old, book, returns) == evaluate_book(PARAMETERS, book)
    assert evaluate_book(PARAMETERS, book, returns) != evaluate_book(PARAMETERS, book)


def test_a_history_of_other_parameters_is_refused() -> None:
    other = changed("historical_es.initial", "2")
    history = history_of(other, RETURNS["history that was worse than the grid"])
    tables = arrow(rows_of(EXAMPLES["leveraged over two chains"]))
    with pytest.raises(EngineError, match=r"returns\.history: was made with other parameters"):
        _core.evaluate(parameters=PARAMETERS, history=history, **tables)


def test_two_scenarios_of_one_name_are_refused() -> None:
    parameters = changed(f"{MOVE}.multiples", ["-1", "-1"])
    with pytest.raises(ParameterError, match='"crypto -1" arises twice'):
        _core.scenario_names(parameters, ["ETH"])


def test_evaluate_refuses_wrong_parameters_too() -> None:
    book = EXAMPLES["leveraged over two chains"]
    with pytest.raises(ParameterError, match="parameters: file: no JSON"):
        evaluate_book("{", book)


def test_the_core_refuses_a_key_that_is_said_twice() -> None:
    """Whoever hands the core a text of its own, past the loader, is told too."""
    twice = PARAMETERS.replace('"ETH":{', '"ETH":{"class":"crypto","shock":"0.1"},"ETH":{', 1)
    assert json.loads(twice) == json.loads(PARAMETERS), "the last would win unseen"
    with pytest.raises(ParameterError, match='file: no JSON: the key "ETH" is said twice'):
        _core.check_parameters(twice)


def test_scenarios_come_in_file_order_then_name_order() -> None:
    assert _core.scenario_names(PARAMETERS, ["USDC", "ETH", "SOL", "ETH", "PYUSD"]) == [
        "unshocked",
        "crypto -3/3",
        "crypto -2/3",
        "crypto -1/3",
        "crypto +1/3",
        "crypto +2/3",
        "crypto +3/3",
        "ETH alone -1",
        "ETH alone +1",
        "SOL alone -1",
        "SOL alone +1",
        "PYUSD depeg -1",
        "PYUSD depeg +1",
        "USDC depeg -1",
        "USDC depeg +1",
        "crypto -3/3 and PYUSD depeg -1",
        "crypto -3/3 and USDC depeg -1",
    ]


def test_a_class_without_assets_makes_no_scenario() -> None:
    assert _core.scenario_names(PARAMETERS, ["USDC"]) == [
        "unshocked",
        "USDC depeg -1",
        "USDC depeg +1",
    ]


# --- Loading ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", parameter_names())
def test_every_parameter_set_of_the_package_is_sound(name: str) -> None:
    parameters = load_parameters(name)
    checks = {
        "historical": _core.check_historical_parameters,
        "scenario": _core.check_grid_parameters,
    }
    model = json.loads(parameters.content).get("model")
    checks.get(model, _core.check_parameters)(parameters.content)
    assert parameters.name == name
    assert parameters.sha256 == hashlib.sha256(parameters.content.encode()).hexdigest()


def test_layout_does_not_change_what_is_hashed(tmp_path: Path) -> None:
    shipped = load_parameters("unified-v1")
    pretty = tmp_path / "copy.json"
    pretty.write_text(json.dumps(json.loads(shipped.content), indent=8))
    assert load_parameters(str(pretty)) == shipped
    other = parse_parameters(changed("assets.ETH.shock", "0.16"))
    assert other.sha256 != shipped.sha256


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(ParameterError, match=r"use one of .*unified-v1, or the path"):
        load_parameters("unified-v9")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "no JSON"),
        ("[]", "must be a JSON object"),
        ('{"version": "1"}', "name: must be a text"),
        ('{"name": "x", "version": 1}', "version: must be a text"),
        ('{"name": "x", "version": "1", "a": {"b": "1", "b": "2"}}', "the key 'b' is said twice"),
        ('{"name": "x", "version": "1", "a": 1e400}', "1e400 is no finite number"),
        ('{"name": "x", "version": "1", "a": NaN}', "NaN is no finite number"),
    ],
)
def test_a_file_without_name_or_version_is_refused(text: str, problem: str) -> None:
    with pytest.raises(ParameterError, match=problem):
        parse_parameters(text)


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="cannot be read"):
        load_parameters(str(tmp_path / "absent.json"))


def test_a_key_said_twice_is_found_among_very_many() -> None:
    pairs = ",".join(f'"k{number}":""' for number in range(200_000))
    with pytest.raises(ParameterError, match="the key 'k199999' is said twice"):
        parse_parameters(f'{{{pairs},"k199999":""}}')
