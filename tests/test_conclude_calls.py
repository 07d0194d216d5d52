"""Model calls told by several sources, each by the ids it knows (tool calls: test_conclude)."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from stretto.model.conclude import conclude_session
from stretto.model.event import Channel, Event, Kind
from stretto.model.facts import SessionFacts
from stretto.model.fold import fold_events


def told_model_calls(*events: Event) -> list[str]:
    """The ids of the model calls that events conclude to."""
    facts = SessionFacts("s")
    fold_events(facts, events)
    return [call.id for call in conclude_session(facts, lost=True, classify=lambda *_: "other").model_calls]


def model_call(id: str, channel: Channel = Channel.OTLP, **attributes: Any) -> Event:
    """A model call as a source tells it."""
    return Event(kind=Kind.MODEL_CALL, session="s", time=1, id=id, channel=channel, attributes=attributes)


def test_a_model_call_known_by_request_and_response_is_one() -> None:
    """A log event names the request, a span the response and the request: one call, by its response."""
    assert told_model_calls(model_call("req"), model_call("msg", request="req")) == ["msg"]


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from("abcd")), max_size=8))
def test_requests_in_chains_and_rings_stop_nothing(words: list[tuple[str, str]]) -> None:
    """Whatever sources say of requests, calls conclude, none is made up, and order does not matter."""
    events = [model_call(call, request=request) for call, request in words]
    told = told_model_calls(*events)
    assert set(told) <= {call for call, _ in words}
    assert bool(told) == bool(words)
    assert told_model_calls(*reversed(events)) == told


def test_an_anonymous_model_call_gives_way() -> None:
    """A span that names no call counts only where no other source tells of model calls."""
    span = model_call("0123456789abcdef", anonymous=True)
    assert told_model_calls(span) == ["0123456789abcdef"]
    assert told_model_calls(span, model_call("msg_1", Channel.TRANSCRIPT)) == ["msg_1"]
