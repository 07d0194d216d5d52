"""Release the days of a tenant that are due: read their sums from the engine, store what leads may see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from stretto.clock import DAY, Clock
from stretto.hub.access_tokens import list_opted_in
from stretto.hub.engine import FleetScope, Mark, OwnerSum, iterate_changes
from stretto.hub.engine_opening import HubDatabase
from stretto.hub.enough_people_release_rule import (
    DayRelease,
    decode_day_release,
    encode_day_release,
    is_day_over,
    list_owners_with_changed_sums,
    release_day,
)
from stretto.hub.released_days_table import StoredRelease
from stretto.hub.session_entries import SLOTS_PER_DAY

LATE = 14 * DAY
"""How far back (ns) days are looked at again for late sessions."""

_TRIES = 5
"""How often a release is made again because another hub was faster."""

_BATCH = 200
"""Changes that are read at once."""

OwnerInGroup = tuple[str, str]
"""(team or pool of teams, owner)."""


def release_due_days(
    database: HubDatabase,
    tenant: str,
    clock: Clock,
    *,
    forgotten_at: int | None = None,
) -> int:
    """Release the days of a tenant that are over, and those in which enough people have late sessions.

    What is forgotten leaves whatever the number of people, now or in any later call. After a forgetting at
    ``forgotten_at`` (ns), only released days with changes since then are looked at. Returns the number of
    released days.
    """
    now = clock()
    releases = {stored.day: stored for stored in database.list_releases(tenant)}
    since = forgotten_at
    if since is None:
        since = now - LATE if releases else 0
    days = {day for _, day in database.list_changed_days(tenant, since)}
    teams = sorted({team for team, *_ in database.list_heard_of(FleetScope(tenant=tenant))})
    return sum(
        _release(database, tenant, teams, releases.get(day), day=day, clock=clock)
        for day in sorted(days)
        if is_day_over(day, now) and (forgotten_at is None or day in releases)
    )


def _release(
    database: HubDatabase,
    tenant: str,
    teams: Sequence[str],
    stored: StoredRelease | None,
    *,
    day: int,
    clock: Clock,
) -> bool:
    """Release a day, or release it again if that changes anything; return whether it was stored."""
    for _ in range(_TRIES):
        read_at = clock()
        before = None if stored is None else decode_day_release(stored.document)
        sums = _read_day(database, tenant, teams, day)
        # Whoever opted in during the day is no person of it, also once the token is revoked.
        opted_in = list_opted_in(database.list_tokens(tenant), day * DAY)
        forgotten = dict[OwnerInGroup, bool]()
        if before is not None:
            forgotten = _list_forgotten(database, tenant, before, sums)
        release = release_day(
            day,
            sums,
            read_at,
            opted_in=opted_in,
            before=before,
            forgotten=frozenset(forgotten),
            late=frozenset(each for each, has_late in forgotten.items() if has_late),
            read_at=read_at,
        )
        if before is not None and replace(release, at=before.at, read_at=before.read_at) == before:
            return False
        # Readers continue from the newest time, so it is that of the writing, and later than the last.
        at = clock() if stored is None else max(clock(), stored.at + 1)
        document = encode_day_release(replace(release, at=at))
        replaces = None if stored is None else stored.at
        if database.write_release(tenant, StoredRelease(day, at, document), replaces=replaces):
            return True
        stored = next((each for each in database.list_releases(tenant) if each.day == day), None)
    return False


def _list_forgotten(
    database: HubDatabase, tenant: str, release: DayRelease, sums: Mapping[str, Sequence[OwnerSum]]
) -> dict[OwnerInGroup, bool]:
    """Return (group, owner) with other sums than released of whom sessions of the day were forgotten since.

    The value is whether the owner has late sessions of the day too.
    """
    noted = {
        (team, owner)
        for team, owner, at in database.list_forgettings(tenant, release.day)
        if at >= release.read_at
    }
    found = {}
    for group, teams, owner in list_owners_with_changed_sums(release, sums):
        senders = noted.intersection((team, owner) for team in teams)
        if senders:
            scope = FleetScope(tenant=tenant, owners=tuple((team, owner) for team in teams))
            found[group, owner] = _has_late_session(database, scope, release.day, release.read_at)
    return found


def _has_late_session(database: HubDatabase, scope: FleetScope, day: int, since: int) -> bool:
    """Return whether a session with sums of a day arrived or changed since a time (ns)."""
    slots = range(day * SLOTS_PER_DAY, (day + 1) * SLOTS_PER_DAY)
    return any(
        change.stored is not None and any(slot in slots for slot, *_ in change.stored.document.sums)
        for change in iterate_changes(database, scope, Mark(since), _BATCH)
    )


def _read_day(
    database: HubDatabase, tenant: str, teams: Sequence[str], day: int
) -> Mapping[str, Sequence[OwnerSum]]:
    return {team: database.read_owner_sums(tenant, team, day) for team in teams}
