"""Release the sums of a day to leads: only sums of at least five people, with as many people outside.

The unit is a UTC day of a team. A day is released as a whole, and every answer to a lead is a sum of released
cells, so the difference of two answers is a sum of released cells too.

Example: on a day team A has 9 people, B has 6 and C has 3. C is pooled, but 3 people are too few: the
smallest released team joins the pool. A is released by itself, B and C are released together as ``other``.
If agent ``auditor`` ran for 2 people of A and ``critic`` for 7, the sums of ``auditor`` are added to those of
``other`` agents; 2 people are too few, so ``critic`` joins them.

A day is released again when late sessions arrive or sessions are forgotten. Teams and names stay where they
were, or join the others: new ones do too. Every group and name then has changes of no person or of at least
five, else the group keeps its cells. Owners who opted in do not count as people: leads see their sessions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256

import msgspec

from stretto.clock import DAY, HOUR
from stretto.hub.engine import OwnerSum
from stretto.hub.one_name_per_released_sum import find_kept_name, fold_sums
from stretto.hub.owner_work import WorkByType, sum_up_owner_work
from stretto.names import OTHER
from stretto.names.measures import Dims

COHORT = 5
"""Fewest people of a released sum, and of all others of its tenant on that day, unless there are none."""

GRACE = 6 * HOUR
"""How long (ns) after its end a day is released: laptops ship what they have when they wake."""

POOL = OTHER
"""The name under which teams of too few people are released together."""


@dataclass(frozen=True, slots=True)
class ReleasedCell:
    """A sum that leads may see."""

    measure: str
    dims: tuple[str | int, ...]
    value: int
    people: int
    """Number of owners whose sessions are in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DayRelease:
    """What is released of a tenant's UTC day."""

    day: int
    """Number of the day."""
    at: int
    """When it was released (ns)."""
    groups: Mapping[str, tuple[ReleasedCell, ...]]
    """Team, or the pool of teams → its cells."""
    people: Mapping[str, int]
    """Team, or the pool of teams → number of owners who did not opt in."""
    members: Mapping[str, Mapping[str, Mapping[str, str]]]
    """Group → part of it → owner → digest of the owner's sums when leads last saw them.

    A part is what is without names, or has the same name in a dimension. It never leaves the hub.
    """
    withheld: tuple[str, ...] = ()
    """The teams of which nothing is released on that day."""
    read_at: int = 0
    """Earliest time (ns) at which sums were read that are in it."""
    teams: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Group → its teams, from the first release with cells on."""
    names: Mapping[str, Mapping[str, Mapping[str, str]]] = field(default_factory=dict)
    """Group → dimension → name → the name under which its cells are released."""
    forgotten: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Group that was withdrawn → the owners who had sessions forgotten since leads saw it."""
    work: Mapping[str, WorkByType] = field(default_factory=dict)
    """Group that is shown → what its owners did, without those who opted in. It never leaves the hub."""


@dataclass(frozen=True, slots=True)
class _Group:
    """The cells of a group, and what its next release is compared with."""

    cells: tuple[ReleasedCell, ...]
    names: Mapping[str, Mapping[str, str]]
    members: Mapping[str, Mapping[str, str]]
    work: WorkByType


decode_day_release = msgspec.json.Decoder(DayRelease).decode
"""Decode a stored release. Raises msgspec.DecodeError for something else."""

encode_day_release = msgspec.json.Encoder().encode


def is_day_over(day: int, now: int) -> bool:
    """Return whether a UTC day can be released at an instant (ns)."""
    return now >= (day + 1) * DAY + GRACE


def list_owners_with_changed_sums(
    release: DayRelease, sums_by_team: Mapping[str, Sequence[OwnerSum]]
) -> list[tuple[str, tuple[str, ...], str]]:
    """Return (group, its teams, owner) where sums are others than when leads last saw them."""
    changed = []
    for group, teams in _keep_groups(release, sums_by_team).items():
        sums = [each for team in teams for each in sums_by_team.get(team, ())]
        owners = _find_changed(sums, release.names.get(group), release.members.get(group, {}))
        changed += [(group, teams, owner) for owner in sorted(owners)]
    return changed


