"""``p2pavs status``: which nodes are up, whom they see, what they do."""

from __future__ import annotations

from typing import Any

import click

from p2pavs.cli import common
from p2pavs.cli.options import json_option, node_urls, nodes_option
from p2pavs.cli.output import ether, printable, table, wants_json
from p2pavs.errors import UsageError

SHOWN, LONGEST = 5, 300  # divergences of a node, characters of a line


@click.command()
@nodes_option
@json_option
def status(nodes: tuple[str, ...]) -> None:
    """Show the nodes whose APIs are configured: up or not, peers, chain, epoch, tasks.

    Exit status: 0, or 3 where one of them does not answer.
    """
    from p2pavs import client

    urls = node_urls(nodes)
    if not urls:
        raise UsageError(
            "No node is named.", "Give --node http://HOST:PORT, or 'nodes' in the configuration."
        )

    async def work() -> list[dict[str, Any]]:
        async with client.NodeApi(urls) as api:
            return [
                {**found, "url": url, "up": True}
                if isinstance(found, dict)
                else {"url": url, "up": False, "error": found.message}
                for url, found in (await api.statuses()).items()
            ]

    content = common.run(work)
    table(
        {"nodes": content},
        ("node", "operator", "peers", "block", "epoch", "balance", "tasks"),
        [_row(one) for one in content],
        "no nodes",
    )
    if not wants_json():
        for one in content:
            for line in (*_signer(one), *_divergences(one)):
                click.secho(line, fg="yellow", err=True)
    if down := [one["url"] for one in content if not one["up"]]:
        raise client.NodeUnreachable(
            f"{len(down)} of {len(content)} nodes do not answer: {', '.join(down)}.",
            "Start them (their logs say why they ended), or correct --node.",
        )


def _row(one: dict[str, Any]) -> tuple[str, ...]:
    if not one["up"]:
        return (one["url"], "down", "", "", "", "", "")
    try:
        chain, tasks = one["chain"], one["tasks"]
        certified = sum(1 for task in tasks if task["state"] == "certified")
        behind = chain["behind"]
        block = f"{chain['head']}" + (f" ({behind} behind)" if behind else "")
        return (
            one["url"],
            str(one["operator"])[:10],
            str(len(one["peers"])),
            "RPC down" if chain["error"] else block,
            str(chain["epoch"]),
            ether(int(chain["balanceWei"])),
            f"{certified} certified, {len(tasks) - certified} other",
        )
    except (KeyError, TypeError, ValueError):
        return (one["url"], "speaks another version", "", "", "", "", "")


def _signer(one: dict[str, Any]) -> list[str]:
    """What keeps a node with a remote signer from signing."""
    signer = one.get("signer")
    if not isinstance(signer, dict) or not signer.get("error"):
        return []
    return [printable(f"{one['url']}: {signer['error']}")[:LONGEST]]


def _divergences(one: dict[str, Any]) -> list[str]:
    """What the operator of a node must see: its results were not those of the committee."""
    lines = []
    try:
        for found in one.get("divergences", [])[:SHOWN]:
            whose = "its own result differs" if found["own"] else f"{found['operator'][:10]} differs"
            profile = "another" if found["profilesDiffer"] else "the same"
            where = f"{one['url']}: task {found['task']}: {whose}"
            lines.append(printable(f"{where}: {found['detail']}, {profile} runtime profile")[:LONGEST])
    except (AttributeError, KeyError, TypeError):
        return []
    return lines
