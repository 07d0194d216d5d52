from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stretto.exporter.figures_to_metric_families import (
    FOLDED,
    KEPT,
    NOT_SUMS,
    build_families,
    fit_budget,
    require_known_figures,
    split_off_figures_about_stretto,
)
from stretto.figures.figure import Figure
from stretto.names import METRICS, OTHER, Label, MetricOrigin
from tests.exposed import exposing, samples, value


def calls(tool: str, value: float, *, outcome: str = "success", count: int = 1) -> Figure:
    """Return a count of tool calls."""
    labels = (("tool", tool), ("outcome", outcome), ("window", "1h"))
    return Figure("stretto_window_tool_calls", labels, value, count)


def success(tool: str, value: float, count: int = 1) -> Figure:
    """Return a ratio that belongs to it."""
    return Figure("stretto_tool_success_ratio", (("tool", tool), ("window", "1h")), value, count)


MANY = [calls(f"tool-{number:02}", 1, count=100 - number) for number in range(20)]
OPEN = Figure("stretto_sessions_open", (), 3, 3)
OWN = Figure("stretto_build_info", (("version", "1"),), 1, 1)


def test_within_the_budget_nothing_changes() -> None:
    """Figures without a value are no series; the rest pass in their order."""
    absent = Figure("stretto_tool_success_ratio", (("tool", "a"), ("window", "1h")), None, 0, "no calls")
    found = fit_budget([*MANY, absent, OPEN], 21)
    assert (found.figures, dict(found.names_in_other)) == ((*MANY, OPEN), {})


def test_beyond_the_budget_the_rarest_values_become_other() -> None:
    """The most common values keep their names; the rest are summed, and the folded values are counted."""
    found = fit_budget([*MANY, OPEN], 20)
    assert found.figures == (*MANY[:KEPT], OPEN, calls(OTHER, 8, count=sum(100 - n for n in range(KEPT, 20))))
    assert found.names_in_other == {"tool": 8}


def test_what_is_other_already_takes_the_rest_in() -> None:
    """A real value called ``other`` and the folded ones are one series."""
    found = fit_budget([calls(OTHER, 5), *MANY], 20)
    others = [figure for figure in found.figures if dict(figure.labels)["tool"] == OTHER]
    assert [figure.value for figure in others] == [5 + 8]


def test_a_ratio_of_what_was_folded_is_left_out() -> None:
    """It cannot be added up; nor does ``other`` keep a ratio that its ingredients no longer give."""
    ratios = [success(f"tool-{number:02}", 0.5, 100 - number) for number in range(20)]
    found = fit_budget([*MANY, *ratios, calls(OTHER, 5), success(OTHER, 1)], 30)
    kept = [dict(f.labels)["tool"] for f in found.figures if f.name == "stretto_tool_success_ratio"]
    assert kept == [f"tool-{number:02}" for number in range(KEPT)]


def test_a_record_of_what_was_folded_is_left_out() -> None:
    """Two records do not add up to a higher record, and two instants not to a later one."""
    records = [
        Figure(f"stretto_{name}", (("pattern", f"p{number:02}"),), 2, 1)
        for number in range(20)
        for name in ("best_speedup", "best_speedup_timestamp_seconds")
    ]
    found = fit_budget(records, 25)
    assert {f.value for f in found.figures} == {2}
    assert OTHER not in {dict(f.labels)["pattern"] for f in found.figures}
    assert len(found.figures) == 2 * KEPT


def test_scores_of_what_was_folded_are_left_out() -> None:
    """Two agents' scores, means or sums of scores are not summed: only counts are."""
    agents = [f"agent-{number:02}" for number in range(20)]
    for name in ("agent_score", "agent_collaboration_score"):
        found = fit_budget(
            [Figure(f"stretto_{name}", (("agent", agent), ("window", "1h")), 80, 1) for agent in agents], 13
        )
        assert [dict(f.labels)["agent"] for f in found.figures] == agents[:KEPT], name
    for name, others in (("score_mean", 0), ("window_score_points", 0), ("window_scores", 1)):
        drawn = [(("score", agent), ("task_type", "review"), ("window", "1h")) for agent in agents]
        found = fit_budget([Figure(f"stretto_{name}", labels, 5, 1) for labels in drawn], 13)
        assert sum(dict(f.labels)["score"] == OTHER for f in found.figures) == others, name


@pytest.mark.parametrize("label", [label for label in Label if label in FOLDED])
def test_every_label_from_outside_gives_way(label: Label) -> None:
    """However many values of it there are, the figures that stand after them are not dropped."""
    metric = next(m for m in LABELLED if {label} < {*m.labels} and not m.name.endswith(NOT_SUMS))
    many = [
        Figure(
            metric.name, tuple((one.value, f"v{n}" if one is label else "") for one in metric.labels), 1, 1
        )
        for n in range(100)
    ]
    found = fit_budget([*many, OPEN], 50)
    assert (found.figures[-2:], dict(found.names_in_other)) == (
        (OPEN, found.figures[-1]),
        {label.value: 100 - KEPT},
    )


