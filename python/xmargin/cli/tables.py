"""Tables of views for people, within 120 columns: plain functions from messages to renderables."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from xmargin.cli import formats
from xmargin.cli.sheet import Cell, Sheet
from xmargin.model import address_of, chain_of, kind_of
from xmargin.v1 import margin_report_pb2 as pb
from xmargin.v1 import observation_pb2

Healths = Sequence[pb.PortfolioHealth]


# --- What a view rests on ----------------------------------------------------------------------


def view_line(metadata: pb.ViewMetadata, now_ms: int) -> Text:
    """One line that names the view, so that it can be found on the tape again."""
    age_ms = max(0, now_ms - metadata.now_ms)
    line = Text("xmargin", "bold")
    line.append(f"  observation {metadata.tape_sequence:,}", "")
    line.append(f"  snapshot {formats.short_hash(metadata.snapshot_hash)}", formats.CALM)
    line.append(f"  {metadata.parameter_name} {metadata.parameter_version}", formats.CALM)
    line.append(f"  engine {metadata.engine_version}", formats.CALM)
    line.append(f"  {formats.age(age_ms)} old")
    if metadata.partial:
        line.append("  PARTIAL", formats.BAD)
    return line


def chains_table(metadata: pb.ViewMetadata) -> Sheet:
    """Per chain: what was read, how final and how old it is, and whether it can be counted on."""
    headings = ("chain", "state", "block>", "finality", "age>")
    return Sheet("chains", headings, [_chain_row(chain) for chain in metadata.as_of])


def _chain_row(chain: pb.ChainAsOf) -> list[Cell]:
    condition = formats.condition(chain.condition)
    if not chain.HasField("block"):
        return [chain.name, condition, "-", "-", "-"]
    finality = observation_pb2.Finality.Name(chain.finality)
    return [
        chain.name,
        condition,
        f"{chain.block.height:,}",
        formats.words(finality, "FINALITY_"),
        formats.age(chain.head_age_ms),
    ]


def prices_table(metadata: pb.ViewMetadata) -> Sheet:
    """Per base: the mark, what the guards say, and the age of the oldest quote behind it."""
    headings = ("price", "USD>", "verdict", "age>", "feeds>")
    return Sheet("prices", headings, [_price_row(price) for price in metadata.prices])


def _price_row(price: pb.JudgedPrice) -> list[Cell]:
    refused = price.verdict == pb.VERDICT_REFUSE
    return [
        price.base,
        "-" if refused else formats.price(formats.decimal(price.mark)),
        formats.verdict(price.verdict),
        "-" if refused else formats.age(price.price_age_ms),
        str(len(price.quotes)),
    ]


def flags_text(flags: Sequence[str]) -> RenderableType:
    """Every flag on lines of its own; nothing where there is none."""
    return Group(*(Text(f"! {flag}", formats.UNSURE) for flag in flags))


def heading(metadata: pb.ViewMetadata, now_ms: int) -> Group:
    """What a view rests on: its name, chains beside prices, flags."""
    beside = Table.grid(padding=(0, 6))
    beside.add_row(chains_table(metadata), prices_table(metadata))
    return Group(view_line(metadata, now_ms), "", beside, flags_text(metadata.flags), "")


# --- Portfolios --------------------------------------------------------------------------------


def portfolios_table(healths: Healths, left_out: int = 0) -> Sheet:
    """One row a portfolio: the unified truth, and each venue account's health factor beside it."""
    headings = (
        *("portfolio~", "status", "equity>", "required>", "excess>", "health>"),
        *("at venues", "worst scenario~"),
    )
    note = f"and {left_out} more that stand better" if left_out else ""
    rows = [_portfolio_row(health) for health in healths]
    return Sheet("portfolios, USD at maintenance margin", headings, rows, note)


def _portfolio_row(health: pb.PortfolioHealth) -> list[Cell]:
    return [
        Text(health.portfolio),
        _status(health),
        formats.money(_optional(health, "equity")),
        formats.money(_optional(health, "maintenance_margin")),
        formats.money(_optional(health, "maintenance_excess")),
        formats.health_factor(_optional(health, "health_factor")),
        _venue_factors(health),
        Text(health.worst_scenario or "-", formats.CALM),
    ]


def _status(health: pb.PortfolioHealth) -> Text:
    shown = formats.status(health.status)
    if health.partial:
        shown.append(" partial", formats.UNSURE)
    elif health.verdict not in (pb.VERDICT_OK, pb.VERDICT_UNSPECIFIED):
        shown.append(" ").append_text(formats.verdict(health.verdict))
    return shown


def _optional(health: pb.PortfolioHealth, field: str) -> Decimal | None:
    return Decimal(getattr(health, field).value) if health.HasField(field) else None  # type: ignore[arg-type]


def _venue_factors(health: pb.PortfolioHealth) -> Text:
    """The venue accounts' health factors in account order; ``?`` where one could not be read."""
    factors = [
        Text("?", formats.UNSURE) if account.fault else formats.health_factor(formats.wad(account))
        for account in health.accounts
    ]
    if all(factor.plain == "-" for factor in factors):
        return Text("-", formats.CALM)
    return Text(" · ", formats.CALM).join(factors)


# --- One portfolio in full -----------------------------------------------------------------------


