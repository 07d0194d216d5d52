"""A real ``stretto up`` in a process of its own, with what it takes to talk to it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest

from stretto.servers.supervised_server_password import ServerCredentials, read_credentials
from tests.ports import find_free_port

T = TypeVar("T")
ROOT = Path(__file__).parents[2]

PATIENCE = 240.0
"""Seconds to wait for what a passing test has sooner; only a failing test uses them up."""


def require_servers() -> None:
    """Skip where Prometheus or Alertmanager is not installed, unless the run may not skip."""
    missing = [
        name
        for name, programs in (
            ("prometheus", ["prometheus"]),
            ("alertmanager", ["alertmanager", "prometheus-alertmanager"]),
        )
        if not any(shutil.which(program) for program in programs)
    ]
    if missing and os.environ.get("STRETTO_REQUIRE_SERVERS") == "1":
        pytest.fail(f"{' and '.join(missing)} must be installed in this run")
    if missing:
        pytest.skip(f"{' and '.join(missing)} not installed: make servers")


@dataclass(frozen=True)
class Running:
    """The service and its servers, by address."""

    process: subprocess.Popen[str]
    state: Path
    stretto: str
    prometheus: str
    alertmanager: str

    def get(self, path: str, *, base: str | None = None) -> Any:
        """Return the JSON at a path of the service, or of another server, which is shown its password."""
        request = urllib.request.Request(f"http://{base or self.stretto}{path}")
        if base is not None:
            request.add_header("Authorization", self.credentials.authorization)
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return json.load(answer)

    @property
    def credentials(self) -> ServerCredentials:
        """The user and password of the service's servers."""
        credentials = read_credentials(self.state / "servers")
        assert credentials is not None
        return credentials

    def text(self, path: str) -> str:
        """Return the text at a path of the service."""
        with urllib.request.urlopen(f"http://{self.stretto}{path}", timeout=PATIENCE) as answer:
            return str(answer.read().decode())

    def post(self, path: str, body: bytes) -> int:
        """Post JSON and return the status."""
        request = urllib.request.Request(
            f"http://{self.stretto}{path}", data=body, headers={"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return int(answer.status)

    def query(self, promql: str) -> list[dict[str, Any]]:
        """Return the instant vector of a query, asked of the real Prometheus."""
        path = "/api/v1/query?" + urllib.parse.urlencode({"query": promql})
        result: list[dict[str, Any]] = self.get(path, base=self.prometheus)["data"]["result"]
        return result

    def value(self, promql: str) -> float | None:
        """Return the one value of a query, or None while there is none."""
        result = self.query(promql)
        assert len(result) <= 1, f"{promql} gave {len(result)} series"
        return float(result[0]["value"][1]) if result else None


def until(what: str, ask: Callable[[], T | None], describe: Callable[[], object] | None = None) -> T:
    """Ask until there is an answer that counts as true; fail with what was waited for, and what there is."""
    deadline = time.monotonic() + PATIENCE
    last: object = None
    while time.monotonic() < deadline:
        try:
            last = answer = ask()
        except OSError as error:
            last = error
        else:
            if answer:
                return answer
        time.sleep(0.2)  # a real server is polled, there is no event to wait for
    there_is = last if describe is None else describe()
    pytest.fail(f"waited {PATIENCE:.0f} s for {what}; last: {there_is!r}")


@contextmanager
def running(
    state: Path, *arguments: str, program: Sequence[str] = ("-m", "stretto"), **environ: str
) -> Iterator[Running]:
    """Run ``stretto up`` on free ports until the block ends, then stop it as Ctrl-C does."""
    ports = {name: find_free_port() for name in ("stretto", "prometheus", "alertmanager")}
    process = subprocess.Popen(
        [sys.executable, *program, "--state", str(state), "up", *arguments],
        env={
            **{
                name: value
                for name, value in os.environ.items()
                if not name.startswith(("STRETTO_", "OTEL_"))
            },
            "HOME": str(state / "home"),
            "STRETTO_LISTEN": f"127.0.0.1:{ports['stretto']}",
            "STRETTO_PROMETHEUS_PORT": str(ports["prometheus"]),
            "STRETTO_ALERTMANAGER_PORT": str(ports["alertmanager"]),
            **environ,
        },
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    addresses = {name: f"127.0.0.1:{port}" for name, port in ports.items()}
    service = Running(process=process, state=state, **addresses)
    try:
        until("the service to be ready", lambda: service.text("/readyz"))
        yield service
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        _, talk = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, talk
