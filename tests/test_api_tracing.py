from __future__ import annotations

import asyncio
import concurrent.futures
import inspect
import logging
import math
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

import pytest
from opentelemetry import metrics, trace
from opentelemetry.context import get_current
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import HistogramDataPoint, InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import NoOpTracerProvider, StatusCode

import stretto
from stretto.api import genai_histograms
from stretto.api.span_block import SpanBlock

SECRET = "the prompt said: buy low"


class Spans:
    """The spans exported by an SDK in memory."""

    def __init__(self, exporter: InMemorySpanExporter, provider: TracerProvider) -> None:
        self._exporter = exporter
        self.provider = provider

    def all(self) -> tuple[ReadableSpan, ...]:
        """Return the finished spans, in the order in which they ended."""
        return self._exporter.get_finished_spans()

    def find_span(self, name: str) -> ReadableSpan:
        """Return the single span with a name."""
        (found,) = [span for span in self.all() if span.name == name]
        return found

    def read_attributes(self, name: str) -> MappingProxyType[str, Any]:
        """Return the attributes of the single span with a name."""
        return MappingProxyType(dict(self.find_span(name).attributes or {}))


@contextmanager
def sdk(*processors: SpanProcessor, **options: Any) -> Iterator[Spans]:
    """Set an SDK as a host program does, and remove it afterwards."""
    before, exporter = trace._TRACER_PROVIDER, InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False, **options)
    for processor in (*processors, SimpleSpanProcessor(exporter)):
        provider.add_span_processor(processor)
    trace._TRACER_PROVIDER = provider
    try:
        yield Spans(exporter, provider)
    finally:
        trace._TRACER_PROVIDER = before
        provider.shutdown()


@pytest.fixture
def spans() -> Iterator[Spans]:
    with sdk() as found:
        yield found


def parent(spans: Spans, name: str) -> str:
    """Return the name of the span that a span hangs below."""
    above = spans.find_span(name).parent
    assert above is not None
    (found,) = [span for span in spans.all() if span.context.span_id == above.span_id]
    return found.name


def test_each_block_is_a_span_in_the_conventions_words(spans: Spans) -> None:
    """Operation names and attributes are those of the GenAI conventions, ours start with ``stretto.``."""
    with (
        stretto.session("release review", pattern="fan-out", project="shop", id="s1"),
        stretto.phase("analysis"),
        stretto.task("review it", type="architecture", agent="architect", id="t1"),
        stretto.tool_call("Bash", id="c1"),
        stretto.model_call("large", provider="nobody"),
    ):
        pass

    common = {"stretto.session.id": "s1", "gen_ai.conversation.id": "s1", "stretto.outcome": "success"}
    inside = {
        **common,
        "stretto.phase": "analysis",
        "gen_ai.agent.name": "architect",
        "stretto.task.id": "t1",
    }
    phase = spans.find_span("phase analysis")
    assert spans.read_attributes("invoke_workflow fan-out") == {
        **common,
        "gen_ai.operation.name": "invoke_workflow",
        "gen_ai.agent.name": "fan-out",
        "stretto.pattern": "fan-out",
        "stretto.project": "shop",
        "stretto.session.name": "release review",
    }
    assert spans.read_attributes("phase analysis") == {
        **common,
        "stretto.phase": "analysis",
        "stretto.phase.id": f"{phase.context.span_id:016x}",
    }
    assert spans.read_attributes("invoke_agent architect") == {
        **inside,
        "gen_ai.operation.name": "invoke_agent",
        "stretto.task.type": "architecture",
        "stretto.task.description": "review it",
    }
    assert spans.read_attributes("execute_tool Bash") == {
        **inside,
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "Bash",
        "gen_ai.tool.call.id": "c1",
    }
    assert spans.read_attributes("chat large") == {
        **inside,
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "large",
        "gen_ai.provider.name": "nobody",
    }
    assert parent(spans, "chat large") == "execute_tool Bash"
    assert parent(spans, "execute_tool Bash") == "invoke_agent architect"
    assert parent(spans, "invoke_agent architect") == "phase analysis"
    assert parent(spans, "phase analysis") == "invoke_workflow fan-out"
    assert {span.instrumentation_scope.name for span in spans.all() if span.instrumentation_scope} == {
        "stretto.api"
    }


