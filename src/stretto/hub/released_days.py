"""Release the sums of a day to leads: only sums of at least five people, with as many people outside.

The unit is a UTC day of a team. A day is released as a whole, and every answer to a lead is a sum of released
cells, so the difference of two answers is a sum of released cells too.

Example: on a day team A has 9 people, B has 6 and C has 3. C is pooled, but 3 people are too few: the
smallest released team joins the pool. A is released by itself, B and C are released together as ``other``.
If agent ``auditor`` ran for 2 people of A and ``critic`` for 7, the sums of ``auditor`` are added to those of
``other`` agents; 2 people are too few, so ``critic`` joins them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

import msgspec

from stretto.clock import DAY, HOUR
from stretto.figures.work_signature import join_task_types
from stretto.hub.engine import OwnerSum
from stretto.names import OTHER
from stretto.names.measures import MEASURES, Dimension, Dims

COHORT = 5
"""Fewest people of a released sum, and of all others of its tenant on that day, unless there are none."""

GRACE = 6 * HOUR
"""How long (ns) after its end a day is released: laptops ship what they have when they wake."""

POOL = OTHER
"""The name under which teams of too few people are released together."""

_NAMES = (
    Dimension.SCORE, Dimension.TASK_TYPE, Dimension.PATTERN, Dimension.AGENT, Dimension.TOOL, Dimension.MODEL,
    Dimension.PHASE, Dimension.CACHE, Dimension.SOURCE, Dimension.FRAMEWORK, Dimension.SIGNATURE,
)  # fmt: skip
"""The dimensions whose values can stand for few people. A cell keeps the first that it has.

With two of them, the difference of two measures could show a group of one person.
"""

_UNNAMED = {Dimension.SIGNATURE: join_task_types([OTHER])}
"""Dimension → what its values are folded to, if that is not ``other``."""


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
    """Team, or the pool of teams → number of owners."""
    members: Mapping[str, str]
    """Owner → digest of the owner's sums in this release; it never leaves the hub."""
    withheld: tuple[str, ...] = ()
    """The teams of which nothing is released on that day."""


decode_day_release = msgspec.json.Decoder(DayRelease).decode
"""Decode a stored release. Raises msgspec.DecodeError for something else."""

encode_day_release = msgspec.json.Encoder().encode


def is_day_over(day: int, now: int) -> bool:
    """Return whether a UTC day can be released at an instant (ns)."""
    return now >= (day + 1) * DAY + GRACE


def is_release_outdated(release: DayRelease, sums_by_team: Mapping[str, Sequence[OwnerSum]]) -> bool:
    """Return whether enough people have other sums than when a day was released.

    The sums of fewer people would be seen as the difference of both releases. Of a day of which nothing was
    released, there is no difference to see.
    """
    members = _digest_owners(sums_by_team)
    changed = {
        owner
        for owner in members.keys() | release.members.keys()
        if members.get(owner) != release.members.get(owner)
    }
    return len(changed) >= (COHORT if release.groups else 1)


def release_day(day: int, sums_by_team: Mapping[str, Sequence[OwnerSum]], at: int) -> DayRelease:
    """Return what is released of a day, given the sums of its owners by team."""
    teams = {team: sums for team, sums in sums_by_team.items() if sums}
    groups = _group_teams({team: frozenset(each.owner for each in sums) for team, sums in teams.items()})
    members = {team: [each for name in names for each in teams[name]] for team, names in groups.items()}
    grouped = {name for names in groups.values() for name in names}
    return DayRelease(
        day=day,
        at=at,
        groups={team: _release_group(sums) for team, sums in members.items()},
        people={team: len({each.owner for each in sums}) for team, sums in members.items()},
        members=_digest_owners(teams),
        withheld=tuple(sorted(teams.keys() - grouped)),
    )


def _group_teams(owners_by_team: Mapping[str, frozenset[str]]) -> dict[str, tuple[str, ...]]:
    """Return the teams of each released group: those with enough owners, and the pool of the others."""
    return {
        name: members
        for name, members in _pool_few(owners_by_team, POOL).items()
        if len(frozenset().union(*(owners_by_team[member] for member in members))) >= COHORT
    }


