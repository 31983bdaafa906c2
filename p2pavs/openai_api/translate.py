"""From OpenAI's requests to ours, and from certified answers to OpenAI's. docs/dapps.md has the rules."""

from __future__ import annotations

import base64
import json
import time
from codecs import getincrementaldecoder
from dataclasses import dataclass
from typing import Any, Final

from consensus.messages import Commit
from consensus.wire import encode_message
from p2pavs.answer import Answer
from p2pavs.openai_api.config import EndpointConfig
from p2pavs.openai_api.errors import SERVER, ApiError, unsupported, wrong
from p2pavs.request_options import RequestOptions, compact_json

_SHARED: Final = frozenset(
    {
        "model",
        "stream",
        "max_tokens",
        "temperature",
        "top_p",
        "seed",
        "stop",
        "user",
        "metadata",
        "p2pavs",
        "stream_options",
    }
)
_CHAT: Final = _SHARED | {"messages", "max_completion_tokens", "response_format"}
_TEXT: Final = _SHARED | {"prompt"}
_NEUTRAL: Final[dict[str, tuple[Any, ...]]] = {
    "n": (1,),
    "best_of": (1,),
    "echo": (False,),
    "store": (False,),
    "logprobs": (False, 0),
    "top_logprobs": (0,),
    "presence_penalty": (0,),
    "frequency_penalty": (0,),
    "logit_bias": ({},),
    "tools": ([],),
    "tool_choice": ("none", "auto"),
    "parallel_tool_calls": (True, False),
    "service_tier": ("auto", "default"),
    "modalities": (["text"],),
    "suffix": ("",),
}
"""What is accepted at the value that changes nothing. ``null`` is accepted everywhere."""