def release_day(
    day: int,
    sums_by_team: Mapping[str, Sequence[OwnerSum]],
    at: int,
    *,
    opted_in: frozenset[str] = frozenset(),
    before: DayRelease | None = None,
    forgotten: frozenset[tuple[str, str]] = frozenset(),
    late: frozenset[tuple[str, str]] = frozenset(),
    read_at: int = 0,
) -> DayRelease:
    """Return what is released of a day, given the sums of its owners by team.

    ``opted_in`` are owners whose single sessions leads may see. ``forgotten`` has (group, owner) where
    sessions were forgotten since the release ``before``. Their groups are released again, or withdrawn if the
    difference would show the changes of a few others. ``late`` are those of them who also have late sessions:
    these are changes like those of others.
    """
    teams = {team: sums for team, sums in sums_by_team.items() if sums}
    if before is None or not before.teams:
        people = {team: frozenset(each.owner for each in sums) - opted_in for team, sums in teams.items()}
        composition = pool_few(people, {}, POOL)
        before = None
    else:
        composition = _keep_groups(before, teams)
    groups: dict[str, _Group] = {}
    withdrawn: dict[str, tuple[str, ...]] = {}
    counts: dict[str, int] = {}
    for group, members in composition.items():
        sums = [each for team in members for each in teams.get(team, ())]
        seen = None if before is None else before.members.get(group)
        count = len({each.owner for each in sums} - opted_in)
        if before is None or seen is None:
            released = _release_group(sums, opted_in)
            if released is not None:
                groups[group], counts[group] = released, count
            continue
        names = before.names.get(group, {})
        leaving = frozenset(before.forgotten.get(group, ()))
        leaving |= {owner for owner in _find_changed(sums, names, seen) if (group, owner) in forgotten}
        is_shown = group in before.groups
        # Of a withdrawn group leads see nothing that a late session could be subtracted from.
        uncounted = frozenset(owner for owner in leaving if not is_shown or (group, owner) not in late)
        again = _release_group(
            sums, opted_in, names, seen, leaving=uncounted, least=0 if is_shown else COHORT
        )
        if again is not None:
            groups[group], counts[group] = again, count
        else:
            groups[group] = _Group(before.groups.get(group, ()), names, seen, before.work.get(group, {}))
            counts[group] = before.people.get(group, 0)
            if leaving or not is_shown:
                withdrawn[group] = tuple(sorted(leaving))
    shown = groups.keys() - withdrawn.keys()
    return DayRelease(
        day=day,
        at=at,
        groups={group: groups[group].cells for group in sorted(shown)},
        people={group: counts[group] for group in sorted(shown)},
        members={group: each.members for group, each in groups.items()},
        withheld=tuple(sorted(teams.keys() - {team for group in shown for team in composition[group]})),
        read_at=read_at,
        teams={group: composition[group] for group in groups},
        names={group: each.names for group, each in groups.items()},
        forgotten=withdrawn,
        work={group: groups[group].work for group in sorted(shown)},
    )


