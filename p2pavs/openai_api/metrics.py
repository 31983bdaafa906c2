"""What the endpoint counts: ``p2pavs_openai_*`` on the node's page of metrics."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_SECONDS = (1, 2, 4, 8, 15, 30, 60, 120, 300, 600)


class EndpointMetrics:
    """Counters by the name of the API key; a key itself is nowhere."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = self._counter(
            "requests", "answers and refusals, by the code of the refusal (ok: answered)", "key", "code"
        )
        self._repeated = self._counter("repeated", "requests that an idempotency key made free", "key")
        self._tokens = self._counter("tokens", "tokens of answers, and of prompts where known", "key", "kind")
        self._paid = self._counter("paid_wei", "fees and gas of tasks, refunds not taken off", "key")
        self._refunded = Counter(
            "p2pavs_openai_refunded", "tasks whose fee was taken back", registry=self._registry
        )
        self._seconds = Histogram(
            "p2pavs_openai_answer_seconds",
            "from a request to its certified answer",
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._waiting = Gauge(
            "p2pavs_openai_waiting", "requests that wait for answers", registry=self._registry
        )

    def answered(self, key: str, seconds: float, usage: dict[str, int] | None, tokens: int) -> None:
        """Count a certified answer of ``tokens`` tokens."""
        self._requests.labels(key, "ok").inc()
        self._seconds.observe(seconds)
        self._tokens.labels(key, "completion").inc(tokens)
        if usage is not None:
            self._tokens.labels(key, "prompt").inc(usage["prompt_tokens"])

    def refused(self, key: str, code: str) -> None:
        """Count what ended otherwise."""
        self._requests.labels(key, code).inc()

    def repeated(self, key: str) -> None:
        """Count a request that was answered with an earlier task."""
        self._repeated.labels(key).inc()

    def paid(self, key: str, wei: int) -> None:
        """Count what a task cost."""
        self._paid.labels(key).inc(wei)

    def refunded(self) -> None:
        """Count a fee that came back."""
        self._refunded.inc()

    def watch(self, waiting: Callable[[], int]) -> None:
        """Take where the number of requests that wait is found."""
        self._waiting.set_function(waiting)

    def page(self) -> bytes:
        """Return all of it in the Prometheus text format."""
        return generate_latest(self._registry)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"p2pavs_openai_{name}", text, labels, registry=self._registry)
