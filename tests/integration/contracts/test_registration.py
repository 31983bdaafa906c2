from __future__ import annotations

from typing import Any

import pytest
from eth_utils.address import to_canonical_address
from eth_utils.crypto import keccak

from consensus import bls
from tests.integration.contracts.anvil import anvil, missing_tools
from tests.integration.contracts.world import (
    KEY_DELAY,
    PEER_ID,
    Participant,
    Reverted,
    World,
    account,
    operator,
)

# The modulus of the field.
P = 0x1A0111EA397FE69A4B1BA7B6434BACD764774B84F38512BF6730D2A0F6B0F6241EABFFFEB153FFFFB9FEFFFFFFFFAAAB


def off_subgroup() -> bytes:
    x = next(x for x in range(1, 100) if pow(x**3 + 4, (P - 1) // 2, P) == 1)
    y = pow(x**3 + 4, (P + 1) // 4, P)
    assert y * y % P == (x**3 + 4) % P
    return x.to_bytes(64, "big") + y.to_bytes(64, "big")


NO_KEY = bytes(26)


def known_by(who: Participant) -> bytes:
    """What the registry stores of a key."""
    return keccak(who.key)[:26]


def state_of(world: World, who: Participant) -> tuple[Any, ...]:
    return tuple(world.registry.functions.operatorOf(who.account).call())


def active_key(world: World, who: Participant) -> bytes:
    """What snapshots take it for; zero where they leave it out."""
    [key] = world.registry.functions.activeKeys([who.account]).call()
    return bytes(key)


def test_registers_with_a_proof_of_possession(world: World) -> None:
    who = operator(0)
    receipt = world.send(world.registration(who), who.account)
    [log] = world.registry.events.OperatorRegistered().process_receipt(receipt)
    assert log["args"]["operator"] == who.account
    assert log["args"]["previous"] == 0
    assert log["args"]["publicKey"] == bls.public_key_to_evm(who.key)
    assert log["args"]["peerId"] == PEER_ID
    block = receipt["blockNumber"]
    assert state_of(world, who) == (True, known_by(who), block, block, NO_KEY, 0, 0)
    assert world.registry.functions.ownerOf(keccak(who.key)).call() == who.account
    assert world.registry.functions.lastRegistration().call() == block
    assert active_key(world, who) == known_by(who)


def test_many_keys_of_both_signs_register(world: World) -> None:
    crew = [operator(number) for number in range(12)]
    assert {who.key[0] & 0x20 for who in crew} == {0, 0x20}, "both roots must be among the keys"
    previous = 0
    for who in crew:
        receipt = world.send(world.registration(who), who.account)
        [log] = world.registry.events.OperatorRegistered().process_receipt(receipt)
        assert log["args"]["previous"] == previous
        previous = receipt["blockNumber"]


def test_a_proof_cannot_be_replayed_by_another_account(world: World) -> None:
    who, thief = operator(0), account("thief")
    with pytest.raises(Reverted) as refusal:
        world.send(world.registration(who), thief)
    assert refusal.value.name == "SignatureMismatch"


def test_a_proof_is_bound_to_registry_and_chain(world: World) -> None:
    who = operator(0)
    registry = to_canonical_address(world.registry.address)
    for chain, contract in (
        (world.w3.eth.chain_id + 1, registry),
        (world.w3.eth.chain_id, bytes(19) + b"\1"),
    ):
        proof = bls.signature_to_evm(bls.pop_prove(who.secret, chain, contract, who.address))
        with pytest.raises(Reverted) as refusal:
            world.send(world.registration(who, proof=proof), who.account)
        assert refusal.value.name == "SignatureMismatch"


def test_a_proof_by_another_key_is_refused(world: World) -> None:
    who, other = operator(0), operator(1)
    key = bls.public_key_to_evm(other.key)
    with pytest.raises(Reverted) as refusal:
        world.send(world.registration(who, key=key), who.account)
    assert refusal.value.name == "SignatureMismatch"


def test_a_signature_under_the_voting_suite_is_no_proof(world: World) -> None:
    who = operator(0)
    registry = to_canonical_address(world.registry.address)
    message = bls.pop_message(who.key, world.w3.eth.chain_id, registry, who.address)
    proof = bls.signature_to_evm(bls.sign(who.secret, message))
    with pytest.raises(Reverted) as refusal:
        world.send(world.registration(who, proof=proof), who.account)
    assert refusal.value.name == "SignatureMismatch"


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"key": bytes(128)}, "InfinityKey"),
        ({"key": bytes(128), "proof": bytes(256)}, "InfinityKey"),
        ({"proof": bytes(256)}, "InfinitySignature"),
        ({"key": off_subgroup()}, "InvalidPoint"),
        ({"key": (1).to_bytes(64, "big") + (1).to_bytes(64, "big")}, "InvalidPoint"),
        ({"key": bytes(127)}, "WrongKeyLength"),
        ({"key": bytes(129)}, "WrongKeyLength"),
        ({"proof": bytes(255)}, "WrongSignatureLength"),
        ({"peer": b""}, "WrongPeerIdLength"),
        ({"peer": bytes(65)}, "WrongPeerIdLength"),
    ],
)
def test_refuses_what_is_not_a_key_or_a_proof(world: World, changes: dict[str, bytes], error: str) -> None:
    who = operator(0)
    with pytest.raises(Reverted) as refusal:
        world.send(world.registration(who, **changes), who.account)
    assert refusal.value.name == error


