"""The last words of a real ``stretto up`` that is stopped by a signal."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.trial.service import run_service
from tests.waiting import PATIENCE


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_service_says_which_signal_came(tmp_path: Path, number: signal.Signals) -> None:
    """It ends in order, and its log tells a stop by the service manager from one by Ctrl-C."""
    with run_service(tmp_path / "state", "--no-servers") as service:
        service.process.send_signal(number)
        assert service.process.wait(timeout=PATIENCE) == 0
    assert f"stopping: {number.name} was received" in service.log.read_text().splitlines()
