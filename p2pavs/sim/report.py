"""What many tasks say together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from p2pavs.sim.campaign import TaskReport


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least this share of them does not exceed; 0 of none."""
    if not values:
        return 0.0
    ordered = sorted(values)
    return ordered[max(0, -(-int(share * 100) * len(ordered) // 100) - 1)]


def spread(values: Iterable[float]) -> dict[str, float]:
    """Return the median, the 99th percentile and the maximum."""
    held = list(values)
    return {"p50": percentile(held, 0.5), "p99": percentile(held, 0.99), "max": max(held, default=0.0)}


@dataclass(slots=True)
class Summary:
    """Collects task reports."""

    reports: list[TaskReport] = field(default_factory=list)

    def add(self, report: TaskReport) -> None:
        """Take one more."""
        self.reports.append(report)

    @property
    def violations(self) -> list[TaskReport]:
        """Tasks that broke an invariant."""
        return [report for report in self.reports if report.violation is not None]

    def content(self) -> dict[str, Any]:
        """Return everything as JSON."""
        decided = [report for report in self.reports if report.decided]
        hopeless = [report for report in self.reports if not report.within_bound]
        evidence: Counter[str] = Counter()
        for report in self.reports:
            evidence += report.evidence
        return {
            "tasks": len(self.reports),
            "decided": len(decided),
            "undecided": len(self.reports) - len(decided),
            "beyondOneThird": {
                "tasks": len(hopeless),
                "decided": sum(report.decided for report in hopeless),
            },
            "members": spread(report.members for report in self.reports),
            "faultyShare": spread(round(report.faulty_share, 4) for report in self.reports),
            "rounds": spread(report.rounds for report in decided),
            "latencyMs": {
                "firstMember": spread(report.first_ms for report in decided if report.first_ms is not None),
                "lastMember": spread(report.last_ms for report in decided if report.last_ms is not None),
            },
            "messagesPerMember": self._per_member("sent", "received"),
            "bytesPerMember": self._per_member("sent_bytes", "received_bytes"),
            "safetyViolations": sum(not _is_liveness(report) for report in self.violations),
            "livenessViolations": sum(map(_is_liveness, self.violations)),
            "violations": [{"task": r.task, "what": r.violation} for r in self.violations],
            "evidence": dict(sorted(evidence.items())),
            "guiltyMembers": sum(report.guilty for report in self.reports),
        }

    def _per_member(self, out: str, in_: str) -> dict[str, dict[str, float]]:
        return {
            "published": spread(n for report in self.reports for n in getattr(report, out)),
            "received": spread(n for report in self.reports for n in getattr(report, in_)),
        }

    def rows(self) -> list[tuple[str, str, str, str]]:
        """Return the table for people: what, and three columns."""
        content = self.content()
        beyond = content["beyondOneThird"]
        latency, messages, volume = (
            content["latencyMs"],
            content["messagesPerMember"],
            content["bytesPerMember"],
        )
        rows = [
            _row("committee members", content["members"]),
            _row("rounds", content["rounds"]),
            _row("latency, first member (virtual ms)", latency["firstMember"]),
            _row("latency, last member (virtual ms)", latency["lastMember"]),
            _row("messages published per member", messages["published"]),
            _row("messages received per member", messages["received"]),
            _row("bytes published per member", volume["published"]),
            _row("bytes received per member", volume["received"]),
        ]
        rows.append(("decided", f"{content['decided']} of {content['tasks']}", "", ""))
        if beyond["tasks"]:
            why = f"{beyond['tasks']} ({beyond['decided']} decided)"
            rows.append(("committees more than 1/3 faulty", why, "", ""))
        rows.append(("safety violations", str(content["safetyViolations"]), "", ""))
        rows.append(("liveness violations", str(content["livenessViolations"]), "", ""))
        found = [f"{name.lower().replace('_', ' ')} {count}" for name, count in content["evidence"].items()]
        rows.append(("evidence found", ", ".join(found) or "none", "", ""))
        return rows


def _is_liveness(report: TaskReport) -> bool:
    return report.violation is not None and report.violation.startswith("termination")


def _row(name: str, values: dict[str, float]) -> tuple[str, str, str, str]:
    p50, p99, most = (f"{values[key]:,.0f}" for key in ("p50", "p99", "max"))
    return name, p50, p99, most
