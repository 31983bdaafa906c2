// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {BLS12381} from "p2pavs/contracts/src/libraries/BLS12381.sol";
import {Sortition} from "p2pavs/contracts/src/libraries/Sortition.sol";

/// @title The libraries, callable
contract Harness {
    function draw(bytes32 tag, bytes32 seed, uint256 a, uint256 b, uint256 bound) external pure returns (uint256) {
        return Sortition.draw(tag, seed, a, b, bound);
    }

    function seatPoints(bytes32 seed, uint256 attempt, uint256 count, uint256 totalStake)
        external
        pure
        returns (uint256[] memory points)
    {
        points = new uint256[](count);
        for (uint256 i = 0; i < count; ++i) {
            points[i] = Sortition.seatPoint(seed, attempt, i, totalStake);
        }
    }

    function compress(bytes calldata key) external pure returns (bytes memory) {
        return BLS12381.compress(BLS12381.readKey(key));
    }

    function negate(bytes calldata key) external pure returns (bytes memory) {
        BLS12381.G1 memory point = BLS12381.readKey(key);
        BLS12381.negate(point);
        return abi.encodePacked(point.x0, point.x1, point.y0, point.y1);
    }

    function requireSignature(bytes calldata key, bytes32 message, string calldata dst, bytes calldata signature)
        external
        view
    {
        BLS12381.requireSignature(BLS12381.readKey(key), message, dst, signature);
    }
}
