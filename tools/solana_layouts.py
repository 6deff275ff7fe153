"""Make the tables of ``xmargin.venues.layouts`` from the programs' IDLs, or hold them against it.

``python tools/solana_layouts.py generate`` (or ``check``). The IDLs come from pinned npm packages;
what is wanted of each account stands below, by its path in the IDL and its name with us.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from xmargin.errors import XmarginError
from xmargin.testbed import packages
from xmargin.testbed.packages import Package
from xmargin.venues.anchor_idl import Idl, Wanted
from xmargin.venues.solana_layout import AccountLayout, Field, Rows

ROOT = Path(__file__).resolve().parent.parent
COMMITTED = ROOT / "python/xmargin/venues/layouts"


@dataclass(frozen=True, slots=True)
class Program:
    """A program: where its IDL is, and what is wanted of which accounts."""

    title: str
    address: str
    package: Package
    idl: str
    accounts: Mapping[str, Wanted]


def same(*names: str) -> dict[str, str]:
    """Fields that keep their names."""
    return {name: name for name in names}


def under(prefix: str, *names: str) -> dict[str, str]:
    """Fields of a structure that lose its name."""
    return {f"{prefix}.{name}": name for name in names}


_DRIFT_USER: Final[Wanted] = {
    **same("authority", "delegate", "name", "sub_account_id", "status", "margin_mode", "pool_id"),
    **same("max_margin_ratio", "is_margin_trading_enabled"),
    **same("total_deposits", "total_withdraws", "settled_perp_pnl"),
    "spot_positions": same(
        "market_index", "balance_type", "scaled_balance", "open_bids", "open_asks", "open_orders"
    ),
    "perp_positions": same(
        *("market_index", "base_asset_amount", "quote_asset_amount", "quote_entry_amount"),
        *("quote_break_even_amount", "settled_pnl", "last_cumulative_funding_rate"),
        *("open_bids", "open_asks", "open_orders", "lp_shares"),
        *("isolated_position_scaled_balance", "position_flag", "max_margin_ratio"),
    ),
}
_DRIFT_SPOT_MARKET: Final[Wanted] = {
    **same("pubkey", "oracle", "oracle_source", "mint", "name", "market_index", "decimals"),
    **same("status", "asset_tier", "pool_id", "deposit_balance", "borrow_balance"),
    **same("cumulative_deposit_interest", "cumulative_borrow_interest", "last_interest_ts"),
    **same("initial_asset_weight", "maintenance_asset_weight"),
    **same("initial_liability_weight", "maintenance_liability_weight", "imf_factor"),
    **same("scale_initial_asset_weight_start", "liquidator_fee", "if_liquidation_fee"),
    "historical_oracle_data.last_oracle_price_twap5min": "last_oracle_price_twap_5min",
}
_DRIFT_PERP_MARKET: Final[Wanted] = {
    **same("pubkey", "name", "market_index", "status", "contract_type", "contract_tier"),
    **same("pool_id", "quote_spot_market_index", "expiry_price", "imf_factor"),
    **same("margin_ratio_initial", "margin_ratio_maintenance"),
    **same("high_leverage_margin_ratio_initial", "high_leverage_margin_ratio_maintenance"),
    **same("unrealized_pnl_initial_asset_weight", "unrealized_pnl_maintenance_asset_weight"),
    **same("unrealized_pnl_imf_factor", "unrealized_pnl_max_imbalance"),
    **same("liquidator_fee", "if_liquidation_fee"),
    **under("amm", "oracle", "oracle_source", "order_step_size", "quote_asset_amount"),
    **under("amm", "cumulative_funding_rate_long", "cumulative_funding_rate_short"),
    **under("amm", "base_asset_amount_with_amm", "base_asset_amount_with_unsettled_lp"),
    **under("amm", "quote_asset_amount_with_unsettled_lp", "net_unsettled_funding_pnl"),
    "amm.historical_oracle_data.last_oracle_price": "last_oracle_price",
}

_DRIFT_LAZER_ORACLE: Final[Wanted] = same(
    "price", "publish_time", "posted_slot", "exponent", "conf"
)
_DRIFT_PRELAUNCH_ORACLE: Final[Wanted] = same("price", "confidence", "last_update_slot")

_MARGINFI_ACCOUNT: Final[Wanted] = {
    **same("group", "authority", "account_flags"),
    "lending_account.balances": same(
        "active", "bank_pk", "bank_asset_tag", "asset_shares", "liability_shares"
    ),
}
_MARGINFI_BANK: Final[Wanted] = {
    **same("mint", "mint_decimals", "group", "asset_share_value", "liability_share_value"),
    **same("liquidity_vault", "liquidity_vault_bump", "last_update", "flags"),
    **same("total_asset_shares", "total_liability_shares"),
    **under("config", "asset_weight_init", "asset_weight_maint"),
    **under("config", "liability_weight_init", "liability_weight_maint"),
    **under("config", "operational_state", "oracle_setup", "risk_tier", "asset_tag"),
    **under("config", "total_asset_value_init_limit", "oracle_max_age", "oracle_max_confidence"),
    **under("config", "deposit_limit", "borrow_limit", "fixed_price"),
    "config.oracle_keys": "oracle_keys",
    "emode.emode_tag": "emode_tag",
    "emode.flags": "emode_flags",
    "emode.emode_config.entries": same(
        "collateral_bank_emode_tag", "flags", "asset_weight_init", "asset_weight_maint"
    ),
}

_KLEND_OBLIGATION: Final[Wanted] = {
    **same("tag", "lending_market", "owner", "elevation_group", "has_debt", "borrowing_disabled"),
    **same("deposited_value_sf", "borrow_factor_adjusted_debt_value_sf"),
    **same("borrowed_assets_market_value_sf", "allowed_borrow_value_sf"),
    **same("unhealthy_borrow_value_sf", "autodeleverage_target_ltv_pct"),
    "last_update.slot": "last_update_slot",
    "last_update.stale": "is_stale",
    "deposits": same("deposit_reserve", "deposited_amount", "market_value_sf"),
    "borrows": {
        **same("borrow_reserve", "borrowed_amount_sf", "market_value_sf"),
        "cumulative_borrow_rate_bsf.value": "cumulative_borrow_rate_bsf",
        "borrow_factor_adjusted_market_value_sf": "adjusted_market_value_sf",
    },
}
_KLEND_RESERVE: Final[Wanted] = {
    **same("version", "lending_market"),
    "last_update.slot": "last_update_slot",
    "last_update.stale": "is_stale",
    "last_update.price_status": "price_status",
    "liquidity.mint_pubkey": "mint",
    **under("liquidity", "supply_vault", "total_available_amount", "borrowed_amount_sf"),
    **under("liquidity", "market_price_sf", "market_price_last_updated_ts", "mint_decimals"),
    "liquidity.cumulative_borrow_rate_bsf.value": "cumulative_borrow_rate_bsf",
    **under("liquidity", "accumulated_protocol_fees_sf", "accumulated_referrer_fees_sf"),
    **under("liquidity", "pending_referrer_fees_sf"),
    "collateral.mint_total_supply": "collateral_mint_total_supply",
    **under("config", "status", "loan_to_value_pct", "liquidation_threshold_pct"),
    **under("config", "borrow_factor_pct", "elevation_groups"),
    **under("config", "disable_usage_as_coll_outside_emode", "host_fixed_interest_rate_bps"),
    **under("config", "protocol_take_rate_pct", "min_liquidation_bonus_bps"),
    **under("config", "max_liquidation_bonus_bps", "bad_debt_liquidation_bonus_bps"),
    "config.token_info.name": "name",
    "config.borrow_rate_curve.points": same("utilization_rate_bps", "borrow_rate_bps"),
}
_KLEND_MARKET: Final[Wanted] = {
    **same("version", "lending_market_owner", "quote_currency", "emergency_mode", "name"),
    **same("autodeleverage_enabled", "borrow_disabled", "price_refresh_trigger_to_max_age_pct"),
    **same("insolvency_risk_unhealthy_ltv_pct", "min_net_value_in_obligation_sf"),
    **same("global_allowed_borrow_value"),
    "elevation_groups": same(
        *("id", "ltv_pct", "liquidation_threshold_pct", "max_liquidation_bonus_bps"),
        *("allow_new_loans", "max_reserves_as_collateral", "debt_reserve"),
    ),
}

PROGRAMS: Final = {
    "drift_v2": Program(
        "Drift v2",
        "dRiftyHA39MWEi3m9aunc5MzRF1JYuBsbn6VPcn33UH",
        packages.DRIFT_SDK,
        "src/idl/drift.json",
        {
            "User": _DRIFT_USER,
            "SpotMarket": _DRIFT_SPOT_MARKET,
            "PerpMarket": _DRIFT_PERP_MARKET,
            "PythLazerOracle": _DRIFT_LAZER_ORACLE,
            "PrelaunchOracle": _DRIFT_PRELAUNCH_ORACLE,
        },
    ),
    "marginfi_v2": Program(
        "marginfi v2",
        "MFv2hWf31Z9kbCa1snEPYctwafyhdvnV7FZnsebVacA",
        packages.MARGINFI_CLIENT,
        "dist/idl/marginfi_0.1.8.json",
        {"MarginfiAccount": _MARGINFI_ACCOUNT, "Bank": _MARGINFI_BANK},
    ),
    "kamino": Program(
        "Kamino Lend",
        "KLend2g3cP87fffoy8q1mQqGKjrxjC8boSyAYavgmjD",
        packages.KLEND_SDK,
        "dist/idl/klend.json",
        {
            "Obligation": _KLEND_OBLIGATION,
            "Reserve": _KLEND_RESERVE,
            "LendingMarket": _KLEND_MARKET,
        },
    ),
}


def layouts(program: Program) -> list[AccountLayout]:
    """The tables of a program's accounts, from its IDL."""
    idl = Idl(json.loads((packages.fetch(program.package) / program.idl).read_text()))
    return [idl.layout(program.address, name, wanted) for name, wanted in program.accounts.items()]


