"""Keep Alertmanager's notifications in a file apart from the store, so that a rebuild does not lose them."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any, Literal

import msgspec

from stretto import journal
from stretto.clock import to_rfc3339

KEPT = 500
"""Number of notifications in memory, and in the file after a compaction."""

COMPACT_BEYOND = 2_000
"""The file is compacted above this number of lines."""

WATCHDOG = "StrettoWatchdog"
"""The alert that always fires: its arrival proves that alerting works."""

TEXT_LIMIT = 500
"""Longest stored text in characters; with LABELS_LIMIT and KEPT it bounds the memory."""

LABELS_LIMIT = 20
LINE_LIMIT = 1 << 20
"""Longest line in bytes; a longer line was not written by this program."""

UNSET = "0001-01-01T00:00:00Z"
"""Alertmanager's spelling of an unknown end."""


class PayloadError(ValueError):
    """The payload is not a webhook message of Alertmanager; the text is the reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """A notification about an alert. Alertmanager repeats it while the alert continues."""

    received: int
    """Nanoseconds since the epoch."""
    status: Literal["firing", "resolved"]
    alertname: str | None
    severity: str | None
    summary: str | None
    description: str | None
    labels: dict[str, str]
    starts_at: str | None
    ends_at: str | None
    """None while it fires."""
    fingerprint: str | None
    runbook_url: str | None
    alertmanager: str | None = None
    """The address of Alertmanager as reported by itself."""

    @property
    def alert(self) -> str:
        """The alert's identity: its fingerprint, else its labels."""
        return self.fingerprint or repr(sorted(self.labels.items()))


class _Alert(msgspec.Struct, rename="camel"):
    status: Literal["firing", "resolved"]
    labels: dict[str, str]
    annotations: dict[str, str] = {}
    starts_at: str | None = None
    ends_at: str | None = None
    fingerprint: str | None = None


class _Payload(msgspec.Struct):
    version: str
    alerts: list[_Alert]
    external: str = msgspec.field(default="", name="externalURL")


_decode_payload = msgspec.json.Decoder(_Payload).decode
_decode_line = msgspec.json.Decoder(Notification).decode
_encode = msgspec.json.Encoder().encode


def parse_webhook(payload: bytes, received: int) -> list[Notification]:
    """Return a notification for each alert of a webhook message, version 4 (Alertmanager, "webhook_config").

    ``received`` is nanoseconds since the epoch. Raises PayloadError.
    """
    try:
        message = _decode_payload(payload)
    except msgspec.ValidationError as error:
        raise PayloadError(f"not an Alertmanager webhook message: {error}") from error
    except (msgspec.DecodeError, RecursionError) as error:
        raise PayloadError("not JSON") from error
    if message.version != "4":
        raise PayloadError(f"webhook version {message.version[:20]!r} is not known, only '4'")
    # The page shows the address as a link, so only web addresses are accepted.
    address = message.external if message.external.startswith(("http://", "https://")) else None
    return [_build_notification(alert, received, address) for alert in message.alerts]


def build_document(notification: Notification) -> dict[str, Any]:
    """Return an entry of ``GET /api/notifications``."""
    return {
        "received": to_rfc3339(notification.received),
        "status": notification.status,
        "alertname": notification.alertname,
        "severity": notification.severity,
        "summary": notification.summary,
        "description": notification.description,
        "labels": notification.labels,
        "startsAt": notification.starts_at,
        "endsAt": notification.ends_at,
        "fingerprint": notification.fingerprint,
        "runbook_url": notification.runbook_url,
    }


