"""The endpoint with OpenAI's own Python package, over a real chain; the test is the committee."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
import trio

from consensus.committee import OperatorSet
from consensus.hashing import keccak256
from consensus.messages import Commit
from consensus.wire import decode_message
from p2pavs import Client, verify_file
from p2pavs.api.serving import serve_app
from p2pavs.chain.errors import NotFound, RpcUnreachable
from p2pavs.chain.reader import credit_of, list_models, read_operator_set, read_result, read_task
from p2pavs.chain.records import TaskStatus
from p2pavs.drafts import Drafts
from p2pavs.journal import Journal
from p2pavs.openai_api import service as service_module
from p2pavs.openai_api.app import MAX_BODY_BYTES, create_app
from p2pavs.openai_api.config import EndpointConfig, hash_key, new_key, read_key
from p2pavs.openai_api.ledger import Ledger, Once
from p2pavs.openai_api.service import Service
from tests.integration.anvil import Anvil
from tests.integration.chain.network import (
    ETH,
    OUTPUT,
    OUTSIDER,
    Network,
    address_of,
    running_network,
    running_sender,
    wait_for,
)

QUESTION = [{"role": "system", "content": "Say yes or no."}, {"role": "user", "content": "Is it?"}]


class NodeSide:
    """The node that the endpoint belongs to: it knows the certificates that the test gives it."""

    def __init__(self, network: Network) -> None:
        self.journal = Journal()
        self.drafts = Drafts()
        self.commits: dict[int, Commit] = {}
        self.models = frozenset({network.model_id})
        self._network = network

    async def commit(self, task_id: int) -> Commit | None:
        await trio.lowlevel.checkpoint()
        return self.commits.get(task_id)

    async def operator_set(self, epoch: int) -> OperatorSet:
        return await read_operator_set(self._network.chain, epoch)

    def served(self) -> frozenset[bytes]:
        return self.models


@dataclass
class World:
    network: Network
    node: NodeSide
    url: str
    key: str
    service: Service
    ledger: Ledger

    def client(self, key: str | None = None) -> openai.OpenAI:
        return openai.OpenAI(base_url=self.url + "/v1", api_key=key or self.key, timeout=300)

    async def use(self, work: Callable[[openai.OpenAI], Any], key: str | None = None) -> Any:
        """Run what a user of OpenAI's package writes, in a thread."""

        def run() -> Any:
            with self.client(key) as client:
                return work(client)

        with trio.fail_after(300):
            return await trio.to_thread.run_sync(run, abandon_on_cancel=True)

    async def committee(self, *, post: bool = True) -> None:
        """Certify every task: on the chain, or only in the node's own store."""
        done = int(await self.network.chain.read_one("TaskGateway", "taskCount"))
        while True:
            try:
                header = (await read_task(self.network.chain, done + 1)).requested.header
            except NotFound:
                await trio.sleep(0.05)
                continue
            certificate, call = await self.network.certify(header)
            if post:
                await self.network.sender.send(call)
            else:
                self.node.commits[header.id] = Commit(certificate, OUTPUT)
            self.node.journal.add(header.id, "certified" if post else "certificate")
            done += 1


@asynccontextmanager
async def world(anvil: Anvil, directory: Path, **limits: Any) -> AsyncIterator[World]:
    key = new_key()
    fields = {"name": "alice", "sha256": hash_key(key), "ether_per_day": "1"} | limits
    alice = read_key(fields)
    config = EndpointConfig(
        "", directory, directory, 600, 0, 8, 16, at_once=8, api_keys={alice.sha256: alice}
    )
    async with (
        running_network(anvil, directory) as network,
        running_sender(network.chain.rpc, directory, OUTSIDER) as sender,
        trio.open_nursery() as nursery,
    ):
        node = NodeSide(network)
        with Ledger(directory / "ledger.sqlite") as ledger:
            service = Service(network.chain, sender, ledger, node, config)
            url: str = await nursery.start(serve_app, create_app(service), "127.0.0.1:0", "")
            yield World(network, node, url, key, service, ledger)
            nursery.cancel_scope.cancel()


