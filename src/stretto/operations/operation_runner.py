"""Run operations: check the options, find the workflow, answer, and say what else answers if this fails."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import msgspec

from stretto.clock import DAY, to_rfc3339
from stretto.errors import StrettoError
from stretto.operations.analysis_reader import AnswerReader
from stretto.operations.envelope import (
    OVERHEAD_WINDOW,
    AnswerCost,
    build_error,
    build_shortfalls,
    build_success,
)
from stretto.operations.figure_lookup import FigureTable
from stretto.operations.find_named_workflow import ALL_WORKFLOWS, ChosenWorkflow, choose_workflow
from stretto.operations.older_session_explainer import OlderSessionExplainer
from stretto.operations.operation import Operation
from stretto.operations.operation_context import OperationCall, Shortfall, to_time
from stretto.operations.operation_errors import ErrorCode, OperationError
from stretto.operations.operation_sources import OperationSources
from stretto.operations.operation_table import OPERATIONS
from stretto.store.run_queries import read_newest_run_time

MOST_LAST_ANSWERS = 64
"""Answers that are kept for the time when the store cannot be read."""

OLD = DAY
"""Age (ns) of the newest session from which an error points to it."""

MOST_FALLBACKS = 2
"""Fallbacks that an error names."""

Attempt = tuple[Operation, str | None, Mapping[str, Any]]
"""An operation with a workflow and options."""


@dataclass(slots=True)
class OperationRunner:
    """Answers operations for every surface. Several threads may call it at once."""

    sources: OperationSources
    stopwatch: Callable[[], float] = time.perf_counter
    answers: AnswerReader = field(init=False)
    older_sessions: OlderSessionExplainer = field(init=False)
    _last: OrderedDict[str, tuple[int, dict[str, Any]]] = field(default_factory=OrderedDict)
    """What was asked → when (ns) it was last answered, and the answer."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.answers = AnswerReader(self.sources)
        self.older_sessions = OlderSessionExplainer(self.answers)

    def run_operation(
        self, name: str, workflow: str | None = None, options: object = None, at: int | None = None
    ) -> dict[str, Any]:
        """Return the envelope of an operation, which is never an exception. Raises KeyError for its name.

        An empty ``workflow`` is none. ``options`` are a JSON object; ``at`` is an instant (ns) in the past.
        """
        operation, workflow = OPERATIONS[name], workflow or None
        given: object = {} if options is None else options
        try:
            return self._answer(operation, workflow, given, at)
        except OperationError as error:
            if error.code is ErrorCode.INSUFFICIENT_PERFORMANCE_DATA:
                self._add_newest(error)
            fallbacks = [*self._list_fallbacks(operation, workflow, given, at, error)]
            return build_error(name, workflow, error, fallbacks)

    def _answer(
        self, operation: Operation, workflow: str | None, given: object, at: int | None
    ) -> dict[str, Any]:
        """Return the envelope of an answer; the last one, marked, if the store cannot be read."""
        started = self.stopwatch()
        values = operation.read_options(given)
        if at is not None and at > self.sources.clock():
            problems = {"at": "lies in the future"}
            raise OperationError(
                ErrorCode.INVALID_OPTIONS, "'at' lies in the future", {"problems": problems, "known": []}
            )
        key = json.dumps([operation.name, workflow, given, at], sort_keys=True)
        try:
            chosen = _find_workflow(self.sources, workflow, at)
            call = OperationCall(self.sources, self.answers, values, chosen, at)
            answer = operation.answer(call)
            if call.at is not None:
                answer.analysis = {"as_of": to_time(call.at), **answer.analysis}
        except (StrettoError, sqlite3.Error, msgspec.DecodeError, OSError) as error:
            reason = error.to_line() if isinstance(error, StrettoError) else str(error)
            return self._repeat_last(key, reason)
        overhead, reason = self._measure_overhead(call)
        cost = AnswerCost(self.stopwatch() - started, overhead, reason)
        envelope = build_success(operation, call, answer, cost, self.sources.clock())
        with self._lock:
            self._last[key] = self.sources.clock(), envelope
            self._last.move_to_end(key)
            while len(self._last) > MOST_LAST_ANSWERS:
                self._last.popitem(last=False)
        return envelope

    def _repeat_last(self, key: str, reason: str) -> dict[str, Any]:
        """Return the last good answer with its age. Raises OperationError (STORE_UNAVAILABLE) without one."""
        with self._lock:
            last = self._last.get(key)
        if last is None:
            raise OperationError(
                ErrorCode.STORE_UNAVAILABLE, f"the store cannot be read: {reason}", {"reason": reason}
            )
        at, envelope = last
        old = build_shortfalls(
            [Shortfall("answer", f"the store cannot be read: {reason}", at)], self.sources.clock()
        )
        return {**envelope, "degraded": [*old, *envelope["degraded"]]}

    def _add_newest(self, error: OperationError) -> None:
        """Add when the newest session ended: an answer as of then may be what is wanted."""
        with suppress(StrettoError, sqlite3.Error), self.sources.connect() as connection:
            newest = read_newest_run_time(connection)
            error.details["newest_session_ended"] = to_time(newest)
            if newest is not None and self.sources.clock() - newest > OLD:
                error.message += f"; the newest session ended on {to_rfc3339(newest)[:10]}: ask as of then"

    def _list_fallbacks(
        self, operation: Operation, workflow: str | None, given: object, at: int | None, error: OperationError
    ) -> Iterator[dict[str, Any]]:
        """Yield what else answers on this store: each is tried before it is named."""
        named: set[str] = set()
        for other, its_workflow, options in _list_attempts(operation, workflow, given, error):
            if other.name in named:
                continue
            try:
                self._answer(other, its_workflow, options, at)
            except OperationError:
                continue
            yield {
                "operation": other.name,
                "workflow_id": its_workflow,
                "options": dict(options),
                "reason": f"it answers now: {other.help}",
            }
            named.add(other.name)
            if len(named) == MOST_FALLBACKS:
                return

    def _measure_overhead(self, call: OperationCall) -> tuple[float | None, str]:
        """Return what watching cost of the agents' own time, or why it is not known.

        It counts hooks, those of others too, the Python API and the service.
        """
        taken = call.__dict__.get("snapshot")
        if taken is None and call.at is None:
            taken = self.sources.snapshot(None)
        if taken is None:
            return None, "there are no figures of that instant at hand"
        overhead = FigureTable(taken.figures).list_figures("stretto_overhead_ratio", window=OVERHEAD_WINDOW)
        return overhead[0].value, overhead[0].reason or ""


def _find_workflow(sources: OperationSources, workflow: str | None, at: int | None) -> ChosenWorkflow:
    """Return the workflow of a name; without a name the store is not read."""
    if workflow is None:
        return ALL_WORKFLOWS
    with sources.connect() as connection:
        return choose_workflow(connection, workflow, at)


def _list_attempts(
    operation: Operation, workflow: str | None, given: object, error: OperationError
) -> Sequence[Attempt]:
    """Return what to try instead, the nearest first."""
    options = given if isinstance(given, Mapping) else {}
    attempts: list[Attempt] = []
    if error.code is ErrorCode.INVALID_OPTIONS:
        attempts.append((operation, workflow, {}))
    if error.code is ErrorCode.UNKNOWN_WORKFLOW:
        attempts.append((operation, None, options))
    others = [OPERATIONS[name] for name in operation.fallbacks if name != operation.name]
    if workflow is not None and error.code is not ErrorCode.UNKNOWN_WORKFLOW:
        attempts += [(other, workflow, {}) for other in others[:1]]
    return [*attempts, *((other, None, {}) for other in others)]
