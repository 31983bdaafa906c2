"""Models with random weights: as large and as built as one likes, the same bytes on every machine.

Their answers mean nothing; their arithmetic is a real model's. ``python -m inference.random_model FILE
--shape qwen2-0.5b`` writes one (needs the gguf package: ``pip install 'p2pavs[models]'``).
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import numpy.typing as npt

from inference.demo import bpe


@dataclass(frozen=True, slots=True)
class Shape:
    """What a model of one architecture is built like. Widths and counts as llama.cpp's metadata has them."""

    architecture: str
    width: int
    layers: int
    hidden: int
    heads: int
    key_heads: int
    head_width: int
    vocabulary: int
    context: int
    experts: int = 0
    experts_used: int = 0
    window: int = 0
    """Positions that a sliding-window layer looks back; 0 where the architecture has none."""
    tied: bool = False
    """Whether the output uses the embedding's weights."""


def _tiny(architecture: str, heads: int = 8, layers: int = 1, **others: Any) -> Shape:
    # Rows of two K-quant blocks: kernels that add blocks in another order show only with more than one.
    return Shape(architecture, 512, layers, 256, heads, 2, 32, 272, 1024, **others)


SHAPES: dict[str, Shape] = {
    "llama": _tiny("llama"),
    "qwen2": _tiny("qwen2", heads=16, tied=True),
    "gemma2": _tiny("gemma2", layers=2, tied=True, window=16),  # one layer with a window, one without
    "gemma3": _tiny("gemma3", tied=True, window=16),
    "mixtral": _tiny("llama", experts=4, experts_used=2),
    "qwen2-0.5b": Shape("qwen2", 896, 24, 4864, 14, 2, 64, 151_936, 2048, tied=True),
}
"""Tiny ones, named after what they are like, and one of the size of Qwen2-0.5B."""

Weights = npt.NDArray[Any]


