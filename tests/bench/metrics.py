"""What nodes say of themselves at /metrics, summed over a network."""

from __future__ import annotations

import urllib.request
from collections import Counter

from prometheus_client.parser import text_string_to_metric_families

from tests.e2e.harness import Testnet


class Metrics:
    """Sums over all nodes: plain numbers by name, and histograms by name and bound."""

    def __init__(self) -> None:
        self.numbers: Counter[str] = Counter()
        self.buckets: dict[str, Counter[float]] = {}

    @classmethod
    def of(cls, net: Testnet) -> Metrics:
        """As they are now."""
        found = cls()
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        for index in range(net.nodes):
            with opener.open(net.network.state.apis[index] + "/metrics", timeout=60) as answer:
                text = answer.read().decode()
            for family in text_string_to_metric_families(text):
                for sample in family.samples:
                    name = sample.name.removeprefix("p2pavs_")
                    if name.endswith("_bucket"):
                        bounds = found.buckets.setdefault(name.removesuffix("_bucket"), Counter())
                        bounds[float(sample.labels["le"])] += sample.value
                    else:
                        found.numbers[name] += sample.value
        return found

    def since(self, before: Metrics, name: str) -> float:
        """By how much a counter grew."""
        return float(self.numbers[name] - before.numbers[name])

    def percentile_since(self, before: Metrics, name: str, share: float) -> float:
        """The bound that ``share`` of the values since then do not exceed; infinite above the largest one."""
        now, then = self.buckets.get(name, Counter()), before.buckets.get(name, Counter())
        counts = {bound: now[bound] - then[bound] for bound in sorted(now)}
        total = counts.get(float("inf"), 0.0)
        return next((bound for bound, count in counts.items() if count >= share * total), 0.0)
