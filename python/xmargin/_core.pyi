"""The Rust core, as Python sees it: Arrow in, Arrow out, errors of ``xmargin.errors``.

All integers of venue truth travel as 32-byte big-endian unsigned values
(``pyarrow.binary(32)``, "u256" below). Any object with ``__arrow_c_stream__`` or
``__arrow_c_array__`` is accepted as a table, in any number of chunks; columns that are not named
here are ignored, and one that is there twice is refused. A count that is below zero or no whole
number is an EngineError that names it. Formulas: ``docs/margin-model.md`` and ``docs/margin.md``.
"""

from collections.abc import Sequence
from typing import Any, Self, final

__all__ = [
    "AccountBook",
    "FactorHistory",
    "HealthIndex",
    "LendingBook",
    "LendingOrder",
    "OptionGrid",
    "ScenarioMatrix",
    "Ticked",
    "__version__",
    "aave_v3_indices",
    "aave_v3_stable_growths",
    "absorb_loss",
    "backtest",
    "check_grid_parameters",
    "check_historical_parameters",
    "check_parameters",
    "daily_deviations",
    "depth_curve",
    "evaluate",
    "expected_bad_debt",
    "factor_history",
    "fit_garch",
    "fit_svi",
    "grid_margins",
    "historical_forecasts",
    "historical_margin",
    "historical_scenarios",
    "implied_vols",
    "option_greeks",
    "option_values",
    "order_fleet",
    "parametric_margin",
    "plan_legs",
    "pool_swaps",
    "portfolio_summaries",
    "propose_liquidation",
    "sale_costs",
    "scenario_names",
    "sellable_amount",
    "venue_margin",
]

__version__: str
"""Version of the core; part of every view."""

@final
class ScenarioMatrix:
    """The mark of each row and its P&L in each scenario (USD a unit). Immutable."""

    def __new__(cls, scenarios: int, marks: Any, pnl: Any) -> Self:
        """A checked matrix.

        Args:
            scenarios: how many, 1 to 4096.
            marks: ``mark: f64``, a row each, 1 to 1,000,000 rows.
            pnl: ``pnl: f64``, by row, then by scenario. All numbers are within 1e15.

        Raises:
            EngineError: naming column and row at fault.
        """

    @property
    def scenarios(self) -> int: ...
    @property
    def rows(self) -> int: ...
    def mark(self, row: int) -> float | None: ...
    def pnl(self, row: int, scenario: int) -> float | None: ...

@final
class OptionGrid:
    """Factors and Black-76 chains under scenarios. Immutable."""

    def __new__(
        cls, *, factors: int, moves: Any, scenarios: Any, chains: Any, options: Any
    ) -> Self:
        """A checked grid; the rows of its matrices are the factors, then the options.

        Args:
            factors: how many there are.
            moves: ``move: f64``, relative, above -1; by factor, then by scenario.
            scenarios: ``vol_factor: f64``.
            chains: ``factor: u32, forward_ratio: f64, discount: f64``.
            options: ``chain: u32, put: bool, strike: f64, stdev: f64``.

        Raises:
            EngineError: naming table, column and row at fault.
        """

    def reprice(self, prices: Sequence[float]) -> ScenarioMatrix:
        """The matrix at these prices of the factors (USD).

        Raises:
            EngineError: a price is not positive or out of range.
        """

@final
class AccountBook:
    """Accounts as sparse rows of quantities. Threads may share one: they wait for each other."""

    def __new__(cls, *, instruments: Any, rows: int, threads: int) -> Self:
        """An empty book and its threads.

        Args:
            instruments: ``row: u32, multiple: f64``.
            rows: rows of the matrices that it is evaluated with.
            threads: how many to start. Results do not depend on it.

        Raises:
            EngineError: naming column and row at fault.
            ParameterError: the threads cannot be had.
        """

    def __len__(self) -> int: ...
    @property
    def netted_positions(self) -> int: ...
    def append(self, accounts: Any, positions: Any) -> None:
        """Add accounts. Columns that come in one chunk are read without a copy.

        Args:
            accounts: ``id: u64, cash_usd: f64, positions_end: u64``.
            positions: ``instrument: u32, quantity: f64``.

        Raises:
            EngineError: naming table, column and row at fault; the book is as before.
        """

    def evaluate(
        self, matrix: ScenarioMatrix, loss_factor: float, with_order: bool
    ) -> tuple[Any, Any]:
        """Margins ``worst_scenario: u16, worst_pnl, margin, excess: f64``, and the breaches.

        Breaches (``None`` unless ``with_order``) are ``account: u32, id: u64`` and the columns of
        the margins, by (excess, id). The memory of the margins is used again at the next call, if
        they have been let go by then.

        Raises:
            EngineError: the book is empty, or the matrix has other rows.
            ParameterError: the loss factor is not in [0, 100].
        """

    def screen(self, matrix: ScenarioMatrix, loss_factor: float) -> tuple[Any, int]:
        """The same breaches from a pass in ``f32``, and how many accounts ``f64`` judged.

        Raises:
            EngineError, ParameterError: as ``evaluate``.
        """

    def account(
        self, matrix: ScenarioMatrix, loss_factor: float, account: int
    ) -> tuple[int, float, float, float]:
        """Worst scenario, worst P&L, margin and excess of the account in row ``account``.

        Raises:
            EngineError, ParameterError: as ``evaluate``; there is no such row.
        """

