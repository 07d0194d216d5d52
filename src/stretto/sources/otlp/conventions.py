"""Conventions: read role, names, ids and usage of a span by the attribute names of agent frameworks.

Supported are: the OpenTelemetry GenAI conventions in the names of v1.41 and of their new repository (status
Development: github.com/open-telemetry/semantic-conventions-genai), OpenInference
(github.com/Arize-ai/openinference, spec/semantic_conventions.md), OpenLLMetry
(github.com/traceloop/openllmetry), Langfuse, LangSmith, the AI SDK, pydantic-ai before it adopted the GenAI
conventions, and Stretto's ``stretto.*``. Spans often follow two conventions at once.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from stretto.model.event import Outcome
from stretto.model.span_tree import SpanRole
from stretto.names import API_SCOPE, SpanAttribute
from stretto.sources.otlp import roles
from stretto.sources.otlp.plain_records import (
    NAME_LIMIT,
    Attributes,
    LogRecord,
    Span,
    get_class_name,
    get_count,
    get_id,
    get_number,
    get_text,
)

_SESSIONS = (
    SpanAttribute.SESSION_ID.value,
    "session.id",
    "langfuse.session.id",
    "traceloop.association.properties.session_id",
    "langsmith.metadata.session_id",
    SpanAttribute.CONVERSATION_ID.value,
)
"""Attributes with a session's id, best first; conversation ids come last since nested agents add theirs."""

_AGENTS = (
    SpanAttribute.AGENT_NAME.value,
    "agent_name",
    "agent.name",
    "traceloop.entity.name",
    "graph.node.id",
)
_PROMPT_IDS = ("qwen-code.prompt_id",)
"""Attributes of a turn's span with the id of its prompt."""
_INVOKING_CALLS = ("qwen-code.subagent.invoking_request_id",)
_TOOLS = (SpanAttribute.TOOL_NAME.value, "tool.name", "ai.toolCall.name", "traceloop.entity.name")
_CALLS = (SpanAttribute.TOOL_CALL_ID.value, "gen_ai.tool.call_id", "tool_call.id", "ai.toolCall.id")
_WORKFLOWS = (
    SpanAttribute.WORKFLOW_NAME.value,
    SpanAttribute.AGENT_NAME.value,
    "workflow.name",
    "traceloop.workflow.name",
    "traceloop.entity.name",
    "prefect.run.name",
    "airflow.dag_id",
)
_STEPS = (
    "gen_ai.task.name",
    "langsmith.metadata.langgraph_node",
    "haystack.component.name",
    "traceloop.entity.name",
)
_UNITS = ("celery.task_name", "airflow.task_id", "prefect.run.name")
_UNIT_IDS = (
    "prefect.run.id",
    "messaging.message.id",
    "messaging.message_id",
    "messaging.conversation_id",
)
"""Attributes with the id of an engine's task, which all of its attempts share."""
_AIRFLOW_INDEX = "airflow.task_instance.map_index"
_MODELS = (
    "gen_ai.response.model",
    SpanAttribute.REQUEST_MODEL.value,
    "llm.model_name",
    "ai.response.model",
    "ai.model.id",
    "langfuse.observation.model.name",
)
_RESPONSES = ("gen_ai.response.id", "ai.response.id")

_USAGE: dict[str, tuple[str, ...]] = {
    "input_tokens": (
        "gen_ai.usage.input_tokens",
        "gen_ai.usage.prompt_tokens",
        "llm.token_count.prompt",
        "ai.usage.promptTokens",
        "ai.usage.inputTokens",
    ),
    "output_tokens": (
        "gen_ai.usage.output_tokens",
        "gen_ai.usage.completion_tokens",
        "llm.token_count.completion",
        "ai.usage.completionTokens",
        "ai.usage.outputTokens",
    ),
    "cache_read_tokens": (
        "gen_ai.usage.cache_read.input_tokens",
        "gen_ai.usage.cache_read_input_tokens",
        "gen_ai.usage.details.cache_read_tokens",
        "llm.token_count.prompt_details.cache_read",
        "ai.usage.cachedInputTokens",
    ),
    "cache_write_tokens": (
        "gen_ai.usage.cache_write.input_tokens",
        "gen_ai.usage.cache_creation.input_tokens",
        "gen_ai.usage.cache_creation_input_tokens",
        "gen_ai.usage.details.cache_write_tokens",
        "llm.token_count.prompt_details.cache_write",
    ),
    "reasoning_tokens": (
        "gen_ai.usage.reasoning.output_tokens",
        "gen_ai.usage.details.reasoning_tokens",
        "llm.token_count.completion_details.reasoning",
        "ai.usage.reasoningTokens",
    ),
}
_EXIT_CODE = "process.exit.code"
_COSTS = ("operation.cost", "gen_ai.usage.cost", "llm.cost.total")

