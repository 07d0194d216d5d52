from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.trace import SpanContext

from stretto.clock import SECOND
from stretto.model.entities import ModelCall, Session, Task, ToolCall, Turn
from stretto.model.event import Outcome
from stretto.otlp_export.session_spans import build_spans, choose_trace_id, compute_span_id

START = 1_760_000_000 * SECOND
TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

SECRET = "words that stay at home"

OK, FAILED, CANCELLED, UNKNOWN = Outcome.SUCCESS, Outcome.FAILURE, Outcome.CANCELLED, Outcome.UNKNOWN


def at(second: float) -> int:
    """Return an instant of the scene, in nanoseconds since the epoch."""
    return START + round(second * SECOND)


def when(second: float | None) -> int | None:
    """Return an instant of the scene that may be unknown."""
    return None if second is None else at(second)


def call(  # noqa: PLR0917 - the columns of the scene's table
    name: str,
    tool: str | None,
    inside: str | None,
    start: float | None,
    end: float | None,
    outcome: Outcome = OK,
    *,
    execution: int | None = None,
    overhead: int | None = None,
) -> ToolCall:
    """Return a tool call; edges in seconds, execution and overhead in nanoseconds."""
    return ToolCall(name, tool, inside, when(start), when(end), execution, overhead, outcome)


def task(  # noqa: PLR0917 - the columns of the scene's table
    name: str,
    agent: str | None,
    parent: str | None,
    delegated_by: str | None,
    start: float | None,
    end: float | None,
    outcome: Outcome = OK,
) -> Task:
    """Return a task; edges in seconds."""
    return Task(name, "architecture", agent, SECRET, parent, delegated_by, when(start), when(end), outcome)


