"""Release the days of a tenant that are due: read their sums from the engine, store what leads may see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from stretto.clock import DAY
from stretto.hub.engine import FleetScope, OwnerSum
from stretto.hub.engine_opening import HubDatabase
from stretto.hub.release_table import StoredRelease
from stretto.hub.released_days import (
    decode_day_release,
    encode_day_release,
    is_day_over,
    is_release_outdated,
    release_day,
)

LATE = 14 * DAY
"""How far back (ns) days are looked at again for late sessions."""


def release_due_days(database: HubDatabase, tenant: str, now: int, *, forgotten_at: int | None = None) -> int:
    """Release the days of a tenant that are over, and those in which enough people have late sessions.

    ``forgotten_at`` (ns) is when sessions were forgotten: the days of those are released again whatever the
    number of people, since what is forgotten must leave. Returns the number of released days.
    """
    releases = {stored.day: stored for stored in database.list_releases(tenant)}
    since = now - LATE if forgotten_at is None else forgotten_at
    days = {day for _, day in database.list_changed_days(tenant, since if releases else 0)}
    teams = sorted({team for team, *_ in database.list_heard_of(FleetScope(tenant=tenant))})
    count = 0
    for day in sorted(days):
        stored = releases.get(day)
        if not is_day_over(day, now) or (stored is None and forgotten_at is not None):
            continue
        sums = _read_day(database, tenant, teams, day)
        if (
            stored is not None
            and forgotten_at is None
            and not is_release_outdated(decode_day_release(stored.document), sums)
        ):
            continue
        document = encode_day_release(release_day(day, sums, now))
        count += database.write_release(
            tenant, StoredRelease(day, now, document), replaces=None if stored is None else stored.at
        )
    return count


def _read_day(
    database: HubDatabase, tenant: str, teams: Sequence[str], day: int
) -> Mapping[str, Sequence[OwnerSum]]:
    return {team: database.read_owner_sums(tenant, team, day) for team in teams}
