"""A dApp's side: what is refused before anything is paid, and nodes that say anything at all."""

from __future__ import annotations

import gzip
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, cast

import httpx
import pytest
import trio
from trio.testing import MockClock

from consensus.hashing import keccak256
from consensus.types import MAX_INPUT_BYTES
from inference.errors import RequestError
from inference.request import Request
from p2pavs import client
from p2pavs.chain import reader
from p2pavs.chain.contracts import Chain
from p2pavs.chain.records import InferenceParams, ModelEntry
from p2pavs.client import BadRequest, NodeApi, NodeUnreachable, NotServed, check_request, check_served
from tests.unit.node.chain_double import DEPLOYMENT

PARAMS = InferenceParams(max_tokens=16)
CHAIN = Chain(cast(Any, None), DEPLOYMENT)


def model(name: str, number: int = 0, active: bool = True) -> ModelEntry:
    known = keccak256(f"{name}{number}".encode())
    return ModelEntry(known, known, known, known, known, 1, 1, 0, 0, 0, b"\x01" * 20, active, name)


# --- limits -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("prompt", "changes"),
    [
        (b"?", {}),
        (b"x" * MAX_INPUT_BYTES, {}),
        ("é€😀".encode(), {}),
        (b"?", {"max_tokens": 1}),
        (b"?", {"max_tokens": 4096}),
        (b"?", {"choices": ("a",) * 64}),
        (b"?", {"choices": ("x" * 256,)}),
        (b"?", {"stop": ("x" * 64,) * 8}),
        (b"?", {"min_p_micro": 1_000_000, "top_p_micro": 1_000_000}),
        (b"?", {"repetition_penalty_milli": 1_000}),
        (b"?", {"repetition_penalty_milli": 10_000}),
        (b"?", {"json_schema": '{"type":"boolean"}'}),
        (b"?", {"seed": 2**64 - 1, "temperature_milli": 2**32 - 1, "top_k": 2**32 - 1}),
    ],
)
def test_what_the_network_takes_is_taken(prompt: bytes, changes: dict[str, Any]) -> None:
    params = replace(PARAMS, **changes)
    check_request(prompt, params)
    Request(prompt, params.max_tokens, params.temperature_milli, params.top_k, params.top_p_micro,
            params.min_p_micro, params.repetition_penalty_milli,
            params.seed, params.stop, params.choices, params.json_schema)  # fmt: skip


@pytest.mark.parametrize(
    ("prompt", "changes", "why"),
    [
        (b"", {}, "empty"),
        (b"x" * (MAX_INPUT_BYTES + 1), {}, "the limit is 16384"),
        (b"\xff\xfe", {}, "not UTF-8"),
        (b"?", {"max_tokens": 0}, "max tokens"),
        (b"?", {"max_tokens": 4097}, "max tokens"),
        (b"?", {"choices": ("a",) * 65}, "choices"),
        (b"?", {"choices": ("x" * 257,)}, "choices"),
        (b"?", {"choices": ("é" * 129,)}, "choices"),
        (b"?", {"choices": ("a", "")}, "choices"),
        (b"?", {"choices": ("\udcff",)}, "choices"),
        (b"?", {"stop": ("x",) * 9}, "stop strings"),
        (b"?", {"stop": ("x" * 65,)}, "stop strings"),
        (b"?", {"min_p_micro": 1_000_001}, "min-p"),
        (b"?", {"min_p_micro": -1}, "min-p"),
        (b"?", {"top_p_micro": 1_000_001}, "top-p"),
        (b"?", {"repetition_penalty_milli": 999}, "repetition penalty"),
        (b"?", {"repetition_penalty_milli": 10_001}, "repetition penalty"),
        (b"?", {"json_schema": "x" * 4097}, "JSON schema"),
        (b"?", {"json_schema": '{"type":"string","pattern":"a*"}'}, "'pattern'"),
        (b"?", {"json_schema": "\udcff"}, "JSON schema"),
        (b"?", {"json_schema": '{"type":"boolean"}', "choices": ("a",)}, "exclude each other"),
        (b"?", {"temperature_milli": 2**32}, "temperature"),
        (b"?", {"temperature_milli": -1}, "temperature"),
        (b"?", {"top_k": 2**32}, "top-k"),
        (b"?", {"seed": 2**64}, "seed"),
    ],
)
def test_what_the_network_refuses_is_refused_before_it_is_paid(
    prompt: bytes, changes: dict[str, Any], why: str
) -> None:
    params = replace(PARAMS, **changes)
    with pytest.raises(BadRequest, match=why) as caught:
        check_request(prompt, params)
    assert caught.value.remedy
    if prompt:  # the model's side takes an empty input, the gateway does not
        with pytest.raises(RequestError):
            Request(prompt, params.max_tokens, params.temperature_milli, params.top_k, params.top_p_micro,
            params.min_p_micro, params.repetition_penalty_milli,
                    params.seed, params.stop, params.choices, params.json_schema)  # fmt: skip


