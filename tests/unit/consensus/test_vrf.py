"""The beacon's function: unique, verifiable, and apart from votes."""

from __future__ import annotations

from consensus import bls, vrf
from consensus.hashing import words
from tests.unit.consensus.factory import address, key, secret

MESSAGE = vrf.vrf_input(1, address(9), 3, 0, b"\x01" * 32)
PROOF = vrf.prove(secret(0), MESSAGE)


def test_a_proof_verifies_to_its_output() -> None:
    expected = words("p2pavs/vrf-out/1", PROOF[:32], PROOF[32:64], PROOF[64:])
    assert vrf.verify(key(0), MESSAGE, PROOF) == expected == vrf.output(PROOF)
    assert vrf.prove(secret(0), MESSAGE) == PROOF


def test_a_proof_holds_for_its_key_and_input_only() -> None:
    assert vrf.verify(key(1), MESSAGE, PROOF) is None
    assert vrf.verify(key(0), vrf.vrf_input(1, address(9), 3, 1, b"\x01" * 32), PROOF) is None
    assert vrf.verify(key(0), MESSAGE, vrf.prove(secret(1), MESSAGE)) is None


def test_votes_and_proofs_are_apart() -> None:
    assert not bls.verify(key(0), MESSAGE, PROOF)
    assert vrf.verify(key(0), MESSAGE, bls.sign(secret(0), MESSAGE)) is None