def session(**changes: Any) -> Session:
    """Return the scene: two turns, a fan-out of A and B, C inside B.

    A outlives the call that started it. D and c6 never ended, c8's start was not seen, m3 has no time.
    """
    scene = Session(
        id="s1",
        source="claude-code",
        project="atelier",
        pattern="/review",
        traceparent=None,
        recording=False,
        start=at(0),
        end=at(100),
        last=at(100),
        outcome=OK,
        turns=(Turn("p1", "user", at(5), at(50), OK), Turn("p2", "host", at(60), at(90), CANCELLED)),
        tasks=(
            task("A", "architect", None, "c1", 11, 40),
            task("B", "tester", None, "c2", 14, 44, FAILED),
            task("C", None, "B", None, 21, 29),
            task("D", "scribe", None, None, 70, None, UNKNOWN),
        ),
        tool_calls=(
            call("c1", "Agent", None, 10, 12),
            call("c2", "Agent", None, 13, 45, FAILED),
            call("c3", "Bash", "A", 15, 20, FAILED, execution=4 * SECOND, overhead=SECOND // 4),
            call("c5", "Read", "C", 22, 23),
            call("c6", "Bash", None, 62, None, UNKNOWN),
            call("c7", None, None, 95, 96, UNKNOWN),
            call("c8", "Grep", "A", None, 39),
            call("c9", "Read", "D", 71, 72),
        ),
        model_calls=(
            ModelCall("m1", "claude-opus", None, at(6), 3 * SECOND, OK),
            ModelCall("m2", "claude-haiku", "B", at(15), None, UNKNOWN),
            ModelCall("m3", "claude-haiku", "B", None, None, UNKNOWN),
            ModelCall("m4", None, "B", at(16), 2 * SECOND, FAILED),
        ),
    )
    return replace(scene, **changes)


def spans_of(scene: Session) -> tuple[ReadableSpan, ...]:
    """Return the trace of a session."""
    return build_spans(scene, version="1.2.3")


def own(span: ReadableSpan) -> SpanContext:
    """Return the span's own ids and flags."""
    context = span.get_span_context()
    assert context is not None
    return context


def seconds(time: int | None) -> float:
    """Return an instant as seconds of the scene."""
    assert time is not None
    return (time - START) / SECOND


def flat_event(event: Event) -> tuple[str, float, dict[str, Any]]:
    """Return an event as plain values: name, time, attributes."""
    return event.name, seconds(event.timestamp), dict(event.attributes or {})


def flat(spans: tuple[ReadableSpan, ...]) -> list[dict[str, Any]]:
    """Return spans as plain values, with the parents' names."""
    names = {own(span).span_id: span.name for span in spans}
    return [
        {
            "name": span.name,
            "kind": span.kind.name,
            "parent": names[span.parent.span_id] if span.parent else None,
            "from": seconds(span.start_time),
            "to": seconds(span.end_time),
            "status": span.status.status_code.name,
            "attributes": dict(span.attributes or {}),
            "events": [flat_event(event) for event in span.events],
        }
        for span in spans
    ]


def expected(
    name: str,
    parent: str | None,
    start: float,
    end: float,
    outcome: str,
    *events: tuple[str, float, dict[str, Any]],
    kind: str = "INTERNAL",
    **attributes: Any,
) -> dict[str, Any]:
    """Return a span as plain values, as it is drawn."""
    return {
        "name": name,
        "kind": kind,
        "parent": parent,
        "from": start,
        "to": end,
        "status": "ERROR" if outcome == "failure" else "UNSET",
        "attributes": said(name.split(" ", maxsplit=1)[0], outcome, **attributes),
        "events": list(events),
    }


def said(operation: str, outcome: str, **attributes: Any) -> dict[str, Any]:
    """Return the attributes that all have in common and further ones.

    In their names ``_`` stands for a dot and ``__`` for itself.
    """
    common = {
        "gen_ai.operation.name": operation,
        "gen_ai.conversation.id": "s1",
        "stretto.outcome": outcome,
    }
    if outcome == "failure":
        common["error.type"] = "_OTHER"
    named = {
        name.replace("__", "\0").replace("_", ".").replace("\0", "_").replace("gen.ai", "gen_ai"): value
        for name, value in attributes.items()
    }
    return common | named


def test_a_session_becomes_the_trace_that_was_drawn_by_hand() -> None:
    """Each entity with both edges is a span with times, parent, outcome and names; the others are events."""
    main = {"gen_ai_agent_name": "claude-code"}
    in_a = {"gen_ai_agent_name": "architect", "stretto_task_id": "A"}
    in_b = {"gen_ai_agent_name": "tester", "stretto_task_id": "B"}

    spans = flat(spans_of(session()))

    assert spans == [
        expected(
            "invoke_workflow /review",
            None,
            0,
            100,
            "success",
            gen_ai_agent_name="/review",
            stretto_session_id="s1",
            stretto_source="claude-code",
            stretto_project="atelier",
            stretto_recording=False,
            stretto_untimed=1,
        ),
        expected(
            "invoke_agent claude-code",
            "invoke_workflow /review",
            5,
            50,
            "success",
            stretto_turn_id="p1",
            stretto_turn_origin="user",
            **main,
        ),
        expected(
            "invoke_agent claude-code",
            "invoke_workflow /review",
            60,
            90,
            "cancelled",
            (
                "stretto.unfinished",
                70,
                said(
                    "invoke_agent",
                    "unknown",
                    gen_ai_agent_name="scribe",
                    stretto_task_id="D",
                    stretto_task_type="architecture",
                ),
            ),
            (
                "stretto.unfinished",
                62,
                said(
                    "execute_tool",
                    "unknown",
                    gen_ai_tool_name="Bash",
                    gen_ai_tool_call_id="c6",
                    **main,
                ),
            ),
            stretto_turn_id="p2",
            stretto_turn_origin="host",
            **main,
        ),
        expected(
            "invoke_agent architect",
            "execute_tool Agent",
            11,
            40,
            "success",
            (
                "stretto.start_unknown",
                39,
                said("execute_tool", "success", gen_ai_tool_name="Grep", gen_ai_tool_call_id="c8", **in_a),
            ),
            stretto_task_type="architecture",
            **in_a,
        ),
        expected(
            "invoke_agent tester",
            "execute_tool Agent",
            14,
            44,
            "failure",
            (
                "stretto.unfinished",
                15,
                said(
                    "chat",
                    "unknown",
                    gen_ai_request_model="claude-haiku",
                    stretto_model__call_id="m2",
                    **in_b,
                ),
            ),
            stretto_task_type="architecture",
            **in_b,
        ),
        expected(
            "invoke_agent",
            "invoke_agent tester",
            21,
            29,
            "success",
            stretto_task_id="C",
            stretto_task_type="architecture",
        ),
        expected(
            "execute_tool Agent",
            "invoke_agent claude-code",
            10,
            12,
            "success",
            gen_ai_tool_name="Agent",
            gen_ai_tool_call_id="c1",
            **main,
        ),
        expected(
            "execute_tool Agent",
            "invoke_agent claude-code",
            13,
            45,
            "failure",
            gen_ai_tool_name="Agent",
            gen_ai_tool_call_id="c2",
            **main,
        ),
        expected(
            "execute_tool Bash",
            "invoke_agent architect",
            15,
            20,
            "failure",
            gen_ai_tool_name="Bash",
            gen_ai_tool_call_id="c3",
            stretto_tool_execution__seconds=4.0,
            stretto_tool_overhead__seconds=0.25,
            **in_a,
        ),
        expected(
            "execute_tool Read",
            "invoke_agent",
            22,
            23,
            "success",
            gen_ai_tool_name="Read",
            gen_ai_tool_call_id="c5",
            stretto_task_id="C",
        ),
        expected(
            "execute_tool",
            "invoke_workflow /review",
            95,
            96,
            "unknown",
            gen_ai_tool_call_id="c7",
            **main,
        ),
        expected(
            "execute_tool Read",
            "invoke_agent claude-code",
            71,
            72,
            "success",
            gen_ai_tool_name="Read",
            gen_ai_tool_call_id="c9",
            gen_ai_agent_name="scribe",
            stretto_task_id="D",
        ),
        expected(
            "chat claude-opus",
            "invoke_agent claude-code",
            6,
            9,
            "success",
            kind="CLIENT",
            gen_ai_request_model="claude-opus",
            stretto_model__call_id="m1",
            **main,
        ),
        expected(
            "chat",
            "invoke_agent tester",
            16,
            18,
            "failure",
            kind="CLIENT",
            stretto_model__call_id="m4",
            **in_b,
        ),
    ]


def parents_by_id(scene: Session) -> dict[int, int | None]:
    """Return the parent of each span of a session's trace, None for the root."""
    return {own(span).span_id: span.parent.span_id if span.parent else None for span in spans_of(scene)}


def test_parents_are_the_very_entities_and_not_their_namesakes() -> None:
    """Two turns and two delegating calls share a name: the ids tell that each child has its own parent."""
    parents = parents_by_id(session())

    assert parents[compute_span_id("s1", "task", "A")] == compute_span_id("s1", "tool", "c1")
    assert parents[compute_span_id("s1", "task", "B")] == compute_span_id("s1", "tool", "c2")
    assert parents[compute_span_id("s1", "tool", "c2")] == compute_span_id("s1", "turn", "p1")
    assert parents[compute_span_id("s1", "model", "m1")] == compute_span_id("s1", "turn", "p1")
    assert parents[compute_span_id("s1", "tool", "c9")] == compute_span_id("s1", "turn", "p2")


def test_times_are_exact_to_the_nanosecond() -> None:
    """Edges leave as they are stored, without passing through a float."""
    start, end = START + 1, START + 123_456_789
    scene = session(turns=(), tasks=(), tool_calls=(), model_calls=(), start=start, end=end, last=end)

    (root,) = spans_of(scene)

    assert (root.start_time, root.end_time) == (start, end)


def test_the_same_session_gives_the_same_trace_again() -> None:
    """Ids are hashes of what names an entity, so that a replay changes nothing.

    The expected ones come from the program sha256sum, over the parts joined by zero bytes.
    """
    first, second = spans_of(session()), spans_of(session())

    assert [own(span) for span in first] == [own(span) for span in second]
    assert {own(span).trace_id for span in first} == {0x28FE511A9E6D61AD9C0A474EB2120509}
    assert choose_trace_id(session()) == 0x28FE511A9E6D61AD9C0A474EB2120509
    assert own(first[0]).span_id == 0x48BB26F08525E154
    assert compute_span_id("s1", "task", "A") == 0x67ABE7E20BDFB4DC


def test_traces_and_spans_of_different_sessions_differ() -> None:
    """The source and the session's id both count, and no two spans of a trace share an id."""
    ids = [own(span).span_id for span in spans_of(session())]

    assert len(set(ids)) == len(ids)
    assert choose_trace_id(session(source="codex")) != choose_trace_id(session())
    assert choose_trace_id(session(id="s2")) != choose_trace_id(session())
    assert not set(ids) & {own(span).span_id for span in spans_of(session(id="s2"))}


def test_every_span_is_sampled_and_every_parent_is_in_the_trace() -> None:
    """Without a caller there is one root, and nothing hangs on a span that is not sent."""
    spans = spans_of(session())
    ids = {own(span).span_id for span in spans}

    roots = [span for span in spans if span.parent is None]

    assert [span.name for span in roots] == ["invoke_workflow /review"]
    assert all(span.parent.span_id in ids for span in spans if span.parent is not None)
    assert all(own(span).trace_flags.sampled and not own(span).is_remote for span in spans)


def test_a_session_joins_the_trace_of_its_caller() -> None:
    """The caller's trace id and flags are taken over, and the root alone hangs on the remote span."""
    spans = spans_of(session(traceparent=TRACEPARENT))
    root, *rest = spans
    ids = {own(span).span_id for span in spans}

    assert {own(span).trace_id for span in spans} == {0x4BF92F3577B34DA6A3CE929D0E0E4736}
    assert {int(own(span).trace_flags) for span in spans} == {1}
    assert root.parent is not None
    assert (root.parent.span_id, root.parent.is_remote) == (0x00F067AA0BA902B7, True)
    assert all(span.parent is not None and span.parent.span_id in ids for span in rest)
    assert [own(span).span_id for span in spans] == [own(span).span_id for span in spans_of(session())]


def test_further_flags_of_the_caller_are_carried_on() -> None:
    """Sampled with a flag of a later level of the W3C context stays what the caller said."""
    spans = spans_of(session(traceparent=TRACEPARENT[:-2] + "03"))

    assert {int(own(span).trace_flags) for span in spans} == {3}


def test_a_caller_that_did_not_sample_gets_no_spans() -> None:
    """Parent-based sampling: spans below one that nobody kept would be orphans."""
    assert spans_of(session(traceparent=TRACEPARENT[:-2] + "00")) == ()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nonsense",
        TRACEPARENT.upper().replace("00-4", "0x-4"),
        TRACEPARENT.replace("4bf92f3577b34da6a3ce929d0e0e4736", "0" * 32),
        TRACEPARENT.replace("00f067aa0ba902b7", "0" * 16),
        "ff" + TRACEPARENT[2:],
        TRACEPARENT + "-more",
    ],
)
def test_an_invalid_traceparent_is_as_good_as_none(text: str) -> None:
    """An id that the W3C format forbids never becomes a trace id."""
    assert flat(spans_of(session(traceparent=text))) == flat(spans_of(session()))
    assert choose_trace_id(session(traceparent=text)) == choose_trace_id(session())


