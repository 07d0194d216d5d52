"""``stretto doctor``: check each station from hook to notification and print faults with their remedies."""

from __future__ import annotations

import argparse
import http.client
import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

from stretto import journal
from stretto.cli.command_context import CommandContext
from stretto.cli.doctor_results_and_next_step import (
    CheckResult,
    CheckVerdict,
    choose_next_step,
    format_next_step,
)
from stretto.cli.hooks import describe_hooks, find_hook_status, list_duplicates, list_faults
from stretto.cli.http_client import get_response, get_service_problems
from stretto.cli.text_tables import format_nanoseconds
from stretto.clock import read_wall_clock
from stretto.config.configuration import Config
from stretto.errors import StoreError, StrettoError
from stretto.features.switched_off_texts import describe_switched_off
from stretto.otlp_export.span_sender import NullSender, build_sender
from stretto.servers.find_running_server import find_running_server
from stretto.servers.merge_receivers import check_receivers, read_receivers
from stretto.servers.supervised_server_password import read_credentials
from stretto.servers.supervisor import BINARIES, PACKAGES, explain_missing, find_program
from stretto.service.enrolment_file import find_hub_settings
from stretto.shipping.ship_batches import OPEN_AGE
from stretto.state.lock import find_lock_holder
from stretto.store import declared_baseline_file as baselines
from stretto.store import journal_queries, open_session_queries
from stretto.store.database import open_reader
from stretto.store.shipped_sessions import count_shipping

FOUND_TROUBLE = 1

READY = "/-/ready"
"""Where both servers answer when they have started."""


def run_doctor(context: CommandContext, options: argparse.Namespace) -> int:  # noqa: ARG001  # every command takes both
    """Print the results and the next step; exit code 1 if there is trouble."""
    findings = list(run_checks(context))
    signs = {CheckVerdict.FINE: "ok  ", CheckVerdict.NOTE: "note", CheckVerdict.TROUBLE: "BAD "}
    lines = []
    for f in findings:
        lines.append(f"{signs[f.verdict]}  {f.station:<13} {f.found}")
        if f.hint:
            lines.append(f"{'':<20}→ {f.hint}")
    step = choose_next_step(findings)
    context.print_answer(
        {"findings": [asdict(f) for f in findings], "next_step": asdict(step)},
        "\n".join([*lines, "", format_next_step(step)]),
    )
    return FOUND_TROUBLE if any(f.verdict is CheckVerdict.TROUBLE for f in findings) else 0


def show_next_step(context: CommandContext, options: argparse.Namespace) -> int:  # noqa: ARG001  # every command takes both
    """Print how the service and the hooks are, and the next step; the exit code is always 0."""
    results = list(run_checks(context))
    stations = {result.station: result.found for result in results if result.station in ("service", "hooks")}
    step = choose_next_step(results)
    lines = [f"{station + ':':<9} {found}" for station, found in stations.items()]
    context.print_answer(
        {"stations": stations, "next_step": asdict(step)},
        "\n".join([*lines, format_next_step(step), "", "stretto --help lists all commands"]),
    )
    return 0


def run_checks(context: CommandContext) -> Iterator[CheckResult]:
    """Yield the results in the order in which data flows."""
    config = context.config
    yield _check_configuration(config)
    yield from _check_features(config)
    yield from _check_baselines(config)
    yield _check_hooks(context)
    yield from _check_journal(config)
    yield from _check_store(config)
    service = _check_service(config)
    yield service
    running = service.verdict is CheckVerdict.FINE
    if running:
        yield from _report_problems(config)
    yield _check_sampling(config)
    for name in BINARIES:
        yield _check_server(name, config.state / "servers", running=running)
    yield _check_receivers(config)
    yield _check_spans(context)
    yield from _check_hub(config)


def _check_configuration(config: Config) -> CheckResult:
    changed = [f"{s.name} from {s.origin}" for s in config.settings if s.origin != "default"]
    return CheckResult("configuration", CheckVerdict.FINE, ", ".join(changed) or "all defaults")


