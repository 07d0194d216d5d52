"""The commands of operations: a verb for each, with a line of help."""

from __future__ import annotations

from stretto.cli.gate_profile_and_feature_options import AddCommand, Commands

OPERATION_HELP = {
    "monitor": "watch execution, resources and agents of now",
    "live-metrics": "read the figures of the last hour, day or week",
    "dashboard": "see the state at a glance: verdicts, scores, sessions, findings",
    "alerts": "list what is beyond its limit, and what Alertmanager sent",
    "trends": "see which way lengths, failures and spending go, and which hours differ",
    "patterns": "find circumstances that go with success, failure or speed",
    "comparative": "hold a session or pattern against others, its like and its past",
    "regression": "find what got worse or better, since when, by how much and why",
    "efficiency": "score time, resources, quality and workflow, and say which way the score goes",
    "throughput": "count tasks an hour, sessions a day and seconds saved a day",
    "resource-efficiency": "price a delivered task and a saved second: processors, memory, tokens, money",
    "agent-performance": "compare agents by length, success and cost at the same work",
    "bottlenecks": "rank what holds sessions up, with causes and what removing it gives",
    "recommendations": "say what to do first, what it brings, and what earlier advice brought",
    "tune-suggestions": "tell which parts of the score can give the points that miss",
    "capacity-planning": "plan how many agents side by side pay, also once work has grown",
    "predictions": "forecast the next days with ranges, and when running tasks end",
    "execution-analysis": "see where wall time went, and the fastest and slowest tasks",
    "phase-performance": "compare phases by length and success, efficiency for a session; see what fails",
    "task-optimization": "find tasks that cost most, calls too small, and what faster ones give",
    "parallel-efficiency": "measure how well parallel work uses its lanes",
}
"""Operation → its line of help, repeated here so that the parser loads no figures. A test compares them."""

FOLLOWED = ("monitor", "live-metrics", "dashboard")
"""The operations that can answer again and again, repeated here for the same reason."""


def add_mcp(commands: Commands, add_command: AddCommand) -> None:
    """Add ``stretto mcp``."""
    add_command(
        commands,
        "mcp",
        "mcp_command:serve_mcp",
        "serve operations, sessions and findings to an MCP client on the standard streams",
        json=False,
    )


def add_operations(commands: Commands, add_command: AddCommand) -> None:
    """Add a verb for each operation."""
    for name, text in OPERATION_HELP.items():
        command = add_command(commands, name, "ask_operation_command:run_operation", text)
        command.set_defaults(operation=name)
        command.add_argument(
            "workflow",
            nargs="?",
            metavar="SESSION|PATTERN",
            help="a session's id or the beginning of it, 'last', or a pattern; all without",
        )
        command.add_argument(
            "--options", default="{}", metavar="JSON", help="options as a JSON object (docs/operations.md)"
        )
        command.add_argument(
            "--at", metavar="WHEN", help="as it was then: 24h (ago), 2026-11-20, or an RFC 3339 time (now)"
        )
        if name in FOLLOWED:
            command.add_argument(
                "--follow", action="store_true", help="answer again and again, until Ctrl-C, a JSON line each"
            )