def test_resource_and_scope_say_who_is_speaking() -> None:
    """service.name is stretto, given attributes are added, and nothing is read from the machine."""
    spans = build_spans(session(), version="1.2.3", resource={"host.name": "studio"})

    for span in spans:
        scope = span.instrumentation_scope
        assert scope is not None
        assert (scope.name, scope.version) == ("stretto", "1.2.3")
        assert dict(span.resource.attributes) == {"service.name": "stretto", "host.name": "studio"}


def test_a_given_service_name_replaces_ours() -> None:
    """OTEL_SERVICE_NAME is the user's word and can be handed in."""
    root = build_spans(session(), version="1", resource={"service.name": "review-bot"})[0]

    assert dict(root.resource.attributes) == {"service.name": "review-bot"}


def test_without_a_pattern_the_workflow_is_the_source() -> None:
    """The root's name falls back to the product, and an unknown project is left out, not empty."""
    root = spans_of(session(pattern=None, project=None))[0]
    attributes = dict(root.attributes or {})

    assert root.name == "invoke_workflow claude-code"
    assert attributes["gen_ai.agent.name"] == "claude-code"
    assert "stretto.project" not in attributes


def test_a_lost_session_ends_when_it_was_last_heard_of_and_says_so() -> None:
    """A root is needed; it then ends at the last event and is marked as having no known end."""
    root = spans_of(session(end=None, last=at(97), outcome=UNKNOWN))[0]

    assert seconds(root.end_time) == 97
    assert (root.attributes or {})["stretto.end_known"] is False
    assert "stretto.end_known" not in (spans_of(session())[0].attributes or {})


