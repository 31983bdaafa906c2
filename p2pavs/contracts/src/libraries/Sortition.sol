// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Words} from "./Words.sol";

/// @title Drawing by stake, without bias and without floats
library Sortition {
    error EmptyDraw();

    /// @notice A uniform number below `bound`, the same on chain and off.
    /// @dev A hash in the last, incomplete copy of the range is thrown away and the next counter tried; that
    /// is what keeps `mod` free of bias. For the stakes that exist a second try is all but never needed.
    function draw(bytes32 tag, bytes32 seed, uint256 a, uint256 b, uint256 bound) internal pure returns (uint256) {
        if (bound == 0) revert EmptyDraw();
        uint256 excess;
        unchecked {
            excess = (0 - bound) % bound; // 2^256 mod bound
        }
        uint256 h;
        uint256 counter;
        do {
            h = uint256(Words.words(tag, uint256(seed), a, b, counter));
            ++counter;
        } while (h > type(uint256).max - excess);
        return h % bound;
    }

    /// @notice The point of the stake line that seat `seat` falls on.
    function seatPoint(bytes32 taskSeed, uint256 attempt, uint256 seat, uint256 totalStake)
        internal
        pure
        returns (uint256)
    {
        return draw(Words.SEAT, taskSeed, attempt, seat, totalStake);
    }
}
