"""The frozen operator set of an epoch, and the committee that a task's seed draws from it."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from consensus import bls, sortition
from consensus.hashing import keccak256, words
from consensus.types import MAX_OPERATORS, MAX_SEATS

RECORD_BYTES = 84
STAKE_BYTES = 16
RECORDS_PER_BLOB = 64
_UINT128 = 1 << 128


class OperatorSetError(ValueError):
    """The operator set is not one that the chain could have frozen."""


class CommitteeError(ValueError):
    """A signer, bitmap or hint does not fit the committee."""


@dataclass(frozen=True, slots=True)
class Operator:
    """One entry of an epoch's set; its index is its position there."""

    operator: bytes  # account address, 20 bytes
    key: bytes  # compressed public key, 48 bytes
    stake: int


@dataclass(frozen=True, slots=True)
class Member:
    """An operator on a committee."""

    index: int  # in the epoch's operator set
    operator: bytes  # 20 bytes
    key: bytes  # 48 bytes
    weight: int  # its stake, or its number of seats


def _read_records(records: bytes, before: int, first: int) -> Iterator[Operator]:
    """``before`` is the stake of all before these records, ``first`` the number of the first one."""
    for index, at in enumerate(range(0, len(records), RECORD_BYTES), first):
        record = records[at : at + RECORD_BYTES]
        key, end = record[20:68], int.from_bytes(record[68:], "big")
        try:
            bls.check_key(key)
        except bls.BlsError as error:
            raise OperatorSetError(f"record {index}: {error}") from error
        yield Operator(record[:20], key, end - before)
        before = end


