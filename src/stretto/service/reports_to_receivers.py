"""Send reports through Alertmanager's receivers: mail gets the HTML, chat the summary in Markdown."""

from __future__ import annotations

from collections.abc import Callable

from stretto.clock import HOUR, Clock
from stretto.reports.html_report import print_html
from stretto.reports.markdown_report import print_summary
from stretto.reports.report_document import Report
from stretto.servers.post_to_alertmanager import AlertmanagerTarget, PostedAlert, post_alerts

ALERT = "StrettoReport"
SEVERITY = "report"
"""The label by which the shipped routes lead to the receiver ``stretto-report``."""

ALIVE = HOUR
"""How long Alertmanager has the report: a mail server that is down is tried again so long."""


def make_report_alert(report: Report, url: str, now: int) -> PostedAlert:
    """Return the message of a report; ``url`` is the service's address, ``now`` in nanoseconds."""
    page = f"{url}/reports/{report.id}"
    return PostedAlert(
        labels={"alertname": ALERT, "severity": SEVERITY, "report": report.id},
        annotations={
            "summary": report.title,
            "description": print_summary(report),
            "dashboard_url": page,
            "html": print_html(report),
        },
        starts_at=now,
        ends_at=now + ALIVE,
    )


def make_report_sender(
    find_target: Callable[[], AlertmanagerTarget | None], url: str, clock: Clock
) -> Callable[[Report], bool]:
    """Return a function that sends a report; it returns whether Alertmanager has taken it.

    It raises ServiceError if there is an Alertmanager that refuses. Without one the report waits.
    """

    def send_report(report: Report) -> bool:
        target = find_target()
        if target is None:
            return False
        post_alerts(target, [make_report_alert(report, url, clock())])
        return True

    return send_report
