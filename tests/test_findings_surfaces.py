"""Findings where people meet them: page, API and terminal; and what they decide."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from html import unescape
from pathlib import Path

import httpx
import pytest

from stretto import journal
from stretto.clock import DAY, HOUR, MINUTE, SECOND, to_rfc3339
from stretto.figures.overdue_limits_and_time_left import OverdueLimit, TimeLeft
from stretto.findings.explain_work_or_session import explain_session, explain_unknown_holdups
from stretto.findings.finding_sentences import describe_finding, describe_left, describe_standing
from stretto.findings.findings_snapshot import (
    UNKNOWN_CHECKS,
    FindingsState,
    add_explained_session,
    build_findings_document,
    read_findings_state,
)
from stretto.format.rfc3339 import to_exact_rfc3339
from stretto.model.decisions import RECORDED, Decision, DecisionKind
from stretto.model.findings import Finding, FindingEvidence, FindingVerdict, RunLink
from stretto.reports.finding_sections import (
    PeriodFindings,
    build_change_section,
    build_finding_section,
    list_untold_analyses,
)
from stretto.reports.report_period import parse_period
from stretto.store.database import open_reader
from stretto.store.decision_rows import append_decisions
from stretto.store.finding_history_and_last_answers import (
    BEGAN,
    AnalysisResult,
    FindingChange,
    StoredFinding,
    append_finding_changes,
    make_finding_id,
)
from stretto.store.session_queries import read_session
from stretto.summaries.running_tasks import ExpectedTask, RunningTask
from stretto.web.finding_page import format_chance
from stretto.web.findings_view import rank_open
from tests.fakes import append, store
from tests.month import end_of_day, month_of_sessions
from tests.operated import run_here
from tests.scenes import BEGIN, Drawing, by_description
from tests.test_cli import _own_world, answer, run  # noqa: F401  # the fixture applies by its name
from tests.web_served import NOON, Store, Work, served

BLANK = "\N{NO-BREAK SPACE}"

SLOWER = Finding(
    "task_length",
    {"pattern": "release", "type": "tests"},
    FindingVerdict.REGRESSION,
    FindingEvidence(n=50, effect=1.5, low=1.4, high=1.6, runs=(RunLink("first", None, "before"),)),
    since=NOON - 7 * DAY,
)
ID = make_finding_id(SLOWER.kind, SLOWER.subject)
SENTENCE = "Tasks (tests of release) take 1.50 times as long since 13 November [1.40, 1.60]."
QUIET = replace(
    SLOWER,
    verdict=FindingVerdict.NO_EVIDENCE,
    subject={"type": "docs"},
    evidence=FindingEvidence(n=50, detectable=1.2),
)
HOLDUP = {
    "kind": "hooks",
    "name": "",
    "seconds": 156.0,
    "low": 90.0,
    "high": 200.0,
    "share": 0.4,
    "cause": "client 2.1",
}
STANDING = {"percentile": 0.25, "low": 0.1, "high": 0.4, "similar": 24, "reason": ""}
STATE = FindingsState(
    at=NOON,
    findings=(StoredFinding(ID, "changes", SLOWER, NOON - DAY, NOON - DAY),),
    results={
        "changes": AnalysisResult("changes", NOON - 60 * SECOND, 0.5, (SLOWER, QUIET)),
        "conditions": AnalysisResult("conditions", NOON, 0.5, unlisted={FindingVerdict.NO_EVIDENCE: 23}),
        "holdups": AnalysisResult(
            "holdups", NOON, 0.5, (), {
                "sessions": {"first": [HOLDUP]},
                "standings": {"first": STANDING},
            },
        ),
    },
)  # fmt: skip
LATE = ExpectedTask(
    RunningTask("first", "t", ("release", "tests"), "qa", NOON - 600 * SECOND),
    600 * SECOND,
    OverdueLimit(300 * SECOND, 120, by_rule=False),
    None,
)


@pytest.fixture
def decided() -> list[Decision]:
    """Give the decisions that were appended."""
    return []


@pytest.fixture
def client(tmp_path: Path, decided: list[Decision]) -> Iterator[httpx.Client]:
    """Serve a store with one regression and one task that is late."""
    store = Store(tmp_path)
    store.scene("first", NOON - HOUR, (Work(0, 30), Work(0, 20, "write tests", "tester")))
    store.refresh()
    backend = store.make_backend(
        findings=lambda: STATE, append_decision=decided.append, expected_tasks=lambda: [LATE]
    )
    with served(backend) as made:
        yield made


def test_the_first_page_says_first_what_got_worse_and_what_is_late(client: httpx.Client) -> None:
    """Both sentences stand above the verdict, and lead to the findings."""
    page = client.get("/").text.replace(BLANK, " ")
    for sentence in (SENTENCE, "1 running task overdue among their kind; the longest runs for 10 min."):
        assert sentence in page
        assert page.index(sentence) < page.index('id="verdict"')
    assert f'<a href="/findings/{ID}">' in page
    assert '<a href="/findings#running">' in page
    # A gain is no praise while tasks got slower.
    assert 'class="hero even"' in page
    assert "Tasks got slower, so that this is no gain over earlier" in page


def test_the_page_of_findings_says_what_changed_and_how_much_was_quiet(client: httpx.Client) -> None:
    """The finding with its run, the late task, and that 24 checks were quiet: one is listed, 23 are not."""
    page = client.get("/findings").text.replace(BLANK, " ")
    assert SENTENCE in page
    assert '<a href="/sessions/first">A run before</a>' in page
    assert "1 finding to look at. 24 checks were quiet" in page
    assert "<li>conditions: 23 checks " in page
    assert "longer than 5 min, beyond 99 % of its kind" in page
    answers = page[page.index("Answers of changes") :]
    assert SENTENCE in answers
    assert "Tasks (docs): no evidence of a change; a factor of 1.20 would have been seen." in answers


def test_the_page_of_findings_begins_with_what_got_worse() -> None:
    """Then comes advice, and what got better is last."""
    faster = replace(SLOWER, verdict=FindingVerdict.IMPROVEMENT)
    advice = replace(QUIET, advice="Run 2 agents side by side in release.")
    findings = [
        StoredFinding(id, "changes", finding, NOON, NOON)
        for id, finding in (("a", faster), ("b", advice), ("c", SLOWER))
    ]
    ranked = rank_open(FindingsState(at=NOON, findings=tuple(findings)))
    assert [stored.id for stored in ranked] == ["c", "b", "a"]


def test_a_finding_has_a_page_of_its_own(client: httpx.Client) -> None:
    """Its numbers in words, what it is about with links, its runs, and what was decided."""
    page = client.get(f"/findings/{ID}").text.replace(BLANK, " ")
    assert client.get(f"/findings/{ID[:4]}").text.replace(BLANK, " ") == page
    for text in (SENTENCE, "1.5×", "1.4× to 1.6×", "Nothing was decided yet.", "50 runs", "before"):
        assert text in page
    for address in ("/patterns/release", "/types/tests", "/sessions?type=tests", "/sessions/first"):
        assert f'href="{address}"' in page
    assert f'value="{ID}"' in page
    assert client.get("/findings/none").status_code == 404


def test_a_small_chance_is_never_none() -> None:
    """A p value has two decimals where it is small, and a bound below them."""
    chances = [format_chance(p).replace(BLANK, " ") for p in (0.00001, 0.0003, 0.02)]
    assert chances == ["less than 0.01 %", "0.03 %", "2 %"]


def test_a_session_has_findings_about_its_pattern_and_its_parts_alone(tmp_path: Path) -> None:
    """What is about another agent, kind of task or tool, or about days as a whole, is not of the session."""
    with store(tmp_path) as opened:
        opened.take(
            Drawing("first").opens(0, pattern="release").prompt(0).task("t", 1, 9, "docs").stop(9).events
        )
        session = read_session(opened.connection, "first", by_description)
    assert session is not None
    subjects: tuple[dict[str, str], ...] = (
        {"pattern": "release", "type": "tests"}, {"type": "docs"},
        {"pattern": "other", "type": "docs"}, {"agent": "qa"}, {"type": "tests"}, {"tool": "WebFetch"},
        {"first": "tasks", "second": "tokens"},
    )  # fmt: skip
    changes = AnalysisResult("changes", NOON, 0.5, tuple(replace(SLOWER, subject=each) for each in subjects))
    explanation = explain_session(FindingsState(at=NOON, results={"changes": changes}), session)
    assert tuple(each.subject for each in explanation.findings) == subjects[:2]
    sentences = explanation.list_sentences()
    assert f"of its pattern now: {SENTENCE}" in sentences
    assert any(each.startswith("of its kind of task now: Tasks (docs) take") for each in sentences)


def test_a_finding_says_what_its_decision_brought(tmp_path: Path) -> None:
    """The judged effect of the same advice, before that that there is none yet. Deleted runs have no link."""
    advice = replace(
        SLOWER,
        kind="recommendation_unbalanced_agents",
        verdict=FindingVerdict.NO_EVIDENCE,
        advice="Give the tester less.",
        evidence=FindingEvidence(n=30, effect=12.0, unit="seconds", runs=(RunLink("gone"),)),
    )
    effect = Finding(
        "effect_unbalanced_agents",
        advice.subject,
        FindingVerdict.IMPROVEMENT,
        FindingEvidence(
            n=20, effect=11.0, low=8.0, high=14.0, unit="seconds", runs=(RunLink("late", role="after"),)
        ),
        details={"within_promise": "yes"},
    )
    applied = Decision("1", NOON - 2 * DAY, DecisionKind.APPLIED, "a1", "moved two tasks", {})
    state = FindingsState(
        at=NOON,
        findings=(StoredFinding("a1", "advice", advice, NOON - 3 * DAY, NOON - 3 * DAY),),
        decisions=(applied,),
    )
    store = Store(tmp_path)
    store.refresh()
    pages = []
    for known in (
        state,
        replace(state, results={"effects": AnalysisResult("effects", NOON, 0.5, (effect,))}),
    ):
        with served(store.make_backend(findings=lambda known=known: known)) as client:
            pages.append(client.get("/findings/a1").text.replace(BLANK, " "))
            brought = client.get("/findings").text.replace(BLANK, " ")

    assert "Not judged yet: a recommendation that was applied is judged after seven days" in pages[0]
    assert "saves 11 s a session [8 s, 14 s], as promised." in pages[1]
    brought = brought[brought.index('id="effects"') :]
    assert '<a href="/sessions/late">A run after</a>' in brought
    for page in pages:
        assert "moved two tasks" in page
        assert "it is no longer stored" in page


def test_lists_of_sessions_have_a_column_of_findings(client: httpx.Client) -> None:
    """What held a session up most, and the findings that name it; the same in the API."""
    page = client.get("/sessions").text.replace(BLANK, " ")
    assert '<a href="/sessions/first#heldup" title="hooks: 2 min 36 s more than usual' in page
    assert f'<a class="badge" href="/findings/{ID}">regression</a>' in page
    assert f'<a href="/findings/{ID}">' in client.get("/sessions/first").text
    row = client.get("/api/sessions").json()["sessions"][0]
    assert row["held_up_by"].replace(BLANK, " ").startswith("hooks: 2 min 36 s more than usual")
    assert row["findings"] == [ID]


def test_the_page_of_a_session_says_where_it_stands_and_what_held_it_up(client: httpx.Client) -> None:
    """Its percentile with the interval, then each hold-up with its cause."""
    page = client.get("/sessions/first").text.replace(BLANK, " ")
    assert "faster than 25% [10%, 40%] of 24 sessions like it" in page
    assert "hooks: 2 min 36 s more than usual, 40% of it; explained by client 2.1" in page


def test_a_session_that_is_not_explained_says_why(tmp_path: Path) -> None:
    """Each reason, from an analysis that is off to more than forty later sessions."""
    result = AnalysisResult("holdups", NOON, 0.5, (), {"sessions": {"first": []}})
    state = FindingsState(at=NOON, results={"holdups": result})
    with store(tmp_path) as opened:
        opened.take(
            Drawing("first")
            .opens(0, pattern="release")
            .prompt(0)
            .task("t", 1, 9, "docs")
            .stop(9)
            .ends(9)
            .events
        )
        session = read_session(opened.connection, "first", by_description)
    assert session is not None
    other = replace(session, id="other")
    assert session.end is not None
    end, few = session.end, "3 usual sessions of the pattern, 5 are needed"
    known = replace(state, results={"holdups": replace(result, at=end)})
    assert explain_unknown_holdups(known, session) is None
    for given, about, reason in (
        (replace(known, switched_off=frozenset({"holdups"})), other, "the analysis holdups is switched off"),
        (replace(known, absent={"holdups": "of one person"}), other, "of one person"),
        (known, replace(other, pattern=None), "it has no named pattern"),
        (known, replace(other, tasks=()), "it delegated no task"),
        (known, replace(other, end=None), "it is not over"),
        (FindingsState(at=NOON), other, "there is no answer about hold-ups yet"),
        (
            replace(known, results={"holdups": replace(result, extra={"unexplained": {"other": few}})}),
            other,
            few,
        ),
        (replace(known, is_past=True, at=end - 1), other, "it was not over then"),
        (known, replace(other, end=end + 1), "it ended after the answer"),
        (known, other, "only the latest 40 finished sessions of each pattern are explained"),
    ):
        assert (explain_unknown_holdups(given, about) or "").startswith(reason)
    usual = {"pattern": "release", "type": "docs", "seconds": 2.0, "low": 1.0, "high": 3.0}
    lengths = AnalysisResult("lengths", end, extra={"expected": [usual]})
    stale = FindingsState(at=end - 9 * SECOND, results={"lengths": lengths})
    assert [task.task for task in explain_session(stale, session).late] == ["t"]
    assert explain_session(replace(stale, is_past=True), session).late == [], "it was not over then"


def test_programs_read_findings_with_ids_and_silence(client: httpx.Client) -> None:
    """The document has the open finding, the count of quiet checks and the age of each answer."""
    document = client.get("/api/findings").json()
    assert [each["id"] for each in document["open"]] == [ID]
    assert document["open"][0]["sentence"] == SENTENCE
    assert document["quiet_checks"] == 24
    answers = {each["name"]: each["answers"] for each in document["analyses"]}
    assert [each["verdict"] for each in answers["changes"]] == ["regression", "no_evidence"]
    assert {each["name"]: each["age_seconds"] for each in document["analyses"]} == {
        "changes": 60,
        "conditions": 0,
        "holdups": 0,
    }


FAILED = FindingsState(
    at=NOON, results={"changes": AnalysisResult("changes", None, error="no memory", failed_at=NOON)}
)


def test_where_every_analysis_failed_nothing_is_called_quiet(tmp_path: Path) -> None:
    """Page, API and report name no count of quiet checks; the document says why there is none."""
    assert not FAILED.has_looked
    pages = Store(tmp_path)
    pages.refresh()
    with served(pages.make_backend(findings=lambda: FAILED)) as client:
        page = client.get("/findings").text
        document = client.get("/api/findings").json()
    assert "quiet" not in page
    assert "Nothing to look at" not in page
    assert "no memory" in page
    assert (document["quiet_checks"], document["checks"]) == (None, None)
    assert document["checks_reason"] == "no analysis has answered yet"
    assert replace(FAILED, is_past=True).checks_reason == UNKNOWN_CHECKS
    day = PeriodFindings(replace(FAILED, is_past=True), parse_period("2026-11-20", NOON, "UTC"), NOON)
    assert build_change_section(day).sentences == ("Nothing looked for changes.",)
    assert build_finding_section(day).sentences == ("Nothing looked for what holds the work up.",)


def test_the_terminal_says_that_the_analyses_failed(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A process that runs out of time is no silence: stderr says why, once, and nothing was looked for."""
    monkeypatch.setattr("stretto.service.analysis_process._MODULE", "tests.no_such_module")
    append(tmp_path / "state/journal", list(month_of_sessions(1)))
    for command in ("findings", "why"):
        code, out, error = run(capsys, command)
        assert (code, "the analyses failed: " in error, "no_such_module" in error) == (0, True, True)
        assert out.startswith("nothing was looked for")
        assert "no analysis has answered yet" in out
        assert "quiet" not in out
    assert caplog.messages == []


