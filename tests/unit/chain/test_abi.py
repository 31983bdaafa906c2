from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import Any

import pytest
from eth_abi.abi import encode
from eth_abi.exceptions import EncodingError
from hypothesis import given
from hypothesis import strategies as st

from consensus.types import FinishReason, Result, ResultStatus
from p2pavs.chain.abi import Interface, UndecodableData, codec, decode_error
from p2pavs.chain.certificates import ChainCertificate, result_to_abi
from p2pavs.chain.contracts import interface
from p2pavs.chain.events import BUILDERS
from p2pavs.chain.records import InferenceParams, TaskHeader, request_hash
from p2pavs.contracts import NAMES

HEADER = TaskHeader(
    id=7,
    requester=b"\x01" * 20,
    model_id=b"\x02" * 32,
    request_hash=b"\x03" * 32,
    mode=1,
    committee_size=16,
    epoch=5,
    attempts=3,
    task_seed=b"\x04" * 32,
    requested_at=1_899_999_000,
    deadline=1_900_000_000,
    fee=10**18,
    base_fee=10**12,
    royalty=10**13,
    callback=b"\x05" * 20,
    callback_gas=100_000,
)
PARAMS = InferenceParams(
    max_tokens=5, temperature_milli=700, stop=("\n",), choices=("yes", "nö"), json_schema="{}"
)
RESULT = Result(
    status=ResultStatus.COMPLETED,
    output_hash=b"\x06" * 32,
    output_length=3,
    token_count=2,
    finish_reason=FinishReason.CHOICE,
    trace_root=b"\x07" * 32,
    trace_commit=b"\x08" * 32,
    runtime_profile=b"\x09" * 32,
)
CERTIFICATE = ChainCertificate(
    attempt=0, round=3, result=RESULT, bitmap=0b1011, hints=b"\x00\x01\x00\x02", signature=b"\x0a" * 256
)


def test_calldata_of_a_certificate_is_read_back() -> None:
    gateway = interface("TaskGateway")
    data = gateway.encode("submitCertificate", HEADER.to_abi(), CERTIFICATE.to_abi(), b"yes")
    name, arguments = gateway.decode_input(data)
    assert name == "submitCertificate"
    assert TaskHeader.from_abi(arguments["header"]) == HEADER
    assert ChainCertificate.from_abi(arguments["certificate"]) == CERTIFICATE
    assert arguments["output"] == b"yes"


@given(st.binary(max_size=600))
def test_any_bytes_decode_or_are_refused(data: bytes) -> None:
    gateway = interface("TaskGateway")
    selector = gateway.functions["submitCertificate"].selector
    for calldata in (data, selector + data):
        with contextlib.suppress(UndecodableData):
            gateway.decode_input(calldata)
    topics = [gateway.topic("TaskCertified"), bytes(32), bytes(32), bytes(32)]
    with contextlib.suppress(UndecodableData):
        gateway.decode_event(topics, data)


def test_an_unknown_function_is_refused() -> None:
    with pytest.raises(UndecodableData, match="0xdeadbeef"):
        interface("TaskGateway").decode_input(bytes.fromhex("deadbeef"))


def requested(header: TaskHeader) -> tuple[str, dict[str, Any]]:
    """The event of a task, as it is decoded."""
    gateway = interface("TaskGateway")
    entry = gateway.events["TaskRequested"]
    types = [parameter.type for parameter in entry.inputs if not parameter.indexed]
    data = encode(types, [header.to_abi(), b"input", PARAMS.to_abi()])
    topics = [
        entry.signature_hash,
        header.id.to_bytes(32, "big"),
        header.requester.rjust(32, b"\0"),
        header.model_id,
    ]
    decoded = gateway.decode_event(topics, data)
    assert decoded is not None
    return decoded


def test_an_event_with_structs_is_read() -> None:
    name, arguments = requested(HEADER)
    event: Any = BUILDERS[name](arguments)
    assert (event.header, event.input, event.params) == (HEADER, b"input", PARAMS)
    assert (event.id, arguments["id"], arguments["requester"]) == (7, 7, HEADER.requester)


def test_a_task_whose_number_no_database_holds_is_refused() -> None:
    name, arguments = requested(replace(HEADER, id=2**63))
    with pytest.raises(UndecodableData):
        BUILDERS[name](arguments)


