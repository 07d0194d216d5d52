"""The table of roll-up measures: the sums that the store keeps, with dimensions, unit, meaning and users.

Writers and readers use the constants, so that a mistyped measure is an error and not an absent figure. The
text of a constant, and the order of its dimensions, are stored: both change only with a migration of stores.

All measures are whole numbers and merge by addition: the sum over two sessions, slots or machines is the sum
of both. A measure with a bucket is a quantile sketch: it counts things by length or size, bucket by bucket.

Example: ``TASKS`` has the dimensions task type, agent and outcome. Three reviews by ``critic`` that succeeded
are stored as measure ``tasks`` with dimensions ``["review", "critic", "success"]`` and the sum 3.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

Dims = tuple[str | int, ...]
"""The values of a measure's dimensions, in the order of the table."""


class Dimension(StrEnum):
    """The closed set of dimensions. Those that are also labels of metrics have the same name."""

    AGENT = "agent"
    BUCKET = "bucket"
    """A bucket of a quantile sketch (``figures.quantile_sketch``), the only dimension that is a number."""
    CACHE = "cache"
    COMMAND = "command"
    """The name of a hook's command."""
    DELIVERY = "delivery"
    """The class of a task that is over: ``delivered``, ``taken`` or ``wasted``."""
    DIRECTION = "direction"
    """``read`` from or ``write`` to disk."""
    EVENT = "event"
    """A hook event, as its client names it."""
    FRAMEWORK = "framework"
    KIND = "kind"
    """A kind of tokens (``input``, ``output``, ``cache_read``, ``cache_write``) or of messages."""
    MODEL = "model"
    ORIGIN = "origin"
    """How a cost is known: configured, reported by its source, or by list price."""
    OUTCOME = "outcome"
    PART = "part"
    """A part of wall time."""
    PATTERN = "pattern"
    PHASE = "phase"
    PLACE = "place"
    """How a task ran: ``parallel``, ``alone`` or ``unplaced``."""
    REASON = "reason"
    """Why an entry left a cache (``eviction`` or ``invalidation``), or why a task was wasted."""
    RESULT = "result"
    """The result of a lookup, a test or a check."""
    SCORE = "score"
    """The name of a score from outside."""
    SENDER = "sender"
    """The agent that sent a message."""
    SIGNATURE = "signature"
    """The task types of a parallel execution, and a hash of its identity (``figures.work_signature``)."""
    SOURCE = "source"
    SUITE = "suite"
    """How many tests a run found, in steps of 5 % (``figures.selected_test_gain``)."""
    TASK_TYPE = "task_type"
    TOOL = "tool"


class Unit(StrEnum):
    """The units that sums are kept in."""

    COUNT = "1"
    NANOSECONDS = "ns"
    BYTES = "By"
    NANO_USD = "billionths of a US dollar"
    MILLIONTHS = "millionths"
    """Shares from 0 to 1, or scores in their own scale, times 1,000,000."""
    SKETCH_NANOSECONDS = "count by bucket of ns"
    SKETCH_BYTES = "count by bucket of By"
    SKETCH_MILLIONTHS = "count by bucket of millionths"
    SKETCH_PERCENT = "count by bucket of whole percents"
    SKETCH_CORES = "count by bucket of billionths of a processor"


@dataclass(frozen=True, slots=True)
class Measure:
    """A row of the table."""

    name: str
    dimensions: tuple[Dimension, ...]
    unit: Unit
    meaning: str

    def find_dimension_index(self, dimension: Dimension) -> int:
        """Return where a dimension is among the values. Raises ValueError if it is missing."""
        return self.dimensions.index(dimension)

    @property
    def merge(self) -> str:
        """How two values of the measure become one."""
        return "add"


MEASURES: dict[str, Measure] = {}
"""The table, by stored name."""


def define_measure(name: str, dimensions: tuple[Dimension, ...], unit: Unit, meaning: str) -> str:
    """Add a row to the table and return the stored name, a plain text so that ingest stays fast."""
    MEASURES[name] = Measure(name, dimensions, unit, meaning)
    return name


