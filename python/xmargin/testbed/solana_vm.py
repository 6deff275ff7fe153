"""One local Solana chain: Surfpool's VM with RPC and WebSocket, run by node.

Mints, token accounts and transfers are made by the real programs. `set_account` writes an account
outright, for what no program here can make.
"""

import asyncio
import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Self, TypeVar

from solana.rpc.async_api import AsyncClient
from solana.rpc.commitment import Processed
from solana.rpc.jsonrpc import JsonRpcRequest
from solana.rpc.models import TxOpts
from solders.instruction import Instruction
from solders.keypair import Keypair
from solders.message import MessageV0
from solders.pubkey import Pubkey
from solders.signature import Signature
from solders.system_program import CreateAccountParams, TransferParams, create_account, transfer
from solders.transaction import VersionedTransaction
from spl.token import instructions as spl
from spl.token import models as spl_models
from spl.token.constants import MINT_LEN, TOKEN_2022_PROGRAM_ID, TOKEN_PROGRAM_ID

from xmargin.testbed import packages, pyth
from xmargin.testbed.errors import TransactionError
from xmargin.testbed.processes import ChildProcess
from xmargin.testbed.pyth import PriceUpdate

LAMPORTS_PER_SOL = 10**9
START_TIMEOUT_S = 30.0
_SCRIPT = Path(__file__).with_name("surfnet.js")
_CONFIRM_TIMEOUT_S = 30.0
_CONFIRM_POLL_S = 0.02
_PAYER_AIRDROP_SOL = 500_000
_HOLDINGS_PER_TRANSACTION = 5
_TRANSFERS_PER_TRANSACTION = 12


@dataclass(frozen=True, slots=True)
class MintSpec:
    """A token to create: the program it belongs to, its price's base symbol, its asset."""

    symbol: str
    decimals: int
    program: Pubkey
    price: str
    asset: str


MINTS = (
    MintSpec("soETH", 8, TOKEN_PROGRAM_ID, "ETH", "ETH"),
    MintSpec("USDC", 6, TOKEN_PROGRAM_ID, "USDC", "USDC"),
    MintSpec("PYUSD", 6, TOKEN_2022_PROGRAM_ID, "PYUSD", "PYUSD"),
)


@dataclass(frozen=True, slots=True)
class Holding:
    """So much of a token for one owner."""

    owner: Pubkey
    symbol: str
    amount: Decimal


_T = TypeVar("_T")


class _Request(JsonRpcRequest):
    """A JSON-RPC request of any method."""


def deterministic_keypair(name: str) -> Keypair:
    """The same keypair for the same name, on every machine."""
    return Keypair.from_seed(hashlib.sha256(f"xmargin testbed solana {name}".encode()).digest())


