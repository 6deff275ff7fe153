"""The functions of Aave v3.0.x that are read, as their Solidity interfaces give them."""

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
# Only from v3.1 on; v3.0 knows no such function.
GET_LIQUIDATION_GRACE_PERIOD = Function("getLiquidationGracePeriod(address)", "uint40")

# IAaveOracle
BASE_CURRENCY_UNIT = Function("BASE_CURRENCY_UNIT()", "uint256")
GET_ASSET_PRICE = Function("getAssetPrice(address)", "uint256")

# IScaledBalanceToken, IStableDebtToken
SCALED_BALANCE_OF = Function("scaledBalanceOf(address)", "uint256")
PRINCIPAL_BALANCE_OF = Function("principalBalanceOf(address)", "uint256")
GET_USER_STABLE_RATE = Function("getUserStableRate(address)", "uint256")
GET_USER_LAST_UPDATED = Function("getUserLastUpdated(address)", "uint40")

_CATEGORY_SHIFT = 168
_CATEGORY_MASK = 0xFF


@dataclass(frozen=True, slots=True)
class ReserveData:
    """``DataTypes.ReserveData`` of v3.0.x, without what nothing here needs."""

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

    @property
    def emode_category(self) -> int:
        """Bits 168 to 175 of the configuration: the eMode category of the asset."""
        return self.configuration >> _CATEGORY_SHIFT & _CATEGORY_MASK


def decode_reserve_data(data: bytes | None) -> ReserveData:
    """What ``getReserveData`` returned.

    Raises:
        DecodeError: the call failed or the layout is not that of v3.0.x.
    """
    fields = GET_RESERVE_DATA.decode(data)
    if NO_ADDRESS in fields[8:11]:
        raise DecodeError(
            "getReserveData() names no stable debt token, as from Aave v3.2 on; "
            "only the layout of v3.0.x is known"
        )
    configuration, index, rate, debt_index, debt_rate, _, updated_at_s, reserve_id = fields[:8]
    return ReserveData(
        configuration, index, rate, debt_index, debt_rate, updated_at_s, reserve_id, *fields[8:11]
    )


@dataclass(frozen=True, slots=True)
class EModeData:
    """``DataTypes.EModeCategory`` of v3.0.x; ratios in basis points."""

    ltv: int
    liquidation_threshold: int
    liquidation_bonus: int
    price_source: str
    label: str


def decode_emode(data: bytes | None) -> EModeData:
    """What ``getEModeCategoryData`` returned.

    Raises:
        DecodeError: the call failed or the layout is not that of v3.0.x.
    """
    (fields,) = GET_EMODE_CATEGORY_DATA.decode(data)
    return EModeData(*fields)
