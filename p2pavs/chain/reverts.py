"""Why a contract refused: its error by name, in a sentence, with what to do about it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any

from eth_utils.address import to_checksum_address

from p2pavs.chain.abi import Entry, Interface, decode_error
from p2pavs.chain.errors import ContractRevert, RpcRefused, format_ether
from p2pavs.chain.revert_texts import TEXTS
from p2pavs.contracts import EIGEN_STAKE, NAMES, PROXIES, PROXY_ADMIN, artifact

_REFUSAL_CODE = 3  # what nodes answer with when a call reverts


class _Shown:
    """A value of an error, formatted for people."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def __format__(self, spec: str) -> str:
        value = self._value
        if isinstance(value, int) and spec == "eth":
            return format_ether(value)
        if isinstance(value, int) and spec == "time":
            return _time(value)
        if isinstance(value, bytes):
            return to_checksum_address(value) if len(value) == 20 else "0x" + value.hex()
        # A ``require`` message may be any text: keep it from playing with the terminal.
        return "".join(c if c.isprintable() else "?" for c in str(value)[:300])


def _time(seconds: int) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (OverflowError, ValueError, OSError):
        return f"second {seconds}"


@cache
def known_errors() -> Mapping[bytes, Entry]:
    """Every error our contracts have, by selector."""
    names = (*NAMES, EIGEN_STAKE, *PROXIES.values(), PROXY_ADMIN)
    interfaces = (Interface(artifact(name).abi) for name in names)
    return {entry.selector: entry for found in interfaces for entry in found.errors.values()}


def revert_of(data: bytes) -> ContractRevert:
    """Return the error that revert data stands for."""
    decoded = decode_error(known_errors(), data)
    if decoded is None:
        what = f"with an error that is not ours (0x{data[:4].hex()})" if data else "without giving a reason"
        return ContractRevert(
            "",
            {},
            f"The contract refused {what}.",
            "Check that the deployment file fits this version of p2pavs.",
        )
    name, arguments = decoded
    sentence, remedy = TEXTS.get(name, (f"The contract refused: {name}.", "See the contract's source."))
    shown = {key: _Shown(value) for key, value in arguments.items()}
    return ContractRevert(name, arguments, sentence.format(**shown), remedy)


def explain(error: RpcRefused) -> ContractRevert | RpcRefused:
    """Return what an endpoint's refusal of a call means: the contract's reason, or the refusal itself."""
    if error.data:
        return revert_of(error.data)
    if error.code == _REFUSAL_CODE or "revert" in error.reason.lower():
        return revert_of(b"")
    return error
