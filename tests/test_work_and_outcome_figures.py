from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stretto.clock import SECOND
from stretto.figures.efficiency_tree import compute_efficiency_figures
from stretto.figures.fanouts import find_fanouts
from stretto.figures.figure import Figure, make_ratio
from stretto.figures.parallel_work_against_baselines import build_mixes, sum_parallel_by_type
from stretto.figures.quantile_sketch import find_bucket
from stretto.figures.sequential_baseline_choice import Baseline, MeasuredRuns, choose_baseline
from stretto.figures.sums_by_dimension import Sums
from stretto.figures.window_gain_verdict import build_verdict
from stretto.figures.window_work_and_outcome_figures import compute_window_figures
from stretto.figures.work_signature import list_signature_task_types
from stretto.model.event import Outcome
from stretto.model.task_type import TaskTypes
from stretto.names import METRICS
from stretto.store.contributions.contribution import SessionContext
from stretto.store.contributions.headline_sums import add_up_headline
from stretto.store.contributions.tasks_and_fanouts import add_up_tasks
from stretto.summaries.snapshot import take_snapshot
from tests.fakes import store
from tests.scenes import (
    Drawing,
    at,
    background,
    by_description,
    conclude_scene,
    fold_scene,
    fork_join,
    frame_drawing,
    straggler,
)

MEASURED = MeasuredRuns(
    ({"architecture": [18 * SECOND], "prd": [32 * SECOND], "test_strategy": [50 * SECOND]},)
)


def sums_of(*drawings: Drawing) -> Sums:
    """Return the sums of a window in which the scenes ended."""
    found: dict[str, dict[tuple[str | int, ...], int]] = {}
    for drawing in drawings:
        context = make_context(drawing)
        for added in (add_up_tasks(context.session, context.fanouts), add_up_headline(context)):
            for (_, measure, dims), value in added.items():
                cells = found.setdefault(measure, {})
                cells[dims] = cells.get(dims, 0) + value
    return found


def make_context(drawing: Drawing) -> SessionContext:
    """Return the session of a scene with its executions."""
    session = conclude_scene(drawing.events)
    return SessionContext(
        fold_scene(drawing.events),
        session,
        find_fanouts(session.tasks),
        (),
        closed=True,
        lost=False,
        classify=by_description,
    )


def measured(pattern: str, signature: str) -> Baseline:
    """Return a baseline of the straggler's tasks, run one after another."""
    mix = ["architecture", "prd", "test_strategy"]
    runs = MEASURED if pattern == "release" and list_signature_task_types(signature) == mix else None
    return choose_baseline(pattern, signature, runs, {})


def valued(figures: Iterator[Figure]) -> dict[tuple[str, str], float | None]:
    """Return values by name without the prefix, and labels without the window."""
    found = {}
    for figure in figures:
        labels = ",".join(value for name, value in figure.labels if name != "window")
        found[figure.name.removeprefix("stretto_"), labels] = figure.value
    return found


def test_without_parallel_work_there_is_no_speedup() -> None:
    """Nothing to divide by: the verdict's ratios are absent and no series is made up."""
    found = build_verdict("1h", {}, measured)
    assert (found.speedup, found.lead, found.fanouts) == (None, None, 0)
    values = valued(compute_window_figures("1h", {}, {}))
    assert values == {
        ("window_ends_seen", ""): 0,
        ("window_ends_expected", ""): 0,
        ("capture_completeness_ratio", ""): None,
    }


def test_a_ratio_without_a_denominator_has_a_reason() -> None:
    """It is withheld, with a reason, and not 0."""
    assert make_ratio("stretto_x", (), 1, 0, 0) == Figure("stretto_x", (), None, 0, "nothing to divide by")
    assert make_ratio("stretto_x", (), 1, 4, 7) == Figure("stretto_x", (), 0.25, 7)


def test_every_ratio_is_that_of_its_ingredients() -> None:
    """Each derived ratio with two different ingredients equals their quotient at the same labels."""
    sums = sums_of(straggler(), fork_join(), background())
    figures = [
        *compute_window_figures("24h", sums, sum_parallel_by_type(build_mixes(sums, measured))),
        *compute_efficiency_figures("24h", sums),
    ]
    values = {(figure.name, figure.labels): figure.value for figure in figures}
    checked = 0
    for figure in figures:
        parts = METRICS[figure.name].ingredients
        if len(set(parts)) == 2 and figure.value is not None:
            over, under = (values[part, figure.labels] for part in parts)
            assert over is not None
            assert under
            assert figure.value == pytest.approx(over / under), figure.name
            checked += 1
    assert checked >= 15


def test_efficiency_is_the_product_of_its_factors_over_a_window() -> None:
    """Sums over several fan-outs of a pattern keep the product."""
    values = valued(compute_efficiency_figures("1h", sums := sums_of(straggler(), straggler("two"))))
    assert sums["fanouts"] == {("release",): 2}
    assert values["load_balance_ratio", "release"] == pytest.approx(105 / 165)
    assert values["concurrency_ratio", "release"] == pytest.approx(55 / 60)
    assert values["parallel_efficiency_ratio", "release"] == pytest.approx(105 / 180)


