"""Settings for every test."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

# A test's time depends on the load of the machine: no example may fail for it.
settings.register_profile("stretto", deadline=None, suppress_health_check=[HealthCheck.too_slow])
# The same examples in every run: a checked change is never refused for an input that chance drew.
settings.register_profile("repeatable", settings.get_profile("stretto"), derandomize=True, database=None)
settings.load_profile("stretto")

# pytest-xdist sets them for its workers; programs that tests start in a terminal would believe them.
for name in ("COLUMNS", "LINES"):
    os.environ.pop(name, None)
