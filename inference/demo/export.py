"""Write the demo model as a GGUF file (Q8_0) that llama.cpp reads as a llama with a ``gpt2`` tokenizer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gguf
import numpy as np

from inference.demo import bpe


def write_gguf(path: Path, tokenizer: bpe.Tokenizer, shape: Any, weights: dict[str, Any]) -> None:
    """Write ``weights`` (name to float32 array) under the sizes in ``shape`` (see ``network.Shape``)."""
    scratch = path.with_suffix(".part")
    writer = gguf.GGUFWriter(str(scratch), "llama")
    writer.add_name("p2pavs demo")
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.hidden)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.key_heads)
    writer.add_layer_norm_rms_eps(shape.epsilon)
    writer.add_rope_dimension_count(shape.head_width)
    writer.add_rope_freq_base(shape.rope_base)
    writer.add_vocab_size(shape.vocabulary)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokenizer.tokens)
    ordinary = len(tokenizer.tokens) - len(bpe.SPECIAL)
    writer.add_token_types([gguf.TokenType.NORMAL] * ordinary + [gguf.TokenType.CONTROL] * len(bpe.SPECIAL))
    writer.add_token_merges([f"{a} {b}" for a, b in tokenizer.merges])
    writer.add_eos_token_id(tokenizer.special(bpe.END))
    writer.add_bos_token_id(tokenizer.special(bpe.USER))
    writer.add_add_bos_token(False)
    for name, array in weights.items():
        if array.ndim == 1:
            writer.add_tensor(name, array.astype(np.float32))
        else:
            kind = gguf.GGMLQuantizationType.Q8_0
            writer.add_tensor(name, gguf.quants.quantize(array.astype(np.float32), kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    scratch.replace(path)
