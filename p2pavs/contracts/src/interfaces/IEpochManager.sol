// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IStakeSource} from "./IStakeSource.sol";
import {BLS12381} from "../libraries/BLS12381.sol";
import {RECORD_BLOBS} from "../libraries/OperatorRecords.sol";

/// @title Which operators count, and the seed that draws among them
interface IEpochManager {
    /// Some of the snapshot is written; `freeze` goes on with it.
    event EpochDrafted(uint64 indexed epoch, uint16 read, uint16 members);
    event EpochFrozen(uint64 indexed epoch, uint16 count, uint128 totalStake, bytes32 setRoot);
    event EpochOpened(uint64 indexed epoch, bytes32 seed);
    /// `rank` leaders before this one let their window pass.
    event BeaconRevealed(uint64 indexed epoch, address indexed operator, uint16 rank);

    /// @notice Writes down the next epoch's set: every member of the stake source that is an active operator. The first
    /// call notes members and stakes. The set is frozen when the keys of all were passed in, in whole blobs of 64.
    /// @param keys x and y, 48 bytes each, of those that `wanted` names, in this order. Others among them do no harm.
    function freeze(bytes calldata keys) external;

    /// @notice Whose keys `freeze` wants next, and what the registry knows them by.
    function wanted() external view returns (address[] memory accounts, bytes26[] memory keys);

    /// @notice Makes the frozen set the current one, with a seed out of the signature of the leader whose turn it is.
    /// Anyone may send it.
    /// @param index The leader's index in the running epoch's set.
    /// @param keyHint The y of its key, 48 bytes.
    /// @param proof Its signature, 256 bytes, under the beacon's own suite, of
    /// words("p2pavs/vrf-in/1", chainId, this contract, epoch, rank, preSeed).
    function reveal(uint16 index, bytes calldata keyHint, bytes calldata proof) external;

    /// @notice Opens the frozen epoch with a seed out of the block's randomness: the first one, which has no leaders,
    /// or one whose leaders have all let their windows pass.
    function open() external;

    /// @notice What a leader signs for: the epoch to come, the block that froze its set (0: none is frozen), and the
    /// value that the seed will be made from.
    function pending() external view returns (uint64 epoch, uint64 frozenAt, bytes32 preSeed);

    /// @notice From which block on the next set may be frozen: when the running epoch is over, or when someone in its
    /// set has been slashed.
    function dueBlock() external view returns (uint256);

    /// @notice Whose proof made an epoch's seed; 0 where there was none.
    function revealerOf(uint64 epoch) external view returns (address);

    /// @notice Where stake comes from.
    function stakes() external view returns (IStakeSource);

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

    /// @notice All records of the epoch, one after another, without what its blobs begin with.
    function recordsOf(uint64 epoch) external view returns (bytes memory);

    /// @notice The open epoch, its seed and the number of its operators, in one call.
    function current() external view returns (uint64 epoch, bytes32 seed, uint16 count);

    function setRootOf(uint64 epoch) external view returns (bytes32);

    /// @notice What checking a certificate takes.
    /// @return totalStake The sum of all stakes.
    /// @return count How many operators there are.
    /// @return blobs Where their records are; zero where there are no more.
    /// @return apk The sum of all keys.
    function setOf(uint64 epoch)
        external
        view
        returns (
            uint128 totalStake,
            uint16 count,
            address[RECORD_BLOBS] memory blobs,
            BLS12381.G1 memory apk
        );
}
