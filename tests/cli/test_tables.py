"""What people see: numbers are whole, health factors never flattered, texts give way."""

import itertools
from decimal import Decimal

import pytest
from google.type.decimal_pb2 import Decimal as DecimalMessage
from rich.console import Console
from rich.text import Text

from xmargin.cli import exits, formats, tables
from xmargin.cli.exits import ExitCode
from xmargin.cli.sheet import Sheet
from xmargin.v1 import margin_report_pb2 as pb


def printed(sheet: Sheet, width: int) -> list[str]:
    console = Console(width=width, force_terminal=False)
    with console.capture() as capture:
        console.print(sheet)
    return [line.rstrip() for line in capture.get().splitlines()]


def test_numbers_stay_whole_and_texts_are_cut_to_the_width() -> None:
    row: list[str | Text] = [Text("p" * 60), "1,234,567,890", Text("w" * 60), "-9,876,543"]
    sheet = Sheet("", ("portfolio~", "equity>", "worst~", "excess>"), [row])
    for width in (60, 80, 120):
        lines = printed(sheet, width)
        assert max(map(len, lines)) <= width
        assert "1,234,567,890" in lines[-1]
        assert "-9,876,543" in lines[-1]
        assert "…" in lines[-1]


def test_a_sheet_without_rows_is_its_heading() -> None:
    assert "portfolio" in printed(Sheet("", ("portfolio~", "equity>"), []), 80)[0]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("0.9999", "0.99"),
        ("1.0", "1.00"),
        ("1.0999", "1.09"),
        ("-0.001", "-0.01"),
        ("2e9", "> 999"),
    ],
)
def test_a_health_factor_is_rounded_down(value: str, shown: str) -> None:
    assert formats.health_factor(Decimal(value)).plain == shown


def test_what_is_missing_is_red_and_what_is_absent_a_dash() -> None:
    assert formats.money(Decimal("-1234.5")).style == formats.BAD
    assert formats.money(None).plain == "-"


@pytest.mark.parametrize(
    ("milliseconds", "shown"),
    [(0, "0 ms"), (999, "999 ms"), (1_250, "1.2 s"), (61_000, "1 min"), (7_300_000, "2 h")],
)
def test_ages_are_in_the_unit_that_fits(milliseconds: int, shown: str) -> None:
    assert formats.age(milliseconds) == shown


def test_the_most_urgent_exit_code_wins() -> None:
    order = [ExitCode.HEALTHY, ExitCode.MARGIN_CALL, ExitCode.PARTIAL, ExitCode.LIQUIDATABLE]
    for less, more in itertools.pairwise(order):
        assert exits.worst([less, more]) is exits.worst([more, less]) is more
    assert exits.worst([]) is ExitCode.HEALTHY


@pytest.mark.parametrize("status", pb.HealthStatus.values())
@pytest.mark.parametrize("partial", [False, True])
def test_only_a_whole_portfolio_of_known_good_standing_exits_0(
    status: "pb.HealthStatus.ValueType", partial: bool
) -> None:
    good = status in (pb.HEALTH_STATUS_NO_DEBT, pb.HEALTH_STATUS_HEALTHY) and not partial
    code = exits.of_portfolio(pb.PortfolioHealth(status=status, partial=partial))
    assert (code is ExitCode.HEALTHY) == good


def test_the_components_of_the_requirements_are_shown_with_their_sum() -> None:
    health = pb.PortfolioHealth(
        maintenance_margin=DecimalMessage(value="1500.4"),
        initial_margin=DecimalMessage(value="2100"),
        oracle_confidence=DecimalMessage(value="12"),
        components=[
            pb.MarginComponent(
                name=name,
                maintenance=DecimalMessage(value=maintenance),
                initial=DecimalMessage(value=initial),
            )
            for name, maintenance, initial in (
                ("scenario_loss", "1234", "1700"),
                ("mobility", "0", "0.0"),
                ("venue_risk", "266.4", "400"),
            )
        ],
    )
    lines = printed(tables.components_table(health), 80)
    rows = [line.split() for line in lines]
    assert ["scenario", "loss", "1,234", "1,700"] in rows
    assert ["venue", "risk", "266", "400"] in rows
    assert ["required", "1,500", "2,100"] in rows
    assert not any("mobility" in line for line in lines), "nothing in both"
    assert "oracle confidence has taken 12 from the collateral" in " ".join(" ".join(lines).split())


def test_the_scenario_loss_is_shown_with_what_it_is_the_worse_of() -> None:
    def part(name: str, value: str) -> pb.MarginComponent:
        amount = DecimalMessage(value=value)
        return pb.MarginComponent(name=name, maintenance=amount, initial=amount)

    grid_only = pb.PortfolioHealth(
        components=[part("scenario_loss", "1500")],
        scenario_losses=[part("grid", "1500")],
        scenario_note="grid only: no factor returns are configured",
    )
    both = pb.PortfolioHealth(
        components=[part("scenario_loss", "1700")],
        scenario_losses=[part("grid", "1500"), part("historical_es", "1700")],
    )
    lines = printed(tables.components_table(both), 80)
    rows = [line.split() for line in lines]
    at = rows.index(["scenario", "loss", "1,700", "1,700"])
    assert rows[at + 1] == ["of", "the", "grid", "1,500", "1,500"]
    assert rows[at + 2] == ["of", "historical", "ES", "1,700", "1,700"]
    alone = " ".join(" ".join(printed(tables.components_table(grid_only), 80)).split())
    assert "grid only: no factor returns are configured" in alone
    assert "of the grid" not in alone


def test_a_view_whose_clock_stands_still_is_stale() -> None:
    metadata = pb.ViewMetadata(now_ms=1_000_000)
    assert exits.of_view(metadata, 1_000_000 + exits.VIEW_AGE_MS_MAX) is ExitCode.HEALTHY
    assert exits.of_view(metadata, 1_000_001 + exits.VIEW_AGE_MS_MAX) is ExitCode.PARTIAL
