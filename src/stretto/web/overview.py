"""Overview: what the first page's tables show, picked from a snapshot and from what Alertmanager told."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from stretto.figures.figure import Figure
from stretto.names import PREFIX
from stretto.snapshot import Snapshot
from stretto.web import words
from stretto.web.notifications import Notification

RESOLVED_SHOWN = 10
REASONS_SHOWN = 12

_GRAVITY = {"critical": 0, "warning": 1, "info": 2}


@dataclass(frozen=True, slots=True)
class TypeRow:
    """One task type against one baseline. Figures are None or without a value where they are withheld."""

    task_type: str
    baseline: str | None
    tasks: int
    speedup: Figure
    improvement: Figure
    saved: Figure
    target: Figure
    success: Figure
    median: Figure

    @property
    def standing(self) -> str:
        """The improvement against its target in words; empty where there is nothing to compare."""
        if self.improvement.value is None or self.target.value is None:
            return ""
        short = self.target.value - self.improvement.value
        return "target met" if short <= 0 else f"{words.points(short)} short"


@dataclass(frozen=True, slots=True)
class PatternRow:
    """One pattern's efficiency and its two factors."""

    pattern: str
    fanouts: int
    efficiency: Figure
    load_balance: Figure
    concurrency: Figure


@dataclass(frozen=True, slots=True)
class Alerts:
    """The newest notification of each alert: those that fire by gravity, those that were resolved by time."""

    firing: Sequence[Notification]
    resolved: Sequence[Notification]


class Figures:
    """A snapshot's figures, found by name and labels."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._found = {(figure.name, frozenset(figure.labels)): figure for figure in snapshot.figures}

    def find(self, name: str, reason: str, **labels: str) -> Figure:
        """Return the figure of that name (without prefix) and these labels, or one withheld for a reason."""
        key = PREFIX + name, frozenset(labels.items())
        return self._found.get(key) or Figure(PREFIX + name, tuple(labels.items()), None, 0, reason)

    def named(self, name: str, **labels: str) -> Iterable[dict[str, str]]:
        """Yield the labels of each figure of that name which carries these, in the snapshot's order."""
        for found, own in self._found:
            if found == PREFIX + name and labels.items() <= own:
                yield dict(own)


def type_rows(figures: Figures, window: str) -> list[TypeRow]:
    """Return the task types seen in a window: those that ran in parallel first, then the others."""
    parallel = [
        (labels["task_type"], labels["baseline"]) for labels in figures.named("parallel_tasks", window=window)
    ]
    others = {labels["task_type"] for labels in figures.named("window_tasks", window=window)}
    others -= {task_type for task_type, _ in parallel}
    rows = [_type_row(figures, window, task_type, baseline) for task_type, baseline in parallel]
    return rows + [_type_row(figures, window, task_type, None) for task_type in sorted(others)]


def _type_row(figures: Figures, window: str, task_type: str, baseline: str | None) -> TypeRow:
    def against_baseline(name: str) -> Figure:
        if baseline is None:
            return Figure(PREFIX + name, (), None, 0, "none of its tasks ran in parallel")
        return figures.find(name, "not worked out", task_type=task_type, baseline=baseline, window=window)

    tasks = sum(
        int(figures.find("window_tasks", "", **labels).value or 0)
        for labels in figures.named("window_tasks", task_type=task_type, window=window)
    )
    return TypeRow(
        task_type=task_type,
        baseline=baseline,
        tasks=tasks if baseline is None else int(against_baseline("parallel_tasks").value or 0),
        speedup=against_baseline("speedup_ratio"),
        improvement=against_baseline("improvement_ratio"),
        saved=against_baseline("time_saved_seconds"),
        target=figures.find("improvement_target_ratio", "no target is set", task_type=task_type),
        success=with_reason(
            figures.find("success_ratio", "", task_type=task_type, window=window), "no outcome is known"
        ),
        median=figures.find(
            "task_duration_quantile_seconds",
            "no end was seen",
            task_type=task_type,
            quantile="0.5",
            window=window,
        ),
    )


def with_reason(figure: Figure, reason: str) -> Figure:
    """Return a withheld figure with the reason as it reads on this page."""
    return figure if figure.value is not None else replace(figure, reason=reason)


def pattern_rows(figures: Figures, window: str) -> list[PatternRow]:
    """Return each pattern that ran in parallel in a window."""
    rows = []
    for labels in figures.named("window_fanouts", window=window):
        at = {"pattern": labels["pattern"], "window": window}
        rows.append(
            PatternRow(
                pattern=labels["pattern"],
                fanouts=int(figures.find("window_fanouts", "", **at).value or 0),
                efficiency=figures.find("parallel_efficiency_ratio", "not worked out", **at),
                load_balance=figures.find("load_balance_ratio", "not worked out", **at),
                concurrency=figures.find("concurrency_ratio", "not worked out", **at),
            )
        )
    return rows


def alerts(notifications: Iterable[Notification]) -> Alerts:
    """Return the newest notification of each alert. ``notifications`` come newest first."""
    newest: dict[str, Notification] = {}
    for notification in notifications:
        newest.setdefault(notification.alert, notification)
    firing = [n for n in newest.values() if n.status == "firing"]
    resolved = [n for n in newest.values() if n.status == "resolved"]
    firing.sort(key=lambda n: (_GRAVITY.get(n.severity or "", len(_GRAVITY)), -n.received))
    return Alerts(tuple(firing), tuple(resolved[:RESOLVED_SHOWN]))


def reject_reasons(snapshot: Snapshot) -> list[tuple[str, int]]:
    """Return the reasons for which most input was set aside; the rest is summed up in one row."""
    ranked = sorted(snapshot.rejects.items(), key=lambda item: (-item[1], item[0]))
    shown, rest = ranked[:REASONS_SHOWN], ranked[REASONS_SHOWN:]
    if rest:
        shown.append((f"{len(rest)} other reasons", sum(number for _, number in rest)))
    return shown