PROJECTS = (SpanAttribute.PROJECT.value, "service.namespace", "project")
"""Attributes that name the project, the best first."""

_EVALUATION_VALUE = SpanAttribute.EVALUATION_VALUE.value

ATTRIBUTES = frozenset({
    *roles.ATTRIBUTES, *_SESSIONS, *_AGENTS, *_TOOLS, *_CALLS, *_WORKFLOWS, *_MODELS, *_RESPONSES,
    *_STEPS, *_UNITS, *_UNIT_IDS, _AIRFLOW_INDEX, *roles.SUBAGENT_IDS, *_INVOKING_CALLS, *_PROMPT_IDS,
    *PROJECTS, *_COSTS, _EXIT_CODE, *(name for names in _USAGE.values() for name in names),
    *(attribute.value for attribute in SpanAttribute),
})  # fmt: skip
"""All attributes that are read: names, ids, counts and classes; never a message, an argument or a result."""

_PREFIXES = ("invoke_agent ", "invoke_workflow ", "execute_tool ", "running tool: ", "tools/call ")
_BARE = frozenset(prefix.rstrip(": ") for prefix in _PREFIXES)
"""Span names that consist of a prefix alone, since the agent or tool has no name."""
_RUN_ID = re.compile(r"[0-9a-f]{8}")
_INSTRUMENTATIONS = ("openinference.instrumentation.", "opentelemetry.instrumentation.")


def holds_stretto_ids(span: Span) -> bool:
    """Return whether Stretto exported the span, so that its attributes hold the ids of stored entities."""
    return SpanAttribute.OUTCOME.value in span.attributes


def is_from_api(span: Span) -> bool:
    """Return whether Stretto's Python API made a span, in any process."""
    return span.scope == API_SCOPE


def has_judgement(span: Span) -> bool:
    """Return whether a span carries the result of an evaluation."""
    return bool(span.judgements) or _EVALUATION_VALUE in span.attributes


def get_stretto_session(span: Span) -> str | None:
    """Return the session id that Stretto or its Python API wrote on a span."""
    names = _SESSIONS[:1] if not holds_stretto_ids(span) else (_SESSIONS[0], _SESSIONS[-1])
    return get_id(span.attributes, *names)


def find_ranked_session(attributes: Attributes, *, is_root: bool = True) -> tuple[int, str] | None:
    """Return (rank, session id) of the best attribute that names a session; rank 0 is the best.

    A conversation id names the session only on the outermost span: nested agents add ids of their own.
    Example: ``session.id`` "s1" and ``gen_ai.conversation.id`` "c1" give (1, "s1").
    """
    for rank, name in enumerate(_SESSIONS if is_root else _SESSIONS[:-1]):
        session = get_id(attributes, name)
        # Some senders put the id of the continued response in place of the conversation's.
        if session is not None and not session.startswith("resp_"):
            return rank, session
    return None


def get_source(span: Span | LogRecord) -> str:
    """Return the product that made a span: the service's name, else the framework's."""
    service = get_text(span.attributes, SpanAttribute.SOURCE.value) or span.service
    service = _PRODUCTS.get(service, service)
    if service and not service.startswith("unknown_service"):
        return service[:_SOURCE_LIMIT]
    if span.scope == API_SCOPE:
        return DEFAULT_SOURCE
    scope = span.scope
    for prefix in _INSTRUMENTATIONS:
        scope = scope.removeprefix(prefix)
    return scope[:_SOURCE_LIMIT] or "otlp"


_PRODUCTS = {
    "github-copilot": "copilot-cli",
    "codex_exec": "codex",
    "codex_cli_rs": "codex",
    "codex_tui": "codex",
}
"""Service name → the name that the product's other channels have."""

DEFAULT_SOURCE = "python"
"""The source of a program that uses Stretto's Python API and sets no service name."""

_SOURCE_LIMIT = 60
"""Characters; the source becomes a label's value."""


def get_entity_name(span: Span, role: SpanRole) -> str | None:
    """Return the name of a span's agent, step, tool, model, phase or workflow, else the span's."""
    get_name = _NAME_READERS.get(role)
    return None if get_name is None else get_name(span)


