from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from stretto.clock import SECOND
from stretto.figures.scores.score_rules import ScoreRules, Scoring
from stretto.figures.session_analysis import WHAT_IFS_OF_PAGE
from stretto.model.event import Channel, Event, Kind, Outcome
from stretto.model.task_type import TaskTypes
from stretto.store import session_queries
from stretto.summaries.session_json import build_page_document, build_row_document, build_session_document
from stretto.summaries.session_summary import summarise_session
from stretto.summaries.snapshot import take_snapshot
from tests.fakes import Store, recorded, store
from tests.scenes import (
    Drawing,
    at,
    background,
    by_description,
    conflict,
    delivery,
    earlier_runs,
    fork_join,
    frame_drawing,
    one_by_one,
    orchestrated,
    sampled,
    straggler,
)


def told(opened: Store, session: str, hours: dict[str, float] | None = None) -> dict[str, Any]:
    """Return the session's document as a reader of JSON gets it."""
    found = summarise_session(opened.connection, session, by_description, hours or {})
    assert found is not None
    decoded: dict[str, Any] = json.loads(json.dumps(build_session_document(found), allow_nan=False))
    return decoded


def test_the_document_of_a_page_is_a_part_of_the_whole(tmp_path: Path) -> None:
    """A page shows what the JSON says, but of the tasks and the fan-outs only those that are on it."""
    with store(tmp_path) as opened:
        opened.take(straggler().events, conflict().events, sampled().events)
        for row in session_queries.list_sessions(opened.connection):
            found = summarise_session(opened.connection, row.id, by_description, {})
            assert found is not None
            whole = build_session_document(found)
            tasks = {task.id for task in found.session.tasks[:1]}
            shown = build_page_document(found, 1, tasks)
            path, spending = whole["critical_path"], whole["spending"]
            if path is not None:
                whole["critical_path"] = {name: path[name] for name in path if name != "pieces"} | {
                    "tasks": [row for row in path["tasks"] if row["id"] in tasks],
                    "faster": path["faster"][:WHAT_IFS_OF_PAGE],
                }
            if spending is not None:
                of_tasks = [row for row in spending["by_task"] if row["task"] in tasks]
                whole["spending"] = {**spending, "by_task": of_tasks}
            assert shown.pop("fanouts") == whole["fanouts"][:1]
            assert shown == {key: whole[key] for key in shown}
            assert shown.keys() >= {"critical_path", "kpis", "spending", "tool_call_count", "wall_time"}


def test_a_session_document_is_complete(tmp_path: Path) -> None:
    """The straggler is compared with its measured twin: every number of the worked scene."""
    with store(tmp_path) as opened:
        opened.take(straggler().events, one_by_one().events, earlier_runs())
        found = told(opened, "straggler")
    (fanout,) = found["fanouts"]
    assert fanout["tasks"] == ["straggler-a", "straggler-b", "straggler-c"]
    assert (fanout["width"], fanout["work_seconds"], fanout["elapsed_seconds"]) == (3, 105, 60)
    assert (fanout["sequential_seconds"], fanout["baseline"]) == (100, "measured")
    assert fanout["speedup"] == pytest.approx(5 / 3)
    assert (fanout["time_saved_seconds"], fanout["improvement"]) == (40, 0.4)
    factors = (fanout["load_balance"], fanout["concurrency"], fanout["delivery"])
    assert fanout["efficiency"] == pytest.approx(math.prod(factors))
    assert (fanout["delivered"], fanout["delivered_work_seconds"], fanout["reason"]) == (3, 105, None)
    assert (found["pattern"], found["outcome"], found["elapsed_seconds"]) == ("release", "success", 60)
    assert (found["start"], found["end"]) == ("2026-01-01T00:00:00.000000Z", "2026-01-01T00:01:00.000000Z")
    (turn,) = found["turns"]
    assert (turn["origin"], turn["seconds"]) == ("user", 60)
    first = found["tasks"][0]
    assert (first["task_type"], first["agent"], first["seconds"]) == ("architecture", "worker", 20)