def test_what_was_not_given_is_absent(spans: Spans) -> None:
    """A task outside any session has no session, and neither type nor agent is invented."""
    with stretto.task("look around") as task:
        pass

    assert spans.read_attributes("invoke_agent") == {
        "gen_ai.operation.name": "invoke_agent",
        "stretto.task.description": "look around",
        "stretto.task.id": task.id,
        "stretto.outcome": "success",
    }


def test_a_block_has_its_spans_id(spans: Spans) -> None:
    """Without a given id, a task, tool call or phase has its span's id, a session a new id."""
    with (
        stretto.session() as session,
        stretto.phase("p") as phase,
        stretto.task("t") as task,
        stretto.tool_call("x") as call,
    ):
        pass

    assert phase.id == f"{spans.find_span('phase p').context.span_id:016x}"
    assert task.id == f"{spans.find_span('invoke_agent').context.span_id:016x}"
    assert call.id == f"{spans.find_span('execute_tool x').context.span_id:016x}"
    assert session.id == spans.read_attributes("execute_tool x")["stretto.session.id"]
    assert session.id == f"{spans.find_span('phase p').context.trace_id:032x}"


def test_a_task_says_whose_part_it_is(spans: Spans) -> None:
    """The outer task or tool call is the parent, also through phases; at the top the parent is absent."""
    with stretto.session(), stretto.task("outer", agent="a") as outer, stretto.phase("p"):
        with stretto.task("second", agent="b"):
            pass
        with stretto.tool_call("delegate") as call, stretto.task("third", agent="c"):
            pass

    assert "stretto.parent.id" not in spans.read_attributes("invoke_agent a")
    assert spans.read_attributes("invoke_agent b")["stretto.parent.id"] == outer.id
    assert spans.read_attributes("invoke_agent c")["stretto.parent.id"] == call.id
    assert spans.read_attributes("execute_tool delegate")["stretto.task.id"] == outer.id


def test_a_task_without_an_agent_does_not_take_the_one_around_it(spans: Spans) -> None:
    """A task's agent is only its own; its tool calls have that agent."""
    with (
        stretto.task("outer", agent="a"),
        stretto.tool_call("first"),
        stretto.task("inner"),
        stretto.tool_call("second"),
    ):
        pass

    assert spans.read_attributes("execute_tool first")["gen_ai.agent.name"] == "a"
    assert "gen_ai.agent.name" not in spans.read_attributes("invoke_agent")
    assert "gen_ai.agent.name" not in spans.read_attributes("execute_tool second")


def test_a_session_in_a_session_is_part_of_it(spans: Spans) -> None:
    """It opens no session, keeps task and phase, and its span does not look like the session's."""
    with (
        stretto.session(pattern="outer") as outer,
        stretto.task("t") as task,
        stretto.session(pattern="inner") as inner,
        stretto.tool_call("x"),
    ):
        pass

    assert inner.id == outer.id
    assert "gen_ai.operation.name" not in spans.read_attributes("invoke_workflow inner")
    assert spans.read_attributes("execute_tool x")["stretto.task.id"] == task.id


def test_a_session_with_an_id_of_its_own_is_one(spans: Spans) -> None:
    """It inherits only the trace; the same id again means the same session."""
    with stretto.session(id="one"), stretto.phase("p"), stretto.task("t", agent="a"):
        with stretto.session(id="two", pattern="second"), stretto.tool_call("x"):
            pass
        with stretto.session(id="one", pattern="same"):
            pass

    assert spans.read_attributes("invoke_workflow second")["gen_ai.operation.name"] == "invoke_workflow"
    assert spans.read_attributes("execute_tool x") == {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "x",
        "stretto.session.id": "two",
        "gen_ai.conversation.id": "two",
        "stretto.outcome": "success",
    }
    assert "gen_ai.operation.name" not in spans.read_attributes("invoke_workflow same")


# How it ended.


