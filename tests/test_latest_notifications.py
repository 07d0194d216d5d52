"""Alerts on the page: the link that silences an alert, and whether alerting works."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote

import pytest

from stretto.clock import MINUTE
from stretto.notifications import latest_notifications as alerts
from stretto.notifications.notification_log import Notification, parse_webhook
from tests.test_notification_log import alert, message
from tests.web_page import read, shown
from tests.web_served import NOON, Store


def reported_alert(external: str) -> Notification:
    """Return an alert as reported by an Alertmanager at that address."""
    (notification,) = parse_webhook(message(alert(), externalURL=external), NOON)
    return notification


def test_a_firing_alert_leads_to_its_silence(tmp_path: Path) -> None:
    """The link is Alertmanager's own form, filled with the alert's labels; a resolved alert has no link."""
    store = Store(tmp_path)
    with shown(store) as client:
        client.post("/api/notifications", content=message(alert()))
        firing = read(client)
        client.post("/api/notifications", content=message(alert(status="resolved")))
        resolved = read(client)
    links = [unquote(link) for link in firing.addresses if link.startswith("http")]

    assert len(links) == 2
    assert links[0].startswith('http://127.0.0.1:9093/#/silences/new?filter={alertname="StrettoDown",')
    assert links[1].startswith('http://127.0.0.1:9093/#/alerts?filter={alertname="StrettoDown",')
    assert not [link for link in resolved.addresses if link.startswith("http")]


@pytest.mark.parametrize("external", ["", "javascript:alert(1)", "file:///etc/passwd", "//evil.example"])
def test_only_an_address_of_the_web_becomes_a_link(external: str) -> None:
    """Whoever posts a notification cannot make the page run or open anything else."""
    assert reported_alert(external).alertmanager is None
    assert alerts.get_silence_link(reported_alert(external)) is None
    assert alerts.get_alertmanager_link(reported_alert(external)) is None


def test_alerting_is_heard_silent_or_never(tmp_path: Path) -> None:
    """The watchdog's arrival decides between heard, silent and never."""
    store = Store(tmp_path)
    with shown(store) as client:
        never = read(client).text
        client.post("/api/notifications", content=message(alert("StrettoWatchdog")))
        store.now += 5 * MINUTE
        heard = read(client).text
        store.now += 11 * MINUTE
        silent = read(client).text

    assert "No sign of alerting since Stretto started." in never
    assert "Alerting works: last heard 5 min ago." in heard
    assert "Alerting is silent: last heard 16 min ago." in silent
