"""Mints with extensions, made by the real Token-2022 program; instructions by their own bytes."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from solders.instruction import AccountMeta, Instruction
from solders.pubkey import Pubkey
from solders.system_program import ID as SYSTEM
from solders.system_program import CreateAccountParams, create_account
from spl.token.constants import TOKEN_2022_PROGRAM_ID
from spl.token.instructions import (
    create_idempotent_associated_token_account,
    get_associated_token_address,
    initialize_mint2,
    mint_to,
)
from spl.token.models import InitializeMint2Params, MintToParams

from xmargin.testbed.solana_vm import SolanaVm, deterministic_keypair

DECIMALS = 6
_BASE_BYTES, _HEADER_BYTES = 166, 4
NOBODY = bytes(32)
SOMEBODY = bytes(deterministic_keypair("somebody").pubkey())


@dataclass(frozen=True, slots=True)
class Extension:
    """What it adds to a mint, and the instruction that starts it."""

    length: int
    data: bytes


def _optional(key: bytes) -> bytes:
    return b"\x01" + key if any(key) else b"\x00"


def transfer_fee(bps: int, most: int, authority: bytes = NOBODY) -> Extension:
    keys = _optional(authority) + _optional(authority)
    return Extension(108, bytes([26, 0]) + keys + struct.pack("<HQ", bps, most))


def close_authority() -> Extension:
    return Extension(32, bytes([25]) + _optional(SOMEBODY))


def confidential() -> Extension:
    return Extension(65, bytes([27, 0]) + SOMEBODY + b"\x01" + NOBODY)


def default_state(state: int) -> Extension:
    return Extension(1, bytes([28, 0, state]))


def non_transferable() -> Extension:
    return Extension(0, bytes([32]))


def interest_bearing(rate_bps: int = 500) -> Extension:
    return Extension(52, bytes([33, 0]) + SOMEBODY + struct.pack("<h", rate_bps))


def permanent_delegate() -> Extension:
    return Extension(32, bytes([35]) + SOMEBODY)


def transfer_hook(authority: bytes = SOMEBODY, program: bytes = NOBODY) -> Extension:
    return Extension(64, bytes([36, 0]) + authority + program)


def metadata_pointer() -> Extension:
    return Extension(64, bytes([39, 0]) + SOMEBODY + SOMEBODY)


def group_pointer() -> Extension:
    return Extension(64, bytes([40, 0]) + SOMEBODY + SOMEBODY)


def member_pointer() -> Extension:
    return Extension(64, bytes([41, 0]) + SOMEBODY + SOMEBODY)


def scaled(multiplier: float = 3.0) -> Extension:
    return Extension(56, bytes([43, 0]) + SOMEBODY + struct.pack("<d", multiplier))


def pausable(authority: bytes = SOMEBODY) -> Extension:
    return Extension(33, bytes([44, 0]) + authority)


async def create(vm: SolanaVm, name: str, extensions: Sequence[Extension]) -> Pubkey:
    """A mint of the payer's, with its right to freeze."""
    key, payer = deterministic_keypair(f"mint {name}"), vm.payer.pubkey()
    space = _BASE_BYTES + sum(_HEADER_BYTES + one.length for one in extensions)
    rent = (await vm.client.get_minimum_balance_for_rent_exemption(space)).value
    steps = [
        create_account(
            CreateAccountParams(
                from_pubkey=payer,
                to_pubkey=key.pubkey(),
                lamports=rent,
                space=space if extensions else 82,
                owner=TOKEN_2022_PROGRAM_ID,
            )
        ),
        *(to_program(one.data, [writable(key.pubkey())]) for one in extensions),
        initialize_mint2(
            InitializeMint2Params(
                decimals=DECIMALS,
                program_id=TOKEN_2022_PROGRAM_ID,
                mint=key.pubkey(),
                mint_authority=payer,
                freeze_authority=payer,
            )
        ),
    ]
    await vm.send([(steps, [key])])
    return key.pubkey()


def to_program(data: bytes, accounts: list[AccountMeta]) -> Instruction:
    return Instruction(TOKEN_2022_PROGRAM_ID, data, accounts)


def writable(key: Pubkey) -> AccountMeta:
    return AccountMeta(key, is_signer=False, is_writable=True)


def signer(key: Pubkey) -> AccountMeta:
    return AccountMeta(key, is_signer=True, is_writable=False)


def account_of(owner: Pubkey, mint: Pubkey) -> Pubkey:
    return get_associated_token_address(owner, mint, TOKEN_2022_PROGRAM_ID)


async def give(vm: SolanaVm, mint: Pubkey, owner: Pubkey, amount: int) -> Pubkey:
    """Mint into the owner's associated account."""
    payer, holder = vm.payer.pubkey(), account_of(owner, mint)
    create_it = create_idempotent_associated_token_account(
        payer, owner, mint, TOKEN_2022_PROGRAM_ID
    )
    minted = mint_to(
        MintToParams(
            program_id=TOKEN_2022_PROGRAM_ID,
            mint=mint,
            dest=holder,
            mint_authority=payer,
            amount=amount,
        )
    )
    await vm.send([([create_it, minted], [])])
    return holder


async def send_from_payer(vm: SolanaVm, mint: Pubkey, owner: Pubkey, amount: int) -> None:
    """TransferChecked of the payer's tokens."""
    payer = vm.payer.pubkey()
    create_it = create_idempotent_associated_token_account(
        payer, owner, mint, TOKEN_2022_PROGRAM_ID
    )
    data = bytes([12]) + amount.to_bytes(8, "little") + bytes([DECIMALS])
    accounts = [
        writable(account_of(payer, mint)),
        AccountMeta(mint, is_signer=False, is_writable=False),
        writable(account_of(owner, mint)),
        signer(payer),
    ]
    await vm.send([([create_it, to_program(data, accounts)], [])])


async def pause(vm: SolanaVm, mint: Pubkey) -> None:
    """By the payer, its pausing authority."""
    accounts = [writable(mint), signer(vm.payer.pubkey())]
    await vm.send([([to_program(bytes([44, 1]), accounts)], [])])


async def set_fee(vm: SolanaVm, mint: Pubkey, bps: int, most: int) -> None:
    """By the payer: holds two epochs from now."""
    data = bytes([26, 5]) + struct.pack("<HQ", bps, most)
    await vm.send([([to_program(data, [writable(mint), signer(vm.payer.pubkey())])], [])])


async def require(vm: SolanaVm, holder: Pubkey, extension: int, instruction: int) -> None:
    """Room for an extension of the payer's account, and to switch it on."""
    payer = vm.payer.pubkey()
    paying = AccountMeta(payer, is_signer=True, is_writable=True)
    system = AccountMeta(SYSTEM, is_signer=False, is_writable=False)
    room = to_program(
        bytes([29]) + extension.to_bytes(2, "little"),
        [writable(holder), paying, system, signer(payer)],
    )
    enable = to_program(bytes([instruction, 0]), [writable(holder), signer(payer)])
    await vm.send([([room, enable], [])])
