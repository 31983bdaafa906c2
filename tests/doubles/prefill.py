"""What the right model says of a text that it did not choose: for the attack that lets it confirm one.

``python -m tests.doubles.prefill MODEL`` reads ``{"input": hex, "tokens": [...]}`` on standard input and
writes the logits digest of each token's position, hex, one a line. llama.cpp stays in this process.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from inference.model import ModelFile
from inference.runtime import CANONICAL, prepare


def main() -> None:
    """Read the tokens as if they were the answer."""
    prepare(CANONICAL)
    from inference.engine import Engine

    asked = json.load(sys.stdin)
    engine = Engine(ModelFile.open(Path(sys.argv[1])), slots=1)
    prompt = engine.prompt_tokens(bytes.fromhex(asked["input"]))
    digests = engine.read([*prompt, *asked["tokens"]], 64)
    for digest in digests[len(prompt) - 1 : -1]:
        print(digest.hex())


if __name__ == "__main__":
    main()
