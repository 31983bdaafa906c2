from __future__ import annotations

from hashlib import sha256

import pytest
from eth_utils.address import to_canonical_address
from eth_utils.crypto import keccak
from web3.logs import DISCARD

from consensus.hashing import words
from tests.integration.contracts.conftest import Staffed
from tests.integration.contracts.world import (
    BASE_FEE,
    ETHER,
    PRICE_PER_TOKEN,
    ROYALTY_BPS,
    Reverted,
    World,
    account,
)


def test_a_model_is_named_by_what_decides_its_answers(world: World) -> None:
    model = world.model(maker=account("maker"), pricePerTask=5, name="another")
    receipt = world.send(world.models.functions.register(model), account("maker"))
    digests = model[:4]
    model_id = words("p2pavs/model/1", *digests, to_canonical_address(account("maker")))
    [log] = world.models.events.ModelRegistered().process_receipt(receipt, errors=DISCARD)
    assert (log["args"]["modelId"], log["args"]["name"]) == (model_id, "another")
    assert world.models.functions.count().call() == 2
    assert world.models.functions.idAt(1).call() == model_id
    assert tuple(world.models.functions.modelOf(model_id).call()) == world.model(
        maker=account("maker"), pricePerTask=5, name="another", activeFrom=1
    )
    assert world.models.functions.termsOf(model_id, 1).call() == (model_id, 1, ROYALTY_BPS, 5, model[5])
    assert world.models.functions.runtimeProfileOf(model_id).call() == model[2]


def test_registered_once_and_for_oneself(world: World) -> None:
    with pytest.raises(Reverted) as refusal:
        world.send(world.models.functions.register(world.model(pricePerTask=9)))
    assert (refusal.value.name, refusal.value.arguments) == ("AlreadyRegistered", (world.model_id,))
    with pytest.raises(Reverted) as refusal:
        world.send(world.models.functions.register(world.model()), account("stranger"))
    assert refusal.value.name == "NotTheMaker"


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"name": ""}, "WrongNameLength"),
        ({"name": "n" * 65}, "WrongNameLength"),
        ({"modelHash": bytes(32)}, "EmptyField"),
        ({"runtimeProfile": bytes(32)}, "EmptyField"),
        ({"royaltyBps": 5_001}, "RoyaltyTooHigh"),
    ],
)
def test_refuses_incomplete_models(world: World, changes: dict[str, object], error: str) -> None:
    with pytest.raises(Reverted) as refusal:
        world.send(world.models.functions.register(world.model(**changes)))
    assert refusal.value.name == error


def test_only_the_maker_switches_it(world: World) -> None:
    off = world.models.functions.setActive(world.model_id, False)
    with pytest.raises(Reverted) as refusal:
        world.send(off, account("stranger"))
    assert refusal.value.name == "NotTheMaker"
    world.send(off)
    assert world.models.functions.modelOf(world.model_id).call()[10] is False
    world.send(world.models.functions.setActive(world.model_id, True))
    assert world.models.functions.modelOf(world.model_id).call()[10] is True


def test_only_the_registered_manifest_is_published(world: World) -> None:
    manifest = b'{"name":"x"}'
    digest = sha256(manifest).digest()
    receipt = world.send(world.models.functions.register(world.model(manifestHash=digest)))
    [log] = world.models.events.ModelRegistered().process_receipt(receipt, errors=DISCARD)
    model_id = log["args"]["modelId"]
    with pytest.raises(Reverted) as refusal:
        world.send(world.models.functions.publishManifest(model_id, manifest + b" "))
    assert refusal.value.name == "WrongManifest"
    assert refusal.value.arguments == (sha256(manifest + b" ").digest(), digest)
    receipt = world.send(world.models.functions.publishManifest(model_id, manifest), account("stranger"))
    [log] = world.models.events.ManifestPublished().process_receipt(receipt)
    assert dict(log["args"]) == {"modelId": model_id, "manifest": manifest}
    with pytest.raises(Reverted) as refusal:
        world.send(world.models.functions.publishManifest(bytes(32), manifest))
    assert refusal.value.name == "UnknownModel"


def test_unknown_models(world: World) -> None:
    functions = world.models.functions
    for call in (
        functions.modelOf(bytes(32)),
        functions.termsOf(bytes(32), 1),
        functions.makerOf(bytes(32)),
        functions.runtimeProfileOf(bytes(32)),
        functions.setActive(bytes(32), True),
    ):
        with pytest.raises(Reverted) as refusal:
            world.simulate(call, world.owner)
        assert refusal.value.name == "UnknownModel"
    with pytest.raises(Reverted) as refusal:
        world.simulate(functions.idAt(1), world.owner)
    assert (refusal.value.name, refusal.value.arguments) == ("UnknownIndex", (1, 1))


def version(world: World, number: int, **changes: object) -> bytes:
    """Register a version of the world's model; returns its id."""
    receipt = world.send(
        world.models.functions.register(world.model(goldenDigest=number.to_bytes(32, "big"), **changes))
    )
    [log] = world.models.events.ModelVersion().process_receipt(receipt, errors=DISCARD)
    assert log["args"]["version"] == number
    return bytes(log["args"]["modelId"])


def test_a_family_stands_for_its_newest_version(staffed: Staffed) -> None:
    world, functions = staffed.world, staffed.world.models.functions
    family = functions.familyOf(world.owner, "test model").call()
    assert family == words("p2pavs/family/1", to_canonical_address(world.owner), keccak(b"test model"))
    second = version(world, 2, pricePerTask=7)
    later = version(world, 3, activeFrom=4)
    assert functions.versionsOf(family).call() == [world.model_id, second, later]
    assert world.request(modelId=family).fields["modelId"] == world.model_id
    for early, epoch in ((second, 2), (later, 4)):
        with pytest.raises(Reverted) as refusal:
            world.send(world.request_call(modelId=early), value=ETHER)
        assert (refusal.value.name, refusal.value.arguments) == ("ModelNotActiveYet", (early, epoch))
    pinned = world.request()
    world.next_epoch()
    price = world.gateway.functions.quote(family, 16, 13).call()
    assert price == 7 + 16 * PRICE_PER_TOKEN + 17 * BASE_FEE
    task = world.request(value=price, modelId=family)
    assert (task.fields["modelId"], task.fields["fee"]) == (second, price)
    assert world.request().fields["modelId"] == world.model_id, "a version can still be named"
    assert pinned.fields["modelId"] == world.model_id
    world.send(functions.setActive(second, False))
    assert world.request(modelId=family).fields["modelId"] == world.model_id
    world.send(functions.setActive(world.model_id, False))
    with pytest.raises(Reverted) as refusal:
        world.send(world.request_call(modelId=family), value=ETHER)
    assert (refusal.value.name, refusal.value.arguments) == ("ModelInactive", (family,))
    world.send(world.submit_call(pinned, world.certify(pinned, staffed.operators)))


def test_nobody_joins_a_family_of_another(staffed: Staffed) -> None:
    world = staffed.world
    model = world.model(maker=account("impostor"))
    receipt = world.send(world.models.functions.register(model), account("impostor"))
    [log] = world.models.events.ModelVersion().process_receipt(receipt, errors=DISCARD)
    assert log["args"]["family"] != world.models.functions.familyOf(world.owner, "test model").call()
    assert log["args"]["version"] == 1
