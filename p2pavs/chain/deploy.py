"""Put all contracts on a chain."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from consensus.hashing import keccak256
from p2pavs.chain.contracts import Call, interface
from p2pavs.chain.deployment import Deployment
from p2pavs.chain.errors import ChainError
from p2pavs.chain.poster import Sender
from p2pavs.chain.receipts import Receipt
from p2pavs.chain.rpc import Rpc
from p2pavs.contracts import NAMES, artifact

BLS_G1ADD = bytes(19) + b"\x0b"
"""The first of the precompiles of EIP-2537."""


class NoBlsPrecompiles(ChainError):
    """The chain cannot verify BLS12-381 signatures."""

    def __init__(self) -> None:
        super().__init__(
            "This chain lacks the BLS12-381 precompiles (EIP-2537), which the certificates need.",
            "Use a chain with the Prague upgrade or later; a test chain with anvil --hardfork prague.",
        )


@dataclass(frozen=True, slots=True)
class DeployParameters:
    """What the contracts are built with; nothing of it can be changed later."""

    epoch_blocks: int = 7200  # a day of mainnet blocks
    reveal_blocks: int = 10  # that each leader has to make the next seed
    minimum_stake: int = 10**18  # wei
    withdrawal_delay: int = 14 * 86400  # seconds
    minimum_window: int = 30  # seconds from a request to its deadline
    maximum_window: int = 86400  # seconds


@dataclass(frozen=True, slots=True)
class DeployedContract:
    """One contract that was put on the chain."""

    name: str
    address: bytes
    receipt: Receipt


async def deploy_all(
    rpc: Rpc,
    sender: Sender,
    parameters: DeployParameters,
    deployed: Callable[[DeployedContract], None] = lambda _: None,
) -> Deployment:
    """Deploy every contract; the sender's account becomes the gateway's owner. Calls ``deployed`` after each.

    Raises ``NoBlsPrecompiles`` before anything is sent, or what ``Sender.send`` raises.
    """
    # The sum of the point at infinity with itself: 128 zero bytes, or no bytes where there is no precompile.
    if len(await rpc.call(BLS_G1ADD, bytes(256))) != 128:
        raise NoBlsPrecompiles
    chain_id = await rpc.chain_id()
    # Where each contract will be follows from the account and its nonce, so all are sent at once.
    first = sender.next_nonce
    addresses = {name: created_address(sender.address, first + i) for i, name in enumerate(NAMES)}
    tickets = {}
    for name in NAMES:
        code = bytes.fromhex(artifact(name).bytecode.removeprefix("0x"))
        arguments = interface(name).encode_constructor(*_arguments(name, parameters, addresses))
        tickets[name] = sender.submit(Call(None, code + arguments, what=f"the deployment of {name}"))
    blocks = []
    for name, ticket in tickets.items():
        receipt = await ticket.receipt()
        if receipt.contract_address != addresses[name]:
            raise ChainError(
                f"{name} is not at the address it should have.",
                "Another process used the account meanwhile: stop it and deploy again.",
            )
        blocks.append(receipt.block_number)
        deployed(DeployedContract(name, addresses[name], receipt))
    return Deployment(chain_id, min(blocks), *addresses.values())


def created_address(account: bytes, nonce: int) -> bytes:
    """Return where a contract goes that an account creates with a nonce."""
    number = nonce.to_bytes((nonce.bit_length() + 7) // 8, "big")
    if not 0 < nonce < 0x80:  # in RLP only these stand for themselves
        number = bytes([0x80 + len(number)]) + number
    body = bytes([0x80 + len(account)]) + account + number
    return keccak256(bytes([0xC0 + len(body)]) + body)[-20:]


def _arguments(name: str, p: DeployParameters, addresses: dict[str, bytes]) -> tuple[Any, ...]:
    match name:
        case "NativeStakeRegistry":
            return p.minimum_stake, p.withdrawal_delay
        case "EpochManager":
            return (
                addresses["OperatorRegistry"],
                addresses["NativeStakeRegistry"],
                p.epoch_blocks,
                p.reveal_blocks,
            )
        case "CertificateVerifier":
            return (addresses["EpochManager"],)
        case "TaskGateway":
            return (
                addresses["EpochManager"],
                addresses["CertificateVerifier"],
                addresses["ModelRegistry"],
                p.minimum_window,
                p.maximum_window,
            )
        case _:
            return ()
