"""The table's rows about change that go the whole way: scenarios are written to a journal and analysed there.

Other rows about change call the analyses with series. Here the same runs pass through events, the store and
the process' entry point, day by day; the verdicts must be the same.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from stretto.analysis.performance_regressions import judge_changes
from stretto.analysis.series_of_run_values import make_all_task_value_series
from stretto.clock import DAY, SECOND
from stretto.model.event import Outcome
from stretto.model.findings import Finding, FindingVerdict
from stretto.model.run_rows_for_analyses import TaskRun
from tests.detectors.change_rows import MOST_FALSE, SHORT, WITHIN_7
from tests.detectors.journaled_store import ask_analyses
from tests.detectors.rows import Row, make_exact, make_frequency, make_rate
from tests.detectors.run_events import AGENT, draw_tasks_as_events
from tests.detectors.scenarios import SCENARIOS, TYPICAL, draw_logs
from tests.fakes import store
from tests.scenes import BEGIN, at

ANSWER = "A"
FACTOR = 1.5
PER_DAY = 20
STEP = 4_000
"""Seconds from the start of a task to that of the next: none overlaps, so that there is no parallel work."""


@dataclass(frozen=True, slots=True)
class JournalPlan:
    """How much is drawn of a scenario: types of tasks, days before the change, and days that are judged."""

    unchanged: int
    changed: int
    warm_days: int
    judged_days: Sequence[int]
    """Days after the change at whose end the store is analysed, ascending."""

    @property
    def days(self) -> int:
        """Days that are drawn."""
        return self.warm_days + max(self.judged_days)

    @property
    def types(self) -> dict[str, int | None]:
        """Type of tasks → the day from which on it is slower, or None."""
        return dict.fromkeys(f"unchanged{n}" for n in range(self.unchanged)) | dict.fromkeys(
            (f"changed{n}" for n in range(self.changed)), self.warm_days
        )


LONG = JournalPlan(unchanged=8, changed=4, warm_days=60, judged_days=tuple(range(4, 29, 4)))
SHORT_PLAN = JournalPlan(unchanged=2, changed=1, warm_days=30, judged_days=(8,))


def measure_journals(*, long: bool) -> Iterator[Row]:
    """Yield for each scenario whether verdicts are the same; if long, what is raised and found too."""
    plan = LONG if long else SHORT_PLAN
    for scenario in SCENARIOS if long else SHORT:
        with TemporaryDirectory() as folder:
            verdicts = judge_journals(scenario, plan, Path(folder))
        label = f"({scenario}) {PER_DAY} a day, through journals:"
        same = sum(stored == drawn for stored, drawn in verdicts)
        yield make_exact(
            ANSWER, f"{label} days with the verdicts of the drawn runs", same / len(verdicts),
            at_least=1.0, cases=f"{same} of {len(verdicts)} days, {len(plan.types)} types",
        )  # fmt: skip
        if not long:
            # A type or two are no rate: the short form compares verdicts only.
            continue
        raised = [
            {name for name, verdict in stored.items() if verdict == "regression"} for stored, _ in verdicts
        ]
        unchanged = [{name for name in names if plan.types[name] is None} for names in raised]
        begun = sum(len(now - before) for before, now in zip([set(), *unchanged], unchanged, strict=False))
        yield make_frequency(
            ANSWER, f"{label} false episodes a series-month", begun, plan.unchanged,
            at_most=MOST_FALSE[scenario], unit="series-months",
        )  # fmt: skip
        found = set().union(
            *(names for day, names in zip(plan.judged_days, raised, strict=True) if day <= 8)
        ) - unchanged_types(plan)
        yield make_rate(
            ANSWER, f"{label} +50 % found within 8 days", len(found), plan.changed,
            at_least=WITHIN_7.get(scenario),
        )  # fmt: skip


def unchanged_types(plan: JournalPlan) -> set[str]:
    """Return the types of which no task is slower."""
    return {name for name, since in plan.types.items() if since is None}


def judge_journals(
    scenario: str, plan: JournalPlan, folder: Path
) -> list[tuple[dict[str, str], dict[str, str]]]:
    """Return for each judged day the verdicts by type: from the store, and from the drawn runs."""
    runs = draw_runs(scenario, plan)
    with store(folder) as opened:
        for day in range(plan.days):
            of_day = [run for run in runs if run.start // DAY == BEGIN // DAY + day]
            opened.take(draw_tasks_as_events(of_day), file=f"day-{day:03}.jsonl")
    verdicts = []
    for judged in plan.judged_days:
        instant = BEGIN + (plan.warm_days + judged) * DAY
        (reply,) = ask_analyses(folder, instant, "changes")
        known = [run for run in runs if run.start + (run.length or 0) <= instant]
        verdicts.append(
            (
                list_verdicts(reply.findings),
                list_verdicts(judge_changes(make_all_task_value_series(known), instant)),
            )
        )
    return verdicts


def draw_runs(scenario: str, plan: JournalPlan) -> list[TaskRun]:
    """Return the runs of every type, by start; a session is the tasks of a type on a day."""
    runs = []
    for number, (name, since) in enumerate(plan.types.items()):
        rng = np.random.default_rng([number, ord(scenario), 77])
        logs = draw_logs(scenario, rng, plan.days, PER_DAY, factor=FACTOR, since=since)
        for place, log in enumerate(logs.tolist()):
            day, order = divmod(place, PER_DAY)
            start = at(day * DAY // SECOND + 600 + order * STEP)
            length = min(round(TYPICAL * math.exp(log)), (STEP - 1) * SECOND)
            runs.append(
                TaskRun(f"{name}-{day}", f"{name}.{place}", start, length, Outcome.SUCCESS, name, AGENT)
            )
    return sorted(runs, key=lambda run: run.start)


def list_verdicts(findings: Sequence[Finding]) -> dict[str, str]:
    """Return the verdict about the lengths of each type."""
    return {
        finding.subject["type"]: FindingVerdict(finding.verdict).value
        for finding in findings
        if finding.kind == "task_length"
    }
