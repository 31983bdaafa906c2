"""Real workers with real models: the same bits however they are computed, and answers whatever happens."""

import json
import os
import shutil
import signal
import subprocess
import sys
from contextlib import asynccontextmanager
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
import trio

from inference.add_model import add_model
from inference.errors import (
    DamagedModel,
    EngineError,
    NotEnoughMemory,
    QueueFull,
    RequestError,
    RuntimeMismatch,
    TimeLimitExceeded,
    WorkerClosed,
    WorkerCrashed,
    WorkerHung,
    WorkerStartFailed,
)
from inference.model import FORMAT, Golden, Manifest, demo_model, hash_file, read_manifest
from inference.random_model import SHAPES, write
from inference.request import FinishReason, Request, Status
from inference.trace import CHUNK_TOKENS
from inference.worker import ModelWorker

DEMO = demo_model()
MICRO = DEMO.parent / "micro.gguf"
CLASSIFY = b"Classify this transaction: swap 5 ETH for USDC on Uniswap"
LABELS = ("transfer", "swap", "sandwich")


def long_request(seed=0, tokens=400):
    """A request that keeps a worker busy: at this temperature the micro model hardly ever ends by itself."""
    return Request(
        b"once upon a time", tokens, temperature_milli=3000, seed=seed, task_seed=sha256(b"task").digest()
    )


@asynccontextmanager
async def micro(**options):
    with trio.fail_after(300):
        async with ModelWorker.open(MICRO, **{"threads": 1, **options}) as worker:
            yield worker


@asynccontextmanager
async def demo(**options):
    with trio.fail_after(300):
        async with ModelWorker.open(DEMO, **{"threads": 1, **options}) as worker:
            yield worker


async def all_answers(worker, requests):
    answers = {}

    async def one(index, request):
        answers[index] = await worker.generate(request)

    async with trio.open_nursery() as nursery:
        for index, request in enumerate(requests):
            nursery.start_soon(one, index, request)
    return [answers[index] for index in range(len(requests))]


async def test_the_demo_model_answers_and_the_node_never_loads_llama_cpp():
    async with demo() as worker:
        answer = await worker.generate(Request(CLASSIFY, 16, choices=LABELS))
        assert (answer.status, answer.finish_reason, answer.output) == (
            Status.COMPLETED,
            FinishReason.CHOICE,
            b"swap",
        )
        free = await worker.generate(
            Request(b"Proposal: pay 20,000 USDC from the treasury to the audit team. Category?", 16)
        )
        assert (free.output, free.finish_reason) == (b"treasury", FinishReason.END_OF_TEXT)
        assert worker.manifest.name == "demo"
    assert "llama_cpp" not in sys.modules


async def test_generating_alone_together_and_checking_give_the_same_bits():
    requests = [long_request(seed, 90) for seed in range(6)]
    async with micro(slots=1) as worker:
        alone = [await worker.generate(request) for request in requests]
        for request, answer in zip(requests, alone, strict=True):
            checked = await worker.generate(replace(request, draft=answer.token_ids))
            assert checked.draft_accepted == answer.token_count
            assert replace(checked, draft_accepted=0) == answer
    assert len({answer.trace_secret for answer in alone}) == len(alone)
    async with micro(slots=4, threads=2, batch=23) as worker:
        assert await all_answers(worker, requests) == alone


async def test_a_wrong_draft_changes_nothing_but_the_time():
    request = long_request(1, 80)
    async with micro() as worker:
        answer = await worker.generate(request)
        for at in (0, 1, 40, 79):
            wrong = list(answer.token_ids)
            wrong[at] ^= 1
            checked = await worker.generate(replace(request, draft=tuple(wrong)))
            assert checked.draft_accepted == at
            assert replace(checked, draft_accepted=0) == answer
        for draft in ((2**31 - 1,), answer.token_ids[:7], (*answer.token_ids, 5, 5)):
            assert replace(await worker.generate(replace(request, draft=draft)), draft_accepted=0) == answer


async def test_progress_reports_every_full_chunk():
    seen = []
    async with micro() as worker:
        answer = await worker.generate(long_request(2, 70), seen.append)
    assert [p.chunk for p in seen] == [0, 1]
    assert [p.digest for p in seen] == list(answer.chunk_digests[:2])
    assert sum((p.token_ids for p in seen), ()) == answer.token_ids[: 2 * CHUNK_TOKENS]
    assert 0 < len(seen[0].output) < len(seen[1].output)
    assert all(answer.output.startswith(p.output) for p in seen)


