"""What a light client accepts."""

from __future__ import annotations

import dataclasses

import pytest

from consensus.certificate import CertificateError, verify_certificate
from consensus.messages import Certificate
from consensus.signing import value_id
from consensus.types import Domain, InstanceId, Scope
from tests.unit.consensus import factory

COMMITTEE = factory.committee()
SCOPE = factory.scope(COMMITTEE)
GOOD = factory.certificate(COMMITTEE, (0, 1, 3))


def test_more_than_two_thirds_convince() -> None:
    verify_certificate(GOOD, SCOPE, COMMITTEE)
    verify_certificate(factory.certificate(COMMITTEE, (0, 1, 2, 3), round_=5), SCOPE, COMMITTEE)


def test_weight_counts_and_not_heads() -> None:
    heavy = factory.committee((7, 1, 1, 1))
    verify_certificate(factory.certificate(heavy, (0,)), factory.scope(heavy), heavy)
    with pytest.raises(CertificateError, match="weight 3 of 10"):
        verify_certificate(factory.certificate(heavy, (1, 2, 3)), factory.scope(heavy), heavy)


def test_seats_count() -> None:
    seated = factory.committee((5, 1, 3, 1), 9)
    signers = tuple(member.index for member in seated.members)
    verify_certificate(factory.certificate(seated, signers), factory.scope(seated), seated)


WRONG: dict[str, tuple[Certificate, str]] = {
    "a half is too few": (factory.certificate(COMMITTEE, (0, 1)), "not more than two thirds"),
    "nobody": (dataclasses.replace(GOOD, signers=()), "no signers"),
    "a signer twice": (dataclasses.replace(GOOD, signers=(0, 1, 1, 3)), "ascending"),
    "signers out of order": (dataclasses.replace(GOOD, signers=(1, 0, 3)), "ascending"),
    "a stranger": (dataclasses.replace(GOOD, signers=(0, 1, 3, 9)), "not on the committee"),
    "a signer who did not": (dataclasses.replace(GOOD, signers=(0, 1, 2)), "does not hold"),
    "one signer too many": (dataclasses.replace(GOOD, signers=(0, 1, 2, 3)), "does not hold"),
    "another round": (dataclasses.replace(GOOD, round=1), "does not hold"),
    "no round": (dataclasses.replace(GOOD, round=-1), "not a round"),
    "another result": (dataclasses.replace(GOOD, result=factory.result(b"no")), "does not hold"),
    "another instance": (dataclasses.replace(GOOD, instance=InstanceId(8, 0)), "not for"),
    "another attempt": (dataclasses.replace(GOOD, instance=InstanceId(7, 1)), "not for"),
    "no point": (dataclasses.replace(GOOD, signature=bytes(96)), "does not hold"),
}


@pytest.mark.parametrize("name", WRONG)
def test_anything_else_does_not(name: str) -> None:
    certificate, reason = WRONG[name]
    with pytest.raises(CertificateError, match=reason):
        verify_certificate(certificate, SCOPE, COMMITTEE)


def test_prevotes_are_no_certificate() -> None:
    polka = factory.round_certificate(COMMITTEE, [(value_id(factory.result()), (0, 1, 3))])
    forged = dataclasses.replace(GOOD, signature=polka.groups[0].signature)
    with pytest.raises(CertificateError, match="does not hold"):
        verify_certificate(forged, SCOPE, COMMITTEE)


@pytest.mark.parametrize("domain", [Domain(1, SCOPE.domain.gateway), Domain(31337, bytes(20))])
def test_it_is_bound_to_chain_and_gateway(domain: Domain) -> None:
    with pytest.raises(CertificateError, match="does not hold"):
        verify_certificate(GOOD, Scope(domain, SCOPE.instance, SCOPE.committee_root), COMMITTEE)


def test_it_is_bound_to_the_committee() -> None:
    other = factory.committee((2, 2, 2, 2))
    with pytest.raises(CertificateError, match="another committee"):
        verify_certificate(GOOD, SCOPE, other)
    with pytest.raises(CertificateError, match="does not hold"):
        verify_certificate(GOOD, factory.scope(other), other)
