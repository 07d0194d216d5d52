"""The table's rows of trends, lateness, forecasts and expected lengths that go through a journal.

Tasks are drawn, written as events, taken into a store, and read and judged by the process' entry point. The
answers must be those that the same analyses give of the drawn runs, and must show what was planted.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from stretto.clock import DAY, SECOND
from stretto.figures.overdue_limits_and_time_left import find_overdue_limit
from stretto.findings.analysis_input_and_answer import AnalysisInput
from stretto.findings.analysis_table import ANALYSES, TRENDS
from stretto.model.event import Outcome
from stretto.model.findings import Finding
from stretto.model.run_rows_for_analyses import TaskRun
from stretto.summaries.running_tasks import HISTORY_DAYS, read_successful_task_lengths
from tests.detectors.journaled_store import ask_analyses
from tests.detectors.other_rows import WEEKDAYS
from tests.detectors.rows import Row, make_exact, make_rate
from tests.detectors.run_events import draw_tasks_as_events
from tests.detectors.scenarios import TYPICAL, Floats, draw_logs
from tests.fakes import store
from tests.scenes import BEGIN

PER_DAY = 20
STEP = DAY // PER_DAY
RISE = 1.5
"""Change of the type ``rising`` in 30 days."""

SLOW_RISE, SLOW_DAYS, SLOW_STORES = 1.1, 90, 20
"""Change in 30 days that takes so many days to be found, and the stores in which it is planted."""

NEAR = 1e-4
"""Share by which numbers may differ: events have times to some nanoseconds, which move a fit by 1e-5."""

LATE_TASKS = 6
LATE_FACTOR = 8
"""So many tasks of the last day of the type ``late`` take so many times as long."""

ANSWER_OF = {"trends": "B", "slow_times": "B", "unusual": "C", "outlooks": "D", "lengths": "K"}
"""Analysis of the table → the answer that it gives."""

NAMES = {
    "B": "trends and calendars",
    "C": "counts of unusually long tasks",
    "D": "forecasts",
    "K": "expected lengths",
}

PLANTED = {
    "+50 % a month found": ("B", "task_length_trend", "rising"),
    "daily cycle of 25 % found": ("B", "slow_hours", "daily"),
    f"{LATE_TASKS} tasks {LATE_FACTOR} times as long are too many": ("C", "unusual_runs", "late"),
}
"""What is planted → the answer, the kind and the type of the finding that must show it."""


@dataclass(slots=True)
class AnswerCounts:
    """How many answers of some stores are those of the drawn runs, and how much that was planted is shown."""

    same: Counter[str] = field(default_factory=Counter)
    findings: Counter[str] = field(default_factory=Counter)
    shown: Counter[str] = field(default_factory=Counter)
    same_limits: int = 0
    limits: int = 0


def measure_journal_answers(*, long: bool) -> Iterator[Row]:
    """Yield for B, C, D and K whether findings are those of the drawn runs, and show what was planted."""
    stores = 4 if long else 1
    counts = AnswerCounts()
    for seed in range(stores):
        with TemporaryDirectory() as folder:
            compare_answers(draw_tasks(seed, 90 if long else 40), Path(folder), counts)
    for answer, name in NAMES.items():
        same, findings = counts.same[answer], counts.findings[answer]
        yield make_exact(
            answer, f"{name} through journals: findings of the drawn runs", same / findings,
            at_least=1.0, cases=f"{same} of {findings} findings, {stores} stores",
        )  # fmt: skip
    yield make_exact(
        "C", "limits of running tasks through journals: those of the drawn runs",
        counts.same_limits / counts.limits, at_least=1.0, cases=f"{counts.same_limits} of {counts.limits}",
    )  # fmt: skip
    if long:
        for name, (answer, _, _) in PLANTED.items():
            yield make_rate(answer, f"through journals: {name}", counts.shown[name], stores, at_least=0.95)
        yield from measure_slow_rises()


def measure_slow_rises() -> Iterator[Row]:
    """Yield how often tasks that rise by a tenth a month are found to after 90 days, and others to change."""
    shown: Counter[str] = Counter()
    for seed in range(SLOW_STORES):
        rng = np.random.default_rng([seed, 44])
        steady, rising = (draw_logs("a", rng, SLOW_DAYS, PER_DAY) for _ in range(2))
        rising += math.log(SLOW_RISE) / 30 * np.repeat(np.arange(SLOW_DAYS), PER_DAY)
        runs = [*make_runs("steady", steady), *make_runs("rising", rising)]
        with TemporaryDirectory() as folder, store(Path(folder)) as opened:
            opened.take(draw_tasks_as_events(runs))
            (reply,) = ask_analyses(Path(folder), BEGIN + SLOW_DAYS * DAY + 60 * SECOND, TRENDS)
        shown.update(
            finding.subject["type"]
            for finding in reply.findings
            if finding.kind == "task_length_trend" and finding.advice
        )
    yield make_rate(
        "B", f"through journals: +10 % a month found in {SLOW_DAYS} days", shown["rising"], SLOW_STORES,
        at_least=0.95,
    )  # fmt: skip
    yield make_rate(
        "B", "through journals: false trends beside it", shown["steady"], SLOW_STORES, at_most=0.09
    )


def draw_tasks(seed: int, days: int) -> list[TaskRun]:
    """Return tasks of four types: one rises, one has a daily cycle, one a weekly, one is late at last."""
    rng = np.random.default_rng([seed, 40])
    day_numbers = np.repeat(np.arange(days), PER_DAY)
    late = draw_logs("a", rng, days, PER_DAY)
    late[rng.choice(PER_DAY, LATE_TASKS, replace=False) + (days - 1) * PER_DAY] += math.log(LATE_FACTOR)
    logs = {
        "rising": draw_logs("a", rng, days, PER_DAY) + math.log(RISE) / 30 * day_numbers,
        "daily": draw_logs("g", rng, days, PER_DAY),
        "weekly": draw_logs("a", rng, days, PER_DAY) + WEEKDAYS[day_numbers % 7],
        "late": late,
    }
    return [run for type_, values in logs.items() for run in make_runs(type_, values)]


def make_runs(type_: str, logs: Floats) -> Iterator[TaskRun]:
    """Yield tasks that follow one another; the tasks of a day are a session."""
    for place, log in enumerate(logs.tolist()):
        length = min(round(TYPICAL * math.exp(log)), STEP - SECOND)
        yield TaskRun(
            f"{type_}-{place // PER_DAY}", f"{type_}.{place}", BEGIN + place * STEP, length,
            Outcome.SUCCESS, type_, "worker",
        )  # fmt: skip


def compare_answers(runs: Sequence[TaskRun], folder: Path, counts: AnswerCounts) -> None:
    """Count how the answers of a store compare with those of the runs that it was drawn from."""
    # A minute after the last session is over: it ends a second after its last task.
    instant = max(run.start for run in runs) // DAY * DAY + DAY + 60 * SECOND
    with store(folder) as opened:
        opened.take(draw_tasks_as_events(runs))
        lengths = read_successful_task_lengths(opened.connection, instant)
    drawn = AnalysisInput(instant, sorted(runs, key=lambda run: (run.start, run.session)), ())
    analyses = {analysis.name: analysis for analysis in ANALYSES}
    for reply in ask_analyses(folder, instant, *ANSWER_OF):
        answer = ANSWER_OF[reply.name]
        stored = {make_key(finding): finding for finding in reply.findings}
        for finding in analyses[reply.name].run(drawn).findings:
            counts.findings[answer] += 1
            counts.same[answer] += is_same(stored.get(make_key(finding)), finding)
        for name, (_, kind, type_) in PLANTED.items():
            counts.shown[name] += bool((shown := stored.get((kind, type_))) and shown.advice)
    for type_ in {run.type for run in runs}:
        since = instant - HISTORY_DAYS * DAY
        known = sorted(run.length or 0 for run in runs if run.type == type_ and run.start >= since)
        counts.limits += 1
        counts.same_limits += find_overdue_limit(known) == find_overdue_limit(lengths[None, type_])


def make_key(finding: Finding) -> tuple[str, str]:
    """Return the kind and the subject of a finding as text: of a type alone, the type."""
    return finding.kind, ", ".join(value for _, value in sorted(finding.subject.items()))


def is_same(stored: Finding | None, drawn: Finding) -> bool:
    """Return whether two findings say the same."""
    if stored is None or stored.verdict is not drawn.verdict:
        return False
    numbers = [
        (getattr(stored.evidence, name), getattr(drawn.evidence, name)) for name in ("effect", "low", "high")
    ]
    return all(
        (left is None and right is None)
        or (left is not None and right is not None and math.isclose(left, right, rel_tol=NEAR, abs_tol=1e-9))
        for left, right in numbers
    )
