"""Headline: a window's verdict in words that are understood at a glance, its baseline always beside it."""

from __future__ import annotations

from dataclasses import dataclass

from stretto.figures.baselines import Provenance
from stretto.figures.verdict import BaselineComparison, Verdict
from stretto.format import quantities
from stretto.summaries.snapshot import Snapshot

FIRST = "24h"
"""The window that is shown unless another was asked for or nothing ran in parallel in it."""

_WINDOWS = {"1h": "last hour", "24h": "last 24 h", "7d": "last 7 days"}
_EVEN = 0.005
"""A speed-up this close to 1 is called even."""


@dataclass(frozen=True, slots=True)
class BaselineText:
    """What the time one after another is held to be, and what that makes of the work held against it."""

    part: BaselineComparison
    against: str
    meaning: str

    @property
    def sentence(self) -> str:
        """Its own verdict in a sentence, for where it stands beside another."""
        part, over = self.part, _describe_size(self.part)
        if part.speedup is None:
            return f"No speed-up can be told of {over}."
        word = "saved" if part.time_saved >= 0 else "lost"
        return f"{quantities.format_speedup(part.speedup)}, {quantities.format_duration(abs(part.time_saved))} {word} over {over}."


@dataclass(frozen=True, slots=True)
class Headline:
    """The verdict in words. ``tone`` is gain, loss, even or none."""

    window: str
    title: str
    lead: str
    tone: str
    verdict: Verdict
    baselines: tuple[BaselineText, ...]
    """Each provenance in the window, the best first: it is what the title speaks of."""
    confidence: str = ""
    """How sure the title's figure is; empty where the baseline is no mean of runs."""


def describe_window(window: str) -> str:
    """Return a window as it stands in a sentence."""
    return _WINDOWS.get(window, f"last {window}")


def choose_window(snapshot: Snapshot, asked: str | None) -> str:
    """Return the window asked for if there is such a one, else the day, else one with parallel work."""
    if asked is not None and asked in snapshot.verdicts:
        return asked
    by_length = (FIRST, *reversed(list(snapshot.verdicts)))
    return next((window for window in by_length if snapshot.verdicts[window].tasks), FIRST)


def build_headline(snapshot: Snapshot, window: str) -> Headline:
    """Return what a window's parallel work came to, or that there was none."""
    verdict = snapshot.verdicts[window]
    whose = _name_runs(snapshot)
    baselines = tuple(
        BaselineText(part, _describe_comparison(part.provenance, whose), explain_baseline(part.provenance))
        for part in verdict.parts
    )
    part = verdict.lead
    if part is None or part.speedup is None:
        title, lead = _explain_absence(snapshot, verdict)
        return Headline(window, title, lead, "none", verdict, baselines)
    when = f"in the {describe_window(window)} over {_describe_size(part)}, {baselines[0].against}."
    sure = describe_confidence(part)
    if abs(part.speedup - 1) < _EVEN:
        title = "Together as fast as one after another"
        return Headline(window, title, f"Nothing saved {when}", "even", verdict, baselines, sure)
    title = f"Together {quantities.format_speedup(part.speedup)} as fast as one after another"
    moved = quantities.format_duration(abs(part.time_saved))
    if part.speedup > 1:
        return Headline(window, title, f"{moved} saved {when}", "gain", verdict, baselines, sure)
    return Headline(window, title, f"{moved} lost {when}", "loss", verdict, baselines, sure)


def describe_confidence(part: BaselineComparison) -> str:
    """Return how far the speed-up may be off, in a sentence; empty where the baseline is no mean of runs."""
    if not part.runs:
        return ""
    bounds = part.speedup_bounds
    if bounds is None:
        return f"How sure that is cannot be told: {part.no_interval}."
    runs = quantities.format_count_of(part.runs, "sequential run")
    return f"{quantities.format_speedup(bounds[0])} to {quantities.format_speedup(bounds[1])} at 95 % confidence, by the scatter of {runs}."


def _describe_size(part: BaselineComparison) -> str:
    return f"{quantities.format_count_of(part.fanouts, 'parallel execution')} ({quantities.format_count_of(part.tasks, 'task')})"


def _explain_absence(snapshot: Snapshot, verdict: Verdict) -> tuple[str, str]:
    activity = snapshot.activity
    if not activity.sessions:
        return "Nothing seen yet", "Your first session shows up here within seconds of its first event."
    if verdict.tasks:
        return "No speed-up can be told", "The parallel tasks took no time that could be measured."
    title = f"Nothing ran in parallel in the {describe_window(verdict.window)}"
    if activity.tasks_running:
        running = quantities.format_count_of(activity.tasks_running, "task is", "tasks are")
        return (
            title,
            f"{running} running now. The verdict comes when the last task of a parallel execution ends.",
        )
    return title, "A parallel execution is two or more tasks of one parent that run at the same time."


def _name_runs(snapshot: Snapshot) -> str:
    """Return whose the sequential runs are: a recording's run is not one of the person who looks at it."""
    if not snapshot.activity.recordings:
        return "your own sequential runs"
    if snapshot.activity.recordings == snapshot.activity.sessions:
        return "the recording's own sequential run"
    return "sequential runs, the recording's among them"


def _describe_comparison(provenance: str, whose: str) -> str:
    if provenance == Provenance.RECORDED:
        return "measured against the sequential runs that were recorded for it"
    if provenance == Provenance.SET:
        return "compared with the length set for each task type"
    if provenance == Provenance.MEASURED:
        return f"measured against {whose}"
    if provenance == Provenance.CONFIGURED:
        return "compared with the hours configured for each task type"
    return "compared with the same tasks' own lengths added up"


def explain_baseline(provenance: str) -> str:
    """Return in a sentence or two what a baseline of that provenance is."""
    if provenance == Provenance.RECORDED:
        return (
            "Someone has pinned sequential runs of this pattern; each task is held against the mean length of"
            " its type there."
        )
    if provenance == Provenance.SET:
        return "Each task is held against the length that someone measured by hand and set for its type."
    if provenance == Provenance.MEASURED:
        return (
            "Sequential runs of the same pattern and task types are in the store; each task is held against"
            " the mean length of its type there."
        )
    if provenance == Provenance.CONFIGURED:
        return (
            "Each task is held against its type's sequential hours from the configuration: as good as those."
        )
    return (
        "No sequential run of the same pattern and task types has been seen, so the tasks are added up at the"
        " lengths they had side by side. Where they slowed each other down, this flatters."
    )
