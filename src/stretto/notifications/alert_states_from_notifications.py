"""Select the current state of each alert, build its links, and check whether alerting works at all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from stretto.clock import HOUR, MINUTE
from stretto.notifications.notification_log import Notification
from stretto.notifications.silence_link import build_silence_url

RESOLVED_SHOWN = 5

SILENT = 15 * MINUTE
"""Alerting counts as silent after this time without the watchdog alert, which is sent every 5 minutes."""

REPEATS = {"critical": 1 * HOUR, "warning": 4 * HOUR, "info": 24 * HOUR}
"""How often Alertmanager repeats an alert that fires on, by severity: deploy/alertmanager."""

REPEAT_SLACK = 10 * MINUTE
"""A repetition may be later by this time: groups wait for each other."""

_SEVERITY_RANK = {"critical": 0, "warning": 1, "info": 2}


@dataclass(frozen=True, slots=True)
class CurrentAlerts:
    """The newest notification of each alert: firing alerts by severity, resolved alerts by time."""

    firing: Sequence[Notification]
    resolved: Sequence[Notification]
    heard: int | None = None
    """When (ns) the watchdog was last received; None if never since the start."""
    silent: bool = False
    """Whether the watchdog was received before and is now overdue."""
    overdue: frozenset[str] = frozenset()
    """The firing alerts that were not repeated in time: they may be over."""


def find_newest_alert_states(
    notifications: Iterable[Notification], heard: int | None = None, now: int = 0
) -> CurrentAlerts:
    """Return the newest notification of each alert.

    ``notifications`` are sorted newest first. ``heard`` and ``now`` are in nanoseconds. A firing that arrives
    after the resolution with the same start is an old message that came late, and does not revive the alert.
    """
    notifications = list(notifications)
    over = {
        (entry.alert, entry.starts_at): entry
        for entry in reversed(notifications)
        if entry.status == "resolved"
    }
    newest: dict[str, Notification] = {}
    for notification in notifications:
        resolution = over.get((notification.alert, notification.starts_at))
        newest.setdefault(notification.alert, resolution or notification)
    firing = [n for n in newest.values() if n.status == "firing"]
    resolved = [n for n in newest.values() if n.status == "resolved"]
    firing.sort(key=lambda n: (rank_severity(n.severity), -n.received))
    silent = heard is not None and now - heard > SILENT
    overdue = frozenset(entry.alert for entry in firing if is_repeat_overdue(entry, now))
    return CurrentAlerts(tuple(firing), tuple(resolved[:RESOLVED_SHOWN]), heard, silent, overdue)


def describe_alerting_gap(heard: int | None, now: int) -> str | None:
    """Return why the alerts may not be those of now, in a sentence; None while the watchdog is heard.

    ``heard`` is when (ns) the watchdog was last received, None if never since the start.
    """
    if heard is None:
        return "no watchdog has been heard: Prometheus or Alertmanager does not run, or sends elsewhere"
    if now - heard > SILENT:
        minutes = (now - heard) // MINUTE
        return f"the watchdog was last heard {minutes} min ago: Prometheus or Alertmanager is gone"
    return None


def rank_severity(severity: str | None) -> int:
    """Return the place of a severity, the most severe first; unknown ones come last."""
    return _SEVERITY_RANK.get(severity or "", len(_SEVERITY_RANK))


def is_repeat_overdue(notification: Notification, now: int) -> bool:
    """Return whether a firing alert was not repeated for longer than Alertmanager takes to repeat it."""
    interval = REPEATS.get(notification.severity or "", REPEATS["warning"])
    return notification.status == "firing" and now - notification.received > interval + REPEAT_SLACK


def get_silence_link(notification: Notification) -> str | None:
    """Return the link to Alertmanager's form that silences exactly this alert.

    None if Alertmanager's address or the alert's labels are unknown.
    """
    if notification.alertmanager is None or not notification.labels:
        return None
    return build_silence_url(notification.alertmanager, notification.labels)


def get_alertmanager_link(notification: Notification) -> str | None:
    """Return the link to this alert in Alertmanager; None if it is unknown."""
    link = get_silence_link(notification)
    return None if link is None else link.replace("/#/silences/new?", "/#/alerts?", 1)
