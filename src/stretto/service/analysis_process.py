"""Run analyses in a process of their own, bounded in time, and once more with less if it was too much."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace

import msgspec

from stretto.findings.analysis_run import AnalysisReplies, AnalysisReply, AnalysisRequest

TIMEOUT_SECONDS = 600
"""Wall time of a run of the process; it is nice, so that a busy machine makes it slow."""

PATIENCE_SECONDS = 60
"""Wall time of a run that somebody waits for."""

SHORT_DAYS = 28
"""Days of runs of the second run: four weeks, the least that any analysis needs."""

SHORT_SHARE = 1 / 3
"""Wall time of the second run as a share of that of the first, which had five times as many days."""

STOP_SECONDS = 1.0
"""Pause between two looks at whether a running process is still wanted."""

NO_ANSWER = "its process ended without an answer"

_MODULE = "stretto.findings.analysis_run"

# One thread of arithmetic: the process must not take every processor for a moment.
_ENVIRONMENT = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")

_KILLED = frozenset({-signal.SIGKILL, -signal.SIGXCPU})
"""Exit codes of a process that the system ended for its processor time, or for want of memory."""


@dataclass(frozen=True, slots=True)
class AnalysisRound:
    """The result of one run of the process."""

    instant: int
    names: tuple[str, ...]
    replies: AnalysisReplies | None
    """None if the process failed as a whole."""
    error: str | None = None
    is_exhausted: bool = False
    """Whether it ran out of time or memory, so that less may succeed."""


def ask_analysis_process(request: AnalysisRequest) -> AnalysisReplies | str:
    """Run the process for somebody who waits; return its replies, or why there are none. Never raises."""
    done = run_analysis_process(request, PATIENCE_SECONDS)
    return done.error or NO_ANSWER if done.replies is None else done.replies


def run_analysis_process(
    request: AnalysisRequest, timeout: float = TIMEOUT_SECONDS, stopping: threading.Event | None = None
) -> AnalysisRound:
    """Run the process for a request and return its answer, or why there is none. Never raises.

    Analyses that ran out of time (s) or memory are tried once more over SHORT_DAYS days, and their answers
    say so. The process is ended when ``stopping`` is set.
    """
    wanted = stopping or threading.Event()
    first = _run_once(request, timeout, wanted)
    reasons = list_exhausted(first)
    if not reasons or request.days <= SHORT_DAYS or wanted.is_set():
        return first
    shorter = msgspec.structs.replace(request, names=tuple(reasons), days=SHORT_DAYS)
    return merge_rounds(first, _run_once(shorter, timeout * SHORT_SHARE, wanted), request.days, reasons)


def list_exhausted(done: AnalysisRound) -> dict[str, str]:
    """Return the analyses that ran out of time or memory, each with the reason."""
    replies = _list_replies(done)
    return {name: reply.error or NO_ANSWER for name, reply in replies.items() if reply.is_exhausted}


def _list_replies(done: AnalysisRound) -> dict[str, AnalysisReply]:
    """Return the replies by analysis; those of a process that failed as a whole have its error."""
    if done.replies is not None:
        return {each.name: each for each in done.replies.replies}
    error = done.error or NO_ANSWER
    return {name: AnalysisReply(name, error=error, is_exhausted=done.is_exhausted) for name in done.names}


def merge_rounds(
    first: AnalysisRound, second: AnalysisRound, days: int, reasons: Mapping[str, str]
) -> AnalysisRound:
    """Return a run with the answers of a second one over a shorter history in place of what was too much.

    ``days`` are those of the first run, and ``reasons`` say why each analysis is in the second. An analysis
    that fails again has both reasons.
    """
    if second.replies is None and first.replies is None:
        return replace(first, error=f"{first.error}; over {SHORT_DAYS} days {second.error}")
    marked = {
        name: _mark_shortened(reply, f"over {days} days {reasons[name]}")
        for name, reply in _list_replies(second).items()
    }
    replies = _list_replies(first) | marked
    seconds = sum(each.replies.cpu_seconds for each in (first, second) if each.replies is not None)
    return AnalysisRound(first.instant, first.names, AnalysisReplies((*replies.values(),), seconds))


def _mark_shortened(reply: AnalysisReply, reason: str) -> AnalysisReply:
    """Return a reply of the second run, which says what it is about and why."""
    if reply.error is not None:
        both = f"{reason}; over {SHORT_DAYS} days {reply.error}"
        return msgspec.structs.replace(reply, error=both, is_exhausted=False)
    return msgspec.structs.replace(reply, shortened=f"it is of the last {SHORT_DAYS} days: {reason}")


def _run_once(request: AnalysisRequest, timeout: float, stopping: threading.Event) -> AnalysisRound:
    """Run the process a single time."""
    errors, is_exhausted = b"", False
    try:
        output, errors, code = _await_output(msgspec.json.encode(request), timeout, stopping)
        is_exhausted = code in _KILLED
        replies = msgspec.json.decode(output, type=AnalysisReplies)
    except subprocess.TimeoutExpired:
        error, is_exhausted = f"it took longer than {timeout:g} s", True
    except (OSError, msgspec.DecodeError):
        last = errors.decode(errors="replace").strip().splitlines()[-1:]
        error = last[0] if last else NO_ANSWER
    else:
        return AnalysisRound(request.instant, request.names, replies)
    if stopping.is_set():
        return AnalysisRound(request.instant, request.names, None, "it was stopped")
    return AnalysisRound(request.instant, request.names, None, error, is_exhausted)


def _await_output(text: bytes, timeout: float, stopping: threading.Event) -> tuple[bytes, bytes, int]:
    """Run the process; return output, errors and exit code. Raises TimeoutExpired, too if it was stopped."""
    end, rest = time.monotonic() + timeout, text or None
    with subprocess.Popen(  # noqa: S603  # our own module
        [sys.executable, "-m", _MODULE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | _ENVIRONMENT,
    ) as process:
        while True:
            try:
                wait = min(STOP_SECONDS, max(0.0, end - time.monotonic()))
                output, errors = process.communicate(rest, wait)
            except subprocess.TimeoutExpired:
                rest = None
                if stopping.is_set() or time.monotonic() >= end:
                    process.kill()
                    raise
            except BaseException:
                process.kill()
                raise
            else:
                return output, errors, process.returncode