# --- models -----------------------------------------------------------------------------------------------


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> list[ModelEntry]:
    models: list[ModelEntry] = []

    async def list_models(_: Chain) -> tuple[ModelEntry, ...]:
        await trio.lowlevel.checkpoint()
        return tuple(models)

    async def current_epoch(chain: Chain) -> int:
        return 1

    monkeypatch.setattr(reader, "list_models", list_models)
    monkeypatch.setattr(reader, "current_epoch", current_epoch)
    return models


async def test_the_only_model_needs_no_name(registry: list[ModelEntry]) -> None:
    registry += [model("old", active=False), model("demo")]
    assert (await client.choose_model(CHAIN, None)).name == "demo"


async def test_several_models_need_a_name(registry: list[ModelEntry]) -> None:
    registry += [model("demo"), model("micro")]
    with pytest.raises(BadRequest, match=r"2 active models: demo \(0x.*micro"):
        await client.choose_model(CHAIN, None)
    assert await client.choose_model(CHAIN, "micro") == registry[1]
    assert await client.choose_model(CHAIN, "0x" + registry[0].id.hex()) == registry[0]


async def test_the_newest_version_of_a_name_is_taken(registry: list[ModelEntry]) -> None:
    registry += [model("demo", 1), model("demo", 2), model("demo", 3, active=False)]
    assert await client.choose_model(CHAIN, "demo") == registry[1]


async def test_a_name_that_several_makers_use_is_nobodys(registry: list[ModelEntry]) -> None:
    """Whoever registers the same file under the same name, at another price, is not paid by mistake."""
    registry += [model("demo", 1), replace(model("demo", 2), maker=b"\x66" * 20)]
    for entry in (registry[1], replace(registry[1], active=False)):
        registry[1] = entry
        with pytest.raises(BadRequest, match=r"2 makers have a model called demo: 0x.*by 0x6666"):
            await client.choose_model(CHAIN, "demo")
        assert await client.choose_model(CHAIN, "0x" + registry[0].id.hex()) == registry[0]
    registry[:] = [replace(registry[0], active=False), replace(registry[1], active=True)]
    with pytest.raises(BadRequest, match="2 makers"):
        await client.choose_model(CHAIN, "demo")


async def test_an_unknown_or_retired_model_is_refused(registry: list[ModelEntry]) -> None:
    registry.append(model("old", active=False))
    for wanted in ("old", "other", "0x" + registry[0].id.hex()):
        with pytest.raises(BadRequest, match="no active model"):
            await client.choose_model(CHAIN, wanted)
    with pytest.raises(BadRequest, match="0 active models: none"):
        await client.choose_model(CHAIN, None)


# --- nodes ------------------------------------------------------------------------------------------------

Answer = Callable[[httpx.Request], httpx.Response]


@asynccontextmanager
async def nodes(**answers: Answer) -> AsyncIterator[NodeApi]:
    """Nodes at http://NAME that answer as given."""

    def handle(request: httpx.Request) -> httpx.Response:
        return answers[request.url.host](request)

    async with NodeApi([f"http://{name}/" for name in answers]) as api:
        await api._client.aclose()
        api._client = httpx.AsyncClient(transport=httpx.MockTransport(handle))
        yield api


def saying(content: Any) -> Answer:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return lambda _: httpx.Response(200, stream=httpx.ByteStream(body))


