"""Put all contracts on a chain."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields
from typing import Any

from eth_utils.address import to_checksum_address

from consensus.hashing import keccak256
from p2pavs.chain.contracts import Call, interface
from p2pavs.chain.deployment import Deployment
from p2pavs.chain.errors import ChainError, InsufficientFunds, RpcRefused
from p2pavs.chain.fees import market_fees
from p2pavs.chain.poster import Sender
from p2pavs.chain.precompiles import wrong_precompiles
from p2pavs.chain.receipts import Receipt
from p2pavs.chain.rpc import Rpc
from p2pavs.contracts import EIGEN_STAKE, NATIVE_STAKE, PROXIES, TIMELOCK, UPGRADEABLE, artifact, names_with
from p2pavs.errors import UsageError


class NoBlsPrecompiles(ChainError):
    """The chain cannot verify BLS12-381 signatures."""

    def __init__(self, wrong: Iterable[str]) -> None:
        super().__init__(
            "This chain lacks the BLS12-381 precompiles (EIP-2537), which the certificates need: "
            f"{', '.join(wrong)} missing or wrong.",
            "Use a chain with the Prague upgrade or later; a test chain with anvil --hardfork prague.",
        )


DAY = 86400  # seconds

DEPLOYMENT_GAS = 24_000_000
"""Gas that all contracts together take, rounded up; those for EigenLayer take the most."""


@dataclass(frozen=True, slots=True)
class SlashingClass:
    """What an offence costs. The contract's ``Class``."""

    wad: int  # of 1e18
    vetoable: bool = True
    ejects: bool = False
    windowed: bool = False

    def to_abi(self) -> tuple[int, bool, bool, bool]:
        """Return the struct for the ABI encoder."""
        return self.wad, self.vetoable, self.ejects, self.windowed


SLASHING_CLASSES = {
    "EquivocationVerifier": SlashingClass(10**18, vetoable=False),
    "WrongOutputVerifier": SlashingClass(10**16),
    "LazyVoteVerifier": SlashingClass(10**17),
    "AbsenceVerifier": SlashingClass(10**17, ejects=True, windowed=True),
}
"""What the evidence of each verifier costs in a new deployment."""


@dataclass(frozen=True, slots=True)
class DeployParameters:
    """What the contracts are built with; nothing of it can be changed later."""

    epoch_blocks: int = 7200  # a day of mainnet blocks
    reveal_blocks: int = 10  # that each leader has to make the next seed
    minimum_stake: int = 10**18  # wei
    withdrawal_delay: int = 14 * DAY  # seconds
    minimum_window: int = 30  # seconds from a request to its deadline
    maximum_window: int = DAY  # seconds
    supplement_window: int = 600  # seconds after a certificate in which precommits can be added to it
    longest_pause: int = 2 * DAY  # seconds by which pauses move a deadline at most
    upgrade_delay: int = 4 * DAY  # seconds from the proposal of an upgrade or a penalty to its execution
    activation_epochs: int = 1  # from a model's registration to its first task
    beacon_reward: int = 10**15  # wei, for an epoch's seed, where the pool of base fees has it
    minimum_base_fee: int = 10**9  # wei a compute unit
    target_units: int = 8192  # compute units a block
    bucket_units: int = 65_536  # that a requester without stake may ask for at once
    staked_units: int = 1_048_576  # more, for one with all stake; in proportion for others
    bucket_seconds: int = 600  # until a full bucket is empty
    block_seconds: int = 12  # between two blocks of the chain, at most on average
    key_delay: int = DAY  # seconds until a rotated key takes its place
    report_window: int = DAY  # seconds from an offence to its report
    veto_window: int = DAY  # seconds from its report to the loss
    bounty_bps: int = 1000  # of what is taken, to who reported it
    absent_tasks: int = 50  # missing from so many ...
    absent_window: int = 100  # ... of so many tasks is an offence

    @property
    def longest_task(self) -> int:
        """Seconds from a request to its last deadline."""
        return self.maximum_window + self.longest_pause

    def check(self, unbonding: int | None = None) -> None:
        """Raise ``UsageError`` for what the constructors cannot refuse before something is paid.

        ``unbonding`` is for how many seconds stake can be taken that is asked back, where that is not
        ``withdrawal_delay``.
        """
        for field in fields(self):
            value: int = getattr(self, field.name)
            least, most = _BOUNDS.get(field.name, (0, _LONGEST))
            if not least <= value <= most:
                raise UsageError(f"{field.name} must be {least} to {most:,}, not {value:,}.", "Change it.")
        windows = self.longest_task + self.report_window + self.veto_window
        needed = windows + self.epoch_blocks * self.block_seconds
        half = (self.withdrawal_delay if unbonding is None else unbonding) // 2
        if needed >= half:
            whose, longer = (
                ("the", "a longer withdrawal_delay, or ") if unbonding is None else ("EigenLayer's", "")
            )
            raise UsageError(
                f"An offence can be punished until {needed} s after its task: the longest deadline, the "
                f"longest pause, the report window, the veto window and an epoch. Half of {whose} withdrawal "
                f"delay must be longer, and is {half} s.",
                f"Choose {longer}shorter windows.",
            )


