"""A fresh database for each test."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from p2pavs.storage import Database


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(tmp_path / "node.sqlite")
    yield opened
    opened.close()


@pytest.fixture
def no_log() -> Iterator[None]:
    """Say nothing: for tests that run a committee hundreds of times."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.configure(**before)
