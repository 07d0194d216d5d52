"""Leads see sums of at least five people, with as many outside; no difference of answers shows fewer."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stretto.clock import DAY, HOUR, SECOND
from stretto.figures.quantile_sketch import find_bucket
from stretto.fleet.names_shipped_unhidden import CLOSED_DIMENSIONS
from stretto.hub.engine import OwnerSum
from stretto.hub.enough_people_release_rule import (
    COHORT,
    POOL,
    DayRelease,
    decode_day_release,
    encode_day_release,
    is_day_over,
    release_day,
)
from stretto.hub.one_name_per_released_sum import NAMES
from stretto.hub.owner_work import list_owner_days
from stretto.names import OTHER, measures
from stretto.names.measures import Dimension

TODAY = 20_000

NAMED = ("a", "b", "c", "main", OTHER)
CELLS = st.one_of(
    st.tuples(st.just(measures.ENDS_SEEN), st.just(())),
    st.tuples(st.just(measures.SLACK_AGENT), st.tuples(st.sampled_from(NAMED))),
    st.tuples(
        st.just(measures.TASKS),
        st.tuples(st.sampled_from(("review", "tests")), st.sampled_from(NAMED), st.just("success")),
    ),
    st.tuples(st.just(measures.CALLS), st.tuples(st.sampled_from(NAMED), st.just("success"))),
)
OWNERS = st.integers(0, 11).map("p{}".format)
TEAMS = st.dictionaries(
    st.sampled_from(("red", "green", "blue", POOL)),
    st.lists(
        st.builds(
            lambda owner, cell, value: OwnerSum(owner, cell[0], cell[1], value),
            OWNERS,
            CELLS,
            st.integers(1, 9),
        ),
        max_size=40,
    ),
    max_size=4,
)


def release(
    teams: Mapping[str, Sequence[OwnerSum]],
    before: DayRelease | None = None,
    *,
    opted_in: frozenset[str] = frozenset(),
    forgotten: frozenset[tuple[str, str]] = frozenset(),
    late: frozenset[tuple[str, str]] = frozenset(),
) -> DayRelease:
    """Release a day some hours after its end."""
    at = (TODAY + 2) * DAY
    return release_day(TODAY, teams, at, before=before, opted_in=opted_in, forgotten=forgotten, late=late)


def make_sums(names: Iterable[str], agent: str = "critic", value: int = 1) -> list[OwnerSum]:
    """Make the same sum for each owner: of an agent, and of all agents."""
    return [
        OwnerSum(name, measure, dims, value)
        for name in names
        for measure, dims in ((measures.SLACK_AGENT, (agent,)), (measures.ENDS_SEEN, ()))
    ]


def list_values(released: DayRelease, team: str) -> dict[tuple[str, tuple[str | int, ...]], int]:
    """Return the sums of a group."""
    return {(cell.measure, cell.dims): cell.value for cell in released.groups[team]}


@given(TEAMS)
def test_every_group_and_its_complement_have_enough_people(teams: dict[str, list[OwnerSum]]) -> None:
    """Whatever the teams: a released group has five owners, and all groups but any are empty or have five."""
    released = release(teams)
    owners = {team: {each.owner for each in sums} for team, sums in teams.items()}
    pooled = owners.keys() - released.groups.keys() - set(released.withheld) | ({POOL} & owners.keys())
    groups = {
        team: set().union(*(owners[name] for name in pooled)) if team == POOL else owners[team]
        for team in released.groups
    }
    assert {team: len(people) for team, people in groups.items()} == released.people
    for size in range(1, len(groups) + 1):
        for some in combinations(groups, size):
            assert len(set().union(*(groups[team] for team in some))) >= COHORT
    for team in released.withheld:
        assert len(set().union(*(owners[name] for name in released.withheld))) < COHORT, team


@given(TEAMS)
def test_every_name_stands_for_enough_people(teams: dict[str, list[OwnerSum]]) -> None:
    """No subset of the names of a dimension has one to four owners, so no difference shows so few."""
    released = release(teams)
    for team, cells in released.groups.items():
        members = [team] if team != POOL else [*teams]
        sums = [each for name in members for each in teams.get(name, ())]
        for measure, place in ((measures.SLACK_AGENT, 0), (measures.CALLS, 0), (measures.TASKS, 0)):
            shown = {str(cell.dims[place]) for cell in cells if cell.measure == measure}
            for name in shown - {OTHER}:
                assert len({each.owner for each in sums if name in each.dims}) >= COHORT


@given(TEAMS)
def test_released_sums_add_up_to_those_of_all(teams: dict[str, list[OwnerSum]]) -> None:
    """Folding loses nothing of a sum without names."""
    released = release(teams)
    total = sum(
        each.value
        for team, sums in teams.items()
        if team not in released.withheld
        for each in sums
        if each.measure == measures.ENDS_SEEN
    )
    assert total == sum(
        cell.value
        for cells in released.groups.values()
        for cell in cells
        if cell.measure == measures.ENDS_SEEN
    )


def test_small_teams_are_pooled_and_the_smallest_released_one_joins_a_small_pool() -> None:
    """The example of the module: A alone, B with C."""
    teams = {
        "a": make_sums(map("a{}".format, range(9))),
        "b": make_sums(map("b{}".format, range(6))),
        "c": make_sums(map("c{}".format, range(3))),
    }
    released = release(teams)
    assert released.people == {"a": 9, POOL: 9}
    assert list_values(released, POOL)[measures.ENDS_SEEN, ()] == 9


def test_names_of_few_people_are_added_up_and_take_the_next_name_along() -> None:
    """Two people used the auditor: the critic's seven join them, so nobody can subtract the two."""
    sums = make_sums(map("a{}".format, range(7))) + make_sums(["a7", "a8"], "auditor", 5)
    assert list_values(release({"a": sums}), "a")[measures.SLACK_AGENT, (OTHER,)] == 17
    sums += make_sums(map("a{}".format, range(9)), "qa")
    values = list_values(release({"a": sums}), "a")
    assert values[measures.SLACK_AGENT, ("qa",)] == 9
    assert values[measures.SLACK_AGENT, (OTHER,)] == 17