def test_wall_time_is_in_the_document(tmp_path: Path) -> None:
    """Wall time, critical path and efficiency stand in the document, a fan-out's losses beside it."""
    running = Drawing("running").opens().prompt(0).call("c", 5, 9)
    with store(tmp_path) as opened:
        opened.take(straggler().events, running.events)
        found, unfinished = told(opened, "straggler"), told(opened, "running")
    assert found["wall_time"] == {"parallel": 30, "single": 30}
    assert sum(found["wall_time"].values()) == found["elapsed_seconds"]
    assert found["critical_path"]["seconds"] == 60
    assert found["efficiency"]["lost_seconds"] == {"load_balance": 60, "concurrency": 15, "delivery": 0}
    (fanout,) = found["fanouts"]
    assert fanout["lost_seconds"] == found["efficiency"]["lost_seconds"]
    assert fanout["critical_path_seconds"] == 55
    assert (unfinished["critical_path"], unfinished["efficiency"]) == (None, None)
    assert unfinished["absent"]["critical_path"] == "still running"


def test_an_orchestrators_session_document_is_complete(tmp_path: Path) -> None:
    """Phases, messages, scores with judge and time, hooks run: as drawn, in seconds."""
    with store(tmp_path) as opened:
        opened.take(orchestrated().events)
        found = told(opened, "orchestrated")
    assert [(phase["name"], phase["seconds"], phase["outcome"]) for phase in found["phases"]] == [
        ("analysis", 30, "success"),
        ("report", 10, "success"),
    ]
    assert found["messages"][1] == {
        "id": "m2",
        "sender": "lead",
        "receiver": "left",
        "type": None,
        "share": None,
        "description": None,
        "task": None,
        "time": "2026-01-01T00:00:12.000000Z",
        "response_seconds": 2,
        "outcome": "success",
    }
    assert found["scores"][0] == {
        "of": "task",
        "of_id": "right",
        "name": "quality",
        "value": 8,
        "scale": [0, 10],
        "by": "lead",
        "time": "2026-01-01T00:00:29.000000Z",
        "reason": None,
    }
    assert found["hooks_run"] == [
        {
            "event": "PreToolUse",
            "command": "ruff",
            "task": "left",
            "start": "2026-01-01T00:00:03.000000Z",
            "seconds": 0.25,
        }
    ]


def test_each_baseline_has_its_turn(tmp_path: Path) -> None:
    """Work by default, the table if it has all types, measured if enough sequential runs are stored."""
    hours = {"architecture": 0.01, "prd": 0.02, "test_strategy": 0.02}
    with store(tmp_path) as opened:
        opened.take(straggler().events)
        assert told(opened, "straggler")["fanouts"][0]["baseline"] == "work"
        configured = told(opened, "straggler", hours)["fanouts"][0]
        assert (configured["baseline"], configured["speedup"]) == ("configured", 3)
        opened.take(one_by_one().events)
        refused = told(opened, "straggler", hours)["fanouts"][0]
        assert (refused["baseline"], refused["not_measured"]) == (
            "configured",
            "1 sequential run(s) of 1 session(s) in 90 days, 3 of 3 are needed",
        )
        opened.take(earlier_runs())
        admitted = told(opened, "straggler", hours)["fanouts"][0]
        assert (admitted["baseline"], admitted["not_measured"]) == ("measured", None)


def test_calls_of_an_agent_that_was_not_seen_are_not_none(tmp_path: Path) -> None:
    """Without the agents' transcripts only the waiting call is known: the agents' calls are unknown."""
    drawing = frame_drawing(Drawing(), 50)
    drawing.order("call-a", 1, "review").answer("call-a", 20, "a")
    drawing.order("call-b", 21, "review").run("b", 22, 39).answer("call-b", 40, "b")
    with store(tmp_path) as opened:
        opened.take(drawing.events)
        found = told(opened, "scene")
    assert {task["id"]: task["tool_calls"] for task in found["tasks"]} == {"a": None, "b": 0}


def test_a_transcript_without_an_agents_calls_does_not_report_zero(tmp_path: Path) -> None:
    """The number of calls is unknown, with and without the agent's own file."""
    drawing = frame_drawing(Drawing(), 50)
    said = [
        Event(kind=kind, session="scene", time=at(second), id="t", channel=Channel.TRANSCRIPT)
        for kind, second in ((Kind.TASK_START, 1), (Kind.TASK_END, 20))
    ]
    with store(tmp_path) as opened:
        opened.take((*drawing.events, *said))
        (task,) = told(opened, "scene")["tasks"]
    assert (task["seconds"], task["tool_calls"]) == (19, None)


