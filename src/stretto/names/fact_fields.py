"""Fact fields: the table of every field under which facts are stored, and the functions that make their keys.

A field belongs to an entity kind and has one merge rule. A stamped field is stored once per instant, under
the key ``field@nanoseconds`` (``start@1763000000000000000``). A timed text carries its instant in its value,
zero-padded so that the order of texts is the order of times. Stores on disk use these spellings: change one
only together with a migration.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final, TypeVar

T = TypeVar("T")


class EntityKind:
    """The kinds of entity that facts are kept for, as the store spells them."""

    SESSION: Final = "session"
    PERMISSION: Final = "permission"
    TURN: Final = "turn"
    TASK: Final = "task"
    CALL: Final = "call"
    MODEL: Final = "model"
    PHASE: Final = "phase"
    MESSAGE: Final = "message"
    SCORE: Final = "score"
    HOOKS: Final = "hooks"
    SAMPLE: Final = "sample"
    LABEL: Final = "label"
    CACHE: Final = "cache"
    API_COST: Final = "api_cost"
    SPAN: Final = "span"
    ALIAS: Final = "alias"


AGENT: Final = "agent"
AGENT_ID: Final = "agent_id"
ANONYMOUS: Final = "anonymous"
ASKED: Final = "asked"
BEGUN: Final = "begun"
BATCHED: Final = "batched"
BRANCH: Final = "branch"
BY: Final = "by"
CACHE_READ_TOKENS: Final = "cache_read_tokens"
CACHE_WRITE_TOKENS: Final = "cache_write_tokens"
CACHE_WRITE_1H_TOKENS: Final = "cache_write_1h_tokens"
CALL: Final = "call"
CANONICAL: Final = "canonical"
CLIENT_VERSION: Final = "client_version"
COMMAND: Final = "command"
COMPLETE: Final = "complete"
COPIED: Final = "copied"
CONFLICT: Final = "conflict"
COST: Final = "cost"
CPU: Final = "cpu"
CPU_PEAK: Final = "cpu_peak"
DECIDED: Final = "decided"
DECLARED: Final = "declared"
DELEGATED_BY: Final = "delegated_by"
DESCRIPTION: Final = "description"
DURATION: Final = "duration"
EFFORT: Final = "effort"
END: Final = "end"
ENDED: Final = "ended"
ENTITY: Final = "entity"
ENTRIES: Final = "entries"
ERROR: Final = "error"
EVENT: Final = "event"
EVICTIONS: Final = "evictions"
FIRST: Final = "first"
FIRST_TOKEN: Final = "first_token"  # noqa: S105  # a field, not a password
FORKED: Final = "forked"
GONE: Final = "gone"
BYTES: Final = "bytes"
EVICTED_MISSES: Final = "evicted_misses"
HITS: Final = "hits"
INPUT_TOKENS: Final = "input_tokens"
INVALIDATIONS: Final = "invalidations"
LAST: Final = "last"
LOOKUP_TIME: Final = "lookup_time"
MACHINE: Final = "machine"
MACHINE_AVAILABLE: Final = "machine_available"
MACHINE_AVAILABLE_SHARE: Final = "machine_available_share"
MACHINE_BUSY: Final = "machine_busy"
MACHINE_BUSY_SHARE: Final = "machine_busy_share"
MACHINE_MEMORY: Final = "machine_memory"
MACHINE_MEMORY_AVAILABLE: Final = "machine_memory_available"
MEMORY: Final = "memory"
MEMORY_PEAK: Final = "memory_peak"
MISSES: Final = "misses"
MODEL: Final = "model"
NAME: Final = "name"
NOTICE: Final = "notice"
OF: Final = "of"
OF_ID: Final = "of_id"
OPENED: Final = "opened"
ORIGIN: Final = "origin"
OUTCOME: Final = "outcome"
OUTPUT_TOKENS: Final = "output_tokens"
OWNER: Final = "owner"
NEW_FILES: Final = "new_files"
PARENT: Final = "parent"
PATTERN: Final = "pattern"
PERMISSION_MODE: Final = "permission_mode"
PHASE: Final = "phase"
PROCESSES: Final = "processes"
PROJECT: Final = "project"
PROMPTED: Final = "prompted"
READ: Final = "read"
RECEIVER: Final = "receiver"
RECORDING: Final = "recording"
REFUSED: Final = "refused"
REPOSITORY: Final = "repository"
REQUEST: Final = "request"
RESPONSE: Final = "response"
ROLE: Final = "role"
RUNNING: Final = "running"
SAID: Final = "said"
SAVED: Final = "saved"
SENDER: Final = "sender"
SERVICE_CPU: Final = "service_cpu"
SHARE: Final = "share"
SOURCE: Final = "source"
SPAN: Final = "span"
SPAN_PARENT: Final = "span_parent"
START: Final = "start"
STATUS: Final = "status"
STOP: Final = "stop"
STOPPED: Final = "stopped"
TASK: Final = "task"
TASK_DURATION: Final = "task_duration"
TASK_OUTPUT_TOKENS: Final = "task_output_tokens"
TASK_PROMPT_TOKENS: Final = "task_prompt_tokens"
TASK_TOOL_CALLS: Final = "task_tool_calls"
TESTS_DESELECTED: Final = "tests_deselected"
TEST_PARTS: Final = "test_parts"
TEST_PARTS_CACHED: Final = "test_parts_cached"
TESTS_FAILED: Final = "tests_failed"
TESTS_PASSED: Final = "tests_passed"
TESTS_SKIPPED: Final = "tests_skipped"
TEST_FRAMEWORK: Final = "test_framework"
TIME: Final = "time"
TOOL: Final = "tool"
TRACE: Final = "trace"
TRACEPARENT: Final = "traceparent"
TYPE: Final = "type"
WRITTEN: Final = "written"
WORKTREE: Final = "worktree"
WROTE: Final = "wrote"

TOKENS = (INPUT_TOKENS, OUTPUT_TOKENS, CACHE_READ_TOKENS, CACHE_WRITE_TOKENS)
"""The tokens of a model call, in the order of ``entities.Tokens``.

