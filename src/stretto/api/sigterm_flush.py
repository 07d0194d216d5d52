"""Flush on SIGTERM: write and send the waiting spans before a signal ends the program, as containers stop."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Callable
from types import FrameType

WAIT_SECONDS = 6.0
"""Longest time that the program's end is delayed."""

_log = logging.getLogger(__name__)


def flush_on_sigterm(flush: Callable[[], object]) -> bool:
    """Call ``flush`` at SIGTERM before the program's own handler; return whether that was possible.

    Only the main thread can set a signal's handler.
    """
    if threading.current_thread() is not threading.main_thread():
        _log.warning("spans are not written at SIGTERM: configure was not called in the main thread")
        return False
    previous = signal.getsignal(signal.SIGTERM)
    if previous is None or previous is signal.SIG_IGN:
        # A handler that is not Python's cannot be called, and an ignored signal ends nothing.
        return False

    def handle(number: int, frame: FrameType | None) -> None:
        # The interrupted code may hold a lock that flushing needs: a thread of its own cannot block the end.
        writer = threading.Thread(target=flush, name="stretto-sigterm", daemon=True)
        writer.start()
        writer.join(WAIT_SECONDS)
        if callable(previous):
            previous(number, frame)
        else:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)

    signal.signal(signal.SIGTERM, handle)
    return True