def test_calls_are_listed_and_counted_by_task(tmp_path: Path) -> None:
    """Each call with its task, and each task with the number of its calls."""
    drawing = frame_drawing(Drawing(), 50).task("a", 1, 20, "review")
    drawing.call("c", 2, 5, parent="a", took=2).call("d", 6, 7, parent="a").call("e", 30, 31)
    with store(tmp_path) as opened:
        opened.take(drawing.events)
        found = told(opened, "scene")
    assert [task["tool_calls"] for task in found["tasks"]] == [2]
    call = next(call for call in found["tool_calls"] if call["id"] == "c")
    assert call == {
        "id": "c",
        "tool": "Bash",
        "task": "a",
        "start": "2026-01-01T00:00:02.000000Z",
        "seconds": 2,
        "overhead_seconds": 1,
        "outcome": "success",
        "tests": None,
    }


def test_an_unknown_session_is_none(tmp_path: Path) -> None:
    """Nothing is invented for an id that was never reported."""
    with store(tmp_path) as opened:
        assert summarise_session(opened.connection, "nobody", by_description, {}) is None


def test_absent_figures_have_a_reason(tmp_path: Path) -> None:
    """Without tasks, with running tasks, with lost edges, with tasks one after another."""
    alone = Drawing("alone").opens().ends(9)
    running = Drawing("running").opens().prompt(0).run("a", 1).run("b", 2)
    lost = Drawing("lost").opens().run("a", 1).run("b", None, 5).call("c", 3).call("d", None, 4).ends(9)
    with store(tmp_path) as opened:
        opened.take(alone.events, running.events, lost.events, one_by_one().events)
        absent = {name: told(opened, name)["absent"] for name in ("alone", "running", "lost", "one-by-one")}
    assert absent["alone"]["fanouts"] == "no task was delegated"
    assert absent["running"]["fanouts"] == "2 task(s) still running"
    assert absent["running"]["end"] == "still running"
    assert absent["one-by-one"]["fanouts"] == "no two tasks with known ends overlapped"
    both = "the end of 1 {0} was never seen; the start of 1 {0} was never seen"
    assert absent["lost"]["tasks.seconds"] == both.format("task(s)")
    assert absent["lost"]["tool_calls.seconds"] == both.format("tool call(s)")
    assert "tasks.seconds" not in absent["one-by-one"]
    assert all("model_calls" in reasons for reasons in absent.values())


def test_a_session_that_was_lost_has_no_end(tmp_path: Path) -> None:
    """Its elapsed time reaches to the last event, and the reason names the missing end."""
    with store(tmp_path) as opened:
        opened.take(Drawing().opens().prompt(1).call("c", 5, 9).events)
        opened.ingest.close_idle_sessions(at(1_000_000))
        found = told(opened, "scene")
    assert (found["outcome"], found["end"], found["elapsed_seconds"]) == ("unknown", None, 9)
    assert found["absent"]["end"] == "the session's end was never seen"


def test_a_row_agrees_with_the_session_document(tmp_path: Path) -> None:
    """What a list shows of a session agrees with its page."""
    with store(tmp_path) as opened:
        opened.take(background().events, recorded("fanout"))
        for row in session_queries.list_sessions(opened.connection):
            listed, whole = build_row_document(row), told(opened, row.id)
            for name in (
                "id",
                "source",
                "project",
                "pattern",
                "start",
                "end",
                "last",
                "elapsed_seconds",
                "outcome",
            ):
                assert listed[name] == whole[name], name
            for name in ("turns", "tasks", "tool_calls", "fanouts"):
                assert listed[name] == len(whole[name]), name
            assert Outcome(listed["outcome"]) is row.outcome


