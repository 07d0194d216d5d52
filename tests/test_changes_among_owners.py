"""What got worse for a team: its people compared with themselves, and nothing shown of fewer than five."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stretto.analysis.changes_among_owners import (
    LEAST_OWNERS,
    OwnerValue,
    compare_owners,
    judge_changes_among_owners,
)
from stretto.analysis.effect_estimates import estimate_paired_change
from stretto.clock import DAY
from stretto.findings.finding_sentences import describe_finding, describe_run_count
from stretto.model.findings import Finding, FindingVerdict
from stretto.model.owner_days import OwnerDay, OwnerWork
from tests.generated_teams import FIRST_DAY, DrawnTeam

REGRESSION = FindingVerdict.REGRESSION
SINCE = 48


def judge(days: Sequence[OwnerDay], last: int) -> list[Finding]:
    """Return the findings at the end of a day (from 0)."""
    known = [each for each in days if each.day <= FIRST_DAY + last]
    return judge_changes_among_owners(known, (FIRST_DAY + last + 1) * DAY)


def list_changes(days: Sequence[OwnerDay], last: int) -> list[Finding]:
    """Return the findings that say that something changed."""
    return [finding for finding in judge(days, last) if finding.since is not None]


def test_unchanged_teams_are_silent_for_a_month() -> None:
    """People come and go, have levels and moods of their own: one of 24 series is wrong at most."""
    false = set()
    for seed in (1, 2, 3):
        team = DrawnTeam(days=66, is_there=lambda owner, day: owner < 7 or 20 * (owner - 6) < day)
        days = team.draw(seed)
        found = [finding for last in range(36, 66, 3) for finding in list_changes(days, last)]
        false |= {(seed, each.kind, *each.subject.values()) for each in found}
        verdicts = {each.verdict for each in judge(days, 65)}
        assert FindingVerdict.NO_EVIDENCE in verdicts, "it could have seen a change"
    assert len(false) <= 1


@pytest.mark.parametrize("seed", [1, 2])
def test_a_team_that_became_slower_has_the_factor_the_day_and_the_number_of_people(seed: int) -> None:
    """Everybody takes 1.5 times as long since a day: the whole and its types, dated, with the interval."""
    days = DrawnTeam(change=lambda _, day: 1.5 if day >= SINCE else 1.0).draw(seed)
    changes = list_changes(days, 59)
    whole = changes[0]
    assert not whole.subject
    assert {each.subject["type"] for each in changes[1:]}, "some types too"
    for finding in changes:
        evidence = finding.evidence
        assert (finding.kind, finding.verdict, evidence.unit) == ("task_length", REGRESSION, "ratio")
        assert finding.since is not None
        assert abs(finding.since // DAY - FIRST_DAY - SINCE) <= 2, "types are dated with the whole"
        assert evidence.n >= LEAST_OWNERS
        assert not evidence.runs
    low, high = whole.evidence.low, whole.evidence.high
    assert low is not None
    assert high is not None
    assert 1.3 < low < 1.5 < high < 1.8
    assert describe_finding(whole).startswith("Tasks take 1.")
    assert describe_run_count(whole) == f"{whole.evidence.n}\N{NO-BREAK SPACE}people"


def test_more_failures_of_everybody_are_a_finding() -> None:
    """Of each one's tasks half fail: a difference of shares, by the people's own changes."""
    days = [
        replace(each, work=fail_half(each.work)) if each.day >= FIRST_DAY + SINCE else each
        for each in DrawnTeam().draw(1)
    ]
    finding = next(each for each in list_changes(days, 59) if not each.subject)
    assert (finding.kind, finding.verdict, finding.evidence.unit) == ("failure_share", REGRESSION, "share")
    assert finding.evidence.effect == pytest.approx(0.45, abs=0.15)


def test_slow_people_who_join_are_no_change() -> None:
    """Five people who take three times as long come on a day: sums of days rise, nobody got slower."""
    team = DrawnTeam(
        owners=14,
        level=lambda owner: 1.1 if owner >= 9 else 0.0,
        is_there=lambda owner, day: owner < 9 or day >= SINCE,
    )
    assert list_changes(team.draw(4), 59) == []


def test_one_person_s_change_is_not_shown() -> None:
    """One of nine takes five times as long, with the most tasks of all: it is nobody else's business."""
    team = DrawnTeam(change=lambda owner, day: 5.0 if owner == 0 and day >= SINCE else 1.0)
    assert [list_changes(team.draw(seed), 59) for seed in (1, 2, 3)] == [[]] * 3


def test_fewer_than_five_people_have_no_finding() -> None:
    """Of four nothing is judged, and it is said what is missing."""
    for finding in judge(DrawnTeam(owners=4, change=lambda _, day: 2.0 if day >= SINCE else 1.0).draw(1), 59):
        assert finding.verdict is FindingVerdict.TOO_LITTLE_DATA
        assert finding.reason == "0 of 14 days with the work of at least five people"


