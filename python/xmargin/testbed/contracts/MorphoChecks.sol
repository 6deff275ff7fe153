// SPDX-License-Identifier: MIT
pragma solidity 0.8.19;

import {Morpho} from "@morpho-org/morpho-blue/src/Morpho.sol";
import {IrmMock} from "@morpho-org/morpho-blue/src/mocks/IrmMock.sol";
import {IMorpho, MarketParams} from "@morpho-org/morpho-blue/src/interfaces/IMorpho.sol";
import {IOracle} from "@morpho-org/morpho-blue/src/interfaces/IOracle.sol";
import {MorphoBalancesLib} from
    "@morpho-org/morpho-blue/src/libraries/periphery/MorphoBalancesLib.sol";

/// What Morpho's own library for integrators says, for tests to compare with.
contract MorphoLens {
    using MorphoBalancesLib for IMorpho;

    IMorpho private immutable MORPHO;

    constructor(IMorpho morpho) {
        MORPHO = morpho;
    }

    /// Supply assets and shares, borrow assets and shares, interest added as of this block.
    function balances(MarketParams memory params)
        external
        view
        returns (uint256, uint256, uint256, uint256)
    {
        return MORPHO.expectedMarketBalances(params);
    }

    /// What `user` supplied and owes, interest added as of this block.
    function assetsOf(MarketParams memory params, address user)
        external
        view
        returns (uint256, uint256)
    {
        return (
            MORPHO.expectedSupplyAssets(params, user), MORPHO.expectedBorrowAssets(params, user)
        );
    }
}

interface IFeed {
    function latestAnswer() external view returns (int256);
}

/// A Morpho oracle over two Chainlink feeds of equal decimals.
contract FeedRatioOracle is IOracle {
    IFeed private immutable COLLATERAL;
    IFeed private immutable LOAN;
    uint256 private immutable SCALE;

    constructor(IFeed collateral, IFeed loan, uint256 collateralDecimals, uint256 loanDecimals) {
        COLLATERAL = collateral;
        LOAN = loan;
        SCALE = 10 ** (36 + loanDecimals - collateralDecimals);
    }

    function price() external view returns (uint256) {
        return uint256(COLLATERAL.latestAnswer()) * SCALE / uint256(LOAN.latestAnswer());
    }
}
