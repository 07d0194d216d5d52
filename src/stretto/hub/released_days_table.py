"""The table of released days, in the database of the sessions, so that all hubs answer leads the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class StoredRelease:
    """A released day as the database keeps it."""

    day: int
    at: int
    """When it was released (ns)."""
    document: bytes
    """The release as JSON (``enough_people_release_rule.encode_day_release``)."""


class ReleaseTable(Protocol):
    """Keeps the newest release of each day of a tenant. Every method raises EngineError as engines do."""

    def write_release(self, tenant: str, release: StoredRelease, *, replaces: int | None) -> bool:
        """Store a release durably unless another hub was faster; return whether it was stored.

        ``replaces`` is the ``at`` of the release that it takes the place of; None for the first of its day.
        """

    def list_releases(self, tenant: str, after: int = 0) -> list[StoredRelease]:
        """Return the releases made after a time (ns), in the order in which they were made."""

    def list_tenants(self) -> list[str]:
        """Return the tenants that have tokens."""