def test_a_type_that_leaves_one_to_four_people_over_is_not_shown() -> None:
    """Of nine people seven write docs: with the finding about all, theirs would show the other two."""
    slower = DrawnTeam(
        change=lambda _, day: 1.6 if day >= 40 else 1.0, does=lambda owner, name: owner < 7 or name != "docs"
    )
    days = slower.draw(2)
    changes = {tuple(each.subject.values()) for each in list_changes(days, 59)}
    assert () in changes
    assert ("docs",) not in changes


def fail_half(work: OwnerWork) -> OwnerWork:
    """Let half of the tasks fail."""
    return OwnerWork(work.tasks, work.log_length, (work.judged + 1) // 2, work.judged)


def make_value(day: int, owner: str, value: float = 1.0, group: str = "red") -> OwnerValue:
    """Make the value of an owner on a day."""
    return OwnerValue(day, group, owner, value)


@given(
    st.lists(
        st.builds(make_value, st.integers(0, 12), st.integers(0, 8).map("p{}".format), st.floats(0, 9)),
        unique_by=lambda each: (each.day, each.owner),
        max_size=110,
    )
)
def test_every_day_of_a_comparison_has_five_of_its_people(values: list[OwnerValue]) -> None:
    """Whoever worked when: five people, on each day that counts five of them, and each on both sides."""
    comparison = compare_owners(values, values, 6, 12)
    if comparison is None:
        return
    at_work = defaultdict(set)
    for each in values:
        if each.owner in comparison.owners and each.day in comparison.days:
            at_work[each.day].add(each.owner)
    assert len(comparison.owners) >= LEAST_OWNERS
    assert all(len(at_work[day]) >= LEAST_OWNERS for day in comparison.days)
    for is_after in (False, True):
        seen = set().union(*(at_work[day] for day in comparison.days if (day >= 6) is is_after))
        assert seen == comparison.owners


@pytest.mark.parametrize(("newcomers", "joined"), [(0, 6), (1, 6), (4, 6), (5, 11)])
def test_people_join_a_comparison_five_at_a_time(newcomers: int, joined: int) -> None:
    """One to four more who have enough days change nothing of the answer; five do."""
    old = [f"p{number}" for number in range(6)]
    new = [f"n{number}" for number in range(newcomers)]
    values = [make_value(day, owner) for day in range(20) for owner in old]
    values += [make_value(day, owner, 9.0) for day in (*range(5), *range(15, 18)) for owner in new]
    before, after = compare_owners(values, values, 10, 16), compare_owners(values, values, 10, 17)
    assert before is not None
    assert after is not None
    assert (len(before.owners), len(after.owners)) == (6, joined)
    assert [after.means[owner] == before.means[owner] for owner in old] == [True] * 6


def test_a_day_of_few_of_the_compared_people_changes_nothing() -> None:
    """One of them works on a day with four newcomers: the day is released, but the answer stays."""
    old = [f"p{number}" for number in range(6)]
    values = [make_value(day, owner) for day in range(20) for owner in old]
    values += [make_value(20, owner, 99.0) for owner in ("p0", "n0", "n1", "n2", "n3")]
    assert compare_owners(values, values, 10, 20) == compare_owners(values, values, 10, 19)


def test_all_teams_are_compared_only_if_nobody_is_left_over_beside_one() -> None:
    """Eight people of red and three of blue became slower: of both the change would show the three."""
    red, blue = (DrawnTeam(owners=size, change=lambda _, day: 1.6 if day >= 40 else 1.0) for size in (8, 13))
    of_red = red.draw(2)
    of_blue = [
        OwnerDay(each.day, "blue", f"b{each.owner}", each.type, each.is_shown, each.work)
        for each in blue.draw(3)
    ]
    gone = [each for each in of_blue if each.owner in {"bp0", "bp1", "bp2"} or each.day < FIRST_DAY + 40]
    for days, most in ((of_red, 8), ([*of_red, *of_blue], 21), ([*of_red, *gone], 8)):
        (whole,) = [each for each in list_changes(days, 59) if not each.subject]
        assert whole.evidence.n <= most
        assert whole.evidence.n in range(5, 9) or whole.evidence.n >= 13


def test_the_change_of_pairs_has_student_s_interval() -> None:
    """Shares (.1, .2) and (.2, .4) changed by .15; one pair, or no scatter, has no interval."""
    estimate = estimate_paired_change([(0.1, 0.2), (0.2, 0.4)], is_ratio=False)
    assert estimate is not None
    assert estimate.unit == "share"
    assert estimate.effect == pytest.approx(0.15)
    assert estimate.low == pytest.approx(0.15 - 12.706 * 0.05, abs=0.001)
    assert estimate_paired_change([(0.1, 0.2)], is_ratio=False) is None
    assert estimate_paired_change([(0.0, 1.0), (1.0, 2.0)], is_ratio=True) is None