async def test_chat_whole_and_streamed(anvil: Anvil, tmp_path: Path) -> None:
    async with world(anvil, tmp_path) as there, trio.open_nursery() as nursery:
        nursery.start_soon(there.committee)

        def whole(client: openai.OpenAI) -> Any:
            return client.chat.completions.with_raw_response.create(
                model="test",
                messages=QUESTION,
                max_tokens=8,
                extra_body={"p2pavs": {"choices": ["yes", "no"]}},
            )

        with there.node.drafts.counting(1) as note:  # as the node does that computes the task
            note(17)
        raw = await there.use(whole)
        answer = raw.parse()
        assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (17, 1)
        assert answer.usage.total_tokens == 18
        assert raw.headers["x-ratelimit-limit-requests"] == "20"
        assert raw.headers["x-ratelimit-remaining-requests"] == "19"
        assert 0 < int(raw.headers["x-ratelimit-reset-requests"].removesuffix("s")) <= 60
        assert raw.headers["p2pavs-limit-wei"] == str(ETH)
        paid = ETH - int(raw.headers["p2pavs-remaining-wei"])
        assert paid > (await read_task(there.network.chain, 1)).requested.header.fee
        assert answer.choices[0].message.content == "yes"
        assert answer.choices[0].finish_reason == "stop"
        assert (answer.object, answer.model, answer.id) == ("chat.completion", "test", "chatcmpl-1")
        # The certificate holds, in the body and in the header.
        async with Client(anvil.url, there.network.chain.deployment) as light:
            checkpoint = await light.checkpoint()
            assert await light.question(1) == b"Say yes or no.\n\nIs it?"
        proved = verify_file(json.dumps(answer.p2pavs["certificate"]), checkpoint)
        assert proved.text == "yes"
        assert raw.headers["p2pavs-task"] == "1"
        bare = decode_message(base64.urlsafe_b64decode(raw.headers["p2pavs-certificate"]))
        assert isinstance(bare, Commit)
        assert bare.certificate == proved.certificate.certificate
        assert bare.certificate.result.output_hash == keccak256(b"yes")

        def streamed(client: openai.OpenAI) -> Any:
            return list(client.chat.completions.create(model="test", messages=QUESTION, stream=True))

        parts = await there.use(streamed)
        assert "".join(part.choices[0].delta.content or "" for part in parts) == "yes"
        assert parts[-1].choices[0].finish_reason == "stop"
        assert verify_file(json.dumps(parts[-1].p2pavs["certificate"]), checkpoint).task == 2

        def counted(client: openai.OpenAI) -> Any:
            usage = {"include_usage": True}
            return list(
                client.chat.completions.create(
                    model="test", messages=QUESTION, stream=True, stream_options=usage
                )
            )

        with there.node.drafts.counting(3) as note:
            note(5)
        *_, end, last = await there.use(counted)
        assert (end.choices[0].finish_reason, end.usage) == ("stop", None)
        assert (last.choices, last.usage.prompt_tokens, last.usage.total_tokens) == ([], 5, 6)
        page = there.service.metrics.page().decode()
        for line in (
            'p2pavs_openai_requests_total{code="ok",key="alice"} 3.0',
            'p2pavs_openai_tokens_total{key="alice",kind="completion"} 3.0',
            'p2pavs_openai_tokens_total{key="alice",kind="prompt"} 22.0',
            "p2pavs_openai_answer_seconds_count 3.0",
        ):
            assert line in page
        assert there.key not in page

        async def free() -> bool:
            return b"p2pavs_openai_waiting 0.0" in there.service.metrics.page()

        await wait_for(free)
        nursery.cancel_scope.cancel()


async def test_completions_and_models_from_the_nodes_own_certificate(anvil: Anvil, tmp_path: Path) -> None:
    """Nothing is posted here: a certificate is a proof before it is on the chain."""
    async with world(anvil, tmp_path) as there, trio.open_nursery() as nursery:
        nursery.start_soon(lambda: there.committee(post=False))

        def work(client: openai.OpenAI) -> Any:
            listed = client.models.list()
            one = client.models.retrieve("test")
            said = client.completions.create(
                model="test", prompt="Is it?", seed=3, temperature=0.5, stop=["\n"]
            )
            parts = list(client.completions.create(model=listed.data[0].id, prompt="Is it?", stream=True))
            return listed, one, said, parts

        listed, one, said, parts = await there.use(work)
        assert [model.id for model in listed.data] == ["test"] and one == listed.data[0]
        assert (said.object, said.choices[0].text, said.choices[0].finish_reason) == (
            "text_completion",
            "yes",
            "stop",
        )
        assert "".join(part.choices[0].text for part in parts) == "yes"
        task = (await read_task(there.network.chain, said.p2pavs["task"])).requested
        assert (task.params.seed, task.params.temperature_milli, task.params.stop) == (3, 500, ("\n",))
        nursery.cancel_scope.cancel()


