"""The few series of a machine of a fleet, which may be added to those of other machines."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families

from stretto.config.loading import load_config
from stretto.exporter.figures_to_metric_families import NOT_SUMS
from stretto.exporter.scrape import encode_metrics
from stretto.exporter.sum_metrics_for_fleet import MachineSumsCollector
from stretto.fleet.identity import MachineIdentity
from stretto.names import METRICS, Label, MetricKind
from stretto.names.summable_machine_metrics import (
    FLEET_GAUGES,
    FLEET_HISTOGRAMS,
    FLEET_WINDOWS,
    MOST_FLEET_SERIES,
)
from stretto.otlp_export.span_sender import NullSender
from stretto.service.service import Service
from tests import simulated
from tests.exposed import TEXT
from tests.fakes import append
from tests.scenes import at, one_by_one, straggler

OPEN_LABELS = {Label.AGENT, Label.TASK_TYPE, Label.TOOL, Label.PATTERN, Label.MODEL, Label.PHASE, Label.CACHE,
               Label.SCORE, Label.SOURCE, Label.FRAMEWORK}  # fmt: skip
"""The labels whose values come from outside."""


class Exposed:
    """A registry whose families are those of a text."""

    def __init__(self, text: str) -> None:
        self.families = list(text_string_to_metric_families(text))

    def collect(self) -> list[Metric]:
        """Return the families."""
        return self.families


def add_types(text: str) -> str:
    """Return an exposition with the type of each metric before its first sample, by which samples group."""
    lines, typed = [], set()
    for line in text.splitlines():
        sample = line.partition("{")[0].partition(" ")[0]
        name = sample if sample in METRICS else sample.rpartition("_")[0]
        if name not in typed:
            lines.append(f"# TYPE {name} {METRICS[name].kind.value}")
            typed.add(name)
        lines.append(line)
    return "\n".join(lines) + "\n"


def collect_profile(text: str) -> dict[str, Metric]:
    """Return the fleet's families of an exposition, by name."""
    return {family.name: family for family in MachineSumsCollector(Exposed(text)).collect()}


@pytest.fixture(scope="module")
def month() -> dict[str, Metric]:
    """Give the profile of a service that exposes every metric with several values of each label."""
    text = simulated.exposition(at=2e9, since=1.9e9)
    return collect_profile(add_types(text))


def test_the_table_names_sums_and_their_own_labels_alone() -> None:
    """No ratio, quantile or score is in it, and no label whose values come from outside."""
    for name, kept in FLEET_GAUGES.items():
        assert METRICS[name].kind is MetricKind.GAUGE
        assert not name.endswith(NOT_SUMS), name
        assert set(kept) <= set(METRICS[name].labels), name
        assert not OPEN_LABELS & set(kept), name
    assert all(METRICS[name].kind is MetricKind.HISTOGRAM for name in FLEET_HISTOGRAMS)


def test_every_machine_has_few_series_of_the_same_names(month: dict[str, Metric]) -> None:
    """With every metric present there are at most 300 series, of the windows of the table."""
    samples = [sample for family in month.values() for sample in family.samples]
    assert len(samples) <= MOST_FLEET_SERIES
    assert set(month) == {*FLEET_GAUGES, *FLEET_HISTOGRAMS}
    windows = {sample.labels.get("window") for sample in samples} - {None}
    assert windows == set(FLEET_WINDOWS)


def test_values_of_labels_that_are_left_out_are_added_up() -> None:
    """Tasks of two types become a sum by outcome; the buckets of two models are those of both."""
    profile = collect_profile(
        "# TYPE stretto_window_tasks gauge\n"
        'stretto_window_tasks{task_type="tests",outcome="success",window="24h"} 3\n'
        'stretto_window_tasks{task_type="docs",outcome="success",window="24h"} 4\n'
        'stretto_window_tasks{task_type="docs",outcome="failure",window="24h"} 1\n'
        'stretto_window_tasks{task_type="docs",outcome="failure",window="1h"} 1\n'
        "# TYPE stretto_model_duration_seconds histogram\n"
        'stretto_model_duration_seconds_bucket{model="a",le="1.0"} 1\n'
        'stretto_model_duration_seconds_bucket{model="a",le="+Inf"} 2\n'
        'stretto_model_duration_seconds_sum{model="a"} 3\n'
        'stretto_model_duration_seconds_count{model="a"} 2\n'
        'stretto_model_duration_seconds_bucket{model="b",le="1.0"} 5\n'
        'stretto_model_duration_seconds_bucket{model="b",le="+Inf"} 5\n'
        'stretto_model_duration_seconds_sum{model="b"} 2\n'
        'stretto_model_duration_seconds_count{model="b"} 5\n'
    )
    tasks = {sample.labels["outcome"]: sample.value for sample in profile["stretto_window_tasks"].samples}
    assert tasks == {"success": 7, "failure": 1}
    lengths = [(s.name[31:], s.labels, s.value) for s in profile["stretto_model_duration_seconds"].samples]
    assert lengths == [
        ("bucket", {"le": "1.0"}, 6),
        ("bucket", {"le": "+Inf"}, 7),
        ("count", {}, 7),
        ("sum", {}, 5),
    ]


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """Give a service of a machine with a team."""
    config = load_config({}, tmp_path, state=str(tmp_path / "state"))
    identity = MachineIdentity("payments", "9f3c")
    service = Service(config, version="1.0", clock=lambda: at(200), sender=NullSender(), identity=identity)
    yield service
    service.stop()


def read_fleet(service: Service) -> dict[str, Metric]:
    """Return the families of the service's answer to a fleet's scrape."""
    text = service.expose_fleet_metrics(TEXT).body.decode()
    return {family.name: family for family in text_string_to_metric_families(text)}


def test_a_service_exposes_its_identity_and_the_sums_of_its_store(service: Service) -> None:
    """The sum over task types equals the metrics' own, and the identity names team, machine and rules."""
    append(service.config.journal, [*straggler().events, *one_by_one().events])
    service.start()
    fleet = read_fleet(service)
    whole = encode_metrics(service.registry, TEXT).body.decode()
    expected: dict[str, float] = {}
    for family in text_string_to_metric_families(whole):
        for sample in family.samples:
            if sample.name == "stretto_window_tasks" and sample.labels["window"] == "24h":
                outcome = sample.labels["outcome"]
                expected[outcome] = expected.get(outcome, 0) + sample.value
    tasks = fleet["stretto_window_tasks"].samples
    assert expected
    assert expected == {s.labels["outcome"]: s.value for s in tasks if s.labels["window"] == "24h"}
    [identity] = fleet["stretto_identity_info"].samples
    assert {"stretto_identity_info": identity.value} == {"stretto_identity_info": 1}
    assert identity.labels == {
        "team": "payments",
        "instance_id": "9f3c",
        "version": "1.0",
        "rules": service.config.fingerprint,
    }


def test_the_recording_of_an_empty_store_is_no_work_of_a_team(service: Service) -> None:
    """While the page shows the recording, only the machine itself is exposed to a fleet."""
    service.start()
    assert service.snapshot is not None
    assert service.snapshot.activity.recordings
    assert set(read_fleet(service)) == {"stretto_identity_info", "stretto_build_info"}
