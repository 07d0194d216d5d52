from __future__ import annotations

from dataclasses import replace

import pytest

from stretto.figures.figure import Figure
from stretto.figures.scores.retry_parallel_use_result_fit_and_judgement_figures import (
    compute_judgements_of_agents,
)
from stretto.figures.scores.score_rules import WEIGHTS, Scoring
from stretto.figures.scores.window_scores import (
    compute_judgement_trend_figures,
    compute_quality_trend_figures,
    compute_score_figures,
)
from stretto.figures.sums_by_dimension import Sums
from stretto.names import METRICS, MetricOrigin
from tests.scenes import Drawing, conflict, delivery, fork_join, frame_drawing, one_by_one, retried, straggler
from tests.scored import RULES, by_work, sums_of, valued
from tests.test_efficiency_score import machine, reported

AT = (("window", "1h"),)


def figures(sums: Sums, cohort: int = 5) -> list[Figure]:
    """Return the scores of a window of which nothing else is known."""
    scoring = Scoring(replace(RULES, cohort=cohort))
    return list(compute_score_figures("1h", sums, (), scoring, by_work))


def reason(found: list[Figure], name: str, *labels: str) -> str | None:
    """Return why a figure is withheld."""
    (one,) = [f for f in found if f.name == f"stretto_{name}" and {v for _, v in f.labels} == {*labels, "1h"}]
    assert one.value is None
    return one.reason


def test_retries_are_counted_by_task_type() -> None:
    """Two of three reviews are retries, with 16 s of work and a single recovery; testing has 0 retries."""
    values = valued(figures(sums_of(retried())))
    assert values["window_retries", "review"] == 2
    assert values["window_recoveries", "review"] == 1
    assert values["retry_ratio", "review"] == pytest.approx(2 / 3)
    assert values["retry_work_seconds", "review"] == 16
    assert (values["window_retries", "testing"], values["retry_ratio", "testing"]) == (0, 0)


def test_adoption_is_withheld_below_a_cohort() -> None:
    """Three of four eligible turns were parallel: four turns are too few, unless the cohort is three."""
    sums = sums_of(fork_join(), straggler(), one_by_one(), delivery())
    found = figures(sums)
    values = valued(found)
    assert (values["window_eligible_turns", ""], values["window_parallel_turns", ""]) == (4, 3)
    assert reason(found, "adoption_ratio") == "4 eligible turns, 5 are asked for"
    assert valued(figures(sums, cohort=4))["adoption_ratio", ""] == 0.75
    assert values["pattern_eligible_turns", "release"] == 3
    assert values["pattern_parallel_turns", "release"] == 2
    assert values["pattern_adoption_ratio", "release"] is None
    assert valued(figures(sums, cohort=3))["pattern_adoption_ratio", "release"] == pytest.approx(2 / 3)
    assert values["window_agent_parallel_tasks", "worker"] == 3 + 3 + 2
    assert values["agent_parallel_ratio", "worker"] == pytest.approx(8 / 12)
    assert valued(figures(sums, cohort=13))["agent_parallel_ratio", "worker"] is None


def test_integration_is_counted_by_pattern() -> None:
    """A fan-out in conflict, a fan-out that fits, and a third without evidence."""
    found = figures(sums_of(conflict(), delivery(), fork_join()))
    values = valued(found)
    assert values["window_fanouts_checked", "build"] == values["window_conflicts", "build"] == 1
    assert (values["window_fanouts_integrated", "build"], values["integration_success_ratio", "build"]) == (
        0,
        0,
    )
    assert values["integration_success_ratio", "release"] == 1
    assert values["window_conflicts", "release"] == 0
    assert values["window_fanouts_checked", "none"] == 0
    assert ("window_conflicts", "none") not in values
    assert reason(found, "integration_success_ratio", "none") == (
        "for no parallel execution is it known whether the results fit together"
    )


def test_scores_from_outside_are_shown_in_their_own_scale() -> None:
    """A task's judgement has its type, a session's has none; values off the scale are counted separately."""
    found = figures(sums_of(delivery()))
    values = valued(found)
    assert values["window_scores", "quality,review"] == 1
    assert (values["score_mean", "quality,review"], values["window_score_points", "quality,review"]) == (8, 8)
    assert values["window_scores_off_scale", "quality,review"] == 1
    assert values["score_mean", "satisfaction,none"] == 4
    assert ("window_scores_off_scale", "satisfaction,none") not in values


def test_a_score_without_a_scale_is_shown_raw() -> None:
    """Without a scale it has a mean; if all values are off the scale, the mean has a reason."""
    drawing = (
        frame_drawing(Drawing(), 50)
        .score("Reviewer mood", -3.5, 5)
        .score("depth", 12, 6)
        .score("huge", 1e300, 7)
    )
    found = figures(sums_of(drawing))
    values = valued(found)
    assert values["score_mean", "reviewer_mood,none"] == -3.5
    assert values["window_scores_off_scale", "depth,none"] == 1
    assert reason(found, "score_mean", "depth", "none") == "1 score(s) outside the scale 0 to 10"
    assert reason(found, "score_mean", "huge", "none") == "1 score(s) outside the scale of numbers"
    assert ("window_scores", "depth,none") not in values


