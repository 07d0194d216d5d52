"""Recommendations: promises equal replays, luck is not recommended, effects are judged, feedback counts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, timedelta, timezone, tzinfo

import numpy as np
import pytest
from msgspec import structs

from stretto.analysis.agent_effects import find_agent_pairs_with_shorter_sessions, rank_agents
from stretto.analysis.missing_score_points import TunablePart, suggest_tuning
from stretto.analysis.realised_effects import (
    RealisedEffect,
    calibrate_promises,
    judge_applied,
    link_sessions_around_application,
)
from stretto.analysis.recommendation import (
    CATEGORIES,
    Effort,
    FeedbackCounts,
    Gain,
    Priority,
    Recommendation,
    RecommendationFilters,
    RecommendationKind,
    count_feedback,
    order_recommendations,
)
from stretto.analysis.recommendation_rules import RULES, apply_rules
from stretto.analysis.resource_rules import (
    advise_fewer_agents_for_busy_processors,
    advise_more_memory,
    explain_no_cores_advice,
)
from stretto.analysis.rule_inputs_and_promised_gains import RuleInputs
from stretto.analysis.workflow_rules import (
    advise_batching,
    advise_closing_gaps,
    explain_why_chains_are_not_advised,
    find_savings_by_balanced_lanes,
)
from stretto.clock import DAY, HOUR, SECOND
from stretto.findings.analysis_input_and_answer import AnalysisInput
from stretto.findings.analysis_table import advise
from stretto.model.event import Outcome
from stretto.model.findings import FindingVerdict
from stretto.model.run_rows_for_analyses import SessionRun, TaskRun
from tests.run_makers import GeneratedRuns, draw_agent_tasks, generate_runs, judge_fix, spread_over_days

GB = 2.0**30


def make_inputs(made: GeneratedRuns, **options: object) -> RuleInputs:
    return RuleInputs("release", tuple(made.sessions), made.by_session, **options)  # type: ignore[arg-type]


def make_flat(
    lanes: Mapping[str, Sequence[tuple[str, float]]], sessions: int = 8, gap: float = 0.0
) -> tuple[tuple[SessionRun, ...], dict[str, list[TaskRun]]]:
    """Sessions that all run the same lanes of (type, seconds), with a gap between tasks."""
    runs, tasks = [], {}
    for number in range(sessions):
        name = f"s{number}"
        group = []
        for agent, lane in lanes.items():
            at = 0.0
            for place, (type_, seconds) in enumerate(lane):
                group.append(
                    TaskRun(
                        name, f"{name}.{agent}.{place}", number * HOUR + round(at * SECOND),
                        round(seconds * SECOND), Outcome.SUCCESS, type_, agent, concurrency=float(len(lanes)),
                    )
                )  # fmt: skip
                at += seconds + gap
        end = max(task.start + (task.length or 0) for task in group)
        runs.append(
            SessionRun(
                name, number * HOUR, end, Outcome.SUCCESS, width=len(lanes), elapsed=end - number * HOUR
            )
        )
        tasks[name] = group
    return tuple(runs), tasks


def make_recommendation(kind: RecommendationKind, seconds: float, **changes: object) -> Recommendation:
    gain = Gain(seconds, seconds * 0.8, seconds * 1.2, seconds / 1_000, 0.95)
    made = Recommendation(kind, "release", "", "Do it.", "because", gain, Effort.LOW, 30)
    return replace(made, **changes)  # type: ignore[arg-type]  # fields of the recommendation


def test_the_promise_of_an_uneven_split_is_the_replay() -> None:
    """Lanes of 9, 3 and 3 s hold six tasks of 3, 3, 3, 3 and 3 s: an even split ends 3 s earlier, to 1 ms."""
    runs, tasks = make_flat({"a": [("code", 3.0)] * 3, "b": [("code", 3.0)], "c": [("code", 3.0)]})
    assert find_savings_by_balanced_lanes(RuleInputs("p", runs, tasks)) == pytest.approx([3.0] * 8, abs=0.001)
    found, _ = apply_rules(RuleInputs("p", runs, tasks))
    (promised,) = [each for each in found if each.kind is RecommendationKind.UNBALANCED_AGENTS]
    assert promised.gain.seconds == pytest.approx(3.0, abs=0.001)
    assert promised.text == "Move tasks from a to the other agents."
    assert promised.rationale == "a ended last in 8 of 8 parallel executions"


def test_every_kind_is_recommended_or_has_its_reason() -> None:
    """All sixteen kinds have a rule and a category; each is recommended or has its reason."""
    assert set(RULES) == set(CATEGORIES) == set(RecommendationKind)
    found, reasons = apply_rules(make_inputs(generate_runs(20, 3)))
    assert {each.kind for each in found}.isdisjoint(reasons)
    assert {each.kind for each in found} | set(reasons) == set(RecommendationKind)
    assert all(reasons.values())
    assert (
        reasons[RecommendationKind.IO_BOUND]
        == "reads, writes and waits for the disk are not kept with the runs"
    )
    few, too_few = apply_rules(make_inputs(generate_runs(3, 3)))
    assert few == []
    assert set(too_few.values()) == {"3 sessions with tasks, 5 are needed"}


def test_advice_counts_what_it_looked_for_in_vain() -> None:
    """Each of the twelve kinds that can be advised is a finding, quiet or lacks data; with 3 all do."""
    counts = []
    for sessions in (20, 3):
        made = generate_runs(sessions, 3)
        last = max(run.end for run in made.sessions)
        answer = advise(AnalysisInput(last, made.tasks, made.sessions))
        assert len(answer.findings) + sum(answer.unlisted.values()) == 12
        counts.append(answer.unlisted)
    quiet, few = counts
    # Processors and memory of the machine are not known: fewer agents, memory and staggered starts.
    assert quiet[FindingVerdict.TOO_LITTLE_DATA] >= 3
    assert quiet[FindingVerdict.NO_EVIDENCE] > 0
    assert few == {FindingVerdict.TOO_LITTLE_DATA: 12}


def test_a_fix_lands_in_its_promise_and_no_fix_has_no_effect() -> None:
    """Fixed splits land within the promised limits, and what changed nothing is without effect."""
    within = without = 0
    judged: list[RealisedEffect] = []
    for seed in range(6):
        before = spread_over_days(generate_runs(42, seed, fault="imbalance"), 2)
        found, _ = apply_rules(make_inputs(before))
        (promise,) = [each for each in found if each.kind is RecommendationKind.UNBALANCED_AGENTS]
        for fault in (None, "imbalance"):
            after = spread_over_days(generate_runs(14, seed + 50, fault=fault, first=42), 2)
            effect = judge_fix(before, after, promise.gain)
            if fault is None:
                within += bool(effect.within_promise)
                assert effect.outcome == "helped"
                judged.append(effect)
            else:
                without += effect.outcome == "without_effect"
                assert effect.detectable is not None
    assert within >= 5
    assert without >= 5
    calibration = calibrate_promises(judged)
    assert (calibration.judged, calibration.within) == (6, within)
    assert calibration.ratio == pytest.approx(1, abs=0.1)
    assert calibrate_promises([]).ratio is None


def test_an_effect_is_judged_after_seven_days_with_enough_sessions() -> None:
    """Too early, or with too few sessions, there is no verdict; the reason says how much lacks."""
    made = spread_over_days(generate_runs(20, 1), 2)
    applied = made.sessions[16].start
    tasks = made.by_session
    early = judge_applied((1, 0, 2), applied, made.sessions, tasks, instant=applied + 2 * DAY)
    assert (early.verdict, early.reason, early.outcome) == (
        FindingVerdict.TOO_LITTLE_DATA, "it is judged in 5 days", None,
    )  # fmt: skip
    few = judge_applied((1, 0, 2), applied, made.sessions, tasks, instant=applied + 8 * DAY)
    assert few.reason == "16 sessions before and 4 after, 5 are needed"
    assert few.to_finding("batching", {"pattern": "release"}, applied).kind == "effect_batching"
    assert [link.role for link in link_sessions_around_application(made.sessions, applied)] == [
        "before",
        "after",
    ]


def test_what_changes_after_the_verdict_does_not_change_it() -> None:
    """A fix that helped in 14 sessions helped, also three weeks and half a year after another fault began."""
    before = spread_over_days(generate_runs(42, 1, fault="imbalance"), 2)
    helped = spread_over_days(generate_runs(14, 51, first=42), 2)
    worse = spread_over_days(generate_runs(60, 52, fault="imbalance", first=56), 2)
    applied = helped.sessions[0].start
    sessions = [*before.sessions, *helped.sessions, *worse.sessions]
    tasks = before.by_session | helped.by_session | worse.by_session
    verdicts = [
        judge_applied((1, 0, 9_999), applied, sessions, tasks, instant=applied + days * DAY)
        for days in (7, 21, 180)
    ]
    assert verdicts[0].verdict is FindingVerdict.IMPROVEMENT
    assert verdicts[0].after == 14
    assert verdicts[1:] == verdicts[:1] * 2
    finding = verdicts[0].to_finding("batching", {"pattern": "release"}, applied)
    assert RealisedEffect.from_finding(finding) == verdicts[0]


def test_an_effect_counts_local_days() -> None:
    """Where midnight lies between two sessions of a day, days are others; moved by the offset, the same."""
    made = spread_over_days(generate_runs(42, 1), 2)
    offset = DAY - (made.sessions[0].start + HOUR) % DAY
    zone = timezone(timedelta(seconds=offset // SECOND))

    def judge(zone: tzinfo, shift: int) -> RealisedEffect:
        sessions = [replace(run, start=run.start + shift, end=run.end + shift) for run in made.sessions]
        applied = sessions[28].start
        tasks = made.by_session
        return judge_applied((1, 0, 2), applied, sessions, tasks, instant=applied + 7 * DAY, zone=zone)

    assert judge(zone, 0) == judge(UTC, offset)
    assert judge(zone, 0) != judge(UTC, 0)


def test_rare_sessions_are_waited_for_up_to_28_days() -> None:
    """The fifth session closes the time after; without it there is no verdict, however many come later."""
    before = spread_over_days(generate_runs(20, 1), 2)
    rare = spread_over_days(generate_runs(40, 2, first=20), 2)
    applied = rare.sessions[0].start
    tasks = before.by_session | rare.by_session

    def judge(every: int, days: int) -> RealisedEffect:
        """Judge at a day with a session every few days after."""
        moved = [
            replace(run, start=run.start + shift, end=run.end + shift)
            for number, run in enumerate(rare.sessions)
            for shift in [applied + number * every * DAY - run.start]
        ]
        return judge_applied(
            (1, 0, 2), applied, [*before.sessions, *moved], tasks, instant=applied + days * DAY
        )

    assert judge(3, 8).reason == "20 sessions before and 3 after, 5 are needed"
    assert judge(3, 13).after == 5
    assert judge(3, 100) == judge(3, 13)
    assert judge(8, 100).reason == "20 sessions before and 4 in the 28 days after, 5 are needed"


def test_the_luckiest_of_twenty_equal_agents_is_not_recommended() -> None:
    """In 40 stores of 20 equal agents at most four have a recommended one; a truly better one is found."""
    rng = np.random.default_rng(5)
    recommended = found = 0
    for store in range(44):
        better = "agent7" if store >= 40 else None
        tasks = draw_agent_tasks(rng, 20, 30, better)
        effects = rank_agents([task for group in tasks.values() for task in group], "code")
        best = effects[0]
        if better:
            found += best.agent == better and best.p <= 0.05
        else:
            recommended += best.p <= 0.05
            assert best.raw_ratio <= best.ratio <= 1
    assert recommended <= 4
    assert found == 4


def test_agents_are_compared_within_types() -> None:
    """An agent that runs the long type is not worse; without shared types there is no comparison."""
    rng = np.random.default_rng(2)
    tasks = [
        TaskRun(
            f"s{n}",
            f"{n}{agent}{type_}",
            n,
            round(length * SECOND * rng.lognormal(0, 0.1)),
            Outcome.SUCCESS,
            type_,
            agent,
        )
        for n in range(10)
        for agent, type_, length in (
            ("a", "short", 10),
            ("b", "short", 10),
            ("b", "long", 900),
            ("c", "long", 900),
        )
    ]
    assert all(effect.p > 0.05 for effect in rank_agents(tasks))
    assert rank_agents([task for task in tasks if task.agent == "a"]) == []


def test_a_pair_that_works_well_together_is_found() -> None:
    """Sessions of a and b together take half the time for the same work; other pairs are as usual."""
    rng = np.random.default_rng(3)
    runs, tasks = [], {}
    for number in range(60):
        names = sorted(rng.choice(["a", "b", "c", "d"], 2, replace=False))
        elapsed = 100 * rng.lognormal(0, 0.1) * (0.5 if names == ["a", "b"] else 1)
        runs.append(
            SessionRun(f"s{number}", number * HOUR, (number + 1) * HOUR, Outcome.SUCCESS, width=2,
                       elapsed=round(elapsed * SECOND))
        )  # fmt: skip
        tasks[f"s{number}"] = [
            TaskRun(
                f"s{number}",
                f"{number}{name}",
                number * HOUR,
                90 * SECOND,
                Outcome.SUCCESS,
                "code",
                str(name),
            )
            for name in names
        ]
    best = find_agent_pairs_with_shorter_sessions(runs, tasks)[0]
    assert best.agents == ("a", "b")
    assert best.ratio == pytest.approx(0.5, abs=0.1)
    assert best.low < 0.5 < best.high
    assert best.p < 0.05


def test_small_tasks_are_put_together() -> None:
    """Four tasks of 10 s with hand-overs of 4 s end at 52 s, without them before the other lane, at 41 s."""
    lanes = {"a": [("lint", 10.0)] * 4, "b": [("code", 41.0)]}
    verdict = advise_batching(RuleInputs("p", *make_flat(lanes, gap=4.0)))
    assert isinstance(verdict, Recommendation)
    assert verdict.gain.seconds == pytest.approx(11)
    long = advise_batching(
        RuleInputs("p", *make_flat({"a": [("x", 100.0)] * 4, "b": [("y", 405.0)]}, gap=4.0))
    )
    assert long == "nothing to gain"


def test_chains_are_not_promised() -> None:
    """Tasks in a row that ran alone could save at most so much; nobody reports whether they depend."""
    runs, tasks = make_flat({"a": [("x", 10.0), ("y", 20.0), ("z", 30.0)]}, gap=1.0)
    wide = tuple(replace(run, width=2) for run in runs)
    reason = explain_why_chains_are_not_advised(RuleInputs("p", wide, tasks))
    assert isinstance(reason, str)
    assert "could save at most 30 s a session" in reason
    assert (
        explain_why_chains_are_not_advised(RuleInputs("p", runs, tasks))
        == "its tasks run one after another: see missed_parallelism"
    )


def test_what_the_main_agent_does_between_tasks_is_no_gap() -> None:
    """Of 30 s between tasks in which it waited for 10 s, 10 s are promised; unknown time promises nothing."""
    runs, tasks = make_flat({"a": [("x", 20.0), ("y", 20.0)]}, gap=30.0)
    assert (
        advise_closing_gaps(RuleInputs("p", runs, tasks))
        == "what the main agent does between its tasks is not known"
    )
    parts = {"model": 20 * SECOND, "nothing": 10 * SECOND}
    verdict = advise_closing_gaps(
        RuleInputs("p", tuple(replace(run, wall_parts=parts) for run in runs), tasks)
    )
    assert isinstance(verdict, Recommendation)
    assert verdict.gain.seconds == pytest.approx(10)


def test_short_memory_is_recommended_by_its_effect() -> None:
    """Sessions that used 95 % of the memory took 1.5 times as long: give it more."""
    made = generate_runs(30, 9)
    by_session = made.by_session
    sessions = [
        replace(run, memory_peak=(15.2 if n % 3 == 0 else 8) * GB) for n, run in enumerate(made.sessions)
    ]
    tasks = {
        run.session: [
            structs.replace(
                task,
                length=round((task.length or 0) * 1.5),
                start=run.start + round((task.start - run.start) * 1.5),
            )
            if (run.memory_peak or 0) > 15 * GB
            else task
            for task in by_session[run.session]
        ]
        for run in sessions
    }
    verdict = advise_more_memory(RuleInputs("release", tuple(sessions), tasks, memory=16 * GB))
    assert isinstance(verdict, Recommendation)
    assert "10 of 30 sessions used 90% of the memory" in verdict.rationale
    assert isinstance(
        advise_more_memory(RuleInputs("release", tuple(sessions), by_session, memory=16 * GB)), str
    )
    assert isinstance(advise_more_memory(RuleInputs("release", tuple(sessions), tasks)), str)


def test_processors_without_samples_are_a_reason() -> None:
    """Unknown use, free processors and busy ones without a slow-down each have their reason."""
    made = generate_runs(10, 2)
    assert "is not known" in str(advise_fewer_agents_for_busy_processors(make_inputs(made)))
    free = replace_all(made, cpu_seconds=10.0)
    assert str(advise_fewer_agents_for_busy_processors(make_inputs(free, cores=4))).startswith(
        "its agents use 0% of the processors"
    )
    busy = GeneratedRuns(
        [replace(run, cpu_seconds=4 * 0.95 * (run.elapsed or 0) / SECOND) for run in made.sessions],
        made.tasks,
    )
    assert "see cores" in str(advise_fewer_agents_for_busy_processors(make_inputs(busy, cores=4)))
    assert "95% of the processors, or do not slow each other" in str(
        explain_no_cores_advice(make_inputs(busy, cores=4))
    )


def replace_all(made: GeneratedRuns, **changes: object) -> GeneratedRuns:
    return GeneratedRuns([replace(run, **changes) for run in made.sessions], made.tasks)  # type: ignore[arg-type]


def test_what_was_refused_or_did_not_help_sinks() -> None:
    """Two rejections put a larger gain behind a smaller one of a kind that helped; the counts are shown."""
    large = make_recommendation(RecommendationKind.POOL_SIZE, 200)
    small = make_recommendation(RecommendationKind.LOAD_BALANCE, 100)
    first = order_recommendations([small, large], {}, {}, RecommendationFilters())
    assert [each.kind for each in first.recommendations] == [large.kind, small.kind]
    feedback = count_feedback(
        [
            (large.kind, "rejected"),
            (large.kind, "without_effect"),
            (small.kind, "helped"),
            (small.kind, "unknown"),
        ]
    )
    assert feedback[large.kind] == FeedbackCounts(rejected=1, without_effect=1)
    assert feedback[large.kind].weight == pytest.approx(1 / 3)
    later = order_recommendations([small, large], {}, feedback, RecommendationFilters())
    assert [each.kind for each in later.recommendations] == [small.kind, large.kind]
    assert later.recommendations[1].to_finding().details["rejected"] == 1


@pytest.mark.parametrize(
    ("changes", "filters", "reason"),
    [
        ({"gain": Gain(100, 50, 150, 0.1, 0.7)}, {}, "its confidence is 0.70, below 0.8"),
        ({"gain": Gain(10, 5, 15, 0.01, 0.9)}, {}, "it would bring 1.0%, less than 5%"),
        ({"effort": Effort.HIGH}, {}, "its effort is high"),
        ({}, {"priority": Priority.HIGH}, "its priority is low"),
        ({"needs_trial": True}, {"experimental": False}, "it would need a trial"),
        ({"changes_code": True}, {"constraints": frozenset({"no_code_changes"})}, "it would change code"),
    ],
)
def test_filters_leave_out_with_a_reason(
    changes: dict[str, object], filters: dict[str, object], reason: str
) -> None:
    """Each filter leaves out what does not pass it, and says why."""
    candidate = make_recommendation(RecommendationKind.POOL_SIZE, 60, **changes)
    chosen = RecommendationFilters(**filters)  # type: ignore[arg-type]  # fields of the filters
    advice = order_recommendations([candidate], {}, {}, chosen)
    assert advice.recommendations == ()
    assert advice.reasons == {RecommendationKind.POOL_SIZE: reason}


def test_priority_and_horizon_follow_gain_and_effort() -> None:
    """Priority is by the least gain; experimental needs a trial, immediate is little work."""
    assert make_recommendation(RecommendationKind.PAIRING, 300).priority is Priority.HIGH
    assert make_recommendation(RecommendationKind.PAIRING, 150).priority is Priority.MEDIUM
    assert make_recommendation(RecommendationKind.PAIRING, 60).priority is Priority.LOW
    assert make_recommendation(RecommendationKind.PAIRING, 60).horizon == "immediate"
    assert make_recommendation(RecommendationKind.PAIRING, 60, effort=Effort.HIGH).horizon == "strategic"
    trial = make_recommendation(RecommendationKind.PAIRING, 60, needs_trial=True)
    assert trial.horizon == "experimental"
    finding = trial.to_finding()
    assert (finding.kind, finding.details["category"]) == ("recommendation_pairing", "agent")
    assert math.isclose(finding.evidence.effect or 0, 60)


def test_tuning_names_the_parts_that_can_give_the_points() -> None:
    """Parts .8 (3) and .4 (1) give 70: the second gives at most 15 points and reaches 80 at .8."""
    tuning = suggest_tuning(
        [TunablePart("time", 0.8, 3), TunablePart("quality", 0.4, 1), TunablePart("workflow", None, 1)], 80
    )
    assert (tuning.feasible, tuning.unknown) == (True, ("workflow",))
    assert tuning.current == pytest.approx(70)
    by_name = {each.name: each for each in tuning.suggestions}
    assert by_name["quality"].most == pytest.approx(15)
    assert by_name["quality"].needed == pytest.approx(0.8)
    assert by_name["time"].slope == pytest.approx(0.75)
    assert by_name["time"].needed == pytest.approx(0.8 + 0.1 / 0.75)
    assert tuning.suggestions[0].most >= tuning.suggestions[1].most


def test_a_target_out_of_reach_is_said_to_be() -> None:
    """Above the delivered share no target can be reached; without a known part there is no score."""
    capped = suggest_tuning([TunablePart("time", 0.9, 1)], 90, delivered_share=0.85)
    assert (capped.feasible, capped.current, capped.highest) == (False, 85, 85)
    assert capped.reason.startswith("the score is at most 85.0")
    assert suggest_tuning([TunablePart("time", 0.9, 1)], 101).reason == "the scale ends at 100"
    assert suggest_tuning([TunablePart("time", 0.9, 1)], 80).reason == "the target is reached already"
    several = suggest_tuning([TunablePart("a", 0.5, 1), TunablePart("b", 0.5, 1)], 90)
    assert (several.feasible, several.reason) == (True, "no single part reaches it: several must rise")
    assert suggest_tuning([TunablePart("time", None, 1)], 80).reason == "no part is known"
