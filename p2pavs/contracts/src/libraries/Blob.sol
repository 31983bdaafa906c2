// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @title Bytes kept as a contract's code
/// @notice Much cheaper to write and to read than storage for anything over two words. The code begins with
/// STOP, so nobody can run it.
library Blob {
    error BlobTooLarge(uint256 length);
    error BlobNotWritten();

    /// One byte below the code size limit of EIP-170, for the STOP.
    uint256 internal constant MAX_LENGTH = 24_575;

    function write(bytes memory data) internal returns (address blob) {
        if (data.length > MAX_LENGTH) revert BlobTooLarge(data.length);
        // PUSH2 size; DUP1; PUSH1 10; RETURNDATASIZE; CODECOPY; RETURNDATASIZE; RETURN  -> returns what follows
        bytes memory creation = abi.encodePacked(hex"61", uint16(data.length + 1), hex"80600a3d393df300", data);
        assembly ("memory-safe") {
            blob := create(0, add(creation, 32), mload(creation))
        }
        if (blob == address(0)) revert BlobNotWritten();
    }

    /// @notice Like `write`, but gives back `previous` where that holds the same bytes.
    function writeUnlessSame(bytes memory data, address previous) internal returns (address) {
        // Where there is none, neither hash is worth its gas.
        if (previous == address(0)) return write(data);
        return previous.codehash == keccak256(abi.encodePacked(bytes1(0), data)) ? previous : write(data);
    }

    /// @notice All bytes of `blob` from `offset` on.
    function read(address blob, uint256 offset) internal view returns (bytes memory) {
        return read(blob, offset, blob.code.length - 1 - offset);
    }

    function read(address blob, uint256 offset, uint256 length) internal view returns (bytes memory data) {
        data = new bytes(length);
        assembly ("memory-safe") {
            extcodecopy(blob, add(data, 32), add(offset, 1), length)
        }
    }
}
