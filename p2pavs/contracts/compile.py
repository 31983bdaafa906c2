"""Compile the contracts: ``python -m p2pavs.contracts.compile``, for a checkout of the repository.

Needs node, and the compiler that ``npm ci`` puts into ``testnet/npm/node_modules``. The same sources
give the same bytes on every machine: the version is pinned and no metadata hash is appended.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from p2pavs.contracts import UPGRADEABLE

REPOSITORY = Path(__file__).resolve().parents[2]
NODE_MODULES = REPOSITORY / "testnet" / "npm" / "node_modules"
SIZE_LIMIT = 24_576  # bytes of a deployed contract (EIP-170)

SETTINGS: dict[str, Any] = {
    "evmVersion": "prague",
    "viaIR": True,
    "optimizer": {"enabled": True, "runs": 1_000},
    "metadata": {"bytecodeHash": "none", "appendCBOR": False},
    "outputSelection": {
        "*": {"*": ["abi", "evm.bytecode.object", "evm.deployedBytecode.object", "storageLayout"]}
    },
}

_SOLCJS = """
const fs = require('fs');
const path = require('path');
const solc = require(path.join(process.argv[1], 'solc'));
const imported = (name) => {
  const file = path.join(process.argv[1], name);
  if (!name.startsWith('@openzeppelin/') || !fs.existsSync(file)) return { error: 'no such file' };
  return { contents: fs.readFileSync(file, 'utf8') };
};
let input = '';
process.stdin.on('data', (chunk) => { input += chunk; });
process.stdin.on('end', () => { process.stdout.write(solc.compile(input, { import: imported })); });
"""


class CompileError(Exception):
    """The sources could not be compiled; the message is the compiler's."""


@dataclass(frozen=True, slots=True)
class SourceTree:
    """Solidity sources and where the artifacts of the contracts in them belong."""

    sources: Path
    artifacts: Path


OPENZEPPELIN = ("TimelockController", "ProxyAdmin", "TransparentUpgradeableProxy")
"""What a deployment uses of OpenZeppelin's contracts (MIT), as they are."""

TREES = (
    SourceTree(REPOSITORY / "p2pavs/contracts/src", REPOSITORY / "p2pavs/contracts/artifacts"),
    SourceTree(REPOSITORY / "examples", REPOSITORY / "examples/artifacts"),
)


def compile_sources(sources: Mapping[str, str]) -> dict[str, dict[str, dict[str, Any]]]:
    """Compile sources, given by repository path, into ``{path: {contract: artifact}}``.

    Warnings count as errors.

    Raises:
        CompileError: the compiler is not installed, does not run, or refuses the sources.

    """
    for package in ("solc", "@openzeppelin/contracts"):
        if not (NODE_MODULES / package).is_dir():
            raise CompileError(f"no {package} in {NODE_MODULES}: run `npm ci` in {NODE_MODULES.parent}")
    job = {
        "language": "Solidity",
        "sources": {path: {"content": text} for path, text in sources.items()},
        "settings": SETTINGS,
    }
    try:
        run = subprocess.run(
            ["node", "-e", _SOLCJS, str(NODE_MODULES)],
            input=json.dumps(job),
            capture_output=True,
            text=True,
            check=True,
        )
    except FileNotFoundError as error:
        raise CompileError("node is not installed; the compiler needs it") from error
    except subprocess.CalledProcessError as error:
        raise CompileError(f"the compiler stopped: {error.stderr.strip()}") from error
    answer = json.loads(run.stdout)
    complaints = [entry["formattedMessage"] for entry in answer.get("errors", ())]
    if complaints:
        raise CompileError("\n".join(complaints))
    return {
        path: {name: _artifact(name, output) for name, output in contracts.items()}
        for path, contracts in answer["contracts"].items()
    }


def repository_artifacts() -> dict[Path, str]:
    """Compile all of the repository's contracts: the text of every artifact file, by its path."""
    texts = {
        path.relative_to(REPOSITORY).as_posix(): path.read_text("utf-8")
        for tree in TREES
        for path in sorted(tree.sources.rglob("*.sol"))
    }
    compiled = compile_sources(texts)
    files: dict[Path, str] = {}
    for tree in TREES:
        for name, artifact in _contracts_in(tree, compiled):
            size = len(artifact["deployedBytecode"]) // 2 - 1
            if size > SIZE_LIMIT:
                raise CompileError(f"{name} has {size} bytes, {size - SIZE_LIMIT} more than a chain takes")
            files[tree.artifacts / f"{name}.json"] = json.dumps(artifact, indent=1, sort_keys=True) + "\n"
    return files


def main() -> int:
    """Write every artifact, and remove those whose contract is gone."""
    try:
        files = repository_artifacts()
    except CompileError as error:
        print(error, file=sys.stderr)
        return 1
    for tree in TREES:
        tree.artifacts.mkdir(exist_ok=True)
        for stale in set(tree.artifacts.glob("*.json")) - files.keys():
            stale.unlink()
    for path, text in files.items():
        path.write_text(text, "utf-8")
        size = len(json.loads(text)["deployedBytecode"]) // 2 - 1
        print(f"{path.relative_to(REPOSITORY)}  {size:,} bytes deployed")
    return 0


def _contracts_in(
    tree: SourceTree, compiled: Mapping[str, Mapping[str, dict[str, Any]]]
) -> Iterator[tuple[str, dict[str, Any]]]:
    root = tree.sources.relative_to(REPOSITORY)
    for path, contracts in compiled.items():
        library = tree is TREES[0] and path.startswith("@openzeppelin/")
        if not library and not Path(path).is_relative_to(root):
            continue
        for name, artifact in contracts.items():
            if library and name not in OPENZEPPELIN:
                continue
            # Libraries are compiled into their users, and abstract contracts are only inherited.
            callable_ = library or any(entry["type"] == "function" for entry in artifact["abi"])
            if callable_ and (artifact["bytecode"] != "0x" or Path(path).parent.name == "interfaces"):
                yield name, artifact


def _artifact(name: str, output: Mapping[str, Any]) -> dict[str, Any]:
    artifact = {
        "contractName": name,
        "abi": output["abi"],
        "bytecode": "0x" + output["evm"]["bytecode"]["object"],
        "deployedBytecode": "0x" + output["evm"]["deployedBytecode"]["object"],
    }
    if name in UPGRADEABLE:
        artifact["storage"] = _storage(output["storageLayout"])
    return artifact


def _storage(layout: Mapping[str, Any]) -> dict[str, list[str]]:
    """Say where each variable lies, and each member of each struct: an upgrade must leave them there."""
    types = layout["types"] or {}

    def lines(members: list[dict[str, Any]]) -> list[str]:
        return [f"{m['slot']}+{m['offset']} {types[m['type']]['label']} {m['label']}" for m in members]

    structs = {one["label"]: lines(one["members"]) for one in types.values() if "members" in one}
    return {"variables": lines(layout["storage"])} | structs


if __name__ == "__main__":
    sys.exit(main())
