"""A peer-to-peer node for AI inference that contracts can trust."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("p2pavs")
except PackageNotFoundError:  # run from a source tree that is not installed
    __version__ = "0+source"
