"""Invariance: a recorded run is the same session however its spans are cut into requests and ordered.

The truth of each recording is written in its README: who worked, for how long, side by side with whom.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import pytest
from tests.fakes import ROOT, rebuilt, store
from tests.otlp_requests import JSON, as_json, events_of, move_home, sessions
from tests.scenes import by_description

from stretto import journal
from stretto.clock import SECOND
from stretto.figures.fanouts import find_fanouts
from stretto.model.entities import Session
from stretto.model.event import Event, Outcome
from stretto.sources.otlp.receive import OtlpTranslator, Signal
from stretto.store import session_queries

FRAMEWORKS = ROOT.parent / "shared" / "data" / "otel-frameworks"

pytestmark = [
    pytest.mark.corpus,
    pytest.mark.skipif(not FRAMEWORKS.is_dir(), reason=f"the recordings are not here: {FRAMEWORKS}"),
]

LATER = 1_900_000_000 * SECOND
Requests = list[dict[str, Any]]


class Truth(NamedTuple):
    """The truth about a recording."""

    agents: str = "architect tester writer"
    """The names of the tasks, sorted; a name of several tasks is repeated."""
    widths: tuple[int, ...] = (3,)
    model_calls: int = 3
    input_tokens: int = 180
    """Without those read from the cache."""
    failed: str = ""
    """The tasks that failed or were cancelled."""
    outcome: Outcome = Outcome.SUCCESS


NO_MODELS = Truth(model_calls=0, input_tokens=0)
LED = Truth(model_calls=5, input_tokens=300)
"""The model is asked twice by the lead and once by each worker."""

TRUTHS: dict[str, Truth] = {
    "agent-framework/concurrent": Truth(),
    "agent-framework/concurrent-split": Truth(),
    "agent-framework/fail": Truth(input_tokens=60, failed="tester", outcome=Outcome.FAILURE),
    # The traces of the run are joined by span links.
    "autogen/graph": NO_MODELS._replace(agents="architect start tester writer"),
    "autogen/tools": NO_MODELS,
    "celery/workers+lead": NO_MODELS,
    "crewai/par": NO_MODELS._replace(agents="architect joiner tester writer"),
    "google-adk/fail": Truth(
        agents="architect team tester writer", input_tokens=60, failed="team tester", outcome=Outcome.FAILURE
    ),
    "google-adk/par": Truth(agents="architect team tester writer"),
    # The agents' names are not in the spans.
    "haystack/fail": NO_MODELS._replace(
        agents=" ".join(["Agent.run_async"] * 3), failed="Agent.run_async", outcome=Outcome.FAILURE
    ),
    "haystack/par": NO_MODELS._replace(agents=" ".join(["Agent.run_async"] * 3)),
    "langgraph-openinference/fail": NO_MODELS._replace(
        failed="architect tester writer", outcome=Outcome.FAILURE
    ),
    "langgraph-openinference/par": Truth(),
    "langgraph-openinference/react": LED,
    "langgraph-openinference/send": Truth(agents="worker worker worker"),
    # A node that ran alone is a step of the graph and no task.
    "langgraph-openinference/seq": Truth(agents="", widths=()),
    # The cancelled model calls are reported as good ones, the tester's is not reported.
    "langgraph-traceloop/fail": Truth(
        model_calls=2, input_tokens=0, failed="architect tester writer", outcome=Outcome.FAILURE
    ),
    "langgraph-traceloop/par": Truth(),
    "langgraph-traceloop/react": LED,
    "langgraph-traceloop/react-split": LED,
    "llamaindex/fail": Truth(
        agents="Flow.work Flow.work Flow.work", input_tokens=60, failed="Flow.work", outcome=Outcome.FAILURE
    ),
    "llamaindex/par": Truth(agents="Flow.work Flow.work Flow.work"),
    "llamaindex/seq": Truth(agents="", widths=()),
    "openai-agents-openinference/par": LED._replace(agents="architect lead tester writer"),
    "openai-agents-openinference/par-split": LED._replace(agents="architect lead tester writer"),
    "openai-agents-traceloop/par": LED._replace(agents="architect lead tester writer"),
    "prefect/par": NO_MODELS,
    "pydantic-ai/gatherspan-split": Truth(input_tokens=153),
    "pydantic-ai/long-5s-batches": Truth(input_tokens=153),
    "pydantic-ai/par": LED._replace(input_tokens=261),
    # The failing agent's span is missing: the instrumentation does not end it.
    "smolagents/fail": Truth(
        agents="architect architect writer writer", widths=(2, 2), model_calls=9, input_tokens=700
    ),
    "smolagents/par": Truth(
        agents="architect architect tester tester writer writer",
        widths=(3, 3),
        model_calls=9,
        input_tokens=900,
    ),
    "smolagents/par-split": Truth(
        agents="architect architect tester tester writer writer",
        widths=(3, 3),
        model_calls=9,
        input_tokens=900,
    ),
    "strands/fail": Truth(model_calls=2, input_tokens=60, failed="tester", outcome=Outcome.FAILURE),
    "strands/graph": Truth(),
    "strands/graph-split": Truth(),
    "strands/tools-split": LED,
}

NOT_KNOWABLE = {
    "celery/lead-par": "the lead's spans alone; with the workers: workers+lead",
    "celery/lead-seq": "the lead's spans alone; with the workers: workers+lead",
    "celery/workers": "two runs; the one with a lead: workers+lead",
    "pydantic-ai/gather": "three agents without a common span are three sessions",
}
"""Recordings without a truth of one session."""

WAYS = ("one request", "one span a request", "reversed", "shuffled", "doubled", "restarted")

GAPS: dict[tuple[str, str], str] = {}
"""(recording, way) → why it fails. The list only shrinks."""


def read_requests(name: str) -> Requests:
    """Return the requests of a recording."""
    if name == "celery/workers+lead":
        par = "97e3"
        return [
            *(
                request
                for request in read_requests("celery/workers")
                if all(span["traceId"].startswith(par) for span in list_spans(request))
            ),
            *read_requests("celery/lead-par"),
        ]
    lines = (FRAMEWORKS / f"{name}.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines]


def list_spans(request: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the spans of a request."""
    return [
        span
        for resource in request["resourceSpans"]
        for scope in resource["scopeSpans"]
        for span in scope["spans"]
    ]


