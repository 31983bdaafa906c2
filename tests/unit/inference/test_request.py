"""Requests, answers and the frames they travel in."""

from contextlib import suppress

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consensus import types
from inference import wire
from inference.errors import RequestError
from inference.request import (
    MAX_INPUT_BYTES,
    MAX_OUTPUT_BYTES,
    FinishReason,
    Generation,
    Progress,
    Request,
    Status,
)


def test_the_codes_are_those_of_the_consensus_package():
    assert {s.name: s.value for s in Status} == {s.name: s.value for s in types.ResultStatus}
    assert {f.name: f.value for f in FinishReason} == {f.name: f.value for f in types.FinishReason}
    assert (MAX_INPUT_BYTES, MAX_OUTPUT_BYTES) == (types.MAX_INPUT_BYTES, types.MAX_OUTPUT_BYTES)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("input", "text"),
        ("input", b"\xff"),
        ("input", b"\xf7\xbf\xbf\xbf"),
        ("input", b"\xed\xa0\x80"),
        ("input", bytes(MAX_INPUT_BYTES + 1)),
        ("max_tokens", 0),
        ("max_tokens", 4097),
        ("max_tokens", True),
        ("temperature_milli", -1),
        ("temperature_milli", 2**32),
        ("top_k", 1.5),
        ("min_p_micro", 1_000_001),
        ("top_p_micro", -1),
        ("repetition_penalty_milli", 999),
        ("repetition_penalty_milli", 10_001),
        ("json_schema", "x" * 4097),
        ("json_schema", "\ud800"),
        ("json_schema", b"{}"),
        ("seed", 2**64),
        ("stop", ("",)),
        ("stop", ("x" * 65,)),
        ("stop", ("x",) * 9),
        ("stop", ["x"]),
        ("stop", (1,)),
        ("stop", ("\ud800",)),
        ("choices", ("",)),
        ("choices", ("x" * 257,)),
        ("choices", ("x",) * 65),
        ("task_seed", b"short"),
        ("draft", (-1,)),
        ("draft", (2**31,)),
        ("draft", (0,) * 4097),
        ("draft", [1]),
    ],
)
def test_wrong_requests_are_refused_by_name(field, value):
    with pytest.raises(RequestError, match=field):
        Request(**{"input": b"x", "max_tokens": 1, field: value})


def test_requests_and_answers_survive_the_wire():
    request = Request(
        "\0é".encode(),
        max_tokens=5,
        temperature_milli=700,
        top_k=40,
        top_p_micro=900_000,
        min_p_micro=1000,
        repetition_penalty_milli=1100,
        seed=2**64 - 1,
        stop=("a", "é"),
        choices=("b",),
        task_seed=bytes(range(32)),
        draft=(1, 2),
    )
    assert (
        wire.request_from_wire(wire.decode(wire.encode({"r": wire.request_to_wire(request)})[4:])["r"])
        == request
    )
    answer = Generation(
        Status.COMPLETED, b"\xfe", (1, 2), FinishReason.CHOICE, bytes(32), bytes(32), (bytes(32),), 7, 2
    )
    assert (
        wire.generation_from_wire(wire.decode(wire.encode({"a": wire.generation_to_wire(answer)})[4:])["a"])
        == answer
    )


@pytest.mark.parametrize(
    "change",
    [
        {"status": 9},
        {"finish_reason": 0},
        {"output": "x"},
        {"token_ids": [-1]},
        {"token_ids": ["x"]},
        {"trace_root": b"x"},
        {"more": 1},
    ],
)
def test_answers_that_make_no_sense_are_refused(change):
    answer = Generation(Status.COMPLETED, b"", (), FinishReason.LENGTH, bytes(32), bytes(32), (), 1)
    with pytest.raises(wire.BrokenPipe):
        wire.generation_from_wire(wire.generation_to_wire(answer) | change)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff",
        cbor2.dumps([1]),
        cbor2.dumps({1: 2}),
        b"\xa2\x61a\x01\x61a\x02",
        b"\xbf\xff",
        b"\x9b" + b"\xff" * 8,
    ],
)
def test_frames_are_decoded_strictly(body):
    with pytest.raises(wire.BrokenPipe):
        wire.decode(body)


@given(st.binary(max_size=60))
def test_noise_is_never_worse_than_a_broken_pipe(body):
    with suppress(wire.BrokenPipe):
        assert isinstance(wire.decode(body), dict)


@pytest.mark.parametrize("length", [0, wire.MAX_FRAME_BYTES + 1, 2**32 - 1])
def test_frame_lengths_are_capped(length):
    with pytest.raises(wire.BrokenPipe, match="limit"):
        wire.body_length(length.to_bytes(4, "big"))


def test_progress_is_checked():
    good = {"chunk": 0, "tokens": [1], "digest": bytes(32), "output": b"a"}
    assert wire.progress_from_wire(good) == Progress(0, (1,), bytes(32), b"a")
    wrong = ({"chunk": -1}, {"tokens": None}, {"digest": b"x"}, {"output": "a"}, {"output": b"a" * 8193})
    for change in wrong:
        with pytest.raises(wire.BrokenPipe):
            wire.progress_from_wire(good | change)
