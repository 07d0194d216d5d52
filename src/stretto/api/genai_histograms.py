"""The conventions' histograms: durations of agents' runs, tool calls and model calls, and tokens."""

from __future__ import annotations

from functools import cache

from opentelemetry.metrics import Histogram, get_meter

from stretto.api.span_block import AGENT_NAME, ERROR_TYPE, Attributes
from stretto.names import API_SCOPE


@cache
def get_run_histograms() -> tuple[Histogram, Histogram]:
    """Return the histograms for tasks and for tool calls, from the present or a future meter provider."""
    meter = get_meter(API_SCOPE)
    return (
        meter.create_histogram(
            "gen_ai.invoke_agent.duration",
            unit="s",
            description="How long an agent's run took.",
            explicit_bucket_boundaries_advisory=[0.1 * 2**step for step in range(13)],
        ),
        meter.create_histogram(
            "gen_ai.execute_tool.duration",
            unit="s",
            description="How long a tool call took.",
            explicit_bucket_boundaries_advisory=[0.01 * 2**step for step in range(14)],
        ),
    )


@cache
def get_model_call_histograms() -> tuple[Histogram, Histogram]:
    """Return the conventions' histograms for the duration of model calls and for their tokens."""
    meter = get_meter(API_SCOPE)
    return (
        meter.create_histogram(
            "gen_ai.client.operation.duration",
            unit="s",
            description="How long a request to a model took.",
            explicit_bucket_boundaries_advisory=[0.01 * 2**step for step in range(14)],
        ),
        meter.create_histogram(
            "gen_ai.client.token.usage",
            unit="{token}",
            description="How many tokens a request to a model used.",
            explicit_bucket_boundaries_advisory=[4.0**step for step in range(14)],
        ),
    )


def describe_run(agent: str | None, fault: str | None) -> Attributes:
    """Return the attributes of a measured run: whose it was, and the class of its error."""
    attributes: Attributes = {}
    if agent is not None:
        attributes[AGENT_NAME] = agent
    if fault is not None:
        attributes[ERROR_TYPE] = fault
    return attributes
