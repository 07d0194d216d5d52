"""Conclude leaves: turn facts into phases, messages, scores, hook runs, permission requests and samples.

None of these entities closes another, so each is concluded from its own facts alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from stretto.model.calls_from_facts import OUTCOMES, keep_plausible_start
from stretto.model.entities import (
    MOST_LABELS,
    PATTERN_LABEL,
    CacheCountsSinceReport,
    HooksRun,
    HostProcesses,
    Message,
    PermissionRequest,
    Phase,
    Sample,
    Score,
)
from stretto.model.event import Outcome
from stretto.model.facts import (
    HOST_PREFIX,
    EntityFacts,
    SessionFacts,
    find_enclosing_task,
    get_number,
    get_text,
)
from stretto.names import NONE, fact_fields
from stretto.names.fact_fields import EntityKind, parse_stamped_key, unpack_timed_text


def conclude_phases(facts: SessionFacts, *, closed: bool) -> tuple[Phase, ...]:
    """Return the phases by start; a phase without an end is over when its session is."""
    phases = []
    for phase_id, phase_facts in _list_leaves(facts, EntityKind.PHASE):
        start, end = get_number(phase_facts, fact_fields.START), get_number(phase_facts, fact_fields.END)
        outcome = Outcome.UNKNOWN if closed else Outcome.RUNNING
        if end is not None:
            outcome = _get_outcome(phase_facts)
        phases.append(
            Phase(
                id=phase_id,
                name=get_text(phase_facts, fact_fields.NAME) or NONE,
                start=keep_plausible_start(start, end),
                end=end,
                outcome=outcome,
            )
        )
    return tuple(sorted(phases, key=lambda phase: (phase.start or phase.end or 0, phase.id)))


def conclude_labels(facts: SessionFacts) -> tuple[tuple[str, str], ...]:
    """Return the labels by key: as a person decided, else as the session's program declared.

    Example: declared ``arm=A``, decided ``arm=B`` give ``arm=B``; decided ``arm=`` gives none.
    """
    labels = []
    for key, label_facts in _list_leaves(facts, EntityKind.LABEL):
        packed = get_text(label_facts, fact_fields.DECIDED) or get_text(label_facts, fact_fields.DECLARED)
        value = unpack_timed_text(packed)[1] if packed else ""
        if value:
            labels.append((key, value))
    labels.sort()
    others = [key for key, _ in labels if key != PATTERN_LABEL][:MOST_LABELS]
    return tuple((key, value) for key, value in labels if key in {PATTERN_LABEL, *others})


def conclude_messages(facts: SessionFacts) -> tuple[Message, ...]:
    """Return the messages by time."""
    messages = [
        Message(
            id=message_id,
            sender=get_text(message_facts, fact_fields.SENDER),
            receiver=get_text(message_facts, fact_fields.RECEIVER),
            task=_find_task(facts, message_facts),
            time=get_number(message_facts, fact_fields.TIME) or 0,
            response=get_number(message_facts, fact_fields.RESPONSE),
            outcome=_get_outcome(message_facts),
            type=get_text(message_facts, fact_fields.TYPE),
            share=_get_share(message_facts),
            description=get_text(message_facts, fact_fields.DESCRIPTION),
            phase=get_text(message_facts, fact_fields.PHASE),
        )
        for message_id, message_facts in _list_leaves(facts, EntityKind.MESSAGE)
    ]
    return tuple(sorted(messages, key=lambda message: (message.time, message.id)))


def _get_share(message_facts: EntityFacts) -> float | None:
    millionths = get_number(message_facts, fact_fields.SHARE)
    return None if millionths is None else millionths / 1_000_000


def conclude_scores(facts: SessionFacts) -> tuple[Score, ...]:
    """Return the latest judgement of each judge on each entity and criterion, by time."""
    scores = []
    for _, score_facts in _list_leaves(facts, EntityKind.SCORE):
        time, text = unpack_timed_text(get_text(score_facts, fact_fields.SAID) or "0 nan")
        value, _, out_of = text.partition(" ")
        of, of_id = _find_judged_entity(
            facts,
            get_text(score_facts, fact_fields.OF) or EntityKind.SESSION,
            get_text(score_facts, fact_fields.OF_ID) or facts.id,
        )
        scores.append(
            Score(
                of=of,
                of_id=of_id,
                name=get_text(score_facts, fact_fields.NAME) or NONE,
                value=float(value),
                by=get_text(score_facts, fact_fields.BY),
                time=time,
                out_of=float(out_of) if out_of else None,
            )
        )
    return tuple(sorted(scores, key=lambda score: (score.time, score.of_id, score.name, score.by or "")))


def _find_judged_entity(facts: SessionFacts, of: str, of_id: str) -> tuple[str, str]:
    """Return the kind and id of a judged entity: a call or turn stands for its task, else for the session."""
    if of == EntityKind.SESSION:
        return of, facts.id
    if of != EntityKind.TASK:
        return of, of_id
    place = facts.places.get(of_id, of_id)
    if place is None:
        return EntityKind.SESSION, facts.id
    of_id = place
    if of_id in facts.delegating:
        # Perhaps only the call that started the task is known.
        return of, get_text(facts.calls[of_id], fact_fields.TASK) or of_id
    model_call = facts.model_calls.get(of_id)
    agent_id = of_id if model_call is None else get_text(model_call, fact_fields.AGENT_ID)
    task = find_enclosing_task(facts, agent_id)
    return (EntityKind.SESSION, facts.id) if task is None else (EntityKind.TASK, task)


def conclude_hooks_run(facts: SessionFacts) -> tuple[HooksRun, ...]:
    """Return the hook runs whose duration is known, by start.

    Their task is the reporting agent's, else the task below whose span they ran.
    """
    task_of_span = {
        span: agent_id
        for agent_id, task_facts in facts.tasks.items()
        if (span := get_text(task_facts, fact_fields.SPAN_PARENT))
    }
    runs = [
        HooksRun(
            run_id,
            get_text(run_facts, fact_fields.EVENT),
            _find_task(facts, run_facts) or task_of_span.get(get_text(run_facts, fact_fields.SPAN) or ""),
            get_number(run_facts, fact_fields.START) or 0,
            duration,
            get_text(run_facts, fact_fields.COMMAND),
        )
        for run_id, run_facts in _list_leaves(facts, EntityKind.HOOKS)
        if (duration := get_number(run_facts, fact_fields.DURATION)) is not None
    ]
    return tuple(sorted(runs, key=lambda run: (run.start, run.id)))


def conclude_permissions(facts: SessionFacts) -> tuple[PermissionRequest, ...]:
    """Return the permission requests by time."""
    requests = []
    for name in facts.permissions:
        permission_key, time = parse_stamped_key(name)
        agent_id, _, tool = permission_key.partition("|")
        requests.append(PermissionRequest(time, find_enclosing_task(facts, agent_id or None), tool or None))
    return tuple(sorted(requests, key=lambda request: (request.time, request.task or "", request.tool or "")))


def conclude_samples(facts: SessionFacts) -> tuple[Sample, ...]:
    """Return the samples of the session's processes by time."""
    samples = [
        Sample(
            int(key),
            get_number(sample_facts, fact_fields.DURATION) or 0,
            *(get_number(sample_facts, name) for name in fact_fields.SAMPLE_AMOUNTS),
        )
        for key, sample_facts in _list_leaves(facts, EntityKind.SAMPLE)
    ]
    return tuple(sorted(samples, key=lambda sample: sample.start))


