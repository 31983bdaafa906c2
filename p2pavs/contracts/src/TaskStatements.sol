// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {ITaskGateway} from "./interfaces/ITaskGateway.sol";
import {Words} from "./libraries/Words.sol";
import {TaskLedger} from "./TaskLedger.sol";

/// @title What members sign, and when attempts begin
abstract contract TaskStatements is TaskLedger {
    /// @inheritdoc ITaskGateway
    function committeeRoot(TaskHeader calldata header, uint16 attempt) public view returns (bytes32) {
        // The header's hash too: blocks side by side can give two tasks one number and one seed.
        return keccak256(
            abi.encode(
                Words.COMMITTEE,
                header.epoch,
                epochs.setRootOf(header.epoch),
                header.taskSeed,
                attempt,
                header.committeeSize,
                _hash(header)
            )
        );
    }

    /// @notice The 32 bytes that a member signs.
    function statementOf(TaskHeader calldata header, uint16 attempt, uint8 kind, uint32 round, bytes32 value)
        public
        view
        returns (bytes32)
    {
        return keccak256(
            abi.encode(
                Words.STATEMENT,
                kind,
                block.chainid,
                address(this),
                header.id,
                attempt,
                committeeRoot(header, attempt),
                round,
                value
            )
        );
    }

    /// @notice When an attempt of a task begins, in unix seconds. The last one ends with the deadline.
    function attemptStart(TaskHeader calldata header, uint16 attempt) public pure returns (uint256) {
        uint256 window = header.deadline - header.requestedAt;
        return header.requestedAt + (window * attempt + header.attempts - 1) / header.attempts;
    }

    /// @notice The name of a result in votes and certificates.
    function valueIdOf(Result calldata result) public pure returns (bytes32 id) {
        // keccak256(abi.encode(Words.RESULT, result)): a result is words only, and lies in the call data as it is encoded.
        bytes32 tag = Words.RESULT;
        assembly ("memory-safe") {
            let words := mload(0x40) // scratch beyond the free memory pointer
            mstore(words, tag)
            calldatacopy(add(words, 32), result, 256)
            id := keccak256(words, 288)
        }
    }
}
