"""Draw the firing alerts of ``stretto top``: a line for each rule, and below it what its alerts are about."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.text import Text

from stretto.format.quantities import format_count
from stretto.notifications.group_notifications_by_alert import UNNAMED
from stretto.notifications.notification_log import Notification

ALERTS_OF_RULE = 3
"""Alerts of a rule that are shown, so that one rule with many subjects leaves room for the agents."""


def draw_alerts(alerts: Sequence[Notification]) -> Iterator[Text]:
    """Yield the lines: of each rule its severity, name and summary, then subject and value of its alerts.

    ``alerts`` are in the order in which their rules are shown.
    """
    by_rule: dict[str, list[Notification]] = {}
    for alert in alerts:
        by_rule.setdefault(alert.alertname or UNNAMED, []).append(alert)
    for rule, firing in by_rule.items():
        first = firing[0]
        style = "red" if first.severity == "critical" else "yellow"
        times = f" ×{format_count(len(firing))}" if len(firing) > 1 else ""
        summary = f"  {first.summary}" if first.summary else ""
        yield Text(make_single_line(f"! {first.severity or 'alert'}  {rule}{times}{summary}"), style=style)
        # The description names the subject and its value, the summary only the kind of trouble.
        described = [alert.description for alert in firing if alert.description]
        for description in described[:ALERTS_OF_RULE]:
            yield Text("    " + make_single_line(" ".join(description.split())), style=style)
        if len(described) > ALERTS_OF_RULE:
            yield Text(f"    and {format_count(len(described) - ALERTS_OF_RULE)} more", style="dim")


def make_single_line(text: str) -> str:
    """Return a text with its terminal control characters, line ends too, replaced by spaces."""
    return "".join(sign if sign.isprintable() else " " for sign in text)
