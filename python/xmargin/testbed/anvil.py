"""One local EVM chain: an anvil node, its clock, its mining and its transactions.

The chain starts in the past without mining by itself, so that a whole set-up fits in a few blocks
and interest has accrued by the end of it; `catch_up_with_wall_clock` then sets its time to ours.
From there `mine` or interval mining stamps blocks with the wall clock, as oracle ages need.
"""

import asyncio
import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self, TypeAlias

from eth_utils.address import to_checksum_address
from web3 import AsyncHTTPProvider, AsyncWeb3
from web3.contract import AsyncContract
from web3.types import RPCEndpoint, RPCResponse

from xmargin.testbed import packages
from xmargin.testbed.errors import TransactionError
from xmargin.testbed.processes import ChildProcess

MULTICALL3 = "0xcA11bde05977b3631167028862bE2a173976CA11"
START_TIMEOUT_S = 30.0
_RECEIPT_POLL_S = 0.02
_RECEIPT_TIMEOUT_S = 30.0
_CALLS_PER_BATCH = 500
# Room for a whole set-up stage in one block; a single transaction declares far less.
_BLOCK_GAS_MAX = 100_000_000_000
# Runtime code begins at the second prologue `PUSH1 0x80 PUSH1 0x40 MSTORE` of the creation code.
_SOLIDITY_PROLOGUE = "6080604052"

Json: TypeAlias = Any


@dataclass(frozen=True, slots=True)
class Transaction:
    """One transaction to send; `what` names it when it fails."""

    sender: str
    to: str | None
    data: str
    what: str
    gas_max: int = 3_000_000
    value_wei: int = 0


class _UncancelledProvider(AsyncHTTPProvider):
    """web3's HTTP provider; a request once begun goes on though its caller is cancelled.

    web3 takes its sessions' lock in a thread. Cancelled there, it leaves the lock taken, and every
    later request of the provider waits for ever.
    """

    async def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        """One JSON-RPC request."""
        return await asyncio.shield(super().make_request(method, params))

    async def make_batch_request(
        self, batch_requests: list[tuple[RPCEndpoint, Any]]
    ) -> list[RPCResponse] | RPCResponse:
        """Several JSON-RPC requests in one HTTP request."""
        return await asyncio.shield(super().make_batch_request(batch_requests))


