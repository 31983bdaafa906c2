from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from consensus.committee import OperatorSet
from tests.integration.contracts.anvil import anvil, missing_tools
from tests.integration.contracts.world import ETHER, World

STAKES = [ETHER * units for units in (5, 3, 2, 4, 6, 1, 7)]


@dataclass(slots=True)
class Staffed:
    """A deployment with seven operators in an open epoch."""

    world: World
    operators: OperatorSet


def _require_tools() -> None:
    if reason := missing_tools():
        pytest.skip(reason)


@pytest.fixture(scope="session")
def _bare_chain() -> Iterator[World]:
    _require_tools()
    with anvil() as url:
        world = World.connect(url)
        world.deploy()
        yield world


@pytest.fixture(scope="session")
def _staffed_chain() -> Iterator[Staffed]:
    _require_tools()
    with anvil() as url:
        world = World.connect(url)
        world.deploy()
        world.enlist(STAKES)
        yield Staffed(world, world.next_epoch())


@pytest.fixture
def world(_bare_chain: World) -> Iterator[World]:
    """All contracts and one model, no operators; what a test does is undone."""
    snapshot = _bare_chain.rpc("evm_snapshot")
    yield _bare_chain
    assert _bare_chain.rpc("evm_revert", snapshot)


@pytest.fixture
def staffed(_staffed_chain: Staffed) -> Iterator[Staffed]:
    """All contracts, one model, seven operators, an open epoch; what a test does is undone."""
    snapshot = _staffed_chain.world.rpc("evm_snapshot")
    yield _staffed_chain
    assert _staffed_chain.world.rpc("evm_revert", snapshot)
