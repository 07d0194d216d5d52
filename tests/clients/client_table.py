"""The real clients that are run: their versions, how each is set up, its script and what must come of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.clients.scripted_model import Script, Step

PROMPT = "MAINJOB please"


@dataclass(frozen=True)
class Expected:
    """What the script determines."""

    tasks: tuple[str, ...]
    """The names of the agents, as descriptions or kinds."""
    calls: int
    failed: int
    requests: int


@dataclass(frozen=True)
class Client:
    """A real client: how it is installed, set up and run, and what must come of it."""

    name: str
    package: str
    script: Script
    expected: Expected
    set_up: Callable[[Path, str], dict[str, str]]
    """(home, model's address) → the environment of the run."""
    command: tuple[str, ...]
    history: str
    """The folder of its histories in the home."""
    hooks_know_outcomes: bool = True


def call(tool: str, **order: Any) -> Step:
    """Return a step that calls a tool."""
    return {"tool": tool, "input": order}


def make_script(shell: str, read: Step, delegate: Callable[[str], Step] | None, **extra: Any) -> Script:
    """Return the common script: three calls at once, one of them failing, a failing command, two agents."""

    def run(command: str) -> Step:
        return call(shell, command=command, **extra)

    main = [[{"text": "go"}, run("sleep 0.4; echo a"), run("sleep 0.8; echo b"), read], [run("false")]]
    if delegate is None:
        return Script(main=[*main, [{"text": "all done"}]])
    subagents = {
        "alpha": [[run("sleep 0.6; echo a1")], [{"text": "alpha done"}]],
        "beta": [[run("sleep 0.3; false")], [{"text": "beta done"}]],
    }
    return Script([*main, [delegate("alpha"), delegate("beta")], [{"text": "all done"}]], subagents)


def write_json(path: Path, value: object) -> None:
    """Write a settings file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), encoding="utf-8")


def set_up_pi(home: Path, address: str) -> dict[str, str]:
    """Point Pi at the model."""
    model = {"id": "m1", "name": "m1", "contextWindow": 100000, "maxTokens": 4096, "input": ["text"]}
    provider = {
        "baseUrl": f"{address}/v1", "apiKey": "x", "api": "openai-completions", "models": [model],
    }  # fmt: skip
    write_json(home / ".pi" / "agent" / "models.json", {"providers": {"local": provider}})
    return {"PI_OFFLINE": "1"}


def set_up_opencode(home: Path, address: str) -> dict[str, str]:
    """Point opencode at the model."""
    provider = {
        "npm": "@ai-sdk/openai-compatible",
        "name": "local",
        "options": {"baseURL": f"{address}/v1", "apiKey": "x"},
        "models": {"m1": {"name": "m1", "tool_call": True, "limit": {"context": 100000, "output": 4096}}},
    }
    settings = {"provider": {"local": provider}, "model": "local/m1", "small_model": "local/m1"}
    write_json(home / ".config" / "opencode" / "opencode.json", {**settings, "permission": {"*": "allow"}})
    return {"OPENCODE_DISABLE_AUTOUPDATE": "1", "OPENCODE_DISABLE_MODELS_FETCH": "1"}


def set_up_codex(home: Path, address: str) -> dict[str, str]:
    """Point Codex at the model; the run's option trusts the hooks."""
    lines = [
        'model_provider = "local"', "[model_providers.local]", 'name = "local"',
        f'base_url = "{address}/v1"', 'wire_api = "responses"', 'env_key = "LOCAL_KEY"',
    ]  # fmt: skip
    (home / ".codex").mkdir(parents=True, exist_ok=True)
    (home / ".codex" / "config.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return {"LOCAL_KEY": "x"}


def set_up_qwen(_: Path, address: str) -> dict[str, str]:
    """Point Qwen Code at the model."""
    return {"OPENAI_BASE_URL": f"{address}/v1", "OPENAI_API_KEY": "x", "OPENAI_MODEL": "qwen3-coder-plus"}


def set_up_copilot(_: Path, address: str) -> dict[str, str]:
    """Point Copilot at the model; offline it needs no login."""
    return {
        "COPILOT_OFFLINE": "true",
        "COPILOT_PROVIDER_BASE_URL": f"{address}/v1",
        "COPILOT_MODEL": "gpt-5.4",
        "COPILOT_PROVIDER_API_KEY": "x",
        "COPILOT_AUTO_UPDATE": "false",
        "COPILOT_ALLOW_ALL": "true",
    }


def set_up_gemini(home: Path, address: str) -> dict[str, str]:
    """Point Gemini CLI at the model."""
    path = home / ".gemini" / "settings.json"
    settings = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    settings |= {"security": {"auth": {"selectedType": "gemini-api-key"}}}
    write_json(path, settings)
    return {"GEMINI_API_KEY": "x", "GOOGLE_GEMINI_BASE_URL": address, "GEMINI_CLI_NO_RELAUNCH": "1"}


def set_up_claude_code(_: Path, address: str) -> dict[str, str]:
    """Point Claude Code at the model."""
    return {
        "ANTHROPIC_BASE_URL": address,
        "ANTHROPIC_API_KEY": "x",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "DISABLE_AUTOUPDATER": "1",
        # A superuser may then skip the questions about permissions.
        "IS_SANDBOX": "1",
    }


def _delegate_codex(name: str) -> Step:
    step = call("spawn_agent", message=f"SUBTASK {name}: work", agent_type="explorer")
    return {**step, "namespace": "multi_agent_v1"}


def make_codex_script() -> Script:
    """Return the script in the tools of Codex's multi-agent v1; a sleep stands for the wait."""

    def run(command: str) -> Step:
        return call("exec_command", cmd=command)

    main = [
        [{"text": "go"}, run("sleep 0.4; echo a"), run("sleep 0.8; echo b"), run("ls /nonexistent-dir")],
        [run("false")],
        [_delegate_codex("alpha"), _delegate_codex("beta")],
        [run("sleep 5")],
        [{"text": "all done"}],
    ]
    subagents = {
        "alpha": [[run("sleep 0.6; echo a1")], [{"text": "alpha done"}]],
        "beta": [[run("sleep 0.3; false")], [{"text": "beta done"}]],
    }
    return Script(main, subagents)


CLIENTS = {
    client.name: client
    for client in (
        Client(
            "pi",
            "@mariozechner/pi-coding-agent@0.73.1",
            make_script("bash", call("read", path="/nothere"), None),
            Expected((), 4, 2, 3),
            set_up_pi,
            ("pi", "--provider", "local", "--model", "m1", "--mode", "json", "-p", PROMPT),
            ".pi/agent/sessions",
        ),
        Client(
            "claude-code",
            "@anthropic-ai/claude-code@2.1.332",
            make_script(
                "Bash",
                call("Read", file_path="/nothere.txt"),
                lambda name: call(
                    "Agent", description=f"job {name}", prompt=f"SUBTASK {name}: do it",
                    subagent_type="general-purpose", run_in_background=False,
                ),
                description="x",
            ),
            Expected(("job alpha", "job beta"), 8, 3, 8),
            set_up_claude_code,
            ("claude", "-p", PROMPT, "--output-format", "json", "--dangerously-skip-permissions"),
            ".claude/projects",
        ),
        Client(
            "opencode",
            "opencode-ai@1.18.33",
            make_script(
                "bash",
                call("read", filePath="/nothere.txt"),
                lambda name: call(
                    "task", description=f"job {name}", prompt=f"SUBTASK {name}: do it",
                    subagent_type="general",
                ),
                description="x",
            ),
            Expected(("job alpha", "job beta"), 8, 3, 8),
            set_up_opencode,
            ("opencode", "run", "--auto", "--format", "json", PROMPT),
            ".local/share/opencode",
        ),
        Client(
            "codex",
            "@openai/codex@0.171.0",
            make_codex_script(),
            Expected(("explorer", "explorer"), 9, 3, 9),
            set_up_codex,
            ("codex", "exec", "-m", "gpt-5.2-codex", "--skip-git-repo-check", "--json",
             "--dangerously-bypass-approvals-and-sandbox", "--dangerously-bypass-hook-trust", PROMPT),
            ".codex/sessions",
            hooks_know_outcomes=False,
        ),
        Client(
            "qwen-code",
            "@qwen-code/qwen-code@0.24.4",
            make_script(
                "run_shell_command",
                call("read_file", file_path="/nothere.txt"),
                lambda name: call(
                    "agent", description=f"job {name}", prompt=f"SUBTASK {name}: do it",
                    subagent_type="general-purpose", run_in_background=False,
                ),
                description="x",
                is_background=False,
            ),
            Expected(("job alpha", "job beta"), 8, 3, 8),
            set_up_qwen,
            ("qwen", "--auth-type", "openai", "--yolo", "-p", PROMPT),
            ".qwen/projects",
        ),
        Client(
            "copilot-cli",
            "@github/copilot@1.0.102",
            make_script(
                "bash",
                call("view", path="/nothere.txt"),
                lambda name: call(
                    "task", description=f"job {name}", prompt=f"SUBTASK {name}: do it",
                    agent_type="general-purpose", name=name, mode="sync",
                ),
                description="x", mode="sync", initial_wait=30,
            ),
            Expected(("job alpha", "job beta"), 8, 3, 8),
            set_up_copilot,
            ("copilot", "-p", PROMPT, "--allow-all-tools", "--allow-all-paths", "--output-format", "json"),
            ".copilot/session-state",
        ),
        Client(
            "gemini-cli",
            "@google/gemini-cli@0.61.0",
            make_script(
                "run_shell_command", call("read_file", file_path="nothere.txt"), None, description="x"
            ),
            Expected((), 4, 2, 3),
            set_up_gemini,
            # A named model: the router would ask the scripted model for a score.
            ("gemini", "-m", "gemini-2.5-pro", "--skip-trust", "--yolo", "-p", PROMPT),
            ".gemini/tmp",
        ),
    )
}  # fmt: skip
"""The clients by name."""
