from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from stretto.clock import SECOND
from stretto.figures.retries_and_recoveries import EarlierRecoveries, find_recoveries, find_retries
from stretto.model.entities import Task
from stretto.model.event import Outcome
from tests.scenes import at, conclude_scene, retried


def task(
    id: str,
    start: float | None,
    end: float | None,
    outcome: Outcome,
    description: str | None = "review",
    **rest: str | None,
) -> Task:
    """A review by the worker, by default."""
    return Task(
        id=id,
        task_type=rest.get("task_type") or "review",
        agent=rest.get("agent", "worker"),
        description=description,
        parent=rest.get("parent"),
        delegated_by=None,
        start=None if start is None else at(start),
        end=None if end is None else at(end),
        outcome=outcome,
    )


def pairs(*tasks: Task) -> list[tuple[str, str]]:
    """Return (retry, failed task that it repeats) by id."""
    return [(retry.task.id, retry.failed.id) for retry in find_retries(tasks)]


FAILED = task("a", 0, 10, Outcome.FAILURE)


def test_the_drawn_scene_has_two_retries_and_one_recovery() -> None:
    """Each failure is repeated by the next task of its kind; only the last retry recovers it."""
    found = find_retries(conclude_scene(retried().events).tasks)
    assert [(r.task.id, r.failed.id, r.task.outcome is Outcome.SUCCESS) for r in found] == [
        ("retried-b", "retried-a", False),
        ("retried-c", "retried-b", True),
    ]


def test_only_a_failure_is_tried_again() -> None:
    """After a cancel a person decides, and an unknown outcome need not be a failure."""
    for outcome in (Outcome.SUCCESS, Outcome.CANCELLED, Outcome.UNKNOWN):
        assert pairs(task("a", 0, 10, outcome), task("b", 20, 30, Outcome.SUCCESS)) == []


def test_what_differs_in_parent_or_description_is_other_work() -> None:
    """The same description under the same parent is the same work, whatever agent and type it went to."""
    for other in (
        task("b", 20, 30, Outcome.SUCCESS, parent="p"),
        task("b", 20, 30, Outcome.SUCCESS, "review the other half"),
        task("b", 20, 30, Outcome.SUCCESS, None),
    ):
        assert pairs(FAILED, other) == []
    for same in (
        task("b", 20, 30, Outcome.SUCCESS),
        task("b", 20, 30, Outcome.SUCCESS, task_type="testing"),
        task("b", 20, 30, Outcome.SUCCESS, agent="tester"),
    ):
        assert pairs(FAILED, same) == [("b", "a")]


def test_without_descriptions_agent_and_type_must_be_the_same() -> None:
    """A failed review by the worker is repeated by its next review, not by another agent or type."""
    failed = task("a", 0, 10, Outcome.FAILURE, None)
    assert pairs(failed, task("b", 20, 30, Outcome.SUCCESS, None)) == [("b", "a")]
    assert pairs(failed, task("b", 20, 30, Outcome.SUCCESS, None, agent="tester")) == []
    assert pairs(failed, task("b", 20, 30, Outcome.SUCCESS, None, task_type="testing")) == []


def test_words_of_repetition_do_not_make_other_work() -> None:
    """Case, punctuation and "retry", "again" or "attempt 2" are ignored; other numbers are not."""
    for again in (
        "Retry: review",
        "review, again",
        "REVIEW (attempt 2 of 3)",
        "re-try review",
        "review try #2",
    ):
        assert pairs(FAILED, task("b", 20, 30, Outcome.SUCCESS, again)) == [("b", "a")], again
    assert (
        pairs(task("a", 0, 10, Outcome.FAILURE, "part 1"), task("b", 20, 30, Outcome.SUCCESS, "part 2")) == []
    )


def test_without_descriptions_agent_and_type_decide() -> None:
    """Descriptions can be switched off; then none equals none."""
    first = task("a", 0, 10, Outcome.FAILURE, None)
    assert pairs(first, task("b", 20, 30, Outcome.SUCCESS, None)) == [("b", "a")]


