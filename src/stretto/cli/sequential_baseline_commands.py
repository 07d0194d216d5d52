"""``stretto baseline``: list, record, set and forget the baselines that parallel work is compared with."""

from __future__ import annotations

import argparse
import difflib
from contextlib import closing
from dataclasses import replace

from stretto.cli import text_tables
from stretto.cli.command_context import CommandContext
from stretto.cli.session_commands import UNKNOWN_SESSION, explain_no_match, match_sessions
from stretto.cli.time_args import parse_duration_ns
from stretto.clock import SECOND, read_wall_clock, to_rfc3339
from stretto.errors import UsageError
from stretto.figures.fanouts import SequentialRun, find_sequential_runs, find_tasks_without_overlap
from stretto.figures.sequential_baseline_choice import DeclaredLength, RecordedBaseline
from stretto.model.entities import Session
from stretto.model.event import Outcome
from stretto.model.task_type import to_label_value
from stretto.names import NONE
from stretto.store import declared_baseline_file as baselines
from stretto.store import session_queries
from stretto.store.database import open_reader
from stretto.summaries import baseline_catalog


def list_baselines(context: CommandContext, options: argparse.Namespace) -> int:  # noqa: ARG001  # every command takes both
    """List every known baseline, and the baseline of each kind of parallel work."""
    config, now = context.config, read_wall_clock()
    declared = baselines.load_declared_baselines(config.state)
    with closing(open_reader(config.database)) as connection:
        catalog = baseline_catalog.read_catalog(connection, config.hours, declared, now)
    context.print_answer(
        baseline_catalog.build_catalog_document(catalog, now), text_tables.format_baselines(catalog, now)
    )
    return 0


def record_sequential_runs_as_baseline(context: CommandContext, options: argparse.Namespace) -> int:
    """Record the sequential runs of a session, or the session as a whole, as a baseline."""
    config = context.config
    with closing(open_reader(config.database)) as connection:
        ids = match_sessions(connection, options.session)
        session = None
        if len(ids) == 1:
            session = session_queries.read_session(connection, ids[0], config.task_types.classify)
    if session is None:
        context.print_note(explain_no_match(options.session, ids))
        return UNKNOWN_SESSION
    name = options.name or session.id
    declared = baselines.load_declared_baselines(config.state)
    if not name.strip() or name in declared.set:
        raise UsageError(
            f"{name!r} cannot be the name", hint="choose a name that is not a task type with a set duration"
        )
    replaced = any(other.name == name for other in declared.recorded)
    recorded = _record_whole(session, name) if options.whole else _record_runs(session, name)
    baselines.save_declared_baselines(
        config.state, baselines.with_recorded_baseline(declared, replace(recorded, at=read_wall_clock()))
    )
    document = {
        "name": name,
        "session": session.id,
        "pattern": session.pattern,
        "whole": recorded.whole,
        "task_types": [sorted(run) for run in recorded.runs],
        "runs": len(recorded.runs),
        "replaced": replaced,
    }
    scope = "any mix of its task types" if recorded.whole else "parallel work of the same task types"
    context.print_answer(
        document,
        f"{name}: {len(recorded.runs)} run(s) recorded, for {scope} in pattern {recorded.pattern}"
        + (", replacing the baseline of that name" if replaced else ""),
    )
    return 0


def set_length(context: CommandContext, options: argparse.Namespace) -> int:
    """Set the sequential duration of the tasks of a type."""
    config = context.config
    task_type, length = to_label_value(options.task_type), parse_duration_ns(options.length)
    if not task_type:
        raise UsageError("a task type needs a letter or a digit in its name")
    declared = baselines.load_declared_baselines(config.state)
    if any(other.name == task_type for other in declared.recorded):
        raise UsageError(
            f"a recorded baseline is called {task_type!r}", hint=f"stretto baseline forget {task_type}"
        )
    if task_type not in config.task_types.by_name:
        similar = difflib.get_close_matches(task_type, config.task_types.by_name, n=1)
        suggestion = f"; did you mean {similar[0]!r}?" if similar else ""
        context.print_note(f"note: no task type is configured as {task_type!r}{suggestion}")
    baselines.save_declared_baselines(
        config.state,
        baselines.with_set_length(declared, task_type, DeclaredLength(length, read_wall_clock())),
    )
    context.print_answer(
        {"task_type": task_type, "seconds": length / SECOND},
        f"{task_type}: {text_tables.format_nanoseconds(length)} each, as set",
    )
    return 0


def forget_baseline(context: CommandContext, options: argparse.Namespace) -> int:
    """Remove the recorded or set baseline of a name; measured and configured baselines stay."""
    config = context.config
    declared = baselines.load_declared_baselines(config.state)
    recorded = {baseline.name for baseline in declared.recorded}
    name = options.name if options.name in recorded else to_label_value(options.name)
    remaining = baselines.drop_declared_baseline(declared, name)
    if remaining == declared:
        known = ", ".join([*sorted(recorded), *declared.set])
        raise UsageError(
            f"no baseline is recorded or set as {options.name!r}",
            hint=f"known: {known}"
            if known
            else "none is recorded or set; 'stretto baseline list' shows the others",
        )
    baselines.save_declared_baselines(config.state, remaining)
    context.print_answer({"forgotten": name, "at": to_rfc3339(read_wall_clock())}, f"{name}: forgotten")
    return 0


def _record_runs(session: Session, name: str) -> RecordedBaseline:
    runs = find_sequential_runs(session.tasks)
    if not runs:
        raise UsageError(
            f"session {session.id} ran no two successful tasks one after another",
            hint="--whole uses every task that ran alone, even a single task",
        )
    return _build_recorded(session, name, runs)


def _record_whole(session: Session, name: str) -> RecordedBaseline:
    lone_tasks = [
        task for task in find_tasks_without_overlap(session.tasks) if task.outcome is Outcome.SUCCESS
    ]
    if not lone_tasks:
        raise UsageError(f"session {session.id} has no successful task that ran alone")
    return replace(_build_recorded(session, name, (SequentialRun(tuple(lone_tasks)),)), whole=True)


def _build_recorded(session: Session, name: str, runs: tuple[SequentialRun, ...]) -> RecordedBaseline:
    return RecordedBaseline(
        name=name,
        session=session.id,
        pattern=session.pattern or NONE,
        runs=tuple(run.lengths for run in runs),
        newest=max(run.end for run in runs),
        at=0,
    )