async def test_a_stream_says_what_the_node_has_and_ends_with_what_is_certified(
    anvil: Anvil, tmp_path: Path
) -> None:
    async with world(anvil, tmp_path) as there, trio.open_nursery() as nursery:
        seen = trio.Event()

        async def work(parts: list[bytes], task: int) -> None:
            """Be the node's engine, then the committee, once the reader has the draft."""

            async def asked() -> bool:
                return bool(await there.network.chain.read_one("TaskGateway", "taskCount") == task)

            await wait_for(asked)
            for part in parts:
                there.node.drafts.put(task, part)
            await seen.wait()
            header = (await read_task(there.network.chain, task)).requested.header
            await there.network.sender.send((await there.network.certify(header))[1])

        def read(client: openai.OpenAI) -> list[Any]:
            found: list[Any] = []
            for part in client.chat.completions.create(model="test", messages=QUESTION, stream=True):
                found.append(part)
                if len(found) == 1:
                    trio.from_thread.run_sync(seen.set)
            return found

        nursery.start_soon(work, [b"ye"], 1)
        parts = await there.use(read)
        texts = [part.choices[0].delta.content for part in parts]
        assert texts == ["ye", "s", None]
        assert parts[0].choices[0].delta.role == "assistant"
        assert parts[-1].p2pavs["certificate"]

        seen = trio.Event()
        nursery.start_soon(work, [b"no, "], 2)  # the node is wrong
        with pytest.raises(openai.APIError, match="not what the committee certified"):
            await there.use(read)
        nursery.cancel_scope.cancel()


async def test_a_repeated_request_is_paid_once(anvil: Anvil, tmp_path: Path) -> None:
    async with world(anvil, tmp_path) as there, trio.open_nursery() as nursery:
        nursery.start_soon(there.committee)

        def ask(name: str, **fields: Any) -> Callable[[openai.OpenAI], Any]:
            return lambda client: client.chat.completions.with_raw_response.create(
                **({"model": "test", "messages": QUESTION} | fields),
                extra_headers={"Idempotency-Key": name},
            )

        answers: list[Any] = []

        async def one() -> None:
            answers.append(await there.use(ask("a")))

        async with trio.open_nursery() as together:
            for _ in range(3):
                together.start_soon(one)
        assert {raw.parse().p2pavs["task"] for raw in answers} == {1}
        replayed = [raw.headers.get("idempotent-replayed") for raw in answers]
        assert sorted(map(str, replayed)) == ["None", "true", "true"]
        with pytest.raises(openai.UnprocessableEntityError, match="another request") as reused:
            await there.use(ask("a", max_tokens=3))
        assert reused.value.code == "idempotency_key_reused"
        with pytest.raises(openai.BadRequestError, match="visible ASCII"):
            await there.use(ask("a b"))
        streamed = await there.use(ask("b", stream=True))
        assert streamed.headers["p2pavs-task"] == "2"
        again = await there.use(
            lambda client: list(
                client.chat.completions.create(
                    model="test", messages=QUESTION, stream=True, extra_headers={"Idempotency-Key": "b"}
                )
            )
        )
        assert again[-1].p2pavs["task"] == 2
        assert await there.network.chain.read_one("TaskGateway", "taskCount") == 2
        page = there.service.metrics.page().decode()
        assert 'p2pavs_openai_repeated_total{key="alice"} 3.0' in page
        assert 'code="idempotency_key_reused"' in page
        nursery.cancel_scope.cancel()


