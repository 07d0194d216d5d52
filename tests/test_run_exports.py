"""Runs as OpenMetrics and Parquet, and the trace of a session held against its schema."""

from __future__ import annotations

import builtins
import io
import json
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from prometheus_client.samples import Sample
from pyarrow import parquet

from stretto.cli.export_runs_and_session import SESSION_FORMATS, TASK_FORMATS
from stretto.cli.main import main
from stretto.clock import SECOND
from stretto.errors import AnalysisNotInstalledError
from stretto.model.event import Outcome
from stretto.model.run_rows_for_analyses import SessionRun, TaskRun
from stretto.names import METRICS
from stretto.summaries.past_runs_as_openmetrics import format_session_counts_and_lengths, format_task_metrics
from stretto.summaries.run_parquet import pack_session_runs, pack_task_runs
from stretto.summaries.run_tables import SESSION_COLUMNS, TASK_COLUMNS
from stretto.summaries.trace_events import build_trace_document
from tests.scenes import conclude_scene, nested, straggler

DEMO = Path(__file__).parents[1] / "src" / "stretto" / "demo" / "fanout.jsonl"
SCHEMA = json.loads((Path(__file__).parents[1] / "docs" / "trace.schema.json").read_text(encoding="utf-8"))
BEGIN = 1_760_000_040 * SECOND
"""A full minute."""


def task(number: int, start: int, seconds: float | None, agent: str | None = "qa", **rest: Any) -> TaskRun:
    """Return a task that began some seconds after the beginning."""
    length = None if seconds is None else round(seconds * SECOND)
    return TaskRun("s", f"t{number}", BEGIN + start * SECOND, length, Outcome.SUCCESS, "docs", agent, **rest)


TASKS = [
    task(1, 0, 30.0, tokens=12, dollars=0.5, covariates={"client": "2.1"}),
    task(2, 0, 50.0),
    task(3, 100, 7.0, 'a"b\\c'),
    task(4, 5, None, None),
]
SESSION = SessionRun(
    "s", BEGIN, BEGIN + 90 * SECOND, Outcome.FAILURE, "release", labels={"arm": "B"}, source="claude-code",
    task_types={"docs": 3}, work=80 * SECOND, wall_parts={"model": 3 * SECOND}, cpu_seconds=1.5, retries=2,
)  # fmt: skip


def parse_samples(whole: str) -> Iterator[Sample]:
    """Yield the samples of a text, strictly parsed, each instant alone.

    The client library's parser drops all but the first sample of a histogram's second instant.
    """
    lines = whole.splitlines()
    assert lines[-1] == "# EOF"
    comments = [line for line in lines[:-1] if line.startswith("#")]
    for instant in sorted({line.rpartition(" ")[2] for line in lines if not line.startswith("#")}):
        for family in comments[::2]:
            name = family.split(" ")[2]
            its = [line for line in lines if line.startswith(name) and line.endswith(f" {instant}")]
            if its:
                part = [*(line for line in comments if line.split(" ")[2] == name), *its, "# EOF", ""]
                text = "\n".join(part)
                for parsed in text_string_to_metric_families(text):  # type: ignore[no-untyped-call]  # upstream's
                    yield from parsed.samples


def test_counters_grow_as_they_would_have_been_scraped() -> None:
    """Two tasks end in the first minute, one in the second; a task without length is counted at its start."""
    samples = list(parse_samples(format_task_metrics(TASKS)))
    minute = BEGIN // SECOND

    counts = [
        (sample.labels["agent"], sample.value, float(sample.timestamp or 0) - minute)
        for sample in samples
        if sample.name == "stretto_tasks_total"
    ]
    assert counts == [("none", 1, 60), ("qa", 2, 60), ("a_b_c", 1, 120)]
    lengths = [sample for sample in samples if sample.name.startswith("stretto_task_duration_seconds")]
    at = [
        (s.name.rpartition("_")[2], s.value, float(s.timestamp or 0) - minute)
        for s in lengths
        if not s.labels.get("le")
    ]
    assert at == [("count", 2, 60), ("sum", 80, 60), ("count", 3, 120), ("sum", 87, 120)]
    assert [s.value for s in lengths if s.labels.get("le") == "40.0"] == [1, 2]


