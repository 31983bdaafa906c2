"""Certificates and how they are checked: all that a light client needs, given the epoch's operator set."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from consensus import bls
from consensus.committee import Committee
from consensus.messages import Certificate
from consensus.signing import SignatureCheck, SignatureScheme, statement, value_id
from consensus.types import MAX_ROUND, Kind, Scope


class CertificateError(ValueError):
    """The certificate does not prove its result."""


def check_signers(signers: Sequence[int], committee: Committee) -> int:
    """Return the weight of strictly ascending members; raises ``CertificateError`` for any others."""
    if not signers:
        raise CertificateError("there are no signers")
    if any(left >= right for left, right in pairwise(signers)):
        raise CertificateError("the signers are not strictly ascending")
    for signer in signers:
        if signer not in committee:
            raise CertificateError(f"signer {signer} is not on the committee")
    return sum(map(committee.weight_of, signers))


def certificate_claim(certificate: Certificate, scope: Scope, committee: Committee) -> SignatureCheck:
    """Return the one signature claim a certificate makes, having checked everything else about it."""
    if certificate.instance != scope.instance:
        raise CertificateError(f"it is for {certificate.instance}, not for {scope.instance}")
    if scope.committee_root != committee.root:
        raise CertificateError("the scope names another committee")
    if not 0 <= certificate.round <= MAX_ROUND:
        raise CertificateError(f"{certificate.round} is not a round")
    weight = check_signers(certificate.signers, committee)
    if not committee.quorum(weight):
        raise CertificateError(f"weight {weight} of {committee.total_weight} is not more than two thirds")
    return SignatureCheck(
        tuple(committee.member(signer).key for signer in certificate.signers),
        statement(scope, Kind.PRECOMMIT, certificate.round, value_id(certificate.result)),
        certificate.signature,
    )


def verify_certificate(
    certificate: Certificate, scope: Scope, committee: Committee, scheme: SignatureScheme = bls.SCHEME
) -> None:
    """Raise ``CertificateError`` unless more than 2/3 of the committee's weight signed this result."""
    claim = certificate_claim(certificate, scope, committee)
    if not scheme.fast_aggregate_verify(claim.keys, claim.message, claim.signature):
        raise CertificateError("the aggregate signature does not hold")
