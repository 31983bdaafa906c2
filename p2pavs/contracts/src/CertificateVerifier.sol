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
/// which is checked against the draw.
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
        bytes calldata seatHints,
        bytes calldata signature
    ) external view returns (uint256 signedWeight, uint256 totalWeight) {
        BLS12381.G1 memory key;
        if (committeeSize == 0) {
            if (seatHints.length != 0) revert WrongHintsLength(seatHints.length, 0);
            (key, signedWeight, totalWeight) = _wholeSet(epoch, bitmap);
        } else {
            totalWeight = committeeSize;
            signedWeight = _checkSeats(committeeSize, bitmap, seatHints);
            _requireQuorum(signedWeight, totalWeight);
            key = _seats(epoch, taskSeed, attempt, bitmap, seatHints);
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
        bytes calldata seatHints,
        bytes calldata signature
    ) external view {
        BLS12381.G1 memory key;
        if (committeeSize == 0) {
            if (seatHints.length != 0) revert WrongHintsLength(seatHints.length, 0);
            (, uint256 count, address[RECORD_BLOBS] memory blobs,) = epochs.setOf(epoch);
            if (count < 256 && bitmap >> count != 0) revert BitmapTooWide(bitmap, count);
            OperatorRecords.Record memory record;
            for (uint256 i = 0; bitmap != 0; (++i, bitmap >>= 1)) {
                if (bitmap & 1 == 0) continue;
                OperatorRecords.readInto(record, blobs, i);
                BLS12381.addTo(key, record.key);
            }
        } else {
            _checkSeats(committeeSize, bitmap, seatHints);
            key = _seats(epoch, taskSeed, attempt, bitmap, seatHints);
        }
        BLS12381.requireSignature(key, statement, BLS12381.SIGNATURE_DST, signature);
    }

    function _checkSeats(uint16 committeeSize, uint256 bitmap, bytes calldata seatHints)
        private
        pure
        returns (uint256 signed)
    {
        if (committeeSize > MAX_SEATS) revert CommitteeTooLarge(committeeSize, MAX_SEATS);
        if (committeeSize < 256 && bitmap >> committeeSize != 0) revert BitmapTooWide(bitmap, committeeSize);
        signed = _popcount(bitmap);
        if (seatHints.length != 2 * signed) revert WrongHintsLength(seatHints.length, 2 * signed);
    }

    function _wholeSet(uint64 epoch, uint256 bitmap)
        private
        view
        returns (BLS12381.G1 memory key, uint256 signed, uint256 total)
    {
        uint256 count;
        address[RECORD_BLOBS] memory blobs;
        BLS12381.G1 memory apk;
        (total, count, blobs, apk) = epochs.setOf(epoch);
        if (count < 256 && bitmap >> count != 0) revert BitmapTooWide(bitmap, count);
        uint256 missing = ~bitmap & (type(uint256).max >> (256 - count));
        signed = total;
        if (missing == 0) return (apk, signed, total);
        OperatorRecords.Record memory record;
        for (uint256 i = 0; missing != 0; (++i, missing >>= 1)) {
            if (missing & 1 == 0) continue;
            OperatorRecords.readInto(record, blobs, i);
            signed -= record.stake;
            BLS12381.addTo(key, record.key);
        }
        _requireQuorum(signed, total);
        BLS12381.negate(key);
        BLS12381.addTo(key, apk);
    }

    function _seats(uint64 epoch, bytes32 taskSeed, uint16 attempt, uint256 bitmap, bytes calldata seatHints)
        private
        view
        returns (BLS12381.G1 memory key)
    {
        (uint256 totalStake, uint256 count, address[RECORD_BLOBS] memory blobs,) = epochs.setOf(epoch);
        OperatorRecords.Record memory record;
        uint256 added; // bit per operator: one with several seats signs once
        uint256 hint;
        for (uint256 seat = 0; bitmap != 0; (++seat, bitmap >>= 1)) {
            if (bitmap & 1 == 0) continue;
            uint256 index = uint16(bytes2(seatHints[2 * hint:2 * hint + 2]));
            ++hint;
            if (index >= count) revert UnknownSeatHolder(seat, index, count);
            OperatorRecords.readInto(record, blobs, index);
            uint256 point = Sortition.seatPoint(taskSeed, attempt, seat, totalStake);
            if (point < record.stakeBefore || point - record.stakeBefore >= record.stake) {
                revert WrongSeatHolder(seat, index);
            }
            if (added & (1 << index) != 0) continue;
            added |= 1 << index;
            BLS12381.addTo(key, record.key);
        }
    }

    function _requireQuorum(uint256 signed, uint256 total) private pure {
        if (3 * signed <= 2 * total) revert QuorumNotReached(signed, total);
    }

    function _popcount(uint256 bits) private pure returns (uint256 ones) {
        for (; bits != 0; bits &= bits - 1) ++ones;
    }
}
