// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IOperatorRegistry} from "./interfaces/IOperatorRegistry.sol";
import {Blob} from "./libraries/Blob.sol";
import {BLS12381} from "./libraries/BLS12381.sol";
import {Words} from "./libraries/Words.sol";

/// @title Operators: account, consensus key, peer id
/// @notice A key enters only with a proof that its owner holds the secret. The proof signs (chain, registry,
/// account, key), so nobody can replay it for another account, and it keeps out the keys made from other keys which
/// would forge aggregates. A key that was registered once is never taken again, by anyone.
contract OperatorRegistry is IOperatorRegistry {
    error AlreadyRegistered(address account);
    error KeyAlreadyUsed(bytes32 keyHash);
    error NotAnOperator(address account);
    error UnknownOperator(uint32 id);
    error WrongPeerIdLength(uint256 length);

    uint256 private constant MAX_PEER_ID = 64;
    /// In an entry's blob: account (20) | registeredAt (8) | public key (128) | peer id.
    uint256 private constant KEY_OFFSET = 28;

    struct Entry {
        address blob;
        bool active;
    }

    uint32 public count;
    mapping(uint32 id => Entry) private _entries;
    mapping(address account => uint32 idPlusOne) private _idOf;
    mapping(bytes32 keyHash => bool) private _keyUsed;

    /// @notice Makes the sender an operator. A second time only after `exit`, and then with a new key.
    /// @param publicKey 128 bytes: x and y, each 64 bytes with 16 of padding.
    /// @param proofOfPossession 256 bytes: the key's signature, under the proof-of-possession suite, of
    /// words("p2pavs/pop/1", chainId, this contract, account, keccak256(compressed key)).
    function register(bytes calldata publicKey, bytes calldata proofOfPossession, bytes calldata peerId) external {
        if (peerId.length == 0 || peerId.length > MAX_PEER_ID) revert WrongPeerIdLength(peerId.length);
        uint32 previous = _idOf[msg.sender];
        if (previous != 0 && _entries[previous - 1].active) revert AlreadyRegistered(msg.sender);
        BLS12381.G1 memory key = BLS12381.readKey(publicKey);
        bytes32 keyHash = keccak256(BLS12381.compress(key));
        if (_keyUsed[keyHash]) revert KeyAlreadyUsed(keyHash);
        bytes32 message = Words.words(
            Words.PROOF_OF_POSSESSION,
            block.chainid,
            uint256(uint160(address(this))),
            uint256(uint160(msg.sender)),
            uint256(keyHash)
        );
        BLS12381.requireSignature(key, message, BLS12381.POSSESSION_DST, proofOfPossession);

        uint32 id = count;
        count = id + 1;
        _keyUsed[keyHash] = true;
        _idOf[msg.sender] = id + 1;
        _entries[id] =
            Entry(Blob.write(abi.encodePacked(msg.sender, uint64(block.timestamp), publicKey, peerId)), true);
        emit OperatorRegistered(msg.sender, id, publicKey, peerId);
    }

    /// @notice Takes the sender out of all snapshots to come. Sets that are frozen keep it.
    function exit() external {
        uint32 idPlusOne = _idOf[msg.sender];
        if (idPlusOne == 0 || !_entries[idPlusOne - 1].active) revert NotAnOperator(msg.sender);
        _entries[idPlusOne - 1].active = false;
        emit OperatorExited(msg.sender, idPlusOne - 1);
    }

    /// @inheritdoc IOperatorRegistry
    function operatorOf(address account) external view returns (Operator memory operator) {
        uint32 idPlusOne = _idOf[account];
        if (idPlusOne != 0) operator = _read(idPlusOne - 1);
    }

    /// @inheritdoc IOperatorRegistry
    function operatorAt(uint32 id) external view returns (Operator memory) {
        if (id >= count) revert UnknownOperator(id);
        return _read(id);
    }

    /// @inheritdoc IOperatorRegistry
    function activeKeyOf(address account) external view returns (bytes memory coordinates) {
        uint32 idPlusOne = _idOf[account];
        if (idPlusOne == 0) return "";
        Entry memory entry = _entries[idPlusOne - 1];
        if (!entry.active) return "";
        bytes memory key = Blob.read(entry.blob, KEY_OFFSET, BLS12381.KEY_LENGTH);
        coordinates = new bytes(96);
        assembly ("memory-safe") {
            mcopy(add(coordinates, 32), add(key, 48), 48)
            mcopy(add(coordinates, 80), add(key, 112), 48)
        }
    }

    function _read(uint32 id) private view returns (Operator memory) {
        Entry memory entry = _entries[id];
        bytes memory head = Blob.read(entry.blob, 0, KEY_OFFSET);
        bytes memory key = Blob.read(entry.blob, KEY_OFFSET, BLS12381.KEY_LENGTH);
        uint256 raw;
        BLS12381.G1 memory point;
        assembly ("memory-safe") {
            raw := mload(add(head, 32))
            mcopy(point, add(key, 32), 128)
        }
        return Operator({
            id: id,
            account: address(uint160(raw >> 96)),
            keyHash: keccak256(BLS12381.compress(point)),
            active: entry.active,
            registeredAt: uint64(raw >> 32),
            publicKey: key,
            peerId: Blob.read(entry.blob, KEY_OFFSET + BLS12381.KEY_LENGTH)
        });
    }
}