def find_dimension_index(name: str, dimension: Dimension) -> int:
    """Return where a dimension is among the values of a measure. Raises ValueError if it is missing."""
    return MEASURES[name].find_dimension_index(dimension)


_D, _U = Dimension, Unit
_WORK = (_D.PATTERN, _D.TASK_TYPE, _D.AGENT)
"""The leading dimensions of the measures that scores are made of."""
_WASTE = (_D.TASK_TYPE, _D.AGENT, _D.REASON)
_AGENT_CLASS = (_D.AGENT, _D.DELIVERY)

# Tasks and parallel executions.
TASKS = define_measure("tasks", (_D.TASK_TYPE, _D.AGENT, _D.OUTCOME), _U.COUNT, "Tasks that are over.")
TASK_TIME = define_measure("task_time", (_D.TASK_TYPE, _D.BUCKET), _U.SKETCH_NANOSECONDS, "Length of tasks.")
AGENT_TIME = define_measure(
    "agent_time", (_D.AGENT, _D.BUCKET), _U.SKETCH_NANOSECONDS, "Length of an agent's tasks."
)
FAILED_TASKS = define_measure(
    "failed_tasks",
    (_D.PHASE, _D.AGENT, _D.KIND),
    _U.COUNT,
    "Failed and cancelled tasks of sessions that are over, by the kind of error.",
)
ENDS_EXPECTED = define_measure("ends_expected", (), _U.COUNT, "Tasks and tool calls that are over.")
ENDS_SEEN = define_measure("ends_seen", (), _U.COUNT, "Tasks and tool calls whose end a source reported.")
FANOUTS = define_measure("fanouts", (_D.PATTERN,), _U.COUNT, "Finished parallel executions.")
CAPACITY = define_measure(
    "capacity", (_D.PATTERN,), _U.NANOSECONDS, "Width times elapsed of parallel executions."
)
PATTERN_WORK = define_measure("pattern_work", (_D.PATTERN,), _U.NANOSECONDS, "Work of parallel executions.")
PATTERN_ELAPSED = define_measure(
    "pattern_elapsed", (_D.PATTERN,), _U.NANOSECONDS, "Elapsed of parallel executions."
)
LONGEST_LANE = define_measure(
    "longest_lane", (_D.PATTERN,), _U.NANOSECONDS, "Width times busy time of the longest lane."
)
PARALLEL_TASKS = define_measure(
    "parallel_tasks", (_D.PATTERN, _D.SIGNATURE, _D.TASK_TYPE), _U.COUNT, "Tasks of parallel executions."
)
PARALLEL_WORK = define_measure(
    "parallel_work", (_D.PATTERN, _D.SIGNATURE, _D.TASK_TYPE), _U.NANOSECONDS, "Busy time of these tasks."
)
PARALLEL_ELAPSED = define_measure(
    "parallel_elapsed",
    (_D.PATTERN, _D.SIGNATURE, _D.TASK_TYPE),
    _U.NANOSECONDS,
    "Elapsed of parallel executions, each instant shared equally by the tasks running then.",
)
PARALLEL_OUTCOMES = define_measure(
    "parallel_outcomes", (_D.OUTCOME,), _U.COUNT, "Tasks of parallel executions by outcome."
)
PATTERN_DELIVERED_WORK = define_measure(
    "pattern_delivered_work",
    (_D.PATTERN,),
    _U.NANOSECONDS,
    "Work of the tasks of parallel executions that were delivered or taken as delivered.",
)
PATTERN_TASKS = define_measure("pattern_tasks", (_D.PATTERN,), _U.COUNT, "Tasks of parallel executions.")
PATTERN_DELIVERED = define_measure(
    "pattern_delivered", (_D.PATTERN,), _U.COUNT, "Those of them that were delivered or taken as delivered."
)
EMPTY_IN_BALANCE = define_measure(
    "empty_in_balance",
    (_D.PATTERN,),
    _U.NANOSECONDS,
    "Lane time left empty after wasted tasks, as far as it would count as load balance's loss.",
)
EMPTY_IN_CONCURRENCY = define_measure(
    "empty_in_concurrency",
    (_D.PATTERN,),
    _U.NANOSECONDS,
    "Lane time left empty after wasted tasks, as far as it would count as concurrency's loss.",
)
PARALLEL_DELIVERED = define_measure(
    "parallel_delivered",
    (_D.PATTERN, _D.SIGNATURE, _D.TASK_TYPE),
    _U.COUNT,
    "Tasks of parallel executions that were delivered or taken as delivered.",
)
PARALLEL_DELIVERED_WORK = define_measure(
    "parallel_delivered_work",
    (_D.PATTERN, _D.SIGNATURE, _D.TASK_TYPE),
    _U.NANOSECONDS,
    "Busy time of these tasks.",
)
DELIVERIES = define_measure(
    "deliveries", (_D.TASK_TYPE, _D.AGENT, _D.DELIVERY), _U.COUNT, "Tasks that are over, by their class."
)
WASTED_TASKS = define_measure("wasted_tasks", _WASTE, _U.COUNT, "Tasks that were wasted, by reason.")
WASTED_TIME = define_measure(
    "wasted_time", _WASTE, _U.NANOSECONDS, "Busy time of wasted tasks, without that of the tasks below them."
)
WASTED_TOKENS = define_measure("wasted_tokens", _WASTE, _U.COUNT, "Tokens that wasted tasks used.")
WASTED_TOKEN_TASKS = define_measure(
    "wasted_token_tasks", _WASTE, _U.COUNT, "Wasted tasks whose tokens are known."
)
WASTED_COST = define_measure("wasted_cost", _WASTE, _U.NANO_USD, "Cost of wasted tasks.")
WASTED_COST_TASKS = define_measure("wasted_cost_tasks", _WASTE, _U.COUNT, "Wasted tasks whose cost is known.")
AGENT_TOKENS = define_measure(
    "agent_tokens", _AGENT_CLASS, _U.COUNT, "Tokens of an agent's tasks that are over, by their class."
)
AGENT_TOKEN_TASKS = define_measure(
    "agent_token_tasks", _AGENT_CLASS, _U.COUNT, "Tasks of an agent whose tokens are known, by their class."
)
AGENT_COST = define_measure(
    "agent_cost", _AGENT_CLASS, _U.NANO_USD, "Cost of an agent's tasks that are over, by their class."
)
AGENT_COST_TASKS = define_measure(
    "agent_cost_tasks", _AGENT_CLASS, _U.COUNT, "Tasks of an agent whose cost is known, by their class."
)
VERDICT_FANOUTS = define_measure(
    "verdict_fanouts", (_D.PATTERN, _D.SIGNATURE), _U.COUNT, "Parallel executions of the headline."
)
VERDICT_TASKS = define_measure(
    "verdict_tasks",
    (_D.PATTERN, _D.SIGNATURE, _D.TASK_TYPE, _D.DELIVERY),
    _U.COUNT,
    "Their tasks by class.",
)
VERDICT_WORK = define_measure(
    "verdict_work",
    (_D.PATTERN, _D.SIGNATURE, _D.TASK_TYPE, _D.DELIVERY),
    _U.NANOSECONDS,
    "Busy time of these tasks.",
)
VERDICT_PAID = define_measure(
    "verdict_paid",
    (_D.PATTERN, _D.SIGNATURE),
    _U.NANOSECONDS,
    "Their elapsed, summed; below a wasted task only what lies outside of it.",
)
VERDICT_ELAPSED = define_measure(
    "verdict_elapsed",
    (_D.PATTERN, _D.SIGNATURE),
    _U.NANOSECONDS,
    "Their elapsed, those that overlap in a session counted once.",
)
OPPORTUNITY = define_measure(
    "opportunity",
    (_D.PATTERN,),
    _U.NANOSECONDS,
    "Elapsed of sequential runs without their longest task: the most that could have been saved.",
)
SEQUENTIAL_RUNS = define_measure(
    "sequential_runs", (_D.PATTERN,), _U.COUNT, "Runs of tasks one after another."
)

