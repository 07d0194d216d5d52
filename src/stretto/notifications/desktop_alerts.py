"""Announce critical alerts aloud or on the desktop, by programs that are already installed.

Both are off by default. A program that hangs or fails spoils only its own announcement.
"""

from __future__ import annotations

import logging
import shutil
import subprocess
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from queue import Full, Queue
from threading import Thread

from stretto.notifications.notification_log import Notification

SPEAKERS: tuple[tuple[str, ...], ...] = (("espeak-ng",), ("say",), ("spd-say", "--wait"))
"""Programs that speak their last argument; the first installed program is used."""

DESKTOPS: tuple[tuple[str, ...], ...] = (("notify-send", "--urgency=critical", "Stretto"),)
"""Programs that show their last argument as a desktop notification."""

MACOS_SCRIPT = 'on run words\ndisplay notification (item 1 of words) with title "Stretto"\nend run'
"""The script that osascript runs on macOS. The text is passed as an argument, never as code."""

LONGEST_SECONDS = 30
WAITING = 5
"""Largest number of waiting announcements; further ones are dropped."""

REMEMBERED = 500

_log = logging.getLogger(__name__)

Find = Callable[[str], str | None]
"""Returns the path of a program, or None if it is not installed."""


@dataclass(frozen=True, slots=True)
class AnnouncementSettings:
    """The kinds of announcement that are switched on."""

    speak: bool = False
    desktop: bool = False


class Announcer:
    """Announces each firing of a critical alert once, in order, in a separate thread."""

    def __init__(self, settings: AnnouncementSettings, *, find: Find = shutil.which) -> None:
        self._commands: list[list[str]] = []
        self.missing: list[str] = []
        """A sentence on each kind of announcement that is on but has no program."""
        if settings.speak:
            self._add_command("spoken alerts", find_speech_command(find), "espeak-ng, say or spd-say")
        if settings.desktop:
            self._add_command("desktop alerts", find_desktop_command(find), "notify-send or osascript")
        self._announced: deque[tuple[str, str | None]] = deque(maxlen=REMEMBERED)
        self._queue: Queue[str] = Queue(WAITING)
        if self._commands:
            Thread(target=self._announce_queued, name="announce", daemon=True).start()

    def announce(self, notifications: Sequence[Notification]) -> None:
        """Announce critical alerts that fire, once per start of the alert. Never waits, never raises."""
        for notification in notifications:
            key = (notification.alert, notification.starts_at)
            if (
                notification.status != "firing"
                or notification.severity != "critical"
                or key in self._announced
            ):
                continue
            self._announced.append(key)
            if self._commands:
                try:
                    self._queue.put_nowait(describe_alert(notification))
                except Full:
                    _log.warning("an announcement was left out: too many are waiting")

    def wait_until_done(self) -> None:
        """Wait until every queued alert has been announced."""
        self._queue.join()

    def _add_command(self, kind: str, command: list[str] | None, programs: str) -> None:
        if command is None:
            self.missing.append(f"{kind} are switched on, but none of {programs} is installed")
        else:
            self._commands.append(command)

    def _announce_queued(self) -> None:
        while True:
            text = self._queue.get()
            for command in self._commands:
                _run_command([*command, text])
            self._queue.task_done()


def find_speech_command(find: Find) -> list[str] | None:
    """Return the command that speaks, without the text; None if no program is installed."""
    return next(([path, *rest] for name, *rest in SPEAKERS if (path := find(name))), None)


def find_desktop_command(find: Find) -> list[str] | None:
    """Return the command that shows a desktop notification, without the text; None if there is no program."""
    command = next(([path, *rest] for name, *rest in DESKTOPS if (path := find(name))), None)
    osascript = find("osascript")
    return command or ([osascript, "-e", MACOS_SCRIPT] if osascript else None)


def describe_alert(notification: Notification) -> str:
    """Return the announced text: the rule's fixed summary, which never holds a name that an agent chose."""
    return f"Critical: {notification.summary or notification.alertname or 'an alert without a name'}"


def _run_command(command: list[str]) -> None:
    try:
        subprocess.run(  # noqa: S603  # the program is from the list above, the text is a separate argument
            command,
            check=True,
            timeout=LONGEST_SECONDS,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    except (OSError, subprocess.SubprocessError) as error:
        _log.warning("%s did not announce an alert: %s", command[0], error)
