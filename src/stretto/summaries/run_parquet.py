"""Tables of runs as Parquet, for data frames and warehouses: the columns of the CSV with types of their own.

Needs the extra ``stretto[parquet]``. Times are timestamps in UTC, maps JSON texts, unknown values null.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from stretto.errors import AnalysisNotInstalledError
from stretto.format.rfc3339 import parse_rfc3339
from stretto.model.run_rows_for_analyses import SessionRun, TaskRun
from stretto.summaries.run_tables import SESSION_COLUMNS, TASK_COLUMNS, Cell
from stretto.version import describe_extra_install

TIMES = frozenset({"start", "end"})
COUNTS = frozenset({"tokens", "width", "retries", "conflicts", "tests_passed", "tests_failed"})
NUMBERS = frozenset({"concurrency", "cost_usd", "usage_coverage", "memory_mean_bytes", "memory_peak_bytes"})
"""Columns of floating point numbers, beside those whose names end in ``seconds``."""

MAPS = frozenset({"wall_seconds", "path_seconds"})
"""Columns whose names end in ``seconds`` and that are JSON texts all the same."""

_MICROSECOND = 1_000
Run = TypeVar("Run")


def pack_task_runs(runs: Iterable[TaskRun]) -> bytes:
    """Return the tasks as a Parquet file. Raises AnalysisNotInstalledError without pyarrow."""
    return _pack_runs(TASK_COLUMNS, runs)


def pack_session_runs(runs: Iterable[SessionRun]) -> bytes:
    """Return the sessions as a Parquet file. Raises AnalysisNotInstalledError without pyarrow."""
    return _pack_runs(SESSION_COLUMNS, runs)


def _pack_runs(columns: Mapping[str, Callable[[Run], Cell]], runs: Iterable[Run]) -> bytes:
    try:
        import pyarrow as pa  # noqa: PLC0415  # an extra of some megabytes
        from pyarrow import parquet  # noqa: PLC0415  # as above
    except ImportError:
        raise AnalysisNotInstalledError("parquet", "pyarrow", describe_extra_install("parquet")) from None
    rows = list(runs)
    schema = pa.schema([(name, _find_type(pa, name)) for name in columns])
    table = pa.table(
        {name: [_convert_cell(name, read(run)) for run in rows] for name, read in columns.items()},
        schema=schema,
    )
    file = io.BytesIO()
    parquet.write_table(table, file)
    return file.getvalue()


def _find_type(pyarrow: Any, name: str) -> Any:
    if name in TIMES:
        return pyarrow.timestamp("us", tz="UTC")
    if name in COUNTS:
        return pyarrow.int64()
    if name in NUMBERS or (name.endswith("seconds") and name not in MAPS):
        return pyarrow.float64()
    return pyarrow.string()


def _convert_cell(name: str, cell: Cell) -> Cell:
    if name in TIMES and isinstance(cell, str):
        return parse_rfc3339(cell) // _MICROSECOND
    return cell