def test_where_every_time_is_known_no_count_of_unknown_ones_is_sent() -> None:
    """The root speaks of entities without any time only where there are some."""
    root = spans_of(session(model_calls=()))[0]

    assert "stretto.untimed" not in (root.attributes or {})


def test_a_running_session_is_refused() -> None:
    """Only a finished session becomes a trace: spans cannot be changed once they are sent."""
    with pytest.raises(ValueError, match="s1 is still running"):
        spans_of(session(outcome=Outcome.RUNNING, end=None))


def test_a_failed_session_is_an_error() -> None:
    """The root follows the same rule of status as what is inside it."""
    root = flat(spans_of(session(outcome=FAILED)))[0]

    assert root["status"] == "ERROR"
    assert root["attributes"]["error.type"] == "_OTHER"


def test_an_end_before_its_start_is_no_end() -> None:
    """A clock that stepped back must not give a span of negative length."""
    scene = session(tasks=(), tool_calls=(call("c1", "Bash", None, 20, 19),), model_calls=())

    turn = spans_of(scene)[1]

    assert [(event.name, seconds(event.timestamp)) for event in turn.events] == [("stretto.unfinished", 20)]


def test_what_is_inside_an_unfinished_turn_or_call_hangs_on_the_next_span_above() -> None:
    """A turn without an end has no children; a task gets the owner of its unfinished call as parent."""
    scene = session(
        turns=(Turn("p1", "user", at(5), None, UNKNOWN),),
        tasks=(task("A", "architect", None, None, 10, 40), task("B", "tester", "A", "c2", 15, 20)),
        tool_calls=(call("c1", "Bash", None, 12, 13), call("c2", "Agent", "A", 14, None, UNKNOWN)),
        model_calls=(),
    )

    spans = {span["name"]: span for span in flat(spans_of(scene))}

    assert spans["execute_tool Bash"]["parent"] == "invoke_workflow /review"
    assert spans["invoke_agent architect"]["parent"] == "invoke_workflow /review"
    assert spans["invoke_agent tester"]["parent"] == "invoke_agent architect"
    assert [name for name, _, _ in spans["invoke_agent architect"]["events"]] == ["stretto.unfinished"]


