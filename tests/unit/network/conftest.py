"""Imported before every test module here: libp2p's own imports warn, unless ours come first."""

import p2pavs.network  # noqa: F401 - for its effect