def split_requests(requests: Requests) -> Iterator[dict[str, Any]]:
    """Yield a request for each span."""
    for request in requests:
        for resource in request["resourceSpans"]:
            for scope in resource["scopeSpans"]:
                for span in scope["spans"]:
                    yield {"resourceSpans": [{**resource, "scopeSpans": [{**scope, "spans": [span]}]}]}


def receive_requests(requests: Requests, *, restart: bool = False) -> list[Event]:
    """Return the events of requests; the receiver may be restarted in the middle."""
    receiver, events = OtlpTranslator(journal.encode_event), list[Event]()
    for number, request in enumerate(requests):
        if restart and number == len(requests) // 2:
            receiver = OtlpTranslator(journal.encode_event)
            receiver.recall_sessions(events)
        result = receiver.receive_request(Signal.TRACES, as_json(request), content_type=JSON, now=LATER)
        events += events_of(result.records)
    return events


def arrange(requests: Requests, way: str) -> list[Event]:
    """Return the events of a recording that arrives in one of ``WAYS``."""
    single = [*split_requests(requests)]
    if way == "one request":
        return receive_requests(
            [{"resourceSpans": [group for request in requests for group in request["resourceSpans"]]}]
        )
    if way == "reversed":
        single.reverse()
    if way == "shuffled":
        Random(7).shuffle(single)
    return receive_requests(single * 2 if way == "doubled" else single, restart=way == "restarted")


def read_session(events: list[Event]) -> Session:
    """Return the only session that did anything, each event at the home of its trace as in the store."""
    (session,) = [
        session
        for session in sessions(move_home(events), lost=False).values()
        if session.tasks or session.tool_calls or session.model_calls
    ]
    return session


def find_truth(session: Session) -> Truth:
    """Return what a session says of itself."""
    bad = {Outcome.FAILURE, Outcome.CANCELLED}
    return Truth(
        agents=" ".join(sorted(task.agent or "?" for task in session.tasks)),
        widths=tuple(fanout.width for fanout in find_fanouts(session.tasks)),
        model_calls=len(session.model_calls),
        input_tokens=sum(call.tokens.input or 0 for call in session.model_calls),
        failed=" ".join(sorted(task.agent or "?" for task in session.tasks if task.outcome in bad)),
        outcome=session.outcome,
    )


@pytest.mark.parametrize("name", sorted(TRUTHS))
def test_a_recording_says_the_truth(name: str) -> None:
    """Tasks, width of the fan-outs, model calls, tokens, failures and outcome are those of the README."""
    session = read_session(receive_requests(read_requests(name)))

    assert find_truth(session) == TRUTHS[name]
    assert session.end is not None
    assert all(task.interval is not None for task in session.tasks)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", sorted(TRUTHS))
def test_a_recording_is_the_same_session_in_every_way(name: str, way: str) -> None:
    """Cut, turned, doubled and interrupted, the requests give the same session to the last field."""
    requests = read_requests(name)
    expected, session = read_session(receive_requests(requests)), read_session(arrange(requests, way))

    if (name, way) in GAPS:
        assert session != expected, f"this gap is closed: {GAPS[name, way]}"
    else:
        assert session == expected


@pytest.mark.parametrize("name", ["google-adk/par", "pydantic-ai/par", "openai-agents-traceloop/par"])
def test_the_store_tells_the_same(name: str, tmp_path: Path) -> None:
    """Taken in a few events at a time and in any order, the store has the session that a rebuild has."""
    events = arrange(read_requests(name), "shuffled")
    with store(tmp_path) as opened:
        for first in range(0, len(events), 3):
            opened.take(events[first : first + 3])
        expected = read_session(receive_requests(read_requests(name)))
        session = session_queries.read_session(opened.connection, expected.id, by_description)
        rows = opened.rows()

    assert session is not None
    assert find_truth(session) == TRUTHS[name]
    assert session == replace(expected, tasks=session.tasks)
    assert rows == rebuilt(opened.folder, tmp_path / "anew.db", now=0)


def test_every_recording_has_its_truth() -> None:
    """The table covers all recordings, and each gap is one of a recording."""
    recorded = {
        path.relative_to(FRAMEWORKS).with_suffix("").as_posix() for path in FRAMEWORKS.glob("*/*.jsonl")
    }

    assert (set(TRUTHS) - {"celery/workers+lead"}) | set(NOT_KNOWABLE) == recorded
    assert {name for name, _ in GAPS} <= set(TRUTHS)


def test_the_page_of_frameworks_is_fresh() -> None:
    """docs/frameworks.md has this table's figures; ``python -m tests.corpus.framework_page`` writes it."""
    from tests.corpus import framework_page  # noqa: PLC0415  # it reads the table above

    assert framework_page.PAGE.read_text("utf-8") == framework_page.render_page()
    shown = {guide.recording.partition("/")[0] for guide in framework_page.GUIDES}
    assert shown == {name.partition("/")[0] for name in TRUTHS}


def test_the_recordings_are_read() -> None:
    """The folder is not empty, so that no test above passes for want of input."""
    assert len([*Path(FRAMEWORKS).glob("*/*.jsonl")]) >= 40
