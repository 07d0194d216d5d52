"""``stretto profile``: measure a command over several runs, alone or beside another version of it."""

from __future__ import annotations

import argparse
import json
import os
import shlex
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any

from stretto.cli.command_context import CommandContext
from stretto.cli.command_measurement_texts import (
    format_classes,
    format_comparison,
    format_profile,
    render_page,
)
from stretto.clock import SECOND
from stretto.config.configuration import Config
from stretto.errors import UsageError
from stretto.gates import gate_texts
from stretto.gates.benchmark_measurements import (
    BenchMachine,
    MeasurementError,
    Measurements,
    describe_machine,
    time_reference_loop,
    to_document,
    write_baseline,
)
from stretto.gates.gate_verdict import GateRules, judge_measurements
from stretto.gates.read_benchmark_reports import read_report
from stretto.gates.repeated_command_runs import run_interleaved, to_measurements
from stretto.gates.session_size_classes import SessionLoad, classify_sessions
from stretto.model.event import Outcome
from stretto.names import NONE
from stretto.service.configured_ingest import create_ingest
from stretto.store import session_queries
from stretto.store.database import open_reader, open_writer

MOST_SESSIONS = 2_000
LAST = "last"
RULES = GateRules()


def run_profile(context: CommandContext, options: argparse.Namespace) -> int:
    """Measure a command; with ``--versus`` beside another one, with ``--sessions`` show workload classes."""
    if options.sessions:
        return _show_classes(context)
    command = options.command[1:] if options.command[:1] == ["--"] else options.command
    if not command:
        raise UsageError("no command is given", hint="stretto profile -n 10 -- COMMAND")
    if options.runs < 1 or options.warm_up < 0:
        raise UsageError("-n must be at least 1 and --warm-up at least 0")
    commands = [command] + ([shlex.split(options.versus)] if options.versus else [])
    runs = run_interleaved(
        commands,
        options.runs,
        warm_up=options.warm_up,
        environ=context.environ,
        read_components=lambda folder: _read_components(context.config, folder),
        random=Random(),  # noqa: S311  # the order of runs is no secret
    )
    profiles = [_add_machine(to_measurements(each)) for each in runs]
    write_baseline(_find_profile(context, LAST), profiles[0])
    document: dict[str, Any] = {"command": command, **to_document(profiles[0])}
    text = format_profile(profiles[0])
    code = 0
    if options.versus:
        comparison, document["versus"], code = _compare(profiles[0], profiles[1], options.versus)
        text += "\n\n" + comparison
    if options.html:
        Path(options.html).write_text(render_page(" ".join(command), profiles, text), encoding="utf-8")
    context.print_answer(document, text)
    return code


def save_last_profile(context: CommandContext, options: argparse.Namespace) -> int:
    """Save the last profile under a name."""
    profile = _load_profile(context, LAST)
    if options.name == LAST:
        raise UsageError(f"{LAST!r} is the last profile itself", hint="choose another name")
    write_baseline(_find_profile(context, options.name), profile)
    context.print_answer(
        {"name": options.name, **to_document(profile)}, f"the last profile is saved as {options.name}"
    )
    return 0


def compare_last_profile(context: CommandContext, options: argparse.Namespace) -> int:
    """Compare the last profile with a saved one; return 1 if it is slower or uses more, 4 if data lack."""
    saved = _load_profile(context, options.name)
    text, document, code = _compare(_load_profile(context, LAST), saved, options.name)
    context.print_answer(document, text)
    return code


def _compare(new: Measurements, old: Measurements, name: str) -> tuple[str, dict[str, Any], int]:
    verdict = judge_measurements(new, old, RULES, is_two_sided=True)
    return format_comparison(verdict, RULES, name), gate_texts.to_document(verdict, name), verdict.exit_code


def _add_machine(profile: Measurements) -> Measurements:
    machine = BenchMachine(describe_machine(), time_reference_loop())
    return Measurements(profile.runs, machine, profile.source)


def _find_profile(context: CommandContext, name: str) -> Path:
    return context.config.state / "profiles" / f"{name.replace(os.sep, '_')}.json"


def _load_profile(context: CommandContext, name: str) -> Measurements:
    path = _find_profile(context, name)
    if not path.exists():
        hint = "stretto profile -- COMMAND" if name == LAST else f"stretto baseline save {name}"
        raise MeasurementError(f"there is no profile {name}", where=str(path), hint=hint)
    return read_report(path)


def _read_components(config: Config, folder: Path) -> Mapping[str, float]:
    """Return the seconds by component that a run's journal has: tasks, tool calls, model calls and phases."""
    if not (folder / "journal").exists():
        return {}
    seconds: dict[str, float] = {}
    with closing(open_writer(folder / "stretto.db")) as connection:
        for _ in create_ingest(config, connection).catch_up(folder / "journal"):
            pass
        for row in session_queries.list_sessions(connection):
            session = session_queries.read_session(connection, row.id, config.task_types.classify)
            if session is None:
                continue
            parts = [
                *((f"task {task.task_type}", task.start, task.end) for task in session.tasks),
                *((f"tool {call.tool}", call.start, call.end) for call in session.tool_calls),
                *((f"phase {phase.name}", phase.start, phase.end) for phase in session.phases),
            ]
            for call in session.model_calls:
                name = f"model {call.model}"
                seconds[name] = seconds.get(name, 0.0) + (call.duration or 0) / SECOND
            for name, start, end in parts:
                if start is not None and end is not None:
                    seconds[name] = seconds.get(name, 0.0) + (end - start) / SECOND
    return seconds


def _show_classes(context: CommandContext) -> int:
    """Show the stored sessions by pattern and size."""
    loads = []
    with closing(open_reader(context.config.database)) as connection:
        for row in session_queries.list_sessions(connection, limit=MOST_SESSIONS):
            if row.outcome is Outcome.RUNNING or row.recording or not row.tasks:
                continue
            session = session_queries.read_session(connection, row.id, context.config.task_types.classify)
            intervals = [task.interval for task in session.tasks if task.interval] if session else []
            if intervals:
                begin = min(interval.start for interval in intervals)
                end = max(interval.end for interval in intervals)
                work = sum(interval.length for interval in intervals) / SECOND
                loads.append(SessionLoad(row.pattern or NONE, row.tasks, (end - begin) / SECOND, work))
    classes = classify_sessions(loads)
    document = [
        {
            "pattern": each.pattern,
            "size": each.size,
            "sessions": each.sessions,
            "tasks": list(each.tasks),
            "median_seconds": each.median_seconds,
            "p90_seconds": each.p90_seconds,
            "median_work_seconds": each.median_work_seconds,
        }
        for each in classes
    ]
    context.print_answer(json.loads(json.dumps({"classes": document})), format_classes(classes))
    return 0
