"""Conventions: read role, names, ids and usage of a span by the attribute names of agent frameworks.

Supported are: the OpenTelemetry GenAI conventions in the names of v1.41 and of their new repository (status
Development: github.com/open-telemetry/semantic-conventions-genai), OpenInference
(github.com/Arize-ai/openinference, spec/semantic_conventions.md), OpenLLMetry
(github.com/traceloop/openllmetry), Langfuse, LangSmith, the AI SDK, pydantic-ai before it adopted the GenAI
conventions, and Stretto's ``stretto.*``. Spans often follow two conventions at once.
"""

from __future__ import annotations

import re
from enum import Enum, auto

from stretto.model.event import Outcome
from stretto.names import API_SCOPE, Attribute
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


class Role(Enum):
    """The role that a span declares."""

    SESSION = auto()
    TURN = auto()
    TASK = auto()
    AGENT = auto()
    """An agent's run: a turn if it is the outermost span, else a task."""
    WORKFLOW = auto()
    """A turn, unless it is inside another turn."""
    CHAIN = auto()
    """A framework's step: a turn if it is the outermost span, else no entity."""
    TOOL = auto()
    MODEL = auto()


_ROLES: dict[str, dict[str, Role]] = {
    "gen_ai.operation.name": {
        "invoke_agent": Role.AGENT,
        "invoke_workflow": Role.WORKFLOW,
        "execute_tool": Role.TOOL,
        "chat": Role.MODEL,
        "generate_content": Role.MODEL,
        "text_completion": Role.MODEL,
        "embeddings": Role.MODEL,
    },
    "openinference.span.kind": {
        "AGENT": Role.AGENT,
        "CHAIN": Role.CHAIN,
        "TOOL": Role.TOOL,
        "LLM": Role.MODEL,
        "EMBEDDING": Role.MODEL,
    },
    "traceloop.span.kind": {
        "workflow": Role.WORKFLOW,
        "agent": Role.AGENT,
        "tool": Role.TOOL,
        "task": Role.CHAIN,
    },
    "langfuse.observation.type": {
        "agent": Role.AGENT,
        "chain": Role.CHAIN,
        "tool": Role.TOOL,
        "generation": Role.MODEL,
        "embedding": Role.MODEL,
    },
    "langsmith.span.kind": {"chain": Role.CHAIN, "tool": Role.TOOL, "llm": Role.MODEL},
    "llm.request.type": {"chat": Role.MODEL, "completion": Role.MODEL, "embedding": Role.MODEL},
    "ai.operationId": {
        "ai.toolCall": Role.TOOL,
        "ai.generateText.doGenerate": Role.MODEL,
        "ai.streamText.doStream": Role.MODEL,
        "ai.generateObject.doGenerate": Role.MODEL,
        "ai.streamObject.doStream": Role.MODEL,
        "ai.embed.doEmbed": Role.MODEL,
        "ai.embedMany.doEmbed": Role.MODEL,
        "ai.generateText": Role.CHAIN,
        "ai.streamText": Role.CHAIN,
        "ai.generateObject": Role.CHAIN,
        "ai.streamObject": Role.CHAIN,
    },
    "mcp.method.name": {"tools/call": Role.TOOL},
}
"""Attribute → its values; the first attribute with a known value decides."""

_SESSIONS = (
    Attribute.SESSION_ID.value,
    "session.id",
    "langfuse.session.id",
    "traceloop.association.properties.session_id",
    "langsmith.metadata.session_id",
    Attribute.CONVERSATION_ID.value,
)
"""Attributes with a session's id, best first; conversation ids come last since nested agents add theirs."""

_AGENTS = (Attribute.AGENT_NAME.value, "agent_name", "agent.name", "traceloop.entity.name", "graph.node.id")
_TOOLS = (Attribute.TOOL_NAME.value, "tool.name", "ai.toolCall.name", "traceloop.entity.name")
_CALLS = (Attribute.TOOL_CALL_ID.value, "tool_call.id", "ai.toolCall.id")
_WORKFLOWS = (Attribute.WORKFLOW_NAME.value, "traceloop.workflow.name", "traceloop.entity.name")
_MODELS = (
    "gen_ai.response.model",
    Attribute.REQUEST_MODEL.value,
    "llm.model_name",
    "ai.response.model",
    "ai.model.id",
    "langfuse.observation.model.name",
)
_RESPONSES = ("gen_ai.response.id", "ai.response.id")
_ANSWERED = frozenset({"gen_ai.response.model", "gen_ai.response.finish_reasons", "gen_ai.response.id"})

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
_COSTS = ("operation.cost", "gen_ai.usage.cost", "llm.cost.total")

_EVALUATION_VALUE = Attribute.EVALUATION_VALUE.value

ATTRIBUTES = frozenset({
    *_ROLES, *_SESSIONS, *_AGENTS, *_TOOLS, *_CALLS, *_WORKFLOWS, *_MODELS, *_RESPONSES, *_ANSWERED,
    *_COSTS, *(name for names in _USAGE.values() for name in names),
    *(attribute.value for attribute in Attribute),
})  # fmt: skip
"""All attributes that are read: names, ids, counts and classes; never a message, an argument or a result."""

