"""A month with a planted slow-down, from the journal to the webhook; advice that is judged; a quiet month.

The events and, before the real service starts, the clock of the one that advises are made here. The advice,
what is decided through the service's door, and everything that follows are the product's.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from stretto.clock import DAY, HOUR, SECOND, read_wall_clock, to_rfc3339
from tests import run_makers
from tests.advised_month import (
    AGENT,
    PATTERN,
    advising,
    draw_even_days,
    draw_uneven_days,
    write_events_by_day,
)
from tests.detectors.quiet_months import judge_changes_of_store, list_regressions
from tests.month import end_of_day, month_of_sessions
from tests.scenes import BEGIN
from tests.stack.running import Running, require_servers, running, until

pytestmark = pytest.mark.stack

DAYS = 40
CHANGE = 31
"""Day of the slow-down, and the first on which the advice is followed."""

QUIET_DAYS = 30

QUIET_SEED = 4
"""A draw without a false episode. How many draws of a month have some: docs/detectors.md."""


def find_shift() -> int:
    """Return by how much the drawn month is moved so that it ended yesterday."""
    return read_wall_clock() // DAY * DAY - (BEGIN + DAYS * DAY)


@pytest.fixture(scope="module")
def changed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A service over a month in which tests of a pattern got slower, and advice on another was followed."""
    require_servers()
    state = tmp_path_factory.mktemp("changed")
    folder, shift = state / "journal", find_shift()
    followed = BEGIN + shift + CHANGE * DAY
    shift_of_runs = BEGIN + shift - run_makers.BEGIN
    write_events_by_day(folder, draw_uneven_days(CHANGE), shift_of_runs)
    with advising(state, lambda: followed - HOUR) as service:
        until("the advice", lambda: service.get_findings().open_findings)
    write_events_by_day(folder, draw_even_days(CHANGE, DAYS - CHANGE), shift_of_runs)
    write_events_by_day(folder, month_of_sessions(DAYS, slower={CHANGE: 1.6}), shift)
    with running(state) as found:
        advice = find_advice(found)
        applied = {"kind": "applied", "finding": advice["id"], "time": to_rfc3339(followed)}
        assert found.post("/api/decisions", json.dumps(applied).encode()) == 200
        yield found


def find_advice(service: Running) -> dict[str, Any]:
    """Return the service's advice about the agent that has too much to do."""
    document = service.get("/api/findings")
    (advice,) = [
        each
        for each in [*document["open"], *document["settled"]]
        if each["kind"] == "recommendation_unbalanced_agents"
    ]
    return dict(advice)


def notices(service: Running, name: str) -> list[dict[str, Any]]:
    """Return the notifications of an alert that reached the service's webhook."""
    listed = service.get("/api/notifications")["notifications"]
    return [notice for notice in listed if notice["alertname"] == name]


def test_a_planted_slow_down_reaches_the_webhook_with_subject_factor_and_date(changed: Running) -> None:
    """The notification names the tests of the pattern, a factor near 1.6 and the day of the change."""
    (notice, *_) = until("the alert at the webhook", lambda: notices(changed, "StrettoRegression") or None)
    alerted = re.search(r"task_length of release/testing is (\S+) times what it was", notice["description"])
    assert alerted is not None
    factor = changed.value('stretto_regression_ratio{kind="task_length",name="release/testing"}')
    low = changed.value('stretto_regression_low_ratio{kind="task_length",name="release/testing"}')
    high = changed.value('stretto_regression_high_ratio{kind="task_length",name="release/testing"}')
    assert factor is not None
    assert low is not None
    assert high is not None
    assert low <= 1.6 <= high
    assert low <= float(alerted[1]) <= high
    assert float(alerted[1]) == pytest.approx(factor, rel=1e-3)
    since = changed.value(
        'stretto_regression_since_timestamp_seconds{kind="task_length",name="release/testing"}'
    )
    assert since is not None
    planted = (BEGIN + find_shift() + CHANGE * DAY) // SECOND
    assert abs(since - planted) <= 86_400
    assert datetime.fromtimestamp(since, UTC).date().isoformat() in notice["description"]
    assert "times as long since" in changed.text("/")


