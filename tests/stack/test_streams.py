"""Event streams of a real service: they end with it, and never hold it up."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from tests.stack.running import PATIENCE, running

pytestmark = pytest.mark.stack


def test_a_service_stops_though_pages_are_open(tmp_path: Path) -> None:
    """Ctrl-C ends every stream in order: the service waits for none, says nothing and ends with 0."""
    with ExitStack() as reading, running(tmp_path / "state", "--no-servers") as service:
        client = reading.enter_context(httpx.Client(timeout=PATIENCE))
        streams = [
            reading.enter_context(client.stream("GET", f"http://{service.stretto}/api/events")).iter_lines()
            for _ in range(3)
        ]
        assert all(next(lines).startswith("retry:") for lines in streams)
        service.process.send_signal(2)
        # One that was cut off would raise here; one that was ended stops behind a whole event.
        assert [list(lines)[-1] for lines in streams] == ["", "", ""]
        assert service.process.wait(timeout=PATIENCE) == 0
