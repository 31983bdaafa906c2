"""A scene as it is drawn on a terminal."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from testnet.scene import QUORUM, Member, Node, Scene, Story
from testnet.steps import elapsed

LEAST_WIDTH, MOST_WIDTH = 80, 100  # columns
MOST_ROWS = 10  # of nodes
MOST_NOTES = 3
_SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_BAR = 8


def draw(scene: Scene, width: int, height: int, now: float) -> RenderableType:
    """The picture, for a terminal of so many columns and lines; ``now`` is in unix seconds.

    On a low terminal the hints are left out, then the nodes: the task comes first.
    """
    width = min(width, MOST_WIDTH)
    parts: list[RenderableType] = [_title(), _steps(scene, now)]
    if scene.nodes and _left(scene, height) >= 0:
        parts.append(_panel("nodes", _nodes(scene), width))
    if scene.story is not None:
        parts.append(_panel(f"task {scene.story.task}", _task(scene, scene.story, width, now), width))
    parts += [Text(f"! {note}", "red") for note in scene.notes[-MOST_NOTES:]]
    if scene.hints and room_for_hints(scene, height):
        parts += [Text(), hints(scene)]
    return Group(*parts)


def room_for_hints(scene: Scene, height: int) -> bool:
    """Whether a terminal of so many lines shows the hints too."""
    return _left(scene, height) >= len(scene.hints) + 2


def hints(scene: Scene) -> RenderableType:
    """What to do next."""
    table = Table.grid(padding=(0, 2))
    for what, command in scene.hints:
        table.add_row(Text(what, "dim"), Text(command, "bold", overflow="fold"))
    return table


def _left(scene: Scene, height: int) -> int:
    """Lines that are left below the nodes and the task."""
    nodes = min(len(scene.nodes), MOST_ROWS) + 4
    return height - (24 if scene.story is not None else 8) - len(scene.notes[-MOST_NOTES:]) - nodes


def _panel(title: str, body: RenderableType, width: int) -> Panel:
    return Panel(body, title=title, title_align="left", border_style="blue", width=width)


def _title() -> Text:
    return Text.assemble(
        ("p2pavs", "bold cyan"),
        ("  one model, many operators, an answer that a contract can check", "dim"),
    )


def _steps(scene: Scene, now: float) -> RenderableType:
    """Each step while the network starts; one line when it is up."""
    if scene.first_after is not None or all(step.seconds is not None for step in scene.steps):
        return _summary(scene)
    table = Table.grid(padding=(0, 2))
    for step in scene.steps:
        over = step.seconds is not None
        table.add_row(
            _mark(over, now),
            step.title,
            Text(step.said or "...", "default" if over else "dim", overflow="ellipsis", no_wrap=True),
            Text("" if step.seconds is None else elapsed(step.seconds), "dim"),
        )
    return Padding(table, (1, 0, 1, 0))


def _summary(scene: Scene) -> RenderableType:
    running = sum(node.running for node in scene.nodes.values())
    took = elapsed(sum(step.seconds or 0 for step in scene.steps))
    states = ", ".join(f"{count} {state}" for state, count in sorted(scene.tasks.items())) or "none"
    first = "" if scene.first_after is None else f", first certificate after {elapsed(scene.first_after)}"
    return Padding(
        Text.assemble(
            ("✓ ", "green"),
            f"network up after {took}{first}: {running} of {len(scene.nodes)} nodes run",
            (f"\n  block {scene.head}, epoch {scene.epoch}, tasks: {states}", "dim"),
        ),
        (1, 0, 1, 0),
    )


def _nodes(scene: Scene) -> RenderableType:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for title, side in (
        ("node", "left"),
        ("operator", "left"),
        ("peers", "right"),
        ("weight", "right"),
        ("computed", "left"),
        ("prevote", "center"),
        ("precommit", "center"),
        ("signed", "center"),
    ):
        table.add_column(
            title, justify="right" if side == "right" else "center" if side == "center" else "left"
        )
    members = {} if scene.story is None else scene.story.members
    shown = list(scene.nodes.items())[:MOST_ROWS]
    for index, node in shown:
        member = members.get(node.operator)
        table.add_row(*_row(index, node, member, drawn=bool(members)))
    body: RenderableType = table
    if len(scene.nodes) > len(shown):
        body = Group(table, Text(f"and {len(scene.nodes) - len(shown)} more", "dim"))
    return body


def _row(index: int, node: Node, member: Member | None, *, drawn: bool) -> list[RenderableType]:
    name = Text(f"node-{index}", "bold" if node.running else "red")
    operator = Text(node.operator[:10] or ("starts ..." if not node.running else "..."), "cyan")
    peers = Text(str(node.peers) if node.operator else "")
    if member is None:
        return [
            name,
            operator,
            peers,
            Text("not drawn" if drawn and node.operator else "", "dim"),
            "",
            "",
            "",
            "",
        ]
    return [
        name,
        operator,
        peers,
        f"{100 * member.share:.0f}%",
        Text(member.value, "magenta"),
        _dot(member.prevoted),
        _dot(member.precommitted),
        _dot(member.signed),
    ]


def _task(scene: Scene, story: Story, width: int, now: float) -> RenderableType:
    head = Table.grid(padding=(0, 2))
    if story.question:
        head.add_row(Text("question", "dim"), Text(story.question, "bold"))
    if story.choices:
        head.add_row(Text("one of", "dim"), story.choices.replace(",", ", "))
    phases = Table.grid(padding=(0, 2))
    for title, said, at in _phases(scene, story, bars=width == MOST_WIDTH):
        since = (
            "" if at is None or at == story.asked_at else f"+{max(0.0, at - (story.asked_at or at)):.1f} s"
        )
        style = "default" if at is not None or said else "dim"
        phases.add_row(
            _mark(at is not None, now, waits=not said),
            Text(title, style),
            Text.from_markup(said),
            Text(since, "dim"),
        )
    parts: list[RenderableType] = [head, Text(), phases] if story.question else [phases]
    if story.answer is not None:
        parts += [Text(), _answer(story)]
    elif story.ended:
        parts += [Text(), Text(f"{story.ended}: nobody is paid, the fee goes back", "red")]
    return Group(*parts)


def _phases(scene: Scene, story: Story, *, bars: bool) -> list[tuple[str, str, float | None]]:
    """Each phase in plain words, what is known of it, and since when it is over."""
    cost = [f"block {story.block}"] if story.block else []
    cost += [story.fee] if story.fee else []
    cost += [f"gas {story.request_gas:,}"] if story.request_gas else []
    values = {member.value for member in story.members.values() if member.value}
    computed = ""
    if story.members:
        computed = f"{story.computed()} of {len(story.members)} done"
        if values:
            computed += (
                f", the same result {values.pop()}" if len(values) == 1 else ", [red]results differ[/]"
            )
    votes = ""
    if story.share("prevoted"):
        shares = [_bar(story.share(what), drawn=bars) for what in ("prevoted", "precommitted")]
        votes = f"prevotes {shares[0]}  precommits {shares[1]}"
    signed = ""
    if story.signed_share:
        signed = f"one BLS signature, {100 * story.signed_share:.0f}% of the weight"
    landed = ""
    if story.certified_at is not None:
        gas = f", gas {story.posted_gas:,}" if story.posted_gas else ""
        landed = f"block {story.certified_block}{gas}, by {_name(scene, story.poster)}"
    whole = bool(story.members) and story.computed() == len(story.members)
    decided = story.certificate_at if story.certificate_at is not None else story.certified_at
    proposed = f"round {story.round} by {_name(scene, story.proposer)}" if story.proposer else ""
    drawn = f"{len(story.members)} operators, by stake, epoch {story.epoch}" if story.members else ""
    return [
        ("question in the contract", ", ".join(cost), story.asked_at),
        ("committee drawn", drawn, story.drawn_at),
        ("model run by each member", computed, story.computed_at if whole else None),
        ("result proposed", proposed, story.proposed_at),
        ("two votes on it", votes, story.voted_at),
        ("certificate", signed, decided if signed else None),
        ("checked by the contract", landed, story.certified_at),
    ]


def _answer(story: Story) -> Text:
    text = Text.assemble(("answer", "dim"), "    ", (f" {story.answer} ", "bold black on green"))
    if story.verified:
        text.append("   certificate verified from the chain", "green")
    return text


def _mark(over: bool, now: float, *, waits: bool = False) -> Text:
    if over:
        return Text("✓", "green")
    return Text("·", "dim") if waits else Text(_SPINNER[int(10 * now) % len(_SPINNER)], "yellow")


def _dot(done: bool) -> Text:
    return Text("✓", "green") if done else Text("·", "dim")


def _bar(share: float, *, drawn: bool) -> str:
    full = round(share * _BAR)
    color = "green" if share > QUORUM else "yellow"
    if not drawn:
        return f"[{color}]{100 * share:.0f}%[/]"
    return f"[{color}]{'━' * full}[/][dim]{'━' * (_BAR - full)}[/] {100 * share:.0f}%"


def _name(scene: Scene, operator: str) -> str:
    """A node's name for an operator of this network, else the beginning of the address."""
    for index, node in scene.nodes.items():
        if node.operator == operator:
            return f"node-{index}"
    return escape(operator[:10])
