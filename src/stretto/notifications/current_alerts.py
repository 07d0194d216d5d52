"""Alerts: what fires and what is over, the way to silence it, and whether alerting is heard at all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from stretto.clock import MINUTE
from stretto.notifications.log import Notification
from stretto.notifications.silence_link import silence_url

RESOLVED_SHOWN = 5

SILENT = 15 * MINUTE
"""After how long without the watchdog alerting counts as silent: it is told every five minutes."""

_GRAVITY = {"critical": 0, "warning": 1, "info": 2}


@dataclass(frozen=True, slots=True)
class Alerts:
    """The newest notification of each alert: those that fire by gravity, those that were resolved by time."""

    firing: Sequence[Notification]
    resolved: Sequence[Notification]
    heard: int | None = None
    """When (ns) alerting was last heard; None where never since the start."""
    silent: bool = False
    """Whether it was heard and is no more."""


def alerts(notifications: Iterable[Notification], heard: int | None = None, now: int = 0) -> Alerts:
    """Return the newest notification of each alert. ``notifications`` come newest first, times are in ns."""
    newest: dict[str, Notification] = {}
    for notification in notifications:
        newest.setdefault(notification.alert, notification)
    firing = [n for n in newest.values() if n.status == "firing"]
    resolved = [n for n in newest.values() if n.status == "resolved"]
    firing.sort(key=lambda n: (_GRAVITY.get(n.severity or "", len(_GRAVITY)), -n.received))
    silent = heard is not None and now - heard > SILENT
    return Alerts(tuple(firing), tuple(resolved[:RESOLVED_SHOWN]), heard, silent)


def silence_link(notification: Notification) -> str | None:
    """Return where in Alertmanager a silence for exactly this alert is made; None where it is not known."""
    if notification.alertmanager is None or not notification.labels:
        return None
    return silence_url(notification.alertmanager, notification.labels)


def alertmanager_link(notification: Notification) -> str | None:
    """Return where Alertmanager shows this alert; None where it is not known."""
    found = silence_link(notification)
    return None if found is None else found.replace("/#/silences/new?", "/#/alerts?", 1)
