"""Conclude the experiments of a tenant that are over, and count the people of those that run once a week."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from stretto.clock import DAY, Clock
from stretto.fleet.session_document import TASK_ROWS, SessionDocument
from stretto.fleet.team_experiment_messages import TASK_SECONDS, ExperimentOrder
from stretto.hub.conclude_experiment import conclude_experiment, count_people_in_fives
from stretto.hub.engine import REREAD, Mark, SessionChange
from stretto.hub.engine_opening import HubDatabase
from stretto.hub.team_experiment import (
    ExperimentState,
    TeamExperiment,
    decode_team_experiment,
    make_stored_experiment,
)
from stretto.store.run_queries import make_session_run, make_task_run

if TYPE_CHECKING:
    from stretto.analysis.experiment_among_people import PersonRun
    from stretto.model.run_rows_for_analyses import SessionRun, TaskRun

WEEK = 7 * DAY

SESSION_ROWS = "session_runs"

_BATCH = 500
"""Changes that are read at once."""


def conclude_due_experiments(database: HubDatabase, tenant: str, clock: Clock) -> int:
    """Conclude the experiments of a tenant whose time is over, and count weekly; return how many changed.

    Raises AnalysisNotInstalledError if there is one to conclude and the analyses cannot run.
    """
    stored = database.list_experiments(tenant)
    experiments = [decode_team_experiment(each.document) for each in stored]
    changed = 0
    for place, before in enumerate(stored):
        experiment, now = experiments[place], clock()
        if experiment.state is not ExperimentState.RUNNING:
            continue
        weeks = (now - experiment.start) // WEEK
        if now >= experiment.due:
            runs = read_runs(database, tenant, experiment, until=experiment.due)
            others = [*experiments[:place], *experiments[place + 1 :]]
            newer = conclude_experiment(experiment, runs, others)
        elif weeks > experiment.weeks:
            runs = read_runs(database, tenant, experiment, until=experiment.start + weeks * WEEK)
            newer = count_people_in_fives(experiment, runs, weeks)
        else:
            continue
        row = make_stored_experiment(newer, max(clock(), before.at + 1))
        # Whoever withdrew it, or was faster, has the last word.
        if database.write_experiment(tenant, row, replaces=before.at):
            experiments[place] = newer
            changed += 1
    return changed


def read_runs(
    database: HubDatabase, tenant: str, experiment: TeamExperiment, *, until: int
) -> list[PersonRun]:
    """Return the runs of an experiment that arrived up to a time (ns), of owners who did not opt in.

    An owner of one name in two teams counts as one person.
    """
    from stretto.analysis.experiment_among_people import PersonRun  # noqa: PLC0415  # loads numpy
    from stretto.analysis.experiment_definition_and_plan import (  # noqa: PLC0415  # loads scipy
        ExperimentDefinition,
        ExperimentMetric,
    )
    from stretto.analysis.experiment_units import list_experiment_sessions  # noqa: PLC0415  # likewise

    opted_in = {
        token.owner for token in database.list_tokens(tenant) if token.opted_in and token.revoked is None
    }
    order = experiment.order
    sessions: list[SessionRun] = []
    tasks: list[TaskRun] = []
    person_of: dict[str, str] = {}
    for change in _list_arrivals(database, tenant, experiment, until):
        if change.stored is None or change.key.owner in opted_in:
            continue
        document = change.stored.document
        id = "\0".join((*_name_sender(change), f"{document.revision}"))
        person_of[id] = change.key.owner
        runs = [*_list_counted(document, id, experiment)]
        sessions += runs
        if runs:
            rows = document.rows.get(TASK_ROWS, ())
            tasks += [
                make_task_run(id, row) for row in rows if order.type is None or row.get("type") == order.type
            ]
    definition = ExperimentDefinition(
        name=order.name,
        metric=ExperimentMetric(order.metric),
        units=1,
        arms=order.arms,
        label=order.label,
        by_pattern=order.pattern is None,
        start=experiment.start,
    )
    counted = _name_counted_tasks(sessions, tasks, order) if order.metric == TASK_SECONDS else {}
    return [
        PersonRun(
            person_of[unit.session],
            unit.arm,
            unit.value,
            unit.stratum,
            # Two experiments may have the same sessions, and one of them more tasks of a single person.
            "\0".join((unit.session, *counted.get(unit.session, ()))),
        )
        for unit in list_experiment_sessions(definition, sessions, tasks)
    ]


def _name_counted_tasks(
    sessions: Iterable[SessionRun], tasks: Iterable[TaskRun], order: ExperimentOrder
) -> dict[str, list[str]]:
    """Return the tasks of each session whose lengths are in its value: of types that ran in both arms."""
    arm_of = {run.session: run.labels[order.label] for run in sessions}
    arms_of_type, listed = defaultdict[str, set[str]](set), defaultdict[str, list[str]](list)
    lengths = [task for task in tasks if task.length and task.is_delivered]
    for task in lengths:
        arms_of_type[task.type].add(arm_of[task.session])
    for task in lengths:
        if len(arms_of_type[task.type]) == len(order.arms):
            listed[task.session].append(task.task)
    return listed


def _list_arrivals(
    database: HubDatabase, tenant: str, experiment: TeamExperiment, until: int
) -> Iterator[SessionChange]:
    """Yield the sessions that arrived since the start of an experiment, each in its newest revision."""
    after = Mark(max(0, experiment.start - REREAD))
    while changes := [*database.list_changes(experiment.make_scope(tenant), after, _BATCH)]:
        for change in changes:
            if change.mark.received > until:
                return
            yield change
        after = changes[-1].mark


def _list_counted(document: SessionDocument, id: str, experiment: TeamExperiment) -> Iterator[SessionRun]:
    """Yield the runs of a session that lie in the time of an experiment and have its pattern and an arm."""
    order = experiment.order
    for row in document.rows.get(SESSION_ROWS, ()):
        run = make_session_run(id, row)
        is_inside = run.start >= experiment.start and run.end < experiment.end
        is_of_pattern = order.pattern is None or run.pattern == order.pattern
        if is_inside and is_of_pattern and run.labels.get(order.label) in order.arms:
            yield run


def _name_sender(change: SessionChange) -> tuple[str, str, str, str]:
    key = change.key
    return key.team, key.owner, key.instance, key.session
