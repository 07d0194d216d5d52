"""Findings about caches, from the reports of programs to the surfaces."""

from __future__ import annotations

from pathlib import Path

import pytest

from stretto.clock import DAY, SECOND
from stretto.findings.analysis_run import (
    AnalysisReplies,
    AnalysisReply,
    AnalysisRequest,
    answer_request,
    read_cache_uses,
)
from stretto.findings.analysis_table import ANALYSES
from stretto.findings.findings_snapshot import FindingsState, read_findings_state
from stretto.model.findings import FindingVerdict
from stretto.service.analysis_process import AnalysisRound
from stretto.service.analysis_schedule import AnalysisSchedule
from tests.fakes import Store, store
from tests.scenes import BEGIN, Drawing, frame_drawing
from tests.test_cli import _own_world, run  # noqa: F401  # the fixture applies by its name
from tests.web_served import Store as WebStore
from tests.web_served import served

MILLISECOND = 1_000_000
NOW = BEGIN + 100 * SECOND
SMALL = (
    "The cache plans is too small: with twice the room the hit ratio would be about 0.75 instead of 0.60;"
    " give it twice the entries or bytes."
)
USELESS = (
    "The cache words is useless: 500 lookups took 0.25 s and saved 0.02 s; remove it, or cache what takes"
    " longer to compute."
)


def draw_caches() -> Drawing:
    """Draw a cache that is too small, a useless cache, a good cache, a young cache, and an untimed cache."""
    drawing = Drawing()
    for second in (10, 20):
        drawing.cached(
            second, "plans", hits=300, misses=200, evicted_misses=75, saved=60_000 * MILLISECOND,
            lookup_time=1 * MILLISECOND,
        )  # fmt: skip
        drawing.cached(
            second, "words", hits=200, misses=50, saved=10 * MILLISECOND, lookup_time=125 * MILLISECOND
        )
        drawing.cached(
            second, "good", hits=400, misses=100, saved=60_000 * MILLISECOND, lookup_time=MILLISECOND
        )
    drawing.cached(30, "young", hits=0, misses=150, evicted_misses=90, lookup_time=MILLISECOND)
    drawing.cached(30, "plain", hits=10, misses=990)
    return frame_drawing(drawing, 40)


def find_database(opened: Store) -> str:
    return str(opened.connection.execute("PRAGMA database_list").fetchone()[2])


def work_out(opened: Store, now: int) -> FindingsState:
    """Work the answer out and store it as the service does; return the findings."""
    (reply,) = answer_request(AnalysisRequest(find_database(opened), now, ("caches",)))
    assert reply.error is None
    schedule = AnalysisSchedule(
        Path(find_database(opened)),
        opened.folder,
        clock=lambda: now,
        zone="UTC",
        run=lambda _: pytest.fail("asked"),
    )
    others = (AnalysisReply(analysis.name) for analysis in ANALYSES if analysis.name != reply.name)
    schedule.rounds.put(AnalysisRound(now, ("caches",), AnalysisReplies((*others, reply), 0.0)))
    assert schedule.store_round(opened.connection)
    list(opened.ingest.catch_up(opened.folder))
    return read_findings_state(opened.connection, now)


def list_sentences(state: FindingsState) -> set[str]:
    return {stored.finding.advice for stored in state.open_findings}


def test_a_useless_and_a_small_cache_are_findings_and_a_good_cache_is_quiet(tmp_path: Path) -> None:
    """A fault is a finding with its numbers; a good cache is quiet, a young cache has too little data."""
    with store(tmp_path) as opened:
        opened.take(draw_caches().events)
        state = work_out(opened, NOW)
    assert list_sentences(state) == {SMALL, USELESS}
    by_kind = {stored.finding.kind: stored.finding for stored in state.open_findings}
    small = by_kind["cache_too_small"]
    assert (small.subject, small.evidence.n) == ({"cache": "plans"}, 1_000)
    assert (small.details["evicted_misses"], small.details["hits"]) == (150, 600)
    assert by_kind["cache_useless"].details["saved_seconds"] == pytest.approx(0.02)
    quiet = {
        finding.subject["cache"]: finding.verdict
        for finding in state.results["caches"].findings
        if finding.kind == "cache"
    }
    assert quiet == {
        "good": FindingVerdict.NO_EVIDENCE,
        "plain": FindingVerdict.NO_EVIDENCE,
        "young": FindingVerdict.TOO_LITTLE_DATA,
    }


def test_a_mended_cache_is_silent_after_a_week(tmp_path: Path) -> None:
    """The lookups of the last seven days count; then the findings have ended."""
    with store(tmp_path) as opened:
        opened.take(draw_caches().events)
        assert len(work_out(opened, NOW).open_findings) == 2
        later = NOW + 8 * DAY
        assert read_cache_uses(opened.connection, later) == {}
        state = work_out(opened, later)
    assert state.open_findings == []
    assert {stored.finding.kind for stored in state.settled_findings} == {"cache_too_small", "cache_useless"}


def test_page_and_terminal_show_the_findings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both print the sentence with its evidence."""
    for module in ("findings_and_decision_commands", "import_command"):
        monkeypatch.setattr(f"stretto.cli.{module}.read_wall_clock", lambda: NOW)
    with store(tmp_path / "state") as opened:
        opened.take(draw_caches().events)
        state = work_out(opened, NOW)
    with served(WebStore(tmp_path / "web").make_backend(findings=lambda: state)) as pages:
        page = pages.get("/findings").text
    for sentence in (SMALL, USELESS):
        assert sentence in page
    assert "in the last 7 days" in page
    assert "500 lookups" in page.replace("\N{NO-BREAK SPACE}", " ")
    assert page.count('<span class="badge">advice</span>') == 2
    code, printed, _ = run(capsys, "findings")
    assert code == 0
    for sentence in (SMALL, USELESS):
        assert sentence in printed
