"""One network of seven, with everything done to it that the protocol promises to survive.

All nodes are ``tests.doubles.actor``: honest until a test gives one of them a script. The tests share the
network and run in this order; each leaves seven honest, connected nodes behind.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from p2pavs.chain.events import TaskCertified
from testnet.layout import write_whole
from tests.e2e.harness import DEADLINE, MANY, Testnet
from tests.reorganise import reorganise

pytestmark = pytest.mark.e2e

NODES = 7
CHOICES = ("treasury", "parameter", "upgrade", "membership", "spam", "other")
SLOW = 10
"""How many times as long the others take, where one must be in time."""
PROMPT = "Classify this proposal: pay 40,000 USDC from the treasury to the audit team for Q3"
ALL = range(NODES)


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Testnet]:
    directory = tmp_path_factory.mktemp("e2e") / "net"
    with Testnet.start(directory, NODES, dict.fromkeys(ALL, "tests.doubles.actor")) as running:
        yield running


@pytest.fixture(autouse=True)
def whole_again(net: Testnet) -> Iterator[None]:
    """After each test: no script left, every node up and connected, nobody signed twice."""
    yield
    for index in ALL:
        _script(net, index).unlink(missing_ok=True)
        if not net.running(index):
            net.restart(index)
    net.wait_connected()
    for index in ALL:
        offences = [one["offence"] for one in net.api(index, "/evidence")]
        assert "equivocation" not in offences, f"node {index} saw an equivocation"
        errors = [entry for entry in net.logs(index) if entry.get("level") in ("error", "critical")]
        assert errors == [], f"node {index} logged errors"


def _script(net: Testnet, index: int) -> Path:
    return net.network.layout.data(index) / "act.json"


def _direct(net: Testnet, index: int, **orders: str | float) -> None:
    write_whole(_script(net, index), json.dumps(orders))


def _operator(net: Testnet, index: int) -> str:
    """A node's account; known from its keys, so that dead nodes have one too."""
    identity = net.network.keys(net.network.layout.operator(index)) / "identity.json"
    return str(json.loads(identity.read_text())["address"]).lower()


def _index(net: Testnet, operator: str) -> int:
    return [_operator(net, index) for index in ALL].index(operator)


def _events(net: Testnet, index: int, task: int, kind: str) -> list[dict[str, Any]]:
    return [event for event in net.api(index, f"/tasks/{task}/events") if event["event"] == kind]


def _committee(net: Testnet, task: int) -> dict[str, Any]:
    """The committee as a node that lives tells it."""

    def told() -> dict[str, Any] | None:
        for index in ALL:
            if net.running(index) and (found := _events(net, index, task, "committee")):
                return found[0]
        return None

    found = net.wait_until(told, "the committee is drawn")
    assert found is not None
    return found


def _ask(net: Testnet) -> int:
    return int(net.request(PROMPT, choices=CHOICES, options=["--no-wait", *DEADLINE])["task"])


def _certified(net: Testnet, task: int) -> TaskCertified:
    posting = net.wait_certified(task)
    assert len(net.postings(task)) == 1
    assert posting.output == b"treasury"
    assert 3 * posting.signed_weight > 2 * posting.total_weight
    return posting


def test_a_question_is_answered_and_the_certificate_verifies(net: Testnet, tmp_path: Path) -> None:
    answer = net.request(PROMPT, choices=CHOICES, wait=True)
    assert (answer["status"], answer["answer"]) == ("certified", "treasury")
    task = str(answer["task"])
    checked = json.loads(net.command("certificate", "verify", task, "--json"))
    assert checked["verified"] and checked["output"] == "treasury"
    file = tmp_path / "certificate.json"
    net.command("certificate", "export", task, "--out", str(file))
    alone = json.loads(net.command("certificate", "verify", str(file), "--json"))
    assert alone["value"] == answer["value"] and alone["signers"] == checked["signers"]


def test_all_nodes_draw_the_same_committee_of_seats(net: Testnet) -> None:
    answer = net.request(PROMPT, choices=CHOICES, wait=True, options=["--committee", "16"])
    assert answer["totalWeight"] == "16"
    drawn = net.wait_until(lambda: _drawn(net, answer["task"]), "every node has drawn the committee")
    assert all(members == drawn[0] for members in drawn)
    seats = sum(int(member["weight"]) for member in drawn[0])
    assert seats == 16


def _drawn(net: Testnet, task: int) -> list[Any] | None:
    """The members of a task's committee, as each node tells them."""
    told = [_events(net, index, task, "committee") for index in ALL]
    return [events[0]["members"] for events in told] if all(told) else None


def test_two_dead_nodes_are_not_missed(net: Testnet) -> None:
    net.kill(5)
    net.kill(6)
    _certified(net, _ask(net))


