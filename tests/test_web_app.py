"""The routes, asked over the wire of a real server on a real store."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from threading import Event as Signal
from threading import Thread
from typing import Any

import httpx
import pytest

from stretto import journal
from stretto.clock import DAY, HOUR, MINUTE, SECOND
from stretto.errors import StoreError
from stretto.format import rfc3339
from stretto.store.session_search import SessionQuery
from stretto.summaries.session_json import build_row_document, build_session_document
from stretto.summaries.snapshot import build_snapshot_document
from stretto.web.backend import FRESH_SECONDS
from stretto.web.hook_endpoint import HOOK
from tests.test_notification_log import alert, message
from tests.waiting import PATIENCE
from tests.web_page import full
from tests.web_served import NOON, Store, Work, exchange, served

PAIR = (Work(0, 30), Work(0, 20, "write tests", "tester"))


def three_sessions(folder: Path) -> Store:
    """Return two sessions that ran a pair of agents, one of them still open, and one without tasks."""
    made = Store(folder)
    made.scene("first", NOON - 3 * HOUR, PAIR)
    made.scene("second", NOON - 2 * HOUR, ())
    made.scene("third", NOON - HOUR, PAIR, over=False)
    made.refresh()
    return made


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Return an empty store."""
    return three_sessions(tmp_path)


