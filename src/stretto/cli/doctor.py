"""``stretto doctor``: walk from hook to notification, say what is missing and what to do."""

from __future__ import annotations

import argparse
import http.client
import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from stretto import journal
from stretto.cli.command_context import Context
from stretto.cli.hooks import doubles, faults, hook_status, sentence
from stretto.cli.text_tables import spoken
from stretto.clock import read_wall_clock
from stretto.config.configuration import Config
from stretto.errors import StrettoError
from stretto.otlp_export.sender import NullSender, build_sender
from stretto.servers.alert_receivers import check_receivers, read_receivers
from stretto.servers.supervisor import PACKAGES, explain_missing, find_program
from stretto.state.lock import holder_of
from stretto.store import declared_baselines as baselines
from stretto.store import queries
from stretto.store.database import open_reader

TIMEOUT = 2.0
FOUND_TROUBLE = 1


class Verdict(StrEnum):
    """How a station is doing."""

    FINE = "fine"
    NOTE = "note"
    """It works, or is not used; there is something to know."""
    TROUBLE = "trouble"


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found at one station of the way, and what to do."""

    station: str
    verdict: Verdict
    found: str
    hint: str = ""


def doctor(context: Context, options: argparse.Namespace) -> int:  # noqa: ARG001  # every verb takes both
    """Print the findings; exit code 1 where there is trouble."""
    findings = list(examine(context))
    signs = {Verdict.FINE: "ok  ", Verdict.NOTE: "note", Verdict.TROUBLE: "BAD "}
    lines = []
    for f in findings:
        lines.append(f"{signs[f.verdict]}  {f.station:<13} {f.found}")
        if f.hint:
            lines.append(f"{'':<20}→ {f.hint}")
    context.answer({"findings": [asdict(f) for f in findings]}, "\n".join(lines))
    return FOUND_TROUBLE if any(f.verdict is Verdict.TROUBLE for f in findings) else 0


def examine(context: Context) -> Iterator[Finding]:
    """Yield the findings in the order of the data's way."""
    config = context.config
    yield _configuration(config)
    yield from _baselines(config)
    yield _hooks(context)
    yield from _journal(config)
    yield from _store(config)
    service = _service(config)
    yield service
    running = service.verdict is Verdict.FINE
    if running:
        yield from _problems(config)
    yield _resources(config)
    for name, port, path in (
        ("prometheus", config.prometheus_port, "/-/ready"),
        ("alertmanager", config.alertmanager_port, "/-/ready"),
    ):
        yield _server(name, config.state / "servers", port, path, running=running)
    yield _receivers(config)
    yield _spans(context)


def _configuration(config: Config) -> Finding:
    changed = [f"{s.name} from {s.origin}" for s in config.settings if s.origin != "default"]
    return Finding("configuration", Verdict.FINE, ", ".join(changed) or "all defaults")


def _baselines(config: Config) -> Iterator[Finding]:
    try:
        baselines.load(config.state)
    except StrettoError as error:
        yield Finding("baselines", Verdict.TROUBLE, error.sentence(), error.hint)


def _hooks(context: Context) -> Finding:
    found = hook_status(context)
    said = faults(found)
    if said:
        return Finding("hooks", Verdict.TROUBLE, sentence(found), "; ".join(said + doubles(found)))
    if found.doubled:
        return Finding("hooks", Verdict.NOTE, sentence(found), "; ".join(doubles(found)))
    if not found.installed and not found.plugins:
        return Finding("hooks", Verdict.NOTE, "not installed", "stretto hooks install")
    return Finding("hooks", Verdict.FINE, sentence(found))