@pytest.mark.parametrize("label", [Label.PHASE, Label.SOURCE, Label.MODEL, Label.SCORE, Label.CACHE])
def test_names_that_programs_choose_are_from_outside(label: Label) -> None:
    """Nothing bounds how many phases, products, models, scores and caches there are."""
    assert label in FOLDED


def test_the_last_resort_is_to_drop_what_stands_last() -> None:
    """Where folding does not help, the series beyond the budget go, and are counted."""
    gauges = [Figure("stretto_window_ends_seen", (("window", str(n)),), 1, 1) for n in range(10)]
    found = fit_budget(gauges, 4)
    assert found.figures == tuple(gauges[:4])
    assert found.names_in_other == {"all": 6}


def test_figures_about_stretto_itself_stay() -> None:
    """Metrics about the scrape show that something is missing, so they are outside the budget."""
    derived, about_stretto = split_off_figures_about_stretto([OPEN, OWN, OPEN])
    assert (derived, about_stretto) == ([OPEN, OPEN], [OWN])
    found = samples(exposing(("snapshot", [OPEN, OWN]), budget=0))
    assert value(found, "sessions_open") is None
    assert value(found, "build_info", version="1") == 1
    assert value(found, "series_folded", label="all") == 1


def test_ties_are_broken_by_name() -> None:
    """Two scrapes of one snapshot keep the same series, in whatever order the figures come."""
    equal = [calls(f"tool-{number:02}", 1) for number in range(20)]
    for figures in (equal, equal[::-1]):
        found = fit_budget(figures, 15)
        kept = {dict(figure.labels)["tool"] for figure in found.figures}
        assert kept == {f"tool-{number:02}" for number in range(KEPT)} | {OTHER}


LABELLED = [m for m in METRICS.values() if m.made is MetricOrigin.DERIVED and set(m.labels) & set(FOLDED)]


@st.composite
def figures_at_random(draw: st.DrawFn) -> list[Figure]:
    """Draw figures of any derived names with many label values, each series once."""
    found: dict[tuple[str, tuple[tuple[str, str], ...]], Figure] = {}
    for _ in range(draw(st.integers(0, 60))):
        metric = draw(st.sampled_from(LABELLED))
        labels = tuple(
            (label.value, draw(st.sampled_from(["1h", "24h"])))
            if label is Label.WINDOW
            else (label.value, str(draw(st.integers(0, 25))))
            for label in metric.labels
        )
        figure = Figure(metric.name, labels, draw(st.integers(0, 9)), draw(st.integers(0, 9)))
        found[figure.name, labels] = figure
    return list(found.values())


@given(figures_at_random(), st.integers(1, 60))
def test_the_budget_holds_and_no_count_is_lost_by_folding(figures: list[Figure], budget: int) -> None:
    """Never more series than allowed, none twice; sums stay the same unless series were dropped."""
    found = fit_budget(figures, budget)
    assert len(found.figures) <= budget
    keys = [(figure.name, figure.labels) for figure in found.figures]
    assert len(keys) == len(set(keys))
    if "all" not in found.names_in_other:
        sums = [Counter[str](), Counter[str]()]
        for side, total in zip((figures, found.figures), sums, strict=True):
            for figure in side:
                if not figure.name.endswith(NOT_SUMS):
                    total[figure.name] += int(figure.value or 0)
        assert sums[0] == sums[1]


def test_families_carry_the_tables_words() -> None:
    """One family a name, in the order of the figures, with help and labels from the table."""
    found = build_families(
        [OPEN, calls("Bash", 3), calls("Edit", 4), Figure(OPEN.name, (), None, 0, "absent")]
    )
    assert [family.name for family in found] == ["stretto_sessions_open", "stretto_window_tool_calls"]
    assert found[1].documentation == METRICS["stretto_window_tool_calls"].help
    assert [(sample.labels, sample.value) for sample in found[1].samples] == [
        ({"tool": "Bash", "outcome": "success", "window": "1h"}, 3),
        ({"tool": "Edit", "outcome": "success", "window": "1h"}, 4),
    ]


@pytest.mark.parametrize(
    "figure",
    [
        Figure("stretto_nobody_knows", (), 1, 1),
        Figure("stretto_sessions_open", (("tool", "Bash"),), 1, 1),
        Figure("stretto_window_tool_calls", (("tool", "Bash"), ("window", "1h")), 1, 1),
    ],
)
def test_a_name_that_is_not_in_the_table_is_refused(figure: Figure) -> None:
    """Neither an unknown name nor other labels leave the process."""
    with pytest.raises(ValueError, match="is not in the table of names"):
        require_known_figures([OPEN, figure])
    assert require_known_figures(iter([OPEN, OWN])) == [OPEN, OWN]
