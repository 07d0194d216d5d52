from __future__ import annotations

import os
import shutil
import subprocess
import threading
from pathlib import Path

import pytest

from stretto import journal
from stretto.clock import SECOND
from stretto.config.loading import load_config
from stretto.exporter.scrape import FigureCollector, create_empty_registry, encode_metrics
from stretto.figures.figure import Figure
from stretto.figures.resource_figures import MachineUse, ResourceUse
from stretto.fleet.identity import MachineIdentity
from stretto.model.event import Outcome
from stretto.model.task_type import TaskTypes
from stretto.names import METRICS, MetricOrigin
from stretto.names.metrics_of_analysis_results import FINDINGS
from stretto.otlp_export.span_sender import NullSender
from stretto.service.service import Service
from stretto.sources.otlp.receive import Signal
from stretto.summaries.snapshot import LiveState, Snapshot, take_snapshot
from tests.exposed import OPENMETRICS, TEXT, assert_sound, exposing, families, samples, value
from tests.fakes import DAY_FILE, RECORDINGS, append, recorded, store
from tests.otlp_requests import JSON, as_json, span, traces
from tests.scenes import (
    Drawing,
    at,
    background,
    delivery,
    earlier_runs,
    frame_drawing,
    one_by_one,
    orchestrated,
    paid,
    sampled,
    selections,
    spender,
    straggler,
    wasteful,
)

MACHINE = MachineUse(
    cpu=0.7, memory_available=10**9, waiting=3 * SECOND, cores=(20 * SECOND, 7 * SECOND), received=5, sent=4
)
GONE = Figure("stretto_sessions_open", (), 3, 3)


@pytest.fixture
def snapshot(tmp_path: Path) -> Snapshot:
    """Give the figures of a store with every kind of session in it."""
    with store(tmp_path) as opened:
        opened.take(paid().events, one_by_one().events, earlier_runs())
        opened.take(background().events, recorded("fanout"))
        opened.take(Drawing("calls").opens().call("c", 1, 3, took=1.5).events, spender().events)
        opened.take(Drawing("sized").opens().cached(5, "sized", hits=1, entries=2, bytes=1_000).events)
        opened.take(sampled().events, delivery().events, orchestrated().events, wasteful().events)
        for day in (1, 2):
            begin = -86_400 * day
            judged = Drawing(f"day-{day}").opens(begin).task(f"t{day}", begin + 1, begin + 9, "review")
            opened.take(
                judged.score("quality", 7, begin + 10, of="task", id=f"t{day}").ends(begin + 20).events
            )
        mistyped = frame_drawing(Drawing("mistyped"), 9).order("wrong", 1, "review", agent="reviwer")
        mistyped.answer("wrong", 2, None, status="failed", outcome=Outcome.FAILURE)
        opened.take(mistyped.events)
        opened.take(Drawing("busy").opens().prompt(1).events, selections().events)
        # Of fewer sessions with a turn of parallel tasks nothing is said about a pattern's adoption.
        opened.take(*[straggler(f"straggler-{number}").events for number in range(5)])
        opened.take(
            frame_drawing(Drawing("new").call("w", 1, 2, tool="Write", wrote="a", new_files=1), 9).events
        )
        use = ResourceUse(cpu=1.5, memory=10**9, machine=MACHINE, sessions=1)
        return take_snapshot(
            opened.connection,
            at(200),
            TaskTypes(),
            {},
            live=LiveState(use, stuck=()),
            workflows={"release": 0.1},
        )


def test_a_snapshot_is_exposed_whole_and_sound(snapshot: Snapshot) -> None:
    """Every figure with a value is a sample with that value; both formats parse; nothing else is exposed."""
    source = exposing(("snapshot", snapshot.figures))
    assert_sound(source)
    found = samples(source)
    wanted = {
        (figure.name.removeprefix("stretto_"), tuple(sorted(figure.labels))): pytest.approx(figure.value)
        for figure in snapshot.figures
        if figure.value is not None
    }
    assert {key: found[key] for key in wanted} == wanted
    others = {name for name, _ in found.keys() - wanted.keys()}
    assert others == {"collector_success", "collector_duration_seconds", "series", "series_budget"}
    assert value(found, "series") == len(wanted)


