"""How tests of real servers are spread over processes."""

from __future__ import annotations

from pathlib import Path

import pytest

SPREAD = frozenset({"test_promtool"})
"""Files whose tests start no service that they share: each test may run anywhere."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tests of a file in one process, where its servers are started once.

    First of all hooks, because pytest-xdist reads the groups in the same hook. Tests of moved limits share a
    long run of promtool for each kind of limit and direction.
    """
    for item in items:
        if item.path.parent != Path(__file__).parent:
            continue
        if item.path.stem not in SPREAD:
            item.add_marker(pytest.mark.xdist_group(item.path.stem))
        elif isinstance(item, pytest.Function) and hasattr(item, "callspec"):
            moved = item.callspec.params
            if {"series", "up"} <= moved.keys():
                item.add_marker(
                    pytest.mark.xdist_group(f"moved-{':min_' in str(moved['series'])}-{moved['up']}")
                )
