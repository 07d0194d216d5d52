"""Span links: spans without an entity are written if a span below them was, and only then."""

from __future__ import annotations

from itertools import permutations

from stretto.sources.otlp.plain_records import Scalar, Span
from stretto.sources.otlp.span_selection import SpanLinks


def span(id: str, parent: str = "", *, trace: str = "t") -> Span:
    """Return a span; an id in capitals is that of an agent."""
    return Span(trace, id, parent, id, 1, 2, False, {}, "", "")


def is_agent(span: Span) -> bool:
    """Return whether a span counts as an entity."""
    return span.id.isupper()


TREE = [span("A", "b"), span("b", "c"), span("c"), span("d", "c"), span("e", "d")]
"""Agent A below b below the top c; d and e lie beside them."""


def test_links_are_written_in_any_order() -> None:
    """The way from an agent to the top is written exactly once, and nothing beside it."""
    for order in permutations(TREE):
        links = SpanLinks()
        written = [each.id for part in order for each in links.select_spans("t", [part], is_agent)]
        assert sorted(written) == ["A", "b", "c"]


def test_spans_of_one_request_are_linked() -> None:
    """A request that holds the whole trace gives the same spans."""
    assert {each.id for each in SpanLinks().select_spans("t", TREE, is_agent)} == {"A", "b", "c"}


def test_a_span_that_waited_is_written_as_it_came() -> None:
    """Its attributes are those that it had, a number of more than 64 bits too."""
    for number in (7, 1 << 80):
        attributes: dict[str, Scalar] = {"text": "ü", "number": number, "share": 0.5, "flag": True}
        waiting = Span("t", "b", "c", "step", 1, 2, True, attributes, "scope", "service", ("other",))
        links = SpanLinks()
        assert links.select_spans("t", [waiting], is_agent) == []
        assert links.select_spans("t", [span("A", "b")], is_agent)[1] == waiting


def test_traces_without_agents_are_not_written() -> None:
    """A web server's requests leave nothing, and their memory is bounded."""
    links = SpanLinks(waiting_limit=10)
    for number in range(100):
        assert links.select_spans(str(number), [span("x"), span("y", "x")], is_agent) == []

    assert links.count_waiting() <= 10


def test_one_large_trace_is_bounded_too() -> None:
    """A single trace with more waiting spans than the limit forgets its oldest."""
    links = SpanLinks(waiting_limit=10)
    links.select_spans("t", [span(f"s{number}") for number in range(100)], is_agent)

    assert links.count_waiting() == 10


def test_missing_parents_are_known_after_a_restart() -> None:
    """A parent that arrives after a restart is written if a span below it was written before."""
    links, seen = SpanLinks(), {"A"}
    links.recall_span("t", "A", "b", seen)

    assert [each.id for each in links.select_spans("t", [span("b", "c")], is_agent)] == ["b"]
    assert [each.id for each in links.select_spans("t", [span("c"), span("d", "c")], is_agent)] == ["c"]