def test_an_exception_marks_the_block_and_passes_on(spans: Spans) -> None:
    """The very same exception comes out; its class is written down, its message nowhere."""
    error = ValueError(SECRET)
    with (
        pytest.raises(ValueError, match="the prompt said") as caught,
        stretto.session(),
        stretto.task("t"),
        stretto.tool_call("x"),
    ):
        raise error

    assert caught.value is error
    for span in spans.all():
        assert span.status.status_code is StatusCode.ERROR
        assert span.attributes is not None
        assert span.attributes["stretto.outcome"] == "failure"
        assert span.attributes["error.type"] == "ValueError"
        assert SECRET not in span.to_json()


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (asyncio.CancelledError(), "cancelled"),
        (concurrent.futures.CancelledError(), "cancelled"),
        (KeyboardInterrupt(), "cancelled"),
        (GeneratorExit(), "cancelled"),
        (SystemExit(), "success"),
        (SystemExit(0), "success"),
        (SystemExit(2), "failure"),
        (BaseExceptionGroup("several", [ValueError(), KeyboardInterrupt()]), "failure"),
    ],
    ids=repr,
)
def test_what_breaks_off_is_no_failure(spans: Spans, error: BaseException, outcome: str) -> None:
    """A cancelled block has that outcome and no error; an exit's outcome follows its exit code."""
    with pytest.raises(type(error)), stretto.task("t"):
        raise error

    assert spans.read_attributes("invoke_agent")["stretto.outcome"] == outcome
    failed = spans.find_span("invoke_agent").status.status_code is StatusCode.ERROR
    assert failed == (outcome == "failure")
    assert ("error.type" in spans.read_attributes("invoke_agent")) == failed


def test_a_failure_without_an_exception_can_be_said(spans: Spans) -> None:
    """``fail`` marks the block as failed, with an error class if given."""
    with stretto.task("t", agent="a") as task:
        task.fail("TestsFailed")
    with stretto.tool_call("x") as call:
        call.fail()

    assert spans.read_attributes("invoke_agent a")["stretto.outcome"] == "failure"
    assert spans.read_attributes("invoke_agent a")["error.type"] == "TestsFailed"
    assert spans.read_attributes("execute_tool x")["error.type"] == "_OTHER"


def test_a_cancelled_task_of_asyncio_is_cancelled(spans: Spans) -> None:
    """The block sees asyncio's cancellation; a time limit fails the block that set it."""

    async def main() -> None:
        with stretto.task("outer", agent="outer"):
            async with asyncio.timeout(0):
                async with stretto.task("inner", agent="inner"):
                    await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        asyncio.run(main())

    assert spans.read_attributes("invoke_agent inner")["stretto.outcome"] == "cancelled"
    assert spans.read_attributes("invoke_agent outer")["error.type"] == "TimeoutError"


# Decorators.


def test_a_decorator_wraps_each_call(spans: Spans) -> None:
    """Arguments, result, name and signature are the function's; each call is a new task."""

    @stretto.task("add", agent="adder")
    def add(one: int, *, two: int = 2) -> int:
        """Add."""
        return one + two

    assert (add(1), add(1, two=5)) == (3, 6)
    assert add.__name__ == "add"
    assert add.__doc__ == "Add."
    assert list(inspect.signature(add).parameters) == ["one", "two"]
    assert len({span.context.span_id for span in spans.all() if span.name == "invoke_agent adder"}) == 2


def test_a_decorated_function_may_call_itself(spans: Spans) -> None:
    """A decorator works for any number of calls at once: a task's parent is the outer call."""

    @stretto.task("down", agent="down")
    def down(steps: int) -> int:
        return steps if steps == 0 else down(steps - 1)

    down(2)

    third, second, first = spans.all()
    assert "stretto.parent.id" not in dict(first.attributes or {})
    assert (
        dict(second.attributes or {})["stretto.parent.id"] == dict(first.attributes or {})["stretto.task.id"]
    )
    assert (
        dict(third.attributes or {})["stretto.parent.id"] == dict(second.attributes or {})["stretto.task.id"]
    )


