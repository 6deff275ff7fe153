"""What the testbed's owners were built to show is what the health view says of them."""

from decimal import Decimal
from pathlib import Path

import pytest

from tests.chains.running import healths, running
from xmargin.model import Counting, Finality, HealthStatus, LiquidationKind, Verdict
from xmargin.testbed.portfolios import Kind, Whole
from xmargin.testbed.world import Testbed


async def test_each_owner_is_as_a_whole_what_it_was_built_to_be(
    testbed: Testbed, tmp_path: Path
) -> None:
    async with running(testbed, tmp_path / "a.tape") as xmargin:
        view = await xmargin.caught_up(testbed)
    said = healths(view)
    for portfolio in testbed.portfolios:
        health = said[portfolio.id]
        assert not health.partial, health.flags
        assert health.verdict is Verdict.OK
        excess = health.maintenance_excess
        assert excess is not None
        if portfolio.whole is Whole.SOUND:
            assert excess >= 0, portfolio.id
        if portfolio.whole is Whole.SHORT:
            assert excess < 0, portfolio.id
        owed = any(account.debt_base for account in health.accounts)
        assert (health.status is HealthStatus.NO_DEBT) == (not owed), portfolio.id
        assert (health.health_factor is None) == (not owed), portfolio.id


async def test_the_view_tells_venue_danger_and_unified_danger_apart(
    testbed: Testbed, tmp_path: Path
) -> None:
    async with running(testbed, tmp_path / "a.tape") as xmargin:
        view = await xmargin.caught_up(testbed)
    entries = view.liquidations()
    accounts = {e.portfolio for e in entries if e.kind is LiquidationKind.VENUE_ACCOUNT}
    portfolios = {e.portfolio for e in entries if e.kind is LiquidationKind.PORTFOLIO}
    kinds = {p.id: p.kind for p in testbed.portfolios}
    at_venue = {p.id for p in testbed.portfolios if p.liquidatable_on}
    assert accounts == at_venue
    sound_but_liquidatable = {p for p, k in kinds.items() if k is Kind.VENUE_LIQUIDATABLE}
    short_though_sound = {p for p, k in kinds.items() if k is Kind.SHORT_AS_A_WHOLE}
    assert sound_but_liquidatable
    assert sound_but_liquidatable <= accounts - portfolios
    assert short_though_sound
    assert short_though_sound <= portfolios - accounts
    assert [entry.rank for entry in entries] == list(range(1, len(entries) + 1))


async def test_contributions_sum_to_the_whole(testbed: Testbed, tmp_path: Path) -> None:
    async with running(testbed, tmp_path / "a.tape") as xmargin:
        view = await xmargin.caught_up(testbed)
    for health in healths(view).values():
        assert health.maintenance_margin is not None
        assert health.collateral_value is not None
        parts = sum((p.maintenance_contribution for p in health.positions), Decimal(0))
        assert float(parts) == pytest.approx(float(health.maintenance_margin), abs=1e-6)
        components = sum((c.maintenance for c in health.components), Decimal(0))
        assert float(components) == pytest.approx(float(health.maintenance_margin), abs=1e-6)
        values = sum((p.collateral_value for p in health.positions), Decimal(0))
        assert float(values) == pytest.approx(float(health.collateral_value), abs=1e-6)


async def test_an_atoken_is_counted_once(testbed: Testbed, tmp_path: Path) -> None:
    async with running(testbed, tmp_path / "a.tape") as xmargin:
        view = await xmargin.caught_up(testbed)
    health = view.health("p25-atokens-received")
    claims = [p for p in health.positions if p.counting is Counting.LOOKED_THROUGH]
    assert claims, "the owner's wallet holds aTokens"
    assert all(p.collateral_value == 0 for p in claims)
    supplied = sum((p.amount or Decimal(0)) for p in health.positions if p.symbol == "WETH")
    assert Decimal("19.9") < supplied < Decimal("20.2"), "15 supplied, 5 received, once each"


async def test_wallets_are_what_the_chains_say(testbed: Testbed, tmp_path: Path) -> None:
    async with running(testbed, tmp_path / "a.tape") as xmargin:
        view = await xmargin.caught_up(testbed)
    for portfolio in testbed.portfolios:
        positions = view.health(portfolio.id).positions
        for chain in testbed.evm.values():
            held = await chain.w3.eth.get_balance(
                chain.w3.to_checksum_address(portfolio.evm_address)
            )
            ours = [
                p.amount or Decimal(0)
                for p in positions
                if p.token == f"{chain.id}/slip44:60" and p.account.startswith("wallet@")
            ]
            assert sum(ours, Decimal(0)) == Decimal(held).scaleb(-18), portfolio.id
        for symbol, amount in portfolio.solana.items():
            ours = [
                p.amount or Decimal(0)
                for p in positions
                if p.symbol == symbol and "solana:" in p.account
            ]
            assert sum(ours, Decimal(0)) == amount, (portfolio.id, symbol)


async def test_every_figure_says_what_it_is_as_of(testbed: Testbed, tmp_path: Path) -> None:
    async with running(testbed, tmp_path / "a.tape") as xmargin:
        view = await xmargin.caught_up(testbed)
    assert {c.chain for c in view.metadata.as_of} == {*testbed.evm, testbed.solana.chain}
    for chain in view.metadata.as_of:
        assert chain.block is not None
        assert chain.block.time_s > 0
        assert chain.finality in Finality
        assert chain.head_age_ms < 15_000
    assert {price.base for price in view.metadata.prices} >= {"ETH", "BTC", "USDC", "SOL"}
    assert all(price.price_age_ms >= 0 for price in view.metadata.prices)
    assert len(view.metadata.snapshot_hash) == 64
