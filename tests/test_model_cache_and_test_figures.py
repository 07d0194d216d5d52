from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from stretto.clock import DAY, SECOND
from stretto.cost_computation import Prices
from stretto.exporter.ended_work_counters import LiveMetrics
from stretto.exporter.scrape import create_empty_registry
from stretto.figures.model_call_cache_and_test_figures import compute_usage_figures
from stretto.model.task_type import TaskTypes
from stretto.store import session_queries
from stretto.store.ingest import IngestResult
from stretto.summaries.session_json import build_session_document
from stretto.summaries.session_summary import summarise_session
from stretto.summaries.snapshot import Snapshot, take_snapshot
from tests.exposed import samples, value
from tests.fakes import Store, store
from tests.scenes import BEGIN, Drawing, at, by_description, draw_test_runs, frame_drawing, spender

PRICE = Prices({}).compute_cost


def figures(opened: Store, second: float = 60) -> Snapshot:
    """Return all figures as of a second of the scenes' clock."""
    return take_snapshot(opened.connection, at(second), TaskTypes(), {})


def figure(snapshot: Snapshot, name: str, window: str | None = "1h", **labels: str) -> float | None:
    """Return the only figure of a name with these labels; None if it is withheld."""
    wanted = labels | ({"window": window} if window else {})
    (found,) = [f for f in snapshot.figures if f.name == f"stretto_{name}" and dict(f.labels) == wanted]
    return found.value


def absent(snapshot: Snapshot, name: str, **labels: str) -> bool:
    """Tell whether no window has such a figure."""
    return not any(
        f.name == f"stretto_{name}" and labels.items() <= dict(f.labels).items() for f in snapshot.figures
    )


SONNET, GPT, OWN = ({"model": name} for name in ("claude-sonnet-4-5", "gpt-5", "homemade"))


def test_the_scenes_models_are_as_on_paper(tmp_path: Path) -> None:
    """A call reported by two sources counts once, with its largest counts; model names lose their dates."""
    with store(tmp_path, price=PRICE) as opened:
        opened.take(spender().events)
        found = figures(opened)
    assert figure(found, "window_model_calls", **SONNET, outcome="success") == 2
    assert figure(found, "window_model_calls", **GPT, outcome="success") == 1
    assert figure(found, "window_tokens", **SONNET, kind="input") == 3_000
    assert figure(found, "window_tokens", **SONNET, kind="output") == 600
    assert figure(found, "window_tokens", **SONNET, kind="cache_read") == 8_000
    assert figure(found, "window_tokens", **SONNET, kind="cache_write") == 1_000
    assert figure(found, "window_cost_usd", **SONNET) == pytest.approx(0.01665 + 0.0075)
    assert figure(found, "window_cost_usd", **GPT) == 0.25
    assert figure(found, "window_unpriced_model_calls", **OWN) == 1
    assert absent(found, "window_cost_usd", **OWN)
    assert absent(found, "window_unpriced_model_calls", **SONNET)
    durations = [
        figure(found, "model_duration_quantile_seconds", **SONNET, stat=stat) for stat in ("p50", "p99")
    ]
    assert durations == pytest.approx([4, 4], rel=0.02)
    first = figure(found, "first_token_quantile_seconds", **SONNET, stat="p50")
    assert first == pytest.approx(1.2, rel=0.02)
    assert absent(found, "first_token_quantile_seconds", **GPT)


def test_the_cache_share_covers_prompts_with_reported_cache(tmp_path: Path) -> None:
    """A call that reports only input is left out; a call that read nothing counts as 0."""
    with store(tmp_path, price=PRICE) as opened:
        opened.take(spender().events)
        found = figures(opened)
    assert figure(found, "window_prompt_tokens", **SONNET) == 10_000
    assert figure(found, "window_cache_read_tokens", **SONNET) == 8_000
    assert figure(found, "cache_read_ratio", **SONNET) == 0.8
    assert figure(found, "cache_read_ratio", **OWN) == 0
    assert figure(found, "context_fill_quantile", **SONNET, stat="p95") == pytest.approx(0.05, rel=0.02)
    assert absent(found, "context_fill_quantile", **OWN)
    assert absent(found, "cache_read_ratio", **GPT)


