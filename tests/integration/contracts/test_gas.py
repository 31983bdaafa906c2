"""What the contracts cost is committed; more than a little more must be noticed.

``P2PAVS_GAS_SNAPSHOT=write`` writes the file anew.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from tests.integration.contracts.conftest import Staffed
from tests.integration.contracts.test_supplement import supplement
from tests.integration.contracts.world import EPOCH_LENGTH, SUPPLEMENT_WINDOW, account

SNAPSHOT = Path(__file__).with_name("gas_snapshot.json")
TOLERANCE = 0.01


def measure(staffed: Staffed) -> dict[str, int]:
    world, operators = staffed.world, staffed.operators
    world.request()  # the requester's bucket has its slot
    gas: dict[str, int] = {}
    fee = world.gateway.functions.quote(world.model_id, 16, 1000).call()
    call = world.request_call(input=b"a" * 1000)
    gas["request of 1,000 bytes"] = world.send(call, account("requester"), value=fee)["gasUsed"]
    for missing in (0, 1, 2):
        task = world.request()
        signers = range(missing, len(operators.operators)) if missing < 2 else [0, 3, 4, 6, 1]
        posted = world.send(world.submit_call(task, world.certify(task, operators, signers)))
        gas[f"certificate of 7, {missing} missing"] = posted["gasUsed"]
    gas["supplement"] = world.send(supplement(staffed, task, [2]))["gasUsed"]
    world.pass_time(SUPPLEMENT_WINDOW)
    gas["claim"] = world.send(world.gateway.functions.claim(6, [task.header]))["gasUsed"]
    world.mine(EPOCH_LENGTH)
    gas["freeze the same 7"] = world.send(world.freeze_call())["gasUsed"]
    gas["reveal"] = world.send(world.reveal_call())["gasUsed"]
    return gas


def test_gas_is_what_was_committed(staffed: Staffed) -> None:
    measured = measure(staffed)
    if os.environ.get("P2PAVS_GAS_SNAPSHOT") == "write":
        SNAPSHOT.write_text(json.dumps(measured, indent=2) + "\n")
    committed = json.loads(SNAPSHOT.read_text())
    assert measured.keys() == committed.keys()
    wrong = {
        what: (gas, committed[what])
        for what, gas in measured.items()
        if abs(gas - committed[what]) > TOLERANCE * committed[what]
    }
    assert wrong == {}, "measured and committed; write the snapshot anew if this is meant"