# Usage of the parallel executions whose every task reported its tokens, or its cost.
TOKEN_COUNT = define_measure(
    "token_count", (_D.PATTERN, _D.SIGNATURE), _U.COUNT, "Tokens of parallel executions."
)
TOKEN_FANOUTS = define_measure(
    "token_fanouts", (_D.PATTERN, _D.SIGNATURE), _U.COUNT, "Parallel executions with known tokens."
)
TOKEN_DELIVERED = define_measure(
    "token_delivered", (_D.PATTERN, _D.SIGNATURE, _D.TASK_TYPE), _U.COUNT, "Their delivered tasks."
)
TOKEN_WORK = define_measure("token_work", (_D.PATTERN, _D.SIGNATURE), _U.NANOSECONDS, "Their delivered work.")
TOKEN_ELAPSED = define_measure(
    "token_elapsed",
    (_D.PATTERN, _D.SIGNATURE),
    _U.NANOSECONDS,
    "Their elapsed; below a wasted task only what lies outside of it.",
)
COST_NANO_USD = define_measure(
    "cost_nano_usd", (_D.PATTERN, _D.SIGNATURE), _U.NANO_USD, "Cost of parallel executions."
)
COST_FANOUTS = define_measure(
    "cost_fanouts", (_D.PATTERN, _D.SIGNATURE), _U.COUNT, "Parallel executions with known cost."
)
COST_DELIVERED = define_measure(
    "cost_delivered", (_D.PATTERN, _D.SIGNATURE, _D.TASK_TYPE), _U.COUNT, "Their delivered tasks."
)
COST_WORK = define_measure("cost_work", (_D.PATTERN, _D.SIGNATURE), _U.NANOSECONDS, "Their delivered work.")
COST_ELAPSED = define_measure(
    "cost_elapsed",
    (_D.PATTERN, _D.SIGNATURE),
    _U.NANOSECONDS,
    "Their elapsed; below a wasted task only what lies outside of it.",
)

