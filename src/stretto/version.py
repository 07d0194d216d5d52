"""Read the version of the installed package."""

from __future__ import annotations


def read_version() -> str:
    """Return the installed version, or ``0+source`` in a source tree that was never installed."""
    # Loading importlib.metadata takes milliseconds, so it is loaded only when the version is read.
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415

    try:
        return version("stretto")
    except PackageNotFoundError:
        return "0+source"