def _journal(config: Config) -> Iterator[Finding]:
    folder = config.journal
    nearest = next(path for path in (folder, *folder.parents) if path.exists())
    if not os.access(nearest, os.W_OK):
        yield Finding(
            "journal", Verdict.TROUBLE, f"{nearest} cannot be written", "choose another folder: --state DIR"
        )
        return
    sizes = journal.list_files(folder)
    if not sizes:
        yield Finding(
            "journal", Verdict.NOTE, f"{folder} is empty", "run an agent with hooks, or import a recording"
        )
        return
    newest = max((folder / name).stat().st_mtime_ns for name in sizes)
    size = sum(sizes.values()) / 1e6
    text = f"{len(sizes)} file(s), {size:.1f} MB, last written {spoken(read_wall_clock() - newest)} ago"
    yield Finding("journal", Verdict.FINE, text)


def _store(config: Config) -> Iterator[Finding]:
    try:
        connection = open_reader(config.database)
    except StrettoError as error:
        unusable = config.database.exists()
        yield Finding("store", Verdict.TROUBLE if unusable else Verdict.NOTE, error.sentence(), error.hint)
        return
    with closing(connection):
        try:
            yield from _store_findings(connection, config)
        except sqlite3.DatabaseError as error:
            yield Finding("store", Verdict.TROUBLE, f"cannot be read: {error}", "stretto rebuild")


def _store_findings(connection: sqlite3.Connection, config: Config) -> Iterator[Finding]:
    positions = {p.file: p for p in queries.positions(connection)}
    events = sum(p.events for p in positions.values())
    behind = sum(
        max(0, size - (positions[file].offset if file in positions else 0))
        for file, size in journal.list_files(config.journal).items()
    )
    activity = queries.activity(connection)
    own = activity.sessions - activity.recordings
    text = f"{events} events of {own} session(s)" + (" and a recording" if activity.recordings else "")
    if behind:
        yield Finding("store", Verdict.NOTE, f"{text}, {behind} bytes behind the journal", "run 'stretto up'")
    else:
        yield Finding("store", Verdict.FINE, f"{text}, up to date with the journal")
    rejects = queries.rejects(connection)
    if rejects:
        reasons = ", ".join(f"{count} × {kind}" for kind, count in queries.reject_kinds(rejects).items())
        places = "; ".join(
            f"{file} at byte {offset}" for file, offset, _ in queries.newest_rejects(connection, 3)
        )
        hint = f"newest: {places}" if places else "the agent's client may be newer than this version"
        if any(kind == "internal" for kind in queries.reject_kinds(rejects)):
            hint += "; internal is a fault of ours: 'stretto rebuild' of a later version takes it in"
        yield Finding("rejects", Verdict.NOTE, f"set aside: {reasons}", hint)
    for file, gone in queries.shortened(connection).items():
        text = f"{file} became {gone} bytes shorter after it was read; what stood there is still in the store"
        yield Finding("store", Verdict.NOTE, text, "stretto rebuild forgets it")


def _service(config: Config) -> Finding:
    holder = holder_of(config.state)
    if holder is None or holder.address is None:
        return Finding("service", Verdict.NOTE, "not running", "stretto up")
    answer = get(holder.address, "/readyz", config.token)
    if answer is None:
        return Finding(
            "service",
            Verdict.TROUBLE,
            f"process {holder.pid} does not answer on {holder.address}",
            "stop and start it",
        )
    status_code, body = answer
    if status_code != http.client.OK:
        return Finding(
            "service", Verdict.TROUBLE, f"not ready: {body.strip()}", f"see http://{holder.address}/"
        )
    return Finding("service", Verdict.FINE, f"http://{holder.address}, process {holder.pid}")


def _problems(config: Config) -> Iterator[Finding]:
    """Yield what the running service itself says is wrong: spans that are dropped are known to it alone."""
    holder = holder_of(config.state)
    answer = (
        None
        if holder is None or holder.address is None
        else get(holder.address, "/api/problems", config.token)
    )
    try:
        said = json.loads(answer[1])["problems"] if answer else []
    except (ValueError, KeyError, TypeError):
        said = []
    for problem in said:
        yield Finding("service", Verdict.TROUBLE, str(problem))


def _resources(config: Config) -> Finding:
    interval = config.resources_interval_seconds
    if not interval:
        return Finding("resources", Verdict.NOTE, "off: resources.interval_seconds is 0")
    return Finding("resources", Verdict.FINE, f"agents' processes are read every {interval} s")


