// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {ICertificateVerifier} from "./interfaces/ICertificateVerifier.sol";
import {IEpochManager} from "./interfaces/IEpochManager.sol";
import {BLS12381} from "./libraries/BLS12381.sol";
import {RECORD_BLOBS, OperatorRecords} from "./libraries/OperatorRecords.sol";
import {Sortition} from "./libraries/Sortition.sol";

/// @title Certificates: a quorum's aggregate signature
/// @notice For the whole set the signers' key is the stored sum of all keys less those who did not sign, so the
/// cost does not grow with the set. For drawn seats it is the sum over the signers, each found by a hint
/// which is checked against the draw. Hints hold the y of every key that is added, too.
contract CertificateVerifier is ICertificateVerifier {
    error QuorumNotReached(uint256 signed, uint256 total);
    error BitmapTooWide(uint256 bitmap, uint256 places);
    error CommitteeTooLarge(uint256 seats, uint256 maximum);
    error WrongHintsLength(uint256 length, uint256 expected);
    error UnknownSeatHolder(uint256 seat, uint256 index, uint256 operators);
    error WrongSeatHolder(uint256 seat, uint256 index);

    uint256 private constant MAX_SEATS = 256;

    IEpochManager public immutable epochs;

    constructor(IEpochManager epochs_) {
        epochs = epochs_;
    }

    /// @inheritdoc ICertificateVerifier
    function verify(
        uint64 epoch,
        bytes32 taskSeed,
        uint16 attempt,
        uint16 committeeSize,
        bytes32 statement,
        uint256 bitmap,
        bytes calldata hints,
        bytes calldata signature
    ) external view returns (uint256 signedWeight, uint256 totalWeight) {
        BLS12381.G1 memory key;
        if (committeeSize == 0) {
            (key, signedWeight, totalWeight) = _wholeSet(epoch, bitmap, hints);
        } else {
            totalWeight = committeeSize;
            signedWeight = _checkSeats(committeeSize, bitmap, hints);
            _requireQuorum(signedWeight, totalWeight);
            key = _seats(epoch, taskSeed, attempt, bitmap, hints);
        }
        BLS12381.requireSignature(key, statement, BLS12381.SIGNATURE_DST, signature);
    }

    /// @inheritdoc ICertificateVerifier
    function verifySome(
        uint64 epoch,
        bytes32 taskSeed,
        uint16 attempt,
        uint16 committeeSize,
        bytes32 statement,
        uint256 bitmap,
        bytes calldata hints,
        bytes calldata signature
    ) external view {
        BLS12381.G1 memory key;
        if (committeeSize == 0) {
            (, uint256 count, address[RECORD_BLOBS] memory blobs,) = epochs.setOf(epoch);
            if (count < 256 && bitmap >> count != 0) revert BitmapTooWide(bitmap, count);
            BLS12381.Sum memory sum;
            _addKeys(sum, bitmap, blobs, hints);
            key = BLS12381.total(sum);
        } else {
            _checkSeats(committeeSize, bitmap, hints);
            key = _seats(epoch, taskSeed, attempt, bitmap, hints);
        }
        BLS12381.requireSignature(key, statement, BLS12381.SIGNATURE_DST, signature);
    }

    function _checkSeats(uint16 committeeSize, uint256 bitmap, bytes calldata hints)
        private
        pure
        returns (uint256 signed)
    {
        if (committeeSize > MAX_SEATS) revert CommitteeTooLarge(committeeSize, MAX_SEATS);
        if (committeeSize < 256 && bitmap >> committeeSize != 0) revert BitmapTooWide(bitmap, committeeSize);
        signed = _popcount(bitmap);
        if (hints.length < 2 * signed) revert WrongHintsLength(hints.length, 2 * signed);
    }

    function _wholeSet(uint64 epoch, uint256 bitmap, bytes calldata hints)
        private
        view
        returns (BLS12381.G1 memory key, uint256 signed, uint256 total)
    {
        uint256 count;
        address[RECORD_BLOBS] memory blobs;
        BLS12381.Sum memory sum;
        (total, count, blobs, sum) = _set(epoch);
        key = BLS12381.total(sum);
        if (count < 256 && bitmap >> count != 0) revert BitmapTooWide(bitmap, count);
        uint256 missing = ~bitmap & (type(uint256).max >> (256 - count));
        if (missing == 0) {
            if (hints.length != 0) revert WrongHintsLength(hints.length, 0);
            return (key, total, total);
        }
        // apk - missing = -(-apk + missing)
        BLS12381.negate(key);
        signed = total - _addKeys(sum, missing, blobs, hints);
        _requireQuorum(signed, total);
        BLS12381.negate(key);
    }

    /// @dev `epochs.setOf(epoch)`, the sum of all keys where others can be added to it. Decoding it by the book costs more
    /// than to subtract a key.
    function _set(uint64 epoch)
        private
        view
        returns (uint256 total, uint256 count, address[RECORD_BLOBS] memory blobs, BLS12381.Sum memory sum)
    {
        address manager = address(epochs);
        bytes32 selector = IEpochManager.setOf.selector;
        assembly ("memory-safe") {
            // total | count | blobs (4) | apk (4), then room for what is added (4)
            let answer := mload(0x40)
            mstore(0x40, add(answer, 448))
            mstore(answer, selector)
            mstore(add(answer, 4), epoch)
            let ok := staticcall(gas(), manager, answer, 36, answer, 320)
            if iszero(and(ok, eq(returndatasize(), 320))) {
                returndatacopy(answer, 0, returndatasize())
                revert(answer, returndatasize())
            }
            total := mload(answer)
            count := mload(add(answer, 32))
            blobs := add(answer, 64)
            sum := add(answer, 192)
        }
    }

    /// @dev Adds the keys in `bitmap` to `sum`. `hints` are the y of these keys, in this order.
    /// @return stake The sum of their stakes.
    function _addKeys(
        BLS12381.Sum memory sum,
        uint256 bitmap,
        address[RECORD_BLOBS] memory blobs,
        bytes calldata hints
    ) private view returns (uint256 stake) {
        uint256 y;
        assembly ("memory-safe") {
            y := hints.offset
        }
        uint256 next;
        (stake, next) = OperatorRecords.addKeys(sum, bitmap, blobs, y, y + hints.length);
        if (next - y != hints.length) revert WrongHintsLength(hints.length, next - y);
    }

    function _seats(uint64 epoch, bytes32 taskSeed, uint16 attempt, uint256 bitmap, bytes calldata hints)
        private
        view
        returns (BLS12381.G1 memory)
    {
        (uint256 totalStake, uint256 count, address[RECORD_BLOBS] memory blobs,) = epochs.setOf(epoch);
        OperatorRecords.Record memory record;
        BLS12381.Sum memory sum;
        uint256 added; // bit per operator: one with several seats signs once
        uint256 hint; // in the call data: the next index
        uint256 y; // the next y
        uint256 end;
        assembly ("memory-safe") {
            hint := hints.offset
            end := add(hint, hints.length)
        }
        y = hint + 2 * _popcount(bitmap);
        for (uint256 seat = 0; bitmap != 0; (++seat, bitmap >>= 1)) {
            if (bitmap & 1 == 0) continue;
            uint256 index;
            assembly ("memory-safe") {
                index := shr(240, calldataload(hint))
            }
            hint += 2;
            if (index >= count) revert UnknownSeatHolder(seat, index, count);
            OperatorRecords.readInto(record, blobs, index);
            uint256 point = Sortition.seatPoint(taskSeed, attempt, seat, totalStake);
            if (point < record.stakeBefore || point - record.stakeBefore >= record.stake) {
                revert WrongSeatHolder(seat, index);
            }
            if (added & (1 << index) != 0) continue;
            added |= 1 << index;
            if (y + OperatorRecords.Y_LENGTH > end) {
                revert WrongHintsLength(hints.length, hints.length + y + OperatorRecords.Y_LENGTH - end);
            }
            OperatorRecords.addKey(sum, blobs[index / OperatorRecords.PER_BLOB], index, y);
            y += OperatorRecords.Y_LENGTH;
        }
        if (y != end) revert WrongHintsLength(hints.length, hints.length + y - end);
        return BLS12381.total(sum);
    }

    function _requireQuorum(uint256 signed, uint256 total) private pure {
        if (3 * signed <= 2 * total) revert QuorumNotReached(signed, total);
    }

    function _popcount(uint256 bits) private pure returns (uint256 ones) {
        for (; bits != 0; bits &= bits - 1) ++ones;
    }
}
