"""Cascades over the lending accounts that were read: facts of a snapshot as the core's book.

A kind is an asset at the liquidation threshold that counts for an account, its eMode included; all
kinds of an asset are sold into its one market. Assumptions: ``docs/liquidation.md``, "Cascade".
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias, TypeVar

from xmargin.engine.aave_v3_facts import (
    decimals_of,
    is_in_emode,
    is_liquidated,
    threshold_bps,
    uses,
)
from xmargin.engine.cascade import (
    HALF_THEN_ALL,
    BracketKind,
    CascadeBracket,
    DepthCurve,
    LendingAccount,
    LendingBook,
    PositionKind,
)
from xmargin.engine.depth import sale_cost
from xmargin.engine.evaluate import Evaluation
from xmargin.errors import EngineError, InvalidArgumentError
from xmargin.model import (
    AaveV3Account,
    AaveV3EMode,
    AaveV3Reserve,
    AccountId,
    PortfolioId,
    TokenId,
    Verdict,
    chain_of,
    venue_of,
)
from xmargin.snapshot import Snapshot
from xmargin.world import ChainFact

F = TypeVar("F", bound=ChainFact)

Kind: TypeAlias = tuple[str, int]
"""An asset as collateral, and the liquidation threshold in basis points that counts."""

_FLAT = DepthCurve(((0.0, 1.0),))
_BASE_UNITS = 10**8
"""Of Aave's base currency in a USD."""
_BPS = 10_000
_SHOCK_MAX = 1e6
_UNITS_MIN, _AMOUNT_MAX = 1e-30, 1e24
"""Less is dust; more than that of an account is no amount, and left out."""
_OVERFLOWS = "the venue's own arithmetic overflows for it"
_PARALLEL_ACCOUNTS_MIN = 20_000
_SHOWN_MAX, _SHOWN_CHARACTERS_MAX = 8, 32


@dataclass(frozen=True, slots=True)
class AssetOutcome:
    """Prices in USD a unit of the asset; net sales in its units.

    ``price_low`` and ``sold_most`` are of the worst end, ``price_high`` and ``sold_least`` of the
    best. Without a curve sales do not move the price.
    """

    asset: str
    has_curve: bool
    price_before: float
    price_shocked: float
    price_low: float
    price_high: float
    sold_least: float
    sold_most: float


@dataclass(frozen=True, slots=True)
class DueAccount:
    """An account that is due at the worst end: close steps taken at the best end and the worst."""

    account: AccountId
    portfolio: PortfolioId
    steps_least: int
    steps_most: int


@dataclass(frozen=True, slots=True)
class VenueCascade:
    """The bracket over all lending accounts with figures; ``accounts`` is how many.

    ``due`` is in the order of the portfolios' accounts. Bad debt in USD: what collateral that the
    venue may seize does not cover. ``flags`` say what was left out, or is not as it seems.
    """

    kind: BracketKind
    assets: tuple[AssetOutcome, ...]
    due: tuple[DueAccount, ...]
    bad_debt_least: float
    bad_debt_most: float
    accounts: int
    passes: int
    flags: tuple[str, ...]


