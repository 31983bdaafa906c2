from __future__ import annotations

import json
import threading
from typing import Any

import pytest
import trio

from p2pavs.chain.errors import RpcBadAnswer, RpcRefused, RpcUnreachable
from p2pavs.chain.rpc import Rpc
from tests.unit.chain.http_double import Answer, endpoint, refusal, result


async def ask(answer: Any, method: str = "block_number", *args: Any, **kwargs: Any) -> Any:
    """Call one method of an ``Rpc`` whose endpoint always gives the same result."""
    with endpoint(lambda request: result(request, answer)) as served:
        async with Rpc(served.url, **kwargs) as rpc:
            return await getattr(rpc, method)(*args)


async def test_numbers_are_read() -> None:
    assert await ask("0x10") == 16
    assert await ask("0x0") == 0


@pytest.mark.parametrize(
    "bad", [None, 5, "", "16", "0x", "0x01", "0X1", "0xg", "-0x1", "0x1\n", "0x" + "f" * 65, [], {}, True]
)
async def test_what_is_no_number_is_refused(bad: Any) -> None:
    with pytest.raises(RpcBadAnswer, match="where a number should be"):
        await ask(bad)


async def test_a_count_that_no_database_holds_is_refused() -> None:
    assert await ask("0x" + "f" * 15) == 2**60 - 1
    for method, *args in (("block_number",), ("transaction_count", bytes(20))):
        with pytest.raises(RpcBadAnswer, match="below 2\\^60"):
            await ask("0x1" + "0" * 15, method, *args)
    assert await ask("0x" + "f" * 64, "balance", bytes(20)) == 2**256 - 1


@pytest.mark.parametrize("bad", [None, 5, "", "0x0", "00", "0xzz", []])
async def test_what_are_no_bytes_is_refused(bad: Any) -> None:
    with pytest.raises(RpcBadAnswer, match="where bytes should be"):
        await ask(bad, "code", bytes(20))


async def test_a_hash_has_32_bytes() -> None:
    with pytest.raises(RpcBadAnswer, match="31 bytes where 32"):
        await ask("0x" + "00" * 31, "send_raw_transaction", b"x")


@pytest.mark.parametrize(
    "bad", [[], "x", {"number": "0x1"}, {"number": "0x1", "hash": "0x", "parentHash": "0x"}]
)
async def test_what_is_no_block_is_refused(bad: Any) -> None:
    with pytest.raises(RpcBadAnswer):
        await ask(bad, "block", 1)


async def test_a_missing_block_is_none() -> None:
    assert await ask(None, "block", 1) is None
    assert await ask(None, "block", bytes(32)) is None
    assert await ask(None, "receipt", bytes(32)) is None
    assert await ask(None, "transaction", bytes(32)) is None


async def test_logs_of_another_contract_are_refused() -> None:
    entry = {
        "address": "0x" + "02" * 20,
        "topics": [],
        "data": "0x",
        "blockNumber": "0x1",
        "blockHash": "0x" + "00" * 32,
        "transactionHash": "0x" + "00" * 32,
        "logIndex": "0x0",
    }
    with endpoint(lambda request: result(request, [entry])) as served:
        async with Rpc(served.url) as rpc:
            assert len(await rpc.logs([b"\x02" * 20])) == 1
            with pytest.raises(RpcBadAnswer, match="not asked for"):
                await rpc.logs([b"\x01" * 20])


async def test_a_call_for_an_unknown_tag_is_a_mistake_of_the_program() -> None:
    async with Rpc("http://127.0.0.1:1") as rpc:
        with pytest.raises(ValueError, match="names no block"):
            await rpc.block("newest")


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"<html>",
        b"[]",
        b"{}",
        b"\xff",
        b"[" * 100_000,
        b'{"jsonrpc": "2.0", "id": 99, "result": "0x1"}',
        b'{"jsonrpc": "2.0", "id": 1, "result": ' + b"9" * 5000 + b"}",
    ],
)
async def test_what_is_no_answer_is_refused(raw: bytes) -> None:
    with endpoint(lambda _: (200, raw)) as served:
        async with Rpc(served.url) as rpc:
            with pytest.raises(RpcBadAnswer):
                await rpc.block_number()
            assert len(served.requests) == 1  # trying again would not help


