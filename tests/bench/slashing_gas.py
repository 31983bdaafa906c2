"""What reports and punishments cost: ``python -m tests.bench.slashing_gas``."""

from __future__ import annotations

import argparse
import sys

from consensus.signing import trace_commit
from p2pavs.bench.part import run
from p2pavs.bench.result import Result
from tests.bench.gas_table import GasTable, require_tools
from tests.integration.contracts.anvil import anvil
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
    SUPPLEMENT_WINDOW,
    VETO_WINDOW,
    Participant,
    World,
    operator,
)


def measure(options: argparse.Namespace) -> Result:
    """Report and execute one case of each kind."""
    require_tools()
    gas = GasTable()
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
        world.pass_time(SUPPLEMENT_WINDOW)  # until then whoever was left out may still add itself

        proof = scene.encode(equivocation(scene, 4))
        gas.row("equivocation: report and loss, first bounty", report(world, proof)["gasUsed"], 600_000)
        proof = scene.encode(equivocation(scene, 3))
        gas.row("equivocation: report and loss", report(world, proof)["gasUsed"], 600_000)
        cases = (
            ("wrong output", scene.encode(wrong_prevote(scene, 2))),
            ("lazy vote", scene.encode(lazy_vote(scene, 1))),
            (f"absence from {ABSENT_TASKS} tasks", gone),
        )
        for name, evidence in cases:
            gas.row(f"{name}: report", report(world, evidence)["gasUsed"])
        world.pass_time(VETO_WINDOW)
        for number, (name, evidence) in enumerate(cases, 1):
            gas.row(f"{name}: execution", execute(world, number, evidence)["gasUsed"])
        who = operator(0)
        renewed = Participant(who.account, operator(50).secret)
        gas.row("rotate a key", world.send(world.rotation(renewed), who.account)["gasUsed"])
        renamed = world.registry.functions.changePeerId(PEER_ID)
        gas.row("change a peer id", world.send(renamed, who.account)["gasUsed"])
    result = Result()
    gas.add_to(result, "seven operators, whole-set certificates")
    return result


if __name__ == "__main__":
    sys.exit(run(measure, repeats=None, description=__doc__))
