"""The exact kernels: every element of a product of many rows and columns has the bits of one vec_dot.

Runs on the kernels that the installed llama.cpp was built with, with the best instructions of this processor
and with those that every processor of the profile has.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from inference.runtime import exact_kernels

Bytes = npt.NDArray[np.uint8]
F32 = 0


def _library() -> ctypes.CDLL:
    """The installed library alone: the Python package must never be in a process beside a node's code."""
    found = find_spec("llama_cpp")
    assert found is not None and found.submodule_search_locations, (
        "llama.cpp is missing: run testnet/setup.sh"
    )
    return ctypes.CDLL(str(Path(found.submodule_search_locations[0]) / "lib" / "libllama.so"))


LIBRARY = _library()


class ComputeParams(ctypes.Structure):
    """ggml_compute_params"""

    _fields_ = (
        ("ith", ctypes.c_int),
        ("nth", ctypes.c_int),
        ("wsize", ctypes.c_size_t),
        ("wdata", ctypes.c_void_p),
        ("threadpool", ctypes.c_void_p),
        ("use_ref", ctypes.c_bool),
    )


@dataclass(frozen=True)
class Pair:
    """Types of weights and columns as ggml numbers them, elements and bytes of a block of each."""

    name: str
    weights: int
    columns: int
    block: int
    weight_bytes: int
    column_bytes: int
    scales: tuple[int, ...]  # where halves lie in a block of weights

    @property
    def unit(self) -> int:
        """Elements that a row's length must be a multiple of."""
        return max(self.block, 32)


PAIRS = (
    Pair("f16", 1, 1, 1, 2, 2, ()),
    Pair("q4_0_q8_0", 2, 8, 32, 18, 34, (0,)),
    Pair("q5_0_q8_0", 6, 8, 32, 22, 34, (0,)),
    Pair("q8_0_q8_0", 8, 8, 32, 34, 34, (0,)),
    Pair("q4_K_q8_K", 12, 15, 256, 144, 292, (0, 2)),
    Pair("q6_K_q8_K", 14, 15, 256, 210, 292, (208,)),
)
# Rows, columns, blocks: less than a tile, whole ones, and every kind of rest.
SIZES = (
    (1, 2, 1),
    (3, 3, 2),
    (4, 4, 3),
    (5, 7, 1),
    (17, 9, 5),
    (33, 2, 17),
    (64, 5, 7),
    (19, 13, 4),
    (40, 17, 3),
    (48, 32, 1),
    (37, 8, 2),
)


