// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @title Who the operators are
/// @notice A key is known by the first 26 bytes of the keccak-256 of its 48 compressed bytes. The bytes of keys and peer
/// ids are in the events of the blocks that are named here.
interface IOperatorRegistry {
    struct Operator {
        bool active;
        bytes26 key; // of the next snapshot; zero where the account never registered
        uint64 keyBlock; // whose events have the key: OperatorRegistered or KeyRotationBegun
        uint64 peerBlock; // whose events have the peer id: OperatorRegistered or PeerIdChanged, the last one
        bytes26 nextKey; // that takes its place; zero where there is none
        uint64 nextKeyBlock;
        uint64 nextKeyFrom; // block timestamp from which it does
    }

    /// `previous` is the block of the registration before this one, 0 where there is none.
    event OperatorRegistered(address indexed operator, uint64 previous, bytes publicKey, bytes peerId);
    event KeyRotationBegun(address indexed operator, uint64 from, bytes publicKey);
    event PeerIdChanged(address indexed operator, bytes peerId);
    event OperatorExited(address indexed operator);

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

    /// @notice The latest registration of `account`.
    function operatorOf(address account) external view returns (Operator memory);

    /// @notice The block of the last registration; 0 where there was none. Its event names the one before.
    function lastRegistration() external view returns (uint64);

    /// @notice Who brought a key; zero where nobody did. Stays after the key was rotated out and its operator has left.
    function ownerOf(bytes32 keyHash) external view returns (address);

    /// @notice The keys of `accounts`; zero for those that are not active operators.
    function activeKeys(address[] calldata accounts) external view returns (bytes26[] memory keys);
}
