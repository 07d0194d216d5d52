"""Announce: critical alerts spoken aloud or raised on the desktop, by programs that are there already.

Both are off unless configured. A program that hangs or fails harms nothing but its own announcement.
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

from stretto.notifications.log import Notification

SPEAKERS: tuple[tuple[str, ...], ...] = (("espeak-ng",), ("say",), ("spd-say", "--wait"))
"""Programs that speak their last argument, the first one found is taken (Linux, macOS, speech-dispatcher)."""

DESKTOPS: tuple[tuple[str, ...], ...] = (("notify-send", "--urgency=critical", "Stretto"),)
"""Programs that raise their last argument on the desktop."""

MACOS_SCRIPT = 'on run words\ndisplay notification (item 1 of words) with title "Stretto"\nend run'
"""What osascript runs to the same end; the text is an argument of it, never part of it."""

LONGEST_SECONDS = 30
WAITING = 5
"""Announcements that may wait: who did not hear five alerts needs no sixth."""

REMEMBERED = 500

_log = logging.getLogger(__name__)

Find = Callable[[str], str | None]


@dataclass(frozen=True, slots=True)
class Announcing:
    """Which announcements are wanted."""

    speak: bool = False
    desktop: bool = False


class Announcer:
    """Announces each firing of a critical alert once, one after another, in a thread of its own."""

    def __init__(self, wanted: Announcing, *, find: Find = shutil.which) -> None:
        self._commands: list[list[str]] = []
        self.missing: list[str] = []
        """What was wanted and cannot be done, in words for a person."""
        if wanted.speak:
            self._add("spoken alerts", speaker(find), "espeak-ng, say or spd-say")
        if wanted.desktop:
            self._add("desktop alerts", desktop(find), "notify-send or osascript")
        self._told: deque[tuple[str, str | None]] = deque(maxlen=REMEMBERED)
        self._queue: Queue[str] = Queue(WAITING)
        if self._commands:
            Thread(target=self._run, name="announce", daemon=True).start()

    def tell(self, notifications: Sequence[Notification]) -> None:
        """Announce what is critical and fires, once since it began. Never waits, never raises."""
        for told in notifications:
            key = (told.alert, told.starts_at)
            if told.status != "firing" or told.severity != "critical" or key in self._told:
                continue
            self._told.append(key)
            if self._commands:
                try:
                    self._queue.put_nowait(sentence(told))
                except Full:
                    _log.warning("an announcement was left out: too many are waiting")

    def join(self) -> None:
        """Wait until all that was told has been announced."""
        self._queue.join()

    def _add(self, what: str, command: list[str] | None, wanted: str) -> None:
        if command is None:
            self.missing.append(f"{what} are switched on, and none of {wanted} is installed")
        else:
            self._commands.append(command)

    def _run(self) -> None:
        while True:
            text = self._queue.get()
            for command in self._commands:
                _announce([*command, text])
            self._queue.task_done()


def speaker(find: Find) -> list[str] | None:
    """Return the command that speaks, without the text; None where there is none."""
    return next(([path, *rest] for name, *rest in SPEAKERS if (path := find(name))), None)


def desktop(find: Find) -> list[str] | None:
    """Return the command that raises a desktop notification, without the text; None where there is none."""
    found = next(([path, *rest] for name, *rest in DESKTOPS if (path := find(name))), None)
    osascript = find("osascript")
    return found or ([osascript, "-e", MACOS_SCRIPT] if osascript else None)


def sentence(told: Notification) -> str:
    """Return what is said: the static summary, which never holds a name that an agent chose."""
    return f"Critical: {told.summary or told.alertname or 'an alert without a name'}"


def _announce(command: list[str]) -> None:
    try:
        subprocess.run(  # noqa: S603  # the program is of our own list, the text an argument of its own
            command,
            check=True,
            timeout=LONGEST_SECONDS,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    except (OSError, subprocess.SubprocessError) as error:
        _log.warning("%s did not announce an alert: %s", command[0], error)