def test_refuses_a_key_that_is_not_reduced(world: World) -> None:
    who = operator(0)
    key = bls.public_key_to_evm(who.key)
    longer = (int.from_bytes(key[:64], "big") + P).to_bytes(64, "big") + key[64:]
    with pytest.raises(Reverted) as refusal:
        world.send(world.registration(who, key=longer), who.account)
    assert refusal.value.name in ("InvalidPoint", "SignatureMismatch")


def test_a_bad_point_does_not_cost_all_the_gas(world: World) -> None:
    who = operator(0)
    call = world.registration(who, key=off_subgroup())
    sent = call.transact(world.transaction(who.account, gas=5_000_000))
    receipt = world.w3.eth.wait_for_transaction_receipt(sent)
    assert receipt["status"] == 0
    assert receipt["gasUsed"] < 500_000


def test_a_key_is_taken_once_whoever_brings_it(world: World) -> None:
    who = operator(0)
    world.send(world.registration(who), who.account)
    second = Participant(account("second account"), who.secret)
    with pytest.raises(Reverted) as refusal:
        world.send(world.registration(second), second.account)
    assert refusal.value.name == "KeyAlreadyUsed"
    assert refusal.value.arguments == (keccak(who.key),)


def test_an_account_has_one_registration_and_after_its_exit_a_new_one(world: World) -> None:
    who = operator(0)
    world.send(world.registration(who), who.account)
    renewed = Participant(who.account, operator(1).secret)
    with pytest.raises(Reverted) as refusal:
        world.send(world.registration(renewed), who.account)
    assert refusal.value.name == "AlreadyRegistered"
    world.send(world.registry.functions.exit(), who.account)
    assert active_key(world, who) == NO_KEY
    assert state_of(world, who)[:2] == (False, known_by(who))
    with pytest.raises(Reverted) as refusal:
        world.send(world.registration(who), who.account)
    assert refusal.value.name == "KeyAlreadyUsed"
    world.send(world.registration(renewed), who.account)
    assert state_of(world, who)[:2] == (True, known_by(renewed))


def test_a_key_takes_the_place_of_another_after_the_delay(world: World) -> None:
    who, renewed = operator(0), Participant(operator(0).account, operator(1).secret)
    first = world.send(world.registration(who), who.account)["blockNumber"]
    second = world.send(world.rotation(renewed), who.account)["blockNumber"]
    due = world.now() + KEY_DELAY
    assert state_of(world, who) == (True, known_by(who), first, first, known_by(renewed), second, due)
    assert active_key(world, who) == known_by(who)
    with pytest.raises(Reverted) as refusal:  # one at a time
        world.send(world.rotation(Participant(who.account, operator(2).secret)), who.account)
    assert refusal.value.name == "RotationUnderWay"
    # The network name changes at once, for both keys.
    named = world.send(world.registry.functions.changePeerId(b"x" * 38), who.account)["blockNumber"]
    assert state_of(world, who)[2:4] == (first, named)

    world.pass_time(KEY_DELAY)
    assert active_key(world, who) == known_by(renewed)
    assert state_of(world, who) == (True, known_by(renewed), second, named, NO_KEY, 0, 0)
    # Both keys stay this operator's for good: what they signed can be held against it.
    for key in (who.key, renewed.key):
        assert world.registry.functions.ownerOf(keccak(key)).call() == who.account
    with pytest.raises(Reverted) as refusal:
        world.send(world.rotation(who), who.account)
    assert refusal.value.name == "KeyAlreadyUsed"
    third = Participant(who.account, operator(3).secret)
    world.send(world.rotation(third), who.account)
    assert active_key(world, who) == known_by(renewed)
    assert state_of(world, who)[3] == named, "the name goes along"
    world.send(world.registry.functions.exit(), who.account)
    assert active_key(world, who) == NO_KEY


def test_a_stranger_rotates_nothing_and_registers_nobody(world: World) -> None:
    who = operator(0)
    for call in (world.rotation(who), world.registry.functions.changePeerId(PEER_ID)):
        with pytest.raises(Reverted) as refusal:
            world.send(call, who.account)
        assert refusal.value.name == "NotAnOperator"
    call = world.registry.functions.registerFor(who.account, b"", b"", PEER_ID)
    with pytest.raises(Reverted) as refusal:
        world.send(call, who.account)
    assert refusal.value.name == "NotTheRegistrar"


def test_exit_and_look_up_of_strangers(world: World) -> None:
    with pytest.raises(Reverted) as refusal:
        world.send(world.registry.functions.exit(), account("stranger"))
    assert refusal.value.name == "NotAnOperator"
    stranger = Participant(account("stranger"), operator(0).secret)
    assert state_of(world, stranger) == (False, NO_KEY, 0, 0, NO_KEY, 0, 0)
    assert world.registry.functions.lastRegistration().call() == 0


def test_a_chain_without_the_precompiles_is_named() -> None:
    if reason := missing_tools():
        pytest.skip(reason)
    with anvil("--hardfork", "cancun") as url:
        old = World.connect(url)
        old.deploy()
        with pytest.raises(Reverted) as refusal:
            old.send(old.registration(operator(0)), operator(0).account)
    assert refusal.value.name == "PrecompileMissing"
