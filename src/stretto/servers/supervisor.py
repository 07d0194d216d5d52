"""Supervise: real Prometheus and Alertmanager beside the service, with the configuration that ships.

They are started where they are installed, on loopback, with all they keep inside the state folder; restarted
when they die; and stopped with the service. The configuration files name addresses and the token's place as
the compose file has them: what the servers read here is a copy with those replaced by what is in force.
"""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from stretto.errors import ServiceError
from stretto.servers.alert_receivers import ReceiversFile, merge_receivers

SHIPPED = {"stretto": "stretto:9464", "prometheus": "prometheus:9090", "alertmanager": "alertmanager:9093"}
"""The addresses as the shipped files have them: those inside the compose file's network."""

SHIPPED_PAGE = "127.0.0.1:9464"
"""The service as the shipped files name it to a person's browser, in links to the runbook."""

SHIPPED_TOKEN = "/run/secrets/stretto-token"  # noqa: S105  # a path, not what stands there
"""Where the shipped files find the token that the servers show to the service."""

BINARIES: dict[str, tuple[str, ...]] = {
    "prometheus": ("prometheus",),
    "alertmanager": ("alertmanager", "prometheus-alertmanager"),
}
"""Names of each server's program: upstream's, and Debian's where it differs."""

PACKAGES = {"prometheus": "prometheus", "alertmanager": "prometheus-alertmanager"}
RETENTION = "90d"
STOP_SECONDS = 10.0
SETTLED_SECONDS = 60.0
RESTART_SECONDS = (1.0, 2.0, 5.0, 15.0, 60.0)
"""Waits before a server that died is started again; the last one stays."""


@dataclass(frozen=True, slots=True)
class SupervisedServer:
    """One server as it is to be started."""

    name: str
    program: str
    address: str
    folder: Path
    arguments: tuple[str, ...]

    @property
    def log(self) -> Path:
        """Where its output goes."""
        return self.folder / f"{self.name}.log"

    @property
    def mark(self) -> Path:
        """Where its process id is kept, so that a killed service's children can be found."""
        return self.folder / f"{self.name}.pid"


def find_shipped_folder(name: str) -> Path:
    """Return a folder that ships: ``prometheus``, ``alertmanager`` or ``runbook``.

    It stands inside an installed package, else in the source tree. Raises ServiceError where it is missing.
    """
    installed = Path(__file__).parents[1] / "shipped" / name
    top = Path(__file__).parents[3]
    source = {"prometheus": top / "prometheus", "alertmanager": top / "deploy" / "alertmanager"}.get(
        name, top / "docs" / name
    )
    for folder in (installed, source):
        if folder.is_dir():
            return folder
    raise ServiceError(
        f"the shipped folder {name!r} is missing", where=str(installed), hint="install stretto again"
    )


def find_program(name: str, which: Callable[[str], str | None] = shutil.which) -> str | None:
    """Return the path of a server's program, or None where it is not installed."""
    return next((path for binary in BINARIES[name] if (path := which(binary))), None)


def explain_missing(name: str) -> str:
    """Say how to get a server that is not installed."""
    ways = f"apt-get install {PACKAGES[name]} (Debian, Ubuntu) or brew install {name} (macOS)"
    return f"{name} is not installed: {ways}"


def find_free_address(host: str, wanted: int) -> str:
    """Return ``host:wanted`` where that port is free, else the host with any free port."""
    for port in (wanted, 0):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError:
                continue
            return f"{host}:{probe.getsockname()[1]}"
    raise ServiceError(f"no free port on {host}")


def render_configuration(source: Path, target: Path, addresses: Mapping[str, str], token_file: Path) -> None:
    """Copy a shipped folder's configuration with what is in force here in place of what the compose file has.

    The servers show what stands in ``token_file`` wherever they talk to the service; it must exist, and is
    empty where no token is asked for.
    """
    in_force = [(SHIPPED[name], address) for name, address in addresses.items()]
    in_force += [(SHIPPED_PAGE, addresses["stretto"]), (SHIPPED_TOKEN, str(token_file))]
    shutil.rmtree(target, ignore_errors=True)
    for file in sorted(path for path in source.rglob("*") if path.suffix in {".yml", ".tmpl"}):
        if "tests" in file.relative_to(source).parts:
            continue
        text = file.read_text(encoding="utf-8")
        # In two steps: one value in force may be what another one stands for in the shipped file.
        for number, (default, _) in enumerate(in_force):
            text = text.replace(default, f"\0{number}\0")
        for number, (_, value) in enumerate(in_force):
            text = text.replace(f"\0{number}\0", value)
        copy = target / file.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(text, encoding="utf-8")


def prepare_prometheus(
    folder: Path, program: str, addresses: Mapping[str, str], token_file: Path
) -> SupervisedServer:
    """Return Prometheus as it is to be started, its configuration rendered."""
    render_configuration(find_shipped_folder("prometheus"), folder / "prometheus", addresses, token_file)
    return SupervisedServer(
        name="prometheus",
        program=program,
        address=addresses["prometheus"],
        folder=folder,
        arguments=(
            f"--config.file={folder / 'prometheus' / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'prometheus-data'}",
            f"--storage.tsdb.retention.time={RETENTION}",
            f"--web.listen-address={addresses['prometheus']}",
            # What links in notifications lead to; by itself it takes the machine's name.
            f"--web.external-url=http://{addresses['prometheus']}",
        ),
    )


