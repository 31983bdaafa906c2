"""What a node says of itself, and what its log may hold."""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import Iterator

import pytest
import structlog

from consensus.encoding import encode
from p2pavs.announcement import MAX_MODELS, Announcement
from p2pavs.log import configure
from p2pavs.network.records import MAX_PAYLOAD

OPERATOR, MODEL = b"\x01" * 20, b"\x02" * 32


def test_an_announcement_survives_the_wire() -> None:
    for models in ((), (MODEL,), tuple(bytes([n]) * 32 for n in range(MAX_MODELS))):
        made = Announcement(OPERATOR, models)
        assert Announcement.from_bytes(made.to_bytes()) == made


def test_however_many_versions_a_file_is_registered_as_the_announcement_stays_one() -> None:
    """Anybody can register a file that others serve, and who serves it serves it under that name too."""
    models = tuple(n.to_bytes(32, "big") for n in range(10 * MAX_MODELS))
    data = Announcement(OPERATOR, models).to_bytes()
    assert len(data) <= MAX_PAYLOAD
    assert Announcement.from_bytes(data) == Announcement(OPERATOR, models[:MAX_MODELS])


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff",
        encode(7),
        encode([]),
        encode([OPERATOR]),
        encode([OPERATOR, [], 0]),
        encode([OPERATOR[:19], []]),
        encode([OPERATOR, MODEL]),
        encode([OPERATOR, [MODEL[:31]]]),
        encode([OPERATOR, [MODEL, 7]]),
        encode([OPERATOR, [MODEL] * (MAX_MODELS + 1)]),
        encode([OPERATOR, [MODEL]]) + b"\x00",
        encode([OPERATOR, [b"\x00" * 5000]]),
    ],
)
def test_what_is_no_announcement_is_none(data: bytes) -> None:
    assert Announcement.from_bytes(data) is None


class Screen(io.StringIO):
    """Standard error of a node, on a terminal or in a file."""

    def __init__(self, terminal: bool) -> None:
        super().__init__()
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal


@pytest.fixture(params=[True, False], ids=["terminal", "file"])
def screen(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Screen]:
    before = structlog.get_config()
    made = Screen(request.param)
    monkeypatch.setattr(sys, "stderr", made)
    configure(logging.INFO)
    yield made
    structlog.configure(**before)


def test_a_traceback_in_the_log_shows_no_local_variables(screen: Screen) -> None:
    def fail() -> None:
        trace_secret = "hunter2" + "hunter3"
        raise RuntimeError("a defect") from ValueError(len(trace_secret))

    try:
        fail()
    except RuntimeError:
        structlog.get_logger().exception("member_failed", task=1)
    told = screen.getvalue()
    assert "a defect" in told and "in fail" in told
    assert "hunter2hunter3" not in told