_ROLES: Final = {"system": "", "developer": "", "user": "User: ", "assistant": "Assistant: "}
_EXTRA: Final = {"mode", "choices", "committee", "deadline", "top_k", "min_p", "repetition_penalty"}
_FINISH: Final = {"length": "length"}


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, translated."""

    chat: bool
    stream: bool
    prompt: bytes
    options: RequestOptions
    usage: bool  # whether a stream ends with the count of tokens


def read_request(body: Any, config: EndpointConfig, *, chat: bool) -> Asked:
    """Translate the body of a request. Raises ``ApiError``."""
    if not isinstance(body, dict):
        raise ApiError(400, "The body is not a JSON object.")
    given = {name: value for name, value in body.items() if value is not None}
    for name, value in given.items():
        if name in (_CHAT if chat else _TEXT):
            continue
        if name not in _NEUTRAL:
            raise unsupported(name[:60], f"Unrecognized request argument supplied: {name[:60]}")
        if not any(_same(value, neutral) for neutral in _NEUTRAL[name]):
            raise unsupported(name, f"This network has nothing for {name}: leave it out.")
    options: RequestOptions = {"deadline": config.deadline, "committee": config.committee}
    options["model"] = _string("model", given.get("model"))
    options["max_tokens"] = _tokens(given, config)
    if "temperature" in given:
        options["temperature"] = _real("temperature", given["temperature"], 2)
    if "top_p" in given:
        options["top_p"] = _real("top_p", given["top_p"], 1)
    if "seed" in given:
        options["seed"] = _whole("seed", given["seed"], -(2**63), 2**64 - 1) % 2**64
    options["stop"] = _strings("stop", given.get("stop", []))
    if "response_format" in given:
        _response_format(given["response_format"], options)
    _extras(given.get("p2pavs", {}), options)
    text = chat_text(given.get("messages")) if chat else _prompt(given.get("prompt"))
    stream = _boolean("stream", given.get("stream", False))
    return Asked(chat, stream, _utf8(text), options, _include_usage(given.get("stream_options", {})))


def chat_text(messages: Any) -> str:
    """Join a conversation to one text; the rule is in docs/dapps.md. Raises ``ApiError``.

    Contents stand in their order with an empty line between them. Only in a dialogue, which has an answer
    or more than one question in it, the speakers are named, and the text ends where the model has to go on.
    """
    if not isinstance(messages, list) or not 1 <= len(messages) <= 1_000:
        raise wrong("messages", "messages is not a list of 1 to 1,000 messages.")
    said = [_message(f"messages[{at}]", message) for at, message in enumerate(messages)]
    roles = [role for role, _ in said]
    if "user" not in roles:
        raise wrong("messages", "There is no message of the role user.")
    dialogue = "assistant" in roles or roles.count("user") > 1
    parts = [(_ROLES[role] if dialogue else "") + text for role, text in said]
    return "\n\n".join([*parts, "Assistant:"] if dialogue else parts)


def _message(where: str, message: Any) -> tuple[str, str]:
    if not isinstance(message, dict):
        raise wrong(where, "A message is an object with role and content.")
    role, content = message.get("role"), message.get("content")
    if role not in _ROLES:
        raise wrong(f"{where}.role", f"A role is one of {', '.join(_ROLES)}.")
    if message.get("tool_calls"):
        raise unsupported(f"{where}.tool_calls", "This network has no tools.")
    if isinstance(content, list):
        texts = [
            part["text"]
            for part in content
            if isinstance(part, dict) and part.get("type") == "text" and isinstance(part.get("text"), str)
        ]
        if len(texts) != len(content):
            raise unsupported(f"{where}.content", "Only parts of the type text are understood.")
        content = "".join(texts)
    return role, _string(f"{where}.content", content)


def _prompt(prompt: Any) -> str:
    if isinstance(prompt, list) and len(prompt) == 1:
        prompt = prompt[0]
    if isinstance(prompt, list):
        raise unsupported("prompt", "One prompt makes one task: give one text.")
    return _string("prompt", prompt)


def _response_format(value: Any, options: RequestOptions) -> None:
    match value:
        case {"type": "text"}:
            return
        case {"type": "json_object"}:
            options["json_schema"] = '{"type":"object"}'
        case {"type": "json_schema", "json_schema": {"schema": dict() as schema}}:
            try:
                options["json_schema"] = compact_json(schema)
            except ValueError:
                raise wrong("response_format", "The schema holds a number that JSON has not.") from None
        case _:
            raise wrong("response_format", "It is text, json_object, or json_schema with a schema.")


def _extras(value: Any, options: RequestOptions) -> None:
    """Read what only this network has: the field ``p2pavs``."""
    if not isinstance(value, dict) or not set(value) <= _EXTRA:
        raise wrong("p2pavs", f"p2pavs is an object that may have {', '.join(sorted(_EXTRA))}.")
    if "choices" in value:
        options["choices"] = _strings("p2pavs.choices", value["choices"])
    match value.get("mode"):
        case None:
            pass
        case "replicate" | "verify" as mode:
            options["mode"] = mode
        case _:
            raise wrong("p2pavs.mode", "p2pavs.mode is replicate or verify.")
    if "committee" in value:
        options["committee"] = _whole("p2pavs.committee", value["committee"], 0, 256)
    if "deadline" in value:
        options["deadline"] = _whole("p2pavs.deadline", value["deadline"], 1, 86_400)
    if "top_k" in value:
        options["top_k"] = _whole("p2pavs.top_k", value["top_k"], 0, 2**32 - 1)
    if "min_p" in value:
        options["min_p"] = _real("p2pavs.min_p", value["min_p"], 1)
    if "repetition_penalty" in value:
        options["repetition_penalty"] = _real("p2pavs.repetition_penalty", value["repetition_penalty"], 10)


def _include_usage(value: Any) -> bool:
    if not isinstance(value, dict) or not set(value) <= {"include_usage"}:
        raise wrong("stream_options", "stream_options is an object that may have include_usage.")
    return _boolean("stream_options.include_usage", value.get("include_usage", False))


def _same(value: Any, neutral: Any) -> bool:
    """Whether two JSON values are equal; for Python ``True`` is 1, for JSON it is not."""
    return bool(value == neutral) and isinstance(value, bool) == isinstance(neutral, bool)


def _tokens(given: dict[str, Any], config: EndpointConfig) -> int:
    names = [name for name in ("max_tokens", "max_completion_tokens") if name in given]
    if len(names) == 2:
        raise wrong("max_tokens", "Give max_tokens or max_completion_tokens.")
    return _whole(names[0], given[names[0]], 1, config.most_tokens) if names else config.max_tokens


def _string(param: str, value: Any) -> str:
    if not isinstance(value, str):
        raise wrong(param, f"{param} is missing or no text.")
    return value


def _strings(param: str, value: Any) -> list[str]:
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, list) or not all(isinstance(one, str) for one in values):
        raise wrong(param, f"{param} is a text or a list of texts.")
    return values


def _boolean(param: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise wrong(param, f"{param} is true or false.")
    return value


def _whole(param: str, value: Any, least: int, most: int) -> int:
    if type(value) is not int or not least <= value <= most:
        raise wrong(param, f"{param} is a whole number from {least} to {most}.")
    return value


def _real(param: str, value: Any, most: int) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
        raise wrong(param, f"{param} is a number from 0 to {most}.")
    return float(value)


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise ApiError(400, "The text holds half of a surrogate pair.", code="invalid_value") from None


# --- answers ----------------------------------------------------------------------------------------------


def headers(answer: Answer) -> dict[str, str]:
    """Return the certificate as headers: the message ``Commit`` without the output, which is the body's."""
    bare = encode_message(Commit(answer.certificate.certificate, b""))
    return {"p2pavs-task": str(answer.task), "p2pavs-certificate": base64.urlsafe_b64encode(bare).decode()}


