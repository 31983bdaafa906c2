"""Generation of several requests at once in one context; each gets the bits it would get alone.

A step decodes one batch: one token of every request that is generating, then as much as fits of the
prompts (and drafts) that still have to be read. A request that *follows* only reads: it waits for more of
its draft where it would otherwise generate. Worker processes only.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from inference import memory
from inference.choices import Choices, Spelling
from inference.errors import EngineError
from inference.fixed_point import Logits
from inference.json_output import JsonOutput, JsonVocabulary
from inference.llama import Llama
from inference.model import INPUT, ModelFile
from inference.request import (
    MAX_OUTPUT_BYTES,
    Difference,
    FinishReason,
    Generation,
    Progress,
    Request,
    Status,
    rejection,
)
from inference.sampling import Sampler
from inference.slots import Slots
from inference.stats import Counts
from inference.trace import CHUNK_TOKENS, Trace, logits_digest


@dataclass(slots=True)
class _Sequence:
    """A request on its way: ``line`` is prompt and answer, ``guess`` the part of the draft still unproved."""

    request: Request
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
    def answer(self) -> list[int]:
        return self.line[self.prompt :]

    def readable(self, fed: int, vocabulary: int, most: int) -> list[int]:
        """Up to ``most`` tokens behind the first ``fed``; none while a follower waits for its draft."""
        if self.guess:
            # The model cannot read a token it does not have; feeding what is before it proves it wrong.
            known = next((i for i, token in enumerate(self.guess) if token >= vocabulary), len(self.guess))
            return (self.line[fed:] + self.guess[: min(known, most)])[:most]
        # The last token's logits give the next token, and a follower leaves that to its draft.
        end = len(self.line) - 1 if self.follow and len(self.line) > self.prompt else len(self.line)
        return self.line[fed : min(end, fed + most)]


class Engine:
    """A loaded model. Not thread-safe: one thread submits, steps and cancels."""

    def __init__(self, file: ModelFile, *, slots: int = 4, threads: int = 1, batch: int = 128) -> None:
        """Load ``file``. Raises NotEnoughMemory, before loading, or EngineError if llama.cpp refuses it."""
        self.manifest = file.manifest
        memory.check(file.path, file.header, context=self.manifest.context_length, slots=slots, batch=batch)
        self._llama = Llama(file.path, self.manifest.context_length, slots, threads, batch)
        before, _, after = self.manifest.template.partition(INPUT)
        self._before = self._llama.beginning() if self.manifest.add_bos else []
        self._before += self._llama.tokenize(before.encode(), special=True)
        self._after = self._llama.tokenize(after.encode(), special=True)
        if not self._before and not self._after:
            raise EngineError(
                "the template gives no token for an empty input; put some text around {input} or set add_bos"
            )
        self._ends = frozenset((*self._llama.end_tokens, *self.manifest.stop_token_ids))
        self._spelling = Spelling([b"" if t in self._ends else p for t, p in enumerate(self._llama.pieces)])
        self._json_vocabulary = JsonVocabulary(self._llama, self._ends)
        self._slots = Slots(self._llama, slots)
        self._active: dict[int, _Sequence] = {}
        self.counts = Counts()

    def close(self) -> None:
        """Free the model."""
        self._llama.close()

    def reset(self) -> None:
        """Forget all that was computed, caches and counts. Only while idle."""
        self._slots.clear()
        self.counts = Counts()

    @property
    def vocabulary(self) -> int:
        """Number of tokens."""
        return self._llama.vocabulary

    @property
    def batch(self) -> int:
        """Rows of a step at most."""
        return self._llama.batch

    @property
    def idle(self) -> bool:
        """Whether no request is on its way."""
        return not self._active

    @property
    def full(self) -> bool:
        """Whether every slot is taken."""
        return self._slots.full

    @property
    def active(self) -> int:
        """How many requests are on their way."""
        return len(self._active)

    @property
    def waiting(self) -> list[int]:
        """The keys of the requests that can do nothing before their draft grows."""
        length = self._slots.length
        return [key for key, s in self._active.items() if not s.readable(length(s.slot), self.vocabulary, 1)]

    def prompt_tokens(self, text: bytes) -> list[int]:
        """Token ids of the template around ``text``, in which special tokens' names are plain text."""
        return [*self._before, *self._llama.tokenize(text, special=False), *self._after]

    def submit(
        self,
        key: int,
        request: Request,
        report: Callable[[Progress], None] | None = None,
        *,
        follow: bool = False,
        differs: Callable[[Difference], None] | None = None,
        read: Callable[[], None] | None = None,
    ) -> Generation | None:
        """Take a request into a free slot. Returns its answer at once only if the input is too long.

        With ``follow`` it waits for ``extend`` whenever its draft is used up, until ``lead``. ``differs`` is
        called with the first position at which a draft proves wrong, ``read`` when the prompt has been read.
        """
        if self.full:
            raise EngineError("every slot is taken")
        line = self.prompt_tokens(request.input)
        room = self.manifest.context_length - len(line)
        if room < 1:
            return rejection(FinishReason.INPUT_TOO_LONG, len(line))
        choices = Choices(request.choices, self._spelling, sorted(self._ends)) if request.choices else None
        value = None
        if request.json_schema:
            value = JsonOutput(request.json_schema, self._json_vocabulary)
        limit = min(room, request.max_tokens)
        stops = () if choices or value else tuple(s.encode() for s in (*request.stop, *self.manifest.stop))
        guess = list(request.draft[:limit])
        slot = self._slots.take(line)
        self._active[key] = _Sequence(
            request,
            report,
            differs,
            read,
            follow,
            slot,
            line,
            len(line),
            limit,
            guess,
            Sampler(request),
            choices,
            value,
            stops,
        )
        return None

    def extend(self, key: int, at: int, tokens: Sequence[int]) -> None:
        """Replace a request's draft from position ``at`` of the answer on.

        Without effect if the request is gone, or if tokens before ``at`` are missing.
        """
        sequence = self._active.get(key)
        if sequence is None:
            return
        answer = sequence.answer
        if at > len(answer) + len(sequence.guess):
            return
        for position, token in enumerate(tokens[: max(0, len(answer) - at)], at):
            if token != answer[position]:
                self._differs(sequence, position)
                return
        sequence.guess[max(0, at - len(answer)) :] = tokens[max(0, len(answer) - at) :]
        del sequence.guess[max(0, sequence.limit - len(answer)) :]

    def lead(self, key: int) -> None:
        """Let a request that follows generate the rest by itself."""
        if (sequence := self._active.get(key)) is not None:
            sequence.follow = False

    @staticmethod
    def _differs(sequence: _Sequence, position: int) -> None:
        if sequence.differs is not None:
            sequence.differs(Difference(position, sequence.answer[position]))

    def cancel(self, key: int) -> None:
        """Drop a request, if it is still on its way."""
        sequence = self._active.pop(key, None)
        if sequence is not None:
            self._slots.give_back(sequence.slot)
            if sequence.value is not None:
                sequence.value.close()

    def step(self) -> list[tuple[int, Generation]]:
        """Decode one batch; return the requests that it finished."""
        parts: list[tuple[_Sequence, int, list[int]]] = []
        room = self._llama.batch
        # Those that generate first (one token each), then the readers in order of arrival.
        length = self._slots.length
        waiting = sorted(self._active.values(), key=lambda s: len(s.line) + len(s.guess) - length(s.slot) > 1)
        for sequence in waiting:
            fed = length(sequence.slot)
            todo = sequence.readable(fed, self.vocabulary, room)
            room -= len(todo)
            parts.append((sequence, fed, todo))
            self._slots.feed(sequence.slot, todo)
        # llama.cpp computes only those sequences together whose numbers follow each other in the batch.
        parts.sort(key=lambda part: part[0].slot)
        rows: list[tuple[int, int, int, bool]] = []
        owners: list[_Sequence] = []
        for sequence, fed, todo in parts:
            for position, token in enumerate(todo, fed):
                rows.append((token, position, sequence.slot, position >= sequence.prompt - 1))
                owners.append(sequence)

        if not rows:
            return []
        answered, begin = self.counts.answered, time.monotonic()
        outputs, table = self._llama.decode(rows)
        positions = [rows[row][1] for row in outputs]
        drawn = self._draw_apart([owners[row] for row in outputs], positions, table)
        for place, (row, position) in enumerate(zip(outputs, positions, strict=True)):
            sequence = owners[row]
            # Rows behind a wrong guess or behind the end belong to tokens that are no part of the answer.
            if sequence.finish is None and not sequence.stale and position == len(sequence.line) - 1:
                self._advance(sequence, table[place], drawn.get(place))
        self.counts.busy += time.monotonic() - begin
        self.counts.read += len(rows) - (self.counts.answered - answered)
        self.counts.reused = self._slots.reused
        finished = []
        for key, sequence in list(self._active.items()):
            if sequence.finish is not None:
                finished.append((key, self._result(sequence, sequence.finish)))
                self.cancel(key)
            elif sequence.stale:
                self._rewind(sequence)
        return finished

    def _draw_apart(
        self, owners: Sequence[_Sequence], positions: Sequence[int], table: Logits
    ) -> dict[int, int]:
        """Tokens by row of the table, where a sequence has several that can be drawn together."""
        drawn: dict[int, int] = {}
        for _, group in groupby(range(len(owners)), lambda place: owners[place].slot):
            places = list(group)
            sequence, part = owners[places[0]], slice(places[0], places[-1] + 1)
            free = sequence.choices is None and sequence.value is None
            if free and len(places) > 1 and sequence.sampler.draws_apart(self.vocabulary):
                first = positions[places[0]] - sequence.prompt + 1
                drawn.update(zip(places, sequence.sampler.pick_all(table[part], first), strict=True))
        return drawn

    def _rewind(self, sequence: _Sequence) -> None:
        """Forget the cache behind the last right token; all but it is kept where the architecture allows."""
        self._slots.cut(sequence.slot, len(sequence.line) - 1)
        sequence.stale = False

    def _advance(self, sequence: _Sequence, logits: Logits, drawn: int | None) -> None:
        """Sample the next token, unless it is drawn already, and add it to the answer."""
        token = self._pick(sequence, logits) if drawn is None else drawn
        if token is None:
            sequence.finish = FinishReason.BAD_REQUEST  # the vocabulary cannot write what the schema asks for
            return
        piece = b"" if token in self._ends else self._llama.pieces[token]
        if len(sequence.output) + len(piece) > MAX_OUTPUT_BYTES:
            sequence.finish = FinishReason.LENGTH
            return
        wrong, proved = bool(sequence.guess) and sequence.guess[0] != token, sequence.proved
        if wrong:
            sequence.guess.clear()
            sequence.stale = True
        elif sequence.guess:
            sequence.guess.pop(0)
            sequence.proved += 1
            self.counts.checked += 1
        self.counts.generated += sequence.proved == proved
        if not sequence.answer and sequence.read is not None:
            sequence.read()
        sequence.line.append(token)
        if wrong:
            self._differs(sequence, len(sequence.line) - sequence.prompt - 1)
        sequence.output += piece
        if sequence.value is not None and token not in self._ends:
            sequence.value.add(token, piece)
        digest = sequence.trace.add(token, logits.data)
        sequence.finish = self._finish(sequence, token)
        if digest is not None and sequence.report is not None:
            tokens = tuple(sequence.answer[-CHUNK_TOKENS:])
            sequence.report(Progress(sequence.chunks, tokens, digest, self._settled(sequence)))
        sequence.chunks += digest is not None

    @staticmethod
    def _settled(sequence: _Sequence) -> bytes:
        """The output less what may be the beginning of a stop string."""
        open_end = max((len(stop) - 1 for stop in sequence.stops), default=0)
        return bytes(sequence.output[: max(0, len(sequence.output) - open_end)])

    @staticmethod
    def _pick(sequence: _Sequence, logits: Logits) -> int | None:
        if sequence.value is not None:
            return sequence.value.pick(sequence.sampler, logits, sequence.answer)
        allowed = sequence.choices.allowed(bytes(sequence.output)) if sequence.choices else None
        return sequence.sampler.pick(logits, sequence.answer, allowed)

    def _finish(self, sequence: _Sequence, token: int) -> FinishReason | None:
        full = len(sequence.line) - sequence.prompt >= sequence.limit
        if sequence.value is not None:
            output = bytes(sequence.output)
            whole = sequence.value.whole if full else sequence.value.finished
            if token in self._ends or whole(output):
                return FinishReason.JSON
        if sequence.choices is not None:
            if token in self._ends or sequence.choices.finished(bytes(sequence.output)):
                return FinishReason.CHOICE
        elif sequence.value is None and token in self._ends:
            return FinishReason.END_OF_TEXT
        found = [at for stop in sequence.stops if (at := sequence.output.find(stop)) >= 0]
        if found:
            del sequence.output[min(found) :]
            return FinishReason.STOP_STRING
        return FinishReason.LENGTH if full else None

    @staticmethod
    def _result(sequence: _Sequence, finish: FinishReason) -> Generation:
        root, secret, chunks = sequence.trace.finish()
        tokens = tuple(sequence.answer)
        output = bytes(sequence.output)
        status = Status.COMPLETED
        asked = sequence.choices is not None or sequence.value is not None
        if asked and finish not in (FinishReason.CHOICE, FinishReason.JSON):
            # The beginning of a choice or of a JSON value is no answer that a contract could use.
            output, status = b"", Status.REJECTED
        return Generation(
            status,
            output,
            tokens,
            finish,
            root,
            secret,
            chunks,
            sequence.prompt,
            sequence.proved,
            sequence.trace.digests,
        )

    def run(self, request: Request) -> Generation:
        """Answer one request while nothing else is on its way."""
        if not self.idle:
            raise EngineError("other requests are on their way")
        answer = self.submit(0, request)
        while answer is None:
            answer = next((finished for _, finished in self.step()), None)
        return answer

    def read(self, tokens: Sequence[int], batch: int) -> list[bytes]:
        """Digest the logits at every position of ``tokens``, fed ``batch`` at a time. Only while idle."""
        if not self.idle or not 0 < batch <= self._llama.batch:
            raise EngineError("other requests are on their way, or the batch is too large")
        self._slots.cut(0, 0)
        digests: list[bytes] = []
        for start in range(0, len(tokens), batch):
            part = tokens[start : start + batch]
            rows = [(token, start + i, 0, True) for i, token in enumerate(part)]
            digests += [logits_digest(logits.data) for logits in self._llama.decode(rows)[1]]
        self._llama.forget(0)
        return digests
