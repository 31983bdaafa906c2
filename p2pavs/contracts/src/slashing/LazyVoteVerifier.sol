// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {ICertificateVerifier} from "../interfaces/ICertificateVerifier.sol";
import {IEvidenceVerifier} from "../interfaces/IEvidenceVerifier.sol";
import {IOperatorRegistry} from "../interfaces/IOperatorRegistry.sol";
import {ITaskGateway} from "../interfaces/ITaskGateway.sol";
import {BLS12381} from "../libraries/BLS12381.sol";
import {Words} from "../libraries/Words.sol";
import {CertifiedEvidence} from "./SignedEvidence.sol";

/// @title A prevote for the certified result by someone who did not compute it
/// @notice The certified result commits to a secret that only running the model gives. Once the secret is known,
/// anyone can tell which work tag was due.
contract LazyVoteVerifier is CertifiedEvidence {
    error WrongSecret(bytes32 commitment, bytes32 certified);
    error TagIsRight(bytes32 tag);

    struct LazyVote {
        ITaskGateway.TaskHeader header;
        ITaskGateway.Certificate certificate;
        uint32 round; // of the prevote
        bytes32 tag; // the work tag that was signed
        bytes32 traceSecret;
        bytes publicKey; // 128 bytes
        bytes signature; // 256 bytes: the sum of the signatures of prevote and tag
    }

    constructor(IOperatorRegistry operators_, ITaskGateway gateway_, ICertificateVerifier verifier_)
        CertifiedEvidence(operators_, gateway_, verifier_)
    {}

    /// @inheritdoc IEvidenceVerifier
    function check(bytes calldata evidence)
        external
        view
        returns (address operator, uint256 firstTask, uint256 lastTask)
    {
        return this.checkDecoded(abi.decode(evidence, (LazyVote)));
    }

    /// @notice `check`, with the evidence as a struct.
    function checkDecoded(LazyVote calldata e) external view returns (address operator, uint256, uint256) {
        bytes32 commitment = sha256(abi.encodePacked("p2pavs/trace-commit/1", e.traceSecret));
        if (commitment != e.certificate.result.traceCommit) {
            revert WrongSecret(commitment, e.certificate.result.traceCommit);
        }
        (Scope memory scope, bytes32 certified) = _certified(e.header, e.certificate);
        BLS12381.G1 memory key;
        (key, operator) = _ownerOf(e.publicKey);
        if (e.tag == _tagDue(scope, operator, e.traceSecret)) revert TagIsRight(e.tag);
        BLS12381.requireSignatureOfBoth(
            key,
            _statement(scope, PREVOTE, e.round, certified),
            _statement(scope, WORK_TAG, 0, e.tag),
            BLS12381.SIGNATURE_DST,
            e.signature
        );
        return (operator, e.header.id, e.header.id);
    }

    function _tagDue(Scope memory scope, address operator, bytes32 secret) private view returns (bytes32) {
        return keccak256(
            abi.encode(Words.WORK_TAG, block.chainid, gateway, scope.taskId, scope.attempt, operator, secret)
        );
    }
}
