"""Start and supervise Prometheus and Alertmanager beside the service, with the shipped configuration.

Installed servers run on loopback and keep all data inside the state folder. They are restarted when they die,
and stopped with the service. The shipped configuration names the addresses and the token's path of the
compose file. The servers read a copy in which these are replaced by the actual values.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import psutil

from stretto.errors import ServiceError
from stretto.servers import alert_limits
from stretto.servers.alert_limits import AlertLimits
from stretto.servers.find_running_server import find_running_server
from stretto.servers.merge_receivers import ReceiversFile, merge_receivers
from stretto.servers.supervised_server_password import ServerCredentials, write_private

SHIPPED = {"stretto": "stretto:9464", "prometheus": "prometheus:9090", "alertmanager": "alertmanager:9093"}
"""The addresses in the shipped files: those of the compose file's network."""

SHIPPED_PAGE = "127.0.0.1:9464"
"""The service's address for a browser in the shipped files, used in links to the runbook."""

SHIPPED_TOKEN = "/run/secrets/stretto-token"  # noqa: S105  # a path, not the token
"""The path in the shipped files of the token that the servers send to the service."""

SHIPPED_PASSWORD = "/run/secrets/stretto-password"  # noqa: S105  # a path, not the password
"""The path in the shipped files of the password that the servers ask for and show to each other."""

NO_ORIGIN = "none"
"""The only web origin that Prometheus answers: no page has it, because an origin begins with a scheme."""

BINARIES: dict[str, tuple[str, ...]] = {
    "prometheus": ("prometheus",),
    "alertmanager": ("alertmanager", "prometheus-alertmanager"),
}
"""Server → names of its program: the upstream name and, if it differs, Debian's."""

PACKAGES = {"prometheus": "prometheus", "alertmanager": "prometheus-alertmanager"}
RETENTION = "90d"

PRIVATE = 0o077
"""The mode bits that no file of a server has: everything under the folder is its owner's alone."""

STOP_SECONDS = 10.0
SETTLED_SECONDS = 60.0
RESTART_SECONDS = (1.0, 2.0, 5.0, 15.0, 60.0)
"""Waits before a dead server is restarted, by number of deaths; the last wait repeats."""


@dataclass(frozen=True, slots=True)
class SupervisedServer:
    """A server to start: program, arguments, address and folder."""

    name: str
    program: str
    address: str
    folder: Path
    arguments: tuple[str, ...]

    @property
    def log(self) -> Path:
        """The path of its output."""
        return self.folder / f"{self.name}.log"

    @property
    def pid_file(self) -> Path:
        """The path of its process id, by which servers of a killed service are found."""
        return self.folder / f"{self.name}.pid"


def find_shipped_folder(name: str) -> Path:
    """Return the shipped folder of server files, dashboards, runbook pages, units or the plugin.

    It is inside the installed package, else in the source tree. Raises ServiceError if it is missing.
    """
    installed = Path(__file__).parents[1] / "shipped" / name
    top = Path(__file__).parents[3]
    source = {
        "prometheus": top / "prometheus",
        "alertmanager": top / "deploy" / "alertmanager",
        "dashboards": top / "grafana" / "dashboards",
        "units": top / "deploy",
        "plugin": top / "deploy" / "claude-code-plugin",
        "marketplace": top / ".claude-plugin",
    }.get(name, top / "docs" / name)
    for folder in (installed, source):
        if folder.is_dir():
            return folder
    raise ServiceError(
        f"the shipped folder {name!r} is missing", where=str(installed), hint="install stretto again"
    )


def find_program(name: str, which: Callable[[str], str | None] = shutil.which) -> str | None:
    """Return the path of a server's program, or None if it is not installed."""
    return next((path for binary in BINARIES[name] if (path := which(binary))), None)


def explain_missing(name: str) -> str:
    """Return a sentence that explains how to install a missing server."""
    commands = f"apt-get install {PACKAGES[name]} (Debian, Ubuntu) or brew install {name} (macOS)"
    return f"{name} is not installed: {commands}"


def find_free_address(host: str, wanted: int) -> str:
    """Return ``host:wanted`` if that port is free, else the host with any free port."""
    for port in (wanted, 0):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError:
                continue
            return f"{host}:{probe.getsockname()[1]}"
    raise ServiceError(f"no free port on {host}")


def render_configuration(
    source: Path,
    target: Path,
    addresses: Mapping[str, str],
    token_file: Path,
    password_file: Path,
    *,
    limits: AlertLimits = MappingProxyType({}),
) -> None:
    """Copy a shipped folder's configuration, replacing the compose file's addresses by the actual values.

    The servers send the content of ``token_file`` to the service. The file must exist; it is empty if no
    token is required. They show each other the content of ``password_file``. The copies are readable for
    their owner alone. Example: "stretto:9464" becomes "127.0.0.1:9464". Links lead to the URL ``page`` among
    the addresses, if there is one. ``limits`` replace those of the shipped alerts; raises ConfigError.
    """
    page = addresses.get("page", f"http://{addresses['stretto']}")
    # The longest text first: it contains the next.
    replacements = [(f"http://{SHIPPED_PAGE}", page)]
    replacements += [(SHIPPED[name], address) for name, address in addresses.items() if name in SHIPPED]
    replacements += [
        (SHIPPED_PAGE, addresses["stretto"]),
        (SHIPPED_TOKEN, str(token_file)),
        (SHIPPED_PASSWORD, str(password_file)),
    ]
    shutil.rmtree(target, ignore_errors=True)
    for file in sorted(path for path in source.rglob("*") if path.suffix in {".yml", ".tmpl"}):
        if "tests" in file.relative_to(source).parts:
            continue
        text = file.read_text(encoding="utf-8")
        if file.name == alert_limits.FILE:
            text = alert_limits.replace_limits(text, limits)
        # In two steps, because an actual value may equal the default of another value.
        for number, (default, _) in enumerate(replacements):
            text = text.replace(default, f"\0{number}\0")
        for number, (_, value) in enumerate(replacements):
            text = text.replace(f"\0{number}\0", value)
        copy = target / file.relative_to(source)
        copy.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_private(copy, text)


