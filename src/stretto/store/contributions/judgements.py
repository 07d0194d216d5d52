"""What scores from outside, messages between agents and the hand-over between phases add for the scores."""

from __future__ import annotations

from collections import Counter

from stretto.figures.scores.slices import MICRO, UNPLACED
from stretto.model.conclude_leaves import conclude_messages, conclude_phases, conclude_scores
from stretto.model.entities import Score, Task
from stretto.model.event import Outcome
from stretto.model.interval import measure_union
from stretto.model.task_type import OTHER, normalise_name
from stretto.names import NONE
from stretto.store.contributions.contribution import Settling
from stretto.store.contributions.task_outcomes import places
from stretto.store.rollup import Additions, slot_of


def of_scores(settling: Settling) -> Additions:
    """Return what the judgements add: those on their scale as sums in millionths, the others as a count."""
    added: Additions = Counter()
    judgements = conclude_scores(settling.facts)
    if not judgements:
        return added
    session, place_of = settling.session, places(settling)
    tasks = {task.id: task for task in session.tasks}
    for score in judgements:
        slot, name = slot_of(score.time), normalise_name(score.name) or OTHER
        task = _judged(score, tasks)
        task_type, agent = (NONE, NONE) if task is None else (task.task_type, task.agent or NONE)
        place = UNPLACED if task is None else place_of.get(task.id, UNPLACED)
        work = (name, session.pattern or NONE, task_type, agent)
        if settling.scales.accepts(name, score.value):
            added[slot, "score_count", (*work, place)] += 1
            added[slot, "score_sum", (*work, place)] += round(score.value * MICRO)
        else:
            added[slot, "score_outside", work] += 1
    return added


def of_talk(settling: Settling) -> Additions:
    """Return what the messages add by receiver: time to answer, and their number against their share.

    A receiver's share of a session is one over the number of receivers, in millionths: over all of them
    the shares of a session sum to one.
    """
    added: Additions = Counter()
    messages = conclude_messages(settling.facts)
    received = Counter(message.receiver or NONE for message in messages)
    for message in messages:
        if message.response is not None:
            agent = message.receiver or NONE
            added[slot_of(message.time), "answers", (agent,)] += 1
            added[slot_of(message.time), "answer_time", (agent,)] += message.response
    if messages:
        slot = slot_of(messages[-1].time)
        for agent, count in received.items():
            added[slot, "talk_messages", (agent,)] += count
            added[slot, "talk_share", (agent,)] += round(MICRO / len(received))
    return added


def of_handover(settling: Settling) -> Additions:
    """Return what the phases add by pattern: how they ended, and how much of their stretch they cover."""
    added: Additions = Counter()
    phases = conclude_phases(settling.facts, closed=settling.closed)
    pattern = settling.session.pattern or NONE
    for phase in phases:
        at = phase.end if phase.end is not None else phase.start
        if phase.outcome is not Outcome.RUNNING and at is not None:
            added[slot_of(at), "pattern_phases", (pattern, phase.outcome.value)] += 1
    known = [phase.interval for phase in phases if phase.interval is not None]
    if len(known) > 1 and len(known) == len(phases):
        end = max(interval.end for interval in known)
        added[slot_of(end), "phases_covered", (pattern,)] += measure_union(known)
        added[slot_of(end), "phases_stretch", (pattern,)] += end - min(i.start for i in known)
    return added


def _judged(score: Score, tasks: dict[str, Task]) -> Task | None:
    return tasks.get(score.of_id) if score.of == "task" else None
