from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import trace

import stretto
from stretto.api import cache_counters as caching
from stretto.caching import cached
from stretto.model.event import Channel, Kind
from tests.test_api_journal_exporter import Journal, events, journalled
from tests.test_api_tracing import Spans, sdk


@pytest.fixture
def spans() -> Iterator[Spans]:
    with sdk() as found:
        yield found


@pytest.fixture
def written(tmp_path: Path) -> Iterator[Journal]:
    with journalled(tmp_path / "journal") as found:
        yield found


@pytest.fixture(autouse=True)
def _own_caches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caching, "_caches", {})


def reports(spans: Spans) -> list[dict[str, Any]]:
    """Return the attributes of the reports, without their prefix."""
    return [
        {key.removeprefix("stretto.cache."): value for key, value in (span.attributes or {}).items()}
        for span in spans.all()
        if span.name.startswith("cache ")
    ]


def test_a_session_reports_its_caches_before_it_ends(written: Journal) -> None:
    """The journal has a single report with all counts, for the session, at the session's end."""
    with stretto.session(id="s"):
        summaries = stretto.cache("summaries")
        summaries.miss()
        summaries.hit(3)
        summaries.evict(2)
        summaries.invalidate()
        summaries.size(7)
        summaries.size(5)
    (report,) = written.list_events(Kind.CACHE_REPORT)
    assert (report.session, report.name, report.channel) == ("s", "summaries", Channel.API)
    assert report.attributes == {"hits": 3, "misses": 1, "evictions": 2, "invalidations": 1, "entries": 5}
    (end,) = written.list_events(Kind.SESSION_END)
    assert report.time <= end.time


def test_a_timed_cache_reports_its_times_and_bytes(written: Journal) -> None:
    """What ``stretto.caching`` counts beside hits and misses is in the journal, in nanoseconds and bytes."""
    with stretto.session(id="s"):
        plans = stretto.cache("plans")
        for is_hit, was_evicted in ((True, False), (False, True)):
            plans.add_lookup(
                is_hit=is_hit, is_refused=was_evicted, was_evicted=was_evicted,
                saved_seconds=1.5 * is_hit, lookup_seconds=0.25,
            )  # fmt: skip
        plans.size(3, bytes=400)
    (report,) = written.list_events(Kind.CACHE_REPORT)
    assert report.attributes == {
        "hits": 1, "misses": 1, "evictions": 0, "invalidations": 0, "entries": 3, "bytes": 400, "refused": 1,
        "evicted_misses": 1, "saved": 1_500_000_000, "lookup_time": 500_000_000,
    }  # fmt: skip


def test_a_cached_function_reports_to_its_session(written: Journal) -> None:
    """Lookups of ``stretto.caching`` are in the report of the session that asked."""
    double: Any = cached("double", max_bytes=10_000)(lambda number: number * 2)
    with stretto.session(id="s"):
        assert [double(1), double(1), double(2)] == [2, 2, 4]
    (report,) = written.list_events(Kind.CACHE_REPORT)
    assert (report.name, report.attributes["hits"], report.attributes["misses"]) == ("double", 1, 2)
    assert report.attributes["entries"] == 2
    assert isinstance(report.attributes["bytes"], int)
    assert report.attributes["bytes"] > 0


def test_each_session_has_its_own_counts(spans: Spans) -> None:
    """Two sessions share a cache but not its counts; reported counts are not reported again."""
    for id in ("one", "two"):
        with stretto.session(id=id):
            stretto.cache("c").hit()
    found = reports(spans)
    assert [(report["stretto.session.id"], report["hits"]) for report in found] == [("one", 1), ("two", 1)]
    assert all("entries" not in report for report in found)


def test_a_cache_that_nothing_happened_in_reports_nothing(spans: Spans) -> None:
    """An unused cache sends no report, not a report of zeros."""
    with stretto.session(id="s"):
        stretto.cache("c")
    assert reports(spans) == []


def test_what_is_counted_outside_belongs_to_the_session_that_is_reported_next(spans: Spans) -> None:
    """Threads begin outside any session; their counts wait for the next session."""
    found = stretto.cache("c")
    found.hit()
    assert stretto.flush()
    assert reports(spans) == []
    with stretto.session(id="s"), ThreadPoolExecutor(4) as pool:
        for _ in range(100):
            pool.submit(found.miss)
    (report,) = reports(spans)
    assert (report["stretto.session.id"], report["hits"], report["misses"]) == ("s", 1, 100)


@pytest.mark.parametrize("inside_first", [False, True])
def test_the_newest_size_is_reported(spans: Spans, inside_first: bool) -> None:
    """The newest size is reported, set inside or outside the session."""
    cache = stretto.cache("summaries")
    with stretto.session(id="s"):
        if inside_first:
            cache.size(5)
        with ThreadPoolExecutor(1) as outside:
            outside.submit(cache.size, 7).result()
        if not inside_first:
            cache.size(5)
    assert [report["entries"] for report in reports(spans)] == [7 if inside_first else 5]


def test_counting_goes_out_while_the_session_runs(spans: Spans, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once the wait is over the next count brings the report; flush brings it at once."""
    monkeypatch.setattr(caching, "REPORT_SECONDS", 0.0)
    with stretto.session(id="s"):
        stretto.cache("c").hit()
        assert [report["hits"] for report in reports(spans)] == [1]
        monkeypatch.setattr(caching, "REPORT_SECONDS", 3_600.0)
        stretto.cache("c").hit(2)
        assert len(reports(spans)) == 1
        assert stretto.flush()
        assert [report["hits"] for report in reports(spans)] == [1, 2]
    assert len(reports(spans)) == 2


def test_without_an_sdk_nothing_is_counted() -> None:
    """The program continues, and no counts accumulate."""
    assert isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)
    found = stretto.cache("c")
    found.hit()
    assert found.list_sessions() == []


def test_a_name_is_one_cache() -> None:
    """The same name gives the same counter; an empty name is an error."""
    assert stretto.cache("c") is stretto.cache("c")
    assert stretto.cache("c") is not stretto.cache("d")
    with pytest.raises(ValueError, match="needs a name"):
        stretto.cache("")


PROGRAM = """
import os, stretto
stretto.configure(state={state!r})
session = stretto.session(id="s")
session.__enter__()
stretto.cache("c").hit(2)
if {forks!r}:
    child = os.fork()
    if not child:
        stretto.cache("c").miss(5)
        assert stretto.flush()
        os._exit(0)
    os.waitpid(child, 0)
"""


@pytest.mark.parametrize("forks", [False, True] if hasattr(os, "fork") else [False])
def test_a_program_that_exits_reports_first(tmp_path: Path, forks: bool) -> None:
    """Open sessions are reported too; a forked process reports only its own counts."""
    program = PROGRAM.format(state=str(tmp_path), forks=forks)
    subprocess.run([sys.executable, "-W", "ignore", "-c", program], check=True, timeout=60)
    reports = [event.attributes for event in events(tmp_path / "journal") if event.kind is Kind.CACHE_REPORT]
    assert sum(int(str(report["hits"])) for report in reports) == 2
    assert sum(int(str(report["misses"])) for report in reports) == (5 if forks else 0)