@final
class FactorHistory:
    """Factor returns filtered once under one parameter file. Immutable; costly to make."""

    @property
    def assets(self) -> list[str]:
        """The assets that have returns, in name order."""

    @property
    def confidence(self) -> float: ...
    @property
    def returns_age_days_max(self) -> int: ...
    @property
    def gap_days_max(self) -> int: ...
    @property
    def longest_gap_days(self) -> int:
        """The most days that one of the returns spans."""

def factor_history(*, parameters: str, returns: Any) -> FactorHistory | None:
    """The history for ``evaluate``; ``None`` where the parameters ask for no historical shortfall.

    Args:
        parameters: the risk parameters (JSON text).
        returns: ``factor: utf8, day: i32, log_return: f64``, all assets over the same days.

    Raises:
        ParameterError: the parameters are malformed or out of range.
        EngineError: a return is no number, a day is said twice or missing, or there are too few.
    """

@final
class Ticked:
    """What a tick came to."""

    @property
    def reevaluated(self) -> int: ...
    def __len__(self) -> int: ...
    def crossings(self) -> Any:
        """``account: u32, id: u64, before, after: u8, worst_scenario: u16, worst_pnl, value``."""

@final
class HealthIndex:
    """Which accounts a tick moves across a threshold."""

    def __new__(
        cls,
        *,
        factors: Any,
        moves: Any,
        scenarios: Any,
        chains: Any,
        options: Any,
        instruments: Any,
        thresholds: list[tuple[float, float]],
        now_ms: int,
        threads: int,
    ) -> Self:
        """An index without accounts.

        Args:
            factors: ``price_usd: f64, is_signed: bool, typical_move: f64``.
            moves: ``move: f64``, by factor, then by scenario.
            scenarios: ``vol_factor: f64``.
            chains: ``factor: u32, forward_ratio, discount: f64, expiry_ms: i64, vol_level: f64,
                typical_move: f64``.
            options: ``chain: u32, put: bool, strike, vol: f64``.
            instruments: ``row: u32, multiple: f64``.
            thresholds: loss factor and excess of each.
            now_ms: time of the listing.
            threads: how many to start.

        Raises:
            EngineError: naming table, column and row at fault.
            ParameterError: a threshold is out of range, or the threads cannot be had.
        """

    def append(self, accounts: Any, positions: Any) -> None:
        """Add accounts, as ``AccountBook.append``.

        Raises:
            EngineError: as there; nothing has changed.
        """

    def update(
        self, account_id: int, cash_usd: float, instrument: list[int], quantity: list[float]
    ) -> Ticked:
        """Give an account other cash and positions.

        Raises:
            EngineError: there is no such account, or a number is wrong; nothing has changed.
        """

    def remove(self, account_id: int) -> None:
        """Take an account out.

        Raises:
            EngineError: there is no such account.
        """

    def tick(
        self,
        factor: list[int],
        price_usd: list[float],
        chain: list[int],
        vol_level: list[float],
        now_ms: int,
    ) -> Ticked:
        """Move the market.

        Raises:
            EngineError: naming table, column and row at fault; nothing has changed.
        """

    def statuses(self) -> Any:
        """``id: u64, status: u8``, a row an account."""

    def audit(self) -> list[tuple[int, int, int]]:
        """Id, status held and status found, of accounts that differ from a full revaluation."""