@dataclass(frozen=True, slots=True)
class OperatorSet:
    """All operators of an epoch with their stakes, as frozen on the chain.

    Made here from parts it checks structure only; ``from_records`` also checks that keys are valid points.
    ``blob_counts`` says how many records each on-chain blob holds: the set's root depends on it.
    """

    epoch: int
    operators: tuple[Operator, ...]
    blob_counts: tuple[int, ...]
    total_stake: int = field(init=False)
    root: bytes = field(init=False)

    def __init__(
        self, epoch: int, operators: Iterable[Operator], blob_counts: Sequence[int] | None = None
    ) -> None:
        entries = tuple(operators)
        count = len(entries)
        if blob_counts is None:
            full, rest = divmod(count, RECORDS_PER_BLOB)
            blob_counts = [RECORDS_PER_BLOB] * full + [rest] * bool(rest)
        object.__setattr__(self, "epoch", epoch)
        object.__setattr__(self, "operators", entries)
        object.__setattr__(self, "blob_counts", tuple(blob_counts))
        object.__setattr__(self, "total_stake", sum(entry.stake for entry in entries))
        self._check()
        object.__setattr__(self, "root", self._root())

    def _check(self) -> None:
        count = len(self.operators)
        if not 1 <= count <= MAX_OPERATORS:
            raise OperatorSetError(f"an operator set has 1 to {MAX_OPERATORS} operators, not {count}")
        if not 0 <= self.epoch < 1 << 64:
            raise OperatorSetError(f"{self.epoch} is not an epoch number")
        if any(not 1 <= n <= RECORDS_PER_BLOB for n in self.blob_counts) or sum(self.blob_counts) != count:
            raise OperatorSetError(f"blobs of {self.blob_counts} records do not make a set of {count}")
        for index, entry in enumerate(self.operators):
            if len(entry.operator) != 20 or len(entry.key) != bls.KEY_BYTES:
                raise OperatorSetError(f"operator {index}: an address has 20 bytes and a key 48")
            if entry.stake <= 0:
                raise OperatorSetError(f"operator {index} has no stake")
        if self.total_stake >= _UINT128:
            raise OperatorSetError("the total stake does not fit 128 bits")
        if len({entry.operator for entry in self.operators}) != count:
            raise OperatorSetError("an operator is in the set twice")
        if len({entry.key for entry in self.operators}) != count:
            raise OperatorSetError("a consensus key is in the set twice")

    def _root(self) -> bytes:
        fold = bytes(32)
        for blob in self.to_blobs():
            fold = keccak256(fold + keccak256(blob))
        return words("p2pavs/set/1", len(self.operators), self.total_stake, fold)

    @classmethod
    def from_records(cls, epoch: int, records: bytes) -> OperatorSet:
        """Read the records of an epoch (84 bytes each) that were frozen in full blobs of 64.

        Raises ``OperatorSetError`` where the records contradict themselves or a key is not a valid point.
        """
        size, blobs, before = RECORD_BYTES * RECORDS_PER_BLOB, [], bytes(STAKE_BYTES)
        for at in range(0, len(records), size):
            part = records[at : at + size]
            blobs.append(before + part)
            before = part[-STAKE_BYTES:]
        return cls.from_blobs(epoch, blobs)

    @classmethod
    def from_blobs(cls, epoch: int, blobs: Sequence[bytes]) -> OperatorSet:
        """Read the records of an epoch blob by blob, however many records each holds."""
        lengths = [len(blob) - STAKE_BYTES for blob in blobs]
        if sum(lengths) > MAX_OPERATORS * RECORD_BYTES:
            raise OperatorSetError(f"{sum(lengths)} bytes hold more than {MAX_OPERATORS} operators")
        operators: list[Operator] = []
        total = 0
        for blob, length in zip(blobs, lengths, strict=True):
            if length < 0 or length % RECORD_BYTES:
                raise OperatorSetError(f"{length} bytes are not whole records, of {RECORD_BYTES} bytes each")
            before = int.from_bytes(blob[:STAKE_BYTES], "big")
            if before != total:
                raise OperatorSetError(f"record {len(operators)} begins at {before}, and not at {total}")
            operators += _read_records(blob[STAKE_BYTES:], before, len(operators))
            total = int.from_bytes(blob[-STAKE_BYTES:], "big")
        return cls(epoch, operators, [length // RECORD_BYTES for length in lengths])

    def to_blobs(self) -> tuple[bytes, ...]:
        """Return the blobs as the chain stores them: the stake of all before, then the records."""
        records, blobs, at = self.to_records(), [], 0
        before = bytes(STAKE_BYTES)
        for count in self.blob_counts:
            part = records[at : at + count * RECORD_BYTES]
            blobs.append(before + part)
            before, at = part[-STAKE_BYTES:], at + len(part)
        return tuple(blobs)

    def to_records(self) -> bytes:
        """Return all records, one after another."""
        ends = itertools.accumulate(entry.stake for entry in self.operators)
        return b"".join(
            entry.operator + entry.key + end.to_bytes(STAKE_BYTES, "big")
            for end, entry in zip(ends, self.operators, strict=True)
        )


@dataclass(frozen=True, slots=True)
class Committee:
    """Who decides one attempt at a task. ``select`` makes it; everything follows from its fields."""

    members: tuple[Member, ...]  # ascending by index
    total_weight: int
    root: bytes  # 32 bytes
    seats: tuple[int, ...]  # operator index per seat; empty where the whole set decides
    task_seed: bytes  # 32 bytes
    attempt: int
    _by_index: Mapping[int, Member] = field(init=False, repr=False, compare=False)
    _starts: tuple[int, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        by_index = {member.index: member for member in self.members}
        indexes = [member.index for member in self.members]
        if indexes != sorted(by_index) or not indexes:
            raise CommitteeError("members are not strictly ascending by index, or there are none")
        weights = [member.weight for member in self.members]
        if min(weights) <= 0 or sum(weights) != self.total_weight:
            raise CommitteeError("the members' weights are not positive or do not sum to the total weight")
        object.__setattr__(self, "_by_index", MappingProxyType(by_index))
        object.__setattr__(self, "_starts", sortition.starts(weights))

    @classmethod
    def select(
        cls, operator_set: OperatorSet, task_hash: bytes, task_seed: bytes, attempt: int, size: int
    ) -> Committee:
        """Draw the committee of an attempt: ``size`` seats, or with 0 the whole set weighted by stake.

        ``task_hash`` is the hash of the task's header. The root holds it, so that what is signed for one task
        is worth nothing for another that a reorganisation gives the same number and seed.
        """
        if not 0 <= size <= MAX_SEATS:
            raise CommitteeError(f"a committee has 0 to {MAX_SEATS} seats, not {size}")
        stakes = [entry.stake for entry in operator_set.operators]
        seats = sortition.seats(task_seed, attempt, stakes, size)
        weights = {index: seats.count(index) for index in set(seats)} if size else dict(enumerate(stakes))
        members = tuple(
            Member(index, entry.operator, entry.key, weights[index])
            for index, entry in enumerate(operator_set.operators)
            if index in weights
        )
        epoch, set_root = operator_set.epoch, operator_set.root
        root = words("p2pavs/committee/1", epoch, set_root, task_seed, attempt, size, task_hash)
        return cls(members, size or operator_set.total_stake, root, seats, task_seed, attempt)

    def __contains__(self, index: object) -> bool:
        return index in self._by_index

    def member(self, index: int) -> Member:
        """Return the member with this operator index; raises ``CommitteeError`` if there is none."""
        found = self._by_index.get(index)
        if found is None:
            raise CommitteeError(f"operator {index} is not on the committee")
        return found

    def weight_of(self, index: int) -> int:
        """Return a member's weight, 0 for who is not on the committee."""
        found = self._by_index.get(index)
        return 0 if found is None else found.weight

    def quorum(self, weight: int) -> bool:
        """Whether the weight is more than two thirds of the committee's."""
        return 3 * weight > 2 * self.total_weight

    def weak_quorum(self, weight: int) -> bool:
        """Whether the weight is more than one third of the committee's: some honest member is in it."""
        return 3 * weight > self.total_weight

    def proposer(self, round_: int) -> int:
        """Return the operator index of a round's proposer."""
        position = sortition.proposer(self.task_seed, self.attempt, round_, self._starts, self.total_weight)
        return self.members[position].index

    def poster_order(self) -> tuple[int, ...]:
        """Return the operator indexes in the order in which they may post the certificate."""
        return sortition.poster_order(self.task_seed, self.attempt, [member.index for member in self.members])

    def bitmap_of(self, signers: Sequence[int]) -> int:
        """Return the signers as bits. Whole set: bit i is operator i. Seats: bit i is seat i."""
        chosen = set(signers)
        if len(chosen) != len(signers):
            raise CommitteeError("a signer is named twice")
        for index in signers:
            self.member(index)
        places = enumerate(self.seats) if self.seats else ((index, index) for index in chosen)
        return sum(1 << place for place, index in places if index in chosen)

    def bitmap_and_hints(self, signers: Sequence[int]) -> tuple[int, bytes]:
        """Describe the signers of a certificate as the contract wants them.

        Hints for the whole set: the y of each missing operator's key. For seats: the operator index (uint16)
        of each set bit, then the y of each of these operators once.
        """
        bitmap = self.bitmap_of(signers)
        if self.seats:
            return bitmap, self._seat_hints(bitmap)
        return bitmap, b"".join(_y(one.key) for one in self.members if not bitmap >> one.index & 1)

    def supplement_bitmap_and_hints(self, signers: Sequence[int], taken: int = 0) -> tuple[int, bytes]:
        """Describe who is added to a certificate that has the bits of ``taken``.

        Hints are as in ``bitmap_and_hints``, but for the whole set they are of those who are added.
        """
        bitmap = self.bitmap_of(signers) & ~taken
        if self.seats:
            return bitmap, self._seat_hints(bitmap)
        return bitmap, b"".join(_y(one.key) for one in self.members if bitmap >> one.index & 1)

    def _seat_hints(self, bitmap: int) -> bytes:
        owners = [index for seat, index in enumerate(self.seats) if bitmap >> seat & 1]
        keys = [_y(self.member(index).key) for index in dict.fromkeys(owners)]
        return b"".join(index.to_bytes(2, "big") for index in owners) + b"".join(keys)


def _y(key: bytes) -> bytes:
    """Return the y (48 bytes) of a key; the records have x and y's sign only."""
    return bls.key_xy(key)[bls.KEY_BYTES :]