def test_names_of_a_dimension_that_few_people_have_are_withheld() -> None:
    """Three people with agents among eight: their sums by agent are not shown, those without names are."""
    sums = [OwnerSum(f"a{number}", measures.ENDS_SEEN, (), 1) for number in range(8)]
    sums += [OwnerSum(f"a{number}", measures.SLACK_AGENT, ("critic",), 1) for number in range(3)]
    assert list_values(release({"a": sums}), "a") == {(measures.ENDS_SEEN, ()): 8}


def test_fewer_than_five_people_are_not_released() -> None:
    """A tenant of four has no figures for leads, and the teams are named."""
    released = release({"a": make_sums("wxyz")})
    assert (released.groups, released.withheld) == ({}, ("a",))


@pytest.mark.parametrize(("late", "added"), [(0, False), (1, False), (4, False), (5, True)])
def test_late_sessions_are_added_when_enough_people_have_some(late: int, added: bool) -> None:
    """The difference of two releases is a sum of at least five people, too."""
    names = list(map("a{}".format, range(10)))
    first = decode_day_release(encode_day_release(release({"a": make_sums(names)})))
    second = release({"a": make_sums(names) + make_sums(names[:late])}, first)
    assert (second.groups != first.groups) is added
    assert (release({"a": make_sums(names[late:])}, first).groups != first.groups) is added


def test_people_of_other_teams_hide_nobody() -> None:
    """One late session of red among four of blue: each team has too few, so both stay."""
    red, blue = list(map("r{}".format, range(5))), list(map("b{}".format, range(5)))
    first = release({"red": make_sums(red), "blue": make_sums(blue)})
    late = {"red": make_sums([*red, "r0"]), "blue": make_sums([*blue, *blue[:4]])}
    assert release(late, first).groups == first.groups
    late["blue"] += make_sums(["b4"])
    second = release(late, first)
    assert second.groups["red"] == first.groups["red"]
    assert list_values(second, "blue")[measures.ENDS_SEEN, ()] == 10


def test_a_team_that_grows_stays_in_the_pool_and_a_new_name_among_the_others() -> None:
    """Whoever moved could be subtracted from what was released before."""
    few, many = list(map("f{}".format, range(4))), list(map("m{}".format, range(9)))
    first = release({"few": make_sums(few), "many": make_sums(many), "three": make_sums("xyz")})
    assert set(first.groups) == {"many", POOL}
    later = {"few": make_sums([*few, "f4"]), "many": make_sums(many), "three": make_sums("xyz")}
    assert release(later, first).groups == first.groups
    later["many"] += make_sums(many[:5], "critic") + make_sums(["m0"], "auditor")
    second = release(later, first)
    assert list_values(second, "many")[measures.SLACK_AGENT, (OTHER,)] == 15, (
        "one auditor takes critics along"
    )
    assert (measures.SLACK_AGENT, ("critic",)) not in list_values(second, "many")


