"""The contracts: their sources, and what the compiler made of them.

The artifacts ship with the package, so running a node takes no compiler.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

NAMES = (
    "OperatorRegistry",
    "NativeStakeRegistry",
    "EpochManager",
    "CertificateVerifier",
    "ModelRegistry",
    "TaskGateway",
    "EquivocationVerifier",
    "WrongOutputVerifier",
    "LazyVoteVerifier",
    "AbsenceVerifier",
    "SlashingManager",
    "TimelockController",
)
"""Those of a deployment with native stake, in the order in which they can be deployed."""

NATIVE_STAKE = "NativeStakeRegistry"
EIGEN_STAKE = "EigenStakeAdapter"
STAKE_SOURCES = (NATIVE_STAKE, EIGEN_STAKE)
"""What can be the stake source of a deployment."""

PROXIES = {"TaskGateway": "GatewayProxy", EIGEN_STAKE: "TransparentUpgradeableProxy"}
"""Those that stand behind a proxy, and what that is. The timelock can give each another implementation."""

UPGRADEABLE = tuple(PROXIES)

PROXY_ADMIN, TIMELOCK = "ProxyAdmin", "TimelockController"

EVIDENCE_VERIFIERS = {
    "equivocation": "EquivocationVerifier",
    "wrong-output": "WrongOutputVerifier",
    "lazy-vote": "LazyVoteVerifier",
    "absence": "AbsenceVerifier",
}
"""Which contract checks the evidence of which offence."""


def names_with(stake_source: str) -> tuple[str, ...]:
    """Return the contracts of a deployment with one of ``STAKE_SOURCES``."""
    return tuple(stake_source if name == NATIVE_STAKE else name for name in NAMES)


@dataclass(frozen=True, slots=True)
class Artifact:
    """A compiled contract."""

    name: str
    abi: list[dict[str, Any]]
    bytecode: str  # creation code, 0x and hex
    deployed_bytecode: str  # what lies on the chain, immutables still zero


@cache
def artifact(name: str) -> Artifact:
    """Return the compiled contract ``name``: one of ``NAMES``, or an interface (``IInferenceConsumer``).

    Raises:
        LookupError: there is no such contract in this package.

    """
    source = resources.files(__package__) / "artifacts" / f"{name}.json"
    if not name.isidentifier() or not source.is_file():
        raise LookupError(f"no contract called {name!r} ships with p2pavs; there are: {', '.join(NAMES)}")
    return parse(source.read_text("utf-8"))


def parse(text: str) -> Artifact:
    """Read one artifact file's text."""
    raw = json.loads(text)
    return Artifact(raw["contractName"], raw["abi"], raw["bytecode"], raw["deployedBytecode"])
