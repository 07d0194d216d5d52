from __future__ import annotations

import pytest
from msgspec.structs import replace

from stretto.clock import SECOND
from stretto.model.calls_from_facts import LONGEST_ACTIVITY
from stretto.model.entities import Task, ToolCall
from stretto.model.event import Channel, Kind, Outcome
from stretto.model.interval import Interval
from tests.fakes import RECORDINGS, recorded
from tests.scenes import (
    BEGIN,
    Drawing,
    at,
    background,
    by_description,
    conclude_scene,
    fork_join,
    frame_drawing,
    nested,
)

SUCCESS, FAILURE, CANCELLED = Outcome.SUCCESS, Outcome.FAILURE, Outcome.CANCELLED
UNKNOWN, RUNNING = Outcome.UNKNOWN, Outcome.RUNNING


def only_call(drawing: Drawing, *, lost: bool = False) -> ToolCall:
    """Return the scene's only tool call."""
    (call,) = conclude_scene(drawing.events, lost=lost).tool_calls
    return call


def seconds(task: Task) -> tuple[float, float] | None:
    """Return the interval of a task in seconds of the scenes' clock."""
    interval = task.interval
    return None if interval is None else ((interval.start - BEGIN) / SECOND, (interval.end - BEGIN) / SECOND)


# Sessions and turns.


def test_a_session_runs_from_its_first_event_to_its_end() -> None:
    """An ended session has a start, an end, an outcome and its single turn."""
    session = conclude_scene(fork_join().events)
    assert (session.start, session.end, session.outcome) == (at(0), at(50), SUCCESS)
    (turn,) = session.turns
    assert (turn.id, turn.origin, turn.start, turn.end, turn.outcome) == (
        "p1",
        "user",
        at(0),
        at(50),
        SUCCESS,
    )


def test_a_session_without_its_end_runs_until_it_is_lost() -> None:
    """Without an end it is running; if lost, it and all inside it are over, outcome unknown and no end."""
    drawing = Drawing().opens().prompt(1).order("call-a", 2).run("a", 3).call("c", 4, parent="a")
    running = conclude_scene(drawing.events)
    assert (running.outcome, running.end) == (RUNNING, None)
    assert [turn.outcome for turn in running.turns] == [task.outcome for task in running.tasks] == [RUNNING]
    assert {call.outcome for call in running.tool_calls} == {RUNNING}
    lost = conclude_scene(drawing.events, lost=True)
    assert (lost.outcome, lost.end, lost.last) == (UNKNOWN, None, at(4))
    assert [turn.outcome for turn in lost.turns] == [task.outcome for task in lost.tasks] == [UNKNOWN]
    assert [(call.outcome, call.end, call.duration) for call in lost.tool_calls] == [
        (UNKNOWN, None, None)
    ] * 2


def test_a_session_whose_last_turn_failed_has_failed() -> None:
    """An error that ends the last turn is the session's outcome; an earlier one is not."""
    drawing = Drawing().opens().prompt(0).stop(5, outcome=FAILURE)
    assert conclude_scene([*drawing.events, *Drawing().ends(6).events]).outcome is FAILURE
    drawing.prompt(7, "p2").stop(8, "p2").ends(9)
    assert conclude_scene(drawing.events).outcome is SUCCESS


def test_a_resumed_session_is_open_again() -> None:
    """A start after the end reopens it; the next end is its end."""
    drawing = frame_drawing(Drawing(), 10).opens(20, reason="resume")
    session = conclude_scene(drawing.events)
    assert (session.outcome, session.end, session.start) == (RUNNING, None, at(0))
    session = conclude_scene(drawing.ends(30).events)
    assert (session.outcome, session.end) == (SUCCESS, at(30))