def test_ratios_of_success_leave_out_what_is_not_known() -> None:
    """Of two judged tasks a single task failed; cancelled and unknown tasks are only counted."""
    lost = Drawing("lost").opens().order("call-q", 1, "testing").run("q", 2).ends(9)
    values = valued(compute_window_figures("1h", sums_of(background(), lost), {}))
    assert values["success_ratio", "review"] == 1
    assert values["success_ratio", "testing"] == 0
    assert values["window_tasks", "testing,unknown"] == 1
    assert values["agent_error_ratio", "worker"] == 0.5
    assert values["parallel_failure_ratio", ""] == 0.5
    assert (values["window_ends_seen", ""], values["window_ends_expected", ""]) == (2, 3)
    assert values["capture_completeness_ratio", ""] == pytest.approx(2 / 3)
    only_unknown = valued(compute_window_figures("1h", sums_of(lost), {}))
    assert only_unknown["success_ratio", "testing"] is None


def test_tool_calls_have_counts_ratio_and_quantiles() -> None:
    """Three calls succeed and a fourth fails; the quantiles are those of the buckets."""
    sums: Sums = {
        "calls": {("Bash", "success"): 3, ("Bash", "failure"): 1},
        "call_time": {("Bash", find_bucket(SECOND)): 3, ("Bash", find_bucket(9 * SECOND)): 1},
        "overhead": {(find_bucket(SECOND // 10),): 4},
    }
    values = valued(compute_window_figures("7d", sums, {}))
    assert values["tool_success_ratio", "Bash"] == 0.75
    assert values["window_tool_calls", "Bash,failure"] == 1
    assert values["tool_duration_quantile_seconds", "Bash,p50"] == pytest.approx(1, rel=0.02)
    assert values["tool_duration_quantile_seconds", "Bash,p99"] == pytest.approx(9, rel=0.02)
    assert values["overhead_quantile_seconds", "p95"] == pytest.approx(0.1, rel=0.02)


def test_files_are_counted_by_the_agent_that_wrote_them(tmp_path: Path) -> None:
    """Each once a session; those that an agent created, as far as its calls say whether they are new."""
    drawing = (
        Drawing("files").task("a", 1, 20, "review", agent="coder").task("b", 1, 20, "review", agent="mute")
    )
    for number, (task, wrote, new) in enumerate(
        [("a", "1", 1), ("a", "1", 0), ("a", "2 3", 1), ("a", "4", None), ("b", "5", None), (None, "1", 0)]
    ):
        more: dict[str, Any] = {} if new is None else {"new_files": new}
        drawing.call(f"w{number}", 2, 3, tool="Write", parent=task, wrote=wrote, **more)
    drawing.call("failed", 4, 5, tool="Write", parent="a", wrote="9", new_files=1, outcome=Outcome.FAILURE)
    with store(tmp_path) as opened:
        opened.take(frame_drawing(drawing, 30).events)
        taken = take_snapshot(opened.connection, at(60), TaskTypes(), {})
    values = {
        (figure.name.removeprefix("stretto_"), dict(figure.labels)["agent"]): figure
        for figure in taken.figures
        if "_agent_files_" in figure.name and ("window", "1h") in figure.labels
    }
    assert values["window_agent_files_written", "coder"].value == 4
    assert values["window_agent_files_created", "coder"].value == 2
    assert values["window_agent_files_created", "coder"].coverage == 0.75
    assert values["window_agent_files_written", "mute"].value == 1
    assert values["window_agent_files_created", "mute"].value is None
    reason = values["window_agent_files_created", "mute"].reason
    assert reason == "no source says whether the written files are new"
    assert values["window_agent_files_created", "main"].value == 0


def test_answers_have_a_mean_and_quantiles_by_agent() -> None:
    """Two answers after 10 s by one agent, another's after 40 s: a mean of 20 s."""
    buckets = {length: find_bucket(length * SECOND) for length in (10, 40)}
    sums: Sums = {
        "message_time": {("qa", buckets[10]): 2, ("dev", buckets[40]): 1},
        "answers": {("qa",): 2, ("dev",): 1},
        "messages_sent": {("lead",): 3},
        "recovery_time": {("review", buckets[10]): 1},
        "answer_time": {("qa",): 20 * SECOND, ("dev",): 40 * SECOND},
    }
    values = {
        (figure.name.removeprefix("stretto_"), *(value for _, value in figure.labels)): figure.value
        for figure in compute_window_figures("1h", sums, {})
    }
    assert values["message_response_mean_seconds", "1h"] == 20
    assert values["agent_response_quantile_seconds", "qa", "p50", "1h"] == pytest.approx(10, rel=0.02)
    assert values["agent_response_quantile_seconds", "dev", "p95", "1h"] == pytest.approx(40, rel=0.02)
    assert values["window_messages_sent", "lead", "1h"] == 3
    assert values["recovery_quantile_seconds", "review", "p50", "1h"] == pytest.approx(10, rel=0.02)
