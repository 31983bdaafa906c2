from __future__ import annotations

from collections.abc import Iterator

import pytest
import structlog


@pytest.fixture(autouse=True)
def plain_logs() -> Iterator[None]:
    """Commands configure logging for their process; a test must not find it as another one left it."""
    structlog.reset_defaults()
    yield
    structlog.reset_defaults()
