"""A certified answer that was verified."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from p2pavs.certificate_file import CertificateFile
    from p2pavs.checkpoint import Checkpoint


@dataclass(frozen=True, slots=True)
class Answer:
    """What the committee signed. Made only from a certificate that holds."""

    task: int
    output: bytes
    status: str  # "completed", or "rejected" where the model cannot take the request; then output is empty
    finish_reason: str
    tokens: int  # generated
    round: int
    signed_weight: int
    total_weight: int
    certificate: CertificateFile

    @property
    def text(self) -> str:
        """The output as text; bytes that are no UTF-8 become U+FFFD."""
        return self.output.decode(errors="replace")

    @classmethod
    def of(cls, file: CertificateFile) -> Answer:
        """Verify a certificate and say what it says. Raises ``BadCertificate``."""
        committee = file.verify()
        certificate = file.certificate
        result = certificate.result
        return cls(
            task=certificate.instance.task_id,
            output=file.commit.output,
            status=result.status.name.lower(),
            finish_reason=result.finish_reason.name.lower(),
            tokens=result.token_count,
            round=certificate.round,
            signed_weight=sum(map(committee.weight_of, certificate.signers)),
            total_weight=committee.total_weight,
            certificate=file,
        )


def verify_file(text: str, checkpoint: Checkpoint) -> Answer:
    """Verify the text of a certificate file with a checkpoint and nothing else: no chain, no node.

    Raises ``BadCertificate`` where it does not hold, ``NotTrusted`` where the checkpoint is of another set.
    """
    from p2pavs.certificate_file import CertificateFile

    file = CertificateFile.parse(text)
    checkpoint.check(file)
    return Answer.of(file)