SHORTENED = "it is of the last 28 days: over 154 days it took longer than 600 s"


def test_an_answer_of_a_short_history_says_so_everywhere(tmp_path: Path) -> None:
    """The page of a session, the API, and the reports of a session and of a day name the reason."""
    holdups = replace(STATE.results["holdups"], shortened=SHORTENED)
    state = replace(STATE, results={**STATE.results, "holdups": holdups})
    web = Store(tmp_path)
    web.scene("first", NOON - HOUR, (Work(0, 30),))
    web.refresh()
    with served(web.make_backend(findings=lambda: state)) as client:
        page = client.get("/sessions/first").text
        document = client.get("/api/why/first").json()
        refused = client.get("/api/why/first?when=now")
    assert SHORTENED in page[page.index('id="heldup"') :]
    assert document["shortened"] == SHORTENED
    assert (refused.status_code, refused.json()["error"]) == (
        400,
        "there is no parameter when: there is none",
    )
    day = PeriodFindings(state, parse_period("2026-11-20", NOON, "UTC"), NOON)
    assert f"holdups: {SHORTENED}." in list_untold_analyses(day)
    older = AnalysisResult("holdups", NOON, 0.5, (), {"sessions": {"other": []}}, shortened=SHORTENED)
    session = add_explained_session(STATE, "other", older).results["holdups"]
    assert session.shortened == SHORTENED
    assert add_explained_session(STATE, "other", "busy").results["holdups"].shortened == ""


