"""Notices of parallel executions: once each, with their gain, off unless a receiver wants them."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from msgspec import structs

from stretto.clock import SECOND
from stretto.config.loading import load_config
from stretto.errors import ServiceError
from stretto.figures.fanouts import Fanout, estimate_sequential_time, find_fanouts
from stretto.figures.sequential_baseline_choice import WORK_BASELINE
from stretto.model.entities import Session
from stretto.servers.post_to_alertmanager import (
    AlertmanagerTarget,
    PostedAlert,
    find_alertmanager,
    post_alerts,
)
from stretto.servers.supervised_server_password import ServerCredentials
from stretto.service.execution_start_and_end_notices import ParallelNotices, describe_end, wants_notices
from stretto.summaries.running_tasks import RunningTask
from tests.ports import reserve_dead_address
from tests.scenes import BEGIN, Drawing, conclude_scene, frame_drawing

NOTICE = """
receivers:
  - name: stretto-notice
    webhook_configs:
      - url: http://127.0.0.1:1/
"""


@contextmanager
def alertmanager(status: int = 200) -> Iterator[tuple[AlertmanagerTarget, list[dict[str, Any]]]]:
    """Provide a server that takes or refuses alerts, and what it was handed."""
    taken: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            taken.append({"path": self.path, "access": self.headers["Authorization"], "alerts": body})
            self.send_response(status)
            self.end_headers()
            self.wfile.write(b"no room")

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield AlertmanagerTarget(f"http://127.0.0.1:{server.server_address[1]}", "Basic x"), taken
        finally:
            server.shutdown()
            thread.join()


def run(session: str, task: str, pattern: str | None = "release") -> RunningTask:
    """Return a running task."""
    return RunningTask(session, task, (pattern, "tests"), "qa", BEGIN)


def test_an_answer_that_is_no_http_is_a_refusal() -> None:
    """Whatever listens at the address of Alertmanager, the threads that post go on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(b"no HTTP\r\n\r\n")

        thread = Thread(target=answer)
        thread.start()
        target = AlertmanagerTarget(f"http://127.0.0.1:{listener.getsockname()[1]}")
        with pytest.raises(ServiceError, match="did not take a message"):
            post_alerts(target, [PostedAlert({}, {}, BEGIN, BEGIN + SECOND)])
        thread.join()


def test_a_start_is_noticed_once(tmp_path: Path) -> None:
    """Two running tasks of a session are a start, a third is none; after an end the next two are again."""
    with alertmanager() as (target, taken):
        notices = ParallelNotices(lambda: target, "http://here", lambda: BEGIN)
        notices.start()
        for running in (
            [run("a", "1"), run("b", "1")],
            [run("a", "1"), run("a", "2"), run("b", "1")],
            [run("a", "1"), run("a", "2"), run("a", "3")],
            [],
            [run("a", "4"), run("a", "5")],
        ):
            notices.note_running(running)
        notices.stop()

    texts = [alert["annotations"]["description"] for post in taken for alert in post["alerts"]]
    assert texts == ["A parallel execution of release has started: 2\xa0tasks (tests)."] * 2
    assert taken[0]["path"] == "/api/v2/alerts"
    assert taken[0]["access"] == "Basic x"
    (alert,) = taken[0]["alerts"]
    assert alert["labels"]["severity"] == "notice"
    assert alert["annotations"]["dashboard_url"] == "http://here/sessions/a"
    assert not list(tmp_path.iterdir())


def side_by_side() -> tuple[Session, Fanout]:
    """Return a session with a parallel execution of 60 and 40 s."""
    drawing = Drawing().task("a", 0, 60, "tests").task("b", 0, 40, "docs")
    session = conclude_scene(frame_drawing(drawing, 61, "release").events)
    (fanout,) = find_fanouts(session.tasks)
    return session, fanout


def test_an_end_tells_the_gain_once() -> None:
    """60 and 40 s side by side are 60 s instead of 100; the same end again is no news."""
    session, fanout = side_by_side()
    with alertmanager() as (target, taken):
        notices = ParallelNotices(lambda: target, "http://here", lambda: BEGIN)
        notices.start()
        for _ in range(2):
            notices.note_finished(
                [(session, fanout)], lambda _, each: estimate_sequential_time(each, WORK_BASELINE)
            )
        notices.stop()

    (text,) = [alert["annotations"]["description"] for post in taken for alert in post["alerts"]]
    assert "2\xa0tasks in 1\xa0min" in text
    assert "1.67× as fast as one after another, 40\xa0s saved, by their own lengths." in text


