"""Messages and logged inputs as bytes: each a CBOR array ``[version, type, fields...]``.

Decoding checks every length, range and enumeration, so that what comes out is well-formed; whether it is
true is for ``verification.py``. Signers travel as a bitmap (big-endian, no leading zero byte), which cannot
hold a member twice.
"""

from __future__ import annotations

from typing import Final, assert_never

from consensus import encoding
from consensus.effects import (
    ExecutionTimeout,
    Input,
    OwnResult,
    RebroadcastDue,
    Received,
    TimerFired,
    Verified,
)
from consensus.encoding import CborValue
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
    CHUNK_TOKENS,
    MAX_OPERATORS,
    MAX_OUTPUT_BYTES,
    MAX_ROUND,
    MAX_TOKENS,
    NO_ROUND,
    FinishReason,
    InstanceId,
    Kind,
    Result,
    ResultStatus,
    Step,
    ValueId,
)
from consensus.wire_reader import Reader, UnknownMessage, WireError

__all__ = [
    "MAX_MESSAGE_BYTES",
    "UnknownMessage",
    "WireError",
    "decode_input",
    "decode_message",
    "encode_input",
    "encode_message",
]

VERSION: Final = 1
PROPOSAL, VOTE, ROUND_CERTIFICATE, COMMIT, DIVERGENCE_REPORT, OUTPUT_CHUNK = range(1, 7)
OWN_RESULT, EXECUTION_TIMEOUT, TIMER_FIRED, REBROADCAST_DUE, RECEIVED = range(1, 6)

MAX_GROUPS: Final = MAX_OPERATORS  # signers of groups are distinct, and no group is empty
_FIXED_BYTES: Final = 512  # more than all fields of a message besides its output and groups
_GROUP_BYTES: Final = 1 + 34 + 34 + 98
MAX_BYTES: Final = {
    PROPOSAL: _FIXED_BYTES + MAX_OUTPUT_BYTES,
    VOTE: _FIXED_BYTES,
    ROUND_CERTIFICATE: _FIXED_BYTES + MAX_GROUPS * _GROUP_BYTES,
    COMMIT: _FIXED_BYTES + MAX_OUTPUT_BYTES,
    DIVERGENCE_REPORT: _FIXED_BYTES,
    OUTPUT_CHUNK: _FIXED_BYTES,
}
MAX_MESSAGE_BYTES: Final = max(MAX_BYTES.values())
MAX_INPUT_RECORD_BYTES: Final = MAX_MESSAGE_BYTES + _FIXED_BYTES

MAX_CHUNKS: Final = MAX_TOKENS // CHUNK_TOKENS

_UINT16 = (1 << 16) - 1
_INT31 = (1 << 31) - 1
_UINT32 = (1 << 32) - 1
_UINT64 = (1 << 64) - 1


# --- out --------------------------------------------------------------------------------------------------


def encode_message(message: Message) -> bytes:
    """Return a message's bytes; raises ``WireError`` if it is not well-formed."""
    data = _encode(_message_out(message))
    # What leaves must be what a peer would take: a message that only we can read is a bug here, not there.
    if decode_message(data) != message:
        raise WireError(f"this {type(message).__name__} does not survive its own encoding")
    return data


def encode_input(entry: Input) -> bytes:
    """Return an input's bytes for the write-ahead log. They hold the trace secret: not for the network."""
    match entry:
        case OwnResult():
            fields: list[CborValue] = [
                OWN_RESULT,
                _result_out(entry.result),
                entry.output,
                entry.trace_secret,
            ]
        case ExecutionTimeout():
            fields = [EXECUTION_TIMEOUT]
        case TimerFired():
            fields = [TIMER_FIRED, int(entry.step), entry.round]
        case RebroadcastDue():
            fields = [REBROADCAST_DUE]
        case Received():
            fields = [RECEIVED, _message_out(entry.message.message)]
        case _:
            assert_never(entry)
    data = _encode(fields)
    if decode_input(data) != entry:
        raise WireError(f"this {type(entry).__name__} does not survive its own encoding")
    return data


def _encode(fields: list[CborValue]) -> bytes:
    try:
        return encoding.encode([VERSION, *fields])
    except encoding.EncodingError as error:
        raise WireError(str(error)) from error


def _instance_out(instance: InstanceId) -> list[CborValue]:
    return [instance.task_id, instance.attempt]


