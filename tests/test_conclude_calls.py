"""Model calls reported by several sources under different ids (tool calls: test_conclude)."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from stretto.model.conclude_session import conclude_session
from stretto.model.event import Channel, Event, Kind
from stretto.model.facts import SessionFacts
from stretto.model.fold import fold_events


def conclude_ids(*events: Event) -> list[str]:
    """Return the ids of the model calls concluded from events."""
    facts = SessionFacts("s")
    fold_events(facts, events)
    return [call.id for call in conclude_session(facts, lost=True, classify=lambda *_: "other").model_calls]


def model_call(id: str, channel: Channel = Channel.OTLP, **attributes: Any) -> Event:
    """Return a report of a model call."""
    return Event(kind=Kind.MODEL_CALL, session="s", time=1, id=id, channel=channel, attributes=attributes)


def test_a_model_call_known_by_request_and_response_is_one() -> None:
    """A log event names the request, a span both request and response: they are a single call."""
    assert conclude_ids(model_call("req"), model_call("msg", request="req")) == ["msg"]


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from("abcd")), max_size=8))
def test_requests_in_chains_and_rings_stop_nothing(names: list[tuple[str, str]]) -> None:
    """For any combination of request ids, only reported calls are concluded, in any order."""
    events = [model_call(call, request=request) for call, request in names]
    concluded = conclude_ids(*events)
    assert set(concluded) <= {call for call, _ in names}
    assert bool(concluded) == bool(names)
    assert conclude_ids(*reversed(events)) == concluded


def test_an_anonymous_model_call_gives_way() -> None:
    """A span without a call id counts only if no other source reports model calls."""
    span = model_call("0123456789abcdef", anonymous=True)
    assert conclude_ids(span) == ["0123456789abcdef"]
    assert conclude_ids(span, model_call("msg_1", Channel.TRANSCRIPT)) == ["msg_1"]
