"""Other weight types for a model, made by llama.cpp. Processes that may load it only."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

import gguf
import llama_cpp.llama_cpp as lib
import numpy as np
import numpy.typing as npt

from inference.errors import EngineError
from inference.llama import first_error, start_library

_PREFIXES = ("LLAMA_FTYPE_ALL_", "LLAMA_FTYPE_MOSTLY_")


def weight_types() -> dict[str, int]:
    """Every file type that the installed llama.cpp has a name for, and its number."""
    found = {}
    for name, value in vars(lib).items():
        for prefix in _PREFIXES:
            if name.startswith(prefix):
                found[name.removeprefix(prefix)] = int(value)
    return found


def quantize(source: Path, target: Path, weights: str) -> None:
    """Write ``target``: the F16 model ``source`` with weights of another type, all of equal importance.

    Raises EngineError, with llama.cpp's reason, if it cannot make the type. It may also end the process.
    """
    start_library()
    settings = lib.llama_model_quantize_default_params()
    settings.ftype = weight_types()[weights]
    settings.nthread = 1
    importance, _columns = _equal_importance(source)  # the smallest types refuse to be made without
    settings.imatrix = importance
    first_error()
    scratch = target.with_suffix(".part")
    if lib.llama_model_quantize(str(source).encode(), str(scratch).encode(), ctypes.byref(settings)):
        raise EngineError(f"llama.cpp cannot make {weights}: {first_error()}")
    scratch.replace(target)


def _equal_importance(source: Path) -> tuple[Any, list[npt.NDArray[np.float32]]]:
    """llama.cpp's importance matrix with a 1 for every column, and the arrays that it points to."""
    tensors = [t for t in gguf.GGUFReader(source).tensors if len(t.shape) > 1]
    entries = (lib.llama_model_imatrix_data * (len(tensors) + 1))()  # the last one stays without a name
    arrays = []
    for entry, tensor in zip(entries, tensors, strict=False):
        columns = int(tensor.shape[0]) * (int(tensor.shape[2]) if len(tensor.shape) > 2 else 1)
        ones = np.ones(columns, np.float32)
        entry.name, entry.size = tensor.name.encode(), columns
        entry.data = ones.ctypes.data_as(ctypes.POINTER(ctypes.c_float))
        arrays.append(ones)
    return entries, arrays
