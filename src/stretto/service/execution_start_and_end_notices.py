"""Notices that a parallel execution has started, or finished with its gain: off unless a receiver wants them.

They go to Alertmanager's receiver ``stretto-notice``. A start is seen at a sweep of the running tasks, up to
half a minute late; an end as soon as its last task is in the store.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from urllib.parse import quote

from stretto.clock import MINUTE, SECOND, Clock
from stretto.config.configuration import Config
from stretto.errors import ConfigError, ServiceError
from stretto.figures.fanouts import Fanout, SequentialTime
from stretto.figures.sequential_baseline_choice import Provenance
from stretto.findings.finding_sentences import SLOWER_TASKS
from stretto.format.quantities import format_count_with_noun, format_duration, format_speedup
from stretto.model.entities import Session
from stretto.servers.merge_receivers import NOTICE_RECEIVER, read_receivers
from stretto.servers.post_to_alertmanager import AlertmanagerTarget, PostedAlert, post_alerts
from stretto.summaries.running_tasks import RunningTask

LOG = logging.getLogger(__name__)

SEVERITY = "notice"
"""The label by which the shipped routes lead to the receiver ``stretto-notice``."""

STARTED, FINISHED = "StrettoParallelStarted", "StrettoParallelFinished"

FEWEST = 2
"""Tasks of one session that run at the same time."""

ALIVE = 5 * MINUTE
REMEMBERED = 1_000
"""Sessions whose start was noticed, and executions whose end was."""


def wants_notices(config: Config) -> bool:
    """Return whether a receiver asks for notices; an Alertmanager elsewhere decides by its own routes."""
    if not config.features.is_on("alerting"):
        return False
    if config.receivers is None:
        return config.alertmanager_url is not None
    try:
        return NOTICE_RECEIVER in read_receivers(config.receivers).kinds
    except ConfigError:
        # Where it is used, the file's fault is reported.
        return False


class ParallelNotices:
    """Posts notices from a thread of its own, so that ingest never waits for Alertmanager."""

    def __init__(
        self,
        find_target: Callable[[], AlertmanagerTarget | None],
        url: str,
        clock: Clock,
        are_tasks_slower: Callable[[], bool] = lambda: False,
    ) -> None:
        self._find_target = find_target
        self._are_tasks_slower = are_tasks_slower
        self._url = url
        self._clock = clock
        self._since = clock()
        self._running: frozenset[str] = frozenset()
        """The sessions that ran tasks side by side at the last sweep."""
        self._finished: deque[tuple[str, int]] = deque(maxlen=REMEMBERED)
        self._waiting: queue.SimpleQueue[PostedAlert | None] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._post_waiting, name="notices", daemon=True)

    def start(self) -> None:
        """Begin to post."""
        self._thread.start()

    def stop(self) -> None:
        """Post what waits, and end; an Alertmanager that does not answer is tried once only."""
        self._stopping.set()
        self._waiting.put(None)
        if self._thread.is_alive():
            self._thread.join()

    def note_running(self, tasks: Sequence[RunningTask]) -> None:
        """Note the running tasks; a session that now runs two or more of them is a start."""
        counts = Counter(task.session for task in tasks)
        parallel = {session: count for session, count in counts.items() if count >= FEWEST}
        for session in sorted(parallel.keys() - self._running):
            its = [task for task in tasks if task.session == session]
            self._waiting.put(self._make_notice(STARTED, session, describe_start(its)))
        self._running = frozenset(parallel)

    def note_finished(
        self,
        ended: Iterable[tuple[Session, Fanout]],
        find_sequential: Callable[[Session, Fanout], SequentialTime],
    ) -> None:
        """Note the parallel executions that ended, each once; those of before the start are no news."""
        for session, fanout in ended:
            key = (session.id, fanout.start)
            if fanout.end < self._since or session.recording or key in self._finished:
                continue
            self._finished.append(key)
            sequential = find_sequential(session, fanout)
            text = describe_end(session, fanout, sequential)
            if sequential.length > fanout.elapsed and self._are_tasks_slower():
                text += f" {SLOWER_TASKS}"
            self._waiting.put(self._make_notice(FINISHED, session.id, text))

    def _make_notice(self, name: str, session: str, text: str) -> PostedAlert:
        now = self._clock()
        return PostedAlert(
            labels={"alertname": name, "severity": SEVERITY, "session": session, "at": str(now)},
            annotations={
                "summary": text.partition(":")[0] + ".",
                "description": text,
                "dashboard_url": f"{self._url}/sessions/{quote(session, safe='')}",
            },
            starts_at=now,
            ends_at=now + ALIVE,
        )

    def _post_waiting(self) -> None:
        while (notice := self._waiting.get()) is not None:
            target = self._find_target()
            if target is None:
                continue
            try:
                post_alerts(target, [notice])
            except ServiceError as error:
                # A notice that is late is no news: it is not kept.
                LOG.info("a notice was not sent: %s", error.to_line())
                if self._stopping.is_set():
                    return


def describe_start(tasks: Sequence[RunningTask]) -> str:
    """Return that some tasks of a session run side by side: how many, of which pattern and types."""
    pattern = tasks[0].kind[0]
    types = ", ".join(sorted({task.kind[1] for task in tasks}))
    of = f" of {pattern}" if pattern else ""
    return f"A parallel execution{of} has started: {format_count_with_noun(len(tasks), 'task')} ({types})."


def describe_end(session: Session, fanout: Fanout, sequential: SequentialTime) -> str:
    """Return that a parallel execution has finished, with its gain and what was wasted.

    Example: "A parallel execution of release has finished: 3 tasks in 1 min 5 s, 2.5× as fast as one after
    another, 1 min 35 s saved, by their own lengths."
    """
    of = f" of {session.pattern}" if session.pattern else ""
    elapsed = fanout.elapsed / SECOND
    text = (
        f"A parallel execution{of} has finished: {format_count_with_noun(len(fanout.tasks), 'task')}"
        f" in {format_duration(elapsed)}"
    )
    wasted = len(fanout.tasks) - len(fanout.delivered)
    if wasted == len(fanout.tasks):
        return f"{text}, and none of them delivered anything."
    saved = sequential.length / SECOND - elapsed
    if elapsed:
        word = "saved" if saved >= 0 else "lost"
        against = (
            "by their own lengths"
            if sequential.provenance is Provenance.WORK
            else (f"by {sequential.provenance.value} lengths")
        )
        times = format_speedup(sequential.length / fanout.elapsed)
        text += f", {times} as fast as one after another, {format_duration(abs(saved))} {word}, {against}"
    return f"{text}; {wasted} brought nothing." if wasted else f"{text}."