def _check_features(config: Config) -> Iterator[CheckResult]:
    """Yield a note on what is switched off: its figures are missing for that reason."""
    text = describe_switched_off(config.features)
    if text is not None:
        yield CheckResult("features", CheckVerdict.NOTE, text, "stretto features list")


def _check_baselines(config: Config) -> Iterator[CheckResult]:
    try:
        baselines.load_declared_baselines(config.state)
    except StrettoError as error:
        yield CheckResult("baselines", CheckVerdict.TROUBLE, error.to_line(), error.hint)


def _check_hooks(context: CommandContext) -> CheckResult:
    status = find_hook_status(context)
    faults = list_faults(status)
    if faults:
        return CheckResult(
            "hooks", CheckVerdict.TROUBLE, describe_hooks(status), "; ".join(faults + list_duplicates(status))
        )
    if status.doubled:
        return CheckResult(
            "hooks", CheckVerdict.NOTE, describe_hooks(status), "; ".join(list_duplicates(status))
        )
    if not status.installed and not status.plugins:
        return CheckResult("hooks", CheckVerdict.NOTE, "not installed", "stretto hooks install")
    return CheckResult("hooks", CheckVerdict.FINE, describe_hooks(status))


def _check_journal(config: Config) -> Iterator[CheckResult]:
    folder = config.journal
    nearest = next(path for path in (folder, *folder.parents) if path.exists())
    if not os.access(nearest, os.W_OK):
        yield CheckResult(
            "journal",
            CheckVerdict.TROUBLE,
            f"{nearest} cannot be written",
            "choose another folder: --state DIR",
        )
        return
    states = journal.scan_file_states(folder)
    if not states:
        yield CheckResult(
            "journal",
            CheckVerdict.NOTE,
            f"{folder} is empty",
            "run an agent with hooks, or import a recording",
        )
        return
    newest = max(state.modified for state in states.values())
    size = sum(state.disk for state in states.values()) / 1e6
    age = format_nanoseconds(read_wall_clock() - newest)
    text = f"{len(states)} file(s), {size:.1f} MB, last written {age} ago"
    yield CheckResult("journal", CheckVerdict.FINE, text)


def _check_store(config: Config) -> Iterator[CheckResult]:
    try:
        connection = open_reader(config.database)
    except StrettoError as error:
        unusable = config.database.exists()
        yield CheckResult(
            "store", CheckVerdict.TROUBLE if unusable else CheckVerdict.NOTE, error.to_line(), error.hint
        )
        return
    with closing(connection):
        try:
            yield from _check_ingest(connection, config)
        except sqlite3.DatabaseError as error:
            yield CheckResult("store", CheckVerdict.TROUBLE, f"cannot be read: {error}", "stretto rebuild")


def _check_ingest(connection: sqlite3.Connection, config: Config) -> Iterator[CheckResult]:
    positions = {p.file: p for p in journal_queries.read_journal_positions(connection)}
    events = sum(p.events for p in positions.values())
    # Example: a file of 1,000 bytes that was read up to byte 900 is 100 bytes behind.
    behind = sum(
        max(0, size - (positions[file].offset if file in positions else 0))
        for file, size in journal.list_file_sizes(config.journal).items()
    )
    activity = open_session_queries.read_activity(connection)
    user_sessions = activity.sessions - activity.recordings
    text = f"{events} events of {user_sessions} session(s)" + (
        " and a recording" if activity.recordings else ""
    )
    if behind:
        yield CheckResult(
            "store", CheckVerdict.NOTE, f"{text}, {behind} bytes behind the journal", "run 'stretto up'"
        )
    else:
        yield CheckResult("store", CheckVerdict.FINE, f"{text}, up to date with the journal")
    rejects = journal_queries.count_rejects(connection)
    if rejects:
        reasons = ", ".join(
            f"{count} × {kind}" for kind, count in journal_queries.count_reject_kinds(rejects).items()
        )
        places = "; ".join(
            f"{file} at byte {offset}"
            for file, offset, _ in journal_queries.list_newest_rejects(connection, 3)
        )
        hint = f"newest: {places}" if places else "the agent's client may be newer than this version"
        if any(kind == "internal" for kind in journal_queries.count_reject_kinds(rejects)):
            hint += "; internal is a fault of stretto: after an update run 'stretto rebuild'"
        yield CheckResult("rejects", CheckVerdict.NOTE, f"set aside: {reasons}", hint)
    for file, lost_bytes in journal_queries.read_shortened_files(connection).items():
        change = f"became {lost_bytes} bytes shorter" if lost_bytes else "was replaced"
        text = f"{file} {change} after it was read; the store still has the events"
        yield CheckResult("store", CheckVerdict.NOTE, text, "stretto rebuild removes it")


