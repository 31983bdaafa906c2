// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {ICertificateVerifier} from "../interfaces/ICertificateVerifier.sol";
import {IEvidenceVerifier} from "../interfaces/IEvidenceVerifier.sol";
import {IOperatorRegistry} from "../interfaces/IOperatorRegistry.sol";
import {ITaskGateway} from "../interfaces/ITaskGateway.sol";
import {BLS12381} from "../libraries/BLS12381.sol";
import {Words} from "../libraries/Words.sol";

/// @title What all evidence of signed statements has in common
/// @dev A statement is bound to its task, attempt and committee by its preimage, and a key to its operator by the
/// registry, for good: neither a rotation nor an exit hides who signed.
abstract contract SignedEvidence is IEvidenceVerifier {
    error UnknownKey(bytes32 keyHash);
    error ZeroAddress();

    uint8 internal constant PROPOSAL = 1;
    uint8 internal constant PREVOTE = 2;
    uint8 internal constant PRECOMMIT = 3;
    uint8 internal constant WORK_TAG = 4;
    uint8 internal constant OUTPUT = 5;

    /// What a statement is bound to.
    struct Scope {
        uint256 taskId;
        uint16 attempt;
        bytes32 committeeRoot;
    }

    IOperatorRegistry public immutable operators;
    ITaskGateway public immutable gateway;

    constructor(IOperatorRegistry operators_, ITaskGateway gateway_) {
        if (address(operators_) == address(0) || address(gateway_) == address(0)) revert ZeroAddress();
        (operators, gateway) = (operators_, gateway_);
    }

    function _statement(Scope memory scope, uint8 kind, uint32 round, bytes32 value) internal view returns (bytes32) {
        return keccak256(
            abi.encode(
                Words.STATEMENT,
                kind,
                block.chainid,
                gateway,
                scope.taskId,
                scope.attempt,
                scope.committeeRoot,
                round,
                value
            )
        );
    }

    function _ownerOf(bytes calldata publicKey) internal view returns (BLS12381.G1 memory key, address operator) {
        key = BLS12381.readKey(publicKey);
        bytes32 keyHash = keccak256(BLS12381.compress(key));
        operator = operators.ownerOf(keyHash);
        if (operator == address(0)) revert UnknownKey(keyHash);
    }
}

/// @title Evidence that holds a signed statement against a certified result
/// @dev The certificate is verified again, so nothing of it need be stored. A header that no task has does no harm: an
/// honest operator signs nothing for it, and the committee's root binds its statement to the header.
abstract contract CertifiedEvidence is SignedEvidence {
    ICertificateVerifier public immutable verifier;

    constructor(IOperatorRegistry operators_, ITaskGateway gateway_, ICertificateVerifier verifier_)
        SignedEvidence(operators_, gateway_)
    {
        if (address(verifier_) == address(0)) revert ZeroAddress();
        verifier = verifier_;
    }

    /// @return scope What the committee's statements are bound to.
    /// @return certified The value id that more than two thirds of it signed.
    function _certified(ITaskGateway.TaskHeader calldata header, ITaskGateway.Certificate calldata certificate)
        internal
        view
        returns (Scope memory scope, bytes32 certified)
    {
        scope = Scope(header.id, certificate.attempt, gateway.committeeRoot(header, certificate.attempt));
        certified = keccak256(abi.encode(Words.RESULT, certificate.result));
        verifier.verify(
            header.epoch,
            header.taskSeed,
            certificate.attempt,
            header.committeeSize,
            _statement(scope, PRECOMMIT, certificate.round, certified),
            certificate.bitmap,
            certificate.hints,
            certificate.signature
        );
    }
}