class SolanaVm:
    """A running Solana VM on free loopback ports."""

    def __init__(self, process: ChildProcess, http_url: str, ws_url: str, payer: Keypair) -> None:
        self.process = process
        self.http_url = http_url
        self.ws_url = ws_url
        self.payer = payer
        self.client = AsyncClient(http_url, commitment=Processed)
        self.chain = ""
        self._mints = {spec.symbol: spec for spec in MINTS}

    @classmethod
    async def start(cls, *, slot_time_ms: int = 400) -> Self:
        """Start a VM with the mints of `MINTS` created and a rich payer.

        Raises:
            SetupError: node, the package or the process is not to be had.
        """
        node = packages.node_path()
        package = packages.surfpool_package()
        folder = await asyncio.to_thread(packages.fetch, package)
        process, ready = await ChildProcess.start(
            "surfpool",
            [node, str(_SCRIPT), str(folder / package.members[0]), str(slot_time_ms)],
            ready=r'^\{"http".*\}$',
            timeout_s=START_TIMEOUT_S,
        )
        said = json.loads(ready[0])
        payer = Keypair.from_bytes(bytes(said["payer"]))
        vm = cls(process, said["http"], said["ws"], payer)
        try:
            await vm._prepare()
        except BaseException:
            await vm.stop()
            raise
        return vm

    async def _prepare(self) -> None:
        genesis_hash = str((await self.client.get_genesis_hash()).value)
        self.chain = f"solana:{genesis_hash[:32]}"
        await self.client.request_airdrop(
            self.payer.pubkey(), _PAYER_AIRDROP_SOL * LAMPORTS_PER_SOL
        )
        await self._create_mints()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def stop(self) -> None:
        """End the VM."""
        await self.client.close()
        await self.process.stop()

    def pause(self) -> None:
        """Freeze the VM: it keeps its connections and answers nothing."""
        self.process.pause()

    def resume(self) -> None:
        """Let a frozen VM go on."""
        self.process.resume()

    async def rpc(self, method: str, *params: Any) -> Any:
        """One JSON-RPC call; returns its result.

        Raises:
            TransactionError: the VM answered with an error.
        """
        answer = await self.client.send_rpc_request(
            _Request(method=method, params=list(params)), object
        )
        if isinstance(answer, dict) and "error" in answer:
            raise TransactionError(f"{method}: {json.dumps(answer['error'])}")
        return answer

    async def slot(self) -> int:
        """The newest slot (processed)."""
        return int((await self.client.get_slot(Processed)).value)

    async def set_account(self, address: Pubkey, owner: Pubkey, data: bytes) -> None:
        """Write an account outright, rent paid."""
        lamports = (len(data) + 128) * 6960
        await self.rpc(
            "surfnet_setAccount",
            str(address),
            {"lamports": lamports, "data": data.hex(), "owner": str(owner), "executable": False},
        )

    async def set_balances_lamports(self, balances_lamports: Mapping[Pubkey, int]) -> None:
        """Set SOL balances outright."""
        for owner, lamports in balances_lamports.items():
            await self.rpc("surfnet_setAccount", str(owner), {"lamports": lamports})

    async def post_prices(self, prices_usd: Mapping[str, Decimal], publish_time_s: int) -> None:
        """Write a fresh, fully verified Pyth update for each base symbol given."""
        slot = await self.slot()
        for base, price_usd in prices_usd.items():
            update = PriceUpdate.of_price(
                base, price_usd, publish_time_s=publish_time_s, posted_slot=slot
            )
            await self.post_update(base, update)

    async def post_update(self, base: str, update: PriceUpdate) -> None:
        """Write one Pyth update as it is given, right or wrong."""
        await self.set_account(pyth.feed_account(base), pyth.RECEIVER_PROGRAM, update.encode())

    def mint(self, symbol: str) -> Pubkey:
        """A token's mint address."""
        return deterministic_keypair(f"mint {symbol}").pubkey()

    def program(self, symbol: str) -> Pubkey:
        """The token program a token belongs to."""
        return self._mints[symbol].program

    def token_account(self, owner: Pubkey, symbol: str) -> Pubkey:
        """The owner's associated token account."""
        return spl.get_associated_token_address(owner, self.mint(symbol), self.program(symbol))

    def units(self, holding: Holding) -> int:
        """A holding's amount in the token's smallest units."""
        return int(holding.amount.scaleb(self._mints[holding.symbol].decimals))

    async def _create_mints(self) -> None:
        rent = (await self.client.get_minimum_balance_for_rent_exemption(MINT_LEN)).value
        signed = []
        for spec in MINTS:
            mint = deterministic_keypair(f"mint {spec.symbol}")
            space = CreateAccountParams(
                from_pubkey=self.payer.pubkey(),
                to_pubkey=mint.pubkey(),
                lamports=rent,
                space=MINT_LEN,
                owner=spec.program,
            )
            init = spl_models.InitializeMint2Params(
                decimals=spec.decimals,
                program_id=spec.program,
                mint=mint.pubkey(),
                mint_authority=self.payer.pubkey(),
            )
            signed.append(([create_account(space), spl.initialize_mint2(init)], [mint]))
        await self.send(signed)

    async def give_sol(self, amounts_sol: Mapping[Pubkey, Decimal]) -> None:
        """Transfer SOL from the payer."""
        transfers = [
            transfer(
                TransferParams(
                    from_pubkey=self.payer.pubkey(),
                    to_pubkey=owner,
                    lamports=int(amount * LAMPORTS_PER_SOL),
                )
            )
            for owner, amount in amounts_sol.items()
        ]
        await self.send([(part, []) for part in _chunks(transfers, _TRANSFERS_PER_TRANSACTION)])

    async def give_tokens(self, holdings: Sequence[Holding]) -> None:
        """Mint tokens into new associated token accounts, all by the real programs."""
        parts = _chunks(list(holdings), _HOLDINGS_PER_TRANSACTION)
        await self.send([([step for h in part for step in self._mint_to(h)], []) for part in parts])

    def _mint_to(self, holding: Holding) -> list[Instruction]:
        mint, program = self.mint(holding.symbol), self.program(holding.symbol)
        payer = self.payer.pubkey()
        minted = spl_models.MintToParams(
            program_id=program,
            mint=mint,
            dest=self.token_account(holding.owner, holding.symbol),
            mint_authority=payer,
            amount=self.units(holding),
        )
        create = spl.create_idempotent_associated_token_account(payer, holding.owner, mint, program)
        return [create, spl.mint_to(minted)]

    async def send(self, signed: Sequence[tuple[list[Instruction], list[Keypair]]]) -> None:
        """Send transactions paid by the payer and wait until all are processed.

        Raises:
            TransactionError: one failed; says why.
        """
        blockhash = (await self.client.get_latest_blockhash()).value.blockhash
        options = TxOpts(skip_preflight=True, preflight_commitment=Processed)
        sent = []
        for instructions, signers in signed:
            message = MessageV0.try_compile(self.payer.pubkey(), instructions, [], blockhash)
            transaction = VersionedTransaction(message, [self.payer, *signers])
            sent.append(self.client.send_transaction(transaction, options))
        await self._confirm([answer.value for answer in await asyncio.gather(*sent)])

    async def _confirm(self, signatures: list[Signature]) -> None:
        deadline_s = time.monotonic() + _CONFIRM_TIMEOUT_S
        while signatures:
            statuses = (await self.client.get_signature_statuses(signatures[:256])).value
            for status in statuses:
                if status is not None and status.err is not None:
                    raise TransactionError(f"a Solana transaction failed: {status.err}")
            pending = [s for s, st in zip(signatures[:256], statuses, strict=True) if st is None]
            signatures = pending + signatures[256:]
            if time.monotonic() > deadline_s:
                raise TransactionError(f"{len(signatures)} Solana transactions were not processed")
            if signatures:
                await asyncio.sleep(_CONFIRM_POLL_S)


def _chunks(items: list[_T], size: int) -> list[list[_T]]:
    return [items[start : start + size] for start in range(0, len(items), size)]
