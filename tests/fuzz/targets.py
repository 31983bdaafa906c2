"""Every decoder of what a peer, the chain, a worker or a file says, with valid samples to start from."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import cbor2
from nacl.signing import SigningKey

from consensus import encoding, wire
from consensus.bls import SCHEME
from consensus.effects import ExecutionTimeout, Input, OwnResult, RebroadcastDue, TimerFired
from consensus.messages import Message
from consensus.types import Kind, Step
from inference import wire as worker_wire
from inference.errors import DamagedModel, InferenceError
from inference.gguf_header import read_header
from inference.request import FinishReason, Generation, Request, Status
from p2pavs import catch_up, certificate_sync
from p2pavs.announcement import Announcement
from p2pavs.chain.abi import UndecodableData
from p2pavs.chain.contracts import interface
from p2pavs.chain.records import InferenceParams, InferenceRequest
from p2pavs.network import InvalidRecord, exchange
from p2pavs.network.addresses import parse_address
from p2pavs.network.mends.first_reads import take_prefixed
from p2pavs.network.neighbours import decode_txt, encode_txt
from p2pavs.network.peers_file import load_peers, save_peers
from p2pavs.network.records import make_record, read_record
from tests.fuzz.files import of_files
from tests.fuzz.target import Target
from tests.unit.consensus import factory


def _messages() -> tuple[bytes, ...]:
    of = factory.committee()
    value = factory.vote(of, 0).value_id
    made: tuple[Message, ...] = (
        factory.proposal(of),
        factory.vote(of, 0),
        factory.vote(of, 1, Kind.PRECOMMIT),
        factory.round_certificate(of, [(value, (0, 1, 2))]),
        factory.commit(of, (0, 1, 2)),
        factory.divergence(of, 1),
    )
    return tuple(map(wire.encode_message, made))


def _inputs() -> tuple[bytes, ...]:
    own = OwnResult(factory.result(), factory.OUTPUT, factory.SECRET)
    made: tuple[Input, ...] = (own, ExecutionTimeout(), TimerFired(Step.PREVOTE, 3), RebroadcastDue())
    return tuple(map(wire.encode_input, made))


def _record() -> bytes:
    return make_record(SigningKey(b"\1" * 32), 5, ("/ip4/127.0.0.1/tcp/4001",), b"payload").envelope


def _on_disk(read: Callable[[Path], object], size: int = 0) -> Callable[[bytes], object]:
    """A file of the input, filled up with zeros to so many bytes."""
    directory = Path(tempfile.mkdtemp(prefix="p2pavs-fuzz-"))
    atexit.register(shutil.rmtree, directory, ignore_errors=True)

    def decode(data: bytes) -> object:
        path = directory / "input"
        path.write_bytes(data)
        os.truncate(path, max(size, len(data)))
        return read(path)

    return decode


def _peers_file() -> bytes:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "peers.cbor"
        save_peers(path, [read_record(_record())])
        return path.read_bytes()


def _packet_errors() -> tuple[type[BaseException], ...]:
    from libp2p.exceptions import ParseError  # not before p2pavs.network, which silences its warnings
    from libp2p.io.exceptions import MessageTooLarge

    return ParseError, MessageTooLarge


def _prefixed(data: bytes) -> object:
    buffer, taken = bytearray(data), []
    while (one := take_prefixed(buffer, 1000)) is not None:
        taken.append(one)
    return taken


def _points(data: bytes) -> object:
    """Keys and signatures as they come off the wire: true or false, never an exception."""
    return SCHEME.fast_aggregate_verify([data[:48]], data[48:80], data[80:176])


def _request(data: bytes) -> object:
    return worker_wire.request_from_wire(worker_wire.decode(data))


def _answer(data: bytes) -> object:
    return worker_wire.generation_from_wire(worker_wire.decode(data))


def _generation() -> bytes:
    made = Generation(
        status=Status.COMPLETED,
        output=b"yes",
        token_ids=(3, 4),
        finish_reason=FinishReason.END_OF_TEXT,
        trace_root=bytes(32),
        trace_secret=b"\1" * 32,
        chunk_digests=(b"\2" * 32,),
        prompt_tokens=5,
        logits_digests=(b"\3" * 32, b"\4" * 32),
    )
    return worker_wire.encode(worker_wire.generation_to_wire(made))[4:]


_HEARD = f"/ip4/127.0.0.1/tcp/4001/p2p/{read_record(_record()).peer_id}"
_MODEL = Path(__file__).resolve().parents[2] / "inference" / "models" / "micro.gguf"
_PACKETS = b"\x03abc\x80\x01" + bytes(128)


def _address(data: bytes) -> object:
    return parse_address(data.decode(errors="replace"))


@cache
def targets() -> Sequence[Target]:
    """All of them."""
    messages, record = _messages(), _record()
    own = read_record(record)
    answer = encoding.encode(list(messages[:3]))
    model = _MODEL.read_bytes()
    asked = InferenceRequest(bytes(32), b"text", InferenceParams(max_tokens=8, choices=("yes", "no")), 1)
    call = interface("TaskGateway").encode("requestInference", asked.to_abi())
    request = worker_wire.encode(
        worker_wire.request_to_wire(Request(input=b"prompt", max_tokens=8, task_seed=b"\1" * 32))
    )[4:]
    proof = factory.key(0) + b"\2" * 32 + bytes(factory.vote(factory.committee(), 0).signature)
    return (
        Target("cbor", _cbor, (encoding.EncodingError,), messages, _encode_cbor),
        Target("message", wire.decode_message, (wire.WireError,), messages, wire.encode_message),  # type: ignore[arg-type]
        Target("logged input", wire.decode_input, (wire.WireError,), _inputs(), wire.encode_input),  # type: ignore[arg-type]
        Target("peer record", read_record, (InvalidRecord,), (record,)),
        Target(
            "peer exchange: request",
            exchange.decode_request,
            (InvalidRecord,),
            (exchange.encode_request(own, [own]),),
        ),
        Target(
            "peer exchange: answer",
            exchange.decode_response,
            (InvalidRecord,),
            (exchange.encode_response(own, [own], {}),),
        ),
        Target("peers file", _on_disk(load_peers), (), (_peers_file(),)),
        Target("instances: answer", catch_up._parse, (encoding.EncodingError, wire.WireError), (answer,)),
        Target(
            "instances: request",
            lambda data: list(catch_up._instances(encoding.decode(data, catch_up.MAX_REQUEST))),
            (encoding.EncodingError,),
            (encoding.encode([[1, 0], [2, 1]]),),
        ),
        Target(
            "certificates: answer",
            certificate_sync._parse,
            (encoding.EncodingError, wire.WireError),
            (encoding.encode([messages[4]]),),
        ),
        Target(
            "announcement",
            Announcement.from_bytes,
            (),
            (Announcement(b"\1" * 20, (b"\2" * 32,)).to_bytes(),),
        ),
        Target("gossip packets", _prefixed, _packet_errors(), (_PACKETS,)),
        Target("addresses", _address, (ValueError,), _addresses()),
        Target("keys and signatures", _points, (), (proof,)),
        Target("calldata", interface("TaskGateway").decode_input, (UndecodableData,), (call,)),
        Target("worker: request", _request, (InferenceError,), (request,)),
        Target("worker: answer", _answer, (InferenceError,), (_generation(),)),
        Target("model header", _on_disk(read_header, len(model)), (DamagedModel,), (model[:20_000],)),
        Target("cbor of others", _lenient, (InvalidRecord,), (cbor2.dumps([b"x", []]),)),
        Target("mDNS text", decode_txt, (), (encode_txt([_HEARD, _HEARD]),)),
        *of_files(),
    )


def _addresses() -> tuple[bytes, ...]:
    return (b"/ip4/127.0.0.1/tcp/4001", b"/dns4/node.example.org/tcp/4001", b"/ip6/::1/tcp/1")


def _cbor(data: bytes) -> object:
    return encoding.decode(data, 100_000)


def _encode_cbor(value: object) -> bytes:
    return encoding.encode(value)  # type: ignore[arg-type]


def _lenient(data: bytes) -> object:
    return exchange._decode(data, 10_000)