A transcript repeats them with every block of an answer, each time at least as many: the largest is the last.
"""

COVARIATES = (CLIENT_VERSION, EFFORT, PERMISSION_MODE, BRANCH, MACHINE)
"""Circumstances of a session that may explain a difference between two of them."""

TEST_COUNTS = (
    TESTS_PASSED, TESTS_FAILED, TESTS_SKIPPED, TESTS_DESELECTED, TEST_PARTS, TEST_PARTS_CACHED,
)  # fmt: skip
"""The results of the tests that a tool call ran."""

SAMPLE_AMOUNTS = (
    CPU,
    CPU_PEAK,
    MEMORY,
    MEMORY_PEAK,
    READ,
    WRITTEN,
    MACHINE_BUSY,
    MACHINE_AVAILABLE,
    MACHINE_BUSY_SHARE,
    MACHINE_AVAILABLE_SHARE,
    MACHINE_MEMORY,
    MACHINE_MEMORY_AVAILABLE,
    SERVICE_CPU,
)
"""The amounts of a process sample, in the order of ``entities.Sample``."""

CACHE_COUNTS = (HITS, MISSES, EVICTIONS, INVALIDATIONS, ENTRIES, REFUSED, EVICTED_MISSES)
"""The counts of a cache report, in the order of ``entities.CacheCountsSinceReport``."""

CACHE_AMOUNTS = (SAVED, LOOKUP_TIME, BYTES)
"""The amounts of a cache report, which follow its counts there."""


class MergeRule(Enum):
    """The rule that merges two facts about the same field."""

    BEST_RANKED = "best ranked"
    """The fact of the better ranked channel stays; of equal ranks the smaller value, the earliest time."""
    LARGEST = "largest"
    """The larger value stays, whichever channel reported it."""


class ValueType(Enum):
    """The type of a field's value. All but texts are stored as integers."""

    TEXT = "text"
    OUTCOME = "outcome"
    TIMED_TEXT = "timed text"
    """An instant and the words after it, see ``pack_timed_text``."""
    TIME = "nanoseconds since the epoch"
    DURATION = "nanoseconds"
    RATE = "nanoseconds per second"
    COUNT = "count"
    BYTES = "bytes"
    MONEY = "billionths of a US dollar"
    FLAG = "1 if true"


