"""The dashboard of tools, hooks and resources: waiting times, model use and machine load."""

from __future__ import annotations

from grafana.board.board import Board, Row
from grafana.board.limit import ANY, INFO, make_steps
from grafana.board.link import BoardId, Link, list_sessions
from grafana.board.panel import LIVE, Column, Unit, draw_limit, make_bars, make_lines, make_stat, make_table
from grafana.board.query import (
    RATE,
    divide_sums,
    join_series,
    max_by,
    measure_increase,
    measure_rate,
    pick_highest,
    select_series,
    share_outcome,
    share_value,
    sum_by,
    take_quantile,
)

from stretto.names import Label


def _take_stat(name: str, stat: str, *by: Label) -> str:
    return max_by(select_series(name, stat=stat), *by)


_TOOLS = Row(
    "Tools",
    (
        make_table(
            "Tools",
            "Calls, outcomes and times of every tool, and how much of the critical paths it was.",
            "Which tool holds the agents up?",
            {Label.TOOL: "Tool"},
            Column("Calls, at least", sum_by(select_series("window_tool_calls"), Label.TOOL), Unit.COUNT),
            Column("Success", max_by(select_series("tool_success_ratio"), Label.TOOL), Unit.RATIO, high=1),
            Column(
                "Time, median", _take_stat("tool_duration_quantile_seconds", "p50", Label.TOOL), Unit.SECONDS
            ),
            Column(
                "Time, p95",
                _take_stat("tool_duration_quantile_seconds", "p95", Label.TOOL),
                Unit.SECONDS,
                make_steps("tool_duration_seconds"),
            ),
            Column(
                "Time, p99", _take_stat("tool_duration_quantile_seconds", "p99", Label.TOOL), Unit.SECONDS
            ),
            Column(
                "On the critical path",
                sum_by(select_series("critical_path_tool_seconds"), Label.TOOL),
                Unit.SECONDS,
            ),
            Column("Slack", max_by(select_series("slack_tool_seconds"), Label.TOOL), Unit.SECONDS),
            links=(Link(BoardId.TOOLS, "This tool only", Label.TOOL), list_sessions(Label.TOOL)),
        ),
        make_lines(
            "Tool time, p95",
            "Nineteen of twenty calls of a tool took no longer.",
            "Which tool became slow, and since when?",
            Unit.SECONDS,
            {"{{tool}}": pick_highest(10, _take_stat("tool_duration_quantile_seconds", "p95", Label.TOOL))},
            draw_limit("tool_duration_seconds", "warning"),
            draw_limit("tool_duration_seconds", "critical"),
        ),
        make_lines(
            "Tool failures",
            "Share of calls with a known outcome that failed.",
            "Which tool fails, and since when?",
            Unit.RATIO,
            {"{{tool}}": pick_highest(10, share_outcome("window_tool_calls", "failure", Label.TOOL))},
            high=1,
        ),
        make_lines(
            "Tool calls",
            f"{LIVE}calls that ended per second; over imported history see Tools.",
            "How busy are the tools right now?",
            Unit.PER_SECOND,
            {"{{tool}}": pick_highest(10, sum_by(measure_rate("tool_calls_total"), Label.TOOL))},
            width=8,
        ),
        make_lines(
            "Tool time, live p95",
            f"{LIVE}how long calls took; over imported history see Tool time, p95.",
            "Is a tool slow right now?",
            Unit.SECONDS,
            {"{{tool}}": take_quantile(0.95, "tool_duration_seconds", Label.TOOL)},
            draw_limit("tool_duration_seconds", "warning"),
            draw_limit("tool_duration_seconds", "critical"),
            width=8,
        ),
    ),
)

