"""Find the workflow that an operation is about: a session, or a pattern with all its sessions."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from stretto.errors import find_nearest_word
from stretto.format.rfc3339 import to_exact_rfc3339
from stretto.operations.operation_errors import ErrorCode, OperationError
from stretto.store import session_queries
from stretto.store.run_queries import list_patterns

LAST = "last"
"""The workflow that is the newest session."""


@dataclass(frozen=True, slots=True)
class ChosenWorkflow:
    """A session or a pattern; neither is everything."""

    session: str | None = None
    pattern: str | None = None

    @property
    def id(self) -> str | None:
        """The session's id or the pattern's name."""
        return self.session or self.pattern

    @property
    def name(self) -> str:
        """The workflow in a sentence."""
        if self.session is not None:
            return f"session {self.session}"
        return "all sessions" if self.pattern is None else f"sessions of {self.pattern}"


ALL_WORKFLOWS = ChosenWorkflow()


def choose_workflow(
    connection: sqlite3.Connection, name: str | None, at: int | None = None
) -> ChosenWorkflow:
    """Return the workflow of a name: ``last``, a session's id, a pattern, or the beginning of an id.

    As of an instant ``at`` (ns), ``last`` is the session that began last by then. A session that began later
    is unknown. Raises OperationError (UNKNOWN_WORKFLOW).
    """
    chosen = ALL_WORKFLOWS if name is None else _find_by_name(connection, name, at)
    refuse_later_session(connection, chosen, at)
    return chosen


def refuse_later_session(connection: sqlite3.Connection, workflow: ChosenWorkflow, at: int | None) -> None:
    """Raise OperationError (UNKNOWN_WORKFLOW) if the workflow is a session that began after ``at`` (ns)."""
    if workflow.session is None or at is None:
        return
    start = session_queries.read_session_start(connection, workflow.session)
    if start is not None and start > at:
        began = to_exact_rfc3339(start)
        raise OperationError(
            ErrorCode.UNKNOWN_WORKFLOW,
            f"the session {workflow.session!r} had not begun at {to_exact_rfc3339(at)}: it began at {began}",
            {"workflow": workflow.session, "began": began, "sessions": [], "pattern": None},
        )


def _find_by_name(connection: sqlite3.Connection, name: str, at: int | None) -> ChosenWorkflow:
    if name == LAST:
        newest = _find_last(connection, at)
        if newest is not None:
            return ChosenWorkflow(session=newest)
    ids = session_queries.find_session_ids(connection, name) if name else []
    if name in ids:
        return ChosenWorkflow(session=name)
    patterns = list_patterns(connection)
    if name in patterns:
        return ChosenWorkflow(pattern=name)
    if len(ids) == 1:
        return ChosenWorkflow(session=ids[0])
    nearest = find_nearest_word(name, patterns)
    problem = f"{name!r} is the beginning of several sessions" if ids else f"there is no workflow {name!r}"
    meant = f"; did you mean the pattern {nearest!r}?" if nearest else ""
    raise OperationError(
        ErrorCode.UNKNOWN_WORKFLOW, problem + meant, {"workflow": name, "sessions": ids, "pattern": nearest}
    )


def _find_last(connection: sqlite3.Connection, at: int | None) -> str | None:
    """Return the session with the latest event; as of an instant, that which began last by then.

    Of an instant in the past no store knows which session was active last: it keeps the latest event only.
    """
    if at is not None:
        return session_queries.find_session_begun_last(connection, at)
    newest = session_queries.list_sessions(connection, limit=1)
    return newest[0].id if newest else None