@dataclass(frozen=True, slots=True)
class FactField:
    """A field of an entity kind."""

    entity: str
    """A constant of ``EntityKind``."""
    name: str
    value: ValueType
    meaning: str
    merge: MergeRule = MergeRule.BEST_RANKED
    stamped: bool = False
    """True if the field is stored once per instant, under ``make_stamped_key``."""


_TEXT, _OUTCOME, _TIMED, _FLAG = ValueType.TEXT, ValueType.OUTCOME, ValueType.TIMED_TEXT, ValueType.FLAG
_TIME, _DURATION, _COUNT, _BYTES = ValueType.TIME, ValueType.DURATION, ValueType.COUNT, ValueType.BYTES


def _define_largest(entity: str, name: str, value: ValueType, meaning: str) -> FactField:
    return FactField(entity, name, value, meaning, merge=MergeRule.LARGEST)


def _define_stamped(entity: str, name: str, value: ValueType, meaning: str) -> FactField:
    return FactField(entity, name, value, meaning, stamped=True)


_SESSION = (
    FactField(EntityKind.SESSION, FIRST, _TIME, "When the session was first heard of."),
    _define_largest(EntityKind.SESSION, LAST, _TIME, "When the session was last heard of."),
    FactField(EntityKind.SESSION, SOURCE, _TEXT, "The product that was watched."),
    _define_largest(
        EntityKind.SESSION, OPENED, _TIME, "The latest start or prompt: it reopens an ended session."
    ),
    FactField(EntityKind.SESSION, BEGUN, _TIME, "When it began: the start of no continuation."),
    FactField(EntityKind.SESSION, PATTERN, _TEXT, "The pattern that an orchestrator declared."),
    FactField(EntityKind.SESSION, RECORDING, _FLAG, "The session is the recording of an empty store."),
    _define_largest(EntityKind.SESSION, ENDED, _TIME, "The latest end."),
    _define_stamped(EntityKind.SESSION, ENDED, _TIME, "Every end: a resumed session ends more than once."),
    FactField(EntityKind.SESSION, OUTCOME, _OUTCOME, "How the session ended."),
    FactField(EntityKind.SESSION, COMMAND, _TIMED, "The first slash command, which names the pattern."),
    FactField(EntityKind.SESSION, PROJECT, _TIMED, "The project in which the session began."),
    FactField(EntityKind.SESSION, REPOSITORY, _TIMED, "Keyed hash of the path of that project's repository."),
    FactField(EntityKind.SESSION, WORKTREE, _TIMED, "The worktree in which the session began, if in any."),
    _define_largest(
        EntityKind.SESSION,
        PROCESSES,
        _TIMED,
        "The processes that the session runs in, nearest first, and ``host@`` with where they are.",
    ),
    _define_largest(EntityKind.SESSION, GONE, _TIMED, "The processes of the session that were seen gone."),
    FactField(EntityKind.SESSION, TRACEPARENT, _TIMED, "The W3C trace context that started the agent."),
    _define_largest(EntityKind.SESSION, PROMPTED, _TIME, "The user's latest prompt."),
    _define_largest(EntityKind.SESSION, STOPPED, _TIME, "The latest stop of the main agent."),
    _define_largest(EntityKind.SESSION, RUNNING, _TIMED, "The background tasks that ran at the latest stop."),
    _define_stamped(EntityKind.SESSION, STOP, _OUTCOME, "A stop of the main agent without a turn id."),
    _define_largest(
        EntityKind.SESSION, FORKED, _TIME, "The first event of its own, if it began with copied lines."
    ),
    FactField(EntityKind.SESSION, CLIENT_VERSION, _TIMED, "The version of the client at the beginning."),
    FactField(EntityKind.SESSION, EFFORT, _TIMED, "The effort asked of the model at the beginning."),
    FactField(EntityKind.SESSION, PERMISSION_MODE, _TIMED, "The client's permission mode at the beginning."),
    FactField(EntityKind.SESSION, BRANCH, _TIMED, "Keyed hash of the branch at the beginning."),
    FactField(EntityKind.SESSION, MACHINE, _TIMED, "Keyed hash of the machine's name at the beginning."),
    _define_stamped(EntityKind.SESSION, ASKED, _TIME, "The prompt of the turn that ended at this instant."),
)

