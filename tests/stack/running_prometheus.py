"""A real Prometheus in a process of its own, with what it takes to fill and to ask it."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.stack.running import PATIENCE, until


@dataclass(frozen=True)
class Prometheus:
    """A running Prometheus, by address."""

    address: str

    def is_ready(self) -> bool:
        """Return whether it answers queries: before that it replays what it has on disk."""
        try:
            with urllib.request.urlopen(f"http://{self.address}/-/ready", timeout=5):
                return True
        except OSError:
            return False

    def instant(self, expr: str, at: float | None = None) -> list[dict[str, Any]]:
        """Return the series of an instant query."""
        found: list[dict[str, Any]] = self.get("query", query=expr, time=str(at or time.time()))["result"]
        return found

    def range(self, expr: str, length: float, step: float, end: float | None = None) -> list[dict[str, Any]]:
        """Return the series of a query over the time up to an instant, by default up to now."""
        last = end or time.time()
        asked = {"start": str(last - length), "end": str(last), "step": str(step)}
        found: list[dict[str, Any]] = self.get("query_range", query=expr, **asked)["result"]
        return found

    def get(self, path: str, **fields: str) -> Any:
        """Return the data of an answer of its API; fail where it refuses or warns."""
        request = f"http://{self.address}/api/v1/{path}?{urllib.parse.urlencode(fields)}"
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                told = json.load(answer)
        except urllib.error.HTTPError as refused:
            pytest.fail(f"{fields}: {refused.read().decode()}")
        assert not told.get("warnings"), told["warnings"]
        return told["data"]


def create_blocks(text: Path, data: Path) -> None:
    """Make Prometheus's blocks of an OpenMetrics text, as the hint of ``stretto backfill`` says."""
    promtool = shutil.which("promtool")
    assert promtool is not None
    made = subprocess.run(
        [
            *(promtool, "tsdb", "create-blocks-from", "--max-block-duration=744h", "openmetrics"),
            *(str(text), str(data)),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert made.returncode == 0, made.stderr


@contextmanager
def run_prometheus(configuration: Path, data: Path, address: str, *options: str) -> Iterator[Prometheus]:
    """Run Prometheus until the block ends; it answers queries when the block begins."""
    program = shutil.which("prometheus")
    assert program is not None
    with configuration.with_suffix(".log").open("w") as log:
        server = subprocess.Popen(
            [
                program,
                f"--config.file={configuration}",
                f"--storage.tsdb.path={data}",
                "--storage.tsdb.retention.time=90d",
                f"--web.listen-address={address}",
                *options,
            ],
            stdout=log,
            stderr=log,
        )
        try:
            found = Prometheus(address)
            until("Prometheus to be ready", found.is_ready)
            yield found
        finally:
            server.terminate()
            server.wait(timeout=PATIENCE)