def _get_phase_name(span: Span) -> str | None:
    return get_text(span.attributes, SpanAttribute.PHASE.value)


def _get_unit_name(span: Span) -> str | None:
    return _strip_run(get_text(span.attributes, *_UNITS) or span.name)


def _get_step_name(span: Span) -> str | None:
    return get_text(span.attributes, *_STEPS) or _strip_prefix(span.name)


def _strip_run(name: str) -> str | None:
    """Return the name of an engine's task without the marks of its run.

    Example: "architect-ae6", "worker.load" and "app.load ray.remote_worker" give "architect", "load", "load".
    """
    name = _RUN_SUFFIX.sub("", name.removeprefix("worker."))
    if name.endswith(roles.RAY_WORKER):
        name = name.removesuffix(roles.RAY_WORKER).rpartition(".")[2]
    return name[:NAME_LIMIT] or None


_RUN_SUFFIX = re.compile(r"-[0-9a-f]{3}$")


def get_entity_id(span: Span, role: SpanRole) -> str | None:
    """Return the id that a span's entity has in every channel, if the span names it."""
    attributes = span.attributes
    if role is SpanRole.UNIT:
        index = attributes.get(_AIRFLOW_INDEX)
        airflow_task = get_text(attributes, "airflow.task_id")
        return f"{airflow_task}[{index}]" if airflow_task else get_id(attributes, *_UNIT_IDS)
    if role is SpanRole.TOOL:
        is_ours = holds_stretto_ids(span) and not is_from_api(span)
        return get_call_id(span) if is_ours else None
    names = _ENTITY_IDS.get(role)
    return None if names is None else get_id(attributes, *names)


_ENTITY_IDS = {
    SpanRole.TURN: (SpanAttribute.TURN_ID.value,),
    SpanRole.AGENT: _PROMPT_IDS,
    SpanRole.TASK: (SpanAttribute.TASK_ID.value, *roles.SUBAGENT_IDS),
    SpanRole.MODEL: (SpanAttribute.MODEL_CALL_ID.value,),
}


def get_owner(span: Span, role: SpanRole) -> str | None:
    """Return the id above a span's entity if Stretto or its API wrote it; empty for the main agent."""
    if not holds_stretto_ids(span):
        return None
    if role in {SpanRole.TOOL, SpanRole.MODEL}:
        return get_id(span.attributes, SpanAttribute.TASK_ID.value) or ""
    if role is SpanRole.TASK and is_from_api(span):
        return get_id(span.attributes, SpanAttribute.PARENT_ID.value) or ""
    return None


def get_calling_agent_id(span: Span, role: SpanRole) -> str | None:
    """Return the id of the agent that made a call, if its client gives each agent a session of its own.

    The main agent's id is that of the whole session.
    """
    if span.service != "opencode" or role not in {SpanRole.TOOL, SpanRole.MODEL}:
        return None
    return get_id(span.attributes, "session.id")


def get_invoking_call(span: Span) -> str | None:
    """Return the id of the tool call that started a span's agent, if the span names it."""
    return get_id(span.attributes, *_INVOKING_CALLS)


def get_agent_or_span_name(span: Span) -> str | None:
    """Return the agent's name, else the span's without the marks of its instrumentation."""
    name = get_text(span.attributes, *_AGENTS) or _strip_prefix(span.name)
    # Gemini CLI puts its own name on the spans of all agents.
    return None if name is None or name == span.service == "gemini-cli" else _strip_marks(name)


def _strip_marks(name: str) -> str | None:
    """Return a name without the marks of the instrumentation that made the span.

    Example: "architect.run", "tester._execute_core" and "lead.agent" give "architect", "tester" and "lead".
    """
    for mark in _MARKS:
        if name.endswith(mark) and len(name) > len(mark):
            return name.removesuffix(mark)
    return name


_MARKS = ("._execute_core", ".kickoff", ".agent", ".workflow", ".task", ".tool", ".run")


def get_tool_name(span: Span) -> str | None:
    """Return the tool's name, else the span's; a coding agent's tool that starts agents is ``Agent``."""
    name = get_text(span.attributes, *_TOOLS) or _strip_prefix(span.name)
    return AGENT_TOOL if name is not None and _DELEGATING.get(span.service) == name else name


AGENT_TOOL = "Agent"
"""The name that the other channels of a coding agent have for the tool that starts agents."""

_DELEGATING = {
    "gemini-cli": "invoke_agent",
    "github-copilot": "task",
    "qwen-code": "agent",
}
"""Service → its tool that starts agents."""


