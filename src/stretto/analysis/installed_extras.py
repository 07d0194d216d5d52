"""Which optional packages the analyses need, and a clear error without them. Imports none of them."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec

from stretto.errors import AnalysisNotInstalledError
from stretto.version import describe_extra_install

EXTRAS = {
    "analysis": ("numpy", "scipy"),
    "forecast": ("numpy", "scipy", "statsmodels"),
    "predictor": ("numpy", "scipy", "sklearn", "threadpoolctl"),
}
"""Extra → packages that it installs, by the name they are imported under."""


def find_missing_package(extra: str, find: Callable[[str], object] = find_spec) -> str | None:
    """Return the first package of an extra that is not installed, or None."""
    return next((package for package in EXTRAS[extra] if find(package) is None), None)


def require_extra(extra: str = "analysis", find: Callable[[str], object] = find_spec) -> None:
    """Raise ``AnalysisNotInstalledError`` unless every package of an extra can be imported."""
    missing = find_missing_package(extra, find)
    if missing is not None:
        raise AnalysisNotInstalledError(extra, missing, describe_extra_install(extra))
