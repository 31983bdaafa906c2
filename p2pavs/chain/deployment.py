"""The deployment file: which chain, which block, which contracts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from eth_utils.address import is_checksum_address, to_canonical_address, to_checksum_address

from consensus.types import Domain
from p2pavs import strict_json
from p2pavs.chain.errors import BadDeployment
from p2pavs.contracts import NATIVE_STAKE, STAKE_SOURCES, UPGRADEABLE, names_with
from p2pavs.whole_file import write_whole

MAX_FILE_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Deployment:
    """Where one instance of the network lives. Addresses are 20 bytes."""

    chain_id: int
    deployed_at_block: int  # no event of the contracts is older
    contracts: Mapping[str, bytes]
    """Address by contract name: those of ``names_with`` its stake source. For ``UPGRADEABLE``, the proxy."""
    implementations: Mapping[str, bytes] = field(default_factory=dict)
    """What stood behind each proxy when the file was written. What stands there now, the chain knows."""

    @property
    def stake_source(self) -> str:
        """The name of the contract that holds the stake."""
        return next(name for name in STAKE_SOURCES if name in self.contracts)

    @property
    def operator_registry(self) -> bytes:
        """Where operators are registered."""
        return self.contracts["OperatorRegistry"]

    @property
    def gateway(self) -> bytes:
        """Where tasks are."""
        return self.contracts["TaskGateway"]

    @property
    def domain(self) -> Domain:
        """What all signed statements are bound to."""
        return Domain(self.chain_id, self.gateway)

    def to_json(self) -> dict[str, Any]:
        """Return the content of the file."""
        return {
            "chainId": self.chain_id,
            "deployedAtBlock": self.deployed_at_block,
            "contracts": {name: to_checksum_address(address) for name, address in self.contracts.items()},
            "implementations": {
                name: to_checksum_address(address) for name, address in self.implementations.items()
            },
        }

    def save(self, path: Path) -> None:
        """Write the file: whole or not at all."""
        text = json.dumps(self.to_json(), indent=2) + "\n"
        write_whole(path, text.encode(), mode=0o644)

    @classmethod
    def load(cls, path: Path) -> Deployment:
        """Read the file. Raises ``BadDeployment``."""
        try:
            with path.open("rb") as file:
                raw = file.read(MAX_FILE_BYTES + 1)
        except OSError as error:
            raise BadDeployment(str(path), error.strerror or "it cannot be read") from None
        try:
            if len(raw) > MAX_FILE_BYTES:
                raise ValueError(f"it is longer than {MAX_FILE_BYTES} bytes")
            try:
                content = strict_json.loads(raw)
            except ValueError:
                raise ValueError("it is not JSON") from None
            return cls.from_json(content)
        except ValueError as error:
            raise BadDeployment(str(path), str(error)) from None

    @classmethod
    def from_json(cls, content: Any) -> Deployment:
        """Check and convert the content of the file. Raises ``ValueError`` with what is wrong."""
        _require_keys("the file", content, ("chainId", "deployedAtBlock", "contracts", "implementations"))
        contracts = content["contracts"]
        found = [name for name in STAKE_SOURCES if isinstance(contracts, dict) and name in contracts]
        names = names_with(found[0] if found else NATIVE_STAKE)
        _require_keys("contracts", contracts, names)
        addresses = {name: _address(name, contracts[name]) for name in names}
        behind = content["implementations"]
        upgradeable = tuple(name for name in names if name in UPGRADEABLE)
        _require_keys("implementations", behind, upgradeable)
        implementations = {name: _address(name, behind[name]) for name in upgradeable}
        if len({*addresses.values(), *implementations.values()}) != len(addresses) + len(implementations):
            raise ValueError("two contracts have the same address")
        return cls(
            _integer("chainId", content["chainId"], 1),
            _integer("deployedAtBlock", content["deployedAtBlock"], 0),
            addresses,
            implementations,
        )


def _require_keys(where: str, value: Any, keys: tuple[str, ...]) -> None:
    if not isinstance(value, dict):
        raise ValueError(f"{where} should be an object")  # noqa: TRY004 - one error type for all faults of a file
    for key in keys:
        if key not in value:
            raise ValueError(f"{where} lacks {key}")
    for key in value:
        if key not in keys:
            raise ValueError(f"{where} has an unknown entry {str(key)[:40]!r}")


def _integer(name: str, value: Any, minimum: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not minimum <= value < 2**63:
        raise ValueError(f"{name} should be a whole number, at least {minimum}")
    return value


def _address(name: str, value: Any) -> bytes:
    if not isinstance(value, str) or not is_checksum_address(value):
        raise ValueError(f"{name} should be an address with a valid checksum (EIP-55)")
    address = to_canonical_address(value)
    if not any(address):
        raise ValueError(f"{name} is the zero address")
    return address
