"""What is expected of a running task: when it is overdue, and how long it still takes."""

from __future__ import annotations

from pathlib import Path
from random import Random

from stretto.clock import SECOND
from stretto.config.loading import load_config
from stretto.figures.overdue_limits_and_time_left import (
    OVERDUE,
    OverdueLimit,
    compute_chance_that_running_task_is_overdue,
    count_overdue_explained_by_chance,
    estimate_time_left,
    estimate_time_until_all_end,
    find_overdue_limit,
)
from stretto.findings.finding_sentences import describe_fanout_progress
from stretto.model.event import Kind as EventKind
from stretto.otlp_export.span_sender import NullSender
from stretto.service.service import Service
from stretto.summaries.running_tasks import (
    Kind,
    RunningSessionReader,
    RunningTask,
    TaskExpectations,
    compute_running_fanout_figures,
    list_running_fanouts,
    list_running_tasks,
    read_successful_task_lengths,
)
from tests.fakes import store
from tests.month import end_of_day, month_of_sessions
from tests.scenes import BEGIN, Drawing, at, by_description


def test_the_limit_is_a_rank_of_enough_tasks_and_else_a_rule_of_thumb() -> None:
    """Of 199 the second largest, of 99 the largest; of 20 three times the 95 %; of 9 none."""
    many = find_overdue_limit(range(1, 200))
    assert many is not None
    assert (many.length, many.by_rule) == (198, False)
    enough = find_overdue_limit(range(1, 100))
    assert enough is not None
    assert enough.length == 99
    few = find_overdue_limit(range(1, 21))
    assert few is not None
    assert (few.length, few.by_rule) == (57, True)
    assert find_overdue_limit(range(1, 10)) is None


def test_one_of_a_hundred_is_overdue_by_chance() -> None:
    """Whatever the shape: of exponential and of two-humped lengths .8 to 1.2 % are beyond the limit."""
    random = Random(7)

    def draw_humps() -> float:
        return random.gauss(5 if random.random() < 0.7 else 20, 1)

    def draw_tail() -> float:
        return random.expovariate(1)

    for draw in (draw_humps, draw_tail):
        over = tries = 0
        for _ in range(150):
            limit = find_overdue_limit(sorted(round(draw() * 1e6) for _ in range(199)))
            assert limit is not None
            over += sum(draw() * 1e6 > limit.length for _ in range(200))
            tries += 200
        assert 0.007 <= over / tries <= 0.013


def test_an_excess_is_more_late_tasks_than_chance_explains() -> None:
    """A long task is met more often; one late task is no excess, nor are two of ten."""
    lengths = [SECOND] * 99 + [101 * SECOND]
    limit = OverdueLimit(SECOND, 100, by_rule=False)
    assert compute_chance_that_running_task_is_overdue(lengths, limit) == 100 / 200
    assert compute_chance_that_running_task_is_overdue([SECOND] * 100, limit) == OVERDUE
    assert count_overdue_explained_by_chance([]) == 1
    assert count_overdue_explained_by_chance([0.01]) == 1
    assert count_overdue_explained_by_chance([0.01] * 10) == 2
    assert count_overdue_explained_by_chance([0.5] * 4) == 4


def test_the_time_left_is_that_of_tasks_that_ran_longer() -> None:
    """Of 10, 20, … 100 s, one at 45 s is like the six from 50 s on; at 60 s only four ran longer."""
    lengths = [second * SECOND for second in range(10, 101, 10)]
    left = estimate_time_left(lengths, 45 * SECOND)
    assert left is not None
    assert (left.median, left.low, left.high, left.n) == (25 * SECOND, 5 * SECOND, 55 * SECOND, 6)
    assert estimate_time_left(lengths, 60 * SECOND) is None