@final
class LendingOrder:
    """Lending accounts by the venue's own rule. Integers are 32 bytes, big-endian."""

    def __new__(cls, levels: list[bytes | None]) -> Self:
        """No accounts, at these levels; one is ``None`` where computing it reverts."""

    def extend(self, levels: list[bytes | None]) -> int:
        """Add levels; the number of the first."""

    def set(self, accounts: Any, positions: Any) -> list[tuple[str, bytes | None]]:
        """Add accounts or tell them anew: status and health factor of each, in their order.

        Args:
            accounts: ``id, positions_end: u64, emode: u8`` (0 for none), ``emode_ltv_bps,
                emode_liquidation_threshold_bps: u16``.
            positions: ``price: u32, supply, debt, stable_debt: fixed_size_binary[32]`` (null where
                computing it reverts), ``supply_index, debt_index, stable_debt_index: u32`` (null
                where the amount is the balance), ``as_collateral, borrowing: bool, ltv_bps,
                liquidation_threshold_bps: u16, emode, decimals: u8``.

        Raises:
            EngineError: naming table, column and row at fault; nothing has changed.
        """

    def remove(self, account_id: int) -> bool:
        """Take an account out; whether it was there."""

    def tick(
        self, number: list[int], level: list[bytes | None]
    ) -> tuple[list[tuple[int, str, tuple[str, bytes | None]]], int]:
        """Who changed (id, status before; status and health factor), how many were evaluated.

        Raises:
            EngineError: naming the row at fault; nothing has changed.
        """

    def status(self, account_id: int) -> str | None:
        """``safe``, ``liquidatable`` or ``reverts``; ``None`` of no such account."""

    def health(self, account_id: int) -> tuple[str, bytes | None] | None:
        """Status and health factor now; ``None`` of no such account."""

    def changes(
        self, account_id: int, number: int
    ) -> tuple[tuple[str, tuple[bytes, bytes] | None], tuple[str, tuple[bytes, bytes] | None]]:
        """Below and above: ``at``, ``never`` or ``within``, and the ends of the range.

        Raises:
            EngineError: there is no such account or level.
        """

    def audit(self) -> list[int]:
        """Ids whose status is not the contract's."""

def aave_v3_indices(reserves: Any) -> list[tuple[bytes | None, bytes | None]]:
    """Supply and debt index (ray) of each reserve as of ``now_s``; ``None`` where it would revert.

    Args:
        reserves: ``liquidity_index, liquidity_rate, variable_borrow_index, variable_borrow_rate:
            fixed_size_binary[32], updated_at_s, now_s: u64``.

    Raises:
        EngineError: naming the column at fault.
    """

def aave_v3_stable_growths(debts: Any) -> list[bytes | None]:
    """Growth (ray) of each stable debt as of ``now_s``; ``None`` where it would revert.

    Args:
        debts: ``rate: fixed_size_binary[32], updated_at_s, now_s: u64``.

    Raises:
        EngineError: naming the column at fault.
    """

def scenario_names(parameters: str, assets: list[str]) -> list[str]:
    """The names of the scenarios that ``parameters`` (JSON) expand to over ``assets``, in order.

    The order of ``assets`` and repeats in it do not matter. The first is always ``unshocked``.

    Raises:
        ParameterError: the parameters are malformed or out of range.
    """

def portfolio_summaries(portfolios: Any, heads: Sequence[Any]) -> list[bytes]:
    """``xmargin.v1.PortfolioHealth`` messages without components, accounts and positions.

    ``portfolios`` is the table of that name that ``evaluate`` returns; ``heads``, which are
    ``xmargin.engine.PortfolioHead``, say the rest of each message that is wanted. The bytes come
    in the order of ``heads``. Numbers are the shortest digits that read back as the same float,
    without an exponent.

    Raises:
        EngineError: a column is missing or of another type, or a head names no row of the table.
    """

def check_parameters(parameters: str) -> None:
    """Range-check a parameter file (JSON) without using it.

    Raises:
        ParameterError: naming the key, the value and the range.
    """