def _check_service(config: Config) -> CheckResult:
    holder = find_lock_holder(config.state)
    if holder is None or holder.address is None:
        return CheckResult("service", CheckVerdict.NOTE, "not running", "stretto up")
    answer = get_response(holder.address, "/readyz", config.token)
    if answer is None:
        return CheckResult(
            "service",
            CheckVerdict.TROUBLE,
            f"process {holder.pid} does not answer on {holder.address}",
            "stop and start it",
        )
    status_code, body = answer
    if status_code != http.client.OK:
        return CheckResult(
            "service", CheckVerdict.TROUBLE, f"not ready: {body.strip()}", f"see http://{holder.address}/"
        )
    return CheckResult("service", CheckVerdict.FINE, f"http://{holder.address}, process {holder.pid}")


def _report_problems(config: Config) -> Iterator[CheckResult]:
    """Yield the problems that the running service reports: only the service knows of dropped spans."""
    holder = find_lock_holder(config.state)
    if holder is not None and holder.address is not None:
        for problem in get_service_problems(holder.address, config.token) or ():
            yield CheckResult("service", CheckVerdict.TROUBLE, problem)


def _check_sampling(config: Config) -> CheckResult:
    interval = config.resources_interval_seconds
    if not interval:
        return CheckResult("resources", CheckVerdict.NOTE, "off: resources.interval_seconds is 0")
    return CheckResult("resources", CheckVerdict.FINE, f"agents' processes are read every {interval} s")


def _check_server(name: str, folder: Path, *, running: bool) -> CheckResult:
    """Return whether the service's server answers to its password, and to nobody else."""
    log = f"see {folder / (name + '.log')}"
    server = find_running_server(folder, name)
    if find_program(name) is None:
        text = "not installed: no alerts, no history in Grafana"
        result = CheckResult(name, CheckVerdict.NOTE, text, explain_missing(name))
    elif not running:
        text = f"installed ({PACKAGES[name]}), started by 'stretto up'"
        result = CheckResult(name, CheckVerdict.NOTE, text)
    elif server is not None:
        result = _check_answers(name, server.address, folder, log)
    elif (folder / f"{name}.pid").exists():
        result = CheckResult(name, CheckVerdict.TROUBLE, "has died", log)
    else:
        hint = "start 'stretto up' without --no-servers for alerts and history"
        result = CheckResult(name, CheckVerdict.NOTE, "not started by the running service", hint)
    return result


def _check_answers(name: str, address: str, folder: Path, log: str) -> CheckResult:
    # Asked without the password first: it must not reach another program on this address.
    stranger = get_response(address, READY)
    if stranger is None:
        return CheckResult(name, CheckVerdict.TROUBLE, f"does not answer on {address}", log)
    if stranger[0] != http.client.UNAUTHORIZED:
        text = f"another program answers on {address}, without a password"
        hint = f"stop that program, or choose another {name}_port"
        return CheckResult(name, CheckVerdict.TROUBLE, text, hint)
    credentials = read_credentials(folder)
    authorization = credentials.authorization if credentials else None
    answer = get_response(address, READY, authorization=authorization)
    if answer is None or answer[0] != http.client.OK:
        text = f"http://{address} refuses the password in {folder}"
        return CheckResult(name, CheckVerdict.TROUBLE, text, "restart 'stretto up'")
    if name == "prometheus":
        return _check_scraping(address, authorization)
    return CheckResult(name, CheckVerdict.FINE, f"http://{address}")


