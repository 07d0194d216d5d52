"""Roles: which kind of work a span declares, by the attributes of each convention."""

from __future__ import annotations

from stretto.model.span_tree import SpanRole
from stretto.names import SpanAttribute
from stretto.sources.otlp.plain_records import Span

_ROLES: dict[str, dict[str, SpanRole]] = {
    "gen_ai.operation.name": {
        "invoke_agent": SpanRole.AGENT,
        "agent_call": SpanRole.AGENT,
        "invoke_workflow": SpanRole.WORKFLOW,
        "invoke_graph": SpanRole.WORKFLOW,
        "invoke_swarm": SpanRole.WORKFLOW,
        "execute_task": SpanRole.CHAIN,
        "execute_tool": SpanRole.TOOL,
        "tool_call": SpanRole.TOOL,
        "retrieval": SpanRole.TOOL,
        "rerank": SpanRole.TOOL,
        "search_memory": SpanRole.TOOL,
        "create_memory": SpanRole.TOOL,
        "update_memory": SpanRole.TOOL,
        "upsert_memory": SpanRole.TOOL,
        "delete_memory": SpanRole.TOOL,
        "chat": SpanRole.MODEL,
        "llm_call": SpanRole.MODEL,
        "generate_content": SpanRole.MODEL,
        "text_completion": SpanRole.MODEL,
        "embeddings": SpanRole.MODEL,
    },
    "openinference.span.kind": {
        "AGENT": SpanRole.AGENT,
        "CHAIN": SpanRole.CHAIN,
        "TOOL": SpanRole.TOOL,
        "RETRIEVER": SpanRole.TOOL,
        "RERANKER": SpanRole.TOOL,
        "GUARDRAIL": SpanRole.TOOL,
        "EVALUATOR": SpanRole.TOOL,
        "LLM": SpanRole.MODEL,
        "EMBEDDING": SpanRole.MODEL,
    },
    "traceloop.span.kind": {
        "workflow": SpanRole.WORKFLOW,
        "agent": SpanRole.AGENT,
        "tool": SpanRole.TOOL,
        "task": SpanRole.CHAIN,
    },
    "langfuse.observation.type": {
        "agent": SpanRole.AGENT,
        "chain": SpanRole.CHAIN,
        "tool": SpanRole.TOOL,
        "retriever": SpanRole.TOOL,
        "guardrail": SpanRole.TOOL,
        "evaluator": SpanRole.TOOL,
        "generation": SpanRole.MODEL,
        "embedding": SpanRole.MODEL,
    },
    "langsmith.span.kind": {"chain": SpanRole.CHAIN, "tool": SpanRole.TOOL, "llm": SpanRole.MODEL},
    "llm.request.type": {"chat": SpanRole.MODEL, "completion": SpanRole.MODEL, "embedding": SpanRole.MODEL},
    "ai.operationId": {
        "ai.toolCall": SpanRole.TOOL,
        "ai.generateText.doGenerate": SpanRole.MODEL,
        "ai.streamText.doStream": SpanRole.MODEL,
        "ai.generateObject.doGenerate": SpanRole.MODEL,
        "ai.streamObject.doStream": SpanRole.MODEL,
        "ai.embed.doEmbed": SpanRole.MODEL,
        "ai.embedMany.doEmbed": SpanRole.MODEL,
        "ai.generateText": SpanRole.CHAIN,
        "ai.streamText": SpanRole.CHAIN,
        "ai.generateObject": SpanRole.CHAIN,
        "ai.streamObject": SpanRole.CHAIN,
    },
    "mcp.method.name": {"tools/call": SpanRole.TOOL},
    "prefect.run.type": {"flow": SpanRole.WORKFLOW, "task": SpanRole.UNIT},
    # Another action, such as "apply_async", only hands the task to the queue.
    "celery.action": {"run": SpanRole.UNIT},
}
"""Attribute → its values; the first attribute with a known value decides."""

_TOOL_NAME = SpanAttribute.TOOL_NAME.value
_CALL_ID = SpanAttribute.TOOL_CALL_ID.value
_CALL_IDS = frozenset({_CALL_ID, "gen_ai.tool.call_id"})
_ANSWERED = frozenset({"gen_ai.response.model", "gen_ai.response.finish_reasons", "gen_ai.response.id"})

