"""The import rule: who may import whom, read from the source without running it."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import p2pavs

ROOT = Path(__file__).resolve().parents[2]
OURS = frozenset({"consensus", "inference", "p2pavs", "tests", "testnet", "examples"})

# The core is a pure function of its inputs. What is in this list has no clock, no randomness, no files and no
# sockets; something new belongs here only if that is true of it too.
PURE = frozenset(
    {
        "__future__", "abc", "bisect", "collections", "dataclasses", "enum", "functools", "hashlib", "heapq",
        "itertools", "math", "operator", "re", "struct", "types", "typing",
        "Crypto.Hash", "cbor2", "eth_typing", "py_arkworks_bls12381", "py_ecc",
    }
)  # fmt: skip
# A backend of BLS is a library of pure functions in C, reached through ctypes; it says which version it is.
PURE_IN_BACKENDS = PURE | {"ckzg", "ctypes", "importlib.metadata"}
IMPURE_BUILTINS = frozenset({"open", "input", "print", "exec", "eval", "compile", "__import__", "breakpoint"})

# Which packages of p2pavs a package of p2pavs must not reach for: sockets, chain and disk know nothing of
# each other, and nothing below the command line knows the command line.
P2PAVS_APART = {
    "network": ("chain", "storage", "api", "cli", "contracts", "node", "tasks"),
    "chain": ("network", "storage", "api", "cli", "node", "tasks"),
    "storage": ("network", "chain", "api", "cli", "contracts", "node", "tasks"),
    "contracts": ("network", "chain", "storage", "api", "cli", "node", "tasks"),
    "api": ("cli",),
    "openai_api": ("cli", "network", "node"),
}

# What the examples may use of ours: they show a dApp's developer the public interface.
PUBLIC = tuple(f"p2pavs.{name}" for name in p2pavs.__all__)


@dataclass(frozen=True, slots=True)
class Use:
    """One imported module, or one call of a built-in function, at one line."""

    name: str
    line: int
    builtin: bool = False


def uses(source: str, module: str, *, is_package: bool = False) -> Iterator[Use]:
    """Everything that a module imports, at any depth and however written, with relative names resolved."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Use(alias.name, node.lineno)
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(node, module, is_package)
            for alias in node.names:
                yield Use(f"{base}.{alias.name}", node.lineno)
        elif isinstance(node, ast.Call):
            yield from _called(node)


def _absolute(node: ast.ImportFrom, module: str, is_package: bool) -> str:
    if node.level == 0:
        return node.module or ""
    parts = module.split(".")
    depth = node.level - 1 if is_package else node.level
    parts = parts[: len(parts) - depth]
    return ".".join([*parts, node.module] if node.module else parts)


def _called(node: ast.Call) -> Iterator[Use]:
    """Built-in functions by name, and modules imported by a string."""
    function = node.func
    name = function.id if isinstance(function, ast.Name) else getattr(function, "attr", "")
    if isinstance(function, ast.Name) and name in IMPURE_BUILTINS:
        yield Use(name, node.lineno, builtin=True)
    if name in ("import_module", "__import__") and node.args:
        argument = node.args[0]
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
            yield Use(argument.value, node.lineno)


def within(name: str, packages: frozenset[str] | tuple[str, ...]) -> bool:
    """Whether a dotted name is one of the packages or inside one."""
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def violations(source: str, module: str, *, is_package: bool = False) -> list[str]:
    """Every breach of the rule in one module, as sentences with the line."""
    found = []
    for use in uses(source, module, is_package=is_package):
        reason = _breach(use, module)
        if reason:
            found.append(f"{module}, line {use.line}: {use.name}: {reason}")
    return found


def _breach(use: Use, module: str) -> str:
    top = module.split(".")[0]
    others = OURS - {top}
    match top:
        case "consensus":
            return _consensus_breach(use, module)
        case "inference":
            if within(use.name, tuple(others)):
                return "inference imports nothing of ours"
        case "p2pavs":
            return _p2pavs_breach(use, module)
        case "testnet":
            if within(use.name, ("consensus", "inference", "p2pavs", "tests")):
                return "testnet uses only the command line"
        case "examples":
            if within(use.name, ("consensus", "inference", "p2pavs", "tests", "testnet")):
                return "" if use.name in PUBLIC else "examples use only what p2pavs offers"
    return ""


def _consensus_breach(use: Use, module: str) -> str:
    if use.builtin:
        return "the core has no files, no console and no code but its own"
    if within(use.name, ("consensus",)):
        return ""
    if within(use.name, OURS):
        return "consensus imports nothing of ours"
    allowed = PURE_IN_BACKENDS if within(module, ("consensus.bls_backends",)) else PURE
    return "" if within(use.name, allowed) else "not known to be free of clocks, chance, files and sockets"