def prepare_alertmanager(
    folder: Path,
    program: str,
    addresses: Mapping[str, str],
    token_file: Path,
    receivers: ReceiversFile | None = None,
) -> SupervisedServer:
    """Return Alertmanager as it is to be started, its configuration rendered, with the user's receivers."""
    render_configuration(find_shipped_folder("alertmanager"), folder / "alertmanager", addresses, token_file)
    if receivers is not None:
        configuration = folder / "alertmanager" / "alertmanager.yml"
        text = merge_receivers(configuration.read_text(encoding="utf-8"), receivers)
        configuration.write_text(text, encoding="utf-8")
    return SupervisedServer(
        name="alertmanager",
        program=program,
        address=addresses["alertmanager"],
        folder=folder,
        arguments=(
            f"--config.file={folder / 'alertmanager' / 'alertmanager.yml'}",
            f"--storage.path={folder / 'alertmanager-data'}",
            f"--web.listen-address={addresses['alertmanager']}",
            # What it tells links to this; by itself it would name the machine, where it does not listen.
            f"--web.external-url=http://{addresses['alertmanager']}",
            # Without this it looks for peers on every interface.
            "--cluster.listen-address=",
        ),
    )


class Supervisor:
    """Keeps servers running, each by a thread of its own, until ``stop``."""

    def __init__(self, servers: Sequence[SupervisedServer]) -> None:
        self.servers = tuple(servers)
        self._stopping = threading.Event()
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._threads: list[threading.Thread] = []
        self._deaths: dict[str, int] = {}
        self._faults: dict[str, str] = {}

    def start(self) -> None:
        """Start every server."""
        for server in self.servers:
            server.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            thread = threading.Thread(
                target=self._keep_running, args=(server,), name=f"keep-{server.name}", daemon=True
            )
            thread.start()
            self._threads.append(thread)

    def stop(self) -> None:
        """End every server and wait for it; one that does not end in time is killed."""
        self._stopping.set()
        for child in list(self._children.values()):
            if child.poll() is None:
                child.terminate()
        deadline = time.monotonic() + STOP_SECONDS
        for child in list(self._children.values()):
            try:
                child.wait(timeout=max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        for thread in self._threads:
            thread.join(timeout=STOP_SECONDS)
        for server in self.servers:
            server.mark.unlink(missing_ok=True)

    def problems(self) -> list[str]:
        """Say which server has died and where its log is, or why it cannot be started."""
        return [
            self._faults.get(server.name)
            or f"{server.name} has died {count} time(s) and is started again: see {server.log}"
            for server in self.servers
            if (count := self._deaths.get(server.name, 0))
        ]

    def _keep_running(self, server: SupervisedServer) -> None:
        while not self._stopping.is_set():
            try:
                self._run_once(server)
            except OSError as error:
                # A full disk, a program that is gone: told, and tried again.
                self._faults[server.name] = f"{server.name} cannot be started: {error}"
            if self._stopping.is_set():
                return
            deaths = self._deaths[server.name] = self._deaths.get(server.name, 0) + 1
            self._stopping.wait(RESTART_SECONDS[min(deaths, len(RESTART_SECONDS)) - 1])

    def _run_once(self, server: SupervisedServer) -> None:
        began = time.monotonic()
        with server.log.open("ab") as log:
            child = subprocess.Popen(  # noqa: S603  # a program found on the PATH, our own arguments
                [server.program, *server.arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # Ctrl-C reaches the whole group; the service stops its servers in order instead.
                start_new_session=True,
            )
        self._children[server.name] = child
        server.mark.write_text(json.dumps({"pid": child.pid, "address": server.address}), encoding="utf-8")
        self._faults.pop(server.name, None)
        if self._stopping.is_set():
            child.terminate()
        child.wait()
        if time.monotonic() - began > SETTLED_SECONDS:
            # It ran: what comes now is a new fault, not the next of the old ones.
            self._deaths.pop(server.name, None)


def stop_leftovers(folder: Path) -> None:
    """Stop the servers that a killed service left behind, before their ports are looked at."""
    for mark in folder.glob("*.pid"):
        stop_leftover(mark)


def stop_leftover(mark: Path) -> None:
    """Stop the server whose process id a file holds, if our folder stands in its arguments."""
    try:
        process = psutil.Process(int(json.loads(mark.read_text(encoding="utf-8"))["pid"]))
        if not any(str(mark.parent) in argument for argument in process.cmdline()):
            return
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except psutil.TimeoutExpired:
            # Two servers would fight over one folder of data.
            process.kill()
            process.wait(STOP_SECONDS)
    except (OSError, ValueError, KeyError, TypeError, psutil.Error):
        # No mark, or not ours: there is nothing to stop.
        return
