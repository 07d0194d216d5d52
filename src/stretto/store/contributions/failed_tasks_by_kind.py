"""Sums of failed and cancelled tasks by phase, agent and kind of error, once a session is over."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable

from stretto.model.entities import Session, Task
from stretto.model.error_kinds import ErrorKind, classify_error
from stretto.model.event import Outcome
from stretto.model.facts import EntityFacts, SessionFacts, get_text
from stretto.names import NONE, fact_fields, measures
from stretto.names.fact_fields import make_stamped_key
from stretto.store.contributions.contribution import SessionContext, find_counted_slot
from stretto.store.sums_by_time_slot import Additions


def add_up_failed_tasks(context: SessionContext) -> Additions:
    """Return the failed and cancelled tasks, each once under the kind of its error."""
    added: Additions = Counter()
    if not context.over:
        return added
    session, inside = context.whole, _ErrorsInTasks(context.facts, context.whole)
    for task in session.tasks:
        slot = find_counted_slot(task)
        if slot is None or task.outcome not in {Outcome.FAILURE, Outcome.CANCELLED}:
            continue
        kind = inside.find_kind(task)
        dims = (task.phase or NONE, task.agent or NONE, kind.value)
        added[slot, measures.FAILED_TASKS, dims] += 1
    return added


class _ErrorsInTasks:
    """The errors of a session's tasks, and of the calls inside them."""

    def __init__(self, facts: SessionFacts, session: Session) -> None:
        self._facts = facts
        self._kinds: dict[str | None, list[tuple[int, ErrorKind]]] = defaultdict(list)
        for call in session.tool_calls:
            if call.tests is not None and call.tests.failed:
                self._kinds[call.task].append((call.end or call.start or 0, ErrorKind.TESTS))
            elif call.outcome is Outcome.FAILURE:
                kind = _find_named_kind(facts.calls.get(call.id, {}))
                self._kinds[call.task].append((call.end or call.start or 0, kind))
        for model_call in session.model_calls:
            if model_call.outcome is Outcome.FAILURE:
                kind = _find_named_kind(facts.model_calls.get(model_call.id, {}))
                self._kinds[model_call.task].append((model_call.start or 0, kind))

    def find_kind(self, task: Task) -> ErrorKind:
        """Return the kind of a task's own error, else of the last failed call inside it that has one.

        A cancelled task is that, whatever failed in it.
        """
        if task.outcome is Outcome.CANCELLED:
            return ErrorKind.CANCELLED
        agent = task.id if task.id in self._facts.tasks else task.id.rpartition("/")[0]
        task_facts = self._facts.tasks.get(agent, {})
        stamped = None if task.end is None else task_facts.get(make_stamped_key(fact_fields.ERROR, task.end))
        own = classify_error(None if stamped is None else str(stamped[1]))
        return own if own is not ErrorKind.NOT_REPORTED else _find_last_named(self._kinds[task.id])


def _find_named_kind(entity_facts: EntityFacts) -> ErrorKind:
    return classify_error(get_text(entity_facts, fact_fields.ERROR))


def _find_last_named(kinds: Iterable[tuple[int, ErrorKind]]) -> ErrorKind:
    named = [(at, kind) for at, kind in kinds if kind is not ErrorKind.NOT_REPORTED]
    return max(named)[1] if named else ErrorKind.NOT_REPORTED