def evaluate(
    *,
    parameters: str,
    chains: Any,
    bases: Any,
    tokens: Any,
    portfolios: Any,
    accounts: Any,
    balances: Any,
    aave_pools: Any,
    aave_reserves: Any,
    aave_emodes: Any,
    aave_accounts: Any,
    aave_positions: Any,
    history: FactorHistory | None = None,
) -> dict[str, Any]:
    """Venue truth, unified truth and the liquidation order of one snapshot.

    A pure function: equal tables give equal bits, and the order of rows shows only in row numbers.
    Rows refer to each other by row number (``u32``). Nulls are allowed where it says so only.

    Args:
        parameters: the risk parameters (JSON text).
        chains: ``id: utf8`` (CAIP-2), ``cut_off: bool``.
        bases: ``asset: utf8, mark: f64, low: f64, high: f64, usable: bool, held: bool`` (USD; 0 <
            low <= mark <= high <= 1e100 where usable).
        tokens: ``base: u32 nullable`` (null: unpriced), ``decimals: u8 nullable`` (null or above
            36: at fault, excluded), ``haircut: f64`` in [0, 1], ``wrapped: bool``.
        portfolios: ``id: utf8``.
        accounts: ``id: utf8, portfolio: u32, chain: u32, venue_kind: utf8``.
        balances: ``account: u32, token: u32, amount: u256, debt: bool, looked_through: bool`` (of
            wallets, and of venue accounts that are not in the ``aave_*`` tables).
        aave_pools: ``timestamp_s: u64`` (of the block read).
        aave_reserves: ``pool: u32, token: u32, decimals: u8, ltv_bps: u16,
            liquidation_threshold_bps: u16, emode: u8, liquidity_index: u256,
            variable_borrow_index: u256, liquidity_rate: u256, variable_borrow_rate: u256,
            updated_at_s: u64, price_base: u256``.
        aave_emodes: ``pool: u32, category: u8, ltv_bps: u16, liquidation_threshold_bps: u16,
            price_base: u256``.
        aave_accounts: ``account: u32, pool: u32, emode: u8``, each account once.
        aave_positions: ``aave_account: u32, reserve: u32, supply_scaled: u256,
            variable_debt_scaled: u256, stable_debt_principal: u256, stable_rate: u256,
            stable_updated_at_s: u64, as_collateral: bool, borrowing: bool``, each reserve once a
            user.
        history: of the same parameters; without one the scenario loss is the grid's alone.

    Returns:
        Objects with ``__arrow_c_array__`` (``pyarrow.record_batch(x)`` takes them) by name:

        ``venue_accounts`` (a row an Aave account, in order): ``account: u32, collateral_base: u256,
        debt_base: u256, available_borrows_base: u256, liquidation_threshold_bps: u32, ltv_bps: u32,
        health_factor_wad: u256 nullable, held: bool, overflow: bool``. ``overflow``: the
        contract's own ``getUserAccountData`` would revert; the numbers are zero and the portfolio
        is refused.

        ``positions``: ``portfolio: u32, account: u32, token: u32, debt: bool, amount: u256,
        quantity: f64 nullable, value: f64 nullable, collateral_value: f64,
        maintenance_contribution: f64, initial_contribution: f64, counting: u8`` (0 counted, 1
        looked through, 2 cut off, 3 excluded), grouped by portfolio, wallets before Aave, each in
        the order of the inputs. Quantity and value are negative for debt. A balance is one row; an
        Aave position is a supply row, a debt row, both, or none where the scaled amount is zero.

        ``portfolios`` (a row a portfolio): ``equity, collateral_value, maintenance_margin,
        initial_margin, maintenance_excess, initial_excess, health_factor: f64 nullable,
        worst_scenario: u32 nullable`` (null when refused; the last two also when nothing is
        required; the scenario also when the tail binds), ``bound_by_tail: bool`` (the history's
        tail binds for maintenance), ``tail_day: i32 nullable`` (its worst day, from 1970-01-01),
        what the scenario loss is the worse of: ``grid_loss_maintenance, grid_loss_initial: f64,
        historical_es_maintenance, historical_es_initial: f64 nullable`` (null without a history or
        when nothing is owed), ``oracle_confidence, gross_debt: f64`` and, each with
        ``_maintenance`` and ``_initial`` after it, the components ``scenario_loss, wrapped_depeg,
        venue_risk, mobility, liquidity, concentration: f64``, which sum to the requirements (all
        of these 0 when refused), ``owes: bool, refused: bool, held: bool, partial: bool``.

        ``order`` (ranked, worst first): ``is_portfolio: bool, row: u32`` (row of portfolios, or of
        venue_accounts).

    Raises:
        ParameterError: parameters malformed or out of range.
        EngineError: a table or column is missing or of another type, a value is null, out of range
            or said twice, or a row number points nowhere; the message names table, column and row.
    """

