"""Group notifications by rule, and put those of one firing of an alert together as an episode."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from stretto.clock import DAY
from stretto.format.rfc3339 import parse_rfc3339_if_valid
from stretto.notifications.alert_states_from_notifications import CurrentAlerts, rank_severity
from stretto.notifications.notification_log import Notification
from stretto.notifications.silence_link import build_silence_url

UNNAMED = "An alert without a name"

HIDDEN_LABELS = frozenset({"alertname", "severity", "job", "instance"})
"""Labels that the heading of a rule has already, or that are alike for all alerts of a service."""

MOST_DAYS = 92
"""Most days of a trend."""


@dataclass(frozen=True, slots=True)
class AlertEpisode:
    """An alert from when it fired to its end, by its first and its newest notification."""

    first: Notification
    newest: Notification

    @property
    def is_firing(self) -> bool:
        """Whether no end was reported."""
        return self.newest.status == "firing"

    @property
    def begin(self) -> int:
        """When it fired (ns); when that was first reported, if no report says when it was."""
        return parse_rfc3339_if_valid(self.newest.starts_at) or self.first.received

    @property
    def end(self) -> int | None:
        """When it ended (ns); None while it fires, and if no report says when."""
        return None if self.is_firing else parse_rfc3339_if_valid(self.newest.ends_at)

    @property
    def labels(self) -> dict[str, str]:
        """The labels that tell it from other alerts of its rule."""
        return {name: value for name, value in self.newest.labels.items() if name not in HIDDEN_LABELS}

    @property
    def has_changed(self) -> bool:
        """Whether the newest report has another value than the one when it fired."""
        return self.first.description != self.newest.description


@dataclass(frozen=True, slots=True)
class RuleAlerts:
    """The alerts of a rule: those that fire, and the episodes that are over, the latest first."""

    rule: str
    severity: str | None
    firing: Sequence[AlertEpisode]
    over: Sequence[AlertEpisode]

    @property
    def episodes(self) -> Sequence[AlertEpisode]:
        """Those that fire, and those that are over."""
        return (*self.firing, *self.over)

    @property
    def newest(self) -> Notification:
        """The newest notification."""
        return self.episodes[0].newest

    @property
    def silence_url(self) -> str | None:
        """The address of Alertmanager's form that silences all alerts of the rule; None if it is unknown."""
        alertmanager, name = self.newest.alertmanager, self.newest.alertname
        return (
            None
            if alertmanager is None or name is None
            else build_silence_url(alertmanager, {"alertname": name})
        )


@dataclass(frozen=True, slots=True)
class DayOfAlerts:
    """The alerts that fired on a day of UTC, counted from 1970."""

    day: int
    fired: int


def count_by_day(episodes: Iterable[AlertEpisode], now: int) -> list[DayOfAlerts]:
    """Return how many alerts fired on each day, from the first one to today, ``MOST_DAYS`` at most."""
    fired = Counter(episode.begin // DAY for episode in episodes)
    today = now // DAY
    first = max(min(fired, default=today), today - MOST_DAYS + 1)
    return [DayOfAlerts(day, fired[day]) for day in range(first, today + 1)]


def group_by_rule(notifications: Iterable[Notification], current: CurrentAlerts) -> list[RuleAlerts]:
    """Return the alerts by rule: firing rules first, by severity, then the others by their latest end.

    ``notifications`` are sorted newest first, and ``current`` has those of them that count now.
    """
    episodes: dict[tuple[str, str | None], list[Notification]] = {}
    for notification in notifications:
        episodes.setdefault((notification.alert, notification.starts_at), []).append(notification)
    firing = {(entry.alert, entry.starts_at) for entry in current.firing}
    by_rule: dict[str, tuple[list[AlertEpisode], list[AlertEpisode]]] = {}
    for key, reports in episodes.items():
        # A report of firing that came after that of the end is an old one.
        ends = [report for report in reports if report.status == "resolved"]
        if not ends and key not in firing:
            continue
        episode = AlertEpisode(reports[-1], (ends or reports)[0])
        lists = by_rule.setdefault(episode.newest.alertname or UNNAMED, ([], []))
        lists[0 if not ends else 1].append(episode)
    groups = [
        RuleAlerts(rule, (*active, *over)[0].newest.severity, tuple(active), tuple(over))
        for rule, (active, over) in by_rule.items()
    ]
    return sorted(
        groups,
        key=lambda group: (not group.firing, rank_severity(group.severity), -group.newest.received),
    )