def _pool_few(owners_by_name: Mapping[str, frozenset[str]], pool: str) -> dict[str, tuple[str, ...]]:
    """Return names by group: each with enough owners by itself, the others in a pool.

    While the pool has some owners, but too few, the name with the fewest owners joins it. So either the pool
    has enough owners, or it has everybody.
    """
    alone = {
        name: owners for name, owners in owners_by_name.items() if len(owners) >= COHORT and name != pool
    }
    pooled = [name for name in owners_by_name if name not in alone]
    people = frozenset[str]().union(*(owners_by_name[name] for name in pooled))
    for name in sorted(alone, key=lambda name: (len(alone[name]), name)):
        if not people or len(people) >= COHORT:
            break
        people |= alone.pop(name)
        pooled.append(name)
    groups: dict[str, tuple[str, ...]] = {name: (name,) for name in alone}
    if pooled:
        groups[pool] = tuple(sorted(pooled))
    return groups


def _release_group(sums: Sequence[OwnerSum]) -> tuple[ReleasedCell, ...]:
    owners_by_name: dict[Dimension, dict[str, set[str]]] = {}
    for each in sums:
        named = _find_kept_name(each)
        if named is not None:
            owners_by_name.setdefault(named[0], {}).setdefault(named[1], set()).add(each.owner)
    replacements = {
        dimension: _replace_names({name: frozenset(owners) for name, owners in names.items()})
        for dimension, names in owners_by_name.items()
    }
    values: dict[tuple[str, Dims], int] = {}
    people: dict[tuple[str, Dims], set[str]] = {}
    folders: dict[str, Callable[[Dims], Dims | None]] = {}
    for each in sums:
        if each.measure not in MEASURES:
            continue
        fold = folders.get(each.measure)
        if fold is None:
            fold = folders[each.measure] = _make_folder(each.measure, replacements)
        dims = fold(each.dims)
        if dims is not None:
            cell = each.measure, dims
            values[cell] = values.get(cell, 0) + each.value
            people.setdefault(cell, set()).add(each.owner)
    return tuple(
        ReleasedCell(measure, dims, value, len(people[measure, dims]))
        for (measure, dims), value in sorted(values.items(), key=repr)
        if value
    )


def _find_kept_name(each: OwnerSum) -> tuple[Dimension, str] | None:
    """Return the dimension whose name a cell keeps, and the name; None for a cell without names."""
    measure = MEASURES.get(each.measure)
    dimension = None if measure is None else _find_kept_dimension(measure.dimensions)
    if measure is None or dimension is None:
        return None
    return dimension, str(each.dims[measure.find_dimension_index(dimension)])


def _find_kept_dimension(dimensions: Iterable[Dimension]) -> Dimension | None:
    """Return the dimension whose names a measure keeps, if they are of enough people.

    Measures of parallel work are read together by pattern and signature, so both are folded in all of them.
    """
    present = frozenset(dimensions)
    if Dimension.SIGNATURE in present:
        present &= {Dimension.TASK_TYPE}
    return next((dimension for dimension in _NAMES if dimension in present), None)


def _replace_names(owners_by_name: Mapping[str, frozenset[str]]) -> dict[str, str]:
    """Return what each name becomes: itself or ``other``. Names of a pool of too few owners are missing."""
    replaced = {}
    for group, names in _pool_few(owners_by_name, OTHER).items():
        people = frozenset[str]().union(*(owners_by_name[name] for name in names))
        if len(people) >= COHORT:
            replaced.update(dict.fromkeys(names, group))
    return replaced


def _make_folder(
    measure: str, replacements: Mapping[Dimension, Mapping[str, str]]
) -> Callable[[Dims], Dims | None]:
    """Return the function that folds the names of a measure; it returns None for a cell that is withheld."""
    dimensions = MEASURES[measure].dimensions
    kept = _find_kept_dimension(dimensions)
    names = {} if kept is None else replacements.get(kept, {})
    dropped = {
        place: _UNNAMED.get(dimension, OTHER)
        for place, dimension in enumerate(dimensions)
        if dimension in _NAMES and dimension is not kept
    }

    def fold(dims: Dims) -> Dims | None:
        folded = list(dims)
        for place, name in dropped.items():
            folded[place] = name
        if kept is not None:
            place = dimensions.index(kept)
            shown = names.get(str(dims[place]))
            if shown is None:
                return None
            folded[place] = shown
        return tuple(folded)

    return fold


def _digest_owners(sums_by_team: Mapping[str, Sequence[OwnerSum]]) -> dict[str, str]:
    """Return a digest of the sums of each owner, independent of their order."""
    sums: dict[str, list[str]] = {}
    for team, team_sums in sums_by_team.items():
        for each in team_sums:
            sums.setdefault(each.owner, []).append(repr((team, each.measure, each.dims, each.value)))
    return {
        owner: sha256("\n".join(sorted(texts)).encode("utf-8", "surrogatepass")).hexdigest()[:16]
        for owner, texts in sorted(sums.items())
    }
