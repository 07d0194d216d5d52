"""Exports of data: runs as CSV, a session as trace events and as OTLP/JSON."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from stretto.cli.main import main
from stretto.clock import SECOND
from stretto.figures.fanouts import find_fanouts
from stretto.model.entities import Session
from stretto.model.event import Outcome
from stretto.model.run_rows_for_analyses import SessionRun, TaskRun
from stretto.otlp_export.otlp_json import build_otlp_document
from stretto.otlp_export.session_spans import build_spans
from stretto.store.database import open_reader
from stretto.store.session_queries import read_session
from stretto.summaries.run_tables import format_session_runs, format_task_runs
from stretto.summaries.trace_events import build_trace_document
from tests.scenes import Drawing, by_description, conclude_scene, nested, straggler
from tests.web_served import Store, served

DEMO = Path(__file__).parents[1] / "src" / "stretto" / "demo" / "fanout.jsonl"

REQUIRED = {
    "X": {"name", "cat", "ts", "dur", "pid", "tid", "args"},
    "i": {"name", "cat", "ts", "s", "pid", "tid", "args"},
    "M": {"name", "pid", "tid", "args"},
    "s": {"name", "cat", "id", "ts", "pid", "tid"},
    "f": {"name", "cat", "id", "ts", "pid", "tid", "bp"},
}
"""The documented fields of each phase of trace event that is written."""


@pytest.fixture(autouse=True)
def _imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Point home and state to empty folders."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("STRETTO_STATE", str(tmp_path / "state"))


def read_csv(text: str) -> list[dict[str, str]]:
    """Return the rows of a CSV text."""
    return list(csv.DictReader(io.StringIO(text)))


def check_trace(document: dict[str, Any]) -> list[dict[str, Any]]:
    """Check every event against the format and that slices of a track nest; return the events."""
    events: list[dict[str, Any]] = document["traceEvents"]
    stacks: dict[int, list[float]] = {}
    slices = [event for event in events if event["ph"] == "X"]
    for event in events:
        assert REQUIRED[event["ph"]] == event.keys() - {"ph"}
        assert event["ph"] == "M" or event["ts"] >= 0
    for event in sorted(slices, key=lambda event: (event["ts"], -event["dur"])):
        ends = stacks.setdefault(event["tid"], [])
        while ends and ends[-1] <= event["ts"] + 0.0005:
            ends.pop()
        end = event["ts"] + event["dur"]
        assert not ends or end <= ends[-1] + 0.0005, event
        ends.append(end)
    for arrow in events:
        if arrow["ph"] in {"s", "f"}:
            assert any(
                part["tid"] == arrow["tid"] and part["ts"] <= arrow["ts"] <= part["ts"] + part["dur"] + 0.0005
                for part in slices
            ), arrow
    return events


def test_a_task_is_a_row_with_seconds_and_no_formula() -> None:
    """Lengths are seconds, unknown values empty, and a name like a formula begins with an apostrophe."""
    run = TaskRun(
        "s", "t", 1_760_000_000 * SECOND, 1_500_000_000, Outcome.SUCCESS, "docs",
        agent="=HYPERLINK(1)", phase=" @x", covariates={"client": "2.1"},
    )  # fmt: skip
    [row] = read_csv(format_task_runs([run]))
    assert (row["start"], row["seconds"], row["outcome"]) == ("2025-10-09T08:53:20.000000Z", "1.5", "success")
    assert (row["agent"], row["phase"], row["tokens"]) == ("'=HYPERLINK(1)", "' @x", "")
    assert json.loads(row["circumstances"]) == {"client": "2.1"}


def test_a_session_is_a_row_with_maps_as_json() -> None:
    """Parts of the wall time are seconds by name; a count of 0 is shown, an unknown count is empty."""
    run = SessionRun("s", 0, 5 * SECOND, Outcome.FAILURE, work=3 * SECOND, wall_parts={"model": 2 * SECOND})
    [row] = read_csv(format_session_runs([run]))
    assert (row["work_seconds"], row["width"], row["conflicts"]) == ("3.0", "0", "")
    assert json.loads(row["wall_seconds"]) == {"model": 2.0}


@pytest.mark.parametrize(
    "session", [conclude_scene(nested().events), conclude_scene(straggler().events)], ids=lambda s: s.id
)
def test_a_trace_has_the_documented_fields_and_nests(session: Session) -> None:
    """Each task is a slice of its length, each agent a track, and arrows bind to slices."""
    document = build_trace_document(session)
    events = check_trace(document)
    lengths = {e["args"]["id"]: e["dur"] for e in events if e["ph"] == "X" and e["cat"] == "task"}
    assert lengths == {
        task.id: (task.end - task.start) / 1_000 for task in session.tasks if task.end and task.start
    }
    tracks = {e["args"]["name"] for e in events if e["name"] == "thread_name"}
    assert tracks >= {task.agent or "unnamed agent" for task in session.tasks}
    assert json.loads(json.dumps(document)) == document


def test_an_unknown_end_is_an_instant() -> None:
    """A task without an end is drawn at its start, and a task without times is counted."""
    session = conclude_scene(straggler().events)
    first, second, *rest = session.tasks
    tasks = (structs.replace(first, end=None), structs.replace(second, start=None, end=None), *rest)
    document = build_trace_document(replace(session, tasks=tasks))
    [instant] = [event for event in check_trace(document) if event["ph"] == "i"]
    assert (instant["args"]["id"], instant["args"]["known"]) == (first.id, "start only")
    assert document["otherData"]["untimed"] == 1


def test_otlp_json_has_the_spans_with_hexadecimal_ids() -> None:
    """Ids are hexadecimal and enums numbers, as OTLP/JSON asks; every span is there."""
    spans = build_spans(conclude_scene(nested().events), version="1")
    [resource] = build_otlp_document(spans)["resourceSpans"]
    [scope] = resource["scopeSpans"]
    expected = [
        (f"{s.context.trace_id:032x}", f"{s.context.span_id:016x}", s.name) for s in spans if s.context
    ]
    assert [(span["traceId"], span["spanId"], span["name"]) for span in scope["spans"]] == expected
    assert {span["kind"] for span in scope["spans"]} <= {1, 3}
    assert {span["parentSpanId"] for span in scope["spans"][1:]} <= {span for _, span, _ in expected}


def with_timed_models() -> Drawing:
    """Draw the straggler with two model calls of known length."""
    drawing = straggler("modelled")
    for name, start in (("a", 1), ("b", 3)):
        used: dict[str, Any] = {
            "input_tokens": 90,
            "output_tokens": 10,
            "cache_read_tokens": 40,
            "cost_usd": 0.25,
        }
        drawing.model(f"model-{name}", start, parent=f"modelled-{name}", took=2, **used)
    return drawing


@pytest.mark.parametrize("scene", [nested, straggler, with_timed_models])
def test_a_session_posted_as_otlp_is_the_same_session(tmp_path: Path, scene: Callable[[], Drawing]) -> None:
    """An empty store that receives the document has the session with its entities, times and outcomes."""
    session = conclude_scene(scene().events)
    document = json.dumps(build_otlp_document(build_spans(session, version="1")))
    received = Store(tmp_path)
    with served(received.make_backend()) as client:
        answer = client.post("/v1/traces", content=document, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()) == (200, {})
    received.refresh()
    with closing(open_reader(received.config.database)) as connection:
        back = read_session(connection, session.id, by_description)
    assert back is not None
    assert (back.source, back.pattern, back.outcome) == (session.source, session.pattern, session.outcome)
    assert (back.start, back.end, back.turns) == (session.start, session.end, session.turns)
    assert back.tool_calls == session.tool_calls
    assert back.model_calls == session.model_calls
    assert len(session.model_calls) == (2 if scene is with_timed_models else 0)
    # Descriptions are of nobody's concern but the machine's; a span names its end itself, without doubt.
    sent = tuple(structs.replace(task, description=None, doubt=0) for task in session.tasks)
    assert back.tasks == sent
    assert [fanout.elapsed for fanout in find_fanouts(back.tasks)] == [
        fanout.elapsed for fanout in find_fanouts(session.tasks)
    ]


def test_the_commands_write_files_and_standard_output(
    tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    """A recording that was imported is exported in each form; an existing file is kept without --replace."""
    assert main(["import", str(DEMO)]) == 0
    trace, table = str(tmp_path / "trace.json"), str(tmp_path / "tasks.csv")
    assert main(["export", "session", "last", "--output", trace]) == 0
    events = check_trace(json.loads(Path(trace).read_text("utf-8")))
    assert sum(event["ph"] == "s" for event in events) == 3
    assert main(["export", "session", "last", "--output", trace]) == 2
    assert main(["export", "session", "last", "--output", trace, "--replace"]) == 0
    assert main(["export", "session", "nobody"]) == 1
    capsysbinary.readouterr()
    assert main(["export", "session", "last", "--format", "otlp"]) == 0
    assert len(json.loads(capsysbinary.readouterr().out)["resourceSpans"]) == 1
    assert main(["export", "runs", "--output", table]) == 0
    rows = read_csv(Path(table).read_text("utf-8"))
    assert sorted(row["task_type"] for row in rows) == ["architecture", "prd", "test_strategy"]
    assert main(["export", "runs", "--of", "sessions"]) == 0
    [session] = read_csv(capsysbinary.readouterr().out.decode())
    assert json.loads(session["task_types"]) == {"architecture": 1, "prd": 1, "test_strategy": 1}
    assert main(["export", "runs", "--since", "2026-11-02", "--until", "2026-11-01"]) == 2