def test_a_decorated_coroutine_function_lasts_until_it_has_returned(spans: Spans) -> None:
    """It stays a coroutine function; its calls can overlap without being nested."""

    @stretto.task("wait", agent="waiter")
    async def wait(name: str, mine: asyncio.Event, other: asyncio.Event) -> str:
        mine.set()
        await other.wait()
        with stretto.tool_call(name):
            return name

    async def main() -> tuple[str, ...]:
        one, two = asyncio.Event(), asyncio.Event()
        with stretto.session():
            return tuple(await asyncio.gather(wait("one", one, two), wait("two", two, one)))

    assert inspect.iscoroutinefunction(wait)
    assert asyncio.run(main()) == ("one", "two")
    first, second = [span for span in spans.all() if span.name == "invoke_agent waiter"]
    assert first.start_time is not None
    assert first.end_time is not None
    assert second.start_time is not None
    assert second.start_time < first.end_time
    assert {parent(spans, f"execute_tool {name}") for name in ("one", "two")} == {"invoke_agent waiter"}
    calls = {spans.read_attributes(f"execute_tool {name}")["stretto.task.id"] for name in ("one", "two")}
    assert calls == {f"{span.context.span_id:016x}" for span in (first, second)}
    assert all("stretto.parent.id" not in dict(span.attributes or {}) for span in (first, second))


def test_a_decorated_method_and_an_object_that_is_called(spans: Spans) -> None:
    """Every callable can be decorated, also an object with an async ``__call__``."""

    class Agent:
        @stretto.tool_call("method")
        def act(self) -> str:
            return type(self).__name__

        async def __call__(self) -> str:
            return "called"

    assert Agent().act() == "Agent"
    assert asyncio.run(stretto.tool_call("object")(Agent())()) == "called"
    assert {span.name for span in spans.all()} == {"execute_tool method", "execute_tool object"}


@pytest.mark.parametrize(
    "block",
    [
        lambda: stretto.session("s", pattern="p", project="j"),
        lambda: stretto.phase("f"),
        lambda: stretto.task("t", type="y", agent="a"),
        lambda: stretto.tool_call("x"),
        lambda: stretto.model_call("m", provider="v"),
        lambda: stretto.message("b", sender="a"),
    ],
)
def test_every_block_decorates_as_it_wraps(spans: Spans, block: Callable[[], SpanBlock]) -> None:
    """A decorated call and an entered block record the same, except ids and times."""
    with block():
        pass
    block()(lambda: None)()

    entered, decorated = spans.all()
    changing = {"stretto.session.id", "gen_ai.conversation.id", "stretto.phase.id", "stretto.task.id"}
    changing |= {"stretto.message.response_seconds"}
    recorded = [
        {k: v for k, v in (s.attributes or {}).items() if k not in changing} for s in (entered, decorated)
    ]
    assert recorded[0] == recorded[1]
    assert set(entered.attributes or {}) == set(decorated.attributes or {})
    assert entered.name == decorated.name


def _numbers() -> Iterator[int]:
    yield 1


async def _numbers_later() -> AsyncIterator[int]:
    yield 1


class _Reader:
    def __call__(self) -> Iterator[int]:
        yield 1


@pytest.mark.parametrize("function", [_numbers, _numbers_later, _Reader()], ids=["sync", "async", "object"])
def test_a_generator_is_refused(function: Callable[..., Any]) -> None:
    """A generator ends with its reader, so a decorator cannot measure its duration."""
    with pytest.raises(TypeError, match="is a generator"):
        stretto.task("t")(function)


@pytest.mark.parametrize("thing", [_Reader, "text", None])
def test_what_is_no_function_is_refused(thing: Any) -> None:
    """A decorated class would not be a class any more."""
    with pytest.raises(TypeError, match="only a function can be decorated"):
        stretto.task("t")(thing)


@pytest.mark.parametrize("name", ["phase", "task", "tool_call", "model_call", "message"])
def test_a_decorator_without_its_parentheses_is_refused(name: str) -> None:
    """``@stretto.task`` without a name fails at the decorator, not at the first call."""
    with pytest.raises(TypeError, match="give a name first"):
        getattr(stretto, name)(_numbers)


def test_a_decorator_cannot_give_an_id() -> None:
    """All its calls would be the same task."""
    with pytest.raises(TypeError, match="cannot have an id"):
        stretto.task("t", id="one")(lambda: None)


@pytest.mark.usefixtures("spans")
def test_a_block_is_entered_once() -> None:
    """A second time is refused: the first's span would be lost."""
    block = stretto.task("t")
    with block:
        pass
    with pytest.raises(RuntimeError, match="entered before"), block:
        pass


