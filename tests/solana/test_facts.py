"""What the reader tells equals what the chain's own RPC says, and mistakes stay where they are."""

from dataclasses import replace
from decimal import Decimal

import pytest
from solders.keypair import Keypair
from solders.pubkey import Pubkey
from solders.system_program import CreateAccountParams, create_account
from spl.token.constants import MINT_LEN, TOKEN_2022_PROGRAM_ID, TOKEN_PROGRAM_ID
from spl.token.instructions import (
    create_idempotent_associated_token_account,
    freeze_account,
    get_associated_token_address,
    initialize_mint2,
    mint_to,
)
from spl.token.models import FreezeAccountParams, InitializeMint2Params, MintToParams

from tests.following import now_ms
from tests.solana.harness import (
    Followed,
    account_of,
    follow,
    registry_of,
    token_of,
    wallet_key,
)
from xmargin.model import (
    ChainHead,
    Condition,
    Fact,
    FeedRound,
    Observation,
    Registry,
    RiskParameters,
    TokenBalance,
    TokenSpec,
    TokenState,
    Verdict,
)
from xmargin.snapshot import cut
from xmargin.testbed import pyth
from xmargin.testbed.pyth import PriceUpdate
from xmargin.testbed.solana_vm import Holding, SolanaVm, deterministic_keypair

pytestmark = pytest.mark.chains
SYSTEM_PROGRAM = Pubkey.default()
PRICES_USD = {
    "SOL": Decimal("150.25"),
    "ETH": Decimal(2500),
    "BTC": Decimal("60000.5"),
    "USDC": Decimal(1),
    "PYUSD": Decimal("0.9998"),
}


async def fund(vm: SolanaVm, owner: Pubkey) -> None:
    await vm.give_sol({owner: Decimal("1.5")})
    amounts = {"soETH": "0.12345678", "USDC": "1234.567891", "PYUSD": "77.000001"}
    await vm.give_tokens([Holding(owner, s, Decimal(a)) for s, a in amounts.items()])


