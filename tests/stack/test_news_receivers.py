"""Reports, notices and escalation through a real Alertmanager, with mail and webhooks."""

from __future__ import annotations

import email
import email.policy
import json
import re
import shutil
import socketserver
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from stretto.clock import HOUR, MINUTE, SECOND, read_wall_clock
from stretto.reports.html_report import print_html
from stretto.reports.report_document import Report, ReportSection
from stretto.servers.merge_receivers import merge_receivers, read_receivers
from stretto.servers.post_to_alertmanager import AlertmanagerTarget, PostedAlert, post_alerts
from stretto.servers.supervisor import find_program, find_shipped_folder
from stretto.service.execution_start_and_end_notices import SEVERITY as NOTICE
from stretto.service.reports_to_receivers import make_report_sender
from tests.ports import find_free_port
from tests.stack.running import require_servers, until

pytestmark = pytest.mark.stack

REPORT = Report(
    id="day-2026-11-29",
    kind="day",
    title="Report on Sunday 29 November 2026",
    start="2026-11-29T00:00:00.000000Z",
    end="2026-11-30T00:00:00.000000Z",
    zone="UTC",
    about="From midnight to midnight.",
    made="2026-11-30T00:00:05.000000Z",
    version="1",
    state=("Agents finished 3 tasks.", "Nothing ran side by side.", "Look at *this* <first> & now."),
    sections=(ReportSection("changes", "What changed", items=("Worse: tests (ü)",)),),
)

WAITS = {"group_wait: 15m": "group_wait: 3s", "group_interval: 1m": "group_interval: 1s"}
"""Shipped wait of the escalation → the wait here."""


@dataclass
class Inbox:
    """What webhooks and mails brought."""

    posts: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    """(path, message)."""
    mails: list[EmailMessage] = field(default_factory=list)

    def list_alerts(self, path: str) -> list[dict[str, str]]:
        """Return the labels of the firing alerts that one webhook got."""
        return [
            alert["labels"]
            for where, message in self.posts
            if where == path
            for alert in message["alerts"]
            if alert["status"] == "firing"
        ]


