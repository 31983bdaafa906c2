"""What a node says of itself in its signed peer record: which operator it is, which models it serves."""

from __future__ import annotations

from dataclasses import dataclass

from consensus.encoding import EncodingError, decode, encode

MAX_BYTES = 4096
MAX_MODELS = 64


@dataclass(frozen=True, slots=True)
class Announcement:
    """A claim, not a fact: the operator counts only if the registry names this peer id for it."""

    operator: bytes  # 20 bytes
    models: tuple[bytes, ...]  # model ids, 32 bytes each

    def to_bytes(self) -> bytes:
        """The record's payload: ``[operator, [model, ...]]`` as deterministic CBOR, with the first 64 models.

        Anybody can register a file that is served once more, and it is served under that name too.
        """
        return encode([self.operator, list(self.models[:MAX_MODELS])])

    @classmethod
    def from_bytes(cls, data: bytes) -> Announcement | None:
        """Read a payload; None for anything that is not one."""
        try:
            value = decode(data, MAX_BYTES)
        except EncodingError:
            return None
        match value:
            case (bytes(operator), tuple(models)) if len(operator) == 20 and len(models) <= MAX_MODELS:
                named = tuple(model for model in models if isinstance(model, bytes) and len(model) == 32)
                return cls(operator, named) if len(named) == len(models) else None
            case _:
                return None