def _p2pavs_breach(use: Use, module: str) -> str:
    if within(use.name, ("tests", "testnet", "examples")):
        return "what users run does not import tests or the test network"
    if within(use.name, ("llama_cpp",)):
        return "llama.cpp lives in the worker process of inference"
    parts = module.split(".")
    area = parts[1] if len(parts) > 1 else ""
    apart = tuple(f"p2pavs.{name}" for name in P2PAVS_APART.get(area, ()))
    return f"p2pavs.{area} is kept apart from it" if within(use.name, apart) else ""


def modules() -> Iterator[tuple[Path, str]]:
    """Every module of ours that the rule speaks about."""
    for package in sorted(OURS - {"tests"}):
        for path in sorted((ROOT / package).rglob("*.py")):
            if "node_modules" in path.parts:
                continue
            parts = path.relative_to(ROOT).with_suffix("").parts
            yield path, ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def test_the_import_rule_holds() -> None:
    found: list[str] = []
    seen: set[str] = set()
    for path, module in modules():
        seen.add(module.split(".")[0])
        found += violations(path.read_text(), module, is_package=path.name == "__init__.py")
    assert not found, "\n".join(found)
    assert seen == OURS - {"tests"}, "a package was not looked at"


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("consensus.driver", "import time"),
        ("consensus.driver", "from os import urandom"),
        ("consensus.driver", "import numpy as np"),
        ("consensus.driver", "def f():\n    import random"),
        ("consensus.driver", "from p2pavs.storage import SignGuard"),
        ("consensus.driver", "from .. import p2pavs"),
        ("consensus.driver", "if True:\n    from inference import trace"),
        ("consensus.driver", "import importlib\nimportlib.import_module('trio')"),
        ("consensus.driver", "state = open('state')"),
        ("consensus.driver", "__import__('socket')"),
        ("consensus.driver", "from Crypto import Random"),
        ("consensus.driver", "from importlib.metadata import version"),
        ("consensus.driver", "import ctypes"),
        ("consensus.driver", "import ctypes"),
        ("consensus.bls_backends.fast", "import importlib.resources"),
        ("inference.worker", "from consensus.types import Result"),
        ("inference.worker", "import p2pavs.node"),
        ("p2pavs.execution", "import llama_cpp"),
        ("p2pavs.node", "from tests.doubles import liar"),
        ("p2pavs.network.host", "from p2pavs.chain import follower"),
        ("p2pavs.network.host", "from ..storage import database"),
        ("p2pavs.network", "from . import mends\nfrom .. import tasks"),
        ("p2pavs.storage.tasks", "from p2pavs import node"),
        ("p2pavs.api.server", "import p2pavs.cli.main"),
        ("testnet.testnet", "from p2pavs import settings"),
        ("testnet.testnet", "import consensus"),
    ],
)
def test_a_breach_is_found(module: str, source: str) -> None:
    assert violations(source, module, is_package=module == "p2pavs.network")


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("consensus.driver", "from consensus.types import Kind\nfrom .types import Kind\nimport hashlib"),
        ("consensus.bls_backends.fast", "from importlib.metadata import version"),
        ("consensus.hashing", "from Crypto.Hash import keccak"),
        ("inference.worker", "import llama_cpp\nfrom . import trace\nimport time"),
        (
            "p2pavs.node",
            "import time\nfrom consensus import bls\nfrom inference import worker\nimport p2pavs.chain",
        ),
        (
            "p2pavs.network.host",
            "from p2pavs.network import addresses\nfrom p2pavs.errors import P2pavsError",
        ),
        ("p2pavs.storage.tasks", "from p2pavs.storage.database import Database"),
        ("testnet.testnet", "import processes\nimport time"),
        ("examples.read_certificate", "from p2pavs import Client"),
    ],
)
def test_what_is_allowed_is_not_reported(module: str, source: str) -> None:
    assert violations(source, module) == []


def test_a_node_does_not_load_llama_cpp() -> None:
    """The static rule cannot see what inference loads on behalf of those who import it: this can."""
    program = "import sys, p2pavs.__main__, p2pavs.node; sys.exit('llama_cpp' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr or "importing the node loaded llama_cpp into its process"


HEAVY = (
    "libp2p",
    "llama_cpp",
    "web3",
    "eth_account",
    "eth_abi",
    "httpx",
    "trio",
    "numpy",
    "p2pavs.chain",
    "consensus",
)


@pytest.mark.parametrize("name", ["Client", "SyncClient", "Payer", "Checkpoint", "verify_file"])
def test_the_python_api_is_imported_without_what_takes_long(name: str) -> None:
    program = f"import sys; from p2pavs import {name}; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    loaded = {module for module in done.stdout.split() if within(module, HEAVY)}
    assert not loaded


def test_a_client_that_verifies_loads_no_network_and_no_model() -> None:
    program = "import sys, p2pavs.client, p2pavs.certificate_file; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert not {m for m in done.stdout.split() if within(m, ("libp2p", "llama_cpp", "web3", "inference"))}
