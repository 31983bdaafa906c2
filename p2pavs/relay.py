"""Verify mode: who generates when. A pure state, fed with chunks, own progress and the time.

The members of a committee stand in an order. Rank 0 generates and publishes each chunk of its answer; the
others follow, which checks a chunk in one batch. If nothing comes for too long the next rank generates from
where the checked answer ends. Chunks are hints: whatever is sent, a member's result is its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from consensus.committee import Committee
from consensus.messages import OutputChunk
from consensus.types import CHUNK_TOKENS, InstanceId

DRAWS = 4
"""Rounds whose proposers make the order, for each member; who proposes in none of them comes last."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long others are waited for, in seconds."""

    first: float = 20.0
    """From the own reading of the prompt to the first chunk; and for the own engine to check what it has."""
    following: float = 10.0
    """From one chunk to the next. Then it is the next rank's turn."""
    total: float = float("inf")
    """From the beginning; then this member generates by itself, however fast the chunks come."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A part of the own answer."""

    tokens: tuple[int, ...]
    digest: bytes


@dataclass(frozen=True, slots=True)
class Extend:
    """Add tokens to the draft, from this position of the answer on."""

    at: int
    tokens: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Lead:
    """Generate from now on: it is this member's turn."""

    rank: int


@dataclass(frozen=True, slots=True)
class Say:
    """Publish a chunk of the own answer."""

    chunk: OutputChunk


@dataclass(frozen=True, slots=True)
class Refused:
    """A member's chunk is not what this member computes; nothing more of it is read."""

    sender: int
    position: int
    """The first token that differs, from 0; where only the numbers do, the first token of the chunk."""
    tokens_differ: bool
    """If not, equal tokens were sampled from other logits."""

    @property
    def chunk(self) -> int:
        """The first chunk that differs."""
        return self.position // CHUNK_TOKENS

    def __str__(self) -> str:
        if self.tokens_differ:
            return f"the answer differs from token {self.position} on (chunk {self.chunk})"
        return f"the tokens of chunk {self.chunk}, from token {self.position} on, come from other logits"


Action: TypeAlias = Extend | Lead | Say | Refused


def stream_order(committee: Committee) -> tuple[int, ...]:
    """Return all members, in the order in which they propose first; who hardly ever does comes last."""
    members = [member.index for member in committee.members]
    found: dict[int, None] = {}
    for round_ in range(DRAWS * len(members)):
        if len(found) == len(members):
            break
        found[committee.proposer(round_)] = None
    return tuple(dict.fromkeys([*found, *members]))


