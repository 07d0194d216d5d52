"""Describe a window's verdict in words, always with its baseline."""

from __future__ import annotations

from dataclasses import dataclass

from stretto.figures.baselines import Provenance
from stretto.figures.verdict import BaselineComparison, Verdict
from stretto.format import quantities
from stretto.summaries.snapshot import Snapshot

FIRST = "24h"
"""The default window, unless nothing ran in parallel in it."""

_WINDOWS = {"1h": "last hour", "24h": "last 24 h", "7d": "last 7 days"}
_EVEN = 0.005
"""A speed-up this close to 1 is described as even."""


@dataclass(frozen=True, slots=True)
class BaselineText:
    """The words for a baseline and for the parallel work compared with it."""

    comparison: BaselineComparison
    against: str
    meaning: str

    @property
    def sentence(self) -> str:
        """The verdict by this baseline in a sentence, for a baseline that is not the first."""
        comparison, size = self.comparison, _describe_size(self.comparison)
        if comparison.speedup is None:
            return f"No speed-up is known of {size}."
        speedup = quantities.format_speedup(comparison.speedup)
        difference = quantities.format_duration(abs(comparison.time_saved))
        return f"{speedup}, {difference} {'saved' if comparison.time_saved >= 0 else 'lost'} over {size}."


@dataclass(frozen=True, slots=True)
class Headline:
    """The verdict in words. ``tone`` is gain, loss, even or none."""

    window: str
    title: str
    lead: str
    tone: str
    verdict: Verdict
    baselines: tuple[BaselineText, ...]
    """Every baseline in the window, best first; the title is about the first."""
    confidence: str = ""
    """The confidence of the title's figure; empty unless the baseline is a mean of runs."""


def describe_window(window: str) -> str:
    """Return a window in words."""
    return _WINDOWS.get(window, f"last {window}")


def choose_window(snapshot: Snapshot, requested: str | None) -> str:
    """Return the requested window if it exists, else the day, else the longest with parallel work."""
    if requested is not None and requested in snapshot.verdicts:
        return requested
    by_length = (FIRST, *reversed(list(snapshot.verdicts)))
    return next((window for window in by_length if snapshot.verdicts[window].tasks), FIRST)


def build_headline(snapshot: Snapshot, window: str) -> Headline:
    """Return the headline of a window: the gain or loss of parallel work, or why there is none."""
    verdict = snapshot.verdicts[window]
    runs = _name_runs(snapshot)
    baselines = tuple(
        BaselineText(part, _describe_comparison(part.provenance, runs), explain_baseline(part.provenance))
        for part in verdict.parts
    )
    part = verdict.lead
    if part is None or part.speedup is None:
        title, lead = _explain_absence(snapshot, verdict)
        return Headline(window, title, lead, "none", verdict, baselines)
    when = f"in the {describe_window(window)} over {_describe_size(part)}, {baselines[0].against}."
    confidence = describe_confidence(part)
    if abs(part.speedup - 1) < _EVEN:
        title = "Together as fast as one after another"
        return Headline(window, title, f"Nothing saved {when}", "even", verdict, baselines, confidence)
    title = f"Together {quantities.format_speedup(part.speedup)} as fast as one after another"
    difference = quantities.format_duration(abs(part.time_saved))
    if part.speedup > 1:
        return Headline(window, title, f"{difference} saved {when}", "gain", verdict, baselines, confidence)
    return Headline(window, title, f"{difference} lost {when}", "loss", verdict, baselines, confidence)


def describe_confidence(part: BaselineComparison) -> str:
    """Return the speed-up's confidence interval in words; empty unless the baseline is a mean of runs."""
    if not part.runs:
        return ""
    bounds = part.speedup_bounds
    if bounds is None:
        return f"The uncertainty is not known: {part.no_interval_reason}."
    runs = quantities.format_count_of(part.runs, "sequential run")
    low, high = (quantities.format_speedup(bound) for bound in bounds)
    return f"{low} to {high} at 95 % confidence, by the scatter of {runs}."


def _describe_size(part: BaselineComparison) -> str:
    tasks = quantities.format_count_of(part.tasks, "task")
    return f"{quantities.format_count_of(part.fanouts, 'parallel execution')} ({tasks})"


def _explain_absence(snapshot: Snapshot, verdict: Verdict) -> tuple[str, str]:
    activity = snapshot.activity
    if not activity.sessions:
        return "Nothing seen yet", "Your first session shows up here within seconds of its first event."
    if verdict.tasks:
        return "No speed-up is known", "The parallel tasks took no time that could be measured."
    title = f"Nothing ran in parallel in the {describe_window(verdict.window)}"
    if activity.tasks_running:
        running = quantities.format_count_of(activity.tasks_running, "task is", "tasks are")
        return (
            title,
            f"{running} running now. The verdict comes when the last task of a parallel execution ends.",
        )
    return title, "A parallel execution is two or more tasks of one parent that run at the same time."


def _name_runs(snapshot: Snapshot) -> str:
    """Return a name for the sequential runs; those of the shipped recording are not the reader's."""
    if not snapshot.activity.recordings:
        return "your own sequential runs"
    if snapshot.activity.recordings == snapshot.activity.sessions:
        return "the recording's own sequential run"
    return "sequential runs, the recording's among them"


def _describe_comparison(provenance: str, runs: str) -> str:
    if provenance == Provenance.RECORDED:
        return "measured against the sequential runs that were recorded for it"
    if provenance == Provenance.SET:
        return "compared with the length set for each task type"
    if provenance == Provenance.MEASURED:
        return f"measured against {runs}"
    if provenance == Provenance.CONFIGURED:
        return "compared with the hours configured for each task type"
    return "compared with the same tasks' own lengths added up"


def explain_baseline(provenance: str) -> str:
    """Return an explanation of baselines of a provenance."""
    if provenance == Provenance.RECORDED:
        return (
            "Someone has pinned sequential runs of this pattern; each task is compared with the mean length"
            " of its type there."
        )
    if provenance == Provenance.SET:
        return "Each task is compared with the length that someone measured by hand and set for its type."
    if provenance == Provenance.MEASURED:
        return (
            "Sequential runs of the same work are in the store: same project, pattern, agents and task types."
            " Each task is compared with the mean length of its type there."
        )
    if provenance == Provenance.CONFIGURED:
        return (
            "Each task is compared with its type's sequential hours from the configuration: as good as those."
        )
    return (
        "No sequential run of the same pattern and task types has been seen, so the tasks are added up at the"
        " lengths they had side by side. Where they slowed each other down, this flatters."
    )
