"""The page of alerts: rules with their alerts, the report then and now, history, silence and runbook."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from stretto.clock import DAY, MINUTE
from stretto.notifications.alert_states_from_notifications import find_newest_alert_states
from stretto.notifications.group_notifications_by_alert import count_by_day, group_by_rule
from stretto.notifications.notification_log import Notification, parse_webhook
from tests.test_notification_log import alert, message
from tests.web_page import Page, read, shown
from tests.web_served import NOON, Store


def make_alert(agent: str, value: str, status: str = "firing", **more: object) -> dict[str, object]:
    """Return an alert of the rule SlowAgent about an agent."""
    labels = {
        "alertname": "SlowAgent", "severity": "warning", "job": "stretto", "agent": agent, "window": "1h",
    }  # fmt: skip
    texts = {"summary": "Agents are slow.", "description": f"{agent} takes {value}."}
    return alert("SlowAgent", status, labels=labels, annotations=texts, fingerprint=agent, **more)


REPORTS = (
    message(make_alert("qa", "9 s", startsAt="2026-11-19T08:00:00Z")),
    message(
        make_alert("qa", "9 s", "resolved", startsAt="2026-11-19T08:00:00Z", endsAt="2026-11-19T09:00:00Z")
    ),
    message(make_alert("qa", "10 s"), make_alert("tester", "20 s")),
    message(make_alert("qa", "30 s"), alert()),
)
"""An episode that is over; then two alerts that fire, one with another value by now; and another rule."""


@pytest.fixture
def client(tmp_path: Path) -> Iterator[httpx.Client]:
    """Serve a store that was notified."""
    store = Store(tmp_path)
    with shown(store) as client:
        for number, report in enumerate(REPORTS):
            store.now = NOON + number * MINUTE
            assert client.post("/api/notifications", content=report).status_code == 204
        yield client


def find_row(page: Page, name: str) -> str:
    """Return the text of the page from the row of an alert on."""
    return page.text[page.text.index(f"agent {name}") :]


def test_alerts_are_grouped_by_rule_with_their_labels(client: httpx.Client) -> None:
    """The most severe rule first; a rule's alerts are told apart by their labels alone."""
    page = read(client, "/alerts")

    assert "3 alerts fire by 2 rules." in page.text
    assert page.text.index("firing · critical") < page.text.index("firing · warning")
    assert "agent qa" in page.text
    assert "job stretto" not in page.text
    assert {"/alerts/SlowAgent", "/alerts/StrettoDown", "/runbook/StrettoDown"} <= set(page.addresses)


def test_a_report_then_and_now(client: httpx.Client) -> None:
    """The value when it fired stands beside the last one; an unchanged one is not repeated."""
    page = read(client, "/alerts/SlowAgent")

    assert "qa takes 10 s. qa takes 30 s." in find_row(page, "qa")
    assert "tester takes 20 s. the same" in find_row(page, "tester")


def test_each_alert_and_each_rule_can_be_silenced(client: httpx.Client) -> None:
    """The links fill Alertmanager's form: with all labels of an alert, or with the rule's name alone."""
    page = read(client, "/alerts/SlowAgent")
    silences = [address for address in page.addresses if "#/silences/new" in address]

    assert sum("agent%3D%22qa%22" in address for address in silences) == 1
    assert sum("agent" not in address.replace("SlowAgent", "") for address in silences) == 1


def test_earlier_times_are_history(client: httpx.Client) -> None:
    """An episode that is over is listed with its own report, apart from what fires now."""
    text = read(client, "/alerts").text

    assert "1 earlier time" in text
    assert "qa takes 9 s." in text


def test_labels_lead_to_their_pages_and_sessions(client: httpx.Client) -> None:
    """Of the time from the beginning of the figure's window to the end of the alert, if it is over."""
    page = read(client, "/alerts/SlowAgent")
    over = "from=2026-11-19T07:00:00Z&to=2026-11-19T09:00:00Z"
    firing = "from=2026-11-20T10:58:03Z"

    assert {f"/agents/qa?{over}", f"/sessions?agent=qa&{over}"} <= set(page.addresses)
    assert {f"/agents/tester?{firing}", f"/sessions?agent=tester&{firing}"} <= set(page.addresses)
    assert "/sessions?from=2026-11-20T11:58:03Z" in read(client, "/alerts/StrettoDown").addresses


def test_alerts_are_drawn_by_the_day_on_which_they_fired(client: httpx.Client) -> None:
    """One on the 19th and two of the rule on the 20th, which lead to these days; of all rules one more."""
    page, of_all = read(client, "/alerts/SlowAgent"), read(client, "/alerts")
    explained = [text.replace("\N{NO-BREAK SPACE}", " ") for text in page.explanations]

    assert "2026-11-19: 1 alert fired" in explained
    assert "2026-11-20: 2 alerts fired" in explained
    assert {"/?from=2026-11-19&to=2026-11-19", "/?from=2026-11-20&to=2026-11-20"} <= set(page.addresses)
    assert "2026-11-20: 3 alerts fired" in " ".join(of_all.explanations).replace("\N{NO-BREAK SPACE}", " ")
    assert "by the day on which" not in read(client, "/alerts/StrettoDown").text


def test_the_days_of_alerts_reach_from_the_first_to_today() -> None:
    """Days without one are among them, at most 92; a time that is none is that of the first report."""
    notifications = list_notifications(
        message(make_alert("qa", "9 s", startsAt="2026-11-17T23:59:59Z")),
        message(make_alert("tester", "9 s", startsAt="yesterday")),
    )
    (group,) = group_by_rule(notifications, find_newest_alert_states(notifications))
    days = count_by_day(group.episodes, NOON)

    assert [day.fired for day in days] == [1, 0, 0, 1]
    assert len(count_by_day(group.episodes, NOON + 100 * DAY)) == 92


def test_the_overview_has_a_line_a_rule(client: httpx.Client) -> None:
    """However many alerts a rule has; the line leads to the rule."""
    page = read(client)

    assert page.text.count("Agents are slow.") == 1
    assert "3 alerts fire now" in page.text
    assert {"/alerts", "/alerts/SlowAgent"} <= set(page.addresses)


def test_a_rule_that_is_none_is_not_found(client: httpx.Client) -> None:
    """A rule with a runbook page has a page even before it fires."""
    assert client.get("/alerts/Nobody").status_code == 404


def test_without_alerts_the_page_says_so(tmp_path: Path) -> None:
    """And when alerting was last heard of; a rule that never fired has its meaning."""
    with shown(Store(tmp_path)) as client:
        assert "No Alertmanager is connected: nobody reports" in read(client, "/alerts").text
        assert "It does not fire. The service does not answer." in read(client, "/alerts/StrettoDown").text


def list_notifications(*reports: bytes) -> list[Notification]:
    """Return the notifications of reports that came a minute apart, the newest first."""
    return [
        notification
        for number, report in reversed([*enumerate(reports)])
        for notification in parse_webhook(report, NOON + number * MINUTE)
    ]


def test_a_late_report_of_an_ended_alert_revives_nothing() -> None:
    """The end counts, whichever report came last."""
    notifications = list_notifications(
        message(make_alert("qa", "9 s")),
        message(make_alert("qa", "9 s", "resolved")),
        message(make_alert("qa", "9 s")),
    )
    (group,) = group_by_rule(notifications, find_newest_alert_states(notifications))

    assert group.firing == ()
    assert [episode.is_firing for episode in group.over] == [False]
