"""Run the plugin in the real Claude Code: its slash command, and a tool of its MCP server."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.clients.client_table import Client, call, set_up_claude_code
from tests.clients.scripted_model import Script, ScriptedModel, Step
from tests.test_plugin import fill_command_line

ROOT = Path(__file__).parents[2]
PLUGIN = ROOT / "deploy" / "claude-code-plugin"
RECORDING = ROOT / "src" / "stretto" / "demo" / "fanout.jsonl"

SERVER = "mcp__plugin_stretto_stretto"
"""The plugin's server of tools, as the client names it."""

OPERATION = "parallel-efficiency"
OPTIONS = {"time_range": "7_days"}

SECONDS = 180


def run_plugin(client: Client, programs: Path, folder: Path) -> Iterator[str]:
    """Run the slash command in a folder of its own; yield a line on each difference from what it should do.

    The model is scripted: it runs the command line that the slash command's own text asks for, then the tool
    of the same name. Only the front matter of the slash command allows that command line.
    """
    home, project, ours = folder / "home", folder / "project", folder / "bin"
    for path in (home, project, ours):
        path.mkdir(parents=True)
    program = ours / "stretto"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m stretto "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    environ = {
        "PATH": f"{ours}{os.pathsep}{programs}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT / "src"),
        "HOME": str(home),
        "STRETTO_STATE": str(folder / "state"),
        "LANG": "C.UTF-8",
        **dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), "http://127.0.0.1:9"),
        **dict.fromkeys(("NO_PROXY", "no_proxy"), "127.0.0.1,localhost"),
    }
    subprocess.run([program, "import", RECORDING], env=environ, check=True, capture_output=True)
    listed = subprocess.run([program, "sessions", "--json"], env=environ, check=True, capture_output=True)
    # Not "last": that is the session of this very client, which goes on between both answers.
    (session,) = (each["id"] for each in json.loads(listed.stdout)["sessions"])
    script = Script(
        [
            follow_slash_command,
            [call(f"{SERVER}__{OPERATION}", workflow=session, options=OPTIONS)],
            [{"text": "all done"}],
        ],
        mark=f"arguments are: {OPERATION}",
    )
    with ScriptedModel(script) as model:
        environ |= set_up_claude_code(home, model.address)
        line = f"/stretto:performance-monitor {OPERATION} {session} {json.dumps(OPTIONS)}"
        words = [
            client.command[0], "-p", line,
            "--plugin-dir", str(PLUGIN), "--allowedTools", SERVER,
            "--output-format", "stream-json", "--verbose",
        ]  # fmt: skip
        ended = subprocess.run(
            words, cwd=project, env=environ, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=SECONDS, check=False,
        )  # fmt: skip
        requests = model.requests
    (folder / "client.log").write_text(ended.stdout + ended.stderr, encoding="utf-8")
    if ended.returncode != 0:
        yield f"the client ended with {ended.returncode}"
    if requests != len(script.main):
        yield f"{requests} requests instead of {len(script.main)}"
    yield from compare_answers(list_answers(ended.stdout))


def follow_slash_command(texts: list[str]) -> list[Step]:
    """Return the call that the text of the slash command asks for, as the client sent it to the model."""
    body = next(text for text in texts if "The arguments are: " in text)
    (arguments,) = re.findall(r"The arguments are: (.+)", body)
    # Its first rule: the operation, the workflow, and a JSON object at the end.
    operation, workflow, options = arguments.split(" ", 2)
    words = fill_command_line(body, operation, workflow, options)
    return [call("Bash", command=shlex.join(["stretto", *words]), description="x")]


def list_answers(output: str) -> list[dict[str, Any]]:
    """Return the envelopes in the results of the tools that the client ran, in their order."""
    answers = []
    for line in output.splitlines():
        entry = json.loads(line) if line.startswith("{") else {}
        content = entry.get("message", {}).get("content", []) if entry.get("type") == "user" else []
        for part in content if isinstance(content, list) else []:
            text = part.get("content") if part.get("type") == "tool_result" else None
            if isinstance(text, list):
                text = "".join(piece.get("text", "") for piece in text)
            if isinstance(text, str) and "{" in text:
                # A command may report the progress of an import first.
                answers.append(json.loads(text[text.index("{") :]))
    return answers


def compare_answers(answers: list[dict[str, Any]]) -> Iterator[str]:
    """Yield what is wrong with the answers of command line and tool: they are equal but for their moment."""
    if len(answers) != 2:  # the command line and the tool
        yield f"{len(answers)} answers instead of 2"
        return
    stripped = [
        {name: value for name, value in answer.items() if name not in {"timestamp", "metrics"}}
        for answer in answers
    ]
    if stripped[0] != stripped[1]:
        yield "the command line and the tool answer differently"
    fanouts = stripped[0].get("result", {}).get("performance_data", {}).get("fanouts") or []
    if len(fanouts) != 1:
        yield f"{len(fanouts)} parallel executions instead of 1"
