"""Leads see sums of at least five people, with as many outside; no difference of answers shows fewer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stretto.clock import DAY, HOUR
from stretto.hub.engine import OwnerSum
from stretto.hub.released_days import (
    COHORT,
    POOL,
    DayRelease,
    decode_day_release,
    encode_day_release,
    is_day_over,
    is_release_outdated,
    release_day,
)
from stretto.names import OTHER, measures

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


def release(teams: Mapping[str, Sequence[OwnerSum]]) -> DayRelease:
    """Release a day some hours after its end."""
    return release_day(TODAY, teams, (TODAY + 2) * DAY)


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


@pytest.mark.parametrize(("late", "outdated"), [(0, False), (1, False), (4, False), (5, True)])
def test_late_sessions_are_added_when_enough_people_have_some(late: int, outdated: bool) -> None:
    """The difference of two releases is a sum of at least five people, too."""
    names = list(map("a{}".format, range(8)))
    released = decode_day_release(encode_day_release(release({"a": make_sums(names)})))
    now = {"a": make_sums(names) + make_sums(names[:late], "qa")}
    assert is_release_outdated(released, now) is outdated
    gone = {"a": make_sums(names[late:])}
    assert is_release_outdated(released, gone) is outdated


def test_a_day_is_over_some_hours_after_midnight() -> None:
    """Laptops that slept through the evening ship in the morning."""
    midnight = (TODAY + 1) * DAY
    assert not is_day_over(TODAY, midnight + HOUR)
    assert is_day_over(TODAY, midnight + 6 * HOUR)
