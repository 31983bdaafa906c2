"""What the timelock decides: which implementation stands behind a proxy, and what offences cost."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from eth_utils.address import to_checksum_address

from p2pavs.chain.abi import UndecodableData
from p2pavs.chain.contracts import Call, Chain, interface
from p2pavs.chain.deploy import creation_code
from p2pavs.chain.errors import ChainError
from p2pavs.chain.events import CallScheduled
from p2pavs.chain.poster import Sender
from p2pavs.contracts import PROXY_ADMIN, TIMELOCK, UPGRADEABLE

# ERC-1967: keccak256("eip1967.proxy.implementation") - 1, and the same of "eip1967.proxy.admin".
IMPLEMENTATION_SLOT = bytes.fromhex("360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc")
ADMIN_SLOT = bytes.fromhex("b53127684a568b3173ae13b9f8a6016e243e63b6e8ee1178d6a717850b5d6103")

_NOTHING = bytes(32)  # no predecessor, no salt


class Stand(Enum):
    """How far a proposal is. The contract's ``OperationState``."""

    UNSET = 0  # never proposed, or cancelled
    WAITING = 1
    READY = 2
    DONE = 3


@dataclass(frozen=True, slots=True)
class Proposal:
    """One call that the timelock was asked to make."""

    id: bytes  # 32 bytes
    target: bytes
    data: bytes
    value: int  # wei
    predecessor: bytes
    stand: Stand
    due: int  # unix seconds; 0 unless it waits or is ready
    what: str  # for people


async def implementation_of(chain: Chain, name: str) -> bytes:
    """Return what stands behind a proxy now."""
    return (await chain.rpc.storage(chain.address(name), IMPLEMENTATION_SLOT))[12:]


async def admin_of(chain: Chain, name: str) -> bytes:
    """Return the ``ProxyAdmin`` of a proxy; its owner is the timelock."""
    return (await chain.rpc.storage(chain.address(name), ADMIN_SLOT))[12:]


async def deploy_implementation(chain: Chain, sender: Sender, name: str) -> bytes:
    """Deploy this version's implementation of a contract, on the terms that the running one has."""
    arguments = await _terms_of(chain, name)
    what = f"the deployment of {name} (implementation)"
    receipt = await sender.send(Call(None, creation_code(name, *arguments), what=what))
    if receipt.contract_address is None:
        raise ChainError("The chain names no address for the new implementation.", "Try again.")
    return receipt.contract_address


async def upgrade_call(chain: Chain, name: str, implementation: bytes) -> Call:
    """Return what the timelock must do to put an implementation behind a proxy."""
    arguments = (chain.address(name), implementation, b"")
    data = interface(PROXY_ADMIN).encode("upgradeAndCall", *arguments)
    return Call(await admin_of(chain, name), data, what=f"the upgrade of {name}")


async def propose_call(chain: Chain, wanted: Call) -> Call:
    """Return the proposal that the timelock does what is wanted, after its delay."""
    delay = await chain.read_one(TIMELOCK, "getMinDelay")
    arguments = (wanted.to, wanted.value, wanted.data, _NOTHING, _NOTHING, delay)
    return replace(chain.call(TIMELOCK, "schedule", *arguments), what=f"the proposal of {wanted.what}")


def execute_call(chain: Chain, proposal: Proposal) -> Call:
    """Return the call that has a proposal done; anyone may send it once it is due."""
    arguments = (proposal.target, proposal.value, proposal.data, proposal.predecessor, _NOTHING)
    return chain.call(TIMELOCK, "execute", *arguments)


def cancel_call(chain: Chain, proposal: Proposal) -> Call:
    """Return the call that strikes a proposal out."""
    return chain.call(TIMELOCK, "cancel", proposal.id)


async def may_propose(chain: Chain, account: bytes) -> bool:
    """Whether an account may propose to the timelock."""
    role = await chain.read_one(TIMELOCK, "PROPOSER_ROLE")
    return bool(await chain.read_one(TIMELOCK, "hasRole", role, account))


async def proposals(chain: Chain) -> list[Proposal]:
    """Return every proposal that was ever made, oldest first."""
    admins = {await admin_of(chain, name): name for name in UPGRADEABLE if name in chain.deployment.contracts}
    found = []
    async with aclosing(chain.every_event(TIMELOCK, "CallScheduled")) as events:
        async for logged in events:
            if isinstance(logged.event, CallScheduled):
                found.append(await _proposal(chain, logged.event, admins))
    return found


async def _proposal(chain: Chain, event: CallScheduled, admins: Mapping[bytes, str]) -> Proposal:
    stand = Stand(await chain.read_one(TIMELOCK, "getOperationState", event.id))
    pending = stand in (Stand.WAITING, Stand.READY)
    return Proposal(
        id=event.id,
        target=event.target,
        data=event.data,
        value=event.value,
        predecessor=event.predecessor,
        stand=stand,
        due=int(await chain.read_one(TIMELOCK, "getTimestamp", event.id)) if pending else 0,
        what=_describe(chain, event, admins),
    )


def _describe(chain: Chain, event: CallScheduled, admins: Mapping[bytes, str]) -> str:
    names = {address: name for name, address in chain.deployment.contracts.items()}
    contract = PROXY_ADMIN if event.target in admins else names.get(event.target)
    if contract is None:
        return f"a call of {to_checksum_address(event.target)}"
    try:
        function, arguments = interface(contract).decode_input(event.data)
    except UndecodableData:
        return f"an unknown call of {contract}"
    if function == "upgradeAndCall":
        to = to_checksum_address(arguments["implementation"])
        return f"upgrade {admins[event.target]} to {to}"
    if function == "setClass":
        verifier = names.get(arguments["verifier"], to_checksum_address(arguments["verifier"]))
        class_ = arguments["class"]
        return f"penalty of {verifier}: {class_['wad'] / 1e16:g}%"
    return f"{contract}.{function}"


async def _terms_of(chain: Chain, name: str) -> tuple[Any, ...]:
    async def read(*getters: str) -> tuple[Any, ...]:
        return tuple([await chain.read_one(name, getter) for getter in getters])

    if name == "TaskGateway":
        parts = await read("epochs", "verifier", "models")
        spans = await read("minimumWindow", "maximumWindow", "supplementWindow", "longestPause")
        fees = await read("minimumBaseFee", "targetUnits", "bucketUnits", "stakedUnits", "bucketSeconds")
        return *parts, (*spans, *await read("beaconReward"), fees)
    return await read("allocationManager", "operators", "slasher", "minimumStake", "horizon", "blockSeconds")
