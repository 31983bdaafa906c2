// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @title Who the operators are
interface IOperatorRegistry {
    struct Operator {
        uint32 id; // in order of registration, from 0; not the index in an epoch's set
        address account;
        bytes32 keyHash; // keccak-256 of the 48-byte compressed key
        bool active;
        uint64 registeredAt; // block timestamp, seconds: when this key entered
        bytes publicKey; // 128 bytes, the precompiles' form: the key of the next snapshot
        bytes peerId;
        bytes nextKey; // 128 bytes: the key that takes its place; empty where there is none
        uint64 nextKeyFrom; // block timestamp from which it does
    }

    event OperatorRegistered(address indexed operator, uint32 indexed id, bytes publicKey, bytes peerId);
    event KeyRotationBegun(address indexed operator, uint32 indexed id, bytes publicKey, uint64 from);
    event PeerIdChanged(address indexed operator, uint32 indexed id, bytes peerId);
    event OperatorExited(address indexed operator, uint32 indexed id);

    function register(bytes calldata publicKey, bytes calldata proofOfPossession, bytes calldata peerId) external;
    function rotateKey(bytes calldata publicKey, bytes calldata proofOfPossession) external;
    function changePeerId(bytes calldata peerId) external;
    function exit() external;

    /// @notice What `register` and `exit` do, for `account`. Only the stake source may, which has asked the account.
    function registerFor(
        address account,
        bytes calldata publicKey,
        bytes calldata proofOfPossession,
        bytes calldata peerId
    ) external;
    function exitFor(address account) external;

    /// @notice The latest registration of `account`; all zero where there is none.
    function operatorOf(address account) external view returns (Operator memory);
    function operatorAt(uint32 id) external view returns (Operator memory);
    function count() external view returns (uint32);

    /// @notice Who brought a key; zero where nobody did. Stays after the key was rotated out and its operator has left.
    function ownerOf(bytes32 keyHash) external view returns (address);

    /// @notice The key of `account`: two 48-byte coordinates. Empty where it is not an active operator.
    function activeKeyOf(address account) external view returns (bytes memory coordinates);
}