class NotificationLog:
    """The newest notifications, in memory and in an append-only file (0600) of JSON lines. Thread safe.

    Raises OSError if the file exists and cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = Lock()
        self._kept: deque[Notification] = deque(maxlen=KEPT)
        self._lines = 0
        self._set_aside = 0
        self._watchdog_heard: int | None = None
        self._load_file()

    @property
    def set_aside(self) -> int:
        """Number of lines that were no notification when the file was read: incomplete or foreign."""
        return self._set_aside

    @property
    def watchdog_heard(self) -> int | None:
        """When (ns) the watchdog alert was last received; None if never since the start."""
        return self._watchdog_heard

    def list_newest(self) -> list[Notification]:
        """Return the stored notifications, newest first."""
        with self._lock:
            return list(reversed(self._kept))

    def add_notifications(self, notifications: Sequence[Notification]) -> None:
        """Store notifications in the order received; of the watchdog's only the time.

        Raises OSError if the file cannot be written. Nothing is stored then, and Alertmanager repeats them.
        """
        watchdog = [entry for entry in notifications if entry.alertname == WATCHDOG]
        if watchdog:
            firing = [entry.received for entry in watchdog if entry.status == "firing"]
            self._watchdog_heard = max(firing, default=self._watchdog_heard)
            notifications = [entry for entry in notifications if entry.alertname != WATCHDOG]
        if not notifications:
            return
        records = b"".join(b"\n" + _encode(notification) + b"\n" for notification in notifications)
        with self._lock:
            journal.append_records(self._path, records)
            self._kept.extend(notifications)
            self._lines += len(notifications)
            self._compact_if_long()

    def _load_file(self) -> None:
        for notification in _read_lines(self._path):
            self._lines += 1
            if notification is None:
                self._set_aside += 1
            else:
                self._kept.append(notification)
        with suppress(OSError):  # no file yet, or a file of another user: reading it was enough
            self._path.chmod(0o600)
        self._compact_if_long()

    def _compact_if_long(self) -> None:
        if self._lines <= COMPACT_BEYOND:
            return
        # A full disk leaves the file longer than necessary. The new notifications are in it already.
        with suppress(OSError):
            self._rewrite_file()

    def _rewrite_file(self) -> None:
        new = self._path.with_name(self._path.name + ".new")
        new.unlink(missing_ok=True)
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.writelines(b"\n" + _encode(notification) + b"\n" for notification in self._kept)
            file.flush()
            os.fsync(file.fileno())
        new.replace(self._path)
        self._lines = len(self._kept)


def read_notifications(path: Path) -> list[Notification]:
    """Return the notifications of a file, newest first, without changing it; empty if there is no file.

    Raises OSError if the file exists and cannot be read.
    """
    kept = deque((entry for entry in _read_lines(path) if entry is not None), maxlen=KEPT)
    return list(reversed(kept))


def _read_lines(path: Path) -> Iterator[Notification | None]:
    """Yield each line's notification, or None if the line is not valid; nothing if there is no file."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return
    with file:
        while line := file.readline(LINE_LIMIT):
            if not line.strip():
                continue
            try:
                notification = _decode_line(line)
            except (msgspec.DecodeError, RecursionError):
                notification = None
            yield notification


def _build_notification(alert: _Alert, received: int, alertmanager: str | None) -> Notification:
    labels = {
        _cut_text(name): _cut_text(value) for name, value in sorted(alert.labels.items())[:LABELS_LIMIT]
    }
    return Notification(
        received=received,
        status=alert.status,
        alertname=_get_text(alert.labels, "alertname"),
        severity=_get_text(alert.labels, "severity"),
        summary=_get_text(alert.annotations, "summary"),
        description=_get_text(alert.annotations, "description"),
        labels=labels,
        starts_at=_get_instant(alert.starts_at),
        ends_at=_get_instant(alert.ends_at) if alert.status == "resolved" else None,
        fingerprint=_cut_text(alert.fingerprint) if alert.fingerprint else None,
        runbook_url=_get_text(alert.annotations, "runbook_url"),
        alertmanager=alertmanager and _cut_text(alertmanager),
    )


def _get_text(table: dict[str, str], name: str) -> str | None:
    text = table.get(name)
    return _cut_text(text) if text else None


def _get_instant(text: str | None) -> str | None:
    return None if not text or text == UNSET else _cut_text(text)


def _cut_text(text: str) -> str:
    return text if len(text) <= TEXT_LIMIT else text[: TEXT_LIMIT - 1] + "…"
