"""``p2pavs evidence``: offences that nodes found and the chain knows, and how to report them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click

from p2pavs.cli import common
from p2pavs.cli.options import json_option, node_urls, nodes_option, with_account, with_chain
from p2pavs.cli.output import address, ether, hex_, moment, show, table
from p2pavs.cli.sources import AccountOptions, ChainOptions
from p2pavs.errors import P2pavsError, UsageError
from p2pavs.exit_codes import ExitCode

if TYPE_CHECKING:
    from p2pavs.chain.contracts import Chain
    from p2pavs.chain.evidence import ChainEvidence
    from p2pavs.chain.slashing import Case


class Refused(P2pavsError):
    """The contracts did not take all that was sent to them."""

    exit_code = ExitCode.REFUSED

    def __init__(self, count: int) -> None:
        super().__init__(f"The contracts refused {count} of these.", "The reasons are above.")


@click.group()
def evidence() -> None:
    """See and report offences of operators. Running nodes report by themselves what they find."""


@evidence.command("list")
@nodes_option
@with_chain
@json_option
def list_(nodes: tuple[str, ...], where: ChainOptions) -> None:
    """List the evidence that nodes hold, the cases that were opened, and what was punished."""

    async def work() -> tuple[list[dict[str, Any]], list[dict[str, Any]], list[dict[str, Any]]]:
        held = await _held(nodes)
        async with where.open_chain() as chain:
            return held, await _cases(chain), await _punished(chain)

    held, cases, punished = common.run(work)
    rows = [_held_row(one) for one in held]
    rows += [_case_row(one) for one in cases if not one["closed"]]
    rows += [_punished_row(one) for one in punished]
    table(
        {"held": held, "cases": cases, "punished": punished},
        ("offence", "task", "operator", "where it stands"),
        rows,
        "No offence is known.",
    )


@evidence.command()
@nodes_option
@click.option("--task", type=click.IntRange(1), help="Only offences in this task.")
@with_chain
@with_account
@json_option
def submit(
    nodes: tuple[str, ...],
    task: int | None,
    where: ChainOptions,
    who: AccountOptions,
) -> None:
    """Report what nodes hold and the chain does not know; execute cases whose veto window is over.

    What the contracts refuse is named, and keeps nothing else from being done.
    """
    from p2pavs.chain import slashing
    from p2pavs.chain.errors import ContractRevert

    source = who.payer()

    async def work() -> dict[str, list[dict[str, Any]]]:
        held = await _held(nodes)
        reported: list[dict[str, Any]] = []
        executed: list[dict[str, Any]] = []
        refused: list[dict[str, Any]] = []
        async with (
            where.open_chain() as chain,
            common.open_account(chain.rpc, source) as sender,
        ):
            for one in held:
                found = _chain_evidence(chain, one)
                if found is None or task not in (None, one["task"]) or await slashing.is_booked(chain, found):
                    continue
                offence = {"task": one["task"], "offence": one["offence"], "operator": one["operator"]}
                try:
                    await sender.send(slashing.report_call(chain, found))
                except ContractRevert as error:
                    if error.name != "OffenceKnown":  # a node was faster
                        refused.append(offence | {"reason": error.message})
                    continue
                reported.append(offence)
            for number in range(1, await slashing.case_count(chain) + 1):
                case = await slashing.read_case(chain, number)
                wanted = task in (None, case.first_task)
                if case.closed or not wanted or case.executable_from > time.time():
                    continue
                call = await slashing.execute_call(chain, number)
                if call is None:
                    continue
                try:
                    await sender.send(call)
                except ContractRevert as error:
                    refused.append(_case_json(case) | {"task": case.first_task, "reason": error.message})
                    continue
                executed.append(_case_json(case))
        return {"reported": reported, "executed": executed, "refused": refused}

    content = common.run(work)
    lines = [
        f"reported: {one['offence']} in task {one['task']} by {one['operator']}"
        for one in content["reported"]
    ]
    lines += [f"executed: case {one['id']} against {one['operator']}" for one in content["executed"]]
    lines += [
        f"refused: {one['offence']} in task {one['task']} by {one['operator']}: {one['reason']}"
        for one in content["refused"]
    ]
    show(content, *(lines or ["There is nothing to report and no case to execute."]))
    if content["refused"]:
        raise Refused(len(content["refused"]))


@evidence.command()
@click.argument("number", type=click.IntRange(1, 2**256 - 1))
@with_chain
@with_account
@json_option
def veto(
    number: int,
    where: ChainOptions,
    who: AccountOptions,
) -> None:
    """Strike out a case while its window is open. Takes the guardian's account."""
    source = who.payer()

    async def work() -> None:
        async with (
            where.open_chain() as chain,
            common.open_account(chain.rpc, source) as sender,
        ):
            await sender.send(chain.call("SlashingManager", "veto", number))

    common.run(work)
    show({"case": number, "vetoed": True}, f"Case {number} is struck out; the offence stays unpunished.")