# Tool calls and the tests that they ran.
CALLS = define_measure("calls", (_D.TOOL, _D.OUTCOME), _U.COUNT, "Tool calls that are over.")
CALL_TIME = define_measure(
    "call_time", (_D.TOOL, _D.BUCKET), _U.SKETCH_NANOSECONDS, "Execution time of tool calls."
)
OVERHEAD = define_measure(
    "overhead",
    (_D.BUCKET,),
    _U.SKETCH_NANOSECONDS,
    "Time of tool calls that is neither execution nor a person's.",
)
TOOL_SECONDS = define_measure("tool_seconds", (), _U.NANOSECONDS, "Execution time of all tool calls.")
TEST_SECONDS = define_measure(
    "test_seconds", (), _U.NANOSECONDS, "Execution time of the tool calls that ran tests."
)
TEST_RUNS = define_measure("test_runs", (_D.FRAMEWORK, _D.OUTCOME), _U.COUNT, "Test runs inside tool calls.")
TEST_RUN_TIME = define_measure(
    "test_run_time", (_D.FRAMEWORK, _D.BUCKET), _U.SKETCH_NANOSECONDS, "Length of test runs."
)
TESTS = define_measure("tests", (_D.FRAMEWORK, _D.RESULT), _U.COUNT, "Single tests that passed or failed.")
TESTS_SKIPPED = define_measure("tests_skipped", (_D.FRAMEWORK,), _U.COUNT, "Single tests that were skipped.")
TESTS_SELECTED = define_measure(
    "tests_selected",
    (_D.FRAMEWORK,),
    _U.COUNT,
    "Tests that were chosen to run, where it is known which were not.",
)
TESTS_COLLECTED = define_measure(
    "tests_collected", (_D.FRAMEWORK,), _U.COUNT, "These tests, and those that were not chosen."
)
TEST_PARTS = define_measure(
    "test_parts",
    (_D.FRAMEWORK,),
    _U.COUNT,
    "Parts of test runs whose runner says which ones a cache answered.",
)
TEST_PARTS_CACHED = define_measure(
    "test_parts_cached", (_D.FRAMEWORK,), _U.COUNT, "Those whose result a cache gave."
)
_SUITE = (_D.FRAMEWORK, _D.SUITE)
SELECTED_TEST_RUNS = define_measure(
    "selected_test_runs", _SUITE, _U.COUNT, "Test runs that chose some of the tests they found."
)
SELECTED_TEST_SECONDS = define_measure("selected_test_seconds", _SUITE, _U.NANOSECONDS, "Their time.")
FULL_TEST_RUNS = define_measure(
    "full_test_runs", _SUITE, _U.COUNT, "Test runs that chose all of the tests they found."
)
FULL_TEST_SECONDS = define_measure("full_test_seconds", _SUITE, _U.NANOSECONDS, "Their time.")

