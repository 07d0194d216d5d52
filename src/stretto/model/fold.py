"""Fold: merge events into facts. Pure; the order and the repetition of events do not matter (see ``facts``).

A missing end is not decided here but in ``conclude_session``, which is run again whenever facts change.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from stretto.model.call_cost_and_usage_types import DOLLAR, MOST_DOLLARS
from stretto.model.calls_from_facts import LONGEST_ACTIVITY
from stretto.model.event import Event, Kind, Outcome
from stretto.model.facts import (
    DELEGATING_TOOLS,
    HEARSAY,
    HOST_PREFIX,
    RANK,
    EntityFacts,
    SessionFacts,
    get_number,
    make_permission_key,
    merge_fact,
)
from stretto.model.fold_aliases import IDENTITY_HANDLERS, fold_alias
from stretto.model.fold_phases_messages_and_scores import LEAF_HANDLERS, merge_declared_labels
from stretto.model.plausible_values import (
    Touched,
    merge_plausible_counts,
    merge_plausible_duration,
    read_plausible_count,
    read_text,
)
from stretto.names import fact_fields
from stretto.names.fact_fields import EntityKind, make_stamped_key, pack_timed_text

_CALL = EntityKind.CALL
"""Most events are about calls, and looking up a member takes four times as long as a name."""

_MILLISECOND = 1_000_000
_MAX_FIRST_TOKEN_MS = 30 * 86_400_000
"""Milliseconds: thirty days. A longer wait for a first token is implausible."""

MAX_PROCESSES = 8
"""Processes kept per report; the hook client reports five at most."""

_CONTINUATIONS = ("resume", "compact")
"""Reasons of a session's start that begin no session but go on with it."""

_OUTCOME_OF_STATUS = {
    "completed": Outcome.SUCCESS,
    "failed": Outcome.FAILURE,
    "stopped": Outcome.CANCELLED,
    "killed": Outcome.CANCELLED,
}
"""The status words in Claude Code's ``<task-notification>`` about a background task."""

NO_SIGN_OF_LIFE = frozenset({Kind.SAMPLE, Kind.API_COST, Kind.SCORE, Kind.LABEL, Kind.PROCESSES_GONE})
"""Samples are taken of any process that still exists; people score and label long after the session."""

_TASK_TEXTS = (fact_fields.DELEGATED_BY, fact_fields.DESCRIPTION, fact_fields.PHASE, fact_fields.SPAN_PARENT)
"""Attributes of a task's start or end that become fields of the same name."""

_CALL_START_TEXTS = (fact_fields.AGENT, fact_fields.DESCRIPTION)
_CALL_TEXTS = (fact_fields.WROTE, fact_fields.TEST_FRAMEWORK)
_CALL_ATTRIBUTES = frozenset((*_CALL_TEXTS, fact_fields.NEW_FILES, *fact_fields.TEST_COUNTS))
"""The attributes that both edges of a tool call can carry; nearly no call has any."""

_MODEL_CALL_COUNTS = (*fact_fields.TOKENS, fact_fields.CACHE_WRITE_1H_TOKENS, fact_fields.COMPLETE)

_RUN_COUNTS = (fact_fields.TASK_TOOL_CALLS, fact_fields.TASK_PROMPT_TOKENS, fact_fields.TASK_OUTPUT_TOKENS)
"""Counts of the run that a call waited for, in the call's answer."""


