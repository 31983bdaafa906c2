// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IEpochManager} from "./interfaces/IEpochManager.sol";
import {IOperatorRegistry} from "./interfaces/IOperatorRegistry.sol";
import {IStakeSource} from "./interfaces/IStakeSource.sol";
import {Blob} from "./libraries/Blob.sol";
import {BLS12381} from "./libraries/BLS12381.sol";
import {OperatorRecords} from "./libraries/OperatorRecords.sol";
import {Words} from "./libraries/Words.sol";

/// @title Epochs
/// @notice An epoch begins in two steps, which anyone may take. `freeze` writes down who counts and for how much.
/// `open`, in a later block, makes the seed: whoever froze (or chose when to join) could not know it. The
/// set is written in one transaction, so it is the state of one moment; 256 operators take about 12 million gas.
contract EpochManager is IEpochManager {
    error EpochNotDue(uint256 dueBlock, uint256 blockNumber);
    error AlreadyFrozen(uint64 epoch);
    error NothingFrozen(uint64 epoch);
    error SameBlockAsFreeze(uint256 blockNumber);
    error NoOperators();
    error UnknownEpoch(uint64 epoch);
    error ZeroAddress();
    error StakeOverflow(uint256 totalStake);

    /// What changes while an epoch comes about; all else is in the code of `head`.
    struct Epoch {
        bytes32 seed;
        address head;
        uint16 count;
        uint40 frozenAt;
        uint40 openedAt;
    }

    /// setRoot (32) | sum of all keys: x (48), y (48) | totalStake (16) | blobs of records (2 x 20).
    struct Head {
        bytes32 setRoot;
        BLS12381.G1 apk;
        uint128 totalStake;
        address[2] blobs;
    }

    IOperatorRegistry public immutable operators;
    IStakeSource public immutable stakes;
    /// Blocks that an epoch lasts at least.
    uint64 public immutable epochLength;

    uint64 public currentEpoch;
    mapping(uint64 => Epoch) private _epochs;

    constructor(IOperatorRegistry operators_, IStakeSource stakes_, uint64 epochLength_) {
        if (address(operators_) == address(0) || address(stakes_) == address(0)) revert ZeroAddress();
        operators = operators_;
        stakes = stakes_;
        epochLength = epochLength_;
    }

    /// @notice Writes down the next epoch's set: every member of the stake source that is an active operator.
    function freeze() external {
        uint64 next = currentEpoch + 1;
        Epoch storage epoch = _epochs[next];
        if (epoch.frozenAt != 0) revert AlreadyFrozen(next);
        if (next > 1) {
            uint256 due = uint256(_epochs[next - 1].openedAt) + epochLength;
            if (block.number < due) revert EpochNotDue(due, block.number);
        }
        (bytes memory records, uint256 count, uint256 totalStake, BLS12381.G1 memory apk) = _collect();
        if (count == 0) revert NoOperators();

        bytes32 fold;
        address[2] memory blobs;
        for (uint256 i = 0; i * OperatorRecords.PER_BLOB < count; ++i) {
            bytes memory part = _part(records, i * OperatorRecords.PER_BLOB, count);
            fold = keccak256(abi.encodePacked(fold, keccak256(part)));
            blobs[i] = Blob.write(part);
        }
        bytes32 setRoot = Words.words(Words.OPERATOR_SET, count, totalStake, uint256(fold));
        epoch.head = Blob.write(
            abi.encodePacked(
                setRoot, uint128(apk.x0), apk.x1, uint128(apk.y0), apk.y1, uint128(totalStake), blobs[0], blobs[1]
            )
        );
        epoch.count = uint16(count);
        epoch.frozenAt = uint40(block.number);
        emit EpochFrozen(next, uint16(count), uint128(totalStake), setRoot);
    }

    /// @notice Makes the frozen set the current one, with a seed that did not exist when it was frozen.
    function open() external {
        uint64 next = currentEpoch + 1;
        Epoch storage epoch = _epochs[next];
        if (epoch.frozenAt == 0) revert NothingFrozen(next);
        if (block.number <= epoch.frozenAt) revert SameBlockAsFreeze(block.number);
        bytes32 seed = next == 1
            ? Words.words(Words.FIRST_SEED, block.chainid, uint256(uint160(address(this))), block.prevrandao)
            : Words.words(Words.NEXT_SEED, uint256(_epochs[next - 1].seed), next, block.prevrandao);
        epoch.seed = seed;
        epoch.openedAt = uint40(block.number);
        currentEpoch = next;
        emit EpochOpened(next, seed);
    }

    /// @inheritdoc IEpochManager
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
        )
    {
        Head memory head = _headOf(epoch);
        Epoch storage e = _epochs[epoch];
        (seed, count, openedAt) = (e.seed, e.count, e.openedAt);
        (setRoot, totalStake) = (head.setRoot, head.totalStake);
        blobs = new address[](count > OperatorRecords.PER_BLOB ? 2 : 1);
        for (uint256 i = 0; i < blobs.length; ++i) {
            blobs[i] = head.blobs[i];
        }
        apk = abi.encodePacked(head.apk.x0, head.apk.x1, head.apk.y0, head.apk.y1);
    }

    /// @inheritdoc IEpochManager
    function recordsOf(uint64 epoch) external view returns (bytes memory records) {
        Head memory head = _headOf(epoch);
        records = Blob.read(head.blobs[0], 0);
        if (head.blobs[1] != address(0)) records = abi.encodePacked(records, Blob.read(head.blobs[1], 0));
    }

    /// @inheritdoc IEpochManager
    function current() external view returns (uint64 epoch, bytes32 seed, uint16 count) {
        epoch = currentEpoch;
        Epoch storage e = _epochs[epoch];
        return (epoch, e.seed, e.count);
    }

    /// @inheritdoc IEpochManager
    function setRootOf(uint64 epoch) external view returns (bytes32) {
        return _headOf(epoch).setRoot;
    }

    /// @inheritdoc IEpochManager
    function setOf(uint64 epoch)
        external
        view
        returns (uint128 totalStake, uint16 count, address[2] memory blobs, BLS12381.G1 memory apk)
    {
        Head memory head = _headOf(epoch);
        return (head.totalStake, _epochs[epoch].count, head.blobs, head.apk);
    }

    function _headOf(uint64 epoch) private view returns (Head memory head) {
        address blob = _epochs[epoch].head;
        if (blob == address(0)) revert UnknownEpoch(epoch);
        BLS12381.G1 memory apk = head.apk;
        address[2] memory blobs = head.blobs;
        assembly ("memory-safe") {
            let raw := mload(0x40) // scratch beyond the free memory pointer
            extcodecopy(blob, raw, 1, 184) // 1: the blob's STOP
            mstore(head, mload(raw))
            mstore(apk, shr(128, mload(add(raw, 32))))
            mstore(add(apk, 32), mload(add(raw, 48)))
            mstore(add(apk, 64), shr(128, mload(add(raw, 80))))
            mstore(add(apk, 96), mload(add(raw, 96)))
            mstore(add(head, 64), shr(128, mload(add(raw, 128))))
            mstore(blobs, shr(96, mload(add(raw, 144))))
            mstore(add(blobs, 32), shr(96, mload(add(raw, 164))))
        }
    }

    /// @dev `records` has room for all members; only the first `count` records are written.
    function _collect()
        private
        view
        returns (bytes memory records, uint256 count, uint256 totalStake, BLS12381.G1 memory apk)
    {
        (address[] memory members, uint256[] memory weights) = stakes.members();
        // 32 more: the last word of the last record is written whole.
        records = new bytes(members.length * OperatorRecords.LENGTH + 32);
        uint256 minimum = stakes.minimumStake();
        BLS12381.G1 memory key;
        for (uint256 i = 0; i < members.length && count < OperatorRecords.MAX_OPERATORS; ++i) {
            uint256 stake = weights[i];
            if (stake < minimum || stake == 0) continue;
            bytes memory coordinates = operators.activeKeyOf(members[i]);
            if (coordinates.length != 96) continue;
            uint256 place = count * OperatorRecords.LENGTH;
            uint256 before = totalStake;
            address member = members[i];
            assembly ("memory-safe") {
                let record := add(add(records, 32), place)
                mstore(record, shl(96, member))
                mstore(add(record, 20), shl(128, before))
                mstore(add(record, 36), shl(128, stake))
                mcopy(add(record, 52), add(coordinates, 32), 96)
                mstore(key, shr(128, mload(add(record, 52))))
                mstore(add(key, 32), mload(add(record, 68)))
                mstore(add(key, 64), shr(128, mload(add(record, 100))))
                mstore(add(key, 96), mload(add(record, 116)))
            }
            BLS12381.addTo(apk, key);
            totalStake += stake;
            if (totalStake > type(uint128).max) revert StakeOverflow(totalStake);
            ++count;
        }
    }

    /// @dev The records from `first` on, as many as a blob holds.
    function _part(bytes memory records, uint256 first, uint256 count) private pure returns (bytes memory part) {
        uint256 left = count - first;
        uint256 length = (left < OperatorRecords.PER_BLOB ? left : OperatorRecords.PER_BLOB) * OperatorRecords.LENGTH;
        part = new bytes(length);
        uint256 offset = first * OperatorRecords.LENGTH;
        assembly ("memory-safe") {
            mcopy(add(part, 32), add(add(records, 32), offset), length)
        }
    }
}
