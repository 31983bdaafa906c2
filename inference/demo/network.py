"""The demo model's network: a Llama written out in torch, with the tensor names that GGUF gives them."""

from __future__ import annotations

import importlib
import math
from dataclasses import dataclass
from typing import Any

# Only training needs torch, so it is no dependency of the package: pip install torch==2.13.0
torch: Any = importlib.import_module("torch")


@dataclass(frozen=True, slots=True)
class Shape:
    """Sizes of the network. Every row is a multiple of 32, which Q8_0 asks for."""

    vocabulary: int = 1024
    width: int = 192
    layers: int = 6
    heads: int = 6
    key_heads: int = 3
    hidden: int = 512
    context: int = 1024
    epsilon: float = 1e-5
    rope_base: float = 10_000.0

    @property
    def head_width(self) -> int:
        """Numbers per attention head."""
        return self.width // self.heads


def new_weights(shape: Shape, seed: int) -> dict[str, Any]:
    """Fresh parameters; the embedding is also the output matrix."""
    generator = torch.Generator().manual_seed(seed)

    def matrix(rows: int, columns: int, scale: float = 1.0) -> Any:
        spread = 0.6 * scale / math.sqrt(columns)
        return (torch.randn(rows, columns, generator=generator) * spread).requires_grad_()

    def gain() -> Any:
        return torch.ones(shape.width).requires_grad_()

    keys = shape.key_heads * shape.head_width
    last = 1 / math.sqrt(2 * shape.layers)
    weights = {
        "token_embd.weight": (
            torch.randn(shape.vocabulary, shape.width, generator=generator) * 0.04
        ).requires_grad_()
    }
    for i in range(shape.layers):
        weights |= {
            f"blk.{i}.attn_norm.weight": gain(),
            f"blk.{i}.attn_q.weight": matrix(shape.width, shape.width),
            f"blk.{i}.attn_k.weight": matrix(keys, shape.width),
            f"blk.{i}.attn_v.weight": matrix(keys, shape.width),
            f"blk.{i}.attn_output.weight": matrix(shape.width, shape.width, last),
            f"blk.{i}.ffn_norm.weight": gain(),
            f"blk.{i}.ffn_gate.weight": matrix(shape.hidden, shape.width),
            f"blk.{i}.ffn_up.weight": matrix(shape.hidden, shape.width),
            f"blk.{i}.ffn_down.weight": matrix(shape.width, shape.hidden, last),
        }
    weights["output_norm.weight"] = gain()
    return weights


def _rope(x: Any, cos: Any, sin: Any) -> Any:
    """Rotate neighbouring pairs, as llama.cpp does for a llama. ``x``: (batch, heads, time, width)."""
    even, odd = x[..., 0::2], x[..., 1::2]
    return torch.stack((even * cos - odd * sin, even * sin + odd * cos), -1).flatten(-2)


def logits(weights: dict[str, Any], shape: Shape, tokens: Any) -> Any:
    """``tokens`` (batch, time) to logits (batch, time, vocabulary). Padding belongs at the right."""
    functional = torch.nn.functional
    batch, time = tokens.shape
    half = shape.head_width // 2
    angle = torch.arange(time)[:, None] * shape.rope_base ** (-torch.arange(half) / half)
    cos, sin = angle.cos(), angle.sin()

    def norm(x: Any, name: str) -> Any:
        return functional.rms_norm(x, (shape.width,), weights[name], shape.epsilon)

    def heads(x: Any, count: int) -> Any:
        return x.view(batch, time, count, shape.head_width).transpose(1, 2)

    x = functional.embedding(tokens, weights["token_embd.weight"])
    for i in range(shape.layers):
        block = {
            name: weights[f"blk.{i}.{name}.weight"]
            for name in ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down")
        }
        h = norm(x, f"blk.{i}.attn_norm.weight")
        q = _rope(heads(functional.linear(h, block["attn_q"]), shape.heads), cos, sin)
        k = _rope(heads(functional.linear(h, block["attn_k"]), shape.key_heads), cos, sin)
        v = heads(functional.linear(h, block["attn_v"]), shape.key_heads)
        group = shape.heads // shape.key_heads
        k, v = k.repeat_interleave(group, 1), v.repeat_interleave(group, 1)
        a = functional.scaled_dot_product_attention(q.to(v.dtype), k.to(v.dtype), v, is_causal=True)
        x = x + functional.linear(a.transpose(1, 2).reshape(batch, time, shape.width), block["attn_output"])
        h = norm(x, f"blk.{i}.ffn_norm.weight")
        x = x + functional.linear(
            functional.silu(functional.linear(h, block["ffn_gate"])) * functional.linear(h, block["ffn_up"]),
            block["ffn_down"],
        )
    return functional.linear(norm(x, "output_norm.weight"), weights["token_embd.weight"])
