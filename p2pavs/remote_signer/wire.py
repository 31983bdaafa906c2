"""What node and signer say to each other: JSON over HTTPS, each side known to the other by its certificate.

    GET  /v1/state        -> {version, chain, gateway, operator, consensusKeys: [...], signed, refused}
    POST /v1/statement    {key, chain, gateway, task, attempt, committeeRoot, kind, round, value}
                          -> {signature}      409 where another statement was signed for the slot
    POST /v1/beacon       {key, message}      -> {proof}
    POST /v1/transaction  {chainId, nonce, gas, maxFeePerGas, maxPriorityFeePerGas, to, value, data}
                          -> {raw, hash}      403 where the signer's rules do not allow it

Bytes are hex with 0x, whole numbers are texts where they may be above 2^53. Errors are {error, remedy}.
"""

from __future__ import annotations

from typing import Any, Final

from consensus.types import Domain, InstanceId, Kind, Scope
from p2pavs import strict_json
from p2pavs.storage import Slot

STATE, STATEMENT, BEACON, TRANSACTION = "/v1/state", "/v1/statement", "/v1/beacon", "/v1/transaction"
MAX_REQUEST: Final = 600_000  # bytes: the largest transaction's data is 256 KiB
MAX_RESPONSE: Final = 600_000
MAX_DATA: Final = 262_144
SECONDS: Final = 5.0
"""In which a request must be answered: a signer is near, and a slow one is as bad as none."""

Json = dict[str, Any]


def statement_json(key: bytes, slot: Slot, value: bytes) -> Json:
    """Write a request for a signature."""
    scope = slot.scope
    return {
        "key": hex_(key),
        "chain": scope.domain.chain_id,
        "gateway": hex_(scope.domain.gateway),
        "task": str(scope.instance.task_id),
        "attempt": scope.instance.attempt,
        "committeeRoot": hex_(scope.committee_root),
        "kind": int(slot.kind),
        "round": slot.round,
        "value": hex_(value),
    }


def read_statement(content: Json) -> tuple[bytes, Slot, bytes]:
    """Return key (48 B), slot and value (32 B). Raises ``ValueError``."""
    fields(content, "key", "chain", "gateway", "task", "attempt", "committeeRoot", "kind", "round", "value")
    domain = Domain(number(content["chain"]), data(content["gateway"], 20))
    instance = InstanceId(number(content["task"]), number(content["attempt"]))
    scope = Scope(domain, instance, data(content["committeeRoot"], 32))
    slot = Slot(scope, Kind(number(content["kind"])), number(content["round"]))
    return data(content["key"], 48), slot, data(content["value"], 32)


def parse(body: bytes) -> Json:
    """Read a JSON object. Raises ``ValueError``."""
    content = strict_json.loads(body)
    if not isinstance(content, dict):
        raise ValueError("it is not a JSON object")  # noqa: TRY004 - one error type for all faults of a body
    return content


def fields(content: Json, *names: str) -> None:
    """Raise ``ValueError`` unless an object has exactly these entries."""
    if set(content) != set(names):
        raise ValueError(f"it should hold {', '.join(names)}")


def number(value: Any, most: int = 2**63 - 1) -> int:
    """Return a whole number, written as one or as a text. Raises ``ValueError``."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 78:
        value = int(value)
    if type(value) is not int or not 0 <= value <= most:
        raise ValueError("a number is out of range or no number")
    return value


def data(value: Any, size: int | None, most: int = MAX_DATA) -> bytes:
    """Return bytes written in hex. Raises ``ValueError``."""
    if not isinstance(value, str) or not value.startswith("0x") or len(value) > 2 + 2 * most:
        raise ValueError("bytes are not hex with 0x, or too many")
    found = bytes.fromhex(value[2:])
    if size is not None and len(found) != size:
        raise ValueError(f"{len(found)} bytes instead of {size}")
    return found


def hex_(value: bytes) -> str:
    """Write bytes."""
    return "0x" + value.hex()