def test_a_gain_is_no_praise_while_tasks_got_slower() -> None:
    """Longer tasks save more side by side: the notice says so; a loss is a loss all the same."""
    session, fanout = side_by_side()
    length = estimate_sequential_time(fanout, WORK_BASELINE)
    with alertmanager() as (target, taken):
        notices = ParallelNotices(lambda: target, "http://here", lambda: BEGIN, lambda: True)
        notices.start()
        notices.note_finished([(session, fanout)], lambda *_: length)
        notices.note_finished(
            [(session, structs.replace(fanout, start=fanout.start + 1))],
            lambda *_: replace(length, length=fanout.elapsed // 2),
        )
        notices.stop()
    gain, loss = [alert["annotations"]["description"] for post in taken for alert in post["alerts"]]
    assert gain.endswith("saved, by their own lengths. Tasks got slower, so part of that is no gain.")
    assert loss.endswith("lost, by their own lengths.")


def test_a_notice_links_to_its_session_whatever_its_id() -> None:
    """Agents choose the ids: each sign of one is part of the path."""
    with alertmanager() as (target, taken):
        notices = ParallelNotices(lambda: target, "http://here", lambda: BEGIN)
        notices.start()
        notices.note_running([run("a/b?c#d", "1"), run("a/b?c#d", "2")])
        notices.stop()
    (alert,) = [alert for post in taken for alert in post["alerts"]]
    assert alert["annotations"]["dashboard_url"] == "http://here/sessions/a%2Fb%3Fc%23d"


def test_ends_of_before_the_start_are_no_news() -> None:
    """An import of old sessions sends nothing."""
    session, fanout = side_by_side()
    with alertmanager() as (target, taken):
        notices = ParallelNotices(lambda: target, "http://here", lambda: BEGIN + 1_000 * SECOND)
        notices.start()
        notices.note_finished([(session, fanout)], lambda *_: pytest.fail("nothing is compared"))
        notices.stop()

    assert taken == []
    assert describe_end(session, fanout, estimate_sequential_time(fanout, WORK_BASELINE))


def test_notices_are_off_unless_a_receiver_wants_them(tmp_path: Path) -> None:
    """Off by default; on by the receiver, or for an Alertmanager elsewhere; off with alerting."""
    state = tmp_path / "state"
    state.mkdir()

    def wants(**environ: str) -> bool:
        return wants_notices(load_config(environ, tmp_path, state=str(state)))

    assert not wants()
    assert wants(STRETTO_ALERTMANAGER_URL="http://alertmanager:9093")
    (state / "receivers.yml").write_text(NOTICE, encoding="utf-8")
    assert wants()
    assert not wants(STRETTO_FEATURES_ALERTING="off")
    (state / "receivers.yml").write_text(NOTICE.replace("notice", "report"), encoding="utf-8")
    assert not wants(STRETTO_ALERTMANAGER_URL="http://alertmanager:9093")


def test_a_refusal_is_an_error_with_the_servers_words() -> None:
    """The error names address, status and reason; a dead server is one too, and a notice is then dropped."""
    alert = PostedAlert({"alertname": "x"}, {}, BEGIN, BEGIN + SECOND)
    with alertmanager(400) as (target, _), pytest.raises(ServiceError, match="it answered 400: no room"):
        post_alerts(target, [alert])
    with reserve_dead_address() as dead:
        target = AlertmanagerTarget(f"http://{dead}")
        with pytest.raises(ServiceError, match="did not take a message"):
            post_alerts(target, [alert])
        notices = ParallelNotices(lambda: target, "", lambda: BEGIN)
        notices.start()
        notices.note_running([run("a", "1"), run("a", "2")])
        notices.stop()


def test_stopping_asks_an_alertmanager_that_refuses_once() -> None:
    """Of three notices that wait at the end only the first is tried: stopping takes one time-out at most."""
    with alertmanager(500) as (target, taken):
        notices = ParallelNotices(lambda: target, "", lambda: BEGIN)
        for name in ("a", "b", "c"):
            notices.note_running([run(name, "1"), run(name, "2")])
        notices._stopping.set()
        notices.start()
        notices.stop()
    assert len(taken) == 1


def test_an_alertmanager_elsewhere_is_shown_the_token(tmp_path: Path) -> None:
    """As in the containers; without an address and without a server of ours there is none."""
    token = "long-enough-to-be-a-token"
    target = find_alertmanager(tmp_path, "http://alertmanager:9093/", token)

    assert target == AlertmanagerTarget(
        "http://alertmanager:9093", ServerCredentials(tmp_path, token).authorization
    )
    assert find_alertmanager(tmp_path, "http://alertmanager:9093", None) == AlertmanagerTarget(
        "http://alertmanager:9093"
    )
    assert find_alertmanager(tmp_path, None, token) is None
