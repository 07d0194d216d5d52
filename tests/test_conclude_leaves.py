"""Phases, messages, scores and hook runs are concluded from their own facts."""

from __future__ import annotations

from stretto.clock import DAY, SECOND
from stretto.model.event import Kind, Outcome
from tests.scenes import Drawing, at, conclude_scene, frame_drawing, orchestrated


def test_an_orchestrators_session_is_concluded_whole() -> None:
    """Each phase, message, score and hook run is as drawn; a judge's latest judgement is kept."""
    session = conclude_scene(orchestrated().events)

    assert [(phase.name, phase.start, phase.end) for phase in session.phases] == [
        ("analysis", at(0), at(30)),
        ("report", at(30), at(40)),
    ]
    assert [(m.sender, m.receiver, m.time, m.response) for m in session.messages] == [
        ("lead", "left", at(5), SECOND),
        ("lead", "left", at(12), 2 * SECOND),
    ]
    assert [(s.of, s.of_id, s.name, s.value, s.by, s.time) for s in session.scores] == [
        ("task", "right", "quality", 8.0, "lead", at(29)),
        ("phase", "phase-analysis", "coverage", 0.5, "lead", at(31)),
        ("session", "orchestrated", "satisfaction", 9.0, "lead", at(86_400)),
    ]
    assert [(run.event, run.task, run.duration) for run in session.hooks_run] == [
        ("PreToolUse", "left", SECOND // 4)
    ]


def test_a_score_is_no_sign_of_life() -> None:
    """A judgement a day later changes neither the session's end nor its last sign of life nor source."""
    drawing = frame_drawing(Drawing(), 50)
    before = conclude_scene(drawing.events)
    drawing.stroke(Kind.SCORE, 86_400, source="another", name="quality", attributes={"value": 1})
    after = conclude_scene(drawing.events)

    assert (after.start, after.end, after.last, after.source) == (
        before.start,
        before.end,
        before.last,
        before.source,
    )
    assert [score.time - before.start for score in after.scores] == [DAY]


def test_a_session_of_which_only_a_score_is_known() -> None:
    """A session known only by a judgement starts at the time of the judgement."""
    session = conclude_scene(Drawing().stroke(Kind.SCORE, 7, name="quality", attributes={"value": 1}).events)

    assert (session.start, session.last, session.outcome) == (at(7), at(7), Outcome.RUNNING)
    assert session.source == "claude-code"


def test_a_task_may_be_judged_by_the_call_that_started_it() -> None:
    """The judged task is the agent's if the agent is known, else the call's."""
    drawing = frame_drawing(Drawing(), 50).task("a", 1, 20, "review").order("call-b", 21, "review")
    drawing.answer("call-b", 25, None)
    for call in ("call-a", "call-b"):
        drawing.stroke(Kind.SCORE, 30, id=call, name=call, attributes={"of": "task", "value": 1})

    session = conclude_scene(drawing.events)
    assert {score.name: score.of_id for score in session.scores} == {"call-a": "a", "call-b": "call-b"}
    assert {task.id for task in session.tasks} == {"a", "call-b"}


def test_a_score_of_what_is_no_task_is_its_tasks() -> None:
    """A judgement of a call or request is about its task, or the session if it has no task."""
    drawing = frame_drawing(Drawing(), 50).run("a", 1, 20).call("c", 2, 3, parent="a").call("d", 4, 5)
    drawing.stroke(Kind.MODEL_CALL, 6, id="m", parent="a", name="large")
    for id in ("a", "c", "d", "m", "p1", "unheard-of"):
        drawing.stroke(Kind.SCORE, 30, id=id, name=f"of {id}", attributes={"of": "task", "value": 1})

    judged = {score.name: (score.of, score.of_id) for score in conclude_scene(drawing.events).scores}
    assert judged == {
        "of a": ("task", "a"),
        "of c": ("task", "a"),
        "of d": ("session", "scene"),
        "of m": ("task", "a"),
        "of p1": ("session", "scene"),
        "of unheard-of": ("task", "unheard-of"),
    }
