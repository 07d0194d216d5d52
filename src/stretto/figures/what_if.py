"""What if a task were faster or slower: elapsed time worked out again, never estimated from a share.

What began after something had finished is taken to have waited for all that had finished before it, and to
begin as long after the last of these as it did. What overlapped keeps its start. The other lengths stay as
they were, also a person's time between two turns.
"""

from __future__ import annotations

from stretto.figures.fanouts import Fanout
from stretto.figures.work_tree import Stretch, Worker, get_end_order, walk_tasks


def replay_session(root: Stretch, task_id: str, factor: float) -> int | None:
    """Return the session's elapsed time (ns) had a task, with all in it, taken ``factor`` of its time.

    ``root`` is the session's ``stretches``. None where the task's length is not known. Raises ValueError
    where the factor is no positive number.
    """
    chain = _find_chain(root, task_id)
    if chain is None:
        return None
    length = _scale_length(chain[-1], factor)
    for around, inner in zip(reversed(chain[:-1]), reversed(chain[1:]), strict=True):
        length = _replay_stretch(around, inner, length)
    return length


def replay_fanout(fanout: Fanout, task_id: str, factor: float) -> int | None:
    """Return the fan-out's elapsed time (ns) had one of its tasks taken ``factor`` of its time.

    None where the task is not in it. Raises ValueError where the factor is no positive number.
    """
    inner = [
        Stretch(Worker.TASK, task.id, interval.start, interval.end, task)
        for task in fanout.tasks
        if (interval := task.interval) is not None
    ]
    around = Stretch(Worker.MAIN, "", fanout.start, fanout.end, inner=sorted(inner, key=get_end_order))
    changed = next((stretch for stretch in inner if stretch.id == task_id), None)
    return None if changed is None else _replay_stretch(around, changed, _scale_length(changed, factor))


def _find_chain(root: Stretch, task_id: str) -> list[Stretch] | None:
    """Return the stretches from the root to a task, each within the one before it."""
    around: dict[str, Stretch] = {}
    for stretch in walk_tasks(root):
        for inner in stretch.inner:
            if inner.worker is Worker.TASK:
                around[inner.id] = stretch
                if inner.id == task_id:
                    chain = [inner]
                    while chain[-1] is not root:
                        chain.append(around[chain[-1].id])
                    return chain[::-1]
    return None


def _scale_length(stretch: Stretch, factor: float) -> int:
    if not 0 < factor < float("inf"):
        raise ValueError(f"the factor must be a positive number, not {factor}")
    return round(stretch.length * factor)


def _replay_stretch(around: Stretch, changed: Stretch, length: int) -> int:
    """Return how long a stretch takes when one of those inside it takes ``length``."""
    finished: dict[Stretch, int] = {}
    before = after = around.start
    """The last finish so far, as it was and as it would be."""
    number = 0
    for inner in sorted(around.inner, key=lambda inner: (inner.start, inner.id)):
        while around.inner[number].end <= inner.start:
            before = around.inner[number].end
            after = max(after, finished[around.inner[number]])
            number += 1
        took = length if inner is changed else inner.length
        finished[inner] = after + (inner.start - before) + took
    last = max((inner.end for inner in around.inner), default=around.start)
    return max(finished.values(), default=around.start) + (around.end - last) - around.start
