"""How tests of real servers are spread over processes."""

from __future__ import annotations

from pathlib import Path

import pytest

SPREAD = frozenset({"test_promtool"})
"""Files whose tests start no service that they share: each test may run anywhere."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tests of a file in one process, where its servers are started once."""
    for item in items:
        if item.path.parent == Path(__file__).parent and item.path.stem not in SPREAD:
            item.add_marker(pytest.mark.xdist_group(item.path.stem))