def test_a_twin_that_ran_side_by_side_is_no_retry() -> None:
    """It started before the failure was over."""
    assert pairs(FAILED, task("b", 5, 30, Outcome.SUCCESS)) == []


def test_each_failure_is_tried_again_once() -> None:
    """Two failures side by side take two retries; a third task is new work."""
    twin = task("b", 1, 9, Outcome.FAILURE)
    later = [
        task(name, start, start + 5, Outcome.SUCCESS) for name, start in (("c", 10), ("d", 20), ("e", 30))
    ]
    assert pairs(FAILED, twin, *later) == [("c", "a"), ("d", "b")]


@given(
    st.lists(
        st.tuples(st.integers(0, 20), st.integers(0, 9), st.sampled_from(list(Outcome)), st.booleans()),
        max_size=12,
    )
)
def test_retries_are_matched_one_to_one_with_failures_before_them(
    drawn: list[tuple[int, int, Outcome, bool]],
) -> None:
    """However tasks lie: a retry starts after its failure, and nothing is paired twice or with itself."""
    tasks = [
        task(str(number), start, start + length, outcome, "one" if which else "two")
        for number, (start, length, outcome, which) in enumerate(drawn)
    ]
    found = find_retries(tasks)
    assert len({r.task.id for r in found}) == len({r.failed.id for r in found}) == len(found)
    for retry in found:
        assert retry.failed.outcome is Outcome.FAILURE
        assert retry.task.id != retry.failed.id
        assert (retry.failed.end or 0) <= (retry.task.start or 0)
        assert retry.failed.description == retry.task.description


def test_a_failure_is_recovered_by_the_next_success_of_its_type_or_agent() -> None:
    """A review fails at 10 s: another agent's review succeeds at 25 s, its own agent's tests at 40 s."""
    other = task("b", 12, 25, Outcome.SUCCESS, agent="another")
    own = task("c", 30, 40, Outcome.SUCCESS, task_type="testing")
    unlike = task("d", 11, 12, Outcome.SUCCESS, task_type="docs", agent="another")
    assert [(r.success.id, r.length) for r in find_recoveries([unlike, own, other, FAILED])] == [
        ("b", 15 * SECOND)
    ]
    assert [r.success.id for r in find_recoveries([unlike, own, FAILED])] == ["c"]
    assert find_recoveries([unlike, FAILED]) == ()
    assert find_recoveries([other, own]) == ()


def test_a_recovery_before_the_failure_is_none() -> None:
    """What succeeded earlier recovers nothing."""
    assert find_recoveries([task("early", 0, 5, Outcome.SUCCESS), FAILED]) == ()


@given(
    st.lists(
        st.tuples(
            st.integers(1, 20), st.sampled_from(list(Outcome)), st.sampled_from(["one", "two", "three"])
        ),
        max_size=14,
    ),
    st.integers(0, 14),
    st.integers(0, 14),
)
def test_recoveries_among_earlier_tasks_stay_when_later_ones_end(
    drawn: list[tuple[int, Outcome, str]], first: int, second: int
) -> None:
    """However a session is cut in three by its ends: added part by part, its recoveries are those of all."""
    tasks = [
        task(str(number), 0, end, outcome, agent=agent, task_type=agent[0])
        for number, (end, outcome, agent) in enumerate(sorted(drawn))
    ]
    first, second = sorted((first, second))
    earlier = EarlierRecoveries().add(tasks[:first], tasks[:first])
    earlier = earlier.add(tasks[first:second], tasks[:second])
    found = earlier.find_with(tasks[second:])
    at_once = find_recoveries(tasks)
    open_order = bool(tasks[second:]) and tasks[second].end == earlier.until
    assert found is None if open_order else found is not None
    if found is not None:
        assert {recovery.failed.id: recovery for recovery in found} == {
            recovery.failed.id: recovery for recovery in at_once
        }
