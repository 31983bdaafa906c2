"""What can go wrong with inference, by name. Every message says what to do next."""

from __future__ import annotations


class InferenceError(Exception):
    """Base of all errors of this package."""


class RequestError(InferenceError):
    """The request itself is malformed or over a limit."""


class ManifestError(InferenceError):
    """The manifest beside a model file is missing, malformed or belongs to another file."""


class DamagedModel(InferenceError):
    """The model file is not a whole GGUF file, or not the one its manifest names."""


class RuntimeMismatch(InferenceError):
    """This installation does not compute the profile's bits, so it must not serve."""


class NotEnoughMemory(InferenceError):
    """The model and its cache do not fit in the memory that is free."""


class EngineError(InferenceError):
    """llama.cpp refused to load or to compute."""


class WorkerCrashed(InferenceError):
    """The worker process died while it held the request, again after each retry."""


class WorkerHung(InferenceError):
    """The worker process gave no sign of life for too long, again after each retry."""


class WorkerStartFailed(InferenceError):
    """The worker process ended or hung before it could serve."""


class WorkerClosed(InferenceError):
    """The worker was closed before the request was answered."""


class QueueFull(InferenceError):
    """Too many requests wait already; try again later."""


class TimeLimitExceeded(InferenceError):
    """The request took longer than its time limit. Not a result: time is not deterministic."""


BY_NAME: dict[str, type[InferenceError]] = {
    kind.__name__: kind
    for kind in (
        RequestError,
        ManifestError,
        DamagedModel,
        RuntimeMismatch,
        NotEnoughMemory,
        EngineError,
        TimeLimitExceeded,
        InferenceError,
    )
}
"""The errors a worker process can report over its pipe."""
