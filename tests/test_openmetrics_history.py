"""Backfill: the past as Prometheus would have scraped it, in a text that its own tool takes."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from stretto.cli.main import main
from stretto.cli.prometheus_backfill import list_hourly_then_fine_instants
from stretto.clock import DAY, HOUR, MINUTE, SECOND
from stretto.exporter.openmetrics_history import generate_openmetrics
from stretto.figures.figure import Figure
from tests.test_import_command import Terminal

UNTIL = ("--until", "2026-11-20T18:00:00Z")
"""Two hours after the recording."""
DEMO = Path(__file__).parents[1] / "src" / "stretto" / "demo"


def written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """A backfill of one recorded parallel run and its sequential one."""
    state = ["--state", str(tmp_path / "state")]
    assert main([*state, "import", str(DEMO / "fanout.jsonl"), str(DEMO / "sequential.jsonl")]) == 0
    target = tmp_path / "past.om"
    capsys.readouterr()
    assert main([*state, "backfill", "--output", str(target), *UNTIL, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["file"] == str(target)
    assert said["samples"] > 0
    return target


def test_a_backfill_shows_how_far_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a terminal a bar counts the instants, to the last."""
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)

    written(tmp_path, capsys)

    counts = re.findall(r"instants.*?(\d+)/(\d+)", terminal.getvalue())
    assert counts[-1][0] == counts[-1][1] != "0"


def test_each_family_stands_in_one_piece() -> None:
    """Samples of one family are together and in time order, whatever the order they were worked out in."""
    labels = (("window", "1h"),)
    hours = [
        (
            hour * HOUR,
            [Figure("stretto_window_ends_seen", labels, hour, 1), Figure("stretto_tasks_running", (), 0, 0)],
        )
        for hour in (1, 2)
    ]

    lines = list(generate_openmetrics(hours, "127.0.0.1:9464"))

    seen = 'stretto_window_ends_seen{instance="127.0.0.1:9464",job="stretto",window="1h"}'
    assert [line for line in lines if line.startswith("stretto_window")] == [
        f"{seen} 1.0 3600",
        f"{seen} 2.0 7200",
    ]
    assert lines[-1] == "# EOF"


def test_old_days_are_in_hours_and_the_last_in_minutes() -> None:
    """A fortnight before now is in steps of five minutes, what is older in full hours, and the steps meet."""
    now = 100 * DAY + 7 * MINUTE
    instants = list_hourly_then_fine_instants(80 * DAY + MINUTE, now)

    assert instants[0] == 80 * DAY + HOUR
    steps = [later - earlier for earlier, later in pairwise(instants)]
    assert sorted(set(steps)) == [5 * MINUTE, HOUR]
    assert steps == sorted(steps, reverse=True)
    fine = instants[steps.index(5 * MINUTE)]
    assert now - 14 * DAY <= fine < now - 14 * DAY + HOUR
    assert instants[-1] == 100 * DAY + 5 * MINUTE
    assert list_hourly_then_fine_instants(now - MINUTE, now) == []


def test_old_hours_are_full_in_the_time_of_their_reader() -> None:
    """Where clocks are half an hour from UTC, so are the old samples, and the last fortnight begins there."""
    now = 100 * DAY
    instants = list_hourly_then_fine_instants(80 * DAY, now, "Asia/Kolkata")

    assert instants[0] == 80 * DAY + HOUR // 2
    steps = [later - earlier for earlier, later in pairwise(instants)]
    assert steps == sorted(steps, reverse=True)
    assert sorted(set(steps)) == [5 * MINUTE, HOUR]
    assert instants[steps.index(5 * MINUTE)] == now - 14 * DAY + HOUR // 2


def test_the_past_begins_where_it_is_asked_to(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With --since earlier hours are left out; a time after everything leaves nothing to write."""
    state = ["--state", str(tmp_path / "state")]
    assert main([*state, "import", str(DEMO / "fanout.jsonl")]) == 0
    target = tmp_path / "past.om"
    capsys.readouterr()

    asked = [*state, "backfill", "--output", str(target), *UNTIL]
    assert main([*asked, "--since", "yesterday"]) == 2
    assert main([*asked, "--since", "2026-11-20T17:00:00Z"]) == 0
    times = {
        float(line.rsplit(" ", 1)[1]) for line in target.read_text().splitlines() if not line.startswith("#")
    }
    assert min(times) == 1795194000
    assert "--max-block-duration=744h" in capsys.readouterr().out


def test_absent_figures_are_not_written() -> None:
    """A figure that is withheld leaves a gap, not a 0."""
    withheld = Figure("stretto_success_ratio", (("task_type", "prd"), ("window", "1h")), None, 0, "no task")

    assert list(generate_openmetrics([(HOUR, [withheld])], "x")) == ["# EOF"]


def test_the_past_has_the_figures_of_its_time(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The hour after the recorded run shows its speedup in the 24-hour window, at that hour."""
    text = written(tmp_path, capsys).read_text(encoding="utf-8")

    parsed = text_string_to_metric_families(text)  # type: ignore[no-untyped-call]  # upstream's parser
    families = {family.name: family for family in parsed}
    prd = [
        sample
        for sample in families["stretto_speedup_ratio"].samples
        if sample.labels["task_type"] == "prd" and sample.labels["window"] == "24h"
    ]
    ran = 1795189587  # when the recording was made, in seconds
    assert prd[0].value == pytest.approx(2.576, abs=0.001)
    assert 0 < float(prd[0].timestamp) - ran <= HOUR / SECOND


def test_an_existing_file_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A second backfill to the same file is refused with 2."""
    target = written(tmp_path, capsys)

    assert main(["--state", str(tmp_path / "state"), "backfill", "--output", str(target)]) == 2


def test_without_a_past_nothing_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An empty store has no samples: said so, with 1, and no file is left; nor is one without any store."""
    state, target = ["--state", str(tmp_path / "state")], tmp_path / "past.om"
    assert main([*state, "backfill", "--output", str(target)]) == 3
    assert main([*state, "rebuild"]) == 0
    capsys.readouterr()

    assert main([*state, "backfill", "--output", str(target)]) == 1
    assert "no full hour has figures yet" in capsys.readouterr().out
    assert main([*state, "backfill", "--output", str(target), "--json"]) == 1
    assert json.loads(capsys.readouterr().out) == {"file": None, "samples": 0, "next": None}
    assert not target.exists()