# Files.
FILES_WRITTEN = define_measure(
    "files_written", (_D.AGENT,), _U.COUNT, "Files that an agent wrote in a session, each once."
)
FILES_KNOWN = define_measure(
    "files_known", (_D.AGENT,), _U.COUNT, "Those of them that are known to be new or not."
)
FILES_CREATED = define_measure("files_created", (_D.AGENT,), _U.COUNT, "Those of these that are new.")

# Model calls.
MODEL_CALLS = define_measure("model_calls", (_D.MODEL, _D.OUTCOME), _U.COUNT, "Model calls.")
MODEL_TIME = define_measure(
    "model_time", (_D.MODEL, _D.BUCKET), _U.SKETCH_NANOSECONDS, "Length of model calls."
)
FIRST_TOKEN_TIME = define_measure(
    "first_token_time",
    (_D.MODEL, _D.BUCKET),
    _U.SKETCH_NANOSECONDS,
    "Time from a request to its first token.",
)
TOKENS = define_measure("tokens", (_D.MODEL, _D.KIND), _U.COUNT, "Tokens that model calls used.")
PROMPT_TOKENS = define_measure(
    "prompt_tokens", (_D.MODEL,), _U.COUNT, "Tokens read by the model calls that report their cache reads."
)
CONTEXT_FILL = define_measure(
    "context_fill",
    (_D.MODEL, _D.BUCKET),
    _U.SKETCH_MILLIONTHS,
    "Share of the model's context window that a prompt filled, of calls that report their cache reads.",
)
PRICED_CALLS = define_measure("priced_calls", (_D.MODEL, _D.ORIGIN), _U.COUNT, "Model calls with known cost.")
COST = define_measure("cost", (_D.MODEL, _D.ORIGIN), _U.NANO_USD, "Cost of model calls.")
UNPRICED_CALLS = define_measure(
    "unpriced_calls", (_D.MODEL,), _U.COUNT, "Model calls that used tokens and have no known cost."
)
USAGE_EXPECTED = define_measure(
    "usage_expected", (), _U.COUNT, "Model calls and tasks of ended sessions that could report tokens."
)
USAGE_REPORTED = define_measure(
    "usage_reported", (), _U.COUNT, "Model calls and tasks of ended sessions that reported all their tokens."
)
TOOL_CALL_TASKS = define_measure(
    "tool_call_tasks", (), _U.COUNT, "Tasks of ended sessions, which could report their tool calls."
)
TOOL_CALL_TASKS_REPORTED = define_measure(
    "tool_call_tasks_reported", (), _U.COUNT, "Tasks of ended sessions of which all tool calls are known."
)

