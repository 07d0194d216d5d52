"""Notifications: read from Alertmanager's webhook, kept over restarts, bounded in memory and on disk."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from threading import Barrier, Thread
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stretto.clock import SECOND
from stretto.notifications.notification_log import (
    COMPACT_BEYOND,
    KEPT,
    LABELS_LIMIT,
    TEXT_LIMIT,
    Notification,
    NotificationLog,
    PayloadError,
    build_document,
    parse_webhook,
)

TOLD = 1_795_176_000 * SECOND


def alert(name: str = "StrettoDown", status: str = "firing", **more: Any) -> dict[str, Any]:
    """Return an alert in Alertmanager's format."""
    return {
        "status": status,
        "labels": {"alertname": name, "severity": "critical", "job": "stretto"},
        "annotations": {
            "summary": "Prometheus gets no figures.",
            "description": "The scrape of 127.0.0.1:9464 fails.",
            "runbook_url": "http://127.0.0.1:9464/runbook/StrettoDown",
        },
        "startsAt": "2026-11-20T11:58:03.129Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "http://127.0.0.1:9090/graph",
        "fingerprint": "c1a2",
        **more,
    }


def message(*alerts: dict[str, Any], **more: Any) -> bytes:
    """Return a webhook message as Alertmanager posts it."""
    return json.dumps(
        {
            "version": "4",
            "groupKey": '{}:{alertname="StrettoDown"}',
            "truncatedAlerts": 0,
            "status": "firing",
            "receiver": "stretto-critical",
            "groupLabels": {},
            "commonLabels": {},
            "commonAnnotations": {},
            "externalURL": "http://127.0.0.1:9093",
            "alerts": list(alerts),
            **more,
        }
    ).encode()


def numbered(number: int) -> Notification:
    """Return a notification that differs from every other number."""
    (notification,) = parse_webhook(message(alert(f"A{number}", fingerprint=str(number))), TOLD + number)
    return notification


def test_a_message_becomes_one_notification_per_alert() -> None:
    """Every field is kept, and missing fields stay missing."""
    firing, resolved = parse_webhook(
        message(alert(), alert("StrettoSlowTool", "resolved", endsAt="2026-11-20T11:59:00Z", annotations={})),
        TOLD,
    )

    assert build_document(firing) == {
        "received": "2026-11-20T12:00:00.000000Z",
        "status": "firing",
        "alertname": "StrettoDown",
        "severity": "critical",
        "summary": "Prometheus gets no figures.",
        "description": "The scrape of 127.0.0.1:9464 fails.",
        "labels": {"alertname": "StrettoDown", "job": "stretto", "severity": "critical"},
        "startsAt": "2026-11-20T11:58:03.129Z",
        "endsAt": None,
        "fingerprint": "c1a2",
        "runbook_url": "http://127.0.0.1:9464/runbook/StrettoDown",
    }
    assert resolved.ends_at == "2026-11-20T11:59:00Z"
    assert (resolved.summary, resolved.description, resolved.runbook_url) == (None, None, None)


def test_an_alert_is_the_same_by_fingerprint_or_by_labels() -> None:
    """An alert's identity is its fingerprint; without a fingerprint all labels."""
    (first,) = parse_webhook(message(alert(fingerprint="x")), TOLD)
    (second,) = parse_webhook(message(alert("Other", fingerprint="x")), TOLD)
    (bare,) = parse_webhook(message(alert(fingerprint="")), TOLD)
    (again,) = parse_webhook(message(alert(fingerprint="")), TOLD + 1)
    (other,) = parse_webhook(message(alert("Other", fingerprint="")), TOLD)

    assert first.alert == second.alert
    assert bare.alert == again.alert != other.alert


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"{", "not JSON"),
        (b'{"x":' + b"[" * 100_000, "not JSON"),
        (b"[]", "not an Alertmanager webhook message: Expected `object`, got `array`"),
        (b"{}", "missing required field `version`"),
        (b'{"version":"4"}', "missing required field `alerts`"),
        (message(version="5"), "webhook version '5' is not known"),
        (message(alert(status="odd")), "$.alerts[0].status"),
        (message(alert(labels={"a": 1})), "$.alerts[0].labels"),
    ],
)
def test_what_is_no_message_is_refused_with_the_reason(payload: bytes, reason: str) -> None:
    """A refusal names the expected value and its place."""
    with pytest.raises(PayloadError) as refused:
        parse_webhook(payload, TOLD)

    assert reason in str(refused.value)


