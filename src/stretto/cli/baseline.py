"""``stretto baseline``: what parallel work is held against, and a person's own word on it."""

from __future__ import annotations

import argparse
import difflib
from contextlib import closing
from dataclasses import replace

from stretto.cli import text_tables
from stretto.cli.command_context import CommandContext
from stretto.cli.store_commands import UNKNOWN_SESSION, explain_no_match, match_sessions
from stretto.cli.time_args import parse_duration
from stretto.clock import SECOND, read_wall_clock, to_rfc3339
from stretto.errors import UsageError
from stretto.figures.baselines import RecordedBaseline, SetLength
from stretto.figures.fanouts import SequentialRun, find_lone_tasks, find_sequential_runs
from stretto.model.entities import Session
from stretto.model.event import Outcome
from stretto.model.task_type import normalise_name
from stretto.names import NONE
from stretto.store import declared_baselines as baselines
from stretto.store import queries
from stretto.store.database import open_reader
from stretto.summaries import baseline_catalog as known_baselines


def list_baselines(context: CommandContext, options: argparse.Namespace) -> int:  # noqa: ARG001  # every verb takes both
    """List every baseline that is known, and what is held against which."""
    config, now = context.config, read_wall_clock()
    declared = baselines.load_declared(config.state)
    with closing(open_reader(config.database)) as connection:
        known = known_baselines.read_catalog(connection, config.hours, declared)
    context.print_answer(
        known_baselines.build_catalog_document(known, now), text_tables.format_baselines(known, now)
    )
    return 0


def record_baseline(context: CommandContext, options: argparse.Namespace) -> int:
    """Pin the sequential runs of a session, or the session as a whole."""
    config = context.config
    with closing(open_reader(config.database)) as connection:
        found = match_sessions(connection, options.session)
        session = None
        if len(found) == 1:
            session = queries.read_session(connection, found[0], config.task_types.classify)
    if session is None:
        context.print_note(explain_no_match(options.session, found))
        return UNKNOWN_SESSION
    name = options.name or session.id
    declared = baselines.load_declared(config.state)
    if not name.strip() or name in declared.set:
        raise UsageError(f"{name!r} cannot be the name", hint="choose another, not a task type with a length")
    replaced = any(known.name == name for known in declared.recorded)
    recorded = _record_whole(session, name) if options.whole else _record_runs(session, name)
    baselines.save_declared(
        config.state, baselines.with_recorded(declared, replace(recorded, at=read_wall_clock()))
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
    what = "any mix of its task types" if recorded.whole else "parallel work of the same task types"
    context.print_answer(
        document,
        f"{name}: {len(recorded.runs)} run(s) recorded, for {what} in pattern {recorded.pattern}"
        + (", in place of what had that name" if replaced else ""),
    )
    return 0


def set_length(context: CommandContext, options: argparse.Namespace) -> int:
    """Set how long tasks of one type take one after another."""
    config = context.config
    task_type, length = normalise_name(options.task_type), parse_duration(options.length)
    if not task_type:
        raise UsageError("a task type needs a letter or a digit in its name")
    declared = baselines.load_declared(config.state)
    if any(known.name == task_type for known in declared.recorded):
        raise UsageError(
            f"a recorded baseline is called {task_type!r}", hint=f"stretto baseline forget {task_type}"
        )
    if task_type not in config.task_types.by_name:
        near = difflib.get_close_matches(task_type, config.task_types.by_name, n=1)
        meant = f"; did you mean {near[0]!r}?" if near else ""
        context.print_note(f"note: no task type is configured as {task_type!r}{meant}")
    baselines.save_declared(
        config.state, baselines.with_length(declared, task_type, SetLength(length, read_wall_clock()))
    )
    context.print_answer(
        {"task_type": task_type, "seconds": length / SECOND},
        f"{task_type}: {text_tables.format_nanoseconds(length)} each, as set",
    )
    return 0


def forget_baseline(context: CommandContext, options: argparse.Namespace) -> int:
    """Forget what bears a name; measured runs and configured hours are not forgotten here."""
    config = context.config
    declared = baselines.load_declared(config.state)
    recorded = {found.name for found in declared.recorded}
    name = options.name if options.name in recorded else normalise_name(options.name)
    left = baselines.remove_declared(declared, name)
    if left == declared:
        known = ", ".join([*sorted(recorded), *declared.set])
        raise UsageError(
            f"no baseline is recorded or set as {options.name!r}",
            hint=f"known: {known}" if known else "none is; 'stretto baseline list' shows the others",
        )
    baselines.save_declared(config.state, left)
    context.print_answer({"forgotten": name, "at": to_rfc3339(read_wall_clock())}, f"{name}: forgotten")
    return 0


def _record_runs(session: Session, name: str) -> RecordedBaseline:
    runs = find_sequential_runs(session.tasks)
    if not runs:
        raise UsageError(
            f"session {session.id} ran no two successful tasks one after another",
            hint="--whole takes every task that ran alone, be it a single one",
        )
    return _build_recorded(session, name, runs)


def _record_whole(session: Session, name: str) -> RecordedBaseline:
    by_itself = [task for task in find_lone_tasks(session.tasks) if task.outcome is Outcome.SUCCESS]
    if not by_itself:
        raise UsageError(f"session {session.id} has no successful task that ran alone")
    return replace(_build_recorded(session, name, (SequentialRun(tuple(by_itself)),)), whole=True)


def _build_recorded(session: Session, name: str, runs: tuple[SequentialRun, ...]) -> RecordedBaseline:
    return RecordedBaseline(
        name=name,
        session=session.id,
        pattern=session.pattern or NONE,
        runs=tuple(run.lengths for run in runs),
        newest=max(run.end for run in runs),
        at=0,
    )