def test_an_applied_recommendation_is_judged(changed: Running) -> None:
    """Said to be applied nine days ago, it is an improvement since then, as promised, and that is rated."""

    def find_effect() -> dict[str, Any] | None:
        value = changed.query("stretto_recommendation_calibration_ratio")
        return value[0] if value else None

    until("the effect in Prometheus", find_effect)
    realised = 'stretto_recommendation_seconds{kind="unbalanced_agents",state="realised"}'
    assert (changed.value(realised) or 0) > 0
    answers = [each for kept in changed.get("/api/findings")["analyses"] for each in kept["answers"]]
    (judged,) = [each for each in answers if each["kind"] == "effect_unbalanced_agents"]
    evidence, advice = judged["evidence"], find_advice(changed)
    (decision,) = advice["decisions"]
    assert decision["time"] < decision["recorded"]
    assert judged["since"] == decision["time"]
    assert (judged["subject"], judged["verdict"]) == (advice["subject"], "improvement")
    assert 0 < evidence["low"] < evidence["effect"] < evidence["high"]
    assert judged["details"]["within_promise"] == "yes"
    assert f"unbalanced agents ({AGENT} of {PATTERN}) saves" in changed.text("/findings")


def test_an_accepted_regression_is_settled_everywhere(changed: Running) -> None:
    """Accepted, the finding leaves the list and the series, and the decision stays on record."""

    def list_regressed() -> list[str]:
        found = changed.get("/api/findings")["open"]
        return [
            each["id"] for each in found if each["kind"] == "agent_length" or each["kind"] == "fanout_elapsed"
        ]

    (chosen, *_) = until("a finding about agents", list_regressed)
    body = b'{"kind": "accepted", "finding": "%s", "text": "bigger suite"}' % chosen.encode()
    assert changed.post("/api/decisions", body) == 200
    until(
        "the finding to be settled",
        lambda: chosen not in {each["id"] for each in changed.get("/api/findings")["open"]} or None,
    )
    settled = {each["id"]: each for each in changed.get("/api/findings")["settled"]}
    assert settled[chosen]["decisions"][-1]["text"] == "bigger suite"


def wait_for_evaluation_of_rules(service: Running) -> None:
    """Return once every rule was evaluated after what Prometheus has scraped by now."""
    now = read_wall_clock() / SECOND

    def is_evaluated() -> bool:
        groups = service.get("/api/v1/rules", base=service.prometheus)["data"]["groups"]
        times = [datetime.fromisoformat(group["lastEvaluation"]).timestamp() for group in groups]
        return min(times) > now

    until("an evaluation of all rules", is_evaluated)


@pytest.mark.slow
def test_a_month_with_nothing_planted_is_silent(tmp_path: Path) -> None:
    """No alert fires or is about to once all checks are scraped, and none of 30 days had a regression."""
    require_servers()
    shift = find_shift()
    write_events_by_day(tmp_path / "journal", month_of_sessions(DAYS, seed=QUIET_SEED), shift)
    with running(tmp_path) as quiet:
        until(
            "the checks in Prometheus",
            lambda: (
                (quiet.value('sum(stretto_analysis_checks_total{verdict="no_evidence"})') or 0) > 0 or None
            ),
        )
        until("their age", lambda: quiet.query('stretto_analysis_age_seconds{analysis="changes"}') or None)
        for day in range(DAYS - QUIET_DAYS, DAYS):
            findings = judge_changes_of_store(tmp_path, end_of_day(day) + shift)
            assert list_regressions(findings) == [], day
        wait_for_evaluation_of_rules(quiet)
        assert quiet.query("stretto_regression_ratio") == []
        assert quiet.query('ALERTS{alertname!="StrettoWatchdog"}') == []
        assert quiet.get("/api/findings")["quiet_checks"] > 0