_TURN = (
    FactField(EntityKind.TURN, START, _TIME, "When the prompt arrived."),
    FactField(EntityKind.TURN, ORIGIN, _TEXT, "``user`` or ``host``."),
    _define_largest(EntityKind.TURN, STOPPED, _TIME, "The last stop: a stop hook may send the agent on."),
    FactField(EntityKind.TURN, OUTCOME, _OUTCOME, "How the turn ended."),
    FactField(EntityKind.TURN, COPIED, _FLAG, "It belongs to another session."),
)

_TASK = (
    _define_stamped(EntityKind.TASK, START, _TIME, "A start of the agent; an agent may run more than once."),
    _define_stamped(EntityKind.TASK, END, _TIME, "An end of the agent."),
    _define_stamped(EntityKind.TASK, DURATION, _DURATION, "The length of a run, reported at this instant."),
    _define_stamped(EntityKind.TASK, NOTICE, _OUTCOME, "The host's notice of how a background run ended."),
    FactField(EntityKind.TASK, AGENT, _TEXT, "The agent's name."),
    FactField(EntityKind.TASK, TYPE, _TEXT, "The task type that an orchestrator declared."),
    FactField(EntityKind.TASK, PARENT, _TEXT, "The id of the task, call or turn that contains it."),
    FactField(EntityKind.TASK, DELEGATED_BY, _TEXT, "The id of the tool call that started it."),
    FactField(EntityKind.TASK, DESCRIPTION, _TEXT, "Its description."),
    FactField(EntityKind.TASK, PHASE, _TEXT, "The name of the phase that it belongs to."),
    FactField(EntityKind.TASK, SPAN_PARENT, _TEXT, "The id of the span below which the agent works."),
    FactField(EntityKind.TASK, OUTCOME, _OUTCOME, "How it ended."),
    FactField(EntityKind.TASK, COPIED, _FLAG, "It belongs to another session."),
    _define_stamped(EntityKind.TASK, TASK_TOOL_CALLS, _COUNT, "How many tools the run called, by its end."),
    _define_stamped(EntityKind.TASK, ERROR, _TEXT, "The class of the error that ended the run."),
    _define_stamped(EntityKind.TASK, WROTE, _TEXT, "Keyed hashes of the paths that the run wrote."),
    _define_stamped(
        EntityKind.TASK, CONFLICT, _FLAG, "1: the run's result conflicts with another's; 0: with none."
    ),
)

