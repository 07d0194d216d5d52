"""Alerts where people are: from hook events to the page, the user's own receivers and the loudspeaker."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from stretto import journal
from stretto.clock import SECOND, read_wall_clock
from stretto.hook.client.client import build_record
from tests.stack import faster_waits
from tests.stack.running import Running, require_servers, running, until

pytestmark = pytest.mark.stack

RECEIVERS = """
receivers:
  - name: stretto-critical
    webhook_configs: [&mine {{url: "{url}", send_resolved: true}}]
  - name: stretto-warning
    webhook_configs: [*mine]
  - name: stretto-info
    webhook_configs: [*mine]
"""


HELD_BACK = {("StrettoSuccessLow", "warning", task_type) for task_type in ("architecture", "testing")}
"""(alert, severity, task type) of warnings whose graver alert fires."""


@dataclass(frozen=True)
class Told:
    """One notification as a receiver of the user's got it: a group of alerts."""

    alerts: list[dict[str, Any]]

    def of(self, name: str, severity: str, status: str = "firing") -> list[dict[str, str]]:
        """Return the labels of its alerts of that name, severity and status."""
        return [
            labels
            for alert in self.alerts
            if (labels := alert["labels"])["alertname"] == name
            and (labels["severity"], alert["status"]) == (severity, status)
        ]


@dataclass
class Receiver:
    """A webhook of the user's own, which writes down all that it is told."""

    server: ThreadingHTTPServer
    told: list[Told] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server.server_port}/"

    def first(self, name: str, severity: str, status: str = "firing", **labels: str) -> Told | None:
        """Return the first notification with such an alert."""
        for told in self.told:
            if any(labels.items() <= found.items() for found in told.of(name, severity, status)):
                return told
        return None

    def subjects(self, name: str, severity: str, label: str, status: str = "firing") -> set[str]:
        """Return every value of a label that was told of in alerts of that name."""
        return {found[label] for told in self.told for found in told.of(name, severity, status)}


@dataclass(frozen=True)
class Story:
    """What happened, told once; the tests look at it in any order."""

    receiver: Receiver
    """With what it was told by the time that all was well again."""
    notes: list[dict[str, Any]]
    """Those that the service kept by the time that all was well again, the newest first."""
    suppressed: set[tuple[str, str, str]]
    """(alert, severity, task type) that Alertmanager held back while the failures lasted."""
    heard: list[str]
    """What the loudspeaker was asked to say by then."""
    receiver_at_last: Receiver
    """With what it was told until the service had stood still."""


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """Agents fail, work again, and at last the service itself stands still."""
    require_servers()
    state, tools = tmp_path_factory.mktemp("state"), tmp_path_factory.mktemp("tools")
    said = _loudspeaker(tools)
    with _receiver() as receiver:
        (state / "receivers.yml").write_text(RECEIVERS.format(url=receiver.url), encoding="utf-8")
        path = f"{tools}{os.pathsep}{os.environ['PATH']}"
        # The waits that ship are tried by test_end_to_end.
        faster = (faster_waits.__file__, str(tmp_path_factory.mktemp("faster") / "copies"))
        with running(state, program=faster, PATH=path, STRETTO_SPEAK_ALERTS="1") as service:
            until("a scrape", lambda: service.query('up{job="stretto"} == 1'))
            _write_spaced(state, _failing())
            until("every alert at the user's receiver", lambda: _all_told(receiver))
            until("the warnings to be held back", lambda: _suppressed(service) >= HELD_BACK)
            suppressed = _suppressed(service)

            # One write, so that no scrape sees the recovery half done: the graver alert would end first.
            _write_spaced(state, _working())
            until("the end of the failures", lambda: _all_over(receiver))
            until("the same on the page", lambda: _kept(service, "resolved"))
            notes = service.get("/api/notifications")["notifications"]
            critical = {note["fingerprint"] for note in notes if note["severity"] == "critical"}
            until("the loudspeaker", lambda: _count_spoken(_read_lines(said)) >= len(critical))
            heard = _read_lines(said)
            before = Receiver(receiver.server, [*receiver.told])

            service.process.send_signal(signal.SIGSTOP)
            try:
                until("word of the standstill", lambda: receiver.first("StrettoDown", "critical"))
            finally:
                service.process.send_signal(signal.SIGCONT)
        yield Story(before, notes, suppressed, heard, receiver)


