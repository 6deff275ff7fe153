"""The configuration that `xmargin serve --config` reads, for a running testbed."""

import json
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import TypeAlias

from xmargin.testbed import chainlink, pyth
from xmargin.testbed.evm_chain import EvmChain
from xmargin.testbed.markets import TOKENS
from xmargin.testbed.portfolios import ExtraOwner, Portfolio
from xmargin.testbed.solana_vm import MINTS, SolanaVm

_PRICE_TOLERANCE_S = 60
# A wrapped token may lose its peg: this much of it is not counted as collateral.
_WRAPPED_HAIRCUT = "0.02"
_WRAPPED = frozenset({"wstETH", "soETH"})

TomlValue: TypeAlias = str | int | list[str]


def config_toml(
    evm: Collection[EvmChain],
    vm: SolanaVm,
    owners: Iterable[Portfolio | ExtraOwner],
    *,
    listen: str,
    tape: Path,
    head_age_ms_max: int,
) -> str:
    """The whole configuration as TOML."""
    head = [
        _table("[service]", listen=listen, tape=str(tape)),
        _table("[risk]", parameters="unified-v1"),
    ]
    chains = [_evm_chain(chain, head_age_ms_max) for chain in evm]
    solana = _table(
        "[[chains]]",
        id=vm.chain,
        name="surfpool",
        kind="solana",
        head_age_ms_max=head_age_ms_max,
        # Surfpool stops answering after about a thousand account subscriptions in its life.
        subscriptions_max=40,
    ) + _table("[[chains.endpoints]]", label="surfpool", http=vm.http_url,
               ws=vm.ws_url)  # fmt: skip
    rows = [row for chain in evm for row in _evm_rows(chain)]
    accounts = [_portfolio(evm, vm, owner) for owner in owners]
    return "\n".join([*head, *chains, solana, *rows, *_solana_rows(vm), *accounts])


def _table(header: str, **entries: TomlValue) -> str:
    # JSON's strings, integers and arrays are TOML's as well.
    lines = [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in entries.items()]
    return "\n".join([header, *lines, ""])


def _evm_chain(chain: EvmChain, head_age_ms_max: int) -> str:
    return _table(
        "[[chains]]",
        id=chain.id,
        name=chain.aave.spec.name,
        kind="evm",
        head_age_ms_max=head_age_ms_max,
    ) + _table(
        "[[chains.endpoints]]",
        label=chain.aave.spec.name,
        http=chain.node.http_url,
        ws=chain.node.ws_url,
    )


def _evm_rows(chain: EvmChain) -> Iterable[str]:
    yield _table(
        "[[venues]]",
        id=chain.venue,
        kind="aave-v3",
        addresses_provider=chain.aave.provider.address.lower(),
    )
    yield _table("[[venues]]", id=f"wallet@{chain.id}", kind="wallet")
    for feed in chain.aave.feeds.values():
        yield _table(
            "[[feeds]]",
            id=f"chainlink@{chain.id}/{feed.proxy.address.lower()}",
            base=feed.base,
            quote="USD",
            heartbeat_s=chainlink.HEARTBEAT_S,
            tolerance_s=_PRICE_TOLERANCE_S,
            decimals=chainlink.PRICE_DECIMALS,
            description=f"{feed.base} / USD",
        )
    yield _token(f"{chain.id}/slip44:60", "ETH", "ETH", "ETH")
    for token in TOKENS:
        address = chain.aave.tokens[token.symbol].address.lower()
        identifier = f"{chain.id}/erc20:{address}"
        yield _token(identifier, token.symbol, token.asset, token.price)
        yield _table(
            "[[tokens]]",
            id=f"{chain.id}/erc20:{chain.a_tokens[token.symbol].lower()}",
            symbol=f"a{token.symbol}",
            asset=token.asset,
            price=token.price,
            claim="venue-supply",
            venue=chain.venue,
        )


def _token(identifier: str, symbol: str, asset: str, price: str, program: str = "") -> str:
    wrapped = {"claim": "wrapped", "haircut": _WRAPPED_HAIRCUT} if symbol in _WRAPPED else {}
    owned = {"program": program} if program else {}
    return _table(
        "[[tokens]]", id=identifier, symbol=symbol, asset=asset, price=price, **wrapped, **owned
    )


def _solana_rows(vm: SolanaVm) -> Iterable[str]:
    chain = vm.chain
    yield _table("[[venues]]", id=f"wallet@{chain}", kind="wallet")
    for base, feed_id in pyth.FEED_IDS.items():
        yield _table(
            "[[feeds]]",
            id=f"pyth@{chain}/{pyth.feed_account(base)}",
            base=base,
            quote="USD",
            heartbeat_s=pyth.HEARTBEAT_S,
            tolerance_s=_PRICE_TOLERANCE_S,
            pyth_feed_id=feed_id,
        )
    yield _token(f"{chain}/slip44:501", "SOL", "SOL", "SOL")
    for mint in MINTS:
        identifier = f"{chain}/token:{vm.mint(mint.symbol)}"
        yield _token(identifier, mint.symbol, mint.asset, mint.price, str(mint.program))


def _portfolio(evm: Iterable[EvmChain], vm: SolanaVm, owner: Portfolio | ExtraOwner) -> str:
    on_evm = [
        f"{venue}/{owner.evm_address.lower()}"
        for chain in evm
        for venue in (chain.venue, f"wallet@{chain.id}")
    ]
    accounts = [*on_evm, f"wallet@{vm.chain}/{owner.solana_address}"]
    return _table("[[portfolios]]", id=owner.id, accounts=accounts)