_CALL = (
    FactField(EntityKind.CALL, TOOL, _TEXT, "The tool's name."),
    FactField(EntityKind.CALL, AGENT_ID, _TEXT, "The id of the agent that called; none is the main agent."),
    FactField(EntityKind.CALL, START, _TIME, "When the call started."),
    FactField(EntityKind.CALL, END, _TIME, "When the call ended."),
    _define_stamped(EntityKind.CALL, START, _TIME, "A start of a call without an id."),
    _define_stamped(EntityKind.CALL, END, _OUTCOME, "An end of a call without an id."),
    FactField(EntityKind.CALL, OUTCOME, _OUTCOME, "How the call ended."),
    FactField(EntityKind.CALL, ERROR, _TEXT, "The class of its error."),
    FactField(EntityKind.CALL, DURATION, _DURATION, "Its execution as the source measured it."),
    FactField(EntityKind.CALL, AGENT, _TEXT, "The kind of agent that a delegating call asks for."),
    FactField(EntityKind.CALL, DESCRIPTION, _TEXT, "The description of the task that it delegates."),
    FactField(EntityKind.CALL, SPAN, _TEXT, "The id of its span."),
    FactField(EntityKind.CALL, STATUS, _TEXT, "The status in a delegating call's answer."),
    FactField(EntityKind.CALL, TASK, _TEXT, "The id of the agent that it started."),
    FactField(EntityKind.CALL, TASK_TOOL_CALLS, _COUNT, "How many tools the agent called, by the client."),
    FactField(EntityKind.CALL, TASK_PROMPT_TOKENS, _COUNT, "Tokens that the agent's last request sent."),
    FactField(EntityKind.CALL, TASK_OUTPUT_TOKENS, _COUNT, "Tokens of the answer to that request."),
    FactField(EntityKind.CALL, TASK_DURATION, _DURATION, "The length of the agent's run that it waited for."),
    FactField(EntityKind.CALL, WROTE, _TEXT, "Keyed hashes of the paths that it wrote, space-separated."),
    FactField(EntityKind.CALL, NEW_FILES, _COUNT, "Files among these that did not exist before."),
    FactField(EntityKind.CALL, TEST_FRAMEWORK, _TEXT, "The test framework that it ran."),
    FactField(EntityKind.CALL, TESTS_PASSED, _COUNT, "Tests that passed."),
    FactField(EntityKind.CALL, TESTS_FAILED, _COUNT, "Tests that failed."),
    FactField(EntityKind.CALL, TESTS_SKIPPED, _COUNT, "Tests that were skipped."),
    FactField(EntityKind.CALL, TESTS_DESELECTED, _COUNT, "Tests that were not chosen to run."),
    FactField(EntityKind.CALL, TEST_PARTS, _COUNT, "Parts of the test run, such as packages."),
    FactField(EntityKind.CALL, TEST_PARTS_CACHED, _COUNT, "Those whose result a cache gave."),
    _define_stamped(EntityKind.CALL, TESTS_PASSED, _COUNT, "Tests that passed in a call without an id."),
    _define_stamped(EntityKind.CALL, TESTS_FAILED, _COUNT, "Tests that failed in a call without an id."),
    _define_stamped(EntityKind.CALL, TESTS_SKIPPED, _COUNT, "Tests skipped in a call without an id."),
    _define_stamped(EntityKind.CALL, TESTS_DESELECTED, _COUNT, "Tests not chosen in a call without an id."),
    _define_stamped(EntityKind.CALL, TEST_PARTS, _COUNT, "Parts of the test run of a call without an id."),
    _define_stamped(EntityKind.CALL, TEST_PARTS_CACHED, _COUNT, "Those that are cached, likewise."),
    FactField(EntityKind.CALL, BATCHED, _TIME, "When the parallel batch of the call ended."),
    FactField(EntityKind.CALL, COPIED, _FLAG, "It belongs to another session."),
)

_MODEL = (
    FactField(EntityKind.MODEL, START, _TIME, "When the request was sent."),
    FactField(EntityKind.MODEL, DURATION, _DURATION, "From the request to the end of the answer."),
    FactField(EntityKind.MODEL, MODEL, _TEXT, "The model's name as the source spells it."),
    FactField(EntityKind.MODEL, AGENT_ID, _TEXT, "The id of the agent that called; none is the main agent."),
    FactField(EntityKind.MODEL, OUTCOME, _OUTCOME, "How the call ended."),
    FactField(EntityKind.MODEL, ERROR, _TEXT, "The class of its error."),
    FactField(EntityKind.MODEL, REQUEST, _TEXT, "The id of the request, where the key is the response's."),
    FactField(EntityKind.MODEL, ANONYMOUS, _FLAG, "The source knows no id of the call."),
    _define_largest(EntityKind.MODEL, INPUT_TOKENS, _COUNT, "Input tokens without those of the cache."),
    _define_largest(EntityKind.MODEL, OUTPUT_TOKENS, _COUNT, "Output tokens."),
    _define_largest(EntityKind.MODEL, CACHE_READ_TOKENS, _COUNT, "Tokens read from the cache."),
    _define_largest(EntityKind.MODEL, CACHE_WRITE_TOKENS, _COUNT, "Tokens written to the cache."),
    _define_largest(EntityKind.MODEL, CACHE_WRITE_1H_TOKENS, _COUNT, "Those of them written for an hour."),
    _define_largest(
        EntityKind.MODEL, COMPLETE, _COUNT, "0 while only an unfinished answer was seen, 1 once it had ended."
    ),
    FactField(EntityKind.MODEL, COST, ValueType.MONEY, "The cost that the source reported."),
    FactField(EntityKind.MODEL, FIRST_TOKEN, _DURATION, "From the request to the answer's first token."),
    FactField(EntityKind.MODEL, COPIED, _FLAG, "It belongs to another session."),
)