def test_a_turn_that_never_stopped_ends_with_the_next_prompt() -> None:
    """After an interrupt no stop comes: the turn is over, outcome unknown, its end absent."""
    drawing = Drawing().opens().prompt(0).prompt(10, "p2")
    first, second = conclude_scene(drawing.events).turns
    assert (first.outcome, first.end) == (UNKNOWN, None)
    assert (second.outcome, second.end) == (RUNNING, None)


def test_a_notification_does_not_end_the_users_turn() -> None:
    """The host's prompt is a separate turn and does not affect the user's."""
    drawing = Drawing().opens().prompt(0).prompt(10, "p2", by="host")
    assert [turn.outcome for turn in conclude_scene(drawing.events).turns] == [RUNNING, RUNNING]


def test_the_last_stop_ends_a_turn() -> None:
    """Stop hooks may send the agent on, so a turn may stop more than once."""
    (turn,) = conclude_scene(Drawing().opens().prompt(0).stop(5).stop(9).events).turns
    assert turn.end == at(9)


def test_turns_of_clients_without_prompt_ids_end_with_the_stop_before_the_next_prompt() -> None:
    """A prompt without an id is identified by its time; each stop belongs to the prompt before it."""
    drawing = Drawing().opens().prompt(0, None).stop(4, None).stop(5, None).prompt(10, None)
    drawing.stop(12, None, outcome=FAILURE).prompt(20, None)
    turns = conclude_scene(drawing.events).turns
    assert [(turn.start, turn.end, turn.outcome) for turn in turns] == [
        (at(0), at(5), SUCCESS),
        (at(10), at(12), FAILURE),
        (at(20), None, RUNNING),
    ]


# Tool calls.


def test_a_measured_duration_leaves_the_rest_as_overhead() -> None:
    """8 s measured inside 10 s between the hooks: 8 s of execution, 2 s of overhead."""
    call = only_call(Drawing().call("c", 10, 20, took=8))
    assert (call.start, call.end, call.duration, call.overhead) == (at(10), at(20), 8 * SECOND, 2 * SECOND)
    assert (call.tool, call.task, call.outcome) == ("Bash", None, SUCCESS)


def test_without_a_measured_duration_the_hooks_give_it() -> None:
    """Old clients measure nothing: the duration is end minus start, without overhead."""
    call = only_call(Drawing().call("c", 10, 20))
    assert (call.duration, call.overhead) == (10 * SECOND, None)


def test_a_lost_start_is_computed_from_end_and_duration() -> None:
    """With a measured duration the start is known; without it, start and duration are absent."""
    call = only_call(Drawing().call("c", None, 20, took=8))
    assert (call.start, call.duration, call.overhead) == (at(12), 8 * SECOND, None)
    call = only_call(Drawing().call("c", None, 20))
    assert (call.start, call.end, call.duration) == (None, at(20), None)


def test_a_delegating_call_has_no_overhead() -> None:
    """A delegating call waits for its agent, so its remaining time is not overhead."""
    assert only_call(Drawing().call("c", 10, 20, took=8, tool="Agent")).overhead is None


def test_waiting_for_permission_is_a_persons_time() -> None:
    """A request for the same tool by the same agent removes the overhead; other requests do not."""
    for parent, tool, second, overhead in (
        (None, "Bash", 12, None),
        ("a", "Bash", 12, 2 * SECOND),
        (None, "Edit", 12, 2 * SECOND),
        (None, "Bash", 25, 2 * SECOND),
    ):
        drawing = Drawing().call("c", 10, 20, took=8)
        drawing.stroke(Kind.PERMISSION_REQUEST, second, parent=parent, name=tool)
        assert only_call(drawing).overhead == overhead, (parent, tool, second)


def test_denied_and_cancelled_calls_end_as_such() -> None:
    """A denial reported by the agent ends the call, cancelled."""
    call = only_call(Drawing().call("c", 10, 11, outcome=CANCELLED, status="denied"))
    assert (call.outcome, call.end) == (CANCELLED, at(11))


