"""Run analyses over a store, as a process of its own: ``python -m stretto.findings.analysis_run``.

The request is JSON on the standard input, the answers are JSON on the standard output. The process is nice,
and bounded in processor time and memory, so that a store of any size costs the machine only so much. An
analysis that fails leaves the answers of the others whole.
"""

from __future__ import annotations

import os
import resource
import sqlite3
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from stretto.analysis.installed_extras import require_extra
from stretto.clock import DAY, SECOND
from stretto.errors import StrettoError
from stretto.figures.cache_figures_and_faults import CACHE_USE_MEASURES, CacheUse, collect_cache_uses
from stretto.figures.quantile_sketch import get_bucket_value
from stretto.figures.scores.sums_by_pattern_type_or_agent import PARALLEL
from stretto.figures.sums_by_dimension import collect_quantile_sketches, sum_by
from stretto.findings.analysis_input_and_answer import AnalysisAnswer, AnalysisInput, DayLengths, DayTurns
from stretto.findings.analysis_table import ANALYSES, HISTORY_DAYS, TRENDS
from stretto.findings.efficiency_score_by_day import ScoreSettings, read_efficiency_by_day
from stretto.findings.issued_forecasts import OUTLOOKS, READ_NS, IssuedForecast, parse_issued_forecast
from stretto.findings.useless_or_small_cache_findings import CACHE_DAYS
from stretto.model.decisions import Decision, DecisionKind
from stretto.model.findings import Finding, FindingVerdict
from stretto.names import NONE
from stretto.names.measures import CALL_TIME, HOOK_EVENT_TIME, TURNS, Dimension
from stretto.store.database import open_reader
from stretto.store.decision_rows import read_decisions
from stretto.store.finding_history_and_last_answers import (
    AnalysisResult,
    read_finding_as_of,
    read_finding_history,
    read_issued_forecasts,
)
from stretto.store.owner_day_rows import read_owner_days
from stretto.store.run_queries import read_session_runs, read_task_runs_begun_between
from stretto.store.sum_queries import list_slot_numbers, read_sums_by_slot
from stretto.store.sums_by_time_slot import SLOTS
from stretto.store.team_experiment_rows import read_team_experiments

CPU_SECONDS = 120
"""Processor time of one run of the process."""

MEMORY_BYTES = 6 << 30
"""Address space; libraries map far more than they use."""

NICE = 10


class AnalysisRequest(msgspec.Struct, frozen=True):
    """What the service asks for."""

    database: str
    instant: int
    names: tuple[str, ...]
    zone: str = "UTC"
    machine_memory: float | None = None
    growth: float = 0.0
    """Share by which work is to grow, such as .25."""
    scoring: ScoreSettings = msgspec.field(default_factory=ScoreSettings)
    days: int = HISTORY_DAYS
    """Days of runs to read before the instant."""


class AnalysisReply(msgspec.Struct, frozen=True):
    """The answer of one analysis, or why it failed."""

    name: str
    seconds: float = 0.0
    findings: tuple[Finding, ...] = ()
    unlisted: Mapping[FindingVerdict, int] = {}
    """Checks that are no finding, by verdict."""
    extra: Mapping[str, Any] = {}
    error: str | None = None
    is_exhausted: bool = False
    """Whether it ran out of memory, so that less may succeed."""
    shortened: str = ""
    """Of how many days it is and why, if it is of fewer than asked for."""

    def to_result(self, instant: int) -> AnalysisResult:
        """Return the reply as what is known of the analysis as of ``instant`` (ns)."""
        if self.error is not None:
            return AnalysisResult(self.name, failed_at=instant, error=self.error)
        return AnalysisResult(
            self.name,
            instant,
            self.seconds,
            self.findings,
            self.extra,
            unlisted=self.unlisted,
            shortened=self.shortened,
        )


class AnalysisReplies(msgspec.Struct, frozen=True):
    """All that the process prints."""

    replies: tuple[AnalysisReply, ...]
    cpu_seconds: float
    """Processor time of the process, its start included."""