def test_the_scenes_tests_are_as_on_paper(tmp_path: Path) -> None:
    """A run whose tests failed is a failure though its command succeeded; its time is a share."""
    with store(tmp_path) as opened:
        opened.take(spender().events)
        found = figures(opened)
    assert figure(found, "window_test_runs", framework="pytest", outcome="failure") == 1
    assert figure(found, "window_test_runs", framework="bazel", outcome="success") == 1
    assert figure(found, "window_tests", framework="pytest", result="passed") == 10
    assert figure(found, "window_tests", framework="pytest", result="failed") == 2
    assert figure(found, "window_tests", framework="bazel", result="passed") == 4
    assert absent(found, "window_tests", framework="bazel", result="failed")
    assert figure(found, "window_tests_skipped", framework="pytest") == 1
    assert figure(found, "window_tests_selected", framework="pytest") == 13
    assert figure(found, "window_tests_collected", framework="pytest") == 52
    assert figure(found, "test_selection_ratio", framework="pytest") == 0.25
    assert absent(found, "test_selection_ratio", framework="bazel")
    assert figure(found, "window_test_parts", framework="bazel") == 4
    assert figure(found, "window_test_parts_cached", framework="bazel") == 3
    assert figure(found, "test_cache_ratio", framework="bazel") == 0.75
    assert absent(found, "test_cache_ratio", framework="pytest")
    assert figure(found, "window_test_seconds") == 16
    assert figure(found, "window_tool_seconds") == 17
    assert figure(found, "test_time_ratio") == pytest.approx(16 / 17)
    p50 = figure(found, "test_run_duration_quantile_seconds", framework="pytest", stat="p50")
    assert p50 == pytest.approx(12, rel=0.02)


def selection_reason(snapshot: Snapshot, framework: str) -> str | None:
    """Return why a framework's selections have no gain in the last hour."""
    labels = {"framework": framework, "window": "1h"}
    (found,) = [
        f for f in snapshot.figures
        if f.name == "stretto_test_selection_saved_ratio" and dict(f.labels) == labels
    ]  # fmt: skip
    assert found.value is None
    return found.reason


def test_a_selection_saves_time_against_full_runs_of_as_many_tests(tmp_path: Path) -> None:
    """Three runs of 20, 30 and 40 s instead of 90 s each; a suite of another size is no baseline."""
    full = ((80, 100, 0), (90, 100, 0), (100, 102, 0), (5, 20, 0))
    with store(tmp_path) as opened:
        opened.take(
            draw_test_runs("pytest", *full, (20, 20, 80), (30, 20, 80), (40, 20, 82), (9, 5, 995)).events
        )
        opened.take(draw_test_runs("cargo", (9, 10, 0), (9, 10, 0), (1, 5, 5)).events)
        opened.take(draw_test_runs("jest", *[(9.0, 10, 0)] * 3, (1, 5, 5), (1, 5, 5)).events)
        found = figures(opened, 500)
    assert figure(found, "window_test_selection_runs", framework="pytest") == 3
    assert figure(found, "window_test_selection_seconds", framework="pytest") == 90
    assert figure(found, "window_test_selection_full_seconds", framework="pytest") == 270
    assert figure(found, "window_test_selection_saved_seconds", framework="pytest") == 180
    assert figure(found, "test_selection_saved_ratio", framework="pytest") == pytest.approx(2 / 3)
    assert selection_reason(found, "cargo") == "fewer than 3 full runs of as many tests are known"
    assert selection_reason(found, "jest") == "2 of the selected runs can be compared, 3 are needed"


def test_a_selection_that_takes_longer_is_a_loss(tmp_path: Path) -> None:
    """Below 0, and not left out."""
    with store(tmp_path) as opened:
        opened.take(draw_test_runs("pytest", *[(10.0, 100, 0)] * 3, *[(15.0, 20, 80)] * 3).events)
        found = figures(opened, 500)
    assert figure(found, "test_selection_saved_ratio", framework="pytest") == -0.5


def test_where_no_test_run_was_seen_their_share_is_not_known(tmp_path: Path) -> None:
    """Not every source reports its commands, so no seen test run does not mean that none ran."""
    with store(tmp_path) as opened:
        opened.take(frame_drawing(Drawing(), 50).call("c", 1, 3).events)
        found = figures(opened)
    assert figure(found, "window_tool_seconds") == 2
    assert absent(found, "window_test_seconds")
    assert absent(found, "test_time_ratio")