async def test_a_client_that_hangs_up_asks_again_and_gets_its_task(
    anvil: Anvil, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the key is for: the connection breaks while the node posts the task."""
    received, go = trio.Event(), trio.Event()
    post = service_module.client.post

    async def slow(*arguments: Any, **options: Any) -> Any:
        received.set()
        await go.wait()
        return await post(*arguments, **options)

    monkeypatch.setattr(service_module.client, "post", slow)
    async with world(anvil, tmp_path) as there, trio.open_nursery() as nursery:
        nursery.start_soon(there.committee)
        headers = {"Authorization": f"Bearer {there.key}", "Idempotency-Key": "a"}
        body = {"model": "test", "messages": QUESTION}
        async with httpx.AsyncClient(headers=headers, timeout=300) as http:

            async def ask() -> httpx.Response:
                return await http.post(there.url + "/v1/chat/completions", json=body)

            async with trio.open_nursery() as first:
                first.start_soon(ask)
                await received.wait()
                first.cancel_scope.cancel()
            go.set()
            answer = await ask()
        assert (answer.status_code, answer.headers["idempotent-replayed"]) == (200, "true")
        assert answer.json()["p2pavs"]["task"] == 1
        assert await there.network.chain.read_one("TaskGateway", "taskCount") == 1
        nursery.cancel_scope.cancel()


async def test_a_request_that_was_cut_off_is_not_paid_again(anvil: Anvil, tmp_path: Path) -> None:
    """The node ended after it reserved the fee: nobody knows whether the task was posted."""
    async with world(anvil, tmp_path) as there:

        def ask(client: openai.OpenAI) -> Any:
            return client.chat.completions.create(
                model="test", messages=QUESTION, extra_headers={"Idempotency-Key": "a"}
            )

        said = json.dumps(["/v1/chat/completions", {"model": "test", "messages": QUESTION}], sort_keys=True)
        once = Once("a", hashlib.sha256(said.encode()).digest())
        await there.ledger.reserve("alice", 1, ETH, once)
        with pytest.raises(openai.ConflictError, match="may be paid or not") as unknown:
            await there.use(ask)
        assert unknown.value.code == "idempotency_outcome_unknown"
        assert await there.network.chain.read_one("TaskGateway", "taskCount") == 0


async def test_a_task_that_is_not_seen_counts_as_paid(
    anvil: Anvil, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The chain falls silent between the payment and the first look at the task."""

    async def silent(block: bytes) -> Any:
        raise RpcUnreachable(anvil.url, "it is away")

    monkeypatch.setattr(service_module.client, "UNSEEN_SECONDS", 1.0)
    async with world(anvil, tmp_path) as there:
        monkeypatch.setattr(there.network.chain, "block_events", silent)

        def ask(client: openai.OpenAI) -> Any:
            return client.chat.completions.create(
                model="test", messages=QUESTION, extra_headers={"Idempotency-Key": "a"}
            )

        with pytest.raises(openai.InternalServerError, match="it may be paid") as unseen:
            await there.use(ask)
        assert (unseen.value.code, unseen.value.status_code) == ("idempotency_outcome_unknown", 503)
        with pytest.raises(openai.ConflictError, match="may be paid or not"):
            await there.use(ask)
        assert await there.network.chain.read_one("TaskGateway", "taskCount") == 1


async def test_refusals_cost_nothing(anvil: Anvil, tmp_path: Path) -> None:
    async with world(anvil, tmp_path, models=["test"], ether_per_day="0.0001") as there:

        def ask(**fields: Any) -> Callable[[openai.OpenAI], Any]:
            return lambda client: client.chat.completions.create(
                **({"model": "test", "messages": QUESTION} | fields)
            )

        with pytest.raises(openai.AuthenticationError, match="API key is missing or wrong") as wrong_key:
            await there.use(ask(), key="wrong")
        assert wrong_key.value.code == "invalid_api_key"
        with pytest.raises(openai.NotFoundError, match="nothing") as unknown:
            await there.use(ask(model="nothing"))
        assert (unknown.value.code, unknown.value.param) == ("model_not_found", "model")
        with pytest.raises(openai.BadRequestError, match="max_tokens is a whole number from 1 to 16"):
            await there.use(ask(max_tokens=17))
        with pytest.raises(openai.BadRequestError, match="16384"):
            await there.use(ask(messages=[{"role": "user", "content": "x" * 20_000}]))
        with pytest.raises(openai.RateLimitError, match="spent 0 of 100000000000000 wei") as broke:
            await there.use(ask())
        assert broke.value.code == "insufficient_quota"
        there.node.models = frozenset()
        with pytest.raises(openai.InternalServerError, match="No operator") as unserved:
            await there.use(ask())
        assert unserved.value.status_code == 503
        async with httpx.AsyncClient(headers={"Authorization": f"Bearer {there.key}"}, timeout=60) as http:
            url = there.url + "/v1/chat/completions"
            for content, status in (
                (b"{", 400),
                (b"[]", 400),
                (b"[" * 10_000, 400),
                (b" " * (MAX_BODY_BYTES + 1), 413),
            ):
                refused = await http.post(url, content=content)
                assert refused.status_code == status
                assert refused.json()["error"]["type"] == "invalid_request_error"
            assert (await http.get(url)).status_code == 405
            assert (await http.get(there.url + "/v1/other")).json()["error"]["code"] == "unknown_url"
        assert await there.network.chain.read_one("TaskGateway", "taskCount") == 0
        page = there.service.metrics.page().decode()
        for name, code in (
            ("", "invalid_api_key"),
            ("alice", "model_not_found"),
            ("alice", "insufficient_quota"),
        ):
            assert f'p2pavs_openai_requests_total{{code="{code}",key="{name}"}} 1.0' in page


async def test_nobody_is_paid_for_having_taken_a_models_name(anvil: Anvil, tmp_path: Path) -> None:
    async with world(anvil, tmp_path, models=["test"]) as there:
        chain, thief = there.network.chain, there.network.operators[0].account
        (model,) = await list_models(chain)
        clone = replace(model, maker=address_of(thief), price_per_task=ETH // 10, royalty_bps=5_000)
        async with running_sender(chain.rpc, tmp_path, thief) as sender:
            await sender.send(chain.call("ModelRegistry", "register", clone.to_abi()))
        with pytest.raises(openai.BadRequestError, match="2 makers have a model called test") as refused:
            await there.use(lambda client: client.chat.completions.create(model="test", messages=QUESTION))
        assert (refused.value.code, refused.value.param) == ("model_ambiguous", "model")
        assert await there.use(lambda client: client.models.list().data) == []
        assert await chain.read_one("TaskGateway", "taskCount") == 0


async def test_a_key_may_not_ask_too_often(anvil: Anvil, tmp_path: Path) -> None:
    async with world(anvil, tmp_path, requests_per_minute=2) as there:
        headers = {"Authorization": f"Bearer {there.key}"}
        body = {"model": "nothing", "messages": QUESTION}
        async with httpx.AsyncClient(headers=headers, timeout=60) as http:
            found = [await http.post(there.url + "/v1/chat/completions", json=body) for _ in range(3)]
        assert [one.status_code for one in found] == [404, 404, 429]
        assert found[-1].headers["x-should-retry"] == "true"
        assert [one.headers["x-ratelimit-remaining-requests"] for one in found] == ["1", "0", "0"]
        assert 1 <= int(found[-1].headers["retry-after"]) <= 60


async def test_a_task_that_nobody_certifies_is_told_and_refunded(
    anvil: Anvil, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service_module, "SETTLE_EVERY", 0.2)
    async with world(anvil, tmp_path) as there, trio.open_nursery() as nursery:
        nursery.start_soon(there.service.run)

        async def asked() -> bool:
            return bool(await there.network.chain.read_one("TaskGateway", "taskCount"))

        async def pass_time() -> None:
            await wait_for(asked)
            anvil.rpc("evm_increaseTime", 700)
            anvil.mine()

        nursery.start_soon(pass_time)
        with pytest.raises(openai.APIError, match="was not certified before its deadline"):
            await there.use(
                lambda client: list(
                    client.chat.completions.create(model="test", messages=QUESTION, stream=True)
                )
            )
        payer = bytes.fromhex(OUTSIDER.address[2:])

        async def refunded() -> bool:
            result = await read_result(there.network.chain, 1)
            return result.status is TaskStatus.REFUNDED and not await credit_of(there.network.chain, payer)

        await wait_for(refunded)
        task = (await read_task(there.network.chain, 1)).requested.header
        spent = 10_000 * ETH - await there.network.chain.rpc.balance(payer)
        assert 0 < spent < task.fee  # gas only
        nursery.cancel_scope.cancel()


async def test_the_account_is_empty(anvil: Anvil, tmp_path: Path) -> None:
    async with world(anvil, tmp_path) as there:
        await trio.to_thread.run_sync(anvil.rpc, "anvil_setBalance", OUTSIDER.address, "0x1")
        with pytest.raises(openai.InternalServerError, match="account that pays") as empty:
            await there.use(lambda client: client.chat.completions.create(model="test", messages=QUESTION))
        assert empty.value.code == "account_empty"
