"""Decoders of files, and of what users and signers send as JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from inference.errors import RequestError
from inference.json_schema import grammar_of
from p2pavs import strict_json
from p2pavs.certificate_file import BadCertificate, CertificateFile
from p2pavs.chain.deployment import Deployment
from p2pavs.checkpoint import BadCheckpoint, Checkpoint
from p2pavs.contracts import NAMES
from p2pavs.openai_api.config import EndpointConfig
from p2pavs.openai_api.errors import ApiError
from p2pavs.openai_api.translate import read_request
from p2pavs.remote_signer import wire as signer_wire
from p2pavs.storage import Slot
from p2pavs.storage.protection import BadProtection, Protection
from tests.fuzz.target import Target
from tests.unit.consensus import factory

_ENDPOINT = EndpointConfig(
    listen="127.0.0.1:0",
    keys=Path(),
    password_file=Path(),
    deadline=100,
    committee=0,
    max_tokens=50,
    most_tokens=500,
    at_once=1,
    api_keys={},
)
_CHAT = {
    "model": "demo",
    "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}],
    "temperature": 0.5,
    "stop": ["\n"],
    "stream": True,
    "response_format": {"type": "text"},
    "p2pavs": {"choices": ["yes", "no"]},
}
_SCHEMA = {
    "type": "object",
    "properties": {"risk": {"type": "integer", "minimum": 0, "maximum": 100}, "why": {"type": "string"}},
    "required": ["risk"],
    "additionalProperties": False,
}


def _text(parse: Callable[[str], object]) -> Callable[[bytes], object]:
    return lambda data: parse(data.decode(errors="replace"))


def _certificate() -> bytes:
    of = factory.committee()
    operators = factory.operator_set(tuple(member.weight for member in of.members))
    signed = factory.commit(of, tuple(member.index for member in of.members))
    file = CertificateFile(factory.DOMAIN, factory.TASK_HASH, factory.TASK_SEED, 0, operators, signed)
    return file.to_json().encode()


def _protection() -> bytes:
    binding = {"chain": "31337", "gateway": "0x" + "11" * 20, "operator": "0x" + "22" * 20}
    row: Any = (7, 0, b"\3" * 32, 2, 0, b"\4" * 32)
    return json.dumps(Protection(binding, 5, (row,)).to_json()).encode()


def _statement() -> bytes:
    scope = factory.scope(factory.committee())
    vote = factory.vote(factory.committee(), 0)
    content = signer_wire.statement_json(factory.key(0), Slot(scope, vote.kind, 0), b"\5" * 32)
    return json.dumps(content).encode()


def _deployment() -> bytes:
    contracts = {name: bytes([n]) * 20 for n, name in enumerate(NAMES, 1)}
    return json.dumps(Deployment(31337, 4, contracts, {"TaskGateway": b"\xee" * 20}).to_json()).encode()


def of_files() -> tuple[Target, ...]:
    """All of them."""
    return (
        Target("json", strict_json.loads, (ValueError,), (b'{"a": [1, {"b": null}]}',)),
        Target("certificate file", _text(CertificateFile.parse), (BadCertificate,), (_certificate(),)),
        Target(
            "checkpoint file",
            _text(Checkpoint.parse),
            (BadCheckpoint,),
            (Checkpoint(31337, b"\1" * 20, 3, b"\2" * 32).to_json().encode(),),
        ),
        Target("slashing protection file", Protection.parse, (BadProtection,), (_protection(),)),
        Target(
            "deployment file",
            lambda data: Deployment.from_json(strict_json.loads(data)),
            (ValueError,),
            (_deployment(),),
        ),
        Target(
            "remote signer: statement",
            lambda data: signer_wire.read_statement(signer_wire.parse(data)),
            (ValueError,),
            (_statement(),),
        ),
        Target(
            "OpenAI: chat",
            lambda data: read_request(strict_json.loads(data), _ENDPOINT, chat=True),
            (ApiError, ValueError),
            (json.dumps(_CHAT).encode(),),
        ),
        Target("JSON schema", _text(grammar_of), (RequestError,), (json.dumps(_SCHEMA).encode(),)),
    )