def answer_request(
    request: AnalysisRequest, measure: Callable[[], float] = time.process_time
) -> list[AnalysisReply]:
    """Return the reply of each analysis that is asked for. Raises StoreError if the store cannot be read."""
    with closing(open_reader(Path(request.database))) as connection:
        given = replace(
            read_analysis_input(
                connection,
                request.instant,
                request.zone,
                machine_memory=request.machine_memory,
                days=request.days,
            ),
            growth=request.growth,
            issued=read_given_forecasts(connection, request.instant) if OUTLOOKS in request.names else (),
            # The scores of thirty days take longer than all else that is read, and only trends need them.
            efficiency=read_efficiency_by_day(connection, request.instant, request.scoring)
            if TRENDS in request.names
            else {},
        )
    replies = []
    for analysis in ANALYSES:
        if analysis.name not in request.names:
            continue
        started = measure()
        try:
            require_extra(analysis.extra)
            answer = analysis.run(given)
        except StrettoError as error:
            replies.append(AnalysisReply(analysis.name, error=f"{error.to_line()}; {error.hint}"))
        except Exception as error:  # noqa: BLE001  # one analysis must not take the answers of the others along
            text = f"{type(error).__name__}: {error}"
            is_exhausted = isinstance(error, MemoryError)
            replies.append(AnalysisReply(analysis.name, error=text, is_exhausted=is_exhausted))
        else:
            replies.append(_make_reply(analysis.name, answer, measure() - started))
    return replies


