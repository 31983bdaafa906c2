"""What a monitoring system reads: what will page someone at night, in the Prometheus text format.

Names follow Prometheus' rules: base units (wei are the chain's), ``_total`` for counters only, and labels of
few values, all of which are there from the start.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeAlias

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric

from inference.stats import WorkerStats
from p2pavs.tally import Histogram

PREFIX = "p2pavs_"

Labels: TypeAlias = Mapping[str, str]
Samples: TypeAlias = Iterable[tuple[Labels, float]]


def gauge(name: str, text: str, value: float | Samples) -> Metric:
    """One number that goes up and down, or one for each set of labels."""
    return _fill(GaugeMetricFamily, name, text, value)


def counter(name: str, text: str, value: float | Samples) -> Metric:
    """One number that only grows, or one for each set of labels; its name gets ``_total``."""
    return _fill(CounterMetricFamily, name, text, value)


def histogram(name: str, text: str, values: Histogram) -> Metric:
    """Counts of values up to each bound."""
    family = HistogramMetricFamily(PREFIX + name, text)
    family.add_metric([], values.buckets(), values.sum)
    return family


def _fill(
    kind: type[GaugeMetricFamily] | type[CounterMetricFamily],
    name: str,
    text: str,
    value: float | Samples,
) -> Metric:
    samples = [({}, value)] if isinstance(value, int | float) else list(value)
    names = sorted({label for labels, _ in samples for label in labels})
    family = kind(PREFIX + name, text, labels=names)
    for labels, number in samples:
        family.add_metric([labels[label] for label in names], number)
    return family


def render_metrics(families: Iterable[Metric]) -> bytes:
    """One page of these metrics, and those of this process (``process_*``)."""
    registry = CollectorRegistry(auto_describe=False)
    ProcessCollector(registry=registry)
    registry.register(_Fixed(list(families)))
    return generate_latest(registry)


class _Fixed:
    """Families that were collected already."""

    def __init__(self, families: Sequence[Metric]) -> None:
        self._families = families

    def describe(self) -> Iterable[Metric]:
        """Nothing: names are not checked against those of other collectors."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """The families."""
        return self._families


_TOKENS = {
    "generated": "sampled one by one",
    "checked": "sampled that a draft had named",
    "read": "read that are no part of an answer",
    "reused": "of prompts that a cache held already",
}


def worker_metrics(workers: Sequence[tuple[Labels, WorkerStats]]) -> Iterator[Metric]:
    """The metrics ``inference_*`` of the model workers, each with the labels that tell it from the others."""

    def samples(field: str) -> Samples:
        return [(labels, float(getattr(stats, field))) for labels, stats in workers]

    yield gauge("inference_computing", "Requests that are being computed.", samples("computing"))
    yield gauge("inference_waiting", "Requests that wait for their turn.", samples("waiting"))
    yield gauge(
        "inference_tokens_per_second",
        "Tokens of answers in a second of computing, lately.",
        samples("tokens_per_second"),
    )
    yield gauge("inference_memory_bytes", "Memory that the worker process holds.", samples("memory"))
    yield counter("inference_restarts", "Starts of the worker process after the first.", samples("restarts"))
    yield counter(
        "inference_deaths",
        "Ends of the worker process that nobody asked for.",
        [
            ({**labels, "how": how}, float(getattr(stats, field)))
            for labels, stats in workers
            for how, field in (("crash", "crashes"), ("hang", "hangs"))
        ],
    )
    yield counter(
        "inference_requests",
        "Requests that ended, by outcome.",
        [
            ({**labels, "outcome": outcome}, float(count))
            for labels, stats in workers
            for outcome, count in stats.requests.items()
        ],
    )
    yield counter(
        "inference_tokens",
        f"Tokens: {'; '.join(f'{kind}, {text}' for kind, text in _TOKENS.items())}.",
        [
            ({**labels, "kind": kind}, float(getattr(stats.counts, kind)))
            for labels, stats in workers
            for kind in _TOKENS
        ],
    )
    yield counter(
        "inference_busy_seconds",
        "Seconds in which something was computed.",
        [(labels, stats.counts.busy) for labels, stats in workers],
    )
