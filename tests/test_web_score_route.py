"""``POST /api/scores``, over the wire of a real server on a real store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from stretto import journal
from stretto.clock import HOUR
from stretto.web.score_route import MOST
from tests.web_served import NOON, Store, Work, served


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Return a store with a session."""
    made = Store(tmp_path)
    made.scene("first", NOON - HOUR, (Work(0, 30), Work(0, 20, "write tests", "tester")))
    made.refresh()
    return made


@pytest.fixture
def client(store: Store) -> Iterator[httpx.Client]:
    """Serve it."""
    with served(store.make_backend()) as made:
        yield made


def scores(store: Store, client: httpx.Client) -> list[dict[str, Any]]:
    """Return the session's scores once the journal has been taken in."""
    store.refresh()
    found: list[dict[str, Any]] = client.get("/api/sessions/first").json()["scores"]
    return found


def test_a_score_is_kept(store: Store, client: httpx.Client) -> None:
    """One object: value, judge and time stand in the session's document."""
    answer = client.post(
        "/api/scores", json={"session": "first", "name": "quality", "value": 8.5, "by": "lead"}
    )

    assert (answer.status_code, answer.json()) == (
        200,
        {"taken": 1, "read": [{"index": 0, "value": 8.5, "scale": [0, 10]}], "rejected": []},
    )
    assert scores(store, client) == [
        {
            "of": "session",
            "of_id": "first",
            "name": "quality",
            "value": 8.5,
            "scale": [0, 10],
            "by": "lead",
            "time": "2026-11-20T12:00:00.000000Z",
            "reason": None,
        }
    ]


def test_of_many_scores_the_bad_ones_are_named(store: Store, client: httpx.Client) -> None:
    """Each refused score is listed with its index and reason; the others are stored."""
    item = {"name": "quality", "value": 1}
    answer = client.post("/api/scores", json=[{**item, "task": "agent0"}, {**item, "task": "x"}, 7])

    assert answer.status_code == 200
    assert answer.json() == {
        "taken": 1,
        "read": [{"index": 0, "value": 1, "scale": [0, 10]}],
        "rejected": [
            {"index": 1, "problem": "there is no task 'x'"},
            {"index": 2, "problem": "a score must be an object"},
        ],
    }
    assert [score["of_id"] for score in scores(store, client)] == ["agent0"]


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"", "the body is not JSON"),
        (b"{torn", "the body is not JSON"),
        (b"\xff", "the body is not JSON"),
        (b"[" * 100_000, "the body is not JSON"),
        (b"[]", f"a request holds 1 to {MOST} scores"),
        (b"[" + b"7," * MOST + b"7]", f"a request holds 1 to {MOST} scores"),
        (b"7", "a score must be an object"),
        (b'{"session":"first","name":"quality","value":"NaN"}', "'value' must be a finite number"),
        (
            b'{"session":"first","name":"quality","value":11}',
            "quality 11 is outside the scale 0 to 10: name its top with 'of'",
        ),
        (b'{"session":"gone","name":"quality","value":1}', "there is no session 'gone'"),
    ],
)
def test_a_request_without_any_score_is_refused(
    store: Store, client: httpx.Client, body: bytes, error: str
) -> None:
    """The answer is 400 with the mistake and an example; nothing is written."""
    before = journal.list_file_sizes(store.config.journal)
    answer = client.post("/api/scores", content=body)

    assert answer.status_code == 400
    assert answer.json()["error"] == error
    assert "quality" in answer.json()["hint"]
    assert journal.list_file_sizes(store.config.journal) == before


def test_a_journal_that_cannot_be_written_is_told(store: Store) -> None:
    """The answer is 503, so that the sender tries again."""

    def full(_: object) -> Any:
        raise OSError(28, "No space left on device")

    with served(store.make_backend(append_scores=full)) as client:
        answer = client.post("/api/scores", json={"session": "first", "name": "quality", "value": 1})

    assert answer.status_code == 503
    assert answer.json()["error"] == "the scores cannot be stored: No space left on device"


def test_strangers_may_not_judge(store: Store) -> None:
    """Requests of another origin or without the token are refused, as at other addresses."""
    item = {"session": "first", "name": "quality", "value": 1}
    with served(store.make_backend(token="secret")) as client:
        without = client.post("/api/scores", json=item)
        token = {"Authorization": "Bearer secret"}
        foreign = client.post("/api/scores", json=item, headers={**token, "Origin": "http://evil.example"})
        allowed = client.post("/api/scores", json=item, headers=token)

    assert [without.status_code, foreign.status_code, allowed.status_code] == [401, 403, 200]
    assert len(scores_in(store)) == 1


def scores_in(store: Store) -> list[str]:
    """Return the journal's lines about scores."""
    return [
        line
        for path in store.config.journal.iterdir()
        for line in path.read_text(encoding="utf-8").splitlines()
        if '"kind":"score"' in line
    ]
