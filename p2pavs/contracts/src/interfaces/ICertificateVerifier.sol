// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @title Whether enough of a committee signed a statement
interface ICertificateVerifier {
    /// @notice Reverts with a named error unless more than 2/3 of the committee's weight signed `statement`.
    /// @param committeeSize 0: the whole set, weighted by stake. 1 to 256: that many drawn seats, weight 1 each.
    /// @param bitmap Bit i: operator i of the set (whole set), or seat i (drawn).
    /// @param hints For the whole set, the y (48 bytes, big-endian) of the key of each operator that is not in the
    /// bitmap, in their order. For drawn seats, the operator index (2 bytes, big-endian) of each set bit, in ascending
    /// order of seats, and then the y of each of these operators once, in the order in which they first occur.
    /// @param signature The aggregate, a point of G2, 256 bytes.
    function verify(
        uint64 epoch,
        bytes32 taskSeed,
        uint16 attempt,
        uint16 committeeSize,
        bytes32 statement,
        uint256 bitmap,
        bytes calldata hints,
        bytes calldata signature
    ) external view returns (uint256 signedWeight, uint256 totalWeight);

    /// @notice Reverts with a named error unless all in `bitmap` signed `statement`, however few they are. The
    /// parameters are those of `verify`, but that hints for the whole set are of the operators that are in the bitmap.
    function verifySome(
        uint64 epoch,
        bytes32 taskSeed,
        uint16 attempt,
        uint16 committeeSize,
        bytes32 statement,
        uint256 bitmap,
        bytes calldata hints,
        bytes calldata signature
    ) external view;
}