def test_a_running_task_is_overdue_once_it_passes_its_limit(tmp_path: Path) -> None:
    """A test task runs: within its limit it has a time left with a range, beyond it it is overdue."""
    now = end_of_day(13)
    with store(tmp_path, idle=10**9) as opened:
        opened.take(month_of_sessions(14))
        start = (now - 1_767_225_600 * SECOND) / SECOND
        drawing = Drawing("live").opens(start, pattern="release").prompt(start).order("call", start, "tests")
        opened.take(drawing.run("live-task", start).events)
        expectations = TaskExpectations(
            list_running_tasks(
                RunningSessionReader(by_description).read_sessions(opened.connection, now + SECOND)
            ),
            read_successful_task_lengths(opened.connection, now),
        )
    (task,) = expectations.list_expected(now + 10 * SECOND)
    assert task.running.kind == ("release", "tests")
    assert task.limit is not None
    assert not task.limit.by_rule
    assert task.left is not None
    assert task.left.low < task.left.median < task.left.high
    assert expectations.count_overdue(task.running.start + task.limit.length) == 0
    assert expectations.count_overdue(task.running.start + task.limit.length + 1) == 1


def test_all_are_over_once_the_last_is() -> None:
    """Of ten lengths each, two tasks are over by the longer of both; too few like one of them say nothing."""
    lengths = [second * SECOND for second in range(10, 101, 10)]
    # Both over by t: (t / 100 s)², at least .1, .5 and .9 from 40, 80 and 100 s on.
    both = estimate_time_until_all_end([(lengths, 0), (lengths, 0)])
    assert both is not None
    assert (both.low, both.median, both.high) == (40 * SECOND, 80 * SECOND, 100 * SECOND)
    assert estimate_time_until_all_end([(lengths, 45 * SECOND)]) == estimate_time_left(lengths, 45 * SECOND)
    assert estimate_time_until_all_end([(lengths, 0), (lengths, 60 * SECOND)]) is None
    assert estimate_time_until_all_end([]) is None


def test_running_parallel_executions_have_progress_and_an_end(tmp_path: Path) -> None:
    """Two of three overlapping tasks run: one is over, 79 s more until both are; a lone task is none."""
    drawing = Drawing("live").opens(0, pattern="release").prompt(0)
    for name, start, end in (("a", 1, 5), ("b", 2, None), ("c", 3, None)):
        drawing.run(name, start, end)
    drawing.phase("build", 0, None).phase("plan", 0, 1)
    lone = Drawing("lone").opens(0).prompt(0).run("d", 2)
    with store(tmp_path, idle=10**9) as opened:
        opened.take(drawing.events)
        opened.take(lone.events)
        sessions = RunningSessionReader(by_description).read_sessions(opened.connection, at(10))
    running = list_running_tasks(sessions)
    lengths: dict[Kind, list[int]] = {
        task.kind: [second * SECOND for second in range(10, 101, 10)] for task in running
    }
    expectations = TaskExpectations(running, lengths, list_running_fanouts(sessions))
    (expected,) = expectations.list_expected_fanouts(at(3))
    fanout = expected.running
    assert (fanout.session, fanout.pattern, fanout.start, fanout.over) == ("live", "release", at(1), 1)
    assert [task.task for task in fanout.running] == ["b", "c"]
    assert (fanout.conflicts, fanout.phases) == (None, ("build",))
    assert expected.elapsed == 2 * SECOND
    assert expected.left is not None
    progress = describe_fanout_progress(expected).replace("\N{NO-BREAK SPACE}", " ")
    assert progress == (
        "1 of 3 tasks are over; 1 min 19 s more (39 s to 1 min 39 s) until those that run are,"
        " by 10 or more like each"
    )
    figures = {
        (figure.name.removeprefix("stretto_"), *(value for _, value in figure.labels)): figure.value
        for figure in compute_running_fanout_figures(expectations, at(3))
    }
    assert figures == {
        ("fanouts_running",): 1,
        ("running_fanouts_tasks",): 3,
        ("running_fanouts_tasks_over",): 1,
        ("running_fanouts_progress_ratio",): 1 / 3,
        ("running_fanouts_left_seconds", "low"): 39,
        ("running_fanouts_left_seconds", "middle"): 79,
        ("running_fanouts_left_seconds", "high"): 99,
    }
    late = TaskExpectations(running, {}, list_running_fanouts(sessions)).list_expected_fanouts(at(3))
    assert describe_fanout_progress(late[0]).endswith(
        "too few finished tasks like those that run to expect an end"
    )