def fold_events(facts: SessionFacts, events: Sequence[Event]) -> set[tuple[str, str]]:
    """Merge events of one session into its facts and return the entities that may have changed.

    Every event is a sign of life of the session, except those of ``NO_SIGN_OF_LIFE``.
    """
    if not events:
        return set()
    session = facts.session
    touched = {(EntityKind.SESSION, "")}
    handlers, rank_of = _HANDLERS, RANK
    for event in events:
        kind = event.kind
        if kind in handlers:
            touched.update(handlers[kind](facts, event, rank_of[event.channel]))
    reports = {(event.kind, event.channel, event.source) for event in events}
    # Nearly all batches have nothing but signs of life.
    signs: Sequence[Event] = events
    if not NO_SIGN_OF_LIFE.isdisjoint([kind for kind, _, _ in reports]):
        signs = [event for event in events if event.kind not in NO_SIGN_OF_LIFE]
    if signs:
        times = [event.time for event in signs]
        merge_fact(session, fact_fields.FIRST, 0, min(times))
        merge_fact(session, fact_fields.LAST, 0, max(times))
    for kind, channel, source in reports:
        if kind is not Kind.SPAN and kind not in NO_SIGN_OF_LIFE:
            merge_fact(session, fact_fields.SOURCE, RANK[channel], source)
    for event in events if len(signs) < len(events) else ():
        if event.kind in NO_SIGN_OF_LIFE:
            # These date the session only if nothing else does.
            merge_fact(session, fact_fields.FIRST, HEARSAY, event.time)
            merge_fact(session, fact_fields.SOURCE, RANK[event.channel] + HEARSAY, event.source)
    return touched


def _find_calls_waiting_for_permission(facts: SessionFacts, event: Event) -> Touched:
    """Return the calls that were open when a permission was requested.

    The request names no call, so it touches every open call of its tool by its agent: time around their
    execution may be a person's.
    """
    permission_key = make_permission_key(event.parent, event.name)
    return tuple(
        (EntityKind.CALL, call_id)
        for call_id, call in facts.iterate_calls_for(permission_key)
        if (get_number(call, fact_fields.START) or 0)
        <= event.time
        <= (get_number(call, fact_fields.END) or event.time)
    )


def _fold_session_start(facts: SessionFacts, event: Event, rank: int) -> Touched:
    session = facts.session
    merge_fact(session, fact_fields.OPENED, rank, event.time)
    if event.attributes.get("reason") not in _CONTINUATIONS:
        merge_fact(session, fact_fields.BEGUN, rank, event.time)
    touched = _merge_context(facts, event, rank)
    pattern = read_text(event.attributes, "pattern")
    if pattern:
        merge_fact(session, fact_fields.PATTERN, rank, pattern)
    if event.attributes.get("recording"):
        merge_fact(session, fact_fields.RECORDING, rank, 1)
    return touched


def _fold_session_end(facts: SessionFacts, event: Event, rank: int) -> Touched:
    merge_fact(facts.session, fact_fields.ENDED, rank, event.time)
    # A resumed session ends again; it was closed between each end and the next event.
    merge_fact(facts.session, make_stamped_key(fact_fields.ENDED, event.time), rank, event.time)
    if event.outcome:
        merge_fact(facts.session, fact_fields.OUTCOME, rank, event.outcome)
    return ()


def _fold_turn_start(facts: SessionFacts, event: Event, rank: int) -> Touched:
    session = facts.session
    is_host = event.type == "host"
    merge_fact(session, fact_fields.OPENED, rank, event.time)
    touched = _merge_context(facts, event, rank)
    command = read_text(event.attributes, "command")
    if command:
        # The earliest command names the session's pattern.
        merge_fact(session, fact_fields.COMMAND, rank, pack_timed_text(event.time, command))
    touched += _fold_task_notice(facts, event, rank)
    if event.type == "user":
        merge_fact(session, fact_fields.PROMPTED, rank, event.time)
    turn_id = event.id or f"@{event.time}"
    turn = facts.turns.setdefault(turn_id, {})
    merge_fact(turn, fact_fields.START, rank, event.time)
    if event.type == "unknown":
        merge_fact(turn, fact_fields.ORIGIN, rank + 2 * HEARSAY, event.type)
    elif event.type:
        # Host and user prompts can carry the same turn id; the user's origin is preferred.
        origin = "host" if is_host else "user"
        merge_fact(turn, fact_fields.ORIGIN, rank + (HEARSAY if is_host else 0), origin)
    return (*touched, (EntityKind.TURN, turn_id))


