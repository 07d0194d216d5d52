"""A session as a page of text: every part once, in order, and a line for each absent figure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from stretto.cli.session_text import format_session
from stretto.summaries.session_summary import summarise_session
from tests.fakes import store
from tests.scenes import (
    Drawing,
    by_description,
    earlier_runs,
    frame_drawing,
    idle_tail,
    nested,
    one_by_one,
    orchestrated,
    paid,
    sampled,
    spender,
    straggler,
)


def page(tmp_path: Path, session: str, *drawings: Drawing) -> list[str]:
    """Return the page's lines, stripped and without empty lines."""
    with store(tmp_path) as opened:
        opened.take(*(drawing.events for drawing in drawings))
        seen = summarise_session(opened.connection, session, by_description, {})
    assert seen is not None
    text = format_session(seen).replace("\N{NO-BREAK SPACE}", " ")
    return [line.strip() for line in text.splitlines() if line.strip()]


def starts(lines: list[str]) -> list[str]:
    """Return the first word of each line."""
    return [line.partition(":")[0].split(" ")[0] for line in lines]


def test_a_fanout_leads_the_page(tmp_path: Path) -> None:
    """The gain, its baseline and confidence come first; then the efficiency and its losses."""
    runs = Drawing("earlier", earlier_runs())
    lines = page(tmp_path, "straggler", straggler(), one_by_one(), runs)

    assert lines[:3] == [
        "session straggler",
        "claude-code, project shop, pattern release, success, 1 min, from 2026-01-01T00:00:00Z",
        "1 turn, 3 tasks, 3 tool calls",
    ]
    assert lines[3:6] == [
        "parallel execution 1: 3 tasks, 3 at once: 1.67× as fast as one after another (baseline: measured)",
        "sequential 1 min 40 s, elapsed 1 min, saved 40 s, work 1 min 45 s",
        "no confidence interval: an interval needs 5 runs, it rests on 3",
    ]
    all_delivered = "delivery 100% (3 of 3 tasks)"
    lost = "lane time lost: 1 min by load balance, 15 s by concurrency, 0 s by delivery"
    assert lines[6] == f"efficiency 58% = load balance 64% × concurrency 92% × {all_delivered}; {lost}"


def test_several_fanouts_are_summed_once(tmp_path: Path) -> None:
    """Each execution has its efficiency, and a line has the efficiency of all."""
    drawing = Drawing("two")
    for name, start in (("a", 0), ("b", 0), ("c", 20), ("d", 20)):
        drawing.task(name, start, start + 10, "review")

    lines = page(tmp_path, "two", frame_drawing(drawing, 40))

    factors = "efficiency 100% = load balance 100% × concurrency 100% × delivery 100%"
    lost = "lane time lost: 0 s by load balance, 0 s by concurrency, 0 s by delivery"
    each = f"{factors} (2 of 2 tasks); {lost}"
    both = f"all parallel executions: {factors} (4 of 4 tasks); {lost}"
    assert [line for line in lines if factors in line] == [each, each, both]


def test_where_the_time_went_follows(tmp_path: Path) -> None:
    """Wall time by part, then the critical path and what a faster task would save."""
    lines = page(tmp_path, "straggler", straggler())

    order = starts(lines)
    assert order.index("wall") < order.index("critical") < order.index("agents") < order.index("a")
    assert "critical path 1 min of 1 min" in lines
    assert "a fifth faster: straggler-c would save 11 s" in lines


def test_phases_scores_and_messages_are_told(tmp_path: Path) -> None:
    """An orchestrator's session shows its phases, and its scores with judge and validity."""
    lines = page(tmp_path, "orchestrated", orchestrated())

    assert "0 turns, 2 tasks, 0 tool calls, 2 messages" in lines
    assert [line.split() for line in lines if line.startswith("analysis")] == [
        ["analysis", "phase-analysis", "+0", "s", "30", "s", "—", "success"]
    ]
    judged = next(line for line in lines if line.startswith("quality  "))
    assert " ".join(judged.split()) == "quality 8 on 0 to 10 task right lead 2026-01-01T00:00:29Z yes"
    assert any(line.startswith("scores: ") for line in lines)


def test_each_part_stands_in_its_place(tmp_path: Path) -> None:
    """The parts come in order: time, tasks, resources, quality, absent figures."""
    order = starts(page(tmp_path, "spender", spender()))

    places = [order.index(word) for word in ("wall", "critical", "task", "spent", "outcomes", "absent")]
    assert places == sorted(places)


def test_resources_are_one_line(tmp_path: Path) -> None:
    """Processors, memory, disk and the machine against its target."""
    (resources,) = [
        line for line in page(tmp_path, "sampled", sampled()) if line.startswith("resources: sampled")
    ]

    assert resources.startswith(
        "resources: sampled for 2 min, processors 1 (most 3), memory 2 GB (most 3 GB), "
    )
    assert resources.endswith("machine 72% busy (below the target, 75% to 85%)")


def test_what_is_absent_has_one_line_each(tmp_path: Path) -> None:
    """Absent figures come last, each once with its reason."""
    lines = page(tmp_path, "idle-tail", idle_tail())

    absent = [line for line in lines if line.startswith("absent: ")]
    assert lines[-len(absent) :] == absent
    names = [line.split(": ")[1] for line in absent]
    assert {"fanouts", "resources"} <= {*names}
    assert len({*names}) == len(names)


@pytest.mark.parametrize("scene", [nested, orchestrated, paid, sampled, spender, straggler])
def test_no_line_comes_twice(tmp_path: Path, scene: Callable[[], Drawing]) -> None:
    """No line of the page is repeated."""
    drawing = scene()

    lines = page(tmp_path, drawing.session, drawing)

    assert [line for line, count in Counter(lines).items() if count > 1 and not set(line) <= {"─"}] == []


def test_foreign_words_are_no_markup(tmp_path: Path) -> None:
    """A description with brackets is shown unchanged."""
    drawing = frame_drawing(Drawing("s").task("a", 0, 10, "[bold]review[/nope] :smile:"), 20)

    assert any("[bold]review[/nope] :smile:" in line for line in page(tmp_path, "s", drawing))
