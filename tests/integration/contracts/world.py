"""The contracts on a chain, with operators who sign: what the contract tests and the gas table work with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from eth_abi.abi import decode, encode
from eth_utils.address import to_canonical_address, to_checksum_address
from eth_utils.crypto import keccak
from web3 import HTTPProvider, Web3
from web3.contract import Contract
from web3.contract.contract import ContractFunction
from web3.exceptions import Web3RPCError
from web3.logs import DISCARD
from web3.types import RPCEndpoint, TxParams, Wei

from consensus import bls, sortition, vrf
from consensus.committee import Committee, OperatorSet
from consensus.signing import statement, value_id
from consensus.types import Domain, FinishReason, InstanceId, Kind, Result, ResultStatus, Scope
from p2pavs.chain.certificates import result_to_abi
from p2pavs.chain.deploy import SLASHING_CLASSES, created_address
from p2pavs.contracts import NAMES, PROXIES, UPGRADEABLE, artifact
from p2pavs.contracts.compile import REPOSITORY, TREES, compile_sources
from tests.integration.contracts.anvil import BLOCK_GAS

ETHER = 10**18
EPOCH_LENGTH = 10
REVEAL_BLOCKS = 4
SUPPLEMENT_WINDOW = 60
LONGEST_PAUSE = 7200
UPGRADE_DELAY = 86_400
BEACON_REWARD = 100_000
BASE_FEE = 100  # wei a unit, the minimum
TARGET_UNITS = 8192
BUCKET_UNITS, STAKED_UNITS, BUCKET_SECONDS = 65_536, 1_000_000, 600
ROYALTY_BPS = 1_000
WITHDRAWAL_DELAY = 14 * 86_400
KEY_DELAY = 3600
VETO_WINDOW = 7200
BOUNTY_BPS = 1000
ABSENT_TASKS, ABSENT_WINDOW = 3, 5
MINIMUM_WINDOW = 30
MAXIMUM_WINDOW = 86_400
PROFILE = keccak(b"a runtime profile")
PRICE_PER_TASK = 1000
PRICE_PER_TOKEN = 7
PRICE = PRICE_PER_TASK + 16 * PRICE_PER_TOKEN
PEER_ID = bytes.fromhex("002408011220") + bytes(range(32))


class Reverted(Exception):
    """A call that the contract refused, with the error's name and arguments."""

    def __init__(self, name: str, arguments: tuple[Any, ...]) -> None:
        super().__init__(f"{name}{arguments}")
        self.name = name
        self.arguments = arguments


@dataclass(frozen=True, slots=True)
class Participant:
    """An operator's account and consensus secret."""

    account: str
    secret: bls.SecretKey

    @property
    def address(self) -> bytes:
        return to_canonical_address(self.account)

    @property
    def key(self) -> bytes:
        return bls.public_key(self.secret)


@cache
def operator(number: int) -> Participant:
    """The same operator for the same number, always."""
    seed = keccak(b"operator" + number.to_bytes(2, "big"))
    return Participant(to_checksum_address(seed[:20]), bls.SecretKey(b"\0" + seed[1:]))


def account(name: str) -> str:
    """An address for a role in a test."""
    return to_checksum_address(keccak(name.encode())[:20])


@cache
def contracts_for_tests() -> dict[str, dict[str, Any]]:
    """Compile the contracts that exist only for tests."""
    library = [
        path for path in TREES[0].sources.rglob("*.sol") if path.parent.name in ("interfaces", "libraries")
    ]
    own = sorted((REPOSITORY / "tests/integration/contracts/sol").glob("*.sol"))
    compiled = compile_sources(
        {path.relative_to(REPOSITORY).as_posix(): path.read_text() for path in library + own}
    )
    return {
        name: value
        for path in own
        for name, value in compiled[path.relative_to(REPOSITORY).as_posix()].items()
    }


HEADER = (
    "(uint256,address,bytes32,bytes32,uint8,uint16,uint64,uint8,bytes32,uint64,uint64,uint128,uint128,uint128,"
    "address,uint32)"
)


@dataclass(frozen=True, slots=True)
class Task:
    """A requested task: its header as the contracts take it."""

    header: tuple[Any, ...]
    fields: dict[str, Any]

    @property
    def id(self) -> int:
        return int(self.fields["id"])

    @property
    def hash(self) -> bytes:
        """What the gateway stores of it."""
        return keccak(encode([HEADER], [self.header]))

    def altered(self, **changes: Any) -> Task:
        merged = self.fields | changes
        return Task(tuple(merged.values()), merged)