def test_every_series_is_one_of_the_table() -> None:
    """Names and labels are those of the live counters; the job differs, so that none is continued."""
    for text in (format_task_metrics(TASKS), format_session_counts_and_lengths([SESSION])):
        for sample in parse_samples(text):
            name = sample.name if sample.name in METRICS else sample.name.rpartition("_")[0]
            assert sample.labels["job"] == "stretto-runs"
            assert {*sample.labels} - {"job", "le"} == {label.value for label in METRICS[name].labels}


def test_of_nothing_there_is_a_valid_text() -> None:
    """No run is no error."""
    assert format_task_metrics([]).endswith("# EOF\n")
    assert list(parse_samples(format_session_counts_and_lengths([]))) == []


def test_parquet_has_the_columns_of_the_csv_with_their_types() -> None:
    """Times are timestamps, counts whole, lengths floating; unknown values are null, names stay."""
    tasks = parquet.read_table(io.BytesIO(pack_task_runs(TASKS)))
    sessions = parquet.read_table(io.BytesIO(pack_session_runs([SESSION])))

    assert tasks.column_names == [*TASK_COLUMNS]
    assert sessions.column_names == [*SESSION_COLUMNS]
    rows = tasks.to_pylist()
    assert rows[0]["start"] == datetime.fromtimestamp(BEGIN // SECOND, UTC)
    assert (rows[0]["seconds"], rows[0]["tokens"], rows[0]["cost_usd"]) == (30.0, 12, 0.5)
    assert json.loads(rows[0]["circumstances"]) == {"client": "2.1"}
    assert (rows[3]["seconds"], rows[3]["agent"], rows[3]["tokens"]) == (None, None, None)
    assert rows[2]["agent"] == 'a"b\\c'
    (row,) = sessions.to_pylist()
    assert (row["retries"], row["cpu_seconds"], row["tokens"]) == (2, 1.5, None)
    assert json.loads(row["wall_seconds"]) == {"model": 3.0}
    assert parquet.read_table(io.BytesIO(pack_task_runs([]))).num_rows == 0


@pytest.fixture
def imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Point home and state to empty folders, and import the recorded example."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("STRETTO_STATE", str(tmp_path / "state"))
    assert main(["import", str(DEMO)]) == 0


@pytest.mark.usefixtures("imported")
def test_each_format_is_written_by_the_command(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    """Into a file, and to standard output; the formats of the parser are those of the writers."""
    assert TASK_FORMATS.keys() == SESSION_FORMATS.keys() == {"csv", "openmetrics", "parquet"}
    for of in ("tasks", "sessions"):
        for format in TASK_FORMATS:
            file = tmp_path / f"{of}.{format}"
            words = ["export", "runs", "--of", of, "--format", format]
            assert main([*words, "--output", str(file)]) == 0
            capfdbinary.readouterr()
            assert main(words) == 0
            assert capfdbinary.readouterr().out == file.read_bytes()
    assert parquet.read_table(tmp_path / "tasks.parquet").num_rows > 0
    assert list(parse_samples((tmp_path / "tasks.openmetrics").read_text()))


@pytest.mark.usefixtures("imported")
def test_parquet_is_not_for_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Bytes would wreck it; the message names the option."""
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert main(["export", "runs", "--format", "parquet"]) == 2
    assert "--output runs.parquet" in capsys.readouterr().err


def test_without_pyarrow_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says what is missing and the command that installs it; the other formats need nothing."""
    real: Callable[..., Any] = builtins.__import__

    def refuse(name: str, *rest: Any, **named: Any) -> Any:
        if name.partition(".")[0] == "pyarrow":
            raise ImportError(name)
        return real(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(AnalysisNotInstalledError, match="pyarrow") as missing:
        pack_task_runs(TASKS)
    assert "pyarrow" in missing.value.hint or "parquet" in missing.value.hint
    assert format_task_metrics(TASKS)


@pytest.mark.parametrize("scene", [nested, straggler])
def test_a_trace_holds_to_the_schema_of_its_format(scene: Callable[[], Any]) -> None:
    """Each event has the fields that the trace event format asks of its phase, and no other phase occurs."""
    document = json.loads(json.dumps(build_trace_document(conclude_scene(scene().events))))
    validator = Draft202012Validator(SCHEMA)

    assert [error.message for error in validator.iter_errors(document)] == []
    broken = {**document, "traceEvents": [{"ph": "X", "name": "x", "ts": 1}]}
    assert list(validator.iter_errors(broken))
