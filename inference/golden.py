"""The golden digest: all logits over fixed prompts and their greedy answers, in one hash.

``python -m inference.golden MODEL.gguf`` writes the manifest beside a model, golden digest included.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from inference.chat_template import chat_template
from inference.errors import InferenceError, ManifestError, RuntimeMismatch
from inference.gguf_header import read_header
from inference.model import (
    FORMAT,
    INPUT,
    Golden,
    Manifest,
    ModelFile,
    hash_file,
    manifest_path,
    parse_manifest,
    read_manifest,
)
from inference.request import Request
from inference.runtime import CANONICAL, prepare

if TYPE_CHECKING:
    from inference.engine import Engine

DEFAULT_PROMPTS = (
    "The proposal to allocate 1,000,000 tokens from the treasury was discussed by the delegates of the DAO.",
    "Classify this transaction: swap 5 ETH for USDC",
)
DEFAULT_TOKENS = 16


def golden_digest(file: ModelFile, *, threads: int = 1, thorough: bool = False) -> bytes:
    """Load the model, compute its digest and free it. Raises RuntimeMismatch if bits depend on the batch."""
    from inference.engine import Engine  # loads llama.cpp

    engine = Engine(file, slots=1, threads=threads)
    try:
        return digest_of(engine, thorough=thorough)
    finally:
        engine.close()


def digest_of(engine: Engine, *, thorough: bool = False) -> bytes:
    """Compute the digest in an idle engine. Raises RuntimeMismatch if the bits depend on the batch.

    ``thorough`` also reads token by token and in odd batches, which costs time on a large model.
    """
    golden = engine.manifest.golden
    total = sha256(b"p2pavs/golden/1")
    for prompt in golden.prompts:
        answer = engine.run(Request(prompt.encode(), golden.tokens))
        line = [*engine.prompt_tokens(prompt.encode()), *answer.token_ids]
        digests = engine.read(line, min(64, engine.batch))
        for batch in (1, 7, 17) if thorough else ():
            if engine.read(line, batch) != digests:
                raise RuntimeMismatch(f"logits read in batches of 64 and of {batch} differ; {REMEDY}")
        checked = engine.run(Request(prompt.encode(), golden.tokens, draft=answer.token_ids))
        if (checked.token_ids, checked.trace_root) != (answer.token_ids, answer.trace_root):
            raise RuntimeMismatch(f"generating and checking one answer gave different bits; {REMEDY}")
        total.update(len(line).to_bytes(4, "big"))
        for token, digest in zip(line, digests, strict=True):
            total.update(token.to_bytes(4, "big") + digest)
    return total.digest()


REMEDY = "install llama-cpp-python in the canonical build (python -m inference.runtime --check tells how)"


def check_golden(found: bytes, manifest: Manifest) -> None:
    """Raise RuntimeMismatch unless the digest found is the manifest's."""
    if found != manifest.golden_digest:
        raise RuntimeMismatch(
            f"the golden test of {manifest.name} gave {found.hex()[:16]}.. and its manifest says "
            f"{manifest.golden.digest[:16]}..: this installation does not compute the network's bits; "
            f"{REMEDY}"
        )


def main() -> None:
    """Write ``NAME.json`` beside a GGUF file."""
    parser = argparse.ArgumentParser(
        prog="python -m inference.golden", description="Write the manifest beside a GGUF model."
    )
    parser.add_argument("model", type=Path)
    parser.add_argument("--name", help="default: the file's name")
    parser.add_argument(
        "--template",
        help="text around {input}, special tokens included; default: the file's chat template, else {input}",
    )
    parser.add_argument(
        "--add-bos", action="store_true", help="begin with the vocabulary's beginning-of-text token"
    )
    parser.add_argument("--stop", action="append", default=[], help="text that ends the answer (repeatable)")
    parser.add_argument(
        "--stop-token",
        action="append",
        type=int,
        default=[],
        help="token id that ends the answer (repeatable)",
    )
    parser.add_argument("--context", type=int, help="default: the file's own, at most 4096")
    parser.add_argument("--prompt", action="append", default=[], help="golden prompt (repeatable)")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument(
        "--keep",
        action="store_true",
        help="keep the manifest's settings; write new hashes and a new golden digest",
    )
    parser.add_argument(
        "--check", action="store_true", help="write nothing; compute the digest of the manifest that is there"
    )
    options = parser.parse_args()
    try:
        if options.check:
            prepare(CANONICAL)
            file = ModelFile.open(options.model)
            check_golden(golden_digest(file, threads=options.threads, thorough=True), file.manifest)
            print("the golden digest is right")
            return
        manifest = write_manifest(options)
    except InferenceError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        sys.exit(1)
    print(f"wrote {manifest_path(options.model)}: golden digest {manifest.golden.digest}")


def write_manifest(options: argparse.Namespace) -> Manifest:
    """Compute hashes and golden digest of ``options.model`` and write its manifest."""
    path: Path = options.model
    header = read_header(path)
    prepare(CANONICAL)
    if options.keep:
        draft = replace(read_manifest(path), sha256=hash_file(path), size=path.stat().st_size)
    else:
        template, add_bos = options.template, options.add_bos
        if template is None:
            template, wants_bos = chat_template(header) or (INPUT, False)
            add_bos = add_bos or wants_bos
        draft = Manifest(
            format=FORMAT,
            name=options.name or path.stem,
            sha256=hash_file(path),
            size=path.stat().st_size,
            template=template,
            add_bos=add_bos,
            stop_token_ids=tuple(options.stop_token),
            stop=tuple(options.stop),
            context_length=min(header.whole("context_length") or 4096, 4096)
            if options.context is None
            else options.context,
            golden=Golden(tuple(options.prompt) or DEFAULT_PROMPTS, DEFAULT_TOKENS, "0" * 64),
        )
    parse_manifest(draft.to_json().encode(), str(path))  # refuses before the golden test, which takes long
    if (largest := max(draft.stop_token_ids, default=-1)) >= header.vocabulary > 0:
        raise ManifestError(
            f"{path} has no token {largest} that could end an answer: its vocabulary has {header.vocabulary}."
        )
    digest = golden_digest(ModelFile(path, draft, header), threads=options.threads, thorough=True)
    manifest = parse_manifest(
        replace(draft, golden=replace(draft.golden, digest=digest.hex())).to_json().encode(), str(path)
    )
    scratch = manifest_path(path).with_suffix(".json.part")
    scratch.write_text(manifest.to_json())
    scratch.replace(manifest_path(path))
    return manifest


if __name__ == "__main__":
    main()
