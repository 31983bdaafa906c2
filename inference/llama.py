"""The few llama.cpp calls that the engine needs, in the canonical settings. Worker processes only."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import llama_cpp.llama_cpp as lib
import numpy as np

from inference.errors import EngineError
from inference.sampling import Logits

_WARNING, _ERROR = 3, 4


def _log(level: int, text: bytes | None, _data: Any) -> None:
    """Warnings and errors go to stderr, where the node keeps the last lines; the rest is chatter."""
    if level in (_WARNING, _ERROR) and text:
        sys.stderr.write(text.decode("utf-8", "replace"))


_LOG = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)(_log)


@cache
def _start_library() -> None:
    """Initialise llama.cpp, once per process."""
    lib.llama_log_set(_LOG, None)
    lib.llama_backend_init()


class Llama:
    """One model in one context with ``slots`` independent sequences of up to ``context`` tokens each."""

    def __init__(self, path: Path, context: int, slots: int, threads: int, batch: int) -> None:
        _start_library()
        settings = lib.llama_model_default_params()
        settings.n_gpu_layers = 0
        settings.use_extra_bufts = False  # no repacked weights, whatever the build can do
        settings.check_tensors = True
        self._model = lib.llama_model_load_from_file(str(path).encode(), settings)
        if not self._model:
            raise EngineError(
                f"llama.cpp cannot load {path}: its architecture may be unknown to this version"
            )
        self._vocab = lib.llama_model_get_vocab(self._model)
        self.vocabulary = int(lib.llama_vocab_n_tokens(self._vocab))
        padded = (
            -(-context // 256) * 256
        )  # what llama.cpp rounds a sequence to; fixed here so that it never depends on slots
        options = lib.llama_context_default_params()
        options.n_ctx = padded * slots
        options.n_seq_max = slots
        options.n_batch = options.n_ubatch = batch
        options.n_threads = options.n_threads_batch = threads
        options.flash_attn_type = lib.LLAMA_FLASH_ATTN_TYPE_DISABLED
        options.type_k = options.type_v = lib.GGML_TYPE_F16
        options.kv_unified = False
        options.offload_kqv = options.op_offload = False
        options.no_perf = True
        self._context = lib.llama_init_from_model(self._model, options)
        if not self._context:
            raise EngineError(f"llama.cpp cannot make a context of {context} tokens for {path}")
        self._memory = lib.llama_get_memory(self._context)
        self.batch = batch
        self._batch = lib.llama_batch_init(batch, 0, 1)
        self.pieces = [self._piece(token) for token in range(self.vocabulary)]
        self.end_tokens = [t for t in range(self.vocabulary) if lib.llama_vocab_is_eog(self._vocab, t)]

    def close(self) -> None:
        """Free the memory."""
        lib.llama_batch_free(self._batch)
        lib.llama_free(self._context)
        lib.llama_model_free(self._model)

    def _piece(self, token: int) -> bytes:
        size = 64
        while True:
            buffer = ctypes.create_string_buffer(size)
            written = int(lib.llama_token_to_piece(self._vocab, token, buffer, size, 0, False))
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

    def beginning(self) -> list[int]:
        """The beginning-of-text token, if the vocabulary has one."""
        token = int(lib.llama_vocab_bos(self._vocab))
        return [token] if token >= 0 else []

    def decode(self, items: Sequence[tuple[int, int, int, bool]], use: Callable[[int, Logits], None]) -> None:
        """Compute (token, position, slot, wanted) rows; ``use`` gets the index and logits of each wanted one.

        The logits are a view that is valid only during the call.
        """
        batch = self._batch
        batch.n_tokens = len(items)
        for i, (token, position, slot, wanted) in enumerate(items):
            batch.token[i], batch.pos[i], batch.logits[i] = token, position, wanted
            batch.n_seq_id[i], batch.seq_id[i][0] = 1, slot
        if code := lib.llama_decode(self._context, batch):
            raise EngineError(f"llama.cpp failed to decode a batch of {len(items)} (code {code})")
        for i, (_, _, _, wanted) in enumerate(items):
            if wanted:
                row = lib.llama_get_logits_ith(self._context, i)
                use(i, np.ctypeslib.as_array(row, shape=(self.vocabulary,)))

    def forget(self, slot: int, position: int = 0) -> bool:
        """Drop a sequence's cache from ``position`` on. False if this architecture cannot drop a part."""
        return bool(lib.llama_memory_seq_rm(self._memory, slot, position, -1))