def _keep_groups(release: DayRelease, teams: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Return the groups of a release, and new teams in the pool."""
    groups = dict(release.teams)
    new = set(teams) - {team for members in groups.values() for team in members}
    if new:
        groups[POOL] = tuple(sorted(new.union(groups.get(POOL, ()))))
    return groups


def _is_enough(people: frozenset[str] | set[str]) -> bool:
    """Return whether people may be seen together: nobody who counts, or a cohort."""
    return not people or len(people) >= COHORT


def pool_few(
    people_by_name: Mapping[str, frozenset[str]], changed_by_name: Mapping[str, frozenset[str]], pool: str
) -> dict[str, tuple[str, ...]]:
    """Return names by group: each with enough people and changes by itself, the others in a pool.

    While the pool has some people or changes, but too few, the name with the fewest people joins it. So
    either the pool has enough people, or it has everybody.
    """
    nobody = frozenset[str]()
    alone = {
        name: people
        for name, people in people_by_name.items()
        if name != pool and _is_enough(people) and _is_enough(changed_by_name.get(name, nobody))
    }
    pooled = [name for name in people_by_name if name not in alone]
    for name in sorted(alone, key=lambda name: (not alone[name], len(alone[name]), name)):
        if all(_is_enough(_unite(sets, pooled)) for sets in (people_by_name, changed_by_name)):
            break
        del alone[name]
        pooled.append(name)
    groups: dict[str, tuple[str, ...]] = {name: (name,) for name in alone}
    if pooled:
        groups[pool] = tuple(sorted(pooled))
    return groups


def _unite(people_by_name: Mapping[str, frozenset[str]], names: Iterable[str]) -> frozenset[str]:
    return frozenset[str]().union(*(people_by_name.get(name, ()) for name in names))


def _release_group(
    sums: Sequence[OwnerSum],
    opted_in: frozenset[str],
    known: Mapping[str, Mapping[str, str]] | None = None,
    seen: Mapping[str, Mapping[str, str]] | None = None,
    *,
    leaving: frozenset[str] = frozenset(),
    least: int = 0,
) -> _Group | None:
    """Return the cells of a group; None if they, or their difference to what leads saw, show too few people.

    ``known`` and ``seen`` are the names and members of the release before. Its names are joined, never
    parted. Changes of ``leaving`` owners do not count. At least ``least`` people must have changed.
    """
    if not _is_enough({each.owner for each in sums} - opted_in):
        return None
    shown = _name_as_before(sums, known)
    parts = _digest_parts(sums, shown)
    people = {part: frozenset(owners) - opted_in for part, owners in parts.items()}
    changed = {
        part: frozenset(owners) - opted_in - leaving
        for part, owners in ({} if seen is None else _compare(parts, seen)).items()
    }
    if not _is_enough(changed.get("", frozenset())) or len(_unite(changed, changed)) < least:
        return None
    names: dict[str, dict[str, str]] = {}
    for dimension in sorted({_split(part)[0] for part in people.keys() | changed.keys()} - {""}):
        inside = [part for part in people.keys() | changed.keys() if _split(part)[0] == dimension]
        people_of = {part: people.get(part, frozenset()) for part in inside}
        # What leads have not seen has no difference.
        changes_of = changed if any(_split(part)[0] == dimension for part in seen or ()) else {}
        becomes: dict[str, str] = {}
        for group, members in pool_few(people_of, changes_of, f"{dimension}:{OTHER}").items():
            if not _is_enough(_unite(changes_of, members)):
                return None
            if _is_enough(_unite(people_of, members)):
                becomes.update((_split(part)[1], _split(group)[1]) for part in members)
        before = {**(known or {}).get(dimension, {}), **shown.get(dimension, {})}
        names[dimension] = {name: becomes[old] for name, old in sorted(before.items()) if old in becomes}
    return _Group(
        _add_up(sums, names, opted_in), names, _digest_parts(sums, names), sum_up_owner_work(sums, opted_in)
    )


def _split(part: str) -> tuple[str, str]:
    """Return the dimension and the name of a part of a group; both are empty for what is without names."""
    dimension, _, name = part.partition(":")
    return dimension, name


def _name_as_before(
    sums: Sequence[OwnerSum], known: Mapping[str, Mapping[str, str]] | None
) -> dict[str, dict[str, str]]:
    """Return dimension → name → the name that it had in the release before; new ones are among the others."""
    shown: dict[str, dict[str, str]] = {}
    for each in sums:
        named = find_kept_name(each)
        if named is not None:
            dimension, name = named
            as_before = name if known is None else known.get(dimension, {}).get(name, OTHER)
            shown.setdefault(str(dimension), {})[name] = as_before
    return shown


def _add_up(
    sums: Sequence[OwnerSum], shown: Mapping[str, Mapping[str, str]], opted_in: frozenset[str]
) -> tuple[ReleasedCell, ...]:
    values: dict[tuple[str, Dims], int] = {}
    people: dict[tuple[str, Dims], set[str]] = {}
    for each, dims, _ in fold_sums(sums, shown):
        cell = each.measure, dims
        values[cell] = values.get(cell, 0) + each.value
        people.setdefault(cell, set()).add(each.owner)
    return tuple(
        ReleasedCell(measure, dims, value, len(people[measure, dims] - opted_in))
        for (measure, dims), value in sorted(values.items(), key=repr)
        if value
    )


def _digest_parts(
    sums: Sequence[OwnerSum], shown: Mapping[str, Mapping[str, str]]
) -> dict[str, dict[str, str]]:
    """Return part of a group → owner → digest of the owner's folded sums in it, whatever their order."""
    parts: dict[str, dict[str, dict[tuple[str, Dims], int]]] = {}
    for each, dims, part in fold_sums(sums, shown):
        cells = parts.setdefault(part, {}).setdefault(each.owner, {})
        cells[each.measure, dims] = cells.get((each.measure, dims), 0) + each.value
    return {
        part: {owner: _digest(cells) for owner, cells in sorted(owners.items())}
        for part, owners in sorted(parts.items())
    }


def _digest(cells: Mapping[tuple[str, Dims], int]) -> str:
    text = repr(sorted((repr(cell), value) for cell, value in cells.items() if value))
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def _compare(
    parts: Mapping[str, Mapping[str, str]], seen: Mapping[str, Mapping[str, str]]
) -> dict[str, set[str]]:
    """Return the owners of each part whose digests differ."""
    nobody: dict[str, str] = {}
    return {
        part: {owner for owner, _ in parts.get(part, nobody).items() ^ seen.get(part, nobody).items()}
        for part in parts.keys() | seen.keys()
    }


def _find_changed(
    sums: Sequence[OwnerSum],
    known: Mapping[str, Mapping[str, str]] | None,
    seen: Mapping[str, Mapping[str, str]],
) -> set[str]:
    """Return the owners of a group whose sums differ in any part."""
    compared = _compare(_digest_parts(sums, _name_as_before(sums, known)), seen)
    return set[str]().union(*compared.values())