def proof(answer: Answer) -> dict[str, Any]:
    """Return the field ``p2pavs``: the certificate file, and what a client would compute first."""
    return {
        "task": answer.task,
        "status": answer.status,
        "finishReason": answer.finish_reason,
        "completionTokens": answer.tokens,
        "signedWeight": str(answer.signed_weight),
        "totalWeight": str(answer.total_weight),
        "certificate": json.loads(answer.certificate.to_json()),
    }


def whole(answer: Answer, model: str, usage: dict[str, int] | None, *, chat: bool) -> dict[str, Any]:
    """Return the body of an answer in one piece; ``usage`` is left out where it is not known."""
    finish = _FINISH.get(answer.finish_reason, "stop")
    choice: dict[str, Any] = {"index": 0, "finish_reason": finish, "logprobs": None}
    if chat:
        choice["message"] = {"role": "assistant", "content": answer.text, "refusal": None}
    else:
        choice["text"] = answer.text
    kind = "chat.completion" if chat else "text_completion"
    body = _envelope(answer.task, kind, model, chat=chat) | {"choices": [choice], "p2pavs": proof(answer)}
    return body if usage is None else body | {"usage": usage}


class Pieces:
    """The bodies of an answer in pieces: text as it becomes known, then the end with the certificate."""

    def __init__(self, task: int, model: str, *, chat: bool) -> None:
        self.known = b""
        """What was said; it may end inside a character."""
        self._chat = chat
        self._decoder = getincrementaldecoder("utf-8")(errors="replace")
        kind = "chat.completion.chunk" if chat else "text_completion"
        self._base = _envelope(task, kind, model, chat=chat)
        self._begun = False

    def more(self, output: bytes) -> list[dict[str, Any]]:
        """Take the answer so far."""
        if len(output) <= len(self.known) or not output.startswith(self.known):
            return []
        text = self._decoder.decode(output[len(self.known) :])
        self.known = output
        return [self._piece(text)] if text else []

    def end(self, answer: Answer) -> list[dict[str, Any]]:
        """Take the certified answer. Raises ``ApiError`` where other text was said than was certified."""
        if not answer.output.startswith(self.known):
            raise ApiError(
                502,
                f"What was streamed is not what the committee certified: read task {answer.task} again.",
                kind=SERVER,
                code="not_what_was_certified",
            )
        text = self._decoder.decode(answer.output[len(self.known) :], final=True)
        finish = _FINISH.get(answer.finish_reason, "stop")
        last = self._piece("", finish) | {"p2pavs": proof(answer)}
        return [self._piece(text), last] if text or not self._begun else [last]

    def usage(self, usage: dict[str, int]) -> dict[str, Any]:
        """Return the piece that comes after the end where a client asked for the count of tokens."""
        return self._base | {"choices": [], "usage": usage}

    def _piece(self, text: str, finish: str | None = None) -> dict[str, Any]:
        choice: dict[str, Any] = {"index": 0, "logprobs": None, "finish_reason": finish}
        if self._chat:
            choice["delta"] = {} if finish else {"content": text}
            if not self._begun:
                choice["delta"] |= {"role": "assistant"}
        else:
            choice["text"] = text
        self._begun = True
        return self._base | {"choices": [choice]}


def _envelope(task: int, kind: str, model: str, *, chat: bool) -> dict[str, Any]:
    return {
        "id": f"{'chatcmpl' if chat else 'cmpl'}-{task}",
        "object": kind,
        "created": int(time.time()),
        "model": model,
    }
