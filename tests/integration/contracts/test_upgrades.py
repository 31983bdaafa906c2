"""The gateway behind its proxy: who can put another implementation there, when, and what outlives it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from eth_utils.address import to_checksum_address
from web3.contract import Contract

from p2pavs.chain.upgrades import ADMIN_SLOT, IMPLEMENTATION_SLOT
from p2pavs.contracts import PROXY_ADMIN, TIMELOCK, UPGRADEABLE, artifact
from p2pavs.contracts import __file__ as contracts_package
from tests.integration.contracts.conftest import Staffed
from tests.integration.contracts.test_tasks import refusal_of
from tests.integration.contracts.world import (
    BASE_FEE,
    BEACON_REWARD,
    BUCKET_SECONDS,
    BUCKET_UNITS,
    LONGEST_PAUSE,
    MAXIMUM_WINDOW,
    MINIMUM_WINDOW,
    STAKED_UNITS,
    SUPPLEMENT_WINDOW,
    TARGET_UNITS,
    UPGRADE_DELAY,
    World,
    account,
)

LAYOUTS = Path(__file__).with_name("storage.json")
NOTHING = bytes(32)


def stored(world: World, slot: bytes) -> str:
    raw = world.w3.eth.get_storage_at(world.gateway.address, int.from_bytes(slot, "big"))
    return to_checksum_address(raw[12:])


def next_version(world: World) -> Contract:
    """An implementation on other terms: everything else is as before."""
    parts = [
        world.contracts[name].address for name in ("EpochManager", "CertificateVerifier", "ModelRegistry")
    ]
    fees = (2 * BASE_FEE, TARGET_UNITS, BUCKET_UNITS, STAKED_UNITS, BUCKET_SECONDS)
    spans = (MINIMUM_WINDOW, MAXIMUM_WINDOW, SUPPLEMENT_WINDOW, LONGEST_PAUSE)
    compiled = artifact("TaskGateway")
    return world.deploy_code(compiled.abi, compiled.bytecode, *parts, (*spans, BEACON_REWARD, fees))


def upgrade_of(world: World, implementation: str) -> tuple[str, bytes]:
    """What the timelock has to call."""
    admin = world.w3.eth.contract(address=stored(world, ADMIN_SLOT), abi=artifact(PROXY_ADMIN).abi)
    world.learn_errors(artifact(PROXY_ADMIN).abi)
    data = admin.encode_abi("upgradeAndCall", [world.gateway.address, implementation, b""])
    return admin.address, bytes.fromhex(data[2:])


def test_an_upgrade_waits_out_its_delay_and_tasks_live_on(staffed: Staffed) -> None:
    world, timelock = staffed.world, staffed.world.contracts[TIMELOCK].functions
    before = stored(world, IMPLEMENTATION_SLOT)
    asked, settled = world.request(deadline=world.now() + MAXIMUM_WINDOW), world.request()
    world.send(world.submit_call(settled, world.certify(settled, staffed.operators)))
    result = world.gateway.functions.resultOf(settled.id).call()

    new = next_version(world)
    target, data = upgrade_of(world, new.address)
    call = (target, 0, data, NOTHING, NOTHING)
    stranger = account("stranger")
    refusal = refusal_of(world, timelock.schedule(*call, UPGRADE_DELAY), stranger)
    assert refusal.name == "AccessControlUnauthorizedAccount"
    assert refusal_of(world, timelock.schedule(*call, UPGRADE_DELAY - 1)).name == "TimelockInsufficientDelay"
    world.send(timelock.schedule(*call, UPGRADE_DELAY))
    world.pass_time(UPGRADE_DELAY - 60)
    assert refusal_of(world, timelock.execute(*call)).name == "TimelockUnexpectedOperationState"
    assert stored(world, IMPLEMENTATION_SLOT) == before
    world.pass_time(50)
    live = world.request(deadline=world.now() + 600)
    world.pass_time(10)
    world.send(timelock.execute(*call), stranger)

    assert stored(world, IMPLEMENTATION_SLOT) == new.address
    assert world.gateway.functions.minimumBaseFee().call() == 2 * BASE_FEE
    assert world.gateway.functions.owner().call() == world.owner
    assert world.gateway.functions.resultOf(settled.id).call() == result
    world.send(world.submit_call(live, world.certify(live, staffed.operators)))
    assert world.status(live) == 2, "a task across the upgrade"
    world.send(world.gateway.functions.claim(0, [settled.header]))
    world.pass_time(60)
    world.send(world.gateway.functions.refund(asked.header))
    assert world.gateway.functions.taskCount().call() == live.id
    fee = world.gateway.functions.quote(world.model_id, 16, 13).call()
    assert world.request(value=fee).id == live.id + 1


def test_nobody_upgrades_past_the_timelock(staffed: Staffed) -> None:
    world = staffed.world
    target, _ = upgrade_of(world, next_version(world).address)
    admin = world.w3.eth.contract(address=target, abi=artifact(PROXY_ADMIN).abi)
    assert admin.functions.owner().call() == world.contracts[TIMELOCK].address
    call = admin.functions.upgradeAndCall(world.gateway.address, next_version(world).address, b"")
    assert refusal_of(world, call).name == "OwnableUnauthorizedAccount"
    roles = world.contracts[TIMELOCK].functions
    for who in (world.owner, account("stranger")):
        assert not roles.hasRole(roles.DEFAULT_ADMIN_ROLE().call(), who).call(), "only the timelock itself"


def test_a_proposal_can_be_struck_out(staffed: Staffed) -> None:
    world, timelock = staffed.world, staffed.world.contracts[TIMELOCK].functions
    target, data = upgrade_of(world, next_version(world).address)
    call = (target, 0, data, NOTHING, NOTHING)
    world.send(timelock.schedule(*call, UPGRADE_DELAY))
    world.send(timelock.cancel(timelock.hashOperation(*call).call()))
    world.pass_time(UPGRADE_DELAY)
    assert refusal_of(world, timelock.execute(*call)).name == "TimelockUnexpectedOperationState"


def test_a_life_begins_once_and_in_a_proxy_only(staffed: Staffed) -> None:
    world, thief = staffed.world, account("thief")
    assert refusal_of(world, world.gateway.functions.initialize(thief), thief).name == "AlreadyInitialized"
    implementation = world.w3.eth.contract(
        address=stored(world, IMPLEMENTATION_SLOT),
        abi=world.gateway.abi,
    )
    assert refusal_of(world, implementation.functions.initialize(thief), thief).name == "AlreadyInitialized"


@pytest.mark.parametrize("name", UPGRADEABLE)
def test_every_variable_stays_where_earlier_versions_have_it(name: str) -> None:
    """``storage.json`` is what is deployed: a version may add to it, and use up the gaps."""
    assert moved(deployed_layout(name), layout_of(name)) == []


def test_a_version_that_moves_what_the_proxy_reads_is_noticed() -> None:
    """The proxy reads results by itself, so it would read other slots than such a version writes."""
    deployed, version = deployed_layout("TaskGateway"), layout_of("TaskGateway")
    for where, line in (
        ("variables", "1+0 mapping(uint256 => struct TaskLedger.Task) _tasks"),
        ("struct TaskLedger.Task", "0+0 uint8 status"),
        ("struct TaskLedger.Task", "0+1 uint40 deadline"),
        ("struct TaskLedger.Task", "1+3 uint16 signedBps"),
        ("struct TaskLedger.Task", "1+7 uint40 finalizedAt"),
        ("struct TaskLedger.Task", "2+0 bytes32 value"),
    ):
        place, rest = line.split(" ", 1)
        slot, offset = place.split("+")
        changed = [f"{int(slot) + 1}+{offset} {rest}" if one == line else one for one in version[where]]
        assert moved(deployed, version | {where: changed}) == [line]


def deployed_layout(name: str) -> dict[str, list[str]]:
    layout: dict[str, list[str]] = json.loads(LAYOUTS.read_text())[name]
    return layout


def layout_of(name: str) -> dict[str, list[str]]:
    raw = json.loads((Path(contracts_package).parent / "artifacts" / f"{name}.json").read_text())
    layout: dict[str, list[str]] = raw["storage"]
    return layout


def moved(deployed: dict[str, list[str]], version: dict[str, list[str]]) -> list[str]:
    """What of a deployed layout is not where it was; gaps may shrink."""
    return [
        line
        for where, lines in deployed.items()
        for line in lines
        if not line.endswith("__gap") and line not in version[where]
    ]
