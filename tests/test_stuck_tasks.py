from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from sqlite3 import Connection

import pytest

from stretto.clock import MINUTE
from stretto.figures.task_silence import find_last_signs_of_idle_tasks
from stretto.model.event import Kind
from stretto.model.process_state import ProcessState
from stretto.store import open_session_queries
from stretto.summaries.running_tasks import RunningSessionReader
from stretto.summaries.silent_running_tasks import StuckTask, find_stuck_tasks
from tests.fakes import store
from tests.scenes import Drawing, at, by_description, conclude_scene

LIMIT = 10 * MINUTE


def working(session: str = "s") -> Drawing:
    """Draw two running tasks that have each made a call, with last events at 20 s and 30 s."""
    drawing = Drawing(session).opens().prompt(1)
    for name, second in (("a", 20), ("b", 30)):
        drawing.order(f"call-{name}", 2, "review").run(name, 3)
        drawing.call(f"{name}-1", 10, second, parent=name)
    return drawing


class Watch:
    """Looks for stuck tasks in the same sessions again and again, as the service does."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._sessions = RunningSessionReader(by_description)

    def find_stuck(
        self, now: int, find_state: Callable[[str], ProcessState] = lambda _: ProcessState.UNKNOWN
    ) -> tuple[StuckTask, ...]:
        sessions = self._sessions.read_sessions(self._connection, now)
        return find_stuck_tasks(sessions, now, LIMIT, find_state)


def names(stuck: tuple[StuckTask, ...]) -> list[str]:
    return [one.task for one in stuck]


def test_a_silent_task_is_stuck(tmp_path: Path) -> None:
    """It is stuck once the limit has passed since its own last event; other tasks do not matter."""
    with store(tmp_path) as opened:
        opened.take(working().events)
        watch = Watch(opened.connection)
        assert watch.find_stuck(at(620)) == ()
        assert watch.find_stuck(at(621)) == (StuckTask("s", "a", at(20)),)
        opened.take(Drawing("s").call("b-2", 625, 626, parent="b").events)
        assert names(watch.find_stuck(at(660))) == ["a"]
        opened.take(Drawing("s").call("a-2", 660, 661, parent="a").events)
        assert names(watch.find_stuck(at(662))) == []


def test_a_task_that_has_ended_is_not_stuck(tmp_path: Path) -> None:
    """A task of a session that is over is not stuck either."""
    with store(tmp_path) as opened:
        watch = Watch(opened.connection)
        opened.take(working().events)
        assert names(watch.find_stuck(at(700))) == ["a", "b"]
        # The end was told late: it is older than what was last heard of the session.
        opened.take(Drawing("s").run("a", None, 25).events)
        assert names(watch.find_stuck(at(700))) == ["b"]
        opened.take(Drawing("s").ends(690).events)
        assert names(watch.find_stuck(at(5_000))) == []


def test_a_task_that_waits_for_its_tool_is_not_stuck(tmp_path: Path) -> None:
    """A command may take hours."""
    with store(tmp_path) as opened:
        opened.take(working().call("a-2", 40, parent="a").events)
        assert names(Watch(opened.connection).find_stuck(at(9_000))) == ["b"]


def test_a_task_that_waits_for_a_task_of_its_own_is_not_stuck(tmp_path: Path) -> None:
    """The inner task may be stuck and is named instead."""
    drawing = working().order("call-c", 40, "review", parent="a").run("c", 41)
    with store(tmp_path) as opened:
        opened.take(drawing.events)
        assert names(Watch(opened.connection).find_stuck(at(9_000))) == ["b", "c"]


def test_a_task_whose_process_is_gone_is_lost_and_not_stuck(tmp_path: Path) -> None:
    """The session's processes are looked at: alive is shown beside the task, gone is another matter."""
    with store(tmp_path) as opened:
        opened.take(working().events, working("t").events)
        states = {"s": ProcessState.ALIVE, "t": ProcessState.GONE}
        watch = Watch(opened.connection)
        stuck = watch.find_stuck(at(700), states.__getitem__)
    assert [(task.session, task.task, task.process) for task in stuck] == [
        ("s", "a", ProcessState.ALIVE),
        ("s", "b", ProcessState.ALIVE),
    ]


def test_a_sample_is_no_sign_of_life(tmp_path: Path) -> None:
    """A living process is no sign of progress in its tasks."""
    with store(tmp_path) as opened:
        opened.take(working().sample(600, 60, cpu=1).events)
        assert names(Watch(opened.connection).find_stuck(at(700))) == [
            "a",
            "b",
        ]


def test_a_session_is_read_again_only_after_it_has_changed(tmp_path: Path) -> None:
    """Of two sessions that are looked at twice, only that with a new event is concluded again."""
    with store(tmp_path) as opened:
        opened.take(working().events, working("t").events)
        sessions = RunningSessionReader(by_description)
        before = sessions.read_sessions(opened.connection, at(700))
        assert [[task.task for task in session.tasks] for session in before] == [["a", "b"], ["a", "b"]]
        opened.take(Drawing("t").call("a-2", 660, 661, parent="a").events)
        after = sessions.read_sessions(opened.connection, at(730))
    assert [a is b for a, b in zip(before, after, strict=True)] == [True, False]
    assert after[1].last_signs["a"] == at(661)


def test_a_young_session_is_not_looked_at(tmp_path: Path) -> None:
    """Nothing can have been silent for longer than its session is old."""
    with store(tmp_path) as opened:
        opened.take(working().events, working("t").events)
        assert open_session_queries.list_sessions_with_running_tasks(opened.connection, at(0)) == []
        rows = open_session_queries.list_sessions_with_running_tasks(opened.connection, at(1))
        assert [row.id for row in rows] == ["s", "t"]


def test_where_calls_name_no_task_the_main_agent_s_count_for_all() -> None:
    """The hooks of some agents do not name the task of a call."""
    drawing = Drawing().opens().prompt(1).order("x", 2, "review").run("a", 3).call("c", 50, 60)
    assert find_last_signs_of_idle_tasks(conclude_scene(drawing.events)) == {"a": at(60)}
    assert find_last_signs_of_idle_tasks(conclude_scene(drawing.call("d", 70).events)) == {}


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        (Kind.MODEL_CALL, {"id": "m", "parent": "a"}),
        (Kind.MESSAGE, {"id": "n", "parent": "a", "name": "b"}),
        (Kind.HOOKS_RUN, {"id": "h", "parent": "a", "duration": 0}),
        (Kind.PERMISSION_REQUEST, {"parent": "a", "name": "Bash"}),
    ],
)
def test_every_event_of_a_task_is_a_sign_of_life(kind: Kind, more: dict[str, str]) -> None:
    """Model calls, messages, hooks and questions as much as tools."""
    told = find_last_signs_of_idle_tasks(conclude_scene(working().stroke(kind, 300, **more).events))
    assert told == {"a": at(300), "b": at(30)}