@pytest.mark.parametrize(
    "closer",
    [
        pytest.param(
            Drawing().stroke(Kind.BATCH_END, 20, attributes={"ids": ["c"]}), id="its batch has ended"
        ),
        pytest.param(Drawing().prompt(20, "p2"), id="the user's next prompt"),
        pytest.param(Drawing().stop(20), id="the main agent has stopped"),
        pytest.param(Drawing().ends(20), id="the session's end"),
    ],
)
def test_a_call_that_was_cancelled_silently_is_closed(closer: Drawing) -> None:
    """Cancelled and denied calls often have no end: later events close them, outcome unknown, no duration."""
    drawing = Drawing().opens().prompt(0).call("c", 10)
    assert only_call(drawing).outcome is RUNNING
    call = only_call(Drawing(events=[*drawing.events, *closer.events]))
    assert (call.outcome, call.end, call.duration) == (UNKNOWN, None, None)


def test_an_agents_call_is_closed_by_the_agents_end() -> None:
    """The main agent's stop does not close a call inside a background agent; that agent's end does."""
    drawing = Drawing().opens().prompt(0).run("a", 1).call("c", 10, parent="a").stop(11, running=["a"])
    (call,) = conclude_scene(drawing.events).tool_calls
    assert (call.outcome, call.task) == (RUNNING, "a")
    (call,) = conclude_scene(drawing.run("a", None, 12).events).tool_calls
    assert call.outcome is UNKNOWN


# Tasks.


def test_a_task_takes_its_attributes_from_its_call() -> None:
    """A task with a waiting call has its type, agent, description, parent and call."""
    left = next(task for task in conclude_scene(nested().events).tasks if task.id == "left")
    assert (left.task_type, left.agent, left.description) == ("review", "worker", "review")
    assert (left.parent, left.delegated_by, left.outcome) == ("outer", "call-left", SUCCESS)
    assert left.interval == Interval(at(10), at(40))


def test_a_waited_task_ends_as_its_call_does() -> None:
    """A stopped agent has not necessarily succeeded: the call's failure is the task's."""
    drawing = Drawing().opens().order("call-a", 0, "review").run("a", 1, 9)
    drawing.answer("call-a", 10, None, outcome=FAILURE)
    (task,) = conclude_scene(drawing.events).tasks
    assert (task.outcome, seconds(task)) == (FAILURE, (1, 9))


def test_a_task_whose_stop_was_lost_ends_with_the_call_that_waited_for_it() -> None:
    """Without a stop of the agent, the end of its call is the task's end."""
    drawing = Drawing().opens().order("call-a", 0, "review").run("a", 1).answer("call-a", 10, "a")
    (task,) = conclude_scene(drawing.events).tasks
    assert (task.outcome, seconds(task)) == (SUCCESS, (1, 10))


def test_a_task_whose_start_was_lost_began_when_it_was_called() -> None:
    """Without a start of the agent, the start of its call is the task's start."""
    drawing = Drawing().opens().order("call-a", 0, "review").run("a", None, 9).answer("call-a", 10, "a")
    (task,) = conclude_scene(drawing.events).tasks
    assert seconds(task) == (0, 9)
    (task,) = conclude_scene(Drawing().opens().run("a", None, 9).events).tasks
    assert (task.start, task.end, task.interval) == (None, at(9), None)


def test_a_call_without_reports_of_its_agent_is_the_task() -> None:
    """If neither start nor stop of the agent was reported, the waiting call is the task."""
    drawing = Drawing().opens().order("call-a", 0, "review").answer("call-a", 10, None)
    (task,) = conclude_scene(drawing.events).tasks
    assert (task.id, task.task_type, task.agent, seconds(task)) == ("call-a", "review", "worker", (0, 10))


