"""Conclude the rest: facts → phases, messages, scores, hooks run, permission requests, samples, reports.

None of them closes another, so each is concluded from its own facts alone.
"""

from __future__ import annotations

from collections.abc import Iterable

from stretto.model.conclude_calls import OUTCOMES, matching
from stretto.model.entities import (
    CacheReport,
    HooksRun,
    Message,
    PermissionRequest,
    Phase,
    Processes,
    Sample,
    Score,
)
from stretto.model.event import Outcome
from stretto.model.facts import CACHED, SAMPLED, Facts, Known, nearest_task, number, text
from stretto.names import NONE


def conclude_phases(facts: Facts, *, closed: bool) -> tuple[Phase, ...]:
    """Return the phases by start; one without an end is over when its session is."""
    phases = []
    for phase_id, known in _all(facts, "phase"):
        end = number(known, "end")
        missing = Outcome.UNKNOWN if closed else Outcome.RUNNING
        phases.append(
            Phase(
                id=phase_id,
                name=text(known, "name") or NONE,
                start=number(known, "start") if end is None else matching(number(known, "start"), end),
                end=end,
                outcome=missing if end is None else OUTCOMES[text(known, "outcome") or "unknown"],
            )
        )
    return tuple(sorted(phases, key=lambda phase: (phase.start or phase.end or 0, phase.id)))


def conclude_messages(facts: Facts) -> tuple[Message, ...]:
    """Return the messages by time."""
    messages = [
        Message(
            id=message_id,
            sender=text(known, "sender"),
            receiver=text(known, "receiver"),
            task=nearest_task(facts, text(known, "agent_id")),
            time=number(known, "time") or 0,
            response=number(known, "response"),
            outcome=OUTCOMES[text(known, "outcome") or "unknown"],
        )
        for message_id, known in _all(facts, "message")
    ]
    return tuple(sorted(messages, key=lambda message: (message.time, message.id)))


def conclude_scores(facts: Facts) -> tuple[Score, ...]:
    """Return the newest word of each judge on each thing, by time."""
    scores = []
    for _, known in _all(facts, "score"):
        time, _, value = (text(known, "said") or "0 nan").partition(" ")
        of, of_id = _judged(facts, text(known, "of") or "session", text(known, "of_id") or facts.id)
        scores.append(
            Score(
                of=of,
                of_id=of_id,
                name=text(known, "name") or NONE,
                value=float(value),
                by=text(known, "by"),
                time=int(time),
            )
        )
    return tuple(sorted(scores, key=lambda score: (score.time, score.of_id, score.name, score.by or "")))


def _judged(facts: Facts, of: str, of_id: str) -> tuple[str, str]:
    """Return what a judgement is about: one of a call or a turn is its task's, or else the session's."""
    if of != "task":
        return of, of_id
    if of_id in facts.delegating:
        # A task may be known by the call that started it alone.
        return of, text(facts.calls[of_id], "task") or of_id
    model_call = facts.model_calls.get(of_id)
    task = nearest_task(facts, of_id if model_call is None else text(model_call, "agent_id"))
    return ("session", facts.id) if task is None else ("task", task)


def conclude_hooks_run(facts: Facts) -> tuple[HooksRun, ...]:
    """Return the runs of hooks whose length was told, by start.

    Whose they were is said, or told by the span they ran in: a task's own work hangs below one.
    """
    below = {
        span: agent_id for agent_id, known in facts.tasks.items() if (span := text(known, "span_parent"))
    }
    runs = [
        HooksRun(
            run_id,
            text(known, "event"),
            nearest_task(facts, text(known, "agent_id")) or below.get(text(known, "span") or ""),
            number(known, "start") or 0,
            duration,
        )
        for run_id, known in _all(facts, "hooks")
        if (duration := number(known, "duration")) is not None
    ]
    return tuple(sorted(runs, key=lambda run: (run.start, run.id)))


def conclude_permissions(facts: Facts) -> tuple[PermissionRequest, ...]:
    """Return the requests for permission by time."""
    requests = []
    for name in facts.permissions:
        about, _, time = name.rpartition("@")
        agent_id, _, tool = about.partition("|")
        requests.append(PermissionRequest(int(time), nearest_task(facts, agent_id or None), tool or None))
    return tuple(sorted(requests, key=lambda request: (request.time, request.task or "", request.tool or "")))


def conclude_samples(facts: Facts) -> tuple[Sample, ...]:
    """Return the samples of the session's processes by time."""
    samples = [
        Sample(int(key), number(known, "duration") or 0, *(number(known, name) for name in SAMPLED))
        for key, known in _all(facts, "sample")
    ]
    return tuple(sorted(samples, key=lambda sample: sample.start))


def conclude_processes(facts: Facts) -> Processes | None:
    """Return where the session may be found on this machine, or None where no source told."""
    said = text(facts.session, "processes")
    if said is None:
        return None
    told, *names = said.split(" ")
    return Processes(int(told), tuple(names))


def conclude_cache_reports(facts: Facts) -> tuple[CacheReport, ...]:
    """Return the reports on caches by time."""
    reports = [
        CacheReport(
            text(known, "name") or NONE, number(known, "time") or 0, *(number(known, name) for name in CACHED)
        )
        for _, known in _all(facts, "cache")
    ]
    return tuple(sorted(reports, key=lambda report: (report.time, report.name)))


def newest_entries(facts: Facts) -> dict[str, tuple[int, int]]:
    """Return by cache when it was last told how many entries it holds, and how many."""
    reports = conclude_cache_reports(facts) if facts.others.get("cache") else ()
    return {report.name: (report.time, report.entries) for report in reports if report.entries is not None}


def _all(facts: Facts, kind: str) -> Iterable[tuple[str, Known]]:
    return facts.others.get(kind, {}).items()
