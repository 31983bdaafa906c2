"""All checks, in the order in which an operator would want to hear of them."""

from __future__ import annotations

import json
import os
import resource
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import trio

from inference.memory import available
from p2pavs import keystore
from p2pavs.chain.contracts import Chain
from p2pavs.chain.deployment import Deployment
from p2pavs.chain.errors import ChainError
from p2pavs.chain.reader import list_models
from p2pavs.chain.rpc import Rpc
from p2pavs.doctor import chain as chains
from p2pavs.doctor import duties, keys, machine, models, reach, runtime
from p2pavs.doctor.check import Check, Status, fail, skip
from p2pavs.errors import P2pavsError

MAX_NODE_FILE: int = 64 * 1024


@dataclass(frozen=True, slots=True)
class Subject:
    """What is examined: as a node would be started. What is None is not looked at."""

    rpc: str | None
    deployment: Path | None
    keys: Path | None
    password_file: Path | None
    password: str | None
    data: Path | None
    listen: str
    announce: tuple[str, ...]
    bootstrap: tuple[str, ...]
    api: str
    models: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class Section:
    """Checks that belong together."""

    title: str
    checks: Sequence[Check]


async def examine(subject: Subject) -> AsyncGenerator[Section]:
    """Give the sections as they are done. What a peer, chain or file does wrong is a check that fails."""
    yield Section("runtime", [*await _in_thread(runtime.bits), await _in_thread(runtime.signatures)])
    running = _running(subject.data)
    looked, found = await _in_thread(models.files, subject.models)
    yield Section("models", found)
    yield Section("machine", await _in_thread(_machine, subject, looked, bool(running)))
    deployment, problem = _deployment(subject.deployment)
    public, held, section = await _in_thread(_keys, subject, deployment)
    yield section
    async for part in _chain(subject, deployment, problem, public, held, looked):
        yield part
    wanted = reach.Wanted(
        subject.listen,
        subject.announce,
        subject.bootstrap,
        (subject.data or Path("/nonexistent")) / "peers.cbor",
        running,
    )
    yield Section("network", [*reach.ports(wanted, subject.api), *await reach.reachability(wanted)])


def failed(checks: Sequence[Check]) -> bool:
    """Whether anything must be mended before a node works like this."""
    return any(check.status is Status.FAIL for check in checks)


async def _in_thread(work: Any, *arguments: Any) -> Any:
    return await trio.to_thread.run_sync(work, *arguments)


def _machine(subject: Subject, looked: Sequence[models.Looked], running: bool) -> list[Check]:
    needed = machine.needed_memory([model.needed for model in looked])
    return [
        machine.processor(machine.cpu_flags()),
        machine.memory(needed, available(), machine.total_memory(), running=running),
        *machine.disk(subject.data or Path.cwd()),
        machine.open_files(resource.getrlimit(resource.RLIMIT_NOFILE)[0]),
        machine.trusted_hardware(),
    ]


def _deployment(path: Path | None) -> tuple[Deployment | None, P2pavsError | None]:
    try:
        return (None if path is None else Deployment.load(path)), None
    except P2pavsError as error:
        return None, error


def _keys(
    subject: Subject, deployment: Deployment | None
) -> tuple[keystore.PublicIdentity | None, list[bytes], Section]:
    """Look at the key directory; returns also its public part and the consensus keys it is known to hold."""
    public, held = None, []
    checks = [skip("keys", "give --keys")]
    if subject.keys is not None:
        public, check = keys.presence(subject.keys)
        checks = [check]
        if public is not None:
            opened, check = keys.password(subject.keys, subject.password)
            held = [public.consensus_key] if opened is None else list(opened)
            checks += [keys.permissions(subject.keys), check]
    if subject.password_file is not None:
        checks.append(keys.password_file(subject.password_file))
    if subject.data is None:
        checks.append(skip("sign guard", "give --data"))
    else:
        checks.append(keys.guard(subject.data, public, deployment))
    return public, held, Section("keys", checks)


async def _chain(
    subject: Subject,
    deployment: Deployment | None,
    problem: P2pavsError | None,
    public: keystore.PublicIdentity | None,
    held: Sequence[bytes],
    looked: Sequence[models.Looked],
) -> AsyncGenerator[Section]:
    if problem is not None:
        yield Section("deployment", [fail("deployment", problem.message, problem.remedy)])
    if subject.rpc is None:
        yield Section("chain", [skip("chain", "give --rpc")])
        return
    try:
        client = Rpc(subject.rpc)
    except P2pavsError as error:
        yield Section("chain", [fail("chain", error.message, error.remedy)])
        return
    async with client as rpc:
        checks = await chains.chain(rpc, deployment)
        yield Section("chain", checks)
        if deployment is None:
            yield Section("duties", [skip("duties", "give --deployment")])
            return
        if failed([check for check in checks if check.name in ("chain", "chain id", "contracts")]):
            yield Section("duties", [skip("duties", "the chain must be right first")])
            return
        connected = Chain(rpc, deployment)
        try:
            registry = models.registered(looked, await list_models(connected))
        except ChainError as error:
            registry = [fail("registry", error.message, error.remedy)]
        if public is None:
            yield Section("duties", [*registry, skip("duties", "give --keys")])
            return
        yield Section(
            "duties",
            [*await duties.duties(connected, public.address, held, public.peer_id_bytes), *registry],
        )


def _running(data: Path | None) -> tuple[str, ...]:
    """Return the addresses of the node that runs with a data directory; empty if none does."""
    if data is None:
        return ()
    try:
        with (data / "node.json").open("rb") as file:
            content = json.loads(file.read(MAX_NODE_FILE))
        pid, addresses = int(content["pid"]), tuple(str(address) for address in content["addresses"])
    except (OSError, ValueError, KeyError, TypeError, OverflowError):
        return ()
    try:
        os.kill(pid, 0)
    except PermissionError:
        pass  # it is another user's
    except (OSError, OverflowError):
        return ()
    return addresses
