"""The few llama.cpp calls that the engine needs, in the canonical settings. Worker processes only."""

from __future__ import annotations

import ctypes
import sys
from collections import deque
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import llama_cpp.llama_cpp as lib
import numpy as np
import numpy.typing as npt

from inference.errors import EngineError
from inference.fixed_point import Integers, Logits

_WARNING, _ERROR = 3, 4
_errors: deque[str] = deque(maxlen=8)


def _log(level: int, text: bytes | None, _data: Any) -> None:
    """Warnings and errors go to stderr, where the node keeps the last lines; the rest is chatter."""
    if level in (_WARNING, _ERROR) and text:
        sys.stderr.write(text.decode("utf-8", "replace"))
    if level == _ERROR and text:
        _errors.append(text.decode("utf-8", "replace").strip()[:300])


def first_error() -> str:
    """What llama.cpp complained of first since the last call, or that it did not say."""
    said = _errors[0] if _errors else "it did not say why"
    _errors.clear()
    return said


_LOG = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)(_log)


@cache
def start_library() -> None:
    """Initialise llama.cpp, once per process."""
    lib.llama_log_set(_LOG, None)
    lib.llama_backend_init()


class _Rows:
    """A llama.cpp batch over arrays of our own: filled by columns, not by a call for each number."""

    def __init__(self, size: int) -> None:
        self._token, self._position, self._slot = (np.zeros(size, np.int32) for _ in range(3))
        self._wanted = np.zeros(size, np.int8)
        self._slots_each = np.ones(size, np.int32)
        self._slot_addresses = self._slot.ctypes.data + 4 * np.arange(size, dtype=np.uint64)
        batch = lib.llama_batch()
        batch.token = _pointer(self._token, lib.llama_token)
        batch.pos = _pointer(self._position, lib.llama_pos)
        batch.n_seq_id = _pointer(self._slots_each, ctypes.c_int32)
        batch.seq_id = _pointer(self._slot_addresses, ctypes.POINTER(lib.llama_seq_id))
        batch.logits = _pointer(self._wanted, ctypes.c_int8)
        self.batch = batch

    def fill(self, items: Sequence[tuple[int, int, int, bool]]) -> list[int]:
        """Put (token, position, slot, wanted) rows in place; return the indexes of the wanted ones."""
        count = self.batch.n_tokens = len(items)
        tokens, positions, slots, wanted = zip(*items, strict=True)
        self._token[:count], self._position[:count] = tokens, positions
        self._slot[:count], self._wanted[:count] = slots, wanted
        return [row for row, item in enumerate(items) if item[3]]


def _pointer(array: npt.NDArray[Any], kind: Any) -> Any:
    return array.ctypes.data_as(ctypes.POINTER(kind))