def simulate_cascade(
    snapshot: Snapshot,
    evaluation: Evaluation,
    curves: Mapping[str, DepthCurve],
    shocks: Mapping[str, float],
    passes_max: int = 10_000,
) -> VenueCascade:
    """What liquidations at all venues would do to prices, and prices to them, after a shock.

    Args:
        snapshot: of all chains.
        evaluation: of that snapshot.
        curves: by asset, amounts in units of the asset. Others' prices do not move.
        shocks: by asset, the move of its price, -1 to 0 or above: -0.3 is a fall of 30 %.
        passes_max: after which the bracket is given as it is.

    Raises:
        InvalidArgumentError: an asset is unknown (the message names those there are), a shock is
            no number or below -1, a curve is none, or there are no passes.
        EngineError: the core refused the book.
    """
    market = VenueMarket(snapshot, evaluation)
    _check(market.prices, curves, shocks, passes_max)
    prices = {
        asset: price * (1.0 + shocks.get(asset, 0.0)) for asset, price in market.prices.items()
    }
    threads = 1 if len(market.holdings) < _PARALLEL_ACCOUNTS_MIN else None
    book = LendingBook.of_kinds(
        market.prices,
        market.kinds(),
        [holding.as_lending(curves, prices) for holding in market.holdings],
        threads,
    )
    depth = {asset: curves.get(asset, _FLAT) for asset in prices}
    bracket = book.cascade(prices, depth, HALF_THEN_ALL, passes_max)
    return VenueCascade(
        kind=bracket.kind,
        assets=tuple(_outcomes(bracket, market.prices, prices, curves)),
        due=tuple(_due(bracket, market.holdings)),
        bad_debt_least=bracket.bad_debt_least,
        bad_debt_most=bracket.bad_debt_most,
        accounts=len(market.holdings),
        passes=bracket.passes,
        flags=(*market.flags, *_without_curve(prices, curves)),
    )


@dataclass(frozen=True, slots=True)
class Holding:
    """What counts of one account at its venue, in units of assets."""

    account: AccountId
    portfolio: PortfolioId
    collateral: Mapping[Kind, float]
    owed: Mapping[str, float]

    def as_lending(
        self, curves: Mapping[str, DepthCurve], prices: Mapping[str, float]
    ) -> LendingAccount:
        """What is owed of an asset without a curve is money: its price is what it is."""
        held = {_name(*kind): units for kind, units in self.collateral.items()}
        bought = {_owed(asset): -units for asset, units in self.owed.items() if asset in curves}
        money = (prices[asset] * units for asset, units in self.owed.items() if asset not in curves)
        return LendingAccount({**held, **bought}, math.fsum(money))


