"""What a monitoring system reads: what will page someone at night, in the Prometheus text format."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest


def render_metrics(gauges: Mapping[str, float], counters: Mapping[str, float]) -> bytes:
    """One page of metrics from plain numbers; names get the prefix ``p2pavs_``."""
    registry = CollectorRegistry()
    for name, value in gauges.items():
        Gauge(f"p2pavs_{name}", name.replace("_", " "), registry=registry).set(value)
    for name, value in counters.items():
        Counter(f"p2pavs_{name}", name.replace("_", " "), registry=registry).inc(value)
    return generate_latest(registry)