def test_a_session_has_its_kpis_with_every_part(tmp_path: Path) -> None:
    """The delivery: the worked example, and the judgement outside its scale with its reason."""
    with store(tmp_path) as opened:
        opened.take(delivery().events, straggler().events, conflict().events)
        document = told(opened, "delivery")
        assert told(opened, "conflict")["kpis"]["conflicts"] == 1
    kpis = document["kpis"]
    assert kpis["completion"] == {"ratio": 1, "count": 3, "reason": None}
    assert kpis["success"]["ratio"] == pytest.approx(2 / 3)
    assert (kpis["retry"]["ratio"], kpis["recovery"]["ratio"]) == (pytest.approx(1 / 3), 1)
    assert (kpis["adoption"]["ratio"], kpis["integration_success"]["ratio"], kpis["conflicts"]) == (1, 1, 0)
    assert kpis["quality"]["review"]["score"] == pytest.approx(7.9630, abs=1e-3)
    assert kpis["collaboration"]["score"] == pytest.approx(90)
    assert kpis["agents"]["worker"]["score"] == pytest.approx(66.667, abs=1e-3)
    efficiency = kpis["efficiency"]
    # As in the worked example, with wall time that is all work: 53.9 to 77.1, the middle of which is 65.5.
    assert efficiency["score"] == pytest.approx(65.459, abs=1e-3)
    assert efficiency["low"] == pytest.approx(53.862, abs=1e-3)
    assert efficiency["high"] == pytest.approx(66.667, abs=1e-3)
    assert efficiency["parts"]["resource"]["score"] is None
    reason = "no session has five samples of the machine"
    assert efficiency["parts"]["resource"]["parts"]["cpu"]["reason"] == reason
    assert sum(one["weight"] for one in efficiency["parts"].values()) == pytest.approx(1)
    (off,) = [score for score in document["scores"] if score["reason"]]
    assert (off["of_id"], off["value"], off["reason"]) == ("b", 11, "outside the scale 0 to 10")


def test_a_phase_has_kpis_of_its_own(tmp_path: Path) -> None:
    """All work was done in the phase build; plan had none and has a reason."""
    with store(tmp_path) as opened:
        opened.take(delivery().events)
        plan, build = told(opened, "delivery")["kpis"]["phases"]
    assert (plan["name"], build["name"]) == ("plan", "build")
    assert plan["completion"] == {"ratio": None, "count": 0, "reason": "nothing to divide by"}
    assert (plan["efficiency"]["score"], plan["quality"]) == (None, {})
    assert build["completion"]["count"] == 3
    assert build["quality"]["review"]["score"] == pytest.approx(7.9630, abs=1e-3)
    assert build["collaboration"]["score"] == pytest.approx(90)


def test_a_score_of_a_phase_or_session_enters_its_quality(tmp_path: Path) -> None:
    """A phase's score judges all of its tasks, a session's all tasks; the quality of a type is by its own."""
    drawing = Drawing("judged").opens().phase("build", 0, 50).phase("check", 50, 60)
    drawing.task("a", 0, 20, "review").task("b", 20, 40, "review").task("c", 40, 50, "testing")
    drawing.score("quality", 6, 51, of="task", id="c").score("quality", 9, 52, of="phase", id="build")
    drawing.score("quality", 5, 61, of="phase", id="check").score("quality", 2, 62)
    with store(tmp_path) as opened:
        opened.take(drawing.ends(70).events)
        kpis = told(opened, "judged")["kpis"]
    build, check = kpis["phases"]

    def judgement(score: dict[str, Any]) -> float | None:
        value: float | None = score["parts"]["judgement"]["score"]
        return value

    assert judgement(kpis["quality"]["testing"]) == judgement(build["quality"]["testing"]) == 6
    assert judgement(kpis["quality"]["review"]) is None
    # Completeness is 1; depth and actionability could have been judged: 0.2 of 0.7 are not known.
    reviews, tests = ((0.3 * share + 0.2) / 0.7 for share in (0.9, 0.75))
    low = (2 * reviews + tests) / 3 * 10
    assert (build["overall_quality"]["low"], build["overall_quality"]["high"]) == pytest.approx(
        (low, low + 10 * 0.2 / 0.7)
    )
    assert judgement(check["overall_quality"]) == 5
    mean = (9 + 5 + 2) / 3
    session_reviews, session_tests = ((0.3 * share + 0.2) / 0.7 for share in (mean / 10, (16 + 6) / 40))
    assert kpis["overall_quality"]["low"] == pytest.approx((2 * session_reviews + session_tests) / 3 * 10)
    part = kpis["efficiency"]["parts"]["quality"]["parts"]["quality"]
    assert part["low"] == pytest.approx(kpis["overall_quality"]["low"] * 10)


