"""Results, certificates and supplements as the gateway takes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from consensus import bls
from consensus.messages import Certificate
from consensus.types import FinishReason, InstanceId, Result, ResultStatus
from p2pavs.chain.abi import UndecodableData
from p2pavs.chain.records import AbiTuple


def result_to_abi(result: Result) -> AbiTuple:
    """Return a result as the contracts' struct."""
    return (
        int(result.status),
        result.output_hash,
        result.output_length,
        result.token_count,
        int(result.finish_reason),
        result.trace_root,
        result.trace_commit,
        result.runtime_profile,
    )


def result_from_abi(value: Mapping[str, Any]) -> Result:
    """Convert a decoded struct. Raises ``UndecodableData`` on a status or reason unknown to this version."""
    try:
        status, reason = ResultStatus(value["status"]), FinishReason(value["finishReason"])
    except ValueError as error:
        raise UndecodableData(str(error)) from None
    return Result(
        status=status,
        output_hash=value["outputHash"],
        output_length=value["outputLength"],
        token_count=value["tokenCount"],
        finish_reason=reason,
        trace_root=value["traceRoot"],
        trace_commit=value["traceCommit"],
        runtime_profile=value["runtimeProfile"],
    )


@dataclass(frozen=True, slots=True)
class ChainCertificate:
    """A certificate as the gateway takes it: signers as a bitmap, the signature uncompressed."""

    attempt: int
    round: int
    result: Result
    bitmap: int  # bit i = operator i of the set, or seat i of the committee
    hints: bytes  # see ``Committee.bitmap_and_hints``
    signature: bytes  # 256 bytes

    def to_abi(self) -> AbiTuple:
        """Return the struct for the ABI encoder."""
        return (
            self.attempt,
            self.round,
            result_to_abi(self.result),
            self.bitmap,
            self.hints,
            self.signature,
        )

    @classmethod
    def from_abi(cls, value: Mapping[str, Any]) -> ChainCertificate:
        """From a decoded struct. Raises ``UndecodableData``."""
        return cls(
            attempt=value["attempt"],
            round=value["round"],
            result=result_from_abi(value["result"]),
            bitmap=value["bitmap"],
            hints=value["hints"],
            signature=value["signature"],
        )

    @classmethod
    def build(cls, certificate: Certificate, bitmap: int, hints: bytes) -> ChainCertificate:
        """From the members' form; the bitmap and hints are those of ``Committee.bitmap_and_hints``.

        Raises ``bls.BlsError`` where the signature is not a point.
        """
        return cls(
            attempt=certificate.instance.attempt,
            round=certificate.round,
            result=certificate.result,
            bitmap=bitmap,
            hints=hints,
            signature=bls.signature_to_evm(certificate.signature),
        )

    def to_certificate(self, task_id: int, committee_size: int) -> Certificate:
        """Return the members' form. Signers come from the bitmap, or with drawn seats from the hints.

        Nothing is verified here. Raises ``bls.BlsError`` where the signature is not a point.
        """
        return Certificate(
            instance=InstanceId(task_id, self.attempt),
            round=self.round,
            result=self.result,
            signers=self._signers(committee_size),
            signature=bls.signature_from_evm(self.signature),
        )

    def _signers(self, committee_size: int) -> tuple[int, ...]:
        if committee_size:
            seats = range(0, 2 * self.bitmap.bit_count(), 2)
            return tuple(sorted({int.from_bytes(self.hints[at : at + 2], "big") for at in seats}))
        return tuple(bit for bit in range(self.bitmap.bit_length()) if self.bitmap >> bit & 1)


@dataclass(frozen=True, slots=True)
class Supplement:
    """Precommits for a certified value that its certificate left out, as the gateway takes them."""

    round: int
    value_id: bytes
    bitmap: int  # of those who are added
    hints: bytes
    signature: bytes  # 256 bytes, the sum of theirs

    def to_abi(self) -> AbiTuple:
        """Return the struct for the ABI encoder."""
        return (self.round, self.value_id, self.bitmap, self.hints, self.signature)
