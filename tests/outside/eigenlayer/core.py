"""EigenLayer's core on a development chain, from the bytecode that ``compile.js`` left."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import trio
from eth_abi.grammar import parse

from consensus.hashing import keccak256
from p2pavs.chain.abi import codec
from p2pavs.chain.contracts import Call
from p2pavs.chain.deploy import created_address, creation_code
from p2pavs.chain.poster import Sender
from p2pavs.contracts.compile import REPOSITORY, compile_sources
from tests.integration.anvil import Anvil

OUT = Path(__file__).with_name(".out")
COIN = "tests/outside/eigenlayer/sol/Coin.sol"
DEALLOCATION_BLOCKS, CONFIGURATION_BLOCKS = 100_800, 126_000  # as on mainnet
ALLOCATION_DELAY = 3  # blocks, of every operator here
WHOLE = 10**18  # an operator's magnitude in a strategy, before it is slashed
NOBODY = bytes(20)


@dataclass(frozen=True, slots=True)
class RealOne:
    """EigenLayer's own contracts, behind proxies."""

    manager: bytes
    delegation: bytes
    deposits: bytes
    strategy: bytes
    coin: bytes

    @classmethod
    async def deploy(cls, sender: Sender) -> RealOne:
        """Deploy and wire them as they are on a chain. Nothing is paused."""
        plan = ("pausers", "view", "coin", *(half for name in _BEHIND_PROXIES for half in (name + "!", name)))
        at = {name: created_address(sender.address, sender.next_nonce + i) for i, name in enumerate(plan)}
        pausers, permissions, me = at["pausers"], at["PermissionController"], sender.address
        manager, delegation, deposits, pods = (
            at[name]
            for name in ("AllocationManager", "DelegationManager", "StrategyManager", "EigenPodManager")
        )
        no_eigen = b"\xe1" * 20
        delays = (DEALLOCATION_BLOCKS, CONFIGURATION_BLOCKS)
        created = {
            "pausers": _made("PauserRegistry", ("address[]", [me]), ("address", me)),
            "view": _made("AllocationManagerView", *_a(delegation, no_eigen), *_u(32, *delays)),
            "coin": bytes.fromhex(_coin()["bytecode"][2:]),
            "PermissionController": _made("PermissionController"),
            "AllocationManager": _made(
                "AllocationManager",
                *_a(at["view"], delegation, no_eigen, pausers, permissions),
                *_u(32, *delays),
            ),
            "DelegationManager": _made(
                "DelegationManager",
                *_a(deposits, pods, manager, pausers, permissions),
                *_u(32, DEALLOCATION_BLOCKS),
                ("string", "v1.9.0"),
            ),
            "StrategyManager": _made(
                "StrategyManager", *_a(manager, delegation, pausers), ("string", "v1.9.0")
            ),
            "EigenPodManager": _made("EigenPodManager", *_a(b"\xe2" * 20, b"\xe3" * 20, delegation, pausers)),
            "StrategyBase": _made("StrategyBase", *_a(deposits, pausers)),
        }
        begin = {
            "AllocationManager": _call("initialize(uint256)", 0),
            "DelegationManager": _call("initialize(uint256)", 0),
            "StrategyManager": _call("initialize(address,address,uint256)", me, me, 0),
            "StrategyBase": _call("initialize(address)", at["coin"]),
        }
        for name in plan:
            if name in _BEHIND_PROXIES:
                arguments = at[name + "!"], b"\xad" * 20, begin.get(name, b"")
                data = creation_code("TransparentUpgradeableProxy", *arguments)
            else:
                data = created[name.removesuffix("!")]
            receipt = await sender.send(Call(None, data, what=name))
            assert receipt.contract_address == at[name], name
        listed = _call("addStrategiesToDepositWhitelist(address[])", [at["StrategyBase"]])
        await sender.send(Call(deposits, listed))
        return cls(manager, delegation, deposits, at["StrategyBase"], at["coin"])

    async def allocate(self, anvil: Anvil, sender: Sender, adapter: bytes, amount: int) -> None:
        """Become an operator, deposit, allocate it all to the adapter's set, and wait until that counts."""
        params = [((adapter, 0), [self.strategy], [WHOLE])]
        operator = _call("registerAsOperator(address,uint32,string)", NOBODY, ALLOCATION_DELAY, "")
        deposit = _call("depositIntoStrategy(address,address,uint256)", self.strategy, self.coin, amount)
        allocate = _call(
            "modifyAllocations(address,((address,uint32),address[],uint64[])[])", sender.address, params
        )
        for call in (
            Call(self.delegation, operator),
            Call(self.coin, _call("mint(address,uint256)", sender.address, amount)),
            Call(self.coin, _call("approve(address,uint256)", self.deposits, amount)),
            Call(self.deposits, deposit),
            Call(self.manager, allocate),
        ):
            await sender.send(call)
        await trio.to_thread.run_sync(anvil.rpc, "anvil_mine", hex(ALLOCATION_DELAY))


_BEHIND_PROXIES = (
    "PermissionController",
    "AllocationManager",
    "DelegationManager",
    "StrategyManager",
    "EigenPodManager",
    "StrategyBase",
)


def _made(name: str, *arguments: tuple[str, Any]) -> bytes:
    code = bytes.fromhex(json.loads((OUT / f"{name}.json").read_text())["bytecode"][2:])
    return code + codec.encode([kind for kind, _ in arguments], [value for _, value in arguments])


def _call(signature: str, *values: Any) -> bytes:
    """Encode a call of a function that is given like ``name(uint256,address[])``."""
    kinds = [one.to_type_str() for one in parse(signature[signature.index("(") :]).components]
    return keccak256(signature.encode())[:4] + codec.encode(kinds, values)


def _coin() -> dict[str, Any]:
    return compile_sources({COIN: (REPOSITORY / COIN).read_text("utf-8")})[COIN]["Coin"]


def _a(*addresses: bytes) -> list[tuple[str, Any]]:
    return [("address", one) for one in addresses]


def _u(bits: int, *numbers: int) -> list[tuple[str, Any]]:
    return [(f"uint{bits}", one) for one in numbers]
