"""Announce critical alerts aloud or on the desktop, by programs that are already installed.

Both are off by default. A program that hangs or fails spoils only its own announcement.
"""

from __future__ import annotations

import logging
import shutil
import subprocess
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from threading import Condition, Thread

from stretto.notifications.notification_log import Notification

SPEAKERS: tuple[tuple[str, ...], ...] = (("espeak-ng",), ("say",), ("spd-say", "--wait"))
"""Programs that speak their last argument; the first installed program is used."""

DESKTOPS: tuple[tuple[str, ...], ...] = (("notify-send", "--urgency=critical", "Stretto"),)
"""Programs that show their last argument as a desktop notification."""

MACOS_SCRIPT = 'on run words\ndisplay notification (item 1 of words) with title "Stretto"\nend run'
"""The script that osascript runs on macOS. The text is passed as an argument, never as code."""

LONGEST_SECONDS = 30
TEXT_LIMIT = 300
"""Longest announced text in characters."""

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
    """Announces each firing of a critical alert once, in a separate thread.

    Alerts that come while an announcement is made are announced together: the first with its text, the others
    as a number. ``earlier`` are the notifications of before a restart, which are not announced again.
    """

    def __init__(
        self,
        settings: AnnouncementSettings,
        *,
        find: Find = shutil.which,
        earlier: Iterable[Notification] = (),
    ) -> None:
        self._commands: list[list[str]] = []
        self.missing: list[str] = []
        """A sentence on each kind of announcement that is on but has no program."""
        if settings.speak:
            self._add_command("spoken alerts", find_speech_command(find), "espeak-ng, say or spd-say")
        if settings.desktop:
            self._add_command("desktop alerts", find_desktop_command(find), "notify-send or osascript")
        self._announced: deque[tuple[str, str | None]] = deque(maxlen=REMEMBERED)
        for notification in earlier:
            self._note_announced(notification)
        self._waiting: list[Notification] = []
        self._is_announcing = False
        self._changed = Condition()
        if self._commands:
            Thread(target=self._announce_waiting, name="announce", daemon=True).start()

    def announce(self, notifications: Sequence[Notification]) -> None:
        """Announce critical alerts that fire, once per start of the alert. Never waits, never raises.

        A firing that comes after its resolution, with the same start, is old news.
        """
        fresh = [notification for notification in notifications if self._note_announced(notification)]
        if self._commands and fresh:
            with self._changed:
                self._waiting += fresh
                self._changed.notify_all()

    def wait_until_done(self) -> None:
        """Wait until every waiting alert has been announced."""
        with self._changed:
            self._changed.wait_for(lambda: not self._commands or not (self._waiting or self._is_announcing))

    def _note_announced(self, notification: Notification) -> bool:
        """Note a critical alert's start; return whether it fires and was not noted before."""
        key = (notification.alert, notification.starts_at)
        if notification.severity != "critical" or key in self._announced:
            return False
        self._announced.append(key)
        return notification.status == "firing"

    def _add_command(self, kind: str, command: list[str] | None, programs: str) -> None:
        if command is None:
            self.missing.append(f"{kind} are switched on, but none of {programs} is installed")
        else:
            self._commands.append(command)

    def _announce_waiting(self) -> None:
        while True:
            with self._changed:
                self._is_announcing = False
                self._changed.notify_all()
                self._changed.wait_for(lambda: bool(self._waiting))
                together, self._waiting = self._waiting, []
                self._is_announcing = True
            text = describe_alerts(together)
            for command in self._commands:
                _run_command([*command, text])


def find_speech_command(find: Find) -> list[str] | None:
    """Return the command that speaks, without the text; None if no program is installed."""
    return next(([path, *rest] for name, *rest in SPEAKERS if (path := find(name))), None)


def find_desktop_command(find: Find) -> list[str] | None:
    """Return the command that shows a desktop notification, without the text; None if there is no program."""
    command = next(([path, *rest] for name, *rest in DESKTOPS if (path := find(name))), None)
    osascript = find("osascript")
    return command or ([osascript, "-e", MACOS_SCRIPT] if osascript else None)


def describe_alerts(notifications: Sequence[Notification]) -> str:
    """Return the announced text: the first alert's description with subject and value, and how many more.

    Example: "Critical: 4 of 5 (80%) tasks of agent builder failed in the last 1h. And four more."
    The text is an argument that never begins with a dash, and holds no control characters.
    """
    first = notifications[0]
    text = first.description or first.summary or first.alertname or "an alert without a name"
    words = " ".join("".join(mark if mark.isprintable() else " " for mark in text).split())
    if len(words) > TEXT_LIMIT:
        words = words[: TEXT_LIMIT - 1] + "…"
    more = len(notifications) - 1
    return f"Critical: {words}" + (f" And {_NUMBERS.get(more, str(more))} more." if more else "")


_NUMBERS = {1: "one", 2: "two", 3: "three", 4: "four", 5: "five", 6: "six", 7: "seven", 8: "eight", 9: "nine"}


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
