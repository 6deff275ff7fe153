"""Claims: every holding is followed to its leaf, each counted once; what circles counts nothing."""

import itertools
import math
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest
from eth_utils.crypto import keccak
from hypothesis import given
from hypothesis import strategies as st

from tests.chains.running import running_on
from tests.evm_venues.reads import access_at, all_facts, registry_of
from tests.evm_venues.vault_cases import (
    ANN,
    BEN,
    PRICE,
    Vaults,
    config,
    deploy_vaults,
    deposit,
    earn,
    sent,
)
from xmargin.config import parse_config
from xmargin.engine.claims import STEPS_MAX, claim_graph
from xmargin.errors import DecodeError
from xmargin.model import Counting, PositionSide, VenueRecord, VenueSetting, VenueSpec
from xmargin.model.claims import CLAIM_RECORD, TokenClaim
from xmargin.records import market_fault, market_record
from xmargin.testbed import solidity
from xmargin.testbed.anvil import Anvil
from xmargin.testbed.morpho import MorphoMarketSpec, TokenSpec, deploy_morpho, market_id
from xmargin.testbed.script import Script
from xmargin.testbed.venue_packages import OPENZEPPELIN
from xmargin.testbed.world import Testbed
from xmargin.venues import claims
from xmargin.view import View


@pytest.fixture
async def vaults(anvil: Anvil) -> Vaults:
    made = await deploy_vaults(anvil)
    await deposit(made, ANN, 10**19 + 7, 3 * 10**18 + 1)
    await deposit(made, BEN, 4 * 10**18 + 3, 10**18)
    await earn(made, made.inner, 123_456_789_012_345_678)
    await earn(made, made.outer, 10**17 + 11)
    return made


async def weth_of(vaults: Vaults, owner: str) -> int:
    """What an owner's shares come to, as the vaults themselves convert them."""
    inner, outer = vaults.inner.functions, vaults.outer.functions
    direct = await inner.convertToAssets(await inner.balanceOf(owner).call()).call()
    shares = await outer.convertToAssets(await outer.balanceOf(owner).call()).call()
    through = await inner.convertToAssets(shares).call()
    bare = await vaults.weth.functions.balanceOf(owner).call()
    return int(direct + through + bare)


def leaves(view: View, portfolio: str = "everyone") -> int:
    """Units of WETH that are counted."""
    counted = [p for p in view.health(portfolio).positions if p.counting is Counting.COUNTED]
    amounts = [position.amount for position in counted]
    return sum(int(amount.scaleb(18)) for amount in amounts if amount is not None)


async def test_cl1_shares_of_vaults_of_vaults_count_as_what_they_come_to(
    vaults: Vaults, tmp_path: Path
) -> None:
    tape = tmp_path / "a.tape"
    accounts = [vaults.wallet(owner) for owner in (ANN, BEN)]
    tokens = [vaults.weth, vaults.inner, vaults.outer]
    async with running_on(config(vaults, tape, accounts, tokens), tape) as xmargin:
        for gain in (1, 10**18, 10**15 + 3):
            await earn(vaults, vaults.inner, gain)
            view = await xmargin.at_block(vaults.node.chain, await vaults.node.block_number())
            said = sum([await weth_of(vaults, owner) for owner in (ANN, BEN)])
            counted = leaves(view)
            assert said - 4 <= counted <= said, "never more, and a unit a share less at most"
            value = Decimal(counted).scaleb(-18) * PRICE
            equity = view.health("everyone").equity
            assert equity is not None
            assert abs(equity - value) < Decimal("0.00001")


async def test_cl2_a_vault_that_is_watched_beside_its_holder_is_counted_once(
    vaults: Vaults, tmp_path: Path
) -> None:
    tape = tmp_path / "a.tape"
    accounts = [vaults.wallet(ANN), vaults.wallet(vaults.inner.address)]
    tokens = [vaults.weth, vaults.inner, vaults.outer]
    async with running_on(config(vaults, tape, accounts, tokens), tape) as xmargin:
        view = await xmargin.at_block(vaults.node.chain, await vaults.node.block_number())
    locked = await vaults.weth.functions.balanceOf(vaults.inner.address).call()
    assert leaves(view) == locked


