"""A scripted run of Claude Code: the recorded session, its fan-outs and its measured baseline."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import pytest
from tests.fakes import ROOT, rebuilt, store
from tests.otlp_requests import only_session
from tests.scenes import by_description, conclude_scene
from tests.test_claude_code_recordings import CHANNELS

from stretto.clock import SECOND
from stretto.demo.recorded_sessions import parse_hook_payload
from stretto.figures.fanouts import estimate_sequential_time, find_fanouts
from stretto.figures.sequential_baseline_choice import WORK_BASELINE
from stretto.model.entities import Session
from stretto.model.event import Event, Outcome
from stretto.model.task_type import TaskTypes
from stretto.sources.read_hook_recordings import read_recording
from stretto.summaries import snapshot
from stretto.summaries.session_summary import summarise_session

CORPUS = ROOT.parent / "shared" / "data" / "claude-code-scripted"
NAMES = ("fanout", "fanout-background", "sequential", "two-phase")

pytestmark = [
    pytest.mark.corpus,
    pytest.mark.skipif(not CORPUS.is_dir(), reason=f"the recordings are not here: {CORPUS}"),
]


def session_of(name: str) -> Session:
    """Return the recorded session, concluded from its hook calls."""
    found = read_recording(CORPUS / name / "hooks.jsonl", parse_hook_payload)
    assert found.rejects == ()
    return conclude_scene(found.events)


@pytest.mark.parametrize("name", NAMES)
def test_a_real_session_is_whole(name: str) -> None:
    """Twelve tool calls, none open, none doubled; every task and turn ended; the session succeeded."""
    session = session_of(name)
    assert len(session.tool_calls) == len({call.id for call in session.tool_calls}) == 12
    assert {call.outcome for call in session.tool_calls} == {Outcome.SUCCESS, Outcome.FAILURE}
    assert sum(call.outcome is Outcome.FAILURE for call in session.tool_calls) == 1
    assert all(call.duration is not None for call in session.tool_calls)
    assert all(task.interval is not None and task.outcome is Outcome.SUCCESS for task in session.tasks)
    assert all(task.parent is None and task.delegated_by for task in session.tasks)
    assert (session.outcome, session.end) == (Outcome.SUCCESS, session.last)
    assert [turn.origin for turn in session.turns] == (
        ["user", "host", "host"] if name == "fanout-background" else ["user"]
    )


@pytest.mark.parametrize(
    ("name", "widths", "work", "elapsed"),
    [
        ("fanout", [3], 5.54, 2.55),
        ("fanout-background", [3], 6.14, 2.80),
        ("two-phase", [2, 2], None, None),
        ("sequential", [], None, None),
    ],
)
def test_the_fanouts_are_those_of_the_script(
    name: str, widths: list[int], work: float | None, elapsed: float | None
) -> None:
    """As many agents ran at once as the script starts, at times read from the recording by hand."""
    found = find_fanouts(session_of(name).tasks)
    assert [fanout.width for fanout in found] == widths
    if work is not None and elapsed is not None:
        (fanout,) = found
        assert fanout.work / SECOND == pytest.approx(work, abs=0.005)
        assert fanout.elapsed / SECOND == pytest.approx(elapsed, abs=0.005)
        speedup = estimate_sequential_time(fanout, WORK_BASELINE).length / fanout.elapsed
        assert speedup == pytest.approx(work / elapsed, rel=0.03)


def test_the_store_holds_the_fanout_against_its_work(tmp_path: Path) -> None:
    """All four in one store: a single run without a pattern is no baseline; a rebuild is the same."""
    now = 0
    with store(tmp_path) as opened:
        for name in NAMES:
            events = read_recording(CORPUS / name / "hooks.jsonl", parse_hook_payload).events
            now = max(now, *(event.time for event in events))
            for first in range(0, len(events), 7):
                opened.take(events[first : first + 7])
        fanout = summarise_session(opened.connection, session_of("fanout").id, by_description, {})
        assert fanout is not None
        ((_, against),) = fanout.fanouts
        assert (against.provenance, against.baseline.refusal) == (
            "work",
            "its session follows no named pattern",
        )
        taken = snapshot.take_snapshot(opened.connection, now + SECOND, TaskTypes(), {})
        assert taken.verdicts["24h"].fanouts == 4
        assert taken.rejects == {}
        opened.ingest.close_idle_sessions(now)
        assert opened.rows() == rebuilt(opened.folder, tmp_path / "anew.db", now=now)


@pytest.mark.parametrize("name", NAMES)
def test_each_set_of_channels_is_the_same_session(name: str) -> None:
    """By hooks, telemetry and transcripts, alone and together: the same tasks, calls, tokens and fan-outs."""
    channels = {channel: read(CORPUS / name) for channel, read in CHANNELS.items()}
    stories = {}
    for size in range(1, len(channels) + 1):
        for chosen in combinations(channels, size):
            session = only_session([event for channel in chosen for event in channels[channel]])
            tokens = [call.tokens.output or 0 for call in session.model_calls]
            stories[chosen] = (
                [task.id for task in session.tasks],
                {call.id: call.outcome for call in session.tool_calls},
                [fanout.width for fanout in find_fanouts(session.tasks)],
                sum(tokens) if chosen != ("hooks",) else stories_tokens(channels),
            )
    assert len({repr(sorted_story(story)) for story in stories.values()}) == 1, stories


@pytest.mark.parametrize("name", NAMES)
def test_each_set_of_channels_has_the_same_speedups(name: str) -> None:
    """Each parallel execution is as fast by every set of channels: to 5 %, or 0.3 s of its length."""
    channels = {channel: read(CORPUS / name) for channel, read in CHANNELS.items()}
    reference = find_fanouts(only_session(channels["history"]).tasks)
    for size in range(1, len(channels) + 1):
        for chosen in combinations(channels, size):
            session = only_session([event for channel in chosen for event in channels[channel]])
            for fanout, expected in zip(find_fanouts(session.tasks), reference, strict=True):
                speedup, right = (each.delivered_work / each.elapsed for each in (fanout, expected))
                doubt = max(0.05, 0.3 * SECOND / expected.elapsed)
                assert speedup == pytest.approx(right, rel=doubt), chosen


def stories_tokens(channels: dict[str, list[Event]]) -> int:
    """Return the output tokens of the transcripts, for the hooks, which do not report any."""
    return sum(call.tokens.output or 0 for call in only_session(channels["history"]).model_calls)


def sorted_story(story: tuple[list[str], dict[str, Outcome], list[int], int]) -> tuple[object, ...]:
    """Return a story in an order that does not depend on the channel's times."""
    tasks, calls, widths, tokens = story
    return sorted(tasks), sorted(calls.items()), widths, tokens
