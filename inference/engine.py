"""Generation of several requests at once in one context; each gets the bits it would get alone.

A step decodes one batch: one token of every request that is generating, then as much as fits of the
prompts (and drafts) that still have to be read. A request that *follows* only reads: it waits for more of
its draft where it would otherwise generate. Worker processes only.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from inference import memory
from inference.answer import Answer, Writing
from inference.choices import Choices, Spelling
from inference.errors import EngineError
from inference.fixed_point import Logits
from inference.json_output import JsonOutput, JsonVocabulary
from inference.llama import Llama
from inference.model import INPUT, ModelFile
from inference.request import Difference, FinishReason, Generation, Progress, Request, rejection
from inference.sampling import Sampler, draw
from inference.slots import Slots
from inference.stats import Counts
from inference.trace import logits_digest


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
        self._writing = Writing(
            [b"" if t in self._ends else p for t, p in enumerate(self._llama.pieces)], self._ends
        )
        self._spelling = Spelling(self._writing.pieces)
        self._json_vocabulary = JsonVocabulary(self._llama, self._ends)
        self._slots = Slots(self._llama, slots)
        self._active: dict[int, Answer] = {}
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
        self._active[key] = Answer(
            request,
            self._writing,
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
        if (answer := self._active.get(key)) is not None:
            answer.extend(at, tokens)

    def lead(self, key: int) -> None:
        """Let a request that follows generate the rest by itself."""
        if (sequence := self._active.get(key)) is not None:
            sequence.follow = False

    def cancel(self, key: int) -> None:
        """Drop a request, if it is still on its way."""
        sequence = self._active.pop(key, None)
        if sequence is not None:
            self._slots.give_back(sequence.slot)
            if sequence.value is not None:
                sequence.value.close()

    def step(self) -> list[tuple[int, Generation]]:
        """Decode one batch; return the requests that it finished."""
        parts: list[tuple[Answer, int, list[int]]] = []
        room = self._llama.batch
        # Those that generate first (one token each), then the readers in order of arrival.
        length = self._slots.length
        waiting = sorted(self._active.values(), key=lambda a: len(a.line) + len(a.guess) - length(a.slot) > 1)
        for answer in waiting:
            fed = length(answer.slot)
            todo = answer.readable(fed, self.vocabulary, room)
            room -= len(todo)
            parts.append((answer, fed, todo))
            self._slots.feed(answer.slot, todo)
        # llama.cpp computes only those sequences together whose numbers follow each other in the batch.
        parts.sort(key=lambda part: part[0].slot)
        rows: list[tuple[int, int, int, bool]] = []
        wanted: list[tuple[Answer, int, slice]] = []
        results = 0
        for answer, fed, todo in parts:
            slot, first = answer.slot, max(fed, answer.prompt - 1)
            rows += [(token, position, slot, position >= first) for position, token in enumerate(todo, fed)]
            if (end := fed + len(todo)) > first:
                wanted.append((answer, first, slice(results, results + end - first)))
                results += end - first
        if not rows:
            return []
        begin = time.monotonic()
        _, table = self._llama.decode(rows)
        before = [(answer.count, answer.proved) for answer, _, _ in wanted]
        drawn = self._draw(wanted, table)
        for (answer, first, part), tokens in zip(wanted, drawn, strict=True):
            answer.go_on(first, table[part], tokens)
        self.counts.busy += time.monotonic() - begin
        new = sum(answer.count - count for (answer, _, _), (count, _) in zip(wanted, before, strict=True))
        checked = sum(
            answer.proved - proved for (answer, _, _), (_, proved) in zip(wanted, before, strict=True)
        )
        self.counts.checked += checked
        self.counts.generated += new - checked
        self.counts.read += len(rows) - new
        self.counts.reused = self._slots.reused
        finished = []
        for key, answer in list(self._active.items()):
            if answer.finish is not None:
                finished.append((key, answer.result(answer.finish)))
                self.cancel(key)
            elif answer.stale:
                self._rewind(answer)
        return finished

    def _draw(self, wanted: Sequence[tuple[Answer, int, slice]], table: Logits) -> list[Sequence[int] | None]:
        """The tokens of each answer's rows, all together; None where they are drawn one after the other."""
        draws: list[tuple[Sampler, int, int]] = []
        shares: list[slice | None] = []
        for answer, first, part in wanted:
            share = None
            if answer.free:
                share = slice(len(draws), len(draws) + part.stop - part.start)
                at = first - answer.prompt + 1 - part.start
                draws += [(answer.sampler, at + row, row) for row in range(part.start, part.stop)]
            shares.append(share)
        tokens = draw(draws, table)
        return [None if share is None else tokens[share] for share in shares]

    def _rewind(self, answer: Answer) -> None:
        """Forget the cache behind the last right token; all but it is kept where the architecture allows."""
        self._slots.cut(answer.slot, len(answer.line) - 1)
        answer.stale = False

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