@pytest.mark.parametrize(
    ("name", "severity", "labels"),
    [
        ("StrettoParallelFailures", "critical", {}),
        ("StrettoSuccessLow", "critical", {"task_type": "architecture"}),
        ("StrettoSuccessLow", "warning", {"task_type": "review"}),
        ("StrettoCaptureIncomplete", "warning", {}),
        ("StrettoManyFanouts", "info", {}),
    ],
)
def test_each_severity_reaches_the_page_and_the_users_receiver(
    story: Story, name: str, severity: str, labels: dict[str, str]
) -> None:
    """The user's own webhook is told, and the service keeps the same.

    That it comes within a minute follows from the intervals that ship: tests/test_rules.py adds them up.
    """
    told = story.receiver.first(name, severity, **labels)
    assert told is not None
    [alert] = [
        alert
        for alert in told.alerts
        if alert["status"] == "firing" and labels.items() <= alert["labels"].items()
    ]
    kept = [note for note in story.notes if note["fingerprint"] == alert["fingerprint"]]
    assert {note["status"] for note in kept} >= {"firing"}
    assert {note["description"] for note in kept if note["status"] == "firing"} >= {
        alert["annotations"]["description"]
    }


def test_two_subjects_of_one_alert_are_one_notification(story: Story) -> None:
    """Both agents that fail are told of together, and of nothing else."""
    together = [
        told
        for told in story.receiver.told
        if {labels["agent"] for labels in told.of("StrettoAgentErrors", "critical")}
        == {"architect", "tester"}
    ]
    assert together
    assert {alert["labels"]["alertname"] for told in together for alert in told.alerts} == {
        "StrettoAgentErrors"
    }


def test_a_warning_is_held_back_while_the_graver_alert_fires(story: Story) -> None:
    """Task types with a critical alert are not told of as a warning too; another type's warning is."""
    assert story.suppressed >= HELD_BACK
    assert ("StrettoSuccessLow", "warning", "review") not in story.suppressed
    assert story.receiver.subjects("StrettoSuccessLow", "critical", "task_type") == {
        "architecture",
        "testing",
    }
    assert story.receiver.subjects("StrettoSuccessLow", "warning", "task_type") == {"review"}
    assert {
        (note["severity"], note["labels"]["task_type"])
        for note in story.notes
        if note["alertname"] == "StrettoSuccessLow" and note["status"] == "firing"
    } == {("critical", "architecture"), ("critical", "testing"), ("warning", "review")}


def test_success_takes_back_what_it_ended_and_nothing_else(story: Story) -> None:
    """Critical alerts resolve, at the user's receiver and on the page; what still holds stays."""
    for name in ("StrettoParallelFailures", "StrettoSuccessLow", "StrettoAgentErrors"):
        assert story.receiver.first(name, "critical", "resolved")
    newest = {note["fingerprint"]: note for note in reversed(story.notes)}
    state = {(note["alertname"], note["severity"], note["status"]) for note in newest.values()}
    assert ("StrettoParallelFailures", "critical", "resolved") in state
    assert ("StrettoManyFanouts", "info", "firing") in state
    assert story.receiver.subjects("StrettoSuccessLow", "warning", "task_type", "resolved") <= {
        "architecture", "testing",
    }  # fmt: skip


def test_the_loudspeaker_says_each_critical_alert_once(story: Story) -> None:
    """What is critical is spoken once for each alert however often it is told, those at once as a number."""
    critical = [note for note in story.notes if (note["severity"], note["status"]) == ("critical", "firing")]
    texts = {"Critical: " + " ".join(note["description"].split()) for note in critical}
    assert _count_spoken(story.heard) == len({note["fingerprint"] for note in critical})
    assert {_MORE.sub("", line) for line in story.heard} <= texts


def test_a_service_that_stands_still_is_told_of_elsewhere(story: Story) -> None:
    """The service cannot hear that it is down itself; the user's receiver does."""
    assert story.receiver_at_last.first("StrettoDown", "critical") is not None
    assert not [note for note in story.notes if note["alertname"] == "StrettoDown"]


