"""An answer about some people shows nothing of the others whom leads see with them in whole teams."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from stretto.hub.enough_people_release_rule import COHORT, POOL, pool_few
from stretto.hub.people_outside_an_answer import draw_one_to_leave_out, is_safe_beside_teams

PEOPLE = [f"p{number}" for number in range(30)]

SIZES = st.lists(st.integers(1, 12), min_size=1, max_size=4)
ARMS = st.lists(st.sampled_from(["A", "A", "A", "B", "B", "B", "AB", "AB", ""]), min_size=48, max_size=48)


def make_teams(sizes: list[int], shared: list[int]) -> dict[str, frozenset[str]]:
    """Make teams of some sizes, of people of their own but for some who are of the first team, too."""
    people = iter(range(48))
    teams = [frozenset(f"p{next(people)}" for _ in range(size)) for size in sizes]
    teams[0] |= {f"p{number}" for number in shared if number < sum(sizes)}
    return {f"team {place}": team for place, team in enumerate(teams)}


def count_fewest_between(people: frozenset[str], teams: Mapping[str, frozenset[str]]) -> int:
    """Return by how many people they differ at least from teams that leads see, unless by nobody.

    Every union of teams is looked at, with teams of few people taken together.
    """
    groups = [
        frozenset(person for team in pooled for person in teams[team])
        for pooled in pool_few(teams, {}, POOL).values()
    ]
    differences = {
        len(people ^ frozenset[str]().union(*chosen))
        for number in range(len(groups) + 1)
        for chosen in combinations(groups, number)
    }
    return min(differences - {0}, default=COHORT)


@given(SIZES, st.lists(st.integers(0, 47), max_size=6) | st.just([]), ARMS)
def test_answers_differ_from_whole_teams_by_nobody_or_five_people(
    sizes: list[int], shared: list[int], arms: list[str]
) -> None:
    """Whatever the teams and arms: so it is once nobody is left to be left out, or there is no answer."""
    teams = make_teams(sizes, shared)
    of_arm = defaultdict[str, set[str]](set)
    for person, run in zip(sorted(frozenset[str]().union(*teams.values())), arms, strict=False):
        for arm in run:
            of_arm[arm].add(person)
    inside = [frozenset(of_arm[arm]) for arm in "AB"]
    while (left_out := draw_one_to_leave_out(inside, teams)) is not None:
        smaller = [people - {left_out} for people in inside]
        assert all(
            len(fewer) >= COHORT for fewer, people in zip(smaller, inside, strict=True) if fewer != people
        )
        inside = smaller
    if all(len(people) >= COHORT for people in inside):
        shown = (*inside, inside[0] | inside[1])
        is_far = [count_fewest_between(people, teams) >= COHORT for people in shown]
        assert is_safe_beside_teams(inside, teams) == all(is_far)


def test_all_of_some_teams_may_be_in_an_answer() -> None:
    """They are no others than leads see, and those of the other teams are at least five."""
    red, blue, grey = (frozenset(PEOPLE[first : first + 6]) for first in (0, 6, 12))
    teams = {"red": red, "blue": blue, "grey": grey}
    assert is_safe_beside_teams([red], teams)
    assert is_safe_beside_teams([red | blue], teams)
    assert not is_safe_beside_teams([red | {PEOPLE[6]}], teams)
    assert not is_safe_beside_teams([red | blue - {PEOPLE[6]}], teams)


def test_who_is_of_another_team_too_hides_nobody() -> None:
    """Four of a team of twelve are left over, although one of the eight is of a team that is not asked."""
    inside, outside, others = (frozenset(PEOPLE[slice(*part)]) for part in ((0, 8), (8, 12), (12, 17)))
    assert not is_safe_beside_teams([inside], {"red": inside | outside, "blue": others | {PEOPLE[0]}})
    assert is_safe_beside_teams([inside], {"red": inside | outside | {"ann"}, "blue": others | {PEOPLE[0]}})
    red, blue, grey = (frozenset(PEOPLE[first : first + 8]) for first in (0, 8, 16))
    shared = {PEOPLE[29]}
    assert not is_safe_beside_teams(
        [red | shared], {"red": red, "blue": blue | shared, "grey": grey | shared}
    )


def test_of_an_arm_of_five_nobody_is_left_out() -> None:
    """Others of the larger arm are, three of them, since two are outside already."""
    small, large, outside = frozenset(PEOPLE[:5]), frozenset(PEOPLE[5:15]), frozenset(PEOPLE[15:17])
    teams = {"red": small | large | outside}
    left_out = []
    while (person := draw_one_to_leave_out([small, large], teams)) is not None:
        left_out.append(person)
        large -= {person}
    assert len(left_out) == 3
    assert small.isdisjoint(left_out)
    assert is_safe_beside_teams([small, large], teams)


def test_an_answer_beside_each_stretch_of_time() -> None:
    """People who worked only on the first, partial day hide nobody who is left over on the whole days."""
    inside, outside, earlier = (frozenset(PEOPLE[slice(*part)]) for part in ((0, 18), (18, 20), (20, 25)))
    every_day, whole_days = {"red": inside | outside | earlier}, {"red": inside | outside}
    assert is_safe_beside_teams([inside], every_day)
    assert not is_safe_beside_teams([inside], every_day, whole_days)
    assert draw_one_to_leave_out([inside], every_day, whole_days) in inside


def test_many_teams_of_the_same_people_end_without_an_answer() -> None:
    """Of twenty teams that share all of their people not each union is looked at; teams alike count once."""
    people = [f"{team}-{number}" for team in range(20) for number in range(5)]
    teams = {
        f"{way} {place}": frozenset(
            people[place::20] if way == "across" else people[5 * place : 5 * place + 5]
        )
        for way in ("across", "along")
        for place in range(20)
    }
    assert not is_safe_beside_teams([frozenset(people)], teams)
    renamed = {
        f"{age} {place}": frozenset(people[5 * place : 5 * place + 5])
        for age in ("old", "new")
        for place in range(20)
    }
    assert is_safe_beside_teams([frozenset(people)], renamed)