@contextmanager
def catching(inbox: Inbox) -> Iterator[tuple[int, int]]:
    """Serve a webhook and a mail server on loopback; provide their ports."""

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            inbox.posts.append((self.path, json.loads(body)))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    class Mail(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(b"220 here\r\n")
            while line := self.rfile.readline():
                word = line[:4].upper()
                if word == b"DATA":
                    self.wfile.write(b"354 go on\r\n")
                    lines = []
                    while (text := self.rfile.readline()) != b".\r\n":
                        lines.append(text.removeprefix(b"."))
                    mail = email.message_from_bytes(b"".join(lines), policy=email.policy.default)
                    assert isinstance(mail, EmailMessage)
                    inbox.mails.append(mail)
                self.wfile.write(b"221 bye\r\n" if word == b"QUIT" else b"250 ok\r\n")

    with ThreadingHTTPServer(("127.0.0.1", 0), Hook) as web, _MailServer(("127.0.0.1", 0), Mail) as mail:
        threads = [Thread(target=server.serve_forever, args=(0.05,)) for server in (web, mail)]
        for thread in threads:
            thread.start()
        try:
            yield web.server_address[1], mail.server_address[1]
        finally:
            for server, thread in zip((web, mail), threads, strict=True):
                server.shutdown()
                thread.join()


class _MailServer(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True


@pytest.fixture
def inbox() -> Inbox:
    """Return an empty inbox."""
    return Inbox()


@pytest.fixture
def alertmanager(tmp_path: Path, inbox: Inbox) -> Iterator[AlertmanagerTarget]:
    """Run a real Alertmanager with the shipped routes, webhooks, and mail for reports."""
    require_servers()
    program = find_program("alertmanager")
    assert program is not None
    shutil.copytree(find_shipped_folder("alertmanager") / "templates", tmp_path / "templates")
    shipped = (find_shipped_folder("alertmanager") / "alertmanager.yml").read_text(encoding="utf-8")
    for wait, shorter in WAITS.items():
        assert wait in shipped
        shipped = shipped.replace(wait, shorter)
    # The receivers of the service itself have nobody here.
    shipped = re.sub(r"    webhook_configs:\n(      .*\n)+", "", shipped)
    with catching(inbox) as (hook, mail):
        hooks = "".join(
            f"  - name: stretto-{name}\n    webhook_configs:\n"
            f"      - {{url: 'http://127.0.0.1:{hook}/{name}', send_resolved: false}}\n"
            for name in ("critical", "escalation", "notice")
        )
        (tmp_path / "receivers.yml").write_text(
            f"receivers:\n{hooks}  - name: stretto-report\n    email_configs:\n"
            f"      - {{to: lead@example.org, from: stretto@example.org, smarthost: '127.0.0.1:{mail}',\n"
            "         require_tls: false, hello: here,\n"
            "         headers: {Subject: '{{ .CommonAnnotations.summary }}'},\n"
            "         html: '{{ template \"stretto.report.html\" . }}',\n"
            "         text: '{{ template \"stretto.report.text\" . }}'}\n"
            f"    webhook_configs:\n      - {{url: 'http://127.0.0.1:{hook}/report'}}\n",
            encoding="utf-8",
        )
        configuration = tmp_path / "alertmanager.yml"
        configuration.write_text(
            merge_receivers(shipped, read_receivers(tmp_path / "receivers.yml")), encoding="utf-8"
        )
        address = f"127.0.0.1:{find_free_port()}"
        process = subprocess.Popen(
            [
                program, f"--config.file={configuration}", f"--storage.path={tmp_path / 'data'}",
                f"--web.listen-address={address}", "--cluster.listen-address=",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            until("Alertmanager", lambda: urllib.request.urlopen(f"http://{address}/-/ready").status == 200)
            yield AlertmanagerTarget(f"http://{address}")
        finally:
            process.terminate()
            process.wait()


def test_a_report_is_a_mail_with_its_whole_page(alertmanager: AlertmanagerTarget, inbox: Inbox) -> None:
    """The mail's HTML is the report byte for byte, its text the summary; the chat gets the summary."""
    send = make_report_sender(lambda: alertmanager, "http://127.0.0.1:9464", read_wall_clock)

    assert send(REPORT)
    (mail,) = until("the mail", lambda: inbox.mails[:])
    assert mail["Subject"] == REPORT.title
    html, text = mail.get_body(("html",)), mail.get_body(("plain",))
    assert html is not None
    assert text is not None
    assert html.get_content().split() == print_html(REPORT).split()
    assert "Look at \\*this\\* \\<first\\> & now." in text.get_content()
    assert "http://127.0.0.1:9464/reports/day-2026-11-29" in text.get_content()
    until("the chat", lambda: inbox.list_alerts("/report"))


def critical(name: str, *, is_over: bool = False) -> PostedAlert:
    """Return a critical alert, or its end."""
    now = read_wall_clock()
    labels = {"alertname": name, "severity": "critical", "agent": "qa"}
    return PostedAlert(labels, {"summary": name}, now - SECOND, now if is_over else now + HOUR)


def silence(alertmanager: AlertmanagerTarget, name: str) -> None:
    """Acknowledge an alert, as the form behind its link does."""
    body = {
        "matchers": [{"name": "alertname", "value": name, "isRegex": False, "isEqual": True}],
        "startsAt": "2020-01-01T00:00:00Z",
        "endsAt": "2099-01-01T00:00:00Z",
        "createdBy": "me",
        "comment": "seen",
    }
    request = urllib.request.Request(
        f"{alertmanager.url}/api/v2/silences", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request) as answer:
        assert answer.status == 200


def test_what_nobody_acknowledged_goes_to_a_second_receiver(
    alertmanager: AlertmanagerTarget, inbox: Inbox
) -> None:
    """All three reach the first receiver at once; a silenced and a resolved alert never reach the second."""
    post_alerts(alertmanager, [critical("Seen"), critical("Over"), critical("Alone")])
    silence(alertmanager, "Seen")
    post_alerts(alertmanager, [critical("Over", is_over=True)])

    until("the escalation", lambda: inbox.list_alerts("/escalation"))
    # The three groups began together, so that what is to come came with the first.
    post_alerts(alertmanager, [critical("Later")])
    until("the next", lambda: "Later" in {each["alertname"] for each in inbox.list_alerts("/escalation")})
    assert {each["alertname"] for each in inbox.list_alerts("/escalation")} == {"Alone", "Later"}
    assert "Alone" in {each["alertname"] for each in inbox.list_alerts("/critical")}


def test_a_notice_goes_to_its_receiver_alone(alertmanager: AlertmanagerTarget, inbox: Inbox) -> None:
    """A notice of each execution arrives on its own, and nowhere else."""
    now = read_wall_clock()
    for number in (1, 2):
        labels = {"alertname": "StrettoParallelStarted", "severity": NOTICE, "session": f"s{number}"}
        post_alerts(alertmanager, [PostedAlert(labels, {"summary": "x"}, now, now + 5 * MINUTE + SECOND)])

    until("both", lambda: len(inbox.list_alerts("/notice")) == 2)
    assert {path for path, _ in inbox.posts} == {"/notice"}
