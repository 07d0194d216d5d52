"""The names that a machine ships as they are: those that agents and Stretto come with, and listed models.

Everybody can read them in a manual, so they reveal nothing about anybody's work. Every other name is hidden
(``hidden_names``).
"""

from __future__ import annotations

from stretto.figures.monitoring_overhead import OverheadPart
from stretto.figures.scores.sums_by_pattern_type_or_agent import (
    ALONE,
    CONFLICT,
    FAILED,
    FINE,
    INTEGRATED,
    PARALLEL,
    UNPLACED,
)
from stretto.figures.selected_test_gain import SUITE_STEPS
from stretto.figures.wall_time_parts import WallPart
from stretto.hook.client.tests_and_written_files import RUNNERS, TARGETS
from stretto.model.call_cost_and_usage_types import CostOrigin
from stretto.model.entities import Tokens
from stretto.model.error_kinds import ErrorKind
from stretto.model.event import Outcome
from stretto.model.message_kinds import MESSAGE_KINDS
from stretto.model.task_delivery_classes import Delivery, WasteReason
from stretto.names import MAIN, NONE, OTHER
from stretto.names.measures import Dimension

_AGENTS = (
    MAIN, "Explore", "Plan", "build", "claude-code-guide", "cli_help", "codebase_investigator", "default",
    "explore", "explorer", "general", "general-purpose", "generalist", "output-style-setup", "plan",
    "statusline-setup", "worker",
)  # fmt: skip
"""The agents that come with clients."""

_TOOLS = (
    "Agent", "ApplyPatch", "AskUserQuestion", "Bash", "BashOutput", "Create", "Edit", "EnterPlanMode",
    "EnterWorktree", "Execute", "ExitPlanMode", "ExitWorktree", "Glob", "Grep", "KillBash", "KillShell", "LS",
    "LSP", "ListMcpResourcesTool", "Monitor", "MultiEdit", "NotebookEdit", "NotebookRead", "Read",
    "ReadMcpResourceTool", "SendMessage", "Skill", "SlashCommand", "Task", "TaskCreate", "TaskGet",
    "TaskList", "TaskOutput", "TaskStop", "TaskUpdate", "TodoWrite", "ToolSearch", "WebFetch", "WebSearch",
    "Write", "apply_patch", "bash", "create", "edit", "exec_command", "find", "glob", "google_web_search",
    "grep", "grep_search", "list", "list_directory", "ls", "read", "read_file", "read_many_files", "replace",
    "run_shell_command", "save_memory", "search_file_content", "shell", "spawn_agent", "str_replace", "task",
    "todoread", "todowrite", "update_plan", "view", "view_image", "wait_agent", "web_fetch", "web_search",
    "webfetch", "websearch", "write", "write_file", "write_stdin", "write_todos",
)  # fmt: skip
"""The tools that come with clients; those of MCP servers are somebody's own."""

_SOURCES = (
    "aider", "claude-code", "cline", "codex", "copilot-cli", "cursor", "droid", "gemini-cli", "goose", "kimi",
    "nextflow", "opencode", "otlp", "pi", "python", "qwen-code", "stretto", "vibe",
)  # fmt: skip

_HOOK_EVENTS = (
    "Notification", "PermissionRequest", "PostToolUse", "PostToolUseFailure", "PreCompact", "PreToolUse",
    "SessionEnd", "SessionStart", "Stop", "SubagentStart", "SubagentStop", "UserPromptSubmit",
)  # fmt: skip
"""The hook events of Claude Code and of clients with its hooks."""

_EVERYWHERE = frozenset({NONE, OTHER, ""})
"""Stretto's words for an absent name and for several names together."""

PUBLIC_NAMES: dict[Dimension, frozenset[str]] = {
    Dimension.AGENT: frozenset(_AGENTS) | _EVERYWHERE,
    Dimension.SENDER: frozenset(_AGENTS) | _EVERYWHERE,
    Dimension.TOOL: frozenset(_TOOLS) | _EVERYWHERE,
    Dimension.SOURCE: frozenset(_SOURCES) | _EVERYWHERE,
    Dimension.FRAMEWORK: frozenset({*RUNNERS.values(), *TARGETS.values()}) | _EVERYWHERE,
    Dimension.CACHE: _EVERYWHERE,
    Dimension.COMMAND: _EVERYWHERE,
    Dimension.EVENT: frozenset(_HOOK_EVENTS) | _EVERYWHERE,
    Dimension.MODEL: _EVERYWHERE,
    Dimension.PATTERN: _EVERYWHERE,
    Dimension.PHASE: _EVERYWHERE,
    Dimension.SCORE: _EVERYWHERE,
    Dimension.TASK_TYPE: _EVERYWHERE,
}
"""Dimension whose values come from outside → the values that are shipped as they are."""

CLOSED_WORDS: dict[Dimension, frozenset[str]] = {
    Dimension.DELIVERY: frozenset(Delivery),
    Dimension.DIRECTION: frozenset({"read", "write"}),
    Dimension.KIND: MESSAGE_KINDS | Tokens().to_counts().keys() | frozenset(ErrorKind) | {NONE, OTHER},
    Dimension.ORIGIN: frozenset(CostOrigin),
    Dimension.OUTCOME: frozenset(Outcome),
    Dimension.PART: frozenset({*WallPart, *OverheadPart}),
    Dimension.PLACE: frozenset({PARALLEL, ALONE, UNPLACED}),
    Dimension.REASON: frozenset({*WasteReason, "eviction", "invalidation"}),
    Dimension.RESULT: frozenset({INTEGRATED, CONFLICT, FAILED, FINE, "hit", "miss", "passed"}),
    Dimension.SUITE: SUITE_STEPS,
}
"""Dimension whose every value is a word of Stretto → these words, of all measures together."""

CLOSED_DIMENSIONS = frozenset({*CLOSED_WORDS, Dimension.BUCKET})
"""Dimensions whose every value is a word of Stretto or a number."""
