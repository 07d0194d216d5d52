"""What every test runs under."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# A test's time depends on who else uses the machine: no example may fail for it.
settings.register_profile("stretto", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("stretto")