SUBAGENT_IDS = frozenset({"qwen-code.subagent.id"})
"""Attributes with the id of a subagent by which the client's other channels know it."""

_HAYSTACK_STEPS = frozenset({"haystack.pipeline.run", "haystack.async_pipeline.run", "haystack.agent.run"})

RAY_WORKER = " ray.remote_worker"
"""The end of the name of a Ray task's execution; that of its submission ends in "ray.remote"."""

ATTRIBUTES = frozenset({*_ROLES, _TOOL_NAME, *_CALL_IDS, *_ANSWERED, *SUBAGENT_IDS, "agent_name"})
"""The attributes that decide a role."""


def find_role(span: Span) -> SpanRole:
    """Return the role that a span declares; a span that follows no known convention is a link."""
    attributes = span.attributes
    stretto_role = _find_stretto_role(span)
    if stretto_role is not None:
        return stretto_role
    for name, values in _ROLES.items():
        value = attributes.get(name)
        if value is not None and (role := values.get(str(value))) is not None:
            return _get_declared_role(span, name, role)
    return _find_role_by_names(span)


def _find_stretto_role(span: Span) -> SpanRole | None:
    attributes = span.attributes
    if SpanAttribute.TURN_ID.value in attributes:
        return SpanRole.TURN
    if SpanAttribute.PHASE_ID.value in attributes:
        return SpanRole.PHASE
    operation = attributes.get(SpanAttribute.OPERATION_NAME.value)
    if SpanAttribute.TASK_ID.value in attributes and operation == "invoke_agent":
        return SpanRole.TASK
    if SpanAttribute.SESSION_ID.value in attributes and operation == "invoke_workflow":
        return SpanRole.SESSION
    return None


def _get_declared_role(span: Span, attribute: str, role: SpanRole) -> SpanRole:
    # Copilot writes such calls itself when a background agent finishes; the model's call ids begin otherwise.
    if role is SpanRole.TOOL and span.attributes.get(_TOOL_NAME) == "read_agent":
        return role if str(span.attributes.get(_CALL_ID)).startswith("call_") else SpanRole.LINK
    # A traceloop "task" declared by a program is delegated work; one from an instrumentation is any step.
    if attribute == "traceloop.span.kind" and role is SpanRole.CHAIN and span.scope == "traceloop.tracer":
        return SpanRole.AGENT
    # Celery's own tasks, such as the one that waits for a chord, are no work.
    if attribute == "celery.action" and str(span.attributes.get("celery.task_name")).startswith("celery."):
        return SpanRole.LINK
    if role is SpanRole.AGENT and not SUBAGENT_IDS.isdisjoint(span.attributes):
        return SpanRole.TASK
    return role


def _find_role_by_names(span: Span) -> SpanRole:
    """Return the role of a span that declares none, but names an entity or has a known name."""
    attributes = span.attributes
    if _TOOL_NAME in attributes or not _CALL_IDS.isdisjoint(attributes):
        return SpanRole.TOOL
    if "agent_name" in attributes and span.scope.startswith("pydantic-ai"):
        return SpanRole.AGENT
    if SpanAttribute.REQUEST_MODEL.value in attributes and not _ANSWERED.isdisjoint(attributes):
        return SpanRole.MODEL
    return _find_engine_role(span)


def _find_engine_role(span: Span) -> SpanRole:
    """Return the role of a span of Haystack, Ray or Airflow."""
    attributes = span.attributes
    if "haystack.component.name" in attributes or span.name in _HAYSTACK_STEPS:
        return SpanRole.CHAIN
    if span.name.endswith(RAY_WORKER):
        return SpanRole.UNIT
    if "airflow.dag_id" in attributes and span.name.startswith("dag_run."):
        return SpanRole.WORKFLOW
    # The span "task_run.X" of the same task comes later and includes the time in the queue.
    is_execution = "airflow.task_id" in attributes and span.name.startswith("worker.")
    return SpanRole.UNIT if is_execution else SpanRole.LINK
