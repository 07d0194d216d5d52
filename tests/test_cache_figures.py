from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from stretto.figures.cache_figures_and_faults import CacheFault, CacheUse, judge_cache
from stretto.model.event import Kind
from tests.fakes import store
from tests.scenes import Drawing, frame_drawing
from tests.test_model_cache_and_test_figures import absent, figure, figures

MILLISECOND = 1_000_000


def test_the_times_of_a_cache_are_summed(tmp_path: Path) -> None:
    """Two reports of a timed cache add up; a cache that times nothing has no such figures, not zeros."""
    drawing = Drawing()
    for second, refused in ((10, 0), (20, 3)):
        drawing.cached(
            second, "plans", hits=5, misses=5, refused=refused, evicted_misses=1, saved=90_000 * MILLISECOND,
            lookup_time=2 * MILLISECOND, bytes=second * 100, entries=4,
        )  # fmt: skip
    drawing.cached(20, "plain", hits=1, misses=1, entries=1)
    with store(tmp_path) as opened:
        opened.take(frame_drawing(drawing, 40).events)
        found = figures(opened)
    assert figure(found, "window_cache_saved_seconds", cache="plans") == 180
    assert figure(found, "window_cache_lookup_seconds", cache="plans") == pytest.approx(0.004)
    assert figure(found, "window_cache_refusals", cache="plans") == 3
    assert figure(found, "window_cache_evicted_misses", cache="plans") == 2
    assert figure(found, "cache_bytes", None, cache="plans") == 2_000
    for name in ("window_cache_saved_seconds", "window_cache_refusals", "window_cache_lookup_seconds"):
        assert absent(found, name, cache="plain")
    assert absent(found, "cache_bytes", cache="plain")


def test_a_timed_cache_that_refused_nothing_shows_zero(tmp_path: Path) -> None:
    """A reported zero is a zero: it is known that no stale answer was met."""
    with store(tmp_path) as opened:
        drawing = Drawing().cached(10, "plans", hits=1, misses=1, refused=0, lookup_time=1_000)
        opened.take(frame_drawing(drawing, 40).events)
        assert figure(figures(opened), "window_cache_refusals", cache="plans") == 0


def test_a_report_with_absurd_amounts_keeps_the_rest(tmp_path: Path) -> None:
    """Amounts that cannot be true are dropped; the counts beside them are kept."""
    drawing = Drawing().cached(10, "plans", hits=3, misses=1, saved=10**18, lookup_time=-1, bytes=10**18)
    with store(tmp_path) as opened:
        opened.take(frame_drawing(drawing, 40).events)
        found = figures(opened)
    assert figure(found, "window_cache_lookups", cache="plans", result="hit") == 3
    assert absent(found, "window_cache_saved_seconds", cache="plans")
    assert absent(found, "cache_bytes", cache="plans")
    assert Kind.CACHE_REPORT in {event.kind for event in drawing.events}


def test_a_cache_is_judged_by_what_it_saves_and_misses() -> None:
    """Useless: it saves less than it costs. Too small: twice the room would hit more often."""
    good = CacheUse(hits=800, misses=200, evicted_misses=10, saved_seconds=90.0, lookup_seconds=0.01)
    assert judge_cache(good) == []
    (useless,) = judge_cache(replace(good, evicted_misses=0, saved_seconds=0.01, lookup_seconds=0.02))
    assert (useless.fault, useless.amount) == (CacheFault.USELESS, 0.5)
    assert useless.evidence == "1000 lookups took 0.02 s and saved 0.01 s"
    (small,) = judge_cache(replace(good, hits=600, misses=400, evicted_misses=150))
    assert (small.fault, small.amount) == (CacheFault.TOO_SMALL, 0.15)
    assert "0.75 instead of 0.60" in small.evidence
    few = CacheUse(hits=0, misses=199, evicted_misses=199, saved_seconds=0.0, lookup_seconds=0.01)
    assert judge_cache(few) == []
    untimed = replace(good, saved_seconds=0.0, lookup_seconds=None)
    assert judge_cache(untimed) == [], "a cache that times nothing is never called useless"
