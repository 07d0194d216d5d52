"""Conventions: what a span of an agent framework is, by the attributes it bears.

The OpenTelemetry GenAI conventions in the names of v1.41 and of their new repository (status Development:
github.com/open-telemetry/semantic-conventions-genai), OpenInference (github.com/Arize-ai/openinference,
spec/semantic_conventions.md), OpenLLMetry (github.com/traceloop/openllmetry), Langfuse, LangSmith, the AI
SDK, pydantic-ai before it followed the first, and Stretto's own ``stretto.*``. Spans often follow two at
once.
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
    """What a span says it is."""

    SESSION = auto()
    TURN = auto()
    TASK = auto()
    AGENT = auto()
    """An agent's run: the turn where it is the outermost, else a task."""
    WORKFLOW = auto()
    """A turn, unless it lies inside another."""
    CHAIN = auto()
    """A framework's step: the turn where it is the outermost, else nothing of its own."""
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
"""Attribute → its values, in the order of trust."""

_SESSIONS = (
    Attribute.SESSION_ID.value,
    "session.id",
    "langfuse.session.id",
    "traceloop.association.properties.session_id",
    "langsmith.metadata.session_id",
    Attribute.CONVERSATION_ID.value,
)
"""What names a session, in the order of trust; nested agents may bring conversation ids of their own."""

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
    *_COSTS, *(name for names in _USAGE.values() for name in names), *(own.value for own in Attribute),
})  # fmt: skip
"""All that is read: names, ids, counts and classes; never a message, an argument or a result."""

_PREFIXES = ("invoke_agent ", "invoke_workflow ", "execute_tool ", "running tool: ", "tools/call ")
_BARE = frozenset(prefix.rstrip(": ") for prefix in _PREFIXES)
"""What is left of such a name where the subject has none."""
_RUN_ID = re.compile(r"[0-9a-f]{8}")
_INSTRUMENTATIONS = ("openinference.instrumentation.", "opentelemetry.instrumentation.")


def find_role(span: Span) -> Role | None:
    """Return what a span says it is, or None for one that follows no convention known here."""
    attributes = span.attributes
    own = _find_stretto_role(attributes)
    if own is not None:
        return own
    for name, values in _ROLES.items():
        said = attributes.get(name)
        if said is not None and (found := values.get(str(said))) is not None:
            return _get_traceloop_role(span) if name == "traceloop.span.kind" else found
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
    # A "task" that a program declares is work it hands out; one that an instrumentation reports is any step.
    if kind == "task" and span.scope == "traceloop.tracer":
        return Role.AGENT
    return _ROLES["traceloop.span.kind"][kind]


def was_sent_by_stretto(span: Span) -> bool:
    """Tell whether Stretto sent the span out: its ids are those the entities had."""
    return Attribute.OUTCOME.value in span.attributes


def is_from_api(span: Span) -> bool:
    """Tell whether Stretto's Python API made a span, in whatever process."""
    return span.scope == API_SCOPE


def has_judgement(span: Span) -> bool:
    """Tell whether a span bears the result of an evaluation."""
    return bool(span.judgements) or _EVALUATION_VALUE in span.attributes


def get_stretto_session(span: Span) -> str | None:
    """Return the session of a span that Stretto or its Python API made."""
    names = _SESSIONS[:1] if not was_sent_by_stretto(span) else (_SESSIONS[0], _SESSIONS[-1])
    return get_id(span.attributes, *names)


def find_session(attributes: Attributes) -> tuple[int, str] | None:
    """Return the session that a span or a log event names and the rank of that word, 0 being the best."""
    for rank, name in enumerate(_SESSIONS):
        said = get_id(attributes, name)
        # Some put the id of the response that is continued where the conversation's belongs.
        if said is not None and not said.startswith("resp_"):
            return rank, said
    return None


def get_source(span: Span | LogRecord) -> str:
    """Return the product that was watched: the service's name, else that of the framework."""
    said = get_text(span.attributes, Attribute.SOURCE.value) or span.service
    if said and not said.startswith("unknown_service"):
        return said[:_SOURCE_LIMIT]
    if span.scope == API_SCOPE:
        return DEFAULT_SOURCE
    scope = span.scope
    for prefix in _INSTRUMENTATIONS:
        scope = scope.removeprefix(prefix)
    return scope[:_SOURCE_LIMIT] or "otlp"


DEFAULT_SOURCE = "python"
"""The source of a program with Stretto's Python API that does not say what it is called."""

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
    """Return the model that answered, else the one that was asked for."""
    return get_text(span.attributes, *_MODELS)


def get_call_id(span: Span) -> str | None:
    """Return the id that the model gave to a tool call."""
    return get_id(span.attributes, *_CALLS)


def get_response_id(span: Span) -> str | None:
    """Return the id that the provider gave to a response."""
    return get_id(span.attributes, *_RESPONSES)


def _strip_prefix(name: str) -> str | None:
    """Return what a span's name says of its subject; one that bears the id of a run names nothing."""
    if name in _BARE:
        return None
    for prefix in _PREFIXES:
        name = name.removeprefix(prefix)
    return None if _RUN_ID.search(name) else name[:NAME_LIMIT] or None


def get_usage(attributes: Attributes) -> dict[str, int | float | None]:
    """Return tokens and cost of a model call; input tokens without those read from or written to a cache.

    All conventions count the cached ones into the input. A sender whose input is smaller than that does not.
    """
    used: dict[str, int | float | None] = {
        name: get_count(attributes, *said) for name, said in _USAGE.items()
    }
    cached = (used["cache_read_tokens"] or 0) + (used["cache_write_tokens"] or 0)
    given = used["input_tokens"]
    if given is not None and cached <= given:
        used["input_tokens"] = given - cached
    used["cost_usd"] = get_number(attributes, *_COSTS)
    return used


def get_error_class(attributes: Attributes) -> str | None:
    """Return the class of an error; never its message."""
    return get_class_name(attributes, Attribute.ERROR_TYPE.value)


def get_outcome(span: Span) -> Outcome:
    """Return how a span ended: as Stretto said, else by its status; one left unset is no failure."""
    said = span.attributes.get(Attribute.OUTCOME.value)
    if said in _OUTCOMES:
        return Outcome(str(said))
    kind = (get_error_class(span.attributes) or "").lower()
    if not span.failed and not kind:
        return Outcome.SUCCESS
    return Outcome.CANCELLED if "cancel" in kind or "abort" in kind else Outcome.FAILURE


_OUTCOMES = frozenset(Outcome) - {Outcome.RUNNING}
