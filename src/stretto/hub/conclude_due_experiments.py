"""Conclude the experiments of a tenant that are over."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import astuple, dataclass
from itertools import takewhile
from typing import TYPE_CHECKING

from stretto.clock import DAY, Clock
from stretto.errors import AnalysisNotInstalledError
from stretto.fleet.session_document import SESSION_ROWS, TASK_ROWS, SessionDocument
from stretto.fleet.team_experiment_messages import TASK_SECONDS, ExperimentOrder
from stretto.hub.access_tokens import list_opted_in
from stretto.hub.conclude_experiment import conclude_experiment
from stretto.hub.engine import REREAD, Mark, SessionChange, iterate_changes
from stretto.hub.engine_opening import HubDatabase
from stretto.hub.people_outside_an_answer import Teams, draw_one_to_leave_out
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

LOG = logging.getLogger(__name__)

_BATCH = 500
"""Changes that are read at once."""


def conclude_due_experiments(database: HubDatabase, tenant: str, clock: Clock) -> int:
    """Conclude the experiments of a tenant whose time is over; return how many were concluded.

    They are looked at by the time when they are due. One that cannot be concluded is logged and stored as it
    was, and holds up no other. Raises AnalysisNotInstalledError if there is one to conclude and the analyses
    cannot run.
    """
    now = clock()
    experiments = [
        (stored, decode_team_experiment(stored.document)) for stored in database.list_experiments(tenant)
    ]
    experiments.sort(key=lambda each: each[1].due)
    changed = 0
    for place, (before, experiment) in enumerate(experiments):
        if not _is_due(experiment, now):
            continue
        others = [other for _, other in experiments if other is not experiment]
        try:
            times = list_people_at_work(database, tenant, experiment)
            runs = read_chosen_runs(database, tenant, experiment, times)
            newer = conclude_experiment(experiment, runs, others, times)
        except AnalysisNotInstalledError:
            raise
        except Exception:
            LOG.exception("the experiment %r of %s cannot be concluded", experiment.name, tenant)
            # It is stored all the same: a hub that concludes it meanwhile must not do so beside what follows.
            if not any(_is_due(each, now) for _, each in experiments[place + 1 :]):
                continue
            newer = experiment
        row = make_stored_experiment(newer, max(now, before.at + 1))
        if not database.write_experiment(tenant, row, replaces=before.at):
            # Whoever withdrew it, or was faster, has the last word, and what follows depends on it.
            return changed
        experiments[place] = row, newer
        changed += newer is not experiment
    return changed


def _is_due(experiment: TeamExperiment, now: int) -> bool:
    return experiment.state is ExperimentState.RUNNING and now >= experiment.due


def read_chosen_runs(
    database: HubDatabase, tenant: str, experiment: TeamExperiment, times: Sequence[Teams]
) -> list[PersonRun]:
    """Return the runs that an experiment compares, of those that arrived in time.

    If some, but few, of those at work would be left over, others are left out with them.
    Owners who opted in are no people, and owners of one name in two teams are one person.
    The lengths of tasks are adjusted for their types by the tasks of these runs alone: so people who are
    left out change no value.
    """
    from stretto.analysis.experiment_among_people import choose_runs  # noqa: PLC0415  # loads numpy

    order = experiment.order
    rows = _read_rows(database, tenant, experiment)
    while True:
        runs = _list_runs(experiment, rows)
        chosen = choose_runs(runs, order.arms, is_paired=order.is_paired)
        fewer = rows.keep({run.id for run in chosen})
        if len(chosen) == len(runs) or len(fewer.sessions) == len(rows.sessions):
            arms = [frozenset(run.person for run in chosen if run.arm == arm) for arm in order.arms]
            left_out = draw_one_to_leave_out(arms, *times)
            if left_out is None:
                return chosen
            fewer = rows.keep({run.id for run in chosen if run.person != left_out})
        rows = fewer


def list_people_at_work(database: HubDatabase, tenant: str, experiment: TeamExperiment) -> list[Teams]:
    """Return team → its people with sessions on the UTC days of an experiment, also if these are forgotten.

    It is of whole days, as what leads see of a team, and of all teams of the tenant: once with the day on
    which the experiment was defined, of which a part counts, and once without.
    """
    opted_in = list_opted_in(database.list_tokens(tenant), experiment.start)
    last = (experiment.end - 1) // DAY
    times: list[Teams] = []
    for first in sorted({experiment.start // DAY, -(-experiment.start // DAY)}):
        people = defaultdict[str, set[str]](set)
        for team, owner in database.list_owners(tenant, first, last) if first <= last else ():
            if owner not in opted_in:
                people[team].add(owner)
        times.append({team: frozenset(owners) for team, owners in people.items()})
    return times


@dataclass(frozen=True, slots=True)
class _ExperimentRows:
    """The rows of an experiment's time, arms and pattern."""

    sessions: Sequence[SessionRun]
    tasks: Sequence[TaskRun]
    person_of: Mapping[str, str]
    """Session → owner."""

    def keep(self, sessions: AbstractSet[str]) -> _ExperimentRows:
        """Return the rows of some sessions."""
        return _ExperimentRows(
            [run for run in self.sessions if run.session in sessions],
            [task for task in self.tasks if task.session in sessions],
            self.person_of,
        )