@dataclass(slots=True)
class World:
    """One deployment."""

    w3: Web3
    owner: str = field(default_factory=lambda: account("owner"))
    contracts: dict[str, Contract] = field(default_factory=dict)
    errors: dict[bytes, tuple[str, list[str]]] = field(default_factory=dict)
    model_id: bytes = b""

    # --- the chain ------------------------------------------------------------------------------------------

    @classmethod
    def connect(cls, url: str) -> World:
        return cls(Web3(HTTPProvider(url)))

    def rpc(self, method: str, *arguments: Any) -> Any:
        answer = self.w3.provider.make_request(RPCEndpoint(method), list(arguments))
        if "error" in answer:
            raise Web3RPCError(str(answer["error"]))
        return answer["result"]

    def now(self) -> int:
        return int(self.w3.eth.get_block("latest")["timestamp"])

    def pass_time(self, seconds: int) -> None:
        self.rpc("evm_increaseTime", seconds)
        self.rpc("evm_mine")

    def mine(self, blocks: int = 1) -> None:
        self.rpc("anvil_mine", hex(blocks))

    def fund(self, address: str, wei: int = 10**6 * ETHER) -> None:
        self.rpc("anvil_setBalance", address, hex(wei))

    def wei(self, address: str) -> int:
        return int(self.w3.eth.get_balance(to_checksum_address(address)))

    @staticmethod
    def transaction(sender: str, value: int = 0, gas: int = 16_000_000) -> TxParams:
        """The fields of a transaction on a chain whose gas is free."""
        return {
            "from": to_checksum_address(sender),
            "value": Wei(value),
            "gas": gas,
            "gasPrice": Wei(0),
        }

    def deploy_code(self, abi: list[dict[str, Any]], bytecode: str, *arguments: Any) -> Contract:
        factory = self.w3.eth.contract(abi=abi, bytecode=bytecode)
        sent = factory.constructor(*arguments).transact(
            {"from": self.owner, "gas": 12_000_000, "gasPrice": 0}
        )
        receipt = self.w3.eth.wait_for_transaction_receipt(sent)
        assert receipt["status"] == 1
        self.learn_errors(abi)
        contract = self.w3.eth.contract(address=receipt["contractAddress"], abi=abi)
        assert isinstance(contract, Contract)
        return contract

    def deploy_proxy(self, name: str, implementation: Contract, timelock: str, begin: str) -> Contract:
        """The contract behind a new proxy."""
        proxy = artifact(PROXIES[name])
        made = self.deploy_code(proxy.abi, proxy.bytecode, implementation.address, timelock, begin)
        contract = self.w3.eth.contract(address=made.address, abi=implementation.abi)
        assert isinstance(contract, Contract)
        return contract

    def deploy_test_contract(self, name: str) -> Contract:
        compiled = contracts_for_tests()[name]
        return self.deploy_code(compiled["abi"], compiled["bytecode"])

    def learn_errors(self, abi: Sequence[dict[str, Any]]) -> None:
        for entry in abi:
            if entry["type"] == "error":
                kinds = [argument["type"] for argument in entry["inputs"]]
                selector = keccak(f"{entry['name']}({','.join(kinds)})".encode())[:4]
                self.errors[selector] = (entry["name"], kinds)

    def simulate(
        self, call: ContractFunction, sender: str, value: int = 0, gas: int = BLOCK_GAS // 2
    ) -> bytes:
        """Run a call in the next block without keeping it; raises ``Reverted``."""
        return self._simulate(
            {
                "from": sender,
                "to": call.address,
                "value": hex(value),
                "gas": hex(gas),
                "data": call._encode_transaction_data(),
            }
        )

    def simulate_creation(self, name: str, code: bytes) -> bytes:
        """Make a contract in the next block without keeping it; raises ``Reverted``."""
        self.learn_errors(artifact(name).abi)
        return self._simulate({"from": self.owner, "gas": hex(BLOCK_GAS // 2), "data": "0x" + code.hex()})

    def _simulate(self, transaction: dict[str, str]) -> bytes:
        answer = self.w3.provider.make_request(RPCEndpoint("eth_call"), [transaction, "pending"])
        if "error" not in answer:
            return bytes.fromhex(answer["result"][2:])
        data = dict(answer["error"]).get("data")
        if not isinstance(data, str) or len(data) < 10:
            raise Reverted(str(answer["error"]), ())
        raw = bytes.fromhex(data[2:])
        name, kinds = self.errors.get(raw[:4], (f"unknown error {raw[:4].hex()}", []))
        values = zip(kinds, decode(kinds, raw[4:]), strict=True)
        raise Reverted(
            name, tuple(to_checksum_address(value) if kind == "address" else value for kind, value in values)
        )

    def send(
        self, call: ContractFunction, sender: str | None = None, value: int = 0, gas: int = 16_000_000
    ) -> Any:
        """Send a transaction and return its receipt; raises ``Reverted`` where the contract refuses it."""
        sender = sender or self.owner
        if value:
            self.fund(sender, self.wei(sender) + value)
        self.simulate(call, sender, value, gas)
        sent = call.transact(self.transaction(sender, value, gas))
        receipt = self.w3.eth.wait_for_transaction_receipt(sent)
        assert receipt["status"] == 1, "the call went through when simulated and not when sent"
        return receipt

    # --- the contracts --------------------------------------------------------------------------------------

    def deploy(self, minimum_stake: int = ETHER) -> None:
        """Deploy all contracts and register one model."""
        made = self.contracts
        first = self.w3.eth.get_transaction_count(self.owner)
        # A proxy comes right after its implementation, so what follows them is one place further on.
        places = [name for name in NAMES for _ in range(1 + (name in UPGRADEABLE))]
        manager, timelock = (
            to_checksum_address(created_address(to_canonical_address(self.owner), first + places.index(name)))
            for name in ("SlashingManager", "TimelockController")
        )
        nobody = "0x" + "00" * 20
        evidence = ("OperatorRegistry", "TaskGateway", "CertificateVerifier")
        arguments: dict[str, Any] = {
            "OperatorRegistry": lambda: (KEY_DELAY, nobody),
            "NativeStakeRegistry": lambda: (minimum_stake, WITHDRAWAL_DELAY, manager),
            "EpochManager": lambda: (
                made["OperatorRegistry"].address,
                made["NativeStakeRegistry"].address,
                EPOCH_LENGTH,
                REVEAL_BLOCKS,
            ),
            "CertificateVerifier": lambda: (made["EpochManager"].address,),
            "ModelRegistry": lambda: (made["EpochManager"].address, 1),
            "TaskGateway": lambda: (
                *(made[name].address for name in ("EpochManager", "CertificateVerifier", "ModelRegistry")),
                (
                    MINIMUM_WINDOW,
                    MAXIMUM_WINDOW,
                    SUPPLEMENT_WINDOW,
                    LONGEST_PAUSE,
                    BEACON_REWARD,
                    (BASE_FEE, TARGET_UNITS, BUCKET_UNITS, STAKED_UNITS, BUCKET_SECONDS),
                ),
            ),
            "EquivocationVerifier": lambda: tuple(made[name].address for name in evidence[:2]),
            "WrongOutputVerifier": lambda: tuple(made[name].address for name in evidence),
            "LazyVoteVerifier": lambda: tuple(made[name].address for name in evidence),
            "AbsenceVerifier": lambda: (
                *(made[name].address for name in ("TaskGateway", "EpochManager")),
                ABSENT_TASKS,
                ABSENT_WINDOW,
            ),
            "SlashingManager": lambda: (
                made["NativeStakeRegistry"].address,
                (self.owner, account("guardian")),
                BOUNTY_BPS,
                (MAXIMUM_WINDOW + LONGEST_PAUSE, 86_400, VETO_WINDOW, EPOCH_LENGTH * 12),
                [(made[one].address, cost.to_abi()) for one, cost in SLASHING_CLASSES.items()],
            ),
            "TimelockController": lambda: (UPGRADE_DELAY, [self.owner], [nobody], nobody),
        }
        for name in NAMES:
            compiled = artifact(name)
            made[name] = self.deploy_code(compiled.abi, compiled.bytecode, *arguments[name]())
            if name in UPGRADEABLE:
                begin = made[name].encode_abi("initialize", [self.owner])
                made[name] = self.deploy_proxy(name, made[name], timelock, begin)
        assert made["SlashingManager"].address == manager
        assert made["TimelockController"].address == timelock
        self.send(self.models.functions.register(self.model()))
        self.model_id = self.models.functions.idAt(0).call()

    @property
    def registry(self) -> Contract:
        return self.contracts["OperatorRegistry"]

    @property
    def stakes(self) -> Contract:
        return self.contracts["NativeStakeRegistry"]

    @property
    def epochs(self) -> Contract:
        return self.contracts["EpochManager"]

    @property
    def verifier(self) -> Contract:
        return self.contracts["CertificateVerifier"]

    @property
    def models(self) -> Contract:
        return self.contracts["ModelRegistry"]

    @property
    def gateway(self) -> Contract:
        return self.contracts["TaskGateway"]

    @property
    def slashing(self) -> Contract:
        return self.contracts["SlashingManager"]

    @property
    def domain(self) -> Domain:
        return Domain(self.w3.eth.chain_id, to_canonical_address(self.gateway.address))

    def model(self, **changes: Any) -> tuple[Any, ...]:
        fields = {
            "modelHash": keccak(b"gguf"),
            "manifestHash": keccak(b"manifest"),
            "runtimeProfile": PROFILE,
            "goldenDigest": keccak(b"golden"),
            "pricePerTask": PRICE_PER_TASK,
            "pricePerToken": PRICE_PER_TOKEN,
            "minCommittee": 1,
            "royaltyBps": ROYALTY_BPS,
            "activeFrom": 0,
            "maker": self.owner,
            "active": True,
            "name": "test model",
        }
        assert changes.keys() <= fields.keys()
        return tuple((fields | changes).values())

    def registration(self, who: Participant, **changes: Any) -> ContractFunction:
        parts = {"key": bls.public_key_to_evm(who.key), "proof": self.possession(who), "peer": PEER_ID}
        return self.registry.functions.register(*(parts | changes).values())

    def rotation(self, who: Participant) -> ContractFunction:
        return self.registry.functions.rotateKey(bls.public_key_to_evm(who.key), self.possession(who))

    def possession(self, who: Participant) -> bytes:
        registry = to_canonical_address(self.registry.address)
        return bls.signature_to_evm(bls.pop_prove(who.secret, self.w3.eth.chain_id, registry, who.address))

    def enlist(self, stakes: Sequence[int]) -> list[Participant]:
        """Register operators 0, 1, 2... with these stakes."""
        crew = [operator(number) for number in range(len(stakes))]
        for who, stake in zip(crew, stakes, strict=True):
            self.send(self.registration(who), who.account)
            self.send(self.stakes.functions.deposit(), who.account, value=stake)
        return crew

    def next_epoch(self) -> OperatorSet:
        """Freeze and open an epoch, and read its set."""
        if not self.epochs.functions.currentEpoch().call():
            self.send(self.freeze_call())
            self.send(self.epochs.functions.open())
        else:
            self.mine(EPOCH_LENGTH)
            self.send(self.freeze_call())
            self.send(self.reveal_call())
        return self.operator_set()

    def freeze_call(self, most: int = 256) -> ContractFunction:
        """Freeze the next set, with the keys that are wanted next, at most so many."""
        return self.epochs.functions.freeze(b"".join(map(bls.key_xy, self.wanted_keys()[:most])))

    def wanted_keys(self) -> list[bytes]:
        """The keys (48 bytes each) that the next call of ``freeze`` wants."""
        _, wanted = self.epochs.functions.wanted().call(block_identifier="pending")
        events = self.registry.events
        logs = [
            log
            for event in (events.OperatorRegistered, events.KeyRotationBegun)
            for log in event.get_logs(from_block=0)
        ]
        keys = [bls.public_key_from_evm(log["args"]["publicKey"]) for log in logs]
        known = {keccak(key)[:26]: key for key in keys}
        return [known[key_hash] for key_hash in wanted]

    def leader(self, rank: int = 0) -> int:
        """The index of the operator that makes the next seed, in the running epoch's set."""
        operators = self.operator_set()
        seed = self.epochs.functions.epochInfo(operators.epoch).call()[0]
        starts = sortition.starts([one.stake for one in operators.operators])
        return sortition.leader(seed, operators.epoch + 1, rank, starts, operators.total_stake)

    def proof(self, rank: int = 0, index: int | None = None) -> bytes:
        """The proof (96 bytes) of a rank's leader, or of another operator in its place."""
        epoch, _, pre_seed = self.epochs.functions.pending().call()
        operators = self.operator_set().operators
        by_key = {who.key: who for who in map(operator, range(len(operators) + 8))}
        who = by_key[operators[self.leader(rank) if index is None else index].key]
        manager = to_canonical_address(self.epochs.address)
        return vrf.prove(who.secret, vrf.vrf_input(self.w3.eth.chain_id, manager, epoch, rank, pre_seed))

    def reveal_call(self, rank: int = 0) -> ContractFunction:
        index = self.leader(rank)
        return self.epochs.functions.reveal(
            index, self.key_hint(index), bls.signature_to_evm(self.proof(rank))
        )

    def key_hint(self, index: int) -> bytes:
        """The y of the key of an operator of the running epoch."""
        return bls.key_xy(self.operator_set().operators[index].key)[48:]

    def operator_set(self) -> OperatorSet:
        epoch = self.epochs.functions.currentEpoch().call()
        return OperatorSet.from_records(epoch, self.epochs.functions.recordsOf(epoch).call())

    # --- tasks ----------------------------------------------------------------------------------------------

    def params(self, **changes: Any) -> tuple[Any, ...]:
        fields = {
            "maxTokens": 16,
            "temperatureMilli": 0,
            "topK": 0,
            "topPMicro": 0,
            "minPMicro": 0,
            "repetitionPenaltyMilli": 0,
            "seed": 0,
            "stop": ["\n"],
            "choices": ["yes", "no"],
            "jsonSchema": "",
        }
        assert changes.keys() <= fields.keys()
        return tuple((fields | changes).values())

    def request_call(self, **changes: Any) -> ContractFunction:
        fields = {
            "modelId": self.model_id,
            "input": b"Is water wet?",
            "params": self.params(),
            "mode": 0,
            "committeeSize": 0,
            "deadline": self.now() + 600,
            "attempts": 1,
            "tip": 0,
            "callback": "0x" + "00" * 20,
            "callbackGas": 0,
        }
        assert changes.keys() <= fields.keys()
        return self.gateway.functions.requestInference(tuple((fields | changes).values()))

    @property
    def reward(self) -> int:
        """What the signers share of ``fee``."""
        return PRICE - PRICE * ROYALTY_BPS // 10_000

    @property
    def fee(self) -> int:
        """Of the request that ``request_call`` makes, at the least base fee."""
        return PRICE + BASE_FEE * (16 + 1)

    def request(self, sender: str | None = None, value: int | None = None, **changes: Any) -> Task:
        receipt = self.send(
            self.request_call(**changes), sender or account("requester"), self.fee if value is None else value
        )
        return self.task_of(receipt)

    def task_of(self, receipt: Any) -> Task:
        [log] = self.gateway.events.TaskRequested().process_receipt(receipt, errors=DISCARD)
        fields = dict(log["args"]["header"])
        return Task(tuple(fields.values()), fields)

    def result(self, output: bytes = b"yes", **changes: Any) -> Result:
        whole = Result(
            ResultStatus.COMPLETED,
            keccak(output),
            len(output),
            3,
            FinishReason.CHOICE,
            keccak(b"trace root"),
            keccak(b"trace commit"),
            PROFILE,
        )
        return replace(whole, **changes)

    def committee(self, task: Task, operators: OperatorSet, attempt: int = 0) -> Committee:
        return Committee.select(
            operators, task.hash, task.fields["taskSeed"], attempt, task.fields["committeeSize"]
        )

    def scope(self, task: Task, committee: Committee) -> Scope:
        return Scope(self.domain, InstanceId(task.id, committee.attempt), committee.root)

    def certify(
        self,
        task: Task,
        operators: OperatorSet,
        signers: Sequence[int] | None = None,
        result: Result | None = None,
        round_: int = 0,
        kind: Kind = Kind.PRECOMMIT,
        where: Callable[[Scope], Scope] = lambda scope: scope,
        **changes: Any,
    ) -> tuple[Any, ...]:
        """A certificate as the contract takes it; everyone on the committee signs unless told otherwise.

        `where` changes what the signatures are bound to.
        """
        attempt = int(changes.get("attempt", 0))
        committee = self.committee(task, operators, attempt)
        if signers is None:
            signers = [member.index for member in committee.members]
        result = result or self.result()
        message = statement(where(self.scope(task, committee)), kind, round_, value_id(result))
        by_key = {who.key: who for who in map(operator, range(len(operators.operators)))}
        signatures = [bls.sign(by_key[committee.member(index).key].secret, message) for index in signers]
        bitmap, hints = committee.bitmap_and_hints(signers)
        fields = {
            "attempt": attempt,
            "round": round_,
            "result": result_to_abi(result),
            "bitmap": bitmap,
            "hints": hints,
            "signature": bls.signature_to_evm(bls.aggregate(signatures)),
        }
        assert changes.keys() <= fields.keys()
        return tuple((fields | changes).values())

    def submit_call(
        self, task: Task, certificate: tuple[Any, ...], output: bytes = b"yes"
    ) -> ContractFunction:
        return self.gateway.functions.submitCertificate(task.header, certificate, output)

    def status(self, task: Task) -> int:
        return int(self.gateway.functions.resultOf(task.id).call(block_identifier="pending")[0])