async def test_an_answer_that_is_too_long_is_cut_off() -> None:
    with endpoint(lambda request: result(request, "0x" + "00" * 5000)) as served:
        async with Rpc(served.url, max_response_bytes=5000) as rpc:
            with pytest.raises(RpcBadAnswer, match="longer than 5000"):
                await rpc.code(bytes(20))


async def test_an_error_of_the_endpoint_carries_the_revert_data() -> None:
    forms = ["0x1234", "Reverted 0x1234", {"data": "0x1234"}, {"result": "0x1234"}]
    for form in forms:
        with endpoint(lambda request, form=form: refusal(request, 3, "reverted", form)) as served:  # type: ignore[misc]
            async with Rpc(served.url) as rpc:
                with pytest.raises(RpcRefused) as caught:
                    await rpc.call(bytes(20), b"")
        assert (caught.value.code, caught.value.data) == (3, b"\x12\x34")


@pytest.mark.parametrize("error", ["text", None, 5, {}, {"code": "x", "message": 7, "data": [1]}])
async def test_an_error_of_any_form_is_a_refusal(error: Any) -> None:
    def answer(request: dict[str, Any]) -> Answer:
        return 200, json.dumps({"id": request["id"], "error": error}).encode()

    with endpoint(answer) as served:
        async with Rpc(served.url) as rpc:
            with pytest.raises(RpcRefused) as caught:
                await rpc.block_number()
    assert caught.value.data is None


async def test_an_error_with_a_failure_status_is_read() -> None:
    def answer(request: dict[str, Any]) -> Answer:
        return 400, refusal(request, -32602, "bad \x1b[2J params")[1]

    with endpoint(answer) as served:
        async with Rpc(served.url) as rpc:
            with pytest.raises(RpcRefused, match=r"bad \?\[2J params"):
                await rpc.block_number()


async def test_a_page_with_a_failure_status_is_named() -> None:
    with endpoint(lambda _: (404, b"<html>")) as served:
        async with Rpc(served.url) as rpc:
            with pytest.raises(RpcBadAnswer, match="404"):
                await rpc.block_number()


async def test_what_is_harmless_is_tried_again() -> None:
    answers: list[Answer | None] = [None, (503, b""), (429, b"")]

    def answer(request: dict[str, Any]) -> Answer | None:
        return answers.pop(0) if answers else result(request, "0x5")

    with endpoint(answer) as served:
        async with Rpc(served.url, retry_pause=0) as rpc:
            assert await rpc.block_number() == 5
            assert len(served.requests) == 4


async def test_it_gives_up_after_some_attempts() -> None:
    with endpoint(lambda _: None) as served:
        async with Rpc(served.url, retry_pause=0, retries=2) as rpc:
            with pytest.raises(RpcUnreachable, match="does not answer") as caught:
                await rpc.block_number()
            assert len(served.requests) == 3
    assert "node is running" in caught.value.remedy


async def test_what_may_count_twice_is_tried_once() -> None:
    with endpoint(lambda _: None) as served:
        async with Rpc(served.url) as rpc:
            with pytest.raises(RpcUnreachable):
                await rpc.request("evm_mine")
            assert served.methods == ["evm_mine"]


async def test_silence_ends_after_the_timeout() -> None:
    release = threading.Event()

    def answer(_: dict[str, Any]) -> None:
        release.wait(30)

    with endpoint(answer) as served:
        try:
            async with Rpc(served.url, timeout=0.05, retries=0) as rpc:
                with pytest.raises(RpcUnreachable, match=r"within 0\.05 s"), trio.fail_after(60):
                    await rpc.block_number()
        finally:
            release.set()


@pytest.mark.parametrize("url", ["", "localhost:8545", "ftp://x", "ws://127.0.0.1:8546"])
async def test_an_address_of_another_kind_is_refused(url: str) -> None:
    with pytest.raises(RpcUnreachable, match="http"):
        Rpc(url)


@pytest.mark.parametrize("url", ["http://", "http://:99999", "http://a b/"])
async def test_an_address_that_cannot_be_is_refused(url: str) -> None:
    with pytest.raises(RpcUnreachable):
        async with Rpc(url, retries=0) as rpc:
            await rpc.block_number()
