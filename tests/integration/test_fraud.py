"""The fraud matrix: each way to cheat, by the member that generates, against three honest members.

All run a real model. Every honest member must refuse the fraud, say why, and name the first position that
differs; and the honest answer must be certified all the same.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

import pytest

from consensus.messages import Message, Vote, WorkTag
from consensus.signing import statement, value_id
from consensus.types import FinishReason, Kind
from consensus.wire import decode_message
from inference.model import demo_model
from inference.request import Request
from inference.runtime import CANONICAL
from inference.worker import ModelWorker
from p2pavs.execution import Execution, execution_of
from p2pavs.storage import EvidenceStore
from tests.doubles.forgery import PROFILE, forged
from tests.integration.chamber import Chamber, first_difference
from tests.unit.node.parliament import Seat, until

DEMO = demo_model()
MICRO = DEMO.parent / "micro.gguf"
TOKENS = 100
AT = 40
"""Where single tokens and numbers are edited."""

REQUEST = Request(
    b"Once the proposal passed",
    TOKENS,
    temperature_milli=10_000,
    seed=3,
    task_seed=sha256(b"task").digest(),
)

QUANTIZE = """
import sys
import llama_cpp.llama_cpp as lib
options = lib.llama_model_quantize_default_params()
options.ftype, options.allow_requantize, options.nthread = lib.LLAMA_FTYPE_MOSTLY_Q4_0, True, 1
sys.exit(lib.llama_model_quantize(sys.argv[1].encode(), sys.argv[2].encode(), options))
"""


def tool(*arguments: str, given: str = "") -> str:
    """Run Python in the canonical environment; llama.cpp is never loaded into the tests' process."""
    environment = {**os.environ, **dict(CANONICAL.environment)}
    done = subprocess.run(
        [sys.executable, *arguments],
        input=given,
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.fixture(scope="module")
def cheaper(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The demo model in a lower quantization than the registered one."""
    path = tmp_path_factory.mktemp("models") / "cheaper.gguf"
    tool("-c", QUANTIZE, str(DEMO), str(path))
    shutil.copy(DEMO.with_suffix(".json"), path.with_suffix(".json"))
    tool("-m", "inference.golden", str(path), "--keep")
    assert path.stat().st_size < 0.7 * DEMO.stat().st_size
    yield path


@dataclass
class Models:
    """The right model and two that are cheaper to run."""

    right: ModelWorker
    other: ModelWorker
    cheaper: ModelWorker


@pytest.fixture
async def models(cheaper: Path) -> AsyncIterator[Models]:
    async with AsyncExitStack() as stack:
        opened = [
            await stack.enter_async_context(ModelWorker.open(path, threads=1))
            for path in (DEMO, MICRO, cheaper)
        ]
        yield Models(*opened)


Lie = Callable[[Models, Execution], Awaitable[Execution]]


async def other_model(models: Models, honest: Execution) -> Execution:
    return execution_of(await models.other.generate(REQUEST), PROFILE)


async def lower_quantization(models: Models, honest: Execution) -> Execution:
    return execution_of(await models.cheaper.generate(REQUEST), PROFILE)


async def edited_prompt(models: Models, honest: Execution) -> Execution:
    return execution_of(
        await models.right.generate(replace(REQUEST, input=b"Once the proposal failed")), PROFILE
    )


async def edited_token(models: Models, honest: Execution) -> Execution:
    tokens = list(honest.tokens)
    tokens[AT] ^= 1
    return forged(honest, tokens, honest.logits_digests, honest.output[:-1] + b"!")


async def confirmed_text(models: Models, honest: Execution) -> Execution:
    """A text of another model, with the logits that the right one gives when it reads that text."""
    vocabulary = 1024
    text = [one % vocabulary for one in (await models.cheaper.generate(REQUEST)).token_ids]
    asked = json.dumps({"input": REQUEST.input.hex(), "tokens": text})
    logits = [
        bytes.fromhex(line) for line in tool("-m", "tests.doubles.prefill", str(DEMO), given=asked).split()
    ]
    assert logits[0] == honest.logits_digests[0]  # it did run the right model
    return forged(honest, text, logits, b"a text of another model")


async def truncated(models: Models, honest: Execution) -> Execution:
    return execution_of(await models.right.generate(replace(REQUEST, max_tokens=50)), PROFILE)


async def truncated_at_a_chunk(models: Models, honest: Execution) -> Execution:
    return execution_of(await models.right.generate(replace(REQUEST, max_tokens=64)), PROFILE)


async def wrong_finish_reason(models: Models, honest: Execution) -> Execution:
    return replace(honest, result=replace(honest.result, finish_reason=FinishReason.STOP_STRING))


async def wrong_trace(models: Models, honest: Execution) -> Execution:
    logits = list(honest.logits_digests)
    logits[AT] = sha256(b"other logits").digest()
    return forged(honest, honest.tokens, logits, honest.output)


LIES: dict[str, tuple[Lie, int, str]] = {
    # what is done, the first position that differs (-1: where the answers part), what the refusal says
    "another model": (other_model, -1, "the answer differs from token"),
    "a lower quantization": (lower_quantization, -1, ""),
    "an edited prompt": (edited_prompt, -1, ""),
    "one edited token": (edited_token, AT, f"the answer differs from token {AT} on"),
    "a text of another model, confirmed by the right one": (confirmed_text, -1, "the answer differs from"),
    "an answer cut short": (truncated, 50, "the answer differs from token 50 on"),
    "an answer cut short between chunks": (truncated_at_a_chunk, 64, "the output differs from byte"),
    "another finish reason": (wrong_finish_reason, TOKENS, "finish reason stop_string, not length"),
    "another trace": (wrong_trace, 32, "the tokens of chunk 1, from token 32 on, come from other logits"),
}  # fmt: skip


@pytest.mark.parametrize("fraud", LIES)
async def test_every_honest_member_refuses_it_and_says_where(
    models: Models, tmp_path: Path, fraud: str
) -> None:
    make, position, says = LIES[fraud]
    chamber = Chamber(models.right, REQUEST, tmp_path)
    honest = await chamber.compute()
    assert honest.result.token_count == TOKENS
    lie = await make(models, honest)
    assert lie.result != honest.result
    liar = chamber.order[0]
    refused = first_difference(honest, lie, liar)
    if refused is not None and position < 0:
        position = refused.position

    async def cheat(chamber: Chamber, seat: Seat) -> Execution:
        await chamber.say_chunks(seat, lie)
        return lie

    chamber.act(liar, cheat)
    seats = [seat for seat in chamber.house.seats if seat.index != liar]
    name = chamber.name(liar)

    def where(seat: Seat) -> list[tuple[int, str]]:
        found = [*seat.events("chunk_refused"), *seat.events("proposal_refused")]
        return [(event["position"], event["reason"]) for event in found if event["operator"] == name]

    await chamber.meet(*[seat.index for seat in seats], after=lambda: all(map(where, seats)))
    chamber.house.assert_all_decided(honest.output, liar)
    chamber.house.assert_nobody_signed_twice()
    for seat in seats:
        found = where(seat)
        assert any(at == position and says in reason for at, reason in found), found
        assert all(str(position) in reason for at, reason in found if at == position and position >= 0)
        others = {event["operator"] for event in seat.events("chunk_refused")} - {name}
        assert not others  # nobody honest is blamed
        votes = [m for who, m in chamber.house.said if who == seat.index and isinstance(m, Vote)]
        assert not any(vote.value_id == value_id(lie.result) for vote in votes)
    chamber.house.close()


Forge = Callable[[Chamber, Seat, Vote], Vote]


def _signed(chamber: Chamber, seat: Seat, vote: Vote, tag: bytes) -> Vote:
    scope = chamber.house.setting.scope
    signature = chamber.house.setting.signer(seat.index).sign(statement(scope, Kind.WORK_TAG, 0, tag))
    return replace(vote, work=WorkTag(tag, signature))


def copied_tag(chamber: Chamber, seat: Seat, vote: Vote) -> Vote:
    others = [
        m.work.tag
        for who, m in chamber.house.said
        if who != seat.index and isinstance(m, Vote) and m.kind is Kind.PREVOTE and m.work is not None
    ]
    return _signed(chamber, seat, vote, others[0] if others else sha256(b"none to copy").digest())


def forged_tag(chamber: Chamber, seat: Seat, vote: Vote) -> Vote:
    return _signed(chamber, seat, vote, sha256(b"forged").digest())


@pytest.mark.parametrize(
    "forge", [copied_tag, forged_tag, None], ids=["copied tag", "forged tag", "lazy vote"]
)
async def test_a_vote_without_the_work_is_excluded_by_every_honest_member(
    models: Models, tmp_path: Path, forge: Forge | None
) -> None:
    chamber = Chamber(models.right, REQUEST, tmp_path)
    lazy = chamber.house.seats[chamber.order[3]]
    rest = [seat for seat in chamber.house.seats if seat is not lazy]
    publish = lazy.publish

    async def copy(chamber: Chamber, seat: Seat) -> Execution:
        """No computation: the proposed result, and a secret out of thin air."""

        def proposed() -> list[Message]:
            return [m for who, m in chamber.house.said if type(m).__name__ == "Proposal"]

        await until(proposed)
        heard = proposed()[0]
        return Execution(heard.result, heard.output, sha256(b"thin air").digest())  # type: ignore[union-attr]

    async def cheat(message: Message) -> None:
        own = isinstance(message, Vote) and message.sender == lazy.index
        if forge is not None and own and message.kind is Kind.PREVOTE and message.work is not None:
            await until(
                lambda: any(isinstance(m, Vote) and who != lazy.index for who, m in chamber.house.said)
            )
            message = forge(chamber, lazy, message)
        await publish(message)

    def waiting(publish: Callable[[Message], Awaitable[None]]) -> Callable[[Message], Awaitable[None]]:
        """A lazy member that hears the decision first would say nothing: the others wait for its vote."""

        async def say(message: Message) -> None:
            if isinstance(message, Vote):
                await until(
                    lambda: any(isinstance(m, Vote) and who == lazy.index for who, m in chamber.house.said)
                )
            await publish(message)

        return say

    if forge is None:
        chamber.act(lazy.index, copy)
        for seat in rest:
            seat.publish = waiting(seat.publish)  # type: ignore[method-assign]
    else:
        lazy.publish = cheat  # type: ignore[method-assign]
    name = chamber.name(lazy.index)

    def found_out(seat: Seat) -> bool:
        return {"offence": "lazy-vote", "operator": name} in seat.events("evidence")

    await chamber.meet(*[seat.index for seat in rest], after=lambda: all(map(found_out, rest)))
    honest = await chamber.compute()
    chamber.house.assert_all_decided(honest.output, lazy.index)
    for seat in rest:
        kept = [one for one in await EvidenceStore(seat.database).all() if one.offence == "lazy-vote"]
        assert [one.operator for one in kept] == [chamber.house.setting.committee.member(lazy.index).operator]
        vote = decode_message(kept[0].first)
        assert isinstance(vote, Vote) and vote.work is not None and vote.work.tag != kept[0].second
    chamber.house.close()
