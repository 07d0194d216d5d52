"""Keep those at work whom the answer of an experiment is not about nobody, or at least five people.

Leads know the sums of whole teams. Beside an answer about all but two people of a team, these two would be
what is left. So others are left out, too, until five are.

Example: of 20 people of a team at work, 18 took part. Three of them are left out by lot: the answer is about
15 people, and not about 5.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256

from stretto.hub.enough_people_release_rule import COHORT, POOL, pool_few

Teams = Mapping[str, frozenset[str]]
"""Every team of the tenant → its people who were at work in a stretch of time."""

MOST_UNIONS = 2_000
"""Most unions of teams that are followed up at once. Few people in many teams at once make more."""


def is_safe_beside_teams(arms: Iterable[frozenset[str]], *times: Teams) -> bool:
    """Return whether neither an arm nor all together differ from whole teams by one to four people.

    ``arms`` are the people of each, ``times`` the teams at work in each stretch of time that leads see. Teams
    of few people are taken together, as they are in released days. Where so many people are in several teams
    that not all of their unions can be looked at, the answer is no.
    """
    of_arms = [*arms]
    answers = (*of_arms, frozenset[str]().union(*of_arms))
    return all(_is_far_from_whole(people, _list_groups(teams)) for teams in times for people in answers)


def _list_groups(teams: Teams) -> list[frozenset[str]]:
    """Return the people of each group that leads see, each group once."""
    pooled = pool_few(teams, {}, POOL).values()
    return [*dict.fromkeys(frozenset[str]().union(*(teams[team] for team in group)) for group in pooled)]


def draw_one_to_leave_out(arms: Iterable[frozenset[str]], *times: Teams) -> str | None:
    """Return whom an answer is not to be about, so that others are not left over; None if nobody need be.

    Nor is there somebody if each arm needs all of its people. The lot is the same in all experiments:
    answers about the same runs are then about the same people, and both can be shown.
    """
    of_arms = [*arms]
    if is_safe_beside_teams(of_arms, *times):
        return None
    needed = frozenset[str]().union(*(people for people in of_arms if len(people) <= COHORT))
    return min(frozenset[str]().union(*of_arms) - needed, key=_draw_lot, default=None)


def _draw_lot(person: str) -> bytes:
    return sha256(person.encode("utf-8", "surrogatepass")).digest()


def _is_far_from_whole(people: frozenset[str], groups: Sequence[frozenset[str]]) -> bool:
    """Return whether people are some of the groups exactly, or differ from any union of them by five.

    Only unions are followed up that may still be near: few in them are not of these people, and few of
    these people are in groups that the union lacks. Of the latter, people of several groups do not count.
    """
    number_of_groups = Counter(person for group in groups for person in group)
    shared = {person for person, number in number_of_groups.items() if number > 1}
    near = {(frozenset[str](), frozenset[str]())}
    for group in groups:
        alone = (people & group) - shared
        longer = {(union | group, lacking) for union, lacking in near}
        longer |= {(union, lacking | alone) for union, lacking in near}
        near = {(union, lacking) for union, lacking in longer if len((union - people) | lacking) < COHORT}
        if len(near) > MOST_UNIONS:
            return False
    return not any(len(union ^ people) in range(1, COHORT) for union, _ in near)