def test_background_agents_end_by_their_own_stop() -> None:
    """The call returns at once; the host's notice gives the outcome of each agent."""
    session = conclude_scene(background().events)
    assert [(task.id, seconds(task), task.outcome) for task in session.tasks] == [
        ("x", (2, 22), SUCCESS),
        ("y", (4, 34), FAILURE),
    ]
    assert [(turn.origin, turn.end) for turn in session.turns] == [
        ("user", at(5)),
        ("host", at(24)),
        ("host", at(36)),
    ]


def test_a_stop_that_lists_an_agent_keeps_it_running() -> None:
    """An agent listed by the last stop is running; one no longer listed is over, with outcome unknown."""
    drawing = Drawing().opens().prompt(0)
    for name in "xy":
        drawing.order(f"call-{name}", 1).answer(f"call-{name}", 2, name, status="async_launched").run(name, 2)
    drawing.stop(5, running=["x", "y"])
    assert [task.outcome for task in conclude_scene(drawing.events).tasks] == [RUNNING, RUNNING]
    drawing.stop(9, running=["y"])
    assert [(t.id, t.outcome, t.end) for t in conclude_scene(drawing.events).tasks] == [
        ("x", UNKNOWN, None),
        ("y", RUNNING, None),
    ]


def test_a_listed_agent_runs_even_if_its_call_has_no_end() -> None:
    """A call without an end is over after a stop, but the agent that the stop lists is not."""
    drawing = Drawing().opens().prompt(0).order("call-x", 1).run("x", 2).stop(5, running=["x"])
    (task,) = conclude_scene(drawing.events).tasks
    assert task.outcome is RUNNING


def test_a_call_that_was_denied_silently_leaves_no_task_running() -> None:
    """A person's refusal is not reported, and no agent started: the call is over, and there is no task."""
    drawing = Drawing().opens().prompt(0).order("call-a", 1, "review").stop(5)
    session = conclude_scene(drawing.events)
    assert session.tasks == ()
    assert [call.outcome for call in session.tool_calls] == [UNKNOWN]


def test_a_denied_delegation_is_no_task() -> None:
    """A reported denial leaves no task at all."""
    drawing = Drawing().opens().order("call-a", 1, "review")
    drawing.answer("call-a", 2, None, status="denied", outcome=CANCELLED)
    assert conclude_scene(drawing.events).tasks == ()


def test_an_interrupted_task_is_cancelled() -> None:
    """The agent ran until the call that waited for it was interrupted."""
    drawing = Drawing().opens().order("call-a", 1, "review").run("a", 2)
    drawing.answer("call-a", 8, None, status="", outcome=CANCELLED)
    (task,) = conclude_scene(drawing.events).tasks
    assert (task.id, task.task_type, task.outcome, seconds(task)) == ("a", "review", CANCELLED, (2, 8))


def test_an_agent_that_is_sent_a_message_runs_again() -> None:
    """The same id twice is two runs; the call that waited for the first does not end the second."""
    drawing = Drawing().opens().prompt(0).task("a", 1, 10, "review").run("a", 20)
    first, second = conclude_scene(drawing.events).tasks
    assert (first.id, seconds(first), first.outcome) == ("a", (1, 10), SUCCESS)
    assert (second.id, second.start, second.end, second.outcome) == ("a/2", at(20), None, RUNNING)
    assert (second.task_type, second.delegated_by) == ("review", "call-a")
    drawing.run("a", None, 30).call("c", 5, 6, parent="a").call("d", 25, 26, parent="a")
    session = conclude_scene(drawing.events)
    assert [seconds(task) for task in session.tasks] == [(1, 10), (20, 30)]
    assert [(call.id, call.task) for call in session.tool_calls] == [
        ("call-a", None),
        ("c", "a"),
        ("d", "a/2"),
    ]