def test_owners_who_opted_in_are_no_people_of_a_cohort() -> None:
    """Leads see their sessions, so four runners and a person would show the person."""
    sums = make_sums(["ci0", "ci1", "ci2", "ci3", "ann"])
    runners = frozenset({"ci0", "ci1", "ci2", "ci3"})
    assert release({"a": sums}, opted_in=runners).groups == {}
    sums += make_sums(map("a{}".format, range(4)))
    released = release({"a": sums}, opted_in=runners)
    assert released.people == {"a": 5}
    assert list_values(released, "a")[measures.ENDS_SEEN, ()] == 9, "their sums are in the totals"


def test_what_is_forgotten_leaves_and_takes_no_late_session_of_another_along() -> None:
    """With a late session of another the group is withdrawn, until five others have changed."""
    names = list(map("a{}".format, range(9)))
    first = release({"a": make_sums(names), "b": make_sums(map("b{}".format, range(5)))})
    now = {"a": make_sums(names[1:]), "b": make_sums([*map("b{}".format, range(5)), "b0"])}
    alone = release(now, first, forgotten=frozenset({("a", "a0")}))
    assert list_values(alone, "a")[measures.ENDS_SEEN, ()] == 8
    assert alone.groups["b"] == first.groups["b"], "nobody of it forgot anything"
    now["a"] += make_sums(["a1"])
    withdrawn = decode_day_release(
        encode_day_release(release(now, first, forgotten=frozenset({("a", "a0")})))
    )
    assert (set(withdrawn.groups), withdrawn.withheld) == ({"b"}, ("a",))
    now["a"] += make_sums(names[2:5])
    assert "a" not in release(now, withdrawn).groups, "four others"
    now["a"] += make_sums(names[5:6])
    assert list_values(release(now, withdrawn), "a")[measures.ENDS_SEEN, ()] == 13


def test_what_is_forgotten_takes_no_late_session_of_its_owner_along() -> None:
    """The difference would show the late session: the group is withdrawn until five others have changed."""
    names = list(map("a{}".format, range(9)))
    first = release({"a": make_sums(names)})
    now, owner = {"a": make_sums(names[1:]) + make_sums(["a0"], value=4)}, frozenset({("a", "a0")})
    withdrawn = release(now, first, forgotten=owner, late=owner)
    assert withdrawn.withheld == ("a",)
    now["a"] += make_sums(names[1:5])
    assert "a" not in release(now, withdrawn, forgotten=owner, late=owner).groups, "four others"
    now["a"] += make_sums(names[5:6])
    again = release(now, withdrawn, forgotten=owner, late=owner)
    assert list_values(again, "a")[measures.ENDS_SEEN, ()] == 17
    enough = release(now, first, forgotten=owner, late=owner)
    assert enough.groups == again.groups, "five others hide the one"


@given(TEAMS, st.lists(TEAMS, min_size=1, max_size=3), st.sets(OWNERS, max_size=3))
def test_the_difference_of_two_releases_shows_no_or_enough_people(
    teams: dict[str, list[OwnerSum]], additions: list[dict[str, list[OwnerSum]]], opted_in: set[str]
) -> None:
    """Whatever is late, whoever is new: in every group, and under every name, nobody or five have changed."""
    before = release(teams, opted_in=frozenset(opted_in))
    seen = dict.fromkeys(before.groups, teams)
    for late in additions:
        teams = {team: [*teams.get(team, ()), *late.get(team, ())] for team in teams.keys() | late.keys()}
        after = release(teams, before, opted_in=frozenset(opted_in))
        for group, cells in after.groups.items():
            if group not in before.groups:
                seen[group] = teams
            elif cells != before.groups[group]:
                assert before.teams[group] == after.teams[group] or group == POOL
                shown = {cell.measure for cell in before.groups[group]}
                for measure, dimension in (
                    (measures.ENDS_SEEN, ""),
                    (measures.SLACK_AGENT, "agent"),
                    (measures.CALLS, "tool"),
                ):
                    if dimension and measure not in shown:
                        continue
                    changed = find_changed(
                        measure,
                        after.names[group].get(dimension, {}) if dimension else None,
                        select(seen[group], after, group),
                        select(teams, after, group),
                    )
                    for people in changed.values():
                        assert len(people - opted_in) in {0, *range(COHORT, 13)}
                seen[group] = teams
        before = after