def _server(name: str, folder: Path, port: int, path: str, *, running: bool) -> Finding:
    if find_program(name) is None:
        return Finding(
            name, Verdict.NOTE, "not installed: no alerts, no history in Grafana", explain_missing(name)
        )
    if not running:
        return Finding(name, Verdict.NOTE, f"installed ({PACKAGES[name]}), started by 'stretto up'")
    address = _address_of(folder, name) or f"127.0.0.1:{port}"
    answer = get(address, path)
    if answer is None or answer[0] != http.client.OK:
        return Finding(
            name, Verdict.TROUBLE, f"does not answer on {address}", f"see {folder / (name + '.log')}"
        )
    if name == "prometheus":
        return _scraped(address)
    return Finding(name, Verdict.FINE, f"http://{address}")


def _scraped(address: str) -> Finding:
    """Return whether Prometheus really scrapes us: a server that is up may still look elsewhere."""
    answer = get(address, "/api/v1/query?query=up%7Bjob%3D%22stretto%22%7D")
    try:
        result: list[dict[str, Any]] = json.loads(answer[1])["data"]["result"] if answer else []
    except (ValueError, KeyError, TypeError):
        result = []
    if not result:
        return Finding(
            "prometheus",
            Verdict.NOTE,
            f"http://{address} has not scraped stretto yet",
            "look again in ten seconds",
        )
    if any(row["value"][1] == "1" for row in result):
        return Finding("prometheus", Verdict.FINE, f"http://{address}, scraping stretto")
    return Finding(
        "prometheus",
        Verdict.TROUBLE,
        f"http://{address} does not get an answer from stretto",
        "look at its /targets",
    )


def _address_of(folder: Path, name: str) -> str | None:
    try:
        address = json.loads((folder / f"{name}.pid").read_text(encoding="utf-8"))["address"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return address if isinstance(address, str) else None


def _receivers(config: Config) -> Finding:
    """Return whether anything but the service itself hears of alerts: it cannot tell that it is down."""
    cure = "give stretto-critical a way out in receivers.yml: stretto receivers says how"
    if config.receivers is None:
        return Finding(
            "receivers", Verdict.NOTE, "alerts go to the page only, and none while it is down", cure
        )
    try:
        found = read_receivers(config.receivers)
        check_receivers(found)
    except StrettoError as error:
        return Finding("receivers", Verdict.TROUBLE, error.sentence(), error.hint)
    ways = "; ".join(f"{name}: {', '.join(kinds)}" for name, kinds in found.kinds.items())
    if "stretto-critical" not in found.kinds:
        return Finding("receivers", Verdict.NOTE, f"{ways}; StrettoDown reaches nobody", cure)
    return Finding("receivers", Verdict.FINE, ways)


def _spans(context: Context) -> Finding:
    sender = build_sender(context.environ)
    sender.close(timeout=0.0)
    if sender.problem:
        return Finding("spans", Verdict.TROUBLE, sender.problem, "mend the OTEL_EXPORTER_OTLP_* variables")
    if isinstance(sender, NullSender):
        return Finding("spans", Verdict.FINE, "off: no OTLP endpoint is set (OTEL_EXPORTER_OTLP_ENDPOINT)")
    names = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
    endpoint = next(context.environ[name] for name in names if context.environ.get(name))
    # Credentials in an address are nobody's to read off a screen.
    return Finding("spans", Verdict.FINE, f"finished sessions go to {endpoint.rpartition('@')[2]}")


def get(address: str, path: str, token: str | None = None) -> tuple[int, str] | None:
    """Return status and body of what a server on this machine answers, or None where it does not."""
    connection = http.client.HTTPConnection(address, timeout=TIMEOUT)
    try:
        connection.request("GET", path, headers={"Authorization": f"Bearer {token}"} if token else {})
        response = connection.getresponse()
        return response.status, response.read().decode(errors="replace")
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
