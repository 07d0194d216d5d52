from __future__ import annotations

from pathlib import Path

import pytest

from stretto.caching import FrequentCalls, cached, get_cache


class Clock:
    now = 100 * 86_400.0

    def __call__(self) -> float:
        return self.now


def test_the_most_frequent_calls_of_the_last_days_come_first(tmp_path: Path) -> None:
    """Counts are added up over days and processes; days too old are forgotten."""
    clock = Clock()
    for day, calls in ((0, ["old"] * 9), (5, ["a", "b", "b"]), (6, ["a", "a", "c"])):
        clock.now = (100 + day) * 86_400.0
        frequent = FrequentCalls(tmp_path / "calls.json", days=3, clock=clock)
        for call in calls:
            frequent.note_call((call,), {"n": 1})
        frequent.save()
    listed = FrequentCalls(tmp_path / "calls.json", days=3, clock=clock).list_calls()
    assert listed == [(("a",), {"n": 1}), (("b",), {"n": 1}), (("c",), {"n": 1})]
    assert (tmp_path / "calls.json").stat().st_mode & 0o077 == 0


def test_calls_that_json_would_change_are_not_remembered(tmp_path: Path) -> None:
    """A tuple, a number as key or an object would come back as another call."""
    frequent = FrequentCalls(tmp_path / "calls.json")
    for call in ((1, 2),), ({1: 2},), (object(),), ({1, 2},):
        frequent.note_call(call, {})
    assert frequent.list_calls() == []


@pytest.mark.parametrize("text", ["", "[]", '{"x": 1}', '{"99999": {"no call": 1}}', "\udcff"])
def test_a_damaged_file_counts_as_empty(tmp_path: Path, text: str) -> None:
    """Warming saves time only, so a file that cannot be read costs nothing else."""
    path = tmp_path / "calls.json"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    assert FrequentCalls(path).list_calls() == []


def test_too_many_different_calls_forget_the_rarest(tmp_path: Path) -> None:
    """Memory stays bounded, and the frequent calls are still there."""
    frequent = FrequentCalls(tmp_path / "calls.json", most=10)
    for number in range(1_000):
        frequent.note_call((number,), {})
        frequent.note_call(("often",), {})
    assert len(frequent._counts) <= 101
    assert frequent.list_calls(1) == [(("often",), {})]


def test_a_cache_is_warmed_with_its_frequent_calls(tmp_path: Path) -> None:
    """A new process computes the frequent calls of an earlier one before anybody asks."""
    computed: list[int] = []

    def square(number: int) -> int:
        computed.append(number)
        return number**2

    for _ in range(2):
        frequent = FrequentCalls(tmp_path / "calls.json")
        cached_square = cached("squares", frequent=frequent)(square)
        if not computed:
            for number in (3, 3, 4, 3):
                cached_square(number)
            frequent.save()
    computed.clear()
    assert get_cache(cached_square).warm(limit=1) == 1
    assert computed == [3]
    assert cached_square(3) == 9
    counts = get_cache(cached_square).counts
    assert (computed, counts.hits, counts.misses) == ([3], 1, 0)