_PHASE = (
    FactField(EntityKind.PHASE, START, _TIME, "When the phase started."),
    FactField(EntityKind.PHASE, END, _TIME, "When the phase ended."),
    FactField(EntityKind.PHASE, NAME, _TEXT, "The phase's name."),
    FactField(EntityKind.PHASE, OUTCOME, _OUTCOME, "How the phase ended."),
)

_MESSAGE = (
    FactField(EntityKind.MESSAGE, TIME, _TIME, "When the message was sent."),
    FactField(EntityKind.MESSAGE, RESPONSE, _DURATION, "From the message to its answer."),
    FactField(EntityKind.MESSAGE, RECEIVER, _TEXT, "The name of the receiving agent."),
    FactField(EntityKind.MESSAGE, SENDER, _TEXT, "The name of the sending agent."),
    FactField(EntityKind.MESSAGE, AGENT_ID, _TEXT, "The id of the sending agent; none is the main agent."),
    FactField(EntityKind.MESSAGE, TYPE, _TEXT, "Its kind, such as request or handover."),
    FactField(EntityKind.MESSAGE, SHARE, _COUNT, "Millionths of its work that the task or phase has done."),
    FactField(EntityKind.MESSAGE, DESCRIPTION, _TEXT, "Why the task or phase cannot go on."),
    FactField(EntityKind.MESSAGE, PHASE, _TEXT, "The id of the phase that it reports on."),
    FactField(EntityKind.MESSAGE, OUTCOME, _OUTCOME, "Whether it was answered."),
)

_SCORE = (
    FactField(EntityKind.SCORE, OF, _TEXT, "The kind of the judged entity: session, phase or task."),
    FactField(EntityKind.SCORE, OF_ID, _TEXT, "The id of the judged entity."),
    FactField(EntityKind.SCORE, NAME, _TEXT, "The criterion, such as quality."),
    FactField(EntityKind.SCORE, BY, _TEXT, "The judge."),
    _define_largest(EntityKind.SCORE, SAID, _TIMED, "The judge's latest value, and the top of its scale."),
)

_HOOKS = (
    FactField(EntityKind.HOOKS, START, _TIME, "When the hooks started."),
    FactField(EntityKind.HOOKS, DURATION, _DURATION, "How long the agent waited for them."),
    FactField(EntityKind.HOOKS, EVENT, _TEXT, "The hook event."),
    FactField(EntityKind.HOOKS, COMMAND, _TEXT, "The name of the one command that ran, if told of one."),
    FactField(EntityKind.HOOKS, AGENT_ID, _TEXT, "The id of the agent that waited; none is the main agent."),
    FactField(EntityKind.HOOKS, SPAN, _TEXT, "The id of the span in which they ran."),
)

_SAMPLE = (
    FactField(EntityKind.SAMPLE, DURATION, _DURATION, "The stretch that the sample covers."),
    FactField(EntityKind.SAMPLE, CPU, _DURATION, "Processor time of the process tree."),
    FactField(EntityKind.SAMPLE, CPU_PEAK, ValueType.RATE, "The highest processor use between two readings."),
    FactField(EntityKind.SAMPLE, MEMORY, _BYTES, "Mean resident memory of the tree."),
    FactField(EntityKind.SAMPLE, MEMORY_PEAK, _BYTES, "Most resident memory at a reading."),
    FactField(EntityKind.SAMPLE, READ, _BYTES, "Read from disk."),
    FactField(EntityKind.SAMPLE, WRITTEN, _BYTES, "Written to disk."),
    FactField(EntityKind.SAMPLE, MACHINE_BUSY, _DURATION, "Processor time used by the whole machine."),
    FactField(EntityKind.SAMPLE, MACHINE_AVAILABLE, _DURATION, "Processor time that the machine had."),
    FactField(EntityKind.SAMPLE, MACHINE_BUSY_SHARE, _DURATION, "The session's share of the machine's use."),
    FactField(EntityKind.SAMPLE, MACHINE_AVAILABLE_SHARE, _DURATION, "The session's share of what it had."),
    FactField(EntityKind.SAMPLE, MACHINE_MEMORY, _BYTES, "The machine's memory."),
    FactField(EntityKind.SAMPLE, MACHINE_MEMORY_AVAILABLE, _BYTES, "Least free memory at a reading."),
    FactField(EntityKind.SAMPLE, SERVICE_CPU, _DURATION, "The session's share of what the service used."),
)