_LONGEST = 2**32 - 1
"""Seconds, blocks, epochs: added to any time that comes, the contracts can count it."""
_BOUNDS = {
    "epoch_blocks": (1, _LONGEST),
    "block_seconds": (1, _LONGEST),
    "minimum_stake": (1, 2**96 - 1),
    "beacon_reward": (0, 2**128 - 1),
    "minimum_base_fee": (0, 2**64 - 1),
    "bucket_units": (0, 2**64 - 1),
    "staked_units": (0, 2**64 - 1),
    "absent_tasks": (1, 2**16 - 1),
    "absent_window": (1, 2**16 - 1),
    "bounty_bps": (0, 5_000),
}
"""Least and most. What else does not fit, the contracts' constructors say when they are tried out."""


@dataclass(frozen=True, slots=True)
class Restaking:
    """Stake that EigenLayer holds, in place of deposits."""

    allocation_manager: bytes
    strategies: tuple[bytes, ...]  # whose shares count, wei for wei
    metadata_uri: str


@dataclass(frozen=True, slots=True)
class Authority:
    """Who decides what can still be decided; the deploying account where None."""

    owner: bytes | None = None  # proposes to the timelock, and is offered every contract that has an owner
    guardian: bytes | None = None  # strikes out cases of slashing


@dataclass(frozen=True, slots=True)
class DeployedContract:
    """One contract that was put on the chain."""

    name: str
    address: bytes
    receipt: Receipt
    implementation: bool = False  # what stands behind the proxy of that name


async def deploy_all(
    rpc: Rpc,
    sender: Sender,
    parameters: DeployParameters,
    deployed: Callable[[DeployedContract], None] = lambda _: None,
    *,
    restaking: Restaking | None = None,
    authority: Authority | None = None,
) -> Deployment:
    """Deploy every contract and set what has to be set. Calls ``deployed`` after each contract.

    Before anything is sent it raises ``UsageError``, ``NoBlsPrecompiles``, ``ContractRevert`` for parameters
    that do not fit together, or ``InsufficientFunds``; later what ``Sender.send`` raises.
    """
    authority = authority or Authority()
    parameters.check(
        None if restaking is None else await _unbonding(rpc, restaking, parameters.block_seconds)
    )
    if wrong := await wrong_precompiles(rpc):
        raise NoBlsPrecompiles(wrong)
    chain_id = await rpc.chain_id()
    names = names_with(NATIVE_STAKE if restaking is None else EIGEN_STAKE)
    # Where each contract will be follows from the account and its nonce, so all are sent at once.
    first = sender.next_nonce
    order = list(_in_order(names))
    places = [created_address(sender.address, first + i) for i in range(len(order))]
    addresses = {name: place for (name, behind), place in zip(order, places, strict=True) if not behind}
    implementations = {name: place for (name, behind), place in zip(order, places, strict=True) if behind}
    plan = _Plan(parameters, restaking, addresses, implementations, authority, sender.address)
    creations = [plan.creation_call(name, behind) for name, behind in order]
    for (name, behind), call in zip(order, creations, strict=True):
        if name != "SlashingManager" and (
            name not in UPGRADEABLE or behind
        ):  # those call others when created
            await sender.simulate(call)
    await _check_funds(rpc, sender.address)
    tickets = [sender.submit(call) for call in creations]
    settings = [sender.submit(call) for call in plan.settings()]
    blocks = []
    for (name, behind), place, ticket in zip(order, places, tickets, strict=True):
        receipt = await ticket.receipt()
        if receipt.contract_address != place:
            raise ChainError(
                f"{name} is not at the address it should have.",
                "Another process used the account meanwhile: stop it and deploy again.",
            )
        blocks.append(receipt.block_number)
        deployed(DeployedContract(name, place, receipt, behind))
    for ticket in settings:
        await ticket.receipt()
    return Deployment(chain_id, min(blocks), addresses, implementations)


