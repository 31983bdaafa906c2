"""Contract and node must make the same bytes of the same things."""

from __future__ import annotations

import random

import pytest
from web3.contract import Contract

from consensus import bls, hashing
from consensus.signing import statement, value_id
from consensus.types import FinishReason, Kind, ResultStatus
from p2pavs.chain.certificates import result_to_abi
from tests.integration.contracts.conftest import Staffed
from tests.integration.contracts.world import Reverted, World, operator


@pytest.fixture
def harness(world: World) -> Contract:
    return world.deploy_test_contract("Harness")


def test_draws(harness: Contract) -> None:
    rng = random.Random(7)
    # Just over half of the range: every second hash is thrown away and drawn again.
    bounds = [1, 2, 3, 10**18, 2**128 - 1, 2**255 + 1, 2**256 - 1, 3 * 2**254 + 1]
    for bound in bounds:
        for _ in range(8):
            seed, a, b = rng.randbytes(32), rng.getrandbits(16), rng.getrandbits(256)
            tag = "p2pavs/seat/1"
            ours = hashing.draw(tag, seed, a, b, bound)
            assert harness.functions.draw(tag.encode().ljust(32, b"\0"), seed, a, b, bound).call() == ours


def test_compressed_and_negated_keys(harness: Contract) -> None:
    flags = set()
    for number in range(12):
        key = operator(number).key
        evm = bls.public_key_to_evm(key)
        assert harness.functions.compress(evm).call() == key
        opposite = harness.functions.negate(evm).call()
        assert bls.public_key_from_evm(opposite) == bytes([key[0] ^ 0x20]) + key[1:]
        flags.add(key[0] & 0x20)
    assert flags == {0, 0x20}


def test_signatures_of_many_messages(harness: Contract) -> None:
    who = operator(0)
    key = bls.public_key_to_evm(who.key)
    for number in range(10):
        message = hashing.keccak256(number.to_bytes(4, "big"))
        signature = bls.signature_to_evm(bls.sign(who.secret, message))
        harness.functions.requireSignature(key, message, bls.DST_SIGNATURE.decode(), signature).call()


@pytest.mark.parametrize("kind", list(Kind))
def test_statements_and_values(staffed: Staffed, kind: Kind) -> None:
    world = staffed.world
    for size in (0, 1, 9, 256):
        task = world.request(committeeSize=size)
        committee = world.committee(task, staffed.operators)
        assert world.gateway.functions.committeeRoot(task.header, 0).call() == committee.root
        scope = world.scope(task, committee)
        for round_ in (0, 1, 2**31 - 1):
            result = world.result(
                b"some output" * size, token_count=round_ % 97, finish_reason=FinishReason.STOP_STRING
            )
            value = value_id(result)
            assert world.gateway.functions.valueIdOf(result_to_abi(result)).call() == value
            theirs = world.gateway.functions.statementOf(task.header, 0, int(kind), round_, value).call()
            assert theirs == statement(scope, kind, round_, value)


def test_a_rejected_result_has_its_own_value(staffed: Staffed) -> None:
    world = staffed.world
    rejected = world.result(b"", status=ResultStatus.REJECTED, finish_reason=FinishReason.INPUT_TOO_LONG)
    assert world.gateway.functions.valueIdOf(result_to_abi(rejected)).call() == value_id(rejected)
    assert value_id(rejected) != value_id(world.result(b""))


def test_too_little_gas_is_not_taken_for_a_bad_point(harness: Contract, world: World) -> None:
    who, message = operator(0), hashing.keccak256(b"message")
    signature = bls.signature_to_evm(bls.sign(who.secret, message))
    call = harness.functions.requireSignature(
        bls.public_key_to_evm(who.key), message, bls.DST_SIGNATURE.decode(), signature
    )
    names = set()
    for gas in range(60_000, 260_000, 4_000):
        try:
            world.simulate(call, world.owner, gas=gas)
        except Reverted as refusal:
            names.add(refusal.name)
    assert "TooLittleGas" in names
    assert not names & {"InvalidPoint", "SignatureMismatch", "PrecompileMissing"}
    world.simulate(call, world.owner, gas=260_000)