def select(teams: Mapping[str, Sequence[OwnerSum]], released: DayRelease, group: str) -> list[OwnerSum]:
    """Return the sums of a group's teams."""
    return [each for team in released.teams[group] for each in teams.get(team, ())]


def find_changed(
    measure: str, names: Mapping[str, str] | None, old: list[OwnerSum], new: list[OwnerSum]
) -> dict[str, set[str]]:
    """Return who has other sums, by the name under which a measure is released."""
    totals: dict[tuple[str, str, str], int] = {}
    for sign, sums in ((-1, old), (1, new)):
        for each in sums:
            if each.measure != measure:
                continue
            name = "" if names is None else names.get(str(each.dims[0]))
            if name is not None:
                key = name, each.owner, repr((each.measure, each.dims))
                totals[key] = totals.get(key, 0) + sign * each.value
    changed: dict[str, set[str]] = {}
    for (name, owner, _), value in totals.items():
        changed.setdefault(name, set()).update({owner} if value else ())
    return changed


def test_every_name_from_outside_is_folded() -> None:
    """A dimension that is no closed set of words has names, and those of few people are not shown."""
    assert set(Dimension) == set(NAMES) | CLOSED_DIMENSIONS
    people = list(map("a{}".format, range(9)))
    sums = [OwnerSum(name, measures.HOOK_COMMAND_TIME, ("~ours", 7), 1) for name in people]
    sums += [OwnerSum(people[0], measures.HOOK_COMMAND_TIME, ("~mine", 7), 1)]
    sums += [OwnerSum(name, measures.CONVERSATIONS, ("fix", name, "critic"), 1) for name in people]
    values = list_values(release({"a": sums}), "a")
    assert values == {
        (measures.HOOK_COMMAND_TIME, (OTHER, 7)): 10,
        (measures.CONVERSATIONS, ("fix", OTHER, OTHER)): 9,
    }


def make_work(names: Iterable[str], type_: str = "tests") -> list[OwnerSum]:
    """Make two tasks of a minute and one that failed for each owner."""
    bucket = find_bucket(60 * SECOND)
    return [
        OwnerSum(name, measure, dims, value)
        for name in names
        for measure, dims, value in (
            (measures.TASK_TIME, (type_, bucket), 2),
            (measures.TASKS, (type_, "critic", "success"), 1),
            (measures.TASKS, (type_, "critic", "failure"), 1),
        )
    ]


def test_a_release_keeps_what_each_owner_did_by_type_and_shows_types_of_five_people_alone() -> None:
    """Lengths and failures by owner, never of runners; a type of two people is one of several in a sum."""
    people, runners = list(map("a{}".format, range(8))), frozenset({"ci"})
    sums = make_work([*people, "ci"]) + make_work(people[:2], "docs") + make_work(people[2:], "review")
    released = decode_day_release(encode_day_release(release({"a": sums}, opted_in=runners)))
    days = [*list_owner_days(TODAY, "a", released.work["a"], released.names["a"]["task_type"])]
    assert {each.owner for each in days} == set(people)
    assert {each.type: each.is_shown for each in days} == {"tests": True, "docs": False, "review": False}
    assert days[0].work.tasks == 2
    assert days[0].work.log_length == pytest.approx(math.log(60 * SECOND), abs=0.02)
    assert (days[0].work.failures, days[0].work.judged) == (1, 2)


def test_late_and_forgotten_work_is_kept_like_the_sums() -> None:
    """One late session changes no work; a withdrawn group keeps none, and a released one that of its sums."""
    names = list(map("a{}".format, range(9)))
    first = release({"a": make_work(names)})
    late = release({"a": make_work([*names, "a0"])}, first)
    assert late.work == first.work
    forgotten = frozenset({("a", "a0")})
    alone = release({"a": make_work(names[1:])}, first, forgotten=forgotten)
    assert set(alone.work["a"]["tests"]) == set(names[1:])
    withdrawn = release({"a": make_work([*names[1:], "a1"])}, first, forgotten=forgotten)
    assert withdrawn.work == {}
    assert release({"a": make_work(names[:4])}).work == {}


def test_a_day_is_over_some_hours_after_midnight() -> None:
    """Laptops that slept through the evening ship in the morning."""
    midnight = (TODAY + 1) * DAY
    assert not is_day_over(TODAY, midnight + HOUR)
    assert is_day_over(TODAY, midnight + 6 * HOUR)