_HOOKS = Row(
    "Hooks",
    (
        make_lines(
            "Time around tool calls",
            "Neither execution nor a person's: hooks, mostly. Median, p95 and p99.",
            "Do hooks slow the agents down?",
            Unit.SECONDS,
            {"{{stat}}": max_by(select_series("overhead_quantile_seconds"), Label.STAT)},
            draw_limit("overhead_seconds", "warning"),
            draw_limit("overhead_seconds", "critical"),
        ),
        make_lines(
            "Time in hooks",
            "How long an agent waited for its hooks, as the agent itself measured it: all, by hook event,"
            " and by command where the client times each.",
            "How much of the time around calls is the hooks' own?",
            Unit.SECONDS,
            {
                "{{stat}}": max_by(select_series("hook_duration_quantile_seconds"), Label.STAT),
                "{{event}} p95": max_by(
                    select_series("hook_event_duration_quantile_seconds", stat="p95"), Label.EVENT
                ),
                "{{command}} p95": max_by(
                    select_series("hook_command_duration_quantile_seconds", stat="p95"), Label.COMMAND
                ),
            },
        ),
    ),
)

_MODELS = Row(
    "Models and tokens",
    (
        make_table(
            "Models",
            "Calls, times, tokens and cost of every model. Sums are lower bounds where not all was reported.",
            "What does each model do for its price?",
            {Label.MODEL: "Model"},
            Column("Calls, at least", sum_by(select_series("window_model_calls"), Label.MODEL), Unit.COUNT),
            Column(
                "Success", share_outcome("window_model_calls", "success", Label.MODEL), Unit.RATIO, high=1
            ),
            Column(
                "Time, p95", _take_stat("model_duration_quantile_seconds", "p95", Label.MODEL), Unit.SECONDS
            ),
            Column("Tokens, at least", sum_by(select_series("window_tokens"), Label.MODEL), Unit.COUNT),
            Column(
                "Cache reads",
                max_by(select_series("cache_read_ratio"), Label.MODEL),
                Unit.RATIO,
                make_steps("cache_read_ratio", low=True, of=INFO),
                high=1,
            ),
            Column(
                "Window filled, p95",
                _take_stat("context_fill_quantile", "p95", Label.MODEL),
                Unit.RATIO,
                high=1,
            ),
            Column("Cost, at least", sum_by(select_series("window_cost_usd"), Label.MODEL), Unit.MONEY),
            Column(
                "Unpriced", sum_by(select_series("window_unpriced_model_calls"), Label.MODEL), Unit.COUNT, ANY
            ),
            links=(Link(BoardId.TOOLS, "This model only", Label.MODEL), list_sessions(Label.MODEL)),
        ),
        make_lines(
            "Tokens by kind",
            f"{LIVE}tokens that model calls used per second; over imported history see Models.",
            "What are tokens spent on?",
            Unit.PER_SECOND,
            {"{{kind}}": sum_by(measure_rate("tokens_total"), Label.KIND)},
            width=8,
            stacked=True,
        ),
        make_lines(
            "Cost per hour",
            f"{LIVE}known cost of the hour before each instant; over imported history see Cost over time.",
            "What does running the agents cost?",
            Unit.MONEY,
            {"{{model}}": sum_by(measure_increase("cost_usd_total", "1h"), Label.MODEL)},
            width=8,
            stacked=True,
        ),
        make_lines(
            "Model time, live p95",
            f"{LIVE}from a request to the end of its answer; over imported history see Models.",
            "Is a model slow right now?",
            Unit.SECONDS,
            {"{{model}}": take_quantile(0.95, "model_duration_seconds", Label.MODEL)},
            width=8,
        ),
        make_lines(
            "First token, p95",
            "From a request to the answer's first token, if the source reports it.",
            "How long does a model let an agent wait before it says anything?",
            Unit.SECONDS,
            {"{{model}}": max_by(select_series("first_token_quantile_seconds", stat="p95"), Label.MODEL)},
            draw_limit("response_seconds", "warning"),
            draw_limit("response_seconds", "critical"),
            width=8,
        ),
        make_table(
            "Caches",
            "Lookups, entries and removals of each reported cache.",
            "Is a cache too small, or thrown away too often?",
            {Label.CACHE: "Cache"},
            Column("Lookups", sum_by(select_series("window_cache_lookups"), Label.CACHE), Unit.COUNT),
            Column(
                "Hits",
                share_value("window_cache_lookups", Label.RESULT, "hit", Label.CACHE),
                Unit.RATIO,
                make_steps("cache_hit_ratio", low=True),
                high=1,
            ),
            Column("Saved", sum_by(select_series("window_cache_saved_seconds"), Label.CACHE), Unit.SECONDS),
            Column(
                "Look-up time",
                sum_by(select_series("window_cache_lookup_seconds"), Label.CACHE),
                Unit.SECONDS,
            ),
            Column("Stale, refused", sum_by(select_series("window_cache_refusals"), Label.CACHE), Unit.COUNT),
            Column(
                "Hits lost by size",
                sum_by(select_series("window_cache_evicted_misses"), Label.CACHE),
                Unit.COUNT,
            ),
            Column("Entries", max_by(select_series("cache_entries"), Label.CACHE), Unit.COUNT),
            Column(
                "Bytes",
                max_by(select_series("cache_bytes"), Label.CACHE),
                Unit.BYTES,
                make_steps("cache_bytes"),
            ),
            Column(
                "Removed",
                sum_by(select_series("window_cache_removals"), Label.CACHE),
                Unit.COUNT,
            ),
            width=24,
            height=8,
        ),
    ),
)