def test_texts_and_labels_are_bounded() -> None:
    """The stored size of an alert is bounded."""
    many = {f"label{number:03}": "v" * 9_000 for number in range(90)}
    (notification,) = parse_webhook(message(alert(labels=many, annotations={"summary": "s" * 9_000})), TOLD)

    assert len(notification.labels) == LABELS_LIMIT
    assert {len(value) for value in notification.labels.values()} == {TEXT_LIMIT}
    assert notification.summary == "s" * (TEXT_LIMIT - 1) + "…"


def test_notifications_survive_a_restart(tmp_path: Path) -> None:
    """After a restart the notifications are there in the same order, newest first."""
    path = tmp_path / "state" / "notifications.jsonl"
    log = NotificationLog(path)
    log.add_notifications([numbered(1), numbered(2)])
    log.add_notifications([numbered(3)])

    assert log.list_newest() == [numbered(3), numbered(2), numbered(1)]
    assert NotificationLog(path).list_newest() == log.list_newest()


def test_the_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    """The file has mode 0600, which is restored if it was changed."""
    path = tmp_path / "notifications.jsonl"
    NotificationLog(path).add_notifications([numbered(1)])

    assert stat.S_IMODE(path.stat().st_mode) == 0o600

    path.chmod(0o644)
    NotificationLog(path)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_torn_and_foreign_lines_cost_only_themselves(tmp_path: Path) -> None:
    """A record cut off at any byte damages no other, and rejected lines are counted."""
    path = tmp_path / "notifications.jsonl"
    NotificationLog(path).add_notifications([numbered(1)])
    content = path.read_bytes()
    for cut in range(2, len(content) - 1):
        path.write_bytes(content[:cut])
        NotificationLog(path).add_notifications([numbered(2)])
        reopened = NotificationLog(path)

        assert numbered(2) in reopened.list_newest()
        assert len(reopened.list_newest()) + reopened.set_aside == 2


def test_foreign_bytes_are_set_aside(tmp_path: Path) -> None:
    """Neither binary rubbish nor a line without end stops the log."""
    path = tmp_path / "notifications.jsonl"
    path.write_bytes(b"\x00\xff\n[1]\n{}\n" + b"[" * 3_000_000)
    log = NotificationLog(path)
    log.add_notifications([numbered(1)])

    assert log.set_aside == 3 + 3
    assert NotificationLog(path).list_newest() == [numbered(1)]


def test_only_the_newest_stay_in_memory(tmp_path: Path) -> None:
    """Memory is bounded for any input."""
    log = NotificationLog(tmp_path / "n.jsonl")
    log.add_notifications([numbered(number) for number in range(KEPT + 10)])

    assert len(log.list_newest()) == KEPT
    assert log.list_newest()[0] == numbered(KEPT + 9)


def test_a_long_file_is_compacted_at_start(tmp_path: Path) -> None:
    """Beyond the limit the file is compacted, and further notifications are appended."""
    path = tmp_path / "n.jsonl"
    single = tmp_path / "single.jsonl"
    NotificationLog(single).add_notifications([numbered(1)])
    path.write_bytes(single.read_bytes() * COMPACT_BEYOND)

    NotificationLog(path)

    assert len(path.read_bytes().split()) >= COMPACT_BEYOND

    path.write_bytes(single.read_bytes() * (COMPACT_BEYOND + 1))
    log = NotificationLog(path)
    lines = [line for line in path.read_bytes().splitlines() if line]

    assert len(lines) == KEPT
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.glob("*.new")) == []

    log.add_notifications([numbered(2)])

    assert NotificationLog(path).list_newest() == log.list_newest()


