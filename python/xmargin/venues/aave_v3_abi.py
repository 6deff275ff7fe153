"""The functions of Aave v3.0.x and v3.6 that are read, as their Solidity interfaces give them."""

from dataclasses import dataclass
from typing import Final

from xmargin.errors import DecodeError
from xmargin.evm_abi import Function

NO_ADDRESS: Final = "0x" + "00" * 20

# IPoolAddressesProvider
GET_POOL = Function("getPool()", "address")
GET_PRICE_ORACLE = Function("getPriceOracle()", "address")

# IPool
GET_RESERVES_LIST = Function("getReservesList()", "address[]")
GET_RESERVE_DATA = Function(
    "getReserveData(address)",
    "uint256",  # configuration
    "uint128",  # liquidityIndex
    "uint128",  # currentLiquidityRate
    "uint128",  # variableBorrowIndex
    "uint128",  # currentVariableBorrowRate
    "uint128",  # currentStableBorrowRate
    "uint40",  # lastUpdateTimestamp
    "uint16",  # id
    "address",  # aTokenAddress
    "address",  # stableDebtTokenAddress
    "address",  # variableDebtTokenAddress
    "address",  # interestRateStrategyAddress
    "uint128",  # accruedToTreasury
    "uint128",  # unbacked
    "uint128",  # isolationModeTotalDebt
)
GET_EMODE_CATEGORY_DATA = Function(
    "getEModeCategoryData(uint8)", "(uint16,uint16,uint16,address,string)"
)
GET_USER_CONFIGURATION = Function("getUserConfiguration(address)", "uint256")
GET_USER_EMODE = Function("getUserEMode(address)", "uint256")
POOL_REVISION = Function("POOL_REVISION()", "uint256")
# Only from v3.2 on.
GET_EMODE_COLLATERAL_BITMAP = Function("getEModeCategoryCollateralBitmap(uint8)", "uint128")
GET_EMODE_BORROWABLE_BITMAP = Function("getEModeCategoryBorrowableBitmap(uint8)", "uint128")
# Only from v3.6 on.
GET_EMODE_LTVZERO_BITMAP = Function("getEModeCategoryLtvzeroBitmap(uint8)", "uint128")
# Only from v3.1 on; v3.0 knows no such function.
GET_LIQUIDATION_GRACE_PERIOD = Function("getLiquidationGracePeriod(address)", "uint40")

# IAaveOracle
BASE_CURRENCY_UNIT = Function("BASE_CURRENCY_UNIT()", "uint256")
GET_ASSET_PRICE = Function("getAssetPrice(address)", "uint256")

# IScaledBalanceToken, IStableDebtToken
SCALED_BALANCE_OF = Function("scaledBalanceOf(address)", "uint256")
SCALED_TOTAL_SUPPLY = Function("scaledTotalSupply()", "uint256")
PRINCIPAL_BALANCE_OF = Function("principalBalanceOf(address)", "uint256")
GET_USER_STABLE_RATE = Function("getUserStableRate(address)", "uint256")
GET_USER_LAST_UPDATED = Function("getUserLastUpdated(address)", "uint40")

_CATEGORY_SHIFT = 168
_CATEGORY_MASK = 0xFF


@dataclass(frozen=True, slots=True)
class ReserveData:
    """``ReserveData`` of v3.0.x, ``ReserveDataLegacy`` since, without what nothing here needs."""

    configuration: int
    liquidity_index: int
    liquidity_rate: int
    variable_borrow_index: int
    variable_borrow_rate: int
    updated_at_s: int
    reserve_id: int
    a_token: str
    stable_debt_token: str
    variable_debt_token: str
    treasury_scaled: int
    isolated_debt_cents: int

    @property
    def emode_category(self) -> int:
        """Bits 168 to 175 of the configuration: the eMode category of the asset in v3.0.x."""
        return self.configuration >> _CATEGORY_SHIFT & _CATEGORY_MASK


def decode_reserve_data(data: bytes | None) -> ReserveData:
    """What ``getReserveData`` returned; since v3.2 it names no stable debt token, or a mock.

    Raises:
        DecodeError: the call failed or the layout is another.
    """
    fields = GET_RESERVE_DATA.decode(data)
    if NO_ADDRESS in (fields[8], fields[10]):
        raise DecodeError("getReserveData() names no aToken or no variable debt token")
    configuration, index, rate, debt_index, debt_rate, _, updated_at_s, reserve_id = fields[:8]
    a_token, stable, variable, _, treasury, _, isolated_debt = fields[8:]
    return ReserveData(
        configuration, index, rate, debt_index, debt_rate, updated_at_s, reserve_id,
        a_token, stable, variable, treasury, isolated_debt,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class EModeData:
    """``EModeCategory`` of v3.0.x, ``EModeCategoryLegacy`` since; ratios in basis points."""

    ltv: int
    liquidation_threshold: int
    liquidation_bonus: int
    price_source: str
    label: str


def decode_emode(data: bytes | None) -> EModeData:
    """What ``getEModeCategoryData`` returned.

    Raises:
        DecodeError: the call failed or the layout is another.
    """
    (fields,) = GET_EMODE_CATEGORY_DATA.decode(data)
    return EModeData(*fields)
