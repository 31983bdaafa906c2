"""JSON output of real models: it parses and fits the schema, whatever the weights would rather write."""

import json
from contextlib import asynccontextmanager
from dataclasses import replace
from hashlib import sha256

import jsonschema
import pytest
import trio

from inference.errors import RequestError
from inference.model import demo_model
from inference.request import FinishReason, Request, Status
from inference.worker import ModelWorker

DEMO = demo_model()
MICRO = DEMO.parent / "micro.gguf"  # random weights

SCHEMAS = [
    {
        "type": "object",
        "properties": {
            "kind": {"enum": ["treasury", "swap", "trés\"or", "金庫"]},
            "risk": {"type": "integer", "minimum": 0, "maximum": 100},
            "why": {"type": "string", "maxLength": 30},
        },
        "required": ["kind", "risk"],
        "additionalProperties": False,
    },
    {"type": "object", "properties": {n: {"type": "boolean"} for n in "abc"}, "required": ["b"]},
    {"type": "object"},
    {"type": "array", "items": {"type": "string", "minLength": 2, "maxLength": 6}, "minItems": 2,
     "maxItems": 4},
    {"type": "array", "items": {"$ref": "#/$defs/pair"}, "maxItems": 3, "minItems": 1,
     "$defs": {"pair": {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2}}},
    {"type": "string", "maxLength": 12},
    {"type": "integer", "minimum": -1030, "maximum": 77},
    {"type": "integer", "exclusiveMinimum": 8, "exclusiveMaximum": 11},
    {"type": "integer"},
    {"type": "number"},
    {"type": ["boolean", "null"]},
    {"enum": [1, 12, 123, -5, 0.5, "1", None, {"a": [1, {"b": "\n"}]}]},
    {"const": {"fixed": ["\u0007", "\\"]}},
    {"anyOf": [{"type": "object", "properties": {"no": {"type": "string", "maxLength": 9}},
      "required": ["no"]},
               {"type": "object", "properties": {"ok": {"const": True}}, "required": ["ok"]}]},
    {"anyOf": [{"type": "string", "maxLength": n} for n in range(64)]},
]  # fmt: skip


@asynccontextmanager
async def serving(path):
    with trio.fail_after(900):
        async with ModelWorker.open(path, threads=1) as worker:
            yield worker


@pytest.mark.parametrize("path", [MICRO, DEMO], ids=["random weights", "demo"])
async def test_the_output_parses_and_fits(path):
    checked = 0
    async with serving(path) as worker:

        async def ask(schema, request):
            nonlocal checked
            answer = await worker.generate(request)
            assert (answer.status, answer.finish_reason) == (Status.COMPLETED, FinishReason.JSON), request
            value = json.loads(answer.output)
            jsonschema.Draft202012Validator(schema).validate(value)
            checked += 1

        async with trio.open_nursery() as nursery:
            for number, schema in enumerate(SCHEMAS):
                text = json.dumps(schema)
                for temperature, limits in (
                    (0, {}),
                    (900, {"top_k": 20}),
                    (1000, {}),
                    (5000, {"top_p_micro": 990_000}),
                ):
                    task = sha256(bytes([number])).digest()
                    request = Request(
                        b"Is it a swap?", 480, temperature, json_schema=text, task_seed=task, **limits
                    )
                    nursery.start_soon(ask, schema, request)
    assert checked == 4 * len(SCHEMAS)


async def test_a_draft_gives_the_same_answer():
    request = Request(
        b"x", 200, 1000, json_schema=json.dumps(SCHEMAS[0]), repetition_penalty_milli=1200,
        top_p_micro=900_000, task_seed=sha256(b"task").digest(),
    )  # fmt: skip
    async with serving(MICRO) as worker:
        answer = await worker.generate(request)
        assert answer.token_count > 5
        checked = await worker.generate(replace(request, draft=answer.token_ids))
        assert checked.draft_accepted == answer.token_count
        assert replace(checked, draft_accepted=0) == answer
        wrong = list(answer.token_ids)
        wrong[4] ^= 1
        checked = await worker.generate(replace(request, draft=tuple(wrong)))
        assert checked.draft_accepted == 4
        assert replace(checked, draft_accepted=0) == answer
        other = await worker.generate(replace(request, task_seed=bytes(32)))
        assert other.output != answer.output


async def test_a_value_that_does_not_end_in_time_is_no_answer():
    async with serving(MICRO) as worker:
        cut = await worker.generate(Request(b"x", 4, json_schema=json.dumps(SCHEMAS[0])))
        assert (cut.status, cut.output, cut.finish_reason) == (Status.REJECTED, b"", FinishReason.LENGTH)
        assert cut.token_count == 4
        number = await worker.generate(Request(b"x", 1, json_schema='{"type":"integer","minimum":0}'))
        assert number.finish_reason is FinishReason.JSON
        assert number.output.isdigit()


async def test_stop_strings_do_not_cut_json():
    async with serving(MICRO) as worker:
        answer = await worker.generate(Request(b"x", 50, json_schema=json.dumps(SCHEMAS[1]), stop=(":", "b")))
        assert answer.finish_reason is FinishReason.JSON


async def test_the_largest_grammars_do_no_harm():
    many = {str(n): {"type": "string", "maxLength": 127} for n in range(60)}
    texts = [
        json.dumps({"type": "object", "properties": many}, separators=(",", ":")),
        json.dumps({"type": "array", "items": {"enum": [f"{n:040}" for n in range(64)]}, "minItems": 256}),
        json.dumps({"type": "string", "minLength": 1024}),
        json.dumps({"const": "\u20ac" * 600}, ensure_ascii=False),
        '{"type":"array","items":' * 15 + '{"type":"null"}' + "}" * 15,
    ]
    async with serving(MICRO) as worker:
        for text in texts:
            answer = await worker.generate(Request(b"x", 300, 3000, json_schema=text))
            assert answer.finish_reason in (FinishReason.LENGTH, FinishReason.JSON)
        assert worker.restarts == 0


async def test_hostile_schemas_never_reach_the_model():
    for text in ('{"type":"string","pattern":"(a*)*$"}', "[" * 4000, '{"$ref":"http://x"}', "\x00", "{}"):
        with pytest.raises(RequestError, match="json_schema"):
            Request(b"x", 1, json_schema=text)