def test_every_derived_name_is_exposed(snapshot: Snapshot) -> None:
    """The scenes between them have a value for every derived metric of the table but those of findings."""
    told = {family.name for family in families(exposing(("snapshot", snapshot.figures)))}
    derived = {metric.name for metric in METRICS.values() if metric.made is MetricOrigin.DERIVED}
    assert derived - {metric.name for metric in FINDINGS} <= told


def test_a_group_that_fails_shows_and_hides_nothing_else() -> None:
    """Its success is 0, every other group's figures are there, and the scrape answers."""
    source = exposing(("good", [GONE]), ("bad", RuntimeError("no snapshot yet")), ("after", []))
    found = samples(source)
    success = {labels: ok for (name, labels), ok in found.items() if name == "collector_success"}
    assert success == {(("group", "good"),): 1, (("group", "bad"),): 0, (("group", "after"),): 1}
    assert value(found, "sessions_open") == 3
    assert value(found, "collector_duration_seconds", group="bad") == 1
    assert_sound(source)


def test_a_group_that_makes_up_a_name_fails_as_a_whole() -> None:
    """A figure that the table does not have is a fault of its group, not of the scrape."""
    made_up = Figure("stretto_made_up", (), 1, 1)
    found = samples(exposing(("good", [GONE]), ("bad", [OTHER_GAUGE, made_up])))
    assert value(found, "collector_success", group="bad") == 0
    assert value(found, "sessions_open") == 3
    assert value(found, "tasks_running") is None


OTHER_GAUGE = Figure("stretto_tasks_running", (), 1, 1)


def test_the_budget_is_kept_and_told(snapshot: Snapshot) -> None:
    """With fewer series than figures, the shown, allowed and folded series are counted."""
    source = exposing(("snapshot", snapshot.figures), budget=100)
    found = samples(source)
    assert (value(found, "series"), value(found, "series_budget")) == (100, 100)
    folded = [value for (name, _), value in found.items() if name == "series_folded"]
    assert folded
    assert all(count > 0 for count in folded)
    derived = [
        key
        for key in found
        if METRICS.get(f"stretto_{key[0]}", METRICS["stretto_series"]).made is MetricOrigin.DERIVED
    ]
    assert len(derived) == 100
    assert_sound(source)


def test_a_figure_that_is_gone_is_gone() -> None:
    """Gauges are built at each scrape: a figure that is gone is no longer exposed."""
    figures = [GONE, OTHER_GAUGE]
    source = exposing(("snapshot", figures))
    assert value(samples(source), "tasks_running") == 1
    figures.remove(OTHER_GAUGE)
    assert value(samples(source), "tasks_running") is None


def test_a_snapshot_is_fitted_into_the_budget_once() -> None:
    """Scrapes of a snapshot share its families, beside findings that are made anew and do not differ."""
    snapshot: tuple[Figure, ...] = (GONE, OTHER_GAUGE)
    own = [Figure("stretto_ingest_events", (), count, 1) for count in (1, 2)]
    scrapes = iter(own)
    collector = FigureCollector(
        {
            "snapshot": lambda: snapshot,
            "findings": lambda: iter([Figure("stretto_overdue_tasks", (), 1, 2)]),
            "service": lambda: [next(scrapes)],
        },
        100,
    )
    first, second = ({metric.name: metric for metric in collector.collect()} for _ in range(2))
    assert first["stretto_sessions_open"] is second["stretto_sessions_open"]
    counts = [next(iter(found["stretto_ingest_events"].samples)).value for found in (first, second)]
    assert counts == [1, 2]
    snapshot = (OTHER_GAUGE,)
    scrapes = iter(own)
    assert "stretto_sessions_open" not in {metric.name for metric in collector.collect()}


def test_the_format_is_what_was_asked_for() -> None:
    """OpenMetrics where the scraper asks for it, the classic text otherwise, each with its content type."""
    source = exposing(("snapshot", [GONE]))
    assert encode_metrics(source, OPENMETRICS).content_type.startswith(
        "application/openmetrics-text; version=1.0.0"
    )
    assert encode_metrics(source, OPENMETRICS).body.endswith(b"# EOF\n")
    for accept in (TEXT, "", "*/*", "nonsense"):
        assert encode_metrics(source, accept).content_type.startswith("text/plain; version=")
        assert b"stretto_sessions_open 3.0\n" in encode_metrics(source, accept).body