def option_values(options: Any) -> Any:
    """Black-76 values, within 1e-12 x discount x forward.

    Args:
        options: ``put: bool, forward: f64, strike: f64, expiry_years: f64, vol: f64,
            discount: f64``; prices in one currency, from 1e-100 to 1e100 (a strike may be 0), years
            and vol (per root year, 1 is 100 %) from 0 to 1000, discount factors from 1e-6 to 1000.

    Returns:
        An object with ``__arrow_c_array__``, a row an option: ``value: f64``.

    Raises:
        EngineError: a column is missing, of another type or holds a null; a value is out of range.
            The message names column and row.
    """

def option_greeks(options: Any) -> Any:
    """Greeks of the same table: ``delta: f64, gamma: f64, vega: f64, theta: f64``.

    Vega is per 1.00 of vol, theta per year that passes.

    Raises:
        EngineError: as :func:`option_values`.
    """

def implied_vols(options: Any) -> Any:
    """The vols at which options are worth their ``price: f64``, as ``vol: f64``.

    Args:
        options: as for :func:`option_values`, with ``price`` in place of ``vol``.

    Raises:
        EngineError: as :func:`option_values`; an expiry or strike of 0; a price below the
            discounted intrinsic value, or one that no vol gives.
    """

def fit_svi(
    points: Any, expiry_years: float
) -> tuple[tuple[float, float, float, float, float], float, str | None]:
    """The raw SVI slice nearest to quoted vols, by weighted least squares in total variance.

    Args:
        points: ``log_moneyness: f64`` (ln of strike by forward), ``vol: f64``, ``weight: f64``.
        expiry_years: time to expiry.

    Returns:
        ``(a, b, rho, m, sigma)``, the weighted root mean square error in vol, and the butterfly
        arbitrage of the slice, or ``None``.

    Raises:
        EngineError: fewer than five places of weight; a value is out of range.
    """

# --- Historical simulation, delta-gamma-vega, backtests: formulas in docs/margin.md ---------------

def check_historical_parameters(parameters: str) -> None:
    """Range-check a parameter file of historical simulation (JSON) without using it.

    Raises:
        ParameterError: naming the key, the value and the range.
    """

def historical_scenarios(*, parameters: str, returns: Any) -> dict[str, Any]:
    """Joint factor moves: the past as it was, and rescaled to the volatility of tomorrow.

    Args:
        parameters: of historical simulation (JSON text).
        returns: ``factor: utf8, day: i32`` (from 1970-01-01)``, log_return: f64`` in [-10, 10], in
            any order; every factor has the same days.

    Returns:
        ``filtered`` and ``raw``: Arrow tables ``day: i32, move:<factor>: f64 …``, factors in name
        order, a move of -0.1 being a fall by a tenth. ``volatility``: the daily forecast by factor.

    Raises:
        ParameterError: parameters malformed or out of range.
        EngineError: a row is wrong, or there are too few days; table, column and row are named.
    """

def historical_margin(
    *, parameters: str, returns: Any, holdings: Any, revalued: Any | None = None
) -> dict[str, Any]:
    """VaR, ES and margin of holdings, and what each contributes (USD, losses positive).

    Args:
        parameters: as above.
        returns: as above.
        holdings: ``factor: utf8, delta_usd: f64`` (USD gained when the factor doubles).
        revalued: ``name: utf8, filtered: bool, pnl: f64``: P&L in every scenario, in the order of
            ``historical_scenarios``, of what was revalued in full.

    Returns:
        ``filtered``, ``stressed``, ``whole``: each ``var, es, first_day, last_day``, ``tail`` (a
        list of (day, weight, pnl), worst first) and ``contributions`` by holding (sum: ``es``).
        ``blend, floor, requirement``, ``binding`` (``blend``, ``floor`` or ``nothing``), and
        ``contributions``, which sum to the requirement.

    Raises:
        ParameterError: parameters malformed or out of range.
        EngineError: a row is wrong; table, column and row are named.
    """

def historical_forecasts(
    *, parameters: str, returns: Any, holdings: Any, lookback_days: int
) -> Any:
    """Forecasts of every day from the ``lookback_days`` before it, beside what came.

    Returns:
        An Arrow table ``day: i32, pnl, var, es, requirement: f64``.

    Raises:
        ParameterError: parameters malformed or out of range.
        EngineError: a row is wrong, or there are too few days.
    """

def fit_garch(factor: str, log_returns: list[float]) -> dict[str, float]:
    """GARCH(1,1) with a constant mean: ``mean, constant, arch, garch, log_likelihood``.

    Raises:
        EngineError: too few days, no variance, or no maximum inside the bounds.
    """