# Sessions, turns, phases, messages, hooks and caches.
SESSIONS = define_measure(
    "sessions", (_D.SOURCE, _D.PATTERN, _D.OUTCOME), _U.COUNT, "Sessions that are over."
)
SESSION_TIME = define_measure(
    "session_time", (_D.PATTERN, _D.BUCKET), _U.SKETCH_NANOSECONDS, "Length of sessions."
)
TURN_TIME = define_measure("turn_time", (_D.BUCKET,), _U.SKETCH_NANOSECONDS, "Length of turns.")
PHASES = define_measure("phases", (_D.PHASE, _D.OUTCOME), _U.COUNT, "Phases that are over.")
PHASE_TIME = define_measure("phase_time", (_D.PHASE, _D.BUCKET), _U.SKETCH_NANOSECONDS, "Length of phases.")
MESSAGES = define_measure(
    "messages", (_D.AGENT, _D.OUTCOME), _U.COUNT, "Messages between agents, by receiver."
)
MESSAGES_SENT = define_measure("messages_sent", (_D.AGENT,), _U.COUNT, "Messages between agents, by sender.")
RECOVERY_TIME = define_measure(
    "recovery_time",
    (_D.TASK_TYPE, _D.BUCKET),
    _U.SKETCH_NANOSECONDS,
    "Time from a failure to the next success of its task type or agent.",
)
MESSAGE_KINDS = define_measure("message_kinds", (_D.KIND,), _U.COUNT, "Messages between agents, by kind.")
REFUSED_DELEGATIONS = define_measure(
    "refused_delegations", (), _U.COUNT, "Calls for an agent that were refused or failed, so that none ran."
)
REPAIRED_DELEGATIONS = define_measure(
    "repaired_delegations", (), _U.COUNT, "Those of them that a later call for the same work made good."
)
MESSAGE_TIME = define_measure(
    "message_time", (_D.AGENT, _D.BUCKET), _U.SKETCH_NANOSECONDS, "Time from a message to its answer."
)
CONVERSATIONS = define_measure(
    "conversations", (_D.PATTERN, _D.SENDER, _D.AGENT), _U.COUNT, "Messages by sender and receiver."
)
CONVERSATION_TIME = define_measure(
    "conversation_time",
    (_D.PATTERN, _D.SENDER, _D.AGENT, _D.BUCKET),
    _U.SKETCH_NANOSECONDS,
    "Time from a message to its answer, by sender and receiver.",
)
HOOKS_TIME = define_measure(
    "hooks_time", (_D.BUCKET,), _U.SKETCH_NANOSECONDS, "How long an agent waited for its hooks."
)
HOOK_EVENT_TIME = define_measure(
    "hook_event_time",
    (_D.EVENT, _D.BUCKET),
    _U.SKETCH_NANOSECONDS,
    "How long an agent waited for its hooks, by hook event.",
)
HOOK_COMMAND_TIME = define_measure(
    "hook_command_time",
    (_D.COMMAND, _D.BUCKET),
    _U.SKETCH_NANOSECONDS,
    "How long an agent waited for a hook, by its command.",
)
CACHE_LOOKUPS = define_measure(
    "cache_lookups", (_D.CACHE, _D.RESULT), _U.COUNT, "Lookups in a reported cache."
)
CACHE_REMOVALS = define_measure(
    "cache_removals", (_D.CACHE, _D.REASON), _U.COUNT, "Entries that left a reported cache."
)
CACHE_REFUSED = define_measure(
    "cache_refused", (_D.CACHE,), _U.COUNT, "Lookups in a reported cache that met a stale entry."
)
CACHE_EVICTED_MISSES = define_measure(
    "cache_evicted_misses", (_D.CACHE,), _U.COUNT, "Lookups that twice the room would have answered."
)
CACHE_SAVED = define_measure(
    "cache_saved", (_D.CACHE,), _U.NANOSECONDS, "What computing the answered results had taken."
)
CACHE_LOOKUP_TIME = define_measure(
    "cache_lookup_time", (_D.CACHE,), _U.NANOSECONDS, "What the lookups in a reported cache took."
)

# Sessions with a named pattern and a task that are over, as runs of a whole workflow.
WORKFLOW_SESSIONS = define_measure(
    "workflow_sessions", (_D.PATTERN,), _U.COUNT, "Sessions of a named pattern that are over and had a task."
)
WORKFLOW_SHARE = define_measure(
    "workflow_share",
    (_D.PATTERN,),
    _U.MILLIONTHS,
    "Their delivered tasks over their tasks without those retried away, session by session.",
)
WORKFLOW_ELAPSED = define_measure(
    "workflow_elapsed",
    (_D.PATTERN,),
    _U.NANOSECONDS,
    "Their wall time without idle time and waits for a person.",
)

