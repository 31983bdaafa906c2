"""What one has to know of a chain to check certificates without it: the root of one epoch's operators."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from p2pavs import strict_json
from p2pavs.errors import P2pavsError
from p2pavs.exit_codes import ExitCode

if TYPE_CHECKING:
    from p2pavs.certificate_file import CertificateFile
    from p2pavs.chain.contracts import Chain

FORMAT = "p2pavs-checkpoint/1"
MAX_FILE_BYTES = 4_096
_FIELDS = frozenset(("format", "chainId", "gateway", "epoch", "setRoot"))


class BadCheckpoint(P2pavsError):
    """The text is not a checkpoint."""


class NotTrusted(P2pavsError):
    """A certificate is of another chain, gateway, epoch or operator set than what is trusted."""

    exit_code = ExitCode.CHECK_FAILED


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """One epoch of one deployment. It vouches for that epoch's certificates and for no other's.

    Whoever hands it over is trusted with the operator set, so take it from a chain that you trust.
    """

    chain_id: int
    gateway: bytes  # 20 bytes
    epoch: int
    set_root: bytes  # 32 bytes

    @classmethod
    async def read(cls, chain: Chain, epoch: int | None = None) -> Checkpoint:
        """Read an epoch's from the chain; default: the current one. Raises ``ChainError``."""
        from p2pavs.chain.reader import current_epoch, read_operator_set

        number = await current_epoch(chain) if epoch is None else epoch
        operators = await read_operator_set(chain, number)
        domain = chain.deployment.domain
        return cls(domain.chain_id, domain.gateway, number, operators.root)

    def check(self, file: CertificateFile) -> None:
        """Raise ``NotTrusted`` unless the certificate's operators are the ones of this checkpoint.

        A drawn committee is refused: nothing here says which seed the chain gave the task, and whoever may
        choose seed and attempt finds a committee of its own operators.
        """
        if file.committee_size:
            raise NotTrusted(
                "The certificate is of a drawn committee, and a checkpoint does not prove the draw.",
                "Verify it against the chain; only committees of all operators are verified without one.",
            )
        for what, found, wanted in (
            ("chain", file.domain.chain_id, self.chain_id),
            ("gateway", "0x" + file.domain.gateway.hex(), "0x" + self.gateway.hex()),
            ("epoch", file.operator_set.epoch, self.epoch),
            ("operator set", "0x" + file.operator_set.root.hex(), "0x" + self.set_root.hex()),
        ):
            if found != wanted:
                raise NotTrusted(
                    f"The certificate is of the {what} {found}, the checkpoint of {wanted}.",
                    "Do not rely on this answer, or get the checkpoint of its epoch from a chain you trust.",
                )

    def to_json(self) -> str:
        """Return the text of a checkpoint file."""
        return json.dumps(
            {
                "format": FORMAT,
                "chainId": self.chain_id,
                "gateway": "0x" + self.gateway.hex(),
                "epoch": self.epoch,
                "setRoot": "0x" + self.set_root.hex(),
            },
            indent=2,
        )

    @classmethod
    def parse(cls, text: str) -> Checkpoint:
        """Read the text of a checkpoint file strictly. Raises ``BadCheckpoint``."""
        try:
            if len(text) > MAX_FILE_BYTES:
                raise ValueError(f"it is longer than {MAX_FILE_BYTES} characters")
            content = strict_json.loads(text.encode())
            if not isinstance(content, dict) or set(content) != _FIELDS or content["format"] != FORMAT:
                raise ValueError(f"it is not of the format {FORMAT}")
            return cls(
                _number(content["chainId"]),
                _bytes(content["gateway"], 20),
                _number(content["epoch"]),
                _bytes(content["setRoot"], 32),
            )
        except ValueError as error:
            raise BadCheckpoint(f"The checkpoint cannot be read: {error}.", "Make it again.") from None


def _number(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 2**63:
        raise ValueError(f"{str(value)[:40]!r} is not a number")
    return value


def _bytes(value: Any, length: int) -> bytes:
    if not isinstance(value, str) or not value.startswith("0x") or len(value) != 2 + 2 * length:
        raise ValueError(f"{str(value)[:80]!r} is not a hex string of {length} bytes")
    return bytes.fromhex(value[2:])
