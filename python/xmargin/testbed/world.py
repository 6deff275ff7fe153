"""The whole testbed: `async with open_testbed() as bed` gives three real chains, owners on them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from xmargin.testbed import packages, seeding
from xmargin.testbed.aave import deploy_market
from xmargin.testbed.anvil import Anvil
from xmargin.testbed.config_toml import config_toml
from xmargin.testbed.evm_chain import EvmChain
from xmargin.testbed.market import Market
from xmargin.testbed.markets import MARKETS, OPENING_PRICES_USD, MarketSpec
from xmargin.testbed.portfolios import PORTFOLIOS, ExtraOwner, Portfolio
from xmargin.testbed.solana_vm import SolanaVm

# Positions are a week old at genesis, so that every index has left one.
POSITIONS_AGE_S = 7 * 86_400
HEAD_AGE_MS_MAX = 15_000


class Testbed:
    """Three running chains. `evm` is by CAIP-2 id, in a fixed order."""

    __test__ = False  # not a test class, whatever its name begins with

    def __init__(self, evm: dict[str, EvmChain], solana: SolanaVm) -> None:
        self.evm = evm
        self.solana = solana
        self.market = Market([chain.aave for chain in evm.values()], solana)
        self.portfolios: tuple[Portfolio, ...] = PORTFOLIOS
        self.extras: tuple[ExtraOwner, ...] = ()

    def portfolio(self, portfolio_id: str) -> Portfolio:
        """A named portfolio by its id."""
        return next(p for p in self.portfolios if p.id == portfolio_id)

    async def mine(self, blocks: int = 1) -> None:
        """Mine on both EVM chains."""
        await asyncio.gather(*(chain.node.mine(blocks) for chain in self.evm.values()))

    async def start_interval_mining(self, block_time_s: int) -> None:
        """Let both EVM chains mine by themselves."""
        nodes = [chain.node for chain in self.evm.values()]
        await asyncio.gather(*(node.start_interval_mining(block_time_s) for node in nodes))

    async def add_extra_owners(self, count: int) -> tuple[ExtraOwner, ...]:
        """Add `count` synthetic owners with a loan on each EVM chain and some SOL each.

        They are in `extras` and in `config_toml` from then on.
        """
        if not count:
            return ()
        first = len(self.extras)
        new = tuple(ExtraOwner(number) for number in range(first, first + count))
        await asyncio.gather(
            seeding.fill_extra_solana_wallets(self.solana, new),
            *(seeding.open_extra_positions(chain.aave, new) for chain in self.evm.values()),
        )
        self.extras += new
        return new

    def forget_extra_owners(self) -> None:
        """Watch the named portfolios only, as after the EVM chains were rolled back."""
        self.extras = ()

    def config_toml(
        self,
        *,
        listen: str = "127.0.0.1:0",
        tape: Path = Path("xmargin.tape"),
        head_age_ms_max: int = HEAD_AGE_MS_MAX,
    ) -> str:
        """The configuration that serves this testbed, as TOML."""
        owners: list[Portfolio | ExtraOwner] = [*self.portfolios, *self.extras]
        return config_toml(
            self.evm.values(),
            self.solana,
            owners,
            listen=listen,
            tape=tape,
            head_age_ms_max=head_age_ms_max,
        )


@asynccontextmanager
async def open_testbed(
    *, block_time_s: int | None = 1, slot_time_ms: int = 400, extra_owners: int = 0
) -> AsyncIterator[Testbed]:
    """Start all chains side by side, seeded and priced; they end with the context or with us.

    `block_time_s` is the EVM chains' interval; None leaves mining to the caller.

    Raises:
        SetupError: something of the machine is missing; says what.
    """
    packages.node_path()
    await asyncio.to_thread(packages.fetch_all)
    async with AsyncExitStack() as stack:
        starting = [asyncio.create_task(_start_evm(stack, spec)) for spec in MARKETS]
        solana_starting = asyncio.create_task(_start_solana(stack, slot_time_ms))
        try:
            await asyncio.gather(solana_starting, *starting)
        except BaseException:
            # Each must have left its process to the stack, or ended it, before the stack unwinds.
            await asyncio.gather(solana_starting, *starting, return_exceptions=True)
            raise
        chains = [task.result() for task in starting]
        bed = Testbed({chain.id: chain for chain in chains}, solana_starting.result())
        if extra_owners:
            await bed.add_extra_owners(extra_owners)
        await asyncio.gather(*(chain.node.catch_up_with_wall_clock() for chain in chains))
        await bed.market.reset()
        if block_time_s is not None:
            await bed.start_interval_mining(block_time_s)
        yield bed


async def _start_evm(stack: AsyncExitStack, spec: MarketSpec) -> EvmChain:
    node = await Anvil.start(spec.chain_id, genesis_age_s=POSITIONS_AGE_S)
    stack.push_async_callback(node.stop)
    market = await deploy_market(node, spec, OPENING_PRICES_USD)
    await seeding.open_positions(market, PORTFOLIOS)
    await seeding.set_native_balances(market, PORTFOLIOS)
    a_tokens = {symbol: (await market.a_token(symbol)).address for symbol in market.tokens}
    return EvmChain(node, market, a_tokens)


async def _start_solana(stack: AsyncExitStack, slot_time_ms: int) -> SolanaVm:
    vm = await SolanaVm.start(slot_time_ms=slot_time_ms)
    stack.push_async_callback(vm.stop)
    await seeding.fill_solana_wallets(vm, PORTFOLIOS)
    return vm