def _check_scraping(address: str, authorization: str | None) -> CheckResult:
    """Return whether Prometheus scrapes stretto: a running server may scrape other targets only."""
    path = "/api/v1/query?query=up%7Bjob%3D%22stretto%22%7D"
    answer = get_response(address, path, authorization=authorization)
    try:
        result: list[dict[str, Any]] = json.loads(answer[1])["data"]["result"] if answer else []
    except (ValueError, KeyError, TypeError):
        result = []
    if not result:
        return CheckResult(
            "prometheus",
            CheckVerdict.NOTE,
            f"http://{address} has not scraped stretto yet",
            "look again in ten seconds",
        )
    if any(row["value"][1] == "1" for row in result):
        return CheckResult("prometheus", CheckVerdict.FINE, f"http://{address}, scraping stretto")
    return CheckResult(
        "prometheus",
        CheckVerdict.TROUBLE,
        f"http://{address} does not get an answer from stretto",
        "look at its /targets",
    )


def _check_receivers(config: Config) -> CheckResult:
    """Return whether alerts reach anything but the service, which cannot report its own failure."""
    remedy = "add a receiver for stretto-critical in receivers.yml: stretto receivers shows how"
    if config.receivers is None:
        return CheckResult(
            "receivers",
            CheckVerdict.NOTE,
            "alerts go to the page only, and are lost while the service is down",
            remedy,
        )
    try:
        receivers = read_receivers(config.receivers)
        check_receivers(receivers)
    except StrettoError as error:
        return CheckResult("receivers", CheckVerdict.TROUBLE, error.to_line(), error.hint)
    ways = "; ".join(f"{name}: {', '.join(kinds)}" for name, kinds in receivers.kinds.items())
    if "stretto-critical" not in receivers.kinds:
        return CheckResult("receivers", CheckVerdict.NOTE, f"{ways}; StrettoDown reaches nobody", remedy)
    return CheckResult("receivers", CheckVerdict.FINE, ways)


def _check_spans(context: CommandContext) -> CheckResult:
    sender = build_sender(context.environ)
    sender.close(timeout=0.0)
    if sender.problem:
        return CheckResult(
            "spans", CheckVerdict.TROUBLE, sender.problem, "correct the OTEL_EXPORTER_OTLP_* variables"
        )
    if isinstance(sender, NullSender):
        return CheckResult(
            "spans", CheckVerdict.FINE, "off: no OTLP endpoint is set (OTEL_EXPORTER_OTLP_ENDPOINT)"
        )
    names = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
    endpoint = next(context.environ[name] for name in names if context.environ.get(name))
    # Credentials in an address must not appear on the screen.
    return CheckResult("spans", CheckVerdict.FINE, f"finished sessions go to {endpoint.rpartition('@')[2]}")


def _check_hub(config: Config) -> Iterator[CheckResult]:
    """Yield how shipping to the team's hub stands, if the machine is enrolled at one."""
    try:
        enrolment = find_hub_settings(config)
        connection = None if enrolment is None else open_reader(config.database)
    except StoreError:
        # Reported as the store's.
        return
    except StrettoError as error:
        yield CheckResult("hub", CheckVerdict.TROUBLE, error.to_line(), error.hint)
        return
    if enrolment is None or connection is None:
        return
    with closing(connection):
        counts = count_shipping(connection, open_before=read_wall_clock() - OPEN_AGE)
    text = f"{enrolment.hub_url} has {counts.shipped} session(s), {counts.pending} wait"
    if counts.refused:
        refused = f"{text}, {counts.refused} refused"
        yield CheckResult("hub", CheckVerdict.TROUBLE, refused, "stretto ship --status tells why")
    else:
        yield CheckResult("hub", CheckVerdict.FINE, text)
