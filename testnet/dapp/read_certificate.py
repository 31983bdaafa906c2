"""Read the certificate of a task from the chain, and verify it without trusting any node.

    python read_certificate.py 1 --rpc http://127.0.0.1:8545 --deployment deployment.json

Everything comes out of public data: the epoch's frozen operator set, the task, and the transaction that
posted the certificate. The committee is drawn again from the task's seed, and the one BLS signature checked
over the statement that this network, this task and this committee fix. Exit code 0: verified.
"""

from __future__ import annotations

import argparse
import os
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

import trio

from consensus.certificate import verify_certificate
from consensus.committee import Committee
from consensus.types import Scope
from p2pavs.chain.contracts import Chain
from p2pavs.chain.deployment import Deployment
from p2pavs.chain.reader import CertifiedTask, PostedTask, read_certificate, read_operator_set, read_task
from p2pavs.chain.rpc import Rpc
from p2pavs.errors import P2pavsError


@dataclass(frozen=True, slots=True)
class Verified:
    """A task, its certificate and the committee that the certificate is proved against."""

    task: PostedTask
    certified: CertifiedTask
    committee: Committee


async def read_verified(rpc_url: str, deployment: Deployment, task_id: int) -> Verified:
    """Read a certificate and verify it.

    Raises P2pavsError where the chain cannot be read or the task is not certified, and CertificateError where
    the certificate does not prove its result.
    """
    async with Rpc(rpc_url) as rpc:
        chain = await Chain.connect(rpc, deployment)
        task = await read_task(chain, task_id)
        certified = await read_certificate(chain, task_id)
        operators = await read_operator_set(chain, task.requested.header.epoch)
    header, certificate = task.requested.header, certified.certificate
    committee = Committee.select(
        operators, header.hash, header.task_seed, certificate.instance.attempt, header.committee_size
    )
    scope = Scope(deployment.domain, certificate.instance, committee.root)
    verify_certificate(certificate, scope, committee)
    return Verified(task, certified, committee)


def describe(found: Verified) -> str:
    """What was proved, for people."""
    certified, committee = found.certified, found.committee
    certificate = certified.certificate
    signed = sum(map(committee.weight_of, certificate.signers))
    signers = [f"0x{committee.member(index).operator.hex()}" for index in certificate.signers]
    lines = [
        f"task         {found.task.requested.id}, asked in block {found.task.block_number}",
        f"question     {found.task.requested.input.decode(errors='replace')}",
        f"answer       {certified.output.decode(errors='replace')}",
        f"certificate  round {certificate.round}, posted in block {certified.block_number}",
        f"signed by    {len(signers)} of {len(committee.members)} members,"
        f" {100 * signed / committee.total_weight:.1f}% of the weight",
        *(f"             {signer}" for signer in signers),
        "verified     one BLS signature by more than two thirds of the committee",
    ]
    return "\n".join(lines)


def configuration() -> dict[str, str]:
    """What the network's configuration file says, if $P2PAVS_CONFIG names one."""
    named = os.environ.get("P2PAVS_CONFIG")
    return tomllib.loads(Path(named).read_text()) if named else {}


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description="Read and verify the certificate of a task.")
    parser.add_argument("task", type=int, help="the task's number")
    parser.add_argument("--rpc", help="JSON-RPC endpoint (default: the one in $P2PAVS_CONFIG)")
    parser.add_argument("--deployment", help="deployment file (default: the one in $P2PAVS_CONFIG)")
    arguments = parser.parse_args()
    try:
        settings = configuration()
        rpc = arguments.rpc or settings.get("rpc")
        deployment = arguments.deployment or settings.get("deployment")
        if rpc is None or deployment is None:
            parser.error("give --rpc and --deployment, or: export P2PAVS_CONFIG=.testnet/p2pavs.toml")
        found = trio.run(read_verified, rpc, Deployment.load(Path(deployment)), arguments.task)
    except (OSError, ValueError, P2pavsError) as error:
        print(f"not verified: {error}", file=sys.stderr)
        return 1
    print(describe(found))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