def test_a_long_run_compacts_too(tmp_path: Path) -> None:
    """A service that is never restarted does not fill the disk."""
    path = tmp_path / "n.jsonl"
    log = NotificationLog(path)
    for _ in range(3):
        log.add_notifications([numbered(number) for number in range(1_000)])

    assert len([line for line in path.read_bytes().splitlines() if line]) <= COMPACT_BEYOND
    assert NotificationLog(path).list_newest() == log.list_newest()


def test_a_left_over_of_a_killed_compaction_does_not_matter(tmp_path: Path) -> None:
    """A compaction that was killed half way leaves the file whole, and the next one succeeds."""
    path = tmp_path / "n.jsonl"
    log = NotificationLog(path)
    (tmp_path / "n.jsonl.new").write_bytes(b"half")
    log.add_notifications([numbered(number) for number in range(COMPACT_BEYOND + 1)])

    assert len([line for line in path.read_bytes().splitlines() if line]) == KEPT


def test_what_cannot_be_written_is_not_kept(tmp_path: Path) -> None:
    """A file that cannot be written raises, and memory holds no more than the file."""
    path = tmp_path / "n.jsonl"
    log = NotificationLog(path)
    path.mkdir()

    with pytest.raises(OSError, match=r"n\.jsonl"):
        log.add_notifications([numbered(1)])

    assert log.list_newest() == []


def test_a_file_that_cannot_be_read_is_said_at_once(tmp_path: Path) -> None:
    """Something else in the file's place is an error at start, not silence."""
    (tmp_path / "n.jsonl").mkdir()

    with pytest.raises(OSError, match=r"n\.jsonl"):
        NotificationLog(tmp_path / "n.jsonl")


def test_many_threads_may_add_at_once(tmp_path: Path) -> None:
    """Nothing is lost or torn when notifications come from several threads."""
    path = tmp_path / "n.jsonl"
    log = NotificationLog(path)
    barrier = Barrier(8)

    def tell(thread: int) -> None:
        barrier.wait()
        for number in range(20):
            log.add_notifications([numbered(thread * 100 + number)])

    threads = [Thread(target=tell, args=(thread,)) for thread in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wanted = {str(thread * 100 + number) for thread in range(8) for number in range(20)}

    assert {notification.fingerprint for notification in log.list_newest()} == wanted
    assert NotificationLog(path).list_newest() == log.list_newest()


def test_nothing_told_writes_nothing(tmp_path: Path) -> None:
    """A message without alerts leaves no file behind."""
    NotificationLog(tmp_path / "n.jsonl").add_notifications([])

    assert list(tmp_path.iterdir()) == []


@given(
    payload=st.binary(max_size=200)
    | st.recursive(st.none() | st.text(max_size=5), st.lists).map(repr).map(str.encode)
)
def test_any_bytes_are_read_or_refused(payload: bytes) -> None:
    """Any payload gives notifications or a PayloadError, never another error."""
    try:
        notifications = parse_webhook(payload, TOLD)
    except PayloadError:
        return
    assert all(notification.received == TOLD for notification in notifications)


def test_the_watchdog_is_heard_and_not_kept(tmp_path: Path) -> None:
    """The watchdog alert leaves the time of its arrival and no entry."""
    log = NotificationLog(tmp_path / "n.jsonl")
    assert log.watchdog_heard is None
    log.add_notifications([*parse_webhook(message(alert("StrettoWatchdog")), TOLD), numbered(1)])
    log.add_notifications(parse_webhook(message(alert("StrettoWatchdog", "resolved")), TOLD + 5))

    assert log.watchdog_heard == TOLD
    assert log.list_newest() == [numbered(1)]
