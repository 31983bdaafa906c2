"""Keys in another place: a signer that answers over HTTP with mutual TLS, and a node that asks it."""
