from tests.integration.chain.conftest import anvil

__all__ = ["anvil"]
