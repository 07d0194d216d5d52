"""Put answers and refusals of operations into their envelopes, and describe both as JSON Schema."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stretto.clock import SECOND, to_rfc3339
from stretto.operations.operation import Operation, OperationAnswer
from stretto.operations.operation_context import OperationCall, Shortfall, to_time
from stretto.operations.operation_errors import ErrorCode, OperationError

SUCCESS, ERROR = "success", "error"

OVERHEAD_WINDOW = "24h"


@dataclass(frozen=True, slots=True)
class AnswerCost:
    """What an answer cost, and how exact it is."""

    seconds: float
    """Wall time of reading and working out."""
    overhead: float | None
    """Share of the sessions' wall time that hooks took."""
    no_overhead: str = ""


def build_success(
    operation: Operation, call: OperationCall, answer: OperationAnswer, cost: AnswerCost, now: int
) -> dict[str, Any]:
    """Return the envelope of an answer. ``now`` is in nanoseconds."""
    reasons = {}
    if cost.overhead is None:
        reasons["monitoring_overhead"] = cost.no_overhead
    if answer.accuracy is None:
        reasons["analysis_accuracy"] = answer.no_accuracy
    ages = {name: max(0, now - as_of) / SECOND for name, as_of in sorted(call.used.items())}
    return {
        "status": SUCCESS,
        "operation": operation.name,
        "workflow_id": call.workflow.id,
        "timestamp": to_rfc3339(now),
        "result": {
            "performance_data": drop_non_finite(answer.performance),
            "analysis_results": {"summary": answer.summary, **drop_non_finite(answer.analysis)},
            "recommendations": drop_non_finite(answer.recommendations),
        },
        "metrics": {
            "monitoring_overhead": cost.overhead,
            "data_collection_time": cost.seconds,
            "analysis_accuracy": answer.accuracy,
            "analysis_age_seconds": ages,
            "reasons": reasons,
        },
        "next_steps": answer.next_steps,
        "degraded": build_shortfalls(call.shortfalls, now),
    }


def build_error(
    operation: str, workflow: str | None, error: OperationError, fallbacks: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Return the envelope of a refusal."""
    return {
        "status": ERROR,
        "operation": operation,
        "workflow_id": workflow,
        "error": {
            "code": error.code.value,
            "message": error.message,
            "details": drop_non_finite(error.details),
        },
        "fallback_options": [*fallbacks],
    }


def build_shortfalls(shortfalls: Sequence[Shortfall], now: int) -> list[dict[str, Any]]:
    """Return what is old, missing or of more than was asked for in an answer, each reason of a part once."""
    by_part = {(shortfall.part, shortfall.reason): shortfall for shortfall in reversed(shortfalls)}
    return [
        {
            "part": each.part,
            "reason": each.reason,
            "as_of": to_time(each.as_of),
            "age_seconds": None if each.as_of is None else max(0, now - each.as_of) / SECOND,
        }
        for each in reversed(by_part.values())
    ]


def drop_non_finite(value: Any) -> Any:
    """Return a JSON value in which each number that JSON cannot carry is null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): drop_non_finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [drop_non_finite(item) for item in value]
    return value


_SENTENCES = {"type": "array", "items": {"type": "string"}, "minItems": 1}


def make_envelope_schema(operations: Sequence[Operation]) -> dict[str, Any]:
    """Return the JSON Schema of the envelopes, with the options of each operation under ``$defs``."""
    names = [operation.name for operation in operations]
    workflow = {"type": ["string", "null"], "description": "a session's id, a pattern, or null for all"}
    number = {"type": ["number", "null"]}
    success = {
        "type": "object",
        "required": [
            "status", "operation", "workflow_id", "timestamp", "result", "metrics", "next_steps", "degraded",
        ],
        "additionalProperties": False,
        "properties": {
            "status": {"const": SUCCESS},
            "operation": {"enum": names},
            "workflow_id": workflow,
            "timestamp": {"type": "string", "format": "date-time"},
            "result": {
                "type": "object",
                "required": ["performance_data", "analysis_results", "recommendations"],
                "additionalProperties": False,
                "properties": {
                    "performance_data": {"type": "object"},
                    "analysis_results": {
                        "type": "object",
                        "required": ["summary"],
                        "properties": {"summary": _SENTENCES},
                    },
                    "recommendations": {"type": "array", "items": {"$ref": "#/$defs/recommendation"}},
                },
            },
            "metrics": {
                "type": "object",
                "required": [
                    "monitoring_overhead", "data_collection_time", "analysis_accuracy",
                    "analysis_age_seconds", "reasons",
                ],
                "additionalProperties": False,
                "properties": {
                    "monitoring_overhead": number,
                    "data_collection_time": {"type": "number", "minimum": 0},
                    "analysis_accuracy": {**number, "minimum": 0, "maximum": 1},
                    "analysis_age_seconds": {"type": "object", "additionalProperties": {"type": "number"}},
                    "reasons": {"type": "object", "additionalProperties": {"type": "string", "minLength": 1}},
                },
            },
            "next_steps": {"type": "array", "items": {"type": "string"}},
            "degraded": {"type": "array", "items": {"$ref": "#/$defs/degraded"}},
        },
    }  # fmt: skip
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Answer of an operation",
        "oneOf": [success, _make_error_schema(names, workflow)],
        "$defs": {
            "recommendation": _RECOMMENDATION,
            "degraded": {
                "type": "object",
                "required": ["part", "reason", "as_of", "age_seconds"],
                "additionalProperties": False,
                "properties": {
                    "part": {"type": "string"},
                    "reason": {"type": "string", "minLength": 1},
                    "as_of": {"type": ["string", "null"], "format": "date-time"},
                    "age_seconds": number,
                },
            },
            "options": {operation.name: operation.to_options_schema() for operation in operations},
        },
    }


_RECOMMENDATION: dict[str, Any] = {
    "type": "object",
    "required": ["text", "rationale", "category", "priority", "effort", "horizon", "expected"],
    "properties": {
        "text": {"type": "string"},
        "rationale": {"type": "string"},
        "category": {"type": ["string", "null"]},
        "priority": {"type": ["string", "null"]},
        "effort": {"type": ["string", "null"]},
        "horizon": {"type": ["string", "null"], "description": "immediate, strategic or experimental"},
        "expected": {"type": "object"},
    },
}


def _make_error_schema(names: Sequence[str], workflow: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["status", "operation", "workflow_id", "error", "fallback_options"],
        "additionalProperties": False,
        "properties": {
            "status": {"const": ERROR},
            "operation": {"enum": [*names]},
            "workflow_id": workflow,
            "error": {
                "type": "object",
                "required": ["code", "message", "details"],
                "additionalProperties": False,
                "properties": {
                    "code": {"enum": [code.value for code in ErrorCode]},
                    "message": {"type": "string", "minLength": 1},
                    "details": {"type": "object"},
                },
            },
            "fallback_options": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["operation", "workflow_id", "options", "reason"],
                    "additionalProperties": False,
                    "properties": {
                        "operation": {"enum": [*names]},
                        "workflow_id": workflow,
                        "options": {"type": "object"},
                        "reason": {"type": "string"},
                    },
                },
            },
        },
    }
