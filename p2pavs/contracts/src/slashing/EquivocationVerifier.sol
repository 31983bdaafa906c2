// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IEvidenceVerifier} from "../interfaces/IEvidenceVerifier.sol";
import {IOperatorRegistry} from "../interfaces/IOperatorRegistry.sol";
import {ITaskGateway} from "../interfaces/ITaskGateway.sol";
import {BLS12381} from "../libraries/BLS12381.sol";
import {SignedEvidence} from "./SignedEvidence.sol";

/// @title Two values signed for one slot
/// @notice The slot is kind, task, attempt, committee and round. A node's sign guard never signs a second value for
/// one, so no honest operator can be shown to have done it. Two values in different rounds are no equivocation.
contract EquivocationVerifier is SignedEvidence {
    error NoConflict(bytes32 value);
    error UnknownKind(uint8 kind);

    struct Equivocation {
        Scope scope;
        uint8 kind;
        uint32 round;
        bytes32 first; // the value of one statement
        bytes32 second; // of the other
        bytes publicKey; // 128 bytes
        bytes signature; // 256 bytes: the sum of both signatures
    }

    constructor(IOperatorRegistry operators_, ITaskGateway gateway_) SignedEvidence(operators_, gateway_) {}

    /// @inheritdoc IEvidenceVerifier
    function check(bytes calldata evidence)
        external
        view
        returns (address operator, uint256 firstTask, uint256 lastTask)
    {
        return this.checkDecoded(abi.decode(evidence, (Equivocation)));
    }

    /// @notice `check`, with the evidence as a struct.
    function checkDecoded(Equivocation calldata e) external view returns (address operator, uint256, uint256) {
        if (e.first == e.second) revert NoConflict(e.first);
        if (e.kind < PROPOSAL || e.kind > OUTPUT) revert UnknownKind(e.kind);
        BLS12381.G1 memory key;
        (key, operator) = _ownerOf(e.publicKey);
        BLS12381.requireSignatureOfBoth(
            key,
            _statement(e.scope, e.kind, e.round, e.first),
            _statement(e.scope, e.kind, e.round, e.second),
            BLS12381.SIGNATURE_DST,
            e.signature
        );
        return (operator, e.scope.taskId, e.scope.taskId);
    }
}
