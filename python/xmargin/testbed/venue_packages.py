"""The npm packages of the venues that stand beside Aave: pinned as those of the testbed.

They are fetched when a deployment first needs them, not at set-up. Morpho Blue and Uniswap's core
are BUSL-1.1: fetched when needed, never vendored.
"""

from typing import Final

from xmargin.testbed.packages import Package


def _hardhat(root: str, *contracts: str) -> tuple[str, ...]:
    """Members of Hardhat artifacts below ``root``, by the contracts' paths."""
    return tuple(f"{root}/{path}.sol/{path.rsplit('/', 1)[-1]}.json" for path in contracts)


UNISWAP_CORE: Final = Package(
    name="@uniswap/v3-core",
    version="1.0.1",
    integrity=(
        "sha512-7pVk4hEm00j9tc71Y9+ssYpO6ytkeI0y7WE9P6UcmNzhxPePwyAxImuhVsTqWK9YFvzgtvzJHi64pBl4jUzKMQ=="
    ),
    members=_hardhat("artifacts/contracts", "UniswapV3Factory", "UniswapV3Pool"),
)
UNISWAP_PERIPHERY: Final = Package(
    name="@uniswap/v3-periphery",
    version="1.4.4",
    integrity=(
        "sha512-S4+m+wh8HbWSO3DKk4LwUCPZJTpCugIsHrWR86m/OrUyvSqGDTXKFfc2sMuGXCZrD1ZqO3rhQsKgdWg3Hbb2Kw=="
    ),
    members=_hardhat(
        "artifacts/contracts", "NonfungiblePositionManager", "SwapRouter", "lens/QuoterV2"
    ),
)
PERP_CURIE: Final = Package(
    name="@perp/curie-deployments",
    version="2023.4.12-1681295833590",
    integrity=(
        "sha512-NJbTy3frix5AQS5Bk/littykkmQ/m1rFD5HUQG8b0SDVGsqvIsSr5NSlhwb+UGJS7EHtgxevh4P4dTPc4dN6lQ=="
    ),
    members=_hardhat(
        "optimism/core/artifacts",
        "contracts/AccountBalance",
        "contracts/BaseToken",
        "contracts/ClearingHouse",
        "contracts/ClearingHouseConfig",
        "contracts/CollateralManager",
        "contracts/Exchange",
        "contracts/InsuranceFund",
        "contracts/MarketRegistry",
        "contracts/OrderBook",
        "contracts/QuoteToken",
        "contracts/Vault",
        "oracle-contracts/contracts/ChainlinkPriceFeedV2",
        "oracle-contracts/contracts/ChainlinkPriceFeedV3",
        "oracle-contracts/contracts/PriceFeedDispatcher",
    ),
)
MORPHO_BLUE: Final = Package(
    name="@morpho-org/morpho-blue",
    version="1.0.0",
    integrity=(
        "sha512-MKtzYMRE65B1hVJYAPtml3ecHPY2e/SL3JRvM7XWjtbnWQX6U/C3beSdxr7v+rHaVJ0ri/dUPxvNfWtr0NZdGw=="
    ),
    members=(
        "src/Morpho.sol",
        "src/interfaces/IERC20.sol",
        "src/interfaces/IIrm.sol",
        "src/interfaces/IMorpho.sol",
        "src/interfaces/IMorphoCallbacks.sol",
        "src/interfaces/IOracle.sol",
        "src/libraries/ConstantsLib.sol",
        "src/libraries/ErrorsLib.sol",
        "src/libraries/EventsLib.sol",
        "src/libraries/MarketParamsLib.sol",
        "src/libraries/MathLib.sol",
        "src/libraries/SafeTransferLib.sol",
        "src/libraries/SharesMathLib.sol",
        "src/libraries/UtilsLib.sol",
        "src/libraries/periphery/MorphoBalancesLib.sol",
        "src/libraries/periphery/MorphoLib.sol",
        "src/libraries/periphery/MorphoStorageLib.sol",
        "src/mocks/IrmMock.sol",
    ),
)
OPENZEPPELIN: Final = Package(
    name="@openzeppelin/contracts",
    version="4.9.6",
    integrity=(
        "sha512-xSmezSupL+y9VkHZJGDoCBpmnB2ogM13ccaYDWqJTfS3dbuHkgjuwDFUmaFauBCboQMGB/S5UqUl2y54X99BmA=="
    ),
    members=(
        "interfaces/IERC20.sol",
        "interfaces/IERC4626.sol",
        "token/ERC20/ERC20.sol",
        "token/ERC20/IERC20.sol",
        "token/ERC20/extensions/ERC4626.sol",
        "token/ERC20/extensions/IERC20Metadata.sol",
        "token/ERC20/extensions/IERC20Permit.sol",
        "token/ERC20/utils/SafeERC20.sol",
        "utils/Address.sol",
        "utils/Context.sol",
        "utils/math/Math.sol",
    ),
)
PYTH: Final = Package(
    name="@pythnetwork/pyth-sdk-solidity",
    version="4.3.1",
    integrity=(
        "sha512-dAzsVDSKXS/Tbhik5Hp2kix3vDp98SlCXmputDIOkVyF4SKKnhXmIn+iGVmSQdrlF9jCFtvjBj7XYP+9wwpA4A=="
    ),
    members=("abis/MockPyth.json", "build/MockPyth_sol_MockPyth.bin"),
)
SOLC: Final = Package(
    name="solc",
    version="0.8.19",
    integrity=(
        "sha512-yqurS3wzC4LdEvmMobODXqprV4MYJcVtinuxgrp61ac8K2zz40vXA0eSAskSHPgv8dQo7Nux39i3QBsHx4pqyA=="
    ),
    members=("soljson.js",),
)
