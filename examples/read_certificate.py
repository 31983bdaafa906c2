"""Read the certificate of a task from the chain, and verify it without trusting any node.

    python -m examples.read_certificate 1 --rpc http://127.0.0.1:8545 --deployment deployment.json

Everything comes out of public data: the epoch's frozen operator set, the task, and the transaction that
posted the certificate. The committee is drawn again from the task's seed, and the one BLS signature checked
over the statement that this network, this task and this committee fix. Exit code 0: verified.
"""

from __future__ import annotations

import argparse
import sys

from examples.dapp import settings
from p2pavs import Answer, P2pavsError, SyncClient


def describe(question: str, answer: Answer) -> str:
    """What was proved, for people."""
    file = answer.certificate
    summary = file.summary(file.verify())
    lines = [
        f"task         {answer.task}, of epoch {summary['epoch']}",
        f"question     {question}",
        f"answer       {answer.text}",
        f"certificate  round {answer.round}",
        f"signed by    {len(summary['signers'])} of {summary['members']} members,"
        f" {100 * answer.signed_weight / answer.total_weight:.1f}% of the weight",
        *(f"             {signer}" for signer in summary["signers"]),
        "verified     one BLS signature by more than two thirds of the committee",
    ]
    return "\n".join(lines)


def main() -> int:
    """Command line."""
    options = argparse.ArgumentParser(
        prog="python -m examples.read_certificate", description="Read and verify the certificate of a task."
    )
    options.add_argument("task", type=int, help="the task's number")
    options.add_argument("--rpc", help="JSON-RPC endpoint (default: the one in $P2PAVS_CONFIG)")
    options.add_argument("--deployment", help="deployment file (default: the one in $P2PAVS_CONFIG)")
    arguments = options.parse_args()
    try:
        found = settings(arguments, "rpc", "deployment")
        with SyncClient(found["rpc"], found["deployment"]) as client:
            answer, question = client.verify(arguments.task), client.question(arguments.task)
    except (OSError, ValueError, P2pavsError) as error:
        print(f"not verified: {error}", file=sys.stderr)
        return 1
    print(describe(question.decode(errors="replace"), answer))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
