"""Run real clients against the scripted model, and compare each run in Stretto with its script.

``python -m tests.clients.run_clients [CLIENT …]`` (or ``make clients``). Each client gets a home folder of
its own, our hooks, and no network but the loopback. A run is compared three times: by hooks alone, by the
client's history alone, and by both. The clients are installed by npm into ``build/clients``.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.clients.client_table import CLIENTS, Client, Expected
from tests.clients.plugin_run import run_plugin
from tests.clients.scripted_model import CACHED, INPUT, OUTPUT, ScriptedModel

ROOT = Path(__file__).parents[2]
INSTALLED = ROOT / "build" / "clients"

SECONDS = 180
"""Limit of a client's run."""

CLAUDE_CODE = "claude-code"

PLUGIN_RUN = "plugin"
"""The run of the plugin's slash command and of its MCP server, in Claude Code."""

SHORT = ("pi", "opencode", PLUGIN_RUN)
"""The runs of the short form: the clients that are the quickest to install and to run, and the plugin."""


def install_client(client: Client) -> Path:
    """Return the folder of the client's program, installed by npm unless it is there at this version."""
    prefix = INSTALLED / client.package.replace("/", "+")
    if not (prefix / "node_modules" / ".bin" / client.command[0]).exists():
        prefix.mkdir(parents=True, exist_ok=True)
        (prefix / "package.json").write_text("{}", encoding="utf-8")
        subprocess.run(
            ["npm", "install", "--no-audit", "--no-fund", "--prefix", str(prefix), client.package],
            check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip
    return prefix / "node_modules" / ".bin"


def run_client(client: Client, folder: Path) -> Iterator[str]:
    """Run a client in a folder of its own; yield a line on each difference from its script."""
    home, project, state = folder / "home", folder / "project", folder / "state"
    for path in (home, project):
        path.mkdir(parents=True)
    subprocess.run(["git", "init", "-q", str(project)], check=True)
    environ = {
        "PATH": f"{install_client(client)}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(home),
        "STRETTO_STATE": str(state),
        "LANG": "C.UTF-8",
        # A proxy that nobody serves keeps the client off the network.
        **dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), "http://127.0.0.1:9"),
        **dict.fromkeys(("NO_PROXY", "no_proxy"), "127.0.0.1,localhost"),
    }
    run_stretto(environ, "hooks", "install", "--agent", client.name)
    with ScriptedModel(client.script) as model:
        environ |= client.set_up(home, model.address)
        with (folder / "client.log").open("wb") as log:
            ended = subprocess.run(
                client.command, cwd=project, env=environ, stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, timeout=SECONDS, check=False,
            )  # fmt: skip
        requests = model.requests
    if ended.returncode != 0:
        yield f"the client ended with {ended.returncode}"
    if requests != client.expected.requests:
        yield f"{requests} requests instead of {client.expected.requests}"
    alone = {**environ, "STRETTO_STATE": str(folder / "history-state")}
    run_stretto(environ, "rebuild")
    hooked = show_latest(environ)
    run_stretto(alone, "import", str(home / client.history))
    read = show_latest(alone)
    run_stretto(environ, "import", str(home / client.history))
    joined = show_latest(environ)
    for label, document in (("hooks", hooked), ("history", read), ("both", joined)):
        knows_outcomes = client.hooks_know_outcomes or label != "hooks"
        yield from (
            f"{label}: {line}"
            for line in compare(client.expected, document, tokens=label != "hooks", outcomes=knows_outcomes)
        )


def run_stretto(environ: dict[str, str], *arguments: str) -> str | None:
    """Return the answer of a command of ours, or None if it failed."""
    result = subprocess.run(
        [sys.executable, "-m", "stretto", *arguments],
        env={**environ, "PYTHONPATH": str(ROOT / "src")},
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return result.stdout if result.returncode == 0 else None


def show_latest(environ: dict[str, str]) -> dict[str, Any]:
    """Return the only session of a state folder, or the number of its sessions if there is not one."""
    listed = json.loads(run_stretto(environ, "sessions", "--json") or "{}").get("sessions", [])
    if len(listed) != 1:
        return {"sessions": len(listed)}
    document: dict[str, Any] = json.loads(run_stretto(environ, "show", listed[0]["id"], "--json") or "{}")
    return document


def compare(expected: Expected, document: dict[str, Any], *, tokens: bool, outcomes: bool) -> Iterator[str]:
    """Yield each difference of a session from its script."""
    if "sessions" in document:
        yield f"{document['sessions']} sessions instead of 1"
        return
    names = Counter(task["description"] or task["agent"] for task in document.get("tasks", []))
    found = {
        "turns": len(document.get("turns", [])),
        "tasks": names,
        "calls": len(document.get("tool_calls", [])),
    }
    wanted: dict[str, object] = {"turns": 1, "tasks": Counter(expected.tasks), "calls": expected.calls}
    if len(expected.tasks) > 1:
        found["parallel executions"] = len(document.get("fanouts", []))
        wanted["parallel executions"] = 1
    if outcomes:
        found["failed calls"] = sum(c["outcome"] == "failure" for c in document.get("tool_calls", []))
        wanted["failed calls"] = expected.failed
    if tokens:
        counted = document.get("tokens") or {}
        found["tokens"] = [counted.get(kind) for kind in ("input", "cache_read", "output")]
        wanted["tokens"] = [expected.requests * each for each in (INPUT - CACHED, CACHED, OUTPUT)]
    different = [name for name in wanted if found[name] != wanted[name]]
    yield from (f"{name}: {found[name]} instead of {wanted[name]}" for name in different)


def main() -> int:
    """Run the clients that are asked for; return 1 if one differs from its script."""
    parser = argparse.ArgumentParser(prog="make clients", description=__doc__)
    parser.add_argument(
        "clients", nargs="*", choices=[*CLIENTS, PLUGIN_RUN, []], help="the clients to run (all)"
    )
    parser.add_argument("--short", action="store_true", help="only " + " and ".join(SHORT))
    parser.add_argument("--keep", action="store_true", help="keep the folders of the runs")
    options = parser.parse_args()
    names = options.clients or (SHORT if options.short else (*CLIENTS, PLUGIN_RUN))
    failed = False
    for name in names:
        folder = Path(tempfile.mkdtemp(prefix=f"stretto-{name}-"))
        try:
            if name == PLUGIN_RUN:
                host = CLIENTS[CLAUDE_CODE]
                differences = list(run_plugin(host, install_client(host), folder))
            else:
                differences = list(run_client(CLIENTS[name], folder))
        except (OSError, subprocess.SubprocessError) as error:
            differences = [str(error)]
        print(f"{name}: {'as scripted' if not differences else ''}", flush=True)
        for line in differences:
            print(f"  {line}", flush=True)
        failed = failed or bool(differences)
        if differences or options.keep:
            print(f"  kept: {folder}", flush=True)
        else:
            shutil.rmtree(folder, ignore_errors=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
