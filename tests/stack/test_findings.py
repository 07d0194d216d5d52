"""A month with a planted slow-down, from the journal to the webhook; a fix that is judged; a quiet month."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from stretto import journal
from stretto.clock import DAY, SECOND, read_wall_clock
from stretto.model.decisions import Decision, DecisionKind
from stretto.model.event import Event
from stretto.model.findings import Finding, FindingEvidence, FindingVerdict
from stretto.store.decision_rows import append_decisions
from stretto.store.finding_history_and_last_answers import (
    BEGAN,
    FindingChange,
    append_finding_changes,
    make_finding_id,
)
from tests.detectors.journal_rows import find_regressions
from tests.month import end_of_day, month_of_sessions
from tests.scenes import BEGIN
from tests.stack.running import Running, require_servers, running, until

pytestmark = pytest.mark.stack

DAYS = 40
CHANGE = 31
"""Day of the slow-down, and of the fix."""

ADVICE = Finding(
    "recommendation_load_balance",
    {"pattern": "review"},
    FindingVerdict.NO_EVIDENCE,
    FindingEvidence(n=30, effect=40.0, low=10.0, high=90.0, unit="seconds"),
    advice="Share the tests among two agents.",
)


QUIET_DAYS = 30

QUIET_SEED = 4
"""A draw without a false episode. How many draws of a month have some: docs/detectors.md."""


def write_month(folder: Path, events: Iterable[Event], shift: int) -> None:
    """Write events as hooks would have, each into the file of its day."""
    lines: dict[Path, list[bytes]] = {}
    for event in events:
        moved = replace(event, time=event.time + shift)
        lines.setdefault(journal.get_day_file(folder, moved.time), []).append(journal.encode_event(moved))
    for path, records in lines.items():
        journal.append_records(path, b"".join(records))


def find_shift() -> int:
    """Return by how much the drawn month is moved so that it ended yesterday."""
    return read_wall_clock() // DAY * DAY - (BEGIN + DAYS * DAY)


@pytest.fixture(scope="module")
def changed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A service over a month in which tests of one pattern got slower, and a fix of another was applied."""
    require_servers()
    state = tmp_path_factory.mktemp("changed")
    folder, shift = state / "journal", find_shift()
    write_month(folder, month_of_sessions(DAYS, slower={CHANGE: 1.6}), shift)
    write_month(folder, month_of_sessions(DAYS, slower={CHANGE: 0.4}, pattern="review", seed=2), shift)
    applied = BEGIN + shift + CHANGE * DAY
    id = make_finding_id(ADVICE.kind, ADVICE.subject)
    append_finding_changes(folder, [FindingChange(id, applied - DAY, BEGAN, "advice", ADVICE)])
    append_decisions(folder, [Decision("d", applied, DecisionKind.APPLIED, id, "two agents")])
    with running(state) as found:
        yield found


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
    """Nine days after the fix it is an improvement, with an interval, as promised, and promises are rated."""

    def find_effect() -> dict[str, Any] | None:
        value = changed.query("stretto_recommendation_calibration_ratio")
        return value[0] if value else None

    until("the effect in Prometheus", find_effect)
    assert (changed.value('stretto_recommendation_seconds{kind="load_balance",state="realised"}') or 0) > 0
    answers = [each for kept in changed.get("/api/findings")["analyses"] for each in kept["answers"]]
    (judged,) = [each for each in answers if each["kind"] == f"effect_{ADVICE.kind.partition('_')[2]}"]
    evidence, promised = judged["evidence"], ADVICE.evidence
    assert (judged["subject"], judged["verdict"]) == (dict(ADVICE.subject), "improvement")
    assert 0 < evidence["low"] < evidence["effect"] < evidence["high"]
    assert promised.low is not None
    assert promised.high is not None
    assert promised.low <= evidence["effect"] <= promised.high
    assert judged["details"]["within_promise"] == "yes"
    assert "load balance (review) saves" in changed.text("/findings")


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
    write_month(tmp_path / "journal", month_of_sessions(DAYS, seed=QUIET_SEED), shift)
    with running(tmp_path) as quiet:
        until(
            "the checks in Prometheus",
            lambda: (
                (quiet.value('sum(stretto_analysis_checks_total{verdict="no_evidence"})') or 0) > 0 or None
            ),
        )
        until("their age", lambda: quiet.query('stretto_analysis_age_seconds{analysis="changes"}') or None)
        for day in range(DAYS - QUIET_DAYS, DAYS):
            assert find_regressions(tmp_path, end_of_day(day) + shift) == [], day
        wait_for_evaluation_of_rules(quiet)
        assert quiet.query("stretto_regression_ratio") == []
        assert quiet.query('ALERTS{alertname!="StrettoWatchdog"}') == []
        assert quiet.get("/api/findings")["quiet_checks"] > 0