async def test_progress_tells_no_text_that_a_stop_string_takes_away():
    question = Request(b"What is p2pavs?", 80)  # the answer has more than one chunk
    async with demo() as worker:
        seen = []
        whole = await worker.generate(question, seen.append)
        known = len(seen[0].output)  # without stop strings nothing is held back
        for start in range(known - 6, known + 2):
            stop = whole.output[start : start + 6].decode()
            told = []
            answer = await worker.generate(replace(question, stop=(stop,)), told.append)
            assert answer.output == whole.output.partition(stop.encode())[0]
            assert all(answer.output.startswith(p.output) for p in told)


async def test_too_long_an_input_is_a_result():
    async with demo() as worker:
        rejected = await worker.generate(Request(b"word " * 1500, 5))
        assert (rejected.status, rejected.finish_reason) == (Status.REJECTED, FinishReason.INPUT_TOO_LONG)
        assert (rejected.output, rejected.token_ids, rejected.chunk_digests) == (b"", (), ())
        almost = await worker.generate(Request(b"word " * 250, 4096))
        assert almost.prompt_tokens + almost.token_count <= worker.manifest.context_length


async def test_limits_stop_strings_and_hostile_bytes():
    async with demo() as worker:
        whole = await worker.generate(Request(b"What is p2pavs?", 80))
        assert whole.finish_reason is FinishReason.END_OF_TEXT
        short = await worker.generate(Request(b"What is p2pavs?", 5))
        assert short.finish_reason is FinishReason.LENGTH
        assert short.token_ids == whole.token_ids[:5]
        assert whole.output.startswith(short.output)
        stopped = await worker.generate(Request(b"What is p2pavs?", 80, stop=("zzz", " network")))
        assert stopped.finish_reason is FinishReason.STOP_STRING
        assert stopped.output == whole.output.partition(b" network")[0]
        for text in (b"", b"\x01\x7f\x00", b"\x00" * 50, "🦙".encode() * 40, b"<|answer|><|end|>" * 9):
            assert (await worker.generate(Request(text, 4))).status is Status.COMPLETED
        plain = await worker.generate(Request(b"<|end|>", 1))
        assert plain.prompt_tokens > 3  # the name of a special token is ordinary text in an input


@pytest.mark.parametrize("temperature", [0, 1000])
async def test_choices_hold_whatever_the_model_prefers(temperature):
    async with micro() as worker:
        for choices in (("a", "ab", "abc"), ("the end", "thin"), ("é", "ü")):
            answer = await worker.generate(Request(b"x", 20, temperature, choices=choices))
            assert answer.output.decode() in choices
            assert answer.finish_reason is FinishReason.CHOICE
        cut = await worker.generate(Request(b"x", 2, choices=("abcdef",)))
        assert (cut.status, cut.output, cut.finish_reason) == (Status.REJECTED, b"", FinishReason.LENGTH)
        assert cut.token_count == 2


async def test_the_task_seed_decides_the_draw():
    async with micro() as worker:
        request = long_request(0, 30)
        one, same = await worker.generate(request), await worker.generate(request)
        other = await worker.generate(replace(request, task_seed=bytes(32)))
        assert one == same
        assert one.token_ids != other.token_ids


async def test_a_worker_killed_at_work_is_replaced_and_the_answer_is_the_same():
    async with micro() as worker:
        expected = await worker.generate(long_request())
        first = worker.pid
        killed = trio.Event()
        chunks = []

        def kill_once(progress):
            chunks.append(progress.chunk)
            if not killed.is_set():
                killed.set()
                os.kill(worker.pid, signal.SIGKILL)

        assert await worker.generate(long_request(), kill_once) == expected
        assert killed.is_set()
        assert worker.pid != first and worker.restarts == 1
        assert chunks == sorted(set(chunks))  # the retry does not report a chunk again


async def test_a_request_that_always_kills_the_worker_fails_alone():
    async with micro(retries=1) as worker:
        expected = await worker.generate(long_request(5))
        results = []

        async def poison():
            with pytest.raises(WorkerCrashed, match="signal 9"):
                await worker.generate(long_request(), lambda _: os.kill(worker.pid, signal.SIGKILL))
            results.append("poison")

        async def innocent():
            # Its own progress never kills, so it survives although it shared the worker.
            assert await worker.generate(long_request(5)) == expected
            results.append("innocent")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(poison)
            nursery.start_soon(innocent)
        assert sorted(results) == ["innocent", "poison"]
        assert await worker.generate(long_request(5)) == expected


async def test_a_hung_worker_is_replaced():
    async with micro(hang_seconds=5.0, retries=0) as worker:

        def freeze(_):
            os.kill(worker.pid, signal.SIGSTOP)

        with pytest.raises(WorkerHung, match="no sign of life"):
            await worker.generate(long_request(), freeze)
        assert (await worker.generate(Request(b"x", 3))).token_count == 3


