from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.anvil import Anvil


@pytest.fixture
def anvil() -> Iterator[Anvil]:
    """A chain that mines a block for each transaction."""
    with Anvil.start() as running:
        yield running