# Scores, messages, model calls.


def _judgements(span: ReadableSpan) -> list[dict[str, Any]]:
    return [dict(e.attributes or {}) for e in span.events if e.name == "gen_ai.evaluation.result"]


def test_a_score_stands_on_what_is_judged(spans: Spans) -> None:
    """Name, value and judge are on the block's span, with the id of the judged block."""
    with stretto.session(id="s") as session, stretto.phase("p") as phase, stretto.task("t") as task:
        task.score("quality", 9.2, by="reviewer")
        phase.score("coverage", 1)
        session.score("satisfaction", 3)

    assert _judgements(spans.find_span("invoke_agent")) == [
        {
            "gen_ai.evaluation.name": "quality",
            "gen_ai.evaluation.score.value": 9.2,
            "stretto.score.by": "reviewer",
            "stretto.score.of": "task",
            "stretto.score.of_id": task.id,
        }
    ]
    assert _judgements(spans.find_span("phase p"))[0]["stretto.score.of_id"] == phase.id
    assert _judgements(spans.find_span("invoke_workflow"))[0]["stretto.score.of"] == "session"


def test_a_score_without_an_object_is_about_the_innermost(spans: Spans) -> None:
    """Inside a tool call it judges the task, and after that task's end the outer task."""
    with stretto.session(), stretto.task("outer", agent="a"):
        with stretto.task("inner", agent="b"), stretto.tool_call("x"), stretto.model_call("m"):
            stretto.score("quality", 1)
        stretto.score("quality", 2)

    assert [
        judgement["gen_ai.evaluation.score.value"]
        for judgement in _judgements(spans.find_span("invoke_agent b"))
    ] == [1]
    assert [
        judgement["gen_ai.evaluation.score.value"]
        for judgement in _judgements(spans.find_span("invoke_agent a"))
    ] == [2]


def test_a_score_after_the_end_is_not_lost(spans: Spans) -> None:
    """It is on its own span in the same trace and session, and names the judged block."""
    with stretto.session(id="s"), stretto.task("t") as task:
        pass
    task.score("quality", 7)

    late, judged = spans.find_span("gen_ai.evaluation.result"), spans.find_span("invoke_agent")
    assert _judgements(judged) == []
    assert _judgements(late)[0]["stretto.score.of_id"] == task.id
    assert late.parent is not None
    assert late.parent.span_id == judged.context.span_id
    assert spans.read_attributes("gen_ai.evaluation.result")["stretto.session.id"] == "s"


def test_a_score_is_answered_with_its_scale(spans: Spans, caplog: pytest.LogCaptureFixture) -> None:
    """On the scale of its name, on one that is named, or left out with the way to name it."""
    with stretto.task("t") as task:
        assert task.score("quality", 9.2) == "0 to 10"
        assert task.score("quality", 92, of=100) == "0 to 10"
        assert stretto.score("charm", 3, of=5) == "0 to 5"
        assert task.score("charm", -3) == "no scale"
        with caplog.at_level(logging.WARNING):
            assert task.score("quality", 92) is None
            assert task.score("quality", 6, of=5) is None
    assert "the score quality 92 of a task was left out: it is outside the scale 0 to 10" in caplog.text
    kept = _judgements(spans.find_span("invoke_agent"))
    assert [each.get("stretto.score.out_of") for each in kept] == [None, 100, 5, None]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_score_that_is_no_number_is_left_out(
    spans: Spans, caplog: pytest.LogCaptureFixture, value: float
) -> None:
    """The log reports it; the work goes on."""
    with caplog.at_level(logging.WARNING), stretto.task("t") as task:
        task.score("quality", value)

    assert _judgements(spans.find_span("invoke_agent")) == []
    assert "finite number" in caplog.text


@pytest.mark.usefixtures("spans")
def test_a_score_about_nothing_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    """Outside any block, the log reports it."""
    with caplog.at_level(logging.WARNING):
        stretto.score("quality", 1)

    assert "judges nothing" in caplog.text