@pytest.fixture(scope="module")
def reading(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """Serve the tests that change nothing."""
    with served(three_sessions(tmp_path_factory.mktemp("read")).make_backend()) as made:
        yield made


@pytest.fixture
def client(store: Store) -> Iterator[httpx.Client]:
    """Serve an empty store."""
    with served(store.make_backend()) as made:
        yield made


def test_metrics_speak_the_format_that_is_asked_for(reading: httpx.Client) -> None:
    """Prometheus negotiates the format; a client without an Accept header gets plain text."""
    plain = reading.get("/metrics")
    open_metrics = reading.get("/metrics", headers={"Accept": "application/openmetrics-text;version=1.0.0"})

    assert plain.status_code == open_metrics.status_code == 200
    assert plain.headers["Content-Type"].startswith("text/plain; version=")
    assert open_metrics.headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
    assert 'stretto_window_fanouts{pattern="fan-out",window="24h"} 2.0' in plain.text
    assert open_metrics.text.endswith("# EOF\n")


def test_a_profile_of_the_metrics_is_asked_for_by_name(store: Store) -> None:
    """``/metrics?profile=fleet`` answers that selection; another name is refused with the known ones."""
    backend = store.make_backend()
    with served(replace(backend, profiles={"fleet": backend.expose})) as client:
        assert "stretto_window_fanouts" in client.get("/metrics?profile=fleet").text
        refused = client.get("/metrics?profile=team")
    assert refused.status_code == 400
    assert refused.text == "there is no profile 'team' of the metrics; known: fleet\n"


def test_metrics_without_a_store_say_so(store: Store) -> None:
    """No store, no scrape: Prometheus must see a failure, not an empty success."""

    def gone(_: str) -> Any:
        raise StoreError(
            "the store cannot be opened", where="stretto.db", cause="no such file", hint="rebuild"
        )

    with served(store.make_backend(expose=gone)) as client:
        answer = client.get("/metrics")

    assert answer.status_code == 503
    assert answer.text == "the store cannot be opened (stretto.db): no such file\nrebuild\n"


def test_a_slow_scrape_holds_nothing_up(store: Store) -> None:
    """While one scrape hangs, hooks are taken and health is answered."""
    inside, release, left = Signal(), Signal(), Signal()

    def slow(_: str) -> Any:
        inside.set()
        release.wait(PATIENCE / 2)
        left.set()
        raise StoreError("too late")

    with served(store.make_backend(expose=slow)) as client:
        scrape = Thread(target=lambda: httpx.get(f"{client.base_url}/metrics", timeout=PATIENCE))
        scrape.start()
        try:
            assert inside.wait(PATIENCE)
            assert client.get("/healthz").status_code == 200
            assert client.post(HOOK, content=b"{}").status_code == 204
            assert not left.is_set()
        finally:
            release.set()
            scrape.join()


def test_health_says_that_the_process_lives(tmp_path: Path) -> None:
    """Health needs neither store nor snapshot."""
    with served(Store(tmp_path).make_backend()) as client:
        assert client.get("/healthz").text == "alive\n"


def test_ready_means_fresh_figures(store: Store) -> None:
    """Ready from the first snapshot on, and no more once it has grown old."""
    with served(Store(store.folder / "empty").make_backend()) as client:
        before = client.get("/readyz")
    with served(store.make_backend()) as client:
        ready = client.get("/readyz")
        store.now += int(FRESH_SECONDS) * SECOND
        still = client.get("/readyz")
        store.now += SECOND
        stale = client.get("/readyz")

    assert (before.status_code, before.text) == (503, "not ready: there are no figures yet\n")
    assert (ready.status_code, still.status_code) == (200, 200)
    assert (stale.status_code, stale.text) == (
        503,
        "not ready: the figures are 61 s old, at most 60 s is fresh\n",
    )


def test_a_clock_set_back_does_not_make_figures_old(store: Store) -> None:
    """A snapshot from what is now the future is fresh."""
    with served(store.make_backend()) as client:
        store.now -= DAY

        assert client.get("/readyz").status_code == 200


def test_a_hook_is_appended_and_answered_with_nothing(store: Store, client: httpx.Client) -> None:
    """The payload is in the journal when the answer comes, and the answer is an empty 204."""
    payload = {"session_id": "new", "hook_event_name": "SessionStart", "cwd": "/srv/site"}
    answer = client.post(HOOK, json=payload)
    file = journal.get_day_file(store.config.journal, store.now).name
    last = journal.read_batch(store.config.journal, file, 0).events[-1]

    assert (answer.status_code, answer.content) == (204, b"")
    assert (last.session, last.kind.value, last.attributes["project"]) == ("new", "session.start", "site")


@pytest.mark.parametrize("payload", [b"", b"{", b"\xff\x00", b"[]", b'{"session_id":5}', b"x" * 2_000_000])
def test_whatever_a_hook_sends_is_taken(store: Store, client: httpx.Client, payload: bytes) -> None:
    """An agent never gets an error for a malformed hook; the journal shows it as a reject."""
    assert client.post(HOOK, content=payload).status_code == 204
    assert sum(store.refresh().rejects.values()) == 1


def test_a_hook_that_cannot_be_kept_is_told_without_a_word(store: Store) -> None:
    """A full disk shows as 503; any text would be shown inside the agent."""

    def full(_: bytes) -> None:
        raise OSError(28, "No space left on device")

    with served(store.make_backend(append_hook=full)) as client:
        answer = client.post(HOOK, content=b"{}")

    assert (answer.status_code, answer.content) == (503, b"")


def test_a_hooks_answer_comes_in_one_piece_and_the_connection_stays(client: httpx.Client) -> None:
    """Each answer is a single segment, so that no client waits for a delayed acknowledgement."""
    request = b"POST " + HOOK.encode() + b" HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 2\r\n\r\n{}"
    with socket.create_connection(
        (client.base_url.host, client.base_url.port), timeout=PATIENCE
    ) as connection:
        for _ in range(20):
            connection.sendall(request)
            answer = connection.recv(65_536)

            assert answer.startswith(b"HTTP/1.1 204 ")
            assert answer.endswith(b"\r\n\r\n")
            assert b"content-length" not in answer.lower()
            assert b"transfer-encoding" not in answer.lower()


def test_a_hook_that_leaves_half_way_appends_nothing(store: Store, client: httpx.Client) -> None:
    """Half a payload is no event, and costs nobody else an answer."""
    before = journal.list_file_sizes(store.config.journal)
    request = (
        b"POST " + HOOK.encode() + b' HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 99\r\n\r\n{"session_id"'
    )
    with socket.create_connection(
        (client.base_url.host, client.base_url.port), timeout=PATIENCE
    ) as connection:
        connection.sendall(request)

    assert client.get("/healthz").status_code == 200
    assert journal.list_file_sizes(store.config.journal) == before


def test_the_snapshot_is_the_shared_document(store: Store, client: httpx.Client) -> None:
    """The JSON is the same as every other surface's."""
    answer = client.get("/api/snapshot")

    assert answer.json() == json.loads(json.dumps(build_snapshot_document(store.refresh())))
    assert answer.headers["Content-Type"] == "application/json"


def test_trends_are_days_and_weeks(client: httpx.Client) -> None:
    """A row for each of the last 30 days and 12 weeks, as docs/json.md lists them."""
    told = client.get("/api/trends").json()

    assert (len(told["days"]), len(told["weeks"])) == (30, 12)
    keys = {"begins", "fanouts", "parallel_tasks", "tasks", "success", "lead", "parts", "all_fanouts"}
    assert all(row.keys() == keys for row in (*told["days"], *told["weeks"]))


def test_baselines_say_why_and_since_when(tmp_path: Path) -> None:
    """Admitted runs have a date, refused ones a reason, and each execution what it is compared with."""
    store = Store(tmp_path)
    full(store)
    store.scene("once", NOON - 4 * HOUR, (Work(0, 5, "look around"), Work(6, 9, "look again")))
    store.refresh()
    with served(store.make_backend()) as client:
        told = client.get("/api/baselines").json()

    admitted, refused = told["baselines"]
    assert (admitted["admitted"], admitted["reason"], admitted["runs"]) == (True, None, 3)
    assert admitted["since"] is not None
    assert (admitted["pattern"], admitted["agents"]) == ("fan-out", ["architect", "tester"])
    assert (refused["admitted"], refused["since"]) == (False, None)
    assert refused["reason"]
    (use,) = told["fanouts"]
    assert (use["baseline"], use["reason"], use["near_misses"]) == ("measured", None, [])


def test_before_the_first_snapshot_the_api_says_so(tmp_path: Path) -> None:
    """No figures are an error, not an empty document."""
    with served(Store(tmp_path).make_backend()) as client:
        answer = client.get("/api/snapshot")

    assert answer.status_code == 503
    assert answer.json()["error"] == "there are no figures yet"


def test_sessions_are_listed_newest_first_page_by_page(store: Store, client: httpx.Client) -> None:
    """Following ``next`` gives every session once, and ends with null."""
    found: list[str] = []
    page = client.get("/api/sessions", params={"limit": 1}).json()
    while page["next"]:
        found += [row["id"] for row in page["sessions"]]
        page = client.get("/api/sessions", params={"limit": 1, "after": page["next"]}).json()
    found += [row["id"] for row in page["sessions"]]
    whole = client.get("/api/sessions").json()

    assert found == ["third", "second", "first"]
    assert whole["next"] is None
    assert whole["sessions"] == [
        build_row_document(row) | {"held_up_by": None, "findings": []}
        for row in store.make_backend().sessions(SessionQuery()).rows
    ]


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_sessions_of_one_instant_are_all_listed(store: Store, client: httpx.Client, limit: int) -> None:
    """However many were last heard of at the same instant, following ``next`` gives each once."""
    for id in ("b/1", "a", "ü", "c", "d e"):
        store.scene(id, NOON - HOUR, PAIR, over=False)
    store.refresh()
    found: list[str] = []
    asked: dict[str, Any] = {"limit": limit}
    while True:
        page = client.get("/api/sessions", params=asked).json()
        found += [row["id"] for row in page["sessions"]]
        if page["next"] is None:
            break
        asked["after"] = page["next"]

    assert found == ["a", "b/1", "c", "d e", "third", "ü", "second", "first"]


def test_a_time_takes_any_offset(reading: httpx.Client) -> None:
    """A time is the same instant however it is written, also with the plus sign that an address swallows."""
    for before in ("2026-11-20T10:30:00Z", "2026-11-20T11:30:00+01:00", "2026-11-20t10:30:00.000000001z"):
        rows = reading.get("/api/sessions", params={"to": before}).json()["sessions"]
        assert [row["id"] for row in rows] == ["second", "first"]
    rows = reading.get("/api/sessions?to=2026-11-20T11:30:00+01:00").json()["sessions"]

    assert [row["id"] for row in rows] == ["second", "first"]


def test_a_date_beyond_reckoning_is_as_good_as_the_edge(reading: httpx.Client) -> None:
    """The year 9999 lists all, the year 1 none."""
    late = reading.get("/api/sessions", params={"to": "9999-12-31T23:59:59Z"})
    early = reading.get("/api/sessions", params={"to": "0001-01-01T00:00:00Z"})

    assert len(late.json()["sessions"]) == 3
    assert early.json() == {"sessions": [], "next": None}


@pytest.mark.parametrize("limit", ["0", "501", "-1", "1.5", "", "ten", "٣", "1" * 5_000])
def test_a_limit_out_of_range_is_said(reading: httpx.Client, limit: str) -> None:
    """The error names the range."""
    answer = reading.get("/api/sessions", params={"limit": limit})

    assert answer.status_code == 400
    assert answer.json()["error"] == "limit must be a whole number from 1 to 500"


@pytest.mark.parametrize(
    "text",
    [
        "now",
        "2026-13-01T00:00:00Z",
        "2026-11-20T10:30:60Z",
        "1795176000",
        "٢" * 9,
    ],
)
def test_a_bound_that_is_no_instant_is_refused(reading: httpx.Client, text: str) -> None:
    """The error shows how it is written."""
    answer = reading.get("/api/sessions", params={"to": text})

    assert answer.status_code == 400
    assert "2026-11-20T16:49:25Z" in answer.json()["error"]


def test_one_session_is_the_shared_document(store: Store, client: httpx.Client) -> None:
    """The JSON is the same as ``stretto show --json`` gives."""
    found = store.make_backend().session_summary("first")
    assert found is not None

    answer = client.get("/api/sessions/first").json()

    assert answer == json.loads(json.dumps(build_session_document(found)))
    assert answer["fanouts"][0]["width"] == 2


HOSTILE = [
    "nobody",
    "..%2f..%2fetc%2fpasswd",
    "%2e%2e/%2e%2e/etc/passwd",
    "%00",
    "first%00",
    "%ff%fe",
    "'%20OR%201=1--",
    "%3Cscript%3E",
    "a" * 10_000,
    "%f0%9f%8e%bc",
]


@pytest.mark.parametrize("id", HOSTILE)
def test_an_id_that_nobody_has_is_not_found(reading: httpx.Client, id: str) -> None:
    """A requested name is only looked up as text, and is not repeated in the answer."""
    request = f"GET /api/sessions/{id} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode()
    head, _, body = exchange(reading, request, until=b"}").partition(b"\r\n\r\n")

    assert head.startswith(b"HTTP/1.1 404 ")
    assert json.loads(body)["error"] == "no such session"


@pytest.mark.parametrize("place", ["sessions", "runbook", "static"])
@pytest.mark.parametrize("id", [*HOSTILE, "..", "../app.py", "stretto.css/", "stretto.css%00"])
def test_a_page_that_is_not_there_is_not_found(reading: httpx.Client, place: str, id: str) -> None:
    """No spelling of an address leads to another file."""
    request = f"GET /{place}/{id} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode()
    answer = exchange(reading, request, until=b"\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 404 ")
    assert b"text/plain" in answer


def test_an_id_may_hold_whatever_an_agent_puts_there(store: Store) -> None:
    """A session whose id holds slashes, quotes or markup has its answer too."""
    ids = ["a/b", "..", "a b", "a%2fb", "<b>&'\"", "ä♪", "?x=1#y"]
    for number, name in enumerate(ids):
        store.scene(name, NOON - number * MINUTE, PAIR)
    store.refresh()
    with served(store.make_backend()) as client:
        for name in ids:
            spelled = "".join(f"%{byte:02x}" for byte in name.encode())
            request = f"GET /api/sessions/{spelled} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
            body = exchange(client, request.encode(), until=b"\x00never").partition(b"\r\n\r\n")[2]
            assert json.loads(body)["id"] == name


def test_notifications_come_back_newest_first(store: Store, client: httpx.Client) -> None:
    """Notifications from Alertmanager are stored with the time of arrival and listed."""
    first = client.post("/api/notifications", content=message(alert()))
    store.now += MINUTE
    second = client.post(
        "/api/notifications", content=message(alert(status="resolved", endsAt="2026-11-20T12:00:30Z"))
    )
    told = client.get("/api/notifications").json()["notifications"]

    assert (first.status_code, second.status_code, second.content) == (204, 204, b"")
    assert [(entry["status"], entry["received"][11:19]) for entry in told] == [
        ("resolved", "12:01:00"),
        ("firing", "12:00:00"),
    ]


def test_a_notification_that_is_none_is_refused_with_the_reason(reading: httpx.Client) -> None:
    """The person who sets Alertmanager up learns the mistake."""
    answer = reading.post("/api/notifications", content=b'{"version":"4"}')

    assert answer.status_code == 400
    assert "missing required field `alerts`" in answer.json()["error"]
    assert "webhook_config" in answer.json()["hint"]


def test_a_notification_that_cannot_be_kept_is_asked_for_again(store: Store) -> None:
    """Alertmanager repeats a notification that was answered with a 5xx, so a failure to store is a 5xx."""
    backend = store.make_backend()
    (store.folder / "notifications.jsonl").mkdir()
    with served(backend) as client:
        answer = client.post("/api/notifications", content=message(alert()))

        assert answer.status_code == 503
        assert "cannot be stored" in answer.json()["error"]
        assert client.get("/api/notifications").json()["notifications"] == []


def test_the_service_s_own_problems_are_told(store: Store) -> None:
    """As sentences; without any the list is empty."""
    with served(store.make_backend()) as client:
        assert client.get("/api/problems").json() == {"problems": []}
    with served(store.make_backend(faults=lambda: ["spans are being dropped: gone"])) as client:
        assert client.get("/api/problems").json() == {"problems": ["spans are being dropped: gone"]}


GETS = ["/", "/metrics", "/healthz", "/readyz", "/api/snapshot", "/api/sessions", "/api/sessions/first",
        "/api/problems", "/api/notifications", "/sessions/first", "/runbook/StrettoDown",
        "/static/stretto.css"]  # fmt: skip


@pytest.mark.parametrize("path", GETS)
def test_head_is_get_without_a_body(reading: httpx.Client, path: str) -> None:
    """HEAD answers every address that GET does, with the same status and type."""
    get, head = reading.get(path), reading.head(path)

    assert (get.status_code, head.status_code, head.content) == (200, 200, b"")
    assert head.headers["Content-Type"] == get.headers["Content-Type"]


@pytest.mark.parametrize("path", [*GETS, HOOK])
@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "ODD"])
def test_an_unknown_method_is_told_which_are_known(reading: httpx.Client, path: str, method: str) -> None:
    """Nothing is changed by a method that an address does not take."""
    answer = reading.request(method, path)

    assert answer.status_code == 405
    assert set(answer.headers["Allow"].split(", ")) <= {"GET", "HEAD", "POST"}