def parametric_margin(
    *, confidence: float, factors: Any, curvatures: Any, correlations: Any
) -> dict[str, Any]:
    """Delta-gamma-vega, by the correlations given and with all of them one (USD).

    Args:
        confidence: in [0.5, 0.9999].
        factors: ``name: utf8, deviation: f64, sensitivity: f64`` (USD a unit of the factor).
        curvatures: ``factor_a: utf8, factor_b: utf8, curvature: f64``, each pair at most once.
        correlations: ``factor_a: utf8, factor_b: utf8, correlation: f64``, each pair once.

    Returns:
        ``diversified`` and ``crash``, each ``mean, deviation, var, es``; ``crash_binds``;
        ``requirement``.

    Raises:
        ParameterError: the confidence is out of range.
        EngineError: a row is wrong, or the correlations are not positive semidefinite.
    """

def backtest(*, confidence: float, outcomes: Any, with_es: bool) -> dict[str, Any]:
    """Kupiec, Christoffersen, Acerbi-Székely and the Basel traffic light.

    Args:
        confidence: in [0.5, 0.9999].
        outcomes: ``day: i32, pnl: f64, var: f64``, and ``es: f64`` if ``with_es``, in time order.
        with_es: whether expected shortfall was forecast: at least 1e-100 and the VaR on every day.

    Returns:
        ``observations, exceptions, coverage, largest_exception, largest_exception_day,
        average_exception``; ``kupiec, independence, conditional``: (statistic, p-value);
        ``transitions``; ``z1, z2, z2_below_threshold, z2_p_normal`` (``None`` without ES; ``z1``
        also without exceptions); ``traffic_light`` and ``traffic_light_250``: ``observations,
        exceptions, cumulative, zone``.

    Raises:
        ParameterError: the confidence is out of range.
        EngineError: a row is wrong; column and row are named.
    """

# --- The scenario mechanism: formulas in docs/margin.md -------------------------------------------

def check_grid_parameters(parameters: str) -> None:
    """Range-check a parameter file (JSON) of the scenario mechanism without using it.

    Raises:
        ParameterError: naming the key, the value and the range.
    """

def grid_margins(
    *,
    parameters: str,
    cash_price: float,
    assets: Any,
    expiries: Any,
    instruments: Any,
    portfolios: Any,
    positions: Any,
) -> dict[str, Any]:
    """Margins of portfolios over one market, by the scenario mechanism (``docs/margin.md``).

    A pure function; the order of rows shows only in row numbers. Rows refer to each other by row
    number (``u32``).

    Args:
        parameters: a parameter file of the mechanism (JSON text).
        cash_price: what a unit of the cash is worth; 1 at its peg.
        assets: ``name: utf8, spot: f64, confidence: f64``.
        expiries: ``asset: u32, years: f64, forward_fixed: f64, forward_variable: f64, rate: f64,
            confidence: f64`` and a raw SVI slice, null altogether or not at all: ``svi_a, svi_b,
            svi_rho, svi_m, svi_sigma, svi_forward, svi_years: f64 nullable``.
        instruments: ``id: utf8, kind: utf8`` (spot, perp, future, call, put), ``asset: u32
            nullable`` (of spot and perp), ``expiry: u32 nullable``, ``price: f64 nullable`` (null
            of options), ``strike: f64 nullable, vol: f64 nullable`` (null: the slice's),
            ``confidence: f64, haircut_maintenance: f64, haircut_initial: f64, wrapped: bool``.
        portfolios: ``id: utf8, cash: f64, reserved_initial: f64``.
        positions: ``portfolio: u32, instrument: u32, quantity: f64, unsettled: f64``; a portfolio
            has at most one in an instrument.

    Returns:
        Record batches: ``scenarios`` (``name``), ``portfolios`` (``equity``, ``basis_pnl``,
        ``worst``: a scenario's name or ``basis``, and each component of both margins, prefixed
        ``maintenance_`` and ``initial_``), ``positions`` (contributions to both, in row order),
        ``portfolio_pnl`` and ``position_pnl`` (``row``, ``scenario`` number, ``pnl``; a position's
        is what it would be alone), ``arbitrage`` (``expiry: u32, scenario: utf8, kind: utf8``
        (parity, bound, slope, butterfly, calendar)``, strike: f64, amount: f64``, by expiry,
        scenario, strike and kind).

    Raises:
        ParameterError: the parameters are malformed, out of range, or do not fit the market.
        EngineError: a table is malformed; it names table, column and row.
    """

