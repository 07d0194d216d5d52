"""Measure the error rates of the analyses and compare them with their bounds: ``make detectors``.

``--short`` is the form of continuous integration; ``--write`` puts the measured parts into docs/detectors.md,
each with the commit. The exit code is 1 if a bound does not hold, unless a reason is named why that is known.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from stretto.analysis.performance_regressions import judge_changes
from stretto.clock import DAY
from tests.detectors import (
    advice_rates,
    change_rows,
    journal_answers,
    journal_decisions,
    journal_faults,
    journal_rows,
    journal_sessions,
    other_rows,
    quiet_months,
)
from tests.detectors.public_benchmarks import list_missing_data, measure_benchmarks
from tests.detectors.rows import Row, make_exact
from tests.detectors.scenarios import FIRST_DAY, draw_series
from tests.fakes import ROOT

PAGE = ROOT / "docs/detectors.md"
DATA = ROOT.parent / "shared/data"
MARK = "<!-- measured -->"
HEADER = "| answer | number | measured | of | bound | verdict |\n| --- | --- | --- | --- | --- | --- |"

MOST_SECONDS = 2.0
"""Processor seconds in which 200 series are judged."""


def measure_speed(*, long: bool) -> Iterator[Row]:
    """Yield the processor seconds that 200 series of 100 days take, the best of three.

    The short form shows them only: it runs where other work takes the caches, and time is no error rate.
    """
    import numpy as np  # noqa: PLC0415  # beside its only use

    rng = np.random.default_rng(1)
    series = [draw_series(scenario, rng, 100, 20, name=str(n)) for scenario in "abcdefgh" for n in range(25)]
    seconds = []
    for _ in range(3):
        begin = time.process_time()
        judge_changes(series, FIRST_DAY + 100 * DAY)
        seconds.append(time.process_time() - begin)
    yield make_exact(
        "A", "processor seconds for 200 series", min(seconds),
        at_most=MOST_SECONDS if long else None, cases="100 days of 20 runs",
    )  # fmt: skip


PARTS: dict[str, Callable[..., Iterator[Row]]] = {
    "changes": change_rows.measure_changes,
    "journals": journal_rows.measure_journals,
    "quiet-months": quiet_months.measure_quiet_months,
    "tails": change_rows.measure_tails,
    "slower-stores": change_rows.measure_slower_stores,
    "mixes": change_rows.measure_mixes,
    "detectable": change_rows.measure_detectable,
    "speed": measure_speed,
    "trends": other_rows.measure_trends,
    "flags": other_rows.measure_flags,
    "covers": other_rows.measure_covers,
    "journal-answers": journal_answers.measure_journal_answers,
    "journal-faults": journal_faults.measure_journal_faults,
    "journal-sessions": journal_sessions.measure_journal_sessions,
    "journal-decisions": journal_decisions.measure_journal_decisions,
    **{part: partial(advice_rates.measure_advice, part) for part in advice_rates.MEASURES},
    "public": measure_benchmarks,
}
"""Part → function that yields its rows. Further analyses add theirs here."""

REDRAWN = frozenset({"changes", "slower-stores"})
"""Parts that ``--first`` draws anew."""

ON_PUBLIC_DATA = "public"
"""The part that is measured in the folder of ``--data``."""

SHOWN_BY_TESTS = frozenset(advice_rates.MEASURES)
"""Parts whose short form ``make shown`` runs."""


def measure_parts(
    parts: Sequence[str], data: Path, *, long: bool, first: int = 0
) -> Iterator[tuple[str, Row]]:
    """Yield the rows of the chosen parts, or of all, each with the name of its part."""
    for name in parts or PARTS:
        if long or parts or name not in SHOWN_BY_TESTS:
            given: dict[str, Any] = {"first": first} if first and name in REDRAWN else {}
            given |= {"data": data} if name == ON_PUBLIC_DATA else {}
            for row in PARTS[name](long=long, **given):
                yield name, row


def write_page(measured: Mapping[str, Sequence[Row]], *, long: bool) -> None:
    """Replace the tables of the measured parts in docs/detectors.md; those of the others stay."""
    commit = subprocess.check_output(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, text=True).strip()
    form = "long" if long else "short"
    head, between, tail = PAGE.read_text(encoding="utf-8").split(MARK)
    tables = read_tables(between)
    for part, rows in measured.items():
        failing = [(row.name, row.known) for row in rows if not row.holds]
        known = "".join(f"\nKnown: {name}: {reason}.\n" for name, reason in failing if reason)
        table = "\n".join([HEADER, *(row.to_row() for row in rows)])
        tables[part] = f"Measured at commit {commit}, {form} form: {part}.\n\n{table}\n{known}"
    text = "\n".join(tables[part] for part in PARTS if part in tables)
    PAGE.write_text(f"{head}{MARK}\n\n{text}\n{MARK}{tail}", encoding="utf-8")


def read_tables(text: str) -> dict[str, str]:
    """Return the text of each part of the page between the marks: it begins with the line that names it."""
    begins = [*re.finditer(r"^Measured at .*: (\S+)\.$", text, re.MULTILINE)]
    ends = [*(begin.start() for begin in begins[1:]), len(text)]
    return {
        begin[1]: text[begin.start() : end].rstrip() + "\n" for begin, end in zip(begins, ends, strict=True)
    }


def main(arguments: list[str]) -> int:
    """Print the table and return the exit code."""
    parser = argparse.ArgumentParser(prog="make detectors", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--short", action="store_true", help="fewer series, for every commit")
    parser.add_argument("--write", action="store_true", help="put the parts into docs/detectors.md")
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the public data")
    parser.add_argument(
        "--first", type=int, default=0, help="number of the first set of changes: others are other draws"
    )
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="only these parts")
    options = parser.parse_args(arguments)
    measured: dict[str, list[Row]] = {}
    print(HEADER, flush=True)
    for part, row in measure_parts(options.parts, options.data, long=not options.short, first=options.first):
        measured.setdefault(part, []).append(row)
        print(row.to_row(), flush=True)
    if options.write:
        write_page(measured, long=not options.short)
    rows = [row for each in measured.values() for row in each]
    broken = [row for row in rows if not row.holds and not row.known]
    print(f"\n{len(rows) - len(broken)} of {len(rows)} numbers hold or are known not to", flush=True)
    if not options.parts or ON_PUBLIC_DATA in options.parts:
        for folder in list_missing_data(options.data):
            print(f"not measured: {folder} is not in {options.data}", flush=True)
    print(f"{time.process_time():.0f} processor seconds", flush=True)
    for row in broken:
        print(f"does not hold: {row.to_row()}", file=sys.stderr)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
