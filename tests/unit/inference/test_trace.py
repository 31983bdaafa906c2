"""The trace binds tokens, logits and their order."""

from hashlib import sha256

import pytest

from inference.trace import Trace, chunk_digest, trace_commit, trace_root, trace_secret


def trace_of(entries):
    trace = Trace()
    full = [d for token, raw in entries if (d := trace.add(token, raw)) is not None]
    return full, *trace.finish()


def entries(count):
    return [(i, bytes([i % 256]) * 8) for i in range(count)]


def h(*parts):
    return sha256(b"".join(parts)).digest()


def test_it_follows_the_documented_format():
    full, root, secret, chunks = trace_of(entries(70))
    digests = [h(b"p2pavs/logits/1", raw) for _, raw in entries(70)]
    leaves = []
    for c in range(3):
        part = range(32 * c, min(32 * c + 32, 70))
        inner = h(b"p2pavs/chunk-logits/1", *(digests[i] for i in part))
        ids = b"".join(i.to_bytes(4, "big") for i in part)
        head = c.to_bytes(4, "big") + len(part).to_bytes(4, "big")
        leaves.append(h(b"p2pavs/trace-chunk/1", head, ids, inner))
    top = h(b"p2pavs/trace-node/1", h(b"p2pavs/trace-node/1", leaves[0], leaves[1]), leaves[2])
    assert list(chunks) == leaves
    assert full == leaves[:2]
    assert root == h(b"p2pavs/trace-root/1", (70).to_bytes(4, "big"), top)
    assert secret == h(b"p2pavs/trace-secret/1", *digests)
    assert trace_commit(secret) == h(b"p2pavs/trace-commit/1", secret)


def test_the_empty_trace():
    full, root, secret, chunks = trace_of([])
    assert (full, chunks) == ([], ())
    assert root == h(b"p2pavs/trace-root/1", bytes(36))
    assert secret == h(b"p2pavs/trace-secret/1")


@pytest.mark.parametrize("count", [1, 31, 32, 33, 64, 65, 160])
def test_any_change_changes_root_and_secret(count):
    _, root, secret, chunks = trace_of(entries(count))
    assert len(chunks) == -(-count // 32)
    changed = entries(count)
    changed[-1] = (changed[-1][0], b"other")
    _, other_root, other_secret, _ = trace_of(changed)
    assert other_root != root and other_secret != secret
    renamed = entries(count)
    renamed[0] = (9999, renamed[0][1])
    _, other_root, same_secret, _ = trace_of(renamed)
    assert other_root != root and same_secret == secret


def test_roots_of_other_counts_differ():
    leaf = h(b"leaf")
    assert len({trace_root(n, [leaf] * k) for n in (1, 2) for k in (1, 2, 3, 4, 5)}) == 10


def test_chunks_have_1_to_32_tokens():
    with pytest.raises(ValueError, match="1 to 32"):
        chunk_digest(0, [], [])
    with pytest.raises(ValueError, match="1 to 32"):
        chunk_digest(0, [1], [])
    assert trace_secret([]) != trace_secret([bytes(32)])