_API_COST = (
    FactField(EntityKind.API_COST, TIME, _TIME, "When the report was made."),
    FactField(EntityKind.API_COST, DURATION, _DURATION, "What recording took since the last report."),
)

_LABEL = (
    _define_largest(EntityKind.LABEL, DECIDED, _TIMED, "Its latest value by a person; empty: removed."),
    _define_largest(EntityKind.LABEL, DECLARED, _TIMED, "Its latest value by the session's program."),
)

_CACHE = (
    FactField(EntityKind.CACHE, NAME, _TEXT, "The cache's name."),
    FactField(EntityKind.CACHE, TIME, _TIME, "When the report was made."),
    FactField(EntityKind.CACHE, HITS, _COUNT, "Look-ups answered since the last report."),
    FactField(EntityKind.CACHE, MISSES, _COUNT, "Look-ups not answered since the last report."),
    FactField(EntityKind.CACHE, EVICTIONS, _COUNT, "Entries evicted since the last report."),
    FactField(EntityKind.CACHE, INVALIDATIONS, _COUNT, "Entries invalidated since the last report."),
    FactField(EntityKind.CACHE, ENTRIES, _COUNT, "Entries in the cache now."),
    FactField(EntityKind.CACHE, REFUSED, _COUNT, "Look-ups that met a stale entry since the last report."),
    FactField(EntityKind.CACHE, EVICTED_MISSES, _COUNT, "Look-ups that missed an entry evicted just before."),
    FactField(EntityKind.CACHE, SAVED, _DURATION, "What computing the answered results had taken."),
    FactField(EntityKind.CACHE, LOOKUP_TIME, _DURATION, "What the look-ups took."),
    FactField(EntityKind.CACHE, BYTES, _BYTES, "Bytes in the cache now."),
)

_SPAN = (
    FactField(EntityKind.SPAN, PARENT, _TEXT, "The id of the span above; none is the top of a trace."),
    FactField(EntityKind.SPAN, ROLE, _TEXT, "The role that the span declares (``span_tree.SpanRole``)."),
    FactField(EntityKind.SPAN, TRACE, _TEXT, "The id of its trace."),
    FactField(EntityKind.SPAN, SOURCE, _TEXT, "The product that made it."),
    FactField(EntityKind.SPAN, START, _TIME, "When it started."),
    FactField(EntityKind.SPAN, END, _TIME, "When it ended."),
    FactField(EntityKind.SPAN, DURATION, _DURATION, "Its duration as the source measured it."),
    FactField(EntityKind.SPAN, OUTCOME, _OUTCOME, "How it ended."),
    FactField(EntityKind.SPAN, NAME, _TEXT, "The name of its agent, tool, model, phase or workflow."),
    FactField(EntityKind.SPAN, TYPE, _TEXT, "The task type, or a turn's origin, that it declares."),
    FactField(EntityKind.SPAN, ENTITY, _TEXT, "The id that its entity has in every channel."),
    FactField(EntityKind.SPAN, AGENT_ID, _TEXT, "The agent whose run it is, or that made the call."),
    FactField(EntityKind.SPAN, CALL, _TEXT, "The id that the model gave to a tool call."),
    FactField(EntityKind.SPAN, OWNER, _TEXT, "The id above its entity; empty is the main agent."),
    FactField(EntityKind.SPAN, DESCRIPTION, _TEXT, "The description of its task."),
    FactField(EntityKind.SPAN, PHASE, _TEXT, "The name of its phase."),
    FactField(EntityKind.SPAN, DELEGATED_BY, _TEXT, "The id of the tool call that started its agent."),
    FactField(EntityKind.SPAN, RESPONSE, _TEXT, "The id that the provider gave to a model's response."),
    _define_largest(EntityKind.SPAN, INPUT_TOKENS, _COUNT, "Input tokens without those of the cache."),
    _define_largest(EntityKind.SPAN, OUTPUT_TOKENS, _COUNT, "Output tokens."),
    _define_largest(EntityKind.SPAN, CACHE_READ_TOKENS, _COUNT, "Tokens read from the cache."),
    _define_largest(EntityKind.SPAN, CACHE_WRITE_TOKENS, _COUNT, "Tokens written to the cache."),
    FactField(EntityKind.SPAN, ERROR, _TEXT, "The class of its error."),
    FactField(EntityKind.SPAN, WROTE, _TEXT, "Keyed hashes of the paths that it wrote, space-separated."),
    FactField(EntityKind.SPAN, CONFLICT, _FLAG, "1: its result conflicts with another task's; 0: with none."),
    FactField(EntityKind.SPAN, TEST_FRAMEWORK, _TEXT, "The tests that it ran."),
    FactField(EntityKind.SPAN, TESTS_PASSED, _COUNT, "Tests that passed."),
    FactField(EntityKind.SPAN, TESTS_FAILED, _COUNT, "Tests that failed."),
    FactField(EntityKind.SPAN, TESTS_SKIPPED, _COUNT, "Tests that were skipped."),
    FactField(EntityKind.SPAN, TESTS_DESELECTED, _COUNT, "Tests that were not chosen to run."),
    FactField(EntityKind.SPAN, TEST_PARTS, _COUNT, "Parts of the test run, such as packages."),
    FactField(EntityKind.SPAN, TEST_PARTS_CACHED, _COUNT, "Those whose result a cache gave."),
    FactField(EntityKind.SPAN, COST, ValueType.MONEY, "The cost that the source reported."),
)

