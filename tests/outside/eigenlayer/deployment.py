"""A whole deployment on EigenLayer's own contracts; ``python -m tests.outside.eigenlayer`` runs it."""

from __future__ import annotations

from pathlib import Path

from tests.integration.anvil import Anvil
from tests.integration.chain.test_restaking import from_the_set_up_to_a_slash
from tests.outside.eigenlayer.core import RealOne


async def test_from_the_set_up_to_a_slash(anvil: Anvil, tmp_path: Path) -> None:
    await from_the_set_up_to_a_slash(anvil, tmp_path, RealOne.deploy)