class VenueMarket:
    """The lending accounts of a snapshot that have figures, and the prices that they share.

    An asset's price is the judged one; where there is none, or it is refused, the first that a
    venue has. Tokens of an asset are counted in it by their venue's price: a wrapped token is worth
    so many of the asset, and goes on to be.
    """

    def __init__(self, snapshot: Snapshot, evaluation: Evaluation) -> None:
        self._snapshot = snapshot
        self._evaluation = evaluation
        self._reserves = {
            (reserve.venue, reserve.token): reserve
            for reserve in _facts(snapshot, "aave-v3-reserve", AaveV3Reserve)
        }
        self._users = {
            user.account: user for user in _facts(snapshot, "aave-v3-account", AaveV3Account)
        }
        self._emodes = {
            (emode.venue, emode.category): emode
            for emode in _facts(snapshot, "aave-v3-emode", AaveV3EMode)
        }
        self.prices = self._asset_prices()

    @property
    def holdings(self) -> list[Holding]:
        """The accounts that count."""
        return self._split[0]

    @cached_property
    def flags(self) -> tuple[str, ...]:
        """What was left out, or is not as it seems."""
        return tuple(self._flags())

    def kinds(self) -> dict[str, PositionKind]:
        """Those that some account has, and each asset owed."""
        held = {kind for holding in self.holdings for kind in holding.collateral}
        return {
            **{_owed(asset): PositionKind(asset, 0.0) for asset in self.prices},
            **{_name(*kind): PositionKind(kind[0], kind[1] / _BPS) for kind in held},
        }

    def _asset_of(self, token: TokenId) -> str:
        """What the registry says a token is; one that it does not know is an asset of its own."""
        spec = self._evaluation.rows.token_specs.get(token)
        return token if spec is None else spec.asset

    def _asset_prices(self) -> dict[str, float]:
        found: dict[str, float] = {}
        for (_, token), reserve in sorted(self._reserves.items()):
            asset = self._asset_of(token)
            judged = self._snapshot.prices.get(asset)
            if (
                judged is not None
                and judged.verdict is not Verdict.REFUSE
                and 0 < judged.mark <= _AMOUNT_MAX
            ):
                found[asset] = float(judged.mark)
            elif 0 < reserve.price_base <= _AMOUNT_MAX * _BASE_UNITS:
                found.setdefault(asset, reserve.price_base / _BASE_UNITS)
        return dict(sorted(found.items()))

    @cached_property
    def _split(self) -> tuple[list[Holding], dict[AccountId, str]]:
        """The accounts that count, and why the others do not."""
        rows = self._evaluation.rows
        out = dict(self._evaluation.account_faults)
        positions: dict[int, list[Mapping[str, Any]]] = defaultdict(list)
        for position in self._evaluation.positions:
            positions[position["account"]].append(position)
        holdings = []
        for row in self._evaluation.venue_accounts:
            account = rows.account_ids[row["account"]]
            holding = self._holding(account, positions[row["account"]])
            why = _OVERFLOWS if row["overflow"] else self._why_out(holding)
            why = why or self._why_not_liquidated(account)
            if why:
                out[account] = why
            else:
                holdings.append(holding)
        return holdings, out

    def _holding(self, account: AccountId, positions: Iterable[Mapping[str, Any]]) -> Holding:
        rows = self._evaluation.rows
        user = self._users[account]
        collateral: dict[Kind, float] = defaultdict(float)
        owed: dict[str, float] = defaultdict(float)
        for position in positions:
            reserve = self._reserves[venue_of(account), rows.token_ids[position["token"]]]
            asset = self._asset_of(reserve.token)
            units = self._units(user, reserve, int.from_bytes(position["amount"], "big"))
            if not units:
                continue
            as_collateral, borrowing = uses(user, reserve.reserve_id)
            if position["debt"] and borrowing:
                owed[asset] += units
            elif not position["debt"] and as_collateral:
                kind = asset, threshold_bps(reserve, self._emode(user, reserve))
                collateral[kind] += units
        portfolio = rows.portfolio_ids[rows.account_portfolios[rows.accounts[account]]]
        counted = {kind: units for kind, units in collateral.items() if kind[1]}
        return Holding(account, portfolio, counted, dict(owed))

    def _units(self, user: AaveV3Account, reserve: AaveV3Reserve, amount: int) -> float:
        """Units of the asset that the venue's own price makes of an amount of its token."""
        emode = self._emode(user, reserve)
        price_base = (emode and emode.price_base) or reserve.price_base
        asset_price = self.prices.get(self._asset_of(reserve.token))
        if not price_base or asset_price is None:
            return 0.0
        value_usd = amount * price_base / (10 ** decimals_of(reserve) * _BASE_UNITS)
        units = value_usd / asset_price
        return units if units >= _UNITS_MIN else 0.0

    def _emode(self, user: AaveV3Account, reserve: AaveV3Reserve) -> AaveV3EMode | None:
        """The category of the account, where it holds for the reserve."""
        emode = self._emodes[reserve.venue, user.emode] if user.emode else None
        return emode if is_in_emode(reserve, emode) else None

    def _why_out(self, holding: Holding) -> str:
        if any(threshold_bps > _BPS for _, threshold_bps in holding.collateral):
            return "a liquidation threshold above 100 %"
        amounts = [(asset, units) for (asset, _), units in holding.collateral.items()]
        amounts += holding.owed.items()
        if any(units * max(1.0, self.prices.get(a, 0.0)) > _AMOUNT_MAX for a, units in amounts):
            return f"amounts above {_AMOUNT_MAX:.0e}"
        return ""

    def _why_not_liquidated(self, account: AccountId) -> str:
        """Where the pool liquidates nothing of a reserve, no close step is what it would do."""
        user, chain = self._users[account], chain_of(account)
        block = next((c.block for c in self._snapshot.chains if c.chain == chain), None)
        now_s = 0 if block is None else block.time_s
        for (venue, token), reserve in sorted(self._reserves.items()):
            if venue != venue_of(account) or not any(uses(user, reserve.reserve_id)):
                continue
            if not is_liquidated(reserve, now_s):
                return f"its venue liquidates nothing of {self._asset_of(token)} now"
        return ""

    def _flags(self) -> Iterator[str]:
        rows = self._evaluation.rows
        out = self._split[1]
        for account in sorted(out, key=lambda account: rows.accounts[account]):
            yield f"{account} is left out: {out[account]}"
        lending = {chain_of(holding.account) for holding in self.holdings}
        for chain in self._snapshot.chains:
            if chain.cut_off and chain.block is not None and chain.chain in lending:
                yield (
                    f"chain {chain.name} is {chain.condition}: its accounts are as of block "
                    f"{chain.block.height}"
                )
        for asset in self.prices:
            judged = self._snapshot.prices.get(asset)
            if judged is None or judged.verdict is Verdict.REFUSE:
                yield f"price of {asset} is a venue's: none is judged fit"
        unpriced = {self._asset_of(token) for _, token in self._reserves} - self.prices.keys()
        for asset in sorted(unpriced):
            yield f"{asset} has no price: it counts nothing"


