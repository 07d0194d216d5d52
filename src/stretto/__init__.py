"""Stretto: how much faster did the agents run together, at what price, and why not faster."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("stretto")
except PackageNotFoundError:  # run from a source tree that was never installed
    __version__ = "0+source"
