"""Settings for every test."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

# A test's time depends on the load of the machine: no example may fail for it.
settings.register_profile("stretto", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("stretto")

# pytest-xdist sets them for its workers; programs that tests start in a terminal would believe them.
for name in ("COLUMNS", "LINES"):
    os.environ.pop(name, None)
