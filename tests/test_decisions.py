"""Decisions and the history of findings: in the journal, so that a rebuild loses none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from stretto import journal
from stretto.clock import DAY
from stretto.model.decisions import RECORDED, Decision, DecisionKind
from stretto.model.findings import Finding, FindingEvidence, FindingVerdict, RunLink
from stretto.state.retention_settings import Retention
from stretto.store import session_queries
from stretto.store.decision_rows import FILE, append_decisions, read_decisions
from stretto.store.finding_history_and_last_answers import (
    BEGAN,
    CHANGED,
    ENDED,
    AnalysisResult,
    FindingChange,
    append_finding_changes,
    make_finding_id,
    read_analysis_results,
    read_finding_history,
    write_analysis_result,
)
from stretto.store.prune import prune_history
from tests.fakes import rebuilt, store
from tests.scenes import BEGIN, at, straggler

UPGRADE = Decision("d1", at(10), DecisionKind.ANNOTATION, text="upgraded the client")
APPLIED = Decision("d2", at(20), DecisionKind.APPLIED, subject="0123456789", details={"effort": 2})
SLOWER = Finding(
    kind="task_length",
    subject={"type": "tests"},
    verdict=FindingVerdict.REGRESSION,
    evidence=FindingEvidence(n=40, effect=1.5, low=1.4, high=1.6, runs=(RunLink("s", "a", "after"),)),
    since=at(5),
    details={"days": 3.0},
)
SLOWER_ID = make_finding_id(SLOWER.kind, SLOWER.subject)


def test_decisions_are_read_back_in_order_and_belong_to_no_session(tmp_path: Path) -> None:
    """Two decisions are two rows and no session; one that is appended twice is stored once."""
    with store(tmp_path) as opened:
        append_decisions(opened.folder, [APPLIED, UPGRADE, UPGRADE])
        opened.take(straggler().events)
        assert read_decisions(opened.connection) == [UPGRADE, APPLIED]
        assert read_decisions(opened.connection, DecisionKind.APPLIED) == [APPLIED]
        assert read_decisions(opened.connection, at=at(15)) == [UPGRADE]
        assert [row.id for row in session_queries.list_sessions(opened.connection)] == ["straggler"]


def test_a_decision_about_an_earlier_time_is_known_since_it_was_recorded(tmp_path: Path) -> None:
    """A look back at the time between knows nothing of it."""
    late = replace(APPLIED, details={RECORDED: at(30)})
    with store(tmp_path) as opened:
        append_decisions(opened.folder, [late])
        opened.take()
        assert read_decisions(opened.connection, at=at(29)) == []
        assert read_decisions(opened.connection, at=at(30)) == [late]


def test_decisions_survive_pruning_and_a_rebuild(tmp_path: Path) -> None:
    """A year later the sessions of that day are gone and the decision is not; a rebuild agrees."""
    retention = Retention(raw_days=30, hourly_days=90, daily_days=365, most_bytes=1 << 40)
    with store(tmp_path) as opened:
        append_decisions(opened.folder, [UPGRADE])
        opened.take(straggler().events)
        for _ in prune_history(opened.connection, opened.ingest, opened.folder, retention, BEGIN + 500 * DAY):
            pass
        assert read_decisions(opened.connection) == [UPGRADE]
        assert opened.rows() == rebuilt(opened.folder, tmp_path / "anew.db", now=BEGIN + 500 * DAY)


def test_a_secret_in_a_decision_reaches_neither_journal_nor_store(tmp_path: Path) -> None:
    """Text of a person is redacted like any other text."""
    secret = "ghp_" + "a1B2" * 9
    with store(tmp_path) as opened:
        append_decisions(opened.folder, [replace(UPGRADE, text=f"rotated {secret}")])
        opened.take()
        (decision,) = read_decisions(opened.connection)
        assert secret not in decision.text
        assert secret not in (opened.folder / FILE).read_text()


def test_a_kind_of_a_later_version_is_left_out(tmp_path: Path) -> None:
    """A decision that this version does not know stops nothing and stays in the journal."""
    with store(tmp_path) as opened:
        append_decisions(opened.folder, [UPGRADE])
        line = (opened.folder / FILE).read_bytes().replace(b'"annotation"', b'"prophecy"')
        (opened.folder / FILE).write_bytes(line)
        append_decisions(opened.folder, [APPLIED])
        opened.take()
        assert read_decisions(opened.connection) == [APPLIED]


def test_a_finding_is_known_from_its_beginning_to_its_end(tmp_path: Path) -> None:
    """It begins, grows, ends and begins again: the last beginning counts; a rebuild gives the same."""
    grown = replace(SLOWER, evidence=replace(SLOWER.evidence, effect=1.7))
    changes = [
        FindingChange(SLOWER_ID, at(100), BEGAN, "regression", SLOWER),
        FindingChange(SLOWER_ID, at(200), CHANGED, "regression", grown),
        FindingChange(SLOWER_ID, at(300), ENDED, "regression", grown),
        FindingChange(SLOWER_ID, at(400), BEGAN, "regression", SLOWER),
    ]
    with store(tmp_path) as opened:
        opened.take(straggler().events)
        append_finding_changes(opened.folder, changes)
        opened.take()
        (first,) = read_finding_history(opened.connection, at=at(250))
        assert (first.finding, first.first_seen, first.is_open) == (grown, at(100), True)
        (ended,) = read_finding_history(opened.connection, at=at(350))
        assert (ended.ended, ended.first_seen) == (at(300), at(100))
        (again,) = read_finding_history(opened.connection)
        assert (again.finding, again.first_seen, again.is_open) == (SLOWER, at(400), True)
        assert opened.rows() == rebuilt(opened.folder, tmp_path / "anew.db", now=at(500))


def test_an_answer_that_fails_keeps_the_last_good_one(tmp_path: Path) -> None:
    """The answer of 100 s stands, with the failure of 200 s beside it, until the next good one."""
    with store(tmp_path) as opened:
        good = AnalysisResult("regression", at(100), 0.5, (SLOWER,), {"series": 3})
        write_analysis_result(opened.connection, good)
        write_analysis_result(
            opened.connection, AnalysisResult("regression", failed_at=at(200), error="memory")
        )
        result = read_analysis_results(opened.connection)["regression"]
        assert result == replace(good, failed_at=at(200), error="memory")
        write_analysis_result(opened.connection, replace(good, at=at(300)))
        assert read_analysis_results(opened.connection)["regression"] == replace(good, at=at(300))
        write_analysis_result(opened.connection, AnalysisResult("forecast", failed_at=at(200), error="time"))
        assert read_analysis_results(opened.connection)["forecast"].at is None


def test_records_of_findings_are_read_by_versions_before_them(tmp_path: Path) -> None:
    """Such a record is a kept record of no session with no sums: unknown members are ignored."""
    append_finding_changes(tmp_path, [FindingChange(SLOWER_ID, at(100), BEGAN, "regression", SLOWER)])
    (file,) = journal.list_file_sizes(tmp_path)
    assert file.startswith("kept-")
    assert b'"sums"' not in (tmp_path / file).read_bytes()
