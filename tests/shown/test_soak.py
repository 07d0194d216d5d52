"""The service under many sessions: descriptors and threads do not grow with their number."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from stretto.service.service import Service
from tests.shown.scale import choose_scale
from tests.test_service import configured, report, started, whole_session
from tests.waiting import until

pytestmark = pytest.mark.shown


def run_sessions(service: Service, first: int, count: int) -> None:
    """Report sessions by hooks, ask every surface, and wait until all of them are in the store."""
    for number in range(first, first + count):
        report(service.config, f"soak-{number:06}", *whole_session(f"soak-{number:06}"))
        if number % 50 == 0:
            service.expose_metrics("")
            service.answers.summarise_trends()
            service.list_problems()
    last = f"soak-{first + count - 1:06}"
    service.worker.wake()
    assert until(lambda: service.answers.summarise_session(last) is not None)


def count_resources() -> tuple[int, int]:
    """Return the open descriptors and the threads of this process."""
    process = psutil.Process()
    return process.num_fds(), process.num_threads()


def test_nothing_grows_with_the_number_of_sessions(tmp_path: Path) -> None:
    """After a first hundred sessions many more take no descriptor and no thread."""
    more = choose_scale(200, 1_000)
    with started(configured(tmp_path)) as service:
        run_sessions(service, 0, 100)
        descriptors, threads = count_resources()
        run_sessions(service, 100, more)
        descriptors_after, threads_after = count_resources()
    assert descriptors_after <= descriptors + 2
    assert threads_after <= threads + 1
