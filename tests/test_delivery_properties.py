"""With the baseline held fixed, failing never pays: no figure of a fan-out rises when its tasks fail."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from stretto.figures.fanouts import Fanout, estimate_sequential_time, find_fanouts
from stretto.figures.sequential_baseline_choice import WORK_BASELINE, Baseline, Provenance
from stretto.model.entities import Task
from stretto.model.event import Outcome
from stretto.model.task_delivery_classes import Delivery
from tests.schedules import tasks_at_random

ABSENT = float("-inf")
"""An absent figure counts as the lowest."""


def figures(fanout: Fanout, baseline: Baseline) -> dict[str, float]:
    """Return the figures of a fan-out that praise it."""
    sequential = estimate_sequential_time(fanout, baseline).length
    saved = sequential - fanout.elapsed
    return {
        "speedup": sequential / fanout.elapsed,
        "time saved": saved,
        "improvement": saved / sequential if sequential else ABSENT,
        "efficiency": fanout.efficiency,
        "delivery": fanout.delivery,
        "record": fanout.work / fanout.elapsed if fanout.is_reported_delivered else ABSENT,
        "delivered tasks": len(fanout.delivered),
    }


@given(tasks_at_random(), st.data())
def test_failing_never_raises_a_figure(tasks: tuple[Task, ...], data: st.DataObject) -> None:
    """Some tasks of a fan-out fail instead: speed-up, time saved, improvement and record do not rise."""
    lengths = {task.task_type: 7.0 for task in tasks}
    for baseline in (WORK_BASELINE, Baseline(Provenance.CONFIGURED, lengths)):
        before = find_fanouts(tasks)
        if not before:
            return
        chosen = data.draw(st.sampled_from(before))
        failing = data.draw(st.sets(st.sampled_from([task.id for task in chosen.tasks])))
        changed = tuple(
            structs.replace(task, outcome=Outcome.FAILURE, judged=None) if task.id in failing else task
            for task in tasks
        )
        (after,) = (found for found in find_fanouts(changed) if found.tasks[0].id == chosen.tasks[0].id)
        old, new = figures(chosen, baseline), figures(after, baseline)
        assert (after.elapsed, after.work, after.width) == (chosen.elapsed, chosen.work, chosen.width)
        assert all(new[name] <= old[name] + 1e-9 for name in old), (old, new)


@given(tasks_at_random())
def test_every_task_that_is_over_has_one_class(tasks: tuple[Task, ...]) -> None:
    """Delivered, taken as delivered or wasted; the wasted alone have a reason."""
    for task in tasks:
        delivery = task.delivery
        assert (delivery is None) == (task.outcome is Outcome.RUNNING)
        if delivery is not None:
            assert (delivery.reason is not None) == (delivery.delivery is Delivery.WASTED)