def test_a_notice_is_about_the_run_before_it() -> None:
    """While an agent runs again, the host's notice of a failure is about the previous run."""
    drawing = Drawing().opens().prompt(0).run("x", 1, 10)
    drawing.prompt(11, "p2", by="host", task="x", task_status="failed").run("x", 20)
    assert [task.outcome for task in conclude_scene(drawing.events).tasks] == [FAILURE, RUNNING]
    assert [task.outcome for task in conclude_scene(drawing.run("x", None, 30).events).tasks] == [
        FAILURE,
        SUCCESS,
    ]


def test_an_agent_that_is_called_again_has_a_call_for_each_run() -> None:
    """The second call describes and ends the second run and is not a separate task."""
    drawing = Drawing().opens().prompt(0).task("a", 1, 10, "review")
    drawing.order("again", 19, "testing").run("a", 20).answer("again", 29, "a", outcome=FAILURE)
    first, second = conclude_scene(drawing.events).tasks
    assert (first.task_type, first.outcome, seconds(first)) == ("review", SUCCESS, (1, 10))
    assert (second.task_type, second.outcome, seconds(second)) == ("testing", FAILURE, (20, 29))
    assert second.delegated_by == "again"


def test_a_plugins_second_hook_is_no_second_run() -> None:
    """Every hook twice, a few milliseconds apart: one run from the first start to the first end."""
    once = fork_join()
    twice = [*once.events]
    for event in once.events:
        later = Drawing(event.session)
        later.stroke(
            event.kind,
            (event.time - BEGIN) / SECOND + 0.004,
            id=event.id,
            name=event.name,
            type=event.type,
            outcome=event.outcome,
            attributes=event.attributes,
        )
        twice += later.events
    session = conclude_scene(twice)
    assert [seconds(task) for task in session.tasks] == [(10, 40)] * 3
    assert len(session.tool_calls) == 3
    assert len(session.turns) == 1
    assert session.outcome is SUCCESS


def test_a_declared_type_becomes_a_label_value() -> None:
    """A type declared by a program is preferred to keywords and written as a label value."""
    for given, wanted in (("Code Review, deep", "code_review_deep"), ("…", "other")):
        drawing = Drawing().stroke(Kind.TASK_START, 1, id="a", type=given, name="worker")
        (task,) = conclude_scene(drawing.events).tasks
        assert task.task_type == wanted


# Clocks that were set.


def test_a_clock_that_stepped_back_gives_no_duration() -> None:
    """An end before its start gives no duration anywhere, and nothing keeps running."""
    drawing = Drawing().opens(50).prompt(50)
    drawing.order("call-a", 51, "review").run("a", None, 20).answer("call-a", 21, "a")
    drawing.call("c", 52, 22).call("d", 53, 23, took=2).stop(24).ends(60)
    session = conclude_scene(drawing.events)
    (task,) = session.tasks
    assert (task.interval, task.end, task.outcome) == (None, at(20), SUCCESS)
    assert {call.id: (call.duration, call.overhead) for call in session.tool_calls} == {
        "call-a": (None, None),
        "c": (None, None),
        "d": (2 * SECOND, None),
    }
    (turn,) = session.turns
    assert (turn.end, turn.outcome) == (None, SUCCESS)
    assert session.start == at(20)


def test_an_activity_of_a_month_has_no_duration() -> None:
    """A clock that was set far forward between start and end gives no duration either."""
    far = LONGEST_ACTIVITY / SECOND
    assert only_call(Drawing().call("c", 0, far)).duration == LONGEST_ACTIVITY
    assert only_call(Drawing().call("c", 0, far + 1)).duration is None
    (task,) = conclude_scene(Drawing().opens().task("a", 0, far + 1, "review").events).tasks
    assert (task.interval, task.end) == (None, at(far + 1))


# Recordings.