def test_each_score_is_a_figure_with_its_parts() -> None:
    """The delivery: its ranges, and numbers where they are narrow; dimensions, parts, agent and pattern."""
    values = valued(figures(sums_of(delivery())))
    assert values["efficiency_score", ""] is None
    assert values["efficiency_score_low", ""] == pytest.approx(50.112, abs=1e-3)
    assert values["efficiency_score_high", ""] == pytest.approx(66.667, abs=1e-3)
    assert values["efficiency_dimension_score", "time"] == pytest.approx(45.357, abs=1e-3)
    assert values["efficiency_dimension_score", "resource"] is None
    assert values["efficiency_part_score", "workflow,recovery"] == 100
    assert values["quality_score", "review"] == pytest.approx(7.9630, abs=1e-3)
    assert values["quality_score_low", "review"] == pytest.approx(7.4074, abs=1e-3)
    assert values["quality_score_high", "review"] == pytest.approx(8.5185, abs=1e-3)
    assert values["quality_part_score", "review,judgement"] == pytest.approx(8)
    assert values["quality_part_score", "review,parity"] is None
    assert values["collaboration_score", ""] == pytest.approx(90)
    assert values["collaboration_score_low", ""] == pytest.approx(90)
    assert values["collaboration_score_high", ""] == pytest.approx(90)
    assert values["agent_collaboration_score", "worker"] == pytest.approx(90)
    assert values["agent_score", "worker"] == pytest.approx(66.667, abs=1e-3)
    assert values["agent_score_low", "worker"] == pytest.approx(66.667, abs=1e-3)
    assert values["agent_score_high", "worker"] == pytest.approx(66.667, abs=1e-3)
    assert values["pattern_efficiency_score", "release"] == pytest.approx(66.667, abs=1e-3)
    assert values["pattern_efficiency_score_low", "release"] == pytest.approx(66.667, abs=1e-3)
    assert values["pattern_efficiency_score_high", "release"] == pytest.approx(66.667, abs=1e-3)
    assert values["pattern_efficiency_score", "release"] == pytest.approx(66.667, abs=1e-3)


def test_a_narrow_range_has_a_number() -> None:
    """With machine, tokens and wall time it is 67.5 to 68.2, but two of three tasks were delivered."""
    sums = {**sums_of(delivery()), **machine(0.6)}
    found = compute_score_figures("1h", sums, reported(), Scoring(RULES, lambda _: 0.6), by_work)
    assert valued(found)["efficiency_score", ""] == pytest.approx(66.667, abs=1e-3)


def test_patterns_are_scored_alone() -> None:
    """What another pattern did moves nothing."""
    alone, both = (valued(figures(sums_of(*drawn))) for drawn in ([delivery()], [delivery(), conflict()]))
    name = ("pattern_efficiency_score", "release")
    assert both[name] == alone[name] is not None
    assert both["pattern_efficiency_score", "build"] != both[name]


def test_tasks_without_an_agent_have_no_agent_score() -> None:
    """The label value "none" is not an agent."""
    sums: Sums = {"work_ends": {("p", "review", "none", "alone", "success"): 9}}
    assert not [f for f in figures(sums) if f.name == "stretto_agent_score"]


def test_an_empty_window_makes_nothing_up() -> None:
    """Counts of turns are 0; every score is withheld with a reason."""
    found = figures({})
    assert {f.name: f.value for f in found if f.value is not None} == {
        "stretto_window_eligible_turns": 0,
        "stretto_window_parallel_turns": 0,
        "stretto_window_agents": 0,
        "stretto_window_parallel_agents": 0,
    }
    assert all(f.reason for f in found if f.value is None)


def test_every_figure_is_in_the_table_of_names() -> None:
    """Name and labels as promised, each once, derived."""
    found = figures(sums_of(delivery(), conflict(), retried(), one_by_one()))
    found += compute_quality_trend_figures("1h", {1: sums_of(delivery())}, RULES)
    for figure in found:
        metric = METRICS[figure.name]
        assert metric.made is MetricOrigin.DERIVED
        assert tuple(name for name, _ in figure.labels) == tuple(label.value for label in metric.labels)
    assert len({(f.name, f.labels) for f in found}) == len(found)


def test_every_ratio_is_that_of_its_ingredients() -> None:
    """Retries over tasks, integrated over checked, parallel over eligible: as PromQL would work them out."""
    sums = sums_of(delivery(), conflict(), retried(), one_by_one(), straggler(), fork_join())
    values = {(f.name, f.labels): f.value for f in figures(sums, cohort=1)}
    tested = 0
    for (name, labels), value in values.items():
        over, under = (METRICS[name].ingredients or ("", ""))[:2]
        if value is not None and (over, labels) in values and (under, labels) in values:
            numerator, denominator = values[over, labels], values[under, labels]
            assert numerator is not None
            assert denominator
            assert value == pytest.approx(numerator / denominator)
            tested += 1
    assert tested >= 3


