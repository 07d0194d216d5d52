"""Notifications: what Alertmanager tells, in a file of its own that outlives a rebuild of the store."""

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
"""Newest notifications in memory, and after a compaction in the file."""

COMPACT_BEYOND = 2_000
"""Lines of the file that set off a compaction."""

WATCHDOG = "StrettoWatchdog"
"""The alert that fires always: that it is told at all is all it says."""

TEXT_LIMIT = 500
"""Characters of a text that are kept: with LABELS_LIMIT and KEPT it bounds the memory."""

LABELS_LIMIT = 20
LINE_LIMIT = 1 << 20
"""Bytes read as one line; what is longer was not written here."""

UNSET = "0001-01-01T00:00:00Z"
"""How Alertmanager spells an end that is not known yet."""


class PayloadError(ValueError):
    """A payload is no webhook message of Alertmanager; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """One alert as Alertmanager told of it; an alert that goes on is told of again and again."""

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
    """The address at which Alertmanager says that it can be reached."""

    @property
    def alert(self) -> str:
        """What is the same for every notification about one alert: its fingerprint, else its labels."""
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


def parse(payload: bytes, received: int) -> list[Notification]:
    """Return one notification per alert of a webhook message, version 4 (Alertmanager, "webhook_config").

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
    # An address becomes a link, so nothing but one to a web page is taken for one.
    given = message.external if message.external.startswith(("http://", "https://")) else None
    return [_notification(alert, received, given) for alert in message.alerts]


def document(notification: Notification) -> dict[str, Any]:
    """Return one entry of ``GET /api/notifications``."""
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

    Raises OSError where the file is there and cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = Lock()
        self._kept: deque[Notification] = deque(maxlen=KEPT)
        self._lines = 0
        self._set_aside = 0
        self._watchdog_heard: int | None = None
        self._load()

    @property
    def set_aside(self) -> int:
        """Lines of the file that held no notification when it was read: torn or foreign."""
        return self._set_aside

    @property
    def watchdog_heard(self) -> int | None:
        """When (ns) the alert that fires always was last told, since the start; None where never."""
        return self._watchdog_heard

    def newest(self) -> list[Notification]:
        """Return what is kept, the newest first."""
        with self._lock:
            return list(reversed(self._kept))

    def add(self, notifications: Sequence[Notification]) -> None:
        """Keep notifications, in the order in which they were told; of the watchdog's only when it came.

        Raises OSError where the file cannot be written: nothing is kept then, and the sender tells it again.
        """
        watchdog = [told for told in notifications if told.alertname == WATCHDOG]
        if watchdog:
            firing = [told.received for told in watchdog if told.status == "firing"]
            self._watchdog_heard = max(firing, default=self._watchdog_heard)
            notifications = [told for told in notifications if told.alertname != WATCHDOG]
        if not notifications:
            return
        records = b"".join(b"\n" + _encode(notification) + b"\n" for notification in notifications)
        with self._lock:
            journal.append_records(self._path, records)
            self._kept.extend(notifications)
            self._lines += len(notifications)
            self._compact_if_long()

    def _load(self) -> None:
        for told in _told(self._path):
            self._lines += 1
            if told is None:
                self._set_aside += 1
            else:
                self._kept.append(told)
        with suppress(OSError):  # no file yet, or someone else's, which could be read: that is enough here
            self._path.chmod(0o600)
        self._compact_if_long()

    def _compact_if_long(self) -> None:
        if self._lines <= COMPACT_BEYOND:
            return
        # A full disk leaves the file longer than it need be; what was just told is safe in it already.
        with suppress(OSError):
            self._compact()

    def _compact(self) -> None:
        new = self._path.with_name(self._path.name + ".new")
        new.unlink(missing_ok=True)
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.writelines(b"\n" + _encode(notification) + b"\n" for notification in self._kept)
            file.flush()
            os.fsync(file.fileno())
        new.replace(self._path)
        self._lines = len(self._kept)


def read(path: Path) -> list[Notification]:
    """Return what a file keeps, the newest first, and leave the file as it is; nothing where there is none.

    Raises OSError where the file is there and cannot be read.
    """
    kept = deque((told for told in _told(path) if told is not None), maxlen=KEPT)
    return list(reversed(kept))


def _told(path: Path) -> Iterator[Notification | None]:
    """Yield each line's notification, or None where it holds none; nothing where there is no file."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return
    with file:
        while line := file.readline(LINE_LIMIT):
            if not line.strip():
                continue
            try:
                told = _decode_line(line)
            except (msgspec.DecodeError, RecursionError):
                told = None
            yield told


def _notification(alert: _Alert, received: int, alertmanager: str | None) -> Notification:
    labels = {_cut(name): _cut(value) for name, value in sorted(alert.labels.items())[:LABELS_LIMIT]}
    return Notification(
        received=received,
        status=alert.status,
        alertname=_text(alert.labels, "alertname"),
        severity=_text(alert.labels, "severity"),
        summary=_text(alert.annotations, "summary"),
        description=_text(alert.annotations, "description"),
        labels=labels,
        starts_at=_instant(alert.starts_at),
        ends_at=_instant(alert.ends_at) if alert.status == "resolved" else None,
        fingerprint=_cut(alert.fingerprint) if alert.fingerprint else None,
        runbook_url=_text(alert.annotations, "runbook_url"),
        alertmanager=alertmanager and _cut(alertmanager),
    )


def _text(table: dict[str, str], name: str) -> str | None:
    text = table.get(name)
    return _cut(text) if text else None


def _instant(text: str | None) -> str | None:
    return None if not text or text == UNSET else _cut(text)


def _cut(text: str) -> str:
    return text if len(text) <= TEXT_LIMIT else text[: TEXT_LIMIT - 1] + "…"