def test_tokens_are_counted_as_the_conventions_count(spans: Spans) -> None:
    """The span's input includes tokens read from and written to a cache; later counts replace earlier."""
    with stretto.model_call("m") as call:
        call.tokens(input=10, cache_read=100)
        call.tokens(output=5, cache_write=7)
        call.tokens(output=6)
        call.cost_usd(0.25)
    call.tokens(output=99)

    said = spans.read_attributes("chat m")
    assert {name: value for name, value in said.items() if "usage" in name} == {
        "gen_ai.usage.input_tokens": 117,
        "gen_ai.usage.output_tokens": 6,
        "gen_ai.usage.cache_read.input_tokens": 100,
        "gen_ai.usage.cache_write.input_tokens": 7,
        "gen_ai.usage.cost": 0.25,
    }


def test_unknown_input_is_not_guessed_from_the_cache(spans: Spans) -> None:
    """If only the cache's share is known, the input stays absent."""
    with stretto.model_call("m") as call:
        call.tokens(cache_read=100)

    assert "gen_ai.usage.input_tokens" not in spans.read_attributes("chat m")


def test_a_message_lasts_until_it_is_answered(spans: Spans) -> None:
    """As a block its length is the response time; the sender is the task's agent."""
    with stretto.task("t", agent="architect"), stretto.message("tester"):
        pass

    attributes, span = spans.read_attributes("message tester"), spans.find_span("message tester")
    assert span.start_time is not None
    assert span.end_time is not None
    assert attributes["stretto.message.to"] == "tester"
    assert attributes["stretto.message.from"] == "architect"
    assert attributes["stretto.message.response_seconds"] == (span.end_time - span.start_time) / 1e9


def test_a_message_can_be_recorded_at_once(spans: Spans) -> None:
    """A known response time moves its start back; otherwise the response time is absent."""
    stretto.message("one", sender="me").sent(response_seconds=1.5)
    stretto.message("two").sent()

    answered = spans.find_span("message one")
    assert answered.start_time is not None
    assert answered.end_time is not None
    assert spans.read_attributes("message one")["stretto.message.response_seconds"] == 1.5
    assert 1.5e9 <= answered.end_time - answered.start_time < 2.5e9
    assert "stretto.message.response_seconds" not in spans.read_attributes("message two")


def test_a_message_that_failed_has_no_response_time(spans: Spans) -> None:
    """A failed message was not answered."""
    with pytest.raises(ConnectionError), stretto.message("tester"):
        raise ConnectionError

    assert "stretto.message.response_seconds" not in spans.read_attributes("message tester")


# Where the work runs.


def test_tasks_of_asyncio_know_what_they_are_part_of(spans: Spans) -> None:
    """Concurrent tasks have the same parent and are not nested in each other."""

    async def work(name: str, ready: asyncio.Barrier) -> None:
        async with stretto.task(name, agent=name):
            await ready.wait()

    async def main() -> None:
        ready = asyncio.Barrier(3)
        with stretto.session(id="s"), stretto.phase("p"):
            async with asyncio.TaskGroup() as group:
                for name in "abc":
                    group.create_task(work(name, ready))

    asyncio.run(main())

    for name in "abc":
        assert parent(spans, f"invoke_agent {name}") == "phase p"
        assert spans.read_attributes(f"invoke_agent {name}")["stretto.session.id"] == "s"


def test_a_thread_begins_outside_and_carry_takes_it_in(spans: Spans) -> None:
    """A plain thread knows no session; a carried function is in the block in which ``carry`` was called."""

    def work(name: str) -> str:
        with stretto.task(name, agent=name):
            return name

    with ThreadPoolExecutor(2) as pool, stretto.session(id="s"), stretto.phase("p"):
        assert pool.submit(work, "outside").result() == "outside"
        assert sorted(pool.map(stretto.carry(work), ["one", "two"])) == ["one", "two"]
        assert pool.submit(work, "outside again").result() == "outside again"

    assert "stretto.session.id" not in spans.read_attributes("invoke_agent outside")
    assert "stretto.session.id" not in spans.read_attributes("invoke_agent outside again")
    for name in ("one", "two"):
        assert parent(spans, f"invoke_agent {name}") == "phase p"
        assert spans.read_attributes(f"invoke_agent {name}")["stretto.phase"] == "p"


