"""What Token-2022 extensions cost a holder: mints of the real program, and bytes of nobody."""

import struct
from decimal import Decimal
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st
from solders.pubkey import Pubkey

from tests.solana import mints_2022 as mints
from tests.solana.harness import Followed, follow, registry_of, wallet_key
from xmargin import records
from xmargin.errors import DecodeError
from xmargin.model import TokenBalance, TokenSpec, VenueRecord
from xmargin.model.token_terms import TOKEN_TERMS_RECORD, TokenTerms
from xmargin.testbed.solana_vm import SolanaVm
from xmargin.venues import token_2022
from xmargin.venues.solana_wallet import TOKEN_2022_PROGRAM

NOTHING = TokenTerms(0, 0, 0, ())
DELEGATE = "a permanent delegate may take it: 1000 bps haircut"
HOOK = "a program may be put before its transfers: 500 bps haircut"
PAUSE = "its transfers may be paused: 500 bps haircut"

# Extensions, and what is told of the token: terms, or why it is excluded.
MADE: dict[str, tuple[list[mints.Extension], TokenTerms | str]] = {
    "bare": ([], NOTHING),
    "fee": (
        [mints.transfer_fee(125, 5_000)],
        TokenTerms(125, 5_000, 0, ("transfer fee 125 bps, at most 5000",)),
    ),
    "no fee yet": ([mints.transfer_fee(0, 5_000)], TokenTerms(0, 5_000, 0, ())),
    "all is fee": (
        [mints.transfer_fee(10_000, 2**64 - 1)],
        TokenTerms(10_000, 2**64 - 1, 0, (f"transfer fee 10000 bps, at most {2**64 - 1}",)),
    ),
    "harmless": (
        [mints.close_authority(), mints.metadata_pointer(), mints.group_pointer()],
        NOTHING,
    ),
    "member": ([mints.member_pointer()], NOTHING),
    "confidential": ([mints.confidential()], NOTHING),
    "delegate": ([mints.permanent_delegate()], TokenTerms(0, 0, 1_000, (DELEGATE,))),
    "hook to come": ([mints.transfer_hook()], TokenTerms(0, 0, 500, (HOOK,))),
    "hook": (
        [mints.transfer_hook(program=mints.SOMEBODY)],
        "a program of its own decides on each transfer of the mint",
    ),
    "no hook ever": ([mints.transfer_hook(authority=mints.NOBODY, program=mints.SOMEBODY)], "hook"),
    "pausable": ([mints.pausable()], TokenTerms(0, 0, 500, (PAUSE,))),
    "frozen": ([mints.default_state(2)], "new accounts of the mint are frozen"),
    "not frozen": ([mints.default_state(1)], NOTHING),
    "soulbound": ([mints.non_transferable()], "the mint cannot be transferred"),
    "interest": ([mints.interest_bearing()], "accrues interest outside its balances"),
    "scaled": ([mints.scaled()], "scales its balances by a multiplier"),
    "many": (
        [mints.permanent_delegate(), mints.transfer_fee(10, 7), mints.pausable()],
        TokenTerms(10, 7, 1_000, ("transfer fee 10 bps, at most 7", DELEGATE, PAUSE)),
    ),
}
MADE["no hook ever"] = (MADE["no hook ever"][0], MADE["hook"][1])


def spec_of(vm: SolanaVm, mint: Pubkey) -> TokenSpec:
    return TokenSpec(f"{vm.chain}/token:{mint}", "T", "SOL", "SOL", program=TOKEN_2022_PROGRAM)


def terms(followed: Followed, token: str) -> TokenTerms | None:
    key = ("venue-record", f"wallet@{followed.vm.chain}", TOKEN_TERMS_RECORD, token)
    fact = followed.world.facts("venue-record").get(key)
    return records.read(fact, TokenTerms) if isinstance(fact, VenueRecord) else None


async def test_mints_of_the_real_program_tell_their_terms(vm: SolanaVm) -> None:
    made = {name: await mints.create(vm, name, one) for name, (one, _) in MADE.items()}
    specs = {name: spec_of(vm, mint) for name, mint in made.items()}
    owner = wallet_key("of many mints")
    registry = registry_of(vm, owner, tokens=tuple(specs.values()))
    async with follow(vm, registry) as followed:
        await followed.slots(2)
        for name, (_, expected) in MADE.items():
            state = followed.token(specs[name].id)
            if isinstance(expected, str):
                assert expected in state.fault, name
                assert terms(followed, specs[name].id) is None
            else:
                assert (state.fault, state.decimals) == ("", mints.DECIMALS), name
                assert terms(followed, specs[name].id) == expected, name


def holds(followed: Followed, owner: Pubkey, token: str, amount: int) -> bool:
    return followed.balance(owner, token).amount == amount