async def _check_funds(rpc: Rpc, account: bytes) -> None:
    """Raise ``InsufficientFunds`` for an account that would be empty in the middle of a deployment."""
    balance = await rpc.balance(account)
    needed = DEPLOYMENT_GAS * (await market_fees(rpc)).max_fee
    if balance < needed:
        raise InsufficientFunds(to_checksum_address(account), balance, needed, what="the deployment")


async def _unbonding(rpc: Rpc, restaking: Restaking, block_seconds: int) -> int:
    """For how many seconds EigenLayer lets stake be taken that is asked back. Raises ``UsageError``."""
    try:
        answer = await rpc.call(restaking.allocation_manager, keccak256(b"DEALLOCATION_DELAY()")[:4])
    except RpcRefused:
        answer = b""
    if len(answer) != 32 or any(answer[:-4]):  # a uint32
        raise UsageError(
            f"EigenLayer's AllocationManager is not at {to_checksum_address(restaking.allocation_manager)}.",
            "Check --allocation-manager, and that --rpc is an endpoint of its chain.",
        )
    return int.from_bytes(answer, "big") * block_seconds


def _in_order(names: Iterable[str]) -> Iterator[tuple[str, bool]]:
    """Give what is to be created: a name, and whether it is what stands behind the proxy of that name."""
    for name in names:
        if name in UPGRADEABLE:
            yield name, True
        yield name, False


def owned_contracts(deployment: Deployment) -> tuple[str, ...]:
    """Return the contracts of a deployment that its owner is offered; the timelock owns the others."""
    return tuple(name for name in deployment.contracts if name in UPGRADEABLE)


def creation_code(name: str, *arguments: Any) -> bytes:
    """Return what creates one of our contracts: its code and its constructor's arguments."""
    code = bytes.fromhex(artifact(name).bytecode.removeprefix("0x"))
    return code + interface(name).encode_constructor(*arguments)