async def post_prices(vm: SolanaVm) -> None:
    await vm.post_prices(PRICES_USD, publish_time_s=now_ms() // 1000)


def update_of(
    base: str, price: int, confidence: int, posted_slot: int = 7, signatures: int | None = None
) -> PriceUpdate:
    return PriceUpdate(
        feed_id=pyth.FEED_IDS[base],
        price=price,
        confidence=confidence,
        publish_time_s=now_ms() // 1000,
        posted_slot=posted_slot,
        signatures=signatures,
        write_authority=bytes(pyth.feed_account(base)),
    )


async def test_balances_equal_what_the_rpc_itself_says_of_them(vm: SolanaVm) -> None:
    rich, empty = wallet_key("rich"), wallet_key("nobody")
    await fund(vm, rich)
    async with follow(vm, registry_of(vm, rich, empty)) as followed:
        await followed.told(Condition.OK)
    lamports = (await vm.client.get_balance(rich)).value
    assert followed.balance(rich, token_of(vm, "SOL")).amount == lamports == 1_500_000_000
    for symbol in ("soETH", "USDC", "PYUSD"):
        said = (await vm.client.get_token_account_balance(vm.token_account(rich, symbol))).value
        told = followed.balance(rich, token_of(vm, symbol))
        assert (told.amount, told.fault) == (int(said.amount), "")
        assert followed.token(token_of(vm, symbol)).decimals == said.decimals
        assert said.amount != "0"
    for symbol in ("SOL", "soETH", "USDC", "PYUSD"):
        told = followed.balance(empty, token_of(vm, symbol))
        assert (told.amount, told.fault) == (0, "")


async def test_a_pyth_update_becomes_a_round_and_then_an_accepted_price(vm: SolanaVm) -> None:
    await post_prices(vm)
    async with follow(vm, registry_of(vm)) as followed:
        await followed.told(Condition.OK)
        first = followed.feed("SOL")
        assert (first.answer, first.exponent, first.fault) == (150_25000000, -8, "")
        assert first.description == pyth.FEED_IDS["SOL"]
        update = update_of("SOL", 151_00000001, 5_00000, posted_slot=12_345)
        await vm.post_update("SOL", update)
        await followed.until(lambda: followed.feed("SOL").answer == 151_00000001)
        second = followed.feed("SOL")
        assert (second.round_id, second.confidence) == (12_345, 5_00000)
    followed.world.apply(Observation(RiskParameters("test", "1", "{}", ""), now_ms()))
    price = cut(followed.world).prices["SOL"]
    assert price.verdict is Verdict.OK
    assert (price.low, price.mark) == (Decimal("150.99500001"), Decimal("151.00000001"))


async def test_a_partially_verified_update_is_read_and_refused(vm: SolanaVm) -> None:
    await post_prices(vm)
    update = update_of("BTC", 60_000_00000000, 1, signatures=5)
    await vm.post_update("BTC", update)
    async with follow(vm, registry_of(vm)) as followed:
        await followed.told(Condition.OK)
    assert followed.feed("BTC").verification == "partial(5)"
    followed.world.apply(Observation(RiskParameters("test", "1", "{}", ""), now_ms()))
    prices = cut(followed.world).prices
    assert (prices["BTC"].verdict, prices["ETH"].verdict) == (Verdict.REFUSE, Verdict.OK)
    await post_prices(vm)


async def test_each_batch_is_one_slot_with_its_own_time_and_the_head_last(vm: SolanaVm) -> None:
    async with follow(vm, registry_of(vm, wallet_key("rich"))) as followed:
        await followed.slots(4)
    batches = [b for b in followed.batches if b[0].block is not None]
    slots = []
    for batch in batches:
        (block,) = {observation.block for observation in batch}
        assert block is not None
        assert [isinstance(o.fact, ChainHead) for o in batch] == [False] * (len(batch) - 1) + [True]
        head = batch[-1].fact
        assert isinstance(head, ChainHead)
        assert head.finalized_height <= head.safe_height == block.height
        said = (await vm.client.get_block_time(block.height)).value
        assert said is not None
        assert abs(block.time_s - said) <= 1
        slots.append(block.height)
    assert slots == sorted(set(slots))


def fault_of(fact: Fact) -> str:
    assert isinstance(fact, FeedRound | TokenBalance | TokenState)
    return fact.fault


# --- Mistakes -----------------------------------------------------------------------------------


async def broken_balances(vm: SolanaVm, registry: Registry) -> Followed:
    async with follow(vm, registry) as followed:
        await followed.told(Condition.OK)
    return followed


async def test_a_token_account_of_another_program_or_length_excludes_itself_alone(
    vm: SolanaVm,
) -> None:
    owner, sound = wallet_key("broken accounts"), wallet_key("sound")
    await fund(vm, owner)
    await fund(vm, sound)
    whole = (await vm.client.get_account_info(vm.token_account(owner, "USDC"))).value
    assert whole is not None
    await vm.set_account(vm.token_account(owner, "USDC"), TOKEN_2022_PROGRAM_ID, whole.data)
    await vm.set_account(vm.token_account(owner, "soETH"), TOKEN_PROGRAM_ID, whole.data[:100])
    followed = await broken_balances(vm, registry_of(vm, owner, sound))
    usdc, so_eth = (followed.balance(owner, token_of(vm, s)) for s in ("USDC", "soETH"))
    assert (usdc.amount, so_eth.amount) == (0, 0)
    assert "the token account is owned by TokenzQd" in usdc.fault
    assert "the token account has 100 bytes" in so_eth.fault
    assert followed.balance(owner, token_of(vm, "PYUSD")).fault == ""
    for symbol in ("USDC", "soETH"):
        assert followed.token(token_of(vm, symbol)).fault == ""
        assert followed.balance(sound, token_of(vm, symbol)).amount > 0


async def test_a_token_account_of_another_mint_is_excluded(vm: SolanaVm) -> None:
    owner = wallet_key("wrong mint")
    await fund(vm, owner)
    other = (await vm.client.get_account_info(vm.token_account(owner, "soETH"))).value
    assert other is not None
    await vm.set_account(vm.token_account(owner, "USDC"), TOKEN_PROGRAM_ID, other.data)
    followed = await broken_balances(vm, registry_of(vm, owner))
    assert "is of mint" in followed.balance(owner, token_of(vm, "USDC")).fault


async def test_an_account_frozen_by_the_real_token_program_is_excluded(vm: SolanaVm) -> None:
    owner = wallet_key("frozen")
    mint = deterministic_keypair("mint that can freeze")
    await create_freezable_mint(vm, mint)
    account = await mint_one(vm, owner, mint.pubkey())
    token = TokenSpec(f"{vm.chain}/token:{mint.pubkey()}", "ICE", "USD", "USDC")
    registry = registry_of(vm, owner, tokens=(token,))
    async with follow(vm, registry) as followed:
        await followed.told(Condition.OK)
        assert followed.balance(owner, token.id).amount == 1
        frozen = FreezeAccountParams(
            program_id=TOKEN_PROGRAM_ID,
            account=account,
            mint=mint.pubkey(),
            authority=vm.payer.pubkey(),
        )
        await vm.send([([freeze_account(frozen)], [])])
        await followed.until(lambda: followed.balance(owner, token.id).fault != "")
    assert followed.balance(owner, token.id).fault == "the token account is frozen"


async def create_freezable_mint(vm: SolanaVm, mint: Keypair) -> None:
    rent = (await vm.client.get_minimum_balance_for_rent_exemption(MINT_LEN)).value
    payer = vm.payer.pubkey()
    space = CreateAccountParams(
        from_pubkey=payer,
        to_pubkey=mint.pubkey(),
        lamports=rent,
        space=MINT_LEN,
        owner=TOKEN_PROGRAM_ID,
    )
    init = InitializeMint2Params(
        decimals=0,
        program_id=TOKEN_PROGRAM_ID,
        mint=mint.pubkey(),
        mint_authority=payer,
        freeze_authority=payer,
    )
    await vm.send([([create_account(space), initialize_mint2(init)], [mint])])


async def mint_one(vm: SolanaVm, owner: Pubkey, mint: Pubkey) -> Pubkey:
    account = get_associated_token_address(owner, mint, TOKEN_PROGRAM_ID)
    payer = vm.payer.pubkey()
    minted = MintToParams(
        program_id=TOKEN_PROGRAM_ID, mint=mint, dest=account, mint_authority=payer, amount=1
    )
    create = create_idempotent_associated_token_account(payer, owner, mint, TOKEN_PROGRAM_ID)
    await vm.send([([create, mint_to(minted)], [])])
    return account


async def test_a_mint_that_is_none_excludes_its_token_and_no_wallet(vm: SolanaVm) -> None:
    owner = wallet_key("fake mints")
    await fund(vm, owner)
    absent, fake, huge = (deterministic_keypair(f"fake {n}").pubkey() for n in range(3))
    await vm.set_account(fake, SYSTEM_PROGRAM, bytes(82))
    await vm.set_account(huge, TOKEN_PROGRAM_ID, bytes(44) + bytes([255, 1]) + bytes(36))
    tokens = [TokenSpec(f"{vm.chain}/token:{m}", "X", "X", "USDC") for m in (absent, fake, huge)]
    async with follow(vm, registry_of(vm, owner, tokens=tokens)) as followed:
        await followed.told(Condition.OK)
    faults = [followed.token(token.id).fault for token in tokens]
    assert faults[0] == "there is no mint at the token's address"
    assert faults[1].startswith(f"the mint is owned by {SYSTEM_PROGRAM}")
    assert faults[2] == "claims 255 decimals; at most 36 are believed"
    assert followed.balance(owner, token_of(vm, "USDC")).fault == ""
    assert followed.token(token_of(vm, "USDC")).fault == ""


async def test_addresses_that_are_no_keys_stop_nothing_else(vm: SolanaVm) -> None:
    owner = wallet_key("rich")
    registry = registry_of(vm, owner)
    # Base58 of the length the registry wants, but of 33 bytes: a node refuses the whole batch.
    bad = "z" * 44
    spoilt = replace(registry.portfolios[0], accounts=(f"wallet@{vm.chain}/{bad}",), id="p99999")
    token = TokenSpec(f"{vm.chain}/token:{bad}", "BAD", "X", "USDC")
    feed = replace(registry.feeds[0], id=f"pyth@{vm.chain}/{bad}")
    registry = replace(
        registry,
        portfolios=(*registry.portfolios, spoilt),
        tokens=(*registry.tokens, token),
        feeds=(*registry.feeds, feed),
    )
    async with follow(vm, registry) as followed:
        await followed.told(Condition.OK)
    facts = followed.facts()
    assert fault_of(facts["feed", feed.id]) != ""
    assert followed.token(token.id).fault != ""
    for sound in registry.tokens:
        assert fault_of(facts["balance", spoilt.accounts[0], sound.id]) != ""
    assert followed.balance(owner, token_of(vm, "SOL")).fault == ""
    assert account_of(vm, owner) in registry.portfolios[0].accounts
