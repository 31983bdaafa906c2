"""One answer on its way: its tokens, its text and its trace, the draft it is checked against, and its end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import takewhile

from inference.choices import Choices
from inference.fixed_point import Logits
from inference.json_output import JsonOutput
from inference.request import (
    MAX_OUTPUT_BYTES,
    Difference,
    FinishReason,
    Generation,
    Progress,
    Request,
    Status,
)
from inference.sampling import Sampler
from inference.trace import CHUNK_TOKENS, Trace


@dataclass(frozen=True, slots=True)
class Writing:
    """What a model's tokens write (``pieces``, by id; those of ``ends`` nothing), and which end an answer."""

    pieces: Sequence[bytes]
    ends: frozenset[int]


@dataclass(slots=True)
class Answer:
    """A request and its answer so far: ``line`` is prompt and answer, ``guess`` the draft's unproved part."""

    request: Request
    writing: Writing
    report: Callable[[Progress], None] | None
    differs: Callable[[Difference], None] | None
    read: Callable[[], None] | None
    follow: bool
    slot: int
    line: list[int]
    prompt: int
    limit: int  # of tokens in the answer
    guess: list[int]
    sampler: Sampler
    choices: Choices | None
    value: JsonOutput | None
    stops: tuple[bytes, ...]
    proved: int = 0
    stale: bool = False  # the cache holds tokens of a guess that proved wrong
    output: bytearray = field(default_factory=bytearray)
    trace: Trace = field(default_factory=Trace)
    chunks: int = 0
    finish: FinishReason | None = None

    @property
    def count(self) -> int:
        """How many tokens the answer has."""
        return len(self.line) - self.prompt

    @property
    def tokens(self) -> list[int]:
        """The answer's tokens."""
        return self.line[self.prompt :]

    @property
    def free(self) -> bool:
        """Whether tokens may be drawn before those in front of them are known."""
        return self.choices is None and self.value is None and self.sampler.draws_apart

    def readable(self, fed: int, vocabulary: int, most: int) -> list[int]:
        """Up to ``most`` tokens behind the first ``fed``; none while a follower waits for its draft."""
        if self.guess:
            # The model cannot read a token it does not have; feeding what is before it proves it wrong.
            known = next((i for i, token in enumerate(self.guess) if token >= vocabulary), len(self.guess))
            return (self.line[fed:] + self.guess[: min(known, most)])[:most]
        # The last token's logits give the next token, and a follower leaves that to its draft.
        end = len(self.line) - 1 if self.follow and len(self.line) > self.prompt else len(self.line)
        return self.line[fed : min(end, fed + most)]

    def extend(self, at: int, tokens: Sequence[int]) -> None:
        """Replace the draft from position ``at`` on. Without effect if tokens before ``at`` are missing."""
        count = self.count
        if at > count + len(self.guess):
            return
        for position, token in enumerate(tokens[: max(0, count - at)], at):
            if token != self.line[self.prompt + position]:
                self._differ(position)
                return
        self.guess[max(0, at - count) :] = tokens[max(0, count - at) :]
        del self.guess[max(0, self.limit - count) :]

    def go_on(self, first: int, table: Logits, drawn: Sequence[int] | None) -> None:
        """Add the tokens that follow from the logits of the line's positions from ``first`` on.

        ``drawn`` are the tokens they give, where these were drawn already. What the draft has named is
        added many tokens at a time, up to the end of a chunk.
        """
        place = len(self.line) - 1 - first
        # Rows behind a wrong guess or behind the end belong to tokens that are no part of the answer.
        while 0 <= place < len(table) and self.finish is None and not self.stale:
            many = self._confirm(drawn[place:], table[place:]) if drawn is not None and self.guess else 0
            if not many:
                self._advance(table[place], None if drawn is None else drawn[place])
            place += many or 1

    def _confirm(self, drawn: Sequence[int], table: Logits) -> int:
        """Add the tokens that the draft has named and that end nothing; how many these are."""
        most = min(self.limit - 1 - self.count, CHUNK_TOKENS - self.count % CHUNK_TOKENS)
        pairs = zip(drawn[: max(0, most)], self.guess, strict=False)
        ends = self.writing.ends
        tokens = [token for token, _ in takewhile(lambda p: p[0] == p[1] and p[0] not in ends, pairs)]
        text = b"".join([self.writing.pieces[token] for token in tokens])
        if not tokens or len(self.output) + len(text) > MAX_OUTPUT_BYTES:
            return 0
        if self.stops:
            seen = bytes(self.output[-max(map(len, self.stops)) :]) + text
            if any(stop in seen for stop in self.stops):
                return 0  # token by token it shows where
        del self.guess[: len(tokens)]
        self.proved += len(tokens)
        self._add(tokens, text, table[: len(tokens)])
        return len(tokens)

    def _advance(self, logits: Logits, drawn: int | None) -> None:
        """Sample the next token, unless it is drawn already, and add it to the answer."""
        token = self._pick(logits) if drawn is None else drawn
        if token is None:
            self.finish = FinishReason.BAD_REQUEST  # the vocabulary cannot write what the schema asks for
            return
        piece = self.writing.pieces[token]
        if len(self.output) + len(piece) > MAX_OUTPUT_BYTES:
            self.finish = FinishReason.LENGTH
            return
        wrong = bool(self.guess) and self.guess[0] != token
        if wrong:
            self.guess.clear()
            self.stale = True
        elif self.guess:
            self.guess.pop(0)
            self.proved += 1
        self._add([token], piece, logits[None], wrong=wrong)

    def _add(self, tokens: Sequence[int], text: bytes, table: Logits, *, wrong: bool = False) -> None:
        """Add tokens of one chunk, what they write, and a row of logits for each."""
        if not self.count and self.read is not None:
            self.read()
        self.line += tokens
        if wrong:
            self._differ(self.count - 1)
        self.output += text
        if self.value is not None and tokens[-1] not in self.writing.ends:
            self.value.add(tokens[-1], text)
        digest = self.trace.extend(tokens, [row.data for row in table])
        self.finish = self._ended(tokens[-1])
        if digest is not None:
            if self.report is not None:
                last = tuple(self.line[-CHUNK_TOKENS:])
                self.report(Progress(self.chunks, last, digest, self._settled()))
            self.chunks += 1

    def _differ(self, position: int) -> None:
        if self.differs is not None:
            self.differs(Difference(position, self.line[self.prompt + position]))

    def _settled(self) -> bytes:
        """The output less what may be the beginning of a stop string."""
        open_end = max((len(stop) - 1 for stop in self.stops), default=0)
        return bytes(self.output[: max(0, len(self.output) - open_end)])

    def _pick(self, logits: Logits) -> int | None:
        if self.value is not None:
            return self.value.pick(self.sampler, logits, self.tokens)
        allowed = self.choices.allowed(bytes(self.output)) if self.choices else None
        return self.sampler.pick(logits, self.tokens, allowed)

    def _ended(self, token: int) -> FinishReason | None:
        """Whether the answer ends with this token, its last one."""
        full = self.count >= self.limit
        if self.value is not None:
            whole = self.value.whole if full else self.value.finished
            if token in self.writing.ends or whole(bytes(self.output)):
                return FinishReason.JSON
        if self.choices is not None:
            if token in self.writing.ends or self.choices.finished(bytes(self.output)):
                return FinishReason.CHOICE
        elif self.value is None and token in self.writing.ends:
            return FinishReason.END_OF_TEXT
        found = [at for stop in self.stops if (at := self.output.find(stop)) >= 0]
        if found:
            del self.output[min(found) :]
            return FinishReason.STOP_STRING
        return FinishReason.LENGTH if full else None

    def result(self, finish: FinishReason) -> Generation:
        """The finished answer."""
        root, secret, chunks = self.trace.finish()
        output = bytes(self.output)
        status = Status.COMPLETED
        asked = self.choices is not None or self.value is not None
        if asked and finish not in (FinishReason.CHOICE, FinishReason.JSON):
            # The beginning of a choice or of a JSON value is no answer that a contract could use.
            output, status = b"", Status.REJECTED
        return Generation(
            status,
            output,
            tuple(self.tokens),
            finish,
            root,
            secret,
            chunks,
            self.prompt,
            self.proved,
            self.trace.digests,
        )