def test_the_proposer_dies_before_it_proposes_and_another_during_inference(net: Testnet) -> None:
    for index in ALL:  # whoever proposes in a later round lives
        _direct(net, index, die="proposal")
    for _ in range(MANY):  # a proposer that is late has missed its round, and lives
        task = _ask(net)
        posting = _certified(net, task)
        if not all(net.running(index) for index in ALL):
            break
    else:
        pytest.fail(f"no proposer came in time in {MANY} tasks")
    proposer = _index(net, _committee(net, task)["proposer"])
    assert [index for index in ALL if not net.running(index)] == [proposer]
    assert posting.round > 0


def test_a_node_dies_during_inference_and_another_before_its_precommit_leaves(net: Testnet) -> None:
    _direct(net, 1, die="inference")
    _direct(net, 2, die="precommit")
    for index in set(ALL) - {1, 2}:
        _direct(net, index, slow=SLOW)
    for _ in range(MANY):  # who comes when the others have decided does not precommit any more
        _certified(net, _ask(net))
        if not net.running(1) and not net.running(2):
            return
    pytest.fail(f"they did not both die in {MANY} tasks")


def test_the_elected_poster_dies_with_the_certificate_in_hand(net: Testnet) -> None:
    for index in ALL:
        _direct(net, index, die="posting")
    task = _ask(net)
    first = _index(net, _committee(net, task)["posters"][0])
    net.wait_until(lambda: not net.running(first), "the first poster is dead")
    for index in ALL:
        _script(net, index).unlink(missing_ok=True)
    posting = _certified(net, task)
    assert "0x" + posting.poster.hex() != _operator(net, first)


def test_a_stopped_node_catches_up_when_it_continues(net: Testnet) -> None:
    net.pause(3)
    task = _ask(net)
    _certified(net, task)
    net.resume(3)
    net.wait_until(lambda: _events(net, 3, task, "certified"), "the stopped node knows of the certificate")


def test_all_nodes_die_after_their_prevotes_and_finish_when_they_come_back(net: Testnet) -> None:
    for index in ALL:
        _direct(net, index, die="prevote")
    task = _ask(net)
    net.wait_until(lambda: not any(net.running(index) for index in ALL), "all nodes are dead")
    for index in ALL:
        net.restart(index)
    _certified(net, task)


def test_the_chain_drops_the_blocks_of_a_task(net: Testnet) -> None:
    task = _ask(net)
    _committee(net, task)
    block = next(event["block"] for index in ALL for event in _events(net, index, task, "task"))
    dropped = int(net.network.rpc("eth_blockNumber"), 16) - block + 3  # whatever is mined until then
    reorganise(net.network.rpc, dropped)  # the chain forgets the transactions of these blocks too
    net.wait_until(
        lambda: all(_events(net, index, task, "task_undone") for index in ALL), "every node dropped the task"
    )
    # The requester's next command sends the lost transaction again: the task is in another block now, so it
    # has another seed, and what was signed for it before cannot be held against what is signed now.
    another = _ask(net)
    assert another != task
    _certified(net, task)
    _certified(net, another)


def test_the_rpc_endpoint_is_silent_for_a_while(net: Testnet) -> None:
    task = _ask(net)
    net.network.kill("anvil", signal.SIGSTOP)
    try:
        net.wait_until(
            lambda: all(net.api(index, "/status")["chain"]["error"] for index in ALL),
            "every node misses its chain",
        )
    finally:
        net.network.kill("anvil", signal.SIGCONT)
    _certified(net, task)


def _offences(net: Testnet, index: int, offence: str) -> set[str]:
    return {e["operator"] for e in net.api(index, "/evidence") if e["offence"] == offence}


def test_two_liars_of_seven_change_nothing_and_leave_evidence(net: Testnet) -> None:
    liars = {_operator(net, index) for index in (2, 4)}
    honest = (0, 1, 3, 5, 6)
    for index in (2, 4):
        _direct(net, index, cheat="wrong")
    for index in honest:  # so that the liars are done before the others vote the lie down
        _direct(net, index, slow=SLOW)
    for _ in range(MANY):  # until a liar proposes: only then both can sign the lie as proposal and prevote
        _certified(net, _ask(net))
        if all(_offences(net, index, "wrong-output") == liars for index in honest):
            return
    pytest.fail(f"not every honest node holds what both liars signed after {MANY} tasks")


def test_a_vote_without_work_is_not_counted(net: Testnet) -> None:
    lazy = _operator(net, 6)
    _direct(net, 6, cheat="lazy")
    for _ in range(MANY):  # a lazy node that comes late finds the task decided and says nothing
        task = _ask(net)
        posting = _certified(net, task)
        signers = json.loads(net.command("certificate", "verify", str(task), "--json"))["signers"]
        assert len(signers) >= 5 and lazy not in signers
        assert posting.signed_weight < posting.total_weight
        if lazy in _offences(net, 0, "lazy-vote"):
            return
    pytest.fail(f"the lazy node voted in time in none of {MANY} tasks")