def test_the_scenes_cache_is_as_on_paper(tmp_path: Path) -> None:
    """Counts of the reports are summed; the number of entries is the newest report, unless it is too old."""
    with store(tmp_path) as opened:
        opened.take(spender().events)
        later = Drawing("later").cached(30, "other", entries=7).cached(31, "summaries", hits=0, misses=0)
        opened.take(frame_drawing(later, 40).events)
        found = figures(opened)
        stale = figures(opened, 60 + 8 * DAY / SECOND)
    own = {"cache": "summaries"}
    assert figure(found, "window_cache_lookups", **own, result="hit") == 60
    assert figure(found, "window_cache_lookups", **own, result="miss") == 10
    assert figure(found, "cache_hit_ratio", **own) == pytest.approx(6 / 7)
    assert figure(found, "window_cache_removals", **own, reason="eviction") == 4
    assert figure(found, "window_cache_removals", **own, reason="invalidation") == 1
    assert figure(found, "cache_entries", None, **own) == 5
    assert figure(found, "cache_entries", None, cache="other") == 7
    assert absent(stale, "cache_entries")


def test_a_window_without_any_of_it_has_no_figures() -> None:
    """Without any use or report there is no figure, and none is 0."""
    assert list(compute_usage_figures("1h", {})) == []


def test_a_session_document_has_its_spending(tmp_path: Path) -> None:
    """By model and by task, each with how its cost is known; the parts sum to the whole."""
    with store(tmp_path, price=PRICE) as opened:
        opened.take(spender().events)
        seen = summarise_session(opened.connection, "spender", by_description, {}, PRICE)
        assert seen is not None
        told = build_session_document(seen)
    spent: dict[str, Any] = told["spending"]
    assert spent["cost_usd"] == pytest.approx(0.27415)
    assert spent["cost_origins"] == {"list": 2, "said": 1}
    assert (spent["model_calls"], spent["unpriced_model_calls"]) == (4, 1)
    assert spent["tokens"] == {"input": 3_405, "output": 657, "cache_read": 8_000, "cache_write": 1_000}
    by_model = {part["model"]: part for part in spent["by_model"]}
    assert by_model["claude-sonnet-4-5"]["cost_usd"] == pytest.approx(0.02415)
    assert (by_model["homemade"]["cost_usd"], by_model["homemade"]["unpriced_model_calls"]) == (None, 1)
    assert by_model["gpt-5"]["tokens"]["cache_read"] is None
    by_task = {part["task"]: part for part in spent["by_task"]}
    assert by_task["a"]["cost_usd"] == pytest.approx(0.0075)
    for parts in (spent["by_model"], spent["by_task"]):
        assert sum(part["model_calls"] for part in parts) == 4
        assert sum(part["cost_usd"] or 0 for part in parts) == pytest.approx(spent["cost_usd"])
    costs = {call["id"]: (call["cost_usd"], call["cost_origin"]) for call in told["model_calls"]}
    assert costs["m3"] == (0.25, "said")
    assert costs["m2"] == (pytest.approx(0.0075), "list")
    assert costs["m4"] == (None, None)
    tests = {call["id"]: call["tests"] for call in told["tool_calls"]}
    assert tests["pytest"] == {
        "framework": "pytest", "passed": 10, "failed": 2, "skipped": 1, "deselected": 39,
        "parts": None, "parts_cached": None,
        "outcome": "failure",
    }  # fmt: skip
    assert tests["write"] is None


def test_a_session_without_model_calls_spends_nothing_that_is_known(tmp_path: Path) -> None:
    """Null, and not a cost of 0."""
    with store(tmp_path) as opened:
        opened.take(frame_drawing(Drawing(), 50).events)
        seen = summarise_session(opened.connection, "scene", by_description, {}, PRICE)
        assert seen is not None
        assert build_session_document(seen)["spending"] is None