def weights(pair: Pair, rows: int, length: int, random: np.random.Generator) -> Bytes:
    """Random bytes in all fields but the scales; one row of nothing but -128, one of zeros."""
    if pair.name == "f16":
        halves = random.standard_normal((rows, length)).astype(np.float16)
        halves[-1] = 0
        return halves.view(np.uint8)
    raw = random.integers(0, 256, (rows, length // pair.block, pair.weight_bytes), np.uint8)
    raw[0] = 0x80
    raw[-1] = 0
    for at in pair.scales:
        scales = (random.standard_normal(raw.shape[:2]) * 0.01).astype(np.float16)
        raw[:, :, at : at + 2] = scales.view(np.uint8).reshape(*raw.shape[:2], 2)
    return raw.reshape(rows, -1)


def columns(pair: Pair, count: int, length: int, random: np.random.Generator, lowest: int = -127) -> Bytes:
    """Columns as ggml quantises them. It gives no -128 unless something was not a number."""
    if pair.name == "f16":
        return random.standard_normal((count, length)).astype(np.float16).view(np.uint8)
    values = random.integers(-127, 128, (count, length), np.int8)
    values[0] = lowest
    values[1] = 127
    if count > 2:
        values[2] = 0
    raw = np.zeros((count, length // pair.block, pair.column_bytes), np.uint8)
    blocks = values.reshape(count, -1, pair.block)
    if pair.block == 32:
        scales = (random.random(raw.shape[:2]) * 0.1).astype(np.float16)
        raw[:, :, :2] = scales.view(np.uint8).reshape(*raw.shape[:2], 2)
        raw[:, :, 2:] = blocks.view(np.uint8)
    else:
        wide = random.random(raw.shape[:2]).astype(np.float32)
        raw[:, :, :4] = wide.view(np.uint8).reshape(*raw.shape[:2], 4)
        raw[:, :, 4:260] = blocks.view(np.uint8)
        sums = blocks.reshape(*raw.shape[:2], 16, 16).sum(-1, dtype=np.int16)
        raw[:, :, 260:] = sums.view(np.uint8).reshape(*raw.shape[:2], 32)
    return raw.reshape(count, -1)


def one_by_one(pair: Pair, a: Bytes, b: Bytes, length: int) -> npt.NDArray[np.float32]:
    """Each element by llama.cpp's own vec_dot."""
    dot = getattr(LIBRARY, f"ggml_vec_dot_{pair.name}")
    pointer, size = ctypes.c_void_p, ctypes.c_size_t
    dot.argtypes = [ctypes.c_int, pointer, size, pointer, size, pointer, size, ctypes.c_int]
    found = np.zeros((len(b), len(a)), np.float32)
    for column, y in enumerate(b):
        for row, x in enumerate(a):
            dot(length, found[column, row:].ctypes.data, 0, x.ctypes.data, 0, y.ctypes.data, 0, 1)
    return found


def together(pair: Pair, a: Bytes, b: Bytes, length: int, threads: int) -> npt.NDArray[np.float32] | None:
    """All elements by the kernels, or None where they leave it to vec_dot. Nothing else may be written."""
    product = LIBRARY.llamafile_sgemm
    whole, pointer = ctypes.c_int64, ctypes.c_void_p
    sizes = [whole, whole, whole, pointer, whole, pointer, whole, pointer, whole]
    product.argtypes = [pointer, *sizes, ctypes.c_int, ctypes.c_int, ctypes.c_int]
    product.restype = ctypes.c_bool
    found = np.full((len(b) + 1, len(a) + 3), 7, np.float32)
    blocks, done = length // pair.block, []
    for thread in range(threads):
        params = ComputeParams(thread, threads, 0, None, None, False)
        matrices = (a.ctypes.data, blocks, b.ctypes.data, blocks, found.ctypes.data, len(a) + 3)
        kinds = (pair.weights, pair.columns, F32)
        done.append(product(ctypes.byref(params), len(a), len(b), blocks, *matrices, *kinds))
    assert len(set(done)) == 1
    rest = np.append(found[-1], found[:-1, len(a) :])
    assert (rest == 7).all()
    return found[:-1, : len(a)] if done[0] else None


class InitParams(ctypes.Structure):
    """ggml_init_params"""

    _fields_ = (("size", ctypes.c_size_t), ("buffer", ctypes.c_void_p), ("no_alloc", ctypes.c_bool))


class Shares:
    """A soft max of ggml's over scores of heads, positions and cache cells, with a mask or none."""

    def __init__(
        self,
        scores: npt.NDArray[np.float32],
        mask: npt.NDArray[np.float32] | npt.NDArray[np.float16] | None,
        scale: float,
        bias: float = 0.0,
    ) -> None:
        def call(name: str, *values: object) -> int:
            function = getattr(LIBRARY, name)
            function.restype = ctypes.c_void_p
            return int(function(*values) or 0)

        def tensor(array: npt.NDArray[np.floating]) -> ctypes.c_void_p:
            sizes = [ctypes.c_int64(size) for size in array.shape[::-1]]
            made = call("ggml_new_tensor_4d", self._context, int(array.dtype == np.float16), *sizes)
            data = call("ggml_get_data", ctypes.c_void_p(made))
            ctypes.memmove(data, array.ctypes.data, array.nbytes)
            return ctypes.c_void_p(made)

        self._context = ctypes.c_void_p(call("ggml_init", InitParams(1 << 24, None, False)))
        masked = None if mask is None else tensor(mask)
        options = (ctypes.c_float(scale), ctypes.c_float(bias))
        self._node = call("ggml_soft_max_ext", self._context, tensor(scores), masked, *options)
        self._data = call("ggml_get_data", ctypes.c_void_p(self._node))
        self._shape = scores.shape

    def compute(self, threads: int, *, plain: bool) -> npt.NDArray[np.uint32]:
        """The bits of the shares, by ggml's own code or by ours."""
        work = np.zeros(threads * (self._shape[-1] + 64), np.float32)
        ctypes.memset(self._data, 0xAB, int(np.prod(self._shape)) * 4)
        for thread in range(threads):
            params = ComputeParams(thread, threads, work.nbytes, work.ctypes.data, None, plain)
            LIBRARY.ggml_compute_forward_soft_max(ctypes.byref(params), ctypes.c_void_p(self._node))
        raw = ctypes.string_at(self._data, int(np.prod(self._shape)) * 4)
        return np.frombuffer(raw, np.uint32).reshape(self._shape)

    def close(self) -> None:
        LIBRARY.ggml_free(self._context)


@pytest.fixture(params=["best instructions", "plain instructions"])
def instructions(request: pytest.FixtureRequest) -> Iterator[str]:
    assert exact_kernels(LIBRARY), "llama.cpp was built without the kernels: run testnet/setup.sh"
    LIBRARY.ggml_cpu_init()
    LIBRARY.p2pavs_kernels_plain(request.param == "plain instructions")
    yield request.param
    LIBRARY.p2pavs_kernels_plain(False)


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.name)
@pytest.mark.parametrize("lowest", [-127, -128])
def test_products_have_the_bits_of_vec_dot(pair: Pair, lowest: int, instructions: str) -> None:
    random = np.random.default_rng(7)
    for rows, count, blocks in SIZES:
        length = blocks * pair.unit
        a, b = weights(pair, rows, length, random), columns(pair, count, length, random, lowest)
        wanted = one_by_one(pair, a, b, length)
        assert np.unique(wanted).size > wanted.size // 4, "data that tells orders apart"
        for threads in (1, 3):
            found = together(pair, a, b, length, threads)
            assert found is not None
            assert (found.view(np.uint32) == wanted.view(np.uint32)).all(), (rows, count, blocks, threads)


def test_what_is_not_proved_is_left_to_vec_dot(instructions: str) -> None:
    random = np.random.default_rng(8)
    q8, half = PAIRS[3], PAIRS[0]
    a, b = weights(q8, 8, 64, random), columns(q8, 4, 64, random)
    assert together(q8, a, b[:1], 64, 1) is None, "one column"
    other = Pair("q4_1", 3, 9, 32, 20, 36, ())
    assert together(other, a, b, 64, 2) is None, "another type"
    short = random.standard_normal((8, 48)).astype(np.float16).view(np.uint8)
    assert together(half, short, short[:4], 48, 1) is None, "halves that are no multiple of 32"


def test_the_instructions_are_named(instructions: str) -> None:
    named = exact_kernels(LIBRARY)
    assert named == "avx2" if instructions.startswith("plain") else named in ("avx2", "vnni")


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("masked", ["causal", "none", "halves", "everything", "odd"])
@pytest.mark.parametrize("cells", [8, 256, 520, 33])
def test_shares_have_the_bits_of_ggml(cells: int, masked: str, threads: int) -> None:
    assert exact_kernels(LIBRARY), "llama.cpp was built without the kernels: run testnet/setup.sh"
    LIBRARY.ggml_cpu_init()
    random = np.random.default_rng(cells)
    heats = np.array([0, 0.1, 3, 40, 300, 1e4]).reshape(1, 6, 1, 1)
    scores = (random.standard_normal((2, 6, 9, cells)) * heats).astype(np.float32)
    reach = np.arange(cells) > random.integers(cells, size=(2, 1, 9, 1))
    mask: npt.NDArray[np.float32] | None = np.where(reach, -np.inf, 0).astype(np.float32)
    assert mask is not None
    if masked == "everything":
        mask[:, :, 3] = -np.inf
    elif masked == "odd":
        scores[0, :, 2, cells // 2] = np.nan
        scores[0, :, 3, cells - 1] = np.nan
        scores[0, :, 4, ::3] = np.inf
        scores[0, :, 5, : cells // 2] = -np.inf
        mask[1, :, :, ::2] = -3.7  # neither here nor there
    elif masked == "none":
        mask = None
    halves = mask is not None and masked == "halves"
    shares = Shares(scores, mask.astype(np.float16) if halves and mask is not None else mask, 0.17677669)
    wanted = shares.compute(threads, plain=True)
    assert np.unique(wanted).size > 50
    assert (shares.compute(threads, plain=False) == wanted).all()
    shares.close()


def test_a_soft_max_with_a_slope_is_left_to_ggml() -> None:
    random = np.random.default_rng(5)
    scores = random.standard_normal((1, 4, 5, 64)).astype(np.float32)
    shares = Shares(scores, -random.random((1, 1, 5, 64)).astype(np.float32), 0.5, bias=8.0)
    assert (shares.compute(2, plain=False) == shares.compute(2, plain=True)).all()
    shares.close()