def test_the_terminal_names_answers_of_a_short_history(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both where something is found, and where nothing is."""
    append(tmp_path / "state/journal", list(month_of_sessions(1)))
    path = "stretto.cli.findings_and_decision_commands.read_state"
    changes = replace(STATE.results["changes"], shortened=SHORTENED)
    for results in ({"changes": changes}, {"changes": replace(changes, findings=())}):
        monkeypatch.setattr(path, lambda *_, results=results, **__: replace(STATE, results=results))
        for command in ("findings", "why"):
            assert f"changes: {SHORTENED}" in run(capsys, command)[1]


def test_decisions_are_made_by_program_and_by_form(client: httpx.Client, decided: list[Decision]) -> None:
    """JSON names the finding by the beginning of its id; the page's form leads back to the page."""
    sent = client.post("/api/decisions", json={"kind": "applied", "finding": ID[:4], "text": "two agents"})
    assert sent.status_code == 200
    assert sent.json()["finding"] == ID
    form = client.post(
        "/api/decisions", data={"kind": "annotation", "text": "new client", "new_normal": "on"}
    )
    assert (form.status_code, form.headers["location"]) == (303, "/findings")
    about = client.post("/api/decisions", data={"kind": "rejected", "finding": ID, "text": ""})
    assert (about.status_code, about.headers["location"]) == (303, f"/findings/{ID}")
    decided.pop()
    assert [(each.kind, each.subject, each.text) for each in decided] == [
        (DecisionKind.APPLIED, ID, "two agents"),
        (DecisionKind.ANNOTATION, None, "new client"),
    ]
    assert decided[1].details == {"new_normal": True}


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ("2026-11-20T09:30:00+01:00", NOON - 3 * HOUR - 30 * MINUTE),
        ("2026-11-20T08:30", NOON - 3 * HOUR - 30 * MINUTE),
        ("2026-11-20", NOON - 12 * HOUR),
        ("", NOON),
    ],
)
def test_a_decision_may_be_about_an_earlier_time(
    client: httpx.Client, decided: list[Decision], sent: str, read: int
) -> None:
    """With a zone, as the page's field sends it, or as a date in UTC; when it was recorded is kept too."""
    item = {"kind": "applied", "finding": ID, "time": sent}
    assert client.post("/api/decisions", json=item).status_code == 200
    assert client.post("/api/decisions", data=item).status_code == 303
    assert [(each.time, each.recorded_at) for each in decided] == [(read, NOON)] * 2
    assert 'type="datetime-local" name="time"' in client.get(f"/findings/{ID}").text