class TestLive:
    @staticmethod
    def counted(taken: list[IngestResult], since: int = BEGIN) -> dict[Any, float]:
        """Return the live metrics after the events."""
        source = create_empty_registry()
        live = LiveMetrics(source, since=since, version="1.0")
        for one in taken:
            live.count_usage(one.ended.used)
            live.record_phases(one.ended.phases)
        return dict(samples(source))

    def test_each_call_is_counted_once_for_any_number_of_reports(self, tmp_path: Path) -> None:
        """Reports that arrive in parts, twice or from a second source give the sums of the scene."""
        with store(tmp_path, price=PRICE) as opened:
            taken = [one for event in spender().events for one in opened.take([event])]
            taken += opened.take(spender().events)
        found = self.counted(taken)
        for kind, count in (("input", 3_000), ("output", 600), ("cache_read", 8_000), ("cache_write", 1_000)):
            assert value(found, "tokens_total", **SONNET, kind=kind) == count
        assert value(found, "cost_usd_total", **SONNET) == pytest.approx(0.02415)
        assert value(found, "cost_usd_total", **GPT) == 0.25
        assert value(found, "cost_usd_total", **OWN) is None
        assert value(found, "model_duration_seconds_count", **SONNET) == 1
        assert value(found, "model_duration_seconds_sum", **SONNET) == 4

    def test_a_restart_counts_only_what_is_new(self, tmp_path: Path) -> None:
        """Stored calls are not counted again; the growth of a call since then is."""
        with store(tmp_path, price=PRICE) as opened:
            opened.take(Drawing().opens().model("m", 1, input_tokens=10, output_tokens=5).events)
        with store(tmp_path, price=PRICE) as opened:
            taken = opened.take(Drawing().model("m", 1, input_tokens=10, output_tokens=9).events)
        found = self.counted(taken)
        assert value(found, "tokens_total", **SONNET, kind="output") == 4
        assert value(found, "tokens_total", **SONNET, kind="input") is None

    def test_two_ids_that_turn_out_to_be_one_call_count_once(self, tmp_path: Path) -> None:
        """A request and a response are first separate, then linked: the second adds only its growth."""
        with store(tmp_path) as opened:
            taken = opened.take(Drawing().opens().model("r", 1, input_tokens=10).events)
            taken += opened.take(
                Drawing().model("m", 1, request="r", input_tokens=10, output_tokens=3).events
            )
            assert len(session_calls(opened)) == 1
        found = self.counted(taken)
        assert value(found, "tokens_total", **SONNET, kind="input") == 10
        assert value(found, "tokens_total", **SONNET, kind="output") == 3

    def test_history_and_recordings_are_not_counted(self, tmp_path: Path) -> None:
        """Calls that ended before the service started, and those of an empty store, are not counted."""
        with store(tmp_path) as opened:
            taken = opened.take(spender().events)
            shown = Drawing("shown").opens(recording=True).model("m", 1, input_tokens=10)
            recorded = opened.take(shown.events)
        assert self.counted(taken, since=at(100)) == {}
        assert self.counted(recorded) == {}

    def test_phases_are_recorded_as_they_end(self, tmp_path: Path) -> None:
        """Once each, with their length."""
        drawing = Drawing().opens().staged("analysis", 1, 11).staged("testing", 11, None)
        with store(tmp_path) as opened:
            taken = [one for event in drawing.events for one in opened.take([event])]
        found = self.counted(taken)
        assert value(found, "phase_duration_seconds_count", phase="analysis") == 1
        assert value(found, "phase_duration_seconds_sum", phase="analysis") == 10
        assert value(found, "phase_duration_seconds_count", phase="testing") is None


def session_calls(opened: Store) -> tuple[Any, ...]:
    """Return the model calls of the only session."""
    session = session_queries.read_session(opened.connection, "scene", by_description)
    assert session is not None
    return session.model_calls


def test_calls_without_an_id_give_way_to_calls_with_one(tmp_path: Path) -> None:
    """A call without an id counts until another source reports calls of the same task."""
    with store(tmp_path) as opened:
        opened.take(Drawing().opens().model("span", 1, anonymous=True, input_tokens=10).events)
        assert figure(figures(opened), "window_tokens", **SONNET, kind="input") == 10
        opened.take(Drawing().model("m", 1, input_tokens=12).events)
        assert figure(figures(opened), "window_tokens", **SONNET, kind="input") == 12
        assert figure(figures(opened), "window_model_calls", **SONNET, outcome="success") == 1
