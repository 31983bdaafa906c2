// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IOperatorRegistry} from "./interfaces/IOperatorRegistry.sol";
import {Blob} from "./libraries/Blob.sol";
import {BLS12381} from "./libraries/BLS12381.sol";
import {Words} from "./libraries/Words.sol";

/// @title Operators: account, consensus key, peer id
/// @notice A key enters only with a proof that its owner holds the secret. The proof signs (chain, registry,
/// account, key), so nobody can replay it for another account, and it keeps out the keys made from other keys which
/// would forge aggregates. A key that was brought once is never taken again, from anyone. A new key takes the
/// place of the old one after a delay, in which its operator has its node learn the new secret.
contract OperatorRegistry is IOperatorRegistry {
    error AlreadyRegistered(address account);
    error KeyAlreadyUsed(bytes32 keyHash);
    error NotAnOperator(address account);
    error NotTheRegistrar(address sender, address registrar);
    error RotationUnderWay(address account, uint64 from);
    error UnknownOperator(uint32 id);
    error WrongPeerIdLength(uint256 length);

    uint256 private constant MAX_PEER_ID = 64;
    /// In a blob: block timestamp (8) | key x (48) | key y (48) | peer id.
    uint256 private constant KEY_OFFSET = 8;
    uint256 private constant PEER_ID_OFFSET = 104;

    /// One slot: a snapshot reads it for every operator.
    struct Entry {
        address blob;
        uint32 idPlusOne;
        bool active;
        uint40 nextFrom; // 0: no other key waits
    }

    /// Seconds until a rotated key takes its place.
    uint64 public immutable keyDelay;
    /// A stake source that registers operators by itself; zero where they come by themselves.
    address public immutable registrar;

    address[] private _accounts;
    mapping(address account => Entry) private _entries;
    mapping(address account => address blob) private _next;
    /// @inheritdoc IOperatorRegistry
    mapping(bytes32 keyHash => address) public ownerOf;

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
        _take(msg.sender, publicKey, proofOfPossession);
        uint64 from = uint64(block.timestamp) + keyDelay;
        entry.nextFrom = uint40(from);
        _entries[msg.sender] = entry;
        _next[msg.sender] = _write(publicKey, Blob.read(entry.blob, PEER_ID_OFFSET));
        emit KeyRotationBegun(msg.sender, entry.idPlusOne - 1, publicKey, from);
    }

    /// @notice Gives the sender's node another name in the network, at once.
    function changePeerId(bytes calldata peerId) external {
        _checkPeerId(peerId);
        Entry memory entry = _activeEntry(msg.sender);
        entry.blob = _rename(entry.blob, peerId);
        if (entry.nextFrom != 0) _next[msg.sender] = _rename(_next[msg.sender], peerId);
        _entries[msg.sender] = entry;
        emit PeerIdChanged(msg.sender, entry.idPlusOne - 1, peerId);
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
    function count() external view returns (uint32) {
        return uint32(_accounts.length);
    }

    /// @inheritdoc IOperatorRegistry
    function operatorOf(address account) public view returns (Operator memory operator) {
        Entry memory entry = _current(account);
        if (entry.idPlusOne == 0) return operator;
        operator.id = entry.idPlusOne - 1;
        operator.account = account;
        operator.active = entry.active;
        operator.registeredAt = uint64(bytes8(Blob.read(entry.blob, 0, 8)));
        operator.publicKey = _keyIn(entry.blob);
        operator.keyHash = keccak256(BLS12381.compress(_point(operator.publicKey)));
        operator.peerId = Blob.read(entry.blob, PEER_ID_OFFSET);
        if (entry.nextFrom != 0) (operator.nextKey, operator.nextKeyFrom) = (_keyIn(_next[account]), entry.nextFrom);
    }

    /// @inheritdoc IOperatorRegistry
    function operatorAt(uint32 id) external view returns (Operator memory) {
        if (id >= _accounts.length) revert UnknownOperator(id);
        return operatorOf(_accounts[id]);
    }

    /// @inheritdoc IOperatorRegistry
    function activeKeyOf(address account) external view returns (bytes memory coordinates) {
        Entry memory entry = _current(account);
        return entry.active ? Blob.read(entry.blob, KEY_OFFSET, 96) : bytes("");
    }

    function _register(
        address account,
        bytes calldata publicKey,
        bytes calldata proofOfPossession,
        bytes calldata peerId
    ) private {
        _checkPeerId(peerId);
        uint32 idPlusOne = _entries[account].idPlusOne;
        if (_entries[account].active) revert AlreadyRegistered(account);
        _take(account, publicKey, proofOfPossession);
        if (idPlusOne == 0) {
            _accounts.push(account);
            idPlusOne = uint32(_accounts.length);
        }
        _entries[account] = Entry(_write(publicKey, peerId), idPlusOne, true, 0);
        emit OperatorRegistered(account, idPlusOne - 1, publicKey, peerId);
    }

    /// @dev Takes a key from `account`, which must hold its secret, and never again from anyone.
    function _take(address account, bytes calldata publicKey, bytes calldata proofOfPossession) private {
        BLS12381.G1 memory key = BLS12381.readKey(publicKey);
        bytes32 keyHash = keccak256(BLS12381.compress(key));
        if (ownerOf[keyHash] != address(0)) revert KeyAlreadyUsed(keyHash);
        bytes32 message = Words.words(
            Words.PROOF_OF_POSSESSION,
            block.chainid,
            uint256(uint160(address(this))),
            uint256(uint160(account)),
            uint256(keyHash)
        );
        BLS12381.requireSignature(key, message, BLS12381.POSSESSION_DST, proofOfPossession);
        ownerOf[keyHash] = account;
    }

    function _exit(address account) private {
        Entry memory entry = _activeEntry(account);
        entry.active = false;
        _entries[account] = entry;
        emit OperatorExited(account, entry.idPlusOne - 1);
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
        (entry.blob, entry.nextFrom) = (_next[account], 0);
    }

    function _checkPeerId(bytes calldata peerId) private pure {
        if (peerId.length == 0 || peerId.length > MAX_PEER_ID) revert WrongPeerIdLength(peerId.length);
    }

    function _write(bytes calldata publicKey, bytes memory peerId) private returns (address) {
        return Blob.write(
            abi.encodePacked(uint64(block.timestamp), publicKey[16:64], publicKey[80:128], peerId)
        );
    }

    function _rename(address blob, bytes calldata peerId) private returns (address) {
        return Blob.write(abi.encodePacked(Blob.read(blob, 0, PEER_ID_OFFSET), peerId));
    }

    /// @dev A key in the precompiles' form.
    function _keyIn(address blob) private view returns (bytes memory key) {
        bytes memory coordinates = Blob.read(blob, KEY_OFFSET, 96);
        key = new bytes(128);
        assembly ("memory-safe") {
            mcopy(add(key, 48), add(coordinates, 32), 48)
            mcopy(add(key, 112), add(coordinates, 80), 48)
        }
    }

    function _point(bytes memory key) private pure returns (BLS12381.G1 memory point) {
        assembly ("memory-safe") {
            mcopy(point, add(key, 32), 128)
        }
    }
}
