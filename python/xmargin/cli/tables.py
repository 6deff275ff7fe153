"""Tables of views for people, within 120 columns: plain functions from messages to renderables."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from xmargin.cli import formats
from xmargin.model import address_of, chain_of, kind_of
from xmargin.v1 import liquidation_service_pb2 as liquidation_pb
from xmargin.v1 import margin_report_pb2 as pb
from xmargin.v1 import observation_pb2

Healths = Sequence[pb.PortfolioHealth]
Order = Sequence[liquidation_pb.LiquidationEntry]

_REASONS_SHOWN_MAX = 60


def _table(title: str, *columns: str) -> Table:
    """A calm table; a heading that ends in ``>`` is of a right-aligned, unbroken column."""
    table = Table(
        title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD, padding=(0, 1)
    )
    for column in columns:
        number = column.endswith(">")
        table.add_column(
            column.removesuffix(">"),
            justify="right" if number else "left",
            no_wrap=True,
            overflow="ellipsis",
        )
    return table


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


def chains_table(metadata: pb.ViewMetadata) -> Table:
    """Per chain: what was read, how final and how old it is, and whether it can be counted on."""
    table = _table("chains", "chain", "state", "block>", "finality", "age>")
    for chain in metadata.as_of:
        read = chain.HasField("block")
        finality = observation_pb2.Finality.Name(chain.finality)
        table.add_row(
            chain.name,
            formats.condition(chain.condition),
            f"{chain.block.height:,}" if read else "-",
            formats.words(finality, "FINALITY_") if read else "-",
            formats.age(chain.head_age_ms) if read else "-",
        )
    return table


def prices_table(metadata: pb.ViewMetadata) -> Table:
    """Per base: the mark, what the guards say, and the age of the oldest quote behind it."""
    table = _table("prices, USD", "base", "mark>", "verdict", "age>", "feeds>")
    for price in metadata.prices:
        refused = price.verdict == pb.VERDICT_REFUSE
        table.add_row(
            price.base,
            Text("-") if refused else formats.price(formats.decimal(price.mark)),
            formats.verdict(price.verdict),
            Text("-") if refused else formats.age(price.price_age_ms),
            str(len(price.quotes)),
        )
    return table


def flags_text(flags: Sequence[str]) -> RenderableType:
    """Every flag on lines of its own; nothing where there is none."""
    return Group(*(Text(f"! {flag}", formats.UNSURE) for flag in flags))


def heading(metadata: pb.ViewMetadata, now_ms: int) -> Group:
    """What a view rests on: its name, chains beside prices, flags."""
    beside = Table.grid(padding=(0, 4))
    beside.add_row(chains_table(metadata), prices_table(metadata))
    return Group(view_line(metadata, now_ms), beside, flags_text(metadata.flags))


# --- Portfolios --------------------------------------------------------------------------------


def portfolios_table(healths: Healths, left_out: int = 0) -> Table:
    """One row a portfolio: the unified truth, and each venue account's health factor beside it."""
    table = _table(
        "portfolios, USD",
        *("portfolio", "status", "equity>", "maint. margin>", "excess>"),
        *("health>", "at venues", "worst scenario"),
    )
    for health in healths:
        table.add_row(
            Text(health.portfolio),
            _status(health),
            formats.money(_optional(health, "equity")),
            formats.money(_optional(health, "maintenance_margin")),
            formats.money(_optional(health, "maintenance_excess")),
            formats.health_factor(_optional(health, "health_factor")),
            _venue_factors(health),
            Text(health.worst_scenario or "-", formats.CALM),
        )
    if left_out:
        table.caption = f"and {left_out} more that stand better"
        table.caption_justify = "left"
    return table


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
    return Text(" · ", formats.CALM).join(factors)


# --- One portfolio in full -----------------------------------------------------------------------


def portfolio_detail(health: pb.PortfolioHealth, chain_names: Mapping[str, str]) -> Group:
    """Everything of one portfolio: its figures, its venue accounts, its positions, its flags."""
    parts: list[RenderableType] = [_figures(health)]
    if health.accounts:
        parts.append(_accounts_table(health, chain_names))
    if health.positions:
        parts.append(_positions_table(health, chain_names))
    parts.append(flags_text(health.flags))
    return Group(*parts)