_PREFIXES = ("invoke_agent ", "invoke_workflow ", "execute_tool ", "running tool: ", "tools/call ")
_BARE = frozenset(prefix.rstrip(": ") for prefix in _PREFIXES)
"""Span names that consist of a prefix alone, since the agent or tool has no name."""
_RUN_ID = re.compile(r"[0-9a-f]{8}")
_INSTRUMENTATIONS = ("openinference.instrumentation.", "opentelemetry.instrumentation.")


def find_role(span: Span) -> Role | None:
    """Return the role that a span declares, or None if it follows no known convention."""
    attributes = span.attributes
    stretto_role = _find_stretto_role(attributes)
    if stretto_role is not None:
        return stretto_role
    for name, values in _ROLES.items():
        value = attributes.get(name)
        if value is not None and (role := values.get(str(value))) is not None:
            return _get_traceloop_role(span) if name == "traceloop.span.kind" else role
    if _TOOLS[0] in attributes or _CALLS[0] in attributes:
        return Role.TOOL
    if "agent_name" in attributes and span.scope.startswith("pydantic-ai"):
        return Role.AGENT
    if Attribute.REQUEST_MODEL.value in attributes and not _ANSWERED.isdisjoint(attributes):
        return Role.MODEL
    return None


def _find_stretto_role(attributes: Attributes) -> Role | None:
    if Attribute.TURN_ID.value in attributes:
        return Role.TURN
    operation = attributes.get(Attribute.OPERATION_NAME.value)
    if Attribute.TASK_ID.value in attributes and operation == "invoke_agent":
        return Role.TASK
    if Attribute.SESSION_ID.value in attributes and operation == "invoke_workflow":
        return Role.SESSION
    return None


def _get_traceloop_role(span: Span) -> Role:
    kind = str(span.attributes["traceloop.span.kind"])
    # A "task" declared by a program is delegated work; a "task" from an instrumentation is any step.
    if kind == "task" and span.scope == "traceloop.tracer":
        return Role.AGENT
    return _ROLES["traceloop.span.kind"][kind]


def was_sent_by_stretto(span: Span) -> bool:
    """Return whether Stretto exported the span, so that its attributes hold the ids of stored entities."""
    return Attribute.OUTCOME.value in span.attributes


def is_from_api(span: Span) -> bool:
    """Return whether Stretto's Python API made a span, in any process."""
    return span.scope == API_SCOPE


def has_judgement(span: Span) -> bool:
    """Return whether a span carries the result of an evaluation."""
    return bool(span.judgements) or _EVALUATION_VALUE in span.attributes


def get_stretto_session(span: Span) -> str | None:
    """Return the session id that Stretto or its Python API wrote on a span."""
    names = _SESSIONS[:1] if not was_sent_by_stretto(span) else (_SESSIONS[0], _SESSIONS[-1])
    return get_id(span.attributes, *names)


def find_ranked_session(attributes: Attributes) -> tuple[int, str] | None:
    """Return (rank, session id) of the best attribute that names a session; rank 0 is the best.

    Example: ``session.id`` "s1" and ``gen_ai.conversation.id`` "c1" give (1, "s1").
    """
    for rank, name in enumerate(_SESSIONS):
        session = get_id(attributes, name)
        # Some senders put the id of the continued response in place of the conversation's.
        if session is not None and not session.startswith("resp_"):
            return rank, session
    return None


def get_source(span: Span | LogRecord) -> str:
    """Return the product that made a span: the service's name, else the framework's."""
    service = get_text(span.attributes, Attribute.SOURCE.value) or span.service
    if service and not service.startswith("unknown_service"):
        return service[:_SOURCE_LIMIT]
    if span.scope == API_SCOPE:
        return DEFAULT_SOURCE
    scope = span.scope
    for prefix in _INSTRUMENTATIONS:
        scope = scope.removeprefix(prefix)
    return scope[:_SOURCE_LIMIT] or "otlp"


DEFAULT_SOURCE = "python"
"""The source of a program that uses Stretto's Python API and sets no service name."""

_SOURCE_LIMIT = 60
"""Characters; the source becomes a label's value."""


def get_agent_name(span: Span) -> str | None:
    """Return the agent's name, else the span's."""
    return get_text(span.attributes, *_AGENTS) or _strip_prefix(span.name)


def get_tool_name(span: Span) -> str | None:
    """Return the tool's name, else the span's."""
    return get_text(span.attributes, *_TOOLS) or _strip_prefix(span.name)


def get_workflow_name(span: Span) -> str | None:
    """Return the workflow's name, else the span's."""
    return get_text(span.attributes, *_WORKFLOWS) or _strip_prefix(span.name)


def get_model_name(span: Span) -> str | None:
    """Return the model that answered, else the requested model."""
    return get_text(span.attributes, *_MODELS)


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


def get_error_class(attributes: Attributes) -> str | None:
    """Return the class of an error; never its message."""
    return get_class_name(attributes, Attribute.ERROR_TYPE.value)


def get_outcome(span: Span) -> Outcome:
    """Return a span's outcome: Stretto's attribute, else by its status; an unset status is success."""
    stretto_outcome = span.attributes.get(Attribute.OUTCOME.value)
    if stretto_outcome in _OUTCOMES:
        return Outcome(str(stretto_outcome))
    error_class = (get_error_class(span.attributes) or "").lower()
    if not span.failed and not error_class:
        return Outcome.SUCCESS
    is_cancelled = "cancel" in error_class or "abort" in error_class
    return Outcome.CANCELLED if is_cancelled else Outcome.FAILURE


_OUTCOMES = frozenset(Outcome) - {Outcome.RUNNING}