def test_conflicts_and_what_blocks_are_known_while_tasks_run(tmp_path: Path) -> None:
    """The one that is over wrote the file of a running one; the third wrote another file, and is blocked."""
    drawing = Drawing("live").opens(0, pattern="release").prompt(0)
    for name, start, end in (("a", 1, 5), ("b", 2, None), ("c", 3, None)):
        drawing.run(name, start, end)
    with store(tmp_path, idle=10**9) as opened:
        opened.take(drawing.events)
        reader = RunningSessionReader(by_description)
        (before,) = list_running_fanouts(reader.read_sessions(opened.connection, at(10)))
        for task, second, file in (("a", 4, "one"), ("b", 6, "one two"), ("c", 7, "three")):
            drawing.call(f"{task}-w", second, second + 0.5, tool="Write", parent=task, wrote=file)
        drawing.stroke(
            EventKind.MESSAGE, 8, id="m", parent="c", type="blocked", attributes={"description": "no key"}
        )
        opened.take(drawing.events)
        sessions = reader.read_sessions(opened.connection, at(10))
    (after,) = list_running_fanouts(sessions)
    assert (before.conflicts, after.conflicts) == (None, frozenset({"a", "b"}))
    assert {task.task: task.blocked for task in list_running_tasks(sessions)} == {"b": None, "c": "no key"}
    (expected,) = TaskExpectations((), {}, (after,)).list_expected_fanouts(at(10))
    progress = describe_fanout_progress(expected).replace("\N{NO-BREAK SPACE}", " ")
    assert progress.startswith("1 of 3 tasks are over; 2 tasks in conflict; too few")


def test_where_nothing_runs_in_parallel_the_figures_say_so() -> None:
    """None runs: 0, and no share of nothing."""
    figures = {
        figure.name: (figure.value, figure.reason)
        for figure in compute_running_fanout_figures(TaskExpectations(), BEGIN)
    }
    assert figures["stretto_fanouts_running"] == (0, None)
    assert figures["stretto_running_fanouts_progress_ratio"] == (None, "nothing runs in parallel")
    assert figures["stretto_running_fanouts_left_seconds"] == (None, "nothing runs in parallel")


def test_overdue_tasks_are_a_series_of_the_very_moment(tmp_path: Path) -> None:
    """At 30 s of a kind that takes at most 20 s a task is overdue; the scrape before it passed says 0."""
    running = RunningTask("s", "t", ("release", "tests"), "worker", BEGIN)
    lengths: dict[Kind, list[int]] = {("release", "tests"): [second * SECOND for second in range(1, 21)] * 5}
    now = BEGIN
    config = load_config({}, tmp_path, state=str(tmp_path / "state"))
    service = Service(config, version="1.0", clock=lambda: now, sender=NullSender())
    try:
        service.worker.expectations = TaskExpectations((running,), lengths)
        for second, overdue in ((20, 0), (30, 1)):
            now = BEGIN + second * SECOND
            exposed = {family.name: family for family in service.registry.collect()}
            values = {sample.name: sample.value for sample in exposed["stretto_overdue_tasks"].samples}
            assert values == {"stretto_overdue_tasks": overdue}
            by_chance = {each.name: each.value for each in exposed["stretto_overdue_tasks_by_chance"].samples}
            assert by_chance == {"stretto_overdue_tasks_by_chance": 1}
        assert values["stretto_overdue_tasks"] == 1
    finally:
        service.stop()