def test_a_task_whose_call_was_not_seen_hangs_on_its_parent_or_its_turn() -> None:
    """An id that names nothing in the session is no parent."""
    scene = session(
        tasks=(
            task("A", "architect", "gone", "gone", 10, 40),
            task("B", "tester", "A", "gone", 15, 20),
        ),
        tool_calls=(call("c1", "Bash", "gone", 70, 71),),
        model_calls=(),
    )

    parents = parents_by_id(scene)

    assert parents[compute_span_id("s1", "task", "A")] == compute_span_id("s1", "turn", "p1")
    assert parents[compute_span_id("s1", "task", "B")] == compute_span_id("s1", "task", "A")
    assert parents[compute_span_id("s1", "tool", "c1")] == compute_span_id("s1", "turn", "p2")


def test_a_turn_holds_its_start_and_not_its_end() -> None:
    """Turns are half-open, and of two that overlap the later one holds what starts in both."""
    scene = session(
        turns=(
            Turn("p1", "user", at(0), at(50), OK),
            Turn("p2", "host", at(20), at(30), OK),
            Turn("p3", "user", at(50), at(60), OK),
        ),
        tasks=(),
        tool_calls=(
            call("in p1", "Read", None, 19, 21),
            call("in p2", "Read", None, 20, 55),
            call("in p1 again", "Read", None, 30, 31),
            call("in p3", "Read", None, 50, 51),
            call("outside", "Read", None, 60, 61),
        ),
        model_calls=(),
    )

    parents = parents_by_id(scene)

    assert {
        name: parents[compute_span_id("s1", "tool", name)]
        for name in ("in p1", "in p2", "in p1 again", "in p3", "outside")
    } == {
        "in p1": compute_span_id("s1", "turn", "p1"),
        "in p2": compute_span_id("s1", "turn", "p2"),
        "in p1 again": compute_span_id("s1", "turn", "p1"),
        "in p3": compute_span_id("s1", "turn", "p3"),
        "outside": compute_span_id("s1", "session", "s1"),
    }


def test_tasks_that_name_each_other_as_parents_still_reach_the_root() -> None:
    """A ring of parents is bad input; every span is still below the root, and nothing runs forever."""
    scene = session(
        tasks=(
            task("A", "architect", "B", None, 10, 40),
            task("B", "tester", "A", None, 15, 20),
            task("C", "scribe", None, "c1", 15, 20),
            task("D", "lost", "D", None, 15, None),
        ),
        tool_calls=(call("c1", "Agent", "C", 14, 21), call("c2", "Read", "D", 16, 17)),
        model_calls=(),
    )
    parents = parents_by_id(scene)

    for start in parents:
        key: int | None = start
        for _ in parents:
            key = parents[key] if key is not None else None

        assert key is None


def test_nothing_but_names_ids_and_figures_leaves() -> None:
    """A task's description is text of the user's work and stays in the store."""
    assert SECRET not in str(flat(spans_of(session())))