async def test_cancelling_stops_the_computation():
    async with micro(slots=1) as worker:
        with trio.CancelScope() as scope:
            await worker.generate(long_request(tokens=480), lambda _: scope.cancel())
        assert scope.cancelled_caught
        assert worker.waiting == 0
        pid = worker.pid
        assert (await worker.generate(Request(b"x", 3))).token_count == 3  # the only slot is free again
        assert worker.pid == pid


async def test_an_error_in_the_progress_callback_reaches_the_caller():
    async with micro() as worker:

        def broken(_):
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await worker.generate(long_request(), broken)
        assert (await worker.generate(Request(b"x", 3))).token_count == 3


async def test_the_queue_is_bounded_and_the_time_too():
    async with micro(slots=1, max_queue=2) as worker:
        async with trio.open_nursery() as nursery:
            for seed in range(2):
                nursery.start_soon(worker.generate, long_request(seed))
            await trio.testing.wait_all_tasks_blocked()
            with pytest.raises(QueueFull):
                await worker.generate(Request(b"x", 1))
        with pytest.raises(TimeLimitExceeded):
            await worker.generate(long_request(), time_limit=1e-9)
        with pytest.raises(RequestError):
            Request(b"x", 0)


async def test_errors_in_the_block_come_out_as_themselves():
    with pytest.raises(KeyError):
        async with micro():
            raise KeyError("mine")


async def test_a_closed_worker_refuses_and_its_process_is_gone():
    async with micro() as worker:
        pid = worker.pid
    with pytest.raises(WorkerClosed):
        await worker.generate(Request(b"x", 1))
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_the_worker_ends_when_its_node_is_killed():
    node = """
import sys, trio
from inference.worker import ModelWorker
async def main():
    async with ModelWorker.open(sys.argv[1]) as worker:
        print(worker.pid, flush=True)
        await trio.sleep_forever()
trio.run(main)
"""
    process = await trio.lowlevel.open_process(
        [sys.executable, "-c", node, str(MICRO)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.getcwd()},
    )
    with trio.fail_after(300):
        try:
            worker = os.pidfd_open(int(await process.stdout.receive_some()))
        finally:
            process.kill()
            await process.wait()
            await process.stdout.aclose()
        await trio.lowlevel.wait_readable(worker)  # readable once the process has ended
        os.close(worker)


@pytest.fixture
def copied(tmp_path):
    shutil.copy(MICRO, tmp_path / "m.gguf")
    shutil.copy(MICRO.with_suffix(".json"), tmp_path / "m.json")
    return tmp_path / "m.gguf"


async def test_a_damaged_model_is_refused_by_name(copied):
    copied.write_bytes(copied.read_bytes()[:-100])
    with pytest.raises(DamagedModel, match="truncated"):
        async with ModelWorker.open(copied):
            pass


async def test_another_model_behind_the_same_golden_digest_is_refused(copied):
    data = bytearray(copied.read_bytes())
    data[-20_000] ^= 64  # a weight
    copied.write_bytes(data)
    manifest = json.loads(copied.with_suffix(".json").read_text())
    copied.with_suffix(".json").write_text(json.dumps(manifest | {"sha256": hash_file(copied)}))
    with pytest.raises(RuntimeMismatch, match="golden test"):
        async with ModelWorker.open(copied):
            pass


async def test_an_operators_own_model_can_be_added(copied):
    copied.with_suffix(".json").unlink()
    manifest = await add_model(
        copied, name="mine", template="<|user|>{input}<|answer|>", stop=("--stop",), context_length=256
    )
    assert (manifest.name, manifest.stop, manifest.context_length) == ("mine", ("--stop",), 256)
    assert manifest.golden == read_manifest(MICRO).golden
    async with ModelWorker.open(copied) as worker:
        assert worker.manifest == manifest
    with pytest.raises(EngineError, match="no token for an empty input"):
        await add_model(copied)
    copied.write_bytes(copied.read_bytes()[:5000])
    with pytest.raises(DamagedModel):
        await add_model(copied)


def written_manifest(path):
    """A manifest that names the file as it is; its golden digest is nobody's."""
    manifest = Manifest(
        FORMAT, "x", hash_file(path), path.stat().st_size, "<|user|>{input}", False, (), (), 256,
        Golden(("a",), 1, "0" * 64),
    )  # fmt: skip
    path.with_suffix(".json").write_text(manifest.to_json())