def test_the_registry_carries_nothing_of_its_own() -> None:
    """No collectors of the interpreter or the process, and ?name[]= finds figures."""
    assert families(create_empty_registry()) == []
    source = exposing(("snapshot", [GONE]))
    restricted = source.restricted_registry(["stretto_sessions_open"])
    assert [metric.name for metric in restricted.collect()] == ["stretto_sessions_open"]


def test_the_whole_service_is_exposed_as_the_table_says(tmp_path: Path) -> None:
    """Live, derived and own metrics on one registry: each family is in the table, with exactly its labels."""
    config = load_config({}, tmp_path, state=str(tmp_path / "state"))
    service = Service(
        config,
        version="1.0",
        clock=lambda: at(200),
        sender=NullSender(),
        identity=MachineIdentity(None, "9f3c"),
    )
    try:
        append(config.journal, [*straggler().events, *background().events, *one_by_one().events])
        journal.append_records(config.journal / DAY_FILE, b"\n{torn\n")
        service.start()
        # A web request tells nothing, which is counted.
        times = {"startTimeUnixNano": str(at(1)), "endTimeUnixNano": str(at(2))}
        request = as_json(traces([{**span("GET /", 1), **times}]))
        service.intake.receive_otlp(Signal.TRACES, request, JSON, "")
        assert_sound(service.registry)
        told = {family.name for family in families(service.registry)}
    finally:
        service.stop()
    own = {metric.name for metric in METRICS.values() if metric.made is MetricOrigin.SELF}
    # Folding shows only where something was folded, analyses once they have answered, shipping with a hub.
    assert own - told <= {
        "stretto_series_folded",
        "stretto_names_folded",
        "stretto_analysis_age_seconds",
        "stretto_analysis_duration_seconds",
        "stretto_ship_lag_seconds",
        "stretto_ship_pending",
        "stretto_ship_rejected",
    }


def find_lint_problems(body: bytes) -> str:
    """Return the output of ``promtool check metrics``; empty when it accepts everything."""
    promtool = shutil.which("promtool")
    if promtool is None:
        if os.environ.get("STRETTO_REQUIRE_SERVERS") == "1":
            pytest.fail("promtool must be installed in this run")
        pytest.skip("promtool is not installed: make servers")
    check = subprocess.run([promtool, "check", "metrics"], input=body, capture_output=True, check=False)
    assert check.returncode in (0, 3), check.stderr
    return (check.stdout + check.stderr).decode()


def test_promtool_accepts_the_scrape_of_a_service_with_recordings(tmp_path: Path) -> None:
    """``promtool check metrics`` prints nothing about live, derived and own metrics together."""
    config = load_config({}, tmp_path, state=str(tmp_path / "state"))
    events = [event for name in RECORDINGS for event in recorded(name)]
    last = max(event.time for event in events)
    service = Service(config, version="1.0", clock=lambda: last + SECOND, sender=NullSender())
    try:
        append(config.journal, events)
        service.start()
        body = encode_metrics(service.registry, TEXT).body
    finally:
        service.stop()
    assert b'stat="p95"' in body
    assert find_lint_problems(body) == ""


def test_promtool_accepts_every_derived_metric(snapshot: Snapshot) -> None:
    """``promtool check metrics`` prints nothing about a scrape in which every derived name has a value."""
    assert find_lint_problems(encode_metrics(exposing(("snapshot", snapshot.figures)), TEXT).body) == ""


def test_eight_threads_may_scrape_at_once(snapshot: Snapshot) -> None:
    """Each gets the whole of it."""
    source = exposing(("snapshot", snapshot.figures))
    wanted = {
        key: number for key, number in samples(source).items() if key[0] != "collector_duration_seconds"
    }
    faults: list[BaseException] = []

    def scrape() -> None:
        try:
            for _ in range(3):
                found = samples(source)
                assert {key: found[key] for key in wanted} == wanted
        except BaseException as fault:  # noqa: BLE001  # told to the test's own thread
            faults.append(fault)

    threads = [threading.Thread(target=scrape) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
