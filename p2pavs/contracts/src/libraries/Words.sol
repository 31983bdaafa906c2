// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @title The hash that contract and node share
/// @notice `words(tag, ...)` is keccak-256 over 32-byte words: the tag in ASCII, left-aligned, then each
/// argument. Every hash of the protocol is made this way, so neither side needs the other's encoder.
/// A tag ends in a version, which separates the domains.
library Words {
    bytes32 internal constant STATEMENT = "p2pavs/v1";
    bytes32 internal constant RESULT = "p2pavs/result/1";
    bytes32 internal constant TASK = "p2pavs/task/1";
    bytes32 internal constant COMMITTEE = "p2pavs/committee/1";
    bytes32 internal constant OPERATOR_SET = "p2pavs/set/1";
    bytes32 internal constant PROOF_OF_POSSESSION = "p2pavs/pop/1";
    bytes32 internal constant MODEL = "p2pavs/model/1";
    bytes32 internal constant FAMILY = "p2pavs/family/1";
    bytes32 internal constant FIRST_SEED = "p2pavs/seed/0";
    bytes32 internal constant PRE_SEED = "p2pavs/pre-seed/1";
    bytes32 internal constant NEXT_SEED = "p2pavs/seed/1";
    bytes32 internal constant FALLBACK_SEED = "p2pavs/seed/2";
    bytes32 internal constant LEADER = "p2pavs/leader/1";
    bytes32 internal constant VRF_INPUT = "p2pavs/vrf-in/1";
    bytes32 internal constant VRF_OUTPUT = "p2pavs/vrf-out/1";
    bytes32 internal constant SEAT = "p2pavs/seat/1";
    bytes32 internal constant PROPOSAL = "p2pavs/proposal/1";
    bytes32 internal constant WORK_TAG = "p2pavs/work-tag/1";

    function words(bytes32 tag, uint256 a, uint256 b) internal pure returns (bytes32) {
        return keccak256(abi.encode(tag, a, b));
    }

    function words(bytes32 tag, uint256 a, uint256 b, uint256 c) internal pure returns (bytes32) {
        return keccak256(abi.encode(tag, a, b, c));
    }

    function words(bytes32 tag, uint256 a, uint256 b, uint256 c, uint256 d) internal pure returns (bytes32) {
        return keccak256(abi.encode(tag, a, b, c, d));
    }

    function words(bytes32 tag, uint256 a, uint256 b, uint256 c, uint256 d, uint256 e)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(tag, a, b, c, d, e));
    }
}
