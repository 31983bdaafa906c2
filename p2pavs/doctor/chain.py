"""The RPC endpoint, its chain, the deployment, and the clock."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from eth_utils.address import to_checksum_address

from p2pavs.chain.contracts import Chain
from p2pavs.chain.deployment import Deployment
from p2pavs.chain.errors import RpcError, RpcRefused
from p2pavs.chain.precompiles import wrong_precompiles
from p2pavs.chain.rpc import Rpc
from p2pavs.chain.rpc_values import BlockHeader
from p2pavs.doctor.check import Check, fail, ok, skip, warn

FUTURE: Final = 3.0
"""Seconds that a block may be ahead of this machine's clock."""

FRESH: Final = 60.0
"""Seconds after which another block should be there, on any chain."""

PEER_CLOCK, PEER_CLOCK_FAIL = 2.0, 30.0  # seconds
UNFINALISED: Final = 200
"""Blocks behind the head that the last final one may be; Ethereum has 64 to 96."""


async def chain(rpc: Rpc, deployment: Deployment | None, now: Callable[[], float] = time.time) -> list[Check]:
    """Check everything that can be asked of an endpoint."""
    try:
        served = await rpc.chain_id()
        head = await rpc.block("latest")
    except RpcError as error:
        return [fail("chain", error.message, error.remedy)]
    if head is None:
        return [fail("chain", "the endpoint has no latest block", "Check the endpoint of --rpc.")]
    checks = [_chain_id(served, deployment), clock(head, now()), await _sync(rpc, head)]
    checks.append(await _finality(rpc, head))
    checks.append(await _precompiles(rpc))
    if deployment is not None and deployment.chain_id == served:
        checks.append(await _contracts(Chain(rpc, deployment)))
    return checks


def _chain_id(served: int, deployment: Deployment | None) -> Check:
    if deployment is None:
        return skip("chain id", f"the endpoint serves chain {served}; no --deployment to compare it with")
    if served != deployment.chain_id:
        return fail(
            "chain id",
            f"the endpoint serves chain {served}, and the deployment is on chain {deployment.chain_id}",
            "Give the --rpc of that chain, or the right --deployment.",
        )
    return ok("chain id", f"{served}, that of the deployment")


def clock(head: BlockHeader, now: float) -> Check:
    """Compare this machine's clock with the newest block. ``now`` in unix seconds."""
    age = now - head.timestamp
    if age < -FUTURE:
        return fail(
            "clock",
            f"the newest block is {-age:.0f} s in the future",
            "Set this machine's clock (NTP): it is slow. Deadlines are the chain's.",
        )
    if age > FRESH:
        return warn(
            "clock",
            f"the newest block is {age:.0f} s old",
            "Either the endpoint is behind, or the chain stands, or this machine's clock is fast.",
        )
    return ok("clock", f"the newest block is {max(age, 0):.0f} s old")


def peer_clocks(offsets: list[float]) -> Check:
    """Compare this machine's clock with those of peers: how many seconds each is ahead of ours."""
    name = "clock of peers"
    if not offsets:
        return skip(name, "no peer told its time")
    middle = sorted(offsets)[len(offsets) // 2]
    text = f"{abs(middle):.1f} s {'ahead of' if middle > 0 else 'behind'} ours (of {len(offsets)})"
    if abs(middle) > PEER_CLOCK_FAIL:
        return fail(name, text, "Set this machine's clock (NTP).")
    if abs(middle) > PEER_CLOCK:
        return warn(name, text, "Compare this machine's clock with a time server (NTP).")
    return ok(name, text)


async def _sync(rpc: Rpc, head: BlockHeader) -> Check:
    try:
        syncing = await rpc.request("eth_syncing")
    except RpcError as error:
        return skip("sync", f"the endpoint does not tell: {error.message}")
    if syncing:
        return fail(
            "sync", f"the endpoint is still syncing, at block {head.number}", "Wait until it is done."
        )
    return ok("sync", f"block {head.number}")


async def _finality(rpc: Rpc, head: BlockHeader) -> Check:
    name = "finality"
    try:
        final = await rpc.block("finalized")
    except RpcRefused:
        final = None
    except RpcError as error:
        return fail(name, error.message, error.remedy)
    if final is None:
        return warn(
            name,
            "the endpoint knows no final block",
            "Fine on a test chain; elsewhere use an endpoint that has the tag 'finalized'.",
        )
    behind = head.number - final.number
    if behind > UNFINALISED:
        return warn(
            name,
            f"the last final block is {behind} blocks old",
            "The chain does not finalise now: expect reorganisations, and raise --confirmations.",
        )
    return ok(name, f"{behind} blocks behind the head")


async def _precompiles(rpc: Rpc) -> Check:
    name = "precompiles"
    try:
        wrong = await wrong_precompiles(rpc)
    except RpcError as error:
        return fail(name, error.message, error.remedy)
    if wrong:
        return fail(
            name,
            f"wrong or missing: {', '.join(wrong)}",
            "Use a chain with the BLS12-381 precompiles (EIP-2537, Prague or later).",
        )
    return ok(name, "BLS12-381 sums, pairing and map are right")


async def _contracts(connected: Chain) -> Check:
    name = "contracts"
    try:
        codes = {
            contract: await connected.rpc.code(address)
            for contract, address in connected.deployment.contracts.items()
        }
    except RpcError as error:
        return fail(name, error.message, error.remedy)
    missing = [contract for contract, code in codes.items() if not code]
    if missing:
        where = ", ".join(f"{one} ({to_checksum_address(connected.address(one))})" for one in missing)
        return fail(name, f"no code at {where}", "Get the deployment file of this chain.")
    return ok(name, f"all {len(codes)} are there")