def _figures(health: pb.PortfolioHealth) -> Table:
    table = _table(
        f"{health.portfolio}  {health.label}".rstrip(),
        *("status", "equity>", "collateral>", "initial margin>", "excess>"),
        *("maint. margin>", "excess>", "health>", "worst scenario"),
    )
    names = ("equity", "collateral_value", "initial_margin", "initial_excess")
    maintenance = ("maintenance_margin", "maintenance_excess")
    table.add_row(
        _status(health),
        *(formats.money(_optional(health, name)) for name in (*names, *maintenance)),
        formats.health_factor(_optional(health, "health_factor")),
        Text(health.worst_scenario or "-", formats.CALM),
    )
    return table


def _accounts_table(health: pb.PortfolioHealth, chain_names: Mapping[str, str]) -> Table:
    table = _table(
        "venue accounts, in the venue's base currency",
        *("venue", "account", "status", "collateral>", "debt>", "threshold>", "health>", "fault"),
    )
    for account in health.accounts:
        unit = Decimal(10) ** account.base_decimals
        table.add_row(
            _venue_name(account.account, chain_names),
            formats.short_address(address_of(account.account)),
            formats.status(account.status),
            formats.money(Decimal(account.collateral_base) / unit),
            formats.money(Decimal(account.debt_base) / unit),
            f"{account.liquidation_threshold_bps / 100:.2f} %",
            formats.health_factor(formats.wad(account)),
            Text(account.fault, formats.UNSURE),
        )
    return table


def _positions_table(health: pb.PortfolioHealth, chain_names: Mapping[str, str]) -> Table:
    table = _table(
        "positions, USD",
        *("where", "token", "amount>", "value>", "as collateral>"),
        *("maint. part>", "initial part>", "counting"),
    )
    for position in health.positions:
        owed = position.side == pb.POSITION_SIDE_DEBT
        quantity = formats.amount(formats.decimal(position.amount))
        counting = formats.words(pb.Counting.Name(position.counting), "COUNTING_")
        table.add_row(
            _venue_name(position.account, chain_names),
            position.symbol,
            Text(f"-{quantity.plain}" if owed else quantity.plain),
            formats.money(formats.decimal(position.value) if position.HasField("value") else None),
            formats.money(formats.decimal(position.collateral_value)),
            formats.signed_money(formats.decimal(position.maintenance_contribution)),
            formats.signed_money(formats.decimal(position.initial_contribution)),
            Text(counting, "" if position.counting == pb.COUNTING_COUNTED else formats.UNSURE),
        )
    return table


def _venue_name(account: str, chain_names: Mapping[str, str]) -> str:
    chain = chain_of(account)
    return f"{kind_of(account)} {chain_names.get(chain, chain)}"


def chain_names(metadata: pb.ViewMetadata) -> dict[str, str]:
    """The short name of each chain by its id."""
    return {chain.chain: chain.name for chain in metadata.as_of}


# --- The order -----------------------------------------------------------------------------------


def order_table(entries: Order, names: Mapping[str, str], left_out: int = 0) -> RenderableType:
    """The liquidation order, first to liquidate on top."""
    if not entries:
        return Text("liquidation order: nothing is liquidatable", formats.GOOD)
    table = _table(
        "liquidation order",
        *("#>", "portfolio", "what", "health>", "shortfall>", "debt>", "why"),
    )
    for entry in entries:
        has_factor = entry.HasField("health_factor")
        factor = formats.decimal(entry.health_factor) if has_factor else None
        table.add_row(
            str(entry.rank),
            entry.portfolio,
            _venue_name(entry.account, names) if entry.account else "the whole portfolio",
            formats.health_factor(factor),
            formats.money(formats.decimal(entry.shortfall)),
            formats.money(formats.decimal(entry.debt)),
            Text(entry.reason[:_REASONS_SHOWN_MAX], formats.CALM),
        )
    if left_out:
        table.caption = f"and {left_out} more after these"
        table.caption_justify = "left"
    return table
