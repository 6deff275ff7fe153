"""External vectors, where they are; and what is no vector file."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.paths import ROOT
from xmargin.errors import InvalidArgumentError, XmarginError
from xmargin.reference import grid as reference
from xmargin.vectors import run
from xmargin.vectors.derive_pmrm2 import decode

VECTORS = ROOT.parent / "shared/vectors"
DERIVE, DERIBIT = VECTORS / "derive-pmrm2", VECTORS / "deribit-pme/example.json"

needs_vectors = pytest.mark.skipif(
    not VECTORS.is_dir(), reason="the external vectors (../shared/vectors) are not on this machine"
)


def command(*arguments: object) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "xmargin.cli", "vectors", *map(str, arguments)]
    return subprocess.run(line, capture_output=True, text=True, check=False)


@needs_vectors
def test_every_scenario_and_margin_of_derive_is_met() -> None:
    report = run("derive-pmrm2", DERIVE)
    assert len(report.cases) == len(list(DERIVE.glob("*.json")))
    assert [case.name for case in report.cases if case.failed] == []
    assert report.max_rel_error < 1e-9


@needs_vectors
def test_the_vectors_the_worst_bucket_and_the_margins_of_deribit_are_met() -> None:
    report = run("deribit-pme", DERIBIT)
    assert [case.failed for case in report.cases] == [()]


@needs_vectors
def test_the_reference_meets_derive_too() -> None:
    for path in sorted(DERIVE.glob("*.json")):
        vector = decode(path)
        answer = reference.margin(vector.parameters, vector.market, vector.portfolio)
        result = json.loads(path.read_text())["Result"]
        maintenance = answer.equity - answer.maintenance["margin"]
        initial = answer.equity - answer.initial["margin"]
        assert maintenance == pytest.approx(result["MM"], rel=1e-8, abs=1e-10), path.name
        assert initial == pytest.approx(result["IM"], rel=1e-8, abs=1e-10), path.name


@needs_vectors
@pytest.mark.parametrize(
    ("change", "figure"),
    [
        (lambda case: case["Result"].update(MM=case["Result"]["MM"] + 1), "MM"),
        (lambda case: case["Scenario"].update(Cash=case["Scenario"]["Cash"] + 1), "IM"),
        (lambda case: case["Scenario"]["Options"][2].update(Strike=61_000), "spot"),
    ],
)
def test_a_changed_figure_fails_its_case_and_exits_1(
    tmp_path: Path, change: object, figure: str
) -> None:
    case = json.loads(next(DERIVE.glob("test_44_*")).read_text())
    assert callable(change)
    change(case)
    (tmp_path / "changed.json").write_text(json.dumps(case))
    shutil.copy(next(DERIVE.glob("test_2_*")), tmp_path / "sound.json")
    answer = command("derive-pmrm2", tmp_path, "--json")
    assert answer.returncode == 1
    document = json.loads(answer.stdout)
    assert (document["cases"], document["failed"]) == (2, 1)
    told = document["failures"]
    assert {one["case"] for one in told} == {"changed"}
    assert any(figure in one["figure"] for one in told)
    table = command("derive-pmrm2", tmp_path)
    assert table.returncode == 1
    assert "changed" in table.stdout
    assert figure in table.stdout


@needs_vectors
def test_the_command_prints_what_it_ran() -> None:
    answer = command("derive-pmrm2", DERIVE, "--json")
    assert (answer.returncode, answer.stderr) == (0, "")
    document = json.loads(answer.stdout)
    assert (document["cases"], document["arbitrage"]) == (69, 52)
    document = json.loads(command("deribit-pme", DERIBIT, "--json").stdout)
    assert (document["failed"], document["arbitrage"]) == (0, 0)


@needs_vectors
@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("Scenario", "SpotPrice"), 0),
        (("Scenario", "SpotPrice"), "NaN"),
        (("Scenario", "StablePrice"), -1),
        (("Scenario", "StablePrice"), 0),
        (("Scenario", "Options", 0, "Amount"), 1e30),
        (("Scenario", "Options", 0, "Expiry"), 5),
        (("Scenario", "OptionFeeds", 0, "FeedExpiry"), -5),
        (("Scenario", "OptionFeeds", 0, "Forward"), 0),
        (("Scenario", "OptionFeeds", 0, "SVIparam"), [1, 2]),
        (("Scenario", "OptionFeeds", 0, "SVIparam"), ["-9", "0.1", "0", "0", "0.1", 1e5, "0.1"]),
        (("Scenario", "Collaterals", 1, "Name"), "USDT"),
        (("Scenario", "Options"), None),
        (("Parameters", "Scenarios", 0, "SpotShock"), 0),
        (("Parameters", "Scenarios", 0, "VolShockDirection"), "Sideways"),
        (("Parameters", "Margin", "MM_LOSS_FACTOR"), 1e9),
        (("Parameters",), []),
        (("Result", "MM"), None),
        (("Result", "reg_losses", 0), ["0.5", 7, "0"]),
    ],
)
def test_what_cannot_be_is_one_typed_line(
    tmp_path: Path, path: tuple[str | int, ...], value: object
) -> None:
    case = json.loads(next(DERIVE.glob("test_44_*")).read_text())
    at = case
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = value
    file = tmp_path / "bad.json"
    file.write_text(json.dumps(case))
    with pytest.raises(XmarginError) as caught:
        run("derive-pmrm2", file)
    assert "\n" not in caught.value.message
    assert "bad.json" in caught.value.message


@needs_vectors
def test_an_expiry_with_two_feeds_is_refused(tmp_path: Path) -> None:
    """The later one would be used unseen."""
    case = json.loads(next(DERIVE.glob("test_44_*")).read_text())
    case["Scenario"]["OptionFeeds"].append(case["Scenario"]["OptionFeeds"][0])
    (tmp_path / "twice.json").write_text(json.dumps(case))
    with pytest.raises(XmarginError, match=r"twice\.json: .*is not an expiry said once"):
        run("derive-pmrm2", tmp_path / "twice.json")


@pytest.mark.parametrize("text", ["", "[]", "{", '{"Scenario": {}}', "[" * 100_000, "\x00\xff"])
@pytest.mark.parametrize("model", ["derive-pmrm2", "deribit-pme"])
def test_what_is_no_vector_file_is_refused(tmp_path: Path, model: str, text: str) -> None:
    file = tmp_path / "file.json"
    file.write_text(text)
    with pytest.raises(InvalidArgumentError):
        run(model, file)


def test_an_unknown_model_an_absent_file_and_an_empty_folder_are_refused(tmp_path: Path) -> None:
    for model, path in (
        ("span", tmp_path),
        ("derive-pmrm2", tmp_path / "no"),
        ("deribit-pme", tmp_path),
    ):
        answer = command(model, path)
        assert (answer.returncode, answer.stdout) == (2, "")
        assert answer.stderr.startswith("error: ")
        assert answer.stderr.count("\n") == 1
