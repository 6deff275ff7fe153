"""The functions of Perpetual v2's contracts that are asked."""

from typing import Final

from xmargin.evm_abi import Function

GET_VAULT: Final = Function("getVault()", "address")
GET_ACCOUNT_BALANCE: Final = Function("getAccountBalance()", "address")
GET_EXCHANGE: Final = Function("getExchange()", "address")
GET_ORDER_BOOK: Final = Function("getOrderBook()", "address")
GET_CONFIG: Final = Function("getClearingHouseConfig()", "address")
GET_COLLATERAL_MANAGER: Final = Function("getCollateralManager()", "address")
GET_MARKET_REGISTRY: Final = Function("getMarketRegistry()", "address")
GET_SETTLEMENT_TOKEN: Final = Function("getSettlementToken()", "address")
DECIMALS: Final = Function("decimals()", "uint8")
GET_POOL: Final = Function("getPool(address)", "address")

GET_IM_RATIO: Final = Function("getImRatio()", "uint24")
GET_MM_RATIO: Final = Function("getMmRatio()", "uint24")
GET_MARK_PRICE_CONFIG: Final = Function("getMarkPriceConfig()", "uint32", "uint32")
IS_OPEN: Final = Function("isOpen()", "bool")
GET_INDEX_PRICE: Final = Function("getIndexPrice(uint256)", "uint256")
GET_SQRT_MARKET_TWAP: Final = Function("getSqrtMarketTwapX96(address,uint32)", "uint160")
SLOT0: Final = Function(
    "slot0()", "uint160", "int24", "uint16", "uint16", "uint16", "uint8", "bool"
)
GET_MARK_PRICE: Final = Function("getMarkPrice(address)", "uint256")
GET_PRICE: Final = Function("getPrice(address,uint256)", "uint256")
GET_PRICE_FEED_DECIMALS: Final = Function("getPriceFeedDecimals(address)", "uint8")
GET_COLLATERAL_CONFIG: Final = Function(
    "getCollateralConfig(address)", "address", "uint24", "uint24", "uint256"
)

GET_BALANCE: Final = Function("getBalance(address)", "int256")
GET_BALANCE_BY_TOKEN: Final = Function("getBalanceByToken(address,address)", "int256")
GET_COLLATERAL_TOKENS: Final = Function("getCollateralTokens(address)", "address[]")
GET_BASE_TOKENS: Final = Function("getBaseTokens(address)", "address[]")
GET_ACCOUNT_INFO: Final = Function("getAccountInfo(address,address)", "int256", "int256", "int256")
GET_OPEN_ORDER_IDS: Final = Function("getOpenOrderIds(address,address)", "bytes32[]")
GET_OPEN_ORDER: Final = Function(
    "getOpenOrderById(bytes32)",
    "uint128", "int24", "int24", "uint256", "int256", "int256", "int256", "uint256", "uint256",
)  # fmt: skip
GET_PNL_AND_PENDING_FEE: Final = Function(
    "getPnlAndPendingFee(address)", "int256", "int256", "uint256"
)
GET_PENDING_FUNDING: Final = Function("getAllPendingFundingPayment(address)", "int256")
