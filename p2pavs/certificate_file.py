"""A certificate as a file: all that is needed to check it with nothing but the public rules.

The file holds the task's header, the epoch's operators, the result, the signers and the output. Whoever has
it can recompute the committee, the statement and the aggregate check. One thing it cannot prove by itself:
that its operator set is the one the chain froze. ``set_root`` names that set; compare it with the chain, or
with a root you trust.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from consensus.certificate import CertificateError, verify_certificate
from consensus.committee import Committee, CommitteeError, OperatorSet, OperatorSetError
from consensus.encoding import EncodingError
from consensus.hashing import keccak256
from consensus.messages import Certificate, Commit
from consensus.signing import value_id
from consensus.types import Domain, Scope
from consensus.wire import WireError, decode_message, encode_message
from p2pavs import strict_json
from p2pavs.chain.contracts import Chain
from p2pavs.chain.reader import CertifiedTask, read_certificate, read_operator_set
from p2pavs.chain.records import TaskHeader
from p2pavs.errors import P2pavsError
from p2pavs.exit_codes import ExitCode

FORMAT = "p2pavs-certificate/1"
MAX_FILE_BYTES = 1_000_000
FIELDS = frozenset(
    (
        "format",
        "chainId",
        "gateway",
        "epoch",
        "taskHash",
        "taskSeed",
        "committeeSize",
        "operators",
        "setRoot",
        "commit",
    )
)


class BadCertificate(P2pavsError):
    """The certificate does not hold, or the file is not one."""

    exit_code = ExitCode.CHECK_FAILED


@dataclass(frozen=True, slots=True)
class CertificateFile:
    """A certificate with everything it is checked against."""

    domain: Domain
    task_hash: bytes  # of the task's header
    task_seed: bytes
    committee_size: int
    operator_set: OperatorSet
    commit: Commit

    @property
    def certificate(self) -> Certificate:
        """The certificate itself."""
        return self.commit.certificate

    @classmethod
    def of(cls, domain: Domain, task: CertifiedTask, operator_set: OperatorSet) -> CertificateFile:
        """From what was posted on the chain."""
        return cls.for_task(domain, task.header, operator_set, Commit(task.certificate, task.output))

    @classmethod
    def for_task(
        cls, domain: Domain, header: TaskHeader, operator_set: OperatorSet, commit: Commit
    ) -> CertificateFile:
        """From the parts that a node has."""
        return cls(domain, header.hash, header.task_seed, header.committee_size, operator_set, commit)

    @classmethod
    async def read(cls, chain: Chain, task_id: int) -> CertificateFile:
        """Read a certificate from the chain, its operators checked against the root in the contract.

        Raises ``NotFound``, ``BadRecord``, ``WrappedCertificate``, ``RpcError``. It is not verified yet.
        """
        task = await read_certificate(chain, task_id)
        operator_set = await read_operator_set(chain, task.header.epoch)
        return cls.of(chain.deployment.domain, task, operator_set)

    def to_json(self) -> str:
        """The file's text."""
        return json.dumps(
            {
                "format": FORMAT,
                "chainId": self.domain.chain_id,
                "gateway": "0x" + self.domain.gateway.hex(),
                "epoch": self.operator_set.epoch,
                "taskHash": "0x" + self.task_hash.hex(),
                "taskSeed": "0x" + self.task_seed.hex(),
                "committeeSize": self.committee_size,
                "operators": "0x" + self.operator_set.to_records().hex(),
                "setRoot": "0x" + self.operator_set.root.hex(),
                "commit": "0x" + encode_message(self.commit).hex(),
            },
            indent=2,
        )

    @classmethod
    def parse(cls, text: str) -> CertificateFile:
        """Read a file strictly. Raises ``BadCertificate``."""
        try:
            content = strict_json.loads(text.encode())
            if not isinstance(content, dict) or set(content) != FIELDS or content["format"] != FORMAT:
                raise ValueError(f"it is not of the format {FORMAT}")
            commit = _commit(_bytes(content, "commit"))
            operator_set = OperatorSet.from_records(_int(content, "epoch"), _bytes(content, "operators"))
            if operator_set.root != _bytes(content, "setRoot", 32):
                raise ValueError("its operators do not have the root it names")
            domain = Domain(_int(content, "chainId"), _bytes(content, "gateway", 20))
            task_hash, seed = _bytes(content, "taskHash", 32), _bytes(content, "taskSeed", 32)
            size = _int(content, "committeeSize")
        except (ValueError, WireError, EncodingError, OperatorSetError) as error:
            raise BadCertificate(
                f"The certificate file cannot be read: {error}.",
                "Export it again with p2pavs certificate export.",
            ) from None
        return cls(domain, task_hash, seed, size, operator_set, commit)

    def verify(self) -> Committee:
        """Check all that needs no chain and return the committee. Raises ``BadCertificate``."""
        certificate = self.certificate
        try:
            committee = Committee.select(
                self.operator_set,
                self.task_hash,
                self.task_seed,
                certificate.instance.attempt,
                self.committee_size,
            )
            scope = Scope(self.domain, certificate.instance, committee.root)
            verify_certificate(certificate, scope, committee)
        except (CertificateError, CommitteeError) as error:
            raise BadCertificate(
                f"The certificate does not hold: {error}.", "Do not rely on this answer."
            ) from None
        if keccak256(self.commit.output) != certificate.result.output_hash:
            raise BadCertificate(
                "The output in the file is not the one that was certified.", "Do not rely on this answer."
            )
        return committee

    def summary(self, committee: Committee) -> dict[str, Any]:
        """What a verified certificate says."""
        certificate = self.certificate
        weight = sum(committee.weight_of(signer) for signer in certificate.signers)
        return {
            "task": certificate.instance.task_id,
            "attempt": certificate.instance.attempt,
            "round": certificate.round,
            "chainId": self.domain.chain_id,
            "gateway": "0x" + self.domain.gateway.hex(),
            "epoch": self.operator_set.epoch,
            "setRoot": "0x" + self.operator_set.root.hex(),
            "taskHash": "0x" + self.task_hash.hex(),
            "value": "0x" + value_id(certificate.result).hex(),
            "status": certificate.result.status.name.lower(),
            "output": self.commit.output.decode(errors="replace"),
            "signers": ["0x" + committee.member(signer).operator.hex() for signer in certificate.signers],
            "members": len(committee.members),
            "signedWeight": str(weight),
            "totalWeight": str(committee.total_weight),
        }


def _commit(data: bytes) -> Commit:
    message = decode_message(data)
    if not isinstance(message, Commit):
        raise BadCertificate("The file holds another message than a certificate.", "Export it again.")
    return message


def _int(content: dict[str, Any], name: str) -> int:
    value = content[name]
    if type(value) is not int or not 0 <= value < 2**63:
        raise ValueError(f"{name} is not a number")
    return value


def _bytes(content: dict[str, Any], name: str, length: int | None = None) -> bytes:
    value = content[name]
    if not isinstance(value, str) or not value.startswith("0x"):
        raise ValueError(f"{name} is not a hex string")
    data = bytes.fromhex(value[2:])
    if length is not None and len(data) != length:
        raise ValueError(f"{name} does not have {length} bytes")
    return data