def test_the_decision_that_was_recorded_last_counts() -> None:
    """Accepted today and then applied since yesterday, it is applied, though that is the earlier time."""
    accepted = Decision("1", NOON - HOUR, DecisionKind.ACCEPTED, ID)
    applied = Decision("2", NOON - 2 * HOUR, DecisionKind.APPLIED, ID, details={RECORDED: NOON})
    state = replace(STATE, decisions=(applied, accepted))
    assert state.find_last_decision(STATE.findings[0]) is DecisionKind.APPLIED
    (document,) = build_findings_document(state)["open"]
    listed = [(each["kind"], each["time"], each["recorded"]) for each in document["decisions"]]
    assert listed == [
        ("applied", to_exact_rfc3339(NOON - 2 * HOUR), to_exact_rfc3339(NOON)),
        ("accepted", to_exact_rfc3339(NOON - HOUR), to_exact_rfc3339(NOON - HOUR)),
    ]
    assert all(each["details"] == {} for each in document["decisions"])


def test_a_recommendation_says_how_its_kind_fared() -> None:
    """What was decided about a kind, and whether it helped, moves it in the order; the counts are shown."""
    advice = Finding(
        "recommendation_unbalanced_agents",
        {"pattern": "release"},
        FindingVerdict.NO_EVIDENCE,
        FindingEvidence(n=30, effect=12.0, unit="seconds"),
        advice="Give the tester less.",
        details={"accepted": 2.0, "rejected": 1.0, "helped": 0.0, "without_effect": 1.0},
    )
    assert describe_finding(advice) == (
        "Give the tester less. Of its kind: 2 accepted, 1 rejected, 1 without effect."
    )
    assert describe_finding(replace(advice, details={"accepted": 0.0})) == "Give the tester less."