def portfolio_detail(health: pb.PortfolioHealth, chain_names: Mapping[str, str]) -> Group:
    """Everything of one portfolio: its figures, its venue accounts, its positions, its flags."""
    parts: list[RenderableType] = [_figures(health), ""]
    if health.components:
        parts += [components_table(health), ""]
    if health.accounts:
        parts += [_accounts_table(health, chain_names), ""]
    if health.positions:
        parts += [_positions_table(health, chain_names), ""]
    return Group(*parts, flags_text(health.flags))


def _figures(health: pb.PortfolioHealth) -> Sheet:
    headings = (
        *("status", "equity>", "collateral>", "initial>", "excess>"),
        *("maintenance>", "excess>", "health>", "worst scenario~"),
    )
    money = (
        *("equity", "collateral_value", "initial_margin", "initial_excess"),
        *("maintenance_margin", "maintenance_excess"),
    )
    row: list[Cell] = [
        _status(health),
        *(formats.money(_optional(health, name)) for name in money),
        formats.health_factor(_optional(health, "health_factor")),
        Text(health.worst_scenario or "-", formats.CALM),
    ]
    return Sheet(f"{health.portfolio}, USD  {health.label}".rstrip(), headings, [row])


def components_table(health: pb.PortfolioHealth) -> Sheet:
    """What makes the requirements; what is nothing in both is left out of the rows."""
    rows: list[list[Cell]] = []
    for component in health.components:
        parts = [formats.decimal(component.maintenance), formats.decimal(component.initial)]
        if any(parts):
            name = Text(component.name.replace("_", " "))
            rows.append([name, *(formats.money(part) for part in parts)])
        if component.name == "scenario_loss" and len(health.scenario_losses) > 1:
            rows += [_scenario_loss_row(loss) for loss in health.scenario_losses]
    total = ("maintenance_margin", "initial_margin")
    rows.append([Text("required"), *(formats.money(_optional(health, name)) for name in total)])
    taken = _optional(health, "oracle_confidence")
    notes = [health.scenario_note] if health.scenario_note else []
    if taken:
        notes.append(f"oracle confidence has taken {formats.money(taken)} from the collateral")
    headings = ("component", "maintenance>", "initial>")
    return Sheet("what the requirements are made of", headings, rows, "; ".join(notes))


def _scenario_loss_row(loss: pb.MarginComponent) -> list[Cell]:
    """One of those that the scenario loss is the worse of, set in below it."""
    name = {"grid": "of the grid", "historical_es": "of historical ES"}.get(loss.name, loss.name)
    parts = (formats.decimal(loss.maintenance), formats.decimal(loss.initial))
    amounts = (Text(str(formats.money(part)), formats.CALM) for part in parts)
    return [Text(f"  {name}", formats.CALM), *amounts]


def _accounts_table(health: pb.PortfolioHealth, chain_names: Mapping[str, str]) -> Sheet:
    headings = (
        *("venue~", "account", "status", "collateral>", "debt>", "threshold>", "health>"),
        "fault~",
    )
    rows = [_account_row(account, chain_names) for account in health.accounts]
    return Sheet("accounts by their venue's own rules, in its base currency", headings, rows)


def _account_row(account: pb.AccountHealth, chain_names: Mapping[str, str]) -> list[Cell]:
    unit = Decimal(10) ** account.base_decimals
    return [
        venue_name(account.account, chain_names),
        formats.short_address(address_of(account.account)),
        formats.status(account.status),
        formats.money(Decimal(account.collateral_base) / unit),
        formats.money(Decimal(account.debt_base) / unit),
        f"{account.liquidation_threshold_bps / 100:.2f} %",
        formats.health_factor(formats.wad(account)),
        Text(account.fault, formats.UNSURE),
    ]


def _positions_table(health: pb.PortfolioHealth, chain_names: Mapping[str, str]) -> Sheet:
    headings = (
        *("where~", "token~", "amount>", "value>", "collateral>"),
        *("maintenance>", "initial>", "counting"),
    )
    rows = [_position_row(position, chain_names) for position in health.positions]
    return Sheet("positions, USD, and their parts in the margins", headings, rows)


def _position_row(position: pb.PositionHealth, chain_names: Mapping[str, str]) -> list[Cell]:
    owed = position.side == pb.POSITION_SIDE_DEBT
    quantity = "?"  # the token does not say its decimals
    if position.HasField("amount"):
        quantity = formats.amount(formats.decimal(position.amount))
    counting = formats.words(pb.Counting.Name(position.counting), "COUNTING_")
    value = formats.decimal(position.value) if position.HasField("value") else None
    return [
        venue_name(position.account, chain_names),
        position.symbol,
        Text(f"-{quantity}" if owed else quantity),
        formats.signed_money(value),
        formats.signed_money(formats.decimal(position.collateral_value)),
        formats.signed_money(formats.decimal(position.maintenance_contribution)),
        formats.signed_money(formats.decimal(position.initial_contribution)),
        Text(counting, "" if position.counting == pb.COUNTING_COUNTED else formats.UNSURE),
    ]


def venue_name(account: str, chain_names: Mapping[str, str]) -> str:
    """An account's venue and chain, for people."""
    chain = chain_of(account)
    return f"{kind_of(account)} {chain_names.get(chain, chain)}"


def chain_names(metadata: pb.ViewMetadata) -> dict[str, str]:
    """The short name of each chain by its id."""
    return {chain.chain: chain.name for chain in metadata.as_of}
