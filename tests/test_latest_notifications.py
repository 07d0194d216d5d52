"""Alerts on the page: the link that silences an alert, and whether alerting works."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote

import pytest
import yaml

from stretto.clock import MINUTE
from stretto.notifications import alert_states_from_notifications as alerts
from stretto.notifications.notification_log import Notification, parse_webhook
from tests.test_notification_log import alert, message
from tests.web_page import read, shown
from tests.web_served import NOON, Store


def reported_alert(external: str) -> Notification:
    """Return an alert as reported by an Alertmanager at that address."""
    (notification,) = parse_webhook(message(alert(), externalURL=external), NOON)
    return notification


def test_a_firing_alert_leads_to_its_silence(tmp_path: Path) -> None:
    """The link is Alertmanager's own form, filled with labels; a resolved alert has no link."""
    store = Store(tmp_path)
    with shown(store) as client:
        client.post("/api/notifications", content=message(alert()))
        firing = read(client, "/alerts")
        client.post("/api/notifications", content=message(alert(status="resolved")))
        resolved = read(client, "/alerts")
    links = [unquote(link) for link in firing.addresses if link.startswith("http")]

    assert len(links) == 3
    assert links[0] == 'http://127.0.0.1:9093/#/silences/new?filter={alertname="StrettoDown"}'
    assert links[1].startswith('http://127.0.0.1:9093/#/silences/new?filter={alertname="StrettoDown",')
    assert links[2].startswith('http://127.0.0.1:9093/#/alerts?filter={alertname="StrettoDown",')
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


def entry(
    status: str, minutes: float, *, start: str = "2026-01-01T00:00:00Z", severity: str = "critical"
) -> Notification:
    """Return a notification about one alert, received so many minutes after noon."""
    (notification,) = parse_webhook(
        message(alert(status=status, startsAt=start)), NOON + round(minutes * MINUTE)
    )
    return replace(notification, severity=severity)


def test_a_firing_after_its_resolution_revives_nothing() -> None:
    """A message that came late, with the start that was resolved; a new start fires again."""
    late = [entry("firing", 2), entry("resolved", 1), entry("firing", 0)]
    assert [n.status for n in alerts.find_newest_alert_states(late).resolved] == ["resolved"]
    assert alerts.find_newest_alert_states(late).firing == ()
    again = [entry("firing", 3, start="2026-01-01T00:30:00Z"), *late]
    assert len(alerts.find_newest_alert_states(again).firing) == 1


@pytest.mark.parametrize(
    ("severity", "minutes"), [("critical", 70), ("warning", 250), ("info", 1450), ("x", 250)]
)
def test_an_alert_that_is_not_repeated_is_marked(severity: str, minutes: int) -> None:
    """Alertmanager repeats it every 1, 4 or 24 hours, ten minutes later at most."""
    fires = entry("firing", 0, severity=severity)
    assert alerts.find_newest_alert_states([fires], now=NOON + minutes * MINUTE).overdue == frozenset()
    assert alerts.find_newest_alert_states([fires], now=NOON + minutes * MINUTE + 1).overdue == {fires.alert}
    over = entry("resolved", 1, severity=severity)
    assert alerts.find_newest_alert_states([over, fires], now=NOON + 10_000 * MINUTE).overdue == frozenset()


def test_the_page_and_the_answer_say_that_it_may_be_over(tmp_path: Path) -> None:
    """Beside the alert, and as ``overdue`` in JSON."""
    store = Store(tmp_path)
    with shown(store) as client:
        client.post("/api/notifications", content=message(alert()))
        (first,) = client.get("/api/notifications").json()["notifications"]
        store.now += 25 * 60 * MINUTE
        (later,) = client.get("/api/notifications").json()["notifications"]
        assert (first["overdue"], later["overdue"]) == (False, True)
        assert "Not repeated in time: it may be over." in read(client).text


def test_the_repeat_intervals_are_those_of_alertmanager() -> None:
    """The service knows how long Alertmanager waits, by the file that it is started with."""
    path = Path(__file__).parents[1] / "deploy/alertmanager/alertmanager.yml"
    route = yaml.safe_load(path.read_text())["route"]
    hours = {"warning": route["repeat_interval"]}
    for each in route["routes"]:
        severity = each["matchers"][0].partition('severity = "')[2].rstrip('"')
        # Escalation comes beside the first receiver, and the service's own messages are no alerts.
        if severity in alerts.REPEATS and "repeat_interval" in each and not each.get("continue"):
            hours[severity] = each["repeat_interval"]
    assert hours == {name: f"{interval // (60 * MINUTE)}h" for name, interval in alerts.REPEATS.items()}
