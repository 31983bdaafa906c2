// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {ICertificateVerifier} from "../interfaces/ICertificateVerifier.sol";
import {IEvidenceVerifier} from "../interfaces/IEvidenceVerifier.sol";
import {IOperatorRegistry} from "../interfaces/IOperatorRegistry.sol";
import {ITaskGateway} from "../interfaces/ITaskGateway.sol";
import {BLS12381} from "../libraries/BLS12381.sol";
import {Words} from "../libraries/Words.sol";
import {CertifiedEvidence} from "./SignedEvidence.sol";

/// @title A result that is not the certified one
/// @notice A prevote, a divergence report and a proposal without a proof of lock claim a result of one's own. A
/// precommit follows a polka, and a proposal with a proof of lock must repeat another's value: neither is evidence.
contract WrongOutputVerifier is CertifiedEvidence {
    error ClaimsNoResult(uint8 kind);
    error ClaimsTheCertified(bytes32 value);

    struct WrongOutput {
        ITaskGateway.TaskHeader header;
        ITaskGateway.Certificate certificate;
        uint8 kind; // PROPOSAL, PREVOTE or OUTPUT
        uint32 round;
        bytes32 claimed; // the value id of the claimed result
        bytes publicKey; // 128 bytes
        bytes signature; // 256 bytes
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
        return this.checkDecoded(abi.decode(evidence, (WrongOutput)));
    }

    /// @notice `check`, with the evidence as a struct.
    function checkDecoded(WrongOutput calldata e) external view returns (address operator, uint256, uint256) {
        if (e.kind != PROPOSAL && e.kind != PREVOTE && e.kind != OUTPUT) revert ClaimsNoResult(e.kind);
        (Scope memory scope, bytes32 certified) = _certified(e.header, e.certificate);
        if (e.claimed == 0 || e.claimed == certified) revert ClaimsTheCertified(e.claimed);
        BLS12381.G1 memory key;
        (key, operator) = _ownerOf(e.publicKey);
        // A proposal's value binds the round of its proof of lock plus one: 0 where it has none.
        bytes32 value =
            e.kind == PROPOSAL ? keccak256(abi.encode(Words.PROPOSAL, e.claimed, uint256(0))) : e.claimed;
        bytes32 message = _statement(scope, e.kind, e.round, value);
        BLS12381.requireSignature(key, message, BLS12381.SIGNATURE_DST, e.signature);
        return (operator, e.header.id, e.header.id);
    }
}
