from __future__ import annotations

from copy import deepcopy
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from stretto.model.conclude_session import conclude_session
from stretto.model.event import Channel, Event, Kind
from stretto.model.facts import ENTITY_KINDS, LEAF_KINDS, EntityFacts, SessionFacts
from stretto.model.fold import fold_events
from tests.fakes import RECORDINGS, any_event, recorded
from tests.scenes import (
    Drawing,
    at,
    background,
    by_description,
    fold_scene,
    fork_join,
    frame_drawing,
    nested,
    orchestrated,
)

STREAM = st.lists(any_event(), min_size=1, max_size=25)
DRAWINGS = [fork_join, nested, background, orchestrated]


def entities(facts: SessionFacts) -> dict[tuple[str, str], EntityFacts]:
    """Return the facts about all entities, by kind and id."""
    tables = {
        "turn": facts.turns,
        "task": facts.tasks,
        "call": facts.calls,
        "model": facts.model_calls,
        "session": {"": facts.session},
        "permission": {"": facts.permissions},
        "span": facts.spans,
        "alias": facts.aliases,
        **{kind: facts.leaves.get(kind, {}) for kind in LEAF_KINDS},
    }
    assert tables.keys() == set(ENTITY_KINDS)
    return {(kind, key): known for kind, table in tables.items() for key, known in table.items()}


def assert_same(one: list[Event], other: list[Event]) -> None:
    """Both orders give the same facts and the same session, open and closed."""
    left, right = fold_scene(one), fold_scene(other)
    assert left == right
    for lost in (False, True):
        assert conclude_session(left, lost=lost, classify=by_description) == conclude_session(
            right, lost=lost, classify=by_description
        )


@given(STREAM, st.randoms(use_true_random=False))
def test_order_and_repetition_do_not_matter(events: list[Event], random: Random) -> None:
    """Any order and any repetition of the same events give the same facts and the same session."""
    again = [*events, *random.choices(events, k=len(events))]
    random.shuffle(again)
    assert_same(events, again)


@pytest.mark.parametrize("name", RECORDINGS)
@pytest.mark.parametrize("seed", range(10))
def test_recordings_may_come_in_any_order_and_twice(name: str, seed: int) -> None:
    """Shuffled and partly doubled recordings give the same facts and the same session."""
    random = Random(seed)
    events = list(recorded(name))
    again = [*events, *random.choices(events, k=20)]
    random.shuffle(again)
    assert_same(events, again)


@given(STREAM, st.integers(0, 25))
def test_events_may_be_merged_in_any_portions(events: list[Event], cut: int) -> None:
    """Merging many events at once equals merging them in sequence."""
    facts = SessionFacts("s")
    fold_events(facts, events[:cut])
    fold_events(facts, events[cut:])
    assert facts == fold_scene(events)


@given(STREAM, any_event())
def test_whatever_changes_is_named(events: list[Event], last: Event) -> None:
    """Each entity that an event changes is among those that the merge returns."""
    facts = fold_scene(events)
    before = deepcopy(entities(facts))
    touched = fold_events(facts, [last])
    after = entities(facts)
    changed = {key for key, known in after.items() if before.get(key, {}) != known}
    assert changed <= touched


def test_every_event_is_a_sign_of_life() -> None:
    """First, last and source of a session come from all its events, including those without an entity."""
    drawing = (
        Drawing().stroke(Kind.NOTIFICATION, 9).stroke(Kind.COMPACTION_START, 3).stroke(Kind.BATCH_END, 5)
    )
    facts = fold_scene(drawing.events)
    assert facts.session == {"first": (0, at(3)), "last": (0, at(9)), "source": (2, "claude-code")}
    assert fold_events(SessionFacts("s"), []) == set()


def test_a_call_is_one_whoever_reports_it() -> None:
    """Hooks, spans and transcripts report the same call: the best ranked times are kept."""
    drawing = Drawing().call("c", 10, 20, took=8).call("c", 10.5, 20.5, took=8.25)
    spans = Drawing().call("c", 11, 19, took=7)
    events = [*drawing.events, *(replace(event, channel=Channel.OTLP) for event in spans.events)]
    facts = fold_scene(events)
    assert len(facts.calls) == 1
    assert facts.calls["c"]["start"] == (1, at(11))
    assert facts.calls["c"]["end"] == (1, at(19))
    assert facts.calls["c"]["duration"] == (1, at(7) - at(0))


def test_the_first_command_and_project_name_the_session() -> None:
    """A session that gives other commands later, or moves, keeps its first pattern and project."""
    drawing = Drawing().opens(0, project="one").prompt(1, "p1", command="release")
    drawing.prompt(5, "p2", command="fix").opens(6, project="two")
    session = conclude_session(fold_scene(reversed(drawing.events)), lost=False, classify=by_description)
    assert (session.pattern, session.project) == ("release", "one")


def test_a_notice_of_the_host_says_how_an_agent_ended() -> None:
    """The host's prompt carries outcome and call of a background agent; the prompt is the host's turn."""
    facts = fold_scene(frame_drawing(background(), 50).events)
    assert facts.tasks["x"][f"notice@{at(23)}"] == (2, "success")
    assert facts.tasks["y"][f"notice@{at(35)}"] == (2, "failure")
    assert facts.tasks["y"]["delegated_by"] == (2, "call-y")
    assert facts.turns["p2"]["origin"][1] == "host"


def test_an_event_without_an_id_touches_no_entity() -> None:
    """A call, task or model call without an id is only a sign of life."""
    for kind in (
        Kind.TOOL_START,
        Kind.TOOL_END,
        Kind.TASK_START,
        Kind.TASK_END,
        Kind.MODEL_CALL,
        Kind.BATCH_END,
    ):
        facts = SessionFacts("s")
        assert fold_events(facts, [Event(kind=kind, session="s", time=at(1))]) == {("session", "")}
        assert facts.calls == facts.tasks == facts.model_calls == {}


def test_two_requests_for_permission_at_one_instant_are_two() -> None:
    """Agents that ask at the same nanosecond do not overwrite each other's request."""
    drawing = Drawing()
    for agent_id in ("a", "b"):
        drawing.stroke(Kind.PERMISSION_REQUEST, 5, name="Bash", parent=agent_id)
    assert len(fold_scene(drawing.events).permissions) == 2
