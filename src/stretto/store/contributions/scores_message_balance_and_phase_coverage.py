"""Sums of scores from outside, of the balance of messages, and of the wall time that phases cover."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from stretto.figures.scores.sums_by_pattern_type_or_agent import MICRO, UNPLACED
from stretto.model.entities import Score, Session, Task
from stretto.model.interval import measure_union_length
from stretto.model.phases_messages_and_scores_from_facts import (
    conclude_messages,
    conclude_phases,
    conclude_scores,
)
from stretto.model.score_scales import Scales
from stretto.model.task_type import OTHER, to_label_value
from stretto.names import NONE, measures
from stretto.store.contributions.contribution import SessionContext, find_counted_slot
from stretto.store.contributions.task_outcomes_retries_and_delegating_turns import find_execution_modes
from stretto.store.sums_by_time_slot import Additions, find_slot_number


def add_up_scores(context: SessionContext) -> Additions:
    """Return the sums of scores: on their scale as a sum in millionths, off their scale as a count.

    Several judges of one thing are one judgement, the mean of theirs. Example: two judges give a task 6 and 8
    of 10: one score of 7.
    """
    added: Additions = Counter()
    scores = conclude_scores(context.facts)
    if not scores:
        return added
    session, place_by_task = context.session, find_execution_modes(context)
    tasks = {task.id: task for task in session.tasks}
    judgements, off_scale = unite_judges(scores, context.scales)
    for name, score in off_scale:
        outside = (name, *_describe_work(session, _find_scored_task(score, tasks)))
        added[find_slot_number(score.time), measures.SCORE_OUTSIDE, outside] += 1
    for judgement in judgements:
        task = _find_scored_task(judgement.latest, tasks)
        place = UNPLACED if task is None else place_by_task.get(task.id, UNPLACED)
        dims = (judgement.name, *_describe_work(session, task), place)
        slot = find_slot_number(judgement.latest.time)
        added[slot, measures.SCORE_COUNT, dims] += 1
        added[slot, measures.SCORE_SUM, dims] += round(judgement.value * MICRO)
    return added


class UnitedJudgement(NamedTuple):
    """What the judges of one thing agree on by one criterion: the mean on the criterion's scale."""

    name: str
    latest: Score
    value: float


def unite_judges(
    scores: Iterable[Score], scales: Scales
) -> tuple[list[UnitedJudgement], list[tuple[str, Score]]]:
    """Return a judgement for each criterion of each judged thing, and the scores off their scale by name."""
    judged: dict[tuple[str, str, str], list[tuple[Score, float]]] = {}
    off_scale = []
    for score in scores:
        name = to_label_value(score.name) or OTHER
        placed = scales.place_score(name, score.value, score.out_of)
        if placed.problem is None:
            judged.setdefault((name, score.of, score.of_id), []).append((score, placed.value))
        else:
            off_scale.append((name, score))
    judgements = [
        UnitedJudgement(name, values[-1][0], sum(value for _, value in values) / len(values))
        for (name, _, _), values in judged.items()
    ]
    return judgements, off_scale


def _describe_work(session: Session, task: Task | None) -> tuple[str, str, str]:
    task_type, agent = (NONE, NONE) if task is None else (task.task_type, task.agent or NONE)
    return session.pattern or NONE, task_type, agent


def add_up_messages_by_receiver(context: SessionContext) -> Additions:
    """Return the sums of messages by receiver: answer times, number, and the receiver's fair share.

    The fair share is 1 over the number of receivers, in millionths: with 4 receivers each has 250,000, and
    the shares of a session add up to 1.
    """
    added: Additions = Counter()
    messages = [message for message in conclude_messages(context.facts) if not message.is_report]
    count_by_receiver = Counter(message.receiver or NONE for message in messages)
    for message in messages:
        if message.response is not None:
            agent = message.receiver or NONE
            added[find_slot_number(message.time), measures.ANSWERS, (agent,)] += 1
            added[find_slot_number(message.time), measures.ANSWER_TIME, (agent,)] += message.response
    if messages:
        slot = find_slot_number(messages[-1].time)
        for agent, count in count_by_receiver.items():
            added[slot, measures.TALK_MESSAGES, (agent,)] += count
            added[slot, measures.TALK_SHARE, (agent,)] += round(MICRO / len(count_by_receiver))
    return added


def add_up_phase_outcomes_and_gaps(context: SessionContext) -> Additions:
    """Return the sums of phases by pattern: their outcomes, and how much of their stretch they cover.

    Example: phases of 0 to 10 s and 12 to 20 s cover 18 s of a stretch of 20 s; 2 s went into the hand-over.
    """
    added: Additions = Counter()
    phases = conclude_phases(context.facts, closed=context.closed)
    pattern = context.session.pattern or NONE
    for phase in phases:
        slot = find_counted_slot(phase)
        if slot is not None:
            added[slot, measures.PATTERN_PHASES, (pattern, phase.outcome.value)] += 1
    intervals = [phase.interval for phase in phases if phase.interval is not None]
    if len(intervals) > 1 and len(intervals) == len(phases):
        end = max(interval.end for interval in intervals)
        slot, start = find_slot_number(end), min(interval.start for interval in intervals)
        added[slot, measures.PHASES_COVERED, (pattern,)] += measure_union_length(intervals)
        added[slot, measures.PHASES_STRETCH, (pattern,)] += end - start
    return added


def _find_scored_task(score: Score, tasks: dict[str, Task]) -> Task | None:
    return tasks.get(score.of_id) if score.of == "task" else None