_MACHINE = Row(
    "Machine",
    (
        make_stat(
            "Processors",
            "Processors in use by the agents' process trees now, their mean while they were sampled, and"
            " those of the whole machine that are busy now.",
            "How much of the machine do agents take?",
            Unit.PLAIN,
            {
                "machine": max_by(select_series("machine_cpu")),
                "now": max_by(select_series("agents_cpu")),
                "mean": divide_sums(
                    select_series("window_agents_cpu_seconds"), select_series("window_sampled_seconds")
                ),
            },
            decimals=2,
            width=8,
        ),
        make_stat(
            "Memory left",
            "Memory of the machine that is free for use now.",
            "Is there room for more agents?",
            Unit.BYTES,
            max_by(select_series("machine_memory_available_bytes")),
            steps=make_steps("memory_available_bytes", low=True),
            width=6,
        ),
        make_bars(
            "Disk and network",
            "Bytes that agents read from and wrote to disk in the window, and that the machine received and"
            " sent in the time shown.",
            "Do agents wear the disk out?",
            Unit.BYTES,
            join_series(
                (
                    sum_by(select_series("window_agents_io_bytes"), Label.DIRECTION),
                    sum_by(measure_increase("machine_network_bytes"), Label.DIRECTION),
                )
            ),
            legend="{{direction}}",
            width=10,
            height=5,
        ),
        make_lines(
            "Machine busy",
            "Share of the machine's processors that was busy while agents ran, and the agents' part of it;"
            " the load of each core, and the cores that waited for disks, whoever caused it.",
            "Is the machine the bottleneck, a single core, or the disk?",
            Unit.RATIO,
            {
                "core {{core}}": sum_by(
                    f"rate({select_series('machine_core_busy_seconds')}[{RATE}])", Label.CORE
                ),
                "waiting for disks": sum_by(f"rate({select_series('machine_waiting_seconds')}[{RATE}])"),
                "busy": divide_sums(
                    select_series("window_machine_busy_seconds"),
                    select_series("window_machine_available_seconds"),
                ),
                "agents": divide_sums(
                    select_series("window_agents_cpu_seconds"),
                    select_series("window_machine_available_seconds"),
                ),
            },
            draw_limit("machine_cpu_ratio", "warning"),
            width=8,
            high=1,
        ),
        make_lines(
            "Memory over time",
            "Resident memory of the agents' process trees, and what the machine has left.",
            "When will memory run out?",
            Unit.BYTES,
            {
                "agents": max_by(select_series("agents_memory_bytes")),
                "left": max_by(select_series("machine_memory_available_bytes")),
            },
            draw_limit("memory_available_bytes", "warning"),
            draw_limit("memory_available_bytes", "critical"),
            width=8,
        ),
        make_lines(
            "Processors by session",
            "Processors in use by a session's process tree: median, p95 and p99.",
            "How many processors does a session need at its peak?",
            Unit.PLAIN,
            {"{{stat}}": max_by(select_series("agents_cpu_quantile"), Label.STAT)},
            width=8,
        ),
        make_lines(
            "Memory by session",
            "Resident memory of a session's process tree: median, p95 and p99.",
            "How much memory does a session need at its peak?",
            Unit.BYTES,
            {"{{stat}}": max_by(select_series("agents_memory_quantile_bytes"), Label.STAT)},
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