@pytest.mark.parametrize(
    ("item", "problem"),
    [
        ({"kind": "loved", "finding": ID}, "kind must be one of"),
        ({"kind": ["accepted"], "finding": ID}, "kind must be one of"),
        ({"kind": "accepted", "finding": [ID]}, "there is no finding ['"),
        ({"kind": "annotation", "text": "x", "new_normal": [1]}, "new_normal must be true or false"),
        ({"kind": "annotation", "text": "x", "new_normal": "yes"}, "new_normal must be true or false"),
        (
            {"kind": "annotation", "text": "x", "time": "1969-12-31"},
            "time must lie after the beginning of 1970",
        ),
        ({"kind": "accepted", "finding": "none"}, "there is no finding 'none'"),
        ({"kind": "annotation"}, "an annotation needs a text"),
        (
            {"kind": "annotation", "text": "x", "time": "2030-01-01T00:00:00Z"},
            "time must not lie in the future",
        ),
        ({"kind": "annotation", "text": "x", "time": "tuesday"}, "time must be a date or an RFC 3339 time"),
        (
            {"kind": "applied", "finding": ID, "time": "2026-11-19T11:59:59Z"},
            "time must not lie before 2026-11-19T12:00:00.000000000Z, when the finding began",
        ),
        ({"kind": "annotation", "text": "x" * 201}, "at most 200 characters"),
        ({"kind": "accepted", "finding": ID, "why": "x"}, "'why' is not known"),
        ([1], "a decision is an object"),
    ],
)
def test_a_decision_that_is_none_is_refused_with_the_reason(
    client: httpx.Client, decided: list[Decision], item: object, problem: str
) -> None:
    """The answer is 400 and says which rule it breaks; nothing is stored."""
    refused = client.post("/api/decisions", json=item)
    assert refused.status_code == 400
    assert problem in refused.json()["error"]
    assert decided == []


