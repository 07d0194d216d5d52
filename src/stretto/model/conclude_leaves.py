"""Conclude the rest: facts → phases, messages, scores, hooks run, permission requests, samples, reports.

None of them closes another, so each is concluded from its own facts alone.
"""

from __future__ import annotations

from collections.abc import Iterable

from stretto.model.conclude_calls import OUTCOMES, keep_plausible_start
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
from stretto.model.facts import CACHED, SAMPLED, SessionFacts, EntityFacts, find_nearest_task, get_number, get_text
from stretto.names import NONE


def conclude_phases(facts: SessionFacts, *, closed: bool) -> tuple[Phase, ...]:
    """Return the phases by start; one without an end is over when its session is."""
    phases = []
    for phase_id, known in _all(facts, "phase"):
        end = get_number(known, "end")
        missing = Outcome.UNKNOWN if closed else Outcome.RUNNING
        phases.append(
            Phase(
                id=phase_id,
                name=get_text(known, "name") or NONE,
                start=get_number(known, "start") if end is None else keep_plausible_start(get_number(known, "start"), end),
                end=end,
                outcome=missing if end is None else OUTCOMES[get_text(known, "outcome") or "unknown"],
            )
        )
    return tuple(sorted(phases, key=lambda phase: (phase.start or phase.end or 0, phase.id)))


def conclude_messages(facts: SessionFacts) -> tuple[Message, ...]:
    """Return the messages by time."""
    messages = [
        Message(
            id=message_id,
            sender=get_text(known, "sender"),
            receiver=get_text(known, "receiver"),
            task=find_nearest_task(facts, get_text(known, "agent_id")),
            time=get_number(known, "time") or 0,
            response=get_number(known, "response"),
            outcome=OUTCOMES[get_text(known, "outcome") or "unknown"],
        )
        for message_id, known in _all(facts, "message")
    ]
    return tuple(sorted(messages, key=lambda message: (message.time, message.id)))


def conclude_scores(facts: SessionFacts) -> tuple[Score, ...]:
    """Return the newest word of each judge on each thing, by time."""
    scores = []
    for _, known in _all(facts, "score"):
        time, _, value = (get_text(known, "said") or "0 nan").partition(" ")
        of, of_id = _judged(facts, get_text(known, "of") or "session", get_text(known, "of_id") or facts.id)
        scores.append(
            Score(
                of=of,
                of_id=of_id,
                name=get_text(known, "name") or NONE,
                value=float(value),
                by=get_text(known, "by"),
                time=int(time),
            )
        )
    return tuple(sorted(scores, key=lambda score: (score.time, score.of_id, score.name, score.by or "")))


def _judged(facts: SessionFacts, of: str, of_id: str) -> tuple[str, str]:
    """Return what a judgement is about: one of a call or a turn is its task's, or else the session's."""
    if of != "task":
        return of, of_id
    if of_id in facts.delegating:
        # A task may be known by the call that started it alone.
        return of, get_text(facts.calls[of_id], "task") or of_id
    model_call = facts.model_calls.get(of_id)
    task = find_nearest_task(facts, of_id if model_call is None else get_text(model_call, "agent_id"))
    return ("session", facts.id) if task is None else ("task", task)


def conclude_hooks_run(facts: SessionFacts) -> tuple[HooksRun, ...]:
    """Return the runs of hooks whose length was told, by start.

    Whose they were is said, or told by the span they ran in: a task's own work hangs below one.
    """
    below = {
        span: agent_id for agent_id, known in facts.tasks.items() if (span := get_text(known, "span_parent"))
    }
    runs = [
        HooksRun(
            run_id,
            get_text(known, "event"),
            find_nearest_task(facts, get_text(known, "agent_id")) or below.get(get_text(known, "span") or ""),
            get_number(known, "start") or 0,
            duration,
        )
        for run_id, known in _all(facts, "hooks")
        if (duration := get_number(known, "duration")) is not None
    ]
    return tuple(sorted(runs, key=lambda run: (run.start, run.id)))


def conclude_permissions(facts: SessionFacts) -> tuple[PermissionRequest, ...]:
    """Return the requests for permission by time."""
    requests = []
    for name in facts.permissions:
        about, _, time = name.rpartition("@")
        agent_id, _, tool = about.partition("|")
        requests.append(PermissionRequest(int(time), find_nearest_task(facts, agent_id or None), tool or None))
    return tuple(sorted(requests, key=lambda request: (request.time, request.task or "", request.tool or "")))


def conclude_samples(facts: SessionFacts) -> tuple[Sample, ...]:
    """Return the samples of the session's processes by time."""
    samples = [
        Sample(int(key), get_number(known, "duration") or 0, *(get_number(known, name) for name in SAMPLED))
        for key, known in _all(facts, "sample")
    ]
    return tuple(sorted(samples, key=lambda sample: sample.start))


def conclude_processes(facts: SessionFacts) -> Processes | None:
    """Return where the session may be found on this machine, or None where no source told."""
    said = get_text(facts.session, "processes")
    if said is None:
        return None
    told, *names = said.split(" ")
    return Processes(int(told), tuple(names))


def conclude_cache_reports(facts: SessionFacts) -> tuple[CacheReport, ...]:
    """Return the reports on caches by time."""
    reports = [
        CacheReport(
            get_text(known, "name") or NONE, get_number(known, "time") or 0, *(get_number(known, name) for name in CACHED)
        )
        for _, known in _all(facts, "cache")
    ]
    return tuple(sorted(reports, key=lambda report: (report.time, report.name)))


def find_newest_entries(facts: SessionFacts) -> dict[str, tuple[int, int]]:
    """Return by cache when it was last told how many entries it holds, and how many."""
    reports = conclude_cache_reports(facts) if facts.leaves.get("cache") else ()
    return {report.name: (report.time, report.entries) for report in reports if report.entries is not None}


def _all(facts: SessionFacts, kind: str) -> Iterable[tuple[str, EntityFacts]]:
    return facts.leaves.get(kind, {}).items()
