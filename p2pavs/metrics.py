"""What a monitoring system reads: what will page someone at night, in the Prometheus text format."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest

from inference.stats import WorkerStats


def render_metrics(
    gauges: Mapping[str, float],
    counters: Mapping[str, float],
    workers: Sequence[tuple[Mapping[str, str], WorkerStats]] = (),
) -> bytes:
    """One page of metrics from plain numbers; names get the prefix ``p2pavs_``.

    ``workers`` are the model workers, each with the labels that tell it from the others.
    """
    registry = CollectorRegistry()
    for name, value in gauges.items():
        Gauge(f"p2pavs_{name}", name.replace("_", " "), registry=registry).set(value)
    for name, value in counters.items():
        Counter(f"p2pavs_{name}", name.replace("_", " "), registry=registry).inc(value)
    if workers:
        _add_workers(registry, workers)
    return generate_latest(registry)


_TOKENS = {
    "generated": "sampled one by one",
    "checked": "sampled that a draft had named",
    "read": "read that are no part of an answer",
    "reused": "of prompts that a cache held already",
}


def _add_workers(
    registry: CollectorRegistry, workers: Sequence[tuple[Mapping[str, str], WorkerStats]]
) -> None:
    """The metrics ``p2pavs_inference_*``, with the workers' labels."""
    labels = tuple(workers[0][0])

    def gauge(name: str, text: str) -> Gauge:
        return Gauge(f"p2pavs_inference_{name}", text, labels, registry=registry)

    def counter(name: str, text: str, *more: str) -> Counter:
        return Counter(f"p2pavs_inference_{name}", text, (*labels, *more), registry=registry)

    computing = gauge("computing", "requests that are being computed")
    waiting = gauge("waiting", "requests that wait for their turn")
    speed = gauge("tokens_per_second", "tokens of answers in a second of computing, lately")
    memory = gauge("memory_bytes", "memory that the worker process holds")
    restarts = counter("restarts", "starts of the worker process after the first")
    deaths = counter("deaths", "ends of the worker process that nobody asked for", "how")
    requests = counter("requests", "requests that ended, by outcome", "outcome")
    tokens = counter("tokens", f"tokens: {'; '.join(f'{k}, {v}' for k, v in _TOKENS.items())}", "kind")
    busy = counter("busy_seconds", "seconds in which something was computed")
    for label, stats in workers:
        computing.labels(**label).set(stats.computing)
        waiting.labels(**label).set(stats.waiting)
        speed.labels(**label).set(stats.tokens_per_second)
        memory.labels(**label).set(stats.memory)
        restarts.labels(**label).inc(stats.restarts)
        deaths.labels(**label, how="crash").inc(stats.crashes)
        deaths.labels(**label, how="hang").inc(stats.hangs)
        for outcome, count in stats.requests.items():
            requests.labels(**label, outcome=outcome).inc(count)
        for kind in _TOKENS:
            tokens.labels(**label, kind=kind).inc(getattr(stats.counts, kind))
        busy.labels(**label).inc(stats.counts.busy)
