"""``p2pavs request``: pay for an inference and watch it happen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import trio

from p2pavs import strict_json
from p2pavs.cli import common
from p2pavs.cli.narrator import Narrator
from p2pavs.cli.options import (
    NumberRange,
    json_option,
    node_urls,
    nodes_option,
    parse_amount,
    with_account,
    with_chain,
)
from p2pavs.cli.output import ether, hex_, printable, progress, show
from p2pavs.cli.sources import AccountOptions, ChainOptions
from p2pavs.errors import UsageError
from p2pavs.light_client import NotCertified
from p2pavs.request_options import compact_json

_MAX_SCHEMA_FILE = 1 << 16


@click.command()
@click.argument("prompt")
@click.option("--choices", help="Allowed answers, separated by commas: the answer is exactly one of them.")
@click.option("--max-tokens", default=64, show_default=True, type=int, help="Longest answer, in tokens.")
@click.option("--temperature", default=0.0, show_default=True, type=NumberRange(0, 10), help="0 is greedy.")
@click.option("--top-k", default=0, type=click.IntRange(0, 2**32 - 1), help="Sample from the N best tokens.")
@click.option(
    "--top-p",
    default=0.0,
    type=NumberRange(0, 1),
    help="Sample from the best tokens of this total share.",
)
@click.option(
    "--min-p",
    default=0.0,
    type=NumberRange(0, 1),
    help="Least probability, as a share of the best token's.",
)
@click.option(
    "--repetition-penalty",
    default=0.0,
    type=NumberRange(0, 10),
    help="1 to 10; what was said last becomes less likely.",
)
@click.option(
    "--json-schema",
    "schema_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="File with a JSON schema: the answer is a JSON value of it.",
)
@click.option(
    "--seed", default=0, show_default=True, type=click.IntRange(0, 2**64 - 1), help="For temperature > 0."
)
@click.option("--stop", multiple=True, help="Text that ends the answer. Repeatable.")
@click.option("--model", help="Name or id of the model (default: the only one).")
@click.option(
    "--committee", default=0, show_default=True, type=click.IntRange(0, 256), help="Seats; 0 = all operators."
)
@click.option(
    "--deadline", default=120, show_default=True, type=int, help="Seconds until the fee can be refunded."
)
@click.option(
    "--mode",
    type=click.Choice(["replicate", "verify"]),
    default="replicate",
    show_default=True,
    help="Whether every member generates, or one generates and the others check its chunks.",
)
@click.option(
    "--attempts",
    type=click.IntRange(1, 4),
    help="Parts of the time, each with a committee of its own. [default: 2 with seats, 1 with all operators]",
)
@click.option("--tip", type=parse_amount, default="0", help="More for the signers, in ETH.")
@click.option(
    "--max-fee", type=parse_amount, help="Refuse to pay more, in ETH, the tip included. [default: no limit]"
)
@click.option("--wait/--no-wait", default=True, show_default=True, help="Wait for the certificate.")
@nodes_option
@with_chain
@with_account
@json_option
def request(
    prompt: str,
    choices: str | None,
    max_tokens: int,
    temperature: float,
    top_k: int,
    top_p: float,
    min_p: float,
    repetition_penalty: float,
    schema_file: Path | None,
    seed: int,
    stop: tuple[str, ...],
    model: str | None,
    committee: int,
    deadline: int,
    mode: str,
    attempts: int | None,
    tip: int,
    max_fee: int | None,
    wait: bool,
    nodes: tuple[str, ...],
    where: ChainOptions,
    who: AccountOptions,
) -> None:
    """Ask the network and wait for the certified answer.

    \b
    Examples:
      p2pavs request "Proposal: pay 20,000 USDC to the audit team. Category?"
      p2pavs request "swap 5 ETH for USDC on Uniswap" --choices transfer,swap,sandwich
    """
    from consensus.types import Mode
    from p2pavs import client
    from p2pavs.request_options import to_params

    params = to_params(
        {
            "max_tokens": max_tokens,
            "temperature": temperature,
            "top_k": top_k,
            "top_p": top_p,
            "min_p": min_p,
            "repetition_penalty": repetition_penalty,
            "seed": seed,
            "stop": stop,
            "choices": [choice.strip() for choice in choices.split(",")] if choices else [],
            "json_schema": _schema(schema_file) if schema_file else "",
        }
    )
    try:
        text = prompt.encode()
    except UnicodeEncodeError:
        raise UsageError("The prompt is not valid text.", "Give it in the terminal's encoding.") from None
    client.check_request(text, params)
    source = who.payer()

    async def work() -> dict[str, Any]:
        async with (
            where.open_chain() as chain,
            client.NodeApi(node_urls(nodes)) as api,
        ):
            chosen = await client.choose_model(chain, model)
            await client.check_served(api, chosen)
            async with common.open_account(chain.rpc, source) as sender:
                posted = await client.post(
                    chain,
                    sender,
                    chosen,
                    text,
                    params,
                    window=deadline,
                    committee_size=committee,
                    mode=Mode[mode.upper()],
                    attempts=attempts,
                    tip=tip,
                    max_fee=max_fee,
                )
            header = posted.task.requested.header
            progress(
                f"task {header.id:<7} block {posted.task.block_number}, model {chosen.name}, "
                f"fee {ether(posted.fee)}, gas {posted.receipt.gas_used:,}, deadline in {deadline} s"
            )
            content: dict[str, Any] = {
                "task": header.id,
                "block": posted.task.block_number,
                "model": chosen.name,
                "feeWei": str(posted.fee),
                "baseFeeWei": str(header.base_fee),
                "requestGas": posted.receipt.gas_used,
                "status": "requested",
            }
            if not wait:
                return content
            settled = await _follow(chain, api, header.id)
            return content | await _outcome(chain, header.id, settled)

    content = common.run(work)
    if content["status"] == "expired":
        raise NotCertified(
            f"task {content['task']} was not certified before its deadline",
            f"Take the fee back with: p2pavs task refund {content['task']}",
        )
    answer = content.get("answer", f"task {content['task']} is posted")
    show(content, *(printable(line) for line in answer.expandtabs().split("\n")))


def _schema(path: Path) -> str:
    """The schema in a file, without the blanks that it would pay for."""
    try:
        with path.open("rb") as file:
            return compact_json(strict_json.loads(file.read(_MAX_SCHEMA_FILE)))
    except (OSError, ValueError) as error:
        raise UsageError(
            f"{path} holds no JSON schema: {error}.", "Give a file with one JSON object."
        ) from None


async def _follow(chain: Any, api: Any, task_id: int) -> str:
    """Tell what the nodes tell until the chain has settled the task."""
    from p2pavs import client

    narrator = Narrator(progress)
    send, receive = trio.open_memory_channel[dict[str, Any]](256)
    state = "requested"

    async def listen() -> None:
        async for event in receive:
            narrator.tell(event)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(api.events, task_id, send)
        nursery.start_soon(listen)
        async for result in client.wait_settled(chain, task_id):
            state = result.status.name.lower()
        with trio.move_on_after(2):  # let the last words of the nodes arrive
            await narrator.certified.wait()
        nursery.cancel_scope.cancel()
    return state


async def _outcome(chain: Any, task_id: int, state: str) -> dict[str, Any]:
    from consensus.signing import value_id
    from p2pavs.chain.reader import read_certificate
    from p2pavs.chain.receipts import canonical_receipt

    if state != "certified":
        return {"status": "expired"}
    found = await read_certificate(chain, task_id)
    receipt = await canonical_receipt(chain.rpc, found.transaction_hash)
    gas = 0 if receipt is None else receipt.gas_used
    event = found.event
    progress(
        f"on chain     block {found.block_number}, round {event.round}, "
        f"{100 * event.signed_weight / event.total_weight:.0f}% of the weight signed, gas {gas:,}, "
        f"by {hex_(event.poster)[:10]}"
    )
    return {
        "status": "certified",
        "answer": found.output.decode(errors="replace"),
        "resultStatus": found.certificate.result.status.name.lower(),
        "finishReason": found.certificate.result.finish_reason.name.lower(),
        "tokens": found.certificate.result.token_count,
        "round": found.certificate.round,
        "signers": list(found.certificate.signers),
        "value": hex_(value_id(found.certificate.result)),
        "signedWeight": str(event.signed_weight),
        "totalWeight": str(event.total_weight),
        "poster": hex_(event.poster),
        "certificateBlock": found.block_number,
        "certificateTransaction": hex_(found.transaction_hash),
        "certificateGas": gas,
    }