def _tensors(shape: Shape) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Names and shapes of all tensors, the length of a row last. One dimension is a norm or a bias."""
    width, hidden = shape.width, shape.hidden
    queries, keys = shape.heads * shape.head_width, shape.key_heads * shape.head_width
    gemma = shape.architecture.startswith("gemma")
    yield "token_embd.weight", (shape.vocabulary, width)
    for layer in range(shape.layers):
        at = f"blk.{layer}."
        yield at + "attn_norm.weight", (width,)
        for name, rows in (("q", queries), ("k", keys), ("v", keys)):
            yield f"{at}attn_{name}.weight", (rows, width)
            if shape.architecture == "qwen2":
                yield f"{at}attn_{name}.bias", (rows,)
        yield at + "attn_output.weight", (width, queries)
        if shape.architecture == "gemma3":
            yield at + "attn_q_norm.weight", (shape.head_width,)
            yield at + "attn_k_norm.weight", (shape.head_width,)
        if gemma:
            yield at + "post_attention_norm.weight", (width,)
            yield at + "post_ffw_norm.weight", (width,)
        yield at + "ffn_norm.weight", (width,)
        experts = (shape.experts,) if shape.experts else ()
        suffix = "_exps" if experts else ""
        if experts:
            yield at + "ffn_gate_inp.weight", (shape.experts, width)
        yield f"{at}ffn_gate{suffix}.weight", (*experts, hidden, width)
        yield f"{at}ffn_up{suffix}.weight", (*experts, hidden, width)
        yield f"{at}ffn_down{suffix}.weight", (*experts, width, hidden)
    yield "output_norm.weight", (width,)
    if not shape.tied:
        yield "output.weight", (shape.vocabulary, width)


class _Noise:
    """Raw words of a PCG64: a stream that NumPy promises never to change, unlike its distributions."""

    def __init__(self, seed: int) -> None:
        self._words = np.random.PCG64(seed)

    def small(self, count: int) -> npt.NDArray[np.int8]:
        """``count`` numbers from -127 to 127."""
        numbers = self._words.random_raw(-(-count // 8)).astype("<u8").view(np.int8)[:count]
        return np.maximum(numbers, np.int8(-127))

    def large(self, count: int) -> npt.NDArray[np.int16]:
        """``count`` numbers from -32,768 to 32,767."""
        return self._words.random_raw(-(-count // 4)).astype("<u8").view("<i2")[:count]


def _vector(noise: _Noise, name: str, size: int) -> Weights:
    """Norms around 1, biases around 0."""
    centre = 0.0 if name.endswith(".bias") else 1.0
    return (centre + noise.large(size).astype(np.float32) * np.float32(2**-17)).astype(np.float32)


def _matrix(noise: _Noise, size: tuple[int, ...], quantized: bool) -> Weights:
    """Uniform weights that keep the size of what goes through them: F16, or bytes of Q8_0 blocks."""
    count, columns = math.prod(size), size[-1]
    if not quantized:
        scale = np.float32(math.sqrt(3 / columns) / 2**15)
        return (noise.large(count).astype(np.float32) * scale).astype(np.float16).reshape(size)
    blocks = np.empty((count // 32, 34), np.uint8)
    blocks[:, :2] = np.full((count // 32, 1), math.sqrt(3 / columns) / 2**7, "<f2").view(np.uint8)
    blocks[:, 2:] = noise.small(count).view(np.uint8).reshape(-1, 32)
    return blocks.reshape(*size[:-1], columns // 32 * 34)


def _metadata(writer: gguf.GGUFWriter, shape: Shape) -> None:
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.hidden)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.key_heads)
    writer.add_key_length(shape.head_width)
    writer.add_value_length(shape.head_width)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_rope_dimension_count(shape.head_width)
    writer.add_rope_freq_base(10_000.0)
    writer.add_vocab_size(shape.vocabulary)
    if shape.window:
        writer.add_sliding_window(shape.window)
    if shape.architecture == "gemma2":
        writer.add_attn_logit_softcapping(50.0)
        writer.add_final_logit_softcapping(30.0)
    if shape.experts:
        writer.add_expert_count(shape.experts)
        writer.add_expert_used_count(shape.experts_used)
    tokens = bpe.Tokenizer([]).tokens
    tokens += [f"{number:x}." for number in range(shape.vocabulary - len(tokens))]
    special = dict.fromkeys(bpe.SPECIAL, gguf.TokenType.CONTROL)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types([special.get(token, gguf.TokenType.NORMAL) for token in tokens])
    writer.add_token_merges(["t h"])
    writer.add_eos_token_id(tokens.index(bpe.END))
    writer.add_add_bos_token(False)


def write(path: Path, shape: Shape, *, quantized: bool = False, seed: int = 1) -> None:
    """Write a model with F16 matrices, or Q8_0 ones if ``quantized``. One tensor is in memory at a time."""
    scratch = path.with_suffix(".part")
    writer = gguf.GGUFWriter(str(scratch), shape.architecture)
    _metadata(writer, shape)
    kind = gguf.GGMLQuantizationType.Q8_0 if quantized else gguf.GGMLQuantizationType.F16
    block, size = gguf.GGML_QUANT_SIZES[kind]
    for name, dimensions in _tensors(shape):
        if _plain(dimensions, name):
            writer.add_tensor_info(name, dimensions, np.dtype(np.float32), 4 * math.prod(dimensions))
        else:
            writer.add_tensor_info(
                name, dimensions, np.dtype(np.float16), math.prod(dimensions) // block * size, raw_dtype=kind
            )
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    noise = _Noise(seed)
    for name, dimensions in _tensors(shape):
        if len(dimensions) == 1:
            writer.write_tensor_data(_vector(noise, name, dimensions[0]))
        elif _plain(dimensions, name):
            writer.write_tensor_data(_matrix(noise, dimensions, False).astype(np.float32))
        else:
            writer.write_tensor_data(_matrix(noise, dimensions, quantized))
    writer.close()
    scratch.replace(path)


def _plain(dimensions: tuple[int, ...], name: str) -> bool:
    """Whether a tensor is kept in F32: vectors, and what chooses the experts."""
    return len(dimensions) == 1 or "_inp" in name


def main() -> None:
    """Write one model."""
    parser = argparse.ArgumentParser(
        prog="python -m inference.random_model", description="Write a model with random weights."
    )
    parser.add_argument("file", type=Path)
    parser.add_argument("--shape", choices=sorted(SHAPES), required=True)
    parser.add_argument("--type", choices=("F16", "Q8_0"), default="Q8_0")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    write(options.file, SHAPES[options.shape], quantized=options.type == "Q8_0", seed=options.seed)
    print(f"wrote {options.file}: {options.file.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
