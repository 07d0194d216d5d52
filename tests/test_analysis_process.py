"""An analysis that is too much is tried once more over four weeks, and its answer says so everywhere."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from stretto.findings.analysis_run import AnalysisReplies, AnalysisReply, AnalysisRequest, answer_request
from stretto.findings.findings_snapshot import build_findings_document
from stretto.model.findings import Finding, FindingEvidence, FindingVerdict
from stretto.service.analysis_process import (
    SHORT_DAYS,
    AnalysisRound,
    ask_analysis_process,
    merge_rounds,
    run_analysis_process,
)
from stretto.service.analysis_schedule import AnalysisSchedule
from stretto.store.finding_history_and_last_answers import read_analysis_results, read_finding_history
from stretto.web.findings_view import describe_answers
from tests.fakes import store
from tests.operated import NOW, OperatedStore
from tests.scenes import BEGIN

KILLED_AT_FIRST = f"""#!/bin/sh
request=$(cat)
case "$request" in *'"days":154'*) kill -9 $$;; esac
printf %s "$request" | exec {sys.executable} "$@"
"""
HANGING = "#!/bin/sh\nexec sleep 600\n"


def replace_python(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let a script run where the process of the analyses is started."""
    program = folder / "python"
    program.write_text(script, encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    return program


def test_a_killed_process_is_tried_once_over_four_weeks(
    operated_month: OperatedStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second answer is that of 28 days, and says of how many it is and why."""
    request = AnalysisRequest(operated_month.sources.database, NOW, ("caches", "slow_times"))
    replace_python(tmp_path, KILLED_AT_FIRST, monkeypatch)
    done = run_analysis_process(request)
    assert done.replies is not None
    shown = "it is of the last 28 days: over 154 days its process ended without an answer"
    assert [reply.shortened for reply in done.replies.replies] == [shown, shown]
    month = AnalysisRequest(request.database, NOW, request.names, days=SHORT_DAYS)
    assert [reply.extra for reply in done.replies.replies] == [each.extra for each in answer_request(month)]


def test_a_hanging_process_is_ended_twice_and_the_reasons_are_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever waits has patience for two tries, each of a bounded time; then the reason is the answer."""
    replace_python(tmp_path, HANGING, monkeypatch)
    monkeypatch.setattr("stretto.service.analysis_process.PATIENCE_SECONDS", 0.3)
    done = ask_analysis_process(AnalysisRequest(str(tmp_path / "stretto.db"), NOW, ("changes",)))
    assert done == "it took longer than 0.3 s; over 28 days it took longer than 0.1 s"


def test_what_fails_for_another_reason_is_not_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that ends with an error, and a request that is short already."""
    script = '#!/bin/sh\necho start >>"$0.starts"\necho nothing fits >&2\nexit 1\n'
    program = replace_python(tmp_path, script, monkeypatch)
    request = AnalysisRequest(str(tmp_path / "stretto.db"), NOW, ("changes",))
    assert run_analysis_process(request).error == "nothing fits"
    program.write_text('#!/bin/sh\necho start >>"$0.starts"\nkill -9 $$\n', encoding="utf-8")
    short = AnalysisRequest(request.database, NOW, ("changes",), days=SHORT_DAYS)
    assert run_analysis_process(short).is_exhausted
    assert Path(f"{program}.starts").read_text(encoding="utf-8").split() == ["start"] * 2


def test_only_the_analysis_that_was_too_much_is_replaced() -> None:
    """The answers of the others stay as they are; a second failure has both reasons."""
    good, large = AnalysisReply("changes", 1.0), AnalysisReply("trends", error="MemoryError: ")
    first = AnalysisRound(NOW, ("changes", "trends"), AnalysisReplies((good, large), 2.0))
    again = AnalysisRound(NOW, ("trends",), AnalysisReplies((AnalysisReply("trends", 0.5),), 1.0))
    merged = merge_rounds(first, again, 154, {"trends": "MemoryError: "}).replies
    assert merged is not None
    assert merged.replies[0] == good
    assert merged.replies[1].shortened == "it is of the last 28 days: over 154 days MemoryError: "
    assert merged.cpu_seconds == 3
    failed = replace(again, replies=None, error="it took longer than 20 s")
    merged = merge_rounds(first, failed, 154, {"trends": "MemoryError: "}).replies
    assert merged is not None
    assert merged.replies[1].error == "over 154 days MemoryError: ; over 28 days it took longer than 20 s"


def test_findings_neither_begin_nor_end_with_a_shortened_answer(tmp_path: Path) -> None:
    """It is stored with its mark, for page and program, until a whole answer comes."""
    evidence = FindingEvidence(n=50, effect=1.5, low=1.4, high=1.6)
    slower = Finding("task_length", {"type": "tests"}, FindingVerdict.REGRESSION, evidence, since=BEGIN)
    other = Finding("task_length", {"type": "review"}, FindingVerdict.REGRESSION, evidence, since=BEGIN)
    reason = "it is of the last 28 days: over 154 days it took longer than 600 s"
    with store(tmp_path) as opened:
        schedule = AnalysisSchedule(tmp_path / "stretto.db", None, clock=lambda: BEGIN + 900, zone="UTC")
        for at, reply in (
            (100, AnalysisReply("changes", 0.5, (slower,))),
            (200, AnalysisReply("changes", 0.5, (other,), shortened=reason)),
        ):
            replies = AnalysisReplies((reply,), 1.0)
            schedule.rounds.put(AnalysisRound(BEGIN + at, ("changes",), replies))
            schedule.store_round(opened.connection)
        assert [each.finding for each in read_finding_history(opened.connection) if each.is_open] == [slower]
        result = read_analysis_results(opened.connection)["changes"]
        assert (result.findings, result.shortened) == ((other,), reason)
        (view,) = describe_answers(schedule.state, BEGIN + 900)
        assert (view.shortened, view.error) == (reason, None)
        (document,) = build_findings_document(schedule.state)["analyses"]
        assert document["shortened"] == reason
