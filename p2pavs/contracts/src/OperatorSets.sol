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
/// records are made from it blob by blob, in as many calls as it takes, so no set is too large for a block. The
/// registry keeps hashes of keys; who calls passes the keys in. What certificates need of the whole set is behind the
/// records of the last blob. A blob that would be the same as the one of the epoch before is not written again.
abstract contract OperatorSets is IEpochManager {
    error NoOperators();
    error UnknownEpoch(uint64 epoch);
    error ZeroAddress();
    error StakeOverflow(uint256 stake);
    error WrongKeysLength(uint256 length);
    error KeyMissing(address account);

    /// What changes while an epoch comes about; all else is in the code of its blobs.
    struct Epoch {
        bytes32 seed; // until it is open: what the beacon's proof is made of
        address lastBlob;
        uint16 count;
        uint40 frozenAt;
        uint40 openedAt;
        address revealer;
    }

    /// Behind the records of the last blob: setRoot (32) | sum of all keys: x (48), y (48) | the other blobs (20 each).
    struct Head {
        bytes32 setRoot;
        BLS12381.G1 apk;
        uint128 totalStake; // which the last record ends with
        address[RECORD_BLOBS] blobs;
    }

    /// A snapshot that is not finished.
    struct Draft {
        address[] members;
        uint256[] stakes;
        uint256 begunAt;
        uint256 read; // members looked at
        uint256 count; // records made
        uint256 totalStake;
        bytes32 fold;
        BLS12381.Sum sum; // of the keys
        address[RECORD_BLOBS] blobs;
    }

    /// An unfinished snapshot is thrown away after so many blocks: its stakes may have left meanwhile.
    uint256 internal constant DRAFT_BLOCKS = 256;

    uint256 private constant KEY_LENGTH = 96;

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
        uint256 count = _epochs[epoch].count;
        for (uint256 i = 0; count > 0; ++i) {
            uint256 there = count < OperatorRecords.PER_BLOB ? count : OperatorRecords.PER_BLOB;
            bytes memory part = Blob.read(head.blobs[i], OperatorRecords.STAKE_LENGTH, there * OperatorRecords.LENGTH);
            records = abi.encodePacked(records, part);
            count -= there;
        }
    }

    /// @inheritdoc IEpochManager
    function current() external view returns (uint64 epoch, bytes32 seed, uint16 count) {
        epoch = currentEpoch;
        Epoch storage e = _epochs[epoch];
        return (epoch, e.seed, e.count);
    }

    /// @inheritdoc IEpochManager
    function setRootOf(uint64 epoch) external view returns (bytes32 setRoot) {
        (address blob, uint256 offset,) = _whereIsHead(epoch);
        assembly ("memory-safe") {
            extcodecopy(blob, 0, add(offset, 16), 32)
            setRoot := mload(0)
        }
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
        (address blob, uint256 offset, uint256 others) = _whereIsHead(epoch);
        count = _epochs[epoch].count;
        // `_headOf`, written to where it is returned from: every certificate reads it.
        assembly ("memory-safe") {
            let answer := mload(0x40)
            let raw := add(answer, 320)
            extcodecopy(blob, raw, offset, 204)
            totalStake := shr(128, mload(raw))
            mstore(answer, totalStake)
            mstore(add(answer, 32), count)
            blobs := add(answer, 64)
            calldatacopy(blobs, calldatasize(), 128) // zeros
            for { let i := 0 } lt(i, others) { i := add(i, 1) } {
                mstore(add(blobs, shl(5, i)), shr(96, mload(add(add(raw, 144), mul(i, 20)))))
            }
            mstore(add(blobs, shl(5, others)), blob)
            apk := add(answer, 192)
            mstore(apk, shr(128, mload(add(raw, 48))))
            mstore(add(apk, 32), mload(add(raw, 64)))
            mstore(add(apk, 64), shr(128, mload(add(raw, 96))))
            mstore(add(apk, 96), mload(add(raw, 112)))
            return(answer, 320)
        }
    }

    /// @inheritdoc IEpochManager
    function revealerOf(uint64 epoch) external view returns (address) {
        return _epochs[epoch].revealer;
    }

    /// @inheritdoc IEpochManager
    function wanted() external view returns (address[] memory accounts, bytes26[] memory keys) {
        Draft memory draft = _draftOrNew();
        accounts = new address[](draft.members.length);
        keys = new bytes26[](draft.members.length);
        bytes26[] memory active = operators.activeKeys(draft.members);
        uint256 minimum = _minimumStake();
        uint256 count;
        for (uint256 i = draft.read; i < active.length && draft.count + count < OperatorRecords.MAX_OPERATORS; ++i) {
            if (draft.stakes[i] < minimum || active[i] == 0) continue;
            (accounts[count], keys[count]) = (draft.members[i], active[i]);
            ++count;
        }
        assembly ("memory-safe") {
            mstore(accounts, count)
            mstore(keys, count)
        }
    }

    /// @dev Makes the blobs of the next epoch's set that there are keys for.
    /// @return done Whether the set is complete.
    function _snapshot(uint64 next, bytes calldata keys) internal returns (bool done) {
        if (keys.length % KEY_LENGTH != 0) revert WrongKeysLength(keys.length);
        Draft memory draft = _draftOrNew();
        address[RECORD_BLOBS] memory previous;
        if (next > 1) previous = _headOf(next - 1).blobs;
        bytes26[] memory active = operators.activeKeys(draft.members);
        uint256 minimum = _minimumStake();
        uint256 cursor; // in the call data: the next key
        uint256 end; // of the keys
        assembly ("memory-safe") {
            cursor := keys.offset
            end := add(cursor, keys.length)
        }
        while (draft.read < draft.members.length) {
            bytes memory part;
            (part, cursor) = _nextPart(draft, active, minimum, cursor, end);
            if (part.length == 0) break;
            draft.fold = keccak256(abi.encodePacked(draft.fold, keccak256(part)));
            uint256 place = (draft.count - 1) / OperatorRecords.PER_BLOB;
            if (draft.read == draft.members.length) {
                _keep(next, draft, part, previous[place]);
                if (_draft != address(0)) delete _draft;
                return true;
            }
            draft.blobs[place] = Blob.writeUnlessSame(part, previous[place]);
        }
        if (draft.read < draft.members.length) {
            _draft = Blob.write(abi.encode(draft));
            emit EpochDrafted(next, uint16(draft.read), uint16(draft.members.length));
            return false;
        }
        // All who were left in a draft have left since: the next call begins anew.
        if (_draft == address(0)) revert NoOperators();
        delete _draft;
    }

    /// @param part The records of the last blob.
    function _keep(uint64 next, Draft memory draft, bytes memory part, address previous) private {
        bytes32 setRoot = Words.words(Words.OPERATOR_SET, draft.count, draft.totalStake, uint256(draft.fold));
        BLS12381.Sum memory sum = draft.sum;
        bytes memory blob = abi.encodePacked(
            part, setRoot, uint128(sum.sumX0), sum.sumX1, uint128(sum.sumY0), sum.sumY1
        );
        for (uint256 i = 0; i < RECORD_BLOBS && draft.blobs[i] != address(0); ++i) {
            blob = abi.encodePacked(blob, draft.blobs[i]);
        }
        Epoch storage epoch = _epochs[next];
        epoch.lastBlob = Blob.writeUnlessSame(blob, previous);
        epoch.count = uint16(draft.count);
        epoch.frozenAt = uint40(block.number);
        emit EpochFrozen(next, uint16(draft.count), uint128(draft.totalStake), setRoot);
    }

    /// @dev Without any stake nobody counts.
    function _minimumStake() private view returns (uint256 minimum) {
        minimum = stakes.minimumStake();
        if (minimum == 0) minimum = 1;
    }

    function _draftOrNew() private view returns (Draft memory draft) {
        address kept = _draft;
        if (kept != address(0)) {
            draft = abi.decode(Blob.read(kept, 0), (Draft));
            // One that was begun before a slash counts what was taken.
            if (block.number <= draft.begunAt + DRAFT_BLOCKS && stakes.lastSlashAt() < draft.begunAt) return draft;
            Draft memory fresh;
            draft = fresh;
        }
        (draft.members, draft.stakes) = stakes.members();
        draft.begunAt = block.number;
    }

    /// @dev One more blob: as many records as it holds, or as there are left; empty where there are none, or no key for
    /// the first. `draft.read` is then where the next one begins.
    /// @param active What the registry knows the members' keys by.
    /// @param cursor Where in the call data the next key is.
    /// @param end Where the keys end there.
    function _nextPart(Draft memory draft, bytes26[] memory active, uint256 minimum, uint256 cursor, uint256 end)
        private
        view
        returns (bytes memory part, uint256)
    {
        // The last word is written whole.
        part = new bytes(OperatorRecords.STAKE_LENGTH + OperatorRecords.PER_BLOB * OperatorRecords.LENGTH + 16);
        uint256 record; // where the next one goes
        uint256 total = draft.totalStake;
        assembly ("memory-safe") {
            mstore(add(part, 32), shl(128, total))
            record := add(part, 48)
        }
        BLS12381.Sum memory sum = draft.sum;
        (address[] memory members, uint256[] memory stakes_) = (draft.members, draft.stakes);
        uint256 place = draft.read;
        uint256 count;
        unchecked {
            for (; place < active.length; ++place) {
                uint256 stake;
                bytes26 known;
                address member;
                assembly ("memory-safe") {
                    let offset := add(32, shl(5, place))
                    stake := mload(add(stakes_, offset))
                    known := mload(add(active, offset))
                    member := mload(add(members, offset))
                }
                if (stake < minimum || known == 0) continue;
                if (count == OperatorRecords.PER_BLOB) break; // there are more
                uint256 head;
                do {
                    if (cursor == end) {
                        if (count != 0) revert KeyMissing(member);
                        draft.read = place;
                        return ("", cursor);
                    }
                    head = BLS12381.read(sum, cursor);
                    cursor += KEY_LENGTH;
                } while (_hashOf(head, sum.x1) != known);
                BLS12381.add(sum); // which checks that y is on the curve; its sign is in the hash
                if (stake > type(uint128).max - total) revert StakeOverflow(stake);
                total += stake;
                uint256 x1 = sum.x1;
                assembly ("memory-safe") {
                    mstore(record, shl(96, member))
                    mstore(add(record, 20), shl(128, head))
                    mstore(add(record, 36), x1)
                    mstore(add(record, 68), shl(128, total))
                    record := add(record, 84)
                }
                ++count;
            }
            (draft.read, draft.totalStake) = (place, total);
            draft.count += count;
            // Whoever comes after the last place is left out.
            if (draft.count == OperatorRecords.MAX_OPERATORS) draft.read = active.length;
        }
        if (count == 0) return ("", cursor);
        assembly ("memory-safe") {
            mstore(part, sub(record, add(part, 32)))
        }
        return (part, cursor);
    }

    /// @dev As the registry knows it.
    function _hashOf(uint256 head, uint256 tail) private pure returns (bytes26 hash) {
        bytes32 whole;
        assembly ("memory-safe") {
            mstore(0, shl(128, head))
            mstore(16, tail)
            whole := keccak256(0, 48)
        }
        return bytes26(whole);
    }

    function _headOf(uint64 epoch) internal view returns (Head memory head) {
        (address blob, uint256 offset, uint256 others) = _whereIsHead(epoch);
        BLS12381.G1 memory apk = head.apk;
        address[RECORD_BLOBS] memory blobs = head.blobs;
        assembly ("memory-safe") {
            let raw := mload(0x40) // scratch beyond the free memory pointer
            extcodecopy(blob, raw, offset, 204)
            mstore(add(head, 64), shr(128, mload(raw)))
            mstore(head, mload(add(raw, 16)))
            mstore(apk, shr(128, mload(add(raw, 48))))
            mstore(add(apk, 32), mload(add(raw, 64)))
            mstore(add(apk, 64), shr(128, mload(add(raw, 96))))
            mstore(add(apk, 96), mload(add(raw, 112)))
            for { let i := 0 } lt(i, others) { i := add(i, 1) } {
                mstore(add(blobs, mul(i, 32)), shr(96, mload(add(add(raw, 144), mul(i, 20)))))
            }
            mstore(add(blobs, mul(others, 32)), blob)
        }
    }

    /// @return blob The last one.
    /// @return offset Of the stake of all, which the last record ends with; the head follows.
    /// @return others How many blobs come before the last.
    function _whereIsHead(uint64 epoch) private view returns (address blob, uint256 offset, uint256 others) {
        Epoch storage e = _epochs[epoch];
        uint256 count;
        (blob, count) = (e.lastBlob, e.count);
        if (blob == address(0)) revert UnknownEpoch(epoch);
        unchecked {
            others = (count - 1) / OperatorRecords.PER_BLOB;
            // 1: the blob's STOP.
            offset = 1 + (count - others * OperatorRecords.PER_BLOB) * OperatorRecords.LENGTH;
        }
    }
}
