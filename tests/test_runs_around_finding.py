"""The page of a finding: the runs of its subject before and since its change, drawn and linked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import httpx
import pytest

from stretto.clock import DAY, HOUR
from stretto.findings.findings_snapshot import FindingsState
from stretto.model.findings import Finding, FindingEvidence, FindingVerdict
from stretto.store.finding_history_and_last_answers import StoredFinding
from tests.web_page import Page, read
from tests.web_served import NOON, Store, Work, served

SLOW = Work(0, 60, "write tests", "tester")
QUICK = Work(0, 30, "write tests", "tester")
OTHER = Work(0, 15, "review architecture", "architect")

SUBJECTS: Mapping[str, Mapping[str, str]] = {
    "tasks": {"type": "testing", "pattern": "fan-out"},
    "calls": {"tool": "Agent"},
    "sessions": {"pattern": "fan-out", "mix": "1 testing"},
    "phase": {"phase": "implementation"},
    "condition": {"condition": "width > 3"},
    "nobody": {"agent": "nobody"},
}
SINCE = NOON - 2 * DAY
"""Noon of the 18th: the change counts from the beginning of that day."""


def make_finding(id: str, subject: Mapping[str, str], since: int | None) -> StoredFinding:
    """Return a regression about a subject."""
    finding = Finding(
        "task_length", subject, FindingVerdict.REGRESSION, FindingEvidence(n=50, effect=2.0), since=since
    )
    return StoredFinding(id, "changes", finding, NOON - DAY, NOON - DAY)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """Serve three sessions with a quick task, two with a slow one since the 18th, and findings about them."""
    store = Store(tmp_path_factory.mktemp("changed"))
    for days, work in ((5, QUICK), (4, QUICK), (3, QUICK), (2, SLOW), (1, SLOW)):
        store.scene(f"{days}-days-ago", NOON - days * DAY - HOUR, (OTHER, work))
    store.refresh()
    findings = [make_finding(name, subject, SINCE) for name, subject in SUBJECTS.items()]
    findings.append(make_finding("undated", SUBJECTS["tasks"], None))
    state = FindingsState(at=NOON, findings=tuple(findings))
    with served(store.make_backend(findings=lambda: state)) as made:
        yield made


def read_finding(client: httpx.Client, id: str) -> tuple[Page, str, list[str]]:
    """Return the page of a finding, its text, and what its shapes say."""
    page = read(client, f"/findings/{id}")
    blank = "\N{NO-BREAK SPACE}"
    return page, page.text.replace(blank, " "), [text.replace(blank, " ") for text in page.explanations]


def test_the_runs_before_a_change_stand_beside_those_since(client: httpx.Client) -> None:
    """Each time in words with its sessions; the medians by day; the lengths of both as shares of each."""
    page, text, shapes = read_finding(client, "tasks")

    assert "Tasks of testing, fan-out" in text
    assert "Before 2026-11-18 3 tasks in 3 sessions. The longest took 30 s." in text
    assert "Since 2026-11-18 2 tasks in 2 sessions. The longest took 1 min." in text
    assert "2026-11-17: 1 task, half of them 30 s or less" in shapes
    assert "20 s to 50 s: 3 tasks, 100 % before" in shapes
    assert "20 s to 50 s: 0 tasks, 0 %" in shapes
    assert "50 s to 1 min 40 s: 2 tasks, 100 %" in shapes
    assert [bar["class"] for bar in page.attributes("rect") if bar.get("class") in ("before", "gain")] == [
        *["before"] * 3, *["gain"] * 2, "before", "gain",
    ]  # fmt: skip
    subject = "/sessions?type=testing&pattern=fan-out"
    assert {
        f"{subject}&from=2026-11-04T00:00:00Z&to=2026-11-18T00:00:00Z",
        f"{subject}&from=2026-11-18T00:00:00Z&to=2026-12-02T00:00:00Z",
        f"{subject}&from=2026-11-17T00:00:00Z&to=2026-11-18T00:00:00Z",
    } <= set(page.addresses)


def test_the_sessions_of_a_time_are_found_by_their_link(client: httpx.Client) -> None:
    """The list that the link leads to has those sessions alone."""
    page, _, _ = read_finding(client, "tasks")
    since = next(address for address in page.addresses if "from=2026-11-18" in address)
    listed = client.get(f"/api{since}").json()["sessions"]

    assert {session["id"] for session in listed} == {"2-days-ago", "1-days-ago"}


def test_without_a_date_the_last_days_are_one_time(client: httpx.Client) -> None:
    """Nothing is called before."""
    page, text, _ = read_finding(client, "undated")

    assert "The last 28 days 5 tasks in 5 sessions." in text
    assert "grey" not in text
    assert "before" not in {bar.get("class") for bar in page.attributes("rect")}


@pytest.mark.parametrize(
    ("id", "sentence"),
    [
        ("calls", "Calls of Agent Before 2026-11-18 6 calls."),
        ("sessions", "Sessions of fan-out Before 2026-11-18 3 sessions."),
        ("nobody", "Tasks of nobody Before 2026-11-18 No finished task. Their"),
    ],
)
def test_a_subject_has_the_runs_that_it_is_about(client: httpx.Client, id: str, sentence: str) -> None:
    """A tool has calls, a part of a pattern has the pattern's sessions; a subject without runs says so."""
    assert sentence in read_finding(client, id)[1]


@pytest.mark.parametrize("id", ["phase", "condition"])
def test_a_subject_that_no_run_has_draws_none(client: httpx.Client, id: str) -> None:
    """What is not kept of each run, such as its phase, is not stood in for by other runs."""
    assert 'id="around"' not in client.get(f"/findings/{id}").text
