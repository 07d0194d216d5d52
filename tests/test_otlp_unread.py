"""What OTLP brings and nobody understands is counted by its sender, and told with the way to change it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from stretto import journal
from stretto.sources.otlp.receive import OtlpTranslator, Signal
from stretto.sources.otlp.unread import LEAST_WORTH_A_WORD, MOST_ORIGINS, OTHER, ItemSender
from tests.otlp_requests import JSON, as_json, log, logs, receive, span, traces
from tests.test_service import configured, started

AGENT: dict[str, Any] = {"gen_ai.operation.name": "invoke_agent"}


def plain(count: int) -> list[dict[str, Any]]:
    """Return spans about nothing, each in a trace of its own."""
    return [span("GET /", number + 1, trace=f"{number + 1:032x}") for number in range(count)]


def test_spans_and_logs_are_counted_by_sender() -> None:
    """Source and instrumentation scope of what told nothing, with its number."""
    receiver = OtlpTranslator(journal.encode_event)
    receive(traces(plain(3), service="shop", scope="http"), receiver=receiver)
    receive(logs([log("something")], service="shop", scope="app"), Signal.LOGS, receiver)

    assert receiver.unread.list_counts() == [(ItemSender("shop", "app"), 1), (ItemSender("shop", "http"), 3)]


def test_a_source_of_which_nothing_is_understood_is_told() -> None:
    """The sentence names the source, the number and the attributes that would help."""
    receiver = OtlpTranslator(journal.encode_event)
    receive(traces(plain(LEAST_WORTH_A_WORD), service="shop"), receiver=receiver)
    (sentence,) = receiver.unread.describe_silent_sources()

    assert sentence.startswith(f"{LEAST_WORTH_A_WORD} spans and log records of shop told nothing")
    assert "gen_ai.operation.name = invoke_agent" in sentence


def test_a_source_that_tells_something_is_not_told() -> None:
    """The web requests of a program whose agents are understood need no word."""
    receiver = OtlpTranslator(journal.encode_event)
    receive(traces(plain(LEAST_WORTH_A_WORD), service="shop"), receiver=receiver)
    receive(traces([span("invoke_agent a", 1, **AGENT)], service="shop"), receiver=receiver)

    assert receiver.unread.describe_silent_sources() == []


def test_links_of_an_agents_trace_are_not_counted() -> None:
    """A span that links an agent with the top of its trace told something."""
    receiver = OtlpTranslator(journal.encode_event)
    receive(traces([span("invoke_agent a", 2, 1, **AGENT), span("main", 1)]), receiver=receiver)

    assert receiver.unread.list_counts() == []


def test_the_number_of_senders_is_bounded() -> None:
    """Beyond the limit, senders are counted together."""
    receiver = OtlpTranslator(journal.encode_event)
    for number in range(MOST_ORIGINS + 5):
        receive(traces(plain(1), service=f"s{number}"), receiver=receiver)
    counts = dict(receiver.unread.list_counts())

    assert len(counts) == MOST_ORIGINS + 1
    assert counts[ItemSender(OTHER, OTHER)] == 5


def test_the_service_tells_it(tmp_path: Path) -> None:
    """Counts are series, and the problems that page and doctor show have a sentence on each."""
    with started(configured(tmp_path)) as service:
        service.intake.receive_otlp(Signal.TRACES, as_json(traces(plain(20), service="shop")), JSON, "")
        service.intake.count_grpc_attempt()
        figures = {figure.name: figure.value for figure in service.list_own_figures()}
        unread, grpc = service.list_problems()

    assert figures["stretto_unread_items"] == 20
    assert figures["stretto_grpc_attempts"] == 1
    assert unread.startswith("20 spans and log records of shop told nothing")
    assert "OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf" in grpc
