from __future__ import annotations

from stretto.clock import HOUR
from stretto.figures.bottleneck_agent import Bottleneck, find_bottlenecks_by_window
from stretto.figures.figure import Figure


def on_path(agent: str, window: str, seconds: float) -> Figure:
    """Return the figure of an agent's part of the critical paths."""
    labels = (("agent", agent), ("window", window))
    return Figure("stretto_critical_path_agent_seconds", labels, seconds, 1)


def test_the_largest_part_of_each_window_is_the_bottleneck() -> None:
    """The bottleneck has its share; of equal parts the first agent by name is chosen."""
    figures = [
        on_path("worker", "1h", 30),
        on_path("main", "1h", 10),
        on_path("worker", "24h", 30),
        on_path("main", "24h", 30),
    ]
    found = find_bottlenecks_by_window(figures, {})
    assert found == {"1h": Bottleneck("worker", 30, 0.75, None), "24h": Bottleneck("main", 30, 0.5, None)}


def test_since_is_the_first_of_the_newest_hours_in_a_row() -> None:
    """Hours without a session are passed over; before another agent's hour the row begins anew."""
    by_hour = {
        1 * HOUR: {"worker": 9},
        2 * HOUR: {"main": 9, "worker": 8},
        3 * HOUR: {"worker": 5, "main": 4},
        6 * HOUR: {"worker": 5},
    }
    found = find_bottlenecks_by_window([on_path("worker", "7d", 27), on_path("main", "7d", 13)], by_hour)
    assert found["7d"].since == 3 * HOUR


def test_an_agent_that_lost_the_newest_hour_has_no_since() -> None:
    """It is the bottleneck of the window, and no longer that of now."""
    by_hour = {1 * HOUR: {"worker": 50}, 2 * HOUR: {"main": 9}}
    found = find_bottlenecks_by_window([on_path("worker", "24h", 50), on_path("main", "24h", 9)], by_hour)
    assert (found["24h"].agent, found["24h"].since) == ("worker", None)


def test_without_sessions_there_is_none() -> None:
    """No figure, or nothing but zeros and other figures."""
    assert find_bottlenecks_by_window([], {}) == {}
    other = Figure("stretto_critical_path_seconds", (("window", "1h"),), 5, 1)
    assert find_bottlenecks_by_window([on_path("main", "1h", 0), other], {}) == {}
