"""Run the hostile trial: ``python -m tests.trial [--short] [--only NAME] [--json]``; 1 on any loss."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import pkgutil
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import tests.trial
from tests.trial.case import REQUIRED, NotTriedError, Row, Scope

Run = Callable[[Scope], Iterable[Row]]


def find_cases() -> dict[str, Run]:
    """Return the function of each case by its name: the part of the module's name after ``case_``."""
    modules = sorted(module.name for module in pkgutil.iter_modules(tests.trial.__path__))
    names = [name for name in modules if name.startswith("case_")]
    return {name.removeprefix("case_"): importlib.import_module(f"tests.trial.{name}").run for name in names}


def run_case(name: str, run: Run, folder: Path, *, short: bool, required: bool) -> list[Row]:
    """Return the rows of a case; a case that fails is a loss, as is a required case that was not tried."""
    rows: list[Row] = []
    try:
        # Rows that were yielded before a fault are kept.
        for row in run(Scope(folder, short)):
            rows.append(row)  # noqa: PERF402  # see above
    except NotTriedError as error:
        rows.append(Row(name, 0, int(required), f"not tried: {error}"))
    except Exception as error:  # noqa: BLE001  # the other cases are tried all the same
        traceback.print_exc()
        rows.append(Row(name, 1, 1, f"the case failed: {type(error).__name__}: {error}"))
    if required:
        rows = [row if row.tried else replace(row, lost=max(1, row.lost)) for row in rows]
    return rows or [Row(name, 0, 1, "the case yielded nothing")]


def format_table(rows: Sequence[Row]) -> str:
    """Return the table that people read."""
    width = max(len(row.test) for row in rows)
    lines = [f"{'test':<{width}}  {'tried':>8}  {'lost':>6}"]
    lines += [f"{row.test:<{width}}  {row.tried:>8,}  {row.lost:>6,}  {row.note}".rstrip() for row in rows]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the chosen cases and print the table."""
    cases = find_cases()
    parser = argparse.ArgumentParser(prog="make trial", description="Try to make Stretto lose data.")
    parser.add_argument("--short", action="store_true", help="within three minutes, as in every submission")
    parser.add_argument("--only", action="append", choices=sorted(cases), help="a case; may be repeated")
    parser.add_argument("--json", action="store_true", help="print the rows as JSON")
    options = parser.parse_args(arguments)
    top = Path(tempfile.mkdtemp(prefix="stretto-trial-"))
    rows: list[Row] = []
    try:
        for name in options.only or cases:
            folder = top / name
            folder.mkdir()
            began = time.monotonic()
            required = os.environ.get(REQUIRED) == "1"
            rows += run_case(name, cases[name], folder, short=options.short, required=required)
            print(f"{name}: {time.monotonic() - began:.0f} s", file=sys.stderr)
    finally:
        shutil.rmtree(top, ignore_errors=True)
    print(json.dumps([asdict(row) for row in rows]) if options.json else format_table(rows))
    lost = sum(row.lost for row in rows)
    print(f"{sum(row.tried for row in rows):,} tried, {lost:,} lost", file=sys.stderr)
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
