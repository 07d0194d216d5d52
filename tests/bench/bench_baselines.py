"""Print how often a measured baseline is admitted, over generated stores of known truth, and recordings.

``make baselines`` runs it. Each case is some work in a separate project: sessions that did it one after
another, and sessions that did it side by side, as events through journal, fold and store. Lengths scatter
log-normally. The table is in docs/figures.md; ``--write`` puts it there. Exit code 1 if a rate is beyond its
limit. The recordings are printed without a limit: nobody knows their truth.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from msgspec import structs
from tests.fakes import ROOT, store

from stretto.clock import DAY, HOUR, SECOND
from stretto.figures.baseline_admission import Admission
from stretto.figures.fanouts import find_fanouts
from stretto.figures.work_signature import WorkIdentity
from stretto.model.event import Event, Kind, Outcome
from stretto.model.task_type import TaskTypes
from stretto.store import session_queries
from stretto.store.database import open_reader
from stretto.store.fanout_and_baseline_queries import read_admission

BEGIN = 20_000 * DAY
PATTERN = "release"
MARK = "<!-- rates of admission -->"
FIGURES = ROOT / "docs/figures.md"
DATA = ROOT.parent / "shared/data"
CASES = 15
"""Cases of each scatter and each number of tasks."""
SCATTERS = (0.25, 0.5)
TASKS = (2, 3, 4, 5)
MOST_CONTENTION = 1.3
MOST_EXCESS = 1.25
"""Most that a pooled measured speedup of an admitted key may be over work / elapsed."""


@dataclass(frozen=True)
class Work:
    """Some work: its identity, and the mean length of each task in seconds."""

    project: str
    pattern: str
    agents: tuple[str, ...]
    types: tuple[str, ...]
    lengths: tuple[float, ...]

    @property
    def signature(self) -> str:
        """The signature under which the store keeps it."""
        workers = tuple(sorted(zip(self.agents, self.types, strict=True)))
        return WorkIdentity(self.project, self.pattern, workers).signature


@dataclass(frozen=True)
class Row:
    """A row of the table: a kind of case, and its limit."""

    name: str
    run: Callable[[Work], Work]
    """The work that was done one after another, given that which was done side by side."""
    runs: int = 10
    size: Callable[[int], float] = lambda _: 1.0
    """Number of tasks → size of the work side by side over that one after another."""
    least: float | None = None
    most: float | None = None


@dataclass
class Result:
    """The counts of a row."""

    cases: int = 0
    admitted: int = 0
    biases: list[float] = field(default_factory=list)
    """Measured speedup over the true one, of each admitted case."""
    excesses: list[float] = field(default_factory=list)
    """Measured speedup over work / elapsed, of each admitted case."""

    @property
    def rate(self) -> float:
        """The share of cases that were admitted."""
        return self.admitted / self.cases


def same(work: Work) -> Work:
    """Return the same work."""
    return work


ROWS = (
    Row("the same work, 10 runs", same, least=0.90),
    Row("the same work, 5 runs", same, runs=5),
    Row("another project", lambda work: replace(work, project=f"{work.project}-fork"), most=0),
    Row("another pattern", lambda work: replace(work, pattern="audit"), most=0),
    Row("another agent", lambda work: replace(work, agents=("lead", *work.agents[1:])), most=0),
    Row("another task type", lambda work: replace(work, types=("prd", *work.types[1:])), most=0),
    Row("0.1 × the size", same, size=lambda _: 0.1, most=0.05),
    Row("0.25 × the size", same, size=lambda _: 0.25, most=0.05),
    Row("0.5 × the size", same, size=lambda _: 0.5, most=0.05),
    Row("0.75 × the size", same, size=lambda _: 0.75),
    Row("1.5 × the size", same, size=lambda _: 1.5),
    Row("width × the size", same, size=float),
    Row("1.5 × width × the size", same, size=lambda width: 1.5 * width),
    Row("2 × width × the size", same, size=lambda width: 2.0 * width, most=0.05),
    Row("4 × width × the size", same, size=lambda width: 4.0 * width, most=0.05),
)


def draw_session(
    name: str, work: Work, begin: int, lengths: Sequence[float], *, side_by_side: bool
) -> Iterator[Event]:
    """Yield the events of a session that does the work in tasks of these lengths (s)."""
    yield Event(
        kind=Kind.SESSION_START, session=name, time=begin,
        attributes={"project": work.project, "pattern": work.pattern},
    )  # fmt: skip
    at = begin
    for number, length in enumerate(lengths):
        task = {
            "session": name,
            "id": f"{name}-{number}",
            "name": work.agents[number],
            "type": work.types[number],
        }
        end = at + round(length * SECOND)
        yield Event(kind=Kind.TASK_START, time=at, **task)  # type: ignore[arg-type]  # texts
        yield Event(kind=Kind.TASK_END, time=end, outcome=Outcome.SUCCESS, **task)  # type: ignore[arg-type]  # texts
        at = at if side_by_side else end + SECOND
    yield Event(kind=Kind.SESSION_END, session=name, time=begin + 2 * DAY - 1)


def draw_case(row: Row, work: Work, scatter: float, random: Random) -> Iterator[Event]:
    """Yield the events of a case: runs one after another, and ten sessions side by side."""
    contention = random.uniform(1, MOST_CONTENTION)
    width = len(work.lengths)

    def draw_lengths(factor: float) -> list[float]:
        # The mean of the factor is 1, so that a size is a size.
        return [
            length * factor * random.lognormvariate(-(scatter**2) / 2, scatter) for length in work.lengths
        ]

    run = row.run(work)
    for number in range(row.runs):
        begin = BEGIN + number * HOUR
        yield from draw_session(
            f"{work.project}-run-{number}", run, begin, draw_lengths(1), side_by_side=False
        )
    for number in range(10):
        begin = BEGIN + DAY + number * HOUR
        lengths = draw_lengths(row.size(width) * contention)
        yield from draw_session(f"{work.project}-par-{number}", work, begin, lengths, side_by_side=True)


def make_works(random: Random, count: int) -> Iterator[tuple[Work, float]]:
    """Yield so many works of each number of tasks and each scatter."""
    for scatter in SCATTERS:
        for tasks in TASKS:
            for number in range(count):
                types = tuple(random.choice(("review", "testing", "research")) for _ in range(tasks))
                lengths = tuple(random.uniform(30, 300) for _ in range(tasks))
                yield (
                    Work(f"p{scatter}-{tasks}-{number}", PATTERN, ("worker",) * tasks, types, lengths),
                    scatter,
                )


def measure_row(row: Row, folder: Path, count: int) -> Result:
    """Return the counts of a row: every case in a store of all."""
    random = Random(row.name)
    result = Result()
    works = []
    with store(folder) as opened:
        for work, scatter in make_works(random, count):
            works.append(work)
            opened.take(list(draw_case(row, work, scatter, random)))
        for work in works:
            admission = read_admission(opened.connection, work.pattern, work.signature, BEGIN + 5 * DAY)
            result.cases += 1
            if admission.measured is not None:
                result.admitted += 1
                size = row.size(len(work.lengths))
                excess = measure_excess(admission)
                result.excesses.append(excess)
                result.biases.append(1 / size)
    return result


def measure_excess(admission: Admission) -> float:
    """Return the pooled measured speedup over work / elapsed: the inverse of the contention."""
    assert admission.contention is not None
    return 1 / admission.contention.ratio


def find_fault(row: Row, result: Result) -> str | None:
    """Return in which way a row is beyond its limits, or None."""
    if row.least is not None and result.rate < row.least:
        return f"{row.name}: {result.rate:.2f} admitted, at least {row.least:.2f} must be"
    if row.most is not None and result.rate > row.most:
        return f"{row.name}: {result.rate:.2f} admitted, at most {row.most:.2f} may be"
    if max(result.excesses, default=0) > MOST_EXCESS + 1e-9:
        return f"{row.name}: measured exceeds work / elapsed by {max(result.excesses):.2f}"
    return None


def format_limit(row: Row) -> str:
    """Return the limit of a row in words."""
    if row.least is not None:
        return f"≥ {row.least:.2f}"
    return "none" if row.most == 0 else "not judged" if row.most is None else f"≤ {row.most:.2f}"


def format_table(rows: Sequence[tuple[Row, Result]]) -> list[str]:
    """Return the table as lines of Markdown."""
    lines = [
        "| side by side | cases | admitted | limit | measured / true | most over work / elapsed |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for row, result in rows:
        bias = f"{sum(result.biases) / len(result.biases):.2f}" if result.biases else ""
        excess = f"{max(result.excesses):.2f}" if result.excesses else ""
        lines.append(
            f"| {row.name} | {result.cases} | {result.rate:.3f} | {format_limit(row)} | {bias} | {excess} |"
        )
    return lines


def count_recordings(folder: Path) -> list[str]:
    """Return what becomes of the recorded parallel executions, if recordings are beside the repository."""
    from stretto.cli.main import main  # noqa: PLC0415  # a whole program, only needed for recordings

    if not DATA.is_dir():
        return ["recordings: not beside the repository"]

    def call(*arguments: str) -> str:
        out = io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
            main(["--state", str(folder), *arguments])
        return out.getvalue()

    for source in sorted(DATA.iterdir()):
        if source.name.startswith(("hooks-", "transcripts-", "claude-code-", "agents-")):
            call("import", str(source))
    used: Counter[str] = Counter()
    for use in json.loads(call("baseline", "list", "--json"))["fanouts"]:
        used[use["baseline"] if use["reason"] is None else f"work: {use['reason']}"] += use["count"]
    total = sum(used.values())
    return [
        f"recordings: {total} parallel executions",
        *(f"  {count} {name}" for name, count in used.most_common()),
        f"  {count_hand_overs(folder / 'stretto.db')} fewer than without the doubt about the times of hooks",
    ]


def count_hand_overs(database: Path) -> int:
    """Return how many parallel executions fewer there are because short overlaps may be hand-overs."""
    fewer = 0
    with contextlib.closing(open_reader(database)) as connection:
        for row in session_queries.list_sessions(connection, limit=10_000):
            session = session_queries.read_session(connection, row.id, TaskTypes().classify)
            tasks = () if session is None else session.tasks
            sure = [structs.replace(task, doubt=0) for task in tasks]
            fewer += len(find_fanouts(sure)) - len(find_fanouts(tasks))
    return fewer


def main() -> int:
    """Print the table and the recordings; return 1 if a rate is beyond its limit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=CASES, help="cases of each scatter and number of tasks")
    parser.add_argument("--write", action="store_true", help="put the table into docs/figures.md")
    options = parser.parse_args()
    measured = []
    with TemporaryDirectory() as folder:
        for number, row in enumerate(ROWS):
            measured.append((row, measure_row(row, Path(folder) / str(number), options.cases)))
        table = format_table(measured)
        print("\n".join(table), flush=True)
        print("\n".join(count_recordings(Path(folder) / "state")))
    if options.write:
        before, _, rest = FIGURES.read_text(encoding="utf-8").partition(MARK)
        _, _, after = rest.partition(MARK)
        FIGURES.write_text(f"{before}{MARK}\n{chr(10).join(table)}\n{MARK}{after}", encoding="utf-8")
    faults = [fault for row, result in measured if (fault := find_fault(row, result))]
    print("\n".join(faults), file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