def test_strangers_may_not_decide(client: httpx.Client, decided: list[Decision]) -> None:
    """A form of another site is refused by its origin."""
    headers = {"Origin": "https://elsewhere.example"}
    data = {"kind": "annotation", "text": "x"}
    assert client.post("/api/decisions", data=data, headers=headers).status_code == 403
    assert decided == []


def test_a_time_left_is_never_a_bare_number() -> None:
    """It has its range and the number of tasks behind it; without enough of them there is none."""
    second = SECOND
    known = replace(LATE, limit=None, left=TimeLeft(40 * second, 20 * second, 60 * second, 120))
    assert describe_left(known).replace(BLANK, " ") == "40 s more (20 s to 1 min), by 120 like it"
    assert describe_left(replace(known, left=None)).startswith("too few finished tasks")
    assert describe_standing({"percentile": None, "low": None, "high": None, "reason": "3 like it"}).endswith(
        "3 like it"
    )


def test_realised_effects_are_sentences() -> None:
    """Saved as promised, or no effect that can be seen."""
    evidence = FindingEvidence(n=40, effect=30.0, low=20.0, high=40.0, unit="seconds")
    effect = Finding(
        "effect_load_balance", {"pattern": "release"}, FindingVerdict.IMPROVEMENT, evidence,
        details={"within_promise": "yes"},
    )  # fmt: skip
    assert (
        describe_finding(effect).replace(BLANK, " ")
        == "load balance (release) saves 30 s a session [20 s, 40 s], as promised."
    )
    none = replace(effect, verdict=FindingVerdict.NO_EVIDENCE, details={"within_promise": "no"})
    assert describe_finding(none) == "load balance (release): no effect that can be seen, not as promised."