async def test_cl3_vaults_of_each_other_are_excluded_and_said_to_be(
    vaults: Vaults, tmp_path: Path
) -> None:
    node, tape = vaults.node, tmp_path / "a.tape"
    head, tail = vaults.snake
    slot = keccak(bytes(12) + bytes.fromhex(ANN[2:]) + bytes(32))
    # Nobody can be the first to pay in, so the balance is written where OpenZeppelin keeps it.
    shares = [head.address, "0x" + slot.hex(), "0x" + (10**18).to_bytes(32, "big").hex()]
    await node.rpc("anvil_setStorageAt", *shares)
    await node.mine()
    assert await head.functions.balanceOf(ANN).call() == 10**18
    spec = VenueSpec(
        f"claims@{node.chain}", "claims", "",
        (VenueSetting("erc4626", head.address.lower()),
         VenueSetting("erc4626", tail.address.lower())),
    )  # fmt: skip
    access = access_at(node, await node.block_number())
    facts = await all_facts(claims, spec, registry_of(node, spec, []), access)
    graph = claim_graph([fact for fact in facts if isinstance(fact, VenueRecord)])
    assert graph.leaves == {}
    for token in (head, tail):
        assert "leads back to itself" in graph.faults[vaults.id_of(token)]
    tokens = [vaults.weth, vaults.inner, vaults.outer, head]
    async with running_on(config(vaults, tape, [vaults.wallet(ANN)], tokens), tape) as xmargin:
        view = await xmargin.at_block(node.chain, await node.block_number())
    said = await weth_of(vaults, ANN)
    assert said - 2 <= leaves(view) <= said
    assert any("leads back to itself" in reason for reason in view.health("everyone").flags)


async def test_cl4_a_share_pledged_at_another_venue_is_followed_too(
    vaults: Vaults, tmp_path: Path
) -> None:
    node, inner = vaults.node, vaults.inner
    spec = MorphoMarketSpec("WETH", "USDC", 86 * 10**16)
    prices = {"WETH": TokenSpec(18, Decimal(2_500)), "USDC": TokenSpec(6, Decimal(1))}
    morpho = await deploy_morpho(node, prices, (spec,))
    loan, _, oracle, irm, lltv = morpho.markets[0]
    params = (loan, inner.address, oracle, irm, lltv)
    pledged = 10**18 + 1
    await node.send(
        [
            morpho.on_morpho(node.admin, "createMarket", params),
            sent(ANN, inner, "approve", morpho.morpho.address, 2**255),
            morpho.on_morpho(ANN, "supplyCollateral", params, pledged, ANN, b""),
        ]
    )
    venue = f"morpho-blue@{node.chain}"
    row = {"id": venue, "kind": "morpho-blue", "addresses_provider": morpho.morpho.address.lower()}
    account = f"{venue}/{ANN.lower()}/{market_id(params)[2:]}"
    accounts = [vaults.wallet(ANN), account]
    tokens = [vaults.weth, inner, vaults.outer, morpho.tokens["USDC"]]
    tape = tmp_path / "a.tape"
    async with running_on(config(vaults, tape, accounts, tokens, [row]), tape) as xmargin:
        view = await xmargin.at_block(node.chain, await node.block_number())
    of_pledged = await inner.functions.convertToAssets(pledged).call()
    said = of_pledged + await weth_of(vaults, ANN)
    assert said - 3 <= leaves(view) <= said
    ours = [p for p in view.health("everyone").positions if p.account == account]
    assert [p.counting for p in ours] == [Counting.LOOKED_THROUGH, Counting.COUNTED]


