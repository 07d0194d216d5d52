"""Compute how many files agents wrote, and how many of them they created."""

from __future__ import annotations

from collections.abc import Iterator

from stretto.figures.figure import Figure, Labels
from stretto.figures.sums_by_dimension import Sums, sum_by
from stretto.names import measures
from stretto.names.measures import Dimension


def compute_written_file_figures(window: str, sums: Sums) -> Iterator[Figure]:
    """Yield the written and the created files by agent.

    The created ones are withheld where no call says whether its file is new, and a lower bound where some do
    not. Example: 4 files written, of which 3 are known to be new or not, and 2 are new: at least 2.
    """
    at: Labels = (("window", window),)
    known, created = (
        sum_by(sums, measure, Dimension.AGENT) for measure in (measures.FILES_KNOWN, measures.FILES_CREATED)
    )
    for agent, written in sorted(sum_by(sums, measures.FILES_WRITTEN, Dimension.AGENT).items()):
        labels = (("agent", agent), *at)
        yield Figure("stretto_window_agent_files_written", labels, written, written)
        name = "stretto_window_agent_files_created"
        if not known.get(agent):
            reason = "no source says whether the written files are new"
            yield Figure(name, labels, None, written, reason, coverage=0.0)
            continue
        share = known[agent] / written
        yield Figure(name, labels, created.get(agent, 0), known[agent], coverage=share)