def test_a_carried_function_raises_what_it_raises(spans: Spans) -> None:
    """And leaves the thread's context as it was."""

    def work() -> None:
        raise LookupError(SECRET)

    with stretto.session():
        carried = stretto.carry(work)
    before = get_current()

    with pytest.raises(LookupError):
        carried()
    assert get_current() == before
    assert len(spans.all()) == 1


def test_a_coroutine_function_is_carried_to_another_loop(spans: Spans) -> None:
    """The whole of it runs in the block in which ``carry`` was called, past its first wait."""

    async def work(loops: list[asyncio.AbstractEventLoop]) -> None:
        await asyncio.sleep(0)
        loops.append(asyncio.get_running_loop())
        with stretto.tool_call("there"):
            pass

    async def main() -> None:
        loops = [asyncio.get_running_loop()]
        with stretto.task("t") as task:
            await asyncio.to_thread(lambda: asyncio.run(stretto.carry(work)(loops)))
        assert loops[0] is not loops[1]
        assert spans.read_attributes("execute_tool there")["stretto.task.id"] == task.id

    asyncio.run(main())


# With and without an SDK.


def _everything() -> str:
    with stretto.session("s", id="given") as session, stretto.phase("p"), stretto.task("t") as task:
        with stretto.tool_call("x"), stretto.model_call("m") as call, stretto.message("b"):
            call.tokens(input=1)
            call.cost_usd(1)
            task.score("quality", 1)
            stretto.score("quality", 1)
        session.score("quality", 1)
        task.fail()
        assert stretto.environ() == {}
        return stretto.carry(stretto.tool_call("y")(lambda: f"{session.id} {task.id}"))()


def test_without_an_sdk_nothing_happens(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Blocks have only given ids, the context does not change, and no log line is written."""
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", None)
    with caplog.at_level(logging.INFO):
        assert _everything() == "given None"
        with stretto.task("t"):
            assert get_current() == {}

    assert caplog.text == ""


def test_an_sdk_that_is_set_later_is_used_from_then_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """A block asks for the SDK when it is entered, not when it is made or its module is loaded."""
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", None)

    @stretto.task("t", agent="a")
    def decorated() -> None:
        pass

    decorated()

    with sdk() as spans:
        decorated()
        assert [span.name for span in spans.all()] == ["invoke_agent a"]


def test_a_provider_that_does_nothing_is_fine(monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenTelemetry's own way to switch tracing off."""
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", NoOpTracerProvider())

    assert _everything() == "given None"


def test_what_is_not_sampled_is_not_recorded() -> None:
    """Unsampled blocks work and have ids, but write no span."""
    with sdk(sampler=ALWAYS_OFF) as spans:
        with stretto.session() as session, stretto.task("t") as task:
            task.score("quality", 1)
        assert len(str(task.id)) == 16
        assert session.id is not None
        assert spans.all() == ()


def test_durations_are_metrics_of_the_conventions(monkeypatch: pytest.MonkeyPatch, spans: Spans) -> None:
    """Tasks and tool calls go into the two histograms, by agent, tool and error, in their buckets."""
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], shutdown_on_exit=False)
    monkeypatch.setattr(metrics._internal, "_METER_PROVIDER", provider)
    genai_histograms.get_run_histograms.cache_clear()
    try:
        with stretto.task("t", agent="a"), pytest.raises(ValueError, match="no"), stretto.tool_call("x"):
            raise ValueError("no")
    finally:
        genai_histograms.get_run_histograms.cache_clear()

    taken = reader.get_metrics_data()
    assert taken is not None
    found: dict[str, HistogramDataPoint] = {}
    for metric in taken.resource_metrics[0].scope_metrics[0].metrics:
        (point,) = metric.data.data_points
        assert isinstance(point, HistogramDataPoint)
        assert metric.unit == "s"
        found[metric.name] = point
    task, call = found["gen_ai.invoke_agent.duration"], found["gen_ai.execute_tool.duration"]
    assert dict(task.attributes or {}) == {"gen_ai.agent.name": "a"}
    assert dict(call.attributes or {}) == {
        "gen_ai.tool.name": "x",
        "gen_ai.agent.name": "a",
        "error.type": "ValueError",
    }
    assert [round(bound, 1) for bound in task.explicit_bounds] == [0.1 * 2**n for n in range(12)] + [409.6]
    assert (min(call.explicit_bounds), max(call.explicit_bounds)) == (0.01, 81.92)
    span = spans.find_span("execute_tool x")
    assert span.start_time is not None
    assert span.end_time is not None
    assert call.sum == pytest.approx((span.end_time - span.start_time) / 1e9)
    provider.shutdown()