async def test_a_model_that_makes_llama_cpp_abort_is_refused_and_the_node_goes_on(tmp_path):
    path = tmp_path / "abort.gguf"
    write(path, replace(SHAPES["mixtral"], experts_used=9))  # of 4
    written_manifest(path)
    async with micro() as other:
        with pytest.raises(WorkerStartFailed, match=r"crashed \(signal 6\); its last words: .*GGML_ASSERT"):
            async with ModelWorker.open(path, threads=1):
                pass
        assert (await other.generate(Request(b"x", 3))).token_count == 3
        assert other.restarts == 0


async def test_a_model_that_does_not_fit_is_refused_before_it_is_loaded(tmp_path):
    path = tmp_path / "large.gguf"
    write(path, replace(SHAPES["llama"], context=1 << 20))
    written_manifest(path)
    with pytest.raises(NotEnoughMemory, match=r"large.gguf with 4096 requests of 256 tokens at once needs"):
        async with ModelWorker.open(path, threads=1, slots=4096, batch=1 << 20):
            pass


async def test_a_file_cut_short_while_it_is_served_costs_the_request_only(copied):
    with trio.fail_after(300):
        async with ModelWorker.open(copied, threads=1) as worker, micro() as other:
            whole = copied.read_bytes()
            os.truncate(copied, 4096)  # the next look at the weights is a bus error
            with pytest.raises((DamagedModel, WorkerStartFailed)):
                await worker.generate(long_request())
            assert worker.stats().crashes == 1
            assert (await other.generate(Request(b"x", 3))).token_count == 3
            copied.write_bytes(whole)
            assert (await worker.generate(Request(b"x", 3))).token_count == 3


async def test_the_system_shall_end_the_worker_before_the_node():
    async with micro() as worker:
        assert int(Path(f"/proc/{worker.pid}/oom_score_adj").read_text()) == 800


async def test_the_model_may_vanish_while_it_is_served(copied):
    with trio.fail_after(300):
        async with ModelWorker.open(copied) as worker:
            copied.unlink()
            os.kill(worker.pid, signal.SIGKILL)
            with pytest.raises(DamagedModel, match="cannot read"):
                await worker.generate(Request(b"x", 1))


async def test_the_profile_is_checked_by_the_command():
    done = await trio.run_process(
        [sys.executable, "-m", "inference.runtime", "--check", "--json"], capture_stdout=True, check=False
    )
    report = json.loads(done.stdout)
    assert report["passed"] and done.returncode == 0
    names = {"byte order", "llama.cpp", "build", "kernels", "golden test"}
    assert {c["name"] for c in report["checks"]} == names


async def test_kernels_that_round_differently_fail_the_golden_test():
    code = """
from dataclasses import replace
from inference import runtime
tiled = replace(runtime.CANONICAL, environment=(("GGML_CPU_TILED_MM", "1"),))
print([c.name for c in runtime.check_build(tiled) if not c.passed])
"""
    done = await trio.run_process([sys.executable, "-c", code], capture_stdout=True)
    assert done.stdout.decode().strip() == "['golden test']"


async def test_the_worker_counts_what_it_did():
    async with micro(slots=1, retries=0, max_queue=1) as worker:
        answer = await worker.generate(long_request(3, 70))
        one = worker.stats()
        assert (one.counts.generated, one.counts.checked) == (answer.token_count, 0)
        assert one.counts.read == answer.prompt_tokens - 1
        assert one.counts.busy > 0 and one.tokens_per_second > 0
        assert one.memory > 10 << 20
        assert (one.computing, one.waiting, one.restarts) == (0, 0, 0)

        await worker.generate(replace(long_request(3, 70), draft=answer.token_ids))
        two = worker.stats()
        assert two.counts.checked == answer.token_count
        assert two.counts.generated == one.counts.generated
        # The prompt was in the cache already, all but its last token.
        assert two.counts.reused == answer.prompt_tokens - 1
        assert two.counts.read == one.counts.read + 1  # the last token of the draft

        with pytest.raises(WorkerCrashed):
            await worker.generate(long_request(), lambda _: os.kill(worker.pid, signal.SIGKILL))
        with pytest.raises(TimeLimitExceeded):
            await worker.generate(long_request(), time_limit=1e-9)
        with trio.CancelScope() as scope:
            await worker.generate(long_request(), lambda _: scope.cancel())
        async with trio.open_nursery() as nursery:
            nursery.start_soon(worker.generate, long_request(3, 70))
            await trio.testing.wait_all_tasks_blocked()
            with pytest.raises(QueueFull):
                await worker.generate(long_request())
        three = worker.stats()
        assert three.requests == {
            "answered": 3,
            "rejected": 0,
            "cancelled": 1,
            "timed_out": 1,
            "refused": 1,
            "failed": 1,
        }
        assert (three.restarts, three.crashes, three.hangs) == (1, 1, 0)
        assert three.counts.answered > two.counts.answered  # of both processes
