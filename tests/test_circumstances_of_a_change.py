"""What else changed when a series of runs did: values that were rare before and are usual since."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from stretto.clock import DAY, HOUR, SECOND
from stretto.findings.circumstances_of_a_change import (
    add_coinciding_circumstances,
    list_changed_circumstances,
)
from stretto.findings.finding_sentences import describe_finding
from stretto.model.event import Outcome
from stretto.model.findings import COINCIDES, Finding, FindingEvidence, FindingVerdict
from stretto.model.run_rows_for_analyses import TaskRun

SINCE = 100 * DAY
"""The first instant of the day of the change."""


def make_runs(choose: Callable[[int], dict[str, str]], model: Callable[[int], str | None] = lambda _: None,
              days: range = range(-20, 20), agent: str = "tester") -> list[TaskRun]:  # fmt: skip
    """Return a run at noon of each day around the change, with the circumstances of its day."""
    return [
        TaskRun(
            f"s{day}", f"t{day}", SINCE + day * DAY + 12 * HOUR, SECOND, Outcome.SUCCESS, "tests", agent,
            pattern="release", model=model(day), covariates=choose(day),
        )
        for day in days
    ]  # fmt: skip


def test_what_is_new_since_the_day_is_named() -> None:
    """The client's version and the model are others; the effort is as before, and a branch has no name."""
    runs = make_runs(
        lambda day: {
            "client_version": "2.1.0" if day >= 0 else "2.0.9", "effort": "high",
            "branch": f"{day >= 0}", "machine": "one",
        },
        lambda day: "opus" if day >= 0 else "sonnet",
    )  # fmt: skip
    assert list_changed_circumstances(runs, SINCE) == [
        "the client's version is 2.1.0 instead of 2.0.9",
        "the model is opus instead of sonnet",
        "the branch is another",
    ]


@pytest.mark.parametrize(
    "choose",
    [
        lambda day: {"client_version": "2.1.0" if day >= 6 else "2.0.9"},
        lambda day: {"client_version": "2.1.0" if day >= 0 or day % 3 == 0 else "2.0.9"},
        lambda day: {"client_version": "2.1.0" if day >= 0 and day % 3 else "2.0.9"},
        lambda day: {"client_version": f"2.1.{max(0, day)}"},
        lambda day: {"client_version": "2.1.0"} if day >= 0 else {},
        lambda _: {},
    ],
    ids=["days later", "not new", "not usual", "each day another", "unknown before", "unknown"],
)
def test_what_did_not_change_then_is_not_named(choose: Callable[[int], dict[str, str]]) -> None:
    """A value must be rare before and usual after, by at least five known runs on each side."""
    assert list_changed_circumstances(make_runs(choose), SINCE) == []


def test_too_few_runs_since_say_nothing() -> None:
    """Five days after the change four runs are known that are clearly after it."""
    choose = {True: {"client_version": "2.1.0"}, False: {"client_version": "2.0.9"}}
    assert (
        list_changed_circumstances(make_runs(lambda day: choose[day >= 0], days=range(-20, 5)), SINCE) == []
    )
    assert list_changed_circumstances(make_runs(lambda day: choose[day >= 0], days=range(-20, 6)), SINCE)


def test_only_the_runs_of_the_series_count() -> None:
    """Another agent's client changed; a finding without a change, or of no tasks, stays as it is."""
    runs = [
        *make_runs(lambda day: {"client_version": "2.1.0" if day >= 0 else "2.0.9"}, agent="writer"),
        *make_runs(lambda _: {"client_version": "2.0.9"}),
    ]

    def change(verdict: FindingVerdict, **subject: str) -> Finding:
        return Finding("agent_length", subject, verdict, FindingEvidence(9, 1.5, 1.3, 1.7), SINCE)

    given = [
        change(FindingVerdict.REGRESSION, agent="writer"),
        change(FindingVerdict.REGRESSION, agent="tester"),
        change(FindingVerdict.NO_EVIDENCE, agent="writer"),
        change(FindingVerdict.REGRESSION, tool="Bash"),
    ]
    found, *others = add_coinciding_circumstances(given, runs)
    assert others == given[1:]
    assert found.details[COINCIDES] == "the client's version is 2.1.0 instead of 2.0.9"
    assert describe_finding(found).endswith(
        "[1.30, 1.70]. Since then, too: the client's version is 2.1.0 instead of 2.0.9."
    )