def _fold_task_notice(facts: SessionFacts, event: Event, rank: int) -> Touched:
    """Merge the host's notice about a background task, which arrives as a prompt."""
    task_id = read_text(event.attributes, "task")
    if not task_id:
        return ()
    task = facts.tasks.setdefault(task_id, {})
    outcome = _OUTCOME_OF_STATUS.get(read_text(event.attributes, "task_status") or "")
    if outcome:
        # Each notice is about the run before it: an agent that runs again is reported again.
        merge_fact(task, make_stamped_key(fact_fields.NOTICE, event.time), rank, outcome)
    delegated_by = read_text(event.attributes, "delegated_by")
    if delegated_by:
        merge_fact(task, fact_fields.DELEGATED_BY, rank, delegated_by)
    duration = _read_task_duration(event)
    if duration is not None:
        merge_fact(task, make_stamped_key(fact_fields.DURATION, event.time), rank, duration)
    return ((EntityKind.TASK, task_id),)


def _read_task_duration(event: Event) -> int | None:
    """Return how long an agent's run took (ns), as the client measured it; None if it did not report that."""
    milliseconds = read_plausible_count(event, "task_duration_ms", LONGEST_ACTIVITY // _MILLISECOND)
    return None if milliseconds is None else milliseconds * _MILLISECOND


def _fold_turn_end(facts: SessionFacts, event: Event, rank: int) -> Touched:
    session = facts.session
    merge_fact(session, fact_fields.STOPPED, rank, event.time)
    running = event.attributes.get("running")
    if isinstance(running, list):
        merge_fact(session, fact_fields.RUNNING, rank, pack_timed_text(event.time, *running))
    if event.id is None:
        outcome = event.outcome or Outcome.UNKNOWN
        merge_fact(session, make_stamped_key(fact_fields.STOP, event.time), rank, outcome)
        if event.duration is not None:
            asked = event.time - event.duration
            merge_fact(session, make_stamped_key(fact_fields.ASKED, event.time), rank, asked)
        return ()
    turn = facts.turns.setdefault(event.id, {})
    # A stop hook may send the agent on, so a turn can stop more than once: the last stop ends it.
    merge_fact(turn, fact_fields.STOPPED, rank, event.time)
    if event.outcome:
        merge_fact(turn, fact_fields.OUTCOME, rank, event.outcome)
    return ((EntityKind.TURN, event.id),)


def _fold_task_start(facts: SessionFacts, event: Event, rank: int) -> Touched:
    return _fold_task_edge(facts, event, rank, fact_fields.START)


def _fold_task_end(facts: SessionFacts, event: Event, rank: int) -> Touched:
    if event.attributes.get("uncertain") is True:
        # An error that may end the agent: any other report of its end is believed first.
        rank += HEARSAY
    touched = _fold_task_edge(facts, event, rank, fact_fields.END)
    if event.id:
        merge_plausible_duration(
            facts.tasks[event.id], make_stamped_key(fact_fields.DURATION, event.time), event, rank
        )
        if event.outcome:
            merge_fact(facts.tasks[event.id], fact_fields.OUTCOME, rank, event.outcome)
        _merge_task_evidence(facts.tasks[event.id], event, rank)
    return touched


def _merge_task_evidence(task: EntityFacts, event: Event, rank: int) -> None:
    """Merge what the end of a run says of the run, such as the files it wrote; each run has its own."""
    wrote = read_text(event.attributes, "wrote")
    if wrote:
        merge_fact(task, make_stamped_key(fact_fields.WROTE, event.time), rank, wrote)
    conflict = event.attributes.get("conflict")
    if isinstance(conflict, bool):
        merge_fact(task, make_stamped_key(fact_fields.CONFLICT, event.time), rank, int(conflict))
    error = read_text(event.attributes, "error")
    if error:
        merge_fact(task, make_stamped_key(fact_fields.ERROR, event.time), rank, error)
    called = read_plausible_count(event, fact_fields.TASK_TOOL_CALLS)
    if called is not None:
        merge_fact(task, make_stamped_key(fact_fields.TASK_TOOL_CALLS, event.time), rank, called)


def _fold_task_edge(facts: SessionFacts, event: Event, rank: int, edge: str) -> Touched:
    if event.id is None:
        return ()
    task = facts.tasks.setdefault(event.id, {})
    merge_fact(task, make_stamped_key(edge, event.time), rank, event.time)
    if event.name:
        merge_fact(task, fact_fields.AGENT, rank, event.name)
    if event.type:
        merge_fact(task, fact_fields.TYPE, rank, event.type)
    if event.parent:
        merge_fact(task, fact_fields.PARENT, rank, event.parent)
    if event.attributes:
        for name in _TASK_TEXTS:
            value = read_text(event.attributes, name)
            if value:
                merge_fact(task, name, rank, value)
        outcome = _OUTCOME_OF_STATUS.get(read_text(event.attributes, "task_status") or "")
        if outcome:
            merge_fact(task, fact_fields.OUTCOME, rank, outcome)
        return ((EntityKind.TASK, event.id), *fold_alias(facts, event, rank))
    return ((EntityKind.TASK, event.id),)


def _fold_tool_start(facts: SessionFacts, event: Event, rank: int) -> Touched:
    call_id = event.id or read_text(event.attributes, "pair")
    if call_id is None:
        return ()
    call = _fold_call(facts, event, call_id, rank)
    if event.id is None:
        facts.unnamed_calls.add(call_id)
        merge_fact(call, make_stamped_key(fact_fields.START, event.time), rank, event.time)
    else:
        merge_fact(call, fact_fields.START, rank, event.time)
    if event.attributes:
        for name in _CALL_START_TEXTS:
            value = read_text(event.attributes, name)
            if value:
                merge_fact(call, name, rank, value)
    return ((_CALL, call_id),)


def _fold_tool_end(facts: SessionFacts, event: Event, rank: int) -> Touched:
    call_id = event.id or read_text(event.attributes, "pair")
    if call_id is None:
        return ()
    call = _fold_call(facts, event, call_id, rank)
    if event.id is None:
        facts.unnamed_calls.add(call_id)
        merge_fact(
            call, make_stamped_key(fact_fields.END, event.time), rank, event.outcome or Outcome.UNKNOWN
        )
    else:
        merge_fact(call, fact_fields.END, rank, event.time)
        if event.outcome:
            merge_fact(call, fact_fields.OUTCOME, rank, event.outcome)
    merge_plausible_duration(call, fact_fields.DURATION, event, rank)
    touched: Touched = ((_CALL, call_id),)
    if event.attributes:
        error = read_text(event.attributes, "error")
        if error and event.id is not None:
            merge_fact(call, fact_fields.ERROR, rank, error)
        status, task_id = read_text(event.attributes, "status"), read_text(event.attributes, "task")
        span = read_text(event.attributes, "span")
        if span:
            merge_fact(call, fact_fields.SPAN, rank, span)
        if status:
            merge_fact(call, fact_fields.STATUS, rank, status)
        if task_id:
            merge_fact(call, fact_fields.TASK, rank, task_id)
            merge_fact(facts.tasks.setdefault(task_id, {}), fact_fields.DELEGATED_BY, rank, call_id)
            touched += ((EntityKind.TASK, task_id),)
            facts.index_delegating(call_id, call)
            task_duration = _read_task_duration(event)
            if task_duration is not None:
                merge_fact(call, fact_fields.TASK_DURATION, rank, task_duration)
            merge_plausible_counts(call, event, _RUN_COUNTS, rank)
    return touched


def _fold_call(facts: SessionFacts, event: Event, call_id: str, rank: int) -> EntityFacts:
    """Merge the facts that both edges of a tool call can carry, and return the call's facts."""
    call, tool, agent_id, attributes = facts.calls.get(call_id), event.name, event.parent, event.attributes
    if call is None:
        # The first report of a call, as every other event is: there is nothing to merge with.
        call = facts.calls[call_id] = {}
        if tool:
            call[fact_fields.TOOL] = (rank, tool)
        if agent_id:
            call[fact_fields.AGENT_ID] = (rank, agent_id)
    else:
        if tool:
            merge_fact(call, fact_fields.TOOL, rank, tool)
        if agent_id:
            merge_fact(call, fact_fields.AGENT_ID, rank, agent_id)
    if tool in DELEGATING_TOOLS or call_id in facts.delegating:
        facts.index_delegating(call_id, call)
    if facts.permissions:
        facts.index_permission_key(call_id, call)
    if attributes and not _CALL_ATTRIBUTES.isdisjoint(attributes):
        _merge_work(call, event, rank)
    return call


def _merge_work(call: EntityFacts, event: Event, rank: int) -> None:
    """Merge which files a call wrote, and which tests it ran."""
    for name in _CALL_TEXTS:
        value = read_text(event.attributes, name)
        if value:
            merge_fact(call, name, rank, value)
    new_files = read_plausible_count(event, fact_fields.NEW_FILES)
    if new_files is not None:
        merge_fact(call, fact_fields.NEW_FILES, rank, new_files)
    for name in fact_fields.TEST_COUNTS:
        count = read_plausible_count(event, name)
        if count is not None:
            # Calls that share a key each have tests of their own.
            merge_fact(call, name if event.id else make_stamped_key(name, event.time), rank, count)


def _fold_batch_end(facts: SessionFacts, event: Event, rank: int) -> Touched:
    ids = event.attributes.get("ids")
    if not isinstance(ids, list):
        return ()
    for call_id in ids:
        merge_fact(facts.calls.setdefault(call_id, {}), fact_fields.BATCHED, rank, event.time)
    _merge_bad_results(facts, event, rank)
    return tuple((EntityKind.CALL, call_id) for call_id in ids)


def _merge_bad_results(facts: SessionFacts, event: Event, rank: int) -> None:
    """Merge how calls of a batch ended of which no other hook runs: each item is ``outcome id tool``.

    Example: ``denied toolu_1 Bash`` is a call that the client or a person refused. A call that ran has an end
    of its own, which is believed first: its result may be any text.
    """
    rank += HEARSAY
    results = event.attributes.get("results")
    for result in results if isinstance(results, list) else ():
        word, call_id, tool = [*result.split(" ", 2), "", ""][:3]
        outcome = Outcome.FAILURE if word == Outcome.FAILURE else Outcome.CANCELLED
        call = facts.calls.get(call_id)
        if call is None:
            continue
        merge_fact(call, fact_fields.OUTCOME, rank, outcome)
        if word == "denied":
            merge_fact(call, fact_fields.STATUS, rank, word)
        if tool:
            merge_fact(call, fact_fields.TOOL, rank, tool)
        if event.parent:
            merge_fact(call, fact_fields.AGENT_ID, rank, event.parent)


def _fold_permission_request(facts: SessionFacts, event: Event, rank: int) -> Touched:
    wait = event.duration if event.duration is None or event.duration <= LONGEST_ACTIVITY else None
    facts.add_permission_request(make_permission_key(event.parent, event.name), event.time, rank, wait=wait)
    return ((EntityKind.PERMISSION, ""), *_find_calls_waiting_for_permission(facts, event))


def _fold_model_call(facts: SessionFacts, event: Event, rank: int) -> Touched:
    if event.id is None:
        return ()
    model_call = facts.model_calls.setdefault(event.id, {})
    merge_fact(model_call, fact_fields.START, rank, event.time)
    merge_plausible_duration(model_call, fact_fields.DURATION, event, rank)
    request = read_text(event.attributes, "request")
    for name, value in (
        (fact_fields.MODEL, event.name),
        (fact_fields.AGENT_ID, event.parent),
        (fact_fields.OUTCOME, event.outcome),
        (fact_fields.REQUEST, request),
        (fact_fields.ERROR, read_text(event.attributes, "error")),
    ):
        if value:
            merge_fact(model_call, name, rank, value)
    if event.attributes.get("anonymous") is True:
        merge_fact(model_call, fact_fields.ANONYMOUS, rank, 1)
    merge_plausible_counts(model_call, event, _MODEL_CALL_COUNTS, rank)
    cost = event.attributes.get("cost_usd")
    if isinstance(cost, int | float) and 0 <= cost < MOST_DOLLARS:
        merge_fact(model_call, fact_fields.COST, rank, round(cost * DOLLAR))
    first_token = event.attributes.get("first_token_ms")
    if isinstance(first_token, int | float) and 0 <= first_token < _MAX_FIRST_TOKEN_MS:
        merge_fact(model_call, fact_fields.FIRST_TOKEN, rank, round(first_token * _MILLISECOND))
    return ((EntityKind.MODEL, event.id),)


def _merge_context(facts: SessionFacts, event: Event, rank: int) -> Touched:
    """Merge what a session or turn starts with: project, processes, trace context, circumstances, labels."""
    session = facts.session
    project = read_text(event.attributes, "project")
    if project:
        # The smallest timed text is the earliest: a session that moves keeps the project it began in.
        merge_fact(session, fact_fields.PROJECT, rank, pack_timed_text(event.time, project))
    worktree = read_text(event.attributes, "worktree")
    if worktree:
        merge_fact(session, fact_fields.WORKTREE, rank, pack_timed_text(event.time, worktree))
    repository = read_text(event.attributes, "repository")
    if repository:
        merge_fact(session, fact_fields.REPOSITORY, rank, pack_timed_text(event.time, repository))
    names = _read_process_names(event)
    if names:
        host = read_text(event.attributes, "host")
        place = [HOST_PREFIX + host] if host and " " not in host else []
        # The largest timed text is the latest: a session that continues in another process is found there.
        merge_fact(session, fact_fields.PROCESSES, rank, pack_timed_text(event.time, *names, *place))
    traceparent = read_text(event.attributes, "traceparent")
    if traceparent:
        merge_fact(session, fact_fields.TRACEPARENT, rank, pack_timed_text(event.time, traceparent))
    for name in fact_fields.COVARIATES:
        circumstance = read_text(event.attributes, name)
        if circumstance:
            merge_fact(session, name, rank, pack_timed_text(event.time, circumstance))
    labels = event.attributes.get("labels")
    return merge_declared_labels(facts, event.time, labels, rank) if isinstance(labels, list) else ()


def _read_process_names(event: Event) -> list[str]:
    processes = event.attributes.get("processes")
    names = [name for name in processes if " " not in name] if isinstance(processes, list) else []
    return names[:MAX_PROCESSES]


def _fold_processes_gone(facts: SessionFacts, event: Event, rank: int) -> Touched:
    names = _read_process_names(event)
    if names:
        merge_fact(facts.session, fact_fields.GONE, rank, pack_timed_text(event.time, *names))
    return ()


_HANDLERS: dict[Kind, Callable[[SessionFacts, Event, int], Touched]] = {
    Kind.SESSION_START: _fold_session_start,
    Kind.SESSION_END: _fold_session_end,
    Kind.TURN_START: _fold_turn_start,
    Kind.TURN_END: _fold_turn_end,
    Kind.TASK_START: _fold_task_start,
    Kind.TASK_END: _fold_task_end,
    Kind.TOOL_START: _fold_tool_start,
    Kind.TOOL_END: _fold_tool_end,
    Kind.BATCH_END: _fold_batch_end,
    Kind.PERMISSION_REQUEST: _fold_permission_request,
    Kind.MODEL_CALL: _fold_model_call,
    Kind.PROCESSES_GONE: _fold_processes_gone,
    **LEAF_HANDLERS,
    **IDENTITY_HANDLERS,
}
"""The kinds of event that change entities; the other kinds are only signs of life."""
