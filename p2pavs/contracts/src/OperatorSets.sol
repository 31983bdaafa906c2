// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IEpochManager} from "./interfaces/IEpochManager.sol";
import {IOperatorRegistry} from "./interfaces/IOperatorRegistry.sol";
import {IStakeSource} from "./interfaces/IStakeSource.sol";
import {Blob} from "./libraries/Blob.sol";
import {BLS12381} from "./libraries/BLS12381.sol";
import {RECORD_BLOBS, OperatorRecords} from "./libraries/OperatorRecords.sol";
import {Words} from "./libraries/Words.sol";

/// @title The frozen operator sets, and how one is written
/// @notice Who counts and for how much is the state of one moment: the first call of a snapshot writes it down. The
/// records are made from it blob by blob, in as many calls as it takes, so no set is too large for a block. A
/// blob that would be the same as the one of the epoch before is not written again.
abstract contract OperatorSets is IEpochManager {
    error NoOperators();
    error UnknownEpoch(uint64 epoch);
    error ZeroAddress();
    error StakeOverflow(uint256 totalStake);

    /// What changes while an epoch comes about; all else is in the code of `head`.
    struct Epoch {
        bytes32 seed; // until it is open: what the beacon's proof is made of
        address head;
        uint16 count;
        uint40 frozenAt;
        uint40 openedAt;
        address revealer;
    }

    /// setRoot (32) | sum of all keys: x (48), y (48) | totalStake (16) | blobs of records (20 each).
    struct Head {
        bytes32 setRoot;
        BLS12381.G1 apk;
        uint128 totalStake;
        address[RECORD_BLOBS] blobs;
    }

    /// A snapshot that is not finished.
    struct Draft {
        address[] members;
        uint256[] stakes;
        uint256 begunAt;
        uint256 read; // members looked at
        uint256 count; // records written
        uint256 totalStake;
        bytes32 fold;
        BLS12381.G1 apk;
        address[RECORD_BLOBS] blobs;
    }

    /// An unfinished snapshot is thrown away after so many blocks: its stakes may have left meanwhile.
    uint256 internal constant DRAFT_BLOCKS = 256;

    IOperatorRegistry public immutable operators;
    IStakeSource public immutable stakes;

    uint64 public currentEpoch;
    mapping(uint64 => Epoch) internal _epochs;
    address private _draft; // a blob: the ABI encoding of a Draft

    constructor(IOperatorRegistry operators_, IStakeSource stakes_) {
        if (address(operators_) == address(0) || address(stakes_) == address(0)) revert ZeroAddress();
        (operators, stakes) = (operators_, stakes_);
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
        (count, openedAt) = (e.count, e.openedAt);
        seed = openedAt == 0 ? bytes32(0) : e.seed;
        (setRoot, totalStake) = (head.setRoot, head.totalStake);
        blobs = new address[]((count + OperatorRecords.PER_BLOB - 1) / OperatorRecords.PER_BLOB);
        for (uint256 i = 0; i < blobs.length; ++i) {
            blobs[i] = head.blobs[i];
        }
        apk = abi.encodePacked(head.apk.x0, head.apk.x1, head.apk.y0, head.apk.y1);
    }

    /// @inheritdoc IEpochManager
    function recordsOf(uint64 epoch) external view returns (bytes memory records) {
        Head memory head = _headOf(epoch);
        for (uint256 i = 0; i < RECORD_BLOBS && head.blobs[i] != address(0); ++i) {
            records = abi.encodePacked(records, Blob.read(head.blobs[i], 0));
        }
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
        returns (
            uint128 totalStake,
            uint16 count,
            address[RECORD_BLOBS] memory blobs,
            BLS12381.G1 memory apk
        )
    {
        Head memory head = _headOf(epoch);
        return (head.totalStake, _epochs[epoch].count, head.blobs, head.apk);
    }

    /// @inheritdoc IEpochManager
    function revealerOf(uint64 epoch) external view returns (address) {
        return _epochs[epoch].revealer;
    }

    /// @dev Writes up to `most` blobs of the next epoch's set.
    /// @return done Whether the set is complete.
    function _snapshot(uint64 next, uint256 most) internal returns (bool done) {
        Draft memory draft = _draftOrNew();
        address[RECORD_BLOBS] memory previous;
        if (next > 1) previous = _headOf(next - 1).blobs;
        for (uint256 i = 0; i < most && !_complete(draft); ++i) {
            bytes memory part = _nextPart(draft);
            if (part.length == 0) break;
            uint256 place = (draft.count - 1) / OperatorRecords.PER_BLOB;
            draft.fold = keccak256(abi.encodePacked(draft.fold, keccak256(part)));
            draft.blobs[place] = Blob.writeUnlessSame(part, previous[place]);
        }
        if (!_complete(draft)) {
            _draft = Blob.write(abi.encode(draft));
            emit EpochDrafted(next, uint16(draft.read), uint16(draft.members.length));
            return false;
        }
        if (_draft != address(0)) delete _draft;
        // Where the last keys left between two calls there is nothing to freeze, and the next call begins anew.
        if (draft.count == 0) {
            if (draft.begunAt == block.number) revert NoOperators();
            return false;
        }
        _keep(next, draft);
        return true;
    }

    function _keep(uint64 next, Draft memory draft) private {
        bytes32 setRoot = Words.words(Words.OPERATOR_SET, draft.count, draft.totalStake, uint256(draft.fold));
        BLS12381.G1 memory apk = draft.apk;
        bytes memory head = abi.encodePacked(
            setRoot, uint128(apk.x0), apk.x1, uint128(apk.y0), apk.y1, uint128(draft.totalStake)
        );
        for (uint256 i = 0; i < RECORD_BLOBS && draft.blobs[i] != address(0); ++i) {
            head = abi.encodePacked(head, draft.blobs[i]);
        }
        Epoch storage epoch = _epochs[next];
        epoch.head = Blob.write(head);
        epoch.count = uint16(draft.count);
        epoch.frozenAt = uint40(block.number);
        emit EpochFrozen(next, uint16(draft.count), uint128(draft.totalStake), setRoot);
    }

    function _draftOrNew() private view returns (Draft memory draft) {
        address kept = _draft;
        if (kept != address(0)) {
            draft = abi.decode(Blob.read(kept, 0), (Draft));
            if (block.number <= draft.begunAt + DRAFT_BLOCKS) return draft;
            Draft memory fresh;
            draft = fresh;
        }
        (draft.members, draft.stakes) = stakes.members();
        draft.begunAt = block.number;
        uint256 minimum = stakes.minimumStake();
        for (uint256 i = 0; i < draft.stakes.length; ++i) {
            if (draft.stakes[i] < minimum) draft.stakes[i] = 0;
        }
    }

    function _complete(Draft memory draft) private pure returns (bool) {
        return draft.read == draft.members.length || draft.count == OperatorRecords.MAX_OPERATORS;
    }

    /// @dev The records of one more blob: as many as it holds, or as there are left.
    function _nextPart(Draft memory draft) private view returns (bytes memory part) {
        part = new bytes(OperatorRecords.PER_BLOB * OperatorRecords.LENGTH + 32); // the last word is written whole
        uint256 count;
        BLS12381.G1 memory key;
        while (count < OperatorRecords.PER_BLOB && !_complete(draft)) {
            uint256 stake = draft.stakes[draft.read];
            address member = draft.members[draft.read];
            ++draft.read;
            if (stake == 0) continue;
            bytes memory coordinates = operators.activeKeyOf(member);
            if (coordinates.length != 96) continue;
            uint256 place = count * OperatorRecords.LENGTH;
            uint256 before = draft.totalStake;
            assembly ("memory-safe") {
                let record := add(add(part, 32), place)
                mstore(record, shl(96, member))
                mstore(add(record, 20), shl(128, before))
                mstore(add(record, 36), shl(128, stake))
                mcopy(add(record, 52), add(coordinates, 32), 96)
                mstore(key, shr(128, mload(add(record, 52))))
                mstore(add(key, 32), mload(add(record, 68)))
                mstore(add(key, 64), shr(128, mload(add(record, 100))))
                mstore(add(key, 96), mload(add(record, 116)))
            }
            BLS12381.addTo(draft.apk, key);
            draft.totalStake = before + stake;
            if (draft.totalStake > type(uint128).max) revert StakeOverflow(draft.totalStake);
            ++count;
            ++draft.count;
        }
        assembly ("memory-safe") {
            mstore(part, mul(count, 148))
        }
    }

    function _headOf(uint64 epoch) internal view returns (Head memory head) {
        address blob = _epochs[epoch].head;
        if (blob == address(0)) revert UnknownEpoch(epoch);
        BLS12381.G1 memory apk = head.apk;
        address[RECORD_BLOBS] memory blobs = head.blobs;
        assembly ("memory-safe") {
            let raw := mload(0x40) // scratch beyond the free memory pointer
            extcodecopy(blob, raw, 1, 224) // 1: the blob's STOP; what is beyond the code reads as zero
            mstore(head, mload(raw))
            mstore(apk, shr(128, mload(add(raw, 32))))
            mstore(add(apk, 32), mload(add(raw, 48)))
            mstore(add(apk, 64), shr(128, mload(add(raw, 80))))
            mstore(add(apk, 96), mload(add(raw, 96)))
            mstore(add(head, 64), shr(128, mload(add(raw, 128))))
            for { let i := 0 } lt(i, 4) { i := add(i, 1) } {
                mstore(add(blobs, mul(i, 32)), shr(96, mload(add(add(raw, 144), mul(i, 20)))))
            }
        }
    }
}