class Llama:
    """One model in one context with ``slots`` independent sequences of up to ``context`` tokens each."""

    def __init__(
        self, path: Path, context: int, slots: int, threads: int, batch: int, micro: int | None = None
    ) -> None:
        """``batch`` rows are decoded in a call, ``micro`` of them (all unless given) at a time.

        Raises EngineError if llama.cpp cannot load the file or make the context.
        """
        start_library()
        _errors.clear()
        settings = lib.llama_model_default_params()
        settings.n_gpu_layers = 0
        settings.use_extra_bufts = False  # no repacked weights, whatever the build can do
        settings.check_tensors = True
        self._model = lib.llama_model_load_from_file(str(path).encode(), settings)
        if not self._model:
            raise EngineError(
                f"llama.cpp cannot load {path}: {first_error()}. Use a model that this version can run"
            )
        self._vocab = lib.llama_model_get_vocab(self._model)
        self.vocabulary = int(lib.llama_vocab_n_tokens(self._vocab))
        padded = (
            -(-context // 256) * 256
        )  # what llama.cpp rounds a sequence to; fixed here so that it never depends on slots
        options = lib.llama_context_default_params()
        options.n_ctx = padded * slots
        options.n_seq_max = slots
        options.n_batch, options.n_ubatch = batch, micro or batch
        options.n_threads = options.n_threads_batch = threads
        options.flash_attn_type = lib.LLAMA_FLASH_ATTN_TYPE_DISABLED
        options.type_k = options.type_v = lib.GGML_TYPE_F16
        options.kv_unified = False
        options.swa_full = True  # a ring of the window's length could not be cut back
        options.offload_kqv = options.op_offload = False
        options.no_perf = True
        self._context = lib.llama_init_from_model(self._model, options)
        if not self._context:
            raise EngineError(
                f"llama.cpp cannot make a context of {context} tokens for {path}: {first_error()}"
            )
        self._memory = lib.llama_get_memory(self._context)
        self.batch = batch
        self._rows = _Rows(batch)
        self.pieces = [self._piece(token) for token in range(self.vocabulary)]
        self.end_tokens = [t for t in range(self.vocabulary) if lib.llama_vocab_is_eog(self._vocab, t)]

    def close(self) -> None:
        """Free the memory."""
        lib.llama_free(self._context)
        lib.llama_model_free(self._model)

    def use_threads(self, count: int) -> None:
        """Compute with so many threads from now on."""
        lib.llama_set_n_threads(self._context, count, count)

    def special_piece(self, token: int) -> bytes:
        """The bytes of a token, of special ones their names."""
        return self._piece(token, special=True)

    def _piece(self, token: int, *, special: bool = False) -> bytes:
        size = 64
        while True:
            buffer = ctypes.create_string_buffer(size)
            written = int(lib.llama_token_to_piece(self._vocab, token, buffer, size, 0, special))
            if written >= 0:
                return buffer.raw[:written]
            size = -written

    def tokenize(self, text: bytes, *, special: bool) -> list[int]:
        """Token ids of ``text``; no tokens are added. ``special`` reads special tokens' names as such."""
        size = len(text) + 8
        while True:
            buffer = (lib.llama_token * size)()
            count = int(lib.llama_tokenize(self._vocab, text, len(text), buffer, size, False, special))
            if count >= 0:
                return list(buffer[:count])
            size = -count

    def grammar(self, text: str) -> Any:
        """A sampler of llama.cpp that knows only a grammar. Raises EngineError."""
        sampler = lib.llama_sampler_init_grammar(self._vocab, text.encode(), b"root")
        if not sampler:
            raise EngineError("llama.cpp does not take a grammar that was made from a JSON schema")
        return sampler

    def beginning(self) -> list[int]:
        """The beginning-of-text token, if the vocabulary has one."""
        token = int(lib.llama_vocab_bos(self._vocab))
        return [token] if token >= 0 else []

    def decode(self, items: Sequence[tuple[int, int, int, bool]]) -> tuple[list[int], Logits]:
        """Compute (token, position, slot, wanted) rows. Returns indexes and logits of the wanted ones.

        The logits, a row of the vocabulary's size for each, are a view that the next call overwrites.
        """
        outputs = self._rows.fill(items)
        if code := lib.llama_decode(self._context, self._rows.batch):
            raise EngineError(f"llama.cpp failed to decode a batch of {len(items)} (code {code})")
        if not outputs:
            return outputs, np.empty((0, self.vocabulary), np.float32)
        # The logits of the wanted rows lie behind each other, in the rows' order.
        table = np.ctypeslib.as_array(
            lib.llama_get_logits(self._context), shape=(len(outputs), self.vocabulary)
        )
        return outputs, table

    def forget(self, slot: int, position: int = 0) -> bool:
        """Drop a sequence's cache from ``position`` on. False if this architecture cannot drop a part."""
        return bool(lib.llama_memory_seq_rm(self._memory, slot, position, -1))

    def copy(self, source: int, target: int) -> None:
        """Make a sequence's cache that of another; llama.cpp does it before it decodes the next batch."""
        lib.llama_memory_seq_cp(self._memory, source, target, -1, -1)


_CANDIDATE = np.dtype([("id", "<i4"), ("logit", "<f4"), ("p", "<f4")])  # llama_token_data


class Grammar:
    """One of llama.cpp's grammars, at one place in a text."""

    def __init__(self, llama: Llama, text: str) -> None:
        """``text`` is in GBNF; its start rule is ``root``. Raises EngineError where llama.cpp refuses it."""
        self._sampler = llama.grammar(text)

    def close(self) -> None:
        """Free the memory."""
        if self._sampler:
            lib.llama_sampler_free(self._sampler)
            self._sampler = None

    def allowed(self, ids: Integers) -> Integers:
        """Those of the tokens that may come next; an end token where the text may end."""
        data = np.zeros(len(ids), _CANDIDATE)
        data["id"] = ids
        pointer = ctypes.cast(data.ctypes.data, lib.llama_token_data_p)
        array = lib.llama_token_data_array(pointer, len(ids), -1, False)
        lib.llama_sampler_apply(self._sampler, ctypes.byref(array))
        kept: Integers = ids[data["logit"] == 0]
        return kept

    def accept(self, token: int) -> None:
        """Go on after an allowed token. Another one would end the process."""
        lib.llama_sampler_accept(self._sampler, token)