def test_a_conflict_has_the_phase_of_its_tasks(tmp_path: Path) -> None:
    """Two of three parallel tasks wrote the same file: one began during a phase, one after it."""
    drawing = Drawing("torn").opens().phase("build", 0, 30).phase("edit", 10, 25)
    for name, start, file in (("a", 12, "one"), ("b", 30, "one"), ("c", 2, "two")):
        drawing.task(name, start, 50, "implementation")
        drawing.call(f"{name}-w", 40, 41, tool="Write", parent=name, wrote=file)
    with store(tmp_path) as opened:
        opened.take(drawing.ends(60).events, fork_join().events)
        torn, silent = (told(opened, name)["fanouts"][0]["conflicts"] for name in ("torn", "fork-join"))
        figures = take_snapshot(opened.connection, at(100), TaskTypes(), {}).figures
    assert torn == [{"task": "a", "phase": "edit"}, {"task": "b", "phase": None}]
    assert silent is None
    counts = {
        (figure.name, dict(figure.labels)["phase"]): figure.value
        for figure in figures
        if {"phase", "window"} == dict(figure.labels).keys() and ("window", "1h") in figure.labels
    }
    assert counts["stretto_window_phase_conflicts", "edit"] == 1
    assert counts["stretto_window_phase_conflicts", "none"] == 1


def test_a_session_shows_its_own_machine_and_tokens(tmp_path: Path) -> None:
    """Half the processors busy, memory flat, three quarters of the prompt from the cache."""
    drawing = straggler()
    for second in range(5):
        drawing.stroke(
            Kind.SAMPLE, 10 + second, duration=SECOND,
            attributes={"memory": 100, "machine_busy": SECOND, "machine_available": 2 * SECOND},
        )  # fmt: skip
    tokens = {"input_tokens": 25, "cache_read_tokens": 75}
    drawing.stroke(Kind.MODEL_CALL, 12, id="m", name="model", attributes=tokens)
    with store(tmp_path) as opened:
        opened.take(drawing.events)
        parts = told(opened, "straggler")["kpis"]["efficiency"]["parts"]["resource"]["parts"]
    scores = {name: part["score"] for name, part in parts.items()}
    assert scores == pytest.approx(
        {"cpu": 0.5 / 0.75 * 100, "memory": 100, "concurrency": 105 / 180 * 100, "cache": 75}
    )


def test_unreported_tokens_are_not_zero(tmp_path: Path) -> None:
    """A source that does not report the cache has not reported 0 tokens read from it."""
    drawing = straggler()
    drawing.stroke(Kind.MODEL_CALL, 12, id="m", name="model", attributes={"input_tokens": 25})
    with store(tmp_path) as opened:
        opened.take(drawing.events)
        document = told(opened, "straggler")
    parts = document["kpis"]["efficiency"]["parts"]["resource"]["parts"]
    assert (parts["cache"]["score"], parts["cache"]["reason"]) == (None, "no source reported tokens")
    kinds = {"input": 25, "output": None, "cache_read": None, "cache_write": None}
    assert document["tokens"] == document["spending"]["tokens"] == kinds


def test_the_configured_target_of_processors_is_the_one_shown(tmp_path: Path) -> None:
    """The score and the displayed use have the same target."""
    with store(tmp_path) as opened:
        opened.take(sampled().events)
        rules = ScoreRules(cpu_low=0.5, cpu_high=0.6)
        found = summarise_session(opened.connection, "sampled", by_description, {}, scoring=Scoring(rules))
    assert found is not None
    resources = build_session_document(found)["resources"]
    assert (resources["cpu_target"], resources["cpu_standing"]) == ((0.5, 0.6), "above")
    assert resources["memory_growth"]["reason"].endswith("30 are needed")


def test_machine_use_is_present_or_absent_with_a_reason(tmp_path: Path) -> None:
    """Samples become the session's resources and show for each fan-out whether the machine was saturated."""
    with store(tmp_path) as opened:
        opened.take(sampled().events, fork_join().events)
        opened.take(Drawing("known").opens(0, processes=["7:11"]).ends(5).events)
        documents = {}
        for name in ("sampled", "fork-join", "known"):
            found = summarise_session(opened.connection, name, by_description, {})
            assert found is not None
            documents[name] = build_session_document(found)
    told = documents["sampled"]
    assert (told["resources"]["cpu_seconds"], told["resources"]["samples"]) == (120, 2)
    assert told["fanouts"][0]["contention"]["contended"] is True
    assert "resources" not in told["absent"]
    assert documents["fork-join"]["resources"] is None
    assert documents["fork-join"]["fanouts"][0]["contention"]["contended"] is None
    assert documents["fork-join"]["absent"]["resources"] == "no source reported which process it runs in"
    assert "no sample was taken" in documents["known"]["absent"]["resources"]
