"""Messages and logged inputs as bytes."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consensus import encoding, wire
from consensus.effects import (
    ExecutionTimeout,
    Input,
    OwnResult,
    RebroadcastDue,
    Received,
    TimerFired,
    Verified,
)
from consensus.messages import (
    Certificate,
    Commit,
    DivergenceReport,
    Message,
    OutputChunk,
    Proposal,
    RoundCertificate,
    Vote,
    VoteGroup,
    WorkTag,
)
from consensus.types import (
    MAX_OUTPUT_BYTES,
    MAX_ROUND,
    FinishReason,
    InstanceId,
    Kind,
    Result,
    ResultStatus,
    Step,
    ValueId,
)
from consensus.wire import (
    MAX_MESSAGE_BYTES,
    WireError,
    decode_input,
    decode_message,
    encode_input,
    encode_message,
)

HASH = st.binary(min_size=32, max_size=32)
VALUE = HASH.map(ValueId)
SIGNATURE = st.binary(min_size=96, max_size=96)
OUTPUT = st.binary(max_size=64)
ROUND = st.integers(0, MAX_ROUND)
SENDER = st.integers(0, 255)
INSTANCE = st.builds(InstanceId, st.integers(0, 2**64 - 1), st.integers(0, 2**16 - 1))
VOTE_KIND = st.sampled_from([Kind.PREVOTE, Kind.PRECOMMIT])
SIGNERS = st.sets(SENDER, min_size=1).map(lambda found: tuple(sorted(found)))
RESULT = st.builds(
    Result,
    status=st.sampled_from(ResultStatus),
    output_hash=HASH,
    output_length=st.integers(0, MAX_OUTPUT_BYTES),
    token_count=st.integers(0, 2**32 - 1),
    finish_reason=st.sampled_from(FinishReason),
    trace_root=HASH,
    trace_commit=HASH,
    runtime_profile=HASH,
)
PROPOSALS = st.builds(
    Proposal, INSTANCE, ROUND, st.integers(-1, MAX_ROUND), RESULT, OUTPUT, SENDER, SIGNATURE
)
WORK = st.none() | st.builds(WorkTag, HASH, SIGNATURE)
VOTES = st.builds(Vote, INSTANCE, VOTE_KIND, ROUND, VALUE, SENDER, SIGNATURE, WORK)
GROUPS = st.lists(st.builds(VoteGroup, VALUE, SIGNERS, SIGNATURE), min_size=1, max_size=4).map(tuple)
ROUND_CERTIFICATES = st.builds(RoundCertificate, INSTANCE, VOTE_KIND, ROUND, GROUPS)
CERTIFICATES = st.builds(Certificate, INSTANCE, ROUND, RESULT, SIGNERS, SIGNATURE)
COMMITS = st.builds(Commit, CERTIFICATES, OUTPUT)
REPORTS = st.builds(DivergenceReport, INSTANCE, RESULT, st.integers(-1, 2**32 - 1), SENDER, SIGNATURE)
CHUNKS = st.builds(
    OutputChunk,
    INSTANCE,
    st.integers(0, wire.MAX_CHUNKS - 1),
    st.lists(st.integers(0, 2**31 - 1), min_size=1, max_size=32).map(tuple),
    HASH,
    SENDER,
)
MESSAGES = PROPOSALS | VOTES | ROUND_CERTIFICATES | COMMITS | REPORTS | CHUNKS
INPUTS = (
    st.builds(OwnResult, RESULT, OUTPUT, HASH)
    | st.builds(ExecutionTimeout)
    | st.builds(TimerFired, st.sampled_from([Step.PROPOSE, Step.PREVOTE, Step.PRECOMMIT]), ROUND)
    | st.builds(RebroadcastDue)
    | (PROPOSALS | VOTES | ROUND_CERTIFICATES | COMMITS).map(lambda message: Received(Verified(message)))
)


@given(MESSAGES)
def test_messages_turn_back(message: Message) -> None:
    decoded = decode_message(encode_message(message))
    assert decoded == message
    assert type(decoded) is type(message)


@given(INPUTS)
def test_inputs_turn_back(entry: Input) -> None:
    decoded = decode_input(encode_input(entry))
    assert decoded == entry
    assert type(decoded) is type(entry)


@given(VOTES | REPORTS)
def test_enumerations_come_back_as_such(message: Vote | DivergenceReport) -> None:
    decoded = decode_message(encode_message(message))
    if isinstance(decoded, Vote):
        assert type(decoded.kind) is Kind
    else:
        assert isinstance(decoded, DivergenceReport)
        assert type(decoded.own.status) is ResultStatus
        assert type(decoded.own.finish_reason) is FinishReason


@settings(max_examples=400)
@given(st.binary(max_size=300))
def test_noise_is_refused(data: bytes) -> None:
    for read in (decode_message, decode_input):
        with pytest.raises(WireError):
            read(data)


@settings(max_examples=400)
@given(MESSAGES, st.data())
def test_damaged_messages_are_refused_or_are_others(message: Message, data: st.DataObject) -> None:
    encoded = bytearray(encode_message(message))
    at = data.draw(st.integers(0, len(encoded) - 1))
    encoded[at] ^= data.draw(st.integers(1, 255))
    try:
        other = decode_message(bytes(encoded))
    except WireError:
        return
    # Nothing is malleable: other bytes are another message, and its only encoding.
    assert other != message
    assert encode_message(other) == encoded


@settings(max_examples=60)
@given(MESSAGES, st.data())
def test_cut_and_lengthened_messages_are_refused(message: Message, data: st.DataObject) -> None:
    encoded = encode_message(message)
    cut = data.draw(st.integers(0, len(encoded) - 1))
    for bad in (encoded[:cut], encoded + b"\0"):
        with pytest.raises(WireError):
            decode_message(bad)


def vote() -> Vote:
    return Vote(InstanceId(1, 0), Kind.PREVOTE, 0, ValueId(bytes(32)), 3, bytes(96))


def fields(message: Message) -> list[encoding.CborValue]:
    decoded = encoding.decode(encode_message(message), MAX_MESSAGE_BYTES)
    assert isinstance(decoded, tuple)
    return list(decoded)


@pytest.mark.parametrize(
    ("position", "bad"),
    [
        (0, 2),  # version
        (1, 0),  # type
        (1, 6),
        (1, True),
        (2, -1),  # task
        (2, b"\1"),
        (3, 2**16),  # attempt
        (4, Kind.PROPOSAL.value),  # kind
        (4, Kind.WORK_TAG.value),
        (4, 99),
        (5, -1),  # round
        (5, 2**31),
        (5, "0"),
        (6, bytes(31)),  # value
        (6, None),
        (7, 256),  # sender
        (8, bytes(95)),  # signature
        (8, "x" * 96),
        (9, ()),  # work tag
        (9, (bytes(32),)),
        (9, (bytes(32), bytes(95))),
        (9, (bytes(32), bytes(96), 0)),
        (9, False),
    ],
)
def test_wrong_fields_are_refused(position: int, bad: encoding.CborValue) -> None:
    changed = fields(vote())
    changed[position] = bad
    with pytest.raises(WireError):
        decode_message(encoding.encode(changed))


def test_missing_and_additional_fields_are_refused() -> None:
    whole = fields(vote())
    for bad in (whole[:-1], [*whole, 0], [], whole[:1], 7, {0: 1}):
        with pytest.raises(WireError):
            decode_message(encoding.encode(bad))


@pytest.mark.parametrize("bitmap", [b"", b"\0", b"\0\1", bytes(32), b"\1" + bytes(32)])
def test_bitmaps_have_one_form(bitmap: bytes) -> None:
    certificate = RoundCertificate(
        InstanceId(1, 0), Kind.PREVOTE, 0, (VoteGroup(ValueId(bytes(32)), (0,), bytes(96)),)
    )
    changed = fields(certificate)
    changed[6] = ((bytes(32), bitmap, bytes(96)),)
    with pytest.raises(WireError):
        decode_message(encoding.encode(changed))


@pytest.mark.parametrize("count", [0, 257])
def test_the_number_of_groups_is_bounded(count: int) -> None:
    group = (bytes(32), b"\1", bytes(96))
    data = encoding.encode([1, wire.ROUND_CERTIFICATE, 1, 0, 2, 0, (group,) * count])
    with pytest.raises(WireError):
        decode_message(data)


@pytest.mark.parametrize(
    "change",
    [
        {"sender": -1},
        {"sender": 256},
        {"round": -1},
        {"signature": b""},
        {"kind": Kind.OUTPUT},
        {"instance": InstanceId(2**64, 0)},
        {"value_id": ValueId(b"")},
    ],
)
def test_what_no_peer_would_take_is_not_written(change: dict[str, object]) -> None:
    with pytest.raises(WireError):
        encode_message(dataclasses.replace(vote(), **change))


@pytest.mark.parametrize("signers", [(), (2, 1), (1, 1), (256,), (-1,)])
def test_signers_that_are_no_ascending_set_are_not_written(signers: tuple[int, ...]) -> None:
    group = VoteGroup(ValueId(bytes(32)), signers, bytes(96))
    with pytest.raises(WireError):
        encode_message(RoundCertificate(InstanceId(1, 0), Kind.PREVOTE, 0, (group,)))


def test_the_largest_messages_fit() -> None:
    result = Result(
        ResultStatus.COMPLETED,
        bytes(32),
        MAX_OUTPUT_BYTES,
        2**32 - 1,
        FinishReason.LENGTH,
        bytes(32),
        bytes(32),
        bytes(32),
    )
    output, everyone, instance = bytes(MAX_OUTPUT_BYTES), tuple(range(256)), InstanceId(2**64 - 1, 2**16 - 1)
    groups = tuple(VoteGroup(ValueId(bytes(31) + bytes([i])), everyone, bytes(96)) for i in range(256))
    largest: list[Message] = [
        Proposal(instance, MAX_ROUND, MAX_ROUND, result, output, 255, bytes(96)),
        Vote(
            instance,
            Kind.PREVOTE,
            MAX_ROUND,
            ValueId(bytes(32)),
            255,
            bytes(96),
            WorkTag(bytes(32), bytes(96)),
        ),
        RoundCertificate(instance, Kind.PRECOMMIT, MAX_ROUND, groups),
        Commit(Certificate(instance, MAX_ROUND, result, everyone, bytes(96)), output),
        DivergenceReport(instance, result, 2**32 - 1, 255, bytes(96)),
        OutputChunk(instance, 127, (2**31 - 1,) * 32, bytes(32), 255),
    ]
    for message in largest:
        assert len(encode_message(message)) <= MAX_MESSAGE_BYTES
        if not isinstance(message, DivergenceReport | OutputChunk):
            encode_input(Received(Verified(message)))


def test_each_type_has_its_own_cap() -> None:
    oversized = fields(vote())
    oversized[8] = bytes(wire.MAX_BYTES[wire.VOTE])
    with pytest.raises(WireError, match="more than a message of type 2"):
        decode_message(encoding.encode(oversized))


def test_reports_and_chunks_are_no_inputs() -> None:
    result = Result(
        ResultStatus.REJECTED, bytes(32), 0, 0, FinishReason.INPUT_TOO_LONG, bytes(32), bytes(32), bytes(32)
    )
    report = DivergenceReport(InstanceId(1, 0), result, -1, 0, bytes(96))
    for message in (report, CHUNK):
        with pytest.raises(WireError):
            decode_input(encoding.encode([1, wire.RECEIVED, fields(message)[1:]]))


CHUNK = OutputChunk(InstanceId(1, 0), 3, (1, 2), bytes(32), 0)


@pytest.mark.parametrize(
    ("position", "bad"),
    [
        (4, -1),
        (4, wire.MAX_CHUNKS),
        (5, []),
        (5, [1] * 33),
        (5, [-1]),
        (5, [2**31]),
        (5, [True]),
        (5, b"\1"),
        (6, bytes(31)),
        (7, 256),
    ],
)
def test_wrong_chunks_are_refused(position: int, bad: encoding.CborValue) -> None:
    changed = fields(CHUNK)
    assert decode_message(encoding.encode(changed)) == CHUNK
    changed[position] = bad
    with pytest.raises(WireError):
        decode_message(encoding.encode(changed))
