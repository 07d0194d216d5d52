"""The table of error rates: a number fails only by its interval, and the page names the commit."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.detectors import __main__ as table
from tests.detectors.nab_scores import read_files
from tests.detectors.public_benchmarks import (
    list_missing_data,
    measure_benchmarks,
    score_cover,
    score_owa,
    score_points,
)
from tests.detectors.recorded_executions import make_split_row
from tests.detectors.rows import Row, bound_count, make_exact, make_frequency, make_rate


def test_a_rate_fails_only_if_its_nearer_bound_is_beyond() -> None:
    """15 of 100 may be .10, 30 of 100 may not; a range has two sides."""
    assert make_rate("A", "x", 15, 100, at_most=0.10).holds
    assert not make_rate("A", "x", 30, 100, at_most=0.10).holds
    assert make_rate("A", "x", 15, 100, at_least=0.20).holds
    assert not make_rate("A", "x", 5, 100, at_least=0.20).holds


def test_a_count_has_the_interval_of_poisson() -> None:
    """Ten events are 4.8 to 18.4; none are 0 to 3.7."""
    assert bound_count(10) == pytest.approx((4.795, 18.39), abs=0.01)
    assert bound_count(0) == pytest.approx((0, 3.689), abs=0.01)
    row = make_frequency("A", "x", 10, 100, at_most=0.05, unit="series-months")
    assert row.holds
    assert row.cases == "10 in 100 series-months"


def test_a_score_on_fixed_files_has_no_interval() -> None:
    """It holds or it does not."""
    assert make_exact("A", "x", 0.72, at_least=0.72).holds
    assert not make_exact("A", "x", 0.71, at_least=0.72).holds


def list_rows(*, long: bool) -> Iterator[Row]:
    """One number that holds, one that is known not to, and in the long form one that fails."""
    yield make_exact("A", "good", 1.0, at_least=0.5, cases="1 file")
    yield Row("A", "weak", 0.2, 0.15, 0.25, at_most=0.1, known="the reason")
    if long:
        yield make_exact("A", "bad", 0.1, at_least=0.5)


def test_the_command_fails_for_what_does_not_hold(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is known not to hold is marked and fails nothing; anything else that does not hold fails.

    Only the parts that were measured are written.
    """
    page = tmp_path / "detectors.md"
    other = "Measured at commit abc, long form: other.\n\n| other table |\n"
    old = "Measured at commit abc, long form: part.\n\nold table\n"
    page.write_text(f"before\n{table.MARK}\n{old}\n{other}\n{table.MARK}\nafter\n")
    monkeypatch.setattr(table, "PAGE", page)
    monkeypatch.setattr(table, "PARTS", {"part": list_rows, "other": list_rows})
    assert table.main(["part", "--short", "--write"]) == 0
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "old table" not in text
    assert "short form: part." in text
    assert other in text
    assert "| A | good | 1.000 | 1 file | ≥ 0.500 | holds |" in text
    assert "**fails** (known)" in text
    assert "Known: weak: the reason." in text
    assert table.main(["part"]) == 1
    assert "does not hold: | A | bad" in capsys.readouterr().err


def test_only_what_the_command_writes_stands_between_the_marks() -> None:
    """``--write`` replaces all between the marks of the page, so nothing of a person stands there."""
    between = table.PAGE.read_text(encoding="utf-8").split(table.MARK)[1]
    paragraphs = [text for text in between.split("\n\n") if text.strip()]
    assert {text.lstrip().split()[0] for text in paragraphs} <= {"Measured", "|", "Known:"}


def test_the_speed_has_a_bound_in_the_long_form(monkeypatch: pytest.MonkeyPatch) -> None:
    """200 series take at most two processor seconds; the short form shows the number."""
    monkeypatch.setattr(table, "judge_changes", lambda *_: [])
    ((long,), (short,)) = (table.measure_speed(long=True), table.measure_speed(long=False))
    assert (long.at_most, long.holds, short.at_most) == (2.0, True, None)


def test_splits_of_the_same_executions_are_no_independent_cases() -> None:
    """Covers of .7 and .9: the error is .96 times their spread, not .71 times; Student's factor is 12.7."""
    row = make_split_row("K", "cover", [0.7, 0.9])
    assert row.high - row.value == pytest.approx(12.706 * 0.14142 * (0.5 + 0.3 / 0.7) ** 0.5, rel=1e-3)


def test_change_points_are_scored_as_the_benchmark_does() -> None:
    """Two of three marked points met within five, and the segments' overlap by length."""
    assert score_points({"1": [10], "2": [10]}, [12]) == 1
    assert score_points({"1": [10, 50]}, [12]) == pytest.approx(2 * 1 * (2 / 3) / (1 + 2 / 3))
    assert score_cover({"1": [50]}, [50], 100) == 1
    assert score_cover({"1": [50]}, [], 100) == 0.5


def test_repeating_the_last_value_is_the_competitions_unit() -> None:
    """A forecast like Naïve 2 has OWA 1, a perfect one 0."""
    values, actual = np.array([1.0, 2, 1, 2, 1, 2]), np.array([2.0, 3.0])
    assert score_owa([(values, actual)], 1, 2, lambda *_: np.array([2.0, 2.0])) == 1
    assert score_owa([(values, actual)], 1, 2, lambda *_: actual) == 0


def test_any_files_of_the_benchmarks_are_read(tmp_path: Path) -> None:
    """A window between stamps, absent and packed files, ragged rows and gaps are no error."""
    labels = {"a/b.csv": [["2014-04-01 00:30:30.000000", "2014-04-01 01:00:00.000000"]], "a/absent.csv": []}
    folder = tmp_path / "bench-nab-other"
    for part in ("labels", "data/a"):
        (folder / part).mkdir(parents=True)
    (folder / "labels/combined_windows.json").write_text(json.dumps(labels))
    lines = [f"2014-04-01 {n // 60:02}:{n % 60:02}:00,{n % 7}" for n in range(600)]
    packed = gzip.compress("\n".join(["timestamp,value", *lines, ""]).encode())
    (folder / "data/a/b.csv.gz").write_bytes(packed)
    (file,) = read_files(folder)
    assert (file.windows, len(file.values)) == (((31, 60),), 600)
    values = np.random.default_rng(1).normal(100, 5, (2, 113)).round(1)
    weekly = tmp_path / "bench-m4-weekly/Dataset/Train"
    weekly.mkdir(parents=True)
    for name, cut in (("train", values[:, :100]), ("test", values[:, 100:])):
        rows = [f'"W{n}",' + ",".join(map(str, row)) + ",NA,," for n, row in enumerate(cut)]
        (weekly / f"Weekly-{name}.csv").write_text("\n".join(["V1,V2", *rows]))
    (score, owa) = measure_benchmarks(data=tmp_path, long=True)
    assert score.name.startswith("bench-nab-other: standard score")
    assert (owa.name, owa.cases) == ("M4 weekly: OWA", "2 series")
    assert 0 < owa.value < 2


def test_missing_public_data_is_left_out(tmp_path: Path) -> None:
    """Without the folders there are no rows, nothing fails, and the command names them."""
    assert list(measure_benchmarks(data=tmp_path, long=True)) == []
    assert list_missing_data(tmp_path) == ["bench-tcpd", "bench-nab", "bench-m4-hourly", "exec-wfinstances"]
