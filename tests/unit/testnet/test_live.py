"""The live view: what it makes of nodes' events, and that what it draws can be read."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from testnet.picture import MOST_ROWS, draw
from testnet.scene import Node, Scene, Story

A, B, C = ("0x" + letter * 40 for letter in "abc")
VALUE = "975fc3d5" + "0" * 56


def event(kind: str, at: float = 100.0, **fields: Any) -> dict[str, Any]:
    return {"seq": 1, "at": at, "task": 1, "event": kind, **fields}


def asked() -> Story:
    """A task whose committee of three is drawn."""
    story = Story(1, "Is it?", "yes,no", "0.001 ETH", 150_000)
    story.tell(event("task", 100.0, block=25), A)
    members = [{"operator": name, "weight": weight} for name, weight in ((A, "50"), (B, "25"), (C, "25"))]
    story.tell(event("committee", 101.0, epoch=1, total="100", members=members), A)
    return story


def certified() -> Story:
    story = asked()
    for name in (A, B, C):
        story.tell(event("inference_done", 102.0, value=VALUE), name)
    story.tell(event("proposal", 102.5, round=0, operator=B), A)
    for kind in ("prevote", "precommit"):
        for name in (A, B):
            story.tell(event(kind, 103.0, round=0, operator=name, value=VALUE, weight="25"), C)
    story.tell(event("certificate", 103.2, round=0, signers=[A, B], weight="75", total="100"), A)
    story.tell(event("posted", 104.5, gas=287_101, block=27), A)
    story.tell(event("certified", 105.0, block=27, poster=A, weight="75", total="100"), B)
    return story


def text_of(scene: Scene, height: int = 60, width: int = 110) -> str:
    console = Console(file=io.StringIO(), width=width, height=height, color_system=None)
    console.print(draw(scene, width, height, 106.0))
    written = console.file
    assert isinstance(written, io.StringIO)
    return written.getvalue()


def scene_of(story: Story | None) -> Scene:
    scene = Scene("/net")
    scene.begin("chain")
    scene.done("chain", "http://127.0.0.1:1", 2.0)
    scene.nodes = {index: Node(name, 2, running=True) for index, name in enumerate((A, B, C))}
    scene.story = story
    return scene


def test_a_task_from_its_question_to_the_contract() -> None:
    story = asked()
    assert (story.share("prevoted"), story.computed()) == (0, 0)
    story = certified()
    assert (story.share("prevoted"), story.share("precommitted"), story.share("signed")) == (0.75, 0.75, 0.75)
    story.answer, story.verified = "yes", True
    said = text_of(scene_of(story))
    for part in (
        "question  Is it?",
        "yes, no",
        "block 25, 0.001 ETH, gas 150,000",
        "3 of 3 done, the same result 975fc3d5",
        "round 0 by node-1",
        "75%",
        "one BLS signature, 75% of the weight",
        "block 27, gas 287,101, by node-0",
        "+5.0 s",
        "certificate verified from the chain",
    ):
        assert part in said, said


def test_results_that_differ_are_shown() -> None:
    story = asked()
    story.tell(event("inference_done", value=VALUE), A)
    story.tell(event("inference_done", value="f" * 64), B)
    assert "2 of 3 done, results differ" in text_of(scene_of(story))


def test_votes_of_an_earlier_round_do_not_count() -> None:
    story = asked()
    story.tell(event("prevote", round=0, operator=A, value=VALUE), A)
    story.tell(event("prevote", round=1, operator=B, value=VALUE), A)
    story.tell(event("prevote", round=0, operator=C, value=VALUE), A)
    story.tell(event("prevote", round=1, operator=C, value=None), A)
    assert (story.round, story.share("prevoted")) == (1, 0.25)


def test_a_task_without_a_certificate() -> None:
    story = asked()
    story.tell(event("expired"), A)
    assert "expired: nobody is paid" in text_of(scene_of(story))


def test_events_of_another_version_change_nothing() -> None:
    story = asked()
    for strange in ({"event": "certified"}, event("certified", block="x"), event("committee", total=0)):
        story.tell(strange, A)
    assert story.certified_at is None and len(story.members) == 3


def test_the_start_is_shown_step_by_step() -> None:
    scene = Scene("/net")
    scene.begin("chain")
    assert "chain" in text_of(scene)
    scene.done("chain", "http://127.0.0.1:1", 2.0)
    scene.begin("nodes")
    said = text_of(scene)
    assert "✓  chain" in said and "2s" in said and "nodes" in said


@pytest.mark.parametrize(
    ("width", "height", "nodes", "with_nodes", "with_hints"),
    [
        (80, 24, 3, False, False),
        (100, 30, 3, False, False),
        (100, 31, 3, True, False),
        (80, 40, 3, True, True),
        (80, 40, 16, True, False),
        (200, 60, 16, True, True),
    ],
)
def test_it_fits(width: int, height: int, nodes: int, with_nodes: bool, with_hints: bool) -> None:
    story = certified()
    story.answer, story.verified = "yes", True
    scene = scene_of(story)
    scene.hints = [("ask", "p2pavs request")]
    scene.nodes = {index: Node(A, 2, running=True) for index in range(nodes)}
    said = text_of(scene, height, width).rstrip().splitlines()
    assert len(said) < height and max(len(line.rstrip()) for line in said) <= min(width, 100)
    assert "certificate verified from the chain" in "".join(said)
    assert ("precommit " in "".join(said), "p2pavs request" in said[-1]) == (with_nodes, with_hints)


def test_of_many_nodes_the_first_are_shown() -> None:
    scene = scene_of(certified())
    scene.nodes = {index: Node(A, 2, running=True) for index in range(16)}
    said = text_of(scene)
    assert f"node-{MOST_ROWS - 1}" in said and f"node-{MOST_ROWS} " not in said and "and 6 more" in said
