"""The efficiency score: time, resource, quality and workflow, each the mean of its known parts.

Every part is a pure function of what a window, a pattern or a session shows; what it cannot be worked out
from is not there, and then the part is unknown and takes no weight.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from stretto.figures.baselines import Provenance, Target
from stretto.figures.scores.composite import Composite, Part, as_part, weighted
from stretto.figures.scores.inputs import Published
from stretto.figures.scores.quality_score import overall
from stretto.figures.scores.score_rules import ScoreRules
from stretto.figures.scores.slices import INTEGRATED, judged, total
from stretto.figures.tallies import Sums
from stretto.figures.verdict import Parallel

WORK = ("parallel", "single", "main_tools", "model")
WAITING = ("hooks", "waiting")
"""Parts of wall time. What is idle between turns or not known is neither."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What an efficiency score is made of."""

    sums: Sums
    parallel: Mapping[tuple[str, Provenance], Parallel]
    """Parallel work by task type and what it is held against."""
    published: Published
    """Other figures of the same thing; empty where they are not told apart by it."""
    target: Target
    rules: ScoreRules


@dataclass(frozen=True, slots=True)
class EfficiencyScore:
    """An efficiency score with its dimensions, each from 0 to 1."""

    score: Composite
    dimensions: Mapping[str, Composite]

    @property
    def coverage(self) -> float:
        """Share of all parts that is known, by the weights of their dimensions."""
        weight = {part.name: part.weight for part in self.score.parts}
        return sum(weight[name] * one.coverage for name, one in self.dimensions.items())


def efficiency_score(shown: Shown) -> EfficiencyScore:
    """Return the efficiency score; a dimension is withheld where fewer than half of its parts are known."""
    dimensions = {
        dimension: weighted(
            [Part(name, *_valued(work_out(shown), reason)) for name, (work_out, reason) in parts.items()],
            min_coverage=0.5,
        )
        for dimension, parts in PARTS.items()
    }
    rules = shown.rules
    parts = [as_part(name, one, rules.weight("efficiency", name)) for name, one in dimensions.items()]
    return EfficiencyScore(weighted(parts, min_coverage=rules.min_coverage), dimensions)


def _valued(value: float | None, reason: str) -> tuple[float | None, float, str | None]:
    return (None, 1.0, reason) if value is None else (min(1.0, max(0.0, value)), 1.0, None)


def _expected(shown: Shown) -> float | None:
    """Divide the time that parallel work takes at its target by the time it took."""
    elapsed = sum(part.elapsed for part in shown.parallel.values())
    expected = sum(part.sequential * (1 - shown.target(name)) for (name, _), part in shown.parallel.items())
    return expected / elapsed if elapsed else None


def _improvement(shown: Shown) -> float | None:
    """Divide the time saved by the time that parallel work saves at its target."""
    asked = sum(part.sequential * shown.target(name) for (name, _), part in shown.parallel.items())
    saved = sum(part.sequential - part.elapsed for part in shown.parallel.values())
    return saved / asked if asked > 0 else None


def _busy(shown: Shown) -> float | None:
    return _share(shown.sums, "agents_busy", "agents_capacity")


def _handover(shown: Shown) -> float | None:
    return _share(shown.sums, "phases_covered", "phases_stretch")


def _cpu(shown: Shown) -> float | None:
    """Return 1 inside the target, falling to 0 at an idle and at a saturated machine."""
    used, rules = shown.published.total("stretto_machine_cpu_ratio"), shown.rules
    if used is None:
        return None
    return min(used / rules.cpu_low, 1.0, (1 - used) / (1 - rules.cpu_high))


def _memory(shown: Shown) -> float | None:
    name = "stretto_agents_memory_quantile_bytes"
    median, peak = (shown.published.total(name, stat=stat) for stat in ("p50", "p99"))
    return None if median is None or not peak else median / peak


def _concurrency(shown: Shown) -> float | None:
    return _share(shown.sums, "pattern_work", "capacity")


def _cache(shown: Shown) -> float | None:
    return shown.published.share("stretto_window_cache_read_tokens", "stretto_window_prompt_tokens")


def _success(shown: Shown) -> float | None:
    return judged(shown.sums, "work_ends").share


def _errors(shown: Shown) -> float | None:
    """Return the share of tool calls that did not fail: tasks that failed are in ``success`` already."""
    return judged(shown.sums, "calls").share


def _retries(shown: Shown) -> float | None:
    work = total(shown.sums, "work_time")
    return 1 - total(shown.sums, "retry_time") / work if work else None


def _quality(shown: Shown) -> float | None:
    found = overall(shown.sums, shown.rules)
    return found[0] if found else None


def _phases(shown: Shown) -> float | None:
    return judged(shown.sums, "pattern_phases").share


def _integration(shown: Shown) -> float | None:
    checked = total(shown.sums, "checked")
    return total(shown.sums, "checked", INTEGRATED) / checked if checked else None


def _working(shown: Shown) -> float | None:
    """Return the share of wall time that was work, of what is known to be work or waiting."""
    work, waiting = (
        shown.published.total("stretto_session_wall_seconds", part=parts) for parts in (WORK, WAITING)
    )
    known = (work or 0.0) + (waiting or 0.0)
    return (work or 0.0) / known if known else None


def _recovery(shown: Shown) -> float | None:
    """Divide what was recovered by what had failed, a failure that is tried again in vain counting once."""
    retried = judged(shown.sums, "retry_ends")
    first_failures = judged(shown.sums, "work_ends").failed - retried.failed
    return retried.succeeded / first_failures if first_failures > 0 else None


def _share(sums: Sums, numerator: str, denominator: str) -> float | None:
    under = total(sums, denominator)
    return total(sums, numerator) / under if under else None


PARTS: Mapping[str, Mapping[str, tuple[Callable[[Shown], float | None], str]]] = {
    "time": {
        "expected": (_expected, "no task ran in parallel"),
        "improvement": (_improvement, "no task ran in parallel"),
        "busy": (_busy, "no turn with two or more tasks of known length"),
        "handover": (_handover, "no session with two or more phases of known length"),
    },
    "resource": {
        "cpu": (_cpu, "the machine was not sampled"),
        "memory": (_memory, "the agents' memory was not sampled"),
        "concurrency": (_concurrency, "no task ran in parallel"),
        "cache": (_cache, "no source told of tokens"),
    },
    "quality": {
        "success": (_success, "of no task is the outcome known"),
        "errors": (_errors, "of no tool call is the outcome known"),
        "retries": (_retries, "of no task is the length known"),
        "quality": (_quality, "no task type has a quality score"),
    },
    "workflow": {
        "phases": (_phases, "of no phase is the outcome known"),
        "integration": (_integration, "of no fan-out is it known whether its results fit together"),
        "working": (_working, "of no session is the wall time known by parts"),
        "recovery": (_recovery, "nothing failed"),
    },
}
"""Dimension → part → what it is, from 0 to 1, and why it is unknown where it is."""