def test_the_terminal_finds_decides_and_explains(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a service: the planted slow-down is found, annotated and explained; decisions are kept."""
    for module in ("findings_and_decision_commands", "import_command"):
        monkeypatch.setattr(f"stretto.cli.{module}.read_wall_clock", lambda: end_of_day(37))
    version = {0: "2.0.0", 30: "2.1.0"}
    append(tmp_path / "state/journal", list(month_of_sessions(38, slower={30: 1.6}, version=version)))
    began = FindingChange(ID, end_of_day(37) - DAY, BEGAN, "changes", SLOWER)
    append_finding_changes(tmp_path / "state/journal", [began])
    assert run(capsys, "annotate", "upgraded the client")[0] == 0
    document = answer(capsys, "findings")
    assert document["quiet_checks"] > 0
    assert {each["name"] for each in document["analyses"]} >= {"changes", "holdups"}
    # The first command has shown that their process answers.
    monkeypatch.setattr("stretto.cli.findings_and_decision_commands.run_analysis_process", run_here)
    assert [each["text"] for each in document["annotations"]] == ["upgraded the client"]
    why = answer(capsys, "why", "last")
    assert why["session"] == "d37n7"
    assert why["standing"]["similar"] > 0
    assert {each["subject"].get("pattern") for each in why["findings"]} <= {None, "release"}
    assert "task_length" in {each["kind"] for each in answer(capsys, "why")["findings"]}
    applied = answer(capsys, "decide", "applied", ID, "--note", "two agents", "--at", "6h")
    assert (applied["kind"], applied["finding"]) == ("applied", ID)
    (decision,) = answer(capsys, "findings")["open"][0]["decisions"]
    assert decision["time"] == to_exact_rfc3339(end_of_day(37) - 6 * HOUR)
    for at, problem in (("2d", "before"), ("2999-01-01", "in the future")):
        code, _, error = run(capsys, "decide", "applied", ID, "--at", at)
        assert (code, problem in error) == (2, True)
    listed = run(capsys, "findings", "--all")[1]
    assert listed.startswith(f"{ID}  ")
    assert "applied two agents" in listed.splitlines()[1]
    assert "\noutlooks\n    Tasks (review of release) of the next seven days: " in listed
    assert "\ncorrelations\n    " in listed
    assert "would have been seen" in listed
    code, before, note = run(capsys, "why", "last", "--at", to_rfc3339(end_of_day(36)))
    assert (code, "it was not over then" in note) == (0, True)
    assert "times as long since" in before, "they were slower then, too"
    code, _, error = run(capsys, "decide", "accepted", "nonesuch")
    assert (code, "there is no finding 'nonesuch'" in error) == (2, True)
    lines = (tmp_path / "state/journal/decisions.jsonl").read_text().split()
    assert len([line for line in lines if "annotation" in line]) == 1
    assert len([line for line in lines if ID in line]) == 1


def test_findings_are_read_as_known_at_an_instant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """By terminal, page and API: open and undecided then; an instant to come is refused."""
    monkeypatch.setattr("stretto.findings.findings_snapshot.describe_missing_extra", lambda: MISSING)
    for module in ("findings_and_decision_commands", "import_command"):
        monkeypatch.setattr(f"stretto.cli.{module}.read_wall_clock", lambda: NOON)
    journal_folder, began = tmp_path / "state/journal", NOON - 3 * DAY
    append(journal_folder, list(month_of_sessions(1)))
    append_finding_changes(journal_folder, [FindingChange(ID, began, BEGAN, "changes", SLOWER)])
    append_decisions(journal_folder, [Decision("1", NOON - DAY, DecisionKind.ACCEPTED, ID, "so be it", {})])
    assert [each["id"] for each in answer(capsys, "findings")["settled"]] == [ID]
    for at, open_ids in ((began - 1, []), (began, [ID]), (NOON - 2 * DAY, [ID]), (NOON, [])):
        document = answer(capsys, "findings", "--at", to_exact_rfc3339(at))
        assert [each["id"] for each in document["open"]] == open_ids
        assert (document["at"], document["quiet_checks"]) == (to_exact_rfc3339(at), None)
        assert document["checks_reason"] == UNKNOWN_CHECKS
    code, _, error = run(capsys, "findings", "--at", "2999-01-01")
    assert (code, "lies in the future" in error) == (2, True)

    pages = Store(tmp_path / "pages")
    pages.refresh()

    def read_then(at: int) -> FindingsState:
        with closing(open_reader(tmp_path / "state/stretto.db")) as connection:
            return read_findings_state(connection, NOON, at=at)

    with served(pages.make_backend(past_findings=read_then)) as client:
        then = to_rfc3339(NOON - 2 * DAY)
        page = client.get("/findings", params={"at": then}).text.replace(BLANK, " ")
        assert SENTENCE in page
        assert "As known " in page
        assert UNKNOWN_CHECKS.capitalize() in page
        assert "As known at the beginning (UTC) of <input" in page
        assert 'action="/api/decisions"' not in page, "nothing is decided in the past"
        earlier = client.get("/findings", params={"at": to_rfc3339(began - DAY)}).text.replace(BLANK, " ")
        assert re.search(r": nothing was kept before <time[^>]*>", earlier), "the history begins later"
        document = client.get("/api/findings", params={"at": then}).json()
        assert [each["id"] for each in document["open"]] == [ID]
        assert document["analyses"] == []
        for path in ("/findings", "/api/findings"):
            for wrong in ("tomorrow", "2999-01-01"):
                assert client.get(path, params={"at": wrong}).status_code == 400
        assert client.get("/api/findings?when=now").status_code == 400


MISSING = "the analyses need numpy: pip install 'numpy>=1'"


def test_answers_of_then_without_a_kept_finding_are_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is worked out now for then is marked; a kept finding is listed once, and now there is none."""
    other = replace(SLOWER, subject={"pattern": "release", "type": "docs"})
    answers = {"changes": AnalysisResult("changes", NOON, 0.5, (SLOWER, QUIET, other))}
    then = replace(STATE, results=answers, is_past=True)
    assert then.worked_out_again == [other]
    assert replace(then, is_past=False).worked_out_again == []
    (tmp_path / "state").mkdir()
    module = "stretto.cli.findings_and_decision_commands.read_state"
    monkeypatch.setattr(module, lambda *_, **__: replace(then, findings=(), first_kept=NOON + DAY))
    code, listed, _ = run(capsys, "findings", "--at", "2020-01-01")
    assert (code, listed.count("worked out now for then: Tasks (")) == (0, 2)
    assert "nothing to look at" not in listed
    assert "findings are kept since 2026-11-21T12:00:00" in listed
    document = answer(capsys, "findings", "--at", "2020-01-01")
    assert [each["subject"] for each in document["worked_out_again"]] == [SLOWER.subject, other.subject]


def test_without_the_extra_the_terminal_says_first_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody has looked, so nothing is called quiet; the same stands where a session is explained."""
    monkeypatch.setattr("stretto.findings.findings_snapshot.describe_missing_extra", lambda: MISSING)
    append(tmp_path / "state/journal", list(month_of_sessions(1)))
    for command in ("findings", "why"):
        code, out, _ = run(capsys, command)
        assert (code, out) == (0, f"nothing is looked for: {MISSING}\n")
    assert answer(capsys, "findings")["missing"] == MISSING
    assert f"what held it up is not known: {MISSING}" in run(capsys, "why", "last")[2]


def test_without_the_extra_the_pages_say_what_to_install(tmp_path: Path) -> None:
    """The page of findings, that of a session, and the document for programs."""
    store = Store(tmp_path)
    store.scene("first", NOON - HOUR, (Work(0, 30),))
    store.refresh()
    with served(store.make_backend(findings=lambda: FindingsState(at=NOON, missing=MISSING))) as client:
        page = unescape(client.get("/findings").text)
        assert "Nothing is looked for: " in page
        assert MISSING in page
        assert "were quiet" not in page
        assert client.get("/api/findings").json()["missing"] == MISSING
        session = unescape(client.get("/sessions/first").text)
        assert MISSING in session[session.index('id="heldup"') :]


def test_an_experiment_goes_from_definition_to_conclusion(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Planned, assigned the same arm twice, not concluded before its look, and ended early on request."""
    for module in ("experiment", "findings_and_decision_commands", "import_command"):
        monkeypatch.setattr(f"stretto.cli.{module}.read_wall_clock", lambda: BEGIN)
    append(tmp_path / "state/journal", [])
    planned = answer(
        capsys, "experiment", "define", "cache", "--metric", "tokens", "--mde", "1.3", "--looks", "4"
    )
    assert planned["units"] >= 20
    first = answer(capsys, "experiment", "assign", "cache", "s1")
    assert first["environment"] == {"STRETTO_LABELS": f"arm={first['arm']}"}
    assert answer(capsys, "experiment", "assign", "cache", "s1") == first
    (status,) = answer(capsys, "experiment", "status")["experiments"]
    assert (status["kind"], status["evidence"]["n"]) == ("experiment", 0)
    code, _, error = run(capsys, "experiment", "conclude", "cache")
    assert (code, "is not over" in error) == (2, True)
    code, _, error = run(capsys, "experiment", "define", "cache", "--metric", "tokens")
    assert (code, "is defined already" in error) == (2, True)
    monkeypatch.setattr("stretto.cli.experiment.read_wall_clock", lambda: BEGIN + SECOND)
    assert answer(capsys, "experiment", "conclude", "cache", "--early")["verdict"] == "ended_early"
    assert answer(capsys, "experiment", "status")["experiments"] == []
    kinds = [
        json.loads(line)["type"]
        for line in (tmp_path / "state/journal/decisions.jsonl").read_text().split("\n")
        if line
    ]
    assert kinds == ["experiment", "assignment", "conclusion"]
    assert journal.list_file_sizes(tmp_path / "state/journal")
