"""The table's rows of hold-ups that go through a journal: faults of an orchestrator, injected as events.

The generated orchestrator runs sessions of three phases with four agents. Its usual sessions and one with a
fault are written as events, taken into a store, and judged by the process' entry point a minute later.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from stretto.clock import HOUR
from stretto.findings.analysis_table import HOLDUPS
from stretto.model.findings import HOLDUP_PREFIX, Finding
from tests.detectors.journaled_store import ask_analyses
from tests.detectors.rows import Row, make_wilson_rate
from tests.detectors.run_events import draw_sessions_as_events
from tests.fakes import store
from tests.run_makers import FAULTS, GeneratedRuns, generate_runs

ANSWER = "H"
USUAL = 40
"""Sessions of a store without a fault, an hour apart."""

QUIET = 5
"""Sessions without a fault that are judged beside the usual ones of a store."""

FIRST_LATER = USUAL + 30
"""Number of the session that is judged: more than a day after the others, which are usual then."""


def measure_journal_faults(*, long: bool) -> Iterator[Row]:
    """Yield how often a fault that is injected as events is the first hold-up, or among the first three."""
    seeds = 20 if long else 1
    first, among, quiet = Counter[str](), Counter[str](), 0
    for seed in range(seeds):
        with TemporaryDirectory() as folder:
            usual = Path(folder) / "usual"
            usual.mkdir()
            take_sessions(usual, generate_runs(USUAL, seed))
            for fault in FAULTS:
                holdups = judge_later_session(usual, Path(folder) / fault, seed, fault)
                first[fault] += holdups[:1] == [fault]
                among[fault] += fault in holdups[:3]
            for number in range(QUIET if long else 0):
                sound = Path(folder) / f"sound-{number}"
                quiet += not judge_later_session(usual, sound, seed + 1_000 * (number + 1), None)
    faults = seeds * len(FAULTS)
    for name, counts, at_least in (
        ("the first hold-up", first, 0.80),
        ("among the first three", among, 0.95),
    ):
        yield make_wilson_rate(
            ANSWER, f"injected as events: a fault is {name}", counts.total(), faults, at_least=at_least
        )
        if long:
            least = min(FAULTS, key=lambda fault: counts[fault])
            # Shown only: of thirteen faults the one that did worst did so by chance, too.
            row = f"injected as events: {least}, which is so least often, is {name}"
            yield make_wilson_rate(ANSWER, row, counts[least], seeds)
    if long:
        yield make_wilson_rate(
            ANSWER,
            "events without a fault: no hold-up",
            quiet,
            QUIET * seeds,
            at_least=0.95,
        )


def take_sessions(folder: Path, made: GeneratedRuns, file: str = "usual.jsonl") -> None:
    """Take sessions into the store of a folder, by its journal."""
    with store(folder) as opened:
        opened.take(draw_sessions_as_events(made.sessions, made.tasks), file=file)


def judge_later_session(usual: Path, folder: Path, seed: int, fault: str | None) -> list[str]:
    """Return the kinds of hold-ups of a session after the usual ones, the most expensive first."""
    shutil.copytree(usual, folder)
    made = generate_runs(1, seed, fault=fault, first=FIRST_LATER)
    take_sessions(folder, made, file="later.jsonl")
    instant = made.sessions[0].end + HOUR // 60
    (reply,) = ask_analyses(folder, instant, HOLDUPS)
    ranked = sorted(filter(is_holdup, reply.findings), key=get_rank)
    return [finding.kind.removeprefix(HOLDUP_PREFIX) for finding in ranked]


def is_holdup(finding: Finding) -> bool:
    """Return whether the finding is a hold-up, and not that there is none."""
    return finding.kind.startswith(HOLDUP_PREFIX)


def get_rank(finding: Finding) -> float:
    """Return the place of a hold-up among those of its sessions, 1 for the most expensive."""
    return float(finding.details["rank"] or 0)