def _read_rows(database: HubDatabase, tenant: str, experiment: TeamExperiment) -> _ExperimentRows:
    opted_in = list_opted_in(database.list_tokens(tenant), experiment.start)
    type = experiment.order.type
    sessions: list[SessionRun] = []
    tasks: list[TaskRun] = []
    person_of: dict[str, str] = {}
    for change in _list_arrivals(database, tenant, experiment):
        if change.stored is None or change.key.owner in opted_in:
            continue
        document = change.stored.document
        id = "\0".join((*astuple(change.key), f"{document.revision}"))
        person_of[id] = change.key.owner
        runs = [*_list_counted(document, id, experiment)]
        sessions += runs
        if runs:
            rows = document.rows.get(TASK_ROWS, ())
            tasks += [make_task_run(id, row) for row in rows if type is None or row.get("type") == type]
    return _ExperimentRows(sessions, tasks, person_of)


def _list_runs(experiment: TeamExperiment, rows: _ExperimentRows) -> list[PersonRun]:
    from stretto.analysis.experiment_among_people import PersonRun  # noqa: PLC0415  # loads numpy
    from stretto.analysis.experiment_definition_and_plan import (  # noqa: PLC0415  # loads scipy
        ExperimentDefinition,
        ExperimentMetric,
    )
    from stretto.analysis.experiment_units import list_experiment_sessions  # noqa: PLC0415  # likewise

    order = experiment.order
    definition = ExperimentDefinition(
        name=order.name,
        metric=ExperimentMetric(order.metric),
        units=1,
        arms=order.arms,
        label=order.label,
        by_pattern=order.pattern is None,
        start=experiment.start,
    )
    is_of_tasks = order.metric == TASK_SECONDS
    counted = _name_counted_tasks(rows.sessions, rows.tasks, order) if is_of_tasks else {}
    return [
        PersonRun(
            rows.person_of[unit.session],
            unit.arm,
            unit.value,
            unit.stratum,
            unit.session,
            tuple(counted.get(unit.session, ())),
        )
        for unit in list_experiment_sessions(definition, rows.sessions, rows.tasks)
    ]


def _name_counted_tasks(
    sessions: Iterable[SessionRun], tasks: Iterable[TaskRun], order: ExperimentOrder
) -> dict[str, list[str]]:
    """Return the tasks of each session whose lengths are in its value."""
    from stretto.analysis.experiment_units import list_compared_tasks  # noqa: PLC0415  # loads numpy

    arm_of = {run.session: run.labels[order.label] for run in sessions}
    listed = defaultdict[str, list[str]](list)
    for task in list_compared_tasks(arm_of, order.arms, tasks):
        listed[task.session].append(task.task)
    return listed


def _list_arrivals(database: HubDatabase, tenant: str, experiment: TeamExperiment) -> Iterator[SessionChange]:
    """Return the sessions that arrived in time for an experiment, each in its newest revision."""
    scope, after = experiment.make_scope(tenant), Mark(max(0, experiment.start - REREAD))
    changes = iterate_changes(database, scope, after, _BATCH)
    return takewhile(lambda change: change.mark.received <= experiment.due, changes)


def _list_counted(document: SessionDocument, id: str, experiment: TeamExperiment) -> Iterator[SessionRun]:
    """Yield the runs of a session that lie in the time of an experiment and have its pattern and an arm."""
    order = experiment.order
    for row in document.rows.get(SESSION_ROWS, ()):
        run = make_session_run(id, row)
        is_inside = run.start >= experiment.start and run.end < experiment.end
        is_of_pattern = order.pattern is None or run.pattern == order.pattern
        if is_inside and is_of_pattern and run.labels.get(order.label) in order.arms:
            yield run
