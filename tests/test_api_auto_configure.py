"""Programs recorded without a line of code, and programs that SIGTERM ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from stretto.api.auto_configure import leaves_setup_to_stretto
from stretto.model.event import Event
from tests.fakes import ROOT
from tests.test_api_journal_exporter import conclude_events, events

PROGRAM = """
from opentelemetry import trace

tracer = trace.get_tracer("shop")
with tracer.start_as_current_span("run"):
    for name in ("architect", "tester"):
        agent = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": name}
        with tracer.start_as_current_span("work", attributes=agent):
            pass
"""
"""A program that knows nothing of Stretto."""

WAITING = """
import sys, time
import stretto

stretto.configure(flush_at_sigterm={wanted})
with stretto.session(id="s1"):
    with stretto.task("work", agent="architect"):
        pass
    print("ready", flush=True)
    time.sleep(60)
"""
"""A program that waits in a session until somebody ends it."""


def environ_of(folder: Path, **values: str) -> dict[str, str]:
    """Return the environment of a program in which this package is installed as its file says."""
    entry_points = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["entry-points"]
    installed = folder / "installed" / "stretto_here-1.dist-info"
    installed.mkdir(parents=True)
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: stretto-here\nVersion: 1\n", "utf-8")
    lines = [
        f"[{group}]\n" + "\n".join(f"{n} = {v}" for n, v in each.items())
        for group, each in entry_points.items()
    ]
    (installed / "entry_points.txt").write_text("\n".join(lines), "utf-8")
    paths = [str(installed.parent), str(ROOT / "src")]
    plain = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return {**plain, "PYTHONPATH": os.pathsep.join(paths), "STRETTO_STATE": str(folder / "state"), **values}


def run_instrumented(folder: Path, **values: str) -> list[Event]:
    """Return the journal's events after the program has run under ``opentelemetry-instrument``."""
    program = folder / "program.py"
    program.write_text(PROGRAM, "utf-8")
    command = [str(Path(sys.executable).with_name("opentelemetry-instrument")), sys.executable, str(program)]
    result = subprocess.run(
        command, env=environ_of(folder, **values), capture_output=True, text=True, check=False, timeout=120
    )
    assert result.returncode == 0, result.stderr
    return events(folder / "state" / "journal") if (folder / "state" / "journal").exists() else []


def test_a_program_is_recorded_without_a_line_of_code(tmp_path: Path) -> None:
    """``opentelemetry-instrument`` finds the set-up: the program's agents are tasks in the journal."""
    session = conclude_events(run_instrumented(tmp_path))

    assert [task.agent for task in session.tasks] == ["architect", "tester"]


def test_other_exporters_are_left_alone(tmp_path: Path) -> None:
    """A program that is set up for another exporter keeps it, and the journal gets nothing."""
    values = {"OTEL_TRACES_EXPORTER": "none", "OTEL_METRICS_EXPORTER": "none", "OTEL_LOGS_EXPORTER": "none"}

    assert run_instrumented(tmp_path, **values) == []


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, True),
        ({"OTEL_TRACES_EXPORTER": "console"}, False),
        ({"OTEL_TRACES_EXPORTER": "stretto"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4317"}, False),
        (
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"},
            True,
        ),
    ],
)
def test_who_sets_up(environ: dict[str, str], expected: bool) -> None:
    """Exporters that the environment names, and collectors that speak gRPC, are the SDK's."""
    assert leaves_setup_to_stretto(environ) is expected


def test_sigterm_writes_what_waits_and_then_ends_the_program(tmp_path: Path) -> None:
    """With the option, the program ends by the signal, and the task is in the journal with its end."""
    program = subprocess.Popen(
        [sys.executable, "-c", WAITING.format(wanted=True)],
        env=environ_of(tmp_path),
        stdout=subprocess.PIPE,
    )
    try:
        assert program.stdout is not None
        assert program.stdout.readline() == b"ready\n"
        program.send_signal(signal.SIGTERM)
        assert program.wait(timeout=60) == -signal.SIGTERM
    finally:
        program.kill()
        program.communicate()

    (task,) = conclude_events(events(tmp_path / "state" / "journal")).tasks
    assert (task.agent, task.end is not None) == ("architect", True)


def test_a_handler_of_the_program_runs_after_the_flush(tmp_path: Path) -> None:
    """A program that handles SIGTERM itself still does, after the spans are written."""
    own = WAITING.format(wanted=True).replace(
        "import stretto\n",
        "import signal\nimport stretto\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(7))\n",
        1,
    )
    program = subprocess.Popen([sys.executable, "-c", own], env=environ_of(tmp_path), stdout=subprocess.PIPE)
    try:
        assert program.stdout is not None
        assert program.stdout.readline() == b"ready\n"
        program.send_signal(signal.SIGTERM)
        assert program.wait(timeout=60) == 7
    finally:
        program.kill()
        program.communicate()
