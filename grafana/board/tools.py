"""Tools, hooks and resources: what the agents wait for, and what they take of models and machine."""

from __future__ import annotations

from grafana.board.board import Board, Row
from grafana.board.limit import ANY, INFO, steps
from grafana.board.link import BoardId, Link
from grafana.board.panel import Column, Unit, bars, limit, lines, stat, table
from grafana.board.query import increase, largest, most, part, quantile, rate, ratio, series, share, total

from stretto.names import Label


def _at(name: str, stat: str, *by: Label) -> str:
    return largest(series(name, stat=stat), *by)


_TOOLS = Row(
    "Tools",
    (
        table(
            "Tools",
            "Calls, outcomes and times of every tool, and how much of the critical paths it was.",
            "Which tool holds the agents up?",
            {Label.TOOL: "Tool"},
            Column("Calls", total(series("window_tool_calls"), Label.TOOL), Unit.COUNT),
            Column("Success", largest(series("tool_success_ratio"), Label.TOOL), Unit.RATIO, high=1),
            Column("Time, median", _at("tool_duration_quantile_seconds", "p50", Label.TOOL), Unit.SECONDS),
            Column(
                "Time, p95",
                _at("tool_duration_quantile_seconds", "p95", Label.TOOL),
                Unit.SECONDS,
                steps("tool_duration_seconds"),
            ),
            Column("Time, p99", _at("tool_duration_quantile_seconds", "p99", Label.TOOL), Unit.SECONDS),
            Column(
                "On the critical path", total(series("critical_path_tool_seconds"), Label.TOOL), Unit.SECONDS
            ),
            Column("Slack", largest(series("slack_tool_seconds"), Label.TOOL), Unit.SECONDS),
            links=(Link(BoardId.TOOLS, "This tool only", Label.TOOL),),
        ),
        lines(
            "Tool time, p95",
            "Nineteen of twenty calls of a tool took no longer.",
            "Which tool became slow, and since when?",
            Unit.SECONDS,
            {"{{tool}}": most(10, _at("tool_duration_quantile_seconds", "p95", Label.TOOL))},
            limit("tool_duration_seconds", "warning"),
            limit("tool_duration_seconds", "critical"),
        ),
        lines(
            "Tool failures",
            "Calls that failed over those whose outcome is known.",
            "Which tool fails, and since when?",
            Unit.RATIO,
            {"{{tool}}": most(10, share("window_tool_calls", "failure", Label.TOOL))},
            high=1,
        ),
        lines(
            "Tool calls",
            "Calls that ended per second, counted live.",
            "How busy are the tools right now?",
            Unit.PER_SECOND,
            {"{{tool}}": most(10, total(rate("tool_calls_total"), Label.TOOL))},
            width=8,
        ),
        lines(
            "Tool time, live p95",
            "Calls that ended since the service started.",
            "Is a tool slow right now?",
            Unit.SECONDS,
            {"{{tool}}": quantile(0.95, "tool_duration_seconds", Label.TOOL)},
            limit("tool_duration_seconds", "warning"),
            limit("tool_duration_seconds", "critical"),
            width=8,
        ),
        lines(
            "Task time, live p95",
            "Tasks that ended since the service started, by type.",
            "Which kind of work is slow right now?",
            Unit.SECONDS,
            {"{{task_type}}": quantile(0.95, "task_duration_seconds", Label.TASK_TYPE)},
            width=8,
        ),
    ),
)

_HOOKS = Row(
    "Hooks",
    (
        lines(
            "Time around tool calls",
            "Neither execution nor a person's: hooks, mostly. Median, p95 and p99.",
            "Do hooks slow the agents down?",
            Unit.SECONDS,
            {"{{stat}}": largest(series("overhead_quantile_seconds"), Label.STAT)},
            limit("overhead_seconds", "warning"),
            limit("overhead_seconds", "critical"),
        ),
        lines(
            "Time in hooks",
            "How long an agent waited for its hooks, as the agent itself measured it.",
            "How much of the time around calls is the hooks' own?",
            Unit.SECONDS,
            {"{{stat}}": largest(series("hook_duration_quantile_seconds"), Label.STAT)},
        ),
    ),
)