def _signers_out(signers: tuple[int, ...]) -> bytes:
    if any(not 0 <= index < MAX_OPERATORS for index in signers):
        raise WireError(f"a signer's index is not below {MAX_OPERATORS}")
    bitmap = sum(1 << index for index in set(signers))
    return bitmap.to_bytes((bitmap.bit_length() + 7) // 8, "big")


def _result_out(result: Result) -> list[CborValue]:
    return [
        int(result.status),
        result.output_hash,
        result.output_length,
        result.token_count,
        int(result.finish_reason),
        result.trace_root,
        result.trace_commit,
        result.runtime_profile,
    ]


def _message_out(message: Message) -> list[CborValue]:
    match message:
        case Proposal():
            fields: list[CborValue] = [
                PROPOSAL,
                *_instance_out(message.instance),
                message.round,
                message.pol_round,
                _result_out(message.result),
                message.output,
                message.sender,
                message.signature,
            ]
        case Vote():
            work = message.work
            fields = [
                VOTE,
                *_instance_out(message.instance),
                int(message.kind),
                message.round,
                bytes(message.value_id),
                message.sender,
                message.signature,
                None if work is None else [work.tag, work.signature],
            ]
        case RoundCertificate():
            fields = [
                ROUND_CERTIFICATE,
                *_instance_out(message.instance),
                int(message.kind),
                message.round,
                [[bytes(g.value_id), _signers_out(g.signers), g.signature] for g in message.groups],
            ]
        case Commit():
            certificate = message.certificate
            fields = [
                COMMIT,
                *_instance_out(certificate.instance),
                certificate.round,
                _result_out(certificate.result),
                _signers_out(certificate.signers),
                certificate.signature,
                message.output,
            ]
        case DivergenceReport():
            fields = [
                DIVERGENCE_REPORT,
                *_instance_out(message.instance),
                _result_out(message.own),
                message.first_chunk,
                message.sender,
                message.signature,
            ]
        case OutputChunk():
            fields = [
                OUTPUT_CHUNK,
                *_instance_out(message.instance),
                message.index,
                list(message.tokens),
                message.digest,
                message.sender,
            ]
        case _:
            assert_never(message)
    return fields


# --- in ---------------------------------------------------------------------------------------------------


def decode_message(data: bytes) -> Message:
    """Return the message in these bytes; raises ``WireError``, and nothing else, if there is none."""
    reader = _open(data, MAX_MESSAGE_BYTES)
    code = reader.integer("type", PROPOSAL, OUTPUT_CHUNK)
    if len(data) > MAX_BYTES[code]:
        raise WireError(f"{len(data)} bytes are more than a message of type {code} can have")
    return _message_in(code, reader)


def decode_input(data: bytes) -> Input:
    """Return the logged input in these bytes; raises ``WireError``, and nothing else, if there is none.

    The log is the node's own: a received message in it was verified before it was written.
    """
    reader = _open(data, MAX_INPUT_RECORD_BYTES)
    entry: Input
    match reader.integer("type", OWN_RESULT, RECEIVED):
        case 1:
            entry = OwnResult(
                _result_in(reader),
                reader.data("output", 0, MAX_OUTPUT_BYTES),
                reader.data("trace secret", 32),
            )
        case 2:
            entry = ExecutionTimeout()
        case 3:
            step = Step(reader.integer("step", Step.PROPOSE, Step.PRECOMMIT))
            entry = TimerFired(step, reader.integer("round", 0, MAX_ROUND))
        case 4:
            entry = RebroadcastDue()
        case _:
            inner = reader.array("message")
            entry = _received(_message_in(inner.integer("type", PROPOSAL, COMMIT), inner))
    reader.end()
    return entry


def _received(message: Message) -> Received:
    match message:
        case Proposal():
            return Received(Verified(message))
        case Vote():
            return Received(Verified(message))
        case RoundCertificate():
            return Received(Verified(message))
        case Commit():
            return Received(Verified(message))
        case DivergenceReport() | OutputChunk():
            raise WireError("only proposals, votes, round certificates and commits are inputs")
        case _:
            assert_never(message)


def _open(data: bytes, max_bytes: int) -> Reader:
    try:
        value = encoding.decode(data, max_bytes)
    except encoding.EncodingError as error:
        raise WireError(str(error)) from error
    match value:
        case (int(version), *_) if version > VERSION:
            raise UnknownMessage(f"it has version {version}")
        case (int(), int(code), *_) if code > OUTPUT_CHUNK:
            raise UnknownMessage(f"it is of type {code}")
    reader = Reader(value, "message")
    reader.integer("version", VERSION, VERSION)
    return reader


def _instance_in(reader: Reader) -> InstanceId:
    return InstanceId(reader.integer("task", 0, _UINT64), reader.integer("attempt", 0, _UINT16))


def _signers_in(reader: Reader) -> tuple[int, ...]:
    raw = reader.data("signers", 1, MAX_OPERATORS // 8)
    if raw[0] == 0:
        raise WireError("the signers' bitmap begins with a zero byte")
    bitmap = int.from_bytes(raw, "big")
    return tuple(index for index in range(bitmap.bit_length()) if bitmap >> index & 1)


def _signature_in(reader: Reader) -> bytes:
    return reader.data("signature", 96)


def _sender_in(reader: Reader) -> int:
    return reader.integer("sender", 0, MAX_OPERATORS - 1)


def _round_in(reader: Reader) -> int:
    return reader.integer("round", 0, MAX_ROUND)


def _vote_kind_in(reader: Reader) -> Kind:
    return Kind(reader.integer("kind", Kind.PREVOTE, Kind.PRECOMMIT))


def _result_in(outer: Reader) -> Result:
    reader = outer.array("result")
    result = Result(
        status=ResultStatus(reader.integer("status", min(ResultStatus), max(ResultStatus))),
        output_hash=reader.data("output hash", 32),
        output_length=reader.integer("output length", 0, MAX_OUTPUT_BYTES),
        token_count=reader.integer("token count", 0, _UINT32),
        finish_reason=FinishReason(reader.integer("finish reason", min(FinishReason), max(FinishReason))),
        trace_root=reader.data("trace root", 32),
        trace_commit=reader.data("trace commitment", 32),
        runtime_profile=reader.data("runtime profile", 32),
    )
    reader.end()
    return result


def _work_in(outer: Reader) -> WorkTag | None:
    reader = outer.optional_array("work tag")
    if reader is None:
        return None
    work = WorkTag(reader.data("tag", 32), _signature_in(reader))
    reader.end()
    return work


def _group_in(reader: Reader) -> VoteGroup:
    group = VoteGroup(ValueId(reader.data("value", 32)), _signers_in(reader), _signature_in(reader))
    reader.end()
    return group


def _message_in(code: int, reader: Reader) -> Message:
    instance = _instance_in(reader)
    message: Message
    match code:
        case 1:
            message = Proposal(
                instance=instance,
                round=_round_in(reader),
                pol_round=reader.integer("pol round", NO_ROUND, MAX_ROUND),
                result=_result_in(reader),
                output=reader.data("output", 0, MAX_OUTPUT_BYTES),
                sender=_sender_in(reader),
                signature=_signature_in(reader),
            )
        case 2:
            message = Vote(
                instance=instance,
                kind=_vote_kind_in(reader),
                round=_round_in(reader),
                value_id=ValueId(reader.data("value", 32)),
                sender=_sender_in(reader),
                signature=_signature_in(reader),
                work=_work_in(reader),
            )
        case 3:
            message = RoundCertificate(
                instance=instance,
                kind=_vote_kind_in(reader),
                round=_round_in(reader),
                groups=tuple(_group_in(group) for group in reader.arrays("groups", MAX_GROUPS)),
            )
        case 4:
            certificate = Certificate(
                instance=instance,
                round=_round_in(reader),
                result=_result_in(reader),
                signers=_signers_in(reader),
                signature=_signature_in(reader),
            )
            message = Commit(certificate, reader.data("output", 0, MAX_OUTPUT_BYTES))
        case 5:
            message = DivergenceReport(
                instance=instance,
                own=_result_in(reader),
                first_chunk=reader.integer("first chunk", -1, _UINT32),
                sender=_sender_in(reader),
                signature=_signature_in(reader),
            )
        case _:
            message = OutputChunk(
                instance=instance,
                index=reader.integer("index", 0, MAX_CHUNKS - 1),
                tokens=reader.integers("tokens", CHUNK_TOKENS, 0, _INT31),
                digest=reader.data("digest", 32),
                sender=_sender_in(reader),
            )
    reader.end()
    return message
