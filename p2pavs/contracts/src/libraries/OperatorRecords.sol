// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {BLS12381, HALF0, HALF1} from "./BLS12381.sol";

// How many blobs a set has at most.
uint256 constant RECORD_BLOBS = 4;

/// @title The records of an epoch's operator set
/// @notice A record is 84 bytes, big-endian: operator (20) | compressed key (48) | stake of all up to and with it (16).
/// A blob begins with the stake of all before it (16) and holds up to 64 records; a set has up to 256.
/// @dev Of a key x is kept and the sign of y. Who passes a certificate in passes y along: half the bytes to store, and
/// no square root to compute.
library OperatorRecords {
    error WrongKeyHint(uint256 index);

    uint256 internal constant LENGTH = 84;
    /// Of what a blob begins with.
    uint256 internal constant STAKE_LENGTH = 16;
    uint256 internal constant PER_BLOB = 64;
    uint256 internal constant MAX_OPERATORS = PER_BLOB * RECORD_BLOBS;
    /// Of a key's y in hints.
    uint256 internal constant Y_LENGTH = 48;

    struct Record {
        address operator;
        uint256 stakeBefore;
        uint256 stake;
        uint256 keyHead; // the first 16 bytes of the compressed key
        uint256 keyTail;
    }

    /// @notice Reads record `index` of the set into `record`, which the caller may use again.
    function readInto(Record memory record, address[RECORD_BLOBS] memory blobs, uint256 index) internal view {
        address blob = blobs[index / PER_BLOB];
        // 1: the blob's STOP. What comes before a record is always the stake before it.
        uint256 offset = 1 + (index % PER_BLOB) * LENGTH;
        assembly ("memory-safe") {
            let raw := mload(0x40) // scratch beyond the free memory pointer
            extcodecopy(blob, raw, offset, 100)
            let before := shr(128, mload(raw))
            mstore(record, shr(96, mload(add(raw, 16))))
            mstore(add(record, 32), before)
            mstore(add(record, 64), sub(shr(128, mload(add(raw, 84))), before))
            mstore(add(record, 96), shr(128, mload(add(raw, 36))))
            mstore(add(record, 128), mload(add(raw, 52)))
        }
    }

    /// @notice The key of `record`, with the y that is in the call data at `y`. Whoever uses the key must have a
    /// precompile check that it is on the curve: then y is right, for its sign is checked here.
    function keyOf(Record memory record, uint256 y, uint256 index) internal pure returns (BLS12381.G1 memory key) {
        uint256 head = record.keyHead;
        uint256 y0;
        uint256 y1;
        assembly ("memory-safe") {
            y0 := shr(128, calldataload(y))
            y1 := calldataload(add(y, 16))
        }
        if (BLS12381.greaterRoot(y0, y1) != (head & BLS12381.SIGN_FLAG != 0)) revert WrongKeyHint(index);
        (key.x0, key.x1, key.y0, key.y1) = (head & BLS12381.X0_MASK, record.keyTail, y0, y1);
    }

    /// @notice Adds the key of record `index` to `sum`, with the y that is in the call data at `y`.
    /// @return stake Of the record.
    function addKey(BLS12381.Sum memory sum, address blob, uint256 index, uint256 y)
        internal
        view
        returns (uint256 stake)
    {
        uint256 offset;
        unchecked {
            offset = 1 + (index % PER_BLOB) * LENGTH;
        }
        uint256 head;
        uint256 tail;
        assembly ("memory-safe") {
            let raw := mload(0x40) // scratch beyond the free memory pointer
            extcodecopy(blob, raw, offset, 100)
            stake := sub(shr(128, mload(add(raw, 84))), shr(128, mload(raw)))
            head := shr(128, mload(add(raw, 36)))
            tail := mload(add(raw, 52))
        }
        if (!BLS12381.addCompressed(sum, head, tail, y)) revert WrongKeyHint(index);
    }

    /// @notice Adds the keys of the records in `bitmap` to `sum`; `y` is where in the call data their y are, one after
    /// another, and `end` where these end. As `addKey` for each, for half the gas.
    /// @return stake The sum of their stakes.
    /// @return next Where the y of all these keys end. Unless that is `end`, `sum` is of no use.
    function addKeys(
        BLS12381.Sum memory sum,
        uint256 bitmap,
        address[RECORD_BLOBS] memory blobs,
        uint256 y,
        uint256 end
    ) internal view returns (uint256 stake, uint256 next) {
        uint256 index;
        bool refused;
        bool wrong;
        assembly ("memory-safe") {
            let raw := mload(0x40) // scratch beyond the free memory pointer
            for { next := y } bitmap { bitmap := shr(1, bitmap) } {
                if iszero(and(bitmap, 0xff)) {
                    bitmap := shr(7, bitmap)
                    index := add(index, 8)
                    continue
                }
                if and(bitmap, 1) {
                    if gt(add(next, 48), end) { break }
                    extcodecopy(
                        mload(add(blobs, shl(5, shr(6, index)))), raw, add(1, mul(and(index, 63), 84)), 100
                    )
                    let y0 := shr(128, calldataload(next))
                    let y1 := calldataload(add(next, 16))
                    let head := shr(128, mload(add(raw, 36)))
                    wrong := xor(or(gt(y0, HALF0), and(eq(y0, HALF0), gt(y1, HALF1))), and(shr(125, head), 1))
                    if wrong { break }
                    mstore(add(sum, 128), and(head, 0x1fffffffffffffffffffffffffffffff))
                    mstore(add(sum, 160), mload(add(raw, 52)))
                    mstore(add(sum, 192), y0)
                    mstore(add(sum, 224), y1)
                    refused := iszero(staticcall(gas(), 0x0b, sum, 256, sum, 128))
                    if refused { break }
                    stake := add(stake, sub(shr(128, mload(add(raw, 84))), shr(128, mload(raw))))
                    next := add(next, 48)
                }
                index := add(index, 1)
            }
        }
        if (wrong || refused) revert WrongKeyHint(index);
        for (; bitmap != 0; bitmap &= bitmap - 1) {
            next += Y_LENGTH;
        }
    }
}
