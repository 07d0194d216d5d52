"""Measure the error rates of the analyses and compare them with their bounds: ``make detectors``.

``--short`` is the form of continuous integration; ``--write`` puts the table into docs/detectors.md with the
commit. The exit code is 1 if a bound does not hold, unless the table names a reason why that is known.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from stretto.analysis.performance_regressions import judge_changes
from stretto.clock import DAY
from tests.detectors import change_rows, journal_rows, other_rows
from tests.detectors.advice_rates import list_advice_rates
from tests.detectors.public_benchmarks import measure_benchmarks
from tests.detectors.rows import Row, make_exact
from tests.detectors.scenarios import FIRST_DAY, draw_series
from tests.fakes import ROOT

PAGE = ROOT / "docs/detectors.md"
DATA = ROOT.parent / "shared/data"
MARK = "<!-- measured -->"
HEADER = "| answer | number | measured | of | bound | verdict |\n| --- | --- | --- | --- | --- | --- |"

PARTS: dict[str, Callable[..., Iterator[Row]]] = {
    "changes": change_rows.measure_changes,
    "journals": journal_rows.measure_journals,
    "quiet-months": journal_rows.measure_quiet_months,
    "tails": change_rows.measure_tails,
    "slower-stores": change_rows.measure_slower_stores,
    "mixes": change_rows.measure_mixes,
    "detectable": change_rows.measure_detectable,
    "trends": other_rows.measure_trends,
    "flags": other_rows.measure_flags,
    "covers": other_rows.measure_covers,
    "advice": list_advice_rates,
}
"""Part → function that yields its rows. Further analyses add theirs here."""

REDRAWN = frozenset({"changes", "slower-stores"})
"""Parts that ``--first`` draws anew."""

LONG_ONLY = frozenset({"advice"})
"""Parts whose short form ``make shown`` runs."""


MOST_SECONDS = 2.0
"""Processor seconds in which 200 series are judged."""


def measure_speed(*, long: bool) -> Row:
    """Return the processor seconds that 200 series of 100 days take, the best of three.

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
    return make_exact(
        "A", "processor seconds for 200 series", min(seconds),
        at_most=MOST_SECONDS if long else None, cases="100 days of 20 runs",
    )  # fmt: skip


def measure_all(parts: list[str], data: Path, *, long: bool, first: int = 0) -> Iterator[Row]:
    """Yield every row of the chosen parts, and those of the public data."""
    for name in parts or PARTS:
        if long or parts or name not in LONG_ONLY:
            redrawn = {"first": first} if first and name in REDRAWN else {}
            yield from PARTS[name](long=long, **redrawn)
    if not parts:
        yield measure_speed(long=long)
        yield from measure_benchmarks(data)


def write_page(rows: list[Row], *, long: bool) -> None:
    """Replace the table in docs/detectors.md."""
    commit = subprocess.check_output(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, text=True).strip()
    form = "long" if long else "short"
    head, _, tail = PAGE.read_text(encoding="utf-8").partition(MARK)
    tail = tail.partition(MARK)[2]
    failing = [(row.name, row.known) for row in rows if not row.holds]
    known = "".join(f"\nKnown: {name}: {reason}.\n" for name, reason in failing if reason)
    table = "\n".join([HEADER, *(row.to_row() for row in rows)])
    text = f"{head}{MARK}\n\nMeasured at commit {commit}, {form} form.\n\n{table}\n{known}\n{MARK}{tail}"
    PAGE.write_text(text, encoding="utf-8")


def main(arguments: list[str]) -> int:
    """Print the table and return the exit code."""
    parser = argparse.ArgumentParser(prog="make detectors", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--short", action="store_true", help="fewer series, for every commit")
    parser.add_argument("--write", action="store_true", help="put the table into docs/detectors.md")
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the public data")
    parser.add_argument(
        "--first", type=int, default=0, help="number of the first set of changes: others are other draws"
    )
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="only these parts")
    options = parser.parse_args(arguments)
    rows: list[Row] = []
    print(HEADER, flush=True)
    for row in measure_all(options.parts, options.data, long=not options.short, first=options.first):
        rows.append(row)
        print(row.to_row(), flush=True)
    if options.write:
        write_page(rows, long=not options.short)
    broken = [row for row in rows if not row.holds and not row.known]
    print(f"\n{len(rows) - len(broken)} of {len(rows)} numbers hold or are known not to", flush=True)
    print(f"{time.process_time():.0f} processor seconds", flush=True)
    for row in broken:
        print(f"does not hold: {row.to_row()}", file=sys.stderr)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
