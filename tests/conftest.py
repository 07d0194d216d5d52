"""Settings for every test."""

from __future__ import annotations

import gc
import os
import signal
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from tests.long_tests import FIRST_FILES, name_test, read_long_tests
from tests.made_once import copy_made_once
from tests.needed_parts import ALL, IS_SWITCHED_OFF, find_needed_parts, switch_off_all_but

if TYPE_CHECKING:
    from tests.operated import OperatedStore

# A test's time depends on the load of the machine: no example may fail for it.
settings.register_profile(
    "stretto", deadline=None, max_examples=30, suppress_health_check=[HealthCheck.too_slow]
)
# make check: more examples than a quick answer has time for.
settings.register_profile("thorough", settings.get_profile("stretto"), max_examples=300)
# The same examples in every run: a checked change is never refused for an input that chance drew.
settings.register_profile("repeatable", settings.get_profile("stretto"), derandomize=True, database=None)
settings.load_profile("stretto")

# pytest-xdist sets them for its workers; programs that tests start in a terminal would believe them.
for name in ("COLUMNS", "LINES"):
    os.environ.pop(name, None)

# A suite started in the background of a shell ignores SIGINT, and so would the programs that tests interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of this suite."""
    parser.addoption("--boards", help="folder below the root that keeps the pictures of dashboards")


SHARED_MONTHS = frozenset({"operated_month", "varied_month"})

COLLECTOR_OF_GARBAGE = (10_000, 20, 20)
"""Its thresholds while tests run: what they keep, such as syntax trees, is looked through less often."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection() -> None:
    """Switch off the collector of garbage while modules and tests are made, which stay until the end."""
    gc.disable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the listed long tests, which `make quick` leaves out, and let the longest files begin."""
    long_tests = read_long_tests()
    for item in items:
        if name_test(item.nodeid) in long_tests:
            item.add_marker(pytest.mark.long)
    items.sort(key=lambda item: item.path.name not in FIRST_FILES)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """In the run with every optional part switched off, switch on what the test needs."""
    if IS_SWITCHED_OFF:
        parts = find_needed_parts(item.path.stem, getattr(item, "originalname", item.name))
        # A month is made once, for whichever test comes first, and has the answers of all analyses.
        is_of_a_month = not SHARED_MONTHS.isdisjoint(getattr(item, "fixturenames", ()))
        switch_off_all_but(ALL if is_of_a_month else parts, os.environ)


def pytest_collection_finish() -> None:
    """Keep the collector of garbage away from the modules and tests, which stay until the end."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECTOR_OF_GARBAGE)
    gc.enable()


def pytest_sessionfinish() -> None:
    """Write what was measured of this process before its end.

    A worker has ten seconds to end and is then killed. On a busy machine writing takes longer, and all that
    the worker ran would be missing from the coverage.
    """
    coverage = sys.modules.get("coverage")
    measurement = coverage.Coverage.current() if coverage else None
    if measurement is not None:
        measurement.stop()
        measurement.save()


@pytest.fixture
def without_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep settings of the machine's user, and warnings of unknown ones, out of what commands print."""
    for name in [name for name in os.environ if name.startswith("STRETTO_")]:
        monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def operated_month(tmp_path_factory: pytest.TempPathFactory) -> OperatedStore:
    """Return a month of a pattern with the answers of its analyses, for tests that only read it."""
    from tests.operated import fill_month, make_operated  # noqa: PLC0415  # most tests need no analyses

    return make_operated(copy_made_once(tmp_path_factory, "month", fill_month))


@pytest.fixture(scope="session")
def varied_month(tmp_path_factory: pytest.TempPathFactory) -> OperatedStore:
    """Return a month of two patterns with everything that operations read, for tests that only read it."""
    from tests.operated import fill_varied_month, open_varied_month  # noqa: PLC0415  # likewise

    return open_varied_month(copy_made_once(tmp_path_factory, "varied", fill_varied_month))
