from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.anvil import Anvil


@pytest.fixture
def anvil() -> Iterator[Anvil]:
    """A chain that is old enough: in its first 100,801 blocks EigenLayer cannot slash (an underflow)."""
    with Anvil.start("--number", "1000000") as running:
        yield running