_MORE = re.compile(r" And (\w+) more\.$")
_NUMBERS = ("none", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def _count_spoken(lines: list[str]) -> int:
    """Return of how many alerts these announcements tell: a text each, and how many more came with it."""
    more = [match[1] for line in lines if (match := _MORE.search(line))]
    return len(lines) + sum(int(text) if text.isdigit() else _NUMBERS.index(text) for text in more)


def _write_spaced(state: Path, payloads: Iterator[dict[str, Any]]) -> None:
    """Write what hooks reported until now, each later than the doubt of hooks: tasks overlap beyond it."""
    written, now = [*payloads], read_wall_clock()
    records = b"".join(
        build_record(json.dumps(payload).encode(), now - (len(written) - number) * 600 * SECOND // 1000)
        for number, payload in enumerate(written)
    )
    journal.append_records(journal.get_day_file(state / "journal", now), records)


def _failing() -> Iterator[dict[str, Any]]:
    """Yield what hooks report of 25 fan-outs: two agents always fail, one sometimes, one never."""
    for number in range(10):
        yield from _session(f"explorers-{number}", ["explorer", "explorer"])
        yield from _session(f"reviewers-{number}", ["reviewer", "reviewer"], failing=int(number > 2))
    for number in range(5):
        yield from _session(f"failing-{number}", ["architect", "tester"], failing=2)
    # 100 ends that were seen stand against these.
    open_calls = [_hook("PreToolUse", tool_name="Read", tool_use_id=f"open-{n}") for n in range(40)]
    for payload in (
        _hook("SessionStart", source="startup"),
        *open_calls,
        _hook("SessionEnd", reason="other"),
    ):
        yield {"session_id": "cut-off", **payload}


def _working() -> Iterator[dict[str, Any]]:
    """Yield what hooks report of enough success that 17 failed tasks are few."""
    for number in range(30):
        yield from _session(f"working-{number}", ["architect", "tester"] * 5)


def _session(id: str, agents: list[str], *, failing: int = 0) -> Iterator[dict[str, Any]]:
    """Yield the hooks of a session whose agents overlap; the last ``failing`` of them fail."""
    payloads = [_hook("SessionStart", source="startup"), _hook("UserPromptSubmit", prompt="/x", prompt_id=id)]
    tasks = [(f"{id}-{number}", agent) for number, agent in enumerate(agents)]
    for task, agent in tasks:
        call = {"tool_name": "Agent", "tool_use_id": f"call-{task}"}
        payloads += [
            _hook("PreToolUse", **call, tool_input={"subagent_type": agent}),
            _hook("SubagentStart", agent_id=task, agent_type=agent),
        ]
    for number, (task, agent) in enumerate(tasks):
        call = {"tool_name": "Agent", "tool_use_id": f"call-{task}"}
        payloads.append(_hook("SubagentStop", agent_id=task, agent_type=agent))
        if number >= len(tasks) - failing:
            payloads.append(_hook("PostToolUseFailure", **call, error="it broke"))
        else:
            payloads.append(_hook("PostToolUse", **call, tool_response={"agentId": task}))
    payloads += [_hook("Stop", prompt_id=id), _hook("SessionEnd", reason="other")]
    for payload in payloads:
        yield {"session_id": id, **payload}


def _hook(event: str, **fields: Any) -> dict[str, Any]:
    return {"cwd": "/home/dev/project", "hook_event_name": event, **fields}


def _all_told(receiver: Receiver) -> bool:
    agents = [told.of("StrettoAgentErrors", "critical") for told in receiver.told]
    return (
        any(len(labels) == 2 for labels in agents)
        and receiver.subjects("StrettoSuccessLow", "critical", "task_type") == {"architecture", "testing"}
        and receiver.subjects("StrettoSuccessLow", "warning", "task_type") >= {"review"}
        and receiver.first("StrettoParallelFailures", "critical") is not None
        and receiver.first("StrettoCaptureIncomplete", "warning") is not None
        and receiver.first("StrettoManyFanouts", "info") is not None
    )


def _all_over(receiver: Receiver) -> bool:
    return (
        receiver.first("StrettoParallelFailures", "critical", "resolved") is not None
        and receiver.subjects("StrettoSuccessLow", "critical", "task_type", "resolved")
        == {"architecture", "testing"}
        and receiver.subjects("StrettoAgentErrors", "critical", "agent", "resolved")
        == {"architect", "tester"}
    )


def _kept(service: Running, status: str) -> bool:
    notes = service.get("/api/notifications")["notifications"]
    over = {note["alertname"] for note in notes if (note["severity"], note["status"]) == ("critical", status)}
    return over >= {"StrettoParallelFailures", "StrettoSuccessLow", "StrettoAgentErrors"}


def _suppressed(service: Running) -> set[tuple[str, str, str]]:
    return {
        (alert["labels"]["alertname"], alert["labels"]["severity"], alert["labels"].get("task_type", ""))
        for alert in service.get("/api/v2/alerts", base=service.alertmanager)
        if alert["status"]["state"] == "suppressed" and alert["status"]["inhibitedBy"]
    }


def _read_lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


def _loudspeaker(folder: Path) -> Path:
    """Put an espeak-ng on the path that writes down what it is asked to say, and return where."""
    said = folder / "said"
    said.touch()
    program = folder / "espeak-ng"
    program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$*" >> {said}\n', encoding="utf-8")
    program.chmod(0o755)
    return said


@contextmanager
def _receiver() -> Iterator[Receiver]:
    """A webhook on a free port, until the block ends."""
    told: list[Told] = []

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            told.append(Told(body["alerts"]))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Hook) as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield Receiver(server, told)
        finally:
            server.shutdown()
            thread.join()