_MODELS = Row(
    "Models and tokens",
    (
        table(
            "Models",
            "Calls, times, tokens and cost of every model.",
            "What does each model do for its price?",
            {Label.MODEL: "Model"},
            Column("Calls", total(series("window_model_calls"), Label.MODEL), Unit.COUNT),
            Column("Success", share("window_model_calls", "success", Label.MODEL), Unit.RATIO, high=1),
            Column("Time, p95", _at("model_duration_quantile_seconds", "p95", Label.MODEL), Unit.SECONDS),
            Column("Tokens", total(series("window_tokens"), Label.MODEL), Unit.COUNT),
            Column(
                "Cache reads",
                largest(series("cache_read_ratio"), Label.MODEL),
                Unit.RATIO,
                steps("cache_read_ratio", low=True, of=INFO),
                high=1,
            ),
            Column("Cost", total(series("window_cost_usd"), Label.MODEL), Unit.MONEY),
            Column("Unpriced", total(series("window_unpriced_model_calls"), Label.MODEL), Unit.COUNT, ANY),
            links=(Link(BoardId.TOOLS, "This model only", Label.MODEL),),
        ),
        lines(
            "Tokens by kind",
            "Tokens that model calls used per second, counted live.",
            "What are tokens spent on?",
            Unit.PER_SECOND,
            {"{{kind}}": total(rate("tokens_total"), Label.KIND)},
            width=8,
            stacked=True,
        ),
        lines(
            "Cost per hour",
            "What model calls cost in the hour before each instant, where the price is known; counted live.",
            "What does running the agents cost?",
            Unit.MONEY,
            {"{{model}}": total(increase("cost_usd_total", "1h"), Label.MODEL)},
            width=8,
            stacked=True,
        ),
        lines(
            "Model time, live p95",
            "From a request to the end of its answer, of calls that ended since the service started.",
            "Is a model slow right now?",
            Unit.SECONDS,
            {"{{model}}": quantile(0.95, "model_duration_seconds", Label.MODEL)},
            width=8,
        ),
        lines(
            "First token, p95",
            "From a request to the answer's first token, where the source tells.",
            "How long does a model let an agent wait before it says anything?",
            Unit.SECONDS,
            {"{{model}}": largest(series("first_token_quantile_seconds", stat="p95"), Label.MODEL)},
            limit("response_seconds", "warning"),
            limit("response_seconds", "critical"),
            width=8,
        ),
        lines(
            "Cache reads",
            "Tokens read from the provider's cache over all tokens read.",
            "Is the provider's cache used?",
            Unit.RATIO,
            {
                "{{model}}": ratio(
                    series("window_cache_read_tokens"), series("window_prompt_tokens"), Label.MODEL
                )
            },
            limit("cache_read_ratio", "info"),
            width=8,
            high=1,
        ),
        bars(
            "Cache hits",
            "Hits over lookups of each reported cache.",
            "Do the caches hold what is asked for?",
            Unit.RATIO,
            part("window_cache_lookups", Label.RESULT, "hit", Label.CACHE),
            legend="{{cache}}",
            steps=steps("cache_hit_ratio", low=True),
            high=1,
        ),
        table(
            "Caches",
            "Lookups, entries and removals of each reported cache.",
            "Is a cache too small, or thrown away too often?",
            {Label.CACHE: "Cache"},
            Column("Lookups", total(series("window_cache_lookups"), Label.CACHE), Unit.COUNT),
            Column("Entries", largest(series("cache_entries"), Label.CACHE), Unit.COUNT),
            Column(
                "Removed",
                total(series("window_cache_removals"), Label.CACHE),
                Unit.COUNT,
            ),
            width=8,
            height=8,
        ),
    ),
)

_MACHINE = Row(
    "Machine",
    (
        stat(
            "Processors now",
            "Processors in use by the agents' process trees.",
            "How much of the machine do agents take now?",
            Unit.PLAIN,
            largest(series("agents_cpu")),
            decimals=1,
        ),
        stat(
            "Memory left",
            "Memory of the machine that is free for use now.",
            "Is there room for more agents?",
            Unit.BYTES,
            largest(series("machine_memory_available_bytes")),
            steps=steps("memory_available_bytes", low=True),
            width=6,
        ),
        stat(
            "Mean processors",
            "Processor time of the agents over the time they were sampled.",
            "How many processors does a session keep busy?",
            Unit.PLAIN,
            ratio(series("window_agents_cpu_seconds"), series("window_sampled_seconds")),
            decimals=2,
        ),
        bars(
            "Disk",
            "Bytes that agents read from and wrote to disk in the window.",
            "Do agents wear the disk out?",
            Unit.BYTES,
            total(series("window_agents_io_bytes"), Label.DIRECTION),
            legend="{{direction}}",
            width=10,
            height=5,
        ),
        lines(
            "Machine busy while agents ran",
            "Share of the machine's processors that was busy.",
            "Is the machine the bottleneck?",
            Unit.RATIO,
            {
                "busy": ratio(
                    series("window_machine_busy_seconds"), series("window_machine_available_seconds")
                )
            },
            limit("machine_cpu_ratio", "warning"),
            width=8,
            high=1,
        ),
        lines(
            "Memory over time",
            "Resident memory of the agents' process trees, and what the machine has left.",
            "When will memory run out?",
            Unit.BYTES,
            {
                "agents": largest(series("agents_memory_bytes")),
                "left": largest(series("machine_memory_available_bytes")),
            },
            limit("memory_available_bytes", "warning"),
            limit("memory_available_bytes", "critical"),
            width=8,
        ),
        lines(
            "Processors by session",
            "Processors in use by one session's process tree: median, p95 and p99.",
            "How many processors does a session need at its peak?",
            Unit.PLAIN,
            {"{{stat}}": largest(series("agents_cpu_quantile"), Label.STAT)},
            width=8,
        ),
        lines(
            "Memory by session",
            "Resident memory of one session's process tree: median, p95 and p99.",
            "How much memory does a session need at its peak?",
            Unit.BYTES,
            {"{{stat}}": largest(series("agents_memory_quantile_bytes"), Label.STAT)},
            width=8,
        ),
    ),
)

TOOLS = Board(
    id=BoardId.TOOLS,
    title="Stretto / Tools, hooks and resources",
    asks="What do agents wait for, and what do they take of models and machine?",
    rows=(_TOOLS, _HOOKS, _MODELS, _MACHINE),
)
