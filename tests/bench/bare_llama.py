"""llama.cpp as a program would call it, without this project: ``python -m tests.bench.bare_llama FILE``.

Prints JSON: for each run the seconds of the clock and of the processor. The model is loaded and warm before.
"""

from __future__ import annotations

import argparse
import json
import time
from itertools import islice
from pathlib import Path


def main() -> None:
    """Answer prompts of the same length, each with as many tokens as were asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--prompt", action="append", required=True)
    parser.add_argument("--tokens", type=int, required=True)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--temperature", type=float, required=True)
    options = parser.parse_args()
    from llama_cpp import Llama

    threads = options.threads
    model = Llama(
        str(options.file), n_ctx=1024, n_threads=threads, n_threads_batch=threads, seed=1, verbose=False
    )
    runs = []
    for number, prompt in enumerate(("warm", *options.prompt)):
        tokens = model.tokenize(prompt.encode(), special=True)
        begin, spent = time.perf_counter(), time.process_time()
        # Its own sampler at the same temperature, nothing cut off; the end token does not end it.
        sampled = model.generate(tokens, top_k=0, top_p=1.0, min_p=0.0, temp=options.temperature)
        count = sum(1 for _ in islice(sampled, options.tokens))
        if number:
            runs.append(
                {
                    "wall": time.perf_counter() - begin,
                    "cpu": time.process_time() - spent,
                    "prompt_tokens": len(tokens),
                    "tokens": count,
                }
            )
    print(json.dumps(runs))


if __name__ == "__main__":
    main()
