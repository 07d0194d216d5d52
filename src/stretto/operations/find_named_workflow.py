"""Find the workflow that an operation is about: a session, or a pattern with all its sessions."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from stretto.errors import find_nearest_word
from stretto.operations.operation_errors import ErrorCode, OperationError
from stretto.store import queries
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


def choose_workflow(connection: sqlite3.Connection, name: str | None) -> ChosenWorkflow:
    """Return the workflow of a name: ``last``, a session's id, a pattern, or the beginning of an id.

    Raises OperationError (UNKNOWN_WORKFLOW).
    """
    if name is None:
        return ALL_WORKFLOWS
    if name == LAST:
        newest = queries.list_sessions(connection, limit=1)
        if newest:
            return ChosenWorkflow(session=newest[0].id)
    ids = queries.find_session_ids(connection, name) if name else []
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
