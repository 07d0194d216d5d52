"""The generated stores of ``make baselines``: limits hold for a few cases, and the table is documented."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.bench.bench_baselines import FIGURES, MARK, ROWS, find_fault, measure_row

BY_NAME = {row.name: row for row in ROWS}


@pytest.mark.parametrize(
    ("name", "admitted"),
    [("the same work, 10 runs", True), ("another agent", False), ("4 × width × the size", False)],
)
def test_a_few_generated_cases_are_judged_right(tmp_path: Path, name: str, *, admitted: bool) -> None:
    """Like work is admitted, other work and work of another size is not."""
    result = measure_row(BY_NAME[name], tmp_path, 1)
    assert result.cases == 8
    assert (result.rate >= 0.75) if admitted else (result.admitted == 0)


def test_a_rate_beyond_its_limit_is_a_fault(tmp_path: Path) -> None:
    """The same cases under the opposite limit fail: the check can fail."""
    row = BY_NAME["another project"]
    result = measure_row(row, tmp_path, 1)
    assert find_fault(row, result) is None
    assert "at least 0.90" in (find_fault(replace(row, least=0.9), result) or "")


def test_the_documentation_has_every_row() -> None:
    """The table of docs/figures.md names each kind of case."""
    table = FIGURES.read_text(encoding="utf-8").split(MARK)[1]
    assert [line.split("|")[1].strip() for line in table.strip().splitlines()[2:]] == [
        row.name for row in ROWS
    ]
