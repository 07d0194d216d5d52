"""Describe a window's verdict in words, always with its baseline."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from stretto.figures.sequential_baseline_choice import Provenance
from stretto.figures.window_gain_verdict import BaselineComparison, BetterBaselinePart, Verdict
from stretto.format import quantities
from stretto.summaries.snapshot import Snapshot
from stretto.summaries.time_window import ALL

FIRST = "24h"
"""The default window, unless nothing ran in parallel in it."""

_WINDOWS = {
    "1h": "last hour", "24h": "last 24 h", "7d": "last 7 days", "30d": "last 30 days",
    "90d": "last 90 days", ALL: "time recorded",
}  # fmt: skip
_MIDNIGHT = "T00:00:00Z"
_EVEN = 0.005
"""A speed-up this close to 1 is described as even."""


@dataclass(frozen=True, slots=True)
class PartText:
    """The words for the part of the parallel work that has a better baseline."""

    part: BetterBaselinePart
    against: str
    meaning: str

    @property
    def sentence(self) -> str:
        """The part by its better baseline and by its tasks' own lengths, in a sentence."""
        better, own = self.part.better, self.part.own
        if better.speedup is None or own.speedup is None:
            return ""
        bounds = better.speedup_bounds
        interval = (
            f" [{quantities.format_speedup(bounds[0])}, {quantities.format_speedup(bounds[1])}]"
            if bounds
            else ""
        )
        return (
            f"{quantities.format_count(better.fanouts)} of them {self.against}:"
            f" {quantities.format_speedup(better.speedup)}{interval};"
            f" by their tasks' own lengths {quantities.format_speedup(own.speedup)}."
        )


@dataclass(frozen=True, slots=True)
class Headline:
    """The verdict in words. ``tone`` is gain, loss, even or none."""

    window: str
    title: str
    lead: str
    tone: str
    verdict: Verdict
    against: str = ""
    """The headline's baseline in words."""
    meaning: str = ""
    """An explanation of it."""
    parts: tuple[PartText, ...] = ()
    """The parts that have a better baseline, best first."""


_SLOWER = "Tasks got slower, so that this is no gain over earlier: longer tasks save more side by side."


def describe_window(window: str) -> str:
    """Return a window in words. Examples: ``last 24 h``, ``2026-11-01 to 2026-11-07``."""
    if "/" not in window:
        return _WINDOWS.get(window, f"last {window}")
    start, _, end = window.partition("/")
    if start == "..":
        return f"time until {_describe_end(end)}"
    if end == "..":
        return f"time since {_describe_bound(start)}"
    first, last = _describe_bound(start), _describe_end(end)
    return first if first == last else f"{first} to {last}"


def place_in_window(window: str) -> str:
    """Return a window as a sentence continues with it. Examples: ``in the last 24 h``, ``on 2026-11-01``."""
    text = describe_window(window)
    if "/" not in window or ".." in window:
        return f"in the {text}"
    return f"from {text}" if " to " in text else f"on {text}"


def _describe_bound(text: str) -> str:
    """Return an instant; midnight (UTC) is its date. Example: ``2026-11-20 16:49:25 UTC``."""
    if text.endswith(_MIDNIGHT):
        return text.removesuffix(_MIDNIGHT)
    return text.replace("T", " ").replace("Z", " UTC")


def _describe_end(text: str) -> str:
    """Return the end of a window; a day that is included whole is its date."""
    if not text.endswith(_MIDNIGHT):
        return _describe_bound(text)
    return (date.fromisoformat(text.removesuffix(_MIDNIGHT)) - timedelta(days=1)).isoformat()


def choose_day_or_longest_window(snapshot: Snapshot) -> str:
    """Return the day, else the longest window with parallel work."""
    by_length = (FIRST, *reversed(list(snapshot.verdicts)))
    return next((window for window in by_length if snapshot.verdicts[window].tasks), FIRST)


def build_headline(snapshot: Snapshot, window: str, *, are_tasks_slower: bool = False) -> Headline:
    """Return the headline of a window: the gain or loss of parallel work, or why there is none.

    While tasks got slower a gain is not praised: against the tasks' own lengths, slower tasks save more.
    """
    verdict = snapshot.verdicts[window]
    lead = verdict.lead
    if lead is None or lead.speedup is None:
        title, text = _explain_absence(snapshot, verdict)
        return Headline(window, title, text, "none", verdict)
    runs = _name_runs(snapshot)
    parts = tuple(
        PartText(
            part,
            _describe_comparison(part.better.provenance, runs),
            explain_baseline(part.better.provenance),
        )
        for part in verdict.parts
    )
    title, tone = _describe_speedup(lead, lead.speedup)
    change = quantities.format_duration(abs(lead.time_saved))
    gain = "Nothing saved" if tone == "even" else f"{change} {'saved' if tone == 'gain' else 'lost'}"
    text = f"{gain} {place_in_window(window)}: {describe_counted_work(verdict, lead)}."
    if are_tasks_slower and tone == "gain":
        tone, text = "even", f"{text} {_SLOWER}"
    against = _describe_comparison(lead.provenance, runs)
    return Headline(window, title, text, tone, verdict, against, explain_baseline(lead.provenance), parts)


def describe_counted_work(verdict: Verdict, lead: BaselineComparison) -> str:
    """Return what the headline covers, e.g. ``5 of 6 tasks delivered, 2 parallel executions``."""
    tasks = quantities.format_delivered_tasks(lead.delivered + lead.taken, lead.tasks)
    fanouts = quantities.format_count_with_noun(lead.fanouts, "parallel execution")
    if verdict.all_fanouts > lead.fanouts:
        counts = (quantities.format_count(count) for count in (lead.fanouts, verdict.all_fanouts))
        fanouts = f"{' of '.join(counts)} parallel executions"
    return f"{tasks}, {fanouts}" + ("" if lead.are_outcomes_reported else ", outcomes not reported")


def _describe_speedup(lead: BaselineComparison, speedup: float) -> tuple[str, str]:
    """Return the title and its tone."""
    if not lead.delivered and not lead.taken:
        return "Nothing delivered", "loss"
    if abs(speedup - 1) < _EVEN:
        return "Together as fast as one after another", "even"
    # The tasks' own lengths are an upper bound: side by side they may have slowed each other.
    most = "up to " if lead.provenance is Provenance.WORK and speedup > 1 else ""
    title = f"Together {most}{quantities.format_speedup(speedup)} as fast as one after another"
    return title, "gain" if speedup > 1 else "loss"


def _explain_absence(snapshot: Snapshot, verdict: Verdict) -> tuple[str, str]:
    activity = snapshot.activity
    if not activity.sessions:
        return "Nothing seen yet", "Your first session shows up here within seconds of its first event."
    if verdict.tasks:
        return "No speed-up is known", "The parallel tasks took no time that could be measured."
    title = f"Nothing ran in parallel {place_in_window(verdict.window)}"
    if activity.tasks_running:
        running = quantities.format_count_with_noun(activity.tasks_running, "task is", "tasks are")
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
    return "by the tasks' own lengths"


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
        "The delivered tasks are added up at the lengths they had side by side: this covers everything. Where"
        " they slowed each other down, it flatters."
    )