@pytest.mark.parametrize("name", RECORDINGS)
def test_a_recorded_session_is_concluded_completely(name: str) -> None:
    """Nothing stays open and nothing is counted twice: 12 tool calls, each task with its interval."""
    session = conclude_scene(recorded(name), classify=by_description)
    assert len(session.tool_calls) == 12
    assert all(
        call.outcome in {SUCCESS, FAILURE} and call.duration is not None for call in session.tool_calls
    )
    assert all(task.outcome is SUCCESS and task.interval is not None for task in session.tasks)
    assert len(session.tasks) == (4 if name == "two-phase" else 3)
    assert len({task.task_type for task in session.tasks}) == len(session.tasks)
    assert session.outcome is SUCCESS


def test_a_recorded_background_session_has_turns_of_user_and_host() -> None:
    """A single prompt is the user's; the two others are notices of finished agents."""
    turns = conclude_scene(recorded("fanout-background")).turns
    assert [turn.origin for turn in turns] == ["user", "host", "host"]
    assert all(turn.end is not None and turn.outcome is SUCCESS for turn in turns)


# Lengths as the client measured them.


def test_a_measured_length_replaces_the_hooks_times() -> None:
    """Hooks are stamped late: a run of 10 s whose start was stamped at 12.4 and end at 20.1 began at 10.1."""
    drawing = Drawing().opens().prompt(0).order("call-a", 10, "review").run("a", 12.4, 20.1)
    drawing.answer("call-a", 20.2, "a", task_duration_ms=10_000)
    (task,) = conclude_scene(drawing.events).tasks
    assert (seconds(task), task.doubt) == ((10.1, 20.1), 0)


@pytest.mark.parametrize("start", [None, 14.0])
def test_a_missed_start_follows_from_the_length(start: float | None) -> None:
    """The start is the end less the length, whether a start was reported or not."""
    drawing = Drawing().opens().prompt(0).order("call-a", 9, "review").run("a", start, 20)
    drawing.answer("call-a", 20.2, "a", task_duration_ms=10_000)
    (task,) = conclude_scene(drawing.events).tasks
    assert seconds(task) == (10, 20)


def test_a_run_does_not_begin_before_its_call() -> None:
    """An end that was stamped late cannot move the start before the call, whose hook the agent awaits."""
    drawing = Drawing().opens().prompt(0).order("call-a", 10.4, "review").run("a", 10.8, 20.2)
    drawing.answer("call-a", 20.3, "a", task_duration_ms=10_000)
    (task,) = conclude_scene(drawing.events).tasks
    assert seconds(task) == (10.4, 20.2)


def test_only_hooks_without_a_measured_length_leave_a_doubt() -> None:
    """Two hooks may each be half a second late; a measured length or telemetry leaves no doubt."""
    hooks = Drawing().opens().prompt(0).task("a", 1, 9, "review")
    (task,) = conclude_scene(hooks.events).tasks
    assert task.doubt == SECOND // 2
    telemetry = [replace(event, channel=Channel.OTLP) for event in hooks.events]
    (task,) = conclude_scene(telemetry).tasks
    assert task.doubt == 0


def test_a_notice_dates_a_background_run_only_if_the_hooks_were_late() -> None:
    """The host counts until its notice: within 0.1 s of the hooks it confirms them, else it replaces them."""
    for length, start in ((10_080, 10), (11_500, 8.5)):
        drawing = Drawing().opens().prompt(0).order("call-a", 8, "review")
        drawing.answer("call-a", 8.2, "a", status="async_launched").run("a", 10, 20)
        drawing.prompt(21, "p2", by="host", task="a", task_status="completed", task_duration_ms=length)
        (task,) = conclude_scene(drawing.events).tasks
        assert (seconds(task), task.outcome, task.doubt) == ((start, 20), SUCCESS, 0)


def test_the_length_of_a_run_is_not_that_of_the_next() -> None:
    """An agent that runs again has two lengths; each belongs to the run that ended before it was reported."""
    drawing = Drawing().opens().prompt(0).order("call-a", 0, "review")
    drawing.answer("call-a", 0.2, "a", status="async_launched").run("a", 5, 20)
    drawing.prompt(21, "p2", by="host", task="a", task_status="completed", task_duration_ms=16_000)
    drawing.run("a", 40, 50)
    drawing.prompt(51, "p3", by="host", task="a", task_status="completed", task_duration_ms=12_000)
    assert [seconds(task) for task in conclude_scene(drawing.events).tasks] == [(4, 20), (38, 50)]


