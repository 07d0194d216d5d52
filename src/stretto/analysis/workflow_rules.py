"""Rules about the workflow: the split of the work, the width, phases, small tasks."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from scipy import stats

from stretto.analysis.recommendation import Effort, Gain, Recommendation, RecommendationKind
from stretto.analysis.rule_inputs_and_promised_gains import (
    LIKELY,
    MissingDataReason,
    RuleInputs,
    Verdict,
    recommend,
)
from stretto.analysis.session_lane_schedule import (
    RunSchedule,
    assign_longest_first,
    split_fanouts,
    split_lanes,
)
from stretto.clock import MINUTE, SECOND
from stretto.model.findings import RunLink
from stretto.model.interval import measure_union_length

SMALL_TASK = MINUTE
"""Usual length below which tasks are small enough to be put together."""
EMPTY_WAITS = ("nothing",)
"""Parts of wall time in which the main agent waits for agents of which none runs."""
UNEVEN = 0.01
"""p value below which it is no accident that an agent has the longest lane."""


def find_savings_by_balanced_lanes(inputs: RuleInputs) -> np.ndarray:
    """Return the seconds that each session saves if its tasks are handed out by usual length, longest first.

    Lanes are filled by the tasks' usual lengths, which are known beforehand, and take their true ones.
    """
    savings = []
    for schedule in inputs.schedules:
        saved = 0.0
        for places in split_fanouts(schedule):
            lanes = split_lanes(schedule, places)
            if len(lanes) > 1:
                usual = [
                    one.total
                    if (one := inputs.usual.find(schedule.tasks[place]))
                    else float(schedule.lengths[place])
                    for place in places
                ]
                lengths = [schedule.lengths[place] for place in places]
                after = max(
                    sum(lengths[place] for place in lane) for lane in assign_longest_first(usual, len(lanes))
                )
                saved += max(sum(schedule.lengths[place] for place in lane) for lane in lanes) - after
        savings.append(saved / SECOND)
    return np.array(savings)


def _find_longest_agent(inputs: RuleInputs) -> tuple[str, int, int] | None:
    """Return the agent that has the longest lane too often to be an accident, how often, and of how many."""
    longest: Counter[str] = Counter()
    chances = []
    for schedule in inputs.schedules:
        for places in split_fanouts(schedule):
            lanes = split_lanes(schedule, places)
            names = {schedule.tasks[lane[0]].agent for lane in lanes}
            if len(lanes) > 1 and None not in names and len(names) == len(lanes):
                lane = max(lanes, key=lambda lane, schedule=schedule: sum(schedule.lengths[p] for p in lane))  # type: ignore[misc]  # bound now
                longest[schedule.tasks[lane[0]].agent or ""] += 1
                chances.append(1 / len(lanes))
    if not longest:
        return None
    (name, count), *_ = longest.most_common(1)
    p = float(stats.binomtest(count, len(chances), float(np.mean(chances)), alternative="greater").pvalue)
    return (name, count, len(chances)) if p * len(longest) < UNEVEN else None


def advise_balance(inputs: RuleInputs) -> Verdict:
    """Recommend an even split of the tasks, unless a single agent is the reason for the uneven one."""
    if _find_longest_agent(inputs):
        return "the uneven split is a matter of one agent: see unbalanced_agents"
    return recommend(
        inputs,
        RecommendationKind.LOAD_BALANCE,
        find_savings_by_balanced_lanes(inputs),
        "Hand out the tasks longest first, each to the agent that is free first.",
        "an even split of the same tasks, by their usual lengths, would have ended earlier",
        effort=Effort.LOW,
    )


def advise_relieving_last_agent(inputs: RuleInputs) -> Verdict:
    """Recommend to move tasks away from an agent that ends last too often."""
    longest = _find_longest_agent(inputs)
    if longest is None:
        return "no agent has the longest lane more often than by chance"
    name, count, fanouts = longest
    return recommend(
        inputs,
        RecommendationKind.UNBALANCED_AGENTS,
        find_savings_by_balanced_lanes(inputs),
        f"Move tasks from {name} to the other agents.",
        f"{name} ended last in {count} of {fanouts} parallel executions",
        effort=Effort.LOW,
        name=name,
    )


def recommend_planned_width(
    inputs: RuleInputs, kind: RecommendationKind, text: str, *, needs_trial: bool
) -> Verdict:
    """Recommend the width that the capacity plan advises instead of the usual width."""
    plan, now, then = inputs.plan, inputs.width, inputs.plan.advised or inputs.width
    if not plan.widths or now > len(plan.widths):
        return plan.reason or f"{now} agents are more than are planned for"
    if now == then:
        return f"{now} agents are the width that is advised"
    drawn = np.array(plan.draws)
    saved = drawn[:, now - 1] - drawn[:, then - 1]
    mean = plan.widths[now - 1].seconds - plan.widths[then - 1].seconds
    if mean <= 0:
        return f"{then} agents are advised, but would save no time"
    half = LIKELY * math.hypot(float(saved.std(ddof=1)), inputs.week_error)
    gain = Gain(
        mean, mean - half, mean + half, mean / plan.widths[now - 1].seconds, float((saved > 0).mean())
    )
    return Recommendation(
        kind=kind,
        pattern=inputs.pattern,
        name="",
        text=text.format(width=then),
        rationale=f"at {now} agents the pattern takes {plan.widths[now - 1].seconds:.0f} s, at {then} "
        f"{plan.widths[then - 1].seconds:.0f} s; beyond that {plan.binds.replace('_', ' ')} binds",
        gain=gain,
        effort=Effort.LOW,
        sessions=plan.sets,
        needs_trial=needs_trial or plan.widths[then - 1].extrapolated,
        links=(RunLink(inputs.sessions[-1].session, role="slowest"),),
    )


def advise_planned_width(inputs: RuleInputs) -> Verdict:
    """Recommend the width that the capacity plan advises."""
    if inputs.width <= 1:
        return "its tasks run one after another: see missed_parallelism"
    return recommend_planned_width(
        inputs, RecommendationKind.POOL_SIZE, "Run {width} agents at once.", needs_trial=False
    )


def advise_parallelism(inputs: RuleInputs) -> Verdict:
    """Recommend to run side by side what runs one after another."""
    if inputs.width > 1:
        return "its tasks run side by side already"
    text = "Run its tasks side by side, {width} at once."
    return recommend_planned_width(inputs, RecommendationKind.MISSED_PARALLELISM, text, needs_trial=True)


def explain_why_chains_are_not_advised(inputs: RuleInputs) -> Verdict:
    """Return the reason why chains are not recommended, with the most that they could save.

    A chain is two or more tasks in a row that ran alone; at best they would take as long as the longest. No
    source reports which task needs the result of which, so nobody can promise it.
    """
    if inputs.width <= 1:
        return "its tasks run one after another: see missed_parallelism"
    saved = 0
    for schedule in inputs.schedules:
        chain = [0]
        for places in [*split_fanouts(schedule), []]:
            if len(places) == 1:
                chain.append(schedule.lengths[places[0]])
            else:
                saved += sum(chain) - max(chain)
                chain = [0]
    if not saved:
        return "no two tasks in a row ran alone"
    return (
        "tasks that ran alone, one after another, could save at most "
        f"{saved / SECOND / len(inputs.schedules):.0f} s a session, if they do not need each other's "
        "results: no source reports that"
    )


def advise_closing_gaps(inputs: RuleInputs) -> Verdict:
    """Recommend to close the gaps between tasks in which the main agent, too, did nothing.

    What it thinks or does between two tasks is work. Only time that it spends waiting, with no task running,
    is a gap.
    """
    if not any(run.wall_parts for run in inputs.sessions):
        return MissingDataReason("what the main agent does between its tasks is not known")
    gaps = [
        min(
            schedule.span - measure_union_length(schedule.intervals),
            sum(run.wall_parts.get(part, 0) for part in EMPTY_WAITS),
        )
        for run, schedule in zip(inputs.sessions, inputs.schedules, strict=True)
    ]
    return recommend(
        inputs,
        RecommendationKind.PHASE_STRUCTURE,
        np.array(gaps) / SECOND,
        "Start the next tasks as soon as those before them have ended.",
        "in these gaps no task ran, and the main agent only waited",
        effort=Effort.MEDIUM,
        changes_code=True,
    )


def advise_batching(inputs: RuleInputs) -> Verdict:
    """Recommend to put small tasks of a lane together.

    Between them lies a hand-over; without it the lane ends earlier.
    """
    savings = []
    for schedule in inputs.schedules:
        saved = 0
        for places in split_fanouts(schedule):
            lanes = split_lanes(schedule, places)
            ends = [schedule.intervals[lane[-1]].end for lane in lanes]
            earlier = [
                end - _sum_handovers(inputs, schedule, lane) for end, lane in zip(ends, lanes, strict=True)
            ]
            saved += max(ends) - max(earlier)
        savings.append(saved / SECOND)
    return recommend(
        inputs,
        RecommendationKind.BATCHING,
        np.array(savings),
        f"Give an agent small tasks (below {SMALL_TASK // SECOND} s) of a type together.",
        "between small tasks of the same agent and type time passes in which it does nothing",
        effort=Effort.LOW,
    )


def _sum_handovers(inputs: RuleInputs, schedule: RunSchedule, lane: Sequence[int]) -> int:
    total = 0
    for earlier, later in pairwise(lane):
        pair = schedule.tasks[earlier], schedule.tasks[later]
        usual = [inputs.usual.find(run) for run in pair]
        if pair[0].type == pair[1].type and all(one and one.total < SMALL_TASK for one in usual):
            total += max(0, schedule.starts[later] - schedule.intervals[earlier].end)
    return total
