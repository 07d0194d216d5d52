"""The event stream of page updates: exact, bounded, and freed at its end."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from stretto.clock import HOUR, MINUTE, SECOND, to_rfc3339
from stretto.summaries.snapshot import LATEST
from stretto.web.live_updates import MEDIA, PATH, PageUpdate, UpdateStreams
from tests.test_notification_log import alert, message
from tests.web_page import ARCHITECTURE, TESTS
from tests.web_served import NOON, Store, served


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Return a store with a finished session."""
    made = Store(tmp_path)
    made.scene("first", NOON - HOUR, (ARCHITECTURE, TESTS))
    made.refresh()
    return made


@contextmanager
def listening(client: httpx.Client) -> Iterator[Iterator[dict[str, Any]]]:
    """Open a stream and yield its updates as they arrive; the first begins every stream."""
    with client.stream("GET", PATH) as answer:
        assert answer.status_code == 200
        assert answer.headers["Content-Type"].startswith(MEDIA)
        assert answer.headers["Cache-Control"] == "no-store"
        lines = answer.iter_lines()
        yield (json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: "))


def test_a_stream_begins_with_the_newest_figures(store: Store) -> None:
    """A page that was made from older figures sees at once that it is behind."""
    with served(store.make_backend()) as client:
        store.refresh()
        with listening(client) as changes:
            assert next(changes) == {"snapshot": to_rfc3339(NOON), "sessions": [], "notifications": False}


def test_a_refresh_tells_which_sessions_are_no_longer_as_they_were(store: Store) -> None:
    """A session's page renews itself for its own session alone."""
    store.scene("second", NOON - MINUTE, (ARCHITECTURE,), over=False)
    with served(store.make_backend()) as client:
        store.refresh()
        with listening(client) as changes:
            next(changes)
            store.scene("third", NOON - SECOND, (ARCHITECTURE,))
            store.now += SECOND
            store.refresh()
            assert next(changes) == {
                "snapshot": to_rfc3339(NOON + SECOND),
                "sessions": ["third"],
                "notifications": False,
            }
            store.refresh()
            assert next(changes)["sessions"] == []


def test_more_changes_than_a_snapshot_lists_may_be_any(store: Store) -> None:
    """If every listed session is new, further sessions may be too: every page is updated."""
    with served(store.make_backend()) as client:
        store.refresh()
        with listening(client) as changes:
            next(changes)
            for number in range(LATEST + 1):
                store.scene(f"s{number}", NOON - MINUTE, (ARCHITECTURE,))
            store.refresh()
            assert next(changes)["sessions"] is None


def test_what_alertmanager_tells_is_told_on(store: Store) -> None:
    """An alert shows up on the page without a new snapshot."""
    with served(store.make_backend()) as client, listening(client) as changes:
        next(changes)
        client.post("/api/notifications", content=message(alert()))
        assert next(changes) == {"snapshot": None, "sessions": [], "notifications": True}


def test_a_slow_reader_gets_one_change_that_is_all_of_them() -> None:
    """Nothing queues up: updates that were not read yet are merged."""
    change = PageUpdate()
    for other in (
        PageUpdate(snapshot=1, sessions={"a"}),
        PageUpdate(notifications=True),
        PageUpdate(snapshot=2, sessions={"b"}),
    ):
        change.merge_update(other)
    assert change == PageUpdate(snapshot=2, sessions={"a", "b"}, notifications=True)
    change.merge_update(PageUpdate(sessions=None))
    change.merge_update(PageUpdate(sessions={"c"}))
    assert change.sessions is None


def test_streams_are_bounded_and_given_back(store: Store) -> None:
    """A stream too many is refused with a status that the script understands; a closed stream makes room."""
    changes = UpdateStreams(most=2)
    with served(store.make_backend(updates=changes)) as client, ExitStack() as opened:
        streams = [opened.enter_context(listening(client)) for _ in range(2)]
        for stream in streams:
            next(stream)
        refused = client.get(PATH)
        assert refused.status_code == 503
        assert refused.headers["Retry-After"]
        assert changes.streams == 2
        opened.close()
        # The place is free as soon as the server has seen that nobody reads: the next one waits for that.
        while (answer := client.send(client.build_request("GET", PATH), stream=True)).status_code == 503:
            answer.close()
        answer.close()
        assert answer.status_code == 200


def test_a_silent_stream_says_that_it_is_there(store: Store) -> None:
    """A comment now and then keeps the connection known, and is no event."""
    with (
        served(store.make_backend(updates=UpdateStreams(beat=0.01))) as client,
        client.stream("GET", PATH) as answer,
    ):
        assert next(line for line in answer.iter_lines() if line.startswith(":")) == ": still here"


def test_a_server_that_stops_ends_its_streams(store: Store) -> None:
    """No page keeps the service from ending: the stream is closed, not cut."""
    with ExitStack() as open_streams, served(store.make_backend()) as client:
        changes = open_streams.enter_context(listening(client))
        next(changes)
        store.updates.close()
        assert list(changes) == []
        assert client.get(PATH).status_code == 503


def test_the_head_of_a_stream_ends(store: Store) -> None:
    """A HEAD request takes no stream's place."""
    with served(store.make_backend()) as client:
        assert client.head(PATH).status_code == 200
        assert store.updates.streams == 0