def test_a_hook_is_only_taken_by_post(reading: httpx.Client) -> None:
    """A hook's address shows nothing."""
    assert reading.get(HOOK).status_code == 405


@pytest.mark.parametrize(
    "path", ["/nowhere", "/metrics/", "//", "/api", "/api/", "/api/nowhere", "/hooks/other"]
)
def test_an_address_without_anything_is_not_found(reading: httpx.Client, path: str) -> None:
    """No redirect, no guess; below ``/api/`` the answer is JSON."""
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode()
    answer = exchange(reading, request, until=b"\x00never")

    assert answer.startswith(b"HTTP/1.1 404 ")
    assert (b"application/json" in answer) == path.startswith("/api/")


def test_static_files_may_be_kept_and_nothing_else_may(reading: httpx.Client) -> None:
    """Figures are never shown from a cache; the style sheet's address changes with its content."""
    style = reading.get("/static/stretto.css")

    assert style.headers["Content-Type"] == "text/css; charset=utf-8"
    assert style.headers["Cache-Control"] == "max-age=31536000, immutable"
    assert {reading.get(path).headers["Cache-Control"] for path in GETS[:-1]} == {"no-store"}


def test_instants_come_back_as_they_went() -> None:
    """No nanosecond is lost between a page's ``next`` and the next page's ``before``."""
    for at in (0, 1, NOON + 123_456_789, NOON - 1, -1, 1 << 60):
        assert rfc3339.parse_rfc3339(rfc3339.to_exact_rfc3339(at)) == at


def test_the_store_may_be_asked_from_many_threads(client: httpx.Client) -> None:
    """Requests at the same time each get their own answer."""
    answers: list[int] = []

    def read() -> None:
        with closing(httpx.Client(base_url=client.base_url, timeout=PATIENCE, verify=False)) as own:
            answers.extend(own.get(path).status_code for path in GETS)

    threads = [Thread(target=read) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert answers == [200] * 6 * len(GETS)
