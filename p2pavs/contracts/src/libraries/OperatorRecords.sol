// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {BLS12381} from "./BLS12381.sol";

// How many blobs a set has at most.
uint256 constant RECORD_BLOBS = 4;

/// @title The records of an epoch's operator set
/// @notice A record is 148 bytes, big-endian: operator (20) | stake of all before it (16) | its stake (16) |
/// key x (48) | key y (48). A blob holds up to 64 of them, a set up to 256.
library OperatorRecords {
    uint256 internal constant LENGTH = 148;
    uint256 internal constant PER_BLOB = 64;
    uint256 internal constant MAX_OPERATORS = PER_BLOB * RECORD_BLOBS;

    struct Record {
        address operator;
        uint256 stakeBefore;
        uint256 stake;
        BLS12381.G1 key;
    }

    /// @notice Reads record `index` of the set into `record`, which the caller may use again.
    function readInto(Record memory record, address[RECORD_BLOBS] memory blobs, uint256 index) internal view {
        address blob = blobs[index / PER_BLOB];
        uint256 offset = 1 + (index % PER_BLOB) * LENGTH; // 1: the blob's STOP
        address operator;
        uint256 stakeBefore;
        uint256 stake;
        BLS12381.G1 memory key = record.key;
        assembly ("memory-safe") {
            let raw := mload(0x40) // scratch beyond the free memory pointer
            extcodecopy(blob, raw, offset, 148)
            operator := shr(96, mload(raw))
            stakeBefore := shr(128, mload(add(raw, 20)))
            stake := shr(128, mload(add(raw, 36)))
            mstore(key, shr(128, mload(add(raw, 52))))
            mstore(add(key, 32), mload(add(raw, 68)))
            mstore(add(key, 64), shr(128, mload(add(raw, 100))))
            mstore(add(key, 96), mload(add(raw, 116)))
        }
        record.operator = operator;
        record.stakeBefore = stakeBefore;
        record.stake = stake;
    }
}
