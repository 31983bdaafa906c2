"""Nodes that misbehave on purpose. Only tests start them."""
