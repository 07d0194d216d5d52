"""What watching costs, as on paper in docs/figures.md."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given

from stretto.clock import SECOND
from stretto.figures.figure import Figure
from stretto.figures.monitoring_overhead import (
    OverheadPart,
    SessionOverhead,
    compute_overhead_figures,
    measure_overhead,
)
from stretto.figures.sums_by_dimension import Sums
from stretto.figures.wall_time_parts import measure_wall_time
from stretto.figures.work_tree import build_work_tree
from stretto.model.entities import HooksRun, Sample, Session, Turn
from stretto.model.event import Channel, Kind, Outcome
from stretto.store import sum_queries
from tests.fakes import store
from tests.scenes import Drawing, at
from tests.schedules import call, session, sessions_at_random, task


def measure(drawn: Session, samples: tuple[Sample, ...] = (), api: int | None = None) -> SessionOverhead:
    return measure_overhead(
        drawn, build_work_tree(drawn), measure_wall_time(drawn), samples=samples, api_cost=api
    )


def watched_session() -> Session:
    """Return the session on paper: 100 s, of which the last 20 s waited for a person."""
    return session(
        100,
        turns=(Turn("p", "user", 0, 80, Outcome.SUCCESS), Turn("q", "user", 100, 100, Outcome.SUCCESS)),
        tasks=(task("a", 20, 60), task("b", 20, 80)),
        tool_calls=(
            call("c", 30, 40, 9, task="a", overhead=True),
            call("d", 31, 38, 6, task="a", overhead=True),
        ),
        hooks_run=(HooksRun("g", "PreToolUse", None, 5, 1), HooksRun("h", "PostToolUse", "b", 70, 2)),
    )


def test_hooks_count_in_the_lane_of_the_agent_that_waits() -> None:
    """The main agent's 1 s and the agents' 1 + 2 s of 120: overlapping hooks once, not while a tool works."""
    found = measure(watched_session())
    assert found.agents_time == 20 + 40 + 60
    assert found.parts == {OverheadPart.MAIN_HOOKS: 1, OverheadPart.AGENT_HOOKS: 1 + 2}


def test_a_task_that_delegates_counts_without_what_it_delegated() -> None:
    """Its agent waits for the inner one, whose time is counted once; so is a hook of either."""
    drawn = session(
        60,
        tasks=(task("a", 0, 50), task("b", 10, 30, "a")),
        hooks_run=(HooksRun("g", None, "a", 5, 10), HooksRun("h", None, "b", 25, 10)),
    )
    found = measure(drawn)
    assert found.agents_time == 60
    assert found.parts == {OverheadPart.MAIN_HOOKS: 0, OverheadPart.AGENT_HOOKS: 5 + 5}


def test_what_nobody_measured_is_no_part() -> None:
    """Without timed hooks, reports of the API and samples nothing is known, and nothing is 0."""
    assert measure(session(10)).parts == {}
    samples = (Sample(0, 5, service_cpu=3), Sample(5, 5))
    assert measure(session(10), samples, 2).parts == {OverheadPart.API: 2, OverheadPart.SERVICE: 3}
    assert measure(session(10), (Sample(5, 5),)).parts == {}


def values(sums: Sums) -> dict[tuple[str, str], Figure]:
    return {
        (figure.name.removeprefix("stretto_"), dict(figure.labels).get("part", "")): figure
        for figure in compute_overhead_figures("24h", sums)
    }


def test_the_ratio_is_all_known_parts_over_the_agents_own_time() -> None:
    """On paper: 1 + 3 s of hooks, 0.5 s of the API and 1.5 s of the service are a twentieth of 120 s."""
    costs = {"main_hooks": 1, "agent_hooks": 3, "api": 0.5, "service": 1.5}
    found = values(
        {
            "agents_working": {(): 120 * SECOND},
            "overhead_time": {(part,): round(cost * SECOND) for part, cost in costs.items()},
            "overhead_known": {(part,): 120 * SECOND for part in costs},
            "sessions": {("a", "b", "success"): 1},
        }
    )
    assert found["window_overhead_seconds", ""].value == 6
    assert found["window_agents_working_seconds", ""].value == 120
    assert found["overhead_ratio", ""].value == 0.05
    parts = {part.value: found["window_overhead_part_seconds", part] for part in OverheadPart}
    assert {name: part.value for name, part in parts.items()} == costs
    assert {part.coverage for part in parts.values()} == {1}


def test_a_part_that_is_not_known_carries_a_reason() -> None:
    """It adds nothing, a part known of one session in four says so, and no known part is no ratio."""
    found = values(
        {
            "agents_working": {(): 40 * SECOND},
            "overhead_time": {("api",): SECOND},
            "overhead_known": {("api",): 10 * SECOND},
            "sessions": {("a", "b", "success"): 4},
        }
    )
    api, service = (found["window_overhead_part_seconds", part] for part in ("api", "service"))
    assert (api.name, api.value) == ("stretto_window_overhead_part_seconds", 1)
    assert api.coverage == 0.25
    assert (service.value, service.reason) == (None, "no session's processes were sampled")
    assert found["window_overhead_known_seconds", "api"].value == 10
    assert found["window_overhead_known_seconds", "service"].value == 0
    assert found["overhead_ratio", ""].value == 0.025
    unknown = values({"agents_working": {(): SECOND}, "sessions": {("a", "b", "success"): 1}})
    assert (unknown["overhead_ratio", ""].value, unknown["overhead_ratio", ""].reason) == (
        None,
        "nothing measured what watching cost",
    )
    assert values({})["overhead_ratio", ""].reason == "no session ended"


def test_a_stored_session_has_the_costs_that_were_reported(tmp_path: Path) -> None:
    """The service's share of its samples and the API's reports are counted at the session's end."""
    drawing = Drawing().opens().sample(0, 10, service_cpu=3 * SECOND)
    drawing.stroke(Kind.API_COST, 9, id="p/1", duration=SECOND, source="stretto", channel=Channel.API)
    with store(tmp_path) as opened:
        opened.take(drawing.events)
        assert "agents_working" not in sum_queries.read_sums(opened.connection, at(30), 3_600)
        opened.take(Drawing().ends(20).events)
        sums = sum_queries.read_sums(opened.connection, at(30), 3_600)
    assert sums["agents_working"] == {(): 20 * SECOND}
    assert sums["overhead_time"] == {("service",): 3 * SECOND, ("api",): SECOND}
    assert sums["overhead_known"] == {("service",): 20 * SECOND, ("api",): 20 * SECOND}


@given(sessions_at_random())
def test_hooks_never_take_more_than_the_agents_own_time(drawn: Session) -> None:
    """Each instant of an agent is counted once, however its hooks meet."""
    found = measure(drawn)
    assert sum(found.parts.values()) <= found.agents_time
