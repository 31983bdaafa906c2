"""What reports and punishments cost: ``python -m tests.bench.slashing_gas``."""

from __future__ import annotations

import sys

from consensus.signing import trace_commit
from tests.bench.gas import row
from tests.integration.contracts.anvil import anvil, missing_tools
from tests.integration.contracts.conftest import STAKES, Staffed
from tests.integration.contracts.test_slashing import (
    SECRET,
    Scene,
    absence,
    equivocation,
    execute,
    lazy_vote,
    missed,
    report,
    wrong_prevote,
)
from tests.integration.contracts.world import (
    ABSENT_TASKS,
    PEER_ID,
    VETO_WINDOW,
    Participant,
    World,
    operator,
)


def main() -> int:
    """Print the table."""
    if reason := missing_tools():
        print(reason, file=sys.stderr)
        return 1
    with anvil() as url:
        world = World.connect(url)
        world.deploy()
        world.enlist(STAKES)
        staffed = Staffed(world, world.next_epoch())
        task = world.request()
        result = world.result(trace_commit=trace_commit(SECRET))
        certificate = world.certify(task, staffed.operators, result=result)
        world.send(world.submit_call(task, certificate))
        scene = Scene(staffed, task, world.committee(task, staffed.operators), certificate, result)
        gone = absence(missed(staffed, 5, ABSENT_TASKS), 5)

        proof = scene.encode(equivocation(scene, 4))
        row("equivocation: report and loss, first bounty", report(world, proof)["gasUsed"], 600_000)
        proof = scene.encode(equivocation(scene, 3))
        row("equivocation: report and loss", report(world, proof)["gasUsed"], 600_000)
        cases = (
            ("wrong output", scene.encode(wrong_prevote(scene, 2))),
            ("lazy vote", scene.encode(lazy_vote(scene, 1))),
            (f"absence from {ABSENT_TASKS} tasks", gone),
        )
        for name, evidence in cases:
            row(f"{name}: report", report(world, evidence)["gasUsed"])
        world.pass_time(VETO_WINDOW)
        for number, (name, evidence) in enumerate(cases, 1):
            row(f"{name}: execution", execute(world, number, evidence)["gasUsed"])
        who = operator(0)
        renewed = Participant(who.account, operator(50).secret)
        row("rotate a key", world.send(world.rotation(renewed), who.account)["gasUsed"])
        renamed = world.registry.functions.changePeerId(PEER_ID)
        row("change a peer id", world.send(renamed, who.account)["gasUsed"])
    return 0


if __name__ == "__main__":
    sys.exit(main())