async def test_cl9_an_atoken_in_a_vault_counts_for_the_vaults_holder_and_the_rest_at_the_venue(
    testbed: Testbed, tmp_path: Path
) -> None:
    chain = next(iter(testbed.evm.values()))
    node, owner = chain.node, testbed.portfolios[0]
    a_token = await chain.aave.a_token("WETH")
    code = solidity.compiled(OPENZEPPELIN, "Vaults.sol", ("Vault",))["Vault"]
    script = await Script.begin(node, node.admin)
    vault = script.deploy(code, a_token.address, "vault of aWETH")
    await script.run()
    address, ten = owner.evm_address, Decimal(10)
    await node.send(
        [
            chain.aave.mint("WETH", address, ten, node.admin),
            chain.aave.approve("WETH", address),
            chain.aave.supply("WETH", ten, address, address),
            sent(address, a_token, "approve", vault.address, 2**255),
            sent(address, vault, "deposit", 4 * 10**18, address),
        ]
    )
    tape, share = tmp_path / "a.tape", f"{node.chain}/erc20:{vault.address.lower()}"
    more = f"""
[[venues]]
id = "claims@{node.chain}"
kind = "claims"
[venues.settings]
erc4626 = "{vault.address.lower()}"
[[tokens]]
id = "{share}"
symbol = "vWETH"
asset = "ETH"
price = "ETH"
"""
    async with running_on(parse_config(testbed.config_toml(tape=tape) + more), tape) as xmargin:
        view = await xmargin.caught_up(testbed)
    block = await node.block_number()
    shares = await vault.functions.balanceOf(address).call()
    in_vault = await vault.functions.convertToAssets(shares).call(block_identifier=block)
    supplied = await a_token.functions.balanceOf(address).call(block_identifier=block)
    weth = f"{node.chain}/erc20:{chain.aave.tokens['WETH'].address.lower()}"
    counted = {
        (p.account.split("@")[0], p.token): int(p.amount.scaleb(18))
        for p in view.health(owner.id).positions
        if p.counting is Counting.COUNTED and p.amount is not None and node.chain in p.account
        if p.side is PositionSide.ASSET
    }
    a_weth = f"{node.chain}/erc20:{a_token.address.lower()}"
    assert in_vault - 1 <= counted["wallet", a_weth] <= in_vault
    assert counted["aave-v3", weth] == supplied
    assert ("wallet", share) not in counted


async def test_cl10_rates_and_twins_are_named_in_settings_and_what_is_malformed_is_refused(
    vaults: Vaults,
) -> None:
    node, vault, weth = vaults.node, vaults.inner.address.lower(), vaults.weth.address.lower()
    access = access_at(node, await node.block_number())

    async def read(name: str, value: str) -> VenueRecord:
        spec = VenueSpec(f"claims@{node.chain}", "claims", "", (VenueSetting(name, value),))
        [fact] = await all_facts(claims, spec, registry_of(node, spec, []), access)
        assert isinstance(fact, VenueRecord)
        return fact

    as_rate = await read("rates", f"{vault}:convertToAssets(uint256):{weth}")
    assert as_rate == await read("erc4626", vault)
    native = "eip155:1/erc20:0x" + "ab" * 20
    twin = claim_graph([await read("bridged", f"{weth}:{native}:0x{'cd' * 20}")])
    assert twin.leaves[vaults.id_of(vaults.weth)].custodians == (f"eip155:1/0x{'cd' * 20}",)
    for name, value in (
        ("erc4626", weth),
        ("erc4626", "0x12"),
        ("rates", f"{vault}:convertToAssets():{weth}"),
        ("rates", vault),
        ("bridged", f"{weth}:{native}"),
        ("bridged", weth),
    ):
        with pytest.raises(DecodeError):
            await read(name, value)


# --- The graph alone ------------------------------------------------------------------------------

TOKENS = [f"eip155:1/erc20:0x{number:040x}" for number in range(12)]


def edge(
    token: str, into: str, assets: int = 1, shares: int = 1, *, kept: bool = False
) -> VenueRecord:
    """A claim as it is read."""
    custodian = f"eip155:1/{token.rsplit(':', 1)[1]}"
    claim = TokenClaim(token, into, assets, shares, custodian, kept)
    return market_record("claims@eip155:1", CLAIM_RECORD, token, claim)


class Watched:
    """One owner who also watches some custodians."""

    def __init__(self, *others: str) -> None:
        self.watched_beside = {"owner": frozenset(others)}


