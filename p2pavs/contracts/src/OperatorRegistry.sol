// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IOperatorRegistry} from "./interfaces/IOperatorRegistry.sol";
import {BLS12381} from "./libraries/BLS12381.sol";
import {Words} from "./libraries/Words.sol";

/// @title Operators: account, consensus key, peer id
/// @notice A key enters only with a proof that its owner holds the secret. The proof signs (chain, registry,
/// account, key), so nobody can replay it for another account, and it keeps out the keys made from other keys which
/// would forge aggregates. A key that was brought once is never taken again, from anyone. A new key takes the
/// place of the old one after a delay, in which its operator has its node learn the new secret.
/// @dev Keys and peer ids are in events only. What is stored are the hashes of keys, and the blocks whose events have
/// the bytes: whoever wants them asks for the events of one block, and checks the hash.
contract OperatorRegistry is IOperatorRegistry {
    error AlreadyRegistered(address account);
    error KeyAlreadyUsed(bytes32 keyHash);
    error NotAnOperator(address account);
    error NotTheRegistrar(address sender, address registrar);
    error RotationUnderWay(address account, uint64 from);
    error WrongPeerIdLength(uint256 length);

    uint256 private constant MAX_PEER_ID = 64;

    /// One slot: a snapshot reads it for every operator.
    struct Entry {
        bytes26 key; // the first 208 bits of its hash: two keys of one hash take 2^104 tries
        uint40 nextFrom; // 0: no other key waits
        bool active;
    }

    struct Key {
        address owner;
        uint40 keyBlock;
        uint40 peerBlock;
    }

    /// Seconds until a rotated key takes its place.
    uint64 public immutable keyDelay;
    /// A stake source that registers operators by itself; zero where they come by themselves.
    address public immutable registrar;

    /// @inheritdoc IOperatorRegistry
    uint64 public lastRegistration;
    mapping(address account => Entry) private _entries;
    mapping(address account => bytes26 key) private _next;
    mapping(bytes26 key => Key) private _keys;

    constructor(uint64 keyDelay_, address registrar_) {
        (keyDelay, registrar) = (keyDelay_, registrar_);
    }

    modifier onlyRegistrar() {
        if (msg.sender != registrar) revert NotTheRegistrar(msg.sender, registrar);
        _;
    }

    /// @notice Makes the sender an operator. A second time only after `exit`, and then with a new key.
    /// @param publicKey 128 bytes: x and y, each 64 bytes with 16 of padding.
    /// @param proofOfPossession 256 bytes: the key's signature, under the proof-of-possession suite, of
    /// words("p2pavs/pop/1", chainId, this contract, account, keccak256(compressed key)).
    function register(bytes calldata publicKey, bytes calldata proofOfPossession, bytes calldata peerId) external {
        _register(msg.sender, publicKey, proofOfPossession, peerId);
    }

    /// @inheritdoc IOperatorRegistry
    function registerFor(
        address account,
        bytes calldata publicKey,
        bytes calldata proofOfPossession,
        bytes calldata peerId
    ) external onlyRegistrar {
        _register(account, publicKey, proofOfPossession, peerId);
    }

    /// @notice Gives the sender another key, which snapshots take from `keyDelay` seconds on.
    function rotateKey(bytes calldata publicKey, bytes calldata proofOfPossession) external {
        Entry memory entry = _activeEntry(msg.sender);
        if (entry.nextFrom != 0) revert RotationUnderWay(msg.sender, entry.nextFrom);
        bytes26 key = _take(msg.sender, publicKey, proofOfPossession, _keys[entry.key].peerBlock);
        uint64 from = uint64(block.timestamp) + keyDelay;
        entry.nextFrom = uint40(from);
        _entries[msg.sender] = entry;
        _next[msg.sender] = key;
        emit KeyRotationBegun(msg.sender, from, publicKey);
    }

    /// @notice Gives the sender's node another name in the network, at once.
    function changePeerId(bytes calldata peerId) external {
        _checkPeerId(peerId);
        Entry memory entry = _activeEntry(msg.sender);
        _keys[entry.key].peerBlock = uint40(block.number);
        if (entry.nextFrom != 0) _keys[_next[msg.sender]].peerBlock = uint40(block.number);
        emit PeerIdChanged(msg.sender, peerId);
    }

    /// @notice Takes the sender out of all snapshots to come. Sets that are frozen keep it.
    function exit() external {
        _exit(msg.sender);
    }

    /// @inheritdoc IOperatorRegistry
    function exitFor(address account) external onlyRegistrar {
        _exit(account);
    }

    /// @inheritdoc IOperatorRegistry
    function operatorOf(address account) external view returns (Operator memory operator) {
        Entry memory entry = _current(account);
        Key memory key = _keys[entry.key];
        operator = Operator(entry.active, entry.key, key.keyBlock, key.peerBlock, 0, 0, 0);
        if (entry.nextFrom == 0) return operator;
        (operator.nextKey, operator.nextKeyFrom) = (_next[account], entry.nextFrom);
        operator.nextKeyBlock = _keys[operator.nextKey].keyBlock;
    }

    /// @inheritdoc IOperatorRegistry
    function ownerOf(bytes32 keyHash) external view returns (address) {
        return _keys[bytes26(keyHash)].owner;
    }

    /// @inheritdoc IOperatorRegistry
    function activeKeys(address[] calldata accounts) external view returns (bytes26[] memory keys) {
        keys = new bytes26[](accounts.length);
        uint256 accountsAt;
        assembly ("memory-safe") {
            accountsAt := accounts.offset
        }
        for (uint256 i = 0; i < keys.length;) {
            // accounts[i], and keys[i] below, without looking twice whether i is in range.
            address account;
            assembly ("memory-safe") {
                account := calldataload(add(accountsAt, shl(5, i)))
            }
            Entry storage entry = _entries[account];
            if (entry.active) {
                uint256 from = entry.nextFrom;
                bytes26 key = from == 0 || block.timestamp < from ? entry.key : _next[account];
                assembly ("memory-safe") {
                    mstore(add(add(keys, 32), shl(5, i)), key)
                }
            }
            unchecked {
                ++i;
            }
        }
    }

    function _register(
        address account,
        bytes calldata publicKey,
        bytes calldata proofOfPossession,
        bytes calldata peerId
    ) private {
        _checkPeerId(peerId);
        if (_entries[account].active) revert AlreadyRegistered(account);
        bytes26 key = _take(account, publicKey, proofOfPossession, uint40(block.number));
        _entries[account] = Entry(key, 0, true);
        emit OperatorRegistered(account, lastRegistration, publicKey, peerId);
        lastRegistration = uint64(block.number);
    }

    /// @dev Takes a key from `account`, which must hold its secret, and never again from anyone.
    function _take(
        address account,
        bytes calldata publicKey,
        bytes calldata proofOfPossession,
        uint40 peerBlock
    ) private returns (bytes26) {
        BLS12381.G1 memory key = BLS12381.readKey(publicKey);
        bytes32 keyHash = keccak256(BLS12381.compress(key));
        if (_keys[bytes26(keyHash)].owner != address(0)) revert KeyAlreadyUsed(keyHash);
        bytes32 message = Words.words(
            Words.PROOF_OF_POSSESSION,
            block.chainid,
            uint256(uint160(address(this))),
            uint256(uint160(account)),
            uint256(keyHash)
        );
        BLS12381.requireSignature(key, message, BLS12381.POSSESSION_DST, proofOfPossession);
        _keys[bytes26(keyHash)] = Key(account, uint40(block.number), peerBlock);
        return bytes26(keyHash);
    }

    function _exit(address account) private {
        Entry memory entry = _activeEntry(account);
        entry.active = false;
        _entries[account] = entry;
        emit OperatorExited(account);
    }

    /// @dev The entry of an active operator, a rotation that is due written down.
    function _activeEntry(address account) private view returns (Entry memory entry) {
        entry = _current(account);
        if (!entry.active) revert NotAnOperator(account);
    }

    /// @dev The entry as of now: a key whose time has come is the key.
    function _current(address account) private view returns (Entry memory entry) {
        entry = _entries[account];
        if (entry.nextFrom == 0 || block.timestamp < entry.nextFrom) return entry;
        (entry.key, entry.nextFrom) = (_next[account], 0);
    }

    function _checkPeerId(bytes calldata peerId) private pure {
        if (peerId.length == 0 || peerId.length > MAX_PEER_ID) revert WrongPeerIdLength(peerId.length);
    }
}
