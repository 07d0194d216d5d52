"""``stretto gate``: compare benchmark reports with a baseline, and fail if something has become slower."""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys
from collections.abc import Mapping
from contextlib import closing
from hashlib import sha256
from json import dumps
from pathlib import Path
from statistics import median

from stretto.cli.command_context import CommandContext
from stretto.cli.load_and_save_gate_baselines import GATES, load_baseline, save_baseline
from stretto.cli.session_commands import match_sessions
from stretto.cli.time_args import parse_past_time
from stretto.clock import SECOND, read_wall_clock
from stretto.errors import UsageError
from stretto.gates import gate_texts, read_benchmark_reports
from stretto.gates.benchmark_measurements import (
    BenchMachine,
    MeasurementError,
    Measurements,
    describe_machine,
    merge_all,
    time_reference_loop,
    to_document,
)
from stretto.gates.gate_verdict import GateRules, GateVerdict, GateWord, judge_measurements
from stretto.model.event import Outcome
from stretto.store import session_queries
from stretto.store.database import open_reader

SESSION, PATTERN = "session:", "pattern:"
MOST_SESSIONS = 2_000


def run_gate(context: CommandContext, options: argparse.Namespace) -> int:
    """Judge the reports, or save them as a baseline; return 1 for a regression, 4 for too little data."""
    if not options.baseline and not options.save:
        raise UsageError(
            "nothing to do", hint="name a baseline: --baseline NAME to compare, --save NAME to save"
        )
    is_pooled = options.reports[0].startswith((SESSION, PATTERN))
    since = None
    if options.since is not None:
        since = parse_past_time(
            options.since, read_wall_clock(), "--since", "sessions of a pattern began in the past"
        )
    if since is not None and not any(name.startswith(PATTERN) for name in options.reports):
        raise UsageError("--since chooses among the sessions of a pattern", hint="give pattern:NAME")
    new = merge_all(_read_input(context, name, since) for name in options.reports)
    new = _add_machine(new, is_calibrated=options.calibrate)
    if not options.baseline:
        save_baseline(context, options.save, new, options.service)
        context.print_answer(to_document(new), f"{len(new.runs)} tests saved as baseline {options.save}")
        return 0
    rules = GateRules(
        threshold=1 + options.threshold / 100, level=options.level, effect=1 + options.effect / 100
    )
    if rules.effect <= rules.threshold:
        raise UsageError(
            "the effect to find must be above the threshold",
            cause=f"{options.effect:g} % and {options.threshold:g} %",
        )
    old = load_baseline(context, options.baseline, options.service)
    verdict = judge_measurements(new, old, rules, is_pooled=is_pooled)
    document = gate_texts.to_document(verdict, options.baseline)
    lines = gate_texts.to_lines(verdict, rules)
    if options.annotations or context.environ.get("GITHUB_ACTIONS") == "true":
        # The build server reads them from either stream; the answer stays whole.
        print("\n".join(gate_texts.to_annotations(verdict, rules)), file=sys.stderr)
    _write_files(context.environ, options, verdict, rules)
    context.print_answer(document, "\n".join(lines))
    if verdict.word is GateWord.REGRESSION and options.on_regression:
        _run_once(context, options.on_regression, document, new)
    if options.save and verdict.word is not GateWord.REGRESSION:
        save_baseline(context, options.save, new, options.service)
    return verdict.exit_code


def _read_input(context: CommandContext, name: str, since: int | None) -> Measurements:
    """Return the runs of a report, or the tasks of sessions of ours."""
    if name.startswith((SESSION, PATTERN)):
        return _read_sessions(context, name, since or 0)
    path = Path(name)
    if not path.exists():
        raise MeasurementError(
            "the report does not exist", where=name, hint="give a file, a folder, session:ID"
        )
    return read_benchmark_reports.read_reports(path)


def _read_sessions(context: CommandContext, name: str, since: int) -> Measurements:
    """Return the lengths of the tasks that succeeded, by task type; a session is a run of each type.

    Of a pattern only sessions count that began at ``since`` (ns) or later and are over.
    """
    config = context.config
    runs: dict[str, list[float]] = {}
    counts: dict[str, int] = {}
    with closing(open_reader(config.database)) as connection:
        if name.startswith(SESSION):
            ids = match_sessions(connection, name.removeprefix(SESSION))
            if len(ids) != 1:
                raise UsageError(f"{len(ids)} sessions match {name}", hint="stretto sessions lists them")
        else:
            pattern = name.removeprefix(PATTERN)
            rows = session_queries.list_sessions(connection, limit=MOST_SESSIONS)
            ids = [
                row.id
                for row in rows
                if row.pattern == pattern and row.start >= since and row.outcome is not Outcome.RUNNING
            ]
        for id in ids:
            session = session_queries.read_session(connection, id, config.task_types.classify)
            lengths: dict[str, list[float]] = {}
            for task in session.tasks if session is not None else ():
                if task.outcome is Outcome.SUCCESS and task.interval is not None:
                    lengths.setdefault(task.task_type, []).append(task.interval.length / SECOND)
            for task_type, seconds in lengths.items():
                # Tasks of a session share its machine, model and day: together they are one run.
                runs.setdefault(task_type, []).append(median(seconds))
                counts[task_type] = counts.get(task_type, 0) + len(seconds)
    if not runs:
        raise MeasurementError(
            "no task has succeeded there", where=name, hint="stretto sessions lists sessions"
        )
    return Measurements(
        {key: tuple(values) for key, values in runs.items()}, source="sessions", counts=counts
    )


def _add_machine(new: Measurements, *, is_calibrated: bool) -> Measurements:
    """Return the measurements with the machine that they are taken to come from, and its reference loop."""
    if new.source == "sessions":
        return new
    name = new.machine.name if new.machine is not None else describe_machine()
    known = new.machine.reference_seconds if new.machine is not None else None
    reference = time_reference_loop() if is_calibrated and known is None else known
    return Measurements(new.runs, BenchMachine(name, reference), new.source, new.counts)


def _write_files(
    environ: Mapping[str, str], options: argparse.Namespace, verdict: GateVerdict, rules: GateRules
) -> None:
    if options.junit:
        Path(options.junit).write_text(gate_texts.to_junit(verdict, rules), encoding="utf-8")
    summary = options.summary or environ.get("GITHUB_STEP_SUMMARY")
    if summary:
        with Path(summary).open("a", encoding="utf-8") as file:
            file.write(gate_texts.to_markdown(verdict, options.baseline))


def _run_once(
    context: CommandContext, command: str, document: Mapping[str, object], new: Measurements
) -> None:
    """Run the command for a regression, once for the same measurements and baseline.

    It gets the verdict on standard input and, by name, in STRETTO_GATE_VERDICT. A job that is repeated does
    not roll back twice. The mark is set before the command runs: if that fails, somebody has to look.
    """
    digest = sha256(
        dumps([command, document["baseline"], to_document(new)], sort_keys=True).encode()
    ).hexdigest()
    mark = context.config.state / GATES / "done" / digest[:32]
    mark.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        mark.touch(exist_ok=False)
    except FileExistsError:
        context.print_note("the command for a regression has run for these measurements before: not again")
        return
    text = dumps(document)
    variables = {**context.environ, "STRETTO_GATE_VERDICT": str(document["verdict"])}
    try:
        words = shlex.split(command)
        code = subprocess.run(words, input=text, text=True, env=variables, check=False).returncode  # noqa: S603  # the user's command
    except OSError as error:
        context.print_note(f"the command for a regression could not be run: {error}")
        return
    if code:
        context.print_note(f"the command for a regression ended with {code}")