def test_a_result_of_an_unknown_kind_is_refused() -> None:
    gateway = interface("TaskGateway")
    strange = (9, *result_to_abi(RESULT)[1:])
    data = gateway.encode("submitCertificate", HEADER.to_abi(), (0, 0, strange, 1, b"", bytes(256)), b"")
    _, arguments = gateway.decode_input(data)
    with pytest.raises(UndecodableData, match="9"):
        ChainCertificate.from_abi(arguments["certificate"])


def test_an_event_of_another_contract_is_no_event() -> None:
    topic = interface("EpochManager").topic("EpochOpened")
    assert interface("TaskGateway").decode_event([topic], b"") is None
    assert interface("TaskGateway").decode_event([], b"") is None


def test_an_event_with_too_few_topics_is_refused() -> None:
    gateway = interface("TaskGateway")
    with pytest.raises(UndecodableData, match="indexed"):
        gateway.decode_event([gateway.topic("TaskRefunded")], bytes(32))


def test_text_that_is_not_utf8_keeps_its_bytes() -> None:
    inputs = [{"name": "s", "type": "string", "indexed": False}]
    abi = Interface([{"type": "event", "name": "E", "inputs": inputs}])
    data = encode(["bytes"], [b"\xff\xfe"])
    decoded = abi.decode_event([abi.topic("E")], data)
    assert decoded == ("E", {"s": "\udcff\udcfe"})
    assert codec.encode(["string"], [decoded[1]["s"]]) == data


@given(st.lists(st.binary(max_size=70), max_size=4))
def test_any_text_comes_out_and_goes_in_as_the_same_bytes(texts: list[bytes]) -> None:
    data = encode(["bytes[]"], [texts])
    (decoded,) = codec.decode(["string[]"], data)
    assert [text.encode(errors="surrogateescape") for text in decoded] == texts
    assert codec.encode(["string[]"], [decoded]) == data


@pytest.mark.parametrize("value", [b"bytes", 3, None])
def test_only_text_is_encoded_as_text(value: Any) -> None:
    with pytest.raises(EncodingError):
        codec.encode(["string[]"], [[value]])


def test_text_with_bits_in_its_padding_is_refused() -> None:
    inputs = [{"name": "s", "type": "string", "indexed": False}]
    abi = Interface([{"type": "event", "name": "E", "inputs": inputs}])
    with pytest.raises(UndecodableData):
        abi.decode_event([abi.topic("E")], encode(["bytes"], [b"x"])[:-1] + b"\x01")


def test_every_event_we_build_exists_in_the_contracts() -> None:
    defined = {name for contract in NAMES for name in interface(contract).events}
    assert set(BUILDERS) <= defined


def test_the_hash_of_a_request_is_the_one_of_the_contract() -> None:
    params = InferenceParams(max_tokens=1, stop=("a",))
    types = "(uint32,uint32,uint32,uint32,uint32,uint32,uint64,string[],string[],string)"
    from eth_utils.crypto import keccak

    assert request_hash(b"x", params) == keccak(
        encode(["bytes", types], [b"x", (1, 0, 0, 0, 0, 0, 0, ["a"], [], "")])
    )
    assert request_hash(b"x", params) != request_hash(b"y", params)
    strange = InferenceParams(max_tokens=1, stop=(b"\xff".decode(errors="surrogateescape"),))
    as_bytes = types.replace("string", "bytes")
    assert request_hash(b"x", strange) == keccak(
        encode(["bytes", as_bytes], [b"x", (1, 0, 0, 0, 0, 0, 0, [b"\xff"], [], b"")])
    )


def test_errors_of_the_compiler_are_known() -> None:
    assert decode_error({}, bytes.fromhex("4e487b71") + (17).to_bytes(32, "big")) == ("Panic", {"code": 17})
    assert decode_error({}, bytes.fromhex("08c379a0") + encode(["string"], ["no"])) == (
        "Error",
        {"message": "no"},
    )


@given(st.binary(max_size=100))
def test_any_revert_data_is_an_error_or_none(data: bytes) -> None:
    for selector in ("", "08c379a0", "4e487b71"):
        decode_error({}, bytes.fromhex(selector) + data)


def test_a_function_defined_twice_is_refused() -> None:
    item = {"type": "function", "name": "f", "inputs": [], "outputs": []}
    with pytest.raises(ValueError, match="twice"):
        Interface([item, item])
