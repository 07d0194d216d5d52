"""A real ``stretto up`` in a process of its own, for the cases that talk to it."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path

from tests.ports import find_free_port
from tests.trial.case import clear_environment

START_SECONDS = 120.0

LINK = re.compile(r'href="(/[^"#]*)')


@dataclass(frozen=True, slots=True)
class RunningService:
    """The process, its state folder and its address."""

    process: subprocess.Popen[bytes]
    state: Path
    address: str
    log: Path
    """The file of its standard error."""
    failed_paths: list[str] = field(default_factory=list)
    """Paths that were answered with an error of the service's own."""

    def get(self, path: str) -> bytes:
        """Return the answer at a path, an error's too."""
        try:
            with urllib.request.urlopen(f"http://{self.address}{path}", timeout=30) as answer:
                return bytes(answer.read())
        except urllib.error.HTTPError as error:
            if error.code == HTTPStatus.INTERNAL_SERVER_ERROR:
                self.failed_paths.append(path)
            with error:
                return error.read()

    def post(self, path: str, body: bytes, content_type: str = "application/json") -> int:
        """Post a body and return the status."""
        request = urllib.request.Request(
            f"http://{self.address}{path}", data=body, headers={"Content-Type": content_type}
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            with error:
                return error.code

    def crawl(self, most: int) -> dict[str, bytes]:
        """Return the pages that links lead to from the first, by path."""
        pages: dict[str, bytes] = {}
        waiting = ["/"]
        while waiting and len(pages) < most:
            path = waiting.pop(0)
            if path in pages:
                continue
            pages[path] = self.get(path)
            text = pages[path].decode(errors="replace")
            waiting += [link.replace("&amp;", "&") for link in LINK.findall(text)]
        return pages


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    """Return whether the condition came true in time; a server that does not answer yet is waited for."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if condition():
                return True
        except OSError:
            pass
        time.sleep(0.2)
    return False


@contextmanager
def run_service(
    state: Path,
    *arguments: str,
    environ: Mapping[str, str] | None = None,
    descriptors: int | None = None,
) -> Iterator[RunningService]:
    """Run the service until the block ends, and stop it as Ctrl-C does, with so many descriptors at most."""
    address = f"127.0.0.1:{find_free_port()}"
    ports = {
        "STRETTO_PROMETHEUS_PORT": str(find_free_port()),
        "STRETTO_ALERTMANAGER_PORT": str(find_free_port()),
    }
    log = state.parent / f"{state.name}.log"
    limit = [] if descriptors is None else ["sh", "-c", f'ulimit -n {descriptors} && exec "$@"', "sh"]
    with log.open("ab") as output:
        process = subprocess.Popen(
            [
                *limit,
                sys.executable,
                "-m",
                "stretto",
                "--state",
                str(state),
                "up",
                "--listen",
                address,
                *arguments,
            ],
            env={**clear_environment(state), **ports, **(environ or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    service = RunningService(process, state, address, log)
    try:
        if not wait_until(lambda: service.get("/readyz").startswith(b"ready"), START_SECONDS):
            raise RuntimeError(f"the service was not ready: {log.read_text(errors='replace')[-500:]}")
        yield service
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
