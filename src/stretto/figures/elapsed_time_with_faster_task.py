"""Simulate a session or fan-out with a faster or slower task, to compute the elapsed time it would have had.

A stretch is assumed to have waited for all stretches that finished before it. It keeps its distance to the
last of them. Stretches that overlap keep their start. All other lengths stay, also a person's time between
two turns. Example: a (0-10 s), then b (12-20 s): with a at half its time, b runs at 7-15 s.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from operator import attrgetter

from stretto.figures.fanouts import Fanout
from stretto.figures.work_tree import Stretch, WorkerKind, get_end_sort_key, walk_tasks


def simulate_session_elapsed(root: Stretch, task_id: str, factor: float) -> int | None:
    """Return the session's elapsed time (ns) if a task, with all inside it, had taken ``factor`` of its time.

    ``root`` is the session's work tree. None if the task's length is unknown. Raises ValueError unless the
    factor is a positive number.
    """
    chain = _find_chain(root, task_id)
    if chain is None:
        return None
    length = _scale_length(chain[-1], factor)
    for outer, inner in zip(reversed(chain[:-1]), reversed(chain[1:]), strict=True):
        length = _simulate_stretch(outer, inner, length)
    return length


def simulate_fanout_elapsed(fanout: Fanout, task_id: str, factor: float) -> int | None:
    """Return the fan-out's elapsed time (ns) if a task of it had taken ``factor`` of its time.

    None if the task is not in it, or if its tasks waited for a person: how long that would have taken is
    unknown. Raises ValueError unless the factor is a positive number.
    """
    if fanout.waited:
        return None
    inner = [
        Stretch(WorkerKind.TASK, task.id, interval.start, interval.end, task)
        for task in fanout.tasks
        if (interval := task.interval) is not None
    ]
    outer = Stretch(WorkerKind.MAIN, "", fanout.start, fanout.end, inner=sorted(inner, key=get_end_sort_key))
    changed = next((stretch for stretch in inner if stretch.id == task_id), None)
    return None if changed is None else _simulate_stretch(outer, changed, _scale_length(changed, factor))


def _find_chain(root: Stretch, task_id: str) -> list[Stretch] | None:
    """Return the stretches from the root to a task, each within the previous."""
    outer_of: dict[str, Stretch] = {}
    for stretch in walk_tasks(root):
        for inner in stretch.inner:
            if inner.worker is _TASK:
                outer_of[inner.id] = stretch
                if inner.id == task_id:
                    chain = [inner]
                    while chain[-1] is not root:
                        chain.append(outer_of[chain[-1].id])
                    return chain[::-1]
    return None


def _scale_length(stretch: Stretch, factor: float) -> int:
    if not 0 < factor < float("inf"):
        raise ValueError(f"the factor must be a positive number, not {factor}")
    return round(stretch.length * factor)


def _simulate_stretch(outer: Stretch, changed: Stretch, length: int) -> int:
    """Return the length of a stretch if a changed stretch inside it takes ``length``."""
    # What began before the changed stretch stays as it was.
    by_end = outer.inner
    later = sorted([inner for inner in by_end if inner.start >= changed.start], key=_get_start)
    finish = max([inner.end for inner in by_end if inner.start < changed.start], default=outer.start)
    number = bisect_right(by_end, changed.start, key=_get_end)
    before = after = by_end[number - 1].end if number else outer.start
    """The last finish so far, as it was and as it would have been."""
    finished: dict[Stretch, int] = {}
    for inner in later:
        while by_end[number].end <= inner.start:
            before = by_end[number].end
            after = max(after, finished.get(by_end[number], before))
            number += 1
        new_length = length if inner is changed else inner.length
        finished[inner] = after + (inner.start - before) + new_length
    return max(finish, *finished.values()) + (outer.end - by_end[-1].end) - outer.start


# Looking up a member of an enumeration takes ten times as long as a name, and a session has many stretches.
_TASK = WorkerKind.TASK

_get_start: Callable[[Stretch], int] = attrgetter("start")
_get_end: Callable[[Stretch], int] = attrgetter("end")