# Wall time, critical paths and slack of the sessions that are over.
WALL = define_measure("wall", (_D.PART,), _U.NANOSECONDS, "Wall time by part.")
AGENTS_WORKING = define_measure(
    "agents_working", (), _U.NANOSECONDS, "Time in which each agent was at work itself, summed over agents."
)
OVERHEAD_TIME = define_measure(
    "overhead_time", (_D.PART,), _U.NANOSECONDS, "What watching these agents cost, by part."
)
OVERHEAD_KNOWN = define_measure(
    "overhead_known", (_D.PART,), _U.NANOSECONDS, "This time of the sessions in which a part is known."
)
CRITICAL_PATH = define_measure("critical_path", (), _U.NANOSECONDS, "Length of critical paths.")
CRITICAL_PATH_AGENT = define_measure(
    "critical_path_agent", (_D.AGENT,), _U.NANOSECONDS, "Part of the critical paths by agent."
)
CRITICAL_PATH_TASK_TYPE = define_measure(
    "critical_path_task_type", (_D.TASK_TYPE,), _U.NANOSECONDS, "Part of the critical paths by task type."
)
CRITICAL_PATH_TOOL = define_measure(
    "critical_path_tool", (_D.TOOL,), _U.NANOSECONDS, "Part of the critical paths by tool."
)
SLACK_AGENT = define_measure(
    "slack_agent", (_D.AGENT,), _U.NANOSECONDS, "Least slack by agent, over sessions."
)
SLACK_TASK_TYPE = define_measure(
    "slack_task_type", (_D.TASK_TYPE,), _U.NANOSECONDS, "Least slack by task type, over sessions."
)
SLACK_TOOL = define_measure("slack_tool", (_D.TOOL,), _U.NANOSECONDS, "Least slack by tool, over sessions.")
SLACK_AGENT_SESSIONS = define_measure(
    "slack_agent_sessions", (_D.AGENT,), _U.COUNT, "Sessions with a slack of the agent, 0 included."
)
SLACK_TASK_TYPE_SESSIONS = define_measure(
    "slack_task_type_sessions",
    (_D.TASK_TYPE,),
    _U.COUNT,
    "Sessions with a slack of the task type, 0 included.",
)
SLACK_TOOL_SESSIONS = define_measure(
    "slack_tool_sessions", (_D.TOOL,), _U.COUNT, "Sessions with a slack of the tool, 0 included."
)

# Samples of the agents' processes and of the machine.
SAMPLED = define_measure("sampled", (), _U.NANOSECONDS, "Time during which processes were sampled.")
AGENTS_CPU = define_measure("agents_cpu", (), _U.NANOSECONDS, "Processor time of the agents' processes.")
AGENTS_CPU_USE = define_measure(
    "agents_cpu_use", (_D.BUCKET,), _U.SKETCH_CORES, "Processors in use by a session."
)
AGENTS_MEMORY = define_measure(
    "agents_memory", (_D.BUCKET,), _U.SKETCH_BYTES, "Resident memory of a session."
)
AGENTS_IO_SAMPLES = define_measure(
    "agents_io_samples", (_D.DIRECTION,), _U.COUNT, "Samples that report bytes read or written, 0 included."
)
AGENTS_IO = define_measure("agents_io", (_D.DIRECTION,), _U.BYTES, "Bytes read from and written to disk.")
SAMPLED_SESSIONS = define_measure(
    "sampled_sessions", (), _U.COUNT, "Sessions with enough samples of their memory."
)
MEMORY_EVENNESS = define_measure(
    "memory_evenness", (), _U.MILLIONTHS, "Mean over peak memory of these sessions, summed."
)
SESSION_MACHINE_USE = define_measure(
    "session_machine_use",
    (_D.BUCKET,),
    _U.SKETCH_PERCENT,
    "Sessions with enough samples, by the busy share of the machine meanwhile.",
)
MACHINE_BUSY = define_measure("machine_busy", (), _U.NANOSECONDS, "Processor time that the machine was busy.")
MACHINE_AVAILABLE = define_measure(
    "machine_available", (), _U.NANOSECONDS, "Processor time that the machine had."
)

