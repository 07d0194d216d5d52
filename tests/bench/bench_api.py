"""What the Python API costs: a wrapped task against a bare SDK span, and a block against none without an SDK.

Run ``python tests/bench/bench_api.py [--rounds N] [--json]``. The ways are run in turn, so that whatever else
the machine does falls on all of them alike; the ratios count, the microseconds are this machine's. It
measures and does not judge: the exit code says only whether there are figures.

A bare span is started as the current one with as many attributes as a task has. Both go to the same SDK: one
whose batch processor throws them away, and the one that ``configure`` sets up, which writes them to a
journal. There the cost in the caller and that of the whole process are told apart, the writing thread being
the difference.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path

from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

import stretto
from stretto.api import genai_histograms
from stretto.api.journal_exporter import JournalSpanExporter, JournalSpanProcessor, SessionStamp

BUDGET = 1.5
"""Most that a wrapped task may cost, in bare spans."""
REPEATS = 300
"""Blocks in one measurement: fewer than the queues hold, so that nothing is dropped."""

Way = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Cost:
    """What one block costs, and in blocks of the way that it is held against."""

    median_us: float
    min_us: float
    median_ratio: float
    min_ratio: float


class Discard(SpanExporter):
    """Throws spans away."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Take them."""
        del spans
        return SpanExportResult.SUCCESS


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=60, help="measurements of each way (60)")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = measure(Path(folder), options.rounds)
    if options.json:
        figures = {name: {way: asdict(cost) for way, cost in costs.items()} for name, costs in found.items()}
        print(json.dumps({"budget": BUDGET, "rounds": options.rounds, "settings": figures}, indent=2))
        return
    print(table(found))


def measure(folder: Path, rounds: int) -> dict[str, dict[str, Cost]]:
    """Return the cost of each way in each setting; the folder takes the journal."""
    found = {"no SDK": _costs({"nullcontext": _nothing, "task": _task}, rounds)}
    batch = BatchSpanProcessor(Discard(), max_queue_size=1 << 16)
    with _sdk(batch) as provider:
        found["SDK, spans thrown away"] = _costs(_ways(provider), rounds)
        with _meters():
            found["the same, and a histogram"] = _costs(_ways(provider, measured=True), rounds)
    journal = JournalSpanProcessor(JournalSpanExporter(folder))
    with _sdk(SessionStamp(), journal) as provider:
        found["SDK, journal"] = _costs(_ways(provider), rounds, after=provider.force_flush)
        whole = {name: _flushed(way, provider) for name, way in _ways(provider).items()}
        found["the same, CPU of the process"] = _costs(whole, rounds, clock=time.process_time_ns)
    return found


def table(found: dict[str, dict[str, Cost]]) -> str:
    """Return the figures for a person."""
    lines = [f"{'':36}{'way':28}{'median µs':>11}{'min µs':>9}{'median ratio':>14}{'min ratio':>11}"]
    lines += [
        f"{setting if first else '':36}{way:28}{cost.median_us:11.2f}{cost.min_us:9.2f}"
        f"{cost.median_ratio:14.2f}{cost.min_ratio:11.2f}"
        for setting, costs in found.items()
        for first, (way, cost) in zip([True, *[False] * len(costs)], costs.items(), strict=False)
    ]
    return "\n".join([*lines, f"budget of a task beside a bare span: {BUDGET}"])


def _costs(
    ways: dict[str, Way],
    rounds: int,
    *,
    clock: Callable[[], int] = time.perf_counter_ns,
    after: Callable[[], object] = lambda: None,
) -> dict[str, Cost]:
    """Return what each way costs, held against the first."""
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            begun = clock()
            way()
            taken[name].append((clock() - begun) / REPEATS / 1000)
            after()
    against = next(iter(taken.values()))
    return {
        name: Cost(
            round(statistics.median(costs), 3),
            round(min(costs), 3),
            round(statistics.median(costs) / statistics.median(against), 3),
            round(min(costs) / min(against), 3),
        )
        for name, costs in taken.items()
    }


def _nothing() -> None:
    for _ in range(REPEATS):
        with nullcontext():
            pass


def _task() -> None:
    for _ in range(REPEATS):
        with stretto.task("review the architecture", type="architecture", agent="architect"):
            pass


def _ways(provider: TracerProvider, *, measured: bool = False) -> dict[str, Way]:
    """Return a bare span and a wrapped task; where there are metrics, both record one."""
    tracer = provider.get_tracer("bench")
    attributes = _attributes_of_a_task()
    histogram = metrics.get_meter("bench").create_histogram("gen_ai.invoke_agent.duration", unit="s")

    def bare() -> None:
        for _ in range(REPEATS):
            with tracer.start_as_current_span("invoke_agent architect", attributes=attributes):
                pass
            if measured:
                histogram.record(0.001, {"gen_ai.agent.name": "architect"})

    def wrapped() -> None:
        with stretto.session("bench", pattern="bench"), stretto.phase("analysis"):
            _task()

    return {f"bare span, {len(attributes)} attributes": bare, "task": wrapped}


def _attributes_of_a_task() -> dict[str, str]:
    """Return what a task's span bears in the end, as one that bears it from the start."""
    seen: list[ReadableSpan] = []

    class Keep(SpanProcessor):
        def on_end(self, span: ReadableSpan) -> None:
            seen.append(span)

    with (
        _sdk(Keep()),
        stretto.session("bench"),
        stretto.phase("analysis"),
        stretto.task("review the architecture", type="architecture", agent="architect"),
    ):
        pass
    # A framework's agent run, so that the journal has as much to say of it.
    ours = ("stretto.session.id", "stretto.task.id")
    return {
        f"{name}." if name in ours else name: str(said) for name, said in (seen[0].attributes or {}).items()
    }


def _flushed(way: Way, provider: TracerProvider) -> Way:
    def whole() -> None:
        way()
        provider.force_flush()

    return whole


@contextmanager
def _sdk(*processors: SpanProcessor) -> Iterator[TracerProvider]:
    before, provider = trace._TRACER_PROVIDER, TracerProvider(shutdown_on_exit=False)  # as in tests
    for processor in processors:
        provider.add_span_processor(processor)
    trace._TRACER_PROVIDER = provider  # several SDKs in one run
    try:
        yield provider
    finally:
        trace._TRACER_PROVIDER = before  # likewise
        provider.shutdown()


@contextmanager
def _meters() -> Iterator[None]:
    provider = MeterProvider([InMemoryMetricReader()], shutdown_on_exit=False)
    metrics._internal._METER_PROVIDER = provider  # for one setting only
    genai_histograms.get_run_histograms.cache_clear()  # likewise
    try:
        yield
    finally:
        metrics._internal._METER_PROVIDER = None  # likewise
        genai_histograms.get_run_histograms.cache_clear()  # likewise
        provider.shutdown()


if __name__ == "__main__":
    main()