def read_analysis_input(
    connection: sqlite3.Connection,
    instant: int,
    zone: str,
    *,
    machine_memory: float | None = None,
    days: int = HISTORY_DAYS,
) -> AnalysisInput:
    """Read what all analyses need of the days before an instant (ns), as it was known then."""
    start, end = instant - days * DAY, instant + 1
    tools, hooks = read_daily_tool_and_hook_lengths(connection, instant, days)
    decisions = read_decisions(connection, at=instant)
    return AnalysisInput(
        instant=instant,
        tasks=read_task_runs_begun_between(connection, start, end, at=instant),
        sessions=read_session_runs(connection, start, end, at=instant),
        decisions=decisions,
        zone=zone,
        machine_memory=machine_memory,
        history={stored.id: stored.finding for stored in read_finding_history(connection, at=instant)},
        promises=read_promises(connection, decisions),
        cores=os.cpu_count(),
        tool_lengths=tools,
        hook_lengths=hooks,
        turns=read_day_turns(connection, instant, days),
        cache_uses=read_cache_uses(connection, instant),
        owner_days=read_owner_days(connection, range(start // DAY, (instant + 1) // DAY)),
        team_experiments=read_team_experiments(connection),
    )


def read_given_forecasts(connection: sqlite3.Connection, instant: int) -> list[IssuedForecast]:
    """Return the forecasts that were kept until an instant (ns) and are about days that are judged."""
    return [
        forecast
        for change in read_issued_forecasts(connection, instant - READ_NS, at=instant)
        if (forecast := parse_issued_forecast(change.finding)) is not None
    ]


def read_promises(connection: sqlite3.Connection, decisions: Iterable[Decision]) -> dict[str, Finding]:
    """Return the advice that was applied as it was then, by the id of the decision.

    Where none was recorded by then, such as on a clock that was set back, it is the earliest record.
    What it promises later has learned from what came of it, and would be no promise.
    """
    return {
        decision.id: advice
        for decision in decisions
        if decision.kind is DecisionKind.APPLIED
        and decision.subject is not None
        and (advice := read_finding_as_of(connection, decision.subject, decision.time)) is not None
    }


def read_daily_tool_and_hook_lengths(
    connection: sqlite3.Connection, instant: int, days: int = HISTORY_DAYS
) -> tuple[dict[str, list[DayLengths]], dict[str, list[DayLengths]]]:
    """Return the lengths of tool calls by tool and of hooks by event, of each whole day before an instant.

    They come from sums, whose days are those of UTC; a day stands at its noon.
    """
    tools: dict[str, list[DayLengths]] = defaultdict(list)
    hooks: dict[str, list[DayLengths]] = defaultdict(list)
    slots = range(instant // DAY - days, instant // DAY)
    by_day = read_sums_by_slot(connection, DAY // SECOND, slots, (CALL_TIME, HOOK_EVENT_TIME))
    for day, sums in sorted(by_day.items()):
        noon = day * DAY + DAY // 2
        for tool, sketch in collect_quantile_sketches(sums, CALL_TIME, Dimension.TOOL).items():
            tools[tool].append((noon, _list_lengths(sketch)))
        for event, sketch in collect_quantile_sketches(sums, HOOK_EVENT_TIME, Dimension.EVENT).items():
            hooks[event].append((noon, _list_lengths(sketch)))
    return tools, hooks


def read_day_turns(
    connection: sqlite3.Connection, instant: int, days: int = HISTORY_DAYS
) -> dict[str | None, list[DayTurns]]:
    """Return the turns of each named pattern, and under None of all, by whole day of UTC."""
    turns: dict[str | None, list[DayTurns]] = defaultdict(list)
    slots = range(instant // DAY - days, instant // DAY)
    for day, sums in sorted(read_sums_by_slot(connection, DAY // SECOND, slots, (TURNS,)).items()):
        noon = day * DAY + DAY // 2
        eligible = sum_by(sums, TURNS, Dimension.PATTERN)
        parallel = sum_by(sums, TURNS, Dimension.PATTERN, place=PARALLEL)
        turns[None].append((noon, sum(parallel.values()), sum(eligible.values())))
        for pattern in sorted(eligible.keys() - {NONE}):
            turns[pattern].append((noon, parallel.get(pattern, 0), eligible[pattern]))
    return turns


def read_cache_uses(connection: sqlite3.Connection, instant: int) -> dict[str, CacheUse]:
    """Return what happened in each cache in the last CACHE_DAYS before an instant, by the hour."""
    (_, hour, _) = SLOTS
    slots = list_slot_numbers(instant, CACHE_DAYS * DAY // SECOND, hour)
    by_slot = read_sums_by_slot(connection, hour, slots, CACHE_USE_MEASURES, together=len(slots))
    return collect_cache_uses(next(iter(by_slot.values()), {}))


def _list_lengths(sketch: Mapping[int, int]) -> dict[int, int]:
    """Return how many lengths (ns) a sketch has, each as the typical one of its bucket."""
    return {round(get_bucket_value(bucket)): count for bucket, count in sketch.items()}


def bound_this_process(cpu_seconds: int = CPU_SECONDS, memory_bytes: int = MEMORY_BYTES) -> None:
    """Make this process nice, and bound its processor time (s) and address space (bytes).

    A bound that the system refuses is left out; the others hold all the same.
    """
    with suppress(OSError):
        os.nice(NICE)
    for bound, value in ((resource.RLIMIT_CPU, cpu_seconds), (resource.RLIMIT_AS, memory_bytes)):
        with suppress(OSError, ValueError):
            resource.setrlimit(bound, (value, value))


def run_as_process() -> None:
    """Answer the request of the standard input on the standard output."""
    bound_this_process()
    request = msgspec.json.decode(sys.stdin.buffer.read(), type=AnalysisRequest)
    try:
        replies = answer_request(request)
    except (StrettoError, sqlite3.Error, MemoryError) as error:
        text = error.to_line() if isinstance(error, StrettoError) else f"{type(error).__name__}: {error}"
        is_exhausted = isinstance(error, MemoryError)
        replies = [AnalysisReply(name, error=text, is_exhausted=is_exhausted) for name in request.names]
    answer = AnalysisReplies(tuple(replies), time.process_time())
    sys.stdout.buffer.write(msgspec.json.encode(answer))


def _make_reply(name: str, answer: AnalysisAnswer, seconds: float) -> AnalysisReply:
    return AnalysisReply(name, seconds, tuple(answer.findings), answer.unlisted, answer.extra)


if __name__ == "__main__":
    run_as_process()
