import os

import pytest

from inference.stats import Counts, Meter, resident_bytes
from inference.wire import BrokenPipe, counts_from_wire


def test_counts_go_on_over_processes():
    meter = Meter()
    meter.update(Counts(generated=10, read=5, busy=2.0))
    meter.process_ended()
    assert meter.total == Counts(generated=10, read=5, busy=2.0)
    meter.update(Counts(generated=1, checked=4, reused=7, busy=1.0))
    assert meter.total == Counts(generated=11, checked=4, read=5, reused=7, busy=3.0)


def test_the_speed_is_that_of_the_last_seconds_of_computing():
    meter = Meter()
    assert meter.tokens_per_second == 0
    meter.update(Counts(generated=100, busy=1.0))
    assert meter.tokens_per_second == 100
    for second in range(2, 40):
        meter.update(Counts(generated=100, checked=8 * second, busy=float(second)))
    assert meter.tokens_per_second == pytest.approx(8)


def test_memory_of_a_process_is_read_and_of_none_is_zero():
    assert resident_bytes(os.getpid()) > 1 << 20
    assert resident_bytes(None) == resident_bytes(2**30) == 0


GOOD = {"generated": 1, "checked": 2, "read": 3, "reused": 4, "busy": 0.5}


def test_counts_from_the_worker_are_checked():
    assert counts_from_wire(dict(GOOD)) == Counts(1, 2, 3, 4, 0.5)
    for bad in (
        None,
        [],
        {**GOOD, "more": 1},
        {**GOOD, "read": -1},
        {**GOOD, "read": True},
        {**GOOD, "busy": float("nan")},
        {**GOOD, "busy": 1},
    ):
        with pytest.raises(BrokenPipe):
            counts_from_wire(bad)