# Inputs of the scores.
WORK_ENDS = define_measure("work_ends", (*_WORK, _D.PLACE, _D.OUTCOME), _U.COUNT, "Tasks that are over.")
WORK_DELIVERED = define_measure(
    "work_delivered", _WORK, _U.COUNT, "Tasks that were delivered or taken as delivered."
)
WORK_TIME = define_measure("work_time", _WORK, _U.NANOSECONDS, "Length of tasks.")
PLACED_TASKS = define_measure("placed_tasks", (*_WORK, _D.PLACE), _U.COUNT, "Tasks with a known length.")
PLACED_TIME = define_measure("placed_time", (*_WORK, _D.PLACE), _U.NANOSECONDS, "Length of these tasks.")
AGENT_CALLS = define_measure(
    "agent_calls",
    (_D.AGENT, _D.OUTCOME),
    _U.COUNT,
    "Tool calls inside an agent's tasks, in sessions that are over.",
)
RETRY_ENDS = define_measure(
    "retry_ends", (*_WORK, _D.OUTCOME), _U.COUNT, "Tasks that repeated a failed task."
)
RETRY_TIME = define_measure("retry_time", _WORK, _U.NANOSECONDS, "Length of these tasks.")
TURNS = define_measure(
    "turns", (_D.PATTERN, _D.PLACE), _U.COUNT, "Turns with two or more tasks of one parent."
)
AGENTS_BUSY = define_measure(
    "agents_busy", (_D.PATTERN,), _U.NANOSECONDS, "Busy time of the tasks of these turns."
)
AGENTS_CAPACITY = define_measure(
    "agents_capacity", (_D.PATTERN,), _U.NANOSECONDS, "Time that these tasks could have been busy."
)
CHECKED = define_measure(
    "checked", (_D.PATTERN, _D.RESULT), _U.COUNT, "Parallel executions whose results were checked together."
)
CHECKED_IN_PHASE = define_measure(
    "checked_in_phase",
    (_D.PHASE, _D.RESULT),
    _U.COUNT,
    "These executions by phase: with a conflict that of the tasks in conflict, else that of all tasks.",
)
CONSISTENT = define_measure(
    "consistent",
    (*_WORK, _D.RESULT),
    _U.COUNT,
    "Tasks of parallel executions with known writes, by conflict.",
)
COMPLETE = define_measure(
    "complete", _WORK, _U.MILLIONTHS, "How complete tasks of sessions that are over are."
)
COMPLETE_TASKS = define_measure("complete_tasks", _WORK, _U.COUNT, "Tasks with a known completeness.")
SCORE_COUNT = define_measure(
    "score_count", (_D.SCORE, *_WORK, _D.PLACE), _U.COUNT, "Scores from outside that lie on their scale."
)
SCORE_SUM = define_measure("score_sum", (_D.SCORE, *_WORK, _D.PLACE), _U.MILLIONTHS, "Sum of these scores.")
SCORE_OUTSIDE = define_measure(
    "score_outside", (_D.SCORE, *_WORK), _U.COUNT, "Scores from outside that lie off their scale."
)
ANSWERS = define_measure("answers", (_D.AGENT,), _U.COUNT, "Messages with a known answer time, by receiver.")
ANSWER_TIME = define_measure("answer_time", (_D.AGENT,), _U.NANOSECONDS, "Answer time of these messages.")
TALK_MESSAGES = define_measure("talk_messages", (_D.AGENT,), _U.COUNT, "Messages of a session, by receiver.")
TALK_SHARE = define_measure(
    "talk_share",
    (_D.AGENT,),
    _U.MILLIONTHS,
    "One over the number of receivers of a session: over all receivers it adds up to the number of sessions.",
)
PATTERN_PHASES = define_measure("pattern_phases", (_D.PATTERN, _D.OUTCOME), _U.COUNT, "Phases that are over.")
PHASES_COVERED = define_measure(
    "phases_covered", (_D.PATTERN,), _U.NANOSECONDS, "Time inside any phase of a session."
)
PHASES_STRETCH = define_measure(
    "phases_stretch",
    (_D.PATTERN,),
    _U.NANOSECONDS,
    "Time from the first phase's start to the last one's end.",
)