def get_workflow_name(span: Span) -> str | None:
    """Return the workflow's name, else the span's."""
    name = get_text(span.attributes, *_WORKFLOWS) or _strip_prefix(span.name)
    return None if name is None else _strip_marks(name)


def get_model_name(span: Span) -> str | None:
    """Return the model that answered, else the requested model."""
    return get_text(span.attributes, *_MODELS)


_NAME_READERS: dict[SpanRole, Callable[[Span], str | None]] = {
    SpanRole.SESSION: get_workflow_name,
    SpanRole.WORKFLOW: get_workflow_name,
    SpanRole.TURN: get_agent_or_span_name,
    SpanRole.TASK: get_agent_or_span_name,
    SpanRole.AGENT: get_agent_or_span_name,
    SpanRole.UNIT: _get_unit_name,
    SpanRole.CHAIN: _get_step_name,
    SpanRole.TOOL: get_tool_name,
    SpanRole.MODEL: get_model_name,
    SpanRole.PHASE: _get_phase_name,
}


def get_call_id(span: Span) -> str | None:
    """Return the id that the model gave to a tool call."""
    return get_id(span.attributes, *_CALLS)


def get_response_id(span: Span) -> str | None:
    """Return the id that the provider gave to a response."""
    return get_id(span.attributes, *_RESPONSES)


def _strip_prefix(name: str) -> str | None:
    """Return the agent's or tool's name in a span's name, or None if it is missing or holds a run's id.

    Example: "invoke_agent planner" gives "planner"; "planner 0a1b2c3d" gives None.
    """
    if name in _BARE:
        return None
    for prefix in _PREFIXES:
        name = name.removeprefix(prefix)
    return None if _RUN_ID.search(name) else name[:NAME_LIMIT] or None


def get_usage(attributes: Attributes) -> dict[str, int | float | None]:
    """Return tokens and cost of a model call; input tokens exclude those read from or written to a cache.

    All conventions include cached tokens in the input. Example: input 100 with 80 cached gives 20. An input
    smaller than the cached tokens comes from a sender that excludes them, and stays as it is.
    """
    usage: dict[str, int | float | None] = {
        name: get_count(attributes, *attribute_names) for name, attribute_names in _USAGE.items()
    }
    cached = (usage["cache_read_tokens"] or 0) + (usage["cache_write_tokens"] or 0)
    sent_input = usage["input_tokens"]
    if sent_input is not None and cached <= sent_input:
        usage["input_tokens"] = sent_input - cached
    usage["cost_usd"] = get_number(attributes, *_COSTS)
    return usage


def get_written_files(attributes: Attributes) -> list[str] | None:
    """Return the keyed hashes of written files, or None; a text that is no such hash is left out.

    So a path that another program sends by mistake is not kept.
    """
    text = attributes.get(SpanAttribute.WROTE.value)
    hashes = text.split()[:FILES_LIMIT] if isinstance(text, str) else []
    return [hash for hash in hashes if _PATH_HASH.fullmatch(hash)] or None


FILES_LIMIT = 256
"""Most written files kept of a task or call."""

_PATH_HASH = re.compile(r"[0-9a-f]{16}")


def get_error_class(attributes: Attributes) -> str | None:
    """Return the class of an error; never its message."""
    return get_class_name(attributes, SpanAttribute.ERROR_TYPE.value)


def get_outcome(span: Span) -> Outcome:
    """Return a span's outcome: Stretto's attribute, else by its status; an unset status is success."""
    stretto_outcome = span.attributes.get(SpanAttribute.OUTCOME.value)
    if stretto_outcome in _OUTCOMES:
        return Outcome(str(stretto_outcome))
    error_class = (get_error_class(span.attributes) or "").lower()
    if not span.failed and not error_class:
        return Outcome.SUCCESS
    is_cancelled = "cancel" in error_class or "abort" in error_class
    return Outcome.CANCELLED if is_cancelled else Outcome.FAILURE


def get_tool_outcome(span: Span) -> Outcome | None:
    """Return a tool call's outcome; None from a client whose spans are good whatever the call did."""
    if get_number(span.attributes, _EXIT_CODE):
        return Outcome.FAILURE
    if span.service in _BLIND_SERVICES and not span.failed:
        return None
    return get_outcome(span)


_BLIND_SERVICES = frozenset({"gemini-cli", "opencode"})

_OUTCOMES = frozenset(Outcome) - {Outcome.RUNNING}
