"""OpenAI's requests: what they become, and what is refused before anything is paid."""

from __future__ import annotations

import json
from typing import Any

import pytest

from p2pavs.openai_api.config import EndpointConfig, hash_key, new_key, read_key
from p2pavs.openai_api.errors import ApiError
from p2pavs.openai_api.translate import Asked, chat_text, read_request
from p2pavs.request_options import to_params

CONFIG = EndpointConfig(
    listen="",
    keys=None,  # type: ignore[arg-type]  # nothing here reads it
    password_file=None,  # type: ignore[arg-type]
    deadline=100,
    committee=3,
    max_tokens=50,
    most_tokens=500,
    at_once=1,
    api_keys={},
)
SAID = [{"role": "user", "content": "Hi"}]


def chat(**fields: Any) -> Asked:
    body = json.loads(json.dumps({"model": "demo", "messages": SAID} | fields))
    return read_request(body, CONFIG, chat=True)


def test_what_is_left_out() -> None:
    asked = chat()
    assert (asked.stream, asked.prompt) == (False, b"Hi")
    assert asked.options == {"model": "demo", "deadline": 100, "committee": 3, "max_tokens": 50, "stop": []}
    params = to_params(asked.options)
    assert (params.temperature_milli, params.seed, params.json_schema) == (0, 0, "")


def test_what_is_given() -> None:
    asked = chat(
        max_completion_tokens=7,
        temperature=0.7,
        top_p=0.9,
        seed=-1,
        stop="\n",
        stream=True,
        n=1,
        presence_penalty=0.0,
        logit_bias=None,
        response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "boolean"}}},
        p2pavs={"committee": 9, "deadline": 60, "top_k": 4, "min_p": 0.1, "repetition_penalty": 1.5},
    )
    assert asked.stream
    params = to_params(asked.options)
    assert (params.max_tokens, params.temperature_milli, params.top_p_micro) == (7, 700, 900_000)
    assert (params.seed, params.stop, params.json_schema) == (2**64 - 1, ("\n",), '{"type":"boolean"}')
    assert (params.top_k, params.min_p_micro, params.repetition_penalty_milli) == (4, 100_000, 1500)
    assert (asked.options["committee"], asked.options["deadline"]) == (9, 60)
    assert to_params(chat(p2pavs={"choices": ["a", "b"]}).options).choices == ("a", "b")


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"n": 2}, "n"),
        ({"n": True}, "n"),
        ({"tools": [{"type": "function"}]}, "tools"),
        ({"logprobs": True}, "logprobs"),
        ({"frequency_penalty": 0.5}, "frequency_penalty"),
        ({"audio": {}}, "audio"),
        ({"model": 3}, "model"),
        ({"model": None}, "model"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": 501}, "max_tokens"),
        ({"max_tokens": True}, "max_tokens"),
        ({"max_tokens": 1, "max_completion_tokens": 1}, "max_tokens"),
        ({"temperature": 2.1}, "temperature"),
        ({"temperature": float("nan")}, "temperature"),
        ({"top_p": "1"}, "top_p"),
        ({"seed": 2**64}, "seed"),
        ({"seed": 1.5}, "seed"),
        ({"stop": [1]}, "stop"),
        ({"stream": 1}, "stream"),
        ({"response_format": {"type": "grammar"}}, "response_format"),
        ({"response_format": {"type": "json_schema"}}, "response_format"),
        ({"p2pavs": {"mode": 1}}, "p2pavs.mode"),
        ({"p2pavs": {"modus": 1}}, "p2pavs"),
        ({"p2pavs": {"committee": 257}}, "p2pavs.committee"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "system", "content": "x"}]}, "messages"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "messages[0].content"),
        ({"messages": [{"role": "user"}]}, "messages[0].content"),
        ({"messages": ["x"]}, "messages[0]"),
    ],
)
def test_what_is_refused(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(ApiError) as refused:
        chat(**fields)
    assert (refused.value.status, refused.value.param) == (400, param)
    assert refused.value.headers() == {"x-should-retry": "false"}


def test_half_of_a_surrogate_pair_is_refused() -> None:
    with pytest.raises(ApiError, match="surrogate"):
        chat(messages=[{"role": "user", "content": "\ud800"}])


PART = {"type": "text"}


def say(role: str, content: Any) -> dict[str, Any]:
    return {"role": role, "content": content}


@pytest.mark.parametrize(
    ("messages", "text"),
    [
        ([say("user", "a")], "a"),
        ([say("system", "s"), say("user", "a")], "s\n\na"),
        ([say("developer", "s"), say("user", [PART | {"text": "a"}, PART | {"text": "b"}])], "s\n\nab"),
        (
            [say("system", "s"), say("user", "a"), say("assistant", "b"), say("user", "c")],
            "s\n\nUser: a\n\nAssistant: b\n\nUser: c\n\nAssistant:",
        ),
        ([say("user", "a"), say("user", "b")], "User: a\n\nUser: b\n\nAssistant:"),
    ],
)  # fmt: skip
def test_how_messages_become_one_text(messages: list[dict[str, Any]], text: str) -> None:
    assert chat_text(messages) == text


def test_a_prompt() -> None:
    for prompt in ("Hi", ["Hi"]):
        assert read_request({"model": "demo", "prompt": prompt}, CONFIG, chat=False).prompt == b"Hi"
    for wrong in (["a", "b"], [1], 3, None):
        with pytest.raises(ApiError):
            read_request({"model": "demo", "prompt": wrong}, CONFIG, chat=False)
    with pytest.raises(ApiError, match="messages"):
        read_request({"model": "demo", "prompt": "x", "messages": SAID}, CONFIG, chat=False)


def test_api_keys() -> None:
    key = new_key()
    assert key != new_key() and len(key) > 40
    entry = {"name": "a", "sha256": hash_key(key), "ether_per_day": "0.5"}
    assert read_key(entry).wei_per_day == 5 * 10**17
    for changed in ({"sha256": key}, {"name": "a b"}, {"ether_per_day": 1}, {"models": "demo"}, {"key": "x"},
                    {"requests_per_minute": 0}):  # fmt: skip
        with pytest.raises(ValueError):
            read_key(entry | changed)