def check_limits(limits: AlertLimits) -> None:
    """Refuse limits that no shipped alert has. Raises ConfigError."""
    if limits:
        rules = find_shipped_folder("prometheus") / "rules" / alert_limits.FILE
        alert_limits.replace_limits(rules.read_text(encoding="utf-8"), limits)


def prepare_prometheus(
    program: str,
    addresses: Mapping[str, str],
    token_file: Path,
    credentials: ServerCredentials,
    *,
    limits: AlertLimits = MappingProxyType({}),
) -> SupervisedServer:
    """Render Prometheus's configuration and return the server to start. Raises ConfigError."""
    folder = credentials.folder
    render_configuration(
        find_shipped_folder("prometheus"),
        folder / "prometheus",
        addresses,
        token_file,
        credentials.password_file,
        limits=limits,
    )
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
            f"--web.config.file={credentials.web_file}",
            f"--web.cors.origin={NO_ORIGIN}",
            # The base of links in notifications; the default is the machine's name.
            f"--web.external-url=http://{addresses['prometheus']}",
        ),
    )


def prepare_alertmanager(
    program: str,
    addresses: Mapping[str, str],
    token_file: Path,
    credentials: ServerCredentials,
    receivers: ReceiversFile | None = None,
) -> SupervisedServer:
    """Render Alertmanager's configuration with the user's receivers and return the server to start.

    Alertmanager has no setting for origins: its answers allow every origin, but to requests without the
    password, which a browser's preflight never has, the answer is a refusal.
    """
    folder = credentials.folder
    render_configuration(
        find_shipped_folder("alertmanager"),
        folder / "alertmanager",
        addresses,
        token_file,
        credentials.password_file,
    )
    if receivers is not None:
        configuration = folder / "alertmanager" / "alertmanager.yml"
        text = merge_receivers(configuration.read_text(encoding="utf-8"), receivers)
        write_private(configuration, text)
    return SupervisedServer(
        name="alertmanager",
        program=program,
        address=addresses["alertmanager"],
        folder=folder,
        arguments=(
            f"--config.file={folder / 'alertmanager' / 'alertmanager.yml'}",
            f"--storage.path={folder / 'alertmanager-data'}",
            f"--web.listen-address={addresses['alertmanager']}",
            f"--web.config.file={credentials.web_file}",
            # The base of links in notifications; the default is the machine's name, where it does not listen.
            f"--web.external-url=http://{addresses['alertmanager']}",
            # Otherwise it looks for peers on every interface.
            "--cluster.listen-address=",
        ),
    )


class Supervisor:
    """Keeps servers running, with a thread for each server, until ``stop``."""

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
        """End every server and wait for it; kill a server that does not end in time."""
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
            server.pid_file.unlink(missing_ok=True)

    def list_problems(self) -> list[str]:
        """Return a sentence for each server that has died, with its log, or that cannot be started."""
        return [
            self._faults.get(server.name)
            or f"{server.name} has died {count} time(s) and is restarted: see {server.log}"
            for server in self.servers
            if (count := self._deaths.get(server.name, 0))
        ]

    def _keep_running(self, server: SupervisedServer) -> None:
        while not self._stopping.is_set():
            try:
                self._run_once(server)
            except OSError as error:
                # For example a full disk or a removed program: report it and try again.
                self._faults[server.name] = f"{server.name} cannot be started: {error}"
            if self._stopping.is_set():
                return
            deaths = self._deaths[server.name] = self._deaths.get(server.name, 0) + 1
            self._stopping.wait(RESTART_SECONDS[min(deaths, len(RESTART_SECONDS)) - 1])

    def _run_once(self, server: SupervisedServer) -> None:
        began = time.monotonic()
        with open(server.log, "ab", opener=_open_private) as log:  # Path.open has no opener
            child = subprocess.Popen(  # noqa: S603  # a program found on the PATH, our own arguments
                [server.program, *server.arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # Ctrl-C reaches the whole group; the service stops its servers in order instead.
                start_new_session=True,
                umask=PRIVATE,
            )
        self._children[server.name] = child
        write_private(server.pid_file, json.dumps({"pid": child.pid, "address": server.address}))
        self._faults.pop(server.name, None)
        if self._stopping.is_set():
            child.terminate()
        child.wait()
        if time.monotonic() - began > SETTLED_SECONDS:
            # The server ran for a while: its next death is a new fault, not a repetition.
            self._deaths.pop(server.name, None)


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def stop_leftovers(folder: Path) -> None:
    """Stop the servers that a killed service left running, before their ports are checked."""
    for pid_file in folder.glob("*.pid"):
        stop_leftover(pid_file)


def stop_leftover(pid_file: Path) -> None:
    """Stop the server whose process id is in a file, if its arguments name our folder."""
    server = find_running_server(pid_file.parent, pid_file.stem)
    if server is None:
        return
    process = server.process
    try:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except psutil.TimeoutExpired:
            # Two servers must not use the same data folder.
            process.kill()
            process.wait(STOP_SECONDS)
    except psutil.Error:
        # It has ended by itself in the meantime.
        return
