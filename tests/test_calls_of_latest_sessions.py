"""The single calls of a tool or a model, from the sessions that made them last."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from stretto.clock import SECOND
from stretto.figures.finished_run_statistics import RunProfile
from stretto.model.event import Outcome
from stretto.model.task_type import TaskTypes
from stretto.store.session_search import SessionQuery
from stretto.summaries.calls_of_latest_sessions import ListedCalls, read_latest_calls
from stretto.summaries.run_statistics_by_kind import ProfileKind, read_run_profile
from stretto.summaries.time_window import ALL, TimeWindow, make_named_window
from tests.fakes import store
from tests.scenes import Drawing, at
from tests.web_page import read, shown
from tests.web_served import NOON, Store, Work, served

CLASSIFY = TaskTypes().classify


def draw_calls(session: str, begin: float) -> Drawing:
    """Draw a session of a minute with three calls, one of an agent's and one that fails, and a model call."""
    drawing = (
        Drawing(session).opens(begin).prompt(begin).task("t", begin + 1, begin + 40, "review", agent="qa")
    )
    drawing.call("main", begin + 2, begin + 5, tool="Read")
    drawing.call("inside", begin + 3, begin + 10, tool="Read", parent="t")
    drawing.call("other", begin + 3, begin + 30, tool="Bash")
    drawing.call("failed", begin + 41, begin + 42, tool="Read", outcome=Outcome.FAILURE)
    return drawing.model("m", begin + 50, took=4).ends(begin + 60)


def read_calls(folder: Path, query: SessionQuery, *, most_entities: int = 100) -> ListedCalls:
    """Return the calls in a store of two sessions."""
    with store(folder) as opened:
        opened.take(draw_calls("old", 0).events, draw_calls("new", 100).events)
        return read_latest_calls(opened.connection, query, CLASSIFY, most_entities=most_entities)


def test_the_slowest_and_the_failed_calls_of_a_tool_have_their_agent_and_session(tmp_path: Path) -> None:
    """Those of other tools are left out; of the failed ones the latest is first."""
    found = read_calls(tmp_path, SessionQuery(tool="Read"))
    assert found.sessions == 2
    assert [(call.length, call.agent) for call in found.slowest[:4]] == [
        (7 * SECOND, "qa"), (7 * SECOND, "qa"), (3 * SECOND, "main agent"), (3 * SECOND, "main agent"),
    ]  # fmt: skip
    assert [(call.session, call.start) for call in found.failing] == [("new", at(141)), ("old", at(41))]


def test_calls_of_a_model_are_listed_too(tmp_path: Path) -> None:
    """With their length as the source measured it."""
    found = read_calls(tmp_path, SessionQuery(model="claude-sonnet-4-5"))
    assert [call.length for call in found.slowest] == [4 * SECOND, 4 * SECOND]
    assert found.failing == ()


def test_large_sessions_end_the_reading(tmp_path: Path) -> None:
    """The latest session is read in any case."""
    found = read_calls(tmp_path, SessionQuery(tool="Read"), most_entities=1)
    assert found.sessions == 1
    assert {call.session for call in found.slowest} == {"new"}


def test_the_profile_of_a_tool_counts_all_and_lists_some(tmp_path: Path) -> None:
    """The counts come from the sums, the lists from the sessions."""
    with store(tmp_path) as opened:
        opened.take(draw_calls("old", 0).events, draw_calls("new", 100).events)
        now = at(200)
        window = make_named_window(ALL, now)
        profile = read_run_profile(
            opened.connection, ProfileKind.TOOL, "Read", window, now, classify=CLASSIFY
        )
    assert (profile.runs, profile.failed, profile.listed_sessions) == (6, 2, 2)
    assert len(profile.slowest) == 6
    assert len(profile.failing) == 2


def test_the_page_of_a_tool_lists_its_calls_with_links(tmp_path: Path) -> None:
    """Each leads to its session, and the page says which sessions were read."""
    made = Store(tmp_path)
    made.scene("slow", NOON - 3600 * SECOND, (Work(0, 90, "write tests", "tester"),))
    with shown(made) as client:
        page = read(client, "/tools/Agent?window=7d")
    text = page.text.replace("\N{NO-BREAK SPACE}", " ")
    assert "Of the latest 1 session with any: single calls of older ones are not read." in text
    assert "The slowest calls" in text
    assert "None of them failed." in text
    assert "/sessions/slow" in page.addresses


@pytest.mark.parametrize(("name", "windows"), [("Grep", [ALL]), ("nobody", [ALL]), ("Bash", ["24h"])])
def test_the_page_of_a_tool_reads_its_calls_once(tmp_path: Path, name: str, windows: list[str]) -> None:
    """In the window that has any, else in all the time recorded: reading them takes whole sessions."""
    made = Store(tmp_path)
    noon = (NOON - at(0)) / SECOND
    old = Drawing("old").opens(noon - 9e5).prompt(noon - 9e5)
    made.events(old.call("c", noon - 9e5, noon - 8.9e5, tool="Grep").ends(noon - 8.9e5).events)
    made.events(draw_calls("new", noon - 3600).events)
    made.refresh()
    standard, asked = made.make_backend(), []

    def read(kind: ProfileKind, tool: str, window: TimeWindow) -> RunProfile:
        asked.append(window.name)
        return standard.run_profile(kind, tool, window)

    with served(replace(standard, run_profile=read)) as client:
        client.get(f"/tools/{name}")
    assert asked == windows