async def test_what_arrives_is_what_the_terms_say(vm: SolanaVm) -> None:
    payer, receiver = vm.payer.pubkey(), wallet_key("receiver of fees")
    mint = await mints.create(vm, "fee sent", [mints.transfer_fee(37, 5_000)])
    await mints.give(vm, mint, payer, 10**12)
    of_mint = TokenTerms(37, 5_000, 0, ())
    spec = spec_of(vm, mint)
    arrived = 0
    async with follow(vm, registry_of(vm, receiver, tokens=(spec,))) as followed:
        for amount in (1, 270, 271, 999_999, 1_351_351, 1_351_352, 10**9):
            await mints.send_from_payer(vm, mint, receiver, amount)
            arrived += of_mint.received(amount)
            assert of_mint.received(of_mint.sent(amount)) >= amount
            await followed.until(partial(holds, followed, receiver, spec.id, arrived))


async def test_a_new_fee_holds_from_its_epoch_on_and_a_pause_at_once(vm: SolanaVm) -> None:
    authority = bytes(vm.payer.pubkey())
    fee = await mints.create(vm, "fee set", [mints.transfer_fee(10, 100, authority)])
    await mints.set_fee(vm, fee, 900, 10_000)
    paused = await mints.create(vm, "to pause", [mints.pausable(authority)])
    specs = [spec_of(vm, fee), spec_of(vm, paused)]
    async with follow(vm, registry_of(vm, wallet_key("nobody"), tokens=specs)) as followed:
        await followed.slots(2)
        told = terms(followed, specs[0].id)
        assert told is not None
        assert (told.transfer_fee_bps, told.transfer_fee_max) == (10, 100)
        assert followed.token(specs[1].id).fault == ""
        await mints.pause(vm, paused)
        await followed.until(
            lambda: followed.token(specs[1].id).fault == "transfers of the mint are paused"
        )
    account = await vm.client.get_account_info(fee)
    assert account.value is not None
    data = bytes(account.value.data)
    epoch = (await vm.client.get_epoch_info()).value.epoch
    for at, bps in ((epoch, 10), (epoch + 1, 10), (epoch + 2, 900), (None, 900)):
        later = token_2022.terms_of_mint(data, 82, at)
        assert later is not None
        assert later.transfer_fee_bps == bps, at


async def test_guards_of_an_account_do_not_hide_what_is_in_it(vm: SolanaVm) -> None:
    payer = vm.payer.pubkey()
    mint = await mints.create(vm, "guarded", [mints.permanent_delegate()])
    holder = await mints.give(vm, mint, payer, 777)
    for extension, instruction in ((8, 30), (11, 34)):  # memo, CPI guard
        await mints.require(vm, holder, extension, instruction)
    soulbound = await mints.create(vm, "bound", [mints.non_transferable()])
    await mints.give(vm, soulbound, payer, 5)
    specs = [spec_of(vm, mint), spec_of(vm, soulbound)]
    async with follow(vm, registry_of(vm, payer, tokens=specs)) as followed:
        await followed.slots(2)
        assert followed.balance(payer, specs[0].id).amount == 777
        bound = followed.balance(payer, specs[1].id)
    assert bound == TokenBalance(bound.account, specs[1].id, 0, bound.fault)
    assert bound.fault == "the token account cannot be transferred"


# --- Bytes --------------------------------------------------------------------------------------


def extended(*extensions: tuple[int, bytes]) -> bytes:
    bare = bytes(36) + bytes(8) + bytes([6, 1]) + bytes(36)
    tail = b"".join(struct.pack("<HH", kind, len(one)) + one for kind, one in extensions)
    return bare.ljust(165, b"\0") + b"\x01" + tail


@given(st.integers(0, 65_535), st.binary(max_size=200))
def test_an_extension_that_is_not_known_or_not_of_its_length_refuses(
    kind: int, content: bytes
) -> None:
    data = extended((kind, content))
    try:
        found = token_2022.terms_of_mint(data, 82, 0)
    except DecodeError:
        return
    assert found is None or kind in range(1, 29)
    assert kind <= 28


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (extended((29, b"")), "has extension 29, which is not known here"),
        (extended((65_535, b"x")), "has extension 65535"),
        (extended((2, bytes(8))), "has extension 2"),
        (extended((12, bytes(31))), "extension 12 of the mint has 31 bytes, not 32"),
        (extended((12, bytes(32)), (12, bytes(32))), "says extension 12 twice"),
        (extended((24, bytes(196))), "hides how much of it there is"),
        (extended((1, bytes(106) + b"\x11\x27")), "a transfer fee of 10001 bps is more than all"),
        (extended((6, b"\x00")), "new accounts of the mint are frozen"),
    ],
)
def test_bytes_that_no_program_made_are_refused_by_name(data: bytes, why: str) -> None:
    with pytest.raises(DecodeError, match=why):
        token_2022.terms_of_mint(data, 82, 0)


@given(
    st.integers(0, 10_000),
    st.integers(0, 2**64 - 1),
    st.integers(0, 2**64 - 1),
)
def test_what_is_sent_for_a_debt_always_pays_it(bps: int, most: int, amount: int) -> None:
    of_token = TokenTerms(bps, most, 0, ())
    assert 0 <= of_token.received(amount) <= amount
    assert of_token.received(of_token.sent(amount)) >= amount
    assert of_token.sent(amount) <= amount + most
    assert of_token.haircut == Decimal(0)