def module(program: Program) -> str:
    """The Python module of a program's tables."""
    made = layouts(program)
    classes = ["AccountLayout", "Field", *(["Rows"] if any(one.rows for one in made) else [])]
    lines = [
        f'"""Where the fields of {program.title} lie, by the IDL in {program.package.spec}.',
        "",
        "Generated by `python tools/solana_layouts.py generate`; never edited.",
        '"""',
        "",
        f"from xmargin.venues.solana_layout import {', '.join(classes)}",
        "",
        f'PROGRAM = "{program.address}"',
    ]
    for layout in made:
        lines += ["", *_written(layout)]
    return _formatted("\n".join(lines) + "\n")


def _written(layout: AccountLayout) -> list[str]:
    constant = "".join(f"_{c}" if c.isupper() else c.upper() for c in layout.name).lstrip("_")
    return [
        f"{constant} = AccountLayout(",
        "program=PROGRAM,",
        f'name="{layout.name}",',
        f'discriminator=bytes.fromhex("{layout.discriminator.hex()}"),',
        f"length={layout.length},",
        f"fields=({_fields(layout.fields)}),",
        f"rows=({''.join(_rows(rows) for rows in layout.rows)}),",
        ")",
    ]


def _rows(rows: Rows) -> str:
    place = f'"{rows.name}", at={rows.at}, count={rows.count}, stride={rows.stride}'
    return f"Rows({place}, fields=({_fields(rows.fields)})),"