# A task exists once its agent did.


@pytest.mark.parametrize("outcome", [FAILURE, CANCELLED])
def test_a_call_that_started_no_agent_is_no_task(outcome: Outcome) -> None:
    """A refused, not allowed or mistyped call for an agent is a failed or cancelled call and no task."""
    drawing = Drawing().opens().prompt(0).order("call-a", 1, "review", agent="revewer")
    drawing.answer("call-a", 2, None, status="", outcome=outcome).stop(5).ends(6)
    session = conclude_scene(drawing.events)
    assert session.tasks == ()
    assert [(call.tool, call.outcome) for call in session.tool_calls] == [("Agent", outcome)]


def test_a_call_that_waits_for_permission_is_no_task_yet() -> None:
    """Nobody works while a person decides; the task begins with its agent."""
    drawing = Drawing().opens().prompt(0).order("call-a", 1, "review")
    drawing.stroke(Kind.PERMISSION_REQUEST, 2, name="Agent")
    assert conclude_scene(drawing.events).tasks == ()
    (task,) = conclude_scene(drawing.run("a", 60).events).tasks
    assert (task.id, task.start, task.outcome) == ("a", at(60), RUNNING)


@pytest.mark.parametrize(("asked", "tasks"), [(False, 1), (True, 0)])
def test_the_call_is_the_task_if_the_source_knows_no_agents(*, asked: bool, tasks: int) -> None:
    """Some clients report no agent by itself: their open call is the task, unless it waits for permission."""
    drawing = Drawing().opens().prompt(0).order("call-a", 1, "review")
    if asked:
        drawing.stroke(Kind.PERMISSION_REQUEST, 2, name="Agent")
    events = [replace(event, source="droid") for event in drawing.events]
    assert len(conclude_scene(events).tasks) == tasks


# How a session ended.


def test_a_session_cut_off_in_its_last_turn_is_no_success() -> None:
    """The end was seen, but the last turn has none: the outcome is unknown, not success."""
    session = conclude_scene(Drawing().opens().prompt(0).call("c", 1, 2).ends(9).events)
    assert (session.outcome, session.end) == (UNKNOWN, at(9))


def test_an_interrupted_session_is_cancelled() -> None:
    """The last turn was interrupted by a person, and so was the session."""
    drawing = Drawing().opens().prompt(0).stop(5, outcome=CANCELLED)
    assert conclude_scene(drawing.events, lost=True).outcome is CANCELLED
    assert conclude_scene(drawing.ends(9).events).outcome is CANCELLED


def test_a_session_at_rest_after_a_complete_answer_has_succeeded() -> None:
    """Its end was never reported; it has finished all the same, and has no invented end."""
    session = conclude_scene(Drawing().opens().prompt(0).stop(5).events, lost=True)
    assert (session.outcome, session.end, session.last) == (SUCCESS, None, at(5))


def test_a_session_at_rest_with_an_agent_left_running_is_unknown() -> None:
    """The last answer was complete, but an agent in the background never ended."""
    drawing = Drawing().opens().prompt(0).order("call-a", 1).answer("call-a", 2, "a", status="async_launched")
    session = conclude_scene(drawing.run("a", 2).stop(5, running=["a"]).events, lost=True)
    assert session.outcome is UNKNOWN


def test_a_source_without_stops_is_not_cut_off() -> None:
    """A client that never reports the end of a turn has not cut off its last: its reported end counts."""
    events = [replace(event, source="gemini-cli") for event in Drawing().opens().prompt(0).ends(9).events]
    assert conclude_scene(events).outcome is SUCCESS