# --- Liquidation: formulas in docs/liquidation.md -------------------------------------------------

def plan_legs(
    *,
    equity: float,
    loss_share_max: float,
    spread: list[float],
    impact: list[float],
    lots: list[int],
    losses: list[list[float]],
) -> tuple[str, list[float], float, list[float], float]:
    """The cheapest closing of legs after which no scenario loses more than allowed.

    Args:
        equity: before anything is closed.
        loss_share_max: of the equity that remains, in [1e-6, 1e6].
        spread: what the spread of closing each whole leg costs, >= 0.
        impact: what the impact of closing each whole leg costs, >= 0.
        lots: lots of each leg; 0: any fraction.
        losses: one row a scenario, one loss a leg.

    Returns:
        Kind (``plan``, ``off_lots``, ``infeasible``, ``undecided``); the fraction of each leg to
        close; its cost (of the first two) or the shortfall it leaves; the multipliers, one a
        scenario; the lower bound of cost or shortfall that they prove.

    Raises:
        EngineError: an amount is no number or out of range, a cost negative, a row ragged.
    """

def venue_margin(document: str) -> str:
    """Collateral and requirement of one account by its venue's own rule, exact.

    Args:
        document: JSON: ``rule``, the account and the venue's markets and prices. Whole numbers are
            texts of digits. ``xmargin.engine.venue_margin`` writes it.

    Returns:
        JSON, of the form of the rule; whole numbers are texts of digits.

    Raises:
        ParameterError: naming the field that is missing, unknown, malformed or out of range.
        EngineError: the venue's own arithmetic overflows, or it would refuse the account.
    """

def pool_swaps(document: str) -> str:
    """What a Uniswap v3 pool would do with each of some orders alone, exact.

    Args:
        document: JSON: ``pool`` and ``orders``. Whole numbers are texts of digits.
            ``xmargin.engine.pools`` writes it.

    Returns:
        JSON: a list of amounts, or of what the contract ``refused``.

    Raises:
        ParameterError: naming the field that is missing, unknown, malformed or out of range.
    """

def propose_liquidation(document: str) -> str:
    """Which liquidation a venue's own rule allows, and whether it should be done.

    Args:
        document: JSON: ``rule``, the account and the venue's parameters and prices. Whole numbers
            are texts of digits. The fields are those of the dataclasses of
            ``xmargin.engine.liquidation``.

    Returns:
        JSON: ``verdict``, ``why``, ``health_before_wad``, ``health_after_wad`` and ``legs``.

    Raises:
        ParameterError: naming the field that is missing, unknown, malformed or out of range.
        EngineError: the venue's own arithmetic leaves its range.
    """

def absorb_loss(document: str) -> str:
    """Who bears what an account cannot pay: insurance fund, counterparties, all by their shares.

    Args:
        document: JSON with the fields of ``xmargin.engine.waterfall.Loss``.

    Returns:
        JSON with the fields of ``xmargin.engine.waterfall.Absorbed``.

    Raises:
        ParameterError: naming the field that is missing, unknown, malformed or out of range.
        EngineError: the shares of the deficit are more than it.
    """

def daily_deviations(parameters: str, assets: list[str]) -> list[float]:
    """The standard deviation of a day's return of each of ``assets``, by ``parameters`` (JSON).

    Raises:
        ParameterError: the parameters are malformed or out of range, or have no ``liquidity``.
    """

def depth_curve(parameters: str, asset: str) -> tuple[float, list[tuple[float, float]]]:
    """A day's volume of ``asset`` in USD, and price multiple by USD sold: knots of straight lines.

    Both by ``parameters`` (JSON).

    Raises:
        ParameterError: the parameters are malformed, or have no ``liquidity``.
    """

def expected_bad_debt(
    *,
    accounts: Any,
    exposures: Any,
    daily_deviation: list[float],
    correlation: float,
    horizon_s: float,
    threads: int,
) -> list[float]:
    """E max(0, -(equity + sZ)) of each account: Z normal, s the deviation of what it is exposed to.

    Args:
        accounts: ``equity: f64`` (USD, may be negative), ``exposures_end: u64``.
        exposures: ``asset: u32`` (ascending within an account), ``value: f64`` (USD, owned less
            owed). Amounts are 0 or of magnitude in [1e-30, 1e30].
        daily_deviation: of each asset, 0 or in [1e-12, 100].
        correlation: of any two assets, in [0, 1].
        horizon_s: in [0, 1e9].
        threads: how many to start; results do not depend on it.

    Raises:
        EngineError: naming table, column and row at fault.
        ParameterError: correlation, horizon or threads are out of range.
    """