class Relay:
    """One member's view of the generation of one answer."""

    def __init__(
        self, instance: InstanceId, order: Sequence[int], own: int, patience: Patience, now: float
    ) -> None:
        self._instance = instance
        self._ranks = {member: rank for rank, member in enumerate(order)}
        self._own = own
        self._patience = patience
        self._rank = 0
        self._latest = now + patience.total
        self._ready = False  # the own engine has read the prompt
        self._moved = now  # when the answer last grew, here or at the sender's
        self._given: list[int] = []  # who sent the full chunks that the engine has been given
        self._short: dict[int, int] = {}  # senders of a short chunk, and its index
        self._heard: dict[int, dict[int, OutputChunk]] = {}  # by sender and index, the first for each
        self._answer: list[Chunk] = []
        self._complete = False
        self.refused: dict[int, Refused] = {}
        """By member."""

    @property
    def leading(self) -> bool:
        """Whether this member generates."""
        return self._rank >= self._ranks[self._own]

    @property
    def rank(self) -> int:
        """Whose turn it is."""
        return self._rank

    @property
    def deadline(self) -> float | None:
        """When ``tick`` is due; None where nothing is waited for."""
        if self.leading or self._complete:
            return None
        if not self._ready:
            return self._latest
        begun = self._rank > 0 or bool(self._answer)
        checking = len(self._given) > len(self._answer)
        patience = self._patience.following if begun and not checking else self._patience.first
        return min(self._latest, self._moved + patience)

    def start(self) -> list[Action]:
        """Begin: rank 0 generates."""
        return [Lead(0)] if self.leading else []

    def ready(self, now: float) -> list[Action]:
        """The own engine has read the prompt, so an honest member of rank 0 has by now, or soon."""
        self._ready = True
        self._moved = now
        return []

    def hear(self, chunk: OutputChunk, now: float, *, asked: bool = False) -> list[Action]:
        """Take a chunk that its sender sent. ``asked`` says that this member asked for it."""
        rank = self._ranks.get(chunk.sender)
        if rank is None or chunk.sender in (self._own, *self.refused):
            return []
        # Two machines' clocks may differ by a turn, not by more.
        if rank > self._rank + 1 and not asked:
            return []
        heard = self._heard.setdefault(chunk.sender, {})
        if chunk.index in heard:
            return []
        heard[chunk.index] = chunk
        if chunk.index < len(self._answer) or self._complete:
            return self._judge(chunk)
        return self._give(now)

    def computed(self, index: int, tokens: Sequence[int], digest: bytes, now: float) -> list[Action]:
        """Take the next full chunk of the own answer."""
        if index != len(self._answer):
            return []
        self._answer.append(Chunk(tuple(tokens), digest))
        self._moved = now
        while len(self._given) < len(self._answer):
            self._given.append(self._own)
        actions: list[Action] = [self._say(index)] if self.leading else []
        for heard in list(self._heard.values()):
            if index in heard:
                actions += self._judge(heard[index])
        return actions + self._give(now)

    def differs(self, position: int, token: int, now: float) -> list[Action]:
        """The draft proved wrong at this position of the answer, where ``token`` belongs."""
        index, offset = divmod(position, CHUNK_TOKENS)
        if self._complete or index < len(self._answer):
            return []
        senders = [sender for sender, at in self._short.items() if at == index]
        senders += self._given[index : index + 1]
        actions: list[Action] = []
        for sender in senders:
            heard = self._heard.get(sender, {}).get(index)
            # The draft may have been replaced since.
            if heard is not None and heard.tokens[offset : offset + 1] not in ((), (token,)):
                actions += self._refuse(sender, position, True)
        return actions + self._give(now)

    def finished(self, tokens: Sequence[int], digests: Sequence[bytes], now: float) -> list[Action]:
        """The own answer is complete."""
        known = len(self._answer)
        self._answer += [
            Chunk(tuple(tokens[i * CHUNK_TOKENS : (i + 1) * CHUNK_TOKENS]), digest)
            for i, digest in enumerate(digests)
            if i >= known
        ]
        self._complete = True
        self._moved = now
        actions: list[Action] = []
        if self.leading:
            actions += [self._say(index) for index in range(known, len(self._answer))]
        for heard in list(self._heard.values()):
            for index in sorted(heard):
                if index >= known:
                    actions += self._judge(heard[index])
        return actions

    def tick(self, now: float) -> list[Action]:
        """The time has come, or not: let the next rank have its turn if nothing has moved for too long."""
        if self.deadline is None or now < self.deadline:
            return []
        if now >= self._latest:
            self._rank = self._ranks[self._own]
            return [Lead(self._rank)]
        return self._pass_on(now)

    def chunks(self) -> list[OutputChunk]:
        """What a member that missed chunks can be given: the own answer so far, under the own name."""
        return [self._chunk(index) for index in range(len(self._answer))]

    # --- parts ----------------------------------------------------------------------------------------------

    def _chunk(self, index: int) -> OutputChunk:
        own = self._answer[index]
        return OutputChunk(self._instance, index, own.tokens, own.digest, self._own)

    def _say(self, index: int) -> Say:
        return Say(self._chunk(index))

    def _give(self, now: float) -> list[Action]:
        """Give the engine what goes on from what it has, of the lowest rank that sent it."""
        actions: list[Action] = []
        while not self._complete:
            index = len(self._given)
            found = [
                heard[index]
                for sender, heard in self._heard.items()
                if index in heard and sender not in self.refused and self._short.get(sender) != index
            ]
            if not found:
                break
            chunk = min(found, key=lambda one: self._ranks[one.sender])
            actions.append(Extend(index * CHUNK_TOKENS, chunk.tokens))
            self._moved = now
            if len(chunk.tokens) < CHUNK_TOKENS:
                # Its sender says that the answer ends here. If not, another one's chunk may take its place.
                self._short[chunk.sender] = index
                continue
            self._given.append(chunk.sender)
        return actions

    def _judge(self, chunk: OutputChunk) -> list[Action]:
        """Compare a chunk with the own answer, which has got that far."""
        own = self._answer[chunk.index] if chunk.index < len(self._answer) else Chunk((), b"")
        if chunk.tokens != own.tokens:
            same = 0
            while same < min(len(own.tokens), len(chunk.tokens)) and own.tokens[same] == chunk.tokens[same]:
                same += 1
            length = sum(len(part.tokens) for part in self._answer)
            return self._refuse(chunk.sender, min(chunk.index * CHUNK_TOKENS + same, length), True)
        if chunk.digest != own.digest:
            return self._refuse(chunk.sender, chunk.index * CHUNK_TOKENS, False)
        return []

    def _refuse(self, sender: int, position: int, tokens_differ: bool) -> list[Action]:
        if sender in self.refused:
            return []
        self.refused[sender] = refusal = Refused(sender, position, tokens_differ)
        # What came from it behind that may be as wrong.
        first = next(
            (i for i, who in enumerate(self._given) if who == sender and i >= len(self._answer)), None
        )
        if first is not None:
            del self._given[first:]
        actions: list[Action] = [refusal]
        if not self.leading and self._ranks[sender] == self._rank and not self._complete:
            actions += self._pass_on(self._moved)
        return actions

    def _pass_on(self, now: float) -> list[Action]:
        """It is the turn of the next rank that was not refused."""
        turn = {rank: member for member, rank in self._ranks.items()}
        self._rank += 1
        while turn.get(self._rank) in self.refused:
            self._rank += 1
        self._moved = now
        return [Lead(self._rank)] if self.leading else self._give(now)