def created_address(account: bytes, nonce: int) -> bytes:
    """Return where a contract goes that an account creates with a nonce."""
    number = nonce.to_bytes((nonce.bit_length() + 7) // 8, "big")
    if not 0 < nonce < 0x80:  # in RLP only these stand for themselves
        number = bytes([0x80 + len(number)]) + number
    body = bytes([0x80 + len(account)]) + account + number
    return keccak256(bytes([0xC0 + len(body)]) + body)[-20:]


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is passed to the constructors, and what is set afterwards."""

    parameters: DeployParameters
    restaking: Restaking | None
    addresses: dict[str, bytes]
    implementations: dict[str, bytes]
    authority: Authority
    deployer: bytes

    @property
    def stake_source(self) -> str:
        return NATIVE_STAKE if self.restaking is None else EIGEN_STAKE

    def creation_call(self, name: str, behind: bool) -> Call:
        """Return the transaction that creates a contract, or what stands behind the proxy of that name."""
        proxy = name in UPGRADEABLE and not behind
        data = self._proxy(name) if proxy else creation_code(name, *self.arguments(name))
        return Call(None, data, what=f"the deployment of {name}" + (" (implementation)" if behind else ""))

    def _proxy(self, name: str) -> bytes:
        """Return what creates the proxy of a contract and begins its life. The timelock upgrades it."""
        arguments: list[Any] = [self.deployer]  # until the owner takes what it is offered
        if name == EIGEN_STAKE and self.restaking is not None:
            arguments.append(sorted(self.restaking.strategies))
        begin = interface(name).encode("initialize", *arguments)
        return creation_code(PROXIES[name], self.implementations[name], self.addresses[TIMELOCK], begin)

    def settings(self) -> Iterator[Call]:
        """Give the calls that follow the deployment, in order."""
        if self.restaking is not None:
            uri = self.restaking.metadata_uri
            yield self._call(EIGEN_STAKE, "setUp", uri, what="the set-up of the AVS in EigenLayer")
        for name in UPGRADEABLE if self.authority.owner is not None else ():
            if name in self.addresses:
                what = f"the offer of {name} to its owner"
                yield self._call(name, "offerOwnership", self.authority.owner, what=what)

    def arguments(self, name: str) -> tuple[Any, ...]:
        """Return the arguments of a contract's constructor."""
        p, at = self.parameters, self._at
        match name:
            case "OperatorRegistry":
                return p.key_delay, bytes(20) if self.restaking is None else self.addresses[EIGEN_STAKE]
            case "NativeStakeRegistry":
                return p.minimum_stake, p.withdrawal_delay, *at("SlashingManager")
            case "EigenStakeAdapter" if self.restaking is not None:
                windows = p.longest_task + p.report_window + p.veto_window
                horizon = p.epoch_blocks + windows // p.block_seconds + 1
                where = (self.restaking.allocation_manager, *at("OperatorRegistry", "SlashingManager"))
                return *where, p.minimum_stake, horizon, p.block_seconds
            case "EpochManager":
                return *at("OperatorRegistry", self.stake_source), p.epoch_blocks, p.reveal_blocks
            case "CertificateVerifier":
                return at("EpochManager")
            case "TaskGateway":
                parts = at("EpochManager", "CertificateVerifier", "ModelRegistry")
                fees = (p.minimum_base_fee, p.target_units, p.bucket_units, p.staked_units, p.bucket_seconds)
                spans = (p.minimum_window, p.maximum_window, p.supplement_window, p.longest_pause)
                return *parts, (*spans, p.beacon_reward, fees)
            case "ModelRegistry":
                return *at("EpochManager"), p.activation_epochs
            case "EquivocationVerifier":
                return at("OperatorRegistry", "TaskGateway")
            case "WrongOutputVerifier" | "LazyVoteVerifier":
                return at("OperatorRegistry", "TaskGateway", "CertificateVerifier")
            case "AbsenceVerifier":
                return *at("TaskGateway", "EpochManager"), p.absent_tasks, p.absent_window
            case "SlashingManager":
                epoch = p.epoch_blocks * p.block_seconds
                timing = (p.longest_task, p.report_window, p.veto_window, epoch)
                who = (self.addresses[TIMELOCK], self.authority.guardian or self.deployer)
                classes = [(self.addresses[one], cost.to_abi()) for one, cost in SLASHING_CLASSES.items()]
                return *at(self.stake_source), who, p.bounty_bps, timing, classes
            case "TimelockController":
                # Who proposes can also cancel; what is due, anyone may execute; nobody avoids the delay.
                return p.upgrade_delay, [self.authority.owner or self.deployer], [bytes(20)], bytes(20)
            case _:
                return ()

    def _at(self, *names: str) -> tuple[bytes, ...]:
        return tuple(self.addresses[name] for name in names)

    def _call(self, name: str, function: str, *arguments: Any, what: str) -> Call:
        return Call(self.addresses[name], interface(name).encode(function, *arguments), what=what)
