"""A client in another language, written from docs/protocol.md: `tests/outside/run.sh`."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any, cast

import pytest
import trio

from consensus.committee import Committee
from consensus.messages import Message
from consensus.types import Kind, Scope
from consensus.wire import encode_message
from p2pavs.catch_up import CatchUp
from p2pavs.certificate_sync import CertificateSync
from p2pavs.network import Network, NetworkConfig
from p2pavs.storage import CertificateStore, Database
from tests.integration.network.waiting import until
from tests.unit.consensus import factory

HERE = Path(__file__).parent
TOPIC = f"/p2pavs/consensus/1/{factory.DOMAIN.chain_id}/{factory.DOMAIN.gateway.hex()}"

pytestmark = pytest.mark.skipif(
    shutil.which("node") is None or not (HERE / "node_modules").is_dir(),
    reason="the client's packages are not installed: tests/outside/run.sh installs them",
)


def messages_of(of: Committee) -> list[Message]:
    """What a task's members say, from the proposal to the certificate."""
    value = factory.vote(of, 0).value_id
    return [
        factory.proposal(of),
        *[factory.vote(of, index) for index in range(4)],
        factory.round_certificate(of, [(value, (0, 1, 2))]),
        *[factory.vote(of, index, Kind.PRECOMMIT) for index in range(4)],
        factory.commit(of, (0, 1, 3)),
    ]


async def test_a_js_client_reads_a_task_and_checks_its_certificate(tmp_path: Path) -> None:
    of = factory.committee((5, 4, 3, 2))
    messages = messages_of(of)
    database = Database(tmp_path / "node.sqlite")
    await CertificateStore(database).put(
        Scope(factory.DOMAIN, factory.INSTANCE, of.root), factory.commit(of, (0, 1, 3))
    )
    config = NetworkConfig(listen="/ip4/127.0.0.1/tcp/0", key_seed=b"\1" * 32)
    async with Network.open(config) as network:
        CatchUp(network, CertificateStore(database), lambda instance: [])
        CertificateSync(
            network,
            CertificateStore(database),
            factory.DOMAIN,
            cast(Any, None),
            cast(Any, None),
            factory.Coefficients(),
        )
        given = {
            "peer": network.addresses[0],
            "topic": TOPIC,
            "chainId": factory.DOMAIN.chain_id,
            "gateway": factory.DOMAIN.gateway.hex(),
            "committeeRoot": of.root.hex(),
            "taskId": factory.INSTANCE.task_id,
            "keys": [member.key.hex() for member in of.members],
            "weights": [str(member.weight) for member in of.members],
            "messages": len(messages),
        }
        async with (
            network.subscribe(TOPIC, lambda author, data: True),
            trio.open_nursery() as nursery,
        ):
            nursery.start_soon(publish_to_first_comer, network, messages)
            with trio.fail_after(600):
                done = await trio.run_process(
                    ["node", "--import", "./old-node.mjs", "client.mjs", json.dumps(given)],
                    cwd=HERE,
                    capture_stdout=True,
                    stderr=subprocess.STDOUT,
                    check=False,
                )
            nursery.cancel_scope.cancel()
    database.close()
    said = [json.loads(line) for line in done.stdout.decode().splitlines() if line.startswith("{")]
    assert done.returncode == 0, done.stdout.decode()
    read = [one for one in said if "read" in one]
    assert [one["bytes"] for one in read] == [len(encode_message(one)) for one in messages]
    assert {one["author"] for one in read} == {network.peer_id}
    assert {one["task"] for one in read} == {factory.INSTANCE.task_id}
    certificate = next(one["certificate"] for one in said if "certificate" in one)
    assert certificate == {"valid": True, "signers": [0, 1, 3], "output": factory.OUTPUT.decode()}
    assert {"instance": ["commit"]} in said


async def publish_to_first_comer(network: Network, messages: list[Message]) -> None:
    """As soon as somebody listens."""
    await network.wait_for_subscribers(TOPIC, 1)
    await until(lambda: network._libp2p.gossip.mesh.get(TOPIC))  # a subscription is not yet a place in it
    for message in messages:
        await network.publish(TOPIC, encode_message(message))