def refusing(_: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("refused")


DEMO = model("demo")
SERVES = {"models": ["0x" + DEMO.id.hex()], "peers": []}
PEER_SERVES = {"models": [], "peers": [{"models": []}, {"models": ["0x" + DEMO.id.hex()]}]}
SERVES_OTHER = {"models": ["0x" + "11" * 32], "peers": []}

HOSTILE: dict[str, Any] = {
    "no json": b"<html>",
    "no utf-8": b'"\xff"',
    "empty": b"",
    "a number": 7,
    "a list": [],
    "null": None,
    "deep": b"[" * 200_000,
    "huge": b" " * (client.MAX_NODE_ANSWER + 1),
    "huge number": b"1" * 10_000,
}


@pytest.mark.parametrize("what", HOSTILE)
async def test_a_node_that_says_nonsense_is_not_a_node(what: str) -> None:
    async with nodes(bad=saying(HOSTILE[what]), good=saying(SERVES), dead=refusing) as api:
        found = await api.statuses()
        assert isinstance(found["http://bad"], NodeUnreachable)
        assert isinstance(found["http://dead"], NodeUnreachable)
        assert found["http://good"] == SERVES
        await check_served(api, DEMO)


class Trickle(httpx.AsyncByteStream):
    """An answer that never ends."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            await trio.sleep(3)
            yield b" "


async def test_a_node_that_trickles_is_not_waited_for(autojump_clock: MockClock) -> None:
    with trio.fail_after(60):
        async with nodes(slow=lambda _: httpx.Response(200, stream=Trickle())) as api:
            assert isinstance((await api.statuses())["http://slow"], NodeUnreachable)


async def test_a_packed_answer_is_not_unpacked() -> None:
    bomb = gzip.compress(b" " * 50_000_000)
    assert len(bomb) < client.MAX_NODE_ANSWER

    def explode(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, headers={"Content-Encoding": "gzip"}, stream=httpx.ByteStream(bomb))

    async with nodes(bad=explode) as api:
        assert isinstance((await api.statuses())["http://bad"], NodeUnreachable)


async def test_an_error_of_a_node_is_no_answer() -> None:
    async with nodes(ill=lambda _: httpx.Response(500, stream=httpx.ByteStream(b"{}"))) as api:
        with pytest.raises(NodeUnreachable, match="does not answer"):
            await api.get("http://ill", "/status")


async def test_an_address_that_is_none_is_no_answer() -> None:
    async with NodeApi(["http://[", "nonsense"]) as api:
        found = await api.statuses()
    assert all(isinstance(one, NodeUnreachable) for one in found.values())


@pytest.mark.parametrize("status", [SERVES, PEER_SERVES], ids=["itself", "a peer"])
async def test_a_model_that_is_served_may_be_paid_for(status: Any) -> None:
    async with nodes(a=saying(SERVES_OTHER), b=saying(status)) as api:
        await check_served(api, DEMO)


async def test_a_model_that_nobody_serves_is_refused_before_it_is_paid() -> None:
    async with nodes(a=saying(SERVES_OTHER), b=refusing) as api:
        with pytest.raises(NotServed, match="no operator that answers serves the model demo") as caught:
            await check_served(api, DEMO)
    assert SERVES_OTHER["models"][0] in caught.value.remedy


@pytest.mark.parametrize(
    "status",
    [{}, {"models": 7, "peers": []}, {"models": [], "peers": [7]}, {"models": [], "peers": [{}]},
     {"models": None, "peers": None}],
)  # fmt: skip
async def test_a_status_of_another_version_decides_nothing(status: Any) -> None:
    async with nodes(a=saying(status)) as api:
        await check_served(api, DEMO)


async def test_models_that_are_no_texts_are_left_out() -> None:
    async with nodes(a=saying({"models": [7, {}, None, "0x11"], "peers": []})) as api:
        with pytest.raises(NotServed, match="0x11"):
            await check_served(api, DEMO)


async def test_without_a_node_to_ask_nothing_is_refused() -> None:
    async with nodes(a=refusing) as api:
        await check_served(api, DEMO)


async def followed(api: NodeApi, count: int) -> list[dict[str, Any]]:
    """The first events of task 3 that all nodes together tell."""
    send, receive = trio.open_memory_channel[dict[str, Any]](0)
    found: list[dict[str, Any]] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(api.events, 3, send)
        with trio.fail_after(100):
            while len(found) < count:
                found.append(await receive.receive())
        nursery.cancel_scope.cancel()
    return found


async def test_events_are_asked_for_from_the_last_one_on(autojump_clock: MockClock) -> None:
    asked: list[str] = []

    def tell(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.params["after"])
        first = int(asked[-1]) + 1
        events = [{"seq": seq, "event": "x"} for seq in range(first, first + 2)]
        return saying(events)(request)

    async with nodes(a=tell) as api:
        found = await followed(api, 5)
    assert [event["seq"] for event in found] == [1, 2, 3, 4, 5]
    assert asked == ["0", "2", "4"]
    assert {event["node"] for event in found} == {"http://a"}


@pytest.mark.parametrize(
    "answer",
    [7, {}, [7], [{}], [{"seq": "1"}], [{"seq": True}], [{"seq": 1.5}], [[]], None, b"nonsense"],
)
async def test_a_node_that_tells_nonsense_does_not_end_the_story(
    answer: Any, autojump_clock: MockClock
) -> None:
    async with nodes(bad=saying(answer), good=saying([{"seq": 1, "event": "certified"}])) as api:
        found = await followed(api, 3)
    assert {event["node"] for event in found} == {"http://good"}


async def test_a_node_that_does_not_wait_is_not_asked_all_the_time(autojump_clock: MockClock) -> None:
    asked = 0

    def nothing(request: httpx.Request) -> httpx.Response:
        nonlocal asked
        asked += 1
        return saying([])(request)

    async with nodes(a=nothing) as api:
        send, _receive = trio.open_memory_channel[dict[str, Any]](0)
        with trio.move_on_after(10):
            await api.events(3, send)
    assert 0 < asked <= 101
