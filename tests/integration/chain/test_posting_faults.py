"""One certificate a task, whatever happens while it is posted; `python -m tests.faults.posting` does more."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.posting import Fault, crash, measure, reorganisation


@pytest.mark.parametrize("fault", [crash, reorganisation], ids=lambda fault: fault.__name__)
async def test_posting_under(fault: Fault, tmp_path: Path) -> None:
    ((_, transactions, certificates),) = await measure([fault], 2, tmp_path)
    assert certificates == 2
    assert transactions <= 3