def sum_up_recording_time(facts: SessionFacts) -> int | None:
    """Return the nanoseconds that recording took the session's programs; None if none reported any."""
    costs = [
        cost
        for _, cost_facts in _list_leaves(facts, EntityKind.API_COST)
        if (cost := get_number(cost_facts, fact_fields.DURATION)) is not None
    ]
    return sum(costs) if costs else None


def conclude_host_processes(facts: SessionFacts) -> HostProcesses | None:
    """Return the processes in which the session runs on this machine, or None if no source reported any."""
    packed = get_text(facts.session, fact_fields.PROCESSES)
    if packed is None:
        return None
    time, text = unpack_timed_text(packed)
    words = text.split(" ")
    hosts = [word for word in words if word.startswith(HOST_PREFIX)]
    names = tuple(word for word in words if word not in hosts)
    return HostProcesses(time, names, hosts[0].removeprefix(HOST_PREFIX) if hosts else None)


def is_silent_since_processes_ended(facts: SessionFacts) -> bool:
    """Return whether the processes in which the session last ran were seen gone and nothing came later.

    Example: processes reported at 0, the last event at 40 s, gone at 55 s: yes. With an event at 60 s: no.
    """
    packed, processes = get_text(facts.session, fact_fields.GONE), conclude_host_processes(facts)
    if packed is None or processes is None:
        return False
    time, names = unpack_timed_text(packed)
    return tuple(names.split(" ")) == processes.names and time >= (
        get_number(facts.session, fact_fields.LAST) or 0
    )


def conclude_cache_reports(facts: SessionFacts) -> tuple[CacheCountsSinceReport, ...]:
    """Return the cache reports by time."""
    reports = [
        CacheCountsSinceReport(
            get_text(report_facts, fact_fields.NAME) or NONE,
            get_number(report_facts, fact_fields.TIME) or 0,
            *(
                get_number(report_facts, name)
                for name in (*fact_fields.CACHE_COUNTS, *fact_fields.CACHE_AMOUNTS)
            ),
        )
        for _, report_facts in _list_leaves(facts, EntityKind.CACHE)
    ]
    return tuple(sorted(reports, key=lambda report: (report.time, report.name)))


class CacheSize(NamedTuple):
    """The size of a cache at an instant (ns)."""

    time: int
    entries: int
    bytes: int | None


def find_newest_cache_sizes(facts: SessionFacts) -> dict[str, CacheSize]:
    """Return the latest known size of each cache by its name."""
    reports = conclude_cache_reports(facts) if facts.leaves.get(EntityKind.CACHE) else ()
    return {
        report.name: CacheSize(report.time, report.entries, report.bytes)
        for report in reports
        if report.entries is not None
    }


def _list_leaves(facts: SessionFacts, kind: str) -> Iterable[tuple[str, EntityFacts]]:
    return facts.leaves.get(kind, {}).items()


def _find_task(facts: SessionFacts, entity_facts: EntityFacts) -> str | None:
    return find_enclosing_task(facts, get_text(entity_facts, fact_fields.AGENT_ID))


def _get_outcome(entity_facts: EntityFacts) -> Outcome:
    return OUTCOMES[get_text(entity_facts, fact_fields.OUTCOME) or Outcome.UNKNOWN]
