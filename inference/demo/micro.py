"""Make ``models/micro.gguf``: random weights in every common tensor type, for the runtime's golden test.

Its answers mean nothing. Its logits go through the kernels of F16, Q4_0, Q4_K, Q5_K, Q6_K and Q8_0, so
a build whose bits differ in any of them fails. ``python -m inference.demo.micro FILE`` (needs gguf).
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import gguf
import numpy as np

from inference.demo import bpe

# Rows of two K-quant blocks: kernels that add blocks in another order show only with more than one.
WIDTH, HIDDEN, HEADS, KEY_HEADS, HEAD_WIDTH = 512, 64, 2, 1, 32
# Bytes of the parts of a 256-element block, in file order: "d" is a float16 scale, the rest is noise.
_K_BLOCKS = {"Q4_K": ("d", "d", 140), "Q5_K": ("d", "d", 172), "Q6_K": (208, "d")}


def _k_quant(rng: np.random.Generator, kind: str, rows: int, columns: int) -> Any:
    """Random blocks of a K-quant with scales small enough for tame activations."""
    blocks = rows * columns // 256
    parts = []
    for part in _K_BLOCKS[kind]:
        if part == "d":
            scale = 2e-5 if kind == "Q6_K" else 1e-4
            parts.append((rng.uniform(0.5, 1.5, (blocks, 1)) * scale).astype("<f2").view(np.uint8))
        else:
            parts.append(rng.integers(0, 256, (blocks, int(part)), dtype=np.uint8))
    return np.concatenate(parts, 1).reshape(rows, -1)


def write(path: Path) -> None:
    """Write the model."""
    rng = np.random.default_rng(20_240_601)
    tokenizer = bpe.Tokenizer([("t", "h"), ("th", "e"), ("i", "n")])
    writer = gguf.GGUFWriter(str(path), "llama")
    writer.add_context_length(512)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(1)
    writer.add_feed_forward_length(HIDDEN)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KEY_HEADS)
    writer.add_key_length(HEAD_WIDTH)
    writer.add_value_length(HEAD_WIDTH)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(HEAD_WIDTH)
    writer.add_vocab_size(len(tokenizer.tokens))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokenizer.tokens)
    ordinary = len(tokenizer.tokens) - len(bpe.SPECIAL)
    writer.add_token_types([gguf.TokenType.NORMAL] * ordinary + [gguf.TokenType.CONTROL] * len(bpe.SPECIAL))
    writer.add_token_merges([f"{a} {b}" for a, b in tokenizer.merges])
    writer.add_eos_token_id(tokenizer.special(bpe.END))

    def add(name: str, kind: str, rows: int, columns: int) -> None:
        tensor_type = gguf.GGMLQuantizationType[kind]
        if kind in _K_BLOCKS:
            writer.add_tensor(name, _k_quant(rng, kind, rows, columns), raw_dtype=tensor_type)
        else:
            plain = rng.standard_normal((rows, columns)).astype(np.float32) / np.sqrt(
                columns, dtype=np.float32
            )
            writer.add_tensor(name, gguf.quants.quantize(plain, tensor_type), raw_dtype=tensor_type)

    heads = HEADS * HEAD_WIDTH
    add("token_embd.weight", "Q6_K", len(tokenizer.tokens), WIDTH)
    for norm in ("blk.0.attn_norm", "blk.0.ffn_norm", "output_norm"):
        writer.add_tensor(f"{norm}.weight", np.ones(WIDTH, np.float32))
    add("blk.0.attn_q.weight", "Q4_K", heads, WIDTH)
    add("blk.0.attn_k.weight", "F16", KEY_HEADS * HEAD_WIDTH, WIDTH)
    add("blk.0.attn_v.weight", "Q5_K", KEY_HEADS * HEAD_WIDTH, WIDTH)
    add("blk.0.attn_output.weight", "Q8_0", WIDTH, heads)
    add("blk.0.ffn_gate.weight", "Q6_K", HIDDEN, WIDTH)
    add("blk.0.ffn_up.weight", "Q4_K", HIDDEN, WIDTH)
    add("blk.0.ffn_down.weight", "Q4_0", WIDTH, HIDDEN)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    write(parser.parse_args().file)