@given(
    st.lists(
        st.tuples(st.integers(0, 11), st.integers(1, 10**30), st.integers(1, 10**30)),
        min_size=12, max_size=12,
    )
)  # fmt: skip
def test_cl5_every_claim_has_its_leaf_at_the_product_of_rates_or_circles(
    edges: list[tuple[int, int, int]],
) -> None:
    targets = {TOKENS[n]: TOKENS[into] for n, (into, _, _) in enumerate(edges) if n % 4}
    facts = [
        edge(TOKENS[n], TOKENS[into], assets, shares)
        for n, (into, assets, shares) in enumerate(edges)
        if n % 4
    ]
    graph = claim_graph(facts)
    rates = {TOKENS[n]: Fraction(assets, shares) for n, (_, assets, shares) in enumerate(edges)}
    assert graph.leaves.keys() | graph.faults.keys() == targets.keys()
    for token in targets:
        at, path = token, []
        for _ in range(len(TOKENS)):
            if at not in targets:
                break
            path.append(rates[at])
            at = targets[at]
        if at in targets:
            assert "leads back to itself" in graph.faults[token]
        else:
            leaf = graph.leaves[token]
            assert (leaf.token, leaf.rates) == (at, tuple(path))
            whole = math.prod(path) * 10**20
            assert leaf.units(10**20) <= whole


@given(st.integers(-(10**30), 10**30), st.integers(1, 10**20), st.integers(1, 10**20))
def test_cl6_what_is_owned_is_rounded_down_and_what_is_owed_up(
    amount: int, assets: int, shares: int
) -> None:
    [a, b, *_] = TOKENS
    leaf = claim_graph([edge(a, b, assets, shares)]).leaves[a]
    exact = Fraction(amount * assets, shares)
    assert leaf.units(amount) <= exact < leaf.units(amount) + 1


def test_cl7_a_bridged_twin_keeps_its_own_risk_and_is_not_counted_beside_its_lock() -> None:
    [twin, native, *_] = TOKENS
    graph = claim_graph([edge(twin, native, kept=True)])
    through = [False, False]
    assert graph.followed([twin, native], [5, 7], ["owner"] * 2, Watched(), through) == []
    assert through == [False, False]
    lock = graph.leaves[twin].custodians[0]
    assert graph.followed([twin, native], [5, 7], ["owner"] * 2, Watched(lock), through) == []
    assert through == [True, False]


def test_cl8_a_claim_on_what_cannot_be_read_is_at_fault_with_it() -> None:
    [a, b, c, *_] = TOKENS
    broken = market_fault("claims@eip155:1", CLAIM_RECORD, b, "convertToAssets() failed")
    graph = claim_graph([edge(a, b), broken, edge(c, a)])
    assert graph.leaves == {}
    assert all("convertToAssets() failed" in graph.faults[token] for token in (a, b, c))


@pytest.mark.parametrize(
    ("assets", "shares"), [(2**256, 1), (-1, 1), (1, 0), (1, -1), (2**256, 2**256), (2**128, 1)]
)
def test_cl11_a_rate_that_no_contract_can_have_is_at_fault(assets: int, shares: int) -> None:
    [a, b, *_] = TOKENS
    graph = claim_graph([edge(a, b, assets, shares)])
    assert graph.leaves == {}
    assert graph.faults[a].startswith(f"{a} says that")


def test_cl12_units_never_leave_256_bits_and_never_in_the_holders_favour() -> None:
    [a, b, *_] = TOKENS
    leaf = claim_graph([edge(a, b, 2**128 - 1)]).leaves[a]
    assert leaf.units(2**128) == 2**128 * (2**128 - 1)
    assert leaf.units(2**129) == 0
    assert leaf.units(-(2**129)) == -(2**256 - 1)


@pytest.mark.parametrize("is_circle", [False, True])
def test_cl13_ten_thousand_claims_in_a_row_or_a_circle_are_refused_at_once(
    is_circle: bool,
) -> None:
    tokens = [f"eip155:1/erc20:0x{number:040x}" for number in range(10_001)]
    facts = [edge(one, into) for one, into in itertools.pairwise(tokens)]
    if is_circle:
        facts.append(edge(tokens[-1], tokens[0]))
    graph = claim_graph(facts)
    near = 0 if is_circle else STEPS_MAX
    assert len(graph.leaves) == near
    assert len(graph.faults) == len(facts) - near
    assert max(map(len, graph.faults.values())) < 200
