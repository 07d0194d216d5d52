"""Two machines of a team push to a real receiver, which keeps them apart and misses nothing."""

from __future__ import annotations

import json
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.ports import find_free_port
from tests.stack.running import PATIENCE, require_servers, running, until

pytestmark = pytest.mark.stack

INTERVAL = 1
"""Seconds between two scrapes of a machine."""


class Receiver:
    """A Prometheus that accepts remote writes, with its log."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = find_free_port()
        folder.mkdir()
        (folder / "prometheus.yml").write_text("global: {scrape_interval: 60s}\n")

    @property
    def write_url(self) -> str:
        """The address that accepts remote writes."""
        return f"http://127.0.0.1:{self.port}/api/v1/write"

    @contextmanager
    def running(self) -> Iterator[None]:
        """Run it until the block ends."""
        with (self.folder / "log").open("ab") as log:
            process = subprocess.Popen(
                [
                    "prometheus",
                    "--web.enable-remote-write-receiver",
                    f"--config.file={self.folder / 'prometheus.yml'}",
                    f"--storage.tsdb.path={self.folder / 'data'}",
                    f"--web.listen-address=127.0.0.1:{self.port}",
                ],
                stdout=log,
                stderr=log,
            )
            try:
                until("the receiver", lambda: self.query("vector(1)"))
                yield
            finally:
                process.terminate()
                process.wait(PATIENCE)

    def query(self, promql: str) -> list[dict[str, Any]]:
        """Return the answer to an instant query."""
        words = urllib.parse.urlencode({"query": promql})
        url = f"http://127.0.0.1:{self.port}/api/v1/query?{words}"
        with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
            result: list[dict[str, Any]] = json.load(answer)["data"]["result"]
        return result

    def list_machines(self) -> set[tuple[str, str]]:
        """Return (team, instance) of the machines that have sent series."""
        return {
            (sample["metric"].get("team", ""), sample["metric"]["instance"])
            for sample in self.query("last_over_time(stretto_build_info[1h])")
        }

    def list_times(self, instance: str) -> list[float]:
        """Return the times of a machine's samples."""
        [series] = self.query(f'stretto_build_info{{instance="{instance}"}}[1h]')
        return [time for time, _ in series["values"]]


def test_two_homes_on_one_host_stay_apart_and_an_absent_receiver_costs_nothing(tmp_path: Path) -> None:
    """Both send under their names; none is out of order, and the receiver's absence leaves no gap."""
    require_servers()
    receiver = Receiver(tmp_path / "receiver")
    settings = {
        "STRETTO_TEAM": "payments",
        "STRETTO_PUSH_URL": receiver.write_url,
        "STRETTO_PUSH_INTERVAL_SECONDS": str(INTERVAL),
    }
    with (
        running(tmp_path / "a", "--no-servers", STRETTO_INSTANCE="a", **settings),
        running(tmp_path / "b", "--no-servers", STRETTO_INSTANCE="b", **settings),
    ):
        machines = {("payments", "a"), ("payments", "b")}
        with receiver.running():
            until("both machines", lambda: receiver.list_machines() == machines)
            before = len(receiver.list_times("a"))
        # While it was away both went on: what they kept arrives afterwards.
        with receiver.running():
            until("samples of the absence", lambda: len(receiver.list_times("a")) > before + 5)
            times = {name: receiver.list_times(name) for name in ("a", "b")}
    log = (receiver.folder / "log").read_text()
    assert "out of order" not in log.lower()
    for name, instants in times.items():
        gaps = [later - earlier for earlier, later in pairwise(instants)]
        assert max(gaps) <= 2 * INTERVAL + 0.5, name
