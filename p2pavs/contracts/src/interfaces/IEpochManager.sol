// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {BLS12381} from "../libraries/BLS12381.sol";

/// @title Which operators count, and the seed that draws among them
interface IEpochManager {
    event EpochFrozen(uint64 indexed epoch, uint16 count, uint128 totalStake, bytes32 setRoot);
    event EpochOpened(uint64 indexed epoch, bytes32 seed);

    function freeze() external;
    function open() external;

    /// @notice The open epoch; 0 while there is none.
    function currentEpoch() external view returns (uint64);

    /// @notice What a frozen epoch holds. `seed` and `openedAt` (a block number) are 0 until it is open.
    function epochInfo(uint64 epoch)
        external
        view
        returns (
            bytes32 seed,
            uint128 totalStake,
            uint16 count,
            bytes32 setRoot,
            uint64 openedAt,
            address[] memory blobs,
            bytes memory apk
        );

    /// @notice All records of the epoch, one after another.
    function recordsOf(uint64 epoch) external view returns (bytes memory);

    /// @notice The open epoch, its seed and the number of its operators, in one call.
    function current() external view returns (uint64 epoch, bytes32 seed, uint16 count);

    function setRootOf(uint64 epoch) external view returns (bytes32);

    /// @notice What checking a certificate takes.
    /// @return totalStake The sum of all stakes.
    /// @return count How many operators there are.
    /// @return blobs Where their records are; the second is zero where one is enough.
    /// @return apk The sum of all keys.
    function setOf(uint64 epoch)
        external
        view
        returns (uint128 totalStake, uint16 count, address[2] memory blobs, BLS12381.G1 memory apk);
}
