"""What the hub asks of a database: one protocol for SQLite, PostgreSQL and ClickHouse.

An engine keeps whole sessions. The key of a session is (tenant, team, owner, instance, session), and the
highest revision wins, whatever the order and however often a document arrives. A forgotten session stays
forgotten: later copies of a revision up to the forgetting are dropped. Team and owner are those of the
sender's token. So nobody replaces or claims somebody else's session, even by a guessed name that comes first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from stretto.clock import SECOND
from stretto.fleet.session_document import SessionDocument

DAYS_KEPT = 400
"""Sessions and released days are deleted so many days after their UTC day."""

REREAD = 60 * SECOND
"""A change may become visible so long (ns) after changes with later marks, since hubs' clocks differ.

A reader continues from its newest mark less this time, and skips the sessions that it has in that revision.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetScope:
    """Whose sessions are read: a tenant's, or those of some of its teams, owners or machines."""

    tenant: str
    teams: tuple[str, ...] | None = None
    """None for all teams; likewise below."""
    owners: tuple[tuple[str, str], ...] | None = None
    """(team, owner): two teams may each have an owner of one name, such as a pool of runners."""
    instances: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedSession:
    """A document, and its sender by the token that it came with."""

    tenant: str
    team: str
    owner: str
    """The person, or the pool of runners, that the token was given to."""
    received: int
    """When the hub received it (ns)."""
    document: SessionDocument
    line: bytes = b""
    """The document as it is stored; empty to encode it anew."""


@dataclass(frozen=True, slots=True)
class SessionKey:
    """The key of a session in a tenant: its sender by the token, and the names that the sender gives."""

    team: str
    owner: str
    instance: str
    session: str


@dataclass(frozen=True, slots=True)
class Mark:
    """A position in the order in which an engine received changes, to continue a reading from."""

    received: int = 0
    team: str = ""
    owner: str = ""
    instance: str = ""
    session: str = ""


@dataclass(frozen=True, slots=True)
class SessionChange:
    """A session that arrived or was forgotten after a mark."""

    mark: Mark
    key: SessionKey
    stored: ReceivedSession | None
    """None if the session was forgotten."""


@dataclass(frozen=True, slots=True)
class OwnerSum:
    """The sum of one owner's sessions for a team and a day, by measure and dimensions."""

    owner: str
    measure: str
    dims: tuple[str | int, ...]
    value: int


class Engine(Protocol):
    """Stores and reads sessions. Several threads may call each method at once.

    Every method raises EngineError if the database does not answer or refuses.
    """

    def prepare(self) -> None:
        """Create the tables of an empty database. Raises EngineError for those of another version."""

    def write_sessions(self, sessions: Sequence[ReceivedSession]) -> None:
        """Store sessions durably before returning; an older or equal revision changes nothing.

        A session stays under the day that it first came with. The caller has checked the documents: numbers
        fit into 64 bits, and known measures have their dimensions.
        """

    def forget_sessions(
        self, scope: FleetScope, *, sessions: Sequence[str] | None = None, project: str | None = None, at: int
    ) -> int:
        """Delete the sessions of a scope (all, some, or a project's); return how many were stored.

        ``sessions`` and ``project`` are hashes as in documents. ``at`` is the time (ns) of it among
        the changes. Revisions up to it, and up to the one stored, do not bring a session back. The days of
        the sessions are noted as ``list_forgettings`` returns them.
        """

    def list_forgettings(self, tenant: str, day: int) -> list[tuple[str, str, int]]:
        """Return (team, owner, when in ns) of the owners of whom sessions of a UTC day were forgotten.

        ``day`` is the day's number. Of each owner it is the last time. No name of a session, machine or
        project is kept.
        """

    def read_owner_sums(self, tenant: str, team: str, day: int) -> list[OwnerSum]:
        """Return the sums of a team's UTC day (number of the day) by owner, which may exceed 64 bits."""

    def list_changed_days(self, tenant: str, since: int) -> list[tuple[str, int]]:
        """Return (team, number of the UTC day) of the sums of sessions that changed since a time (ns).

        Days that a session had sums of before its change are among them.
        """

    def list_owners(self, tenant: str, first: int, last: int) -> list[tuple[str, str]]:
        """Return (team, owner) of those who have or had sums on UTC days from ``first`` to ``last``.

        These are numbers of days. Owners whose sessions are forgotten are among them.
        """

    def list_changes(self, scope: FleetScope, after: Mark, limit: int) -> Iterator[SessionChange]:
        """Yield at most ``limit`` changes after a mark, in the order of their marks."""

    def count_sessions(self, scope: FleetScope) -> int:
        """Return the number of stored sessions of a scope."""

    def list_heard_of(self, scope: FleetScope) -> list[tuple[str, str, str, int]]:
        """Return (team, owner, instance, when the newest session was received in ns) of each machine."""

    def delete_before(self, day: int) -> None:
        """Delete what is of UTC days before ``day`` (its number): sessions, releases, what was forgotten."""

    def close(self) -> None:
        """Close every connection."""


def iterate_changes(engine: Engine, scope: FleetScope, after: Mark, at_once: int) -> Iterator[SessionChange]:
    """Yield the changes of a scope after a mark, in their order, read so many at once. Raises EngineError."""
    while changes := [*engine.list_changes(scope, after, at_once)]:
        yield from changes
        after = changes[-1].mark
