"""Render docs/frameworks.md: what each Python framework reports by OTLP, as its recordings show it.

``python -m tests.corpus.framework_page`` writes the page. A test compares it with the recordings' table.
"""

# ruff: noqa: E501  # rows of a table and paragraphs of a page

from __future__ import annotations

from typing import NamedTuple

from tests.corpus.test_invariance import TRUTHS, Truth
from tests.fakes import ROOT

PAGE = ROOT / "docs" / "frameworks.md"


class Guide(NamedTuple):
    """How to observe a framework."""

    title: str
    install: str
    recording: str
    """The recording of ``TRUTHS`` whose figures are shown."""
    lost: str


GUIDES = (
    Guide("pydantic-ai", "nothing: `Agent.instrument_all()`", "pydantic-ai/par", "agents that no span has in common are sessions of their own: put `stretto.session` or a span around them"),
    Guide("LangGraph, OpenInference", "`openinference-instrumentation-langchain`", "langgraph-openinference/par", "a node that runs alone is a step, not a task"),
    Guide("LangGraph, Traceloop", "`opentelemetry-instrumentation-langchain`", "langgraph-traceloop/par", "cancelled model calls are reported as good ones"),
    Guide("OpenAI Agents, OpenInference", "`openinference-instrumentation-openai-agents`", "openai-agents-openinference/par", ""),
    Guide("OpenAI Agents, Traceloop", "`opentelemetry-instrumentation-openai-agents`", "openai-agents-traceloop/par", ""),
    Guide("Strands", "nothing: its own tracer", "strands/graph", ""),
    Guide("Microsoft Agent Framework", "nothing: its own tracer", "agent-framework/concurrent", ""),
    Guide("Google ADK", "nothing: its own tracer", "google-adk/par", "a team of agents is a task around its members"),
    Guide("smolagents", "`openinference-instrumentation-smolagents`", "smolagents/par", "an agent that fails has no span"),
    Guide("CrewAI", "`openinference-instrumentation-crewai`", "crewai/par", "model calls need an instrumentation of the model's client"),
    Guide("LlamaIndex", "`openinference-instrumentation-llama-index`", "llamaindex/par", "tasks have the names of workflow steps"),
    Guide("Haystack", "`openinference-instrumentation-haystack`", "haystack/par", "no names of agents, no model calls"),
    Guide("AutoGen", "nothing: its own tracer", "autogen/tools", "no model calls"),
    Guide("AutoGen, GraphFlow", "nothing: its own tracer", "autogen/graph", "no model calls; the 22 traces of the run are one session, since span links join them (Semantic Kernel's runtime does the same, and was not run here)"),
    Guide("Prefect", "nothing: its own tracer", "prefect/par", "model calls need an instrumentation of the model's client"),
    Guide("Celery", "`opentelemetry-instrumentation-celery`", "celery/workers+lead", "send the lead and the workers to the same place"),
)  # fmt: skip

INTRO = """# Python frameworks

Send a program's OpenTelemetry spans to Stretto, and its agents become tasks. Without a line of code, on this machine:

```
opentelemetry-instrument python app.py
```

(`pip install opentelemetry-instrumentation` and the framework's package below.) To a service elsewhere, or with an SDK that
the program sets up itself:

```
OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:9464 OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf python app.py
```

or run `stretto up --otlp-ports` and set nothing. This page is made from recordings of real frameworks with a scripted
model; each figure is a test, whatever requests the spans come in. Three workers ran side by side in each recording.

| framework | install | at once | model calls | input tokens |
| --- | --- | --- | --- | --- |
"""

OUTRO = """
## Others

Airflow's `worker.X` spans and Ray's `ray.remote_worker` spans are tasks too. Not run here: they are read by their
attributes. DSPy carries no context into its threads: its agents are sessions of their own.

Any other program: give the span around an agent's work the attributes `gen_ai.operation.name = invoke_agent` and
`gen_ai.agent.name`, or use [the Python API](api.md).
"""

ABSENT = "absent"


def render_page() -> str:
    """Return the page: a table, and a section for each framework."""
    return INTRO + "".join(map(_render_row, GUIDES)) + "".join(map(_render_section, GUIDES)) + OUTRO


def _render_row(guide: Guide) -> str:
    truth = TRUTHS[guide.recording]
    cells = (
        f"[{guide.title}](#{_make_anchor(guide.title)})",
        guide.install,
        " and ".join(map(str, truth.widths)),
        str(truth.model_calls) if truth.model_calls else ABSENT,
        str(truth.input_tokens) if truth.input_tokens else ABSENT,
    )
    return f"| {' | '.join(cells)} |\n"


def _make_anchor(title: str) -> str:
    return "".join(c for c in title.lower().replace(" ", "-") if c.isalnum() or c in "-_")


def _render_section(guide: Guide) -> str:
    truth = TRUTHS[guide.recording]
    tasks = ", ".join(f"`{name}`" for name in sorted(set(truth.agents.split())))
    lines = [
        f"- **Install:** {guide.install}.",
        f"- **You get:** tasks {tasks}; {' and '.join(map(str, truth.widths))} at once; {_describe_models(truth)}.",
    ]
    failing = TRUTHS.get(f"{guide.recording.partition('/')[0]}/fail")
    if failing is not None:
        failed = ", ".join(f"`{name}`" for name in sorted(set(failing.failed.split()))) or "none is reported"
        lines.append(
            f"- **When a worker fails:** failed or cancelled tasks: {failed}; the session: {failing.outcome}."
        )
    lines.append(f"- **Lost, or other than you expect:** {guide.lost or 'nothing that is known'}.")
    return f"\n## {guide.title}\n\n" + "\n".join(lines) + "\n"


def _describe_models(truth: Truth) -> str:
    if not truth.model_calls:
        return "no model calls and no tokens"
    tokens = (
        f"{truth.input_tokens} input tokens beside those of the cache" if truth.input_tokens else "no tokens"
    )
    return f"{truth.model_calls} model calls with {tokens}"


if __name__ == "__main__":
    PAGE.write_text(render_page(), encoding="utf-8")
