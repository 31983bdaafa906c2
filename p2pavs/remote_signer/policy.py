"""Which transactions a signer signs for its account."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from p2pavs.remote_signer import wire

GWEI = 10**9
MAX_GAS = 30_000_000


class NotAllowed(Exception):
    """The rules do not allow a transaction."""


@dataclass(frozen=True, slots=True)
class Policy:
    """Only this chain, only these contracts, no more than so much."""

    chain_id: int
    contracts: Collection[bytes]
    """Addresses (20 B) that may be called."""
    max_value: int = 0
    """Wei that one transaction may send along: 0 is enough for a node; a deposit of stake needs more."""
    max_fee: int = 1000 * GWEI
    """Wei for a unit of gas."""

    def read(self, content: wire.Json) -> dict[str, Any]:
        """Return a transaction's fields as an account signs them. Raises ``ValueError`` or ``NotAllowed``."""
        names = ("chainId", "nonce", "gas", "maxFeePerGas", "maxPriorityFeePerGas", "to", "value", "data")
        wire.fields(content, *names)
        numbers = {
            name: wire.number(content[name], 2**256 - 1) for name in names if name not in ("to", "data")
        }
        to, data = wire.data(content["to"], 20), wire.data(content["data"], None)
        if numbers["chainId"] != self.chain_id:
            raise NotAllowed(f"it is for chain {numbers['chainId']}, and this signer is for {self.chain_id}")
        if to not in self.contracts:
            raise NotAllowed(f"{wire.hex_(to)} is none of the deployment's contracts")
        if numbers["value"] > self.max_value:
            raise NotAllowed(f"it sends {numbers['value']} wei, more than --max-value")
        if numbers["maxFeePerGas"] > self.max_fee or numbers["gas"] > MAX_GAS:
            raise NotAllowed("its fee or gas is above the signer's limit")
        if numbers["nonce"] >= 2**63:
            raise ValueError("a number is out of range")
        return {"type": 2, **numbers, "to": to, "data": data}