def _fields(fields: tuple[Field, ...]) -> str:
    return "".join(f"{_field(each)}," for each in fields)


def _field(field: Field) -> str:
    place = f'"{field.name}", "{field.kind}", {field.at}'
    if not field.variants:
        return f"Field({place})"
    names = ", ".join(f'"{name}"' for name in field.variants)
    return f"Field({place}, ({names}))"


def _formatted(source: str) -> str:
    command = [sys.executable, "-m", "ruff", "format", "--quiet", "--stdin-filename", "x.py", "-"]
    done = subprocess.run(
        command, input=source, check=True, capture_output=True, text=True, cwd=ROOT
    )
    return done.stdout


def main() -> int:
    """Write the tables, or say which differ from what the IDLs say."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("action", choices=("generate", "check"))
    action = parser.parse_args().action
    stale = []
    for name, program in PROGRAMS.items():
        path, made = COMMITTED / f"{name}.py", module(program)
        if action == "generate":
            path.write_text(made)
        elif not path.is_file() or path.read_text() != made:
            stale.append(name)
    if stale:
        print(f"not what the IDLs say: {', '.join(stale)}; run generate", file=sys.stderr)
    return bool(stale)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except XmarginError as error:
        print(error.message, file=sys.stderr)
        sys.exit(1)