def _check(
    prices: Mapping[str, float],
    curves: Mapping[str, DepthCurve],
    shocks: Mapping[str, float],
    passes_max: int,
) -> None:
    for field, assets in (("shocks", shocks), ("curves", curves)):
        unknown = sorted(set(assets) - prices.keys())
        if unknown:
            message = (
                f"{field}: no lending account has {named(unknown)}; there are: "
                f"{named(list(prices)) or 'none'}"
            )
            raise InvalidArgumentError(message, field=field)
    for asset, shock in sorted(shocks.items()):
        if not -1.0 <= shock <= _SHOCK_MAX:
            raise InvalidArgumentError(
                f"shocks: {shock} of {asset} is not in [-1, {_SHOCK_MAX:g}]; -0.3 is -30 %",
                field="shocks",
            )
    for asset, curve in sorted(curves.items()):
        try:
            sale_cost(curve, 1.0, 0.0)
        except EngineError as error:
            message = f"curves: of {asset}: {error.message}"
            raise InvalidArgumentError(message, field="curves") from None
    if passes_max < 1:
        raise InvalidArgumentError(f"passes_max: {passes_max} is not above 0", field="passes_max")


def named(assets: Sequence[str]) -> str:
    """The first of them, each shown in part: an error travels in headers, which hold little."""
    parts = (repr(asset[:_SHOWN_CHARACTERS_MAX])[1:-1] for asset in assets[:_SHOWN_MAX])
    shown = ", ".join(part or "''" for part in parts)
    more = len(assets) - _SHOWN_MAX
    return f"{shown} and {more} more" if more > 0 else shown


def _outcomes(
    bracket: CascadeBracket,
    before: Mapping[str, float],
    shocked: Mapping[str, float],
    curves: Mapping[str, DepthCurve],
) -> Iterator[AssetOutcome]:
    for asset, row in zip(bracket.asset_names, bracket.assets.to_pylist(), strict=True):
        yield AssetOutcome(
            asset=asset,
            has_curve=asset in curves,
            price_before=before[asset],
            price_shocked=shocked[asset],
            **row,
        )


def _due(bracket: CascadeBracket, holdings: Sequence[Holding]) -> Iterator[DueAccount]:
    steps = (bracket.accounts.column(end).to_pylist() for end in ("step_least", "step_most"))
    for holding, least, most in zip(holdings, *steps, strict=True):
        if most:
            yield DueAccount(holding.account, holding.portfolio, least, most)


def _without_curve(prices: Iterable[str], curves: Mapping[str, DepthCurve]) -> Iterator[str]:
    flat = [asset for asset in prices if asset not in curves]
    if flat:
        yield (
            f"no curve of {', '.join(flat)}: sales do not move the price, and what is owed of it "
            "is money"
        )


def _name(asset: str, threshold_bps: int) -> str:
    return f"{asset} at {threshold_bps:05d}"


def _owed(asset: str) -> str:
    return f"{asset} owed"


def _facts(snapshot: Snapshot, name: str, kind: type[F]) -> Iterator[F]:
    return (fact for fact in snapshot.facts[name].values() if isinstance(fact, kind))
