"""Announcements: their text, time and program. The programs are recording stand-ins on a PATH of the test."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path

import pytest

from stretto.notifications.notification_log import Notification
from stretto.notifications.spoken_and_desktop_alerts import (
    AnnouncementSettings,
    Announcer,
    Find,
    describe_alerts,
    find_desktop_command,
    find_speech_command,
)

FIRING = Notification(
    received=1,
    status="firing",
    alertname="StrettoDown",
    severity="critical",
    summary="Prometheus gets no figures from Stretto.",
    description=None,
    labels={"alertname": "StrettoDown"},
    starts_at="2026-01-01T00:00:00Z",
    ends_at=None,
    fingerprint="f1",
    runbook_url=None,
)


def changed(**fields: object) -> Notification:
    """Return the firing alert with other fields."""
    return Notification(**{**{name: getattr(FIRING, name) for name in FIRING.__dataclass_fields__}, **fields})


def program(folder: Path, name: str, code: int = 0) -> Path:
    """Put a program on the PATH that records its arguments, and return the record's path."""
    record = folder / f"{name}.said"
    path = folder / name
    path.write_text(f"#!/bin/sh\nprintf '%s|' \"$@\" >> {record}\necho >> {record}\nexit {code}\n")
    path.chmod(0o755)
    return record


def on(folder: Path) -> Find:
    """Return a search for programs in a single folder."""
    return partial(shutil.which, path=str(folder))


def test_a_critical_alert_is_spoken_once(tmp_path: Path) -> None:
    """A critical alert is announced when it starts; repetitions, warnings and resolutions are not."""
    record = program(tmp_path, "espeak-ng")
    announcer = Announcer(AnnouncementSettings(speak=True), find=on(tmp_path))
    announcer.announce([FIRING, changed(severity="warning", fingerprint="f2"), changed(status="resolved")])
    announcer.announce([FIRING])
    announcer.wait_until_done()
    assert record.read_text() == "Critical: Prometheus gets no figures from Stretto.|\n"


def test_the_spoken_text_names_subject_and_value() -> None:
    """Two failing agents are two sentences; control characters and overlong texts are not passed on."""
    failing = [
        changed(description=f"{n} of 5 tasks of agent {name} failed.", fingerprint=name)
        for n, name in ((4, "builder"), (3, "tester"))
    ]
    assert describe_alerts(failing[:1]) == "Critical: 4 of 5 tasks of agent builder failed."
    assert describe_alerts(failing) == "Critical: 4 of 5 tasks of agent builder failed. And one more."
    assert describe_alerts(failing[1:] * 12).endswith("agent tester failed. And 11 more.")
    long = describe_alerts([changed(description="a\x1b[2J\nb" + "x" * 999)])
    assert long.startswith("Critical: a [2J bx")
    assert len(long) <= 311


def test_alerts_that_come_together_are_spoken_together(tmp_path: Path) -> None:
    """Five at once are one announcement: the first, and four more."""
    record = program(tmp_path, "espeak-ng")
    announcer = Announcer(AnnouncementSettings(speak=True), find=on(tmp_path))
    announcer.announce([changed(fingerprint=f"f{number}") for number in range(5)])
    announcer.wait_until_done()
    assert record.read_text().count("Critical: ") == 1
    assert record.read_text().endswith("And four more.|\n")


def test_nothing_is_spoken_twice_over_a_restart(tmp_path: Path) -> None:
    """The alerts in the log were announced before; an old firing after its resolution is no news either."""
    record = program(tmp_path, "espeak-ng")
    over = changed(status="resolved", fingerprint="over")
    announcer = Announcer(AnnouncementSettings(speak=True), find=on(tmp_path), earlier=[FIRING, over])
    announcer.announce([FIRING, changed(fingerprint="over")])
    announcer.announce([changed(fingerprint="new")])
    announcer.wait_until_done()
    assert len(record.read_text().splitlines()) == 1


def test_an_alert_that_fires_again_is_spoken_again(tmp_path: Path) -> None:
    """A new start of the alert is announced again."""
    record = program(tmp_path, "espeak-ng")
    announcer = Announcer(AnnouncementSettings(speak=True), find=on(tmp_path))
    announcer.announce([FIRING])
    announcer.wait_until_done()
    announcer.announce([changed(starts_at="2026-01-02T00:00:00Z")])
    announcer.wait_until_done()
    assert len(record.read_text().splitlines()) == 2


def test_a_program_that_fails_stops_no_other(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A failing program is logged, and the desktop notification still appears."""
    program(tmp_path, "espeak-ng", code=1)
    raised = program(tmp_path, "notify-send")
    announcer = Announcer(AnnouncementSettings(speak=True, desktop=True), find=on(tmp_path))
    announcer.announce([FIRING])
    announcer.wait_until_done()
    assert raised.read_text().startswith("--urgency=critical|Stretto|Critical: ")
    assert "did not announce" in caplog.text


def test_off_says_nothing(tmp_path: Path) -> None:
    """Without a setting no program is started."""
    record = program(tmp_path, "espeak-ng")
    announcer = Announcer(AnnouncementSettings(), find=on(tmp_path))
    announcer.announce([FIRING])
    announcer.wait_until_done()
    assert not record.exists()
    assert announcer.missing == []


def test_what_is_wanted_and_missing_is_told(tmp_path: Path) -> None:
    """A missing speech program is reported."""
    announcer = Announcer(AnnouncementSettings(speak=True, desktop=True), find=on(tmp_path))
    announcer.announce([FIRING])
    assert len(announcer.missing) == 2
    assert "espeak-ng" in announcer.missing[0]


@pytest.mark.parametrize(("name", "rest"), [("espeak-ng", []), ("say", []), ("spd-say", ["--wait"])])
def test_each_speaker_is_found(tmp_path: Path, name: str, rest: list[str]) -> None:
    """The first installed program is used."""
    program(tmp_path, name)
    assert find_speech_command(on(tmp_path)) == [str(tmp_path / name), *rest]


def test_macos_gets_the_text_as_an_argument(tmp_path: Path) -> None:
    """The script is fixed: no text of an alert is ever run."""
    program(tmp_path, "osascript")
    command = find_desktop_command(on(tmp_path))
    assert command is not None
    assert command[:2] == [str(tmp_path / "osascript"), "-e"]
    assert "item 1 of words" in command[2]


def test_an_alert_without_a_summary_has_its_name_said() -> None:
    """An alert without a summary or name has a substitute text."""
    assert describe_alerts([changed(summary=None)]) == "Critical: StrettoDown"
    assert describe_alerts([changed(summary=None, alertname=None)]) == "Critical: an alert without a name"