def test_a_trend_has_a_figure_for_each_type_or_a_reason() -> None:
    """Three days of the delivery are flat; two are too few."""
    day = sums_of(delivery())
    values = valued(compute_quality_trend_figures("7d", {1: day, 2: day, 3: day}, RULES))
    assert values == {
        ("quality_current", "review"): pytest.approx(8.3333, abs=1e-3),
        ("quality_rate_per_day", "review"): pytest.approx(0, abs=1e-9),
        ("quality_volatility", "review"): pytest.approx(0, abs=1e-9),
    }
    short = list(compute_quality_trend_figures("7d", {1: day, 2: day}, RULES))
    assert [f.value for f in short] == [None] * 3
    assert all(f.reason == "a trend takes 3 days with a quality, there are 2" for f in short)


def test_a_day_on_which_work_is_only_judged_counts_for_the_trend() -> None:
    """A judgement may come on another day than the end of the task, and is that day's."""
    day = sums_of(delivery())
    judged = {measure: cells for measure, cells in day.items() if measure != "work_ends"}
    values = valued(compute_quality_trend_figures("7d", {1: day, 2: judged, 3: judged}, RULES))
    assert values["quality_volatility", "review"] == pytest.approx(0)


def test_the_parts_that_are_shown_are_those_that_have_weights() -> None:
    """The table of weights and the scores name the same parts."""
    parts: dict[str, set[str]] = {}
    for f in figures(sums_of(delivery())):
        labels = dict(f.labels)
        if f.name == "stretto_quality_part_score":
            parts.setdefault("quality", set()).add(labels["part"])
        if f.name == "stretto_efficiency_dimension_score":
            parts.setdefault("efficiency", set()).add(labels["dimension"])
    assert parts == {name: set(WEIGHTS[name]) for name in ("quality", "efficiency")}


def judged(*scores: tuple[str, str, int]) -> Sums:
    """Return the sums of scores: (name, agent, value)."""
    cells: dict[str, dict[tuple[str | int, ...], int]] = {"score_count": {}, "score_sum": {}}
    for name, agent, value in scores:
        dims = (name, "build", "review", agent, "alone")
        for measure, amount in (("score_count", 1), ("score_sum", value * 1_000_000)):
            cells[measure][dims] = cells[measure].get(dims, 0) + amount
    return cells


def test_scores_are_known_by_agent() -> None:
    """Two judgements of code and one of security; tasks without a named agent belong to none."""
    sums = judged(
        ("code_quality", "qa", 6), ("code_quality", "qa", 8), ("security", "dev", 3), ("x", "none", 1)
    )
    values = {
        (*sorted(value for _, value in f.labels),): f.value for f in compute_judgements_of_agents(AT, sums)
    }
    assert values == {("1h", "code_quality", "qa"): 7, ("1h", "dev", "security"): 3}
    assert ("score_agent_mean", 7) in {(f.name.removeprefix("stretto_"), f.value) for f in figures(sums)}


def test_quality_is_known_by_agent_and_pattern() -> None:
    """The delivery is one agent's and one pattern's, so both have the quality of its type."""
    values = valued(figures(sums_of(delivery())))
    assert values["quality_score", "review"] == pytest.approx(7.963, abs=1e-3)
    assert values["agent_quality_score", "worker"] == pytest.approx(7.963, abs=1e-3)
    assert values["pattern_quality_score", "release"] == pytest.approx(7.963, abs=1e-3)


def test_each_score_has_a_trend_in_its_own_scale() -> None:
    """Coverage of 70, 80 and 90 rises by 10 a day; a score of two days has the reason."""
    days = {day: judged(("coverage", "qa", 60 + 10 * day)) for day in (1, 2, 3)}
    days[3] = judged(("coverage", "qa", 90), ("security", "qa", 1))
    found = list(compute_judgement_trend_figures("7d", days))
    values = valued(found)
    assert values["score_current", "coverage"] == 90
    assert values["score_rate_per_day", "coverage"] == pytest.approx(10)
    assert values["score_volatility", "coverage"] == pytest.approx(8.165, abs=1e-3)
    assert {f.reason for f in found if f.value is None} == {"a trend takes 3 days with a score, there are 1"}


def test_the_share_of_agents_that_work_side_by_side() -> None:
    """Of two agents one ended tasks inside a parallel execution."""
    work = ("build", "review")
    sums: Sums = {"work_ends": {
        (*work, "qa", "parallel", "success"): 2, (*work, "dev", "alone", "success"): 9,
        (*work, "none", "parallel", "success"): 1,
    }}  # fmt: skip
    values = valued(figures(sums))
    assert (values["window_agents", ""], values["window_parallel_agents", ""]) == (2, 1)
    assert values["parallel_agents_ratio", ""] == 0.5
