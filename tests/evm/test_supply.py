"""How much of a token there is, and what an escrow holds, are the contracts' own words."""

from dataclasses import replace
from decimal import Decimal

import pytest

from tests.evm.harness import CHAIN, follow, settings, with_tokens
from xmargin.model import SupplySpec, TokenBalance, TokenSupply
from xmargin.testbed.evm_chain import EvmChain
from xmargin.testbed.world import Testbed

pytestmark = pytest.mark.chains


async def test_supply_and_escrow_are_read_at_every_block(testbed: Testbed, core: EvmChain) -> None:
    address = core.aave.tokens["USDC"].address.lower()
    token = f"{CHAIN}/erc20:{address}"
    nobody = f"{CHAIN}/erc20:0x{'de' * 20}"
    escrow = f"wallet@{CHAIN}/0x{'5a' * 20}"
    _, watched = settings(testbed)
    registry = with_tokens(watched, "0x" + "de" * 20)
    specs = (SupplySpec(token, 1, 1, 0, escrow, token), SupplySpec(nobody, 1, 1))
    contract = core.aave.tokens["USDC"]
    async with follow(testbed, registry=replace(registry, supplies=specs)) as followed:
        for minted in (0, 5):
            if minted:
                admin = core.node.admin
                await core.node.send([core.aave.mint("USDC", "0x" + "5a" * 20, Decimal(5), admin)])
            block = await followed.caught_up(testbed)
            facts = followed.facts()
            supply = await contract.functions.totalSupply().call(block_identifier=block)
            assert facts["supply", token] == TokenSupply(token, supply, "")
            assert facts["balance", escrow, token] == TokenBalance(
                escrow, token, minted * 10**6, ""
            )
            unread = facts["supply", nobody]
            assert isinstance(unread, TokenSupply)
            assert unread.fault