async def _held(nodes: tuple[str, ...]) -> list[dict[str, Any]]:
    """Return what the nodes hold, each offence once."""
    from p2pavs import client

    urls = node_urls(nodes)
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    async with client.NodeApi(urls) as api:
        for url in api.urls:
            try:
                answer = await api.get(url, "/evidence")
            except client.NodeUnreachable:
                if nodes:
                    raise
                continue
            for one in answer if isinstance(answer, list) else ():
                try:
                    operator = address(bytes.fromhex(str(one["operator"])[2:]))
                    key = (_task_number(one["task"]), str(one["offence"]), operator)
                    if key not in found or found[key].get("report") is None:
                        found[key] = {**one, "operator": operator}
                except (KeyError, TypeError, ValueError):
                    raise P2pavsError(
                        f"the node at {url} answers in a form of another version", "Update p2pavs."
                    ) from None
    return [found[key] for key in sorted(found)]


def _task_number(value: Any) -> int:
    if isinstance(value, int) and 0 <= value < 2**256:
        return value
    raise ValueError("no task number")


def _chain_evidence(chain: Chain, one: dict[str, Any]) -> ChainEvidence | None:
    from p2pavs.chain.evidence import ChainEvidence

    report = one.get("report")
    if report is None:
        return None
    try:
        verifier, operator = str(report["verifier"]), bytes.fromhex(one["operator"][2:])
        chain.address(verifier)
        return ChainEvidence(verifier, operator, int(one["task"]), bytes.fromhex(report["data"][2:]))
    except (KeyError, TypeError, ValueError):
        raise UsageError("A node gave evidence that cannot be read.", "Check --node.") from None


async def _cases(chain: Chain) -> list[dict[str, Any]]:
    from p2pavs.chain import slashing

    count = await slashing.case_count(chain)
    return [_case_json(await slashing.read_case(chain, number)) for number in range(1, count + 1)]


def _case_json(case: Case) -> dict[str, Any]:
    return {
        "id": case.id,
        "offence": case.offence,
        "operator": address(case.operator),
        "reporter": address(case.reporter),
        "firstTask": case.first_task,
        "executableFrom": case.executable_from,
        "closed": case.closed,
    }


async def _punished(chain: Chain) -> list[dict[str, Any]]:
    from p2pavs.chain.events import OperatorSlashed
    from p2pavs.contracts import EVIDENCE_VERIFIERS

    names = {chain.address(name): offence for offence, name in EVIDENCE_VERIFIERS.items()}
    found = []
    async for logged in chain.every_event("SlashingManager", "OperatorSlashed"):
        event = logged.event
        if isinstance(event, OperatorSlashed):
            found.append(
                {
                    "offence": names.get(event.verifier, hex_(event.verifier)),
                    "operator": address(event.operator),
                    "reporter": address(event.reporter),
                    "firstTask": event.first_task,
                    "wad": str(event.wad),
                    "takenWei": str(event.taken),
                    "bountyWei": str(event.bounty),
                    "block": logged.block_number,
                }
            )
    return found


def _held_row(one: dict[str, Any]) -> tuple[str, ...]:
    standing = str(one.get("state"))
    if standing == "open":
        standing = "not reported yet" if one.get("report") else "held; nothing to report"
    return (str(one["offence"]), str(one["task"]), str(one["operator"]), f"in a node: {standing}")


def _case_row(one: dict[str, Any]) -> tuple[str, ...]:
    due = moment(one["executableFrom"])
    return (
        one["offence"],
        str(one["firstTask"]),
        one["operator"],
        f"case {one['id']}: punished from {due} on",
    )


def _punished_row(one: dict[str, Any]) -> tuple[str, ...]:
    share = int(one["wad"]) / 10**16
    taken, bounty = ether(int(one["takenWei"])), ether(int(one["bountyWei"]))
    what = f"punished: {share:g}% = {taken}, of which {bounty} to {one['reporter']}"
    return (one["offence"], str(one["firstTask"]), one["operator"], what)