def order_fleet(
    *,
    accounts: Any,
    uses: Any,
    depth: list[float],
    parts: bool,
    block_accounts_max: int,
    threads: int,
) -> tuple[Any, list[float], float, float]:
    """The order of accounts that compete for depth, the plan, and what no plan exceeds.

    Args:
        accounts: ``id: u64`` (unique), ``bad_debt_expected: f64`` (if left alone), ``cost: f64``
            (of liquidating, with the bad debt it leaves), ``uses_end: u64`` (where its uses end).
        uses: ``asset: u32`` (ascending within an account), ``amount: f64`` (depth that the whole
            account uses). All amounts are 0 or in [1e-30, 1e30].
        depth: of each asset, at most 1,024.
        parts: whether accounts may be liquidated in part.
        block_accounts_max: liquidations in one block.
        threads: how many to start; results do not depend on it.

    Returns:
        Ranks, first to last (``account: u32`` (its row), ``id: u64, key: f64,
        bad_debt_avoided: f64, priced_depth: f64, share: f64, batch: u32``, null where nothing is
        liquidated); the price of each asset's depth; bad debt avoided by the plan; the bound.

    Raises:
        EngineError: naming table, column and row at fault.
        ParameterError: ``block_accounts_max`` or ``threads`` is out of range.
    """

def sale_costs(*, knots: list[tuple[float, float]], price: float, sold: list[float]) -> list[float]:
    """What each sale costs by itself: price x (sold - integral of the multiple from 0 to sold).

    Args:
        knots: (amount, multiple) of one depth curve, as :meth:`LendingBook.cascade` takes them.
        price: before the sale, in [0, 1e30].
        sold: units of the asset, bought if negative, of magnitude to 1e30.

    Raises:
        EngineError: naming the knot, the price or the sale at fault.
    """

def sellable_amount(*, knots: list[tuple[float, float]], impact_max: float) -> float:
    """The most that is sold before the multiple falls below 1 - ``impact_max``; at most all knots.

    Raises:
        EngineError: naming the knot at fault.
        ParameterError: ``impact_max`` is not in [0, 1].
    """

@final
class LendingBook:
    """Linear lending accounts, laid out by liquidation price. Immutable."""

    def __new__(
        cls,
        *,
        accounts: Any,
        positions: Any,
        kinds: Any,
        anchor_price: list[float],
        threads: int,
    ) -> Self:
        """A checked book.

        Args:
            accounts: ``debt: f64`` (money, >= 0), ``positions_end: u64``.
            positions: ``kind: u32`` (ascending within an account), ``quantity: f64`` (collateral
                if positive, owed if negative). Amounts are 0 or of magnitude in [1e-30, 1e30].
            kinds: ``market: u32`` (not descending), ``collateral_weight: f64`` (0, or in
                [1e-6, 1]), ``debt_factor: f64`` (in [1, 100]).
            anchor_price: of each market (positive; it moves no result).
            threads: how many to start; results do not depend on it.

        Raises:
            EngineError: naming table, column and row at fault.
            ParameterError: the threads cannot be had.
        """

    def __len__(self) -> int: ...
    @property
    def sells_only(self) -> bool:
        """Whether nobody owes an asset: the map is monotone."""

    def cascade(
        self,
        *,
        prices: list[float],
        knots_end: list[int],
        knots: Any,
        health_below: list[float],
        part: list[float],
        passes_max: int,
    ) -> tuple[str, Any, Any, tuple[float, float], int, int]:
        """The bracket of the cascade that begins at some prices.

        Args:
            prices: by market.
            knots_end: where each market's knots end.
            knots: ``amount: f64`` (net sold; not descending), ``multiple: f64`` (not ascending,
                exactly 1 at amount 0), straight between, held beyond; two of one amount are a jump.
            health_below: of each close step, descending, in (0, 1].
            part: closed below that health, ascending, in (0, 1].
            passes_max: after which the bracket is given as it is.

        Returns:
            Kind (``fixed_points``, ``enclosure``, ``unfinished``); by market ``price_low,
            price_high, sold_least, sold_most: f64``; by account ``step_least, step_most: u8``; bad
            debt at the high and at the low prices; passes; evaluations of accounts.

        Raises:
            EngineError: prices or curves are out of range, or of other markets.
            ParameterError: a close step is out of range or order.
        """
