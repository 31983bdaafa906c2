// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @title Who the operators are
interface IOperatorRegistry {
    struct Operator {
        uint32 id; // in order of registration, from 0; not the index in an epoch's set
        address account;
        bytes32 keyHash; // keccak-256 of the 48-byte compressed key
        bool active;
        uint64 registeredAt; // block timestamp, seconds
        bytes publicKey; // 128 bytes, the precompiles' form
        bytes peerId;
    }

    event OperatorRegistered(address indexed operator, uint32 indexed id, bytes publicKey, bytes peerId);
    event OperatorExited(address indexed operator, uint32 indexed id);

    function register(bytes calldata publicKey, bytes calldata proofOfPossession, bytes calldata peerId) external;
    function exit() external;

    /// @notice The latest registration of `account`; all zero where there is none.
    function operatorOf(address account) external view returns (Operator memory);
    function operatorAt(uint32 id) external view returns (Operator memory);
    function count() external view returns (uint32);

    /// @notice The key of `account`: two 48-byte coordinates. Empty where it is not an active operator.
    function activeKeyOf(address account) external view returns (bytes memory coordinates);
}
