"""Which backend is chosen, and that one that answers wrongly is not."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from consensus import bls
from consensus.bls_backends import arkworks, blst, choice, reference
from consensus.bls_backends.protocol import Backend


def missing() -> Backend:
    raise ImportError("No module named 'something'")


def test_blst_is_in_use() -> None:
    assert bls.backend_name() == f"blst in ckzg {blst.PINNED}"
    assert bls.backend_advice() is None


def test_without_blst_arkworks_is_used_and_the_node_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "_blst", missing)
    found = choice.choose_backend.__wrapped__()
    assert found.backend.name.startswith("py-arkworks")
    assert "No module named 'something'" in found.advice
    assert found.advice.endswith("run: pip install --force-reinstall ckzg==2.1.8")


def test_without_both_the_reference_is_used_and_the_node_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "_blst", missing)
    monkeypatch.setattr(choice, "_arkworks", missing)
    found = choice.choose_backend.__wrapped__()
    assert found.backend.name.startswith("py-ecc")
    assert "too slow for a node" in found.advice
    assert found.advice.endswith("ckzg==2.1.8 py-arkworks-bls12381")


class Lying:
    """blst, but one answer is another."""

    def __init__(self, name: str, answer: Callable[..., object]) -> None:
        self._real = blst.load()
        setattr(self, name, answer)

    def __getattr__(self, name: str) -> object:
        return getattr(self._real, name)


LIES: list[tuple[str, Callable[..., object], str]] = [
    ("pairings_cancel", lambda left, right: True, "accepts a wrong signature"),
    ("pairings_cancel", lambda left, right: False, "refuses a right signature"),
    ("public_key", lambda secret: blst.load().public_key(secret + 1), "wrong public key"),
    ("multiply_g2", lambda point, scalar: point, "wrong signature"),
    ("weigh_g1", lambda points, scalars: points[0], "wrong sum of keys"),
    ("weigh_g2", lambda points, scalars: points[0], "wrong sum of signatures"),
]


@pytest.mark.parametrize(("name", "answer", "error"), LIES, ids=lambda each: str(each)[:20])
def test_a_backend_that_answers_wrongly_is_not_used(
    monkeypatch: pytest.MonkeyPatch, name: str, answer: Callable[..., object], error: str
) -> None:
    lying = Lying(name, answer)
    with pytest.raises(choice.SelfTestError, match=error):
        choice.self_test(lying)
    monkeypatch.setattr(choice, "_blst", lambda: lying)
    found = choice.choose_backend.__wrapped__()
    assert found.backend.name.startswith("py-arkworks")
    assert error in found.advice


@pytest.mark.parametrize("name", ["decode_g1", "decode_g2"])
def test_a_backend_that_takes_anything_is_not_used(name: str) -> None:
    real = getattr(blst.load(), name)

    def lenient(data: bytes) -> object:
        return real(data) if data[:1] in (b"\x88", b"\xa4") else b""

    with pytest.raises(choice.SelfTestError, match="as a point"):
        choice.self_test(Lying(name, lenient))


@pytest.mark.parametrize("load", [blst.load, arkworks.load, reference.load])
def test_every_backend_passes_its_own_test(load: Callable[[], Backend]) -> None:
    choice.self_test(load())
