"""Sums of sequential runs: the most time that running them in parallel would have saved."""

from __future__ import annotations

from collections.abc import Iterator

from stretto.figures.fanouts import SequentialRun
from stretto.names import NONE, measures
from stretto.store.contributions.contribution import SessionContext
from stretto.store.contributions.contribution_parts_by_task_or_fanout import Part
from stretto.store.sums_by_time_slot import Additions, find_slot_number


def list_sequential_parts(context: SessionContext) -> Iterator[Part]:
    """Yield the elapsed time of each run without its longest task, which no parallel run can undercut.

    Example: tasks of 10, 20 and 30 s take 60 s one after another, 30 s at best in parallel: 30 s are added.
    """
    pattern = context.session.pattern or NONE
    for run in context.sequential_runs:
        yield Part(run.tasks[0].id, (run, pattern), _add_run)


def _add_run(added: Additions, run: SequentialRun, pattern: str) -> None:
    slot = find_slot_number(run.end)
    longest = max(length for lengths in run.lengths.values() for length in lengths)
    added[slot, measures.OPPORTUNITY, (pattern,)] += run.elapsed - longest
    added[slot, measures.SEQUENTIAL_RUNS, (pattern,)] += 1