def test_model_calls_are_metrics_of_the_conventions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Duration and tokens go into the client's two histograms, the tokens of the cache as input."""
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], shutdown_on_exit=False)
    monkeypatch.setattr(metrics._internal, "_METER_PROVIDER", provider)
    genai_histograms.get_model_call_histograms.cache_clear()
    try:
        with sdk(), stretto.model_call("large", provider="acme") as call:
            call.tokens(input=3, output=4, cache_read=5)
    finally:
        genai_histograms.get_model_call_histograms.cache_clear()

    taken = reader.get_metrics_data()
    assert taken is not None
    measured = taken.resource_metrics[0].scope_metrics[0].metrics
    points = {metric.name: [*metric.data.data_points] for metric in measured}
    about = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "large", "gen_ai.provider.name": "acme"}
    (duration,) = points["gen_ai.client.operation.duration"]
    assert dict(duration.attributes or {}) == about
    tokens = points["gen_ai.client.token.usage"]
    assert [
        (dict(point.attributes or {}), point.sum) for point in tokens if isinstance(point, HistogramDataPoint)
    ] == [({**about, "gen_ai.token.type": "input"}, 8), ({**about, "gen_ai.token.type": "output"}, 4)]
    provider.shutdown()


def test_names_are_cut_and_made_text(spans: Spans) -> None:
    """Any value given as a name becomes text of at most 120 characters; an empty name is absent."""
    with stretto.task("d" * 500, type="", agent="a" * 500), stretto.tool_call(7):  # type: ignore[arg-type]  # on purpose
        pass

    said = spans.read_attributes(f"invoke_agent {'a' * 120}")
    assert said["stretto.task.description"] == "d" * 120
    assert "stretto.task.type" not in said
    assert spans.read_attributes("execute_tool 7")["gen_ai.tool.name"] == "7"


# In a process of its own, because the environment is read as the module is loaded.

_IN_A_HOST = """
import stretto
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
exporter = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
trace.set_tracer_provider(provider)
with stretto.session("private"), stretto.task("private", agent="a") as task:
    task.score("quality", 1)
for span in exporter.get_finished_spans():
    print(span.name, span.to_json())
"""


def _run(script: str, **variables: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        env={"PYTHONPATH": "src", **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_can_be_switched_off_from_outside() -> None:
    """With STRETTO_DISABLED=1 no span is recorded, whatever SDK the host uses."""
    assert "invoke_agent a" in _run(_IN_A_HOST)
    assert _run(_IN_A_HOST, STRETTO_DISABLED="1") == ""


def test_descriptions_can_be_switched_off() -> None:
    """With STRETTO_DESCRIPTIONS=0 descriptions are not recorded, as with the hooks."""
    assert "private" in _run(_IN_A_HOST)
    without = _run(_IN_A_HOST, STRETTO_DESCRIPTIONS="0")
    assert "invoke_agent a" in without
    assert "private" not in without


def test_importing_the_package_loads_nothing() -> None:
    """The command line shares the package, and must not pay for OpenTelemetry or for looking up a version."""
    script = """
import sys
before = set(sys.modules)
import stretto
print(*{name.partition(".")[0] for name in set(sys.modules) - before})
assert set(stretto.__all__) <= set(dir(stretto))
assert stretto.__version__
print("opentelemetry" in sys.modules)
"""
    loaded, telemetry = _run(script).splitlines()

    assert not {"opentelemetry", "importlib", "email", "json", "asyncio"} & set(loaded.split())
    assert "stretto" in loaded.split()
    assert telemetry == "False"


def test_every_public_name_is_there() -> None:
    """The package has exactly the promised names."""
    for name in stretto.__all__:
        assert getattr(stretto, name)
    with pytest.raises(AttributeError, match="no attribute 'missing'"):
        stretto.missing  # noqa: B018  # asking is the test