_ALIAS = (FactField(EntityKind.ALIAS, CANONICAL, _TEXT, "The id that the alias stands for."),)

FIELDS: tuple[FactField, ...] = (
    *_SESSION,
    *_TURN,
    *_TASK,
    *_CALL,
    *_MODEL,
    *_PHASE,
    *_MESSAGE,
    *_SCORE,
    *_HOOKS,
    *_SAMPLE,
    *_LABEL,
    *_CACHE,
    *_API_COST,
    *_SPAN,
    *_ALIAS,
)
"""Every field of every entity. Permission requests have none: their key is agent, tool and instant."""

LARGEST = frozenset(field.name for field in FIELDS if field.merge is MergeRule.LARGEST)
"""The names of the fields that keep their largest value. A name has the same rule in every entity."""

STAMP = "@"
"""Separates a stamped field from its instant."""


def make_stamped_key(field: str, time: int) -> str:
    """Return the key of a stamped field at an instant."""
    return f"{field}{STAMP}{time}"


def parse_stamped_key(key: str) -> tuple[str, int]:
    """Return the field and the instant of a stamped key."""
    field, _, time = key.rpartition(STAMP)
    return field, int(time)


def list_stamped_facts(facts: Mapping[str, T], field: str) -> list[tuple[int, T]]:
    """Return the instants of a stamped field with their facts."""
    prefix = field + STAMP
    # Most entities have no such field, and joining the names is the cheapest test for it.
    if prefix not in "".join(facts):
        return []
    length = len(prefix)
    return [(int(key[length:]), fact) for key, fact in facts.items() if key.startswith(prefix)]


def group_stamped_facts(facts: Mapping[str, T]) -> dict[str, list[tuple[int, T]]]:
    """Return the stamped fields of an entity, each as ``list_stamped_facts`` returns it, in a single pass."""
    grouped: dict[str, list[tuple[int, T]]] = {}
    for key, fact in facts.items():
        if STAMP in key:
            field, time = parse_stamped_key(key)
            grouped.setdefault(field, []).append((time, fact))
    return grouped


def pack_timed_text(time: int, *words: str) -> str:
    """Return a timed text: the instant with 20 digits, then the words."""
    return " ".join([f"{time:020d}", *words])


def unpack_timed_text(value: str) -> tuple[int, str]:
    """Return the instant of a timed text and the words after it."""
    time, _, words = value.partition(" ")
    return int(time), words