class Anvil:
    """A running anvil on a free loopback port, every sender unlocked, gas free of charge."""

    def __init__(
        self,
        process: ChildProcess,
        chain_id: int,
        port: int,
        scratch: tempfile.TemporaryDirectory[str],
    ) -> None:
        self.process = process
        self._scratch = scratch
        self.chain_id = chain_id
        self.http_url = f"http://127.0.0.1:{port}"
        self.ws_url = f"ws://127.0.0.1:{port}"
        self.w3 = AsyncWeb3(_UncancelledProvider(self.http_url))
        self.admin = ""
        self._interval_s: float | None = None

    @property
    def chain(self) -> str:
        """The chain's CAIP-2 id."""
        return f"eip155:{self.chain_id}"

    @classmethod
    async def start(cls, chain_id: int, *, genesis_age_s: int = 0) -> Self:
        """Start a node whose genesis is `genesis_age_s` in the past and that mines on demand.

        Raises:
            SetupError: the package or the process is not to be had.
        """
        folder = await asyncio.to_thread(packages.fetch, packages.anvil_package())
        scratch = tempfile.TemporaryDirectory(prefix="xmargin-anvil-")
        options = {
            "--host": "127.0.0.1",
            "--port": "0",
            "--chain-id": str(chain_id),
            "--accounts": "1",
            "--order": "fifo",
            "--slots-in-an-epoch": "1",
            "--timestamp": str(int(time.time()) - genesis_age_s),
            "--base-fee": "0",
            "--gas-price": "0",
            "--gas-limit": str(_BLOCK_GAS_MAX),
            "--cache-path": scratch.name,
        }
        switches = ["--no-mining", "--auto-impersonate", "--no-request-size-limit"]
        argv = [str(folder / "bin/anvil"), *switches]
        process, listening = await ChildProcess.start(
            f"anvil (chain {chain_id})",
            argv + [word for option in options.items() for word in option],
            ready=r"Listening on 127\.0\.0\.1:(\d+)",
            timeout_s=START_TIMEOUT_S,
        )
        node = cls(process, chain_id, int(listening[1]), scratch)
        try:
            await node._prepare()
        except BaseException:
            await node.stop()
            raise
        return node

    async def _prepare(self) -> None:
        await self.rpc("anvil_setLoggingEnabled", False)
        self.admin = (await self.w3.eth.accounts)[0]
        await self.rpc("anvil_setCode", MULTICALL3, await asyncio.to_thread(_multicall3_runtime))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def stop(self) -> None:
        """End the node."""
        await self.w3.provider.disconnect()
        await self.process.stop()
        self._scratch.cleanup()

    def pause(self) -> None:
        """Freeze the node: it keeps its connections and answers nothing."""
        self.process.pause()

    def resume(self) -> None:
        """Let a frozen node go on."""
        self.process.resume()

    async def rpc(self, method: str, *params: Json) -> Json:
        """One JSON-RPC call; returns its result.

        Raises:
            TransactionError: the node answered with an error.
        """
        answer = await self.w3.provider.make_request(RPCEndpoint(method), list(params))
        return _result(method, answer)

    async def rpc_batch(self, calls: Sequence[tuple[str, list[Json]]]) -> list[Json]:
        """Many JSON-RPC calls in few HTTP requests; returns their results in order.

        Raises:
            TransactionError: the node answered one of them with an error.
        """
        results: list[Json] = []
        for start in range(0, len(calls), _CALLS_PER_BATCH):
            part = [(RPCEndpoint(m), p) for m, p in calls[start : start + _CALLS_PER_BATCH]]
            answers = await self.w3.provider.make_batch_request(part)
            if not isinstance(answers, list):
                raise TransactionError(f"chain {self.chain_id} refused a batch: {answers}")
            results += [_result(m, a) for (m, _), a in zip(part, answers, strict=True)]
        return results

    def contract(self, address: str, abi: Json) -> AsyncContract:
        """A contract on this chain."""
        return self.w3.eth.contract(address=to_checksum_address(address), abi=abi)

    async def mine(self, blocks: int = 1) -> int:
        """Mine `blocks` now; returns the new head's number."""
        await self.rpc("anvil_mine", hex(blocks))
        return await self.block_number()

    async def block_number(self) -> int:
        """The head's number."""
        return int(await self.rpc("eth_blockNumber"), 16)

    async def start_interval_mining(self, interval_s: int) -> None:
        """Mine a block every `interval_s` seconds from now on."""
        await self.rpc("evm_setIntervalMining", interval_s)
        self._interval_s = interval_s

    async def stop_interval_mining(self) -> None:
        """Mine on demand only."""
        await self.rpc("evm_setIntervalMining", 0)
        self._interval_s = None

    async def catch_up_with_wall_clock(self) -> None:
        """Set the chain's clock to ours and mine a block there."""
        await self._set_clock()
        await self.mine()

    async def _set_clock(self) -> None:
        """Both `evm_revert` and `anvil_reorg` also turn the node's clock back."""
        await self.rpc("evm_setTime", int(time.time()))

    async def snapshot(self) -> str:
        """Remember the chain's state; returns the snapshot's id."""
        return str(await self.rpc("evm_snapshot"))

    async def revert(self, snapshot_id: str) -> None:
        """Go back to a snapshot, which is used up by it.

        Raises:
            TransactionError: there is no such snapshot.
        """
        if not await self.rpc("evm_revert", snapshot_id):
            raise TransactionError(f"chain {self.chain_id} has no snapshot {snapshot_id}")
        await self._set_clock()

    async def reorg(self, depth: int) -> None:
        """Replace the last `depth` blocks, their transactions undone, by ones of other hashes."""
        # One transfer in the first new block: an empty block put for an empty block is the same.
        transfer = {"from": self.admin, "to": self.admin, "value": "0x1", "gas": hex(21_000)}
        await self.rpc("anvil_reorg", depth, [[transfer, 0]])
        await self._set_clock()

    async def set_balances_wei(self, balances_wei: dict[str, int]) -> None:
        """Set native balances outright."""
        await self.rpc_batch([("anvil_setBalance", [a, hex(v)]) for a, v in balances_wei.items()])

    async def send(self, transactions: Sequence[Transaction]) -> list[Json]:
        """Send all, in order for each sender, into one block; returns their receipts in order.

        Mines the block itself unless the chain mines at intervals, then waits for it.

        Raises:
            TransactionError: one was refused or reverted; names it and the revert reason.
        """
        if not transactions:
            return []
        head = await self.block_number()
        nonces = await self._next_nonces([t.sender for t in transactions])
        requests = [_request(t, n) for t, n in zip(transactions, nonces, strict=True)]
        hashes = await self.rpc_batch([("eth_sendTransaction", [r]) for r in requests])
        if self._interval_s is None:
            await self.mine()
        receipts = await self._receipts_since(head, hashes)
        for transaction, receipt in zip(transactions, receipts, strict=True):
            if receipt["status"] != "0x1":
                raise TransactionError(await self._why_reverted(transaction, receipt))
        return receipts

    async def _next_nonces(self, senders: Sequence[str]) -> list[int]:
        distinct = list(dict.fromkeys(senders))
        asked = [("eth_getTransactionCount", [sender, "pending"]) for sender in distinct]
        counts = await self.rpc_batch(asked)
        upcoming = {s: int(count, 16) for s, count in zip(distinct, counts, strict=True)}
        nonces = []
        for sender in senders:
            nonces.append(upcoming[sender])
            upcoming[sender] += 1
        return nonces

    async def _receipts_since(self, head: int, hashes: list[str]) -> list[Json]:
        """The transactions' receipts, by whole blocks: one by one the node looks long for each."""
        deadline_s = time.monotonic() + _RECEIPT_TIMEOUT_S
        found: dict[str, Json] = {}
        while True:
            newest = await self.block_number()
            blocks = [("eth_getBlockReceipts", [hex(n)]) for n in range(head + 1, newest + 1)]
            for receipts in await self.rpc_batch(blocks):
                found |= {receipt["transactionHash"]: receipt for receipt in receipts}
            missing = sum(h not in found for h in hashes)
            if not missing:
                return [found[h] for h in hashes]
            if time.monotonic() > deadline_s:
                raise TransactionError(
                    f"chain {self.chain_id} did not mine {missing} transactions "
                    f"within {_RECEIPT_TIMEOUT_S:.0f} s"
                )
            head = newest
            await asyncio.sleep(_RECEIPT_POLL_S)

    async def _why_reverted(self, transaction: Transaction, receipt: Json) -> str:
        trace = await self.rpc("debug_traceTransaction", receipt["transactionHash"], {})
        raw = bytes.fromhex(str(trace.get("returnValue", "")).removeprefix("0x"))
        # Error(string): selector, offset, length, text.
        reason = raw[68:].rstrip(b"\0").decode(errors="replace") if len(raw) > 68 else raw.hex()
        return (
            f"{transaction.what} reverted on chain {self.chain_id}: {reason or 'no reason given'}"
        )


def _request(transaction: Transaction, nonce: int) -> dict[str, str]:
    request = {
        "from": transaction.sender,
        "data": transaction.data,
        "value": hex(transaction.value_wei),
        "gas": hex(transaction.gas_max),
        "gasPrice": "0x0",
        "nonce": hex(nonce),
    }
    return request if transaction.to is None else request | {"to": transaction.to}


def _result(method: str, answer: Json) -> Json:
    if "error" in answer:
        raise TransactionError(f"{method}: {json.dumps(answer['error'])}")
    return answer["result"]


def _multicall3_runtime() -> str:
    source = (packages.fetch(packages.VIEM) / packages.VIEM.members[0]).read_text()
    creation = source.split("multicall3Bytecode = '0x", 1)[1].split("'", 1)[0]
    return "0x" + creation[creation.index(_SOLIDITY_PROLOGUE, len(_SOLIDITY_PROLOGUE)) :]
